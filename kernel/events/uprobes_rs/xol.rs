// SPDX-License-Identifier: GPL-2.0

//! The out-of-line area of a process: pages of slots in which probed instructions are executed, and
//! the trampoline that hijacked returns run into.
//!
//! ```text
//!   mm ──► Area ──► page 0: trampoline, slot 1, slot 2, …      mapped as "[uprobes]"
//!            │      page 1: …                                  mapped elsewhere, likewise
//!            └────► the threads that step here (Stepper)
//! ```
//!
//! The first page is made with the area; others when slots run out, up to [`MAX_PAGES`]; after
//! that, slots are taken from instructions that nobody is executing. Which slot holds what is in
//! `slots.rs`. The area is shared by all tasks with the address space and lives as long as it: user
//! space may unmap the pages, and then faults when it gets there, but does not take them away.

use core::{
    cell::OnceCell,
    mem::ManuallyDrop,
    ptr, //
};

use kernel::{
    bindings,
    error::from_err_ptr,
    mm::{
        virt::{
            flags,
            vm_flags_t,
            VmaRef, //
        },
        Mm,
        MmWithUser, //
    },
    page::{
        Page,
        PAGE_SIZE, //
    },
    prelude::*,
    str::as_char_ptr_in_const_context,
    sync::{
        atomic::{
            ordering::{
                Acquire,
                Release, //
            },
            Atomic, //
        },
        new_mutex,
        Arc,
        Mutex,
        UniqueArc, //
    },
};

use pin_init::{
    init,
    init_array_from_fn, //
};

use crate::{
    arch::{
        self,
        Ixol,
        SLOT_BYTES, //
    },
    mm::MmapWrite,
    slots::{
        Hints,
        Record,
        SlotId,
        Stepper, //
    },
    stats::Event,
    trace, //
};

const SLOTS_PER_PAGE: usize = PAGE_SIZE / SLOT_BYTES;

/// At most so many pages of slots for a process: 1024 slots, or four pages where a page has more.
const MAX_PAGES: usize = if 1024 / SLOTS_PER_PAGE > 4 {
    1024 / SLOTS_PER_PAGE
} else {
    4
};

/// User space executes slots, and does nothing else with them.
const MAPPING_FLAGS: vm_flags_t = flags::EXEC
    | flags::MAYEXEC
    | flags::DONTCOPY
    | flags::IO
    | bindings::UPROBES_VM_SEALED_SYSMAP as vm_flags_t;

/// A page of slots.
struct SlotPage {
    page: Page,
    vaddr: usize,
    records: [Record; SLOTS_PER_PAGE],
}

impl SlotPage {
    fn new() -> Result<KVBox<Self>> {
        // Zeroed: user space can execute what it cannot read, and must not find old memory there.
        let page = Page::alloc_page(GFP_KERNEL | __GFP_HIGHMEM | __GFP_ZERO)?;
        KVBox::init(
            init!(Self {
                page,
                vaddr: 0,
                records <- init_array_from_fn(|_| Record::empty()),
            }),
            GFP_KERNEL,
        )
    }

    /// Maps the page into the current process.
    fn map_at(&mut self, mm: &MmapWrite<'_>, vaddr: usize) -> Result {
        self.vaddr = vaddr;
        // SAFETY: The address space is locked for writing, and the mapping's description is
        // static.
        from_err_ptr(unsafe {
            bindings::_install_special_mapping(
                mm.as_raw(),
                vaddr,
                PAGE_SIZE,
                MAPPING_FLAGS,
                XOL_MAPPING.as_ptr(),
            )
        })?;
        Ok(())
    }
}

/// What changes under the area's lock.
struct Book {
    /// How many pages there are.
    pages: usize,
    /// How many slots have ever been filled, the trampoline's included.
    filled: usize,
    /// Where the search for a slot to take back goes on.
    hand: usize,
    steppers: KVVec<Arc<Stepper>>,
}

/// The pages of an area, from the first on. A page that is there stays.
///
/// # Invariants
///
/// Each pointer is null, or comes from a box that this owns; once set it does not change.
struct Pages([Atomic<*mut SlotPage>; MAX_PAGES]);

impl Pages {
    fn new() -> Self {
        Self([const { Atomic::new(ptr::null_mut()) }; MAX_PAGES])
    }

    #[inline]
    fn get(&self, index: usize) -> Option<&SlotPage> {
        // Acquire: pairs with `set()`.
        //
        // SAFETY: By the type's invariants the page lives as long as `self`.
        unsafe { self.0.get(index)?.load(Acquire).as_ref() }
    }

    /// Adds a page; the place must be free, and the area's lock held or the area be new.
    fn set(&self, index: usize, page: KVBox<SlotPage>) {
        // Release: who finds the page finds it filled in.
        // INVARIANT: The page is owned from now on.
        self.0[index].store(KVBox::into_raw(page), Release);
    }

    fn iter(&self) -> impl Iterator<Item = &SlotPage> {
        (0..MAX_PAGES).map_while(|index| self.get(index))
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        for page in &mut self.0 {
            let page = *page.get_mut();
            if !page.is_null() {
                // SAFETY: By the type's invariants the page is a box of ours.
                drop(unsafe { KVBox::from_raw(page) });
            }
        }
    }
}

/// The out-of-line area of a process.
#[pin_data]
pub(crate) struct Area {
    /// Where hijacked returns go: the beginning of the first page.
    trampoline: usize,
    pages: Pages,
    /// Lock order: taken before `mmap_lock`.
    #[pin]
    book: Mutex<Book>,
}

impl Area {
    fn with_page(first: KVBox<SlotPage>) -> impl PinInit<Self> {
        let trampoline = first.vaddr;
        let pages = Pages::new();
        pages.set(0, first);
        let book = Book {
            pages: 1,
            filled: 1,
            hand: 1,
            steppers: KVVec::new(),
        };
        pin_init!(Self {
            trampoline,
            pages,
            book <- new_mutex!(book, "uprobes::xol"),
        })
    }

    #[inline]
    fn slot(&self, slot: SlotId) -> Option<(&SlotPage, &Record)> {
        let page = self.pages.get(slot.index() / SLOTS_PER_PAGE)?;
        let record = page.records.get(slot.index() % SLOTS_PER_PAGE)?;
        Some((page, record))
    }

    #[inline]
    fn vaddr(page: &SlotPage, slot: SlotId) -> usize {
        page.vaddr + slot.index() % SLOTS_PER_PAGE * SLOT_BYTES
    }

    /// Where hijacked returns go.
    #[inline]
    pub(crate) fn trampoline(&self) -> usize {
        self.trampoline
    }

    /// The page that is mapped at an address.
    fn page_at(&self, vaddr: usize) -> Option<&SlotPage> {
        self.pages.iter().find(|page| page.vaddr == vaddr)
    }

    /// Goes into `slot`, if it holds the instruction; returns its address.
    #[inline]
    fn enter(&self, stepper: &Stepper, slot: SlotId, ixol: &Ixol) -> Option<usize> {
        let (page, record) = self.slot(slot)?;
        stepper
            .enter(slot, record, ixol)
            .then(|| Self::vaddr(page, slot))
    }

    /// Finds a slot that holds the instruction, without a lock.
    fn search(&self, ixol: &Ixol) -> Option<SlotId> {
        let slots = self.pages.iter().flat_map(|page| page.records.iter());
        let index = slots.enumerate().find(|(_, record)| record.holds(ixol))?.0;
        Some(SlotId::new(index))
    }

    /// Fills a slot with the instruction, and goes into it. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`; `EBUSY` if threads are in all slots; `EINTR` if the task is being killed.
    fn fill(&self, mm: &MmWithUser, stepper: &Stepper, ixol: &Ixol) -> Result<SlotId> {
        let mut book = self.book.lock();
        // Somebody may have been faster.
        let slot = match self.search(ixol) {
            Some(slot) => slot,
            None => {
                let slot = self.vacate(mm, &mut book)?;
                let (page, record) = self.slot(slot).ok_or(ENOMEM)?;
                arch::write_code(&page.page, Self::vaddr(page, slot), as_bytes(ixol));
                record.publish(ixol);
                Event::SlotFilled.note();
                slot
            }
        };
        // The lock keeps the slot as it is until the thread has announced itself.
        self.enter(stepper, slot, ixol).ok_or(EBUSY)?;
        Ok(slot)
    }

    /// Finds a slot for a new instruction.
    fn vacate(&self, mm: &MmWithUser, book: &mut Book) -> Result<SlotId> {
        if book.filled == book.pages * SLOTS_PER_PAGE && book.pages < MAX_PAGES {
            // If there is no memory for another page, the slots there are have to do.
            if let Err(error) = self.grow(mm, book) {
                if error == EINTR {
                    return Err(error);
                }
            }
        }
        if book.filled < book.pages * SLOTS_PER_PAGE {
            book.filled += 1;
            return Ok(SlotId::new(book.filled - 1));
        }
        self.reclaim(book)
    }

    fn grow(&self, mm: &MmWithUser, book: &mut Book) -> Result {
        let mut page = SlotPage::new()?;
        let lock = MmapWrite::lock_killable(mm)?;
        let vaddr = arch::find_room()?;
        // User space has unmapped the page that was there. Its slots must go on to fault.
        if self.page_at(vaddr).is_some() {
            return Err(ENOMEM);
        }
        page.map_at(&lock, vaddr)?;
        self.pages.set(book.pages, page);
        book.pages += 1;
        Ok(())
    }

    /// Takes a slot from an instruction that nobody executes at the moment.
    fn reclaim(&self, book: &mut Book) -> Result<SlotId> {
        for _ in 0..book.filled {
            let slot = SlotId::new(book.hand);
            book.hand = if book.hand + 1 < book.filled {
                book.hand + 1
            } else {
                1
            };
            if let Some((_, record)) = self.slot(slot) {
                if record.reclaim(slot, book.steppers.iter().map(|stepper| &**stepper)) {
                    Event::SlotReclaimed.note();
                    trace::slot_reclaimed(slot.index());
                    return Ok(slot);
                }
            }
        }
        Err(EBUSY)
    }
}

fn as_bytes(ixol: &Ixol) -> &[u8] {
    let words: &[u32] = &ixol[..];
    // SAFETY: Any four initialised bytes of a word are four valid bytes.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

/// A thread's part in the area of its process.
struct Membership {
    area: Arc<Area>,
    stepper: Arc<Stepper>,
}

impl Membership {
    fn join(area: Arc<Area>) -> Result<Self> {
        let stepper = Arc::new(Stepper::new(), GFP_KERNEL)?;
        area.book
            .lock()
            .steppers
            .push(stepper.clone(), GFP_KERNEL)?;
        Ok(Self { area, stepper })
    }
}

impl Drop for Membership {
    fn drop(&mut self) {
        let mut book = self.area.book.lock();
        let steppers = &mut book.steppers;
        let place = steppers
            .iter()
            .position(|stepper| Arc::ptr_eq(stepper, &self.stepper));
        if let Some(place) = place {
            let last = steppers.len() - 1;
            steppers.swap(place, last);
            drop(steppers.pop());
        }
    }
}

/// What a thread remembers of slots.
pub(crate) struct SlotCache {
    membership: OnceCell<Membership>,
    hints: Hints,
}

impl SlotCache {
    pub(crate) const fn new() -> Self {
        Self {
            membership: OnceCell::new(),
            hints: Hints::new(),
        }
    }

    /// Goes into a slot with the instruction that is probed at `vaddr`; returns its address.
    ///
    /// After the first time this writes nothing that others read, and takes no lock. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EINTR`, and what mapping a page says.
    #[inline]
    pub(crate) fn enter(&self, mm: &MmWithUser, vaddr: usize, ixol: &Ixol) -> Result<usize> {
        if let (Some(member), Some(slot)) = (self.membership.get(), self.hints.get(vaddr)) {
            if let Some(address) = member.area.enter(&member.stepper, slot, ixol) {
                return Ok(address);
            }
        }
        self.enter_new(mm, vaddr, ixol)
    }

    #[cold]
    fn enter_new(&self, mm: &MmWithUser, vaddr: usize, ixol: &Ixol) -> Result<usize> {
        let Membership { area, stepper } = self.membership(mm)?;
        loop {
            let slot = match area.search(ixol) {
                Some(slot) => slot,
                None => match area.fill(mm, stepper, ixol) {
                    Err(EBUSY) => {
                        wait_for_a_slot()?;
                        continue;
                    }
                    filled => filled?,
                },
            };
            if let Some(address) = area.enter(stepper, slot, ixol) {
                self.hints.set(vaddr, slot);
                return Ok(address);
            }
        }
    }

    fn membership(&self, mm: &MmWithUser) -> Result<&Membership> {
        if let Some(member) = self.membership.get() {
            return Ok(member);
        }
        let member = Membership::join(shared_area(mm)?)?;
        // Only this thread fills the cell, and it was empty.
        Ok(self.membership.get_or_init(|| member))
    }

    /// Goes out of the slot.
    #[inline]
    pub(crate) fn leave(&self) {
        if let Some(member) = self.membership.get() {
            member.stepper.leave();
        }
    }
}

/// Waits a moment for a thread to leave its slot.
///
/// All slots are occupied by threads that are executing in them, which takes as long as user space
/// likes; there is no telling which is the first to go.
fn wait_for_a_slot() -> Result {
    // SAFETY: Called in process context, where sleeping is allowed.
    unsafe { bindings::schedule_timeout_killable(1) };
    if kernel::current!().signal_pending() && crate::task::is_being_killed() {
        return Err(EINTR);
    }
    Ok(())
}

/// The area of an address space, if it has one.
#[inline]
pub(crate) fn area(mm: &Mm) -> Option<&Area> {
    // Acquire: pairs with `create()`.
    //
    // SAFETY: The field is written once, by `create()`, with a reference that is given up after
    // the last user of the address space has gone.
    unsafe { field(mm).load(Acquire).cast::<Area>().as_ref() }
}

/// Where an address space has its area.
#[inline]
fn field(mm: &Mm) -> &Atomic<*mut bindings::xol_area> {
    // SAFETY: The address space is alive, and all accesses to the field are atomic.
    unsafe { Atomic::from_ptr(&raw mut (*mm.as_raw()).__bindgen_anon_1.uprobes_state.xol_area) }
}

/// The area of the current task's address space, made if there is none. May sleep.
pub(crate) fn area_or_create(mm: &MmWithUser) -> Result<&Area> {
    if let Some(area) = area(mm) {
        return Ok(area);
    }
    create(mm, None)?;
    area(mm).ok_or(ENOMEM)
}

/// The same, counted.
fn shared_area(mm: &MmWithUser) -> Result<Arc<Area>> {
    area_or_create(mm)?;
    // SAFETY: The address space owns a reference to its area, which comes from `Arc::into_raw()`;
    // it is neither consumed nor given up here.
    let owned = ManuallyDrop::new(unsafe { Arc::from_raw(field(mm).load(Acquire).cast::<Area>()) });
    Ok((*owned).clone())
}

/// Makes the area of the current task's address space, with the trampoline at `vaddr` if it must
/// be there. If another thread is faster, its area stays. May sleep.
///
/// # Errors
///
/// `ENOMEM`, `EINTR` if the task is being killed, and what mapping a page says.
pub(crate) fn create(mm: &MmWithUser, vaddr: Option<usize>) -> Result {
    let mut first = SlotPage::new()?;
    arch::write_code(&first.page, 0, arch::trampoline());
    // Before the page is mapped: after that nothing may fail.
    let memory = UniqueArc::<Area>::new_uninit(GFP_KERNEL)?;

    let lock = MmapWrite::lock_killable(mm)?;
    if area(mm).is_some() {
        return Ok(());
    }
    let vaddr = vaddr.map_or_else(arch::find_room, Ok)?;
    first.map_at(&lock, vaddr)?;
    let area: Arc<Area> = memory.pin_init_with(Area::with_page(first))?.into();
    let area = Arc::into_raw(area);
    // Release: pairs with `area()`.
    field(mm).store(area.cast_mut().cast(), Release);
    Ok(())
}

/// Gives up the area of an address space that nobody uses any more.
///
/// # Safety
///
/// `mm` must have no users left, and this must be called once for it.
pub(crate) unsafe fn destroy(mm: &Mm) {
    let area = field(mm).load(Acquire).cast::<Area>();
    if !area.is_null() {
        // SAFETY: `create()` left the address space a reference, which is given up here.
        let area = unsafe { Arc::from_raw(area) };
        // Slot 0 is not one that was filled.
        Event::SlotFreed.note_many(area.book.lock().filled - 1);
    }
}

/// The description of the mapping that user space sees.
struct XolMapping(bindings::vm_special_mapping);

// SAFETY: It does not change.
unsafe impl Sync for XolMapping {}

impl XolMapping {
    fn as_ptr(&self) -> *const bindings::vm_special_mapping {
        &raw const self.0
    }
}

static XOL_MAPPING: XolMapping = XolMapping(bindings::vm_special_mapping {
    name: as_char_ptr_in_const_context(c"[uprobes]"),
    pages: ptr::null_mut(),
    fault: Some(fault),
    mremap: Some(mremap),
    close: None,
});

/// Gives a page of slots to user space.
///
/// # Safety
///
/// Called for a fault in a mapping that [`SlotPage::map_at`] has made.
unsafe extern "C" fn fault(
    _mapping: *const bindings::vm_special_mapping,
    vma: *mut bindings::vm_area_struct,
    vmf: *mut bindings::vm_fault,
) -> bindings::vm_fault_t {
    // SAFETY: The mapping is in use, so it and its address space are alive.
    let vma = unsafe { VmaRef::from_raw(vma) };
    let page = area(vma.mm()).and_then(|area| area.page_at(vma.start()));
    let Some(page) = page else {
        return bindings::vm_fault_reason_VM_FAULT_SIGBUS;
    };
    // SAFETY: The page is alive, and the caller takes over the reference.
    unsafe {
        bindings::get_page(page.page.as_ptr());
        (*vmf).page = page.page.as_ptr();
    }
    0
}

/// The trampoline's address is on stacks, and slots' addresses are in registers: nothing moves.
///
/// # Safety
///
/// None.
unsafe extern "C" fn mremap(
    _mapping: *const bindings::vm_special_mapping,
    _vma: *mut bindings::vm_area_struct,
) -> kernel::ffi::c_int {
    EPERM.to_errno()
}
