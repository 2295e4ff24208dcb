//! `gauntlet import`.

use super::{Globals, conclude, input};
use crate::import::{Imported, READERS, reader};
use crate::run::Sink;
use crate::run::sink::run_info;
use crate::{Error, Result};
use gauntlet_results::report::Format;
use gauntlet_results::{Event, KernelInfo, TestResult};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Keep the results of another runner as a run of ours
///
/// Reads what kirk writes with --json-report (the Linux Test Project), and KTAP or TAP as kselftest prints it. The
/// verdicts are then reported and compared like ours: `gauntlet import good.json; gauntlet import bad.json; gauntlet
/// compare last~1 last`. Exits with 1 when one of them is a failure.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,

    /// The kernel that ran, where the file does not say or says it too shortly
    #[arg(short, long, value_name = "NAME")]
    kernel: Option<String>,

    /// The suite that the results belong to [default: ltp for kirk, else the file's name]
    #[arg(short, long, value_name = "NAME")]
    suite: Option<String>,
}

pub async fn run(args: Args, globals: &Globals) -> Result<ExitCode> {
    let text = String::from_utf8_lossy(&input::read(&args.file)?).into_owned();
    let place = args.file.display();
    let Some(reader) = reader(&text) else {
        let known: Vec<&str> = READERS.iter().map(|reader| reader.name).collect();
        return Err(Error::usage(format!("{place} holds no results that we know"))
            .hint(format!("known are: {}", known.join(", "))));
    };
    let imported =
        reader.read(&text).map_err(|why| Error::usage(format!("{place}, read as {}: {why}", reader.name)))?;
    let Some(kernel) = args.kernel.clone().or_else(|| imported.kernel.clone()) else {
        return Err(Error::usage(format!("{place} does not say which kernel ran"))
            .hint("name it: --kernel 6.1.0-test"));
    };
    let suite = args.suite.clone().or_else(|| reader.suite.map(str::to_owned));
    let suite = suite.unwrap_or_else(|| stem(&args.file));
    let digest = blake3::hash(text.as_bytes()).to_hex().to_string();
    let info = run_info("import", &globals.command, digest);
    let sink = Arc::new(Sink::start(&globals.results, info, globals.progress)?);
    store(&sink, imported, (&kernel, &suite), &place.to_string());
    let (record, folder) = conclude::finish(sink, globals)?;
    conclude::conclude(&record, &folder, &[Format::Html], globals)
}

/// `results/ltp syscalls.json` to `ltp-syscalls`: one word, as names of suites are.
fn stem(path: &Path) -> String {
    let stem = path.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let words: Vec<&str> = stem.split(|letter: char| !letter.is_ascii_alphanumeric()).collect();
    let word = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join("-");
    if word.is_empty() { "imported".to_owned() } else { word }
}

fn store(sink: &Sink, imported: Imported, (kernel, suite): (&str, &str), from: &str) {
    let name = |test: &str| format!("{suite}/{test}");
    let cases = imported.results.iter().map(|outcome| name(&outcome.test)).collect();
    sink.send(Event::Planned { kernel: kernel.to_owned(), cases, times: 1 });
    sink.send(Event::KernelReady(KernelInfo {
        name: kernel.to_owned(),
        spec: from.to_owned(),
        release: imported.kernel.unwrap_or_else(|| kernel.to_owned()),
        machine: imported.machine,
        ..KernelInfo::default()
    }));
    for outcome in imported.results {
        sink.send(Event::CaseFinished(TestResult {
            reason: outcome.reason,
            output: outcome.output,
            duration_ms: outcome.duration_ms,
            attempts: 1,
            ..TestResult::bare(kernel, &name(&outcome.test), outcome.verdict)
        }));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_suite_is_named_after_its_file() {
        let named = |path: &str| stem(Path::new(path));
        assert_eq!(named("logs/kselftest memfd.log"), "kselftest-memfd");
        assert_eq!(named("-"), "imported");
    }
}
