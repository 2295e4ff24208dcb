//! Cases that misbehave as processes do: towards their session, their files, their mounts, the clock, memory.

use super::{WARNING_LINE, broken, signal, splat, sysrq};
use crate::case::{setup, succeeds};
use crate::sys::{Errno, check};
use crate::{CaseResult, Context, child, module, syscall};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Says what the claim is by another process, which comes back as the case would, and then does the rest.
fn claim_and(claim: CaseResult, rest: fn() -> CaseResult) -> CaseResult {
    if child::fork()? == 0 {
        return claim;
    }
    std::thread::sleep(Duration::from_secs(1));
    rest()
}

pub fn pass_and_crash(_: &Context) -> CaseResult {
    claim_and(Ok(()), || sysrq("c"))
}

pub fn pass_and_die(_: &Context) -> CaseResult {
    claim_and(Ok(()), || signal(libc::SIGKILL))
}

pub fn skip_and_warn(_: &Context) -> CaseResult {
    splat(WARNING_LINE, 1 << 9)?;
    Err(crate::Stop::Skip("as asked".to_owned()))
}

/// kill(2): 0 is our process group, −1 everybody we may signal but us and PID 1.
pub fn kill_all_of(group: i32) -> CaseResult {
    // SAFETY: takes no pointers.
    setup("kill", unsafe { syscall!(libc::SYS_kill, group, libc::SIGKILL) }).map(drop)
}

pub fn close_every_descriptor(_: &Context) -> CaseResult {
    // SAFETY: nothing here uses a descriptor afterwards.
    setup("close_range", unsafe { syscall!(libc::SYS_close_range, 0, u32::MAX, 0) }).map(drop)
}

/// Writes there until there is no room.
fn fill(folder: &Path) -> CaseResult {
    let mut file = fs::File::create(folder.join("full")).map_err(broken("create"))?;
    let chunk = vec![7; 1 << 20];
    loop {
        match file.write_all(&chunk) {
            Ok(()) => {}
            Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => return Ok(()),
            Err(error) => return Err(broken("write")(error)),
        }
    }
}

pub fn fill_the_disk(context: &Context) -> CaseResult {
    fill(&context.scratch)
}

pub fn fill_every_filesystem(context: &Context) -> CaseResult {
    let others = ["/run", "/", "/dev", "/dev/shm"].map(PathBuf::from);
    [context.scratch.clone()].iter().chain(&others).try_for_each(|folder| fill(folder))
}

fn mount_call(target: &std::ffi::CStr, flags: libc::c_ulong) -> Result<i64, Errno> {
    // SAFETY: a constant string, and null pointers where mount(2) allows them.
    unsafe { syscall!(libc::SYS_mount, 0, target.as_ptr(), 0, flags, 0) }
}

/// All that can be: our own output is open for writing in /run.
pub fn remount_read_only(_: &Context) -> CaseResult {
    for target in [c"/", c"/tmp", c"/dev"] {
        setup("remount", mount_call(target, libc::MS_REMOUNT | libc::MS_RDONLY))?;
    }
    Ok(())
}

/// Taints the kernel and takes away the files by which the agent knows.
pub fn hide_the_taint(_: &Context) -> CaseResult {
    fs::write("/proc/sys/kernel/tainted", (1 << 9).to_string()).map_err(broken("tainted"))?;
    for target in [c"/proc", c"/sys", c"/dev", c"/run"] {
        // SAFETY: a constant string.
        let result = unsafe { libc::umount2(target.as_ptr(), libc::MNT_DETACH) };
        setup("umount2", check(result.into()))?;
    }
    Ok(())
}

/// Unloads every module there is.
pub fn unload_modules(_: &Context) -> CaseResult {
    let list = fs::read_to_string("/proc/modules").map_err(broken("modules"))?;
    let names: Vec<&str> = list.lines().filter_map(|line| line.split(' ').next()).collect();
    crate::check!(!names.is_empty(), "there is no module to unload");
    // The list has users before what they use.
    for name in names {
        succeeds(&format!("delete_module of {name}"), module::unload(name))?;
    }
    Ok(())
}

/// 2050-01-01, in seconds since 1970.
const FAR_FUTURE: i64 = 2_524_608_000;

fn set_the_clock(seconds: i64) -> CaseResult {
    let time = libc::timespec { tv_sec: seconds, tv_nsec: 0 };
    // SAFETY: the structure is ours; the kernel only reads it.
    let set = unsafe { syscall!(libc::SYS_clock_settime, libc::CLOCK_REALTIME, &raw const time) };
    setup("clock_settime", set).map(drop)
}

pub fn set_the_clock_to_2050(_: &Context) -> CaseResult {
    set_the_clock(FAR_FUTURE)
}

/// Back and forth, and hangs: only a deadline by a clock that does not jump ends it in time.
pub fn let_the_clock_jump(_: &Context) -> CaseResult {
    loop {
        for time in [FAR_FUTURE, 1_000_000_000] {
            set_the_clock(time)?;
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Freezes a control group with this process in it.
pub fn freeze(process: &str) -> CaseResult {
    let group = "/sys/fs/cgroup/frozen";
    fs::create_dir(group).map_err(broken("mkdir of a cgroup"))?;
    fs::write(format!("{group}/cgroup.procs"), process).map_err(broken("cgroup.procs"))?;
    fs::write(format!("{group}/cgroup.freeze"), "1").map_err(broken("cgroup.freeze"))?;
    std::thread::sleep(Duration::from_secs(60));
    Ok(())
}

/// Touches memory for ever.
pub fn eat_all_memory(_: &Context) -> CaseResult {
    let mut eaten: Vec<Vec<u8>> = Vec::new();
    loop {
        eaten.push(vec![1; 1 << 20]);
        std::hint::black_box(&eaten);
    }
}

/// The same, when the agent is the only one that the kernel could choose.
pub fn starve_the_agent(context: &Context) -> CaseResult {
    fs::write("/proc/self/oom_score_adj", "-1000").map_err(broken("oom_score_adj"))?;
    fs::write("/proc/1/oom_score_adj", "1000").map_err(broken("oom_score_adj of PID 1"))?;
    eat_all_memory(context)
}
