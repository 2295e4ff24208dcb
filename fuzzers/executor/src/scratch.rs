//! The directory that a program works in, empty at its start.

use std::ffi::CStr;

const PATH: &CStr = c"/tmp/program";
/// The names programs share (see the generator); directories after what is in them.
const NAMES: &[(&CStr, libc::c_int)] = &[
    (c"/tmp/program/a", 0),
    (c"/tmp/program/b", 0),
    (c"/tmp/program/c", 0),
    (c"/tmp/program/e", 0),
    (c"/tmp/program/d/a", 0),
    (c"/tmp/program/d/b", 0),
];
const DIRECTORIES: &[&CStr] = &[
    c"/tmp/program/a",
    c"/tmp/program/b",
    c"/tmp/program/c",
    c"/tmp/program/d/a",
    c"/tmp/program/d/b",
    c"/tmp/program/d",
    c"/tmp/program/e",
];

/// Makes the directory, empty. What a program left under names of its own is moved aside, to be lost with the clone.
pub(crate) fn prepare() {
    // SAFETY: literal paths.
    unsafe {
        if libc::mkdir(PATH.as_ptr(), 0o755) == 0 {
            return;
        }
        if libc::rmdir(PATH.as_ptr()) != 0 {
            for (name, flags) in NAMES {
                libc::unlinkat(libc::AT_FDCWD, name.as_ptr(), *flags);
            }
            for name in DIRECTORIES {
                libc::rmdir(name.as_ptr());
            }
            if libc::rmdir(PATH.as_ptr()) != 0 {
                move_aside();
            }
        }
        libc::mkdir(PATH.as_ptr(), 0o755);
    }
}

fn move_aside() {
    let mut template = *b"/tmp/left-XXXXXX\0";
    // SAFETY: a terminated string of our own, which mkdtemp changes in place; rename replaces the empty directory.
    unsafe {
        if !libc::mkdtemp(template.as_mut_ptr().cast()).is_null() {
            libc::rename(PATH.as_ptr(), template.as_ptr().cast());
        }
    }
}

/// Makes it the calling task's directory.
pub(crate) fn enter() {
    // SAFETY: a literal path.
    unsafe { libc::chdir(PATH.as_ptr()) };
}
