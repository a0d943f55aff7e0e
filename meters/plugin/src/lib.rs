// SPDX-License-Identifier: GPL-2.0

//! A plugin for QEMU's translator: books what the guest's kernel does between
//! the marks ([`hit_book::Mark`]) that a guest program executes, per virtual
//! CPU: `qemu-system-… -plugin libhit_plugin.so,…`, with [`hit_book::Options`].
//!
//! A guest boots with next to nothing instrumented. The first mark makes QEMU
//! forget what it has translated; from then on, every instruction of the kernel
//! calls back. The kernel is told from programs by its addresses.

mod state;
mod watch;

use hit_book::Options;
use qemu_plugin::{
    PluginId, Result,
    install::{Args, Info},
    plugin::{HasCallbacks, Register},
    qemu_plugin_register_vcpu_tb_trans_cb,
};
use state::State;

struct HitPlugin;

impl HasCallbacks for HitPlugin {}

impl Register for HitPlugin {
    /// Registers what the plugin needs, instead of everything that QEMU offers.
    fn register_default(&mut self, id: PluginId, args: &Args, info: &Info) -> Result<()> {
        let vcpus = info.system.as_ref().map_or(0, |system| system.max_vcpus);
        // A plugin that cannot be set up must end QEMU: its guest would run unobserved.
        let options =
            Options::parse(&args.raw).unwrap_or_else(|error| panic!("hit-plugin: {error}"));
        state::set(State::new(options, usize::try_from(vcpus).unwrap_or(0)));
        qemu_plugin_register_vcpu_tb_trans_cb(id, Some(watch::await_first_mark))
    }
}

qemu_plugin::register!(HitPlugin);
