// SPDX-License-Identifier: GPL-2.0

//! A registered consumer.

use super::{
    raw::{
        self,
        Node, //
    },
    Consumer,
    Filtered,
    Location, //
};
use crate::{
    bindings,
    prelude::*,
    types::Opaque, //
};
use core::ptr::{
    self,
    NonNull, //
};
use pin_init::Wrapper;

/// A consumer that is registered at a location, and owned.
///
/// It is pinned, as C has a pointer to it, and it is registered until it is dropped, or given to
/// [`unregister_all`]. Either takes the breakpoints away that nobody else wants and then waits until
/// nobody is in the consumer any more: some milliseconds, or as long as a consumer sleeps. To drop
/// many, have a look at [`RegistrationSet`](super::RegistrationSet).
///
/// If it is leaked, the consumer stays registered for ever.
///
/// # Context
///
/// Registering, applying and dropping sleep, and take `mmap_lock` of the probed processes, `i_mmap_rwsem`
/// of the file, and the lock that keeps processes from forking meanwhile. None of it may be done in a
/// consumer.
///
/// # Invariants
///
/// - `node` is initialised.
/// - If `state` is `State::Registered`, C has the node registered, and `location` is that of the
///   registration. If it is `State::Ending`, C may still use the node, and otherwise it does not.
/// - There are only shared references to what is in `node` until the value is dropped.
#[pin_data(PinnedDrop)]
pub struct Registration<C: Consumer> {
    state: State,
    location: Location,
    #[pin]
    node: Opaque<Node<C>>,
}

#[derive(Clone, Copy)]
enum State {
    /// C does not know of it: it was never registered, or all that use it have been waited for.
    Idle,
    Registered(NonNull<bindings::uprobe>),
    /// It is on no list any more, but may be in use.
    Ending,
}

// SAFETY: Consumers may be sent. C lets any task unregister what another has registered.
unsafe impl<C: Consumer> Send for Registration<C> {}

// SAFETY: By a shared reference one gets to the consumer, which may be shared, and to `apply()`, which
// takes locks. The state changes by unique references only.
unsafe impl<C: Consumer> Sync for Registration<C> {}

impl<C: Consumer> Registration<C> {
    /// Registers a consumer at a location. It may be called before this is done.
    ///
    /// Sleeps. Breakpoints are placed in all processes that have the file mapped for execution and that
    /// the consumer wants, and from then on in those that map it.
    ///
    /// # Errors
    ///
    /// Of the consumer's initialiser, else those of C's `uprobe_register()`. After each, what was done
    /// in other processes has been undone.
    ///
    /// - `EINVAL`: the offset is behind the end of the file, or misaligned (arm64), or that of the counter
    ///   is; the instruction has probes with another counter; a counter would become negative.
    /// - `EIO`: the file's contents cannot be read, or end before the instruction.
    /// - `ENOTSUPP`: there is a breakpoint already, or the instruction cannot be executed elsewhere.
    /// - `ENOEXEC`: there is no instruction.
    /// - `EBUSY`, `ENOMEM`.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{
    ///     prelude::*,
    ///     uprobes::{Consumer, Entry, Location, Registers, Registration, Unfiltered},
    /// };
    ///
    /// struct Print;
    ///
    /// #[vtable]
    /// impl Consumer for Print {
    ///     type Session = ();
    ///     type Filter = Unfiltered;
    ///
    ///     fn entry(&self, regs: &Registers) -> Entry<Self> {
    ///         pr_info!("{:#x}({:?})\n", regs.instruction_pointer(), regs.argument(0));
    ///         Entry::Keep(())
    ///     }
    /// }
    ///
    /// # let file = kernel::uprobes::testing::file()?;
    /// let location = Location::new(file, 0x40)?;
    /// let print = KBox::pin_init(Registration::new(location.clone(), Print), GFP_KERNEL)?;
    /// assert!(print.is_registered());
    ///
    /// // All probes of an instruction have the same counter, or none.
    /// let with_counter = location.with_counter(0x80)?;
    /// let other = KBox::pin_init(Registration::new(with_counter, Print), GFP_KERNEL);
    /// assert_eq!(other.err(), Some(EINVAL));
    /// # Ok::<(), Error>(())
    /// ```
    pub fn new<E>(location: Location, consumer: impl PinInit<C, E>) -> impl PinInit<Self, Error>
    where
        Error: From<E>,
    {
        // INVARIANT: C does not know of the node yet.
        let idle = try_pin_init!(Self {
            state: State::Idle,
            location,
            node <- Opaque::pin_init(Node::new(consumer)),
        }? Error);
        // If it fails, the value is dropped.
        idle.pin_chain(Self::register)
    }

    fn register(self: Pin<&mut Self>) -> Result {
        let node = self.raw_node();
        let this = self.project();
        // SAFETY:
        // - The node is pinned, and not registered, as the value is only being made.
        // - It is not freed, nor is the location, before `Self::drop()` has done what is asked for. If
        //   that is never called, then they stay, as both are pinned and can have no borrows.
        let probe = unsafe { raw::register(this.location, node)? };
        // INVARIANT: C has just been given the node.
        *this.state = State::Registered(probe);
        Ok(())
    }

    /// The consumer. Does not sleep.
    #[inline]
    pub fn consumer(&self) -> &C {
        // SAFETY: It is initialised, and shared only, by the type invariants.
        unsafe { &(*self.node.get()).consumer }
    }

    /// Where it is, or was, registered. Does not sleep.
    #[inline]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// Whether it is registered: until it has been given to [`unregister_all`]. Does not sleep.
    #[inline]
    pub fn is_registered(&self) -> bool {
        matches!(self.state, State::Registered(_))
    }

    /// The node, as C has it.
    fn raw_node(&self) -> *mut bindings::uprobe_consumer {
        // CAST: A node begins with what C knows it by.
        self.node.get().cast()
    }

    /// Waits, if it may still be in use.
    fn wait(self: Pin<&mut Self>) {
        if matches!(self.state, State::Ending) {
            raw::wait();
            // INVARIANT: Whoever used the node was waited for just now.
            *self.project().state = State::Idle;
        }
    }
}

/// A consumer with a filter can have its breakpoints follow that.
impl<C: Consumer<Filter = Filtered>> Registration<C> {
    /// Places breakpoints in all processes that [`Consumer::wants`] says yes to now.
    ///
    /// Sleeps; see [`Registration`].
    ///
    /// # Errors
    ///
    /// `ENOENT` if it is not registered any more; otherwise as for [`Registration::new`], with nothing
    /// undone.
    ///
    /// # Examples
    ///
    /// ```
    /// use kernel::{
    ///     mm::Mm,
    ///     prelude::*,
    ///     sync::atomic::{Atomic, Relaxed},
    ///     uprobes::{Consumer, Entry, Filtered, Location, Registers, Registration},
    /// };
    ///
    /// struct Switched {
    ///     on: Atomic<bool>,
    /// }
    ///
    /// #[vtable]
    /// impl Consumer for Switched {
    ///     type Session = ();
    ///     type Filter = Filtered;
    ///
    ///     fn entry(&self, _: &Registers) -> Entry<Self> {
    ///         Entry::Keep(())
    ///     }
    ///
    ///     fn wants(&self, _: &Mm) -> bool {
    ///         self.on.load(Relaxed)
    ///     }
    /// }
    ///
    /// # let location = Location::new(kernel::uprobes::testing::file()?, 0x40)?;
    /// let switched = Switched { on: Atomic::new(false) };
    /// let switched = KBox::pin_init(Registration::new(location, switched), GFP_KERNEL)?;
    ///
    /// switched.consumer().on.store(true, Relaxed);
    /// switched.apply_to_more()?;
    ///
    /// switched.consumer().on.store(false, Relaxed);
    /// switched.apply_to_fewer()?;
    /// # Ok::<(), Error>(())
    /// ```
    pub fn apply_to_more(&self) -> Result {
        self.apply(true)
    }

    /// Removes breakpoints from all processes that neither [`Consumer::wants`] of this consumer nor that
    /// of another says yes to now.
    ///
    /// Sleeps; see [`Registration`].
    ///
    /// # Errors
    ///
    /// As for [`apply_to_more`](Self::apply_to_more). What cannot be removed stays until it is hit.
    pub fn apply_to_fewer(&self) -> Result {
        self.apply(false)
    }

    fn apply(&self, place: bool) -> Result {
        let State::Registered(probe) = self.state else {
            return Err(ENOENT);
        };
        // SAFETY: C has the node registered by the type invariants, and that does not change while the
        // value is borrowed.
        unsafe { raw::apply(probe, self.raw_node(), place) }
    }
}

#[pinned_drop]
impl<C: Consumer> PinnedDrop for Registration<C> {
    fn drop(mut self: Pin<&mut Self>) {
        self.as_mut().begin();
        self.as_mut().wait();
        // SAFETY: It is initialised by the type invariants, and C does not use it any more. Nobody does
        // after this.
        unsafe { ptr::drop_in_place(self.node.get()) };
    }
}

use private::Ending;

/// A [`Registration`], whatever its consumer is; see [`unregister_all`].
pub trait Unregister: Ending {}

impl<C: Consumer> Unregister for Registration<C> {}

pub(super) mod private {
    use super::*;

    pub trait Ending {
        /// Begins to unregister.
        fn begin(self: Pin<&mut Self>);

        /// Notes that nobody uses the consumer any more.
        ///
        /// # Safety
        ///
        /// [`raw::wait`] must have been called after [`begin`](Ending::begin).
        unsafe fn ended(self: Pin<&mut Self>);
    }

    impl<C: Consumer> Ending for Registration<C> {
        fn begin(self: Pin<&mut Self>) {
            if let State::Registered(probe) = self.state {
                // SAFETY: C has the node registered by the type invariants, and it is not registered
                // any more after this.
                unsafe { raw::unregister(probe, self.raw_node()) };
                // INVARIANT: Who has found it before may still use it.
                *self.project().state = State::Ending;
            }
        }

        unsafe fn ended(self: Pin<&mut Self>) {
            // INVARIANT: By the function's contract.
            *self.project().state = State::Idle;
        }
    }
}

/// Unregisters many consumers of any types, and waits once.
///
/// When it returns, none of them is called any more; their values stay, with
/// [`is_registered`](Registration::is_registered) false. Dropping these does not wait. Those that had been
/// unregistered already are left alone.
///
/// Sleeps; see [`Registration`].
///
/// # Examples
///
/// ```
/// use kernel::{
///     prelude::*,
///     uprobes::{
///         unregister_all, Consumer, Entry, Location, Registers, Registration, Unfiltered,
///     },
/// };
///
/// struct Enters;
/// struct Leaves;
///
/// #[vtable]
/// impl Consumer for Enters {
///     type Session = ();
///     type Filter = Unfiltered;
///     fn entry(&self, _: &Registers) -> Entry<Self> {
///         Entry::Keep(())
///     }
/// }
///
/// #[vtable]
/// impl Consumer for Leaves {
///     type Session = ();
///     type Filter = Unfiltered;
///     fn exit(&self, _: &Registers, _: usize, _: ()) {}
/// }
///
/// # let location = Location::new(kernel::uprobes::testing::file()?, 0x40)?;
/// let mut enters = KBox::pin_init(Registration::new(location.clone(), Enters), GFP_KERNEL)?;
/// let mut leaves = KBox::pin_init(Registration::new(location, Leaves), GFP_KERNEL)?;
///
/// unregister_all(&mut [enters.as_mut(), leaves.as_mut()]);
/// assert!(!enters.is_registered() && !leaves.is_registered());
/// # Ok::<(), Error>(())
/// ```
pub fn unregister_all(registrations: &mut [Pin<&mut dyn Unregister>]) {
    for registration in registrations.iter_mut() {
        registration.as_mut().begin();
    }
    raw::wait();
    for registration in registrations.iter_mut() {
        // SAFETY: All of them began before the wait.
        unsafe { registration.as_mut().ended() };
    }
}
