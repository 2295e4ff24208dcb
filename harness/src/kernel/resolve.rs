//! From a spec to a kernel build.

use super::{Cache, KernelBuild, KernelSpec, Progress, deb, local, tree};
use crate::error::Result;

/// Finds, fetches or builds the kernel. Blocks: a first fetch takes seconds, a build of a tree minutes.
///
/// Errors: usage, if the spec names nothing that exists or no x86-64 kernel; infrastructure, if apt, the compiler or
/// the disk failed.
pub fn resolve(spec: &KernelSpec, cache: &Cache, progress: Progress<'_>) -> Result<KernelBuild> {
    match spec {
        KernelSpec::Deb { suite, wanted } => deb::resolve(spec, suite.as_deref(), wanted, cache, progress),
        KernelSpec::Path { image, modules, config, symbols } => {
            let named = local::Files {
                image: image.clone(),
                modules: modules.clone(),
                config: config.clone(),
                symbols: symbols.clone(),
                debug: None,
            };
            local::build(spec, &local::with_neighbours(named))
        }
        KernelSpec::Host => local::host(spec),
        KernelSpec::Tree(tree) => tree::resolve(tree, cache, progress),
    }
}
