//! The machines, each in a thread of its own.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use super::{CampaignError, Found};
use crate::Program;
use crate::target::{BatchResult, Target, TargetError};
use crate::triage::{self, Report};

/// Work for a machine. Jobs are numbered by the campaign.
#[derive(Debug)]
pub(super) enum Job {
    Batch(Arc<[Program]>),
    /// Find out what of a crash is needed, on so many machines at most.
    Triage(Box<Found>, u32),
}

/// What came of it.
#[derive(Debug)]
pub(super) enum Done {
    Batch(BatchResult),
    Triage(Box<Report>),
}

type Answer = (u64, Result<Done, TargetError>);

/// Workers that share one queue, so that a machine that dies slowly holds up nobody else.
#[derive(Debug)]
pub(super) struct Pool {
    jobs: Option<Sender<(u64, Job)>>,
    answers: Receiver<Answer>,
    workers: Vec<JoinHandle<()>>,
    next: u64,
    flying: usize,
}

impl Pool {
    pub(super) fn new(targets: Vec<Box<dyn Target>>) -> Pool {
        let (jobs, queue) = channel();
        let queue = Arc::new(Mutex::new(queue));
        let (sender, answers) = channel();
        let workers = targets
            .into_iter()
            .map(|target| {
                let (queue, sender) = (Arc::clone(&queue), sender.clone());
                std::thread::spawn(move || work(target, &queue, &sender))
            })
            .collect();
        Pool { jobs: Some(jobs), answers, workers, next: 0, flying: 0 }
    }

    /// Jobs given and not answered.
    pub(super) fn flying(&self) -> usize {
        self.flying
    }

    /// Two jobs per machine: one runs, the next one waits at its side.
    pub(super) fn has_room(&self) -> bool {
        self.flying < 2 * self.workers.len()
    }

    /// Queues a job; gives its number.
    pub(super) fn submit(&mut self, job: Job) -> Result<u64, CampaignError> {
        let number = self.next;
        let jobs = self.jobs.as_ref().ok_or(CampaignError::NoWorkers)?;
        jobs.send((number, job)).map_err(|_| CampaignError::NoWorkers)?;
        self.next += 1;
        self.flying += 1;
        Ok(number)
    }

    /// Waits for the next answer.
    pub(super) fn receive(&mut self) -> Result<(u64, Done), CampaignError> {
        let (number, done) = self.answers.recv().map_err(|_| CampaignError::NoWorkers)?;
        self.flying -= 1;
        Ok((number, done?))
    }
}

impl Drop for Pool {
    /// Machines end with their workers, and nobody is left behind.
    fn drop(&mut self) {
        self.jobs = None;
        for worker in self.workers.drain(..) {
            // A worker that panicked has told so on standard error; there is nothing left to end.
            let _ = worker.join();
        }
    }
}

fn work(mut target: Box<dyn Target>, queue: &Mutex<Receiver<(u64, Job)>>, answers: &Sender<Answer>) {
    loop {
        let job = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok((number, job)) = job else { return };
        let done = match job {
            Job::Batch(programs) => target.run_batch(&programs).map(Done::Batch),
            Job::Triage(found, budget) => {
                triage::triage(target.as_mut(), &found, budget).map(|report| Done::Triage(Box::new(report)))
            }
        };
        if answers.send((number, done)).is_err() {
            return;
        }
    }
}
