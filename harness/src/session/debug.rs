//! What a kernel's debugging information adds to its consoles.

use crate::crash::{DebugInfo, scan};
use crate::kernel::KernelBuild;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What was read for earlier consoles. Reading takes seconds, so it is done once, and only for a console with a splat.
#[derive(Debug, Clone, Default)]
pub(super) struct Library(Arc<Mutex<Read>>);

#[derive(Debug, Default)]
struct Read {
    info: DebugInfo,
    files: BTreeSet<PathBuf>,
}

impl Read {
    fn add(&mut self, file: PathBuf) {
        if self.files.contains(&file) {
            return;
        }
        if let Err(error) = self.info.add(&file) {
            tracing::warn!("no lines of source from {}: {error:#}", file.display());
        }
        self.files.insert(file);
    }
}

/// The console with files and lines behind the frames of its splats, as far as vmlinux and modules tell.
pub(super) async fn annotate(library: &Library, kernel: &KernelBuild, console: String) -> String {
    let modules = modules_of(&console);
    let Some(vmlinux) = kernel.debug.clone().filter(|_| modules.is_some()) else { return console };
    let tree = kernel.modules.clone();
    let (unannotated, library) = (console.clone(), library.clone());
    let annotated = tokio::task::spawn_blocking(move || {
        // Who finds it locked would read the same.
        let mut read = library.0.lock().unwrap_or_else(PoisonError::into_inner);
        let modules = modules.unwrap_or_default();
        let files = tree.iter().flat_map(|tree| files_of(tree, &modules)).chain([vmlinux]);
        files.for_each(|file| read.add(file));
        read.info.annotate(&console)
    });
    annotated.await.unwrap_or(unannotated)
}

/// The modules that frames of the console's splats lie in; none when it has no splats.
fn modules_of(console: &str) -> Option<BTreeSet<String>> {
    let splats = scan(console.as_bytes());
    let frames = splats.iter().flat_map(|splat| splat.at.iter().chain(&splat.stack));
    let modules = frames.filter_map(|frame| frame.module.clone()).collect();
    (!splats.is_empty()).then_some(modules)
}

/// The files of these modules in a module tree that is not packed. Format: modules.dep(5).
fn files_of(tree: &Path, modules: &BTreeSet<String>) -> Vec<PathBuf> {
    let list = std::fs::read_to_string(tree.join("modules.dep")).unwrap_or_default();
    let wanted = |path: &&str| {
        let name = path.rsplit('/').next().and_then(|name| name.strip_suffix(".ko"));
        name.is_some_and(|name| modules.contains(&name.replace('-', "_")))
    };
    let paths = list.lines().filter_map(|line| Some(line.split_once(':')?.0));
    paths.filter(wanted).map(|path| tree.join(path)).filter(|path| path.is_file()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_modules_of_a_splat_are_looked_for() {
        assert_eq!(modules_of("[    1.000000]  foo+0x1/0x2 [lab]\n"), None);
        let console = "[    1.000000] BUG: kernel NULL pointer dereference, address: 0000000000000010\n\
                       [    1.000001] RIP: 0010:foo+0x1/0x2 [nf_tables]\n";
        let modules = modules_of(console).unwrap();
        assert_eq!(modules, BTreeSet::from(["nf_tables".to_owned()]));
        let tree = tempfile::tempdir().unwrap();
        std::fs::create_dir(tree.path().join("kernel")).unwrap();
        std::fs::write(tree.path().join("kernel/nf-tables.ko"), "").unwrap();
        std::fs::write(tree.path().join("modules.dep"), "kernel/a.ko:\nkernel/nf-tables.ko: kernel/a.ko\n")
            .unwrap();
        assert_eq!(files_of(tree.path(), &modules), [tree.path().join("kernel/nf-tables.ko")]);
    }
}
