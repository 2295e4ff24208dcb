//! Making, replacing and ending processes.

use super::{Operation, Workload};
use crate::Problem;
use crate::problem::needs;
use crate::sys::{memfd, syscall};
use std::ffi::c_void;
use std::os::fd::{AsRawFd, OwnedFd};

pub static VFORK_EXIT: Workload = Workload {
    name: "vfork_exit",
    about: "vfork a child that exits at once, and wait for it",
    cites: "vfork(2), wait(2)",
    operations: 300,
    setup: || child(None),
};

pub static EXECVEAT_MEMFD: Workload = Workload {
    name: "execveat_memfd",
    about: "vfork a child that executes a static program in a memfd, and wait for its exit",
    cites: "execveat(2)",
    operations: 300,
    setup: || child(Some(memfd(libc::MFD_CLOEXEC, &tiny_program())?)),
};

fn child(program: Option<OwnedFd>) -> Result<Box<dyn Operation>, Problem> {
    let number = program.as_ref().map_or(-1, AsRawFd::as_raw_fd);
    let mut operation = Exec { child: Child::new(exec_or_exit, number as usize), _program: program };
    needs("execveat", operation.run())?;
    Ok(Box::new(operation))
}

struct Exec {
    child: Child,
    _program: Option<OwnedFd>,
}

impl Operation for Exec {
    fn run(&mut self) -> i64 {
        self.child.run()
    }
}

/// The child: executes the program, if any; exits with 0, or with the error as its status.
extern "C" fn exec_or_exit(program: *mut c_void) -> i32 {
    let program = program as usize as i32;
    if program < 0 {
        return 0;
    }
    let arguments = [c"program".as_ptr(), std::ptr::null()];
    // SAFETY: arguments and (empty) environment end with a null pointer.
    let error = unsafe {
        syscall!(
            libc::SYS_execveat,
            program,
            c"".as_ptr(),
            arguments.as_ptr(),
            &raw const arguments[1],
            libc::AT_EMPTY_PATH
        )
    };
    -error as i32
}

const STACK: usize = 64 << 10;

/// A child that shares our memory while we wait for it: what vfork(2) does, with a stack of its own, because
/// a function cannot return twice in Rust.
pub struct Child {
    stack: Vec<u8>,
    entry: extern "C" fn(*mut c_void) -> i32,
    argument: usize,
}

impl Child {
    /// `entry` runs in the child; what it returns is the child's exit status, 0 for success or an errno.
    pub fn new(entry: extern "C" fn(*mut c_void) -> i32, argument: usize) -> Child {
        Child { stack: vec![0; STACK], entry, argument }
    }
}

impl Operation for Child {
    fn run(&mut self) -> i64 {
        let top = self.stack.as_mut_ptr_range().end.map_addr(|end| end & !15);
        let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
        // SAFETY: the stack is ours alone until the child is gone, since CLONE_VFORK suspends us until then.
        let pid = unsafe { libc::clone(self.entry, top.cast(), flags, self.argument as *mut c_void) };
        if pid < 0 {
            return -i64::from(std::io::Error::last_os_error().raw_os_error().unwrap_or(libc::EIO));
        }
        let mut status = 0;
        // SAFETY: `status` is ours.
        let waited = unsafe { syscall!(libc::SYS_wait4, pid, &raw mut status, 0, 0) };
        if waited < 0 { waited } else { -i64::from(status >> 8 & 0xff) }
    }
}

/// `exit(0)` as the smallest static ELF: one header, one segment, seven bytes of code.
/// Source: elf(5).
fn tiny_program() -> Vec<u8> {
    const LOAD_ADDRESS: u64 = 0x40_0000;
    const CODE: [u8; 8] = [0x31, 0xff, 0x6a, 0x3c, 0x58, 0x0f, 0x05, 0x90]; // xor edi,edi; push 60; pop rax; syscall
    const HEADERS: u64 = 64 + 56;
    let mut image = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let mut push = |words: &[(u64, usize)]| {
        words.iter().for_each(|(word, size)| image.extend_from_slice(&word.to_le_bytes()[..*size]));
    };
    // e_type EXEC, e_machine X86_64, e_version, e_entry, e_phoff, e_shoff, e_flags, sizes and counts.
    push(&[(2, 2), (62, 2), (1, 4), (LOAD_ADDRESS + HEADERS, 8), (64, 8), (0, 8), (0, 4)]);
    push(&[(64, 2), (56, 2), (1, 2), (0, 2), (0, 2), (0, 2)]);
    // p_type LOAD, p_flags R+X, p_offset, p_vaddr, p_paddr, p_filesz, p_memsz, p_align.
    let size = HEADERS + CODE.len() as u64;
    push(&[(1, 4), (5, 4), (0, 8), (LOAD_ADDRESS, 8), (LOAD_ADDRESS, 8), (size, 8), (size, 8), (4096, 8)]);
    image.extend_from_slice(&CODE);
    image
}
