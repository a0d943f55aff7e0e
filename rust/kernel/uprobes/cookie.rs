// SPDX-License-Identifier: GPL-2.0

//! What an entry leaves for the return.

use crate::time::{
    ClockSource,
    Instant, //
};

/// A value that fits into the 64 bits that are kept for a consumer from an entry to its return.
///
/// It is [`Copy`], and not something that owns memory, because what is kept may get lost, or become
/// more: a return that never comes (`longjmp()`, the end of the thread, an unregistration in between)
/// would leak it, and a fork, which copies the stack with everything that is pending, would free it
/// twice. It is [`Send`] for the second reason.
///
/// # Examples
///
/// ```
/// use kernel::uprobes::Cookie;
///
/// #[derive(Clone, Copy, Debug, PartialEq)]
/// enum Lock {
///     Fast,
///     Slow { waiters: u32 },
/// }
///
/// impl Cookie for Lock {
///     fn into_cookie(self) -> u64 {
///         match self {
///             Lock::Fast => 0,
///             Lock::Slow { waiters } => 1 << 32 | u64::from(waiters),
///         }
///     }
///
///     fn from_cookie(cookie: u64) -> Self {
///         match cookie >> 32 {
///             0 => Lock::Fast,
///             _ => Lock::Slow { waiters: cookie as u32 },
///         }
///     }
/// }
///
/// let lock = Lock::Slow { waiters: 7 };
/// assert_eq!(Lock::from_cookie(lock.into_cookie()), lock);
/// assert_eq!(i32::from_cookie((-7).into_cookie()), -7);
/// ```
pub trait Cookie: Copy + Send + 'static {
    /// Packs the value. Does not sleep.
    fn into_cookie(self) -> u64;

    /// Unpacks what [`into_cookie`](Cookie::into_cookie) has packed. Does not sleep.
    ///
    /// Is called with 0 for a return without an entry; see [`Consumer::exit`](super::Consumer::exit).
    fn from_cookie(cookie: u64) -> Self;
}

impl Cookie for () {
    #[inline]
    fn into_cookie(self) -> u64 {
        0
    }

    #[inline]
    fn from_cookie(_: u64) {}
}

impl Cookie for bool {
    #[inline]
    fn into_cookie(self) -> u64 {
        u64::from(self)
    }

    #[inline]
    fn from_cookie(cookie: u64) -> Self {
        cookie != 0
    }
}

macro_rules! impl_cookie_for_integers {
    ($($integer:ty)*) => {$(
        #[allow(clippy::cast_lossless, reason = "not all have a conversion")]
        impl Cookie for $integer {
            #[inline]
            fn into_cookie(self) -> u64 {
                self as u64
            }

            #[inline]
            fn from_cookie(cookie: u64) -> Self {
                cookie as $integer
            }
        }
    )*};
}

impl_cookie_for_integers!(u8 u16 u32 u64 usize i8 i16 i32 i64 isize);

/// The moment of an entry, to see how long it was until the return.
impl<C: ClockSource + Send + 'static> Cookie for Instant<C> {
    #[inline]
    fn into_cookie(self) -> u64 {
        self.as_nanos() as u64
    }

    #[inline]
    fn from_cookie(cookie: u64) -> Self {
        let nanoseconds = (cookie & i64::MAX as u64) as i64;
        // SAFETY: Without its sign bit it is between 0 and `KTIME_MAX`, which is `i64::MAX`.
        unsafe { Instant::from_ktime(nanoseconds) }
    }
}
