//! Modules that are still in their packages.

use super::index::name_of;
use crate::error::{Error, Result};
use crate::kernel::archive::{self, Member, Role};
use crate::kernel::cache::unwritable;
use crate::kernel::{Cache, Progress};
use object::{Object, ObjectSection};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

/// First line of our modules.dep: whoever finds another makes the list anew.
const MARK: &str = "# what the modules say they need, and who answers to what they wish for\n";

/// Writes modules.dep, and what lists there are in the packages, unless it is done.
pub fn index(tree: &Path, packages: &[PathBuf], cache: &Cache, progress: Progress<'_>) -> Result<()> {
    let list = tree.join("modules.dep");
    let _lock = cache.lock(&tree.to_string_lossy())?;
    if std::fs::read_to_string(&list).is_ok_and(|text| text.starts_with(MARK)) {
        return Ok(());
    }
    progress("listing the kernel's modules");
    let mut modules: BTreeMap<String, ModuleInfo> = BTreeMap::new();
    for package in packages {
        archive::walk(package, |mut member| {
            let Some(path) = below_tree(member.path) else { return Ok(ControlFlow::Continue(())) };
            match member.role {
                Role::ModuleList => write(cache, &tree.join(path), &mut member)?,
                Role::Module => drop(modules.insert(path.clone(), information(&path, &mut member)?)),
                Role::Image | Role::Config | Role::Symbols => {}
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    // Last, because its presence says that all is done.
    cache.write(&list, render(&modules).as_bytes())
}

/// Takes these files out of the packages, unless they are there.
pub fn extract(tree: &Path, packages: &[PathBuf], paths: &[String], cache: &Cache) -> Result<()> {
    let _lock = cache.lock(&tree.to_string_lossy())?;
    let mut missing: BTreeSet<&str> =
        paths.iter().map(String::as_str).filter(|path| !tree.join(path).is_file()).collect();
    for package in packages {
        if missing.is_empty() {
            break;
        }
        archive::walk(package, |mut member| {
            if let Some(path) = below_tree(member.path).filter(|path| missing.remove(path.as_str())) {
                write(cache, &tree.join(path), &mut member)?;
            }
            Ok(if missing.is_empty() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
    }
    match missing.first() {
        None => Ok(()),
        Some(path) => Err(Error::infra(format!("module {} is not there", tree.join(path).display()))),
    }
}

/// `kernel/fs/fuse/fuse.ko` of `./usr/lib/modules/RELEASE/kernel/fs/fuse/fuse.ko`.
fn below_tree(path: &Path) -> Option<String> {
    let text = path.to_str()?;
    let (_, rest) = text.split_once("lib/modules/")?;
    let (_, below) = rest.split_once('/')?;
    Some(below.to_owned())
}

fn write(cache: &Cache, path: &Path, member: &mut Member<'_>) -> Result<()> {
    let mut content = Vec::new();
    read_whole(&mut *member.content, member.path, &mut content)?;
    let folder = path.parent().unwrap_or(path);
    std::fs::create_dir_all(folder).map_err(|error| unwritable(folder, error))?;
    cache.write(path, &content)
}

fn read_whole(mut from: impl Read, path: &Path, into: &mut Vec<u8>) -> Result<()> {
    let unreadable =
        |error| Error::infra(format!("cannot unpack {}", path.display())).because(anyhow::Error::new(error));
    from.read_to_end(into).map(drop).map_err(unreadable)
}

/// What a module says of itself that concerns others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ModuleInfo {
    /// Modules that it cannot be linked without.
    pub needs: Vec<String>,
    /// Modules, or names that some module answers to, that it wishes loaded before.
    pub wishes: Vec<String>,
    /// Names that it answers to, but for those of hardware.
    pub aliases: Vec<String>,
}

/// From its `.modinfo` section (`MODULE_INFO` in include/linux/module.h).
fn information(path: &str, member: &mut Member<'_>) -> Result<ModuleInfo> {
    let mut packed = Vec::new();
    read_whole(&mut *member.content, member.path, &mut packed)?;
    let damaged = |error: anyhow::Error| Error::infra(format!("module {path}")).because(error);
    let plain = archive::decompress(path, std::io::Cursor::new(packed)).map_err(damaged)?;
    let mut content = Vec::new();
    read_whole(plain, member.path, &mut content)?;
    let file = object::File::parse(&*content).map_err(|error| damaged(error.into()))?;
    let section = file.section_by_name(".modinfo");
    let modinfo = section.map(|section| section.data()).transpose().map_err(|error| damaged(error.into()))?;
    Ok(parse_modinfo(&String::from_utf8_lossy(modinfo.unwrap_or_default())))
}

/// NUL-separated `key=value`; `softdep=pre: a b post: c`.
pub(super) fn parse_modinfo(modinfo: &str) -> ModuleInfo {
    let value = |key: &'static str| modinfo.split('\0').filter_map(move |entry| entry.strip_prefix(key));
    let wishes = value("softdep=").flat_map(|text| {
        let before = text.split("post:").next().unwrap_or_default();
        before.trim().strip_prefix("pre:").unwrap_or_default().split_whitespace()
    });
    let needs = value("depends=").flat_map(|names| names.split(','));
    let aliases = value("alias=").filter(|alias| !alias.contains([':', '*']));
    ModuleInfo { needs: names(needs), wishes: names(wishes), aliases: names(aliases) }
}

fn names<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    words.map(name_of).filter(|name| !name.is_empty()).collect()
}

/// In the form of modules.dep. A wish that nothing in this kernel answers to is no dependency. Of several that do, the
/// generic one is taken, which needs no hardware.
fn render(modules: &BTreeMap<String, ModuleInfo>) -> String {
    let paths: BTreeMap<String, &String> = modules.keys().map(|path| (name_of(path), path)).collect();
    let mut answers: BTreeMap<&str, &String> = BTreeMap::new();
    for (path, module) in modules {
        for alias in &module.aliases {
            let first = answers.entry(alias.as_str()).or_insert(path);
            if name_of(path).ends_with("_generic") {
                *first = path;
            }
        }
    }
    let mut list = MARK.to_owned();
    for (path, module) in modules {
        let needs = module.needs.iter().filter_map(|name| paths.get(name));
        let wishes =
            module.wishes.iter().filter_map(|name| paths.get(name).or_else(|| answers.get(name.as_str())));
        let words: Vec<&str> = needs.chain(wishes).map(|path| path.as_str()).collect();
        list += &format!("{path}: {}\n", words.join(" "));
    }
    list
}
