//! What came of a request.

use gauntlet_protocol::{FlightRecord, Response};
use gauntlet_qemu::Ended;
use std::time::Duration;

/// Why there is no response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Death {
    /// The machine ended before it answered.
    Ended(Ended),
    /// Nothing within the host's deadline, though QEMU itself is well.
    Silent { waited: Duration },
    /// QEMU does not answer its control connection.
    QemuStuck { waited: Duration },
    /// More console output than any case may cause.
    Flooded { bytes: u64 },
    /// What the guest wrote is no message of ours.
    Garbage(String),
    /// The host could not go on.
    Host(String),
}

/// The console during a request: head and tail when long.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ConsoleLog {
    head: Vec<u8>,
    tail: Vec<u8>,
    dropped: u64,
}

/// Bytes kept of either end.
const KEEP: usize = 256 << 10;

impl ConsoleLog {
    pub fn push(&mut self, bytes: &[u8]) {
        let room = KEEP - self.head.len();
        let (first, rest) = bytes.split_at(bytes.len().min(room));
        self.head.extend_from_slice(first);
        self.tail.extend_from_slice(rest);
        if self.tail.len() > 2 * KEEP {
            let surplus = self.tail.len() - KEEP;
            self.tail.drain(..surplus);
            self.dropped += surplus as u64;
        }
    }

    /// All that was kept, with a line where something is missing.
    pub fn bytes(&self) -> Vec<u8> {
        let mut all = self.head.clone();
        if self.dropped > 0 {
            all.extend_from_slice(format!("\n[{} bytes left out]\n", self.dropped).as_bytes());
        }
        all.extend_from_slice(&self.tail);
        all
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    pub fn is_empty(&self) -> bool {
        self.head.is_empty()
    }
}

/// The answer to one request, with everything known about it.
#[derive(Debug, Clone)]
pub struct Answer {
    pub response: Result<Response, Death>,
    pub console: ConsoleLog,
    pub flight: Option<FlightRecord>,
    pub elapsed: Duration,
    /// How long the machine's threads waited for a CPU of the host: a busy host, not a slow kernel.
    pub starved: Duration,
    /// How long the machine must have been able to run for its silence to mean something.
    pub required: Duration,
    /// How the machine ended after it had answered, when it was watched for longer.
    pub afterwards: Option<Death>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_console_keeps_both_ends_and_says_so() {
        let mut log = ConsoleLog::default();
        log.push(b"first line\n");
        for _ in 0..40 {
            log.push(&vec![b'.'; 64 << 10]);
        }
        log.push(b"last line\n");
        let text = log.text();
        assert!(text.starts_with("first line") && text.ends_with("last line\n"));
        assert!(text.contains("bytes left out]"));
        assert!(text.len() < 4 * KEEP);
    }
}
