//! `deb:` kernels: chosen from apt's lists, fetched by apt, kept unpacked in the cache.

use super::apt::private::{PrivateApt, own_suite};
use super::apt::program::AptPrograms;
use super::apt::{Apt, fingerprint, has_lists};
use super::cache::{digest, unwritable};
use super::package::{Package, Packages, parse_records};
use super::spec::Wanted;
use super::{Cache, KernelBuild, KernelSpec, Progress, entry};
use crate::error::{Error, Result};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Every package that can hold a piece of a kernel.
const KERNEL_PACKAGES: &str = "^linux-(image|base|binary|modules)-.*amd64$";

/// Lists younger than this are not fetched again because something was missing in them.
const FRESH: Duration = Duration::from_secs(3600);

/// Finds the package in the suite (the machine's own without a name) and fetches it unless it is cached.
pub fn resolve(
    spec: &KernelSpec,
    suite: Option<&str>,
    wanted: &Wanted,
    cache: &Cache,
    progress: Progress<'_>,
) -> Result<KernelBuild> {
    if let Some(entry) = Remembered::recall(spec, cache) {
        return entry::load(&entry, spec);
    }
    let apt = open(suite, cache, progress)?;
    resolve_with(apt.as_ref(), spec, wanted, cache, progress)
}

/// The apt for a suite: the machine's own, unless it has no lists (as in a new container) or another suite is asked
/// for.
pub fn open(suite: Option<&str>, cache: &Cache, progress: Progress<'_>) -> Result<Box<dyn Apt>> {
    let machine = AptPrograms::of_machine();
    match suite {
        Some(suite) => Ok(Box::new(PrivateApt::open(suite, cache, progress)?)),
        None if has_lists(&machine.lists()?) => Ok(Box::new(machine)),
        None => Ok(Box::new(PrivateApt::open(&own_suite(), cache, progress)?)),
    }
}

/// Fetches the lists of a suite again; tells whether they are ours to fetch.
pub fn refresh(suite: Option<&str>, cache: &Cache, progress: Progress<'_>) -> Result<bool> {
    let apt = open(suite, cache, progress)?;
    progress(&format!("fetching the package lists of {}", suite.unwrap_or("the machine's suite")));
    apt.refresh(Duration::ZERO)
}

/// Every kernel package of a suite.
pub fn packages(apt: &dyn Apt) -> Result<Packages> {
    Ok(Packages::new(parse_records(&apt.search(KERNEL_PACKAGES)?)))
}

/// The answer to a spec, as long as apt's lists stay as they are: asking apt takes a second, this a millisecond.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    lists: PathBuf,
    fingerprint: String,
    entry: String,
}

impl Remembered {
    fn file(spec: &KernelSpec, cache: &Cache) -> Result<PathBuf> {
        cache.path(Path::new("resolved").join(digest(&spec.to_string())))
    }

    fn recall(spec: &KernelSpec, cache: &Cache) -> Option<PathBuf> {
        let text = std::fs::read(Remembered::file(spec, cache).ok()?).ok()?;
        let known: Remembered = serde_json::from_slice(&text).ok()?;
        let entry = cache.root().join(&known.entry);
        (fingerprint(&known.lists).ok()? == known.fingerprint && entry::is_intact(&entry)).then_some(entry)
    }

    fn keep(self, spec: &KernelSpec, cache: &Cache) -> Result<()> {
        let text = serde_json::to_vec(&self).expect("plain data");
        cache.write(&Remembered::file(spec, cache)?, &text)
    }
}

/// What is missing in old lists, or gone from the archive since, is looked for once more in new ones.
fn resolve_with(
    apt: &dyn Apt,
    spec: &KernelSpec,
    wanted: &Wanted,
    cache: &Cache,
    progress: Progress<'_>,
) -> Result<KernelBuild> {
    progress(&format!("asking apt for {spec}"));
    find(apt, spec, wanted, cache, progress).or_else(|error| match apt.refresh(FRESH) {
        Ok(true) => find(apt, spec, wanted, cache, progress),
        Ok(false) | Err(_) => Err(error),
    })
}

fn find(
    apt: &dyn Apt,
    spec: &KernelSpec,
    wanted: &Wanted,
    cache: &Cache,
    progress: Progress<'_>,
) -> Result<KernelBuild> {
    let lists = apt.lists()?;
    let fingerprint = fingerprint(&lists)?;
    let packages = packages(apt)?;
    let pieces = packages.select(wanted)?;
    let relative = entry_name(&pieces);
    let path = cache.entry(&relative, entry::is_intact, |scratch| fetch(apt, &pieces, scratch, progress))?;
    Remembered { lists, fingerprint, entry: relative }.keep(spec, cache)?;
    entry::load(&path, spec)
}

/// Where the cache keeps it. Tells entries apart by content: another archive may reuse name and version.
pub fn entry_name(pieces: &[&Package]) -> String {
    let contents: Vec<&str> = pieces.iter().map(|package| package.sha256.as_str()).collect();
    // A metapackage comes first; the name of the kernel itself says more.
    let named = pieces.iter().find(|package| super::package::image_name(&package.name).is_some());
    let named = named.or(pieces.first()).map_or("kernel", |package| package.name.as_str());
    format!("kernels/{named}-{}", &digest(&contents.join(" "))[..12])
}

fn fetch(apt: &dyn Apt, pieces: &[&Package], scratch: &Path, progress: Progress<'_>) -> Result<()> {
    let total: u64 = pieces.iter().map(|package| package.size).sum();
    let name = pieces.first().map_or("nothing", |package| package.name.as_str());
    progress(&format!("downloading {name} ({:.1} MB)", total as f64 / 1e6));
    let folder = scratch.join("packages");
    std::fs::create_dir(&folder).map_err(|error| unwritable(&folder, error))?;
    apt.download(pieces, &folder).map_err(|error| stale(error, pieces))?;
    progress(&format!("unpacking {name}"));
    entry::unpack(scratch)
}

fn stale(error: Error, pieces: &[&Package]) -> Error {
    match pieces.first() {
        Some(package) => error.hint(format!(
            "{} {} may have left the archive since the lists were fetched: run `apt-get update` and try again",
            package.name, package.version
        )),
        None => error,
    }
}

#[cfg(test)]
mod tests;
