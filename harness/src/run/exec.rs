//! A command of the user's in a guest: packed once, executed in as many clones as wanted.

use super::judge::judge_death;
use super::luggage::Luggage;
use crate::Result;
use crate::image::filesystem::{self, DiskKind};
use crate::image::program::{Packer, find};
use crate::session::{Answer, Failure, Guest, GuestOptions, Session};
use gauntlet_protocol::region::{BULK_OFFSET, header};
use gauntlet_protocol::stream::{self, Channel};
use gauntlet_protocol::{ChildExit, DiskRequest, ExecRequest, Request, Response};
use gauntlet_qemu::Region;
use gauntlet_results::Evidence;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

/// A command that can run in clones of any kernel.
#[derive(Debug)]
pub struct PackedCommand {
    command: CommandLine,
    request: ExecRequest,
    /// What a kernel gets that cannot see the host's files: made when first needed.
    archive: OnceLock<Vec<u8>>,
}

/// What to pack.
#[derive(Debug, Clone, Default)]
pub struct CommandLine {
    pub argv: Vec<String>,
    /// Further programs that the command may start.
    pub programs: Vec<String>,
    /// Further files and folders.
    pub files: Vec<PathBuf>,
    /// Standard input.
    pub input: Vec<u8>,
    /// Where the command starts; in our own working directory unless it is said.
    pub directory: Option<PathBuf>,
    /// Where in the guest's /tmp a copy of the directory is made, which the command may write, and starts in.
    pub workplace: Option<String>,
    pub timeout: Duration,
    /// Give the command the second serial port as its terminal.
    pub terminal: bool,
    pub disk: Option<DiskKind>,
}

/// How the command ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecOutcome {
    Exited(i32),
    Signaled(i32),
    TimedOut,
    /// The kernel complained or died, whatever the command said.
    Kernel(Evidence),
    /// Our own trouble: no answer.
    Infra(String),
}

impl ExecOutcome {
    /// The status a shell would report, where the command itself ended.
    pub fn status(&self) -> Option<i32> {
        match self {
            ExecOutcome::Exited(code) => Some(*code),
            ExecOutcome::Signaled(signal) => Some(128 + signal),
            ExecOutcome::TimedOut => Some(124),
            ExecOutcome::Kernel(_) | ExecOutcome::Infra(_) => None,
        }
    }
}

/// Variables that mean the same in the guest.
const KEPT_VARIABLES: &[&str] = &["PATH", "LANG", "LC_ALL", "TERM", "HOME", "COLUMNS", "LINES"];

impl PackedCommand {
    /// Finds the program and checks that all named files are there.
    ///
    /// # Errors
    /// Usage errors that name what is missing.
    pub fn new(command: &CommandLine) -> Result<PackedCommand> {
        let mut command = command.clone();
        let program = command.argv.first_mut().ok_or_else(|| crate::Error::usage("no command"))?;
        *program = find(program)?.to_string_lossy().into_owned();
        command.programs.iter().try_for_each(|name| find(name).map(drop))?;
        let missing = command.files.iter().find(|file| !file.exists());
        if let Some(file) = missing {
            return Err(crate::Error::usage(format!("no file {} on this host", file.display())));
        }
        let directory = command.directory.clone().or_else(|| std::env::current_dir().ok());
        let mut argv = command.argv.clone();
        if let (Some(place), Some(folder)) = (&command.workplace, &command.directory)
            && let Ok(inside) = Path::new(&argv[0]).strip_prefix(folder)
        {
            argv[0] = format!("{place}/{}", inside.display());
        }
        let request = ExecRequest {
            argv,
            environment: environment(),
            directory: directory.map(|path| path.to_string_lossy().into_owned()),
            deadline_ms: command.timeout.as_millis() as u64,
            terminal: command.terminal,
            root: None,
            host_root: false,
            workplace: command.workplace.clone(),
            modules: Vec::new(),
            input: command.input.clone(),
            disk: None,
        };
        Ok(PackedCommand { command, request, archive: OnceLock::new() })
    }

    /// The program, its libraries, the named files, and every argument that is a file here.
    fn archive(&self) -> Result<&Vec<u8>> {
        if let Some(archive) = self.archive.get() {
            return Ok(archive);
        }
        let mut packer = Packer::new();
        packer.add_program(&self.command.argv[0])?;
        for name in &self.command.programs {
            packer.add_program(name)?;
        }
        let arguments = self.command.argv.iter().skip(1).map(PathBuf::from).filter(|path| path.is_file());
        for file in self.command.files.iter().cloned().chain(arguments) {
            packer.add_file(&file)?;
        }
        if let Some(directory) = &self.request.directory {
            packer.add_folder(Path::new(directory));
        }
        Ok(self.archive.get_or_init(|| packer.finish()))
    }

    /// Starts a clone that can run the command: with the host's files in sight, or with those it needs packed.
    ///
    /// # Errors
    /// When there is no clone, or the files do not fit its region.
    pub async fn guest(&self, session: &Session) -> Result<(Guest, Request), Failure> {
        let mut request = self.request.clone();
        let mut luggage = Luggage::default();
        request.host_root = session.shows_host_files();
        if request.host_root {
            luggage.add_modules(&session.host_file_modules().await?)?;
        } else {
            let archive = self.archive().map_err(|error| Failure::infra(error.to_string()))?;
            request.root = Some(luggage.add("root", archive)?);
        }
        if let Some(kind) = self.command.disk {
            request.disk = Some(disk(kind, session, &mut luggage).await?);
        }
        let Luggage { attachments, modules } = luggage;
        request.modules = modules;
        let mut guest = session.guest(GuestOptions::default()).await?;
        if !guest.attach(&attachments) {
            let (have, want) = (guest.layout().bulk_capacity() >> 20, attachments.bytes().len() >> 20);
            return Err(Failure::infra(format!(
                "the command's files take {want} MB, the region holds {have} MB"
            )));
        }
        if request.host_root {
            guest.serve_host_files()?;
        }
        Ok((guest, Request::Exec(request)))
    }

    /// Runs the command in a fresh clone, passing its output on while it runs.
    pub async fn execute(
        &self,
        session: &Session,
        mut output: impl FnMut(Channel, &[u8]),
    ) -> (ExecOutcome, Option<Answer>) {
        let (mut guest, request) = match self.guest(session).await {
            Ok(ready) => ready,
            Err(failure) => return (ExecOutcome::Infra(failure.reason), None),
        };
        let deadline = Duration::from_millis(self.request.deadline_ms) + Duration::from_secs(10);
        let mut taken = 0;
        let answer = guest
            .request_watching(&request, deadline, |region| taken = pass_on(region, taken, &mut output))
            .await;
        pass_on(guest.region(), taken, &mut output);
        (outcome(&answer, &mut output), Some(answer))
    }
}

async fn disk(kind: DiskKind, session: &Session, luggage: &mut Luggage) -> Result<DiskRequest, Failure> {
    luggage.add_modules(&session.disk_modules(kind).await?)?;
    Ok(match kind {
        DiskKind::Blank => DiskRequest::Blank { mib: filesystem::DISK_MIB },
        DiskKind::Filesystem(kind) => DiskRequest::Filesystem(luggage.add(kind, &session.disk(kind).await?)?),
    })
}

fn environment() -> Vec<(String, String)> {
    KEPT_VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?))).collect()
}

/// Passes the whole pieces behind `taken` on; gives the new end. The request's files share the area with the
/// output, so nothing counts before the agent has reset the length.
fn pass_on(region: &Region, taken: usize, output: &mut impl FnMut(Channel, &[u8])) -> usize {
    let end = region.load32(header::BULK_LENGTH) as usize;
    if end <= taken || end > region.size() - BULK_OFFSET {
        return taken;
    }
    let bytes = region.read(BULK_OFFSET + taken..BULK_OFFSET + end);
    let (pieces, used) = stream::pieces(&bytes);
    for (channel, piece) in pieces {
        output(channel, piece);
    }
    taken + used
}

fn outcome(answer: &Answer, output: &mut impl FnMut(Channel, &[u8])) -> ExecOutcome {
    match &answer.response {
        Ok(Response::Exec(report)) => {
            output(Channel::Stdout, &report.stdout);
            output(Channel::Stderr, &report.stderr);
            if let Some(evidence) = judge_death(answer) {
                return ExecOutcome::Kernel(evidence);
            }
            match report.exit {
                ChildExit::Exited(code) => ExecOutcome::Exited(code),
                ChildExit::Signaled(signal) => ExecOutcome::Signaled(signal),
                ChildExit::Deadline => ExecOutcome::TimedOut,
            }
        }
        Ok(Response::Refused { reason }) => ExecOutcome::Infra(reason.clone()),
        Ok(other) => ExecOutcome::Infra(format!("the agent answered {other:?}")),
        Err(_) => match judge_death(answer) {
            Some(evidence) if evidence.verdict == gauntlet_results::Verdict::Infra => {
                ExecOutcome::Infra(evidence.reason)
            }
            Some(evidence) => ExecOutcome::Kernel(evidence),
            None => ExecOutcome::Infra("no answer".to_owned()),
        },
    }
}
