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

/// Writes modules.dep, and what lists there are in the packages, unless it is done.
pub fn index(tree: &Path, packages: &[PathBuf], cache: &Cache, progress: Progress<'_>) -> Result<()> {
    let list = tree.join("modules.dep");
    let _lock = cache.lock(&tree.to_string_lossy())?;
    if list.is_file() {
        return Ok(());
    }
    progress("listing the kernel's modules");
    let mut needs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for package in packages {
        archive::walk(package, |mut member| {
            let Some(path) = below_tree(member.path) else { return Ok(ControlFlow::Continue(())) };
            match member.role {
                Role::ModuleList => write(cache, &tree.join(path), &mut member)?,
                Role::Module => drop(needs.insert(path.clone(), dependencies(&path, &mut member)?)),
                Role::Image | Role::Config | Role::Symbols => {}
            }
            Ok(ControlFlow::Continue(()))
        })?;
    }
    // Last, because its presence says that all is done.
    cache.write(&list, render(&needs).as_bytes())
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

/// The names of the modules that one says it depends on, from its `.modinfo` section (`MODULE_INFO` in
/// include/linux/module.h): what it cannot be linked without, and what it wishes loaded before.
fn dependencies(path: &str, member: &mut Member<'_>) -> Result<Vec<String>> {
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
pub(super) fn parse_modinfo(modinfo: &str) -> Vec<String> {
    let value = |key: &'static str| modinfo.split('\0').filter_map(move |entry| entry.strip_prefix(key));
    let hard = value("depends=").flat_map(|names| names.split(','));
    let soft = value("softdep=").flat_map(|text| {
        let before = text.split("post:").next().unwrap_or_default();
        before.trim().strip_prefix("pre:").unwrap_or_default().split_whitespace()
    });
    hard.chain(soft).map(name_of).filter(|name| !name.is_empty()).collect()
}

/// In the form of modules.dep. A wish for a module that this kernel does not have is no dependency.
fn render(needs: &BTreeMap<String, Vec<String>>) -> String {
    let paths: BTreeMap<String, &String> = needs.keys().map(|path| (name_of(path), path)).collect();
    let line = |(path, names): (&String, &Vec<String>)| {
        let known: Vec<&str> =
            names.iter().filter_map(|name| paths.get(name)).map(|path| path.as_str()).collect();
        format!("{path}: {}\n", known.join(" "))
    };
    needs.iter().map(line).collect()
}
