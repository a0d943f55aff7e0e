// SPDX-License-Identifier: GPL-2.0

//! The list of probes, for `uprobes/list` in debugfs.
//!
//! A reader goes from probe to probe in the order of the tree, and holds no lock between two of
//! them, only a counted reference, so that hits are never kept waiting, nor registrations for
//! longer than one line takes. Probes that come and go meanwhile are listed or are not.

use core::ptr::{
    self,
    NonNull, //
};

use kernel::{
    bindings,
    ffi::{
        c_int,
        c_void, //
    },
    prelude::*,
    seq_file::{
        seq_print,
        SeqFile, //
    },
    sync::rcu_tasks_trace, //
};

use crate::{
    life::ProbeRef,
    mm::{
        rmap::FileMappings,
        Flag,
        Flags,
        Purpose, //
    },
    probe::Probe,
    tree::{
        self,
        InodeId,
        Key, //
    }, //
};

/// Stands for the line above the first probe.
const HEADING: *mut c_void = ptr::without_provenance_mut(1);

/// Before all probes.
const FIRST: Key = Key {
    inode: InodeId::new(ptr::null_mut()),
    offset: i64::MIN,
};

/// Behind all probes.
const END: Key = Key {
    inode: InodeId::new(ptr::without_provenance_mut(usize::MAX)),
    offset: i64::MAX,
};

/// The first probe that is not dying, at or behind `key`.
fn first_from(mut key: Key) -> Option<ProbeRef> {
    let guard = rcu_tasks_trace::read_lock();
    loop {
        let probe = tree::first_from(key, &guard)?;
        match probe.try_get() {
            Some(probe) if probe.is_registered() => return Some(probe),
            _ => key = behind(probe.key())?,
        }
    }
}

/// The lowest key above `key`. Of an inode's last possible offset there is nothing to be said.
fn behind(key: Key) -> Option<Key> {
    let offset = key.offset.checked_add(1)?;
    Some(Key { offset, ..key })
}

/// Where a reader is, in the private data of its file.
struct Cursor<'a>(&'a mut bindings::uprobes_cursor);

impl Cursor<'_> {
    /// # Safety
    ///
    /// `m` must be an open `uprobes/list`, used by the caller alone during the cursor's life.
    unsafe fn of(m: *mut bindings::seq_file) -> Self {
        // SAFETY: The file was opened with private data of this type.
        Self(unsafe { &mut *(*m).private.cast() })
    }

    fn key(&self) -> Key {
        Key {
            inode: InodeId::new(self.0.inode),
            offset: self.0.offset,
        }
    }

    /// Goes to the first probe at or behind `key`, and gives a reference to the file's reader.
    fn advance(&mut self, key: Option<Key>) -> *mut c_void {
        let probe = key.and_then(first_from);
        // A reader who has come to the end may ask again, and is to be told the same.
        let place = probe.as_ref().map_or(END, |probe| probe.key());
        self.0.inode = place.inode.as_ptr();
        self.0.offset = place.offset;
        probe.map_or(ptr::null_mut(), |probe| probe.into_raw().as_ptr().cast())
    }
}

/// Begins to read at `pos`: at the heading, or at the probe where the reader stopped, or the next
/// if that has gone. May sleep.
///
/// # Safety
///
/// Called by the file's reader, as are the other functions here.
#[export]
pub unsafe extern "C" fn uprobes_list_start(
    m: *mut bindings::seq_file,
    pos: *mut bindings::loff_t,
) -> *mut c_void {
    // SAFETY: `pos` is valid.
    if unsafe { *pos } == 0 {
        return HEADING;
    }
    // SAFETY: By the function's contract.
    let mut cursor = unsafe { Cursor::of(m) };
    let key = cursor.key();
    cursor.advance(Some(key))
}

/// Goes on to the next line. May sleep.
///
/// # Safety
///
/// `v` must be what [`uprobes_list_start`] or this function has returned last.
#[export]
pub unsafe extern "C" fn uprobes_list_next(
    m: *mut bindings::seq_file,
    v: *mut c_void,
    pos: *mut bindings::loff_t,
) -> *mut c_void {
    // SAFETY: `pos` is valid.
    unsafe { *pos += 1 };
    let next = match NonNull::new(v.cast::<Probe>()) {
        Some(probe) if v != HEADING => {
            // SAFETY: `advance()` has given the reference to the reader, who gives it back.
            behind(unsafe { ProbeRef::from_raw(probe) }.key())
        }
        _ => Some(FIRST),
    };
    // SAFETY: By the function's contract.
    unsafe { Cursor::of(m) }.advance(next)
}

/// Makes a pause, or an end.
///
/// # Safety
///
/// As of [`uprobes_list_next`]; `v` is not used again.
#[export]
pub unsafe extern "C" fn uprobes_list_stop(_m: *mut bindings::seq_file, v: *mut c_void) {
    if let Some(probe) = NonNull::new(v.cast::<Probe>()) {
        if v != HEADING {
            // SAFETY: `advance()` has given the reference to the reader, who gives it back.
            drop(unsafe { ProbeRef::from_raw(probe) });
        }
    }
}

/// Writes a line. May sleep.
///
/// # Safety
///
/// As of [`uprobes_list_next`].
#[export]
pub unsafe extern "C" fn uprobes_list_show(m: *mut bindings::seq_file, v: *mut c_void) -> c_int {
    // SAFETY: By the function's contract.
    let file = unsafe { SeqFile::from_raw(m) };
    if v == HEADING {
        seq_print!(
            file,
            "device inode offset counter execution mappings consumers path\n"
        );
        return 0;
    }
    // SAFETY: The reader has a reference.
    let probe = unsafe { &*v.cast::<Probe>() };
    // SAFETY: `m` is being read.
    unsafe { show(probe, file, m) };
    0
}

/// Writes what is known of a probe, unless its last consumer has just gone.
///
/// # Safety
///
/// `m` must be a file that is being read, and the same as `file`.
unsafe fn show(probe: &Probe, file: &SeqFile, m: *mut bindings::seq_file) {
    // A consumer that is listed cannot be unregistered while this is held, and who has it
    // registered keeps the inode.
    let _registration = probe.registration().read();
    if probe.consumers().is_empty() {
        return;
    }
    let (device, number) = probe.file_numbers();
    seq_print!(
        file,
        "{}:{} {} {:#x} {:#x} {} ",
        device >> bindings::MINORBITS,
        device & ((1 << bindings::MINORBITS) - 1),
        number,
        probe.offset(),
        probe.ref_ctr_offset(),
        probe.execution(),
    );
    // SAFETY: The inode is kept, see above.
    seq_print!(file, "{} ", unsafe { mappings(probe) });
    // SAFETY: `m` is valid by the function's contract, and the inode is kept.
    unsafe {
        show_consumers(probe, m);
        show_path(probe, file, m);
    }
}

/// How often the instruction is mapped where it may have a breakpoint.
///
/// # Safety
///
/// The probe's inode must be kept.
unsafe fn mappings(probe: &Probe) -> usize {
    // SAFETY: By the function's contract.
    let mappings = unsafe { FileMappings::lock(probe) };
    mappings
        .of_offset(probe.offset())
        .filter(|vma| vma.is_probeable(Purpose::Restore) && vma.mm().has(Flag::HasUprobes))
        .count()
}

/// Writes the names of the consumers' handlers.
///
/// # Safety
///
/// `m` must be a file that is being read.
unsafe fn show_consumers(probe: &Probe, m: *mut bindings::seq_file) {
    let mut separator = c"";
    probe.consumers().for_each(|consumer| {
        // SAFETY: `m` is valid; the format takes a string and the address of a function.
        unsafe {
            bindings::seq_printf(
                m,
                c"%s%ps".as_char_ptr(),
                separator.as_char_ptr(),
                consumer.any_handler(),
            )
        };
        separator = c",";
    });
}

/// Writes the file's path from the root of its file system, if it has one.
///
/// # Safety
///
/// `m` must be a file that is being read, and the probe's inode be kept.
unsafe fn show_path(probe: &Probe, file: &SeqFile, m: *mut bindings::seq_file) {
    // SAFETY: By the function's contract.
    let name = unsafe { bindings::d_find_any_alias(probe.inode()) };
    if name.is_null() {
        seq_print!(file, " -\n");
        return;
    }
    seq_print!(file, " ");
    // SAFETY: `m` is valid, and the name is counted until it is put.
    unsafe {
        bindings::seq_dentry(m, name, c" \t\n\\".as_char_ptr());
        bindings::dput(name);
    }
    seq_print!(file, "\n");
}
