//! `gauntlet repro`.

use super::{Globals, MachineFlags, exit};
use crate::fuzz::{Machine, MachineOptions};
use crate::run::options::session_options;
use crate::run::resolve_kernels;
use crate::session::{Host, Session};
use crate::{Error, Result, ui};
use gauntlet_fuzzers::program::c_source;
use gauntlet_fuzzers::{BatchResult, Program, Target, TargetError};
use gauntlet_protocol::program::NOT_RUN;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// Run a program of the fuzzer again, each time in a fresh clone
///
/// Programs are text, one call a line; several in one file are separated by empty lines and run one behind the other
/// on the same machine.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// File with the program
    #[arg(value_name = "PROGRAM")]
    program: PathBuf,

    #[command(flatten)]
    machine: MachineFlags,

    /// Clones to run it in
    #[arg(long, value_name = "N", default_value_t = 3)]
    times: u32,

    /// Print the program as C and run nothing
    #[arg(long)]
    c: bool,
}

/// A program that takes longer hangs.
const DEADLINE: Duration = Duration::from_secs(30);

pub async fn run(args: Args, globals: &Globals) -> Result<ExitCode> {
    let programs = read(&args.program)?;
    if args.c {
        programs
            .iter()
            .try_for_each(|program| ui::print(&c_source(program, "a program of gauntlet fuzz")))?;
        return Ok(ExitCode::SUCCESS);
    }
    let config = globals.config(&args.machine)?;
    let kernels = resolve_kernels(&config.kernels, &globals.cache, globals.progress).await?;
    let host = Host::open(&globals.cache).await?;
    let mut outcomes = Vec::new();
    for kernel in &kernels {
        let session = Session::prepare(&host, &kernel.build, &session_options(&config, &host))
            .await
            .map_err(|failure| Error::infra(format!("{} did not come up: {failure}", kernel.name)))?;
        let results = replay(session, programs.clone(), args.times).await?;
        outcomes.push(Outcome::new(&kernel.name, &programs, &results));
    }
    if globals.json {
        ui::print_json(&outcomes)?;
    } else {
        outcomes.iter().try_for_each(|outcome| ui::print(&outcome.text()))?;
    }
    Ok(exit::from_good(outcomes.iter().all(|outcome| outcome.crashed == 0)))
}

/// The programs of a file.
fn read(path: &Path) -> Result<Vec<Program>> {
    let text = std::fs::read_to_string(path)
        .map_err(|error| Error::usage(format!("cannot read {}", path.display())).because(error))?;
    let mut programs = Vec::new();
    let mut first_line = 0;
    for part in text.split("\n\n") {
        let program: Program = part.parse().map_err(|error: gauntlet_fuzzers::program::ParseError| {
            Error::usage(error.message).at(format!("{}:{}", path.display(), first_line + error.line))
        })?;
        first_line += part.matches('\n').count() + 2;
        if !program.calls.is_empty() {
            programs.push(program);
        }
    }
    match programs.is_empty() {
        true => Err(Error::usage(format!("{} holds no call", path.display()))),
        false => Ok(programs),
    }
}

async fn replay(session: Session, programs: Vec<Program>, times: u32) -> Result<Vec<BatchResult>> {
    let handle = Handle::current();
    let replayed = tokio::task::spawn_blocking(move || {
        let options = MachineOptions { dangerous: true, coverage: false, deadline: DEADLINE };
        let mut machine = Machine::new(handle, Arc::new(session), options, 0);
        let mut run = |_| {
            machine.renew()?;
            machine.run_batch(&programs)
        };
        (0..times).map(&mut run).collect::<Result<Vec<_>, TargetError>>()
    });
    let replayed = replayed.await.map_err(|error| Error::infra("the replay").because(error))?;
    replayed.map_err(|error| Error::infra(error.to_string()))
}

#[derive(Debug, serde::Serialize)]
struct Outcome {
    kernel: String,
    /// Fresh clones that died or whose kernel complained.
    crashed: usize,
    times: usize,
    titles: Vec<String>,
    /// The last run, call by call.
    calls: Vec<String>,
}

impl Outcome {
    fn new(kernel: &str, programs: &[Program], results: &[BatchResult]) -> Outcome {
        let mut titles: Vec<String> =
            results.iter().filter_map(|result| Some(result.crash.as_ref()?.title.clone())).collect();
        let crashed = titles.len();
        titles.sort();
        titles.dedup();
        let calls = results.last().map(|result| listing(programs, result)).unwrap_or_default();
        Outcome { kernel: kernel.to_owned(), crashed, times: results.len(), titles, calls }
    }

    fn text(&self) -> String {
        let mut text = format!("{}: crashed {} of {} times\n", self.kernel, self.crashed, self.times);
        self.titles.iter().for_each(|title| text += &format!("  {title}\n"));
        self.calls.iter().for_each(|call| text += &format!("    {call}\n"));
        text
    }
}

/// Each call with what came of it.
fn listing(programs: &[Program], result: &BatchResult) -> Vec<String> {
    let mut lines = Vec::new();
    for (program, execution) in programs.iter().zip(&result.executions) {
        for (index, call) in program.calls.iter().enumerate() {
            let errno = execution.as_ref().and_then(|execution| execution.results.get(index).copied());
            let said = match errno {
                Some(0) => "ok".to_owned(),
                Some(NOT_RUN) | None => "no answer".to_owned(),
                Some(errno) => std::io::Error::from_raw_os_error(errno.cast_signed()).to_string(),
            };
            lines.push(format!("{call} = {said}"));
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use gauntlet_fuzzers::Execution;

    fn file(text: &str) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        file
    }

    #[test]
    fn an_error_names_file_and_line() {
        let file = file("sched_yield()\n\nclose(0xffffffffffffffff)\nclosed(0x1)\n");
        let error = read(file.path()).unwrap_err();
        assert!(error.place.unwrap().ends_with(":4"));
    }

    #[test]
    fn empty_lines_separate_programs_and_an_empty_file_is_refused() {
        assert_eq!(read(file("sched_yield()\n\nsched_yield()\n").path()).unwrap().len(), 2);
        assert!(read(file("# nothing\n").path()).is_err());
    }

    #[test]
    fn the_listing_says_what_came_of_each_call() {
        let programs: Vec<Program> =
            vec!["sched_yield()\nclose(0xffffffffffffffff)\nsched_yield()".parse().unwrap()];
        let execution = Execution { results: vec![0, 9, NOT_RUN], coverage: vec![], time: Duration::ZERO };
        let result = BatchResult { executions: vec![Some(execution)], ..BatchResult::default() };
        let lines = listing(&programs, &result);
        assert!(lines[0].ends_with("= ok") && lines[1].contains("Bad file descriptor"), "{lines:?}");
        assert!(lines[2].ends_with("no answer"));
    }
}
