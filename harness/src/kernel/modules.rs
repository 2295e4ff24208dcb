//! Kernel modules: which files a module needs, in which order, and their plain content.
//!
//! Debian's packages carry no modules.dep, because depmod writes it when they are installed; so ours is made of what
//! the modules say of themselves. And most kernels never need a module, so both this list and the modules are taken
//! out of the packages only when the first is asked for.

mod index;
mod packed;

pub use index::Index;

use super::{Cache, KernelBuild, Progress, archive};
use crate::error::{Error, Result};
use std::io::Read;
use std::path::Path;

/// One module, ready for init_module(2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleFile {
    /// As in /proc/modules.
    pub name: String,
    /// The ELF file, decompressed.
    pub content: Vec<u8>,
}

/// The modules and everything they depend on, in the order in which they can be loaded. What is built into the image
/// is left out.
///
/// Errors: usage, if the kernel has no such module, or none at all; infrastructure, if a package cannot be read.
pub fn with_dependencies(
    kernel: &KernelBuild,
    wanted: &[&str],
    cache: &Cache,
    progress: Progress<'_>,
) -> Result<Vec<ModuleFile>> {
    let tree = kernel.modules.as_deref().ok_or_else(|| {
        Error::usage(format!("kernel {}: its modules are not known", kernel.name))
            .hint("name their directory: path:BZIMAGE,modules=DIR")
    })?;
    if !kernel.packages.is_empty() {
        packed::index(tree, &kernel.packages, cache, progress)?;
    }
    let index = Index::read(tree)?;
    let paths = index.load_order(wanted).map_err(|unknown| no_module(&kernel.name, &unknown, &index))?;
    packed::extract(tree, &kernel.packages, &paths, cache)?;
    paths.iter().map(|path| read(tree, path)).collect()
}

/// Takes the modules and everything they depend on out of the kernel's packages, all in one pass. Those that it has
/// not are left for [`with_dependencies`] to complain about.
///
/// Errors: infrastructure, if a package cannot be read.
pub fn unpack(kernel: &KernelBuild, wanted: &[&str], cache: &Cache, progress: Progress<'_>) -> Result<()> {
    let Some(tree) = kernel.modules.as_deref().filter(|_| !kernel.packages.is_empty()) else { return Ok(()) };
    packed::index(tree, &kernel.packages, cache, progress)?;
    let index = Index::read(tree)?;
    let paths: Vec<String> =
        wanted.iter().filter_map(|name| index.load_order(&[name]).ok()).flatten().collect();
    packed::extract(tree, &kernel.packages, &paths, cache)
}

fn no_module(kernel: &str, name: &str, index: &Index) -> Error {
    let error = Error::usage(format!("kernel {kernel} has no module `{name}`"));
    match crate::error::nearest(name, index.names()).as_slice() {
        [] => error,
        close => error.hint(format!("did you mean {}?", close.join(" or "))),
    }
}

fn read(tree: &Path, relative: &str) -> Result<ModuleFile> {
    let path = tree.join(relative);
    let unreadable = |error: anyhow::Error| Error::infra(format!("module {}", path.display())).because(error);
    let file = std::fs::File::open(&path).map_err(|error| unreadable(error.into()))?;
    let mut content = Vec::new();
    let mut plain = archive::decompress(relative, file).map_err(unreadable)?;
    plain.read_to_end(&mut content).map_err(|error| unreadable(error.into()))?;
    Ok(ModuleFile { name: index::name_of(relative), content })
}

#[cfg(test)]
mod tests;
