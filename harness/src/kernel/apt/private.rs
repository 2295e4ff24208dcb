//! An apt of our own for another Debian suite: lists, cache and sources below our cache, so that neither root is
//! needed nor the machine's own apt touched.

use super::program::AptPrograms;
use super::sources::{self, Source};
use super::{Apt, has_lists};
use crate::error::{Error, Result, nearest};
use crate::kernel::cache::unwritable;
use crate::kernel::package::Package;
use crate::kernel::{Cache, Progress};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

const SOURCE_LIST: &str = "Dir::Etc::sourcelist/f";
const SOURCE_PARTS: &str = "Dir::Etc::sourceparts/d";
const MAIN: &str = "Dir::Etc::main/f";
const PARTS: &str = "Dir::Etc::parts/d";

/// Touched when the lists were fetched; the lists themselves have the mirror's times.
const STAMP: &str = "updated";
/// Debian's suites of these years, to recognise a slip of the finger; every other name is tried all the same.
const SUITES: [&str; 10] = [
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "sid",
    "testing",
    "unstable",
    "stable",
    "experimental",
];
const LISTS: &str = "state/lists";

/// A private apt for one suite.
#[derive(Debug)]
pub struct PrivateApt {
    programs: AptPrograms,
    root: PathBuf,
    cache: Cache,
    suite: String,
}

impl PrivateApt {
    /// Makes it, and fetches the suite's lists if there are none yet.
    pub fn open(suite: &str, cache: &Cache, progress: Progress<'_>) -> Result<PrivateApt> {
        let root = cache.path(Path::new("apt").join(suite).join("root"))?;
        let places = AptPrograms::of_machine().places(&[SOURCE_LIST, SOURCE_PARTS, MAIN, PARTS])?;
        let sources = sources_of(&places, suite)?;
        let lock = cache.lock(&format!("apt/{suite}"))?;
        let file = write(&root, &places, &sources)?;
        let apt = PrivateApt {
            programs: AptPrograms::with_configuration(file),
            root,
            cache: cache.clone(),
            suite: suite.to_owned(),
        };
        if !has_lists(&apt.lists()?) {
            progress(&format!("fetching the package lists of {suite}"));
            apt.update()?;
        }
        drop(lock);
        Ok(apt)
    }

    /// A part of a suite that this mirror does not carry is no reason to do without the rest.
    fn update(&self) -> Result<()> {
        let updated = self.programs.update();
        let stamp = self.root.join(STAMP);
        std::fs::write(&stamp, "").map_err(|error| unwritable(&stamp, error))?;
        match updated {
            Err(error) if !has_lists(&self.root.join(LISTS)) => {
                // A name that is no suite is not worth keeping.
                let _ = std::fs::remove_dir_all(&self.root);
                Err(no_such_suite(error, &self.suite))
            }
            _ => Ok(()),
        }
    }
}

impl Apt for PrivateApt {
    fn search(&self, pattern: &str) -> Result<String> {
        self.programs.search(pattern)
    }

    fn download(&self, packages: &[&Package], into: &Path) -> Result<()> {
        self.programs.download(packages, into)
    }

    fn refresh(&self, least_age: Duration) -> Result<bool> {
        let _lock = self.cache.lock(&format!("apt/{}", self.suite))?;
        let updated = std::fs::metadata(self.root.join(STAMP)).and_then(|file| file.modified());
        if updated.is_ok_and(|time| time.elapsed().is_ok_and(|age| age < least_age)) {
            return Ok(false);
        }
        self.update().map(|()| true)
    }

    fn lists(&self) -> Result<PathBuf> {
        Ok(self.root.join(LISTS))
    }
}

fn no_such_suite(error: Error, suite: &str) -> Error {
    let error = error.hint(format!(
        "the machine's mirror may not carry `{suite}`; a source of it in the machine's sources.list is used as it is"
    ));
    match nearest(suite, SUITES).as_slice() {
        [] => error,
        close if close.contains(&suite) => error,
        close => error.hint(format!("did you mean {}?", close.join(" or "))),
    }
}

/// The machine's sources, bent to the suite.
fn sources_of(places: &BTreeMap<String, PathBuf>, suite: &str) -> Result<Vec<Source>> {
    let mut files: Vec<PathBuf> = places.get(SOURCE_LIST).cloned().into_iter().collect();
    if let Some(folder) = places.get(SOURCE_PARTS) {
        let parts = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|file| file.path());
        files.extend(
            parts.filter(|path| {
                path.extension().is_some_and(|ending| ending == "list" || ending == "sources")
            }),
        );
    }
    files.sort();
    let read = |path: &PathBuf| Some(sources::parse(path, &std::fs::read_to_string(path).ok()?));
    let all: Vec<Source> = files.iter().filter_map(read).flatten().collect();
    let codename = own_suite();
    let derived = sources::derive(&all, &codename, suite);
    if derived.is_empty() {
        let looked: Vec<String> = files.iter().map(|path| path.display().to_string()).collect();
        return Err(Error::usage(format!(
            "no package source of this machine leads to Debian's suite `{suite}`"
        ))
        .hint(format!("looked for suites named `{codename}` or `{suite}` in {}", looked.join(", "))));
    }
    Ok(derived)
}

/// `VERSION_CODENAME` of os-release(5).
fn codename(os_release: &str) -> String {
    let value = os_release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME="));
    value.unwrap_or("stable").trim_matches('"').to_owned()
}

/// The code name of the machine's own suite.
pub fn own_suite() -> String {
    codename(&std::fs::read_to_string("/etc/os-release").unwrap_or_default())
}

/// Writes sources and configuration, and makes the directories apt wants.
fn write(root: &Path, places: &BTreeMap<String, PathBuf>, sources: &[Source]) -> Result<PathBuf> {
    for folder in ["state/lists/partial", "cache/archives/partial", "sources.list.d", "none"] {
        let folder = root.join(folder);
        std::fs::create_dir_all(&folder).map_err(|error| unwritable(&folder, error))?;
    }
    let configuration = configuration(root, places);
    let files = [
        ("state/status", String::new()),
        ("sources.list.d/suite.sources", sources::render(sources, sources::keyrings())),
        ("apt.conf", configuration),
    ];
    for (name, text) in files {
        let path = root.join(name);
        if std::fs::read(&path).ok().as_deref() != Some(text.as_bytes()) {
            std::fs::write(&path, text).map_err(|error| unwritable(&path, error))?;
        }
    }
    Ok(root.join("apt.conf"))
}

/// apt.conf(5). The machine's own configuration is taken in (proxies, credentials), except for its hooks, which are
/// for the machine's packages, and its preferences.
fn configuration(root: &Path, places: &BTreeMap<String, PathBuf>) -> String {
    let machine = [PARTS, MAIN].iter().filter_map(|place| places.get(*place)).filter(|path| path.exists());
    // apt takes a name for a directory only with the slash at its end, and apt-config gives it so.
    let mut text: String = machine.map(|path| format!("#include \"{}\";\n", path.display())).collect();
    for hook in ["Pre-Invoke", "Post-Invoke", "Post-Invoke-Success"] {
        text += &format!("#clear APT::Update::{hook};\n");
    }
    text += "#clear APT::Default-Release;\n#clear APT::Architectures;\n";
    let root = root.display();
    let values = [
        ("APT::Architecture", "amd64".to_owned()),
        ("APT::Architectures::", "amd64".to_owned()),
        ("Acquire::Languages", "none".to_owned()),
        ("Dir::Etc::parts", format!("{root}/none/")),
        ("Dir::Etc::main", "/dev/null".to_owned()),
        ("Dir::Etc::sourcelist", "/dev/null".to_owned()),
        ("Dir::Etc::sourceparts", format!("{root}/sources.list.d/")),
        ("Dir::Etc::preferences", "/dev/null".to_owned()),
        ("Dir::Etc::preferencesparts", format!("{root}/none/")),
        ("Dir::State", format!("{root}/state/")),
        ("Dir::State::status", format!("{root}/state/status")),
        ("Dir::Cache", format!("{root}/cache/")),
        // Answers are remembered in 200 bytes; apt's own caches take 80 MB per suite.
        ("Dir::Cache::pkgcache", String::new()),
        ("Dir::Cache::srcpkgcache", String::new()),
    ];
    text.extend(values.iter().map(|(name, value)| format!("{name} \"{value}\";\n")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(folder: &Path) -> BTreeMap<String, PathBuf> {
        [
            (SOURCE_LIST, "sources.list"),
            (SOURCE_PARTS, "sources.list.d/"),
            (PARTS, "apt.conf.d/"),
            (MAIN, "apt.conf"),
        ]
        .map(|(place, name)| (place.to_owned(), folder.join(name)))
        .into()
    }

    #[test]
    fn the_machines_configuration_is_read_before_ours() {
        let folder = tempfile::tempdir().unwrap();
        let places = places(folder.path());
        std::fs::create_dir(folder.path().join("apt.conf.d")).unwrap();
        let text = configuration(Path::new("/c/root"), &places);
        let (include, rest) = text.split_once('\n').unwrap();
        assert_eq!(include, format!("#include \"{}/apt.conf.d/\";", folder.path().display()));
        assert!(!rest.contains("#include"), "a file that is not there would be an error");
        assert!(rest.contains("#clear APT::Update::Post-Invoke;\n"));
        assert!(rest.contains("Dir::State \"/c/root/state/\";\n"));
    }

    #[test]
    fn sources_of_both_kinds_of_files_are_found() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sources.list.d")).unwrap();
        let file = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        file("sources.list", "deb http://a.example/debian stable main\n");
        file(
            "sources.list.d/b.sources",
            "Types: deb\nURIs: http://b.example/\nSuites: stable\nComponents: main\n",
        );
        file("sources.list.d/c.list.disabled", "deb http://c.example/debian stable main\n");
        let sources = sources_of(&places(folder.path()), "sid").unwrap();
        let uris: Vec<&str> = sources.iter().map(|source| source.uris[0].as_str()).collect();
        assert_eq!(uris, ["http://a.example/debian", "http://b.example/"]);
    }

    #[test]
    fn a_machine_without_debian_sources_says_where_it_looked() {
        let folder = tempfile::tempdir().unwrap();
        let error = sources_of(&places(folder.path()), "sid").unwrap_err();
        assert!(error.message.contains("`sid`"), "{error}");
        assert!(error.hints[0].contains("sources.list"), "{:?}", error.hints);
    }

    #[test]
    fn a_mistyped_suite_is_recognised() {
        let hints = |suite: &str| no_such_suite(Error::infra("no Release file"), suite).hints.join(" ");
        assert!(hints("bulseye").contains("did you mean bullseye?"));
        assert!(!hints("buster").contains("did you mean"), "a suite that left the mirror is no slip");
    }

    #[test]
    fn writing_twice_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        let file = write(&root, &places(folder.path()), &[]).unwrap();
        let before = std::fs::metadata(&file).unwrap().modified().unwrap();
        write(&root, &places(folder.path()), &[]).unwrap();
        assert_eq!(std::fs::metadata(&file).unwrap().modified().unwrap(), before);
    }

    #[test]
    fn the_code_name_is_read_with_or_without_quotes() {
        assert_eq!(codename("ID=debian\nVERSION_CODENAME=bookworm\n"), "bookworm");
        assert_eq!(codename("VERSION_CODENAME=\"trixie\"\n"), "trixie");
        assert_eq!(codename("ID=debian\n"), "stable");
    }
}
