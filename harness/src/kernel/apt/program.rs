//! apt's own programs.

use super::Apt;
use crate::error::{Error, Result};
use crate::kernel::package::Package;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The machine's apt, or, with a configuration file of our own, a private one.
#[derive(Debug, Clone, Default)]
pub struct AptPrograms {
    configuration: Option<PathBuf>,
}

impl AptPrograms {
    /// The apt of the machine with its suites. Needs no privileges to read and to download.
    pub fn of_machine() -> AptPrograms {
        AptPrograms::default()
    }

    /// An apt that reads this file before everything else (`APT_CONFIG`, apt.conf(5)).
    pub fn with_configuration(file: PathBuf) -> AptPrograms {
        AptPrograms { configuration: Some(file) }
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        // Messages are parsed and shown, so they are wanted in one language.
        command.env("LC_ALL", "C");
        if let Some(file) = &self.configuration {
            command.env("APT_CONFIG", file);
        }
        command
    }

    fn run(&self, mut command: Command) -> Result<String> {
        let program = command.get_program().to_string_lossy().into_owned();
        let output = command.output().map_err(|error| missing(&program, error))?;
        match output.status.success() {
            true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
            false => Err(failed(&program, &String::from_utf8_lossy(&output.stderr))),
        }
    }

    /// Fetches the lists of packages.
    pub fn update(&self) -> Result<()> {
        let mut command = self.command("apt-get");
        command.args(["update", "-q"]);
        self.run(command).map(drop)
    }

    /// Asks apt for some of its directories and files (apt.conf(5), DIRECTORIES).
    pub fn places(&self, names: &[&str]) -> Result<BTreeMap<String, PathBuf>> {
        let mut command = self.command("apt-config");
        command.arg("shell");
        for (number, name) in names.iter().enumerate() {
            command.args([format!("P{number}"), (*name).to_owned()]);
        }
        let answer = self.run(command)?;
        Ok(parse_places(&answer, names))
    }
}

/// Reads lines such as `P0='/etc/apt/sources.list'`.
fn parse_places(answer: &str, names: &[&str]) -> BTreeMap<String, PathBuf> {
    let line = |line: &str| {
        let (number, value) = line.strip_prefix('P')?.split_once('=')?;
        let name = names.get(number.parse::<usize>().ok()?)?;
        Some(((*name).to_owned(), PathBuf::from(value.trim_matches('\''))))
    };
    answer.lines().filter_map(line).collect()
}

impl Apt for AptPrograms {
    fn search(&self, pattern: &str) -> Result<String> {
        let mut command = self.command("apt-cache");
        command.args(["search", "--names-only", "--full", pattern]);
        self.run(command)
    }

    fn download(&self, packages: &[&Package], into: &Path) -> Result<()> {
        let mut command = self.command("apt-get");
        command.args(["download", "-q"]).current_dir(into);
        command.args(packages.iter().map(|package| format!("{}={}", package.name, package.version)));
        self.run(command).map(drop)
    }

    /// The machine's lists are its administrator's.
    fn refresh(&self, _least_age: Duration) -> Result<bool> {
        Ok(false)
    }

    fn lists(&self) -> Result<PathBuf> {
        const LISTS: &str = "Dir::State::lists/d";
        self.places(&[LISTS])?
            .remove(LISTS)
            .ok_or_else(|| Error::infra("apt-config does not tell where apt's lists are"))
    }
}

fn missing(program: &str, error: std::io::Error) -> Error {
    let absent = error.kind() == std::io::ErrorKind::NotFound;
    let error = Error::infra(format!("cannot run {program}")).because(error);
    match absent {
        true => error.hint("deb: kernels need a Debian machine; elsewhere name a kernel by path:BZIMAGE"),
        false => error,
    }
}

/// What apt says of itself: its `E:` lines; it warns of much else.
fn failed(program: &str, output: &str) -> Error {
    let errors: Vec<&str> = output.lines().filter_map(|line| line.strip_prefix("E: ")).take(3).collect();
    let message = match errors.is_empty() {
        true => output.lines().last().unwrap_or("no reason given").to_owned(),
        false => errors.join("; "),
    };
    Error::infra(format!("{program}: {message}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_from_shell_assignments() {
        let answer = "P0='/etc/apt/sources.list'\nP1='/var/lib/apt/lists/'\nnoise\n";
        let places = parse_places(answer, &["list", "lists"]);
        assert_eq!(places["list"], Path::new("/etc/apt/sources.list"));
        assert_eq!(places["lists"], Path::new("/var/lib/apt/lists/"));
        assert_eq!(places.len(), 2);
    }

    #[test]
    fn only_errors_of_apt_are_shown() {
        let output = "W: something\nE: Failed to fetch x  404  Not Found\nE: Some files failed\n";
        let error = failed("apt-get", output);
        assert_eq!(error.message, "apt-get: Failed to fetch x  404  Not Found; Some files failed");
    }

    #[test]
    fn a_machine_without_apt_is_told_the_way_out() {
        let error = missing("apt-cache", std::io::ErrorKind::NotFound.into());
        assert!(error.hints[0].contains("path:BZIMAGE"));
    }
}
