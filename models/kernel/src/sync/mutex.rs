// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync::Mutex`.

use loom::sync::MutexGuard;

pub struct Mutex<T>(loom::sync::Mutex<T>);

impl<T> Mutex<T> {
    /// The kernel's is made by `new_mutex!()`.
    pub fn new(value: T) -> Self {
        Self(loom::sync::Mutex::new(value))
    }

    pub fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().expect("a panic ends the run")
    }
}
