//! Running a command of the user's and carrying its output out while it runs.

use super::archive;
use super::boot::{Parameters, monotonic_ns, taint};
use super::link::Link;
use super::region::Region;
use super::supervise::{end_everything, wait};
use super::{disk, hostfs, modules, writable};
use gauntlet_protocol::region::{BULK_OFFSET, header};
use gauntlet_protocol::stream::{self, Channel};
use gauntlet_protocol::{ChildExit, ExecReport, ExecRequest, Phase, Response};
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

const ROOT: &str = "/run/root";
/// Where the host's files are, uncovered.
const HOST: &str = "/run/host";
/// What the command needs of a system beside its own files.
const BOUND: &[&str] = &["proc", "sys", "dev", "tmp", "run"];

pub fn run(request: &ExecRequest, parameters: &Parameters, link: &mut Link) -> Result<Response, String> {
    let (program, _) = request.argv.split_first().ok_or("no command")?;
    link.note(Phase::Setup, program);
    if let Some(outcome) = modules::load(&request.modules, link)? {
        return Err(format!("{outcome:?}"));
    }
    let disk = request.disk.as_ref().map(|disk| disk::prepare(disk, link)).transpose()?;
    let root = prepare_root(request, parameters, link)?;
    // As after any boot. A kernel without networking has none, and whoever needs it says so.
    let _ = gauntlet_guest::interface::raise("lo");
    let (taint_before, started) = (taint(), monotonic_ns());
    let mut command = prepare(request, root);
    command.envs(disk.iter().flat_map(|disk| disk.variables.clone()));
    let mut sink = Sink::new(link.region());
    let mut pipes = Vec::new();
    if request.terminal {
        attach_terminal(&mut command)?;
    } else {
        command.stdin(input(&request.input)?);
        pipes.push((Channel::Stdout, piped(|writer| command.stdout(writer))?));
        pipes.push((Channel::Stderr, piped(|writer| command.stderr(writer))?));
    }
    link.note(Phase::Running, "");
    let child = match command.spawn() {
        Ok(child) => child,
        Err(error) => {
            sink.put(Channel::Stderr, format!("{program}: {error}\n").as_bytes());
            let code = if error.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 };
            return Ok(report(ChildExit::Exited(code), sink, (taint_before, started)));
        }
    };
    // Our copies of the pipes' writing ends live in the command.
    drop(command);
    let deadline = started + request.deadline_ms * 1_000_000;
    let exit = wait(child.id() as libc::pid_t, deadline, || drain(&mut pipes, &mut sink));
    link.note(Phase::Collecting, "");
    end_everything();
    drain(&mut pipes, &mut sink);
    Ok(report(exit, sink, (taint_before, started)))
}

fn report(exit: ChildExit, sink: Sink, (taint_before, started): (u64, u64)) -> Response {
    Response::Exec(ExecReport {
        exit,
        stdout: sink.stdout,
        stderr: sink.stderr,
        truncated: sink.truncated,
        duration_ns: monotonic_ns() - started,
        taint_before,
        taint_after: taint(),
    })
}

fn prepare_root(
    request: &ExecRequest,
    parameters: &Parameters,
    link: &Link,
) -> Result<Option<&'static str>, String> {
    match (&request.root, request.host_root) {
        (_, true) => {
            let place = parameters.region.filter(|_| link.is_region());
            for folder in [HOST, ROOT] {
                fs::create_dir_all(folder).map_err(|error| format!("{folder}: {error}"))?;
            }
            hostfs::mount(HOST, place.ok_or("the host's files need the shared region")?)?;
            bind(HOST, ROOT);
        }
        (Some(archive), false) => {
            let region = link
                .region()
                .ok_or("a root archive needs the shared region, which this kernel does not allow")?;
            let bytes = region
                .read(BULK_OFFSET + archive.offset as usize, archive.length as usize)
                .ok_or("the root archive lies outside the region")?;
            archive::unpack(&bytes, Path::new(ROOT))?;
            // A root must be a mount.
            bind(ROOT, ROOT);
            for name in BOUND {
                let target = format!("{ROOT}/{name}");
                fs::create_dir_all(&target).map_err(|error| format!("{target}: {error}"))?;
            }
        }
        (None, false) => return Ok(None),
    }
    BOUND.iter().for_each(|name| bind(&format!("/{name}"), &format!("{ROOT}/{name}")));
    if request.host_root {
        request.directory.iter().chain(&request.argv).for_each(|path| uncover(path));
    }
    if let (Some(directory), Some(place)) = (&request.directory, &request.workplace) {
        writable::copy(&format!("{ROOT}{directory}"), &format!("{ROOT}{place}"))?;
    }
    Ok(Some(ROOT))
}

/// What the command was told of stays in sight even where the guest's own /tmp or /run covers the host's.
fn uncover(path: &str) {
    let covered = path.starts_with("/tmp/") || path.starts_with("/run/");
    let (source, target) = (format!("{HOST}{path}"), format!("{ROOT}{path}"));
    let Some(metadata) = fs::metadata(&source).ok().filter(|_| covered) else { return };
    let folder = if metadata.is_dir() {
        Path::new(&target)
    } else {
        Path::new(&target).parent().unwrap_or(Path::new(ROOT))
    };
    let made = fs::create_dir_all(folder).and_then(|()| match metadata.is_dir() {
        true => Ok(()),
        false => File::options().create(true).append(true).open(&target).map(drop),
    });
    // Where it cannot be made, the folder above is in sight already, or the command says what it misses.
    if made.is_ok() {
        bind(&source, &target);
    }
}

pub(super) fn bind(source: &str, target: &str) {
    let text = |text: &str| std::ffi::CString::new(text).unwrap_or_default();
    let (source, target) = (text(source), text(target));
    let flags = libc::MS_BIND | libc::MS_REC;
    // SAFETY: NUL-terminated strings that live through the call.
    unsafe { libc::mount(source.as_ptr(), target.as_ptr(), std::ptr::null(), flags, std::ptr::null()) };
}

fn prepare(request: &ExecRequest, root: Option<&'static str>) -> Command {
    let mut command = Command::new(&request.argv[0]);
    command.args(&request.argv[1..]).env_clear();
    command.envs(request.environment.iter().map(|(name, value)| (name, value)));
    let directory = request.workplace.as_ref().or(request.directory.as_ref());
    let directory = directory.cloned().unwrap_or_else(|| "/".to_owned());
    // SAFETY: this process has one thread, so its child may allocate and call anything.
    unsafe {
        command.pre_exec(move || {
            super::supervise::become_session_leader();
            let _ = fs::write("/proc/self/oom_score_adj", "0");
            if let Some(root) = root {
                super::root::enter(root)?;
            }
            std::env::set_current_dir(&directory).or_else(|_| std::env::set_current_dir("/"))
        });
    }
    command
}

/// The second serial port becomes the command's terminal.
fn attach_terminal(command: &mut Command) -> Result<(), String> {
    let open =
        || File::options().read(true).write(true).open("/dev/ttyS1").map_err(|error| error.to_string());
    let terminal = open()?;
    sane(&terminal);
    let fd = terminal.as_raw_fd();
    command.stdin(terminal.try_clone().map_err(|error| error.to_string())?);
    command.stdout(terminal.try_clone().map_err(|error| error.to_string())?);
    command.stderr(terminal);
    // SAFETY: runs after the session is new; the descriptor is open in the child.
    unsafe {
        command.pre_exec(move || {
            let _ = fd;
            libc::ioctl(0, libc::TIOCSCTTY, 1);
            Ok(())
        });
    }
    Ok(())
}

/// termios(3): what an interactive shell expects to find.
fn sane(terminal: &File) {
    // SAFETY: an all-zero termios is valid to be filled in; the descriptor is open.
    unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        if libc::tcgetattr(terminal.as_raw_fd(), &mut settings) == 0 {
            // The host's doorbell is not the user's input.
            libc::tcflush(terminal.as_raw_fd(), libc::TCIFLUSH);
            settings.c_iflag = libc::ICRNL | libc::IXON;
            settings.c_oflag = libc::OPOST | libc::ONLCR;
            settings.c_lflag =
                libc::ISIG | libc::ICANON | libc::ECHO | libc::ECHOE | libc::ECHOK | libc::IEXTEN;
            libc::tcsetattr(terminal.as_raw_fd(), libc::TCSANOW, &settings);
        }
    }
}

fn input(bytes: &[u8]) -> Result<Stdio, String> {
    if bytes.is_empty() {
        return Ok(Stdio::null());
    }
    let path = "/run/input";
    fs::File::create(path).and_then(|mut file| file.write_all(bytes)).map_err(|error| error.to_string())?;
    File::open(path).map(Stdio::from).map_err(|error| error.to_string())
}

/// A pipe whose reading end does not block.
fn piped<'a>(give: impl FnOnce(Stdio) -> &'a mut Command) -> Result<File, String> {
    let mut ends = [0; 2];
    // SAFETY: two descriptors of ours are filled in, then owned exactly once.
    let (reader, writer) = unsafe {
        if libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC) != 0 {
            return Err(std::io::Error::last_os_error().to_string());
        }
        libc::fcntl(ends[0], libc::F_SETFL, libc::O_NONBLOCK);
        (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1]))
    };
    give(Stdio::from(writer));
    Ok(reader)
}

fn drain(pipes: &mut [(Channel, File)], sink: &mut Sink) {
    let mut chunk = [0u8; 16 << 10];
    for (channel, pipe) in pipes {
        while let Ok(n @ 1..) = pipe.read(&mut chunk) {
            sink.put(*channel, &chunk[..n]);
        }
    }
}

/// Where output goes: bulk while it runs, or the report.
struct Sink {
    region: Option<Region>,
    used: usize,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    truncated: bool,
}

/// Without a region the report carries the output; serial is slow, so not much of it.
const REPORT_LIMIT: usize = 256 << 10;

impl Sink {
    fn new(region: Option<Region>) -> Sink {
        if let Some(region) = &region {
            region.store32(header::BULK_LENGTH, 0);
        }
        Sink { region, used: 0, stdout: Vec::new(), stderr: Vec::new(), truncated: false }
    }

    fn put(&mut self, channel: Channel, bytes: &[u8]) {
        let Some(region) = &self.region else {
            let whole = self.stdout.len() + self.stderr.len() + bytes.len();
            match channel {
                _ if whole > REPORT_LIMIT => self.truncated = true,
                Channel::Stdout => self.stdout.extend_from_slice(bytes),
                Channel::Stderr => self.stderr.extend_from_slice(bytes),
            }
            return;
        };
        let head = stream::head(channel, bytes.len() as u32);
        let offset = BULK_OFFSET + self.used;
        if !region.write(offset + head.len(), bytes) || !region.write(offset, &head) {
            self.truncated = true;
            return;
        }
        self.used += head.len() + bytes.len();
        region.store32(header::BULK_LENGTH, self.used as u32);
    }
}
