//! Which kernels can be had, and which are here already.

use super::package::{ImageName, Package, Packages};
use super::{Cache, deb, entry};
use crate::error::Result;
use serde::Serialize;
use std::collections::BTreeSet;

/// One kernel to choose from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Offer {
    /// What to type after `-k`.
    pub spec: String,
    pub release: String,
    /// Version of the package.
    pub version: String,
    /// To download, in bytes, with all its pieces.
    pub bytes: u64,
    pub cached: bool,
}

/// The newest kernel of each series and flavour in a suite, oldest first; every one with `all`.
pub fn offers(packages: &Packages, suite: Option<&str>, all: bool, cache: &Cache) -> Result<Vec<Offer>> {
    let prefix = suite.map(|suite| format!("{suite}:")).unwrap_or_default();
    let images = packages.images();
    let mut seen = BTreeSet::new();
    let mut offers = Vec::new();
    for (name, package) in images.iter().rev() {
        let newest = seen.insert((series(name.release), name.flavour));
        if !newest && !all {
            continue;
        }
        let spec = match newest {
            true => format!("deb:{prefix}{}/{}", series(name.release), name.flavour),
            false => format!("deb:{prefix}{}", package.name),
        };
        offers.push(offer(packages, (name, package), spec, cache)?);
    }
    offers.reverse();
    Ok(offers)
}

fn offer(
    packages: &Packages,
    image: (&ImageName<'_>, &Package),
    spec: String,
    cache: &Cache,
) -> Result<Offer> {
    let (name, package) = image;
    let pieces = packages.pieces(package);
    Ok(Offer {
        spec,
        release: format!("{}-{}", name.release, flavour_in_release(name.flavour)),
        version: package.version.to_string(),
        bytes: pieces.iter().map(|piece| piece.size).sum(),
        cached: entry::is_intact(&cache.root().join(deb::entry_name(&pieces))),
    })
}

fn flavour_in_release(flavour: &str) -> String {
    match flavour == super::spec::ARCHITECTURE {
        true => flavour.to_owned(),
        false => format!("{flavour}-{}", super::spec::ARCHITECTURE),
    }
}

/// The first two numbers of a release.
pub fn series(release: &str) -> &str {
    let end = release.match_indices('.').nth(1).map_or(release.len(), |(dot, _)| dot);
    &release[..end]
}

#[cfg(test)]
mod tests {
    use super::super::package::parse_records;
    use super::*;

    fn listed(all: bool) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let packages = Packages::new(parse_records(include_str!("testdata/bookworm.txt")));
        let offers = offers(&packages, Some("bookworm"), all, &cache).unwrap();
        assert!(offers.iter().all(|offer| !offer.cached && offer.bytes > 0));
        offers.into_iter().map(|offer| (offer.spec, offer.release)).collect()
    }

    #[test]
    fn the_newest_of_each_series_and_flavour_is_offered() {
        let expected = [
            ("deb:bookworm:6.1/amd64", "6.1.0-56-amd64"),
            ("deb:bookworm:6.1/cloud", "6.1.0-56-cloud-amd64"),
            ("deb:bookworm:6.1/rt", "6.1.0-56-rt-amd64"),
            ("deb:bookworm:6.12/cloud", "6.12.117+deb12-cloud-amd64"),
        ];
        assert_eq!(listed(false), expected.map(|(spec, release)| (spec.to_owned(), release.to_owned())));
    }

    #[test]
    fn every_offer_can_be_typed_and_means_that_kernel() {
        let all = listed(true);
        assert_eq!(all.len(), 7);
        assert!(all.iter().any(|(spec, _)| spec == "deb:bookworm:linux-image-6.1.0-47-cloud-amd64"));
        assert!(all.iter().all(|(spec, _)| spec.parse::<super::super::KernelSpec>().is_ok()));
    }
}
