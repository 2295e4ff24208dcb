//! The messages: one request per clone, one response.

use serde::{Deserialize, Serialize};

/// What the host asks the agent to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Run one case of a suite and report its outcome.
    Case(CaseRequest),
    /// Run one workload and report its samples.
    Workload(WorkloadRequest),
    /// Run a command in the guest and report its output and exit.
    Exec(ExecRequest),
    /// Run a batch of encoded fuzz programs that lies in bulk.
    Fuzz(FuzzRequest),
    /// Put the booted kernel's text symbols into bulk, in the form of `/proc/kallsyms`.
    Symbols,
    /// Answer with [`Response::Hello`] again.
    Ping,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseRequest {
    /// `suite/case`, as in the catalogue.
    pub name: String,
    /// Guest milliseconds after which the agent ends the case.
    pub deadline_ms: u64,
    /// Seed for cases that use random data.
    pub seed: u64,
    /// Whether time is virtual (exact mode).
    pub exact: bool,
    /// Files the case finds in its file folder.
    pub files: Vec<Attachment>,
    /// Kernel modules to load before the case, in this order; their names are for messages.
    pub modules: Vec<Attachment>,
}

/// A file that lies in bulk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attachment {
    pub name: String,
    /// Offset in bulk.
    pub offset: u32,
    pub length: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkloadRequest {
    pub name: String,
    /// Timed operations; the workload's own default when `None`.
    pub operations: Option<u32>,
    pub deadline_ms: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecRequest {
    pub argv: Vec<String>,
    pub environment: Vec<(String, String)>,
    pub directory: Option<String>,
    pub deadline_ms: u64,
    /// Attach the command to the second serial port as its terminal, for an interactive session.
    pub terminal: bool,
    /// A newc archive in bulk to unpack as the command's root directory.
    pub root: Option<Attachment>,
    /// Make the host's files the command's root directory, read-only, through [`crate::hostfs`].
    pub host_root: bool,
    /// Copy the directory to this place below /tmp and start the command there, where it may write.
    pub workplace: Option<String>,
    /// Kernel modules to load before, in this order.
    pub modules: Vec<Attachment>,
    /// Standard input, all of it.
    pub input: Vec<u8>,
    /// A disk of the command's own.
    pub disk: Option<DiskRequest>,
}

/// A disk that is made for one clone, in its memory.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum DiskRequest {
    Blank {
        mib: u32,
    },
    /// With a filesystem of the attachment's name on it ([`crate::sparse`]), to be mounted.
    Filesystem(Attachment),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FuzzRequest {
    /// Bytes of encoded programs at the start of bulk.
    pub length: u32,
    /// Offset in bulk where results go.
    pub results_offset: u32,
    /// Collect coverage through KCOV.
    pub kcov: bool,
    /// Calls that end or endanger the machine are allowed.
    pub dangerous: bool,
}

/// What the agent answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Response {
    Hello(Hello),
    Case(CaseReport),
    Workload(WorkloadReport),
    Exec(ExecReport),
    /// Bytes of results in bulk.
    Fuzz {
        length: u32,
    },
    /// Bytes of symbols in bulk.
    Symbols {
        length: u32,
    },
    /// The agent could not do what was asked; our fault or the image's, never the kernel's.
    Refused {
        reason: String,
    },
}

/// What the agent found when it started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    pub protocol: u32,
    /// `uname -r`.
    pub release: String,
    /// `uname -v`.
    pub build: String,
    pub cpus: u32,
    /// `/proc/sys/kernel/tainted` after boot.
    pub taint: u64,
    /// KCOV can be opened.
    pub kcov: bool,
    /// Messages travel in the shared region; otherwise over serial.
    pub shared_region: bool,
    /// Guest time from the kernel's start to here, in nanoseconds.
    pub boot_ns: u64,
    /// TSC cycles per second as the guest measured it, in kHz.
    pub tsc_khz: u64,
}

/// How the process that ran a case ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ChildExit {
    Exited(i32),
    Signaled(i32),
    /// Ended by the agent at the deadline.
    Deadline,
}

/// What a case said of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    Pass,
    Fail {
        message: String,
    },
    Skip {
        cause: String,
    },
    /// The case's own set-up failed, or it ended without saying anything.
    Broken {
        reason: String,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CaseReport {
    pub outcome: Outcome,
    pub exit: ChildExit,
    pub taint_before: u64,
    pub taint_after: u64,
    /// Guest time, nanoseconds.
    pub duration_ns: u64,
    /// Standard output and error of the case, cut at 64 KiB.
    pub output: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkloadReport {
    pub outcome: Outcome,
    /// TSC ticks per operation, in the order measured.
    pub samples: Vec<u64>,
    /// Ticks that an empty operation takes: already subtracted from `samples`.
    pub overhead: u64,
    pub taint_before: u64,
    pub taint_after: u64,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ExecReport {
    pub exit: ChildExit,
    /// Output that did not go through bulk (see [`crate::stream`]): all of it over serial, else none.
    pub stdout: Vec<u8>,
    pub stderr: Vec<u8>,
    /// Output beyond what the transport holds was dropped.
    pub truncated: bool,
    pub duration_ns: u64,
    pub taint_before: u64,
    pub taint_after: u64,
}

/// Encodes a message.
///
/// # Errors
/// Only when a collection's length cannot be encoded, which no message of ours has.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, postcard::Error> {
    postcard::to_stdvec(message)
}

/// Decodes a message from bytes that may be hostile.
///
/// # Errors
/// When the bytes are not a message of this version.
pub fn decode<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Result<T, postcard::Error> {
    postcard::from_bytes(bytes)
}

/// CRC-32 (IEEE 802.3, reflected), for responses and serial frames: it catches torn writes, not malice.
pub fn checksum(bytes: &[u8]) -> u32 {
    let mut crc = !0u32;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & 0u32.wrapping_sub(crc & 1));
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn checksum_of_the_standard_check_string() {
        assert_eq!(checksum(b"123456789"), 0xcbf4_3926);
    }

    proptest! {
        #[test]
        fn decoding_garbage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
            let _ = decode::<Response>(&bytes);
            let _ = decode::<Request>(&bytes);
        }

        #[test]
        fn case_reports_survive_the_wire(message in ".*", output in ".*", ns in any::<u64>()) {
            let report = Response::Case(CaseReport {
                outcome: Outcome::Fail { message },
                exit: ChildExit::Signaled(11),
                taint_before: 0,
                taint_after: 512,
                duration_ns: ns,
                output,
            });
            prop_assert_eq!(decode::<Response>(&encode(&report).unwrap()).unwrap(), report);
        }
    }
}
