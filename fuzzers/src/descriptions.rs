//! The calls programs are made of: one file per interface, one line per file in [`table`].

mod bpf;
mod descriptors;
mod execveat;
mod files;
mod getrandom;
mod kexec_file_load;
mod memfd;
mod renameat2;
mod sched_deadline;
mod seccomp;
mod sysrq;
mod table;

pub use table::{all, find};
