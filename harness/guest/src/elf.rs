//! The smallest ELF files there are, made by hand (elf(5)).

const PT_LOAD: u32 = 1;
const PT_INTERP: u32 = 3;
const PT_GNU_STACK: u32 = 0x6474_e551;

/// An x86-64 ELF file of one segment, with the code behind its headers and a stack that is not executable.
pub fn elf(code: &[u8]) -> Vec<u8> {
    elf_at(0x40_0000, code, None)
}

/// The same at another address, and with the path of an interpreter, as it shall stand in the file, NUL included.
pub fn elf_at(base: u64, code: &[u8], interpreter: Option<&[u8]>) -> Vec<u8> {
    let count = 2 + u64::from(interpreter.is_some());
    let headers = 64 + count * 56;
    let path_at = headers + code.len() as u64;
    let path = interpreter.unwrap_or_default();
    let size = path_at + path.len() as u64;
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0".to_vec();
    // e_type EXEC, e_machine X86_64, e_version; then sizes and counts behind the three addresses.
    bytes.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    for word in [base + headers, 64, 0] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend([0, 0, 0, 0, 64, 0, 56, 0, count as u8, 0, 64, 0, 0, 0, 0, 0]);
    // Readable and executable; readable and writable; and the interpreter's path.
    let length = path.len() as u64;
    let segments = [
        (PT_LOAD, 5u32, [0, base, base, size, size, 4096]),
        (PT_GNU_STACK, 6, [0, 0, 0, 0, 0, 16]),
        (PT_INTERP, 4, [path_at, base + path_at, base + path_at, length, length, 1]),
    ];
    for (kind, flags, words) in segments.into_iter().take(count as usize) {
        bytes.extend(kind.to_le_bytes());
        bytes.extend(flags.to_le_bytes());
        words.iter().for_each(|word: &u64| bytes.extend(word.to_le_bytes()));
    }
    bytes.extend(code);
    bytes.extend(path);
    bytes
}

/// The same for no address in particular (ET_DYN): the kernel chooses. Its segment can be written, because the kernel
/// fills an interpreter's last page up with zeros.
pub fn elf_anywhere(code: &[u8], interpreter: Option<&[u8]>) -> Vec<u8> {
    const TYPE: usize = 16;
    const DYN: u8 = 3;
    const FLAGS_OF_FIRST_SEGMENT: usize = 64 + 4;
    const ALL: u8 = 7;
    let mut bytes = elf_at(0, code, interpreter);
    bytes[TYPE] = DYN;
    bytes[FLAGS_OF_FIRST_SEGMENT] = ALL;
    bytes
}
