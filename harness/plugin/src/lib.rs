//! The TCG plugin: sees every block of an unmodified kernel.
//!
//! `qemu-system-x86_64 … -plugin libgauntlet_plugin.so,coverage=FILE`, where FILE has the size of a
//! [`gauntlet_protocol::coverage`] file and may be `/dev/fd/N`. Every kernel block gets an inline counter
//! (no call per execution); the guest's [`gauntlet_protocol::mark`]s open and close windows, and each closed
//! window becomes one record in FILE. User code is only looked at, once, for marks.
//!
//! One library serves every QEMU from 6.0 on: [`interface`] picks the level of the plugin interface while
//! QEMU loads it. The linking to QEMU makes this crate, like QEMU's header, GPL-2.0-or-later.
//!
//! Architecture invariant: this code runs inside QEMU, on the vCPU's thread. It must not panic, and between
//! two marks it must do nothing that QEMU has not been told to inline.

mod install;
mod interface;
mod mapping;
mod recorder;
