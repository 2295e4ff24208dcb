//! The host's files for a command in a guest, read-only.
//!
//! A guest's kernel asks for them through FUSE, which almost every kernel has: the agent relays its messages through
//! the shared region, and they are answered here. Nothing of it needs a device in the machine, so templates and
//! copy-on-write clones stay as they are (9p and virtiofs would each change the machine or exclude clones).

mod reply;
mod request;
mod server;
mod service;

pub use server::Server;
pub use service::Service;
