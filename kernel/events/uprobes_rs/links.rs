// SPDX-License-Identifier: GPL-2.0

//! The nodes of the tree of probes and what connects them: C's red-black tree.
//!
//! `tree.rs` says who may follow and change what. Here are the places that it goes through, as
//! atomics, and the functions that balance the tree. C promises for these (lib/rbtree.c) that
//! all they store in links is stored at once, and that there is no loop at any moment; so
//! whoever descends without a lock meets only nodes that are or were in the tree, and gets to an end.

use core::ptr;

use kernel::{
    bindings,
    sync::atomic::Atomic,
    types::Opaque, //
};

/// A probe's place in the tree.
#[repr(transparent)]
pub(crate) struct Node(Opaque<bindings::rb_node>);

/// From a node or the root to the node below, or to null.
pub(crate) type Link = Atomic<*mut Node>;

struct Root(Opaque<bindings::rb_root>);

// SAFETY: All that is done with the root is in this file, with the lock that its functions ask
// for, or by atomics.
unsafe impl Sync for Root {}

static ROOT: Root = Root(Opaque::new(bindings::rb_root {
    rb_node: ptr::null_mut(),
}));

/// The way to the topmost node.
#[inline]
pub(crate) fn root() -> &'static Link {
    // CAST: A node is a transparent wrapper.
    // SAFETY: `ROOT` is a valid `rb_root`, and all concurrent accesses to links are single-copy
    // atomic (`tree.rs`, and `WRITE_ONCE()` in lib/rbtree.c).
    unsafe { Atomic::from_ptr((&raw mut (*ROOT.0.get()).rb_node).cast()) }
}

impl Node {
    pub(crate) fn new() -> Self {
        Self(Opaque::new(bindings::rb_node::default()))
    }

    /// The ways to lower and to higher keys.
    #[inline]
    pub(crate) fn children(&self) -> (&Link, &Link) {
        let node = self.0.get();
        // SAFETY: As in `root()`; the links live as long as the node.
        unsafe {
            (
                Atomic::from_ptr((&raw mut (*node).rb_left).cast()),
                Atomic::from_ptr((&raw mut (*node).rb_right).cast()),
            )
        }
    }

    /// Prepares a node for being linked below `parent`, which is null for the root.
    ///
    /// Its links are null already, and were before the writers took the lock: see `follow()` there.
    ///
    /// # Safety
    ///
    /// Nobody else may see the node.
    pub(crate) unsafe fn prepare(&self, parent: *mut Node) {
        let node = self.0.get();
        // SAFETY: By the function's contract.
        unsafe {
            (*node).__rb_parent_color = parent.expose_provenance();
            (*node).rb_left = ptr::null_mut();
            (*node).rb_right = ptr::null_mut();
        }
    }

    /// Balances the tree, of which this has become a leaf.
    ///
    /// # Safety
    ///
    /// The node must have been prepared and linked; the writers' lock must be held.
    pub(crate) unsafe fn balance(&self) {
        // SAFETY: By the function's contract.
        unsafe { bindings::rb_insert_color(self.0.get(), ROOT.0.get()) };
    }

    /// Takes the node out of the tree.
    ///
    /// # Safety
    ///
    /// The node must be in the tree; the writers' lock must be held.
    pub(crate) unsafe fn erase(&self) {
        // SAFETY: By the function's contract.
        unsafe { bindings::rb_erase(self.0.get(), ROOT.0.get()) };
    }
}
