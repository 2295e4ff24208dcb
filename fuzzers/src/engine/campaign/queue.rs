//! Programs that wait for a run.

use std::collections::VecDeque;

use crate::engine::evaluate::Proposal;

/// Which run of a program this is.
#[derive(Debug)]
pub(super) enum Trial {
    First,
    /// With the blocks of the first run.
    Second(Vec<u64>),
}

#[derive(Debug)]
pub(super) struct Task {
    pub(super) proposal: Proposal,
    pub(super) trial: Trial,
}

impl Task {
    pub(super) fn fresh(proposal: Proposal) -> Task {
        Task { proposal, trial: Trial::First }
    }
}

/// First in, first out.
#[derive(Debug, Default)]
pub(super) struct Queue {
    waiting: VecDeque<Task>,
}

impl Queue {
    pub(super) fn push(&mut self, task: Task) {
        self.waiting.push_back(task);
    }

    pub(super) fn pop(&mut self) -> Option<Task> {
        self.waiting.pop_front()
    }
}
