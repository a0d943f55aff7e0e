// SPDX-License-Identifier: GPL-2.0

//! In place of `links.rs`: a tree that promises what lib/rbtree.c does to those who descend without
//! a lock, and no more: what is stored in links is stored at once, in no particular order, and there
//! is never a loop. It balances itself only where that moves the newest node to the top.

use kernel::sync::atomic::{ordering::Relaxed, Atomic};
use std::ptr;

pub(crate) type Link = Atomic<*mut Node>;

pub(crate) struct Node {
    left: Link,
    right: Link,
}

static ROOT: Link = Atomic::new(ptr::null_mut());

pub(crate) fn root() -> &'static Link {
    &ROOT
}

fn at<'a>(link: &Link) -> Option<&'a Node> {
    // SAFETY: The writers' lock is held, and nodes in the tree are alive.
    unsafe { link.load(Relaxed).as_ref() }
}

fn set(link: &Link, node: Option<&Node>) {
    let node = node.map_or(ptr::null_mut(), |node| ptr::from_ref(node).cast_mut());
    link.store(node, Relaxed);
}

impl Node {
    pub(crate) fn new() -> Self {
        let new = Self {
            left: Atomic::new(ptr::null_mut()),
            right: Atomic::new(ptr::null_mut()),
        };
        // Before anybody else sees it.
        new.left.load(Relaxed);
        new.right.load(Relaxed);
        new
    }

    pub(crate) fn children(&self) -> (&Link, &Link) {
        (&self.left, &self.right)
    }

    /// # Safety
    ///
    /// None here.
    pub(crate) unsafe fn prepare(&self, _parent: *mut Node) {}

    fn is(&self, other: Option<&Node>) -> bool {
        other.is_some_and(|other| ptr::eq(self, other))
    }

    /// # Safety
    ///
    /// The lock is held, and the node is linked.
    pub(crate) unsafe fn balance(&self) {
        let Some(top) = at(&ROOT) else { return };
        let Some(middle) = at(&top.right) else { return };
        // The new node is between the two: they become its children.
        if self.is(at(&middle.left)) {
            set(&middle.left, None);
            set(&self.right, Some(middle));
            set(&top.right, None);
            set(&self.left, Some(top));
            set(&ROOT, Some(self));
        }
    }

    /// # Safety
    ///
    /// The lock is held, and the node is in the tree.
    pub(crate) unsafe fn erase(&self) {
        let above = self.find(&ROOT).expect("the node is in the tree");
        match (at(&self.left), at(&self.right)) {
            (left, None) => set(above, left),
            (None, right) => set(above, right),
            (left, Some(right)) => {
                let next = lowest(right);
                if !next.is(Some(right)) {
                    set(
                        next.find(&self.right).expect("it is below"),
                        at(&next.right),
                    );
                    set(&next.right, Some(right));
                }
                set(&next.left, left);
                set(above, Some(next));
            }
        }
    }

    /// The link that leads to this node.
    fn find<'a>(&self, from: &'a Link) -> Option<&'a Link> {
        let node = at(from)?;
        if self.is(Some(node)) {
            return Some(from);
        }
        self.find(&node.left).or_else(|| self.find(&node.right))
    }
}

fn lowest(mut node: &Node) -> &Node {
    while let Some(lower) = at(&node.left) {
        node = lower;
    }
    node
}
