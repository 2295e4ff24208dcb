use super::super::archive::tests::package;
use super::super::image::tests::bzimage;
use super::*;
use std::cell::Cell;

/// An apt with recorded lists, whose downloads are small packages made here.
struct FakeApt {
    records: &'static str,
    lists: PathBuf,
    searches: Cell<u32>,
    downloads: Cell<u32>,
    broken: Cell<bool>,
    fresh_lists_help: bool,
}

impl Apt for FakeApt {
    fn search(&self, _: &str) -> Result<String> {
        self.searches.set(self.searches.get() + 1);
        Ok(self.records.to_owned())
    }

    fn download(&self, packages: &[&Package], into: &Path) -> Result<()> {
        if self.broken.get() {
            return Err(Error::infra("apt-get: 404 Not Found"));
        }
        self.downloads.set(self.downloads.get() + 1);
        for one in packages {
            let release = one.name.splitn(3, '-').nth(2).unwrap();
            let path = into.join(format!("{}_{}_amd64.deb", one.name, one.version));
            let at = |name: &str| format!("./usr/lib/modules/{release}/{name}");
            match one.name.split('-').nth(1).unwrap() {
                "image" if !one.pieces.is_empty() => package(&path, &[("./usr/share/doc/x", b"")]),
                "image" => package(
                    &path,
                    &[
                        (&format!("./boot/config-{release}"), b"CONFIG_64BIT=y\n"),
                        (&format!("./boot/vmlinuz-{release}"), &bzimage()),
                    ],
                ),
                "binary" => package(&path, &[(&at("vmlinuz"), &bzimage())]),
                "base" => package(&path, &[(&at("config"), b"CONFIG_64BIT=y\n")]),
                _ => package(&path, &[(&at("kernel/a.ko"), b"module")]),
            }
        }
        Ok(())
    }

    fn refresh(&self, _: Duration) -> Result<bool> {
        self.broken.set(false);
        Ok(self.fresh_lists_help)
    }

    fn lists(&self) -> Result<PathBuf> {
        Ok(self.lists.clone())
    }
}

struct Bench {
    _folder: tempfile::TempDir,
    cache: Cache,
    apt: FakeApt,
}

impl Bench {
    fn new(records: &'static str) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let lists = folder.path().join("lists");
        std::fs::create_dir(&lists).unwrap();
        let cache = Cache::at(folder.path().join("cache")).unwrap();
        let (searches, downloads, broken) = Default::default();
        let apt = FakeApt { records, lists, searches, downloads, broken, fresh_lists_help: false };
        Bench { _folder: folder, cache, apt }
    }

    fn resolve(&self, text: &str) -> Result<KernelBuild> {
        let spec: KernelSpec = text.parse().unwrap();
        let KernelSpec::Deb { wanted, .. } = &spec else { panic!("{text} is no package") };
        match Remembered::recall(&spec, &self.cache) {
            Some(entry) => entry::load(&entry, &spec),
            None => resolve_with(&self.apt, &spec, wanted, &self.cache, &|_| {}),
        }
    }

    fn calls(&self) -> (u32, u32) {
        (self.apt.searches.get(), self.apt.downloads.get())
    }
}

const BOOKWORM: &str = include_str!("../testdata/bookworm.txt");
const SID: &str = include_str!("../testdata/sid.txt");

#[test]
fn a_package_becomes_a_kernel() {
    let bench = Bench::new(BOOKWORM);
    let kernel = bench.resolve("deb:6.1/cloud").unwrap();
    assert_eq!(kernel.release, "6.1.0-56-cloud-amd64");
    assert_eq!(kernel.name, "deb:6.1/cloud");
    assert_eq!(std::fs::read(&kernel.image).unwrap(), bzimage());
    assert!(kernel.config.unwrap().is_built_in("64BIT"));
    assert_eq!(kernel.packages.len(), 1);
    assert!(kernel.packages[0].is_file());
}

#[test]
fn a_kernel_in_pieces_is_put_together() {
    let bench = Bench::new(SID);
    let kernel = bench.resolve("deb:newest/cloud").unwrap();
    assert_eq!(kernel.packages.len(), 4);
    assert!(kernel.config.is_some());
    assert_eq!(kernel.image_digest, blake3::hash(&bzimage()).to_hex().to_string());
}

#[test]
fn the_second_call_asks_and_fetches_nothing() {
    let bench = Bench::new(BOOKWORM);
    bench.resolve("deb:6.1/cloud").unwrap();
    bench.resolve("deb:6.1/cloud").unwrap();
    assert_eq!(bench.calls(), (1, 1));
    bench.resolve("deb:linux-image-6.1.0-56-cloud-amd64").unwrap();
    assert_eq!(bench.calls(), (2, 1), "another name of the same kernel fetches nothing");
}

#[test]
fn new_lists_are_asked_again() {
    let bench = Bench::new(BOOKWORM);
    bench.resolve("deb:6.1/cloud").unwrap();
    std::fs::write(bench.apt.lists.join("Packages"), "new").unwrap();
    bench.resolve("deb:6.1/cloud").unwrap();
    assert_eq!(bench.calls(), (2, 1));
}

#[test]
fn a_damaged_entry_is_fetched_again() {
    let bench = Bench::new(BOOKWORM);
    let kernel = bench.resolve("deb:6.1/cloud").unwrap();
    let mut damages: Vec<Box<dyn Fn()>> = Vec::new();
    let image = kernel.image.clone();
    damages.push(Box::new(move || std::fs::write(&image, b"short").unwrap()));
    let image = kernel.image.clone();
    damages.push(Box::new(move || std::fs::write(&image, vec![0; bzimage().len()]).unwrap()));
    let package = kernel.packages[0].clone();
    damages.push(Box::new(move || std::fs::remove_file(&package).unwrap()));
    for (number, damage) in damages.iter().enumerate() {
        damage();
        let kernel = bench.resolve("deb:6.1/cloud").unwrap();
        assert_eq!(std::fs::read(&kernel.image).unwrap(), bzimage());
        assert_eq!(bench.calls().1, number as u32 + 2);
    }
}

#[test]
fn a_failed_download_leaves_nothing_and_says_what_to_do() {
    let bench = Bench::new(BOOKWORM);
    bench.apt.broken.set(true);
    let error = bench.resolve("deb:6.1/cloud").unwrap_err();
    assert!(error.hints[0].contains("apt-get update"), "{:?}", error.hints);
    bench.apt.broken.set(false);
    assert!(bench.resolve("deb:6.1/cloud").is_ok());
}

#[test]
fn lists_of_our_own_are_fetched_again_before_giving_up() {
    let mut bench = Bench::new(BOOKWORM);
    bench.apt.fresh_lists_help = true;
    bench.apt.broken.set(true);
    assert!(bench.resolve("deb:6.1/cloud").is_ok());
    assert_eq!(bench.calls(), (2, 1));
}
