//! Where a program's parts lie: everything that moves does so for itself.

use super::facts::*;
use crate::case::{Stop, setup};
use crate::child::needs_root;
use crate::elf::elf_anywhere;
use crate::sys::Errno;
use crate::{CaseResult, Context, check, check_eq};
use std::collections::BTreeSet;
use std::ffi::CString;
use std::os::unix::fs::PermissionsExt;

const SETTING: &str = "/proc/sys/kernel/randomize_va_space";
const RUNS: usize = 8;

/// What is looked at: the names of mappings, and of two files that the kernel places, the latter as any mapping.
const PARTS: [&str; 5] = ["[stack]", "[vdso]", "[heap]", "program", "library"];

/// How many different places each part has over some executions.
type Places = [usize; PARTS.len()];

/// `mov eax, 1; mov edi, 1; mov rsi, rsp; mov edx, 1024; syscall`: writes what the kernel left on the stack. Then
/// `mov eax, 60; xor edi, edi; syscall`.
const WRITE_STACK: &[u8] = &[
    0xb8, 1, 0, 0, 0, 0xbf, 1, 0, 0, 0, 0x48, 0x89, 0xe6, 0xba, 0, 4, 0, 0, 0x0f, 0x05, 0xb8, 60, 0, 0, 0,
    0x31, 0xff, 0x0f, 0x05,
];

/// A program that may lie anywhere, with an interpreter that may, too, and runs in its place.
struct Program {
    path: CString,
    /// So long that all that is written lies below the end of the stack.
    name: CString,
}

impl Program {
    fn new(context: &Context) -> Result<Program, Stop> {
        let place = |name: &str, bytes: &[u8]| {
            let path = context.scratch.join(name);
            let written = std::fs::write(&path, bytes)
                .and_then(|()| std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)));
            setup("a program", written.map_err(|error| Errno(error.raw_os_error().unwrap_or(0))))?;
            Ok::<CString, Stop>(CString::new(path.as_os_str().as_encoded_bytes()).expect("no NUL"))
        };
        let library = place("library", &elf_anywhere(WRITE_STACK, None))?;
        let program = elf_anywhere(WRITE_STACK, Some(library.as_bytes_with_nul()));
        let path = place("program", &program)?;
        Ok(Program { path, name: CString::new("a".repeat(1024)).expect("no NUL") })
    }

    /// Where the kernel says that it put the program and its interpreter (getauxval(3)).
    fn places(&self, personality: u64) -> Result<[u64; 2], Stop> {
        const AT_BASE: u64 = 7;
        const AT_ENTRY: u64 = 9;
        let stack = executed(&self.path, &self.name, personality)?;
        let words: Vec<u64> =
            stack.chunks_exact(8).map(|word| u64::from_le_bytes(word.try_into().expect("eight"))).collect();
        // Behind argc, one argument, and the ends of arguments and environment.
        let pairs = || words.iter().skip(4).step_by(2).zip(words.iter().skip(5).step_by(2));
        let value = |key| {
            let found = pairs().find(|(found, _)| **found == key).map(|(_, value)| *value);
            found.ok_or_else(|| Stop::Broken(format!("no {key} in an auxiliary vector: {words:x?}")))
        };
        Ok([value(AT_ENTRY)?, value(AT_BASE)?])
    }
}

fn places(program: &Program, personality: u64) -> Result<Places, Stop> {
    let mut seen: [BTreeSet<u64>; PARTS.len()] = Default::default();
    for _ in 0..RUNS {
        let maps = fresh_maps(personality)?;
        let own = program.places(personality)?;
        let named = |name| {
            start_of(&maps, name).ok_or_else(|| Stop::Broken(format!("no {name} in a memory map:\n{maps}")))
        };
        for (seen, part) in seen.iter_mut().zip(PARTS) {
            seen.insert(match part {
                "program" => own[0],
                "library" => own[1],
                name => named(name)?,
            });
        }
    }
    Ok(seen.map(|starts| starts.len()))
}

/// With thousands of places two of eight may meet; that half of them do is no chance.
fn are_random(places: Places, but: &str, when: &str) -> CaseResult {
    for (count, part) in places.into_iter().zip(PARTS).filter(|(_, part)| *part != but) {
        check!(count > RUNS / 2, "{count} different places of {part} in {RUNS} executions {when}");
    }
    Ok(())
}

pub fn programs_are_laid_out_at_random(context: &Context) -> CaseResult {
    const ADDR_NO_RANDOMIZE: u64 = 0x004_0000;
    const ONE: Places = [1; PARTS.len()];
    needs_root()?;
    let program = Program::new(context)?;
    check_eq!(read(SETTING)?, "2", "kernel.randomize_va_space after boot");
    are_random(places(&program, 0)?, "", "after boot")?;
    let fixed = places(&program, ADDR_NO_RANDOMIZE)?;
    check_eq!(fixed, ONE, "different places of {PARTS:?} under ADDR_NO_RANDOMIZE");
    set(SETTING, "1")?;
    are_random(places(&program, 0)?, "[heap]", "under randomize_va_space 1")?;
    set(SETTING, "0")?;
    let fixed = places(&program, 0)?;
    set(SETTING, "2")?;
    check_eq!(fixed, ONE, "different places of {PARTS:?} under randomize_va_space 0");
    Ok(())
}
