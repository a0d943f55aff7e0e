// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync::rcu_tasks_trace`.

use super::grace::TASKS_TRACE;
use crate::bindings::callback_head;

pub struct Guard(usize);

pub fn read_lock() -> Guard {
    Guard(TASKS_TRACE.enter())
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            TASKS_TRACE.leave(self.0);
        }
    }
}

/// # Safety
///
/// It must be sound to call `func` with `head`, once, after the grace period.
pub unsafe fn call(head: *mut callback_head, func: unsafe extern "C" fn(*mut callback_head)) {
    // SAFETY: By the function's contract.
    TASKS_TRACE.call(move || unsafe { func(head) });
}
