//! `gauntlet exec`.

use super::{Globals, MachineFlags, exit};
use crate::image::filesystem::DiskKind;
use crate::run::exec::{CommandLine, ExecOutcome, PackedCommand};
use crate::run::options::session_options;
use crate::run::resolve_kernels;
use crate::session::{Host, Session};
use crate::{Error, Result};
use gauntlet_protocol::stream::Channel;
use std::io::{IsTerminal, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Run a command of this host under another kernel, and pass its output and exit status through
///
/// The command runs in a fresh clone that sees this host's files, read-only, under their own paths; /tmp and /run
/// are the guest's. In exact mode, or on a kernel without FUSE, only the program, its libraries and every argument
/// that names a file travel. Status: the command's own; 124 when it timed out; 1 when the kernel
/// complained or died (said on standard error); 3 for infrastructure trouble.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    machine: MachineFlags,

    /// Another file or folder to take where the host's files cannot be seen; may be repeated
    #[arg(long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,

    /// Another program to take where the host's files cannot be seen; may be repeated
    #[arg(long = "program", value_name = "NAME")]
    programs: Vec<String>,

    /// Give the command a disk of its own, $GAUNTLET_DISK: blank, or with a filesystem (ext4, xfs, btrfs), mounted on
    /// $GAUNTLET_MOUNT
    #[arg(long, value_name = "KIND")]
    disk: Option<DiskKind>,

    /// End the command after so many seconds of guest time
    #[arg(long, value_name = "SECONDS", default_value_t = 600)]
    timeout: u64,

    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

pub async fn run(args: Args, globals: &Globals) -> Result<ExitCode> {
    let config = globals.config(&args.machine)?;
    let packed = PackedCommand::new(&CommandLine {
        argv: args.command,
        programs: args.programs,
        files: args.files,
        input: standard_input()?,
        directory: None,
        workplace: None,
        timeout: Duration::from_secs(args.timeout),
        terminal: false,
        disk: args.disk,
    })?;
    let kernels = resolve_kernels(&config.kernels, &globals.cache, globals.progress).await?;
    let host = Host::open(&globals.cache).await?;
    let mut worst = exit::GOOD;
    for kernel in &kernels {
        if kernels.len() > 1 {
            eprintln!("== {}", kernel.name);
        }
        let session = Session::prepare(&host, &kernel.build, &session_options(&config, &host))
            .await
            .map_err(|failure| failure.into_error(&kernel.name))?;
        if !session.shows_host_files() {
            eprintln!("{}: the command sees only what travels with it (see --help)", kernel.name);
        }
        let (outcome, _) = tokio::select! {
            done = packed.execute(&session, pass_through) => done,
            () = globals.interrupt.wait() => return Err(Error::interrupted()),
        };
        worst = worst.max(status(&outcome, &kernel.name)?);
    }
    Ok(ExitCode::from(worst))
}

/// What is piped in, all of it; nothing from a terminal.
fn standard_input() -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let stdin = std::io::stdin();
    if !stdin.is_terminal() {
        stdin
            .lock()
            .take(128 << 10)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::infra("cannot read standard input").because(error))?;
    }
    Ok(bytes)
}

fn pass_through(channel: Channel, bytes: &[u8]) {
    // A reader that went away is no reason to stop the command; its exit status still counts.
    let _ = match channel {
        Channel::Stdout => std::io::stdout().lock().write_all(bytes).and_then(|()| std::io::stdout().flush()),
        Channel::Stderr => std::io::stderr().lock().write_all(bytes),
    };
}

fn status(outcome: &ExecOutcome, kernel: &str) -> Result<u8> {
    match outcome {
        ExecOutcome::Kernel(evidence) => {
            eprintln!("{}: {kernel}: {}", evidence.verdict, evidence.reason);
            Ok(exit::KERNEL_FAILED)
        }
        ExecOutcome::Infra(reason) => Err(Error::infra(format!("{kernel}: {reason}"))),
        ExecOutcome::Exited(_) | ExecOutcome::Signaled(_) | ExecOutcome::TimedOut => {
            Ok(u8::try_from(outcome.status().unwrap_or_default()).unwrap_or(exit::KERNEL_FAILED))
        }
    }
}
