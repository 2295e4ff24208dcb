use std::collections::BTreeSet;
use std::path::Path;
use std::sync::{Arc, Mutex};

use gauntlet_protocol::program::NOT_RUN;

use super::*;
use crate::target::{BatchResult, Execution, Target, TargetError};

/// A kernel that is a few lines long: coverage grows with the history of calls, and two bugs lie deep in it.
#[derive(Debug, Default)]
struct Model {
    /// What programs since the last renewal did.
    sealed: u32,
    /// Every block of programs' own.
    real: Arc<Mutex<BTreeSet<u64>>>,
    /// Whether the kernel complains and goes on when a file is renamed.
    warns: bool,
    /// Noise: a block of an interrupt every so many programs.
    ticks: u64,
}

impl Model {
    /// The edges a program runs and the call that brings the kernel down.
    fn run(&mut self, program: &Program) -> (Vec<u64>, Option<(usize, &'static str)>) {
        let mut previous = 0u64;
        let mut edges = Vec::new();
        let mut seals = 0;
        for (index, call) in program.calls.iter().enumerate() {
            let name = call.description.name;
            let id =
                name.bytes().fold(7u64, |hash, byte| hash.wrapping_mul(31).wrapping_add(u64::from(byte)));
            edges.push(id ^ previous.rotate_left(7));
            previous = id;
            if name == "fcntl$add_seals" {
                seals += 1;
                edges.push(0x5ea1_0000 + seals);
            }
            if name == "renameat2" && seals >= 2 {
                return (edges, Some((index, "BUG: planted behind two seals")));
            }
            if name == "sysrq$panic" {
                return (edges, Some((index, "Kernel panic - not syncing: sysrq triggered crash")));
            }
        }
        self.real.lock().unwrap().extend(&edges);
        self.ticks += 1;
        if self.ticks.is_multiple_of(13) {
            edges.push(0xf000_0000 + self.ticks);
        }
        self.sealed += seals as u32;
        (edges, None)
    }
}

impl Target for Model {
    fn run_batch(&mut self, programs: &[Program]) -> Result<BatchResult, TargetError> {
        let mut result =
            BatchResult { elapsed: Duration::from_micros(500) * programs.len() as u32, ..Default::default() };
        for (index, program) in programs.iter().enumerate() {
            let (coverage, bug) = self.run(program);
            if let Some((call, title)) = bug {
                let (program, call) = (Some(index), Some(call));
                result.crash = Some(Crash { title: title.into(), program, call, report: String::new() });
                result.executions.resize(programs.len(), None);
                self.renew()?;
                break;
            }
            if self.warns && program.calls.iter().any(|call| call.description.name == "renameat2") {
                let title = "WARNING in rename".to_owned();
                result.crash = Some(Crash { title, program: None, call: None, report: String::new() });
            }
            let results =
                program.calls.iter().map(|_| 0).chain([NOT_RUN]).take(program.calls.len()).collect();
            result.executions.push(Some(Execution { results, coverage, time: Duration::from_micros(500) }));
        }
        Ok(result)
    }

    fn renew(&mut self) -> Result<(), TargetError> {
        self.sealed = 0;
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Log {
    most: u64,
    found: Vec<String>,
    reports: Vec<Report>,
}

impl Watch for Log {
    fn proceed(&mut self, progress: &Progress) -> bool {
        progress.executions < self.most
    }

    fn found(&mut self, found: &Found) {
        self.found.push(found.crash.title.clone());
    }

    fn triaged(&mut self, report: &Report) {
        self.reports.push(report.clone());
    }
}

fn options(directory: &Path, seed: u64, dangerous: bool) -> Options {
    Options {
        seed,
        corpus: directory.join("corpus"),
        crashes: directory.join("crashes"),
        dangerous,
        most_calls: 12,
        batch: Duration::from_millis(50),
        triage: 100,
    }
}

fn campaign(directory: &Path, seed: u64, most: u64, dangerous: bool) -> (Progress, Log) {
    let mut log = Log { most, ..Log::default() };
    let targets: Vec<Box<dyn Target>> = vec![Box::new(Model::default())];
    let progress = run(&options(directory, seed, dangerous), targets, &mut log).unwrap();
    (progress, log)
}

fn names(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory.join("corpus")).unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn planted_bugs_are_found_once_each_and_made_small() {
    let directory = tempfile::tempdir().unwrap();
    let (progress, log) = campaign(directory.path(), 2, 8_000, true);
    let found: BTreeSet<&str> = log.found.iter().map(String::as_str).collect();
    assert_eq!(found.len(), log.found.len(), "a title was reported twice: {:?}", log.found);
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(progress.deaths > 2, "the same bug is met again and again: {progress:?}");
    let seals = log.reports.iter().find(|report| report.title.contains("two seals")).unwrap();
    let names: Vec<&str> = seals.programs[0].calls.iter().map(|call| call.description.name).collect();
    assert_eq!(names, ["fcntl$add_seals", "fcntl$add_seals", "renameat2"]);
    assert_eq!((seals.programs.len(), seals.reproduced, seals.attempts), (1, 3, 3));
    assert!(seals.c_source.contains("syscall(316"));
}

#[test]
fn a_warning_of_a_kernel_that_goes_on_is_traced_to_its_program() {
    let directory = tempfile::tempdir().unwrap();
    let model = Model { warns: true, ..Model::default() };
    let mut log = Log { most: 400, ..Log::default() };
    run(&options(directory.path(), 1, false), vec![Box::new(model)], &mut log).unwrap();
    let report = log.reports.iter().find(|report| report.title.contains("WARNING")).unwrap();
    let calls: Vec<&str> =
        report.programs.iter().flat_map(|program| &program.calls).map(|call| call.description.name).collect();
    assert!(calls.contains(&"renameat2"), "{calls:?}");
    assert_eq!(report.reproduced, report.attempts);
}

#[test]
fn the_seed_decides_everything() {
    let (first, second, other) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let one = campaign(first.path(), 5, 600, false);
    let two = campaign(second.path(), 5, 600, false);
    campaign(other.path(), 6, 600, false);
    assert_eq!(one.0, two.0);
    assert_eq!(names(first.path()), names(second.path()));
    assert_ne!(names(first.path()), names(other.path()));
}

#[test]
fn a_corpus_is_resumed() {
    let directory = tempfile::tempdir().unwrap();
    let (first, _) = campaign(directory.path(), 1, 800, false);
    std::fs::write(directory.path().join("corpus/0.program"), "no program").unwrap();
    // Two runs of each corpus program, and little more.
    let (second, _) = campaign(directory.path(), 2, 2 * first.corpus as u64, false);
    assert_eq!(second.unreadable, 1);
    assert!(second.edges * 10 >= first.edges * 9, "{first:?} {second:?}");
}

#[test]
fn blocks_of_interrupts_do_not_count() {
    let directory = tempfile::tempdir().unwrap();
    let model = Model::default();
    let real = Arc::clone(&model.real);
    let mut log = Log { most: 900, ..Log::default() };
    let progress = run(&options(directory.path(), 3, false), vec![Box::new(model)], &mut log).unwrap();
    // Some seventy programs met a block that no other run met again.
    assert!(progress.edges <= real.lock().unwrap().len(), "{progress:?}");
}

/// A machine that never answers for what it ran.
#[derive(Debug)]
struct Mute;

impl Target for Mute {
    fn run_batch(&mut self, programs: &[Program]) -> Result<BatchResult, TargetError> {
        Ok(BatchResult { executions: vec![None; programs.len()], ..BatchResult::default() })
    }

    fn renew(&mut self) -> Result<(), TargetError> {
        Ok(())
    }
}

#[test]
fn programs_without_an_answer_are_counted_as_lost() {
    let directory = tempfile::tempdir().unwrap();
    struct Some(u32);
    impl Watch for Some {
        fn proceed(&mut self, _: &Progress) -> bool {
            self.0 += 1;
            self.0 < 10
        }
        fn found(&mut self, _: &Found) {}
        fn triaged(&mut self, _: &Report) {}
    }
    let progress = run(&options(directory.path(), 1, false), vec![Box::new(Mute)], &mut Some(0)).unwrap();
    assert_eq!((progress.executions, progress.corpus), (0, 0));
    assert!(progress.lost > 0);
}

/// A machine that cannot be had.
#[derive(Debug)]
struct Gone;

impl Target for Gone {
    fn run_batch(&mut self, _: &[Program]) -> Result<BatchResult, TargetError> {
        Err(TargetError("no memory left".into()))
    }

    fn renew(&mut self) -> Result<(), TargetError> {
        Err(TargetError("no memory left".into()))
    }
}

#[test]
fn trouble_of_the_machine_ends_the_campaign_and_says_why() {
    let directory = tempfile::tempdir().unwrap();
    let mut log = Log { most: 10, ..Log::default() };
    let error = run(&options(directory.path(), 1, false), vec![Box::new(Gone)], &mut log).unwrap_err();
    assert_eq!(error.to_string(), "no memory left");
}
