//! The loop: propose, run, judge.

mod queue;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use super::evaluate::{End, Evaluator, Proposal};
use super::pacer::Pacer;
use super::pool::{Done, Job, Pool};
use super::{CampaignError, Found, Options, Progress, Watch};
use crate::Program;
use crate::target::{BatchResult, Crash, Execution, Target};
use queue::{Queue, Task, Trial};

/// A block that failed to come again so often belongs to interrupts and other tasks, not to programs.
const NOISE: u8 = 4;

/// Fuzzes until the watcher says stop.
///
/// With one target that is deterministic, the whole campaign is: the seed decides it.
///
/// # Errors
/// When the machines cannot be used, or the corpus cannot be read or written.
pub fn run(
    options: &Options,
    targets: Vec<Box<dyn Target>>,
    watch: &mut dyn Watch,
) -> Result<Progress, CampaignError> {
    let evaluator = Evaluator::new(options)?;
    let mut queue = Queue::default();
    let unreadable = load(&options.corpus, &mut queue);
    let progress = Progress { unreadable, ..Progress::default() };
    let mut campaign = Campaign {
        evaluator,
        queue,
        pacer: Pacer::new(options.batch),
        pool: Pool::new(targets),
        flying: HashMap::new(),
        noise: HashMap::new(),
        muted: Vec::new(),
        progress,
        triage: options.triage,
    };
    campaign.work(watch)?;
    Ok(campaign.progress)
}

/// Puts the programs of a corpus directory in the queue, in the order of their names; counts files that are none.
fn load(directory: &Path, queue: &mut Queue) -> usize {
    let Ok(entries) = std::fs::read_dir(directory) else { return 0 };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "program"))
        .collect();
    paths.sort();
    let mut unreadable = 0;
    for path in paths {
        match std::fs::read_to_string(&path).ok().and_then(|text| text.parse().ok()) {
            Some(program) => queue.push(Task::fresh(Proposal { program, parent: None })),
            None => unreadable += 1,
        }
    }
    unreadable
}

struct Campaign {
    evaluator: Evaluator,
    queue: Queue,
    pacer: Pacer,
    pool: Pool,
    /// Batches out, by job number.
    flying: HashMap<u64, Vec<Task>>,
    noise: HashMap<u64, u8>,
    /// Dangerous calls whose crash is known: to make it again and again would only cost machines.
    muted: Vec<&'static str>,
    progress: Progress,
    triage: u32,
}

impl Campaign {
    fn work(&mut self, watch: &mut dyn Watch) -> Result<(), CampaignError> {
        let mut going = watch.proceed(&self.progress);
        while going || self.pool.flying() > 0 {
            while going && self.pool.has_room() {
                self.launch()?;
            }
            let (number, done) = self.pool.receive()?;
            match done {
                Done::Batch(result) => {
                    let tasks = self.flying.remove(&number).unwrap_or_default();
                    self.digest(tasks, result, watch)?;
                }
                Done::Triage(report) => watch.triaged(&report),
            }
            going = going && watch.proceed(&self.progress);
        }
        Ok(())
    }

    fn launch(&mut self) -> Result<(), CampaignError> {
        let mut tasks = Vec::new();
        while tasks.len() < self.pacer.size() {
            let task = match self.queue.pop() {
                Some(task) => task,
                None => Task::fresh(self.evaluator.propose()?),
            };
            if !self.is_muted(&task.proposal.program) {
                tasks.push(task);
            }
        }
        let programs: Arc<[Program]> = tasks.iter().map(|task| task.proposal.program.clone()).collect();
        let number = self.pool.submit(Job::Batch(programs))?;
        self.flying.insert(number, tasks);
        Ok(())
    }

    fn is_muted(&self, program: &Program) -> bool {
        program.calls.iter().any(|call| self.muted.contains(&call.description.name))
    }

    fn digest(
        &mut self,
        tasks: Vec<Task>,
        result: BatchResult,
        watch: &mut dyn Watch,
    ) -> Result<(), CampaignError> {
        self.progress.batches += 1;
        self.progress.busy += result.elapsed;
        let answered = result.executions.iter().flatten().count();
        if result.crash.is_none() {
            self.pacer.learn(answered, result.elapsed);
        }
        // Without a flight record the culprit is the first program that nobody answered for; when all answered and the
        // kernel complained all the same, the last one stands for the batch and triage finds out which it was.
        let first_lost = result.executions.iter().position(Option::is_none);
        let last = tasks.len().checked_sub(1);
        let culprit = result.crash.as_ref().and_then(|crash| crash.program.or(first_lost).or(last));
        if let Some((crash, at)) = result.crash.as_ref().zip(culprit)
            && at < tasks.len()
        {
            self.crashed(&tasks, at, crash, watch)?;
        }
        self.progress.deaths += u64::from(result.crash.is_some());
        let mut executions = result.executions.into_iter();
        for (index, task) in tasks.into_iter().enumerate() {
            match executions.next().flatten() {
                _ if Some(index) == culprit => {}
                Some(execution) => self.judge(task, execution)?,
                // What stood behind the culprit runs another time; what nobody can explain does not.
                None if culprit.is_some_and(|at| index > at) => self.queue.push(task),
                None => self.progress.lost += 1,
            }
        }
        self.progress.corpus = self.evaluator.corpus_count();
        self.progress.edges = self.evaluator.edge_count()?;
        Ok(())
    }

    fn crashed(
        &mut self,
        tasks: &[Task],
        at: usize,
        crash: &Crash,
        watch: &mut dyn Watch,
    ) -> Result<(), CampaignError> {
        let proposal = &tasks[at].proposal;
        self.progress.executions += 1;
        let dangerous =
            proposal.program.calls.iter().map(|call| call.description).find(|call| call.dangerous);
        if let Some(call) = dangerous {
            self.muted.push(call.name);
        }
        if self.evaluator.evaluate(proposal, End::Crashed(&crash.title))? {
            self.progress.crashes += 1;
            let before = tasks[..at].iter().map(|task| task.proposal.program.clone()).collect();
            let found = Found { crash: crash.clone(), program: proposal.program.clone(), before };
            watch.found(&found);
            if self.triage > 0 {
                self.pool.submit(Job::Triage(Box::new(found), self.triage))?;
            }
        }
        Ok(())
    }

    /// A program with news runs a second time, and only what it ran both times counts: interrupts and other tasks run
    /// in its window too, and must not fill the corpus.
    fn judge(&mut self, task: Task, execution: Execution) -> Result<(), CampaignError> {
        self.count(&execution);
        let time = execution.time;
        match task.trial {
            Trial::First => {
                let edges = execution.coverage;
                match self.is_news(&edges)? {
                    true => {
                        let trial = Trial::Second(self.settled(edges));
                        self.queue.push(Task { proposal: task.proposal, trial });
                    }
                    // Most programs end here: the engine need not look at what it knows a second time.
                    false => _ = self.evaluator.evaluate(&task.proposal, End::Ran(Vec::new(), time))?,
                }
            }
            Trial::Second(first) => {
                let edges = self.settled(execution.coverage);
                let (stable, flaky): (Vec<u64>, Vec<u64>) =
                    first.into_iter().partition(|edge| edges.binary_search(edge).is_ok());
                for edge in self.evaluator.news(&flaky)? {
                    let failures = self.noise.entry(edge).or_default();
                    *failures = failures.saturating_add(1);
                }
                self.evaluator.evaluate(&task.proposal, End::Ran(stable, time))?;
            }
        }
        Ok(())
    }

    /// Whether one of these blocks was never seen, and is not noise.
    fn is_news(&self, edges: &[u64]) -> Result<bool, CampaignError> {
        Ok(self.evaluator.any_new(edges, |edge| !self.is_noise(edge))?)
    }

    fn is_noise(&self, edge: u64) -> bool {
        self.noise.get(&edge).is_some_and(|failures| *failures >= NOISE)
    }

    /// In order, each once, without noise.
    fn settled(&self, mut edges: Vec<u64>) -> Vec<u64> {
        edges.retain(|edge| !self.is_noise(*edge));
        edges.sort_unstable();
        edges.dedup();
        edges
    }

    fn count(&mut self, execution: &Execution) {
        self.progress.executions += 1;
        self.progress.calls += execution.results.len() as u64;
        self.progress.succeeded += execution.results.iter().filter(|errno| **errno == 0).count() as u64;
    }
}
