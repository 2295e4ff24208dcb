//! From a kernel image to a template.

use super::debug::Library;
use super::failure::Failure;
use super::host::Host;
use super::modules::Modules;
use super::outcome::ConsoleLog;
use super::park;
use super::{Description, Session, SessionOptions};
use crate::crash;
use crate::image::{self, embedded};
use crate::kernel::KernelBuild;
use gauntlet_protocol::frame;
use gauntlet_protocol::message::{checksum, decode};
use gauntlet_protocol::region::{MAGIC, header};
use gauntlet_protocol::{DOORBELL, Hello, Layout, PROTOCOL_VERSION, Response};
use gauntlet_qemu::argv::{Ram, kernel_command_line};
use gauntlet_qemu::stub;
use gauntlet_qemu::vm::{Happening, Launch, Vm};
use gauntlet_qemu::{Accelerator, Boot, Ended, Region, Template};
use gauntlet_results::Verdict;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Over serial, requests would arrive at times the host chooses.
const NOT_EXACT: &str =
    "this kernel allows no shared memory (no /dev/mem, or lockdown): exact mode is not possible";
/// How often the console is looked at while a kernel boots.
const GLANCE: Duration = Duration::from_millis(100);
/// Deadlines that a boot may take on a host that is busy with other things.
const PATIENCE: u32 = 6;

pub(super) async fn prepare(
    host: &Arc<Host>,
    kernel: &KernelBuild,
    options: &SessionOptions,
) -> Result<Session, Failure> {
    options.machine.check().map_err(Failure::infra)?;
    let command_line = kernel_command_line(&options.machine, host.accelerator.tsc_khz, &options.append)
        .map_err(Failure::infra)?;
    let digest = digest(host, kernel, options, &command_line);
    let template = match host.templates.find(&digest)? {
        Some(template) => template,
        None => {
            let boot = whole(host, kernel, &command_line)?;
            make(host, options, &boot, &digest).await?
        }
    };
    let (boot, stub) = match stub::boot(&kernel.image, &command_line)? {
        Some((boot, stub)) => (boot, Some(stub)),
        None => (whole(host, kernel, &command_line)?, None),
    };
    let description = serde_json::from_value(template.description.clone())
        .map_err(|error| Failure::infra(format!("a template of another version: {error}")))?;
    let (host, kernel, options) = (Arc::clone(host), kernel.clone(), options.clone());
    let (modules, library) = (Modules::default(), Library::default());
    Ok(Session { host, kernel, options, boot, _stub: stub, template, description, modules, library })
}

/// The kernel with the initial RAM disk.
fn whole(host: &Host, kernel: &KernelBuild, command_line: &str) -> Result<Boot, Failure> {
    let initrd = host.initrd_file()?;
    Ok(Boot { kernel: kernel.image.clone(), initrd, command_line: command_line.to_owned() })
}

/// Everything that shapes a template, and nothing else.
fn digest(host: &Host, kernel: &KernelBuild, options: &SessionOptions, command_line: &str) -> String {
    let machine = serde_json::to_string(&options.machine).expect("plain data");
    // The initial RAM disk is the programs and what surrounds them; it is built only when something boots.
    let around = blake3::hash(&image::initrd(&[], &[])).to_hex().to_string();
    let parts = [
        &kernel.image_digest,
        &*embedded::AGENT_DIGEST,
        &around,
        &machine,
        command_line,
        &host.qemu.fingerprint(),
        &PROTOCOL_VERSION.to_string(),
    ];
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part.as_bytes());
    }
    hasher.finalize().to_hex()[..32].to_owned()
}

/// Boots it, unless another invocation is at it: then waits and takes that one.
async fn make(
    host: &Arc<Host>,
    options: &SessionOptions,
    boot: &Boot,
    digest: &str,
) -> Result<Template, Failure> {
    let (templates, name) = (host.templates.clone(), digest.to_owned());
    let lock = tokio::task::spawn_blocking(move || templates.lock(&name))
        .await
        .map_err(|error| Failure::infra(error.to_string()))??;
    // Another invocation may have made it while we waited.
    if let Some(template) = host.templates.find(digest)? {
        return Ok(template);
    }
    let mut attempt = 0;
    let made = loop {
        match Attempt::start(host, options, boot).await {
            Ok(made) => break made,
            Err(failure)
                if failure.verdict == Verdict::Infra && !failure.lasting && attempt < options.retries =>
            {
                attempt += 1;
                tracing::warn!(%failure, attempt, "the boot failed for reasons of the host's; trying again");
            }
            Err(failure) => {
                if options.machine.accelerator == Accelerator::Kvm && failure.verdict == Verdict::Infra {
                    host.distrust_kvm(&failure.reason);
                }
                return Err(failure);
            }
        }
    };
    let description =
        serde_json::to_value(&made.description).map_err(|error| Failure::infra(error.to_string()))?;
    let template = host.templates.store(digest, &made.ram, &made.state, description)?;
    drop(lock);
    Ok(template)
}

struct Made {
    ram: File,
    state: Vec<u8>,
    description: Description,
}

/// One boot.
struct Attempt {
    vm: Vm,
    console: ConsoleLog,
    frames: frame::Reader,
    started: Instant,
    deadline: Duration,
}

impl Attempt {
    async fn start(host: &Host, options: &SessionOptions, boot: &Boot) -> Result<Made, Failure> {
        let ram = host.templates.new_ram(u64::from(options.machine.memory_mib) << 20)?;
        let path = Ram::Template(PathBuf::from(format!("/dev/fd/{}", ram.as_raw_fd())));
        let launch = Launch { qemu: &host.qemu, machine: &options.machine, boot, plugin: None, keep: vec![] };
        let mut vm = Vm::start(&launch, &path).await?;
        vm.region.store64(header::SIZE, vm.region.size() as u64);
        vm.resume().await?;
        let mut attempt = Attempt {
            vm,
            console: ConsoleLog::default(),
            frames: frame::Reader::default(),
            started: Instant::now(),
            // icount interprets more slowly than plain TCG; a loaded host is slower still.
            deadline: options.boot_deadline * if options.machine.exact.is_some() { 3 } else { 1 },
        };
        let hello = match attempt.wait_for_hello().await {
            Ok(hello) => hello,
            Err(failure) => return Err(failure.with_console(attempt.console.text())),
        };
        let boot_ms = attempt.started.elapsed().as_millis() as u64;
        let state = match options.machine.exact {
            None => attempt.vm.save().await?,
            Some(_) if !hello.shared_region => return Err(Failure::lasting(NOT_EXACT)),
            Some(exact) => park::exact_state(&mut attempt.vm, exact).await?,
        };
        attempt.read_console()?;
        let description = Description { hello, boot_ms, console: attempt.console.text() };
        Ok(Made { ram, state, description })
    }

    async fn wait_for_hello(&mut self) -> Result<Hello, Failure> {
        loop {
            let happening = tokio::time::timeout(GLANCE, self.vm.next()).await;
            self.read_console()?;
            match happening {
                Ok(happening) => {
                    if let Some(hello) = self.consider(happening?).await? {
                        return Ok(hello);
                    }
                }
                Err(_) => self.check_time().await?,
            }
        }
    }

    /// A machine that waits for a CPU of the host is slow, not hung: only time it could run in counts against it.
    async fn check_time(&mut self) -> Result<(), Failure> {
        let elapsed = self.started.elapsed();
        if elapsed.saturating_sub(self.vm.starvation()) > self.deadline {
            return Err(self.hung().await);
        }
        if elapsed > self.deadline * PATIENCE {
            return Err(Failure::infra(format!(
                "the host was too busy to boot it within {} s",
                elapsed.as_secs()
            )));
        }
        Ok(())
    }

    async fn consider(&mut self, happening: Happening) -> Result<Option<Hello>, Failure> {
        match happening {
            Happening::Parked if self.vm.region.load64(header::MAGIC) == MAGIC => {
                hello_in(&self.vm.region).map(Some)
            }
            // Not our agent: a kernel with a pvpanic driver says that it panicked.
            Happening::Parked => Err(self.ended(Ended::Reset)),
            Happening::AgentBytes(bytes) => {
                self.frames.push(&bytes);
                let framed = self.frames.next_payload().map(|payload| check_hello(&payload)).transpose()?;
                let hello = match framed {
                    Some(hello) => hello,
                    None if bytes.contains(&DOORBELL) => hello_in(&self.vm.region)?,
                    None => return Ok(None),
                };
                // This agent cannot park itself.
                self.vm.pause().await?;
                Ok(Some(hello))
            }
            Happening::Ended(ended) => Err(self.ended(ended)),
        }
    }

    fn read_console(&mut self) -> Result<(), Failure> {
        let mut new = Vec::new();
        self.vm.console.read_new(&mut new, 4 << 20)?;
        self.console.push(&new);
        Ok(())
    }

    async fn hung(&mut self) -> Failure {
        let waited = self.started.elapsed().as_secs();
        if !self.vm.is_responsive().await {
            return Failure::infra(format!("QEMU stopped answering during the boot ({waited} s)"));
        }
        if self.console.is_empty() {
            return Failure::infra(format!("the kernel printed nothing within {waited} s"));
        }
        match crash::scan(&self.console.bytes()).first() {
            Some(splat) => Failure::kernel(Verdict::Crash, format!("boot: {}", splat.title)),
            None => Failure::kernel(Verdict::Timeout, format!("the boot did not end within {waited} s")),
        }
    }

    fn ended(&self, ended: Ended) -> Failure {
        if let Ended::Qemu { exit, stderr } = ended {
            let why = stderr.unwrap_or_else(|| exit.to_string());
            return Failure::infra(format!("QEMU ended during the boot: {why}"));
        }
        let title = crash::scan(&self.console.bytes()).first().map(|splat| splat.title.clone());
        match (title, ended) {
            (Some(title), _) => Failure::kernel(Verdict::Crash, format!("boot: {title}")),
            (None, _) if self.console.is_empty() => {
                Failure::kernel(Verdict::Crash, "the machine reset before the kernel printed anything")
            }
            (None, Ended::PoweredOff) => {
                Failure::kernel(Verdict::Crash, "the kernel powered off during its boot")
            }
            (None, _) => {
                Failure::kernel(Verdict::Crash, "the machine reset during the boot, without a panic")
            }
        }
    }
}

/// The hello an agent left in the region.
fn hello_in(region: &Region) -> Result<Hello, Failure> {
    let layout =
        Layout::new(region.size()).ok_or_else(|| Failure::infra("the shared region is too small"))?;
    let range = layout
        .response_range(region.load32(header::RESPONSE_LENGTH))
        .ok_or_else(|| Failure::infra("the agent's hello lies outside its area"))?;
    let bytes = region.read(range);
    if checksum(&bytes) != region.load32(header::RESPONSE_CHECKSUM) {
        return Err(Failure::infra("the agent's hello is damaged"));
    }
    check_hello(&bytes)
}

fn check_hello(bytes: &[u8]) -> Result<Hello, Failure> {
    match decode(bytes) {
        Ok(Response::Hello(hello)) if hello.protocol == PROTOCOL_VERSION => Ok(hello),
        Ok(Response::Hello(hello)) => Err(Failure::infra(format!(
            "the agent speaks protocol {}, this gauntlet {PROTOCOL_VERSION}",
            hello.protocol
        ))),
        Ok(other) => Err(Failure::infra(format!("the agent said {other:?} instead of hello"))),
        Err(error) => Err(Failure::infra(format!("the agent's hello cannot be read: {error}"))),
    }
}
