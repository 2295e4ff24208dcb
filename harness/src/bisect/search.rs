//! The search itself: what to run next, and when to stop.

use super::candidates::Candidates;
use super::log::{Outcome, Point, Record};
use super::numerics::{binomial, entropy};
use super::policy::{Policy, Rates, Seek};
use super::posterior::{Count, Posterior, answers};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// How many runs of one kernel may be asked for at once.
const BATCHES: [u32; 5] = [1, 2, 3, 5, 8];
/// Kernels not asked before that are weighed: those that split best. How much a run tells depends on a kernel
/// only through how likely it is to be faulty, so further ones tell less.
const WEIGHED: usize = 12;
/// A kernel that only ever failed otherwise so often cannot be asked.
const OTHER_FAILURES: u32 = 3;
/// Doubt left when the culprit's parents have passed often enough.
const VERIFICATION_DOUBT: f64 = 1e-3;
/// "Nothing changed in this range" is said at this probability.
const NO_CHANGE: f64 = 0.9;

/// What to do now.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Run this so often, and record each outcome.
    Run {
        point: Point,
        count: u32,
    },
    Done(Verdict),
}

/// What came of a search.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verdict", rename_all = "kebab-case")]
pub enum Verdict {
    /// This one changed the behaviour: it shows the new one, its parents the old.
    Culprit { commit: usize, confidence: f64 },
    /// One of these: those between them cannot be built, booted or asked.
    Inseparable { commits: Vec<usize>, confidence: f64 },
    /// Both ends behave alike: nothing in this range changed the behaviour.
    NoChange { confidence: f64 },
    /// An end cannot be built, booted or asked, so there is nothing to search between.
    EndUnusable { point: Point },
    /// The runs were used up.
    Budget { best: usize, confidence: f64 },
    /// Infrastructure trouble in a row: no answer, nothing held against any candidate.
    Trouble { in_a_row: u32 },
}

/// One search. Its state is its log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Search {
    candidates: Candidates,
    prior: Vec<f64>,
    policy: Policy,
    log: Vec<Record>,
}

impl Search {
    /// `prior`: a positive weight for each candidate, of any scale; none: all alike.
    pub fn new(candidates: Candidates, prior: Option<Vec<f64>>, policy: Policy) -> Search {
        let even = vec![1.0; candidates.len()];
        let usable = |prior: &Vec<f64>| {
            prior.len() == candidates.len() && prior.iter().all(|weight| weight.is_finite() && *weight > 0.0)
        };
        Search { prior: prior.filter(usable).unwrap_or(even), candidates, policy, log: Vec::new() }
    }

    pub fn candidates(&self) -> &Candidates {
        &self.candidates
    }

    pub fn log(&self) -> &[Record] {
        &self.log
    }

    pub fn policy(&self) -> &Policy {
        &self.policy
    }

    pub fn record(&mut self, point: Point, outcome: Outcome) {
        self.log.push(Record { point, outcome });
    }

    pub fn posterior(&self) -> Posterior {
        Posterior::new(&self.candidates, &self.prior, &self.policy, &self.log)
    }

    /// What is known when there is no more time to ask.
    pub fn out_of_budget(&self) -> Verdict {
        let (best, confidence) = self.posterior().best();
        Verdict::Budget { best, confidence }
    }

    pub fn next_step(&self) -> Step {
        let state = State::of(self);
        let decided = state.given_up().or_else(|| state.calibrate()).or_else(|| state.conclude());
        decided.unwrap_or_else(|| state.ask())
    }
}

/// Everything that follows from the log, for one decision.
struct State<'a> {
    search: &'a Search,
    posterior: Posterior,
    answers: BTreeMap<Point, Count>,
    unusable: BTreeSet<Point>,
}

impl State<'_> {
    fn of(search: &Search) -> State<'_> {
        State {
            search,
            posterior: search.posterior(),
            answers: answers(&search.log, search.policy.seek),
            unusable: unusable(&search.log),
        }
    }

    fn count(&self, point: Point) -> Count {
        self.answers.get(&point).copied().unwrap_or_default()
    }

    fn bad_end(&self) -> Point {
        Point::Candidate(self.search.candidates.last())
    }

    fn given_up(&self) -> Option<Step> {
        let troubles = self.search.log.iter().rev();
        let in_a_row = troubles.take_while(|record| record.outcome == Outcome::Infra).count() as u32;
        if in_a_row >= self.search.policy.max_troubles {
            return Some(Step::Done(Verdict::Trouble { in_a_row }));
        }
        let ends = [self.bad_end(), Point::Good];
        let end = ends.into_iter().find(|end| self.unusable.contains(end))?;
        Some(Step::Done(Verdict::EndUnusable { point: end }))
    }

    /// Learns at both ends how often a run fails there, before anything is built.
    fn calibrate(&self) -> Option<Step> {
        let wanted = self.search.policy.calibration();
        let bad = self.count(self.bad_end());
        let shown = bad.failed >= wanted.failures && bad.runs() >= wanted.least;
        if !shown && bad.runs() < wanted.most {
            let count = wanted.least.saturating_sub(bad.runs()).max(1);
            return Some(Step::Run { point: self.bad_end(), count });
        }
        let good = self.count(Point::Good);
        (good.runs() < wanted.good)
            .then(|| Step::Run { point: Point::Good, count: wanted.good - good.runs() })
    }

    fn conclude(&self) -> Option<Step> {
        let policy = &self.search.policy;
        let never_shown = self.count(self.bad_end()).failed == 0;
        if never_shown || self.posterior.no_change >= NO_CHANGE {
            return Some(Step::Done(Verdict::NoChange { confidence: self.posterior.no_change }));
        }
        let (best, confidence) = self.posterior.best();
        if confidence >= policy.confidence {
            let done = Step::Done(Verdict::Culprit { commit: best, confidence });
            return Some(self.verify(best).unwrap_or(done));
        }
        let together = self.inseparable(best);
        let confidence: f64 = together.iter().map(|index| self.posterior.culprit[*index]).sum();
        if together.len() > 1 && confidence >= policy.confidence {
            return Some(Step::Done(Verdict::Inseparable { commits: together, confidence }));
        }
        let (best, confidence) = self.posterior.best();
        (self.search.log.len() as u32 >= policy.max_runs)
            .then_some(Step::Done(Verdict::Budget { best, confidence }))
    }

    /// The culprit must have shown the new behaviour itself, and each parent the old one often enough.
    fn verify(&self, culprit: usize) -> Option<Step> {
        if self.search.log.len() as u32 >= self.search.policy.max_runs {
            return None;
        }
        let own = Point::Candidate(culprit);
        if !self.unusable.contains(&own) && self.count(own).failed == 0 && self.count(own).runs() < 20 {
            return Some(Step::Run { point: own, count: 1 });
        }
        let needed = self.passes_needed();
        let parents = &self.search.candidates.get(culprit).parents;
        // A culprit without a parent among the candidates has the good end for one.
        let parents: Vec<Point> = match parents.as_slice() {
            [] => vec![Point::Good],
            some => some.iter().map(|parent| Point::Candidate(*parent)).collect(),
        };
        let unproven =
            |point: &&Point| !self.unusable.contains(*point) && self.count(**point).runs() < needed;
        let parent = parents.iter().find(unproven)?;
        Some(Step::Run { point: *parent, count: needed - self.count(*parent).runs() })
    }

    /// Passes of a parent after which it is not merely a fault that did not show.
    fn passes_needed(&self) -> u32 {
        match (self.search.policy.rates, self.search.policy.seek) {
            (Rates::Exact, _) => 1,
            (Rates::Unknown { .. }, Seek::FirstGood) => 1,
            (Rates::Unknown { .. }, Seek::FirstBad) => {
                let shows = self.posterior.faulty_rate.clamp(0.05, 0.999);
                ((VERIFICATION_DOUBT.ln() / (1.0 - shows).ln()).ceil() as u32).clamp(1, 60)
            }
        }
    }

    /// Those that no usable kernel tells apart from this one.
    fn inseparable(&self, from: usize) -> Vec<usize> {
        let candidates = &self.search.candidates;
        let usable: Vec<usize> = (0..candidates.len())
            .filter(|index| !self.unusable.contains(&Point::Candidate(*index)))
            .collect();
        if usable.len() == candidates.len() {
            return vec![from];
        }
        let alike = |other: &usize| {
            usable.iter().all(|x| candidates.contains(*x, from) == candidates.contains(*x, *other))
        };
        (0..candidates.len()).filter(alike).collect()
    }

    /// The run that tells most for its cost.
    fn ask(&self) -> Step {
        let best = self.options().into_iter().max_by(|one, other| one.2.total_cmp(&other.2));
        match best {
            Some((point, count, score)) if score > 0.0 => Step::Run { point, count },
            _ => {
                let (best, confidence) = self.posterior.best();
                let commits = self.inseparable(best);
                let total = commits.iter().map(|index| self.posterior.culprit[*index]).sum();
                Step::Done(if commits.len() > 1 {
                    Verdict::Inseparable { commits, confidence: total }
                } else {
                    Verdict::Budget { best, confidence }
                })
            }
        }
    }

    fn options(&self) -> Vec<(Point, u32, f64)> {
        let candidates = &self.search.candidates;
        let usable = (0..candidates.len()).filter(|index| !self.unusable.contains(&Point::Candidate(*index)));
        // Where the culprit is, if there is one: otherwise the bad end, whose rate is known, would look telling.
        let some = (1.0 - self.posterior.no_change).max(f64::MIN_POSITIVE);
        let weighed = usable.map(|index| {
            (Point::Candidate(index), (self.posterior.is_bad(candidates, index) / some).clamp(0.0, 1.0))
        });
        let (mut known, mut fresh): (Vec<_>, Vec<_>) =
            weighed.partition(|(point, _)| self.answers.contains_key(point));
        let promise =
            |&(point, faulty): &(Point, f64)| self.is_likely_to_work(point) * faulty * (1.0 - faulty);
        fresh.sort_by(|one, other| promise(other).total_cmp(&promise(one)));
        fresh.truncate(WEIGHED);
        known.append(&mut fresh);
        // Whether there is one at all: does the good end fail as the bad end does?
        known.push((Point::Good, self.posterior.no_change));
        let counts = self.batches();
        let scored = |(point, faulty)| {
            counts.iter().map(move |count| (point, *count, self.score(point, faulty, *count)))
        };
        known.into_iter().flat_map(scored).collect()
    }

    fn batches(&self) -> &'static [u32] {
        // What never varies is asked once.
        if self.search.policy.rates == Rates::Exact { &BATCHES[..1] } else { &BATCHES }
    }

    /// Expected information, in nats per unit of cost.
    fn score(&self, point: Point, faulty: f64, count: u32) -> f64 {
        let (rate_faulty, rate_sound) = (self.posterior.faulty_rate, self.posterior.sound_rate);
        let (of_faulty, of_sound) = (binomial(count, rate_faulty), binomial(count, rate_sound));
        let mixed = of_faulty.iter().zip(&of_sound).map(|(one, other)| faulty * one + (1.0 - faulty) * other);
        let information = entropy(mixed)
            - faulty * entropy(of_faulty.iter().copied())
            - (1.0 - faulty) * entropy(of_sound.iter().copied());
        let built = self.answers.contains_key(&point);
        let cost = f64::from(count) + if built { 0.0 } else { self.search.policy.build_cost };
        self.is_likely_to_work(point) * information / cost
    }

    /// Kernels near a broken one are often broken too.
    fn is_likely_to_work(&self, point: Point) -> f64 {
        let Point::Candidate(index) = point else { return 1.0 };
        let reach = (self.search.candidates.len() as f64 / 8.0).clamp(0.5, 20.0);
        let works = |point: &Point| match point {
            Point::Candidate(broken) => 1.0 - 0.97 * (-(index.abs_diff(*broken) as f64) / reach).exp(),
            Point::Good => 1.0,
        };
        self.unusable.iter().map(works).product()
    }
}

/// What cannot be built or booted, or only ever fails otherwise.
fn unusable(log: &[Record]) -> BTreeSet<Point> {
    let mut answered: BTreeSet<Point> = BTreeSet::new();
    let mut others: BTreeMap<Point, u32> = BTreeMap::new();
    let mut broken: BTreeSet<Point> = BTreeSet::new();
    for record in log {
        match record.outcome {
            Outcome::Pass | Outcome::Fail => drop(answered.insert(record.point)),
            Outcome::BuildFail | Outcome::BootFail => drop(broken.insert(record.point)),
            Outcome::OtherFail => *others.entry(record.point).or_default() += 1,
            Outcome::Infra => {}
        }
    }
    let hopeless = others.into_iter().filter(|(_, count)| *count >= OTHER_FAILURES).map(|(point, _)| point);
    broken.extend(hopeless);
    broken.retain(|point| !answered.contains(point));
    broken
}
