//! The seam to git, make and the compiler.

use crate::error::{Error, Result};
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

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

    /// The same, telling each line of both streams, in order, as it comes. They are one in what is left.
    fn watch(&self, call: &Call, line: &mut dyn FnMut(&str)) -> Result<Finished>;
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
        let output = command(call).output().map_err(|error| missing(call, error))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        refuse_interrupted(output.status)?;
        Ok(Finished {
            success: output.status.success(),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        })
    }

    fn watch(&self, call: &Call, line: &mut dyn FnMut(&str)) -> Result<Finished> {
        let trouble =
            |error| Error::infra(format!("cannot follow {}", call.program.display())).because(error);
        let (reader, writer) = std::io::pipe().map_err(trouble)?;
        let mut command = command(call);
        command.stdout(writer.try_clone().map_err(trouble)?).stderr(writer);
        let mut child = command.spawn().map_err(|error| missing(call, error))?;
        // The command holds our copies of the writing end; without it the program's end closes the pipe.
        drop(command);
        let mut all = String::new();
        let mut reader = BufReader::new(reader);
        let mut bytes = Vec::new();
        while reader.read_until(b'\n', &mut bytes).map_err(trouble)? > 0 {
            let text = String::from_utf8_lossy(&bytes);
            line(text.trim_end());
            if all.len() < MOST_OUTPUT {
                all.push_str(&text);
            }
            bytes.clear();
        }
        let status = child.wait().map_err(trouble)?;
        refuse_interrupted(status)?;
        Ok(Finished { success: status.success(), stdout: all, stderr: String::new() })
    }
}

/// Output kept of one program: the first error is what counts, and it is near the beginning of what went wrong.
const MOST_OUTPUT: usize = 64 << 20;

fn command(call: &Call) -> Command {
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
    command
}

/// A Ctrl-C at the terminal reaches the program as well; that it stopped is no failure of the tree.
fn refuse_interrupted(status: ExitStatus) -> Result<()> {
    use std::os::unix::process::ExitStatusExt;
    let by_hand = [Some(rustix::process::Signal::INT.as_raw()), Some(rustix::process::Signal::TERM.as_raw())];
    match by_hand.contains(&status.signal()) {
        true => Err(Error::interrupted()),
        false => Ok(()),
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
    fn both_streams_are_told_in_order_while_they_come() {
        let folder = tempfile::tempdir().unwrap();
        let call = Call::new("sh", folder.path()).arguments(["-c", "echo a; echo b >&2; echo c; printf d"]);
        let mut lines = Vec::new();
        let finished = MachinePrograms.watch(&call, &mut |line| lines.push(line.to_owned())).unwrap();
        assert_eq!(lines, ["a", "b", "c", "d"]);
        assert_eq!((finished.success, finished.stdout.as_str()), (true, "a\nb\nc\nd"));
    }

    #[test]
    fn a_stopped_program_is_no_failed_one() {
        let folder = tempfile::tempdir().unwrap();
        let call = Call::new("sh", folder.path()).arguments(["-c", "kill -INT $$"]);
        assert_eq!(MachinePrograms.run(&call).unwrap_err().kind, crate::Kind::Interrupted);
    }

    #[test]
    fn a_missing_program_comes_with_the_packages_to_install() {
        let error = MachinePrograms.run(&Call::new("gauntlet-no-such-program", Path::new("/"))).unwrap_err();
        assert!(error.hints[0].contains("flex bison"), "{error}");
    }
}
