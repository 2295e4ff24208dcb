//! The table of workloads, in the order people see them.

use crate::Workload;
use crate::workload::{
    bpf, event, file, kexec, memfd, memory, null, process, random, sched, seccomp, socket,
};

/// Every workload.
pub const WORKLOADS: &[&Workload] = &[
    &null::GETPPID,
    &null::CLOCK_GETTIME,
    &random::GETRANDOM_16,
    &random::GETRANDOM_4K,
    &memfd::SEAL,
    &memfd::WRITE_READ,
    &memfd::MAP_SEALED,
    &file::OPEN_CLOSE,
    &file::RENAME,
    &file::RENAME_EXCHANGE,
    &file::RENAME_NOREPLACE,
    &process::VFORK_EXIT,
    &process::EXECVEAT_MEMFD,
    &seccomp::INSTALL,
    &seccomp::FILTERED,
    &bpf::MAP_HASH,
    &bpf::MAP_ARRAY,
    &bpf::PROG_LOAD,
    &bpf::TEST_RUN,
    &sched::DEADLINE,
    &sched::SWITCH,
    &kexec::REFUSED,
    &memory::PAGE_FAULT,
    &memory::MAP_UNMAP,
    &event::PIPE,
    &event::EPOLL,
    &event::FUTEX_WAKE,
    &socket::UNIX_MESSAGE,
    &socket::PASS_DESCRIPTOR,
];

/// The workload of that name.
pub fn find(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().copied().find(|workload| workload.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn entries_are_unique_and_complete() {
        let mut seen = BTreeSet::new();
        for workload in WORKLOADS {
            assert!(seen.insert(workload.name), "{} stands twice", workload.name);
            assert!(workload.name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_'));
            assert!(!workload.about.is_empty() && !workload.cites.is_empty() && workload.operations > 0);
            assert_eq!(find(workload.name).map(|found| found.name), Some(workload.name));
        }
    }
}
