//! Live patches made by hand (include/linux/livepatch.h).

use crate::case::{CaseResult, Stop, succeeds};
use crate::module::{Code, Data, Donor, Module, Register, Target, unload};
use crate::sys::Errno;
use crate::{check, file};
use std::path::PathBuf;
use std::time::{Duration, Instant};

const FOLDER: &str = "/sys/kernel/livepatch";

/// Where the structures are in a patch's data, with room for the private parts behind the public ones, and for the
/// entries of zeros that end arrays.
const PATCH: usize = 0;
const OBJECT: usize = 1024;
const FUNCTION: usize = 2048;
const STRINGS: usize = 4096;

/// What the new function does.
#[derive(Debug, Clone, Copy)]
pub enum Replacement {
    /// Writes this to the `seq_file` that is its first argument.
    Says(&'static str),
    /// Returns this number.
    Returns(i32),
}

/// A patch of one function of the kernel image.
#[derive(Debug, Clone, Copy)]
pub struct Patch {
    pub name: &'static str,
    pub function: &'static str,
    pub by: Replacement,
    /// All earlier patches are replaced.
    pub replace: bool,
    /// Says that it is a live patch.
    pub marked: bool,
    /// What the callback before patching returns; none: no callbacks.
    pub before: Option<i32>,
}

/// A patch of what `/proc/cmdline` shows.
pub fn of_cmdline(name: &'static str, says: &'static str) -> Patch {
    let by = Replacement::Says(says);
    Patch { name, function: "cmdline_proc_show", by, replace: false, marked: true, before: None }
}

pub fn cmdline() -> Result<String, Stop> {
    std::fs::read_to_string("/proc/cmdline").map_err(|error| Stop::Fail(format!("/proc/cmdline: {error}")))
}

impl Patch {
    /// The module.
    pub fn module(&self) -> Module {
        let mut data = Data::zeros(STRINGS);
        data.point(PATCH, Target::ThisModule);
        data.point(PATCH + 8, Target::Data(OBJECT));
        data.bytes[PATCH + 24] = self.replace.into();
        data.point(OBJECT + 8, Target::Data(FUNCTION));
        let name = data.text(self.function);
        data.point(FUNCTION, Target::Data(name));
        let mut text = Code::default();
        // init: klp_enable_patch(&patch).
        text.enter().address(Register::Rdi, PATCH).call("klp_enable_patch").leave();
        let exit = text.here();
        text.enter().leave();
        data.point(FUNCTION + 8, Target::Text(text.here()));
        match self.by {
            Replacement::Says(line) => {
                let place = data.text(line);
                text.enter().address(Register::Rsi, place).number(Register::Rdx, line.len() as i32);
                text.call("seq_write").number(Register::Rax, 0).leave();
            }
            Replacement::Returns(value) => {
                text.enter().number(Register::Rax, value).leave();
            }
        }
        if let Some(result) = self.before {
            callbacks(&mut data, &mut text, result);
        }
        let info = if self.marked { vec!["livepatch=Y"] } else { vec![] };
        Module { name: self.name, info, text, data, init: 0, exit: Some(exit), warnings: vec![] }
    }

    /// Loads the module; fails as its init does.
    pub fn try_apply(&self, donor: &Donor) -> Result<(), Errno> {
        self.module().load(donor)
    }

    /// Loads the module and waits for the end of the transition.
    pub fn apply(&self, donor: &Donor) -> CaseResult {
        self.start(donor)?;
        self.settle("patched in")
    }

    /// Loads the module; the transition may go on.
    pub fn start(&self, donor: &Donor) -> CaseResult {
        self.module().load_or_skip(donor)
    }

    pub fn folder(&self) -> PathBuf {
        PathBuf::from(FOLDER).join(self.name)
    }

    pub fn is_there(&self) -> bool {
        self.folder().exists()
    }

    /// An attribute; none when the patch is not there.
    pub fn attribute(&self, name: &str) -> Option<String> {
        Some(std::fs::read_to_string(self.folder().join(name)).ok()?.trim().to_owned())
    }

    /// The attribute must have this value.
    pub fn shows(&self, name: &str, value: &str, when: &str) -> CaseResult {
        let found = self.attribute(name);
        check!(found.as_deref() == Some(value), "{when}: {name} is {found:?}, expected {value}");
        Ok(())
    }

    pub fn set(&self, name: &str, value: &str) -> Result<(), Errno> {
        let path = format!("{}/{name}", self.folder().display());
        let path = std::ffi::CString::new(path).map_err(|_| Errno(libc::EINVAL))?;
        let fd = file::open_at(libc::AT_FDCWD, &path, libc::O_WRONLY | libc::O_CLOEXEC, 0)?;
        file::write(&fd, value.as_bytes()).map(drop)
    }

    /// Waits until no transition goes on.
    pub fn settle(&self, what: &str) -> CaseResult {
        eventually(&format!("{} is not {what}: its transition does not end", self.name), || {
            self.attribute("transition").is_none_or(|text| text == "0")
        })
    }

    /// Switches the patch off and waits until it is gone.
    pub fn disable(&self) -> CaseResult {
        succeeds(&format!("enabled=0 of {}", self.name), self.set("enabled", "0"))?;
        eventually(&format!("{} is still there after it was disabled", self.name), || !self.is_there())
    }

    /// Switches the patch off and unloads the module.
    pub fn remove(&self) -> CaseResult {
        self.disable()?;
        self.unload()
    }

    /// Unloads the module of a patch that is off; the kernel lets go of it a little later than it says.
    pub fn unload(&self) -> CaseResult {
        eventually(&format!("the module of {} cannot be unloaded", self.name), || unload(self.name).is_ok())
    }
}

/// Callbacks around patching (`struct klp_callbacks`): each says its name, and the first returns the result.
fn callbacks(data: &mut Data, text: &mut Code, result: i32) {
    for (index, said) in CALLBACKS.into_iter().enumerate() {
        data.point(OBJECT + 16 + index * 8, Target::Text(text.here()));
        let line = data.text(said);
        text.enter().address(Register::Rdi, line).number(Register::Rax, 0).call("_printk");
        text.number(Register::Rax, if index == 0 { result } else { 0 }).leave();
    }
}

/// What the callbacks say in the kernel's log.
pub const CALLBACKS: [&str; 4] = [
    "klp test: pre-patch\n",
    "klp test: post-patch\n",
    "klp test: pre-unpatch\n",
    "klp test: post-unpatch\n",
];

/// Waits for what must come, for as long as it may take on a slow machine.
pub fn eventually(complaint: &str, mut there: impl FnMut() -> bool) -> CaseResult {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !there() {
        check!(Instant::now() < deadline, "{complaint}");
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
