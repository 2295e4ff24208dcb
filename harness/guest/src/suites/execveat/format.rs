//! ELF files, scripts, and what is neither.

use super::program::*;
use super::run::*;
use crate::{CaseResult, Context, check_eq};

pub fn file_of_no_format_is_refused(context: &Context) -> CaseResult {
    folder(context)?;
    let good = elf(EXIT_7);
    let with = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        bytes
    };
    let files = [
        ("an empty file", vec![]),
        ("a file of text", b"text\n".to_vec()),
        ("the ELF magic alone", good[..4].to_vec()),
        ("an ELF header cut short", good[..63].to_vec()),
        ("a file without its program headers", good[..64].to_vec()),
        ("a wrong magic", with(0, 0x7e)),
        ("an object file", with(16, 1)),
        ("a program for another machine", with(18, 183)),
        ("program headers of a wrong size", with(54, 55)),
        ("no program headers", with(56, 0)),
    ];
    for (what, bytes) in files {
        let path = install("file", &bytes, 0o755)?;
        exec(libc::AT_FDCWD, &path, 0).refused(&format!("execveat of {what}"), libc::ENOEXEC)?;
    }
    let path = install("file", &good, 0o755)?;
    exec(libc::AT_FDCWD, &path, 0).exits("execveat of the file all of these were made from", 7)
}

pub fn script_gets_its_path_as_argument(context: &Context) -> CaseResult {
    let here = folder(context)?;
    let path = install("script", &script("report"), 0o755)?;
    let mut by_path = exec(libc::AT_FDCWD, &path, 0);
    by_path.arguments = vec![c"ignored".into(), c"one".into(), c"".into(), c"three".into()];
    let report = by_path.reports("execveat of a script")?;
    let mode = script("report");
    let mode = &mode[b"#!/proc/self/exe ".len()..mode.len() - 1];
    let expected: [&[u8]; 6] = [b"/proc/self/exe", mode, b"script", b"one", b"", b"three"];
    check_eq!(report.all("argv"), expected, "arguments of a script's interpreter");
    let relative = exec(number(&here), &path, 0);
    // A path relative to a descriptor reaches the interpreter through it (execveat(2) NOTES).
    keep_open(&here)?;
    let report = relative.reports("execveat of a script relative to a directory")?;
    let expected = format!("/dev/fd/{}/script", number(&here));
    check_eq!(
        report.all("argv").get(2).copied(),
        Some(expected.as_bytes()),
        "script's name for its interpreter"
    );
    Ok(())
}

/// The interpreter could not open /dev/fd/N any more (execveat(2) BUGS).
pub fn script_by_close_on_exec_descriptor_is_refused(context: &Context) -> CaseResult {
    folder(context)?;
    let path = install("script", &script("report"), 0o755)?;
    let closing = open(libc::AT_FDCWD, &path, libc::O_RDONLY)?;
    exec(number(&closing), c"", EMPTY_PATH)
        .refused("execveat of a script by close-on-exec descriptor", libc::ENOENT)?;
    let kept = kept_open(&path, libc::O_RDONLY)?;
    let report = exec(number(&kept), c"", EMPTY_PATH).reports("execveat of a script by descriptor")?;
    let name = format!("/dev/fd/{}", number(&kept));
    check_eq!(report.all("argv").get(2).copied(), Some(name.as_bytes()), "script's name for its interpreter");
    let prefix = format!("{} ", number(&kept));
    let open = report.all("fd").iter().any(|open| open.starts_with(prefix.as_bytes()));
    check_eq!(open, true, "the script is open in its interpreter");
    // A program needs no name, so close-on-exec is no obstacle.
    let program = install("seven", &elf(EXIT_7), 0o755)?;
    let closing = super::program::open(libc::AT_FDCWD, &program, libc::O_RDONLY)?;
    exec(number(&closing), c"", EMPTY_PATH).exits("execveat of a program by close-on-exec descriptor", 7)
}

pub fn interpreter_must_be_executable(context: &Context) -> CaseResult {
    folder(context)?;
    install("data", &elf(EXIT_7), 0o644)?;
    install("seven", &elf(EXIT_7), 0o755)?;
    let scripts: [(&[u8], i32); 6] = [
        (b"#!missing\n", libc::ENOENT),
        (b"#!data\n", libc::EACCES),
        (b"#!.\n", libc::EACCES),
        (b"#!\n", libc::ENOEXEC),
        (b"#!  \t \n", libc::ENOEXEC),
        (b"#", libc::ENOEXEC),
    ];
    for (content, errno) in scripts {
        let path = install("script", content, 0o755)?;
        exec(libc::AT_FDCWD, &path, 0)
            .refused(&format!("execveat of {:?}", content.escape_ascii().to_string()), errno)?;
    }
    for content in [b"#!seven\n".as_slice(), b"#!seven", b"#! \tseven \t\n", b"#!seven argument \n"] {
        let path = install("script", content, 0o755)?;
        exec(libc::AT_FDCWD, &path, 0)
            .exits(&format!("execveat of {:?}", content.escape_ascii().to_string()), 7)?;
    }
    Ok(())
}

/// The kernel reads 256 bytes of a file: `#!`, the interpreter's path and the end of the line must be among them.
/// A path that is cut off must not be executed as if it were whole.
pub fn interpreter_path_of_254_bytes_is_refused(context: &Context) -> CaseResult {
    folder(context)?;
    install("seven", &elf(EXIT_7), 0o755)?;
    for (length, fits) in [(252, true), (253, true), (254, false), (255, false), (1000, false)] {
        let interpreter = format!("{}seven", "./".repeat((length - 5) / 2) + &"/"[..(length - 5) % 2]);
        check_eq!(interpreter.len(), length, "length of the interpreter's path");
        let path = install("script", format!("#!{interpreter}\n").as_bytes(), 0o755)?;
        let what = format!("execveat of a script whose interpreter has {length} bytes");
        let exec = exec(libc::AT_FDCWD, &path, 0);
        if fits { exec.exits(&what, 7)? } else { exec.refused(&what, libc::ENOEXEC)? }
    }
    Ok(())
}

/// Scripts may interpret scripts: five of them, not six.
pub fn sixth_script_in_a_chain_is_refused(context: &Context) -> CaseResult {
    folder(context)?;
    install("link0", &elf(EXIT_ARGC), 0o755)?;
    for depth in 1..=7 {
        install(&format!("link{depth}"), format!("#!link{}\n", depth - 1).as_bytes(), 0o755)?;
    }
    // Each interpreter puts its own path in front.
    exec(libc::AT_FDCWD, c"link1", 0).exits("execveat of a script", 2)?;
    exec(libc::AT_FDCWD, c"link4", 0).exits("execveat of a script four deep", 5)?;
    exec(libc::AT_FDCWD, c"link5", 0).exits("execveat of a script five deep", 6)?;
    exec(libc::AT_FDCWD, c"link6", 0).refused("execveat of a script six deep", libc::ELOOP)?;
    exec(libc::AT_FDCWD, c"link7", 0).refused("execveat of a script seven deep", libc::ELOOP)
}
