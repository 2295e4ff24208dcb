//! The random number generator.

use super::{Operation, Workload};
use crate::Problem;
use crate::problem::needs;
use crate::sys::syscall;

pub static GETRANDOM_16: Workload = Workload {
    name: "getrandom_16",
    about: "16 random bytes",
    cites: "getrandom(2)",
    operations: 1000,
    setup: || getrandom(16),
};

pub static GETRANDOM_4K: Workload = Workload {
    name: "getrandom_4k",
    about: "4096 random bytes",
    cites: "getrandom(2)",
    operations: 500,
    setup: || getrandom(4096),
};

fn getrandom(length: usize) -> Result<Box<dyn Operation>, Problem> {
    let mut buffer = vec![0u8; length];
    let mut fill = move || {
        // SAFETY: the buffer is as long as said.
        unsafe { syscall!(libc::SYS_getrandom, buffer.as_mut_ptr(), buffer.len()) }
    };
    needs("getrandom", fill())?;
    Ok(Box::new(fill))
}
