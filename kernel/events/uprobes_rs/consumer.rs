// SPDX-License-Identifier: GPL-2.0

//! The consumers of a probe, and how they are called.
//!
//! A consumer is C's `struct uprobe_consumer`: it belongs to whoever registered it (perf, ftrace,
//! BPF, a module), which keeps it in place until it was taken off the list *and* a grace period
//! of both Tasks Trace RCU and the returns' SRCU has passed. A hit walks the list under the first
//! without a lock, and so do those who ask the filters; writers use a sleeping lock.

use core::{
    marker::PhantomData,
    ptr, //
};

use kernel::{
    bindings,
    container_of,
    ffi::{
        c_int,
        c_ulong,
        c_void, //
    },
    mm::Mm,
    prelude::*,
    sync::{
        atomic::{
            ordering::{
                Relaxed, //
            },
            Atomic, //
        },
        new_rwsem,
        rcu_tasks_trace,
        RwSemaphore, //
    },
    types::Opaque, //
};

use crate::arch::Regs;

/// What a consumer's entry handler asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub(crate) enum Verdict {
    /// Go on, and tell the consumer of the return too.
    Keep,
    /// Take the breakpoint out of this address space, if the filters agree.
    Remove,
    /// Do not tell the consumer of the return.
    Ignore,
}

impl Verdict {
    /// From the value of an entry handler. Anything C does not define is reported and kept.
    #[inline]
    fn from_raw(raw: c_int) -> Self {
        match raw as u32 {
            0 => Verdict::Keep,
            bindings::UPROBE_HANDLER_REMOVE => Verdict::Remove,
            bindings::UPROBE_HANDLER_IGNORE => Verdict::Ignore,
            _ => {
                kernel::warn_on!(true);
                Verdict::Keep
            }
        }
    }
}

/// The verdicts of a hit's consumers: a set.
pub(crate) struct Verdicts(u32);

impl Verdicts {
    pub(crate) const NONE: Self = Self(0);

    #[inline]
    pub(crate) fn add(&mut self, verdict: Verdict) {
        self.0 |= 1 << verdict as u32;
    }

    /// Has somebody been asked, and everybody said to take the breakpoint out?
    #[inline]
    pub(crate) fn all_refuse(&self) -> bool {
        self.0 == 1 << Verdict::Remove as u32
    }
}

/// A consumer that is registered, or was a moment ago.
///
/// # Invariants
///
/// The object is alive for as long as the reference to it.
#[repr(transparent)]
pub(crate) struct Consumer(Opaque<bindings::uprobe_consumer>);

impl Consumer {
    /// # Safety
    ///
    /// `uc` must point to a consumer that stays alive for `'a`.
    #[inline]
    pub(crate) unsafe fn from_raw<'a>(uc: *const bindings::uprobe_consumer) -> &'a Self {
        // CAST: `Self` is a transparent wrapper.
        // SAFETY: By the function's contract.
        unsafe { &*uc.cast() }
    }

    fn as_ptr(&self) -> *mut bindings::uprobe_consumer {
        self.0.get()
    }

    /// The number that its registration was given, never used twice.
    #[inline]
    pub(crate) fn id(&self) -> u64 {
        // SAFETY: Alive by the type's invariants; written before it is listed.
        unsafe { (*self.as_ptr()).id }
    }

    #[inline]
    fn handler(&self) -> HandlerFn {
        // SAFETY: Alive by the type's invariants; callbacks do not change while registered.
        unsafe { (*self.as_ptr()).handler }
    }

    #[inline]
    fn ret_handler(&self) -> RetHandlerFn {
        // SAFETY: As in `handler()`.
        unsafe { (*self.as_ptr()).ret_handler }
    }

    /// The address of what is called at a hit, or at the return if nothing is; to be shown.
    pub(crate) fn any_handler(&self) -> *const c_void {
        match (self.handler(), self.ret_handler()) {
            (Some(handler), _) => handler as *const c_void,
            (None, Some(ret_handler)) => ret_handler as *const c_void,
            (None, None) => ptr::null(),
        }
    }

    /// Has it anything to be called with? Registering one that has not is an error.
    pub(crate) fn is_callable(&self) -> bool {
        self.handler().is_some() || self.ret_handler().is_some()
    }

    /// Is it called when the probed function returns?
    #[inline]
    pub(crate) fn watches_return(&self) -> bool {
        self.ret_handler().is_some()
    }

    /// Is it called at both ends, with a cookie from one to the other?
    #[inline]
    pub(crate) fn is_session(&self) -> bool {
        self.handler().is_some() && self.ret_handler().is_some()
    }

    /// Tells it of a hit. `cookie` is what a session wants to see again at the return.
    #[inline]
    pub(crate) fn entered(&self, regs: &Regs, cookie: &mut u64) -> Verdict {
        let Some(handler) = self.handler() else {
            return Verdict::Keep;
        };
        // SAFETY: The consumer is alive, and `regs` are what its handler expects.
        Verdict::from_raw(unsafe { handler(self.as_ptr(), regs.as_ptr(), cookie) })
    }

    /// Tells it of the return of the function at `func`.
    #[inline]
    pub(crate) fn returned(&self, func: usize, regs: &Regs, cookie: Option<&mut u64>) {
        let cookie = cookie.map_or(ptr::null_mut(), ptr::from_mut);
        if let Some(handler) = self.ret_handler() {
            // SAFETY: The consumer is alive, and `regs` are what its handler expects.
            unsafe { handler(self.as_ptr(), func, regs.as_ptr(), cookie) };
        }
    }

    /// Does it want the breakpoint in this address space? One without a filter always does.
    pub(crate) fn wants(&self, mm: &Mm) -> bool {
        // SAFETY: As in `handler()`.
        match unsafe { (*self.as_ptr()).filter } {
            // SAFETY: The consumer is alive, and the reference keeps the address space.
            Some(filter) => unsafe { filter(self.as_ptr(), mm.as_raw()) },
            None => true,
        }
    }
}

type HandlerFn = Option<
    unsafe extern "C" fn(*mut bindings::uprobe_consumer, *mut bindings::pt_regs, *mut u64) -> c_int,
>;
type RetHandlerFn = Option<
    unsafe extern "C" fn(
        *mut bindings::uprobe_consumer,
        c_ulong,
        *mut bindings::pt_regs,
        *mut u64,
    ) -> c_int,
>;

/// The consumers of one probe.
///
/// # Invariants
///
/// `head` is a list of `cons_node`s, changed only under `lock` held for writing, with RCU list
/// operations.
#[pin_data]
pub(crate) struct Consumers {
    #[pin]
    lock: RwSemaphore<()>,
    #[pin]
    head: Opaque<bindings::list_head>,
}

// SAFETY: The list is changed under the lock and read with RCU.
unsafe impl Sync for Consumers {}
// SAFETY: Nothing here belongs to a task.
unsafe impl Send for Consumers {}

/// The last number given to a consumer.
static LAST_ID: Atomic<i64> = Atomic::new(0);

impl Consumers {
    pub(crate) fn new() -> impl PinInit<Self> {
        pin_init!(Self {
            lock <- new_rwsem!((), "uprobes::consumers"),
            head <- Opaque::ffi_init(|head: *mut bindings::list_head| {
                // SAFETY: `head` is memory for a list head that is being initialised.
                unsafe { bindings::INIT_LIST_HEAD(head) }
            }),
        })
    }

    /// Lists a consumer, from which moment on it can be called, and gives it its number.
    ///
    /// May sleep.
    ///
    /// # Safety
    ///
    /// `uc` must be valid, be on no list, and stay valid until a grace period after [`Self::del`].
    pub(crate) unsafe fn add(&self, uc: *mut bindings::uprobe_consumer) {
        let _guard = self.lock.write();
        let id = LAST_ID.fetch_add(1, Relaxed) + 1;
        // SAFETY: `uc` is valid and not yet visible to others.
        unsafe { (*uc).id = id as u64 };
        // SAFETY: The list is locked for writing and `uc` is on no list.
        unsafe { bindings::list_add_rcu(&raw mut (*uc).cons_node, self.head.get()) };
    }

    /// Takes a consumer off the list; it may be running, or be about to, until a grace period ends.
    ///
    /// May sleep.
    ///
    /// # Safety
    ///
    /// `uc` must be on this list.
    pub(crate) unsafe fn del(&self, uc: *mut bindings::uprobe_consumer) {
        let _guard = self.lock.write();
        // SAFETY: The list is locked for writing and `uc` is on it.
        unsafe { bindings::list_del_rcu(&raw mut (*uc).cons_node) };
    }

    /// Is nobody on the list? Settled only while the probe's registration lock is held.
    pub(crate) fn is_empty(&self) -> bool {
        let head = self.head.get();
        // SAFETY: The head is always valid.
        ptr::eq(unsafe { following(head) }, head)
    }

    /// Calls `work` with each consumer, none of which goes meanwhile. May sleep.
    pub(crate) fn for_each(&self, work: impl FnMut(&Consumer)) {
        let _guard = self.lock.read();
        // SAFETY: The lock keeps consumers on the list.
        unsafe { Iter::new(self) }.for_each(work);
    }

    /// Is `uc` on this list? May sleep.
    pub(crate) fn contains(&self, uc: *const bindings::uprobe_consumer) -> bool {
        let _guard = self.lock.read();
        // SAFETY: The lock keeps consumers on the list.
        let mut consumers = unsafe { Iter::new(self) };
        consumers.any(|consumer| ptr::eq(consumer.as_ptr(), uc))
    }

    /// Does any consumer want the breakpoint in this address space? May sleep. Who was taken off a
    /// moment ago may still be asked.
    pub(crate) fn wants(&self, mm: &Mm, guard: &rcu_tasks_trace::Guard) -> bool {
        self.iter(guard).any(|consumer| consumer.wants(mm))
    }

    /// Walks the list without a lock; who is taken off meanwhile may still be met.
    #[inline]
    pub(crate) fn iter<'a>(&'a self, _guard: &'a rcu_tasks_trace::Guard) -> Iter<'a> {
        // SAFETY: Consumers live for a Tasks Trace grace period after they were taken off, and
        // the guard outlives the iterator and what it yields.
        unsafe { Iter::new(self) }
    }

    /// Runs `work` alone among all who change the list. May sleep.
    pub(crate) fn exclusively<T>(&self, work: impl FnOnce() -> T) -> T {
        let _guard = self.lock.write();
        work()
    }
}

/// A walk over the consumers of a probe.
///
/// # Invariants
///
/// `at` is the list's head or the `cons_node` of a consumer that is alive during `'a`.
pub(crate) struct Iter<'a> {
    head: *mut bindings::list_head,
    /// Where the walk is. What follows is looked up when it is asked for, after the consumer has run.
    at: *mut bindings::list_head,
    _consumers: PhantomData<&'a Consumers>,
}

impl Iter<'_> {
    /// # Safety
    ///
    /// Whoever is on the list must stay alive while the iterator or what it yields is in use.
    #[inline]
    unsafe fn new(consumers: &Consumers) -> Self {
        let head = consumers.head.get();
        Self {
            head,
            at: head,
            _consumers: PhantomData,
        }
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = &'a Consumer;

    #[inline]
    fn next(&mut self) -> Option<&'a Consumer> {
        // SAFETY: Alive by the type's invariants.
        let node = unsafe { following(self.at) };
        if node == self.head {
            return None;
        }
        // INVARIANT: What follows is alive for as long: the list's writers publish with release, and
        // who is taken off still points on, and is freed after a grace period.
        self.at = node;
        // SAFETY: As said, the node is that of a consumer that is alive.
        Some(unsafe {
            Consumer::from_raw(container_of!(node, bindings::uprobe_consumer, cons_node))
        })
    }
}

/// The next entry of a list that may be changing.
///
/// # Safety
///
/// `node` must be alive.
#[inline]
unsafe fn following(node: *mut bindings::list_head) -> *mut bindings::list_head {
    // ORDERING: The address dependency pairs with the release in `list_add_rcu()`.
    //
    // SAFETY: Alive by the function's contract; concurrent writers store whole pointers.
    unsafe { Atomic::from_ptr(&raw mut (*node).next) }.load(Relaxed)
}
