//! A kernel made ready: its template, and guests (clones of it) that answer requests.
//!
//! This is the only place that knows both QEMU and the agent. It says what happened and whose doing it was;
//! what that means for a case is decided in `run::judge`.

mod attach;
mod boot;
mod debug;
mod failure;
mod guest;
mod host;
mod modules;
mod outcome;
mod park;
mod terminal;

pub use attach::Attachments;
pub use failure::Failure;
pub use guest::{Guest, GuestOptions};
pub use host::Host;
pub use outcome::{Answer, ConsoleLog, Death};

use crate::crash::Symbols;
use crate::error::Kind;
use crate::image::filesystem::{self, DiskKind};
use crate::kernel::modules::ModuleFile;
use crate::kernel::needs::{self, KernelFacts, Mode};
use crate::kernel::{Cache, KernelBuild};
use gauntlet_guest::Need;
use gauntlet_protocol::{Hello, Request, Response};
use gauntlet_qemu::{Boot, Machine, Template};
use serde::{Deserialize, Serialize};
use std::fs::File;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How a kernel is brought up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionOptions {
    pub machine: Machine,
    /// Words the user adds to the kernel's command line.
    pub append: String,
    /// Host time a boot may take on an idle host.
    pub boot_deadline: Duration,
    /// How often a boot that failed for reasons of the host's is tried again.
    pub retries: u32,
}

impl Default for SessionOptions {
    fn default() -> SessionOptions {
        SessionOptions {
            machine: Machine::default(),
            append: String::new(),
            boot_deadline: Duration::from_secs(60),
            retries: 2,
        }
    }
}

/// What is remembered with a template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Description {
    hello: Hello,
    /// Host milliseconds the boot took: how slow this host emulates this kernel.
    boot_ms: u64,
    /// The console of the boot.
    console: String,
}

/// What a kernel needs to show a guest the host's files.
const FUSE: [Need; 1] = [Need::Module { symbol: "FUSE_FS", module: "fuse" }];

/// One kernel on one machine, booted and ready to be cloned.
#[derive(Debug)]
pub struct Session {
    host: Arc<Host>,
    pub kernel: KernelBuild,
    pub options: SessionOptions,
    /// How clones are started, with what is behind its descriptors.
    boot: Boot,
    _stub: Option<File>,
    template: Template,
    description: Description,
    modules: modules::Modules,
    library: debug::Library,
}

impl Session {
    /// Finds the template in the cache or boots the kernel once.
    pub async fn prepare(
        host: &Arc<Host>,
        kernel: &KernelBuild,
        options: &SessionOptions,
    ) -> Result<Session, Failure> {
        boot::prepare(host, kernel, options).await
    }

    pub fn hello(&self) -> &Hello {
        &self.description.hello
    }

    /// The console of the boot, for evidence.
    pub fn boot_console(&self) -> &str {
        &self.description.console
    }

    /// The initial RAM disk with the agent, for cases that start another kernel.
    pub fn initrd_bytes(&self) -> &[u8] {
        self.host.initrd_bytes()
    }

    /// The template's digest.
    pub fn template_digest(&self) -> &str {
        &self.template.digest
    }

    /// Host time the template's boot took.
    pub fn boot_time(&self) -> Duration {
        Duration::from_millis(self.description.boot_ms)
    }

    /// How many times longer than on a fast idle host things take here; at least 1.
    ///
    /// A boot takes about 3 s of emulation on the machine this was written on; a slower boot means that every
    /// deadline must be longer.
    pub fn slowness(&self) -> f64 {
        const USUAL_BOOT_MS: f64 = 3000.0;
        (self.description.boot_ms as f64 / USUAL_BOOT_MS).clamp(1.0, 20.0)
    }

    /// A guest of its own for whoever asks: about 50 ms.
    pub async fn guest(&self, options: GuestOptions) -> Result<Guest, Failure> {
        guest::start(self, options).await
    }

    /// Unpacks these modules and all they depend on, in one go: the packages need not be read again for each.
    pub async fn unpack_modules(&self, wanted: &[&'static str]) -> Result<(), Failure> {
        self.modules.unpack(&self.host.cache, &self.kernel, wanted).await
    }

    /// Whether a command in a guest can see the host's files. Not in exact mode: they would come when the host has
    /// time for it.
    pub fn shows_host_files(&self) -> bool {
        let machine = &self.options.machine;
        let mode = Mode { exact: machine.exact.is_some(), cpus: machine.cpus };
        let facts = KernelFacts::of(&self.kernel);
        let known = facts.config.is_some();
        known && !mode.exact && self.hello().shared_region && needs::unmet(&FUSE, &facts, mode).is_none()
    }

    /// The modules that [`Self::shows_host_files`] relies on.
    pub async fn host_file_modules(&self) -> Result<Arc<[ModuleFile]>, Failure> {
        self.modules(&needs::modules(&FUSE, &KernelFacts::of(&self.kernel))).await
    }

    /// The modules that this disk needs. Fails, as a skip, when the kernel has no such disk.
    pub async fn disk_modules(&self, kind: DiskKind) -> Result<Arc<[ModuleFile]>, Failure> {
        let needs = kind.needs();
        let facts = KernelFacts::of(&self.kernel);
        let mode = Mode { exact: self.options.machine.exact.is_some(), cpus: self.options.machine.cpus };
        match needs::unmet(needs.iter().copied(), &facts, mode) {
            Some(cause) => Err(Failure::skip(format!("no disk: {cause}"))),
            None => self.modules(&needs::modules(needs, &facts)).await,
        }
    }

    /// These modules and all they depend on, in the order in which they can be loaded. Read once.
    pub async fn modules(&self, wanted: &[&'static str]) -> Result<Arc<[ModuleFile]>, Failure> {
        self.modules.read(&self.host.cache, &self.kernel, wanted).await
    }

    /// An empty filesystem for a clone, as the guest takes it. Made once on this host.
    pub async fn filesystem(&self, kind: &'static str) -> Result<Vec<u8>, Failure> {
        self.made(move |cache| filesystem::image(kind, cache)).await
    }

    /// The same for a command's own disk.
    pub async fn disk(&self, kind: &'static str) -> Result<Vec<u8>, Failure> {
        self.made(move |cache| filesystem::disk(kind, cache)).await
    }

    async fn made(
        &self,
        make: impl FnOnce(&Cache) -> crate::Result<Vec<u8>> + Send + 'static,
    ) -> Result<Vec<u8>, Failure> {
        let cache = self.host.cache.clone();
        tokio::task::spawn_blocking(move || make(&Cache::at(cache)?))
            .await
            .map_err(|error| Failure::infra(error.to_string()))?
            .map_err(|error| match error.kind {
                // With the program's package as the hint.
                Kind::Usage => Failure::skip([vec![error.message], error.hints].concat().join("; ")),
                _ => Failure::infra(error.to_string()),
            })
    }

    /// The booted kernel's text symbols, KASLR included; read once and kept with the template.
    pub async fn symbols(&self) -> Result<Arc<Symbols>, Failure> {
        let path = self.symbols_path();
        if let Ok(text) = tokio::fs::read_to_string(&path).await {
            return Ok(Arc::new(Symbols::parse(&text)));
        }
        let mut guest = self.guest(GuestOptions::default()).await?;
        let answer = guest.request(&Request::Symbols, Duration::from_secs(60)).await;
        let Ok(Response::Symbols { length }) = answer.response else {
            return Err(Failure::infra(format!("the guest did not give its symbols: {:?}", answer.response)));
        };
        let bytes =
            guest.bulk(length).ok_or_else(|| Failure::infra("the guest's symbols lie outside the region"))?;
        let text = String::from_utf8_lossy(&bytes);
        keep(&path, &bytes).map_err(|error| Failure::infra(format!("{}: {error}", path.display())))?;
        Ok(Arc::new(Symbols::parse(&text)))
    }

    /// A console with files and lines of the source in its splats, where the kernel's debugging information is at
    /// hand.
    pub async fn annotate(&self, console: String) -> String {
        debug::annotate(&self.library, &self.kernel, console).await
    }

    fn symbols_path(&self) -> PathBuf {
        self.host.templates_folder.join(format!("{}.symbols", self.template.digest))
    }
}

/// Writes a file that appears whole or not at all.
fn keep(path: &std::path::Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(std::path::Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.persist(path).map_err(|error| error.error)?;
    Ok(())
}
