//! KTAP as the kernel's own parser reads it: tools/testing/kunit/kunit_parser.py, from a kernel tree named by
//! `GAUNTLET_KERNEL_TREE` or, with `GAUNTLET_SLOW=1`, from Debian's linux-source packages.

mod support;

use gauntlet_results::report::{Format, Options};
use gauntlet_results::{Event, RunRecord, Verdict};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Reads standard input, prints how many tests were good and bad, and how many errors the parser found.
const READ: &str = "
import sys
sys.path.insert(0, sys.argv[1])
import kunit_parser
read = kunit_parser.parse_run_tests(sys.stdin)
counts = read.counts
print('result', counts.passed + counts.skipped, counts.failed, counts.crashed, counts.errors)
";

const PARSER: &str = "tools/testing/kunit";

/// The directory of the parser; None where there is none.
fn parser(scratch: &Path) -> Option<PathBuf> {
    if let Some(tree) = std::env::var_os("GAUNTLET_KERNEL_TREE") {
        return Some(Path::new(&tree).join(PARSER));
    }
    std::env::var_os("GAUNTLET_SLOW")?;
    let packages = std::fs::read_dir("/usr/src").ok()?;
    let name =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().ends_with(".tar.xz"));
    let archive = packages.filter_map(|entry| Some(entry.ok()?.path())).find(name);
    assert!(archive.is_some() || std::env::var_os("CI").is_none(), "CI must have linux-source-6.1");
    let archive = archive?;
    let top = archive.file_name()?.to_string_lossy().trim_end_matches(".tar.xz").to_owned();
    let inside = format!("{top}/{PARSER}");
    let unpacked = Command::new("tar").arg("-xJf").arg(&archive).arg("-C").arg(scratch).arg(&inside).status();
    assert!(unpacked.expect("tar starts").success(), "cannot unpack {inside} of {}", archive.display());
    Some(scratch.join(inside))
}

/// Good, failed, crashed, errors.
fn read(parser: &Path, record: &RunRecord) -> Vec<usize> {
    let mut python = Command::new("python3");
    python.args(["-c", READ]).arg(parser).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut python = python.spawn().expect("python3 starts");
    let text = Format::Ktap.render(record, &Options::default());
    python.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = python.wait_with_output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let result = output.lines().find_map(|line| line.strip_prefix("result ")).expect("the parser's counts");
    result.split(' ').map(|count| count.parse().unwrap()).collect()
}

/// A run in which every text is one that could be taken for KTAP.
fn hostile() -> RunRecord {
    let texts = [
        "# Subtest: memfd",
        "Subtest: memfd",
        "KTAP version 1",
        "TAP version 14",
        "1..7",
        "ok 1 memfd # SKIP",
        "List of all partitions:",
        "Kernel panic - not syncing: VFS: Unable to mount root fs",
        "reboot: System halted",
        "not ok 9",
    ];
    let mut record = RunRecord::new(support::run_info("r"));
    record.apply(&Event::Planned { kernel: "nothing to run".to_owned(), cases: Vec::new(), times: 1 });
    for (number, text) in texts.iter().enumerate() {
        let mut result = support::result("6.1", &format!("memfd/{number} {text}"), Verdict::Fail);
        result.reason = (*text).to_owned();
        result.output = texts.join("\n");
        record.apply(&Event::CaseFinished(result));
        record.apply(&Event::Note { text: (*text).to_owned() });
    }
    record.apply(&support::finished(false));
    record
}

#[test]
fn the_kernels_own_parser_agrees() {
    let scratch = tempfile::tempdir().unwrap();
    let Some(parser) = parser(scratch.path()) else {
        eprintln!("SKIPPED: set GAUNTLET_KERNEL_TREE, or GAUNTLET_SLOW=1 and install linux-source");
        return;
    };
    assert_eq!(read(&parser, &hostile()), [1, 10, 0, 0], "one skipped kernel, ten failures");
    let sample = support::sample::record();
    let missing = sample.missing();
    let verdicts = (sample.results.iter().map(|one| one.verdict))
        .chain(sample.workloads.iter().map(|one| one.verdict))
        .chain(missing.iter().map(|one| one.verdict))
        .chain(sample.kernels.iter().filter_map(|one| Some(one.failure.as_ref()?.verdict)));
    let (good, bad): (Vec<_>, Vec<_>) = verdicts.partition(|verdict| *verdict <= Verdict::Skip);
    assert_eq!(read(&parser, &sample), [good.len(), bad.len(), 0, 0]);
}
