//! Console logs as data: `data/consoles/*.txt`, each headed by what it must be read as.
//!
//! A header line is `# splat [KIND FLAGS… cpu=N task=NAME taint=LETTERS] TITLE`, and after it, where the stack is
//! checked too, `# stack FUNCTION…` with its innermost frames; other `#` lines are remarks.
//! To add a log: put it there without a header, run the test, and judge what it prints.

use gauntlet::crash::{Kind, Scanner, Splat, scan};
use std::fmt::Write;
use std::path::{Path, PathBuf};

struct Console {
    name: String,
    expected: Vec<String>,
    /// The number of a splat, and the functions its stack begins with.
    stacks: Vec<(usize, Vec<String>)>,
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
    let (mut expected, mut stacks) = (Vec::new(), Vec::new());
    for line in header {
        if let Some(splat) = line.strip_prefix("# splat ") {
            expected.push(splat.to_owned());
        } else if let Some(stack) = line.strip_prefix("# stack ") {
            stacks.push((expected.len() - 1, stack.split(' ').map(str::to_owned).collect()));
        }
    }
    Console { name: path.file_stem().unwrap().to_string_lossy().into_owned(), expected, stacks, log }
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

/// xorshift64*: the test needs variety, not quality, and the same every time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit.max(1)
    }
}

/// A window of a log, damaged in one of the ways a console damages things, or worse.
fn mutate(log: &[u8], other: &[u8], random: &mut Random) -> Vec<u8> {
    let start = random.below(log.len());
    let mut bytes = log[start..log.len().min(start + 64 + random.below(256))].to_vec();
    for _ in 0..=random.below(3) {
        let at = random.below(bytes.len());
        match random.below(6) {
            0 => bytes.truncate(at),
            1 => bytes.insert(at, random.below(256) as u8),
            2 => drop(bytes.drain(at..bytes.len().min(at + random.below(40)))),
            3 => {
                let from = random.below(other.len());
                let piece = &other[from..other.len().min(from + random.below(120))];
                bytes.splice(at..at, piece.iter().copied()).for_each(drop);
            }
            4 => bytes.iter_mut().skip(at).take(8).for_each(|byte| *byte ^= 1 << random.below(8)),
            _ => bytes.retain(|byte| *byte != b'\n'),
        }
    }
    bytes
}

/// `GAUNTLET_CONSOLE_MUTATIONS` sets how many.
#[test]
fn damaged_consoles_never_panic_the_reader() {
    let count = std::env::var("GAUNTLET_CONSOLE_MUTATIONS").ok().and_then(|text| text.parse().ok());
    let corpus = corpus();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    for _ in 0..count.unwrap_or(100_000) {
        let (log, other) = (&corpus[random.below(corpus.len())].log, &corpus[random.below(corpus.len())].log);
        let bytes = mutate(log.as_bytes(), other.as_bytes(), &mut random);
        for splat in scan(&bytes) {
            assert!(splat.range.start <= splat.range.end && splat.range.end <= bytes.len() as u64);
            assert!(!splat.title.is_empty() && splat.title.len() < 1024);
        }
    }
}
