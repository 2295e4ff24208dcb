//! `gauntlet shell`.

use super::{Globals, MachineFlags, exit};
use crate::image::filesystem::DiskKind;
use crate::run::exec::{CommandLine, PackedCommand};
use crate::run::options::session_options;
use crate::run::resolve_kernels;
use crate::session::{Host, Session};
use crate::ui::RawTerminal;
use crate::{Error, Result};
use gauntlet_protocol::{ChildExit, Response};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

/// Open an interactive shell in a fresh clone of a kernel
///
/// The guest sees this host's files, read-only, under their own paths; /tmp and /run are its own. On a kernel without
/// FUSE the shell and a set of small tools travel into the guest instead. What happens there stays there: the clone
/// is gone when the shell ends. Its exit status is passed through.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    machine: MachineFlags,

    /// Another file or folder to take along; may be repeated
    #[arg(long = "file", value_name = "PATH")]
    files: Vec<PathBuf>,

    /// Another program to take along; may be repeated
    #[arg(long = "program", value_name = "NAME")]
    programs: Vec<String>,

    /// Have a disk, $GAUNTLET_DISK: blank, or with a filesystem (ext4, xfs, btrfs), mounted on $GAUNTLET_MOUNT
    #[arg(long, value_name = "KIND")]
    disk: Option<DiskKind>,
}

/// Taken along, where the host has them, to a kernel that cannot see the host's files.
const TOOLS: &[&str] = &[
    "cat", "chmod", "cp", "dd", "df", "dmesg", "echo", "env", "find", "free", "grep", "head", "hexdump",
    "id", "ip", "kill", "ln", "ls", "lsmod", "mkdir", "mknod", "modprobe", "mount", "mv", "nproc", "od",
    "poweroff", "ps", "pwd", "readlink", "rm", "rmdir", "sed", "setpriv", "sleep", "sort", "ss", "stat",
    "strace", "stty", "sysctl", "tail", "tee", "top", "touch", "tr", "truncate", "tty", "umount", "uname",
    "unshare", "wc", "xxd",
];

/// Nobody types for longer than that.
const A_DAY: Duration = Duration::from_secs(24 * 3600);

pub async fn run(args: Args, globals: &Globals) -> Result<ExitCode> {
    let mut config = globals.config(&args.machine)?;
    if config.exact.enabled {
        return Err(Error::usage("a terminal sends input at times the host chooses; exact mode allows none")
            .hint("use `gauntlet exec --exact -- COMMAND`"));
    }
    config.kernels.truncate(1);
    let packed = PackedCommand::new(&CommandLine {
        argv: vec![shell()],
        programs: args.programs.into_iter().chain(tools()).collect(),
        files: args.files,
        input: Vec::new(),
        directory: None,
        workplace: None,
        timeout: A_DAY,
        terminal: true,
        disk: args.disk,
    })?;
    let kernels = resolve_kernels(&config.kernels, &globals.cache, globals.progress).await?;
    let host = Host::open(&globals.cache).await?;
    let kernel = &kernels[0];
    let session = Session::prepare(&host, &kernel.build, &session_options(&config, &host))
        .await
        .map_err(|failure| failure.into_error(&kernel.name))?;
    let (mut guest, request) =
        packed.guest(&session).await.map_err(|failure| failure.into_error(&kernel.name))?;
    eprintln!("{}: a fresh clone; `exit` or Ctrl-D ends it", kernel.name);
    let terminal = RawTerminal::enter();
    let answer = guest.converse(&request, A_DAY).await;
    drop(terminal);
    match answer.response {
        Ok(Response::Exec(report)) => Ok(match report.exit {
            ChildExit::Exited(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
            ChildExit::Signaled(signal) => ExitCode::from(u8::try_from(128 + signal).unwrap_or(1)),
            ChildExit::Deadline => ExitCode::from(124),
        }),
        Ok(other) => Err(Error::infra(format!("the agent answered {other:?}"))),
        Err(death) => {
            eprintln!("{}", answer.console.text());
            eprintln!("the guest ended: {death:?}");
            Ok(ExitCode::from(exit::KERNEL_FAILED))
        }
    }
}

fn shell() -> String {
    if PathBuf::from("/bin/bash").exists() { "/bin/bash".to_owned() } else { "/bin/sh".to_owned() }
}

fn tools() -> impl Iterator<Item = String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    let exists = move |tool: &&&str| folders.iter().any(|folder| folder.join(tool).is_file());
    TOOLS.iter().filter(exists).map(|tool| (*tool).to_owned()).collect::<Vec<_>>().into_iter()
}
