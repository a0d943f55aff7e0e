// SPDX-License-Identifier: GPL-2.0

//! C's side of a registration: what C is given, what it calls, and what is called of it.
//!
//! What C owes, with either implementation: a consumer is called from the moment that its registration
//! begins, and not any more when [`wait`] returns after it was unregistered. Entries and returns are
//! called inside Tasks Trace RCU or the SRCU of pending returns, both of which [`wait`] waits for; filters
//! inside the former, or with a lock held that unregistering takes, or by whoever registers or applies.
//!
//! The functions that call C are no generic ones, so that the code for a consumer, which may be in a
//! module, needs nothing but the symbols of this crate; not all of C's are exported.

use super::{
    Consumer,
    Cookie,
    Entry,
    Location,
    Registers, //
};
use crate::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi::{
        c_int,
        c_ulong, //
    },
    mm::Mm,
    prelude::*,
    types::Opaque, //
};
use core::ptr::NonNull;

/// A consumer and what C knows it by.
///
/// While it is registered, C changes and reads the first part, and hits share the second. So there must
/// be no unique reference to either.
#[pin_data]
#[repr(C)]
pub(super) struct Node<C: Consumer> {
    /// First, so that a pointer to it is one to the node.
    raw: Opaque<bindings::uprobe_consumer>,
    #[pin]
    pub(super) consumer: C,
}

impl<C: Consumer> Node<C> {
    pub(super) fn new<E>(consumer: impl PinInit<C, E>) -> impl PinInit<Self, E> {
        try_pin_init!(Self {
            raw: Opaque::new(Self::CALLBACKS),
            consumer <- consumer,
        }? E)
    }

    /// What C calls. A function that the consumer has not, C has not either.
    const CALLBACKS: bindings::uprobe_consumer = {
        assert!(
            C::HAS_ENTRY || C::HAS_EXIT,
            "a consumer has `entry` or `exit` or both"
        );
        assert!(
            C::HAS_WANTS == <C::Filter as super::Filter>::IS_FILTERED,
            "a consumer has `wants` exactly if its filter is `Filtered`"
        );
        bindings::uprobe_consumer {
            handler: if C::HAS_ENTRY { Some(entry::<C>) } else { None },
            ret_handler: if C::HAS_EXIT { Some(exit::<C>) } else { None },
            filter: if C::HAS_WANTS { Some(wants::<C>) } else { None },
            ..pin_init::zeroed()
        }
    };

    /// The consumer that C calls.
    ///
    /// # Safety
    ///
    /// `raw` must point to the first part of a node that stays registered during `'a`.
    unsafe fn consumer<'a>(raw: *mut bindings::uprobe_consumer) -> &'a C {
        // SAFETY: A node begins with it, and pointers that C has are to the whole node. There are only
        // shared references to the consumer while it is registered.
        unsafe { &(*raw.cast::<Self>()).consumer }
    }
}

/// # Safety
///
/// Called by C for a registered node of this type, in the context of a hit, with the user registers of
/// the current task, and with a place for the cookie.
unsafe extern "C" fn entry<C: Consumer>(
    raw: *mut bindings::uprobe_consumer,
    regs: *mut bindings::pt_regs,
    cookie: *mut u64,
) -> c_int {
    // SAFETY: By the function's contract; unregistering waits for the critical section that this is in.
    let (consumer, regs) = unsafe { (Node::<C>::consumer(raw), Registers::from_raw(regs)) };
    match consumer.entry(regs) {
        Entry::Keep(session) => {
            // SAFETY: By the function's contract.
            unsafe { *cookie = session.into_cookie() };
            0
        }
        Entry::IgnoreReturn => bindings::UPROBE_HANDLER_IGNORE as c_int,
        Entry::Remove(_) => bindings::UPROBE_HANDLER_REMOVE as c_int,
    }
}

/// # Safety
///
/// Called by C for a registered node of this type, in the context of a return, with the user registers of
/// the current task; `cookie` is valid or null.
unsafe extern "C" fn exit<C: Consumer>(
    raw: *mut bindings::uprobe_consumer,
    function: c_ulong,
    regs: *mut bindings::pt_regs,
    cookie: *mut u64,
) -> c_int {
    // SAFETY: By the function's contract; unregistering waits for the critical section that this is in.
    let (consumer, regs) = unsafe { (Node::<C>::consumer(raw), Registers::from_raw(regs)) };
    // SAFETY: By the function's contract. Null is for a consumer without an entry.
    let cookie = unsafe { cookie.as_ref() }.copied().unwrap_or(0);
    consumer.exit(regs, function, C::Session::from_cookie(cookie));
    // C does not look at it.
    0
}

/// # Safety
///
/// Called by C for a registered node of this type, or one that is being registered, with an address space
/// that it keeps.
unsafe extern "C" fn wants<C: Consumer>(
    raw: *mut bindings::uprobe_consumer,
    mm: *mut bindings::mm_struct,
) -> bool {
    // SAFETY: By the function's contract; unregistering takes a lock that is held here, or waits for
    // the critical section that this is in.
    let (consumer, mm) = unsafe { (Node::<C>::consumer(raw), Mm::from_raw(mm)) };
    consumer.wants(mm)
}

/// Registers a consumer, which may be called at once. Sleeps.
///
/// After an error, it is not called any more.
///
/// # Safety
///
/// - `node` must point to a [`Node`], in whole, that stays where it is, is not registered yet, and is not
///   freed before it was unregistered, and [`wait`] has returned after that.
/// - `location` must be kept until it was unregistered.
#[inline(never)]
pub(super) unsafe fn register(
    location: &Location,
    node: *mut bindings::uprobe_consumer,
) -> Result<NonNull<bindings::uprobe>> {
    // SAFETY: By the function's contract. A location keeps inode and mount.
    let probe = from_err_ptr(unsafe {
        bindings::uprobe_register(
            location.inode(),
            location.raw_offset(),
            location.raw_counter(),
            node,
        )
    })?;
    NonNull::new(probe).ok_or(EINVAL)
}

/// Begins to unregister a consumer, which may go on being called until [`wait`]. Sleeps.
///
/// # Safety
///
/// `probe` must come from [`register`] of `node`, and not have been here yet.
#[inline(never)]
pub(super) unsafe fn unregister(
    probe: NonNull<bindings::uprobe>,
    node: *mut bindings::uprobe_consumer,
) {
    // SAFETY: By the function's contract.
    unsafe { bindings::uprobe_unregister_nosync(probe.as_ptr(), node) }
}

/// Waits until no consumer that went through [`unregister`] before is called any more. Sleeps.
#[inline(never)]
pub(super) fn wait() {
    // SAFETY: Whoever calls this where it must not be called waits for itself, and for ever.
    unsafe { bindings::uprobe_unregister_sync() }
}

/// Places breakpoints where the consumer wants them, or removes those that nobody wants. Sleeps.
///
/// # Safety
///
/// `probe` must come from [`register`] of `node`, and not have been through [`unregister`] before this
/// returns.
#[inline(never)]
pub(super) unsafe fn apply(
    probe: NonNull<bindings::uprobe>,
    node: *mut bindings::uprobe_consumer,
    place: bool,
) -> Result {
    // SAFETY: By the function's contract.
    to_result(unsafe { bindings::uprobe_apply(probe.as_ptr(), node, place) })
}

#[cfg(CONFIG_UPROBES_RUST_KUNIT_TEST)]
#[macros::kunit_tests(uprobes_consumers)]
mod tests {
    use super::{
        super::{
            Filtered,
            Unfiltered, //
        },
        *,
    };

    /// Has all functions, and asks at each entry for what the instruction pointer says.
    struct Obeys;

    #[vtable]
    impl Consumer for Obeys {
        type Session = u32;
        type Filter = Filtered;

        fn entry(&self, regs: &Registers) -> Entry<Self> {
            match regs.instruction_pointer() {
                0 => Entry::IgnoreReturn,
                1 => Entry::Remove(Filtered),
                session => Entry::Keep(session as u32),
            }
        }

        fn exit(&self, regs: &Registers, function: usize, session: u32) {
            assert_eq!(function, 0x1000);
            assert_eq!(session as usize, regs.instruction_pointer());
        }

        fn wants(&self, _: &Mm) -> bool {
            true
        }
    }

    struct Enters;

    #[vtable]
    impl Consumer for Enters {
        type Session = ();
        type Filter = Unfiltered;

        fn entry(&self, _: &Registers) -> Entry<Self> {
            Entry::Keep(())
        }
    }

    struct Leaves;

    #[vtable]
    impl Consumer for Leaves {
        type Session = u32;
        type Filter = Unfiltered;

        fn exit(&self, _: &Registers, _: usize, session: u32) {
            assert_eq!(session, 0);
        }
    }

    #[test]
    fn c_has_the_functions_that_the_consumer_has() {
        let all = Node::<Obeys>::CALLBACKS;
        assert!(all.handler.is_some() && all.ret_handler.is_some() && all.filter.is_some());
        let enters = Node::<Enters>::CALLBACKS;
        assert!(enters.handler.is_some() && enters.ret_handler.is_none());
        assert!(enters.filter.is_none());
        let leaves = Node::<Leaves>::CALLBACKS;
        assert!(leaves.handler.is_none() && leaves.ret_handler.is_some());
        assert!(leaves.filter.is_none());
    }

    /// What C has of a node.
    fn raw<C: Consumer>(node: &Node<C>) -> *mut bindings::uprobe_consumer {
        core::ptr::from_ref(node).cast_mut().cast()
    }

    /// What C is told by a consumer at an entry with this instruction pointer, and the cookie.
    fn enter(ip: usize) -> Result<(c_int, u64)> {
        let node = KBox::pin_init(Node::new(Obeys), GFP_KERNEL)?;
        let mut regs: bindings::pt_regs = pin_init::zeroed();
        let mut cookie = 0;
        // SAFETY: All are valid, and the node is of the right type.
        let told = unsafe {
            bindings::instruction_pointer_set(&mut regs, ip);
            entry::<Obeys>(raw(&node), &mut regs, &mut cookie)
        };
        Ok((told, cookie))
    }

    #[test]
    fn c_is_told_what_an_entry_asks_for() -> Result {
        assert_eq!(enter(0)?, (bindings::UPROBE_HANDLER_IGNORE as c_int, 0));
        assert_eq!(enter(1)?, (bindings::UPROBE_HANDLER_REMOVE as c_int, 0));
        assert_eq!(enter(7)?, (0, 7));
        Ok(())
    }

    #[test]
    fn a_return_gets_what_its_entry_has_left() -> Result {
        let node = KBox::pin_init(Node::new(Obeys), GFP_KERNEL)?;
        let leaves = KBox::pin_init(Node::new(Leaves), GFP_KERNEL)?;
        let mut regs: bindings::pt_regs = pin_init::zeroed();
        let mut cookie = 9;
        // SAFETY: All are valid, and the nodes are of the right types.
        unsafe {
            bindings::instruction_pointer_set(&mut regs, 9);
            exit::<Obeys>(raw(&node), 0x1000, &mut regs, &mut cookie);
            exit::<Leaves>(raw(&leaves), 0x1000, &mut regs, core::ptr::null_mut());
        }
        Ok(())
    }
}
