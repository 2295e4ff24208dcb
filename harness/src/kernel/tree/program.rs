//! The seam to git, make and the compiler.

use crate::error::{Error, Result};
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// One call of a program: plain data, so that a fake can tell what was meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub program: OsString,
    pub arguments: Vec<OsString>,
    pub directory: PathBuf,
    pub environment: Vec<(&'static str, OsString)>,
}

impl Call {
    pub fn new(program: impl Into<OsString>, directory: &Path) -> Call {
        Call {
            program: program.into(),
            arguments: Vec::new(),
            directory: directory.to_owned(),
            environment: Vec::new(),
        }
    }

    #[must_use]
    pub fn argument(mut self, argument: impl Into<OsString>) -> Call {
        self.arguments.push(argument.into());
        self
    }

    #[must_use]
    pub fn arguments<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Call {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    #[must_use]
    pub fn environment(mut self, name: &'static str, value: impl Into<OsString>) -> Call {
        self.environment.push((name, value.into()));
        self
    }
}

/// What a program left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    pub success: bool,
    pub stdout: String,
    pub stderr: String,
}

/// Runs programs, or plays them.
pub trait Programs {
    /// Waits for the program. Errors: it could not be started.
    fn run(&self, call: &Call) -> Result<Finished>;
}

/// What a surrounding `make test` or git hook exports and what must not reach the build.
const FOREIGN: [&str; 11] = [
    "MAKEFLAGS",
    "MFLAGS",
    "MAKELEVEL",
    "GNUMAKEFLAGS",
    "ARCH",
    "CROSS_COMPILE",
    "KBUILD_OUTPUT",
    "KCONFIG_CONFIG",
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
];

/// The machine's programs.
#[derive(Debug, Clone, Copy, Default)]
pub struct MachinePrograms;

impl Programs for MachinePrograms {
    fn run(&self, call: &Call) -> Result<Finished> {
        let mut command = Command::new(&call.program);
        for name in FOREIGN {
            command.env_remove(name);
        }
        command
            .args(&call.arguments)
            .current_dir(&call.directory)
            .env("LC_ALL", "C")
            .envs(call.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null());
        die_with_us(&mut command);
        let output = command.output().map_err(|error| missing(call, error))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(Finished {
            success: output.status.success(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        })
    }
}

/// A make that outlived us would go on in a build directory that the next invocation takes over. The signal follows
/// the thread, and this one waits for the program.
fn die_with_us(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    let ask = || {
        let signal = Some(rustix::process::Signal::TERM);
        rustix::process::set_parent_process_death_signal(signal).map_err(std::io::Error::from)
    };
    // SAFETY: between fork and exec only prctl(2) is called, which is async-signal-safe, and nothing is allocated.
    unsafe { command.pre_exec(ask) };
}

fn missing(call: &Call, error: std::io::Error) -> Error {
    let name = call.program.to_string_lossy().into_owned();
    let absent = error.kind() == std::io::ErrorKind::NotFound;
    let error = Error::infra(format!("cannot run {name}")).because(error);
    match absent {
        true => error.hint(NEEDED),
        false => error,
    }
}

/// What building a kernel takes (Documentation/process/changes.rst).
pub const NEEDED: &str = "a kernel build needs: apt-get install git make gcc flex bison bc libelf-dev";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_failure_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let call = Call::new("sh", folder.path())
            .arguments(["-c", "echo out; echo $WORD >&2; test -z \"$MAKEFLAGS\" && exit 3"])
            .environment("WORD", "err");
        let finished = MachinePrograms.run(&call).unwrap();
        assert_eq!(finished, Finished { success: false, stdout: "out\n".into(), stderr: "err\n".into() });
    }

    #[test]
    fn a_missing_program_comes_with_the_packages_to_install() {
        let error = MachinePrograms.run(&Call::new("gauntlet-no-such-program", Path::new("/"))).unwrap_err();
        assert!(error.hints[0].contains("flex bison"), "{error}");
    }
}
