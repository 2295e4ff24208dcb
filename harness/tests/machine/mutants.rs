//! Which broken kernels the suites catch: one kernel in which a number chooses one of many changes of its meaning. Each
//! must fail the case that is there for it, and the kernel without a change must fail none of them.
//!
//! `GAUNTLET_SLOW=1` runs it; `GAUNTLET_MUTANTS=memfd,501` narrows it to suites and numbers; of a survivor
//! that is named by its number it tells which other cases of its suite it fails.

mod stand;
mod table;
mod tree;

use crate::support::{cache, exact, fast};
use gauntlet::kernel::KernelBuild;
use gauntlet::kernel::needs::{self, KernelFacts, Mode};
use gauntlet::plan::{self, PlannedCase};
use gauntlet::session::{Host, SessionOptions};
use gauntlet_guest::Need;
use gauntlet_results::{TestResult, Verdict};
use stand::Stand;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use table::Mutant;

/// Machines at a time.
const WORKERS: usize = 2;

#[tokio::test(flavor = "multi_thread")]
async fn every_mutant_fails_its_case_and_the_sound_kernel_none() {
    if std::env::var_os("GAUNTLET_SLOW").is_none() {
        eprintln!("SKIPPED: it builds a kernel; GAUNTLET_SLOW=1 runs it");
        return;
    }
    let mutants = table::all();
    let built = tokio::task::spawn_blocking(move || (tree::kernel(&cache(), &mutants), mutants)).await;
    let (Some(kernel), mutants) = built.unwrap() else { return };
    let mutants: Vec<Mutant> = mutants.into_iter().filter(is_wanted).collect();
    let bench = Arc::new(Bench { host: Host::open(&cache()).await.unwrap(), kernel, told: Mutex::default() });
    let mut machines: BTreeMap<(bool, u32), Vec<Mutant>> = BTreeMap::new();
    for mutant in &mutants {
        machines.entry(machine(&mutant.case())).or_default().push(mutant.clone());
    }
    for ((is_exact, cpus), mutants) in machines {
        let mut options = if is_exact { exact(1) } else { fast() };
        options.machine.cpus = cpus;
        bench.run(options, mutants).await;
    }
    let told = bench.told.lock().unwrap();
    assert!(told.is_empty(), "{} of {} are wrong:\n{}", told.len(), mutants.len(), told.join("\n"));
}

fn narrowed() -> Option<Vec<String>> {
    Some(std::env::var("GAUNTLET_MUTANTS").ok()?.split(',').map(str::to_owned).collect())
}

fn is_wanted(mutant: &Mutant) -> bool {
    let is_named = |word: &String| *word == mutant.suite || *word == mutant.number.to_string();
    narrowed().is_none_or(|words| words.iter().any(is_named))
}

/// What machine the case needs: whether an exact one, and of how many CPUs.
fn machine(planned: &PlannedCase) -> (bool, u32) {
    let cpus =
        planned.needs().filter_map(|need| if let Need::Cpus(cpus) = need { Some(*cpus) } else { None });
    (planned.needs().any(|need| matches!(need, Need::Exact)), cpus.max().unwrap_or(1))
}

struct Bench {
    host: Arc<Host>,
    kernel: KernelBuild,
    /// What is wrong: survivors, and cases that fail on the sound kernel.
    told: Mutex<Vec<String>>,
}

impl Bench {
    async fn run(self: &Arc<Bench>, options: SessionOptions, mutants: Vec<Mutant>) {
        let (mutants, next) = (Arc::new(mutants), Arc::new(AtomicUsize::new(0)));
        let mut workers = Vec::new();
        for number in 0..WORKERS {
            let stand = Stand::boot(&self.host, &self.kernel, options.clone(), &number.to_string()).await;
            if number == 0 {
                self.judge_sound_kernel(&stand, &mutants).await;
            }
            workers.push(tokio::spawn(Arc::clone(self).work(stand, Arc::clone(&mutants), Arc::clone(&next))));
        }
        for worker in workers {
            worker.await.unwrap();
        }
    }

    /// The kernel without a change passes all cases that the mutants must fail.
    async fn judge_sound_kernel(&self, stand: &Stand, mutants: &[Mutant]) {
        let cases: BTreeMap<String, PlannedCase> =
            mutants.iter().map(|mutant| (mutant.case().name(), mutant.case())).collect();
        stand.choose(0);
        for planned in cases.values() {
            let result = self.judge(stand, planned).await;
            if result.verdict != Verdict::Pass {
                self.tell(format!("the sound kernel: {}: {} {}", result.case, result.verdict, result.reason));
            }
        }
    }

    async fn work(self: Arc<Bench>, stand: Stand, mutants: Arc<Vec<Mutant>>, next: Arc<AtomicUsize>) {
        while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
            stand.choose(mutant.number);
            let result = self.judge(&stand, &mutant.case()).await;
            if !is_caught(&result) {
                let elsewhere = self.caught_elsewhere(&stand, mutant).await;
                let case = format!("{}: {} {}", result.case, result.verdict, result.reason);
                self.tell(format!("{}: {}: {case}{elsewhere}", mutant.number, mutant.breaks));
            }
        }
    }

    /// The cases of its suite that a survivor does fail, for whoever mends the table.
    async fn caught_elsewhere(&self, stand: &Stand, mutant: &Mutant) -> String {
        if !narrowed().is_some_and(|words| words.contains(&mutant.number.to_string())) {
            return String::new();
        }
        let mut failing = Vec::new();
        for planned in plan::select(std::slice::from_ref(&mutant.suite), &[]).unwrap() {
            if self.unmet(stand, &planned).is_none() && is_caught(&stand.judge(&planned).await) {
                failing.push(planned.case.name);
            }
        }
        if failing.is_empty() { String::new() } else { format!("; but it fails {}", failing.join(" ")) }
    }

    async fn judge(&self, stand: &Stand, planned: &PlannedCase) -> TestResult {
        let unmet = self.unmet(stand, planned);
        assert_eq!(unmet, None, "{} cannot run on the kernel with mutants", planned.name());
        stand.judge(planned).await
    }

    fn unmet(&self, stand: &Stand, planned: &PlannedCase) -> Option<String> {
        let machine = stand.machine();
        let mode = Mode { exact: machine.exact.is_some(), cpus: machine.cpus };
        needs::unmet(planned.needs(), &KernelFacts::of(&self.kernel), mode)
    }

    fn tell(&self, text: String) {
        eprintln!("{text}");
        self.told.lock().unwrap().push(text);
    }
}

/// The case says so itself, or the kernel broke under it; a case that could not be set up says nothing.
fn is_caught(result: &TestResult) -> bool {
    matches!(result.verdict, Verdict::Fail | Verdict::Timeout | Verdict::Crash)
}
