//! The kernel's own tests in a run: kselftest programs in clones, KUnit from the console of the boot.

use super::kernels::NamedKernel;
use super::sink::Sink;
use super::test::{Slots, TestRun};
use crate::kselftest::{Program, kunit};
use crate::session::Session;
use gauntlet_results::{Event, Verdict};
use std::sync::Arc;
use tokio::task::JoinSet;

/// A test that is not there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broken {
    pub name: String,
    pub reason: String,
}

impl TestRun {
    /// What should have run and cannot is an error, not a silence.
    pub(super) fn settle_broken(&self, kernel: &NamedKernel, sink: &Sink) {
        let open = |one: &&Broken| !sink.is_finished(&kernel.name, &one.name);
        for Broken { name, reason } in self.broken.iter().filter(open) {
            let broken = self.settled(&kernel.name, name.clone(), Verdict::Error, reason.clone());
            sink.send(Event::CaseFinished(broken));
        }
    }

    /// Runs every program that is not finished yet, in the session of the cases or one of its own.
    pub(super) async fn run_programs(
        self: &Arc<Self>,
        index: usize,
        session: Option<Arc<Session>>,
        slots: &Slots,
        sink: &Arc<Sink>,
    ) {
        let kernel = &self.kernels[index];
        let left = |program: &&Program| !sink.is_finished(&kernel.name, &program.name);
        let programs: Vec<Program> = self.programs.iter().filter(left).cloned().collect();
        let Some(round) = self.repeat.round(0).filter(|_| !programs.is_empty()) else { return };
        let session = match session {
            Some(session) => session,
            None => match self.prepare(kernel, (round, true), slots, sink).await {
                Some(session) => Arc::new(session),
                None => return,
            },
        };
        let mut running = JoinSet::new();
        for program in programs {
            let Some(slot) = slots.take().await else { break };
            if self.interrupt.requested() || sink.is_broken() {
                break;
            }
            let (this, session, sink) = (Arc::clone(self), Arc::clone(&session), Arc::clone(sink));
            running.spawn(async move {
                this.run_program(index, &session, &program, &sink).await;
                drop(slot);
            });
        }
        while running.join_next().await.is_some() {}
    }

    async fn run_program(&self, index: usize, session: &Session, program: &Program, sink: &Sink) {
        let kernel = &self.kernels[index].name;
        sink.send(Event::CaseStarted { kernel: kernel.clone(), case: program.name.clone() });
        let results = tokio::select! {
            results = program.run(session, kernel) => results,
            () = self.interrupt.wait() => return,
        };
        results.into_iter().for_each(|result| sink.send(Event::CaseFinished(self.with_expectation(result))));
    }

    /// The kernel's unit tests ran while it booted; where they are built in and said nothing, that is an error.
    pub(super) fn unit_tests(&self, kernel: &NamedKernel, session: &Session, sink: &Sink) {
        let built_in = kernel.build.config.as_ref().is_some_and(|config| config.is_built_in("KUNIT"));
        let Some(results) = kunit::results(session.boot_console()) else {
            if built_in {
                let why = "KUnit is built in, and no test of it reported on the console".to_owned();
                let silent = self.settled(&kernel.name, "kunit/console".to_owned(), Verdict::Error, why);
                sink.send(Event::CaseFinished(silent));
            }
            return;
        };
        for (case, verdict, reason) in results {
            let result = self.settled(&kernel.name, case, verdict, reason);
            sink.send(Event::CaseFinished(self.with_expectation(result)));
        }
    }
}
