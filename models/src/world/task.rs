// SPDX-License-Identifier: GPL-2.0

//! In place of `task.rs`: a thread with pending returns, and what it does with them.

use crate::{
    lease_timer,
    life::ProbeRef,
    pending::Returns,
    probe::unregister,
    returns::{Hijack, Stack},
};
use kernel::{
    alloc,
    bindings::{timer_list, uprobe_task},
    sync::srcu_fast_updown::Domain,
    time::fire,
};
use std::rc::Rc;

#[derive(Clone)]
pub(crate) struct Task(Rc<uprobe_task>);

// SAFETY: All threads of a model are of one thread of the host.
unsafe impl Send for Task {}

impl Task {
    pub(crate) fn new() -> Self {
        let task = Self(Rc::new(uprobe_task::new()));
        // Before there are other threads.
        task.stack().is_empty();
        task.0.ri_seqcount.begin();
        task
    }

    pub(crate) fn utask(&self) -> *mut uprobe_task {
        let utask: *const uprobe_task = &*self.0;
        utask.cast_mut()
    }

    pub(crate) fn stack(&self) -> Stack<'_> {
        // SAFETY: The task is the owner's, and what others use is atomic.
        unsafe { Stack::from_raw(self.utask()) }
    }

    /// Calls a function that returns to `level`.
    pub(crate) fn call(&self, level: usize, probe: &ProbeRef) {
        let hijack = Hijack {
            func: 0,
            stack: 0,
            orig_ret_vaddr: level,
            chained: false,
        };
        let draft = self.stack().draft().expect("there is memory");
        draft.publish(hijack, |pending| pending.lease(probe, Returns::down_read()));
    }

    /// Returns from it.
    pub(crate) fn ret(&self, level: usize) {
        let (popped, held) = self.stack().pop().expect("a return is pending");
        assert!(held.probe().is_some(), "the owner gets no probe");
        assert_eq!(popped.get().map(|ret| ret.orig_ret_vaddr()), Some(level));
    }

    /// Lets no lease last.
    pub(crate) fn limit_lease(&self) {
        // SAFETY: The task is the owner's.
        unsafe { lease_timer::limit(self.utask()) };
    }

    pub(crate) fn timer(&self) -> &timer_list {
        &self.0.ri_timer
    }

    /// The timer goes off, if it is pending.
    pub(crate) fn fire(&self) {
        // SAFETY: The task lives, and there is one thread that does this.
        unsafe { fire(&raw mut (*self.utask()).ri_timer, lease_timer::on_timer) };
    }

    /// The task exits.
    pub(crate) fn exit(self, probe: ProbeRef) {
        self.stack().clear();
        unregister(probe);
        assert_eq!(Returns::srcu().readers(), 0, "a reader is still open");
        assert_eq!(alloc::unfreed(), 0, "memory is not freed");
    }
}
