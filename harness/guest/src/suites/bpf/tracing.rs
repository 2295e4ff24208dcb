//! Programs on kernel events: a raw tracepoint, a tracepoint, a kprobe and its return.

use super::crowd::on_cpu;
use super::support::{accepted, create, returning};
use crate::bpf::{
    Attributes, Command, Condition, Instruction, Map, MapKind, MapSpec, ProgramKind, Register::*, Width,
};
use crate::case::{fails_with, setup, succeeds};
use crate::perf_event::Event;
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, code, syscall};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::PathBuf;

const OUTPUT: i32 = 25;
const PID: i32 = 14;
const PERF_TRACEPOINT: u32 = 2;
const PERF_SOFTWARE: u32 = 1;
const SOFTWARE_BPF_OUTPUT: u64 = 10;
pub const ENABLE: u64 = 0x2400;
const SET_PROGRAM: u64 = 0x4004_2408;

/// So many calls that nobody else makes meanwhile in this process; the result.
pub fn call_parent(times: u32) -> i64 {
    let mut parent = 0;
    for _ in 0..times {
        // SAFETY: takes no pointers.
        parent = unsafe { syscall!(libc::SYS_getppid) }.unwrap_or(0);
    }
    parent
}

/// `count` and `last` of a map of two words.
pub fn counts(map: &Map) -> Result<[u64; 2], Stop> {
    let words = succeeds("lookup", map.lookup_u64(0))?;
    Ok([words[0], words[1]])
}

pub fn counter() -> Result<Map, Stop> {
    create(MapSpec::new(MapKind::Array, 4, 16, 1))
}

/// Adds one to the first word, and stores R7 in the second.
pub fn count(map: &Map) -> Vec<Instruction> {
    code![
        Instruction::load_map_value(R6, map, 0),
        Instruction::mov(R1, 1),
        Instruction::atomic(crate::bpf::Atomic::Add, Width::Double, R6, 0, R1),
        Instruction::store(Width::Double, R6, 8, R7),
        returning(0),
    ]
}

/// Ends the program unless this process runs it.
pub fn only_here() -> Vec<Instruction> {
    code![
        Instruction::call(PID),
        Instruction::alu64(crate::bpf::Alu::Rsh, R0, 32),
        Instruction::jump(Condition::Eq, R0, std::process::id() as i32, 2),
        returning(0),
    ]
}

pub fn open_raw(name: &std::ffi::CStr, program: &OwnedFd) -> Result<OwnedFd, Errno> {
    Attributes::default().input(0, name.to_bytes_with_nul()).fd(8, program).open(Command::RawTracepointOpen)
}

/// The arguments of sys_enter are the registers and the number of the call.
pub fn raw_tracepoint(_: &Context) -> CaseResult {
    let map = counter()?;
    let code = code![
        Instruction::load(Width::Double, R7, R1, 8),
        Instruction::jump(Condition::Eq, R7, libc::SYS_getppid as i32, 2),
        returning(0),
        only_here(),
        count(&map),
    ];
    let program = accepted("a raw tracepoint's program", ProgramKind::RawTracepoint, &code)?;
    fails_with(
        "BPF_RAW_TRACEPOINT_OPEN of an unknown name",
        open_raw(c"no_such_event", &program),
        libc::ENOENT,
    )?;
    let filter = accepted("a filter", ProgramKind::SocketFilter, &returning(0))?;
    fails_with("BPF_RAW_TRACEPOINT_OPEN with a filter", open_raw(c"sys_enter", &filter), libc::EINVAL)?;
    call_parent(3);
    check_eq!(counts(&map)?, [0, 0], "calls counted before the program was attached");
    let link = succeeds("BPF_RAW_TRACEPOINT_OPEN of sys_enter", open_raw(c"sys_enter", &program))?;
    drop(program);
    call_parent(7);
    check_eq!(counts(&map)?, [7, libc::SYS_getppid as u64], "calls counted, and number of the last");
    drop(link);
    call_parent(3);
    check_eq!(counts(&map)?[0], 7, "calls counted after the link was closed");
    Ok(())
}

pub fn control(event: &OwnedFd, request: u64, argument: i32) -> Result<i64, Errno> {
    // SAFETY: the requests used here take numbers.
    unsafe { syscall!(libc::SYS_ioctl, event.as_raw_fd(), request, argument) }
}

/// The program counts this process's calls from when it is attached until the event is closed.
fn counts_calls(event: OwnedFd, program: &OwnedFd, map: &Map, last: u64) -> CaseResult {
    call_parent(3);
    check_eq!(counts(map)?[0], 0, "calls counted before the program is attached");
    succeeds("PERF_EVENT_IOC_SET_BPF", control(&event, SET_PROGRAM, program.as_raw_fd()))?;
    let second = control(&event, SET_PROGRAM, program.as_raw_fd());
    fails_with("PERF_EVENT_IOC_SET_BPF a second time", second, libc::EEXIST)?;
    succeeds("PERF_EVENT_IOC_ENABLE", control(&event, ENABLE, 0))?;
    call_parent(7);
    check_eq!(counts(map)?, [7, last], "calls counted, and what the program saw last");
    drop(event);
    call_parent(3);
    check_eq!(counts(map)?[0], 7, "calls counted after the event was closed");
    Ok(())
}

/// Where tracefs is, mounted for the case if nobody has.
fn trace_folder(context: &Context) -> Result<PathBuf, Stop> {
    for folder in ["/sys/kernel/tracing", "/sys/kernel/debug/tracing"] {
        if std::fs::exists(format!("{folder}/events")).unwrap_or(false) {
            return Ok(folder.into());
        }
    }
    let own = context.scratch.join("tracing");
    std::fs::create_dir_all(&own).map_err(|error| Stop::Broken(format!("{}: {error}", own.display())))?;
    match crate::mounts::mount("tracefs", &own, 0) {
        Ok(()) => Ok(own),
        Err(_) => Err(Stop::Skip("missing filesystem: tracefs".into())),
    }
}

/// The fields of a call's tracepoint: its number, four bytes at 8, then its arguments, of which getppid has none.
pub fn tracepoint(context: &Context) -> CaseResult {
    let path = trace_folder(context)?.join("events/syscalls/sys_enter_getppid/id");
    let Ok(text) = std::fs::read_to_string(&path) else {
        crate::skip!("no {}: CONFIG_FTRACE_SYSCALLS is not set", path.display());
    };
    let config = text.trim().parse().map_err(|_| Stop::Fail(format!("{}: {text:?}", path.display())))?;
    let event = Event { kind: PERF_TRACEPOINT, config, ..Event::default() };
    let event = succeeds("perf_event_open of the tracepoint", event.open(0, -1))?;
    let map = counter()?;
    let reading = |offset| code![Instruction::load(Width::Word, R7, R1, offset), only_here(), count(&map)];
    let kprobe = accepted("a kprobe's program", ProgramKind::Kprobe, &returning(0))?;
    let wrong = control(&event, SET_PROGRAM, kprobe.as_raw_fd());
    fails_with("PERF_EVENT_IOC_SET_BPF of a kprobe's program", wrong, libc::EINVAL)?;
    let beyond = accepted("a program that reads far behind", ProgramKind::Tracepoint, &reading(1024))?;
    let wrong = control(&event, SET_PROGRAM, beyond.as_raw_fd());
    fails_with("PERF_EVENT_IOC_SET_BPF of a program that reads behind the event", wrong, libc::EACCES)?;
    let program = accepted("a tracepoint's program", ProgramKind::Tracepoint, &reading(8))?;
    counts_calls(event, &program, &map, libc::SYS_getppid as u64)
}

/// Type of the probe's events, and the bit that makes it one of the return.
pub fn probe_type() -> Result<u32, Stop> {
    const FOLDER: &str = "/sys/bus/event_source/devices/kprobe";
    let Ok(text) = std::fs::read_to_string(format!("{FOLDER}/type")) else {
        crate::skip!("no {FOLDER}: CONFIG_KPROBE_EVENTS is not set");
    };
    text.trim().parse().map_err(|_| Stop::Fail(format!("{FOLDER}/type: {text:?}")))
}

/// On the way in, R7 is 0 as the program made it; on the way out, RAX is the call's result.
#[cfg(target_arch = "x86_64")]
pub fn kprobe(_: &Context) -> CaseResult {
    const RAX: i16 = 8 * libc::RAX as i16;
    let kind = probe_type()?;
    let parent = call_parent(1) as u64;
    let entry = code![Instruction::mov(R7, 0)];
    let exit = code![Instruction::load(Width::Double, R7, R1, RAX)];
    for (name, config, saw, expected) in [("entry", 0, entry, 0), ("return", 1, exit, parent)] {
        let map = counter()?;
        let code = code![saw, only_here(), count(&map)];
        let program = accepted("a kprobe's program", ProgramKind::Kprobe, &code)?;
        let event = Event { kind, config, config1: c"__x64_sys_getppid".as_ptr() as u64, ..Event::default() };
        let event = succeeds(&format!("perf_event_open of a kprobe at the {name}"), event.open(0, -1))?;
        let point = accepted("a tracepoint's program", ProgramKind::Tracepoint, &returning(0))?;
        let wrong = control(&event, SET_PROGRAM, point.as_raw_fd());
        fails_with("PERF_EVENT_IOC_SET_BPF of a tracepoint's program", wrong, libc::EINVAL)?;
        counts_calls(event, &program, &map, expected)?;
    }
    let nowhere = Event { kind, config1: c"no_such_function".as_ptr() as u64, ..Event::default() };
    fails_with("perf_event_open of a kprobe at no function", nowhere.open(0, -1), libc::ENOENT)
}

/// What a program writes with bpf_perf_event_output arrives in the ring of the event it chose.
pub fn perf_event_output(_: &Context) -> CaseResult {
    const SAMPLE_RAW: u64 = 1 << 10;
    const RECORD_SAMPLE: u32 = 9;
    const PAGE: usize = crate::mapping::PAGE;
    let map = create(MapSpec::new(MapKind::PerfEventArray, 4, 4, 2))?;
    let event = Event {
        kind: PERF_SOFTWARE,
        config: SOFTWARE_BPF_OUTPUT,
        sample_type: SAMPLE_RAW,
        ..Event::default()
    };
    let event = succeeds("perf_event_open of PERF_COUNT_SW_BPF_OUTPUT", event.open(-1, 0))?;
    let put = |index: u32, fd: i32| map.update(&index.to_ne_bytes(), &fd.to_ne_bytes(), 0);
    fails_with("insertion of a map", put(0, map.as_raw_fd()), libc::EBADF)?;
    fails_with("insertion of no descriptor", put(0, 0x7fff_ffff), libc::EBADF)?;
    fails_with("insertion outside", put(2, event.as_raw_fd()), libc::E2BIG)?;
    succeeds("insertion of the event", put(1, event.as_raw_fd()))?;
    succeeds("PERF_EVENT_IOC_ENABLE", control(&event, ENABLE, 0))?;
    let ring =
        crate::mapping::Mapping::of(&event, 2 * PAGE, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
    let ring = succeeds("mmap of the event", ring)?;
    let word = |at: usize| u64::from_ne_bytes(std::array::from_fn(|byte| ring.peek(at + byte)));
    let output = |index: i32| {
        let code = code![
            Instruction::load_u64(R6, 0x1122_3344_5566_7788),
            Instruction::store(Width::Double, R10, -8, R6),
            Instruction::load_map(R2, &map),
            Instruction::mov(R3, index),
            Instruction::mov(R4, R10),
            Instruction::add(R4, -8),
            Instruction::mov(R5, 8),
            Instruction::call(OUTPUT),
            Instruction::exit(),
        ];
        let program = accepted("a program with output", ProgramKind::RawTracepoint, &code)?;
        setup("sched_setaffinity", on_cpu(0))?;
        let mut run = Attributes::default().fd(0, &program);
        succeeds("BPF_PROG_TEST_RUN", run.call(Command::TestRun))?;
        Ok::<i32, Stop>(run.get_u32(4).cast_signed())
    };
    check_eq!(output(0)?, -libc::ENOENT, "bpf_perf_event_output to an empty place");
    check_eq!(output(2)?, -libc::E2BIG, "bpf_perf_event_output outside");
    check_eq!(output(1)?, 0, "bpf_perf_event_output to the event");
    // Header of eight bytes, the data's length, the data.
    check_eq!(word(PAGE) as u32, RECORD_SAMPLE, "type of the record");
    check_eq!(word(1024), word(PAGE) >> 48, "data_head, which must be the record's size");
    let data: Vec<u8> = (0..12).map(|at| ring.peek(PAGE + 8 + at)).collect();
    check!(u32::from_ne_bytes([data[0], data[1], data[2], data[3]]) >= 8, "length of the data: {data:?}");
    check_eq!(data[4..], 0x1122_3344_5566_7788u64.to_ne_bytes(), "data of the record");
    succeeds("deletion", map.delete(&1u32.to_ne_bytes()))?;
    fails_with("second deletion", map.delete(&1u32.to_ne_bytes()), libc::ENOENT)?;
    check_eq!(output(1)?, -libc::ENOENT, "bpf_perf_event_output to a place whose event was deleted");
    Ok(())
}
