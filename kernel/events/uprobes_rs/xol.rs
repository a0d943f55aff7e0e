// SPDX-License-Identifier: GPL-2.0

//! The out-of-line area of a process: pages of slots in which probed instructions are executed, and
//! the trampoline that hijacked returns run into.
//!
//! ```text
//!   mm ──► Area ──► block 0: trampoline, slot 1, slot 2, …     a page, mapped as "[uprobes]"
//!            │      block 1: …                                 the same page or another, likewise
//!            └────► Book: the threads that step here, the slots that are filled
//! ```
//!
//! A block is a page of slots or, where slots are small, a part of one, so that a process with few
//! of them does not pay for the records of a thousand. The first is made with the area; others when
//! slots run out, up to [`MAX_BLOCKS`]; after that, slots are taken from instructions that nobody
//! is executing. Which slot an instruction gets is in `book.rs`, what a slot holds in `slots.rs`;
//! here are memory and mappings. The area is shared by all tasks with the address space and lives as
//! long as it: user space may unmap the pages, and then faults when it gets there, but does not take
//! them away.

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
        Word,
        SLOT_BYTES, //
    },
    blocks::Blocks,
    book::{
        Book,
        Membership,
        Slots, //
    },
    mm::MmapWrite,
    slots::{
        Hints,
        Record,
        SlotId, //
    },
    stats::Event, //
};

const SLOTS_PER_PAGE: usize = PAGE_SIZE / SLOT_BYTES;

/// How many slots a block has where they are small.
const SMALL_SLOTS: usize = 62;

const SLOTS_PER_BLOCK: usize = if SLOTS_PER_PAGE < SMALL_SLOTS {
    SLOTS_PER_PAGE
} else {
    SMALL_SLOTS
};

// Their number is chosen for this. One byte more, and the allocator takes twice as much.
const _: () = assert!(SLOTS_PER_BLOCK < SMALL_SLOTS || size_of::<Block>() <= 512);

const BLOCK_BYTES: usize = SLOTS_PER_BLOCK * SLOT_BYTES;

/// At most so many blocks for a process, which have 1024 slots or a little less.
const MAX_BLOCKS: usize = 1024 / SLOTS_PER_BLOCK;

/// User space executes slots, and does nothing else with them.
const MAPPING_FLAGS: vm_flags_t = flags::EXEC
    | flags::MAYEXEC
    | flags::DONTCOPY
    | flags::IO
    | bindings::UPROBES_VM_SEALED_SYSMAP as vm_flags_t;

/// Slots that are side by side in a page.
pub(crate) struct Block {
    page: Arc<Page>,
    /// The address of the first of them.
    vaddr: usize,
    records: [Record; SLOTS_PER_BLOCK],
}

impl Block {
    /// The first block of a new page.
    fn new() -> Result<KVBox<Self>> {
        // Zeroed: user space can execute what it cannot read, and must not find old memory there.
        let page = Page::alloc_page(GFP_KERNEL | __GFP_HIGHMEM | __GFP_ZERO)?;
        Self::of(Arc::new(page, GFP_KERNEL)?, 0)
    }

    /// The block behind this one in the same page, if there is room for it.
    fn next(&self) -> Option<Result<KVBox<Self>>> {
        let has_room = self.vaddr % PAGE_SIZE + 2 * BLOCK_BYTES <= PAGE_SIZE;
        has_room.then(|| Self::of(self.page.clone(), self.vaddr + BLOCK_BYTES))
    }

    fn of(page: Arc<Page>, vaddr: usize) -> Result<KVBox<Self>> {
        KVBox::init(
            init!(Self {
                page,
                vaddr,
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

/// The out-of-line area of a process.
#[pin_data]
pub(crate) struct Area {
    /// Where hijacked returns go: the beginning of the first page.
    trampoline: usize,
    blocks: Blocks<Block, MAX_BLOCKS>,
    /// Lock order: taken before `mmap_lock`.
    #[pin]
    book: Mutex<Book>,
}

impl Area {
    fn with_block(first: KVBox<Block>) -> impl PinInit<Self> {
        let trampoline = first.vaddr;
        let blocks = Blocks::new();
        blocks.set(0, first);
        pin_init!(Self {
            trampoline,
            blocks,
            book <- new_mutex!(Book::new(), "uprobes::xol"),
        })
    }

    /// Where hijacked returns go.
    #[inline]
    pub(crate) fn trampoline(&self) -> usize {
        self.trampoline
    }

    /// The page that is mapped at an address.
    fn page_at(&self, vaddr: usize) -> Option<&Page> {
        let first = self.blocks.iter().find(|block| block.vaddr == vaddr)?;
        Some(&first.page)
    }

    /// Adds the first block of a new page, and maps that into the current process.
    fn add_page(&self, mm: &MmWithUser, index: usize) -> Result {
        let mut block = Block::new()?;
        let lock = MmapWrite::lock_killable(mm)?;
        let vaddr = arch::find_room()?;
        // User space has unmapped the page that was there. Its slots must go on to fault.
        if self.page_at(vaddr).is_some() {
            return Err(ENOMEM);
        }
        block.map_at(&lock, vaddr)?;
        // While nobody can touch the page, so that who does finds it here.
        self.blocks.set(index, block);
        Ok(())
    }
}

impl Slots for Area {
    type Block = Block;
    type Mm = MmWithUser;

    const PER_BLOCK: usize = SLOTS_PER_BLOCK;
    const MAX_BLOCKS: usize = MAX_BLOCKS;

    #[inline]
    fn book(&self) -> &Mutex<Book> {
        &self.book
    }

    #[inline]
    fn slot(&self, slot: SlotId) -> Option<(&Block, &Record)> {
        let block = self.blocks.get(slot.index() / SLOTS_PER_BLOCK)?;
        let record = block.records.get(slot.index() % SLOTS_PER_BLOCK)?;
        Some((block, record))
    }

    fn records(&self) -> impl Iterator<Item = &Record> {
        self.blocks.iter().flat_map(|block| block.records.iter())
    }

    #[inline]
    fn vaddr(block: &Block, slot: SlotId) -> usize {
        block.vaddr + slot.index() % SLOTS_PER_BLOCK * SLOT_BYTES
    }

    fn write(block: &Block, slot: SlotId, ixol: &Ixol) {
        arch::write_code(&block.page, Self::vaddr(block, slot), as_bytes(ixol));
    }

    fn add_block(&self, mm: &MmWithUser, index: usize) -> Result {
        let last = self.blocks.get(index - 1).ok_or(ENOMEM)?;
        match last.next() {
            Some(block) => self.blocks.set(index, block?),
            None => self.add_page(mm, index)?,
        }
        Ok(())
    }

    /// All slots are occupied by threads that are executing in them, which takes as long as user
    /// space likes; there is no telling which is the first to go.
    fn wait() -> Result {
        // SAFETY: Called in process context, where sleeping is allowed.
        unsafe { bindings::schedule_timeout_killable(1) };
        if kernel::current!().signal_pending() && crate::task::is_being_killed() {
            return Err(EINTR);
        }
        Ok(())
    }
}

fn as_bytes(ixol: &Ixol) -> &[u8] {
    let words: &[Word] = &ixol[..];
    // SAFETY: The bytes of words are valid bytes.
    unsafe { core::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

/// A thread's part in the area of its process, from its first step on.
pub(crate) struct AreaMember(OnceCell<Membership<Area>>);

impl AreaMember {
    pub(crate) const fn new() -> Self {
        Self(OnceCell::new())
    }

    /// Goes into a slot with the instruction that is probed at `vaddr`; returns its address.
    /// `hints` are the thread's.
    ///
    /// If these know the slot, nothing is written that others read, and no lock taken. May sleep.
    ///
    /// # Errors
    ///
    /// `ENOMEM`, `EINTR`, and what mapping a page says.
    #[inline]
    pub(crate) fn enter(&self, hints: &Hints, vaddr: usize, ixol: &Ixol) -> Result<usize> {
        if let Some(member) = self.0.get() {
            let entered = hints.get(vaddr).and_then(|slot| member.enter(slot, ixol));
            if let Some(address) = entered {
                return Ok(address);
            }
        }
        self.enter_new(hints, vaddr, ixol)
    }

    #[cold]
    fn enter_new(&self, hints: &Hints, vaddr: usize, ixol: &Ixol) -> Result<usize> {
        let current = kernel::current!();
        let mm = current.mm().ok_or(ESRCH)?;
        let (slot, address) = self.membership(mm)?.enter_any(mm, ixol)?;
        hints.set(vaddr, slot);
        Ok(address)
    }

    fn membership(&self, mm: &MmWithUser) -> Result<&Membership<Area>> {
        if let Some(member) = self.0.get() {
            return Ok(member);
        }
        let member = Membership::join(shared_area(mm)?)?;
        // Only this thread fills the cell, and it was empty.
        Ok(self.0.get_or_init(|| member))
    }

    /// Goes out of the slot.
    #[inline]
    pub(crate) fn leave(&self) {
        if let Some(member) = self.0.get() {
            member.leave();
        }
    }
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
    let mut first = Block::new()?;
    arch::write_code(&first.page, 0, arch::trampoline());
    // Before the page is mapped: after that nothing may fail.
    let memory = UniqueArc::<Area>::new_uninit(GFP_KERNEL)?;

    let lock = MmapWrite::lock_killable(mm)?;
    if area(mm).is_some() {
        return Ok(());
    }
    let vaddr = vaddr.map_or_else(arch::find_room, Ok)?;
    first.map_at(&lock, vaddr)?;
    let area: Arc<Area> = memory.pin_init_with(Area::with_block(first))?.into();
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
        Event::SlotFreed.note_many(area.book.lock().filled());
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
/// Called for a fault in a mapping that [`Block::map_at`] has made.
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
        bindings::get_page(page.as_ptr());
        (*vmf).page = page.as_ptr();
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
