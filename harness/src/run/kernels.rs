//! The kernels of a run, fetched and named.

use crate::kernel::tree::range::{self, Commit};
use crate::kernel::{self, Cache, KernelBuild, KernelSpec};
use crate::session::Session;
use crate::ui::{self, Steps};
use crate::{Error, Result};
use gauntlet_results::{KernelInfo, Verdict};
use std::path::Path;

/// A kernel with the name its results go under.
#[derive(Debug, Clone)]
pub struct NamedKernel {
    pub name: String,
    pub build: KernelBuild,
}

/// A kernel that a run should have had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unbuilt {
    pub name: String,
    /// FAIL when the sources do not build, INFRA when this machine could not.
    pub verdict: Verdict,
    pub reason: String,
}

/// The kernels that specs stand for.
#[derive(Debug, Default)]
pub struct Resolved {
    pub kernels: Vec<NamedKernel>,
    /// Commits of a series that do not build; a single kernel that does not is an error.
    pub unbuilt: Vec<Unbuilt>,
    /// The commits of a series, the base first.
    pub series: Vec<Commit>,
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
    let resolved = resolve_series(specs, cache, progress).await?;
    match resolved.unbuilt.into_iter().next() {
        None => Ok(resolved.kernels),
        Some(Unbuilt { reason, verdict: Verdict::Infra, .. }) => Err(Error::infra(reason)),
        Some(Unbuilt { reason, .. }) => Err(Error::usage(reason)),
    }
}

/// The same, where a commit of a series `tree:DIR@BASE..TIP` may fail to build: that is a result.
///
/// # Errors
/// When no kernel is named, a spec is wrong, or one that is no part of a series cannot be had.
pub async fn resolve_series(specs: &[String], cache: &Path, progress: ui::Progress) -> Result<Resolved> {
    if specs.is_empty() {
        return Err(Error::usage("no kernel to run")
            .hint("name one: -k deb:6.1/cloud, -k path:arch/x86/boot/bzImage, -k tree:.")
            .hint("`gauntlet kernel list` shows what the package manager offers"));
    }
    let specs = specs.to_vec();
    let cache = cache.to_owned();
    tokio::task::spawn_blocking(move || resolve_all(&specs, &Cache::at(cache)?, &Steps::new(progress)))
        .await
        .map_err(|error| Error::infra("resolving kernels").because(error))?
}

fn resolve_all(specs: &[String], cache: &Cache, steps: &Steps) -> Result<Resolved> {
    let say = |text: &str| steps.say(text);
    let (mut resolved, mut builds) = (Resolved::default(), Vec::new());
    for text in specs {
        let spec: KernelSpec = text.parse()?;
        let Some(commits) = range::commits(&spec)? else {
            builds.push(kernel::resolve(&spec, cache, &say)?);
            continue;
        };
        for commit in commits {
            match kernel::resolve(&commit.spec, cache, &say) {
                Ok(build) => resolved.kernels.push(NamedKernel { name: commit.name.clone(), build }),
                Err(error) if error.kind == crate::Kind::Interrupted => return Err(error),
                Err(error) => resolved.unbuilt.push(unbuilt(&commit, &error)),
            }
            resolved.series.push(commit);
        }
    }
    resolved.kernels.extend(named(builds));
    Ok(resolved)
}

fn unbuilt(commit: &Commit, error: &Error) -> Unbuilt {
    let verdict = if error.kind == crate::Kind::Infra { Verdict::Infra } else { Verdict::Fail };
    let place = error.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
    Unbuilt { name: commit.name.clone(), verdict, reason: format!("{place}{error}") }
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
