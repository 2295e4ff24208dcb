//! The words the bpf cases are written in.

use crate::bpf::{
    Instruction, Load, Map, MapSpec, ProgramKind, Register, Register::*, Rejection, Width, load, test_run,
};
use crate::case::{exists, succeeds};
use crate::sys::Errno;
use crate::{CaseResult, Context, Need, Stop, code};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

/// The smallest packet that BPF_PROG_TEST_RUN takes: an Ethernet header.
pub const PACKET: [u8; 14] = [0; 14];

/// What a kernel before some release cannot be held to.
#[derive(Debug)]
pub struct Since {
    major: u32,
    minor: u32,
    what: &'static str,
}

pub const ATOMICS: Since = Since { major: 5, minor: 12, what: "atomic operations beyond addition" };
pub const FOURTH_VERSION: Since =
    Since { major: 6, minor: 6, what: "the fourth version of the instruction set" };
pub const DEFINED_OVERFLOW: Since =
    Since { major: 6, minor: 12, what: "a defined quotient of the least number and -1" };
pub const ORDERED: Since = Since { major: 6, minor: 15, what: "load-acquire and store-release" };

pub const SIXTEEN_FRAMES: Since = Since { major: 7, minor: 2, what: "call chains of 16 frames" };

impl Since {
    pub const fn new(major: u32, minor: u32, what: &'static str) -> Since {
        Since { major, minor, what }
    }

    /// For the catalogue.
    pub const fn need(&self) -> Need {
        Need::Since { major: self.major, minor: self.minor, what: self.what }
    }

    /// Whether the running kernel is that release or a later one.
    pub fn is_reached(&self) -> bool {
        let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(|text| text.parse().unwrap_or(0));
        let running: (u32, u32) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        running >= (self.major, self.minor)
    }

    /// For the case itself, where nobody has looked at the catalogue: older kernels refuse these instructions with
    /// the error of any unknown one.
    pub fn or_skip(&self) -> CaseResult {
        match self.is_reached() {
            true => Ok(()),
            false => crate::skip!("{} came with {}.{}", self.what, self.major, self.minor),
        }
    }
}

/// A map that must be possible; skips where bpf(2) is missing.
pub fn create(spec: MapSpec) -> Result<Map, Stop> {
    succeeds(&format!("BPF_MAP_CREATE of {spec:?}"), exists("bpf", spec.create())?)
}

/// The map must be refused with this error.
pub fn refuses_map(why: &str, spec: MapSpec, expected: i32) -> CaseResult {
    let what = format!("BPF_MAP_CREATE with {why} ({spec:?})");
    crate::case::fails_with(&what, exists("bpf", spec.create())?, expected)
}

/// A program that the verifier must accept.
pub fn accepted(what: &str, kind: ProgramKind, code: &[Instruction]) -> Result<OwnedFd, Stop> {
    accepted_load(what, &Load::new(kind, code))
}

pub fn accepted_load(what: &str, request: &Load<'_>) -> Result<OwnedFd, Stop> {
    load(request).map_err(|rejection| match rejection.errno {
        Errno(libc::ENOSYS) => Stop::Skip("missing syscall: bpf".into()),
        errno => Stop::Fail(format!("{what}: refused with {errno}, must load; log: {}", rejection.log)),
    })
}

/// A program that the verifier must refuse with this error, saying one of these texts.
pub fn rejected(
    what: &str,
    kind: ProgramKind,
    code: &[Instruction],
    errno: i32,
    texts: &[&str],
) -> CaseResult {
    rejected_load(what, &Load::new(kind, code), errno, texts)
}

pub fn rejected_load(what: &str, request: &Load<'_>, errno: i32, texts: &[&str]) -> CaseResult {
    rejected_with(what, request, &[errno], texts)
}

/// The same for a refusal whose error number was not the same in every release.
pub fn rejected_with(what: &str, request: &Load<'_>, errnos: &[i32], texts: &[&str]) -> CaseResult {
    let Rejection { errno: got, log } = match load(request) {
        Ok(_) => return Err(Stop::Fail(format!("{what}: loaded, must be refused"))),
        Err(Rejection { errno: Errno(libc::ENOSYS), .. }) => {
            return Err(Stop::Skip("missing syscall: bpf".into()));
        }
        Err(rejection) => rejection,
    };
    crate::check!(
        errnos.contains(&got.0),
        "{what}: refused with {got}, must be one of {errnos:?}; log: {log}"
    );
    let told = texts.is_empty() || texts.iter().any(|text| log.contains(text));
    crate::check!(told, "{what}: the verifier's log says none of {texts:?}: {log}");
    Ok(())
}

/// Runs a program once; its return value.
pub fn run(program: &impl AsRawFd) -> Result<u32, Stop> {
    let run = test_run(program, &PACKET, 0);
    succeeds("BPF_PROG_TEST_RUN", run.result)?;
    Ok(run.value)
}

/// `r0 = value; exit`.
pub fn returning(value: i32) -> Vec<Instruction> {
    crate::code![Instruction::mov(Register::R0, value), Instruction::exit()]
}

/// Numbers where arithmetic goes wrong, and some that look like nothing in particular.
pub fn interesting_words(seed: u64) -> Vec<u64> {
    let mut words = vec![
        0,
        1,
        2,
        31,
        63,
        0x7f,
        0x80,
        0x7fff_ffff,
        0x8000_0000,
        0xffff_ffff,
        0x1_0000_0000,
        i64::MAX as u64,
        i64::MIN as u64,
        u64::MAX,
        0x1122_3344_8566_77f8,
    ];
    let mut state = seed | 1;
    words.extend(std::iter::repeat_with(|| xorshift(&mut state)).take(3));
    words
}

/// Marsaglia's xorshift64: any sequence that depends on the seed alone will do.
fn xorshift(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

/// R0 = pointer to element 0 of an array, or null. Takes R1, R2 and the first word of the stack.
pub fn look_up_first(map: &Map) -> Vec<Instruction> {
    const LOOKUP: i32 = 1;
    code![
        Instruction::store(Width::Word, R10, -4, 0),
        Instruction::load_map(R1, map),
        Instruction::mov(R2, R10),
        Instruction::add(R2, -4),
        Instruction::call(LOOKUP),
    ]
}

/// How long something must be waited for that comes at once on an idle host.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// What happens in the background happens soon, not at once.
pub fn eventually(what: &str, mut body: impl FnMut() -> Result<bool, Stop>) -> CaseResult {
    for _ in 0..500 {
        if body()? {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    Err(Stop::Fail(format!("within 5 seconds not: {what}")))
}

/// A cgroup of its own in a hierarchy mounted for the case; gone afterwards. The body must let go of it.
pub fn in_group(context: &Context, body: impl FnOnce(&Path) -> CaseResult) -> CaseResult {
    crate::child::needs_root()?;
    let known = std::fs::read_to_string("/proc/filesystems").unwrap_or_default();
    if !known.split_ascii_whitespace().any(|word| word == "cgroup2") {
        crate::skip!("missing filesystem: cgroup2");
    }
    let top = context.scratch.join("cgroups");
    let group = top.join(format!("gauntlet-{}", std::process::id()));
    let made = std::fs::create_dir_all(&top);
    made.map_err(|error| Stop::Broken(format!("{}: {error}", top.display())))?;
    crate::mounts::mount("cgroup2", &top, 0)?;
    let result = match std::fs::create_dir(&group) {
        Ok(()) => body(&group),
        Err(error) => Err(Stop::Broken(format!("{}: {error}", group.display()))),
    };
    let _ = std::fs::remove_dir(&group);
    crate::mounts::unmount_lazily(&top)?;
    result
}

/// Runs the body in a child that is a member of the cgroup.
pub fn as_member(group: &Path, body: impl FnOnce() -> CaseResult) -> CaseResult {
    crate::child::isolated(|| {
        let joined = std::fs::write(group.join("cgroup.procs"), "0");
        joined.map_err(|error| Stop::Broken(format!("{}: {error}", group.display())))?;
        body()
    })
}
