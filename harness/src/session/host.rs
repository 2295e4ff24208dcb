//! What all sessions of one invocation share: QEMU, the accelerator, the template cache, what travels inside us.

use crate::image::{self, embedded};
use crate::{Error, Result};
use gauntlet_qemu::descriptor::anonymous_copy;
use gauntlet_qemu::{Accelerator, Qemu, TemplateCache, probe};
use std::fs::File;
use std::os::fd::{AsRawFd, RawFd};
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

/// The initial RAM disk every kernel boots with.
#[derive(Debug)]
struct Initrd {
    bytes: Vec<u8>,
    file: std::result::Result<File, String>,
}

#[derive(Debug)]
pub struct Host {
    pub qemu: Qemu,
    pub accelerator: probe::Answer,
    /// Where kernels are kept, too.
    pub(super) cache: PathBuf,
    pub(super) templates: TemplateCache,
    pub(super) templates_folder: PathBuf,
    /// Made when something boots: a clone needs none.
    initrd: OnceLock<Initrd>,
    /// The plugin as an anonymous file: QEMU loads it by its descriptor.
    pub(super) plugin: File,
    accelerator_memory: PathBuf,
}

impl Host {
    /// Finds QEMU, learns which accelerator works (at most ten seconds, once), and opens the cache.
    pub async fn open(cache: &Path) -> Result<Arc<Host>> {
        let qemu = Qemu::find_again(&cache.join("qemu.json")).map_err(|error| {
            Error::infra(error.to_string())
                .hint("sudo apt-get install --no-install-recommends qemu-system-x86")
                .hint("`gauntlet doctor` lists everything that is missing")
        })?;
        let accelerator_memory = cache.join("accelerator.json");
        let accelerator = probe::accelerator(&qemu, &accelerator_memory).await.map_err(infra)?;
        let templates_folder = cache.join("templates");
        let templates = TemplateCache::open(&templates_folder).map_err(infra)?;
        Ok(Arc::new(Host {
            initrd: OnceLock::new(),
            plugin: anonymous_copy("gauntlet-plugin", embedded::PLUGIN).map_err(infra)?,
            qemu,
            accelerator,
            cache: cache.to_owned(),
            templates,
            templates_folder,
            accelerator_memory,
        }))
    }

    /// The accelerator that works here.
    pub fn best_accelerator(&self) -> Accelerator {
        self.accelerator.accelerator
    }

    pub fn templates(&self) -> &TemplateCache {
        &self.templates
    }

    /// The initial RAM disk, for cases that start another kernel.
    pub fn initrd_bytes(&self) -> &[u8] {
        &self.initrd().bytes
    }

    /// Descriptor of the initial RAM disk.
    pub(super) fn initrd_file(&self) -> gauntlet_qemu::Result<RawFd> {
        match &self.initrd().file {
            Ok(file) => Ok(file.as_raw_fd()),
            Err(why) => Err(gauntlet_qemu::Error::Machine(why.clone())),
        }
    }

    fn initrd(&self) -> &Initrd {
        self.initrd.get_or_init(|| {
            let bytes = image::initrd(embedded::AGENT, embedded::CASES);
            let file = anonymous_copy("gauntlet-initrd", &bytes).map_err(|error| error.to_string());
            Initrd { bytes, file }
        })
    }

    /// KVM failed at a whole kernel: remember it, so that nobody waits for it again.
    pub(super) fn distrust_kvm(&self, why: &str) {
        if let Err(error) = probe::distrust_kvm(&self.accelerator_memory, &self.accelerator, why) {
            tracing::warn!(%error, "cannot remember that KVM does not work");
        }
    }
}

fn infra(error: gauntlet_qemu::Error) -> Error {
    Error::infra(error.to_string())
}
