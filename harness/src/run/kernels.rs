//! The kernels of a run, fetched and named.

use crate::kernel::{self, Cache, KernelBuild, KernelSpec};
use crate::session::Session;
use crate::ui::{self, Steps};
use crate::{Error, Result};
use gauntlet_results::KernelInfo;
use std::path::Path;

/// A kernel with the name its results go under.
#[derive(Debug, Clone)]
pub struct NamedKernel {
    pub name: String,
    pub build: KernelBuild,
}

/// Resolves every spec (fetching or building what is missing) and names the kernels.
///
/// # Errors
/// When no kernel is named, a spec is wrong, or one cannot be had.
pub async fn resolve_kernels(
    specs: &[String],
    cache: &Path,
    progress: ui::Progress,
) -> Result<Vec<NamedKernel>> {
    if specs.is_empty() {
        return Err(Error::usage("no kernel to run")
            .hint("name one: -k deb:6.1/cloud, -k path:arch/x86/boot/bzImage, -k tree:.")
            .hint("`gauntlet kernel list` shows what the package manager offers"));
    }
    let specs = specs.to_vec();
    let cache = cache.to_owned();
    let builds = tokio::task::spawn_blocking(move || -> Result<Vec<KernelBuild>> {
        let cache = Cache::at(cache)?;
        let steps = Steps::new(progress);
        specs
            .iter()
            .map(|text| kernel::resolve(&text.parse::<KernelSpec>()?, &cache, &|text: &str| steps.say(text)))
            .collect()
    })
    .await
    .map_err(|error| Error::infra("resolving kernels").because(error))??;
    Ok(named(builds))
}

/// The release is the name, unless two kernels share it; then the spec tells them apart.
fn named(builds: Vec<KernelBuild>) -> Vec<NamedKernel> {
    let releases: Vec<String> = builds.iter().map(|build| build.release.clone()).collect();
    let is_unique = |release: &String| releases.iter().filter(|other| *other == release).count() == 1;
    builds
        .into_iter()
        .map(|build| {
            let name = if is_unique(&build.release) && !build.release.is_empty() {
                build.release.clone()
            } else {
                build.spec.to_string()
            };
            NamedKernel { name, build }
        })
        .collect()
}

/// What is recorded of a kernel that came up.
pub fn kernel_info(name: &str, session: &Session) -> KernelInfo {
    KernelInfo {
        name: name.to_owned(),
        spec: session.kernel.spec.to_string(),
        release: session.hello().release.clone(),
        build: session.hello().build.clone(),
        image_digest: session.kernel.image_digest.clone(),
        template: session.template_digest().to_owned(),
        machine: session.options.machine.describe(),
    }
}
