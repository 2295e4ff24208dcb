//! Links to probes (BPF_LINK_CREATE of a perf event): a program counts this process's calls while the link is open.

use super::attach::{identifier, link};
use super::support::{accepted, returning};
use super::tracing::{ENABLE, call_parent, control, count, counter, counts, only_here, probe_type};
use crate::bpf::{Attributes, Command, Instruction, ProgramKind, Register::*, information};
use crate::case::{fails_with, succeeds};
use crate::perf_event::Event;
use crate::{CaseResult, Context, check_eq, code};

const PERF_EVENT: u32 = 41;

#[cfg(target_arch = "x86_64")]
pub fn probe(_: &Context) -> CaseResult {
    const LINK_TYPE_PERF_EVENT: u32 = 7;
    let map = counter()?;
    let code = code![Instruction::mov(R7, 9), only_here(), count(&map)];
    let program = accepted("a kprobe's program", ProgramKind::Kprobe, &code)?;
    let filter = accepted("a filter", ProgramKind::SocketFilter, &returning(0))?;
    let config1 = c"__x64_sys_getppid".as_ptr() as u64;
    let event = Event { kind: probe_type()?, config1, ..Event::default() };
    let event = succeeds("perf_event_open of a kprobe", event.open(0, -1))?;
    fails_with("BPF_LINK_CREATE with an unknown flag", link(&program, &event, PERF_EVENT, 1), libc::EINVAL)?;
    fails_with("BPF_LINK_CREATE of a filter", link(&filter, &event, PERF_EVENT, 0), libc::EINVAL)?;
    fails_with("BPF_LINK_CREATE to a map", link(&program, &map, PERF_EVENT, 0), libc::EBADF)?;
    let held = succeeds("BPF_LINK_CREATE to the event", link(&program, &event, PERF_EVENT, 0))?;
    fails_with("a second link of the program", link(&program, &event, PERF_EVENT, 0), libc::EEXIST)?;
    let mut info = [0u8; 32];
    succeeds("BPF_OBJ_GET_INFO_BY_FD of a link", information(&held, &mut info))?;
    let word = |at: usize| u32::from_ne_bytes(info[at..at + 4].try_into().expect("four bytes"));
    check_eq!(
        [word(0), word(8)],
        [LINK_TYPE_PERF_EVENT, identifier(&program)?],
        "type and program of the link"
    );
    succeeds("PERF_EVENT_IOC_ENABLE", control(&event, ENABLE, 0))?;
    call_parent(7);
    check_eq!(counts(&map)?, [7, 9], "calls counted, and the program's mark");
    drop(program);
    call_parent(2);
    check_eq!(counts(&map)?[0], 9, "calls counted by a program that the link alone holds");
    // The link holds the event, too.
    drop(event);
    call_parent(2);
    check_eq!(counts(&map)?[0], 11, "calls counted after the event was closed");
    let away = Attributes::default().fd(0, &held).call(Command::LinkDetach);
    drop(held);
    if let Err(errno) = away {
        check_eq!(errno.0, libc::EOPNOTSUPP, "error of BPF_LINK_DETACH");
    }
    let quiet = || {
        let before = counts(&map)?;
        call_parent(1);
        Ok(counts(&map)? == before)
    };
    super::support::eventually("no calls are counted after the link was closed", quiet)
}
