//! The process that will run a case: started before the machine becomes a template, so that no clone has to fork,
//! execute and translate all that again. It waits for an order, and knows nothing until then.

use super::supervise::become_session_leader;
use gauntlet_guest::order::Order;
use gauntlet_guest::word::Word;
use std::ffi::CStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::AsRawFd;

/// The program with the cases.
const PROGRAM: &CStr = c"/cases";
/// Where its outcome is left, for a moment.
const WORD: &str = "/run/word";
const OUTPUT: &str = "/run/output";
/// More output than this of one case is cut.
const OUTPUT_LIMIT: usize = 64 << 10;
/// A case's working directory, empty.
pub const SCRATCH: &str = "/tmp/case";

/// A process that waits for its order.
#[derive(Debug)]
pub struct Standby {
    process: libc::pid_t,
    orders: File,
    word: Word,
}

impl Standby {
    /// Starts it, with a session, an output and a word of its own.
    pub fn start() -> Result<Standby, String> {
        fs::create_dir_all(SCRATCH).map_err(|error| format!("{SCRATCH}: {error}"))?;
        let (word, file) = Word::create(WORD)?;
        let output = File::create(OUTPUT).map_err(|error| format!("{OUTPUT}: {error}"))?;
        let (reader, orders) = std::io::pipe().map_err(|error| format!("pipe: {error}"))?;
        let arguments = Order::waiting();
        let argv = [arguments[0].as_ptr(), arguments[1].as_ptr(), std::ptr::null()];
        // SAFETY: this process has one thread, so the child may do anything.
        match unsafe { libc::fork() } {
            -1 => Err(format!("fork: {}", std::io::Error::last_os_error())),
            0 => {
                become_session_leader();
                let _ = fs::write("/proc/self/oom_score_adj", "0");
                let _ = std::env::set_current_dir(SCRATCH);
                // SAFETY: plain descriptor calls on open files; the arguments live until the process is another
                // program.
                unsafe {
                    libc::dup2(output.as_raw_fd(), 1);
                    libc::dup2(output.as_raw_fd(), 2);
                    // Out of the way of the numbers they get.
                    let reader = libc::fcntl(reader.as_raw_fd(), libc::F_DUPFD_CLOEXEC, 10);
                    Word::hand_on(&file);
                    Order::hand_on(reader);
                    libc::execve(PROGRAM.as_ptr(), argv.as_ptr(), [std::ptr::null()].as_ptr());
                    eprintln!("cannot execute {PROGRAM:?}: {}", std::io::Error::last_os_error());
                    libc::_exit(126)
                }
            }
            process => {
                let orders = File::from(std::os::fd::OwnedFd::from(orders));
                Ok(Standby { process, orders, word })
            }
        }
    }

    /// Gives it its order; the process, and where its outcome will be.
    pub fn go(mut self, order: &Order) -> (libc::pid_t, Word) {
        // A process that is dead already is found out by whoever waits for it.
        let _ = self.orders.write_all(&order.bytes());
        (self.process, self.word)
    }
}

/// What the case wrote.
pub fn output() -> String {
    let bytes = fs::read(OUTPUT).unwrap_or_default();
    let mut text = String::from_utf8_lossy(&bytes[..bytes.len().min(OUTPUT_LIMIT)]).into_owned();
    if bytes.len() > OUTPUT_LIMIT {
        text.push_str("\n[cut here]\n");
    }
    text
}
