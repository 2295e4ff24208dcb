//! Debian's kernel packages: what their names mean, and which one was asked for.

use super::spec::{ARCHITECTURE, Wanted};
use super::version::{DebianVersion, begins_with};
use crate::error::{Error, Result, nearest};
use std::collections::{BTreeMap, BTreeSet};

/// One package as apt describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    pub name: String,
    pub version: DebianVersion,
    /// Dependencies that must have exactly this version: the other pieces of the same build.
    pub pieces: Vec<String>,
    /// Bytes to download.
    pub size: u64,
    /// SHA-256 of the package file, in hexadecimal.
    pub sha256: String,
}

/// What stands in the name of a package with a bootable kernel: `linux-image-6.1.0-56-cloud-amd64`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ImageName<'a> {
    /// The release without the flavour: `6.1.0-56`, `6.12.117+deb12`, `6.1.0-0.deb11.48`.
    pub release: &'a str,
    /// `cloud`, `rt`; the generic flavour is named after the architecture.
    pub flavour: &'a str,
}

/// Takes a package's name apart. None for debug symbols, unsigned copies of a signed image, and metapackages, which
/// name a series and not a release.
pub fn image_name(package: &str) -> Option<ImageName<'_>> {
    let rest = package.strip_prefix("linux-image-")?.strip_suffix(ARCHITECTURE)?.strip_suffix('-')?;
    let is_release = |text: &str| {
        let mut numbers = text.splitn(3, '.');
        let mut number = || numbers.next().is_some_and(|part| part.starts_with(|c: char| c.is_ascii_digit()));
        number() && number() && number()
    };
    let (release, flavour) = match rest.rsplit_once('-') {
        Some((release, flavour)) if flavour.starts_with(|c: char| c.is_ascii_lowercase()) => {
            (release, flavour)
        }
        _ => (rest, ARCHITECTURE),
    };
    is_release(release).then_some(ImageName { release, flavour })
}

/// Reads what `apt-cache show` or `apt-cache search --full` prints: stanzas of `Field: value` (deb822(5)).
pub fn parse_records(text: &str) -> Vec<Package> {
    text.split("\n\n").filter_map(parse_record).collect()
}

fn parse_record(stanza: &str) -> Option<Package> {
    let field = |wanted: &str| {
        stanza.lines().find_map(|line| Some(line.strip_prefix(wanted)?.strip_prefix(':')?.trim()))
    };
    let version = field("Version")?;
    Some(Package {
        name: field("Package")?.to_owned(),
        pieces: field("Depends").map(|depends| exact_dependencies(depends, version)).unwrap_or_default(),
        size: field("Size").and_then(|size| size.parse().ok()).unwrap_or(0),
        sha256: field("SHA256").unwrap_or_default().to_owned(),
        version: DebianVersion::new(version),
    })
}

/// The names in `a, b (= 1), c | d (= 1)` that are asked for in exactly this version.
fn exact_dependencies(depends: &str, version: &str) -> Vec<String> {
    let exact = format!("(= {version})");
    let name = |clause: &str| Some(clause.trim().strip_suffix(&exact)?.trim().to_owned());
    depends.split(',').filter(|clause| !clause.contains('|')).filter_map(name).collect()
}

/// The packages of a suite, by name.
#[derive(Debug, Clone, Default)]
pub struct Packages {
    by_name: BTreeMap<String, Package>,
}

impl Packages {
    /// Of a package listed in several versions the newest counts.
    pub fn new(packages: impl IntoIterator<Item = Package>) -> Packages {
        let mut by_name: BTreeMap<String, Package> = BTreeMap::new();
        for package in packages {
            match by_name.get(&package.name) {
                Some(known) if known.version >= package.version => {}
                _ => drop(by_name.insert(package.name.clone(), package)),
            }
        }
        Packages { by_name }
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// Every bootable kernel, oldest first.
    pub fn images(&self) -> Vec<(ImageName<'_>, &Package)> {
        let mut images: Vec<_> =
            self.by_name.values().filter_map(|package| Some((image_name(&package.name)?, package))).collect();
        images.sort_by(|(a_name, a), (b_name, b)| {
            a.version.cmp(&b.version).then_with(|| a_name.flavour.cmp(b_name.flavour))
        });
        images
    }

    /// The package that was asked for, and every other piece of the same build; the asked-for one comes first.
    pub fn select(&self, wanted: &Wanted) -> Result<Vec<&Package>> {
        let chosen = match wanted {
            Wanted::Package(name) => self.named(name)?,
            Wanted::Newest { version, flavour } => self.newest(version.as_deref(), flavour)?,
        };
        Ok(self.pieces(chosen))
    }

    /// A package and every other piece of the same build, itself first.
    pub fn pieces<'a>(&'a self, package: &'a Package) -> Vec<&'a Package> {
        let mut pieces = vec![package];
        let mut next = 0;
        while let Some(package) = pieces.get(next).copied() {
            for name in &package.pieces {
                let Some(piece) = self.by_name.get(name) else { continue };
                if !pieces.iter().any(|known| known.name == piece.name) {
                    pieces.push(piece);
                }
            }
            next += 1;
        }
        pieces
    }

    fn named(&self, name: &str) -> Result<&Package> {
        self.by_name.get(name).ok_or_else(|| {
            let error = Error::usage(format!("apt knows no package `{name}`"));
            let close = nearest(name, self.images().iter().map(|(_, package)| package.name.as_str()));
            match close.is_empty() {
                true => error.hint("`gauntlet kernel list` shows the kernels that can be had"),
                false => error.hint(format!("did you mean {}?", close.join(", "))),
            }
        })
    }

    fn newest(&self, version: Option<&str>, flavour: &str) -> Result<&Package> {
        let images = self.images();
        let matching = images.iter().rev().find(|(name, package)| {
            let versions = [name.release, package.version.upstream(), package.version.as_str()];
            name.flavour == flavour
                && version.is_none_or(|wanted| versions.iter().any(|version| begins_with(version, wanted)))
        });
        matching.map(|(_, package)| *package).ok_or_else(|| no_match(&images, version, flavour))
    }
}

/// Says which half of VERSION/FLAVOUR is the wrong one, and what there is instead.
fn no_match(images: &[(ImageName<'_>, &Package)], version: Option<&str>, flavour: &str) -> Error {
    let flavours: BTreeSet<&str> = images.iter().map(|(name, _)| name.flavour).collect();
    if !flavours.contains(flavour) {
        let listed: Vec<&str> = flavours.iter().copied().collect();
        let error = Error::usage(format!("no kernel has the flavour `{flavour}`"));
        return match nearest(flavour, flavours).first() {
            Some(close) => error.hint(format!("did you mean {close}?")),
            None => error.hint(format!("there are: {}", listed.join(", "))),
        };
    }
    let mut series: Vec<&str> = Vec::new();
    for (name, _) in images.iter().filter(|(name, _)| name.flavour == flavour) {
        let one = super::catalogue::series(name.release);
        if !series.contains(&one) {
            series.push(one);
        }
    }
    Error::usage(format!("no kernel of flavour `{flavour}` has a version {}", version.unwrap_or("at all")))
        .hint(format!("this suite has: {}", series.join(", ")))
        .hint("kernels of another Debian suite are named deb:SUITE:VERSION/FLAVOUR (deb:trixie:6.12/cloud)")
}

#[cfg(test)]
mod tests;
