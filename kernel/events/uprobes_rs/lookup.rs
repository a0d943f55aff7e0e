// SPDX-License-Identifier: GPL-2.0

//! From the address of a trap to the probe that is there.
//!
//! The address leads to a mapping, the mapping to a file and an offset, and those to a probe. The
//! common case takes no lock: the mapping is looked at while it may be changing, every value is
//! taken for garbage, and only the address space's sequence, read before all else and found
//! unchanged after all else, makes the answer true. If it is not, the same is done again under
//! `mmap_lock`.
//!
//! Before any of that, the thread looks whether it remembers the address (`cache.rs`).

use core::ptr::{
    self,
    NonNull, //
};

use kernel::{
    bindings,
    ffi::c_void,
    mm::{
        Mm,
        MmWithUser, //
    },
    prelude::*,
    sync::{
        atomic::ordering::Full,
        barrier::smp_mb,
        rcu,
        rcu_tasks_trace, //
    },
};

use crate::{
    arch,
    breakpoint,
    cache::Moment,
    hooks,
    kit::Kit,
    mm::{
        Flag,
        Flags,
        Vma, //
    },
    probe::Probe,
    stats::Event,
    tree::{
        self,
        InodeId,
        Key, //
    }, //
};

/// Why there is no probe at an address.
///
/// As large as a pointer, so that this and a probe are returned in the same register.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(usize)]
pub(crate) enum Miss {
    /// There is a breakpoint, and it is not ours.
    Foreign,
    /// There is none any more, or the address cannot be read: the instruction has to be tried
    /// again.
    Stale,
}

/// Finds the probe at `vaddr` of the current address space. May sleep.
///
/// `kit` is that of the current thread, if it has one.
#[inline]
pub(crate) fn find<'g>(
    kit: Option<&Kit>,
    mm: &MmWithUser,
    vaddr: usize,
    guard: &'g rcu_tasks_trace::Guard,
) -> Result<&'g Probe, Miss> {
    let Some(now) = moment(mm, guard) else {
        return find_locked(mm, vaddr, guard);
    };
    if let Some(probe) = kit.and_then(|kit| recall(kit, vaddr, &now, guard)) {
        Event::LookupCached.note_if_wanted();
        return Ok(probe);
    }
    find_anew(kit, mm, vaddr, now, guard)
}

/// Is `ip` in code that the architecture has put into the current address space? `look` asks the
/// mappings; it may sleep.
pub(crate) fn is_in_trampoline(
    kit: Option<&Kit>,
    mm: &MmWithUser,
    ip: usize,
    look: impl FnOnce(usize) -> bool,
) -> bool {
    let guard = rcu_tasks_trace::read_lock();
    let (Some(kit), Some(now)) = (kit, moment(mm, &guard)) else {
        return look(ip);
    };
    if kit.probes.recall_trampoline(ip, &now) {
        return true;
    }
    let found = look(ip);
    if found && !has_changed(mm, &now) {
        kit.probes.remember_trampoline(ip, &now);
    }
    found
}

/// The state that a search depends on, unless the mappings are being changed just now.
#[inline]
fn moment(mm: &Mm, guard: &rcu_tasks_trace::Guard) -> Option<Moment> {
    let mut mappings = 0;
    // SAFETY: The address space is alive.
    let is_quiet = unsafe { bindings::mmap_lock_speculate_try_begin(mm.as_raw(), &mut mappings) };
    is_quiet.then(|| Moment {
        mappings,
        removals: tree::removals(guard),
        // SAFETY: There are jiffies at all times.
        time: unsafe { bindings::get_jiffies() },
    })
}

/// What the thread has found at `vaddr` before, if it still holds.
#[inline]
fn recall<'g>(
    kit: &Kit,
    vaddr: usize,
    now: &Moment,
    _guard: &'g rcu_tasks_trace::Guard,
) -> Option<&'g Probe> {
    let probe = kit.probes.recall(vaddr, now)?;
    // SAFETY: No probe has been taken out of the tree since before this one was found there, as far
    // as can be seen under the guard. So the grace period that ends the probe's life, which is asked
    // for after it was taken out and counted, has not begun before the guard did, and waits for it.
    let probe = unsafe { probe.as_ref() };
    probe.is_registered().then_some(probe)
}

/// Searches, and remembers what was found if that needed no lock.
///
/// Out of line, so that the usual hit does not save registers for it.
#[inline(never)]
fn find_anew<'g>(
    kit: Option<&Kit>,
    mm: &MmWithUser,
    vaddr: usize,
    now: Moment,
    guard: &'g rcu_tasks_trace::Guard,
) -> Result<&'g Probe, Miss> {
    let Some(probe) = speculate(mm, vaddr, &now, guard) else {
        return find_locked(mm, vaddr, guard);
    };
    Event::LookupSpeculative.note_if_wanted();
    if let Some(kit) = kit {
        kit.probes.remember(vaddr, &now, NonNull::from(probe));
    }
    Ok(probe)
}

/// Finds the probe without a lock, or finds nothing that can be relied on.
fn speculate<'g>(
    mm: &Mm,
    vaddr: usize,
    now: &Moment,
    guard: &'g rcu_tasks_trace::Guard,
) -> Option<&'g Probe> {
    // A mapping is not freed while this is held, but it may be reused.
    let _rcu = rcu::read_lock();
    // SAFETY: The lookup is allowed under RCU, and what it finds stays readable.
    let vma = unsafe { bindings::vma_lookup(mm.as_raw(), vaddr) };
    if vma.is_null() {
        return None;
    }
    // SAFETY: The mapping is readable; the values may be garbage.
    let (file, start) = unsafe {
        (
            (&raw const (*vma).vm_file).read_volatile(),
            (&raw const (*vma).__bindgen_anon_1.__bindgen_anon_1.vm_start).read_volatile(),
        )
    };
    if file.is_null() {
        return None;
    }
    // SAFETY: As above; memory of files stays that of files while RCU is held, so the field can be
    // read, though it may be another file's by now.
    let (offset, inode) = unsafe {
        (
            bindings::vma_start_pgoff(vma) << kernel::page::PAGE_SHIFT,
            (&raw const (*file).f_inode).read_volatile(),
        )
    };
    let key = Key {
        inode: InodeId::new(inode),
        offset: offset.wrapping_add(vaddr.wrapping_sub(start)) as i64,
    };
    let probe = tree::find(key, guard)?;
    (!has_changed(mm, now)).then_some(probe)
}

/// Have the mappings been changed since then?
fn has_changed(mm: &Mm, then: &Moment) -> bool {
    // SAFETY: The address space is alive.
    unsafe { bindings::mmap_lock_speculate_retry(mm.as_raw(), then.mappings) }
}

#[cold]
fn find_locked<'g>(
    mm: &MmWithUser,
    vaddr: usize,
    guard: &'g rcu_tasks_trace::Guard,
) -> Result<&'g Probe, Miss> {
    let lock = mm.mmap_read_lock();
    let found = lock.vma_lookup(vaddr).ok_or(Miss::Stale).and_then(|vma| {
        // SAFETY: The lock is held.
        let vma = unsafe { Vma::from_raw(vma.as_ptr()) };
        vma.inode()
            .and_then(|inode| {
                let offset = vma.vaddr_to_offset(vaddr);
                tree::find(Key { inode, offset }, guard)
            })
            .ok_or_else(|| miss_at(vaddr))
    });
    match found {
        Ok(_) => Event::LookupLocked.note_if_wanted(),
        Err(_) => refresh_mark(mm),
    }
    found
}

/// Brings the mark that the address space has probes up to date, if somebody has asked for it. The
/// address space must be locked.
fn refresh_mark(mm: &MmWithUser) {
    if mm.has(Flag::HasUprobes) && mm.has(Flag::RecalcUprobes) {
        // SAFETY: The only caller holds the lock.
        unsafe { hooks::recalc(mm.as_raw()) };
    }
}

/// Has the breakpoint that was hit at `vaddr` gone, and with it the last one of its process?
///
/// Between the trap and the question the thread may have been preempted, if the architecture lets
/// it, for as long as it takes to unregister the probe and to find that there are none left. The
/// trap is not somebody else's for that. Interrupts may be off.
#[cold]
pub(crate) fn has_lost_breakpoint(mm: &MmWithUser, vaddr: usize) -> bool {
    let mut opcode = [0; size_of::<bindings::uprobe_opcode_t>()];
    // What cannot be read now is looked at later, when it can be.
    let has_gone = mm.has(Flag::RecalcUprobes)
        && (!read_mapped(vaddr, &mut opcode) || !arch::is_trap(&opcode));
    // A first breakpoint may have come meanwhile: then the mark was set before it was written, and
    // before the other flag was cleared.
    smp_mb(Full);
    has_gone || mm.has(Flag::HasUprobes)
}

/// Tells a foreign breakpoint from one that has gone. The address space must be locked.
fn miss_at(vaddr: usize) -> Miss {
    let mut opcode = [0; size_of::<bindings::uprobe_opcode_t>()];
    match read_opcode(vaddr, &mut opcode) {
        Ok(()) if arch::is_trap(&opcode) => Miss::Foreign,
        _ => Miss::Stale,
    }
}

/// Reads an opcode of the current process, as a debugger would if it cannot do so itself.
fn read_opcode(vaddr: usize, opcode: &mut [u8]) -> Result {
    if read_mapped(vaddr, opcode) {
        return Ok(());
    }
    let mut page = ptr::null_mut();
    // SAFETY: The caller holds the address space's lock.
    let pages = unsafe { bindings::get_user_pages(vaddr, 1, bindings::FOLL_FORCE, &mut page) };
    if pages != 1 {
        return Err(EFAULT);
    }
    // SAFETY: The page is ours until it is put.
    unsafe {
        breakpoint::copy_from_page(page, vaddr, opcode.as_mut_ptr(), opcode.len());
        bindings::put_page(page);
    }
    Ok(())
}

/// Reads an opcode of the current process, if it is in memory and may be read. In any context.
fn read_mapped(vaddr: usize, opcode: &mut [u8]) -> bool {
    // SAFETY: `opcode` has that length, and the function does not fault in pages.
    let missed = unsafe {
        bindings::copy_from_user_nofault(
            opcode.as_mut_ptr().cast(),
            vaddr as *const c_void,
            opcode.len(),
        )
    };
    missed == 0
}
