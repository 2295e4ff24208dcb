//! A clone as a target of the fuzzer.

use super::account::{Account, account, executions, is_text};
use crate::session::{Answer, Guest, GuestOptions, Session};
use gauntlet_fuzzers::{BatchResult, Crash, Execution, Program, Target, TargetError};
use gauntlet_protocol::coverage::{FUZZ_SIZE, Reader};
use gauntlet_protocol::program::BatchWriter;
use gauntlet_protocol::region::BULK_OFFSET;
use gauntlet_protocol::{FuzzRequest, Request, Response};
use gauntlet_qemu::Accelerator;
use gauntlet_qemu::descriptor::anonymous_file;
use std::fs::File;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Programs of one batch lie in the first part of bulk, records behind it.
const RESULTS_OFFSET: u32 = 4 << 20;
/// Programs after which a clone is replaced although nothing happened: what they left in the kernel must not grow
/// for ever. Rarely, because under TCG a fresh clone has to translate everything again.
const RECYCLE: u64 = 20_000;
/// Attempts at a batch that fails for reasons of ours.
const ATTEMPTS: u32 = 3;

/// How machines are driven.
#[derive(Debug, Clone, Copy)]
pub struct MachineOptions {
    /// Calls that end the machine may run.
    pub dangerous: bool,
    /// Use coverage, from KCOV or the TCG plugin, whichever the kernel and the accelerator allow.
    pub coverage: bool,
    /// Time that one batch may take on a host of ordinary speed.
    pub deadline: Duration,
}

/// One clone at a time, replaced when it died or was used up.
#[derive(Debug)]
pub struct Machine {
    handle: Handle,
    session: Arc<Session>,
    options: MachineOptions,
    running: Option<Running>,
    cookie: u64,
}

#[derive(Debug)]
struct Running {
    guest: Guest,
    coverage: Option<File>,
    reader: Option<Reader<File>>,
    programs: u64,
}

impl Machine {
    /// `number` tells the machines of one campaign apart.
    pub fn new(handle: Handle, session: Arc<Session>, options: MachineOptions, number: u64) -> Machine {
        Machine { handle, session, options, running: None, cookie: number << 40 }
    }

    fn uses_kcov(&self) -> bool {
        self.options.coverage && self.session.hello().kcov
    }

    fn uses_plugin(&self) -> bool {
        let emulated = self.session.options.machine.accelerator == Accelerator::Tcg;
        self.options.coverage && emulated && !self.session.hello().kcov
    }

    fn start(&self) -> Result<Running, TargetError> {
        let trouble = |error: &dyn std::fmt::Display| TargetError(format!("cannot start a clone: {error}"));
        let mut options = GuestOptions::default();
        let mut coverage = None;
        if self.uses_plugin() {
            let file =
                anonymous_file("gauntlet-coverage", FUZZ_SIZE as u64).map_err(|error| trouble(&error))?;
            coverage = Some(file.try_clone().map_err(|error| trouble(&error))?);
            options.plugin = vec!["coverage={0}".to_owned()];
            options.files = vec![file];
        }
        let guest = self.handle.block_on(self.session.guest(options)).map_err(|error| trouble(&error))?;
        Ok(Running { guest, coverage, reader: None, programs: 0 })
    }

    fn discard(&mut self) {
        // Ending QEMU needs the runtime that its pipes belong to.
        let _guard = self.handle.enter();
        self.running = None;
    }

    /// One attempt; `Err` is trouble of ours.
    fn attempt(&mut self, programs: &[Program]) -> Result<BatchResult, TargetError> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => self.start()?,
        };
        self.cookie += 1;
        let (bytes, sent) = encode(programs, self.cookie);
        running.guest.region().write(BULK_OFFSET, &bytes);
        let begun = running.windows_begun()?;
        let request = Request::Fuzz(FuzzRequest {
            length: bytes.len() as u32,
            results_offset: RESULTS_OFFSET,
            kcov: self.uses_kcov(),
            dangerous: self.options.dangerous,
        });
        let deadline = self.options.deadline.mul_f64(self.session.slowness());
        let answer = self.handle.block_on(running.guest.request(&request, deadline));
        let mut executions = running.executions(&answer, self.cookie, sent);
        running.add_coverage(&mut executions, begun)?;
        executions.resize(programs.len(), None);
        let crash = match account(&answer) {
            Account::Infra(what) => {
                self.running = Some(running);
                self.discard();
                return Err(TargetError(what));
            }
            Account::Told { crash } => crash.map(|crash| self.annotated(crash)),
        };
        running.programs += sent as u64;
        let used_up = crash.is_some() || running.programs >= RECYCLE;
        self.running = Some(running);
        if used_up {
            self.discard();
        }
        // Time that the machine waited for a CPU of the host is no work: batches sized by it would shrink on a busy
        // host, where the round trip costs most.
        let elapsed = answer.elapsed.saturating_sub(answer.starved);
        Ok(BatchResult { executions, crash, elapsed })
    }

    fn annotated(&self, mut crash: Crash) -> Crash {
        crash.report = self.handle.block_on(self.session.annotate(crash.report));
        crash
    }
}

impl Target for Machine {
    fn run_batch(&mut self, programs: &[Program]) -> Result<BatchResult, TargetError> {
        let mut attempt = 1;
        loop {
            match self.attempt(programs) {
                Err(error) if attempt < ATTEMPTS => {
                    tracing::warn!(%error, attempt, "a batch came to nothing for reasons of the host's; trying again");
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    fn renew(&mut self) -> Result<(), TargetError> {
        self.discard();
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.discard();
    }
}

impl Running {
    /// The records that lie in bulk: as many as the guest says, or all that hold when it died.
    fn executions(&self, answer: &Answer, cookie: u64, count: usize) -> Vec<Option<Execution>> {
        let region = self.guest.region();
        let start = BULK_OFFSET + RESULTS_OFFSET as usize;
        let room = region.size() - start;
        let length = match answer.response {
            Ok(Response::Fuzz { length }) => usize::try_from(length).map_or(room, |length| length.min(room)),
            _ => room,
        };
        executions(&region.read(start..start + length), cookie, count)
    }

    /// Opens the coverage file once the plugin has made it; windows begun before this batch.
    fn windows_begun(&mut self) -> Result<u64, TargetError> {
        if self.reader.is_none()
            && let Some(file) = &self.coverage
        {
            let file = file.try_clone().map_err(|error| TargetError(error.to_string()))?;
            self.reader = Some(Reader::open(file).map_err(|error| TargetError(format!("plugin: {error}")))?);
        }
        match &self.reader {
            Some(reader) => reader.begun().map_err(|error| TargetError(format!("plugin: {error}"))),
            None => Ok(0),
        }
    }

    /// Gives each program the blocks of its window: programs open one window each, in their order.
    fn add_coverage(&mut self, executions: &mut [Option<Execution>], begun: u64) -> Result<(), TargetError> {
        let Some(reader) = &mut self.reader else { return Ok(()) };
        let windows = reader.windows().map_err(|error| TargetError(format!("plugin: {error}")))?;
        let blocks = reader.blocks();
        for window in windows {
            let index = window.ordinal.checked_sub(begun).and_then(|index| usize::try_from(index).ok());
            let Some(Some(execution)) = index.and_then(|index| executions.get_mut(index)) else { continue };
            let addresses = window.executions.iter().filter_map(|(block, _)| {
                let block = blocks.get(usize::try_from(*block).ok()?)?;
                is_text(block.address).then_some(block.address)
            });
            execution.coverage.extend(addresses);
        }
        Ok(())
    }
}

/// The batch, and how many of the programs found room in it.
fn encode(programs: &[Program], cookie: u64) -> (Vec<u8>, usize) {
    let mut batch = BatchWriter::new(cookie);
    let mut sent = 0;
    for program in programs {
        let encoded = program.encode();
        if batch.length() + encoded.length() + 8 > RESULTS_OFFSET as usize {
            break;
        }
        batch.push(&encoded);
        sent += 1;
    }
    (batch.finish(), sent)
}
