// SPDX-License-Identifier: GPL-2.0

//! What the modelled files use of the kernel, with the kernel's names, over loom.
//!
//! As little as they need. Each module says in what it differs from the kernel's; where it cannot be
//! the same it is weaker, so that a model may fail without a reason but does not pass without one,
//! or else Documentation/trace/uprobes-rust-models.rst lists it as a limit.

pub mod alloc;
pub mod bindings;
pub mod error;
pub mod interrupt;
pub mod run;
pub mod sync;
pub mod time;
pub mod types;

pub mod prelude {
    pub use crate::{
        alloc::{flags::GFP_KERNEL, KBox, KVBox, KVVec, KVec},
        error::{code::*, Error, Result},
    };
}

/// From a pointer to a field to one to the whole.
#[macro_export]
macro_rules! container_of {
    ($field:expr, $whole:ty, $($path:tt)+) => {
        $field
            .byte_sub(::core::mem::offset_of!($whole, $($path)+))
            .cast::<$whole>()
    };
}
