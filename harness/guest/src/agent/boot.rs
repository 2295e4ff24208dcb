//! From a bare kernel to a system cases can run on.

use gauntlet_protocol::{Hello, PROTOCOL_VERSION};
use std::ffi::{CStr, CString};
use std::fs;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::OnceLock;

/// What the kernel command line tells the agent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Parameters {
    /// Physical address and size of the shared region.
    pub region: Option<(u64, u64)>,
    /// This kernel was started by a case of another one; the number proves which.
    pub after_kexec: Option<u64>,
}

struct Mount {
    source: &'static str,
    target: &'static str,
    kind: &'static str,
    options: &'static str,
}

/// In this order. What a kernel does not have is left out: cases that need it say so. All of memory filesystems
/// together is less than memory: a case that fills them gets ENOSPC, and no kernel panics for want of memory.
const MOUNTS: &[Mount] = &[
    Mount { source: "proc", target: "/proc", kind: "proc", options: "" },
    Mount { source: "sysfs", target: "/sys", kind: "sysfs", options: "" },
    Mount { source: "devtmpfs", target: "/dev", kind: "devtmpfs", options: "mode=0755" },
    Mount { source: "devpts", target: "/dev/pts", kind: "devpts", options: "ptmxmode=0666" },
    Mount { source: "tmpfs", target: "/dev/shm", kind: "tmpfs", options: "mode=1777,size=10%" },
    Mount { source: "tmpfs", target: "/tmp", kind: "tmpfs", options: "mode=1777,size=45%" },
    Mount { source: "tmpfs", target: "/run", kind: "tmpfs", options: "mode=0755,size=20%" },
    Mount { source: "cgroup2", target: "/sys/fs/cgroup", kind: "cgroup2", options: "" },
    Mount { source: "bpf", target: "/sys/fs/bpf", kind: "bpf", options: "" },
    Mount { source: "debugfs", target: "/sys/kernel/debug", kind: "debugfs", options: "" },
    Mount { source: "tracefs", target: "/sys/kernel/tracing", kind: "tracefs", options: "" },
    Mount { source: "securityfs", target: "/sys/kernel/security", kind: "securityfs", options: "" },
];

/// Memory filesystems that the kernel mounts itself, and the room they get.
const BOUNDED: &[(&CStr, &CStr)] = &[(c"/", c"size=5%"), (c"/dev", c"size=1m")];

/// What devtmpfs leaves to user space (Documentation/admin-guide/devices.txt, "Recommended links"): a script that
/// execveat(2) starts by its descriptor is told its name as /dev/fd/N.
const LINKS: &[(&str, &str)] = &[
    ("/proc/self/fd", "/dev/fd"),
    ("/proc/self/fd/0", "/dev/stdin"),
    ("/proc/self/fd/1", "/dev/stdout"),
    ("/proc/self/fd/2", "/dev/stderr"),
];

/// Mounts what there is, sets the few knobs we rely on, and reads the command line.
pub fn bring_up() -> Parameters {
    for mount in MOUNTS {
        mount_one(mount);
    }
    for (target, options) in BOUNDED {
        // SAFETY: constant strings, and null pointers where mount(2) allows them. A ramfs has no such option.
        unsafe {
            libc::mount(
                std::ptr::null(),
                target.as_ptr(),
                std::ptr::null(),
                libc::MS_REMOUNT,
                options.as_ptr().cast(),
            )
        };
    }
    for (target, link) in LINKS {
        // A kernel that is built otherwise may have them.
        let _ = std::os::unix::fs::symlink(target, link);
    }
    // Everything the kernel says is evidence; addresses in it must be real ones.
    for (knob, value) in [
        ("/proc/sys/kernel/printk", "7"),
        ("/proc/sys/kernel/printk_ratelimit", "0"),
        ("/proc/sys/kernel/kptr_restrict", "0"),
        ("/proc/self/oom_score_adj", "-1000"),
    ] {
        let _ = fs::write(knob, value);
    }
    parse_command_line(&fs::read_to_string("/proc/cmdline").unwrap_or_default())
}

/// Waits until the kernel's own start-up work (self-tests, clock refinement, async probes) is over, so that it
/// does not run again inside every clone. Gives up after five seconds: a busy kernel is no reason not to test.
pub fn settle() {
    const QUIET_LOOKS: u32 = 6;
    let mut quiet = 0;
    for _ in 0..100 {
        std::thread::sleep(std::time::Duration::from_millis(50));
        let load = fs::read_to_string("/proc/loadavg").unwrap_or_default();
        // Fourth field, "runnable/all": only we are runnable on a kernel that has nothing to do.
        let idle = load.split_ascii_whitespace().nth(3).is_some_and(|field| field.starts_with("1/"));
        quiet = if idle { quiet + 1 } else { 0 };
        if quiet == QUIET_LOOKS {
            return;
        }
    }
}

fn mount_one(mount: &Mount) {
    // /dev/pts and /dev/shm appear only after /dev is mounted, so folders are made here and not in the image.
    let _ = fs::create_dir_all(mount.target);
    let text = |text: &str| CString::new(text).expect("the table holds no NUL");
    let (source, target, kind, options) =
        (text(mount.source), text(mount.target), text(mount.kind), text(mount.options));
    // SAFETY: four NUL-terminated strings that live through the call.
    unsafe { libc::mount(source.as_ptr(), target.as_ptr(), kind.as_ptr(), 0, options.as_ptr().cast()) };
}

fn parse_command_line(line: &str) -> Parameters {
    let mut parameters = Parameters::default();
    for word in line.split_ascii_whitespace() {
        if let Some(value) = word.strip_prefix("gauntlet.region=") {
            parameters.region = value.split_once(',').and_then(|(address, size)| {
                Some((u64::from_str_radix(address.strip_prefix("0x")?, 16).ok()?, size.parse().ok()?))
            });
        } else if let Some(value) = word.strip_prefix("gauntlet.after_kexec=") {
            parameters.after_kexec = value.parse().ok();
        }
    }
    parameters
}

/// What the host wants to know before it sends anything.
pub fn hello(shared_region: bool) -> Hello {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    Hello {
        protocol: PROTOCOL_VERSION,
        release: read("/proc/sys/kernel/osrelease"),
        build: read("/proc/sys/kernel/version"),
        cpus: cpuinfo.lines().filter(|line| line.starts_with("processor")).count() as u32,
        taint: taint(),
        kcov: fs::metadata("/sys/kernel/debug/kcov").is_ok(),
        shared_region,
        boot_ns: monotonic_ns(),
        tsc_khz: tsc_khz(&cpuinfo),
    }
}

/// `/proc/sys/kernel/tainted`: bits are explained in Documentation/admin-guide/tainted-kernels.rst.
pub fn taint() -> u64 {
    /// Open from the first look on: a case may unmount /proc, and what it does then counts, too.
    static FILE: OnceLock<Option<fs::File>> = OnceLock::new();
    let file = FILE.get_or_init(|| fs::File::open("/proc/sys/kernel/tainted").ok());
    let mut text = [0; 32];
    let length = file.as_ref().and_then(|file| file.read_at(&mut text, 0).ok()).unwrap_or(0);
    String::from_utf8_lossy(&text[..length]).trim().parse().unwrap_or(0)
}

pub fn monotonic_ns() -> u64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is ours.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn tsc_khz(cpuinfo: &str) -> u64 {
    let line = cpuinfo.lines().find(|line| line.starts_with("cpu MHz"));
    let mhz: f64 = line.and_then(|line| line.split(':').nth(1)?.trim().parse().ok()).unwrap_or(0.0);
    (mhz * 1000.0) as u64
}

/// A line on the console, as evidence for whoever reads it.
pub fn log(text: &str) {
    if let Ok(mut console) = fs::File::options().write(true).open("/dev/kmsg") {
        let _ = writeln!(console, "<6>gauntlet: {text}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_parameters_are_found_among_the_kernels() {
        let parameters = parse_command_line(
            "console=ttyS0 gauntlet.region=0x10000000,33554432 x gauntlet.after_kexec=77\n",
        );
        assert_eq!(parameters.region, Some((0x1000_0000, 32 << 20)));
        assert_eq!(parameters.after_kexec, Some(77));
        assert_eq!(parse_command_line("gauntlet.region=garbage"), Parameters::default());
    }
}
