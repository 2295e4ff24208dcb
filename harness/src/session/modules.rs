//! Kernel modules on their way into a guest.

use super::failure::Failure;
use crate::error::{Error, Kind};
use crate::kernel::modules::{self, ModuleFile};
use crate::kernel::{Cache, KernelBuild};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use tokio::sync::Mutex;

/// What was read, by what was wanted: the cases of a suite want the same.
#[derive(Debug, Default)]
pub(super) struct Modules {
    read: Mutex<BTreeMap<Vec<&'static str>, Arc<[ModuleFile]>>>,
}

impl Modules {
    pub async fn unpack(
        &self,
        cache: &Path,
        kernel: &KernelBuild,
        wanted: &[&'static str],
    ) -> Result<(), Failure> {
        if wanted.is_empty() {
            return Ok(());
        }
        let wanted = wanted.to_vec();
        blocking(cache, kernel, move |cache, kernel| modules::unpack(kernel, &wanted, cache, &say)).await
    }

    pub async fn read(
        &self,
        cache: &Path,
        kernel: &KernelBuild,
        wanted: &[&'static str],
    ) -> Result<Arc<[ModuleFile]>, Failure> {
        if wanted.is_empty() {
            return Ok(Arc::default());
        }
        // Held while reading: whoever wants the same at the same time waits for it.
        let mut known = self.read.lock().await;
        if let Some(files) = known.get(wanted) {
            return Ok(Arc::clone(files));
        }
        let wanted = wanted.to_vec();
        let names = wanted.clone();
        let files = blocking(cache, kernel, move |cache, kernel| {
            modules::with_dependencies(kernel, &names, cache, &say)
        })
        .await?;
        let files: Arc<[ModuleFile]> = files.into();
        known.insert(wanted, Arc::clone(&files));
        Ok(files)
    }
}

fn say(what: &str) {
    tracing::info!("{what}");
}

async fn blocking<T: Send + 'static>(
    cache: &Path,
    kernel: &KernelBuild,
    work: impl FnOnce(&Cache, &KernelBuild) -> Result<T, Error> + Send + 'static,
) -> Result<T, Failure> {
    let (cache, kernel) = (cache.to_owned(), kernel.clone());
    tokio::task::spawn_blocking(move || work(&Cache::at(cache)?, &kernel))
        .await
        .map_err(|error| Failure::infra(error.to_string()))?
        .map_err(|error| match error.kind {
            Kind::Usage => Failure::skip(format!("missing module: {error}")),
            _ => Failure::infra(error.to_string()),
        })
}
