// SPDX-License-Identifier: GPL-2.0

//! Interrupts of the CPU that a thread runs on.
//!
//! An interrupt sees what its CPU has done in the order of the program, and is over before the thread
//! goes on. So it is a call, not a thread: before one of the thread's atomic operations. A model is
//! explored with the first, the second and each further operation.

use crate::run::PerRun;
use loom::thread::{self, ThreadId};

type Handler = Box<dyn FnOnce()>;

#[derive(Default)]
struct State {
    armed: Option<(ThreadId, usize, Handler)>,
}

static STATE: PerRun<State> = PerRun::new();

/// Interrupts the current thread after so many atomic operations of its own.
pub fn after(operations: usize, handler: impl FnOnce() + 'static) {
    let armed = (thread::current().id(), operations, Box::new(handler) as _);
    STATE.access(|state| state.armed = Some(armed));
}

/// Has the interrupt come in this run? If not, it does not come any more.
pub fn has_come() -> bool {
    STATE.access(|state| state.armed.take().is_none())
}

/// An operation is about to be executed.
pub(crate) fn point() {
    let due = STATE.access(|state| {
        let (thread, left, _) = state.armed.as_mut()?;
        if *thread != thread::current().id() {
            return None;
        }
        if *left > 0 {
            *left -= 1;
            return None;
        }
        state.armed.take()
    });
    if let Some((_, _, handler)) = due {
        handler();
    }
}
