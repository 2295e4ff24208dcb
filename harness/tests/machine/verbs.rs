//! The verbs as a user types them.

use crate::support::{KERNEL, fast, ready};
use assert_cmd::Command;
use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

struct Bench {
    results: tempfile::TempDir,
}

impl Bench {
    fn new() -> Bench {
        Bench { results: tempfile::tempdir().unwrap() }
    }

    fn gauntlet(&self, arguments: &[&str]) -> Command {
        let mut command = Command::cargo_bin("gauntlet").unwrap();
        command.args(arguments).env("GAUNTLET_RESULTS", self.results.path()).env("NO_COLOR", "1");
        command
    }
}

#[tokio::test]
async fn exec_passes_output_and_status_through() {
    let Some(_ready) = ready(fast()).await else { return };
    let bench = Bench::new();
    let script = "echo out; echo err >&2; cat; exit 7";
    bench
        .gauntlet(&["exec", "-k", KERNEL, "--program", "cat", "--", "sh", "-c", script])
        .write_stdin("typed")
        .assert()
        .code(7)
        .stdout("out\ntyped")
        .stderr(contains("err"));
}

#[tokio::test]
async fn a_command_of_the_users_finds_no_process_that_waits_for_a_case() {
    let Some(_ready) = ready(fast()).await else { return };
    let script = "for process in /proc/[0-9]*; do readlink $process/exe; done; true";
    let output = Bench::new().gauntlet(&["exec", "-k", KERNEL, "--", "sh", "-c", script]).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("/init") && !said.contains("cases"), "{said}");
}

#[tokio::test]
async fn exec_sees_the_hosts_files_and_cannot_change_them() {
    let Some(_ready) = ready(fast()).await else { return };
    let bench = Bench::new();
    // Below /tmp, where the guest has files of its own, and in a folder that nothing names.
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("script");
    std::fs::write(&script, "cat data; touch /etc/gauntlet || echo refused; echo > /tmp/own && uname -r")
        .unwrap();
    std::fs::write(folder.path().join("data"), "of the host\n").unwrap();
    let mut command = bench.gauntlet(&["exec", "-k", KERNEL, "--", "sh"]);
    let assert = command.arg(&script).current_dir(folder.path()).assert().code(0);
    assert.stdout(contains("of the host\nrefused\n6.1.").and(contains("cloud")));
}

#[tokio::test]
async fn a_command_of_the_users_may_make_user_namespaces() {
    let Some(_ready) = ready(fast()).await else { return };
    let bench = Bench::new();
    for mode in [&[][..], &["--exact"]] {
        let arguments = [
            &["exec", "-k", KERNEL, "--program", "id"][..],
            mode,
            &["--", "unshare", "--user", "/usr/bin/id", "-u"],
        ]
        .concat();
        bench.gauntlet(&arguments).assert().code(0).stdout("65534\n");
    }
}

#[tokio::test]
async fn a_command_of_the_users_gets_a_disk_when_it_wants_one() {
    let Some(_ready) = ready(fast()).await else { return };
    let run = |kind: &str, script: &str| {
        Bench::new().gauntlet(&["exec", "-k", KERNEL, "--disk", kind, "--", "sh", "-c", script]).assert()
    };
    let blank =
        "test -b $GAUNTLET_DISK && cat /sys/block/${GAUNTLET_DISK#/dev/}/size; echo \"$GAUNTLET_MOUNT\"";
    run("blank", blank).code(0).stdout("1048576\n\n");
    let mounted =
        "grep -c \" $GAUNTLET_MOUNT ext4 rw\" /proc/mounts; cd $GAUNTLET_MOUNT && echo kept > a && cat a";
    run("ext4", mounted).code(0).stdout("1\nkept\n");
    run("fat", "true").code(2).stderr(contains("'fat' is no disk: blank, ext4, xfs"));
}

#[tokio::test]
async fn a_command_of_the_users_reaches_its_own_machine() {
    let Some(_ready) = ready(fast()).await else { return };
    let script = "cat /sys/class/net/lo/flags; grep -c 127.0.0.1 /proc/net/fib_trie";
    let mut command = Bench::new().gauntlet(&["exec", "-k", KERNEL, "--", "sh", "-c", script]);
    command.assert().code(0).stdout(contains("0x9\n"));
}

#[tokio::test]
async fn exec_in_exact_mode_takes_the_files_along() {
    let Some(_ready) = ready(fast()).await else { return };
    let bench = Bench::new();
    bench
        .gauntlet(&["exec", "-k", KERNEL, "--exact", "--", "cat", "/etc/debian_version"])
        .assert()
        .code(0)
        .stdout(std::fs::read_to_string("/etc/debian_version").unwrap())
        .stderr(contains("only what travels with it"));
}

#[tokio::test]
async fn a_kernel_in_lockdown_is_talked_to_over_serial() {
    let Some(_ready) = ready(fast()).await else { return };
    let bench = Bench::new();
    let locked = ["test", "-k", KERNEL, "--append", "lockdown=confidentiality", "--progress", "none"];
    bench.gauntlet(&[&locked[..], &["getrandom/unknown_flag_is_refused"]].concat()).assert().code(0);
    bench
        .gauntlet(&[&locked[..], &["--exact", "getrandom/unknown_flag_is_refused"]].concat())
        .assert()
        .code(3)
        .stdout(contains("this kernel allows no shared memory"));
}

#[tokio::test]
async fn exec_tells_a_panic_from_a_failing_command() {
    let Some(_ready) = ready(fast()).await else { return };
    let bench = Bench::new();
    bench
        .gauntlet(&["exec", "-k", KERNEL, "--", "sh", "-c", "echo c > /proc/sysrq-trigger"])
        .assert()
        .code(1)
        .stderr(contains("CRASH").and(contains("sysrq")));
}

#[tokio::test]
async fn a_recorded_exact_result_is_replayed_to_the_bit() {
    let Some(_ready) = ready(fast()).await else { return };
    let bench = Bench::new();
    let case = "getrandom/unknown_flag_is_refused";
    bench.gauntlet(&["test", "-k", KERNEL, "--exact", "--progress", "none", case]).assert().code(0);
    bench
        .gauntlet(&["replay", &format!("last:6.1:{case}")])
        .assert()
        .code(0)
        .stdout(contains("bit-identical"));
}

#[test]
fn wrong_input_gets_one_clear_message_and_status_2() {
    let bench = Bench::new();
    let wrong: &[(&[&str], &str)] = &[
        (&["test", "-k", KERNEL, "--suite", "memdf"], "memfd"),
        (&["test", "-k", KERNEL, "getrandom/no_such_case"], "no case matches"),
        (&["test", "-k", "dbe:6.1/cloud"], "deb"),
        (&["test", "-k", "path:/nowhere/bzImage"], "/nowhere/bzImage"),
        (&["test", "--config", "/nowhere.yaml"], "/nowhere.yaml"),
        (&["test"], "no kernel"),
        (&["replay", "last"], "RUN:KERNEL:SUITE/CASE"),
    ];
    for (arguments, said) in wrong {
        bench.gauntlet(arguments).assert().code(2).stderr(contains(*said));
    }
}

#[tokio::test]
async fn a_crash_kernel_answers_after_a_panic_where_memory_is_reserved_for_it() {
    let Some(_ready) = ready(fast()).await else { return };
    let bench = Bench::new();
    let reserved = ["--append", "crashkernel=96M", "--mem", "512M"];
    let mut command = bench.gauntlet(&["test", "-k", KERNEL, "kexec_file_load/crash_kernel_*", "--json"]);
    let output = command.args(reserved).assert().code(0).get_output().stdout.clone();
    let run: serde_json::Value = serde_json::from_slice(&output).unwrap();
    let verdicts: Vec<(&str, &str)> = run["results"]
        .as_array()
        .unwrap()
        .iter()
        .map(|result| (result["case"].as_str().unwrap(), result["verdict"].as_str().unwrap()))
        .collect();
    assert!(verdicts.contains(&("kexec_file_load/crash_kernel_has_its_own_slot", "PASS")), "{verdicts:?}");
    assert!(
        verdicts.contains(&("kexec_file_load/crash_kernel_starts_after_a_panic", "PASS")),
        "{verdicts:?}"
    );
}
