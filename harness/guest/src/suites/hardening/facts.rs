//! What the kernel says of itself.

use crate::case::{CaseResult, Stop, setup};
use crate::child::{self, Ending};
use crate::helper;
use crate::sys::read_all;
use crate::syscall;
use std::ffi::{CStr, CString};
use std::os::fd::AsRawFd;

pub fn read(path: &str) -> Result<String, Stop> {
    let text = std::fs::read_to_string(path).map_err(|error| Stop::Broken(format!("{path}: {error}")))?;
    Ok(text.trim_end().to_owned())
}

pub fn number(path: &str) -> Result<u64, Stop> {
    let text = read(path)?;
    text.parse().map_err(|_| Stop::Broken(format!("{path} holds {text:?}, which is no number")))
}

/// Writes a setting, which must work.
pub fn set(path: &str, value: &str) -> CaseResult {
    std::fs::write(path, value).map_err(|error| Stop::Broken(format!("{value} in {path}: {error}")))
}

/// The kernel's log since boot.
pub fn log() -> Result<String, Stop> {
    const READ_ALL: u64 = 3;
    let mut bytes = vec![0u8; 4 << 20];
    // SAFETY: the buffer is ours and as long as said.
    let read = unsafe { syscall!(libc::SYS_syslog, READ_ALL, bytes.as_mut_ptr(), bytes.len()) };
    bytes.truncate(setup("syslog", read)? as usize);
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// Whether the kernel's command line has this word, or one that begins so and goes on with `=`.
pub fn commanded(word: &str) -> bool {
    let line = std::fs::read_to_string("/proc/cmdline").unwrap_or_default();
    line.split_whitespace()
        .any(|one| one.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with('=')))
}

/// The address of a symbol.
pub fn symbol(name: &str) -> Result<u64, Stop> {
    let text = read("/proc/kallsyms")?;
    let address = |line: &str| {
        let mut words = line.split_whitespace();
        let address = u64::from_str_radix(words.next()?, 16).ok()?;
        (words.nth(1)? == name).then_some(address)
    };
    let found = text.lines().find_map(address);
    found
        .filter(|&address| address != 0)
        .ok_or_else(|| Stop::Broken(format!("no address of {name} in /proc/kallsyms")))
}

/// What a program writes to its standard output that is executed under this personality, without an environment.
pub fn executed(path: &CStr, name: &CStr, personality: u64) -> Result<Vec<u8>, Stop> {
    let (reader, writer) = child::pipe()?;
    let ending = child::run(|| {
        let arguments = [name.as_ptr(), std::ptr::null()];
        // SAFETY: path and lists live through the calls, of which the last does not return.
        unsafe {
            setup("personality", syscall!(libc::SYS_personality, personality))?;
            setup("dup2", syscall!(libc::SYS_dup2, writer.as_raw_fd(), 1))?;
            let failed =
                syscall!(libc::SYS_execve, path.as_ptr(), arguments.as_ptr(), &raw const arguments[1]);
            setup("execve", failed).map(drop)
        }
    });
    drop(writer);
    let said = read_all(&reader);
    match ending? {
        Ending::Exited(0) => setup("read", said),
        Ending::Returned(Err(stop)) => Err(stop),
        other => Err(Stop::Broken(format!("the program ended so: {other:?}"))),
    }
}

/// The memory map of a freshly executed program: this one, as a helper.
pub fn fresh_maps(personality: u64) -> Result<String, Stop> {
    let name = CString::new(format!("{}maps", helper::PREFIX)).expect("no NUL");
    let said = executed(c"/proc/self/exe", &name, personality)?;
    Ok(String::from_utf8_lossy(&said).into_owned())
}

/// Where the mapping of this name begins.
pub fn start_of(maps: &str, name: &str) -> Option<u64> {
    let line = maps.lines().find(|line| line.split_whitespace().last() == Some(name))?;
    u64::from_str_radix(line.split('-').next()?, 16).ok()
}
