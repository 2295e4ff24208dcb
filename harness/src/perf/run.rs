//! A performance run: each kernel with several seeds, each workload in a clone of its own.

use super::measure::{MeasurePolicy, Measured, measure};
use crate::image::embedded;
use crate::interrupt::Interrupt;
use crate::run::kernels::{NamedKernel, kernel_info};
use crate::run::{Sink, kernels};
use crate::session::{Failure, Host, Session, SessionOptions};
use gauntlet_perf::median;
use gauntlet_qemu::Exact;
use gauntlet_results::{Event, Verdict, WorkloadResult};
use gauntlet_workloads::Workload;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

/// Everything a performance run needs, checked.
#[derive(Debug)]
pub struct PerfRun {
    pub host: Arc<Host>,
    pub kernels: Vec<NamedKernel>,
    pub workloads: Vec<&'static Workload>,
    /// Seed and shift are replaced seed by seed.
    pub options: SessionOptions,
    /// One machine per entry; the first is the one whose samples and functions are kept.
    pub exact: Vec<Exact>,
    pub policy: MeasurePolicy,
    /// Machines at once.
    pub jobs: usize,
    pub interrupt: Interrupt,
}

impl PerfRun {
    /// Digest of everything that shapes the results: an interrupted run is gone on with only when it is equal.
    pub fn digest(&self, config: &str) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(config.as_bytes());
        hasher.update(embedded::AGENT_DIGEST.as_bytes());
        hasher.update(format!("{:?}", self.exact).as_bytes());
        for kernel in &self.kernels {
            hasher.update(kernel.build.image_digest.as_bytes());
        }
        hasher.finalize().to_hex()[..32].to_owned()
    }

    /// Runs everything that is not finished yet. Ends early, between workloads, when interrupted.
    pub async fn run(self, sink: Arc<Sink>) {
        let names: Vec<String> = self.workloads.iter().map(|workload| workload.name.to_owned()).collect();
        for kernel in &self.kernels {
            sink.send(Event::Planned { kernel: kernel.name.clone(), cases: names.clone(), times: 1 });
        }
        let worker = Arc::new(Worker { slots: Semaphore::new(self.jobs), run: self, sink });
        let mut kernels = JoinSet::new();
        for index in 0..worker.run.kernels.len() {
            kernels.spawn(Arc::clone(&worker).kernel(index));
        }
        while kernels.join_next().await.is_some() {}
    }
}

struct Worker {
    run: PerfRun,
    sink: Arc<Sink>,
    slots: Semaphore,
}

impl Worker {
    async fn kernel(self: Arc<Self>, index: usize) {
        let kernel = &self.run.kernels[index];
        let unfinished = |one: &&'static Workload| !self.sink.is_finished(&kernel.name, one.name);
        let todo: Vec<&'static Workload> = self.run.workloads.iter().copied().filter(unfinished).collect();
        if todo.is_empty() {
            return;
        }
        let Some(sessions) = self.sessions(kernel).await else { return };
        let sessions = Arc::new(sessions);
        let mut running = JoinSet::new();
        for workload in todo {
            let (this, sessions) = (Arc::clone(&self), Arc::clone(&sessions));
            running.spawn(async move { this.workload(index, workload, &sessions).await });
        }
        while running.join_next().await.is_some() {}
    }

    /// The kernel, ready, once per seed; `None` when it cannot be, which is then on record.
    async fn sessions(&self, kernel: &kernels::NamedKernel) -> Option<Vec<Session>> {
        let mut sessions = Vec::new();
        for exact in &self.run.exact {
            let _slot = self.slots.acquire().await.ok()?;
            let mut options = self.run.options.clone();
            options.machine.exact = Some(*exact);
            let prepared = tokio::select! {
                prepared = Session::prepare(&self.run.host, &kernel.build, &options) => prepared,
                () = self.run.interrupt.wait() => return None,
            };
            match prepared {
                Ok(session) => sessions.push(session),
                Err(failure) => {
                    self.sink.send(kernel_failed(kernel, failure));
                    return None;
                }
            }
        }
        self.sink.send(Event::KernelReady(kernel_info(&kernel.name, sessions.first()?)));
        Some(sessions)
    }

    async fn workload(&self, index: usize, workload: &Workload, sessions: &[Session]) {
        let kernel = &self.run.kernels[index].name;
        let Ok(_slot) = self.slots.acquire().await else { return };
        if self.run.interrupt.requested() || self.sink.is_broken() {
            return;
        }
        self.sink.send(Event::CaseStarted { kernel: kernel.clone(), case: workload.name.to_owned() });
        let result = tokio::select! {
            result = self.measure_seeds(kernel, workload, sessions) => result,
            () = self.run.interrupt.wait() => return,
        };
        self.sink.send(Event::WorkloadFinished(result));
    }

    /// Samples and functions of the first seed, medians of all. The first seed that fails ends it.
    async fn measure_seeds(&self, kernel: &str, workload: &Workload, sessions: &[Session]) -> WorkloadResult {
        let started = Instant::now();
        let mut first: Option<Measured> = None;
        let mut medians = Vec::new();
        for session in sessions {
            let measured = measure(session, workload, &self.run.policy, first.is_none()).await;
            medians.extend(median(&measured.samples));
            let failed = measured.evidence.verdict != Verdict::Pass;
            if failed || first.is_none() {
                first = Some(measured);
            }
            if failed {
                medians.clear();
                break;
            }
        }
        let Measured { evidence, samples, functions } = first.expect("there is at least one seed");
        WorkloadResult {
            kernel: kernel.to_owned(),
            workload: workload.name.to_owned(),
            verdict: evidence.verdict,
            reason: evidence.reason,
            exact: true,
            seed: self.run.exact[0].seed,
            unit: "instructions".to_owned(),
            samples,
            medians,
            functions,
            duration_ms: started.elapsed().as_millis() as u64,
        }
    }
}

fn kernel_failed(kernel: &NamedKernel, failure: Failure) -> Event {
    Event::KernelFailed {
        kernel: kernel.name.clone(),
        verdict: failure.verdict,
        reason: failure.reason,
        console: failure.console,
    }
}
