//! LibAFL's side: state, feedback, corpus, and what to run next.

use std::time::Duration;

use libafl::corpus::{Corpus, CorpusId, InMemoryOnDiskCorpus, OnDiskCorpus};
use libafl::events::NopEventManager;
use libafl::executors::ExitKind;
use libafl::feedbacks::{CrashFeedback, FastAndFeedback, MapIndexesMetadata, NewHashFeedback};
use libafl::fuzzer::{ExecuteInputResult, ExecutionProcessor, HasScheduler, NopInputFilter, StdFuzzer};
use libafl::inputs::BytesInputConverter;
use libafl::mutators::Mutator;
use libafl::observers::ValueObserver;
use libafl::schedulers::minimizer::{DEFAULT_SKIP_NON_FAVORED_PROB, IsFavoredMetadata};
use libafl::schedulers::{MinimizerScheduler, QueueScheduler};
use libafl::state::{HasCorpus, HasExecutions, HasRand, StdState};
use libafl::{Error, HasMetadata};
use libafl_bolts::ownedref::OwnedRef;
use libafl_bolts::rands::{Rand, StdRand};
use libafl_bolts::tuples::{Handle, Handled, MatchNameRef, tuple_list, tuple_list_type};

use super::Options;
use super::budget::{Budget, Price};
use super::coverage::{self, EdgeFeedback, EdgeObserver, Indexed};
use crate::Program;
use crate::generate::{Choices, Generator};
use crate::mutate::{self, ProgramMutator};

/// Bytes of decisions that one new program may use.
const DECISIONS: usize = 2048;
/// One program in so many is new instead of mutated (syzkaller: 5 %).
const NEW: u64 = 20;
/// Until the corpus holds so many, programs are new.
const SEEDLINGS: usize = 4;

type State = StdState<InMemoryOnDiskCorpus<Program>, Program, StdRand, OnDiskCorpus<Program>>;
type Minimizer = MinimizerScheduler<QueueScheduler, Price, Program, MapIndexesMetadata, Indexed>;
type Title = ValueObserver<'static, String>;
/// A crash counts once per title: without the second half LibAFL would keep every copy of it.
type Objective = FastAndFeedback<CrashFeedback, NewHashFeedback<Title>>;
type Engine = StdFuzzer<Minimizer, EdgeFeedback, BytesInputConverter, NopInputFilter, Objective>;

/// How a program ended.
#[derive(Debug)]
pub(super) enum End<'a> {
    /// With these blocks run, sorted, each once, in that much guest time.
    Ran(Vec<u64>, Duration),
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
    budget: Budget,
    /// Size of the corpus when its favored part was last found.
    culled: usize,
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
            budget: Budget::default(),
            culled: 0,
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
        self.cull()?;
        let mut id = self.following(self.parent.map(|(id, _)| id))?;
        while !self.is_favored(id)? && self.state.rand_mut().coinflip(DEFAULT_SKIP_NON_FAVORED_PROB) {
            id = self.following(Some(id))?;
        }
        let time = self.state.corpus().get(id)?.borrow().exec_time().unwrap_or_default();
        self.parent = Some((id, self.budget.children(time) - 1));
        Ok(id)
    }

    /// Finds the favored part of the corpus anew when there is something new in it. LibAFL's own `next` does it for
    /// every parent, which was two thirds of the engine's work; and it goes on behind the parent of the
    /// last program evaluated, which with batches in flight is one chosen long ago.
    fn cull(&mut self) -> Result<(), Error> {
        let count = self.state.corpus().count();
        if std::mem::replace(&mut self.culled, count) != count {
            HasScheduler::<Program, State>::scheduler_mut(&mut self.engine).cull(&mut self.state)?;
        }
        Ok(())
    }

    /// The testcase behind this one, round and round.
    fn following(&self, id: Option<CorpusId>) -> Result<CorpusId, Error> {
        let corpus = self.state.corpus();
        let next = id.and_then(|id| corpus.next(id)).or_else(|| corpus.first());
        next.ok_or_else(|| Error::empty("the corpus is empty"))
    }

    fn is_favored(&self, id: CorpusId) -> Result<bool, Error> {
        Ok(self.state.corpus().get(id)?.borrow().has_metadata::<IsFavoredMetadata>())
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
        let (edges, time, title, kind) = match end {
            End::Ran(edges, time) => (edges, time, "", ExitKind::Ok),
            End::Crashed(title) => (Vec::new(), Duration::ZERO, title, ExitKind::Crash),
        };
        self.budget.learn(time);
        if let Some(observer) = self.observers.get_mut(&self.edges) {
            observer.edges = edges;
            observer.time = time;
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
