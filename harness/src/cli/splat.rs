//! `gauntlet splat`.

use super::{Globals, exit, input};
use crate::crash::{DebugInfo, Frame, Scan, Scanner, Source, Splat};
use crate::{Error, Result, ui};
use serde::Serialize;
use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

/// Read a console log: every complaint of the kernel with its title, guilty function, task and stack
///
/// Titles are worded as syzbot words them, so that they can be searched for. Exits with 1 when the kernel
/// complained. Task and stack are those of the first report when several processors print into each other.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The log, as a serial console, `dmesg` or `journalctl -k` shows it; standard input by default
    #[arg(value_name = "FILE", default_value = "-")]
    console: PathBuf,

    /// What tells names, files and lines: vmlinux, modules (NAME.ko, NAME.ko.debug), System.map. Repeatable
    #[arg(short, long, value_name = "FILE")]
    symbols: Vec<PathBuf>,

    /// Print the log itself, with files and lines behind the frames of each stack
    #[arg(short, long, conflicts_with = "json")]
    annotate: bool,
}

#[derive(Debug, Serialize)]
struct Report {
    splats: Vec<Splat>,
    /// Further splats, beyond the number kept.
    dropped: u64,
    /// Tasks the out-of-memory killer ended: no fault of the kernel's.
    oom_killed: Vec<String>,
}

pub async fn run(args: Args, globals: &Globals) -> Result<ExitCode> {
    let console = input::read(&args.console)?;
    let mut info = DebugInfo::default();
    for path in &args.symbols {
        info.add(path).map_err(|error| {
            Error::usage(format!("symbols {}: {error:#}", path.display()))
                .hint("name a vmlinux, a module built with CONFIG_DEBUG_INFO, or a System.map")
        })?;
    }
    let mut scanner = Scanner::default();
    scanner.push(&console);
    let mut scan = scanner.finish();
    info.complete(&mut scan);
    if info.withholds_names(&scan) {
        eprintln!(
            "note: the log does not say where the kernel lay (the `Kernel Offset:` of a panic, or a command line with \
             nokaslr), so addresses keep no names"
        );
    }
    let Scan { splats, dropped, oom_killed, .. } = scan;
    let good = splats.is_empty();
    let report = Report { splats, dropped, oom_killed };
    if globals.json {
        ui::print_json(&report)?;
    } else if args.annotate {
        ui::print(&info.annotate(&String::from_utf8_lossy(&console)))?;
    } else {
        ui::print(&describe(&report, &console))?;
    }
    Ok(exit::from_good(good))
}

fn describe(report: &Report, console: &[u8]) -> String {
    let mut text = String::new();
    for splat in &report.splats {
        text += &one(splat, console);
    }
    if report.dropped > 0 {
        let _ = writeln!(text, "{} more are left out", report.dropped);
    }
    for task in &report.oom_killed {
        let _ = writeln!(text, "the out-of-memory killer ended {task}: no fault of the kernel's");
    }
    if text.is_empty() { "no complaint of the kernel's in this log\n".to_owned() } else { text }
}

fn one(splat: &Splat, console: &[u8]) -> String {
    let mut text = format!("{}\n", splat.title);
    let mut line = |name: &str, value: &str| {
        if !value.is_empty() {
            let _ = writeln!(text, "  {name:<7} {value}");
        }
    };
    let flags =
        [(splat.fatal, "fatal"), (splat.secondary, "after another one"), (splat.corrupted, "damaged")];
    let mut kind = format!("{:?}", splat.kind);
    for (_, flag) in flags.into_iter().filter(|(set, _)| *set) {
        kind += &format!(", {flag}");
    }
    line("kind", &kind);
    line("guilty", splat.frame.as_deref().unwrap_or_default());
    line("task", &whose(splat));
    line("taint", &splat.taint);
    line("lines", &lines(splat, console));
    for (index, frame) in splat.frames().enumerate() {
        for call in calls(frame) {
            line(if index == 0 { "stack" } else { " " }, &call);
        }
    }
    text + "\n"
}

fn whose(splat: &Splat) -> String {
    let cpu = splat.cpu.map(|cpu| format!("on CPU {cpu}"));
    splat.task.iter().cloned().chain(cpu).collect::<Vec<_>>().join(" ")
}

/// Where in the log it is, by lines counted from 1.
fn lines(splat: &Splat, console: &[u8]) -> String {
    let before = |end: u64| {
        let end = usize::try_from(end).unwrap_or(usize::MAX).min(console.len());
        console[..end].iter().filter(|byte| **byte == b'\n').count()
    };
    let (first, last) = (before(splat.range.start) + 1, before(splat.range.end));
    format!("{first}-{}", last.max(first))
}

/// A frame, and before it what was inlined into it.
fn calls(frame: &Frame) -> Vec<String> {
    let module = frame.module.as_ref().map(|module| format!(" [{module}]")).unwrap_or_default();
    let place = |one: &Source| format!("{}:{}", one.file, one.line);
    let name = format!("{}+{:#x}{module}", frame.function, frame.offset);
    let Some((last, inlined)) = frame.source.split_last() else { return vec![name] };
    let inlined = inlined.iter().map(|one| format!("{} {} (inlined)", one.function, place(one)));
    inlined.chain([format!("{name} {}", place(last))]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crash::scan;

    const LOG: &str = "\
hello
[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000010
[    1.000001] CPU: 1 PID: 79 Comm: init Tainted: G           O      6.1.0 #1
[    1.000002] RIP: 0010:lab_null+0x4/0x10 [lab]
[    1.000003] Call Trace:
[    1.000004]  ? __die_body+0x1a/0x60
[    1.000005]  lab_init+0x12/0x40 [lab]
";

    #[test]
    fn a_splat_as_a_person_reads_it() {
        let report = Report { splats: scan(LOG.as_bytes()), dropped: 0, oom_killed: vec!["stress".into()] };
        let expected = "\
BUG: unable to handle kernel NULL pointer dereference in lab_null
  kind    Oops, fatal
  guilty  lab_null
  task    init on CPU 1
  taint   GO
  lines   2-7
  stack   lab_null+0x4 [lab]
          lab_init+0x12 [lab]

the out-of-memory killer ended stress: no fault of the kernel's
";
        assert_eq!(describe(&report, LOG.as_bytes()), expected);
    }

    #[test]
    fn a_quiet_log_says_so() {
        let report = Report { splats: Vec::new(), dropped: 0, oom_killed: Vec::new() };
        assert_eq!(describe(&report, b""), "no complaint of the kernel's in this log\n");
    }
}
