// SPDX-License-Identifier: GPL-2.0

//! `kernel::bindings`: C's types and functions, as far as the modelled files know them.
//!
//! Fields that those files access as atomics are atomics here.

#![allow(
    non_camel_case_types,
    non_upper_case_globals,
    clippy::missing_safety_doc
)]

use crate::{
    alloc,
    sync::{atomic::Atomic, grace},
    time,
};
use std::cell::Cell;

pub use crate::{
    sync::{
        seqcount::{seqcount_spinlock_t, seqcount_t, spinlock_t},
        srcu_fast_updown::{srcu_ctr, srcu_struct},
    },
    time::timer_list,
};

pub const MAX_URETPROBE_DEPTH: u32 = 64;

pub struct inode(());

#[repr(C)]
pub struct callback_head([usize; 2]);

#[repr(C)]
pub struct work_struct([usize; 4]);

#[repr(C)]
pub struct refcount_t(Atomic<i32>);

/// C's layout, with atomics of the model's size.
#[repr(C, align(64))]
pub struct return_instance {
    pub hprobe: hprobe,
    pub func: usize,
    pub stack: usize,
    pub orig_ret_vaddr: usize,
    pub chained: bool,
    pub cons_cnt: i32,
    pub next: Atomic<*mut return_instance>,
    pub rcu: callback_head,
    pub consumer: return_consumer,
    pub extra_consumers: *mut return_consumer,
}

#[repr(C)]
pub struct return_consumer {
    pub cookie: u64,
    pub id: u64,
}

#[repr(C)]
pub struct hprobe {
    pub state: Atomic<u32>,
    pub srcu_ctr: Atomic<*mut srcu_ctr>,
    pub uprobe: Atomic<*mut ()>,
}

pub struct uprobe_task {
    pub return_instances: Atomic<*mut return_instance>,
    pub ri_pool: Cell<*mut return_instance>,
    pub ri_seqcount: seqcount_t,
    pub depth: Cell<u32>,
    pub ri_timer: timer_list,
}

// SAFETY: What is not atomic is its owner's.
unsafe impl Sync for uprobe_task {}
// SAFETY: As above.
unsafe impl Send for uprobe_task {}

impl uprobe_task {
    pub fn new() -> Self {
        Self {
            return_instances: Atomic::new(std::ptr::null_mut()),
            ri_pool: Cell::new(std::ptr::null_mut()),
            ri_seqcount: seqcount_t::new(),
            depth: Cell::new(0),
            ri_timer: timer_list::new(),
        }
    }
}

impl Default for uprobe_task {
    fn default() -> Self {
        Self::new()
    }
}

pub static mut uprobes_srcu: srcu_struct = srcu_struct::new();
pub static mut uprobes_tree_lock: spinlock_t = spinlock_t::new();
pub static mut uprobes_tree_seq: seqcount_spinlock_t = seqcount_spinlock_t::new();

pub(crate) fn begin() {
    let (srcu, lock, seq) = (
        &raw const uprobes_srcu,
        &raw const uprobes_tree_lock,
        &raw const uprobes_tree_seq,
    );
    // SAFETY: The statics have no data that is not in a cell.
    unsafe {
        (*srcu).begin();
        (*lock).begin();
        (*seq).begin();
    }
}

pub unsafe fn refcount_inc_not_zero(count: *mut refcount_t) -> bool {
    // SAFETY: By the caller's promise it is valid.
    let count = unsafe { &(*count).0 };
    count.add_unless_zero()
}

/// The work is done at once: nothing of the model waits for it to begin later.
pub unsafe fn init_and_schedule_work(
    work: *mut work_struct,
    func: Option<unsafe extern "C" fn(*mut work_struct)>,
) {
    if let Some(func) = func {
        // SAFETY: By the caller's promise.
        unsafe { func(work) };
    }
}

pub unsafe fn call_rcu(
    head: *mut callback_head,
    func: Option<unsafe extern "C" fn(*mut callback_head)>,
) {
    if let Some(func) = func {
        // SAFETY: By the caller's promise.
        grace::RCU.call(move || unsafe { func(head) });
    }
}

pub unsafe fn kfree_rcu_return_instance(ret: *mut return_instance) {
    let address = ret as usize;
    // SAFETY: By the caller's promise.
    grace::RCU.call(move || unsafe { alloc::free(address) });
}

pub unsafe fn timer_pending(timer: *const timer_list) -> bool {
    // SAFETY: By the caller's promise it is valid.
    unsafe { (*timer).is_pending() }
}

pub unsafe fn mod_timer(timer: *mut timer_list, expires: usize) -> i32 {
    // SAFETY: By the caller's promise it is valid.
    unsafe { (*timer).arm(expires) };
    0
}

pub unsafe fn get_jiffies() -> usize {
    time::jiffies()
}
