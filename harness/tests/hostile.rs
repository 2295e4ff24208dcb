//! What a guest can write, damaged a million times: consoles and the shared region. Nothing may panic, no answer that
//! cannot be read may become a pass, and the time must grow with the bytes and no faster.
//!
//! The full number takes `GAUNTLET_SLOW=1`; without it, and in a build without optimisation, a twentieth runs.

use gauntlet::crash::{Scanner, scan};
use gauntlet::fuzz::{Account, account};
use gauntlet::run::judge::judge_case;
use gauntlet::session::{Answer, ConsoleLog, Death};
use gauntlet_protocol::coverage::{Reader, Store};
use gauntlet_protocol::message::{decode, encode};
use gauntlet_protocol::program::{Programs, Ran, RecordWriter, Records};
use gauntlet_protocol::region::{Layout, MIN_SIZE, header};
use gauntlet_protocol::{CaseReport, ChildExit, FlightRecord, Outcome, Response, frame, stream};
use gauntlet_results::Verdict;
use std::path::Path;
use std::time::Duration;

const FULL: u32 = 1_000_000;

fn rounds() -> u32 {
    if std::env::var_os("GAUNTLET_SLOW").is_some() { FULL } else { FULL / 20 }
}

/// xorshift64*: the test needs variety, not quality, and the same every time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() >> 33) as usize % limit.max(1)
    }
}

fn logs() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/consoles");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|one| one.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| std::fs::read(path).unwrap()).collect()
}

/// A window of a log.
fn window(log: &[u8], random: &mut Random) -> Vec<u8> {
    let start = random.below(log.len());
    log[start..log.len().min(start + 64 + random.below(256))].to_vec()
}

/// Damages bytes in one of the ways a console damages things, or worse.
fn damage(bytes: &mut Vec<u8>, other: &[u8], random: &mut Random) {
    let at = random.below(bytes.len());
    match random.below(7) {
        0 => bytes.truncate(at),
        1 => bytes.insert(at, random.next() as u8),
        2 => drop(bytes.drain(at..bytes.len().min(at + random.below(40)))),
        3 => {
            let piece = &other[random.below(other.len())..];
            bytes.splice(at..at, piece[..piece.len().min(random.below(120))].iter().copied()).for_each(drop);
        }
        4 => bytes.iter_mut().skip(at).take(8).for_each(|byte| *byte ^= 1 << random.below(8)),
        5 => bytes.iter_mut().skip(at).take(4).for_each(|byte| *byte = 0xff),
        _ => bytes.retain(|byte| *byte != b'\n'),
    }
}

#[test]
fn damaged_consoles_never_panic_the_reader() {
    let logs = logs();
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let mut splats = 0;
    for _ in 0..rounds() {
        let mut bytes = window(&logs[random.below(logs.len())], &mut random);
        for _ in 0..=random.below(3) {
            let other = &logs[random.below(logs.len())];
            damage(&mut bytes, other, &mut random);
        }
        for splat in scan(&bytes) {
            assert!(splat.range.start <= splat.range.end && splat.range.end <= bytes.len() as u64);
            assert!(!splat.title.is_empty() && splat.title.len() < 1024);
            assert!(splat.stack.len() <= 64);
            splats += 1;
        }
    }
    assert!(
        splats > rounds() / 50,
        "only {splats} were read as splats: the damage is too great to tell anything"
    );
}

/// Where the answer begins in the tests' region, which leaves out the empty megabytes between.
const ANSWER: usize = 4096;

/// A region as a guest leaves it: header, flight record, and the answer behind them.
fn region(response: &Response) -> Vec<u8> {
    let bytes = encode(response).unwrap();
    let mut region = vec![0; ANSWER];
    let length = (bytes.len() as u32).to_le_bytes();
    region[header::RESPONSE_LENGTH..header::RESPONSE_LENGTH + 4].copy_from_slice(&length);
    region.extend(bytes);
    region
}

/// What the host makes of a region, as a session reads it. Without the checksum, so that damage reaches the decoder.
fn read(layout: Layout, region: &[u8]) -> Result<Response, Death> {
    let length = region[header::RESPONSE_LENGTH..header::RESPONSE_LENGTH + 4].try_into().unwrap();
    let range = layout.response_range(u32::from_le_bytes(length));
    let bytes = range.and_then(|range| region.get(ANSWER..ANSWER + range.len()));
    let bytes = bytes.ok_or_else(|| Death::Garbage("a length".into()))?;
    decode(bytes).map_err(|error| Death::Garbage(error.to_string()))
}

fn responses() -> Vec<Response> {
    let report = |outcome| CaseReport {
        outcome,
        exit: ChildExit::Exited(0),
        taint_before: 0,
        taint_after: 512,
        duration_ns: 1_000_000,
        output: "some output\n".repeat(8),
    };
    vec![
        Response::Case(report(Outcome::Pass)),
        Response::Case(report(Outcome::Fail { message: "expected 3, found 4".into() })),
        Response::Case(report(Outcome::Skip { cause: "no such call".into() })),
        Response::Refused { reason: "no room".into() },
        Response::Fuzz { length: 4096 },
        Response::Symbols { length: 1 << 20 },
    ]
}

#[test]
fn damaged_regions_never_panic_the_host_and_never_become_a_pass() {
    let logs = logs();
    let regions: Vec<Vec<u8>> = responses().iter().map(region).collect();
    let layout = Layout::new(MIN_SIZE).unwrap();
    let mut random = Random(0x1234_5678_9abc_def1);
    for _ in 0..rounds() {
        let whole = &regions[random.below(regions.len())];
        let mut bytes = whole.clone();
        for _ in 0..=random.below(3) {
            // Most bytes are the empty middle: aim at the header and at the answer.
            let at = if random.below(2) == 0 { 0 } else { ANSWER } + random.below(160);
            if let Some(byte) = bytes.get_mut(at) {
                *byte = random.next() as u8;
            }
        }
        let response = read(layout, &bytes);
        let damaged = response.is_err();
        let mut console = ConsoleLog::default();
        if random.below(4) == 0 {
            console.push(&window(&logs[random.below(logs.len())], &mut random));
        }
        let answer = Answer {
            response,
            console,
            flight: FlightRecord::decode(&bytes[..bytes.len().min(512)]),
            elapsed: Duration::from_secs(1),
            starved: Duration::ZERO,
            required: Duration::from_secs(1),
            afterwards: None,
        };
        let verdict = judge_case(&answer).evidence.verdict;
        assert!(!damaged || verdict > Verdict::Pass, "{:?} became {verdict}", answer.response);
        if let (true, Account::Told { crash: None }) = (damaged, account(&answer)) {
            panic!("{:?} is told as a batch that went well", answer.response);
        }
    }
}

/// A coverage file that is in memory.
struct Bytes(Vec<u8>);

impl Store for Bytes {
    fn read_at(&self, offset: usize, into: &mut [u8]) -> std::io::Result<()> {
        let end = offset.saturating_add(into.len());
        into.copy_from_slice(self.0.get(offset..end).ok_or(std::io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn write_at(&mut self, offset: usize, bytes: &[u8]) -> std::io::Result<()> {
        let end = offset.saturating_add(bytes.len());
        self.0.get_mut(offset..end).ok_or(std::io::ErrorKind::UnexpectedEof)?.copy_from_slice(bytes);
        Ok(())
    }

    fn size(&self) -> std::io::Result<usize> {
        Ok(self.0.len())
    }
}

/// One per reader of guest memory: damaged records, programs, streams, frames and coverage.
#[test]
fn damaged_records_never_panic_their_readers() {
    let mut records = vec![0; 1024];
    let mut writer = RecordWriter::new(&mut records, 7);
    let coverage = &[0xffff_ffff_8100_0010, 0xffff_ffff_8100_0020];
    for index in 0..6 {
        assert!(writer.push(&Ran { program: index, flags: 1, micros: 80, results: &[0, 22, 4], coverage }));
    }
    let mut framed = frame::wrap(b"an answer");
    framed.extend(stream::head(stream::Channel::Stdout, 4));
    framed.extend(b"text");
    let mut random = Random(0x0f0f_1e1e_2d2d_3c3c);
    for round in 0..rounds() {
        let whole = if round % 2 == 0 { &records } else { &framed };
        let mut bytes = whole.clone();
        for _ in 0..=random.below(3) {
            damage(&mut bytes, &records, &mut random);
            bytes.push(0);
        }
        let read: usize = Records::new(&bytes, 7).map(|record| record.coverage.len()).sum();
        assert!(read <= bytes.len());
        if let Ok(programs) = Programs::new(&bytes) {
            assert!(programs.count() <= bytes.len());
        }
        let (pieces, used) = stream::pieces(&bytes);
        assert!(pieces.len() <= bytes.len() && used <= bytes.len());
        let mut frames = frame::Reader::default();
        frames.push(&bytes);
        while frames.next_payload().is_some() {}
        let _ = Reader::open(Bytes(bytes));
    }
}

/// CPU time of this thread, which other programs of a busy host hardly touch.
fn time_of(work: impl Fn()) -> f64 {
    let clock = || {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
    };
    let one = || {
        let begun = clock();
        work();
        clock() - begun
    };
    (0..3).map(|_| one()).fold(f64::MAX, f64::min)
}

#[test]
fn the_time_grows_with_the_bytes() {
    let splat = "[    1.000000] BUG: KASAN: use-after-free in foo+0x1/0x2\n[    1.000001] Call Trace:\n";
    let pieces = [
        "[".to_owned(),
        "[    1.000000] ".to_owned(),
        "[    1.000000] WARNING: ".to_owned(),
        "[    1.000000][    T1] BUG \n".to_owned(),
        "BUG: using ".to_owned(),
        "[    1.000000] watchdog: \u{fffd}".to_owned(),
        "foo+0x1/0x2 ".to_owned(),
        "[    1.000000]  foo+0x1/0x2\n".to_owned(),
        "\n".to_owned(),
        " [<ffffffff81000000>]".to_owned(),
        ", at: ".to_owned(),
        splat.to_owned(),
        format!("{splat}{}", "[    1.000002]  memcpy.isra.0+0x1/0x2\n".repeat(70)),
    ];
    for piece in pieces {
        let log =
            |bytes: usize| format!("[    0.000000] go\n{}", piece.repeat(bytes / piece.len())).into_bytes();
        let (short, long) = (log(32 << 10), log(256 << 10));
        let in_pieces = |log: &[u8]| {
            let mut scanner = Scanner::default();
            log.chunks(1000).for_each(|chunk| scanner.push(chunk));
            drop(scanner.finish());
        };
        let (few, many) = (time_of(|| in_pieces(&short)), time_of(|| in_pieces(&long)));
        // Eight times the bytes; a quadratic reader takes 64 times as long.
        assert!(many < few * 24.0 + 0.02, "{piece:?}: {few} s for 32 KiB, {many} s for 256 KiB");
    }
}
