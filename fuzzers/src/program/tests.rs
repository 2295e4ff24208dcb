use std::io::Write;
use std::process::Command;

use gauntlet_protocol::program::{ARENA_SIZE, BatchWriter, Operation, Programs};
use proptest::prelude::*;

use super::*;
use crate::generate::{Choices, Generator};

/// Programs as the generator makes them.
fn program() -> impl Strategy<Value = Program> {
    proptest::collection::vec(any::<u8>(), 64..3000)
        .prop_map(|bytes| Generator::new(true).program(&mut Choices::new(&bytes), 12))
}

proptest! {
    #[test]
    fn what_is_printed_is_read_back(program in program()) {
        let text = program.to_string();
        prop_assert_eq!(text.parse::<Program>().map_err(|error| format!("{error}\n{text}")), Ok(program));
    }

    #[test]
    fn removing_and_inserting_keep_a_program_sound(program in program(), at in any::<prop::sample::Index>()) {
        let at = at.index(program.calls.len());
        let mut smaller = program.clone();
        smaller.remove(at);
        prop_assert!(smaller.is_sound(), "{}", smaller);
        prop_assert_eq!(smaller.calls.len() + 1, program.calls.len());
        let close: Program = "close(0xffffffffffffffff)".parse().unwrap();
        let mut larger = smaller.clone();
        larger.insert(at, close.calls[0].clone());
        prop_assert!(larger.is_sound(), "{}", larger);
        larger.remove(at);
        prop_assert_eq!(larger, smaller);
    }

    #[test]
    fn appended_programs_refer_to_their_own_calls(first in program(), second in program()) {
        let mut both = first.clone();
        both.append(&second);
        prop_assert!(both.is_sound());
        let mut back = both.clone();
        for _ in 0..first.calls.len() {
            back.calls.remove(0);
        }
        prop_assert_eq!(both.calls.len() - first.calls.len(), back.calls.len());
    }

    #[test]
    fn encoded_programs_hold_every_call_and_no_malformed_operation(program in program()) {
        let mut batch = BatchWriter::new(1);
        batch.push(&program.encode());
        let bytes = batch.finish();
        let (tier, operations) = Programs::new(&bytes).unwrap().next().unwrap().unwrap();
        prop_assert_eq!(tier, program.tier());
        let operations: Vec<_> = operations.collect::<Result<_, _>>().unwrap();
        let calls = operations.iter().filter(|operation| matches!(operation, Operation::Call { .. })).count();
        prop_assert_eq!(calls, program.calls.len());
    }

    #[test]
    fn garbage_text_is_refused_without_panic(text in ".{0,200}", program in program()) {
        let _ = text.parse::<Program>();
        let spoiled: String = program.to_string().chars().filter(|letter| *letter != ',').collect();
        let _ = spoiled.parse::<Program>();
    }
}

#[test]
fn a_program_reads_like_strace() {
    let text =
        "r0 = memfd_create(\"x\", 0x2)\nwrite$memfd(r0, x\"4100\", 0x2)\nfcntl$add_seals(r0, 0x409, 0xf)\n";
    let program: Program = text.parse().unwrap();
    assert_eq!(program.to_string(), text);
    assert_eq!(program.calls[2].arguments[0], Value::Resource(0));
}

#[test]
fn errors_name_the_line_and_the_choices() {
    let error = "close(0x1)\nmemfd_create$other(\"x\", 0x2)".parse::<Program>().unwrap_err();
    assert_eq!(error.line, 2);
    assert!(error.message.contains("memfd_create$sealable"), "{error}");
    let error = "close(r7)".parse::<Program>().unwrap_err();
    assert!(error.message.contains("r7"), "{error}");
    let error = "r0 = epoll_create1(0x0)\nfcntl$add_seals(r0, 0x409, 0x0)".parse::<Program>().unwrap_err();
    assert!(error.message.contains("another kind"), "{error}");
}

#[test]
fn a_removed_resource_is_replaced_by_one_of_the_same_use() {
    let text = "r0 = memfd_create(\"a\", 0x0)\nr1 = memfd_create(\"b\", 0x0)\nwrite$memfd(r1, \"x\", 0x1)\n";
    let mut program: Program = text.parse().unwrap();
    program.remove(1);
    assert_eq!(program.to_string(), "r0 = memfd_create(\"a\", 0x0)\nwrite$memfd(r0, \"x\", 0x1)\n");
    program.remove(0);
    assert_eq!(program.to_string(), "write$memfd(0xffffffffffffffff, \"x\", 0x1)\n");
}

#[test]
fn data_beyond_the_arena_becomes_a_wild_pointer() {
    let huge = Value::Output(ARENA_SIZE + 1);
    let mut program: Program = "read(0xffffffffffffffff, &0x1, 0x1)".parse().unwrap();
    program.calls[0].arguments[1] = huge;
    let mut batch = BatchWriter::new(1);
    batch.push(&program.encode());
    let bytes = batch.finish();
    let (_, operations) = Programs::new(&bytes).unwrap().next().unwrap().unwrap();
    assert!(operations.collect::<Result<Vec<_>, _>>().is_ok());
}

/// Compiles C with every warning an error, where there is a compiler.
fn compile(source: &str) -> Option<(bool, String)> {
    let mut compiler = Command::new("cc")
        .args(["-Wall", "-Werror", "-x", "c", "-", "-fsyntax-only"])
        .stdin(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .ok()?;
    compiler.stdin.take()?.write_all(source.as_bytes()).ok()?;
    let output = compiler.wait_with_output().ok()?;
    Some((output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned()))
}

#[test]
fn c_source_compiles_without_a_warning() {
    let texts = [
        "sysrq$panic(0x63)",
        "close(0xffffffffffffffff)",
        "r0 = bpf$map_create_plain(0x0, {0x2, 0x4, 0x8, 0x1, 0x0}, 0x14)\n\
         r1 = bpf$load_filter(0x5, {0x1, 0x2, [0x1118@r0, 0x0], \"GPL\", 0x0, 0x0, 0x0, 0x0, 0x0}, 0x30)\n\
         bpf$test_run(0xa, {r1, 0x0, 0xe, 0x100, x\"00\", &0x100, 0x1, 0x0}, 0x28)",
        "execveat(0xffffffffffffff9c, \"a\", (\"a\", \"b\"), (), 0x0)",
    ];
    let mut programs: Vec<Program> = texts.iter().map(|text| text.parse().unwrap()).collect();
    let random: Vec<u8> = (0..40_000u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    programs
        .extend(random.chunks(4000).map(|bytes| Generator::new(true).program(&mut Choices::new(bytes), 30)));
    for program in programs {
        let source = c_source(&program, "kernel BUG at */ mm");
        if let Some((good, errors)) = compile(&source) {
            assert!(good, "{errors}\n{source}");
        }
    }
}
