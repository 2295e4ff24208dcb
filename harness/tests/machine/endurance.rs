//! Loaded hosts and sudden death. `GAUNTLET_SLOW=1` runs these in full length; otherwise a few rounds.

use crate::support::{KERNEL, cache, fast, judge, ready};
use assert_cmd::cargo::cargo_bin;
use gauntlet::plan;
use gauntlet::session::Session;
use gauntlet_results::{Store, Verdict};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

fn rounds(full: usize, short: usize) -> usize {
    if std::env::var_os("GAUNTLET_SLOW").is_some() { full } else { short }
}

/// A busy loop. In a session of its own, autogroup scheduling gives it a full share; in ours, it starves us.
struct Hog(Child);

impl Hog {
    fn start(own_session: bool) -> Hog {
        let mut command = Command::new("sh");
        command.args(["-c", "while :; do :; done"]).stdin(Stdio::null());
        if own_session {
            // SAFETY: setsid is async-signal-safe.
            unsafe { command.pre_exec(|| rustix::process::setsid().map(|_| ()).map_err(Into::into)) };
        }
        Hog(command.spawn().unwrap())
    }
}

impl Drop for Hog {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn boots_beside_hogs(own_session: bool, rounds: usize) {
    let Some(ready) = ready(fast()).await else { return };
    let planned = plan::select(&[], &[plan::pattern("getrandom/unknown_flag*")]).unwrap();
    let _hogs: Vec<Hog> = (0..4).map(|_| Hog::start(own_session)).collect();
    for round in 0..rounds {
        // Another word on the command line makes another template, and so another boot.
        let options = gauntlet::session::SessionOptions {
            append: format!("gauntlet.round={own_session}{round}"),
            ..fast()
        };
        let session = Session::prepare(&ready.host, &ready.session.kernel, &options).await;
        let session =
            session.unwrap_or_else(|failure| panic!("boot {round}: {failure}\n{}", failure.console));
        let result = judge(&session, &planned[0], Duration::from_secs(30)).await;
        assert_eq!(result.verdict, Verdict::Pass, "boot {round}: {}", result.reason);
        ready.host.templates().remove(session.template_digest());
    }
}

#[tokio::test]
async fn boots_beside_four_hogs_of_the_same_session_end_well() {
    boots_beside_hogs(false, rounds(15, 1)).await;
}

#[tokio::test]
async fn boots_beside_four_hogs_of_other_sessions_end_well() {
    boots_beside_hogs(true, rounds(15, 1)).await;
}

/// The cases of the interrupted run: enough that every moment of it can be hit.
const SUITE: &str = "renameat2";

#[tokio::test]
async fn killed_at_any_moment_it_leaves_no_qemu_and_the_next_call_goes_on() {
    let Some(_ready) = ready(fast()).await else { return };
    let results = tempfile::tempdir().unwrap();
    let mark = format!("{}", results.path().display());
    let mut kept = 0;
    for round in 0..rounds(50, 6) {
        let mut child = gauntlet(results.path()).spawn().unwrap();
        // Golden-ratio steps hit every part of the first three seconds evenly.
        let moment = Duration::from_millis((round as u64 * 1854) % 3000);
        std::thread::sleep(moment);
        child.kill().unwrap();
        child.wait().unwrap();
        std::thread::sleep(Duration::from_millis(100));
        assert_eq!(qemus_with(&mark), Vec::<u32>::new(), "QEMU left after a kill at {moment:?}");
        let now = stored(results.path());
        assert!(now >= kept, "{kept} results were there, {now} are left after a kill at {moment:?}");
        kept = now;
    }
    let status = gauntlet(results.path()).status().unwrap();
    assert!(status.success(), "the last call: {status}");
    let store = Store::open(results.path()).unwrap();
    let last = store.load(&store.find_run("last").unwrap()).unwrap();
    assert_eq!(last.missing().len(), 0);
    assert!(last.end.is_some_and(|end| !end.interrupted));
}

fn gauntlet(results: &Path) -> Command {
    let mut command = Command::new(cargo_bin("gauntlet"));
    command
        .args(["test", "-k", KERNEL, "--suite", SUITE, "--progress", "none"])
        .env("GAUNTLET_RESULTS", results)
        .env("GAUNTLET_CACHE", cache())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// Results of all runs in the store, which must open.
fn stored(results: &Path) -> usize {
    if !results.join("gauntlet.db").exists() {
        return 0;
    }
    let store = Store::open(results).unwrap();
    let runs = store.runs().unwrap();
    runs.iter().map(|run| store.load(&run.info.id).unwrap().results.len()).sum()
}

/// Processes named qemu whose environment holds the mark: children inherit it.
fn qemus_with(mark: &str) -> Vec<u32> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let path = entry.path();
        let read = |name: &str| std::fs::read(path.join(name)).unwrap_or_default();
        let is_qemu = String::from_utf8_lossy(&read("comm")).starts_with("qemu");
        if is_qemu && String::from_utf8_lossy(&read("environ")).contains(mark) {
            found.extend(path.file_name().and_then(|name| name.to_str()?.parse::<u32>().ok()));
        }
    }
    found
}
