//! The search against simulated kernels: how often it is right, and what it costs, beside plain bisection.
//!
//! `GAUNTLET_BISECT_TRIALS` sets the trials per cell.

use gauntlet::bisect::{
    Candidate, Candidates, Outcome, Point, Policy, Search, Seek, Step, Verdict, git_bisect_log,
};
use proptest::prelude::*;

/// xorshift64*: the same every time.
struct Random(u64);

impl Random {
    fn unit(&mut self) -> f64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, limit: usize) -> usize {
        ((self.unit() * limit as f64) as usize).min(limit - 1)
    }
}

/// A fake oracle: kernels that fail by chance.
struct World {
    candidates: Candidates,
    /// None: nothing in the range matters.
    culprit: Option<usize>,
    /// What a kernel without a culprit in it does: 0 or 1.
    faulty_everywhere: bool,
    /// How often a faulty kernel passes, and a sound one fails.
    miss: f64,
    alarm: f64,
    /// How often a run gives no answer.
    infra: f64,
    broken: Vec<bool>,
    inverted: bool,
}

impl World {
    fn new(candidates: Candidates, culprit: Option<usize>, miss: f64, alarm: f64) -> World {
        let broken = vec![false; candidates.len()];
        World {
            candidates,
            culprit,
            faulty_everywhere: false,
            miss,
            alarm,
            infra: 0.0,
            broken,
            inverted: false,
        }
    }

    fn run(&self, point: Point, random: &mut Random) -> Outcome {
        if random.unit() < self.infra {
            return Outcome::Infra;
        }
        let newer = match (point, self.culprit) {
            (_, None) => self.faulty_everywhere,
            (Point::Good, Some(_)) => false,
            (Point::Candidate(index), Some(culprit)) => {
                if self.broken[index] {
                    return Outcome::BootFail;
                }
                self.candidates.contains(index, culprit)
            }
        };
        let faulty = newer != self.inverted;
        let fails = random.unit() < if faulty { 1.0 - self.miss } else { self.alarm };
        if fails { Outcome::Fail } else { Outcome::Pass }
    }
}

struct Done {
    verdict: Verdict,
    runs: usize,
    builds: usize,
    search: Search,
}

fn search(world: &World, policy: Policy, random: &mut Random) -> Done {
    let mut search = Search::new(world.candidates.clone(), None, policy);
    let mut built = std::collections::BTreeSet::new();
    loop {
        match search.next_step() {
            Step::Done(verdict) => {
                return Done { verdict, runs: search.log().len(), builds: built.len(), search };
            }
            Step::Run { point, count } => {
                assert!(count > 0 && search.log().len() < 3000, "it must end");
                built.insert(point);
                for _ in 0..count {
                    search.record(point, world.run(point, random));
                }
            }
        }
    }
}

/// `git bisect run`: every answer is believed.
fn plain_bisection(world: &World, random: &mut Random) -> usize {
    let (mut good, mut bad) = (None, world.candidates.last());
    loop {
        let low = good.map_or(0, |index: usize| index + 1);
        if low >= bad {
            return bad;
        }
        let middle = low + (bad - low) / 2;
        match world.run(Point::Candidate(middle), random) {
            Outcome::Fail => bad = middle,
            _ => good = Some(middle),
        }
    }
}

fn linear(length: usize) -> Candidates {
    Candidates::linear((0..length).map(|index| (format!("c{index}"), String::new()))).unwrap()
}

/// A history with merges: whatever has no child yet is merged at the end.
fn merges(length: usize, random: &mut Random) -> Candidates {
    let mut heads: Vec<usize> = Vec::new();
    let mut all: Vec<Candidate> = Vec::new();
    for index in 0..length {
        let parents = if index + 1 == length {
            heads.clone()
        } else if index == 0 || random.unit() < 0.1 {
            Vec::new()
        } else if heads.len() > 1 && random.unit() < 0.2 {
            heads[..2].to_vec()
        } else {
            vec![heads[random.below(heads.len())]]
        };
        heads.retain(|head| !parents.contains(head));
        heads.push(index);
        all.push(Candidate { id: format!("c{index}"), subject: String::new(), parents });
    }
    Candidates::new(all).unwrap()
}

fn trials() -> usize {
    std::env::var("GAUNTLET_BISECT_TRIALS").ok().and_then(|text| text.parse().ok()).unwrap_or(12)
}

fn is_right(done: &Done, culprit: usize) -> bool {
    matches!(done.verdict, Verdict::Culprit { commit, confidence } if commit == culprit && confidence >= 0.995)
}

#[test]
fn it_is_right_where_plain_bisection_is_not() {
    let trials = trials();
    println!("miss  alarm   ours  runs builds   plain");
    for alarm in [0.0, 0.02] {
        for miss in [0.0, 0.1, 0.3, 0.5] {
            let mut random = Random(42 + (miss * 100.0) as u64 + (alarm * 1e4) as u64);
            let (mut right, mut plain, mut runs, mut builds) = (0, 0, 0, 0);
            for _ in 0..trials {
                let culprit = random.below(256);
                let world = World::new(linear(256), Some(culprit), miss, alarm);
                let done = search(&world, Policy::flaky(), &mut random);
                right += usize::from(is_right(&done, culprit));
                plain += usize::from(plain_bisection(&world, &mut random) == culprit);
                (runs, builds) = (runs + done.runs, builds + done.builds);
            }
            let mean = |sum: usize| sum as f64 / trials as f64;
            println!(
                "{miss:4.2}  {alarm:5.2}  {:5.2} {:5.1} {:6.1}   {:5.2}",
                mean(right),
                mean(runs),
                mean(builds),
                mean(plain)
            );
            assert!(right * 100 >= trials * 90, "right {right} of {trials} at miss {miss}, alarm {alarm}");
            assert!(right >= plain, "plain bisection was right {plain} times, ours {right}");
        }
    }
}

#[test]
fn merges_are_searched_through_all_their_parents() {
    let mut random = Random(7);
    let mut right = 0;
    let trials = trials() * 2;
    for _ in 0..trials {
        let candidates = merges(96, &mut random);
        let culprit = random.below(96);
        let done = search(&World::new(candidates, Some(culprit), 0.2, 0.01), Policy::flaky(), &mut random);
        right += usize::from(is_right(&done, culprit));
    }
    assert!(right * 100 >= trials * 90, "right {right} of {trials}");
}

#[test]
fn an_exact_test_needs_the_logarithm_of_the_range() {
    let mut random = Random(3);
    for culprit in [0, 1, 100, 254, 255] {
        let world = World::new(linear(256), Some(culprit), 0.0, 0.0);
        let done = search(&world, Policy::exact(), &mut random);
        assert!(is_right(&done, culprit), "{:?}", done.verdict);
        // log2 256 answers, two ends.
        assert!(done.runs <= 8 + 3, "{} runs", done.runs);
    }
}

#[test]
fn a_range_without_a_culprit_accuses_nobody() {
    let mut random = Random(11);
    for faulty_everywhere in [false, true] {
        for policy in [Policy::flaky(), Policy::exact()] {
            let mut world = World::new(linear(64), None, 0.0, 0.0);
            world.faulty_everywhere = faulty_everywhere;
            let done = search(&world, policy, &mut random);
            assert!(matches!(done.verdict, Verdict::NoChange { .. }), "{:?}", done.verdict);
            assert!(done.runs <= 30, "{} runs", done.runs);
        }
    }
}

#[test]
fn broken_kernels_are_stepped_around() {
    let mut random = Random(13);
    for _ in 0..trials() {
        let culprit = 20 + random.below(60);
        let mut world = World::new(linear(100), Some(culprit), 0.0, 0.0);
        let start = random.below(80);
        (start..start + 15).for_each(|index| world.broken[index] = true);
        let done = search(&world, Policy::exact(), &mut random);
        match &done.verdict {
            Verdict::Culprit { commit, .. } => assert_eq!(*commit, culprit),
            Verdict::Inseparable { commits, confidence } => {
                assert!(commits.contains(&culprit) && *confidence >= 0.99, "{:?}", done.verdict);
                assert!((start..=start + 15).contains(&culprit) && commits.len() == 16);
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn an_end_that_cannot_be_asked_is_said() {
    let mut world = World::new(linear(8), Some(3), 0.0, 0.0);
    world.broken[7] = true;
    let done = search(&world, Policy::exact(), &mut Random(1));
    assert_eq!(done.verdict, Verdict::EndUnusable { point: Point::Candidate(7) });
}

#[test]
fn infrastructure_trouble_is_no_answer() {
    let mut random = Random(17);
    let mut world = World::new(linear(64), Some(40), 0.0, 0.0);
    world.infra = 0.5;
    let done = search(&world, Policy::exact(), &mut random);
    assert!(is_right(&done, 40), "{:?}", done.verdict);
    world.infra = 1.0;
    let done = search(&world, Policy::exact(), &mut random);
    assert_eq!(done.verdict, Verdict::Trouble { in_a_row: 10 });
}

#[test]
fn the_first_good_one_is_found_too() {
    let mut random = Random(19);
    for miss in [0.0, 0.3] {
        let mut world = World::new(linear(64), Some(23), miss, 0.0);
        world.inverted = true;
        let done = search(&world, Policy { seek: Seek::FirstGood, ..Policy::flaky() }, &mut random);
        assert!(is_right(&done, 23), "{:?}", done.verdict);
    }
}

#[test]
fn a_log_replayed_gives_the_same_search_and_the_form_of_git() {
    let world = World::new(linear(32), Some(9), 0.2, 0.0);
    let done = search(&world, Policy::flaky(), &mut Random(23));
    let text = serde_json::to_string(&done.search).unwrap();
    let resumed: Search = serde_json::from_str(&text).unwrap();
    assert_eq!(resumed, done.search);
    assert_eq!(resumed.next_step(), Step::Done(done.verdict.clone()));
    let log = git_bisect_log(
        resumed.candidates(),
        "c_good",
        resumed.log(),
        &resumed.posterior(),
        Some(&done.verdict),
    );
    assert!(log.starts_with("git bisect start\n# bad: [c31]\ngit bisect bad c31\n# good: [c_good]"), "{log}");
    assert!(log.contains("\ngit bisect bad c9\n") && log.contains("\ngit bisect good c8\n"), "{log}");
    assert!(log.ends_with("# first bad commit: [c9] \n"), "{log}");
}

/// The posterior by its definition: each answer in turn, predicted from those before it on its side.
fn brute_force(candidates: &Candidates, answers: &[(Point, bool)], no_change: f64) -> Vec<f64> {
    let predicted = |faulty: &dyn Fn(Point) -> bool| {
        let (mut probability, mut seen) = (1.0, [[0.0_f64; 2]; 2]);
        for (point, failed) in answers {
            let side = usize::from(faulty(*point));
            let (a, b) = [(0.25, 10.0), (1.5, 0.5)][side];
            let [passes, failures] = seen[side];
            let fails = (a + failures) / (a + b + failures + passes);
            probability *= if *failed { fails } else { 1.0 - fails };
            seen[side][usize::from(*failed)] += 1.0;
        }
        probability
    };
    let share = (1.0 - no_change) / candidates.len() as f64;
    let mut weights: Vec<f64> = (0..candidates.len())
        .map(|culprit| {
            share
                * predicted(&|point| match point {
                    Point::Good => false,
                    Point::Candidate(index) => candidates.contains(index, culprit),
                })
        })
        .collect();
    weights.push(no_change * (predicted(&|_| true) + predicted(&|_| false)) / 2.0);
    let sum: f64 = weights.iter().sum();
    weights.iter().map(|weight| weight / sum).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn the_posterior_is_what_its_definition_says(
        seed in 1u64..u64::MAX,
        answers in prop::collection::vec((0usize..13, any::<bool>()), 0..30),
    ) {
        let candidates = merges(12, &mut Random(seed));
        let answers: Vec<(Point, bool)> = answers
            .into_iter()
            .map(|(at, failed)| (if at == 12 { Point::Good } else { Point::Candidate(at) }, failed))
            .collect();
        let mut search = Search::new(candidates.clone(), None, Policy::flaky());
        for (point, failed) in &answers {
            search.record(*point, if *failed { Outcome::Fail } else { Outcome::Pass });
        }
        let expected = brute_force(&candidates, &answers, 0.1);
        let found = search.posterior();
        for (index, probability) in expected.iter().enumerate() {
            let own = found.culprit.get(index).copied().unwrap_or(found.no_change);
            prop_assert!((own - probability).abs() < 1e-9, "{index}: {own} {probability}");
        }
    }

    #[test]
    fn whatever_comes_back_the_search_ends(seed in 1u64..u64::MAX, outcomes in prop::collection::vec(0u8..6, 1..40)) {
        const ALL: [Outcome; 6] = [
            Outcome::Pass, Outcome::Fail, Outcome::OtherFail, Outcome::BuildFail, Outcome::BootFail, Outcome::Infra,
        ];
        let policy = Policy { max_runs: 120, ..Policy::flaky() };
        let mut search = Search::new(merges(10, &mut Random(seed)), None, policy);
        let mut steps = 0;
        while let Step::Run { point, count } = search.next_step() {
            for _ in 0..count {
                search.record(point, ALL[usize::from(outcomes[steps % outcomes.len()])]);
                steps += 1;
            }
            prop_assert!(steps < 2000, "{:?}", search.log());
        }
    }
}
