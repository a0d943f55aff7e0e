// SPDX-License-Identifier: GPL-2.0

//! Pending returns of a thread: what has been entered with a return address of ours on the stack,
//! and not left yet.
//!
//! # Who looks
//!
//! The owner alone changes the stack of pending returns. Two others read it without a lock: perf,
//! walking the thread's call chain from an interrupt or an NMI on the same CPU (it finishes before
//! the owner goes on), and the lease timer, in softirq on any CPU. For both an entry is linked
//! after it is filled, and unlinked before anything else happens to it. Against the timer the
//! owner has a sequence count: if no walk was in progress after the unlinking, no walk can have
//! the entry, and it goes to the pool for reuse; otherwise it is freed after an RCU grace period.
//!
//! Relies on `pending.rs` for what keeps probes alive. Promises that the stack is never deeper than
//! [`MAX_DEPTH`], and that every entry pushed is popped once.

use core::{
    cell::{
        Cell,
        UnsafeCell, //
    },
    mem::{
        offset_of,
        ManuallyDrop, //
    },
    ptr::{
        self,
        NonNull, //
    },
};

use kernel::{
    alloc::AllocError,
    bindings,
    prelude::*,
    sync::{
        atomic::{
            ordering::{
                Full,
                Relaxed,
                Release, //
            },
            Atomic, //
        },
        barrier::smp_mb,
        rcu,
        seqcount::SeqCount, //
    },
    types::Opaque, //
};

use crate::{
    lease::Successor,
    pending::{
        Held,
        Pending, //
    },
    stats::Event,
    trace, //
};

/// How many returns of one thread may be pending at once.
pub(crate) const MAX_DEPTH: u32 = bindings::MAX_URETPROBE_DEPTH;

/// What a session wants to see again when its function returns.
#[derive(Clone, Copy)]
struct Cookie {
    value: u64,
    consumer: u64,
}

/// The cookies of one pending return, in the order in which the consumers are listed.
///
/// One is stored in place, because there is rarely more than one session on a probe.
struct Cookies {
    first: Option<Cookie>,
    more: KVec<Cookie>,
}

impl Cookies {
    const fn new() -> Self {
        Self {
            first: None,
            more: KVec::new(),
        }
    }

    #[inline]
    fn push(&mut self, cookie: Cookie) -> Result<(), AllocError> {
        if self.first.is_none() {
            self.first = Some(cookie);
            return Ok(());
        }
        self.push_another(cookie)
    }

    #[cold]
    fn push_another(&mut self, cookie: Cookie) -> Result<(), AllocError> {
        self.more.push(cookie, GFP_KERNEL)
    }

    fn clear(&mut self) {
        self.first = None;
        self.more.clear();
    }

    fn try_clone(&self) -> Result<Self, AllocError> {
        let mut more = KVec::new();
        more.extend_from_slice(&self.more, GFP_KERNEL)?;
        Ok(Self {
            first: self.first,
            more,
        })
    }

    /// Finds a consumer's cookie at or after `position`, and moves behind it.
    fn find(&mut self, consumer: u64, position: &mut usize) -> Option<&mut u64> {
        let skipped = *position;
        let all = Iterator::chain(self.first.iter_mut(), self.more.iter_mut());
        let (index, cookie) = all
            .enumerate()
            .skip(skipped)
            .find(|(_, cookie)| cookie.consumer == consumer)?;
        *position = index + 1;
        Some(&mut cookie.value)
    }
}

/// One pending return. Begins like C's `struct return_instance`, of which the architecture reads
/// `stack`, and perf `next` and `orig_ret_vaddr`.
#[repr(C)]
pub(crate) struct Return {
    pending: Pending,
    /// Address of the probed instruction.
    func: Cell<usize>,
    /// Stack pointer at entry.
    stack: Cell<usize>,
    /// Where the function returns to in truth.
    orig_ret_vaddr: Cell<usize>,
    /// Did it find the trampoline as its return address, put there by the entry below?
    chained: Cell<bool>,
    _cons_cnt: i32,
    next: Atomic<*mut Return>,
    rcu: Opaque<bindings::callback_head>,
    cookies: UnsafeCell<Cookies>,
}

const _: () = {
    use bindings::return_instance as C;
    assert!(offset_of!(Return, func) == offset_of!(C, func));
    assert!(offset_of!(Return, stack) == offset_of!(C, stack));
    assert!(offset_of!(Return, orig_ret_vaddr) == offset_of!(C, orig_ret_vaddr));
    assert!(offset_of!(Return, chained) == offset_of!(C, chained));
    assert!(offset_of!(Return, next) == offset_of!(C, next));
    assert!(offset_of!(Return, rcu) == offset_of!(C, rcu));
    assert!(size_of::<Return>() <= size_of::<C>());
};

impl Return {
    fn new() -> Self {
        Self {
            pending: Pending::new(),
            func: Cell::new(0),
            stack: Cell::new(0),
            orig_ret_vaddr: Cell::new(0),
            chained: Cell::new(false),
            _cons_cnt: 0,
            next: Atomic::new(ptr::null_mut()),
            rcu: Opaque::zeroed(),
            cookies: UnsafeCell::new(Cookies::new()),
        }
    }

    /// As the architecture's functions take it.
    pub(crate) fn as_ptr(&self) -> *mut bindings::return_instance {
        ptr::from_ref(self).cast_mut().cast()
    }

    #[inline]
    pub(crate) fn func(&self) -> usize {
        self.func.get()
    }

    #[inline]
    pub(crate) fn orig_ret_vaddr(&self) -> usize {
        self.orig_ret_vaddr.get()
    }

    #[inline]
    pub(crate) fn is_chained(&self) -> bool {
        self.chained.get()
    }

    /// The entry that was pushed before this one.
    #[inline]
    pub(crate) fn below(&self) -> Option<&Return> {
        // SAFETY: The owner walks its own stack; entries are freed only after they were popped,
        // by the owner, from the top.
        unsafe { self.next.load(Relaxed).as_ref() }
    }
}

/// A return that is being prepared or has been taken off the stack, owned.
///
/// # Invariants
///
/// The entry is on no list that others see, but a walk of the timer may still be looking at it.
struct Entry(NonNull<Return>);

impl Entry {
    #[cold]
    fn alloc() -> Result<Self, AllocError> {
        let entry = KBox::into_raw(KBox::new(Return::new(), GFP_KERNEL)?);
        // SAFETY: The pointer comes from a box.
        Ok(Self(unsafe { NonNull::new_unchecked(entry) }))
    }

    #[inline]
    fn get(&self) -> &Return {
        // SAFETY: By the type's invariants the entry is alive and ours.
        unsafe { self.0.as_ref() }
    }

    #[inline]
    fn cookies(&mut self) -> &mut Cookies {
        // SAFETY: The entry is ours, and those who may still look at it do not look at cookies.
        unsafe { &mut *self.get().cookies.get() }
    }

    /// Frees the entry once no walk can be looking at it.
    fn free(mut self) {
        *self.cookies() = Cookies::new();
        // SAFETY: The entry comes from a box, has no content to be dropped any more, and its head
        // for RCU lies where C's structure has it.
        unsafe { bindings::kfree_rcu_return_instance(self.get().as_ptr()) };
    }
}

/// Where a hijacked return came from; see [`Return`].
pub(crate) struct Hijack {
    pub(crate) func: usize,
    pub(crate) stack: usize,
    pub(crate) orig_ret_vaddr: usize,
    pub(crate) chained: bool,
}

/// A return that is not pending yet: it collects the cookies of a hit's sessions. Goes back to the
/// pool when dropped.
pub(crate) struct Draft<'t> {
    entry: ManuallyDrop<Entry>,
    stack: Stack<'t>,
}

impl Draft<'_> {
    /// Remembers a session's cookie. May sleep.
    #[inline]
    pub(crate) fn with_cookie(mut self, consumer: u64, value: u64) -> Result<Self, AllocError> {
        self.entry.cookies().push(Cookie { value, consumer })?;
        Ok(self)
    }

    /// Makes the return pending; `hold` says by what it keeps its probe.
    #[inline]
    pub(crate) fn publish(self, hijack: Hijack, hold: impl FnOnce(&Pending)) {
        let mut this = ManuallyDrop::new(self);
        // SAFETY: The entry is not used again, because the draft is not dropped.
        let entry = unsafe { ManuallyDrop::take(&mut this.entry) };
        let ret = entry.get();
        ret.func.set(hijack.func);
        ret.stack.set(hijack.stack);
        ret.orig_ret_vaddr.set(hijack.orig_ret_vaddr);
        ret.chained.set(hijack.chained);
        hold(&ret.pending);
        this.stack.link(entry);
    }
}

impl Drop for Draft<'_> {
    fn drop(&mut self) {
        // SAFETY: The entry is not used again.
        let mut entry = unsafe { ManuallyDrop::take(&mut self.entry) };
        entry.cookies().clear();
        self.stack.to_pool(entry);
    }
}

/// A return that was pending until a moment ago. Goes back to the pool when dropped.
pub(crate) struct Popped<'t> {
    entry: Option<Entry>,
    stack: Stack<'t>,
}

impl Popped<'_> {
    #[inline]
    pub(crate) fn get(&self) -> Option<&Return> {
        self.entry.as_ref().map(Entry::get)
    }

    /// Finds a session's cookie at or after `position`; see [`Cookies::find`].
    #[inline]
    pub(crate) fn cookie(&mut self, consumer: u64, position: &mut usize) -> Option<&mut u64> {
        self.entry.as_mut()?.cookies().find(consumer, position)
    }
}

impl Drop for Popped<'_> {
    #[inline]
    fn drop(&mut self) {
        if let Some(mut entry) = self.entry.take() {
            entry.cookies().clear();
            self.stack.recycle(entry);
        }
    }
}

/// A thread's stack of pending returns, in the fields of its `struct uprobe_task`, where perf
/// finds it.
///
/// # Invariants
///
/// `utask` is valid during `'t`, and the holder is its owner: the current task, or whoever makes
/// or takes apart a thread that does not run.
pub(crate) struct Stack<'t> {
    utask: *mut bindings::uprobe_task,
    _thread: core::marker::PhantomData<&'t bindings::uprobe_task>,
}

impl<'t> Stack<'t> {
    /// # Safety
    ///
    /// `utask` must be valid during `'t`, and the caller must be its owner.
    #[inline]
    pub(crate) unsafe fn from_raw(utask: *mut bindings::uprobe_task) -> Self {
        Self {
            utask,
            _thread: core::marker::PhantomData,
        }
    }

    #[inline]
    fn head(&self) -> &'t Atomic<*mut Return> {
        // CAST: The list that C declares has entries of ours, which begin like its own.
        // SAFETY: `utask` is valid, and all who access the head while it may change use atomics.
        unsafe { Atomic::from_ptr((&raw mut (*self.utask).return_instances).cast()) }
    }

    #[inline]
    fn pool(&self) -> &'t Cell<*mut Return> {
        // SAFETY: `utask` is valid; the pool is the owner's alone.
        unsafe { &*(&raw const (*self.utask).ri_pool).cast() }
    }

    #[inline]
    fn depth_cell(&self) -> &'t Cell<u32> {
        // SAFETY: `utask` is valid; the depth is the owner's alone.
        unsafe { &*(&raw const (*self.utask).depth).cast() }
    }

    #[inline]
    fn walks(&self) -> &'t SeqCount {
        // SAFETY: `utask` is valid, and the count was initialised with it.
        unsafe { SeqCount::from_raw(&raw mut (*self.utask).ri_seqcount) }
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.head().load(Relaxed).is_null()
    }

    #[inline]
    pub(crate) fn is_full(&self) -> bool {
        self.depth_cell().get() >= MAX_DEPTH
    }

    /// Is this the return that is due next? Null stands for none.
    #[inline]
    pub(crate) fn is_top(&self, ret: *const Return) -> bool {
        ptr::eq(self.head().load(Relaxed), ret)
    }

    /// Another handle on the same stack, for an entry that has to find its way back.
    #[inline]
    fn again(&self) -> Self {
        Self {
            utask: self.utask,
            _thread: core::marker::PhantomData,
        }
    }

    /// The return that is due next.
    #[inline]
    pub(crate) fn top(&self) -> Option<&Return> {
        // SAFETY: Entries on the stack are alive, and only the owner takes them off.
        unsafe { self.head().load(Relaxed).as_ref() }
    }

    /// Begins a return, with memory from the pool or with new memory. May sleep.
    #[inline]
    pub(crate) fn draft(&self) -> Result<Draft<'t>, AllocError> {
        let entry = match NonNull::new(self.pool().get()) {
            Some(pooled) => {
                let entry = Entry(pooled);
                self.pool().set(entry.get().next.load(Relaxed));
                entry
            }
            None => Entry::alloc()?,
        };
        Ok(Draft {
            entry: ManuallyDrop::new(entry),
            stack: self.again(),
        })
    }

    #[inline]
    fn link(&self, entry: Entry) {
        entry.get().next.store(self.head().load(Relaxed), Relaxed);
        self.depth_cell().set(self.depth_cell().get() + 1);
        // Release: who sees the entry sees it filled. Pairs with the dependency in `expire_all()`
        // and with the interrupt's order in perf.
        self.head().store(entry.0.as_ptr(), Release);
    }

    /// Takes the next return off the stack, and what it held its probe with.
    #[inline]
    pub(crate) fn pop(&mut self) -> Option<(Popped<'t>, Held)> {
        let entry = Entry(NonNull::new(self.head().load(Relaxed))?);
        self.head().store(entry.get().next.load(Relaxed), Release);
        self.depth_cell().set(self.depth_cell().get() - 1);
        let held = entry.get().pending.consume();
        let popped = Popped {
            entry: Some(entry),
            stack: self.again(),
        };
        Some((popped, held))
    }

    #[inline]
    fn to_pool(&self, entry: Entry) {
        entry.get().next.store(self.pool().get(), Relaxed);
        self.pool().set(entry.0.as_ptr());
    }

    /// Reuses an entry that was linked before, if no walk can have it: see [`expire_all`].
    #[inline]
    fn recycle(&self, entry: Entry) {
        match self.walks().try_begin() {
            Some(_) => self.to_pool(entry),
            None => entry.free(),
        }
    }

    /// Frees everything. The timer must be gone.
    pub(crate) fn clear(&mut self) {
        while let Some(popped) = self.pop() {
            drop(popped);
        }
        while let Some(pooled) = NonNull::new(self.pool().get()) {
            let entry = Entry(pooled);
            self.pool().set(entry.get().next.load(Relaxed));
            entry.free();
        }
    }

    /// Copies the pending returns of a thread that forks to its child, which does not run yet.
    ///
    /// The copies hold counted probes or none. May sleep.
    pub(crate) fn copy_from(&self, parent: &Stack<'_>) -> Result<(), AllocError> {
        let mut tail = self.head();
        let mut next = parent.top();
        while let Some(original) = next {
            let mut entry = Entry::alloc()?;
            // SAFETY: The parent, who is the caller, does not use its cookies meanwhile.
            let cookies = unsafe { &*original.cookies.get() }.try_clone();
            let cookies = match cookies {
                Ok(cookies) => cookies,
                Err(error) => {
                    entry.free();
                    return Err(error);
                }
            };
            *entry.cookies() = cookies;
            let copy = entry.get();
            copy.func.set(original.func());
            copy.stack.set(original.stack.get());
            copy.orig_ret_vaddr.set(original.orig_ret_vaddr());
            copy.chained.set(original.is_chained());
            copy.pending.settle(original.pending.expire_for_copy());
            tail.store(entry.0.as_ptr(), Release);
            self.depth_cell().set(self.depth_cell().get() + 1);
            // SAFETY: The entry is on the child's stack now, and stays as long as that.
            tail = unsafe { &entry.0.as_ref().next };
            next = original.below();
        }
        Ok(())
    }
}

/// Ends all leases of a thread, whoever owns it. For the timer: softirq, any CPU.
///
/// # Safety
///
/// `utask` must be valid, and calls for one `utask` must not overlap.
pub(crate) unsafe fn expire_all(utask: *mut bindings::uprobe_task) {
    // An entry that the owner unlinks during the walk is freed after this ends, and so is a probe
    // whose lease the owner ends.
    let rcu = rcu::read_lock();
    // SAFETY: The caller vouches for `utask`. Only shared accesses follow.
    let stack = unsafe { Stack::from_raw(utask) };
    // SAFETY: There is one walk at a time, by the function's contract.
    let _walk = unsafe { stack.walks().raw_write_begin() };
    // The count is seen to be odd before the list is read. Pairs with the full barrier of
    // `Pending::consume()` in `Stack::pop()`, between the unlinking and the look at the count.
    //
    // Likewise, the timer is seen not to be pending before the list is read. Pairs with the barrier
    // in `lease_timer::limit()`, between the linking and the look at the timer.
    smp_mb(Full);
    let mut next = stack.head().load(Relaxed);
    // ORDERING: The address dependency pairs with the release in `link()`.
    //
    // SAFETY: The RCU guard keeps entries that were on the stack during the walk.
    while let Some(entry) = unsafe { next.as_ref() } {
        if let Some(successor) = entry.pending.expire(&rcu) {
            Event::LeaseExpired.note();
            trace::lease_expired(entry.func(), successor == Successor::Stable);
        }
        next = entry.next.load(Relaxed);
    }
}

#[cfg(CONFIG_UPROBES_RUST_KUNIT_TEST)]
#[kernel::macros::kunit_tests(uprobes_returns)]
mod tests {
    use super::*;

    /// A thread without a task.
    fn utask() -> Result<KBox<Opaque<bindings::uprobe_task>>> {
        let utask = KBox::new(Opaque::<bindings::uprobe_task>::zeroed(), GFP_KERNEL)?;
        // SAFETY: The box does not move its content, and nobody else knows of it.
        unsafe {
            SeqCount::init(
                &raw mut (*utask.get()).ri_seqcount,
                c"uprobes::returns",
                kernel::static_lock_class!(),
            )
        };
        Ok(utask)
    }

    fn push(stack: &Stack<'_>, func: usize) -> Result<*const Return> {
        stack.draft()?.publish(
            Hijack {
                func,
                stack: 0,
                orig_ret_vaddr: 0,
                chained: false,
            },
            |pending| pending.settle(None),
        );
        Ok(stack.top().map_or(ptr::null(), ptr::from_ref))
    }

    #[test]
    fn returns_come_in_the_opposite_order() -> Result {
        let utask = utask()?;
        // SAFETY: The test owns it.
        let mut stack = unsafe { Stack::from_raw(utask.get()) };
        for func in 1..=3 {
            push(&stack, func)?;
        }
        for func in (1..=3).rev() {
            assert_eq!(stack.top().map(Return::func), Some(func));
            assert!(stack.pop().is_some());
        }
        assert!(stack.is_empty());
        assert!(stack.pop().is_none());
        stack.clear();
        Ok(())
    }

    #[test]
    fn memory_of_a_return_is_used_again() -> Result {
        let utask = utask()?;
        // SAFETY: The test owns it.
        let mut stack = unsafe { Stack::from_raw(utask.get()) };
        let first = push(&stack, 1)?;
        drop(stack.pop());
        assert!(ptr::eq(push(&stack, 2)?, first));
        stack.clear();
        Ok(())
    }

    #[test]
    fn memory_that_a_walk_may_see_is_not_used_again() -> Result {
        let utask = utask()?;
        // SAFETY: The test owns it.
        let mut stack = unsafe { Stack::from_raw(utask.get()) };
        let first = push(&stack, 1)?;
        {
            // SAFETY: Nobody else walks.
            let _walk = unsafe { stack.walks().raw_write_begin() };
            drop(stack.pop());
        }
        assert!(!ptr::eq(push(&stack, 2)?, first));
        stack.clear();
        Ok(())
    }

    #[test]
    fn the_stack_is_full_at_its_limit() -> Result {
        let utask = utask()?;
        // SAFETY: The test owns it.
        let mut stack = unsafe { Stack::from_raw(utask.get()) };
        for _ in 0..MAX_DEPTH {
            assert!(!stack.is_full());
            push(&stack, 0)?;
        }
        assert!(stack.is_full());
        stack.clear();
        assert!(!stack.is_full());
        Ok(())
    }

    #[test]
    fn cookies_are_found_in_order() -> Result {
        let mut cookies = Cookies::new();
        for (consumer, value) in [(9, 90), (7, 70), (5, 50)] {
            cookies.push(Cookie { value, consumer })?;
        }
        let mut position = 0;
        assert_eq!(cookies.find(9, &mut position).copied(), Some(90));
        assert_eq!(cookies.find(8, &mut position), None);
        assert_eq!(cookies.find(5, &mut position).copied(), Some(50));
        // Behind the last one there is nothing.
        assert_eq!(cookies.find(7, &mut position), None);

        let mut copy = cookies.try_clone()?;
        cookies.clear();
        assert_eq!(cookies.find(9, &mut 0), None);
        assert_eq!(copy.find(7, &mut 0).copied(), Some(70));
        Ok(())
    }
}
