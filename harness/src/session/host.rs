//! What all sessions of one invocation share: QEMU, the accelerator, the template cache, what travels inside us.

use crate::image::{self, embedded};
use crate::{Error, Result};
use gauntlet_qemu::descriptor::anonymous_copy;
use gauntlet_qemu::{Accelerator, Qemu, TemplateCache, probe};
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Debug)]
pub struct Host {
    pub qemu: Qemu,
    pub accelerator: probe::Answer,
    /// Where kernels are kept, too.
    pub(super) cache: PathBuf,
    pub(super) templates: TemplateCache,
    pub(super) templates_folder: PathBuf,
    pub(super) initrd: File,
    pub(super) initrd_digest: String,
    initrd_bytes: Vec<u8>,
    /// The plugin as an anonymous file: QEMU loads it by its descriptor.
    pub(super) plugin: File,
    accelerator_memory: PathBuf,
}

impl Host {
    /// Finds QEMU, learns which accelerator works (at most ten seconds, once), and opens the cache.
    pub async fn open(cache: &Path) -> Result<Arc<Host>> {
        let qemu = Qemu::find().map_err(|error| {
            Error::infra(error.to_string())
                .hint("sudo apt-get install --no-install-recommends qemu-system-x86")
                .hint("`gauntlet doctor` lists everything that is missing")
        })?;
        let accelerator_memory = cache.join("accelerator.json");
        let accelerator = probe::accelerator(&qemu, &accelerator_memory).await.map_err(infra)?;
        let templates_folder = cache.join("templates");
        let templates = TemplateCache::open(&templates_folder).map_err(infra)?;
        let initrd_bytes = image::initrd(embedded::AGENT, embedded::CASES);
        Ok(Arc::new(Host {
            initrd: anonymous_copy("gauntlet-initrd", &initrd_bytes).map_err(infra)?,
            initrd_digest: blake3::hash(&initrd_bytes).to_hex().to_string(),
            initrd_bytes,
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
        &self.initrd_bytes
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
