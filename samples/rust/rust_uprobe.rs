// SPDX-License-Identifier: GPL-2.0

//! Rust user-space probe sample: counts and times the calls of a function, thread by thread.
//!
//! The function is named by a file and the offset of its first instruction there:
//!
//! ```text
//! # insmod rust_uprobe.ko path=/usr/bin/bash offset=0x32ef0
//! # cat /sys/kernel/debug/rust_uprobe/threads
//! # thread entries returns nanoseconds argument result
//! 212 17 17 81944 0x558e2a61c2d0 0x0
//! ```
//!
//! `nanoseconds` is the time between all entries and their returns, calls in between included; the last
//! two are the first argument of the last entry, and what the last call returned.
//!
//! Whoever writes `mine` to the file has only its own process probed from then on, until somebody writes
//! `all`.

use kernel::{
    debugfs::{
        Dir,
        File, //
    },
    fmt,
    fs::Path,
    mm::Mm,
    module_param::StringParam,
    new_mutex,
    prelude::*,
    rbtree::RBTree,
    sync::{
        aref::ARef,
        atomic::{
            Atomic,
            Relaxed, //
        },
        Mutex, //
    },
    task::Pid,
    time::{
        Instant,
        Monotonic, //
    },
    uaccess::UserSliceReader,
    uprobes::{
        Consumer,
        Entry,
        Filtered,
        Location,
        Registers,
        Registration, //
    }, //
};

module! {
    type: Sample,
    name: "rust_uprobe",
    description: "Counts and times the calls of a function in user space",
    license: "GPL",
    params: {
        path: StringParam {
            default: StringParam::EMPTY,
            description: "File that the function is in",
        },
        offset: u64 {
            default: 0,
            description: "Offset of the function's first instruction in the file",
        },
    },
}

/// What is known of one thread.
#[derive(Default)]
struct Figures {
    entries: u64,
    returns: u64,
    nanoseconds: i64,
    argument: usize,
    result: usize,
}

/// What is known of all threads, and whose threads are probed.
#[pin_data]
struct Threads {
    #[pin]
    figures: Mutex<RBTree<Pid, Figures>>,
    /// Hits of threads that there was no memory for.
    lost: Atomic<u64>,
    /// The process that is probed, if it is only one.
    #[pin]
    only: Mutex<Option<ARef<Mm>>>,
}

impl Threads {
    fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            figures <- new_mutex!(RBTree::new()),
            lost: Atomic::new(0),
            only <- new_mutex!(None),
        })
    }

    /// Makes the change to the figures of the current thread. May sleep.
    fn of_current(&self, change: impl FnOnce(&mut Figures)) {
        let thread = current!().pid();
        let mut figures = self.figures.lock();
        if figures.get(&thread).is_none() {
            let first = Figures::default();
            if figures
                .try_create_and_insert(thread, first, GFP_KERNEL)
                .is_err()
            {
                self.lost.fetch_add(1, Relaxed);
            }
        }
        if let Some(figures) = figures.get_mut(&thread) {
            change(figures);
        }
    }

    fn show(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "# thread entries returns nanoseconds argument result")?;
        for (thread, figures) in self.figures.lock().iter() {
            let Figures {
                entries,
                returns,
                nanoseconds,
                argument,
                result,
            } = figures;
            write!(out, "{thread} {entries} {returns} {nanoseconds} ")?;
            writeln!(out, "{argument:#x} {result:#x}")?;
        }
        match self.lost.load(Relaxed) {
            0 => Ok(()),
            lost => writeln!(out, "# {lost} hits were lost: no memory"),
        }
    }
}

#[vtable]
impl Consumer for Threads {
    /// When the call began.
    type Session = Instant<Monotonic>;
    type Filter = Filtered;

    fn entry(&self, registers: &Registers) -> Entry<Self> {
        // A child inherits the breakpoints of its parent, probed or not.
        if !current!().mm().is_some_and(|mm| self.wants(mm)) {
            return Entry::Remove(Filtered);
        }
        self.of_current(|figures| {
            figures.entries += 1;
            figures.argument = registers.argument(0).unwrap_or(0);
        });
        Entry::Keep(Instant::now())
    }

    fn exit(&self, registers: &Registers, _function: usize, began: Instant<Monotonic>) {
        let nanoseconds = began.elapsed().as_nanos();
        self.of_current(|figures| {
            figures.returns += 1;
            figures.nanoseconds += nanoseconds;
            figures.result = registers.return_value();
        });
    }

    fn wants(&self, mm: &Mm) -> bool {
        let only = self.only.lock();
        only.as_ref().is_none_or(|only| core::ptr::eq(mm, &**only))
    }
}

type Probe = Registration<Threads>;

/// What is read from the file in debugfs.
fn show(probe: &Probe, out: &mut fmt::Formatter<'_>) -> fmt::Result {
    probe.consumer().show(out)
}

/// What is written to it.
fn choose(probe: &Probe, text: &mut UserSliceReader) -> Result {
    let mut buffer = [0; 8];
    let text_len = text.len();
    let bytes = buffer.get_mut(..text_len).ok_or(EINVAL)?;
    text.read_slice(bytes)?;
    match bytes.trim_ascii() {
        b"mine" => {
            let mm = current!().mm().map(|mm| ARef::from(&**mm));
            *probe.consumer().only.lock() = mm;
            probe.apply_to_fewer()?;
        }
        b"all" => *probe.consumer().only.lock() = None,
        _ => return Err(EINVAL),
    }
    probe.apply_to_more()
}

#[pin_data]
struct Sample {
    /// Owns the probe. Removing it unregisters that, and waits for threads that are in it.
    #[pin]
    _threads: File<Probe>,
    _folder: Dir,
}

impl kernel::InPlaceModule for Sample {
    fn init(_module: &'static ThisModule) -> impl PinInit<Self, Error> {
        pin_init::pin_init_scope(|| {
            let file = Path::lookup(module_parameters::path.value_ref().as_c_str())?;
            let location = Location::new(file, module_parameters::offset.value())?;
            let probe = Registration::new(location, Threads::new());
            let folder = Dir::new(c"rust_uprobe");

            Ok(try_pin_init!(Self {
                _threads <- folder.read_write_callback_file(c"threads", probe, &show, &choose),
                _folder: folder,
            }? Error))
        })
    }
}
