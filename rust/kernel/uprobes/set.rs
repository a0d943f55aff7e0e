// SPDX-License-Identifier: GPL-2.0

//! Many registrations with one wait.

use super::{
    raw,
    registration::private::Ending,
    Consumer,
    Location,
    Registration, //
};
use crate::{
    alloc::KVVec,
    prelude::*, //
};

/// Consumers of one type, each registered at a location of its own.
///
/// What unregisters some or all of them waits for those that are in one of them once, and not once for
/// each, which is a matter of milliseconds against minutes. Dropping the set is one of these.
///
/// To register one consumer in many places, use an [`Arc`](crate::sync::Arc) of it.
///
/// # Context
///
/// As for [`Registration`].
///
/// # Examples
///
/// ```
/// use kernel::{
///     prelude::*,
///     sync::{atomic::{Atomic, Relaxed}, Arc},
///     uprobes::{Consumer, Entry, Location, Registers, RegistrationSet, Unfiltered},
/// };
///
/// struct Count(Atomic<u64>);
///
/// #[vtable]
/// impl Consumer for Count {
///     type Session = ();
///     type Filter = Unfiltered;
///
///     fn entry(&self, _: &Registers) -> Entry<Self> {
///         self.0.fetch_add(1, Relaxed);
///         Entry::Keep(())
///     }
/// }
///
/// # let file = kernel::uprobes::testing::file()?;
/// let count = Arc::new(Count(Atomic::new(0)), GFP_KERNEL)?;
/// let mut set = RegistrationSet::new();
/// for offset in [0x40, 0x80, 0xc0] {
///     set.add(Location::new(file.clone(), offset)?, count.clone())?;
/// }
/// assert_eq!(set.len(), 3);
///
/// // Two of them are unregistered; one wait.
/// set.retain(|registration| registration.location().offset() == 0x80);
/// assert_eq!(set.len(), 1);
///
/// drop(set);
/// assert_eq!(count.0.load(Relaxed), 0);
/// # Ok::<(), Error>(())
/// ```
pub struct RegistrationSet<C: Consumer> {
    registrations: KVVec<Pin<KBox<Registration<C>>>>,
}

impl<C: Consumer> RegistrationSet<C> {
    /// An empty set. Does not sleep.
    pub const fn new() -> Self {
        Self {
            registrations: KVVec::new(),
        }
    }

    /// Registers one more consumer. It may be called before this returns. Sleeps.
    ///
    /// # Errors
    ///
    /// As for [`Registration::new`]; `ENOMEM`. The set is as it was before.
    pub fn add<E>(&mut self, location: Location, consumer: impl PinInit<C, E>) -> Result
    where
        Error: From<E>,
    {
        // First, so that a registration need not be undone.
        self.registrations.reserve(1, GFP_KERNEL)?;
        let registration =
            KBox::pin_init::<Error>(Registration::new(location, consumer), GFP_KERNEL)?;
        Ok(self.registrations.push(registration, GFP_KERNEL)?)
    }

    /// How many there are. Does not sleep.
    pub fn len(&self) -> usize {
        self.registrations.len()
    }

    /// Whether there are none. Does not sleep.
    pub fn is_empty(&self) -> bool {
        self.registrations.is_empty()
    }

    /// All of them, in the order in which they were added. Does not sleep.
    pub fn iter(&self) -> impl Iterator<Item = &Registration<C>> {
        self.registrations
            .iter()
            .map(|registration| &**registration)
    }

    /// Unregisters and frees those for which `keep` says no, with one wait if there are any. Sleeps.
    pub fn retain(&mut self, mut keep: impl FnMut(&Registration<C>) -> bool) {
        for registration in &mut self.registrations {
            if !keep(registration) {
                registration.as_mut().begin();
            }
        }
        self.sweep();
    }

    /// Unregisters and frees all of them, with one wait if there are any. Sleeps.
    pub fn clear(&mut self) {
        self.retain(|_| false);
    }

    /// Frees those that have begun to be unregistered, after one wait.
    fn sweep(&mut self) {
        if self.iter().all(Registration::is_registered) {
            return;
        }
        raw::wait();
        self.registrations.retain(|registration| {
            if registration.is_registered() {
                return true;
            }
            // SAFETY: It began before the wait.
            unsafe { registration.as_mut().ended() };
            false
        });
    }
}

impl<C: Consumer> Default for RegistrationSet<C> {
    fn default() -> Self {
        Self::new()
    }
}

impl<C: Consumer> Drop for RegistrationSet<C> {
    fn drop(&mut self) {
        self.clear();
    }
}
