//! QEMU processes that cannot outlive us.
//!
//! Every child asks for SIGKILL at its parent's death (prctl(2), PR_SET_PDEATHSIG). That signal follows the
//! parent *thread*, so all children are started by one thread that lives as long as the process does.

use crate::error::{Error, Result};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use std::fs::File;
use std::io::{Read, Seek};
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;
use tokio::io::unix::AsyncFd;

/// What to start.
#[derive(Debug)]
pub struct Spawn {
    pub program: PathBuf,
    pub arguments: Vec<String>,
    /// Descriptors the child keeps, under the same numbers.
    pub keep: Vec<RawFd>,
}

/// A running child.
#[derive(Debug)]
pub struct Process {
    child: Child,
    pidfd: AsyncFd<OwnedFd>,
    stderr: File,
}

/// How a process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exit {
    pub code: Option<i32>,
    pub signal: Option<i32>,
}

impl std::fmt::Display for Exit {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.code, self.signal) {
            // A page of a file mapping that the file system has no room for (mmap(2), tmpfs(5)).
            (_, Some(libc::SIGBUS)) => {
                formatter.write_str("a bus error: no room for the machine's memory on the host's disk")
            }
            (_, Some(libc::SIGKILL)) => {
                formatter.write_str("killed, perhaps because the host's memory ran out")
            }
            (_, Some(signal)) => write!(formatter, "signal {signal}"),
            (Some(code), None) => write!(formatter, "status {code}"),
            (None, None) => formatter.write_str("nobody knows how"),
        }
    }
}

impl From<ExitStatus> for Exit {
    fn from(status: ExitStatus) -> Exit {
        Exit { code: status.code(), signal: status.signal() }
    }
}

impl Process {
    /// Starts a child. Call inside a tokio runtime.
    pub fn start(spawn: Spawn) -> Result<Process> {
        let stderr = crate::descriptor::anonymous_file("gauntlet-stderr", 0)?;
        let program = spawn.program.clone();
        let in_program = |source| Error::Spawn { program: program.clone(), source };
        let child_stderr = stderr.try_clone().map_err(in_program)?;
        let child = on_the_spawning_thread(Order { spawn, stderr: child_stderr }).map_err(in_program)?;
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::NONBLOCK).map_err(|errno| in_program(errno.into()))?;
        // SAFETY: the descriptor is owned by the `AsyncFd` from here to its end; nobody else can close it.
        let pidfd = unsafe { AsyncFd::register(pidfd) }.map_err(|error| in_program(error.into()))?;
        Ok(Process { child, pidfd, stderr })
    }

    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits for the end. Cancel-safe.
    pub async fn wait(&mut self) -> Result<Exit> {
        loop {
            if let Some(status) = self.child.try_wait().map_err(Error::io("cannot wait for QEMU"))? {
                return Ok(status.into());
            }
            let mut ready = self.pidfd.readable().await.map_err(Error::io("cannot wait for QEMU"))?;
            ready.clear_ready();
        }
    }

    /// Ends the process at once. Safe against reuse of its number.
    pub fn kill(&mut self) {
        // It may have ended by itself, which is what we want.
        let _ = pidfd_send_signal(self.pidfd.get_ref(), Signal::KILL);
    }

    /// Time spent runnable but not running, of the thread that waited most: the second field of
    /// `/proc/TID/schedstat` (Documentation/scheduler/sched-stats.rst). Zero where there is none.
    ///
    /// Not the same file below `/proc/PID/task/TID`: the names looked up there must be forgotten when the process is
    /// reaped, and for a thread's that took 100 ms of a CPU (measured on Linux 6.18), half of a case.
    pub fn run_delay(&self) -> Duration {
        let Ok(threads) = std::fs::read_dir(format!("/proc/{}/task", self.id())) else {
            return Duration::ZERO;
        };
        let delays = threads.flatten().filter_map(|thread| {
            let file = Path::new("/proc").join(thread.file_name()).join("schedstat");
            let text = std::fs::read_to_string(file).ok()?;
            text.split_ascii_whitespace().nth(1)?.parse().ok()
        });
        Duration::from_nanos(delays.max().unwrap_or(0))
    }

    /// What the process wrote to its standard error so far, cut at 4 KiB.
    pub fn stderr(&mut self) -> Option<String> {
        let mut text = String::new();
        self.stderr.rewind().ok()?;
        let _ = (&self.stderr).take(4096).read_to_string(&mut text);
        let text = text.trim();
        (!text.is_empty()).then(|| text.to_owned())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        // SIGKILL is certain and QEMU has nothing to flush: this wait takes milliseconds and leaves no zombie.
        let _ = self.child.wait();
    }
}

struct Order {
    spawn: Spawn,
    stderr: File,
}

type Reply = std::io::Result<Child>;
type Message = (Order, mpsc::Sender<Reply>);

fn on_the_spawning_thread(order: Order) -> Reply {
    static THREAD: OnceLock<Mutex<mpsc::Sender<Message>>> = OnceLock::new();
    let sender = THREAD.get_or_init(|| {
        let (sender, orders) = mpsc::channel::<Message>();
        std::thread::Builder::new()
            .name("qemu-spawner".to_owned())
            .spawn(move || {
                // The static sender is never dropped, so this loop, and the thread, last until the process ends.
                for (order, reply) in orders {
                    let _ = reply.send(start(order));
                }
            })
            .expect("one thread can be started");
        Mutex::new(sender)
    });
    let (reply, answer) = mpsc::channel();
    sender
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
        .send((order, reply))
        .map_err(|_| std::io::Error::other("the spawning thread is gone"))?;
    answer.recv().map_err(|_| std::io::Error::other("the spawning thread is gone"))?
}

fn start(order: Order) -> Reply {
    let Order { spawn, stderr } = order;
    let parent = std::process::id();
    let keep = spawn.keep;
    let mut command = Command::new(&spawn.program);
    command.args(&spawn.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::from(stderr));
    // A group of its own: the terminal's Ctrl-C is ours to handle.
    command.process_group(0);
    // SAFETY: between fork and exec, only async-signal-safe calls (prctl, getppid, fcntl, setrlimit) on plain data.
    unsafe {
        command.pre_exec(move || {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                return Err(std::io::Error::last_os_error());
            }
            // The parent may have died before the call above took effect.
            if libc::getppid() as u32 != parent {
                return Err(std::io::Error::from_raw_os_error(libc::ESRCH));
            }
            for fd in &keep {
                if libc::fcntl(*fd, libc::F_SETFD, 0) != 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
            libc::setrlimit(libc::RLIMIT_CORE, &none);
            Ok(())
        });
    }
    command.spawn()
}

/// Runs a program to its end and gives its output; for questions such as `--version`.
pub fn output_of(program: &Path, arguments: &[&str]) -> Result<String> {
    let output = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .output()
        .map_err(|source| Error::Spawn { program: program.to_owned(), source })?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr))
}

/// Descriptor numbers for [`Spawn::keep`].
pub fn numbers(descriptors: &[&dyn AsRawFd]) -> Vec<RawFd> {
    descriptors.iter().map(|descriptor| descriptor.as_raw_fd()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Spawn {
        Spawn { program: "/bin/sh".into(), arguments: vec!["-c".into(), script.into()], keep: vec![] }
    }

    #[tokio::test]
    async fn the_exit_code_and_standard_error_arrive() {
        let mut process = Process::start(shell("echo trouble >&2; exit 7")).unwrap();
        assert_eq!(process.wait().await.unwrap(), Exit { code: Some(7), signal: None });
        assert_eq!(process.stderr().as_deref(), Some("trouble"));
    }

    #[tokio::test]
    async fn a_dropped_process_is_dead_and_reaped() {
        let process = Process::start(shell("sleep 1000")).unwrap();
        let pid = process.id();
        drop(process);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }

    #[tokio::test]
    async fn a_missing_program_is_named() {
        let spawn = Spawn { program: "/nowhere/qemu".into(), arguments: vec![], keep: vec![] };
        assert!(Process::start(spawn).unwrap_err().to_string().contains("/nowhere/qemu"));
    }
}
