//! QEMU as a Rust API: machines, QMP, templates and clones.
//!
//! A [`Machine`] is plain data; [`arguments`](argv::arguments) turns it into a command line, and nothing else
//! does. A [`Template`] is a machine booted once and stopped; a [`Vm`] is a running QEMU, either the one that
//! becomes a template or a copy-on-write clone of it.
//!
//! Architecture invariant: this crate knows nothing about tests, suites or kernels beyond their image files.
//! Architecture invariant: everything that ties a QEMU to us is an inherited descriptor; there is no socket
//! or temporary file on disk that could outlive the process, whatever kills it.

pub mod argv;
pub mod cache;
pub mod console;
pub mod descriptor;
pub mod error;
pub mod host;
pub mod machine;
mod memory;
pub mod probe;
pub mod process;
pub mod qmp;
pub mod region;
pub mod stub;
pub mod template;
pub mod virtual_clock;
pub mod vm;

pub use argv::{Boot, Plugin};
pub use cache::TemplateCache;
pub use console::Console;
pub use error::{Error, Result};
pub use host::Qemu;
pub use machine::{Accelerator, Exact, Machine};
pub use qmp::{Qmp, QmpEvent};
pub use region::Region;
pub use template::Template;
pub use vm::{Ended, Vm};
