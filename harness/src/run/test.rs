//! The selftests: kernels × cases, one clone each.

use super::case::{CasePolicy, answer_case};
use super::kernels::{NamedKernel, Unbuilt, kernel_info};
use super::programs::Broken;
use super::repeat::{Repeat, Round};
use super::sink::Sink;
use crate::config::Expectation;
use crate::image::embedded;
use crate::interrupt::Interrupt;
use crate::kernel::KernelBuild;
use crate::kernel::needs::{self, KernelFacts, Mode, unmet};
use crate::kselftest::Program;
use crate::plan::PlannedCase;
use crate::session::{Host, Session, SessionOptions};
use gauntlet_results::{Event, TestResult, Verdict};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;

/// Everything a test run needs, checked.
#[derive(Debug)]
pub struct TestRun {
    pub host: Arc<Host>,
    pub kernels: Vec<NamedKernel>,
    /// Kernels that cannot run, by name: whose fault that is, and why.
    pub unbuilt: Vec<Unbuilt>,
    pub cases: Vec<PlannedCase>,
    /// Programs of the kernel's own selftests.
    pub programs: Vec<Program>,
    /// What should have run and cannot: an error on every kernel.
    pub broken: Vec<Broken>,
    pub options: SessionOptions,
    pub policy: CasePolicy,
    /// How often, in which order, with which seeds.
    pub repeat: Repeat,
    pub expectations: Vec<Expectation>,
    /// Machines at once.
    pub jobs: usize,
    pub interrupt: Interrupt,
    /// Whether any case has failed so far.
    pub failed: AtomicBool,
}

/// Machines that linger for each at work: they need no CPU, but memory.
const LINGERING: usize = 4;

/// Room for machines.
pub(super) struct Slots {
    work: Arc<Semaphore>,
    lingering: Semaphore,
}

impl Slots {
    fn new(jobs: usize) -> Slots {
        Slots { work: Arc::new(Semaphore::new(jobs)), lingering: Semaphore::new(LINGERING * jobs) }
    }

    /// A place to work in, as soon as there is one.
    pub async fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.work).acquire_owned().await.ok()
    }
}

impl TestRun {
    /// Digest of everything that shapes the results: an interrupted run is gone on with only when it is equal.
    pub fn digest(&self, config: &str) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(config.as_bytes());
        hasher.update(embedded::AGENT_DIGEST.as_bytes());
        for kernel in &self.kernels {
            hasher.update(kernel.build.image_digest.as_bytes());
        }
        for program in &self.programs {
            hasher.update(program.name.as_bytes());
            hasher.update(program.digest().as_bytes());
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// Runs everything that is not finished yet. Ends early, between cases, when interrupted.
    pub async fn run(self, sink: Arc<Sink>) {
        let programs = self.programs.iter().map(|program| program.name.clone());
        let names: Vec<String> = self.cases.iter().map(PlannedCase::name).chain(programs).collect();
        let times = self.repeat.rounds().unwrap_or(0);
        for kernel in &self.kernels {
            sink.send(Event::Planned { kernel: kernel.name.clone(), cases: names.clone(), times });
        }
        if let Some(seed) = self.repeat.shuffle {
            sink.send(Event::Note {
                text: format!("the order is shuffled: --shuffle={seed} gives it again"),
            });
        }
        for Unbuilt { name, verdict, reason } in &self.unbuilt {
            let (kernel, reason) = (name.clone(), reason.clone());
            sink.send(Event::Planned { kernel: kernel.clone(), cases: names.clone(), times });
            sink.send(Event::KernelFailed { kernel, verdict: *verdict, reason, console: String::new() });
        }
        let slots = Arc::new(Slots::new(self.jobs));
        let this = Arc::new(self);
        let mut kernels = JoinSet::new();
        for index in 0..this.kernels.len() {
            kernels.spawn(Arc::clone(&this).run_kernel(index, Arc::clone(&slots), Arc::clone(&sink)));
        }
        while kernels.join_next().await.is_some() {}
    }

    async fn run_kernel(self: Arc<Self>, index: usize, slots: Arc<Slots>, sink: Arc<Sink>) {
        let kernel = &self.kernels[index];
        self.settle_broken(kernel, &sink);
        let open = |case: &&PlannedCase| !sink.is_finished(&kernel.name, &case.name());
        let cases: Vec<PlannedCase> = self.cases.iter().filter(open).copied().collect();
        let cases = self.skip_unmet(kernel, cases, &sink);
        let mut sessions: Vec<Option<Arc<Session>>> = vec![None; self.repeat.seeds.len()];
        let (mut running, mut done) = (JoinSet::new(), 0);
        while let Some(round) = self.repeat.round(done) {
            if cases.is_empty() || self.has_ended(&sink) {
                break;
            }
            done += 1;
            let todo = self.todo(kernel, &cases, round, &sink);
            if todo.is_empty() {
                continue;
            }
            if sessions[round.seed].is_none() {
                let first = sessions.iter().all(Option::is_none);
                let Some(session) = self.prepare(kernel, (round, first), &slots, &sink).await else { break };
                if let Err(failure) = session.unpack_modules(&modules(&cases, &kernel.build)).await {
                    // Whichever case needs one finds out again, and says so.
                    tracing::warn!(%failure, kernel = kernel.name, "its modules cannot be unpacked");
                }
                sessions[round.seed] = Some(Arc::new(session));
            }
            let Some(session) = &sessions[round.seed] else { break };
            for planned in todo {
                let Some(slot) = slots.take().await else { break };
                if self.interrupt.requested() || sink.is_broken() {
                    break;
                }
                let (this, session, sink) = (Arc::clone(&self), Arc::clone(session), Arc::clone(&sink));
                let slots = Arc::clone(&slots);
                running.spawn(async move {
                    let place = (slot, &slots.lingering);
                    this.run_one((index, round), &session, &planned, (place, &sink)).await;
                });
            }
            // Whether to go on is known only when the round is over.
            while self.repeat.until_fail && running.join_next().await.is_some() {}
        }
        while running.join_next().await.is_some() {}
        let session = sessions.into_iter().flatten().next();
        // A kernel that did not come up for the cases has been told already.
        if session.is_some() || cases.is_empty() {
            self.run_programs(index, session, &slots, &sink).await;
        }
    }

    /// Interrupted, nowhere to store, or what was waited for has happened.
    fn has_ended(&self, sink: &Sink) -> bool {
        let failed = self.repeat.until_fail && self.failed.load(Ordering::Relaxed);
        failed || self.interrupt.requested() || sink.is_broken()
    }

    /// The cases of a round that an earlier invocation has not finished, in the round's order.
    fn todo(
        &self,
        kernel: &NamedKernel,
        cases: &[PlannedCase],
        round: Round,
        sink: &Sink,
    ) -> Vec<PlannedCase> {
        let number = if self.repeat.is_single() { 0 } else { round.number };
        let open = |case: &&PlannedCase| !sink.is_repetition_finished(&kernel.name, &case.name(), number);
        let mut todo: Vec<PlannedCase> = cases.iter().filter(open).copied().collect();
        self.repeat.order(round, &mut todo);
        todo
    }

    /// Settles the cases this kernel cannot run, by its version and configuration; gives the others.
    fn skip_unmet(&self, kernel: &NamedKernel, cases: Vec<PlannedCase>, sink: &Sink) -> Vec<PlannedCase> {
        let facts = KernelFacts::of(&kernel.build);
        let machine = &self.options.machine;
        let mode = Mode { exact: machine.exact.is_some(), cpus: machine.cpus };
        cases
            .into_iter()
            .filter(|planned| match unmet(planned.needs(), &facts, mode) {
                None => true,
                Some(cause) => {
                    let skipped = self.settled(&kernel.name, planned.name(), Verdict::Skip, cause);
                    sink.send(Event::CaseFinished(skipped));
                    false
                }
            })
            .collect()
    }

    /// A result that no clone was needed for.
    pub(super) fn settled(&self, kernel: &str, case: String, verdict: Verdict, reason: String) -> TestResult {
        TestResult {
            reason,
            exact: self.options.machine.exact.is_some(),
            seed: self.policy.seed,
            ..TestResult::bare(kernel, &case, verdict)
        }
    }

    /// The kernel with the round's seed; announced when it is the first.
    pub(super) async fn prepare(
        &self,
        kernel: &NamedKernel,
        (round, first): (Round, bool),
        slots: &Slots,
        sink: &Sink,
    ) -> Option<Session> {
        let _slot = slots.take().await?;
        let mut options = self.options.clone();
        if let Some(exact) = &mut options.machine.exact {
            exact.seed = self.repeat.seeds[round.seed];
        }
        let prepared = tokio::select! {
            prepared = Session::prepare(&self.host, &kernel.build, &options) => prepared,
            () = self.interrupt.wait() => return None,
        };
        match prepared {
            Ok(session) => {
                if first {
                    sink.send(Event::KernelReady(kernel_info(&kernel.name, &session)));
                    self.unit_tests(kernel, &session, sink);
                }
                Some(session)
            }
            Err(failure) => {
                sink.send(Event::KernelFailed {
                    kernel: kernel.name.clone(),
                    verdict: failure.verdict,
                    reason: failure.reason,
                    console: failure.console,
                });
                None
            }
        }
    }

    async fn run_one(
        &self,
        (index, round): (usize, Round),
        session: &Session,
        planned: &PlannedCase,
        ((slot, lingering), sink): ((OwnedSemaphorePermit, &Semaphore), &Sink),
    ) {
        let kernel = &self.kernels[index].name;
        sink.send(Event::CaseStarted { kernel: kernel.clone(), case: planned.name() });
        let policy = CasePolicy { seed: self.repeat.seeds[round.seed], ..self.policy.clone() };
        let result = async {
            let answered = answer_case(session, kernel, planned, &policy).await;
            if !answered.lingers() {
                return answered.result().await;
            }
            let _place = lingering.acquire().await;
            drop(slot);
            answered.result().await
        };
        let result = tokio::select! {
            result = result => result,
            () = self.interrupt.wait() => return,
        };
        let result = self.with_expectation(result);
        self.failed.fetch_or(result.verdict.is_failure(), Ordering::Relaxed);
        let result = if self.repeat.is_single() { result } else { result.repeated(round.number) };
        sink.send(Event::CaseFinished(result));
    }

    /// A result that was recorded as a known failure is XFAIL, with the recorded reason.
    pub(super) fn with_expectation(&self, mut result: TestResult) -> TestResult {
        let known =
            self.expectations.iter().find(|one| one.covers(&result.kernel, &result.case, result.verdict));
        if let Some(expectation) = known {
            result.reason = format!("{} (known: {})", result.reason, expectation.reason);
            result.verdict = Verdict::Xfail;
        }
        result
    }
}

/// All modules that these cases need.
fn modules(cases: &[PlannedCase], kernel: &KernelBuild) -> Vec<&'static str> {
    let mut wanted = needs::modules(cases.iter().flat_map(PlannedCase::needs), &KernelFacts::of(kernel));
    wanted.extend(cases.iter().flat_map(PlannedCase::module_files));
    wanted
}
