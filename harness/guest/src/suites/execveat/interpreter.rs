//! PT_INTERP: the program that a program asks to be started by (elf(5)).

use super::permission::with_noexec_mount;
use super::program::*;
use super::run::*;
use crate::case::{Stop, setup};
use crate::sys::Errno;
use crate::{CaseResult, Context};

/// Away from the program's own address.
const BASE: u64 = 0x1000_0000;

/// Writable, as the last segment of every real interpreter is: older kernels clear the rest of its last page.
fn interpreter(code: &[u8]) -> Vec<u8> {
    const FLAGS_OF_THE_FIRST_SEGMENT: usize = 64 + 4;
    let mut bytes = elf_at(BASE, code, None);
    bytes[FLAGS_OF_THE_FIRST_SEGMENT] = 7;
    bytes
}

fn program(path: &[u8]) -> Vec<u8> {
    elf_at(0x40_0000, EXIT_ARGC, Some(path))
}

/// The interpreter runs and not the program, and gets the program's arguments.
pub fn program_is_started_by_its_interpreter(context: &Context) -> CaseResult {
    folder(context)?;
    install("seven", &interpreter(EXIT_7), 0o755)?;
    install("count", &interpreter(EXIT_ARGC), 0o755)?;
    for (path, status) in [(b"seven\0".as_slice(), 7), (b"./seven\0", 7), (b"count\0", 3)] {
        let name = install("program", &program(path), 0o755)?;
        let mut exec = exec(libc::AT_FDCWD, &name, 0);
        exec.arguments = vec![c"one".into(), c"two".into(), c"three".into()];
        exec.exits(&format!("execveat of a program with interpreter {}", path.escape_ascii()), status)?;
    }
    Ok(())
}

pub fn interpreter_of_a_program_is_judged_as_a_program(context: &Context) -> CaseResult {
    folder(context)?;
    install("data", &interpreter(EXIT_7), 0o644)?;
    setup("mkdir", std::fs::create_dir("directory").map_err(|_| Errno::last()))?;
    let linked = std::os::unix::fs::symlink("circle", "circle");
    linked.map_err(|error| Stop::Broken(error.to_string()))?;
    let refused: [(&[u8], i32); 5] = [
        (b"missing\0", libc::ENOENT),
        (b"data\0", libc::EACCES),
        (b"directory\0", libc::EACCES),
        (b"data/below\0", libc::ENOTDIR),
        (b"circle\0", libc::ELOOP),
    ];
    for (path, errno) in refused {
        let name = install("program", &program(path), 0o755)?;
        exec(libc::AT_FDCWD, &name, 0)
            .refused(&format!("execveat of a program with interpreter {}", path.escape_ascii()), errno)?;
    }
    Ok(())
}

pub fn interpreter_of_a_program_on_a_noexec_mount_is_refused(context: &Context) -> CaseResult {
    with_noexec_mount(context, || {
        install("home/loader", &interpreter(EXIT_7), 0o755)?;
        let name = install("program", &program(b"noexec/loader\0"), 0o755)?;
        exec(libc::AT_FDCWD, &name, 0)
            .refused("execveat of a program with an interpreter on a noexec mount", libc::EACCES)?;
        let name = install("program", &program(b"home/loader\0"), 0o755)?;
        exec(libc::AT_FDCWD, &name, 0).exits("execveat with the same interpreter on its own mount", 7)
    })
}

pub fn interpreter_of_no_format_is_refused(context: &Context) -> CaseResult {
    folder(context)?;
    let good = interpreter(EXIT_7);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let files = [
        ("of text", vec![b't'; 200]),
        ("that is a script", [b"#!/proc/self/exe\n".as_slice(), &[b' '; 200]].concat()),
        ("of a wrong magic", with(0, 0x7e)),
        ("for another machine", with(18, 183)),
        ("with program headers of a wrong size", with(54, 55)),
    ];
    for (what, bytes) in files {
        install("interpreter", &bytes, 0o755)?;
        let name = install("program", &program(b"interpreter\0"), 0o755)?;
        exec(libc::AT_FDCWD, &name, 0)
            .refused(&format!("execveat of a program with an interpreter {what}"), libc::ELIBBAD)?;
    }
    install("interpreter", &good, 0o755)?;
    exec(libc::AT_FDCWD, c"program", 0).exits("execveat with the interpreter all of these were made from", 7)
}

/// The path must end where its segment ends, with a NUL, and be a path: 2 to 4096 bytes.
pub fn interpreter_path_without_end_is_refused(context: &Context) -> CaseResult {
    folder(context)?;
    install("seven", &interpreter(EXIT_7), 0o755)?;
    let longest = [b"./".repeat(2045), b"seven\0".to_vec()].concat();
    assert_eq!(longest.len(), 4096, "length of the longest path with its NUL");
    let too_long = [b"/".to_vec(), longest.clone()].concat();
    for path in [b"seven".as_slice(), b"seven\0x", b"", b"\0", &too_long] {
        let name = install("program", &program(path), 0o755)?;
        let what = format!("execveat of a program with an interpreter's path of {} bytes", path.len());
        exec(libc::AT_FDCWD, &name, 0).refused(&what, libc::ENOEXEC)?;
    }
    let name = install("program", &program(&longest), 0o755)?;
    exec(libc::AT_FDCWD, &name, 0).exits("execveat with an interpreter's path of 4096 bytes", 7)
}
