//! The same bytes without entering the kernel: `__vdso_getrandom`, since 6.11 (vdso(7); lib/vdso/getrandom.c says what
//! it owes). Here, unlike in the call, there is state in the process: so it could be repeated.

use super::calls::{INSECURE, NONBLOCK, RANDOM};
use crate::case::{Stop, setup};
use crate::mapping::{Mapping, PAGE};
use crate::sys::{Errno, read_all};
use crate::{CaseResult, Context, check, check_eq, child, skip};
use std::collections::BTreeSet;

type Function = unsafe extern "C" fn(*mut u8, usize, u32, *mut u8, usize) -> isize;

const NAME: &[u8] = b"__vdso_getrandom";

/// The function with a state of its own.
struct Generator {
    function: Function,
    state: Mapping,
    size: usize,
}

impl Generator {
    /// Skips where the kernel offers no such function.
    fn new() -> Result<Generator, Stop> {
        let Some(address) = find(NAME) else { skip!("missing symbol: __vdso_getrandom") };
        // SAFETY: the kernel put this function there, and this is its type.
        let function = unsafe { std::mem::transmute::<usize, Function>(address) };
        // struct vgetrandom_opaque_params: size of a state, protection and flags of its mapping.
        let mut parameters = [0u32; 16];
        // SAFETY: with this length the function only writes the parameters.
        let asked =
            unsafe { function(std::ptr::null_mut(), 0, 0, parameters.as_mut_ptr().cast(), usize::MAX) };
        check_eq!(asked, 0, "answer of __vdso_getrandom asked for its parameters");
        let [size, protection, flags, ..] = parameters;
        let state = Mapping::without_file(size as usize, protection as i32, flags as i32);
        Ok(Generator { function, state: setup("mmap of a generator's state", state)?, size: size as usize })
    }

    fn draw(&self, buffer: &mut [u8], flags: u32) -> Result<usize, Errno> {
        let state = self.state.address() as *mut u8;
        // SAFETY: buffer and state are ours and as long as said.
        let n = unsafe { (self.function)(buffer.as_mut_ptr(), buffer.len(), flags, state, self.size) };
        usize::try_from(n).map_err(|_| Errno(-n as i32))
    }

    fn bytes(&self) -> Result<[u8; 32], Stop> {
        let mut bytes = [0; 32];
        check_eq!(self.draw(&mut bytes, 0), Ok(32), "__vdso_getrandom of 32 bytes");
        Ok(bytes)
    }
}

/// Address of a function of the vDSO: the symbols lie between the symbol table and the names (elf(5)).
fn find(name: &[u8]) -> Option<usize> {
    // SAFETY: takes no pointers.
    let base = unsafe { libc::getauxval(libc::AT_SYSINFO_EHDR) } as usize;
    if base == 0 {
        return None;
    }
    // SAFETY: the kernel maps a whole, sound ELF file there, for as long as the process lives; all that is read lies
    // in it.
    unsafe {
        let word = |address: usize| (address as *const u64).read_unaligned() as usize;
        let half = |address: usize| (address as *const u16).read_unaligned() as usize;
        let segments = (0..half(base + 56)).map(|number| base + word(base + 32) + number * 56);
        const PT_DYNAMIC: u32 = 2;
        let dynamic = segments.into_iter().find(|at| (*at as *const u32).read_unaligned() == PT_DYNAMIC)?;
        let dynamic = base + word(dynamic + 16);
        const DT_STRTAB: usize = 5;
        const DT_SYMTAB: usize = 6;
        let entry = |tag: usize| {
            let mut entries = (0..).map(|number| dynamic + number * 16).take_while(|at| word(*at) != 0);
            entries.find(|at| word(*at) == tag).map(|at| base + word(at + 8))
        };
        let (names, symbols) = (entry(DT_STRTAB)?, entry(DT_SYMTAB)?);
        let is_it = |symbol: &usize| {
            let at = names + (*symbol as *const u32).read_unaligned() as usize;
            std::ffi::CStr::from_ptr(at as *const libc::c_char).to_bytes() == name
        };
        let symbol = (symbols..names).step_by(24).find(is_it)?;
        Some(base + word(symbol + 8))
    }
}

pub fn vdso_delivers_every_length(_: &Context) -> CaseResult {
    let generator = Generator::new()?;
    const GUARD: usize = 64;
    for flags in [0, NONBLOCK, RANDOM, INSECURE] {
        for length in [0, 1, 7, 8, 31, 32, 33, 63, 64, 65, 95, 96, 97, 255, 256, 257, 4095, 4096, 4097] {
            let mut changed = vec![false; length + 2 * GUARD];
            // A byte equals its canary in all rounds with probability 2^-64.
            for canary in 0..8 {
                let mut buffer = vec![canary; changed.len()];
                let drawn = generator.draw(&mut buffer[GUARD..GUARD + length], flags);
                check_eq!(drawn, Ok(length), "__vdso_getrandom of {length} bytes with flags {flags:#x}");
                changed.iter_mut().zip(&buffer).for_each(|(changed, &byte)| *changed |= byte != canary);
            }
            let inside = GUARD..GUARD + length;
            let wrong = (0..changed.len()).find(|&at| changed[at] != inside.contains(&at));
            let wrong = wrong.map(|at| at as isize - GUARD as isize);
            check_eq!(wrong, None, "first byte wrongly written or left, by offset, for {length} bytes");
        }
    }
    Ok(())
}

/// Not by one state, not by two, and not around the end of what a state holds in store.
pub fn vdso_repeats_nothing(_: &Context) -> CaseResult {
    let generators = [Generator::new()?, Generator::new()?];
    let mut seen = BTreeSet::new();
    for number in 0..200 {
        for generator in &generators {
            check!(seen.insert(generator.bytes()?), "draw {number} of 32 bytes repeats an earlier one");
        }
    }
    let mut long = vec![0; 1 << 14];
    check_eq!(generators[0].draw(&mut long, 0), Ok(long.len()), "__vdso_getrandom of 16 KiB");
    for block in long.chunks_exact(32) {
        check!(seen.insert(block.try_into().expect("32 bytes")), "32 bytes of 16 KiB have been drawn before");
    }
    Ok(())
}

/// A child inherits the state's memory, which must not make it draw what its parent or sibling draws.
pub fn vdso_state_is_not_shared_with_a_child(_: &Context) -> CaseResult {
    let generator = Generator::new()?;
    let mut seen = BTreeSet::from([generator.bytes()?]);
    for number in 0..4 {
        let (reader, writer) = child::pipe()?;
        child::isolated(|| {
            child::write_all(&writer, &generator.bytes()?);
            Ok(())
        })?;
        drop(writer);
        let drawn = setup("read of the child's bytes", read_all(&reader))?;
        let drawn: [u8; 32] =
            drawn.try_into().map_err(|_| Stop::Broken("a child wrote not 32 bytes".into()))?;
        check!(seen.insert(drawn), "child {number} drew bytes that were drawn before");
    }
    check!(seen.insert(generator.bytes()?), "the parent drew bytes that a child has drawn");
    Ok(())
}

/// Who comes to see the process's memory afterwards finds nothing that was drawn before: not a part of it, either.
pub fn vdso_state_forgets_what_it_dealt_out(_: &Context) -> CaseResult {
    const PART: usize = 8;
    let generator = Generator::new()?;
    for length in [32, 100, 17, 1000] {
        let mut drawn = vec![0; length];
        check_eq!(generator.draw(&mut drawn, 0), Ok(length), "__vdso_getrandom of {length} bytes");
        let state: Vec<u8> = (0..generator.size).map(|at| generator.state.peek(at)).collect();
        let parts: BTreeSet<&[u8]> = state.windows(PART).collect();
        let kept = drawn.windows(PART).position(|part| parts.contains(part));
        check_eq!(kept, None, "first of {length} drawn bytes that the state still holds");
    }
    Ok(())
}

/// A state of an unexpected size (checkpoint/restore onto another kernel) is no error: the call does it then.
pub fn vdso_refuses_unknown_flags_and_torn_states(_: &Context) -> CaseResult {
    let mut generator = Generator::new()?;
    let mut buffer = [0xa5; 64];
    for flags in [8, 1 << 31, 8 | NONBLOCK, 1 << 16 | INSECURE] {
        let refused = generator.draw(&mut buffer, flags);
        check_eq!(refused, Err(Errno(libc::EINVAL)), "__vdso_getrandom with flags {flags:#x}");
    }
    let torn = (generator.state.address() as usize + PAGE - 8) as *mut u8;
    // SAFETY: a state that is not in one page is not to be touched.
    let refused = unsafe { (generator.function)(buffer.as_mut_ptr(), 64, 0, torn, generator.size) };
    check_eq!(refused, -(libc::EFAULT as isize), "__vdso_getrandom with a state across two pages");
    check_eq!(buffer, [0xa5; 64], "buffer after refused calls");
    generator.size -= 1;
    let mut seen = BTreeSet::new();
    for _ in 0..4 {
        check!(seen.insert(generator.bytes()?), "a state of another size draws the same bytes again");
    }
    Ok(())
}
