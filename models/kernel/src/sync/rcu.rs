// SPDX-License-Identifier: GPL-2.0

//! `kernel::sync::rcu`.

use super::grace::RCU;

pub struct Guard(usize);

pub fn read_lock() -> Guard {
    Guard(RCU.enter())
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            RCU.leave(self.0);
        }
    }
}
