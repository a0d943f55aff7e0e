// SPDX-License-Identifier: GPL-2.0

//! Writing instructions into the memory of a process: breakpoints, and what was there before.
//!
//! Code is shared by all who map the file, so the first breakpoint in a page gives the process a
//! page of its own, by the same means as a debugger would. The last one to go gives it back, if
//! the page has become equal to the file's again.
//!
//! All of this happens with the address space locked for writing, which is what
//! [`LockedVma`] says. The architecture decides what a breakpoint is: [`install`] and [`remove`]
//! ask its `set_swbp()` and `set_orig_insn()`, and those come back to [`write()`], once or several
//! times.

use core::{
    ffi::c_void,
    mem,
    slice, //
};

use kernel::{
    bindings,
    ffi::c_int,
    prelude::*, //
};

use crate::{
    errno::check,
    mm::{
        page::{
            page_start,
            within_page,
            Access,
            CachedFolio,
            UserPage, //
        },
        pte::{
            Entry,
            Notice,
            Walk, //
        },
        Flag,
        Flags,
        LockedVma,
        Purpose, //
    },
    probe::Probe,
    refctr, //
};

pub(crate) use crate::mm::page::copy_from as copy_from_page;

/// Places the breakpoint of a probe. One that is there already is no error. May sleep.
pub(crate) fn install(probe: &Probe, vma: &LockedVma<'_>, vaddr: usize) -> Result {
    let mm = vma.mm();
    let file = vma.file().ok_or(EINVAL)?;
    // SAFETY: The file is mapped at `vaddr`, in an address space that is locked for writing, and
    // callers have found the probe through the file's inode.
    unsafe { probe.prepare(file.as_ptr(), mm, vaddr)? };

    // In advance: the process can hit the breakpoint as soon as it is there, and a trap in an
    // address space without this flag is not ours.
    let is_first = !mm.has(Flag::HasUprobes);
    if is_first {
        mm.set(Flag::HasUprobes);
    }
    // SAFETY: The probe is prepared, and the address space is locked for writing.
    let result = check(unsafe { bindings::set_swbp(probe.arch(), vma.as_ptr(), vaddr) });
    match result {
        Ok(()) => mm.clear(Flag::RecalcUprobes),
        Err(_) if is_first => mm.clear(Flag::HasUprobes),
        Err(_) => {}
    }
    result
}

/// Puts the original instruction of a probe back. One that is there already is no error, nor is it
/// if the file has been truncated: that took the process's own pages along. May sleep.
pub(crate) fn remove(probe: &Probe, vma: &LockedVma<'_>, vaddr: usize) -> Result {
    if probe.analysed().is_none() {
        // Never prepared, so it has no breakpoint anywhere: one that is found here is a debugger's.
        return Ok(());
    }
    vma.mm().set(Flag::RecalcUprobes);
    // SAFETY: The probe is prepared, and the address space is locked for writing.
    let result = check(unsafe { bindings::set_orig_insn(probe.arch(), vma.as_ptr(), vaddr) });
    match result {
        Err(error) if error == EFAULT && vma.is_behind_file(vaddr) => Ok(()),
        result => result,
    }
}

/// Is this for want of memory, or because the current task is being killed, and could be done later
/// or by somebody else?
pub(crate) fn will_pass(error: Error) -> bool {
    error == ENOMEM || error == EINTR
}

/// Writes `nbytes` of instruction if `verify` says so; see `uprobe_write()` in C. May sleep.
///
/// # Safety
///
/// `auprobe` must be the architecture's part of a live probe, `vma` a mapping of an address space
/// that the caller has locked for writing, `insn` valid for reading `nbytes` bytes, and `verify`
/// callable with `insn`, `nbytes` and `data`.
#[expect(clippy::too_many_arguments, reason = "the C interface has them")]
pub(crate) unsafe fn write(
    auprobe: *mut bindings::arch_uprobe,
    vma: *mut bindings::vm_area_struct,
    vaddr: usize,
    insn: *mut bindings::uprobe_opcode_t,
    nbytes: c_int,
    verify: bindings::uprobe_write_verify_t,
    is_register: bool,
    update_ref_ctr: bool,
    data: *mut c_void,
) -> Result {
    let verify = verify.ok_or(EINVAL)?;
    let len = usize::try_from(nbytes)?;
    within_page(vaddr, len).ok_or(EINVAL)?;
    // SAFETY: By the function's contract.
    let (probe, patch) = unsafe {
        let patch = Patch {
            vma: LockedVma::from_raw(vma),
            vaddr,
            bytes: slice::from_raw_parts(insn.cast(), len),
            purpose: Purpose::from_is_register(is_register),
            // One step of several, and the architecture has no way back from between them.
            may_be_killed: false,
        };
        (Probe::from_arch(auprobe), patch)
    };
    let result = patch.apply(probe, update_ref_ctr, |page| {
        // SAFETY: By the function's contract.
        match unsafe { verify(page.as_ptr(), vaddr, insn, nbytes, data) } {
            0 => Ok(Verdict::Done),
            errno if errno < 0 => Err(Error::from_errno(errno)),
            _ => Ok(Verdict::Write),
        }
    });
    // Who asks for a step in the middle cannot go on from there, and a removal that begins anew
    // would take what it finds for a breakpoint alone.
    result.map_err(|error| match error {
        error if is_register && will_pass(error) => EFAULT,
        error => error,
    })
}

/// Writes a whole opcode: a breakpoint if `is_register`, else one that replaces a breakpoint. May
/// sleep.
///
/// # Safety
///
/// `auprobe` must be the architecture's part of a live probe, and `vma` a mapping of an address
/// space that the caller has locked for writing. An opcode at `vaddr` must not cross a page.
pub(crate) unsafe fn write_opcode(
    auprobe: *mut bindings::arch_uprobe,
    vma: *mut bindings::vm_area_struct,
    vaddr: usize,
    opcode: bindings::uprobe_opcode_t,
    is_register: bool,
) -> Result {
    let bytes = opcode.to_ne_bytes();
    // SAFETY: By the function's contract.
    let (probe, vma) = unsafe { (Probe::from_arch(auprobe), LockedVma::from_raw(vma)) };
    let patch = Patch {
        vma,
        vaddr,
        bytes: &bytes,
        purpose: Purpose::from_is_register(is_register),
        may_be_killed: is_register,
    };
    patch.apply(probe, true, |page| Ok(patch.verify(page)))
}

/// What a look at the page says about writing to it.
enum Verdict {
    Write,
    Done,
}

fn is_breakpoint(mut opcode: bindings::uprobe_opcode_t) -> bool {
    // SAFETY: The function looks at one opcode.
    unsafe { bindings::is_swbp_insn(&mut opcode) }
}

/// Bytes to be written at an address of a process.
struct Patch<'a> {
    vma: LockedVma<'a>,
    vaddr: usize,
    bytes: &'a [u8],
    purpose: Purpose,
    /// Whether to give up if the task is being killed. A breakpoint that shall go must go.
    may_be_killed: bool,
}

/// How an attempt to write has ended.
enum Attempt {
    /// The bytes are in place.
    Written,
    /// The page was given back, and the file's page is part of a huge one that could be mapped as
    /// a whole again.
    WrittenMayCollapse,
    /// Somebody changed the page table in between.
    Raced,
    /// The process has no page of its own there that could be written to.
    NeedsOwnPage,
}

impl Patch<'_> {
    /// Writes, unless `verify`, which is shown the page each time that it was looked up, is against
    /// it. Changes the probe's reference counter along, if it is asked to.
    fn apply(
        &self,
        probe: &Probe,
        update_ref_ctr: bool,
        verify: impl Fn(&UserPage) -> Result<Verdict>,
    ) -> Result {
        // SAFETY: The mapping is valid.
        let is_private = unsafe { bindings::vma_is_cow_mapping(self.vma.as_ptr()) };
        if !is_private {
            kernel::pr_warn_once!("asked to write to a shared mapping\n");
            return Err(EINVAL);
        }
        // The page may be gone already when the original is put back; a fault is left for when it
        // turns out to be needed.
        let mut access = match self.purpose {
            Purpose::Install => Access::BREAK_COW,
            Purpose::Restore => Access::READ,
        };
        let mut has_counter = update_ref_ctr && probe.ref_ctr_offset() != 0;
        // Undone if anything fails from here on.
        let mut counted = None;
        let mut may_collapse = false;
        while let Some(page) = self.page(access)? {
            match verify(&page)? {
                Verdict::Write => {}
                Verdict::Done => break,
            }
            if mem::take(&mut has_counter) {
                counted = match refctr::Change::make(probe, self.vma, self.purpose) {
                    Ok(change) => Some(change),
                    Err(error) if self.purpose == Purpose::Install || will_pass(error) => {
                        return Err(error);
                    }
                    // It has been logged. A breakpoint that stays, and a probe that has to stay
                    // with it, would be worse than a counter that is wrong already.
                    Err(_) => None,
                };
            }
            match self.attempt(&page) {
                Attempt::Written => break,
                Attempt::WrittenMayCollapse => {
                    may_collapse = true;
                    break;
                }
                Attempt::Raced => {}
                Attempt::NeedsOwnPage => access = Access::BREAK_COW,
            }
        }
        if let Some(change) = counted {
            change.keep();
        }
        if may_collapse {
            self.collapse();
        }
        Ok(())
    }

    /// A breakpoint is not placed twice, and an opcode is only put where a breakpoint is. Breakpoints
    /// are ours, whoever placed them: uprobes win over debuggers. Other trapping instructions that an
    /// architecture may have are not breakpoints.
    #[inline]
    fn verify(&self, page: &UserPage) -> Verdict {
        let mut old = [0; size_of::<bindings::uprobe_opcode_t>()];
        page.read(self.vaddr, &mut old);
        let has_breakpoint = is_breakpoint(bindings::uprobe_opcode_t::from_ne_bytes(old));
        if has_breakpoint == (self.purpose == Purpose::Install) {
            Verdict::Done
        } else {
            Verdict::Write
        }
    }

    /// The page to look at, and maybe to change.
    #[inline]
    fn page(&self, access: Access) -> Result<Option<UserPage>> {
        // If it need not be faulted in then it is taken as it is. To get it in the usual way would
        // queue it for activation, and that use of it would keep it from being given back; and
        // would fail for a task that is being killed, as those who close their probes often are.
        if access == Access::READ {
            if let Some(page) = UserPage::mapped(&self.vma, self.vaddr) {
                return Ok(Some(page));
            }
        }
        UserPage::get(&self.vma, self.vaddr, access)
            .or_else(|error| self.page_after_all(access, error))
    }

    /// The page, if what kept us from getting it was that the task is being killed.
    #[cold]
    fn page_after_all(&self, access: Access, error: Error) -> Result<Option<UserPage>> {
        if error != EINTR || self.may_be_killed {
            return Err(error);
        }
        UserPage::get_though_killed(&self.vma, self.vaddr, access).map(Some)
    }

    #[inline]
    fn attempt(&self, page: &UserPage) -> Attempt {
        if !page.folio().is_own() {
            // There is nothing of ours in a page that is not the process's own.
            return Attempt::Written;
        }
        // Most restored pages are given back. That must be announced before the page table is
        // locked, because the notifiers may sleep.
        let _notice =
            (self.purpose == Purpose::Restore).then(|| Notice::of_page(&self.vma, self.vaddr));
        let mut walk = Walk::new();
        let mut entry = match Entry::find(&mut walk, self.vma, self.vaddr, page) {
            None => return Attempt::Raced,
            Some(entry) if !entry.is_replaceable() => return Attempt::NeedsOwnPage,
            Some(entry) => entry,
        };
        let gap = entry.take_out();
        page.write(&self.vma, self.vaddr, self.bytes);
        // If not left empty, then the gap is closed at the end.
        match self.replacement_for(page) {
            None => Attempt::Written,
            Some(original) => {
                gap.leave_empty();
                if original.is_pmd_mappable() {
                    Attempt::WrittenMayCollapse
                } else {
                    Attempt::Written
                }
            }
        }
    }

    /// What the process would see if it gave its page back, if that is the same. Not so if somebody
    /// else is using the page, or user space wants to be asked when a page is missing.
    fn replacement_for(&self, page: &UserPage) -> Option<CachedFolio> {
        // SAFETY: The mapping is valid.
        let asks_user = unsafe { bindings::userfaultfd_missing(self.vma.as_ptr()) };
        if self.purpose == Purpose::Install || asks_user || !page.folio().has_no_other_users() {
            return None;
        }
        CachedFolio::behind(&self.vma, self.vaddr)
            .filter(|folio| folio.is_same_as(&self.vma, self.vaddr, page))
    }

    /// Maps a huge page as a whole again, if all of it is the file's.
    fn collapse(&self) {
        let mm = self.vma.mm().as_raw();
        // SAFETY: The address space is locked for writing.
        unsafe { bindings::collapse_pte_mapped_thp(mm, page_start(self.vaddr), false) };
    }
}
