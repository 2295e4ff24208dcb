//! Misbehaviour on purpose: what the host must judge rightly when a real case or kernel does it.
//!
//! Not part of the catalogue: only the host's own tests ask for these, by name.

use crate::case::{Complaint, succeeds};
use crate::module::DONOR;
use crate::{Case, CaseResult, Context, FileNeed, Need, Stop, Suite, check, syscall};
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::os::fd::AsRawFd;

mod kernel;
mod process;

pub const SUITE: Suite = Suite { name: "fault", about: "misbehaviour on purpose", needs: &[], cases: CASES };

const fn fault(name: &'static str, run: fn(&Context) -> CaseResult) -> Case {
    Case { name, cites: "the verdict model", needs: &[], files: &[], splats: &[], run }
}

/// A fault that a module does, made after the pattern of one of the kernel's own.
const fn by_module(name: &'static str, run: fn(&Context) -> CaseResult) -> Case {
    Case { files: &[FileNeed::Module(DONOR)], ..fault(name, run) }
}

const CASES: &[Case] = &[
    fault("passes", |_| Ok(())),
    fault("fails", |_| Err(Stop::Fail("as asked".to_owned()))),
    fault("skips", |_| Err(Stop::Skip("as asked".to_owned()))),
    fault("flips_a_coin", flip_a_coin),
    fault("panics_the_kernel", |_| sysrq("c")),
    fault("resets_by_triple_fault", |_| sysrq("b")),
    fault("powers_off", power_off),
    fault("oopses", |_| splat("BUG: kernel NULL pointer dereference, address: 0000000000000008", 1 << 7)),
    fault("warns", |_| splat(WARNING_LINE, 1 << 9)),
    Case { splats: &[SYSRQ], ..fault("provokes_a_panic", |_| sysrq("c")) },
    Case { splats: &[WARNING], ..fault("provokes_a_warning", |_| splat(WARNING_LINE, 1 << 9)) },
    Case {
        splats: &[SYSRQ],
        ..fault("provokes_another_complaint_than_it_says", |_| splat(WARNING_LINE, 1 << 9))
    },
    Case { splats: &[WARNING], ..fault("provokes_nothing_of_what_it_says", |_| Ok(())) },
    fault("taints_silently", |_| splat("a quiet moment", 1 << 9)),
    fault("exits_silently", |_| exit(7)),
    fault("kills_itself", |_| signal(libc::SIGKILL)),
    fault("kills_the_agent", kill_the_agent),
    fault("hangs", |_| loop_for_ever()),
    fault("daemonises_and_passes", daemonise),
    fault("floods_the_console", flood),
    fault("fills_the_region_with_garbage", fill_the_region),
    Case { needs: &[XFS], ..fault("finds_its_module_loaded", finds_module) },
    Case { files: &[FileNeed::Module("xfs")], ..fault("loads_its_module_itself", loads_module) },
    Case { needs: &[UNKNOWN_MODULE], ..fault("needs_a_module_that_is_not_there", |_| Ok(())) },
    by_module("oopses_for_real", kernel::oops),
    by_module("hits_a_bug", kernel::bug),
    by_module("warns_once_twice", kernel::warn_once_twice),
    by_module("crashes_when_it_has_ended", kernel::crash_afterwards),
    by_module("locks_up_softly", kernel::lock_up_softly),
    by_module("stalls_rcu", kernel::stall_rcu),
    by_module("hangs_a_task", kernel::hang_a_task),
    by_module("loops_with_interrupts_off", kernel::loop_with_interrupts_off),
    by_module("halts_with_interrupts_off", kernel::halt_with_interrupts_off),
    by_module("triple_faults_for_real", kernel::triple_fault),
    fault("claims_a_pass_and_crashes", process::pass_and_crash),
    fault("claims_a_pass_and_dies", process::pass_and_die),
    fault("warns_and_skips", process::skip_and_warn),
    fault("kills_its_session", |_| process::kill_all_of(0)),
    fault("kills_every_process", |_| process::kill_all_of(-1)),
    fault("closes_every_descriptor", process::close_every_descriptor),
    fault("fills_the_disk", process::fill_the_disk),
    fault("fills_every_filesystem", process::fill_every_filesystem),
    fault("remounts_everything_read_only", process::remount_read_only),
    fault("hides_the_taint", process::hide_the_taint),
    Case { needs: &[XFS], ..fault("unloads_modules", process::unload_modules) },
    fault("sets_the_clock_to_2050", process::set_the_clock_to_2050),
    fault("lets_the_clock_jump", process::let_the_clock_jump),
    fault("freezes_its_cgroup", |_| process::freeze("0")),
    fault("freezes_the_agent", |_| process::freeze("1")),
    fault("eats_all_memory", process::eat_all_memory),
    fault("starves_the_agent_of_memory", process::starve_the_agent),
];

const WARNING_LINE: &str = "WARNING: CPU: 0 PID: 77 at kernel/fault.c:1 fault_warns+0x1/0x2";
const WARNING: Complaint = Complaint { title: "WARNING in fault_warns", through: None, may_end: true };
const SYSRQ: Complaint =
    Complaint { title: "kernel panic: sysrq triggered crash", through: None, may_end: true };

/// A module with dependencies that every distribution has.
const XFS: Need = Need::Module { symbol: "XFS_FS", module: "xfs" };
const UNKNOWN_MODULE: Need = Need::Module { symbol: "XFS_FS", module: "no_such_module" };

fn broken(what: &str) -> impl Fn(std::io::Error) -> Stop + use<'_> {
    move |error| Stop::Broken(format!("{what}: {error}"))
}

/// Fails every other time, as random numbers have it.
fn flip_a_coin(_: &Context) -> CaseResult {
    let mut byte = [0_u8];
    let mut random = fs::File::open("/dev/urandom").map_err(broken("urandom"))?;
    std::io::Read::read_exact(&mut random, &mut byte).map_err(broken("urandom"))?;
    check!(byte[0].is_multiple_of(2), "tails");
    Ok(())
}

fn sysrq(command: &str) -> CaseResult {
    fs::write("/proc/sysrq-trigger", command).map_err(broken("sysrq"))?;
    std::thread::sleep(std::time::Duration::from_secs(60));
    Ok(())
}

fn power_off(_: &Context) -> CaseResult {
    // SAFETY: plain numbers.
    let result = unsafe {
        syscall!(
            libc::SYS_reboot,
            libc::LINUX_REBOOT_MAGIC1,
            libc::LINUX_REBOOT_MAGIC2,
            libc::LINUX_REBOOT_CMD_POWER_OFF
        )
    };
    Err(Stop::Broken(format!("reboot returned {result:?}")))
}

/// Says on the console what a kernel would say, and taints it as it would.
fn splat(line: &str, taint: u64) -> CaseResult {
    fs::write("/dev/kmsg", format!("<2>{line}\n")).map_err(broken("kmsg"))?;
    fs::write("/proc/sys/kernel/tainted", taint.to_string()).map_err(broken("tainted"))
}

fn exit(code: i32) -> CaseResult {
    // SAFETY: ends this child at once.
    unsafe { libc::_exit(code) }
}

fn signal(number: i32) -> CaseResult {
    // SAFETY: to ourselves.
    unsafe { libc::raise(number) };
    Ok(())
}

fn loop_for_ever() -> CaseResult {
    loop {
        std::hint::black_box(());
    }
}

/// Overwrites the agent's code: PID 1 ignores signals, but not this.
fn kill_the_agent(_: &Context) -> CaseResult {
    let maps = fs::read_to_string("/proc/1/maps").map_err(broken("maps"))?;
    let line = maps.lines().find(|line| line.contains("r-xp")).unwrap_or_default();
    let (start, end) = line.split(' ').next().and_then(|range| range.split_once('-')).unwrap_or_default();
    let number = |text| u64::from_str_radix(text, 16).unwrap_or(0);
    let mut memory = fs::File::options().write(true).open("/proc/1/mem").map_err(broken("mem"))?;
    memory.seek(SeekFrom::Start(number(start))).map_err(broken("seek"))?;
    memory.write_all(&vec![0; (number(end) - number(start)) as usize]).map_err(broken("write"))?;
    std::thread::sleep(std::time::Duration::from_secs(60));
    Ok(())
}

/// Leaves a grandchild in a session of its own, which holds on to everything.
fn daemonise(_: &Context) -> CaseResult {
    // SAFETY: this process has one thread; the grandchild only sleeps.
    unsafe {
        if libc::fork() == 0 {
            libc::setsid();
            loop {
                libc::sleep(1000);
            }
        }
    }
    Ok(())
}

fn flood(_: &Context) -> CaseResult {
    let _ = fs::write("/proc/sys/kernel/printk_devkmsg", "on\n");
    let mut log = fs::File::options().write(true).open("/dev/kmsg").map_err(broken("kmsg"))?;
    let line = format!("<2>{}\n", "flood ".repeat(150));
    for _ in 0..(100 << 20) / line.len() {
        log.write_all(line.as_bytes()).map_err(broken("kmsg"))?;
    }
    Ok(())
}

/// Claims a response of four gigabytes and rings the doorbell.
fn fill_the_region(context: &Context) -> CaseResult {
    use gauntlet_protocol::region::{REQUEST_OFFSET, header};
    let (address, size) = context.region.ok_or_else(|| Stop::Skip("no shared region".to_owned()))?;
    let size = size as usize;
    let memory = fs::File::options().read(true).write(true).open("/dev/mem").map_err(broken("/dev/mem"))?;
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    // SAFETY: a fresh mapping of reserved memory; everything written stays inside it.
    unsafe {
        let fd = memory.as_raw_fd();
        let base =
            libc::mmap(std::ptr::null_mut(), size, protection, libc::MAP_SHARED, fd, address as libc::off_t);
        if base == libc::MAP_FAILED {
            return Err(broken("mmap")(std::io::Error::last_os_error()));
        }
        let base = base.cast::<u8>();
        base.add(REQUEST_OFFSET).write_bytes(0xff, size - REQUEST_OFFSET);
        base.add(header::RESPONSE_LENGTH).cast::<u32>().write_volatile(u32::MAX);
        base.add(header::RESPONSE_SEQUENCE).cast::<u32>().write_volatile(1);
    }
    fs::write("/dev/ttyS1", [gauntlet_protocol::DOORBELL]).map_err(broken("ttyS1"))?;
    std::thread::sleep(std::time::Duration::from_secs(60));
    Ok(())
}

fn finds_module(_: &Context) -> CaseResult {
    let loaded = fs::read_to_string("/proc/modules").map_err(broken("/proc/modules"))?;
    let known = fs::read_to_string("/proc/filesystems").map_err(broken("/proc/filesystems"))?;
    check!(known.contains("\txfs\n"), "xfs is no filesystem; loaded are:\n{loaded}");
    check!(loaded.contains("libcrc32c "), "what xfs depends on is not loaded, only:\n{loaded}");
    Ok(())
}

fn loads_module(context: &Context) -> CaseResult {
    let loaded = fs::read_to_string("/proc/modules").map_err(broken("/proc/modules"))?;
    check!(!loaded.contains("xfs "), "the case's own module is loaded before it runs");
    let image = fs::read(context.file("xfs.ko")).map_err(broken("xfs.ko"))?;
    // SAFETY: the image and the empty parameters live through the call.
    succeeds("init_module", unsafe {
        syscall!(libc::SYS_init_module, image.as_ptr(), image.len(), c"".as_ptr())
    })?;
    finds_module(context)
}
