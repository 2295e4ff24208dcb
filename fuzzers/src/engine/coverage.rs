//! Coverage as a sparse set.
//!
//! A kernel has hundreds of thousands of blocks and a program runs some thousand of them: a map of all, scanned per
//! program, would be the largest cost, and a small hashed one loses blocks to collisions. So the observer holds the
//! list, the feedback gives each new block the next index, and each testcase carries its indices, which is all that
//! LibAFL's minimizer scheduler asks for.

use std::borrow::Cow;
use std::time::Duration;

use libafl::corpus::Testcase;
use libafl::executors::ExitKind;
use libafl::feedbacks::{Feedback, MapIndexesMetadata, StateInitializer};
use libafl::observers::{CanTrack, Observer};
use libafl::{Error, HasMetadata, HasNamedMetadata};
use libafl_bolts::Named;
use libafl_bolts::tuples::{Handle, Handled, MatchName, MatchNameRef};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

const NAME: &str = "edges";

/// The blocks that one program ran, sorted, each once.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct EdgeObserver {
    pub(super) edges: Vec<u64>,
    /// What it took.
    pub(super) time: Duration,
}

impl Named for EdgeObserver {
    fn name(&self) -> &Cow<'static, str> {
        &Cow::Borrowed(NAME)
    }
}

impl<I, S> Observer<I, S> for EdgeObserver {}

/// Tells the minimizer scheduler at compile time that testcases carry indices. Holds nothing.
#[derive(Debug)]
pub(super) struct Indexed;

impl CanTrack for Indexed {
    type WithIndexTracking = Indexed;
    type WithNoveltiesTracking = Indexed;
    const INDICES: bool = true;
    const NOVELTIES: bool = false;

    fn track_indices(self) -> Indexed {
        self
    }

    fn track_novelties(self) -> Indexed {
        self
    }
}

/// Every block seen so far, and its index.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Known {
    index: FxHashMap<u64, usize>,
}

libafl_bolts::impl_serdeany!(Known);

impl Known {
    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn contains(&self, edge: u64) -> bool {
        self.index.contains_key(&edge)
    }

    fn intern(&mut self, edge: u64) -> usize {
        let next = self.index.len();
        *self.index.entry(edge).or_insert(next)
    }
}

/// What is known, out of a state.
pub(super) fn known<S: HasNamedMetadata>(state: &S) -> Result<&Known, Error> {
    state.named_metadata::<Known>(NAME)
}

/// Interesting is what ran a block that nothing ran before.
#[derive(Debug)]
pub(super) struct EdgeFeedback {
    observer: Handle<EdgeObserver>,
}

impl EdgeFeedback {
    pub(super) fn new(observer: &EdgeObserver) -> EdgeFeedback {
        EdgeFeedback { observer: observer.handle() }
    }

    fn observer<'a, OT: MatchName>(&self, observers: &'a OT) -> Result<&'a EdgeObserver, Error> {
        observers.get(&self.observer).ok_or_else(|| Error::key_not_found(NAME))
    }
}

impl Named for EdgeFeedback {
    fn name(&self) -> &Cow<'static, str> {
        &Cow::Borrowed(NAME)
    }
}

impl<S: HasNamedMetadata> StateInitializer<S> for EdgeFeedback {
    fn init_state(&mut self, state: &mut S) -> Result<(), Error> {
        state.add_named_metadata_checked(NAME, Known::default())
    }
}

impl<EM, I, OT: MatchName, S: HasNamedMetadata> Feedback<EM, I, OT, S> for EdgeFeedback {
    fn is_interesting(
        &mut self,
        state: &mut S,
        _: &mut EM,
        _: &I,
        observers: &OT,
        _: &ExitKind,
    ) -> Result<bool, Error> {
        let known = known(state)?;
        Ok(self.observer(observers)?.edges.iter().any(|edge| !known.contains(*edge)))
    }

    fn append_metadata(
        &mut self,
        state: &mut S,
        _: &mut EM,
        observers: &OT,
        testcase: &mut Testcase<I>,
    ) -> Result<(), Error> {
        let EdgeObserver { edges, time } = self.observer(observers)?;
        let known = state.named_metadata_mut::<Known>(NAME)?;
        let mut indices: Vec<usize> = edges.iter().map(|edge| known.intern(*edge)).collect();
        indices.sort_unstable();
        testcase.set_exec_time(*time);
        testcase.add_metadata(MapIndexesMetadata::new(indices));
        Ok(())
    }
}
