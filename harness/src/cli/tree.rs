//! `gauntlet tree`: at home in a kernel tree.

use super::testing::{self, Request};
use super::{Globals, MachineFlags, exit};
use crate::impact::{Change, Map, Touched};
use crate::kernel::KernelSpec;
use crate::kernel::spec::{ConfigChoice, TreeSpec};
use crate::kernel::tree::gnumakefile;
use crate::kernel::tree::makeflags::MakeFlags;
use crate::kernel::tree::program::MachinePrograms;
use crate::kernel::tree::source::Repository;
use crate::run::repeat::Repeat;
use crate::{Error, Result, plan, ui};
use gauntlet_results::RunRecord;
use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Add `make test` to a kernel tree, or run what it stands for
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Add the targets test, test-fuzz, test-perf, test-bisect and test-shell, in a GNUmakefile that git does not see
    Init {
        /// The kernel tree
        #[arg(default_value = ".", value_name = "DIR")]
        tree: PathBuf,
    },
    /// Take them away again
    Remove {
        /// The kernel tree
        #[arg(default_value = ".", value_name = "DIR")]
        tree: PathBuf,
    },
    /// Do what `make GOAL` does in the tree that is the working directory
    Run {
        /// test, test-fuzz, test-perf, test-bisect or test-shell
        goal: Goal,
        /// Only say what would be done
        #[arg(long)]
        dry_run: bool,
        /// Variables as make takes them: TARGETS='memfd exec', CONFIG=tiny+kasan, LLVM=1
        #[arg(value_name = "NAME=VALUE")]
        variables: Vec<String>,
    },
    /// What `make help` says of them
    HelpMake,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Goal {
    Test,
    TestFuzz,
    TestPerf,
    TestBisect,
    TestShell,
}

const HELP: &str = "
Gauntlet targets:
  test            - Build the tree as it is, run a smoke set and what the change touches
                    TARGETS=/SKIP_TARGETS= kselftest targets, CASE=PATTERN, CONFIG=BASE+FRAGMENT (tiny+selftest),
                    O=DIR (its .config, for CONFIG=own), LLVM=1, V=1 shows what make says, -jN compilers and
                    machines at once, -k goes on after a file that does not compile, -n says what would run
  test-fuzz       - Fuzz the system calls of the tree (TIME=60s, CONFIG=tiny+kcov)
  test-perf       - Measure the working tree against HEAD
  test-bisect     - Find the commit that broke CASE=SUITE/CASE between GOOD= and BAD= (the tree as it is)
  test-shell      - Open a shell on the tree's kernel
";

/// What is passed on to the kernel's make.
const MAKE: [&str; 9] = ["O", "LLVM", "LLVM_IAS", "ARCH", "CROSS_COMPILE", "CC", "KCFLAGS", "W", "V"];
/// What is ours.
const OURS: [&str; 7] = ["TARGETS", "SKIP_TARGETS", "CASE", "CONFIG", "GOOD", "BAD", "TIME"];
const CONFIG: &str = "tiny+selftest";

pub async fn run(args: Args, globals: &Globals) -> Result<ExitCode> {
    match args.action {
        Action::Init { tree } => {
            let program = std::env::current_exe()
                .map_err(|error| Error::infra("cannot find our own program").because(error))?;
            let path = gnumakefile::add(&tree, &program)?;
            ui::print(&format!("{}: `make test` and `make help` know more now\n", path.display()))?;
        }
        Action::Remove { tree } => match gnumakefile::remove(&tree)? {
            true => ui::print("removed\n")?,
            false => ui::print("there was nothing to remove\n")?,
        },
        Action::HelpMake => ui::print(HELP)?,
        Action::Run { goal, dry_run, variables } => {
            let variables = Variables::parse(&variables)?;
            return match goal {
                Goal::Test => test(&variables, dry_run, globals).await,
                _ => pass_on(&arguments(goal, &variables)?, dry_run),
            };
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// `NAME=VALUE` words.
#[derive(Debug, Default)]
struct Variables(BTreeMap<String, String>);

impl Variables {
    fn parse(words: &[String]) -> Result<Variables> {
        let mut all = BTreeMap::new();
        for word in words {
            let (name, value) =
                word.split_once('=').ok_or_else(|| Error::usage(format!("`{word}` is not NAME=VALUE")))?;
            let known = || MAKE.into_iter().chain(OURS);
            if !known().any(|one| one == name) {
                return Err(Error::unknown("variable", name, known()));
            }
            all.insert(name.to_owned(), value.to_owned());
        }
        Ok(Variables(all))
    }

    fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    fn words(&self, name: &str) -> impl Iterator<Item = &str> {
        self.get(name).unwrap_or_default().split_whitespace()
    }

    /// The tree that is the working directory, configured as asked.
    fn spec(&self, revision: Option<&str>, config: &str) -> TreeSpec {
        let mut names = self.get("CONFIG").unwrap_or(config).split('+').map(str::to_owned);
        let base = names.next().unwrap_or_default();
        let mine = self.0.iter().filter(|(name, value)| MAKE.contains(&name.as_str()) && !value.is_empty());
        TreeSpec {
            directory: std::env::current_dir().unwrap_or_else(|_| PathBuf::from(".")),
            revision: revision.map(str::to_owned),
            config: Some(ConfigChoice { base, fragments: names.collect() }),
            variables: mine.map(|(name, value)| (name.clone(), value.clone())).collect(),
        }
    }
}

/// The verb that a goal other than `test` stands for.
fn arguments(goal: Goal, variables: &Variables) -> Result<Vec<String>> {
    let kernel = |revision, config| ["-k".to_owned(), variables.spec(revision, config).to_string()];
    let mut words = Vec::new();
    match goal {
        Goal::Test | Goal::TestShell => {
            words.push("shell".to_owned());
            words.extend(kernel(None, CONFIG));
        }
        Goal::TestFuzz => {
            words.push("fuzz".to_owned());
            words.extend(kernel(None, "tiny+kcov"));
            words.extend(
                variables.get("TIME").into_iter().flat_map(|time| ["--time".into(), time.to_owned()]),
            );
        }
        Goal::TestPerf => {
            words.push("perf".to_owned());
            words.extend(kernel(Some("HEAD"), "tiny+perf"));
            words.extend(kernel(None, "tiny+perf"));
        }
        Goal::TestBisect => {
            let missing = |name: &str| {
                Error::usage(format!("{name}= is missing"))
                    .hint("make test-bisect GOOD=v6.1 CASE=memfd/seal_write_stops_write")
            };
            let good = variables.get("GOOD").ok_or_else(|| missing("GOOD"))?;
            let case = variables.get("CASE").ok_or_else(|| missing("CASE"))?;
            let tree = built_tree(&variables.spec(None, CONFIG));
            words = ["bisect", "--tree", &tree, "--good", good, "--case", case].map(str::to_owned).to_vec();
            words.extend(variables.get("BAD").into_iter().flat_map(|bad| ["--bad".into(), bad.to_owned()]));
        }
    }
    Ok(words)
}

/// As `--tree` takes it.
fn built_tree(spec: &TreeSpec) -> String {
    let text = KernelSpec::Tree(spec.clone()).to_string();
    text.strip_prefix("tree:").unwrap_or(&text).to_owned()
}

/// Becomes the verb.
fn pass_on(arguments: &[String], dry_run: bool) -> Result<ExitCode> {
    eprintln!("gauntlet {}", arguments.join(" "));
    if dry_run {
        return Ok(ExitCode::SUCCESS);
    }
    let program = std::env::current_exe()
        .map_err(|error| Error::infra("cannot find our own program").because(error))?;
    let error = std::process::Command::new(program).args(arguments).exec();
    Err(Error::infra("cannot start ourselves").because(error))
}

async fn test(variables: &Variables, dry_run: bool, globals: &Globals) -> Result<ExitCode> {
    let spec = variables.spec(None, CONFIG);
    let (cases, targets) = selection(variables, &spec.directory)?;
    let flags = MachineFlags { kernels: vec![spec.to_string()], ..MachineFlags::default() };
    let cases = plan::select(&[], &cases)?;
    eprintln!("{spec}: {} cases; kselftest: {}", cases.len(), shown(&targets));
    if dry_run {
        cases.iter().try_for_each(|case| ui::print(&format!("{}\n", case.name())))?;
        targets.iter().try_for_each(|target| ui::print(&format!("kselftest/{target}\n")))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut config = globals.config(&flags)?;
    // `make -j3 test`: three compilers, then three machines.
    config.jobs =
        globals.jobs.map(NonZeroUsize::get).or(MakeFlags::of_environment().jobs).unwrap_or(config.jobs);
    let repeat = Repeat::once(config.seed);
    let request = Request { config, repeat, cases, targets, fix_config: false };
    let finished = testing::run(request, globals).await?;
    let code = finished.conclude(globals)?;
    if code == ExitCode::from(exit::KERNEL_FAILED) && !globals.json {
        ui::print(&next_steps(&finished.record, &spec))?;
    }
    Ok(code)
}

fn shown(targets: &[String]) -> String {
    if targets.is_empty() { "none".to_owned() } else { targets.join(" ") }
}

/// Patterns of cases and kselftest targets: as asked, else the smoke set and what the change touches.
fn selection(variables: &Variables, tree: &Path) -> Result<(Vec<crate::config::Glob>, Vec<String>)> {
    let map = Map::embedded()?;
    let change = Repository::open(tree, &MachinePrograms)?.change()?;
    let Touched { suites, targets } = map.touched(&Change::of_diff(&change));
    let patterns: Vec<String> = match variables.get("CASE") {
        Some(case) => vec![case.to_owned()],
        None => map.smoke.cases.into_iter().chain(suites.iter().map(|suite| format!("{suite}/*"))).collect(),
    };
    let skipped: Vec<&str> = variables.words("SKIP_TARGETS").collect();
    let asked: Vec<String> = match variables.get("TARGETS") {
        Some(_) => variables.words("TARGETS").map(str::to_owned).collect(),
        None if variables.get("CASE").is_some() => Vec::new(),
        None => targets.into_iter().collect(),
    };
    let kept = asked.into_iter().filter(|target| !skipped.contains(&target.as_str()));
    Ok((patterns.iter().map(|pattern| plan::pattern(pattern)).collect(), kept.collect()))
}

/// So far back things are supposed to have been good, where there are so many commits.
const BACK: usize = 5;

/// Three commands to paste: that case again, a shell in that very kernel, the commit that broke it.
fn next_steps(record: &RunRecord, spec: &TreeSpec) -> String {
    let failed = record.results.iter().filter(|result| result.verdict.is_failure());
    // A case of ours runs alone and can be bisected, so it comes first.
    let Some(failed) = failed.min_by_key(|result| result.case.starts_with("kselftest/")) else {
        return String::new();
    };
    let mut quiet = spec.clone();
    quiet.variables.remove("V");
    let spec = &quiet;
    let older = Repository::open(&spec.directory, &MachinePrograms).map_or(0, |tree| tree.depth(BACK));
    let older = format!("HEAD~{older}");
    let series = TreeSpec { revision: Some(format!("{older}..HEAD")), ..spec.clone() };
    let (again, bisect) = match failed.case.strip_prefix("kselftest/").and_then(|rest| rest.split_once(':')) {
        Some((target, _)) => (
            format!("gauntlet test -k '{spec}' --kselftest {target}"),
            format!("gauntlet test -k '{series}' --kselftest {target}"),
        ),
        None => (
            format!("gauntlet test -k '{spec}' '{}'", failed.case),
            format!("gauntlet bisect --tree '{}' --good {older} --case '{}'", built_tree(spec), failed.case),
        ),
    };
    format!("again   {again}\nshell   gauntlet shell -k '{spec}'\nbisect  {bisect}\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables(words: &[&str]) -> Result<Variables> {
        Variables::parse(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn makes_variables_become_part_of_the_spec_and_ours_do_not() {
        let spec =
            variables(&["LLVM=1", "TARGETS=memfd", "CONFIG=own+kcov", "O="]).unwrap().spec(None, CONFIG);
        assert!(spec.to_string().ends_with(",config=own+kcov,LLVM=1"), "{spec}");
        assert!(variables(&[]).unwrap().spec(None, CONFIG).to_string().ends_with(",config=tiny+selftest"));
        assert!(variables(&["TARGET=memfd"]).unwrap_err().hints[0].contains("TARGETS"));
    }

    #[test]
    fn goals_become_verbs() {
        let all = variables(&["TIME=5s", "GOOD=v1", "CASE=memfd/x"]).unwrap();
        let words = |goal| arguments(goal, &all).unwrap().join(" ");
        assert!(words(Goal::TestFuzz).contains("config=tiny+kcov --time 5s"));
        assert!(words(Goal::TestBisect).ends_with(",config=tiny+selftest --good v1 --case memfd/x"));
        assert!(words(Goal::TestShell).starts_with("shell -k tree:"));
        assert_eq!(words(Goal::TestPerf).matches("tree:").count(), 2);
        let error = arguments(Goal::TestBisect, &variables(&["CASE=a/b"]).unwrap()).unwrap_err();
        assert!(error.message.contains("GOOD="));
    }
}
