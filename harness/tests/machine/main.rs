//! Tests on real virtual machines: a Debian kernel under QEMU. One binary, so that the set-up is written once.
//!
//! They need qemu-system-x86_64 and the machine's apt. Without them they fail in CI and are skipped, saying so,
//! elsewhere.

mod support;

mod checked;
mod endurance;
mod exactness;
mod faults;
mod filesystems;
mod flaky;
mod host;
mod images;
mod mutants;
mod trees;
mod verbs;
