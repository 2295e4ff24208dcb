//! Console logs as data: `data/consoles/*.txt`, each headed by what it must be read as.
//!
//! A header line is `# splat [KIND FLAGS… cpu=N task=NAME taint=LETTERS] TITLE`, and after it, where the stack is
//! checked too, `# stack FUNCTION…` with its innermost frames; `# oom TASK` names a task that the kernel ended for its
//! memory; other `#` lines are remarks.
//! To add a log: put it there without a header, run the test, and judge what it prints.

use gauntlet::crash::{Kind, Scanner, Splat, scan};
use std::fmt::Write;
use std::path::{Path, PathBuf};

struct Console {
    name: String,
    expected: Vec<String>,
    /// The number of a splat, and the functions its stack begins with.
    stacks: Vec<(usize, Vec<String>)>,
    oom_killed: Vec<String>,
    log: String,
}

fn corpus() -> Vec<Console> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/consoles");
    let mut paths: Vec<PathBuf> = std::fs::read_dir(folder).unwrap().map(|one| one.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| console(path)).collect()
}

fn console(path: &Path) -> Console {
    let text = std::fs::read_to_string(path).unwrap();
    let header: Vec<&str> = text.lines().take_while(|line| line.starts_with('#')).collect();
    let log = text.split_inclusive('\n').skip(header.len()).collect();
    let (mut expected, mut stacks, mut oom_killed) = (Vec::new(), Vec::new(), Vec::new());
    for line in header {
        if let Some(splat) = line.strip_prefix("# splat ") {
            expected.push(splat.to_owned());
        } else if let Some(stack) = line.strip_prefix("# stack ") {
            stacks.push((expected.len() - 1, stack.split(' ').map(str::to_owned).collect()));
        } else if let Some(task) = line.strip_prefix("# oom ") {
            oom_killed.push(task.to_owned());
        }
    }
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    Console { name, expected, stacks, oom_killed, log }
}

fn render(splat: &Splat) -> String {
    let kind = serde_json::to_value(splat.kind).unwrap();
    let mut text = format!("[{}", kind.as_str().unwrap());
    for (set, flag) in
        [(splat.fatal, " fatal"), (splat.secondary, " secondary"), (splat.corrupted, " corrupted")]
    {
        text.push_str(if set { flag } else { "" });
    }
    if let Some(cpu) = splat.cpu {
        write!(text, " cpu={cpu}").unwrap();
    }
    if let Some(task) = &splat.task {
        write!(text, " task={task}").unwrap();
    }
    if !splat.taint.is_empty() {
        write!(text, " taint={}", splat.taint).unwrap();
    }
    write!(text, "] {}", splat.title).unwrap();
    text
}

#[test]
fn every_console_is_read_as_its_header_says() {
    let mut wrong = String::new();
    for console in corpus() {
        let read: Vec<String> = scan(console.log.as_bytes()).iter().map(render).collect();
        if read != console.expected {
            writeln!(wrong, "{}:\n  expected {:#?}\n  read {:#?}", console.name, console.expected, read)
                .unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn every_stack_is_read_as_its_header_says() {
    let mut checked = 0;
    for console in corpus() {
        let splats = scan(console.log.as_bytes());
        for (index, expected) in &console.stacks {
            let frames = splats[*index].stack.iter().filter(|frame| frame.reliable);
            let read: Vec<&str> = frames.map(|frame| frame.function.as_str()).take(expected.len()).collect();
            assert_eq!(read, *expected, "{}, splat {index}", console.name);
            checked += 1;
        }
    }
    assert!(checked > 20, "only {checked} stacks are checked");
}

#[test]
fn whom_the_kernel_ended_for_their_memory_is_read_as_the_header_says() {
    for console in corpus() {
        let mut scanner = Scanner::default();
        scanner.push(console.log.as_bytes());
        assert_eq!(scanner.finish().oom_killed, console.oom_killed, "{}", console.name);
    }
}

#[test]
fn the_corpus_covers_every_kind() {
    let seen: Vec<Kind> =
        corpus().iter().flat_map(|one| scan(one.log.as_bytes())).map(|one| one.kind).collect();
    for kind in Kind::ALL {
        assert!(seen.contains(&kind), "no console shows {kind:?}");
    }
}

#[test]
fn pieces_are_read_as_the_whole_is() {
    for console in corpus() {
        let bytes = console.log.as_bytes();
        for size in [1, 7, 100, 4096] {
            let mut scanner = Scanner::default();
            bytes.chunks(size).for_each(|piece| scanner.push(piece));
            assert_eq!(scanner.finish().splats, scan(bytes), "{} in pieces of {size}", console.name);
        }
    }
}

#[test]
fn ranges_lie_in_the_log_and_start_at_their_report() {
    for console in corpus() {
        for splat in scan(console.log.as_bytes()) {
            let range = splat.range.start as usize..splat.range.end as usize;
            let text = &console.log[range];
            assert!(text.ends_with('\n') && text.lines().count() < 450, "{}: {text}", console.name);
            let again = scan(text.as_bytes());
            assert_eq!(again.first().map(|one| &one.kind), Some(&splat.kind), "{}: {text}", console.name);
        }
    }
}

#[test]
fn a_fatal_splat_is_known_at_its_first_line() {
    let mut scanner = Scanner::default();
    scanner.push(b"[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000010\n");
    assert!(scanner.is_fatal() && !scanner.has_panicked());
    scanner.push(b"[    1.000001] Kernel panic - not syncing: Fatal exception\n");
    assert!(scanner.has_panicked());
}
