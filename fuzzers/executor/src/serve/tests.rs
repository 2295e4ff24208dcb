//! These run real system calls of the host, harmless ones, each batch in a process of its own.

use std::sync::{Mutex, PoisonError};

use gauntlet_protocol::program::{
    Argument, BatchWriter, NOT_RUN, PSEUDO_SYSRQ, ProgramWriter, Record, Records, Tier, WINDOW_OFFSET,
};

use super::*;

const COOKIE: u64 = 0x1234_5678_9abc_def0;

struct Nobody;

impl Flight for Nobody {
    fn program(&self, _: u32) {}
    fn call(&self, _: u32) {}
}

fn number(call: libc::c_long) -> u32 {
    u32::try_from(call).unwrap()
}

fn program(tier: Tier, build: impl FnOnce(&mut ProgramWriter)) -> ProgramWriter {
    let mut writer = ProgramWriter::new(tier);
    build(&mut writer);
    writer
}

/// Batches map the same arena: one at a time.
static ALONE: Mutex<()> = Mutex::new(());

fn run(programs: &[ProgramWriter]) -> Vec<Record> {
    let mut batch = BatchWriter::new(COOKIE);
    programs.iter().for_each(|program| batch.push(program));
    let mut results = vec![0; 1 << 20];
    let _alone = ALONE.lock().unwrap_or_else(PoisonError::into_inner);
    let options = Options { kcov: false, dangerous: false };
    let length = serve(&batch.finish(), &mut results, options, &Nobody).unwrap();
    let records: Vec<Record> = Records::new(&results[..length], COOKIE).collect();
    assert_eq!(records.len(), programs.len());
    records
}

/// memfd_create("", 0), write(r0, arena, 4), lseek(r0, 0, SEEK_END), close(r0), close(r0).
fn memfd(writer: &mut ProgramWriter) {
    let file = Argument::Slot { slot: 0, fallback: -1 };
    writer.data(0, b"\0data");
    writer.call(number(libc::SYS_memfd_create), &[Argument::Pointer(0), Argument::Number(0)]);
    writer.call(number(libc::SYS_write), &[file, Argument::Pointer(1), Argument::Number(4)]);
    writer.call(number(libc::SYS_lseek), &[file, Argument::Number(0), Argument::Number(2)]);
    writer.call(number(libc::SYS_close), &[file]);
    writer.call(number(libc::SYS_close), &[file]);
}

#[test]
fn every_tier_gives_the_errors_of_its_calls() {
    let bad = libc::EBADF.cast_unsigned();
    for tier in [Tier::InProcess, Tier::Task, Tier::Process] {
        let records = run(&[program(tier, memfd), program(tier, memfd)]);
        for (index, record) in (0..).zip(records) {
            assert_eq!((record.program, record.flags), (index, 0), "{tier:?}");
            assert_eq!(record.results, [0, 0, 0, 0, bad], "{tier:?}");
        }
    }
}

#[test]
fn descriptors_left_open_are_closed_before_the_next_program() {
    let open = |writer: &mut ProgramWriter| {
        writer.data(0, b"\0");
        writer.call(number(libc::SYS_memfd_create), &[Argument::Pointer(0), Argument::Number(0)]);
    };
    // A limit of 1024 open files would be hit.
    let many: Vec<ProgramWriter> = (0..1500).map(|_| program(Tier::InProcess, open)).collect();
    assert!(run(&many).iter().all(|record| record.results == [0]));
}

#[test]
fn a_task_that_kills_itself_says_so_and_the_next_program_runs() {
    let kill = |writer: &mut ProgramWriter| {
        writer.call(number(libc::SYS_getpid), &[]);
        let me = Argument::Slot { slot: 0, fallback: -1 };
        writer.call(number(libc::SYS_kill), &[me, Argument::Number(9)]);
        writer.call(number(libc::SYS_getpid), &[]);
    };
    for tier in [Tier::InProcess, Tier::Task, Tier::Process] {
        let records = run(&[program(tier, kill), program(Tier::InProcess, memfd)]);
        assert_eq!(records[0].flags, flag::KILLED, "{tier:?}");
        assert_eq!(records[1].results.len(), 5, "{tier:?}");
        if tier != Tier::InProcess {
            assert_eq!(records[0].results, [0, NOT_RUN]);
        }
    }
}

#[test]
fn a_call_that_blocks_is_interrupted() {
    let pause = |writer: &mut ProgramWriter| {
        writer.call(number(libc::SYS_pause), &[]);
        writer.call(number(libc::SYS_getpid), &[]);
    };
    let records = run(&[program(Tier::InProcess, pause), program(Tier::Task, pause)]);
    assert_eq!(records[0].results, [libc::EINTR.cast_unsigned(), 0]);
    assert_eq!(records[1].flags, flag::KILLED | flag::TIMED_OUT);
}

#[test]
fn what_is_mapped_over_the_window_is_gone_in_the_next_program() {
    let window = Argument::Pointer(WINDOW_OFFSET);
    let protect = |writer: &mut ProgramWriter| {
        writer.call(number(libc::SYS_mprotect), &[window, Argument::Number(4096), Argument::Number(0)]);
    };
    let use_it = |writer: &mut ProgramWriter| {
        writer.call(number(libc::SYS_getrandom), &[window, Argument::Number(16), Argument::Number(0)]);
    };
    let records = run(&[program(Tier::InProcess, protect), program(Tier::InProcess, use_it)]);
    assert_eq!(records[0].results, [0]);
    assert_eq!(records[1].results, [0]);
}

#[test]
fn dangerous_calls_do_not_run_unless_allowed() {
    let panic = |writer: &mut ProgramWriter| writer.call(PSEUDO_SYSRQ, &[Argument::Number(0)]);
    let records = run(&[program(Tier::InProcess, panic)]);
    assert_eq!(records[0].results, [libc::ENOSYS.cast_unsigned()]);
}

#[test]
fn garbage_is_refused() {
    let options = Options { kcov: false, dangerous: false };
    assert!(serve(&[1; 100], &mut [0; 100], options, &Nobody).is_err());
}
