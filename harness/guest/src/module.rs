//! Kernel modules made by hand for the running kernel, where nothing but real kernel code will do: live patches, and
//! misbehaviour on purpose.
//!
//! No kernel headers are needed: what depends on the kernel's configuration (the size of `struct module`, where its
//! hooks are, the version text) is taken from a module that was built for this kernel, the [`Donor`].

mod code;
mod donor;
mod elf;

pub use code::{Code, Register};
pub use donor::{DONOR, Donor};

use crate::case::Stop;
use crate::sys::Errno;
use crate::syscall;
use std::ffi::CString;

/// What a module is made of.
#[derive(Debug, Clone, Default)]
pub struct Module {
    pub name: &'static str,
    /// What is said of it beside name, licence and version, as `key=value` (`MODULE_INFO`).
    pub info: Vec<&'static str>,
    /// Machine code; [`Module::init`] and [`Module::exit`] are in it.
    pub text: Code,
    /// Writable data, with the addresses to be filled in.
    pub data: Data,
    /// Where the init function starts in the code.
    pub init: usize,
    /// Where the exit function starts. Without one a module can never be unloaded (delete_module(2) EBUSY).
    pub exit: Option<usize>,
    /// Warnings: places of `ud2` in the code (`struct bug_entry`), with the flags of each.
    pub warnings: Vec<(usize, u16)>,
}

/// What a relocation points at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// An offset in the module's own code.
    Text(usize),
    /// An offset in the module's own data.
    Data(usize),
    /// `struct module` of the module itself.
    ThisModule,
    /// A function of the kernel, exported or not.
    Symbol(&'static str),
}

/// Bytes, and which eight of them are addresses of what.
#[derive(Debug, Clone, Default)]
pub struct Data {
    pub bytes: Vec<u8>,
    pub addresses: Vec<(usize, Target)>,
}

impl Data {
    pub fn zeros(length: usize) -> Data {
        Data { bytes: vec![0; length], addresses: vec![] }
    }

    /// Puts the address of the target there.
    pub fn point(&mut self, offset: usize, target: Target) {
        self.addresses.push((offset, target));
    }

    /// Appends a NUL-terminated text; gives its place.
    pub fn text(&mut self, text: &str) -> usize {
        let place = self.bytes.len();
        self.bytes.extend_from_slice(text.as_bytes());
        self.bytes.push(0);
        place
    }
}

impl Module {
    /// The module as a file for the donor's kernel, whose functions are at these addresses. One that is not there is
    /// left for the kernel to complain about.
    pub fn build(&self, donor: &Donor, address: &dyn Fn(&str) -> Option<u64>) -> Vec<u8> {
        elf::build(self, donor, address)
    }

    /// Builds and loads it. What init returns is what this returns.
    pub fn load(&self, donor: &Donor) -> Result<(), Errno> {
        let symbols = std::fs::read_to_string("/proc/kallsyms").unwrap_or_default();
        load(&self.build(donor, &|name| address(&symbols, name)))
    }

    /// Builds and loads it where nothing but the kernel's permission is in doubt: skips when that is missing.
    pub fn load_or_skip(&self, donor: &Donor) -> Result<(), Stop> {
        self.load(donor).map_err(|errno| match errno.0 {
            libc::EPERM | libc::EKEYREJECTED | libc::ENOKEY => {
                Stop::Skip(format!("the kernel takes no unsigned modules ({errno})"))
            }
            _ => Stop::Broken(format!("set-up: module {}: {errno}; the console may tell why", self.name)),
        })
    }
}

/// The address of a function, from the text of /proc/kallsyms. Addresses instead of imports: a kernel with MODVERSIONS
/// wants to see a checksum of each import, and nobody has those of symbols that no module of its own imports.
fn address(symbols: &str, name: &str) -> Option<u64> {
    let mut lines = symbols.lines().map(|line| line.split_ascii_whitespace());
    let digits = lines.find_map(|mut words| {
        let (digits, kind, found) = (words.next()?, words.next()?, words.next()?);
        (found == name && matches!(kind, "t" | "T" | "w" | "W")).then_some(digits)
    });
    u64::from_str_radix(digits?, 16).ok().filter(|address| *address != 0)
}

/// init_module(2) without parameters.
pub fn load(image: &[u8]) -> Result<(), Errno> {
    // SAFETY: the image and the empty parameters live through the call.
    unsafe { syscall!(libc::SYS_init_module, image.as_ptr(), image.len(), c"".as_ptr()) }.map(drop)
}

/// delete_module(2) that does not wait.
pub fn unload(name: &str) -> Result<(), Errno> {
    let name = CString::new(name).map_err(|_| Errno(libc::EINVAL))?;
    // SAFETY: the name lives through the call.
    unsafe { syscall!(libc::SYS_delete_module, name.as_ptr(), libc::O_NONBLOCK) }.map(drop)
}
