// SPDX-License-Identifier: GPL-2.0

//! How often what happens, for `uprobes/stats` in debugfs.
//!
//! Each CPU counts for itself, so that counting writes nothing that another CPU uses. What happens
//! at every hit is counted only while `uprobes/statistics` is 1: otherwise it is a static branch
//! that is not taken. What is rare is always counted.

use kernel::{
    bindings,
    ffi::{
        c_int,
        c_void, //
    },
    jump_label::static_branch_unlikely,
    prelude::*,
    seq_file::{
        seq_print,
        SeqFile, //
    }, //
};

/// What is counted.
#[derive(Clone, Copy)]
#[repr(u32)]
pub(crate) enum Event {
    /// A hit whose probe the thread remembered.
    LookupCached,
    /// A hit whose probe was searched without a lock.
    LookupSpeculative,
    /// A hit whose probe was searched under `mmap_lock`.
    LookupLocked,
    /// The return of a probed function.
    Return,
    /// An instruction is executed out of line.
    Step,
    /// An instruction was written to a slot.
    SlotFilled,
    /// A slot was taken from an instruction.
    SlotReclaimed,
    /// A slot went with its process.
    SlotFreed,
    /// A lease of a pending return was ended by the timer.
    LeaseExpired,
    /// The return of a probed function is not watched, because too many are pending.
    ReturnOmitted,
    /// There was no memory for what a hit needed.
    AllocFailed,
}

const EVENTS: u32 = Event::AllocFailed as u32 + 1;
const _: () = assert!(EVENTS == bindings::UPROBES_EVENTS);

impl Event {
    /// Counts one. Any context.
    ///
    /// Out of line, because it is rare or was asked for.
    #[cold]
    pub(crate) fn note(self) {
        self.note_many(1);
    }

    /// Counts some. Any context.
    pub(crate) fn note_many(self, number: usize) {
        // SAFETY: There is a counter for each event.
        unsafe { bindings::uprobes_count(self as u32, number) }
    }

    /// Counts one, of what happens at hits, if that is wanted. Any context.
    #[inline(always)]
    pub(crate) fn note_if_wanted(self) {
        // SAFETY: The key is a real one, defined in watch.c.
        let is_wanted = unsafe {
            static_branch_unlikely!(bindings::uprobes_statistics, bindings::uprobes_switch, key)
        };
        if is_wanted {
            self.note();
        }
    }

    /// How many there were on all CPUs, more or less at the same time.
    fn counted(self) -> usize {
        // SAFETY: There is a counter for each event.
        unsafe { bindings::uprobes_counted(self as u32) }
    }
}

/// The lines of `uprobes/stats`.
fn lines() -> [(&'static str, usize); 11] {
    use Event::*;
    let [cached, speculative, locked] =
        [LookupCached, LookupSpeculative, LookupLocked].map(Event::counted);
    // A slot may be given back between the two looks.
    let slots = SlotFilled
        .counted()
        .saturating_sub(SlotReclaimed.counted() + SlotFreed.counted());
    [
        ("hits", cached + speculative + locked),
        ("returns", Return.counted()),
        ("single_steps", Step.counted()),
        ("lookups_cached", cached),
        ("lookups_speculative", speculative),
        ("lookups_locked", locked),
        ("slots_in_use", slots),
        ("slots_reclaimed", SlotReclaimed.counted()),
        ("leases_expired", LeaseExpired.counted()),
        ("returns_omitted", ReturnOmitted.counted()),
        ("allocation_failures", AllocFailed.counted()),
    ]
}

/// Writes `uprobes/stats`. May sleep.
///
/// # Safety
///
/// `m` must be a file that is being read, by the caller alone.
#[export]
pub unsafe extern "C" fn uprobes_stats_show(
    m: *mut bindings::seq_file,
    _data: *mut c_void,
) -> c_int {
    // SAFETY: By the function's contract.
    let file = unsafe { SeqFile::from_raw(m) };
    for (name, value) in lines() {
        seq_print!(file, "{} {}\n", name, value);
    }
    0
}
