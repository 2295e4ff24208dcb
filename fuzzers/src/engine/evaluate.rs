//! LibAFL's side: state, feedback, corpus, and what to run next.

use libafl::Error;
use libafl::corpus::{Corpus, CorpusId, InMemoryOnDiskCorpus, OnDiskCorpus};
use libafl::events::NopEventManager;
use libafl::executors::ExitKind;
use libafl::feedbacks::{CrashFeedback, FastAndFeedback, NewHashFeedback};
use libafl::fuzzer::{ExecuteInputResult, ExecutionProcessor, HasScheduler, NopInputFilter, StdFuzzer};
use libafl::inputs::BytesInputConverter;
use libafl::mutators::Mutator;
use libafl::observers::ValueObserver;
use libafl::schedulers::{IndexesLenTimeMinimizerScheduler, QueueScheduler, Scheduler};
use libafl::state::{HasCorpus, HasExecutions, HasRand, StdState};
use libafl_bolts::ownedref::OwnedRef;
use libafl_bolts::rands::{Rand, StdRand};
use libafl_bolts::tuples::{Handle, Handled, MatchNameRef, tuple_list, tuple_list_type};

use super::Options;
use super::coverage::{self, EdgeFeedback, EdgeObserver, Indexed};
use crate::Program;
use crate::generate::{Choices, Generator};
use crate::mutate::{self, ProgramMutator};

/// Bytes of decisions that one new program may use.
const DECISIONS: usize = 2048;
/// One program in so many is new instead of mutated (syzkaller: 5 %).
const NEW: u64 = 20;
/// Children of one parent before the scheduler is asked again.
const CHILDREN: u32 = 16;
/// Until the corpus holds so many, programs are new.
const SEEDLINGS: usize = 4;

type State = StdState<InMemoryOnDiskCorpus<Program>, Program, StdRand, OnDiskCorpus<Program>>;
type Minimizer = IndexesLenTimeMinimizerScheduler<QueueScheduler, Program, Indexed>;
type Title = ValueObserver<'static, String>;
/// A crash counts once per title: without the second half LibAFL would keep every copy of it.
type Objective = FastAndFeedback<CrashFeedback, NewHashFeedback<Title>>;
type Engine = StdFuzzer<Minimizer, EdgeFeedback, BytesInputConverter, NopInputFilter, Objective>;

/// How a program ended.
#[derive(Debug)]
pub(super) enum End<'a> {
    /// With these blocks run, sorted, each once.
    Ran(Vec<u64>),
    /// With a splat of this title.
    Crashed(&'a str),
}

/// A program to run, and what it was made from.
#[derive(Debug, Clone)]
pub(super) struct Proposal {
    pub(super) program: Program,
    pub(super) parent: Option<CorpusId>,
}

/// LibAFL's objects, which only ever work together.
#[derive(Debug)]
pub(super) struct Evaluator {
    state: State,
    engine: Engine,
    observers: tuple_list_type!(EdgeObserver, Title),
    edges: Handle<EdgeObserver>,
    title: Handle<Title>,
    generator: Generator,
    mutator: ProgramMutator,
    most_calls: usize,
    parent: Option<(CorpusId, u32)>,
}

impl Evaluator {
    pub(super) fn new(options: &Options) -> Result<Evaluator, Error> {
        let edges = EdgeObserver::default();
        let title = ValueObserver::new("title", OwnedRef::Owned(Box::new(String::new())));
        let (edges_handle, title_handle) = (edges.handle(), title.handle());
        let mut feedback = EdgeFeedback::new(&edges);
        let mut objective = FastAndFeedback::new(CrashFeedback::new(), NewHashFeedback::new(&title));
        let state = StdState::new(
            StdRand::with_seed(options.seed),
            InMemoryOnDiskCorpus::with_meta_format_and_prefix(&options.corpus, None, None, false)?,
            OnDiskCorpus::with_meta_format_and_prefix(&options.crashes, None, None, false)?,
            &mut feedback,
            &mut objective,
        )?;
        let scheduler = Minimizer::new(&Indexed, QueueScheduler::new());
        let generator = Generator::new(options.dangerous);
        Ok(Evaluator {
            state,
            engine: StdFuzzer::new(scheduler, feedback, objective),
            observers: tuple_list!(edges, title),
            edges: edges_handle,
            title: title_handle,
            mutator: ProgramMutator::new(generator.clone(), options.most_calls),
            generator,
            most_calls: options.most_calls,
            parent: None,
        })
    }

    /// What to run next.
    pub(super) fn propose(&mut self) -> Result<Proposal, Error> {
        let seedling = self.state.corpus().count() < SEEDLINGS;
        if seedling || self.state.rand_mut().next().is_multiple_of(NEW) {
            let bytes = mutate::decisions(self.state.rand_mut(), DECISIONS);
            let program = self.generator.program(&mut Choices::new(&bytes), self.most_calls);
            return Ok(Proposal { program, parent: None });
        }
        let parent = self.parent()?;
        let mut program = self.state.corpus().cloned_input_for_id(parent)?;
        self.mutator.mutate(&mut self.state, &mut program)?;
        Ok(Proposal { program, parent: Some(parent) })
    }

    fn parent(&mut self) -> Result<CorpusId, Error> {
        if let Some((id, left @ 1..)) = self.parent {
            self.parent = Some((id, left - 1));
            return Ok(id);
        }
        let scheduler = HasScheduler::<Program, State>::scheduler_mut(&mut self.engine);
        let id = scheduler.next(&mut self.state)?;
        self.parent = Some((id, CHILDREN - 1));
        Ok(id)
    }

    /// Whether one of these blocks was never seen and counts.
    pub(super) fn any_new(&self, edges: &[u64], counts: impl Fn(u64) -> bool) -> Result<bool, Error> {
        let known = coverage::known(&self.state)?;
        Ok(edges.iter().any(|edge| !known.contains(*edge) && counts(*edge)))
    }

    /// Those of these blocks that were never seen.
    pub(super) fn news(&self, edges: &[u64]) -> Result<Vec<u64>, Error> {
        let known = coverage::known(&self.state)?;
        Ok(edges.iter().copied().filter(|edge| !known.contains(*edge)).collect())
    }

    /// Gives LibAFL the result of an execution that happened elsewhere. Says whether it was kept, in the corpus or as
    /// the first crash of its title.
    pub(super) fn evaluate(&mut self, proposal: &Proposal, end: End<'_>) -> Result<bool, Error> {
        let (edges, title, kind) = match end {
            End::Ran(edges) => (edges, "", ExitKind::Ok),
            End::Crashed(title) => (Vec::new(), title, ExitKind::Crash),
        };
        if let Some(observer) = self.observers.get_mut(&self.edges) {
            observer.edges = edges;
        }
        if let Some(observer) = self.observers.get_mut(&self.title) {
            observer.set(title.to_string());
        }
        // LibAFL takes the child's parent from here, and nobody else counts executions.
        *self.state.corpus_mut().current_mut() = proposal.parent;
        *self.state.executions_mut() += 1;
        let (result, _) = self.engine.evaluate_execution(
            &mut self.state,
            &mut NopEventManager::new(),
            &proposal.program,
            &self.observers,
            &kind,
            false,
        )?;
        Ok(!matches!(result, ExecuteInputResult::None))
    }

    pub(super) fn corpus_count(&self) -> usize {
        self.state.corpus().count()
    }

    pub(super) fn edge_count(&self) -> Result<usize, Error> {
        Ok(coverage::known(&self.state)?.len())
    }
}
