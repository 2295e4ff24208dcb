//! A run as real ones are: four kernels, eight suites, one of everything that can happen.

use super::{finished, result, run_info};
use gauntlet_results::{Event, Finding, KernelInfo, RunRecord, TestResult, Verdict, WorkloadResult};

pub const CLOUD: &str = "6.1.0-56-cloud-amd64";
pub const NEWER: &str = "6.12.117-cloud-amd64";
pub const RT: &str = "6.1.0-56-rt-amd64";
pub const SID: &str = "7.1.4-cloud-amd64";

const SUITES: [(&str, &[&str]); 8] = [
    (
        "bpf",
        &[
            "array-map",
            "hash-map",
            "lru-map",
            "ringbuf",
            "verifier-oob",
            "verifier-loop",
            "prog-test-run",
            "map-freeze",
        ],
    ),
    ("deadline", &["admit", "overcommit", "throttle", "yield", "wakeup", "inherit", "policy-change"]),
    (
        "execveat",
        &["fd", "at-empty-path", "nofollow", "cloexec-script", "path-max", "no-exec-bit", "directory"],
    ),
    ("getrandom", &["blocking", "nonblock", "insecure", "bad-flags", "efault", "large", "fork"]),
    ("kexec_file_load", &["no-cap", "bad-fd", "unload", "reboot", "cmdline-length"]),
    (
        "memfd",
        &[
            "create",
            "seal-write",
            "seal-grow",
            "seal-shrink",
            "seal-exec",
            "seal-seal",
            "hugetlb",
            "name-length",
            "fcntl-race",
        ],
    ),
    ("renameat2", &["noreplace", "exchange", "whiteout", "bad-flags", "cross-device", "exchange-dir"]),
    (
        "seccomp",
        &["strict", "filter-errno", "filter-kill", "user-notif", "log", "tsync", "bad-filter", "listener-fd"],
    ),
];

const KASAN: &str = "\
[    2.107311] memfd: case begins\r
[    2.113904] ==================================================================\r
[    2.113921] BUG: KASAN: slab-use-after-free in memfd_fcntl+0x1d2/0x6f0\r
[    2.113940] Write of size 8 at addr ffff8880056f2c40 by task memfd/117\r
[    2.113958]\r
[    2.113962] CPU: 0 PID: 117 Comm: memfd Not tainted 6.12.117-cloud-amd64 #1\r
[    2.113977] Hardware name: QEMU Standard PC (i440FX + PIIX, 1996), BIOS 1.16.2\r
[    2.113990] Call Trace:\r
[    2.113996]  <TASK>\r
[    2.114002]  dump_stack_lvl+0x5d/0x80\r
[    2.114017]  print_report+0xd1/0x620\r
[    2.114031]  kasan_report+0xe6/0x110\r
[    2.114044]  memfd_fcntl+0x1d2/0x6f0\r
[    2.114057]  do_fcntl+0x8a1/0xc90\r
[    2.114070]  __x64_sys_fcntl+0xd0/0x130\r
[    2.114083]  do_syscall_64+0x64/0x140\r
[    2.114097]  entry_SYSCALL_64_after_hwframe+0x76/0x7e\r
[    2.114110]  </TASK>\r
";

pub fn record() -> RunRecord {
    let mut record = RunRecord::new(gauntlet_results::RunInfo {
        id: "20261123-124501-3f2a9c".to_owned(),
        verb: "test".to_owned(),
        command: ["gauntlet", "test", "-k", "deb:6.1/cloud", "-k", "deb:6.12/cloud"]
            .map(str::to_owned)
            .to_vec(),
        ..run_info("")
    });
    events().iter().for_each(|event| record.apply(event));
    record
}

/// A run of any size, of which every tenth result is a crash of its own with a long console.
pub fn big(kernels: usize, cases: usize) -> RunRecord {
    let mut record = RunRecord::new(run_info("20261123-124501-3f2a9c"));
    for (kernel, case) in (0..kernels).flat_map(|kernel| (0..cases).map(move |case| (kernel, case))) {
        let verdict = if (kernel + case) % 10 == 0 { Verdict::Crash } else { Verdict::Pass };
        let name = format!("suite-{}/some-case-with-a-name-{case}", case / 20);
        let mut result = result(&format!("6.{kernel}.0-56-cloud-amd64"), &name, verdict);
        if verdict == Verdict::Crash {
            result.reason = format!("the kernel complained {kernel}");
            result.console = "[    1.234567] something about a task that is not very well\n".repeat(200);
        }
        record.apply(&Event::CaseFinished(result));
    }
    record.apply(&finished(false));
    record
}

pub fn events() -> Vec<Event> {
    let mut events = vec![];
    for kernel in [CLOUD, NEWER, RT, SID] {
        let mut cases: Vec<String> = names().collect();
        if kernel == NEWER {
            cases.push("memfd/lost".to_owned());
        }
        events.push(Event::Planned { kernel: kernel.to_owned(), cases, times: 1 });
        if kernel != SID {
            events.push(Event::KernelReady(kernel_info(kernel)));
        }
    }
    events.push(Event::KernelFailed {
        kernel: SID.to_owned(),
        verdict: Verdict::Crash,
        reason: "Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)".to_owned(),
        console: "[    0.871] Run /init as init process\r\n[    0.874] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)\r\n[    0.875] CPU: 0 PID: 1 Comm: swapper/0 Not tainted 7.1.4-cloud-amd64 #1\r\n".to_owned(),
    });
    for kernel in [CLOUD, NEWER, RT] {
        events.extend(names().map(|case| Event::CaseFinished(outcome(kernel, &case))));
    }
    events.extend(flaky().map(Event::CaseFinished));
    events.extend(workloads().into_iter().map(Event::WorkloadFinished));
    events.push(Event::Found(finding()));
    events.push(finished(false));
    events
}

/// Four of twenty repetitions fail, all with one seed.
fn flaky() -> impl Iterator<Item = TestResult> {
    (1..=20).map(|number| {
        let seed = u64::from(number % 5) + 1;
        let verdict = if seed == 3 { Verdict::Fail } else { Verdict::Pass };
        let reason = if seed == 3 { "the bytes read were not the bytes written" } else { "" };
        let result = TestResult {
            seed,
            exact: true,
            reason: reason.to_owned(),
            ..result(RT, "memfd/splice-race", verdict)
        };
        result.repeated(number)
    })
}

fn names() -> impl Iterator<Item = String> {
    SUITES.iter().flat_map(|(suite, cases)| cases.iter().map(move |case| format!("{suite}/{case}")))
}

fn kernel_info(kernel: &str) -> KernelInfo {
    KernelInfo {
        name: kernel.to_owned(),
        spec: format!("deb:linux-image-{kernel}"),
        release: kernel.to_owned(),
        build: "#1 SMP PREEMPT_DYNAMIC Debian 6.1.192-1 (2026-10-30)".to_owned(),
        image_digest: "9d2f6f0b3c5a".to_owned(),
        template: "51cc0e21aa07".to_owned(),
        machine: "tcg".to_owned(),
    }
}

fn outcome(kernel: &str, case: &str) -> TestResult {
    let passed = TestResult {
        duration_ms: 60 + case.len() as u64 * 3 + kernel.len() as u64,
        ..result(kernel, case, Verdict::Pass)
    };
    let with = |verdict, reason: &str| TestResult { verdict, reason: reason.to_owned(), ..passed.clone() };
    match (kernel, case) {
        (NEWER, "memfd/fcntl-race") => TestResult {
            splat: Some("KASAN: slab-use-after-free Write in memfd_fcntl".to_owned()),
            console: format!("{}{KASAN}", "[    2.001] random: crng init done\r\n".repeat(30)),
            flight: Some("fcntl(F_ADD_SEALS) in memfd/fcntl-race, phase run, 4,096 calls before".to_owned()),
            output: "two threads, 4096 rounds\nround 1024: ok\nround 2048: ok\n".to_owned(),
            duration_ms: 1_422,
            ..with(Verdict::Crash, "the kernel complained on its console during the case")
        },
        (_, "deadline/wakeup") if kernel != RT => TestResult {
            output: "period 10000 us, runtime 2000 us\nwoke 11 times late\nexpected at most 0 misses, got 11 (worst 1,204 us)\n".to_owned(),
            ..with(Verdict::Fail, "deadline.rs:118: misses: expected 0, got 11")
        },
        (RT, "seccomp/user-notif") => TestResult {
            flight: Some("ioctl(SECCOMP_IOCTL_NOTIF_RECV), phase run".to_owned()),
            duration_ms: 10_000,
            ..with(Verdict::Timeout, "no answer within 10 s")
        },
        (RT, "bpf/lru-map") => with(Verdict::Error, "set-up failed: mount /sys/fs/bpf: EPERM"),
        (CLOUD, "renameat2/whiteout") => with(Verdict::Infra, "QEMU died by itself (signal 9) on all 3 attempts"),
        (_, "memfd/hugetlb") => with(Verdict::Skip, "CONFIG_HUGETLBFS is not set"),
        (CLOUD | NEWER, "execveat/cloexec-script") => with(Verdict::Skip, "CONFIG_BINFMT_SCRIPT is a module that is not in the package"),
        (CLOUD | RT, "memfd/seal-exec") => with(Verdict::Skip, "F_SEAL_EXEC needs Linux 6.3"),
        (_, "kexec_file_load/reboot") if kernel == RT => with(Verdict::Xfail, "expected: Debian bug 1031842"),
        (RT, "kexec_file_load/cmdline-length" | "kexec_file_load/unload") => with(Verdict::Skip, "CONFIG_KEXEC_FILE is not set"),
        _ => passed,
    }
}

/// A function and its instructions per operation on two kernels.
type OldAndNew = (&'static str, u64, u64);

fn workloads() -> Vec<WorkloadResult> {
    let figures: [(&str, u64, u64, &[OldAndNew]); 8] = [
        (
            "getrandom-32",
            2_138,
            2_068,
            &[("chacha_block_generic", 912, 871), ("get_random_bytes_user", 240, 211)],
        ),
        ("getppid", 342, 342, &[]),
        ("memfd-seal", 9_136, 8_768, &[("shmem_get_inode", 1_100, 921), ("alloc_fd", 410, 377)]),
        (
            "renameat2-exchange",
            14_706,
            9_963,
            &[("d_walk", 3_204, 0), ("vfs_rename", 1_876, 1_102), ("lock_rename", 800, 131)],
        ),
        (
            "open-close",
            9_158,
            5_410,
            &[("security_file_open", 2_110, 402), ("do_dentry_open", 1_804, 1_122), ("__fput", 990, 501)],
        ),
        ("bpf-map-lookup", 1_204, 1_391, &[("__htab_map_lookup_elem", 201, 388)]),
        ("seccomp-filter", 611, 640, &[("__seccomp_filter", 118, 149)]),
        (
            "execveat-static",
            412_877,
            398_201,
            &[("load_elf_binary", 22_100, 15_200), ("unmap_vmas", 31_400, 27_850)],
        ),
    ];
    let one = |kernel: &str, workload: &str, median: u64, functions: Vec<(String, u64)>| WorkloadResult {
        kernel: kernel.to_owned(),
        workload: workload.to_owned(),
        verdict: Verdict::Pass,
        reason: String::new(),
        exact: true,
        seed: 1,
        unit: "instructions".to_owned(),
        samples: vec![median, median, median + 4],
        medians: vec![median],
        functions: functions.into_iter().map(|(name, count)| (name, count * 3)).collect(),
        duration_ms: 812,
    };
    figures
        .iter()
        .flat_map(|(name, old, new, functions)| {
            let side = |pick: fn(&OldAndNew) -> u64| {
                functions.iter().map(|one| (one.0.to_owned(), pick(one))).collect()
            };
            [one(CLOUD, name, *old, side(|one| one.1)), one(NEWER, name, *new, side(|one| one.2))]
        })
        .collect()
}

fn finding() -> Finding {
    Finding {
        kernel: CLOUD.to_owned(),
        title: "Kernel panic - not syncing: sysrq triggered crash".to_owned(),
        program: "r0 = openat(AT_FDCWD, \"/proc/sysrq-trigger\", O_WRONLY)\nwrite(r0, \"c\", 1)\n".to_owned(),
        c_program: "#include <fcntl.h>\n#include <unistd.h>\n\nint main(void)\n{\n\tint r0 = open(\"/proc/sysrq-trigger\", O_WRONLY);\n\twrite(r0, \"c\", 1);\n}\n".to_owned(),
        console: "[   41.200] sysrq: Trigger a crash\r\n[   41.201] Kernel panic - not syncing: sysrq triggered crash\r\n[   41.202] CPU: 0 PID: 77 Comm: executor\r\n".to_owned(),
        reproduced: 10,
        replays: 10,
    }
}
