//! One kselftest program in a clone.

use super::Installed;
use super::judge::judge;
use crate::Result;
use crate::image::program::find;
use crate::run::exec::{CommandLine, ExecOutcome, PackedCommand};
use crate::session::Session;
use gauntlet_protocol::stream::Channel;
use gauntlet_results::{TestResult, Verdict};
use std::io::Read;
use std::path::Path;
use std::time::{Duration, Instant};

/// A program with all its target's files, ready to travel.
#[derive(Debug, Clone)]
pub struct Program {
    /// `kselftest/TARGET:PROGRAM`
    pub name: String,
    target: Installed,
    program: String,
}

/// The limit of the tree's own runner (tools/testing/selftests/kselftest/runner.sh), in seconds.
const TIMEOUT: u64 = 45;
/// How often a program is tried again after trouble of ours.
const RETRIES: u32 = 2;

/// What scripts of kselftest call, taken along where this machine has it.
const TOOLS: &[&str] = &[
    "sh",
    "bash",
    "awk",
    "basename",
    "cat",
    "chmod",
    "chown",
    "cp",
    "cut",
    "date",
    "dirname",
    "dd",
    "dmesg",
    "echo",
    "env",
    "expr",
    "false",
    "fusermount",
    "getconf",
    "grep",
    "head",
    "hostname",
    "id",
    "ip",
    "kill",
    "ln",
    "ls",
    "mkdir",
    "mkfifo",
    "mknod",
    "mktemp",
    "modprobe",
    "mount",
    "mv",
    "nproc",
    "printf",
    "ps",
    "pwd",
    "readlink",
    "realpath",
    "rm",
    "rmdir",
    "sed",
    "seq",
    "sleep",
    "sort",
    "stat",
    "strace",
    "stty",
    "sysctl",
    "tail",
    "taskset",
    "tee",
    "test",
    "timeout",
    "touch",
    "tr",
    "true",
    "truncate",
    "tty",
    "umount",
    "uname",
    "uniq",
    "unshare",
    "wc",
    "xargs",
];

impl Program {
    /// Every program of a target.
    pub fn all(target: &Installed) -> Vec<Program> {
        let one = |program: &String| Program {
            name: format!("kselftest/{}:{program}", target.target),
            target: target.clone(),
            program: program.clone(),
        };
        target.programs.iter().map(one).collect()
    }

    /// What shapes its results besides the kernel.
    pub fn digest(&self) -> &str {
        &self.target.digest
    }

    pub fn target(&self) -> &Installed {
        &self.target
    }

    /// Runs the program in fresh clones until it has a verdict that is not our own trouble, or the attempts are used
    /// up: its tests first, itself last.
    pub async fn run(&self, session: &Session, kernel: &str) -> Vec<TestResult> {
        let started = Instant::now();
        let mut attempts = 1;
        loop {
            let (output, outcome, console) = self.attempt(session).await;
            if matches!(outcome, ExecOutcome::Infra(_)) && attempts <= RETRIES {
                attempts += 1;
                continue;
            }
            let run = Run { kernel, output, console, attempts, elapsed: started.elapsed() };
            let exact = session.options.machine.exact;
            return judge(&run.output, &outcome)
                .into_iter()
                .map(|judged| TestResult {
                    exact: exact.is_some(),
                    seed: exact.map_or(0, |exact| exact.seed),
                    ..self.result(&run, &judged.test, (judged.verdict, judged.reason))
                })
                .collect();
        }
    }

    async fn attempt(&self, session: &Session) -> (String, ExecOutcome, String) {
        let packed = match self.pack(session) {
            Ok(packed) => packed,
            Err(error) => return (String::new(), ExecOutcome::Infra(error.to_string()), String::new()),
        };
        let mut bytes = Vec::new();
        let both = |_: Channel, piece: &[u8]| bytes.extend_from_slice(piece);
        let (outcome, answer) = packed.execute(session, both).await;
        let console = answer.map(|answer| answer.console.text()).unwrap_or_default();
        (self.stable(&String::from_utf8_lossy(&bytes)), outcome, console)
    }

    fn pack(&self, session: &Session) -> Result<PackedCommand> {
        let seconds = self.target.timeout.unwrap_or(TIMEOUT);
        // A target that says 0 means for ever; nothing does here.
        let seconds = if seconds == 0 { 20 * TIMEOUT } else { seconds };
        let path = self.target.folder.join(&self.program);
        // A compiled program calls at most a shell; all the tools in every clone would take their time.
        let tools = if is_script(&path) { TOOLS } else { &TOOLS[..1] };
        let tools = tools.iter().filter(|tool| find(tool).is_ok());
        PackedCommand::new(&CommandLine {
            argv: vec![path.to_string_lossy().into_owned()],
            programs: tools.map(|tool| (*tool).to_owned()).collect(),
            files: vec![self.target.folder.clone()],
            directory: Some(self.target.folder.clone()),
            // exec makes files beside itself, memfd a mount point.
            workplace: Some(self.workplace()),
            timeout: Duration::from_secs(seconds).mul_f64(session.slowness() * EMULATION),
            ..CommandLine::default()
        })
    }

    /// Short and the same everywhere: some tests print paths, or make long ones of it.
    fn workplace(&self) -> String {
        format!("/tmp/kselftest/{}", self.target.target)
    }

    /// Without the path of the folder, which would stand in many names.
    fn stable(&self, output: &str) -> String {
        output.replace(&format!("{}/", self.workplace()), "")
    }

    fn result(&self, run: &Run<'_>, test: &str, (verdict, reason): (Verdict, String)) -> TestResult {
        let own = test.is_empty();
        let keep = |text: &str| if own { text.to_owned() } else { String::new() };
        let case = if own { self.name.clone() } else { format!("{}/{test}", self.name) };
        TestResult {
            reason,
            duration_ms: if own { run.elapsed.as_millis() as u64 } else { 0 },
            output: keep(&run.output),
            console: keep(&run.console),
            attempts: run.attempts,
            ..TestResult::bare(run.kernel, &case, verdict)
        }
    }
}

fn is_script(path: &Path) -> bool {
    let mut start = [0; 2];
    std::fs::File::open(path).and_then(|mut file| file.read_exact(&mut start)).is_ok() && &start == b"#!"
}

/// How much longer than on the hardware its limits were written for a program takes under emulation.
const EMULATION: f64 = 4.0;

/// What all results of one program share.
struct Run<'a> {
    kernel: &'a str,
    output: String,
    console: String,
    attempts: u32,
    elapsed: Duration,
}
