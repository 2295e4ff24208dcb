//! How a tree is configured and built: the spec's words made concrete, with every text that shapes the result.

use crate::error::{Error, Result};
use crate::kernel::spec::{ConfigChoice, TreeSpec};
use crate::kernel::{Cache, KernelSpec, Progress};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Everything but the sources that decides what comes out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recipe {
    pub base: Base,
    /// Merged over the base, in this order.
    pub fragments: Vec<Fragment>,
    /// Passed to make, without `O` and `V`.
    pub variables: BTreeMap<String, String>,
}

/// The first `.config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Base {
    /// What a target of the tree's make writes.
    Target { name: String, seed: Option<u32> },
    /// A file.
    Text(String),
}

/// Symbols merged over the base; each must still have its value afterwards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    pub name: String,
    pub text: String,
}

/// The fragments that a spec can name, from `configs/kconfig/`.
pub const FRAGMENTS: &[(&str, &str)] = &[
    ("tiny", include_str!("../../../../configs/kconfig/tiny.config")),
    ("base", include_str!("../../../../configs/kconfig/base.config")),
    ("selftest", include_str!("../../../../configs/kconfig/selftest.config")),
    ("kunit", include_str!("../../../../configs/kconfig/kunit.config")),
    ("kcov", include_str!("../../../../configs/kconfig/kcov.config")),
    ("kasan", include_str!("../../../../configs/kconfig/kasan.config")),
    ("debug", include_str!("../../../../configs/kconfig/debug.config")),
    ("hardening", include_str!("../../../../configs/kconfig/hardening.config")),
    ("perf", include_str!("../../../../configs/kconfig/perf.config")),
    ("distro", include_str!("../../../../configs/kconfig/distro.config")),
];

/// Targets of the kernel's make that write a configuration without asking (Documentation/admin-guide/README.rst).
const TARGETS: [&str; 6] =
    ["defconfig", "tinyconfig", "allnoconfig", "allyesconfig", "allmodconfig", "randconfig"];

/// A build bot that gives no seed must still get the same configuration twice.
const SEED: u32 = 1;

impl Recipe {
    /// Reads what the spec names.
    ///
    /// Errors: usage, when a base, a fragment or a variable is unknown or a file cannot be read.
    pub fn of(spec: &TreeSpec, cache: &Cache, progress: Progress<'_>) -> Result<Recipe> {
        check_architecture(&spec.variables)?;
        let choice = spec.config.clone().unwrap_or_else(tiny);
        let (base, implied) = base(spec, &choice, cache, progress)?;
        let mut names: Vec<String> = implied.iter().map(|name| (*name).to_owned()).collect();
        // Named again it changes nothing, and so must not make another build.
        for name in choice.fragments {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        let fragments = names.iter().map(|name| fragment(name)).collect::<Result<_>>()?;
        let mut variables = spec.variables.clone();
        // Where the user builds and how much is said does not change what comes out.
        for unrelated in ["O", "V"] {
            variables.remove(unrelated);
        }
        Ok(Recipe { base, fragments, variables })
    }

    /// All of it as a text, for digests: a fragment of the user's counts by what it says, not by where it lies.
    pub fn identity(&self) -> String {
        let mut recipe = self.clone();
        let of_users = |name: &str| FRAGMENTS.iter().all(|(known, _)| *known != name);
        for fragment in recipe.fragments.iter_mut().filter(|fragment| of_users(&fragment.name)) {
            fragment.name.clear();
        }
        format!("{recipe:?}")
    }

    /// What make builds: of a configuration that is a build bot's, everything.
    pub fn target(&self) -> &'static str {
        let is_tiny = self.fragments.first().is_some_and(|fragment| fragment.name == "tiny");
        match self.base {
            Base::Target { .. } if !is_tiny => "all",
            Base::Target { .. } | Base::Text(_) => "bzImage",
        }
    }

    /// The compiler's program, as the kernel's Makefile chooses it (Documentation/kbuild/llvm.rst).
    pub fn compiler(&self) -> String {
        let variable = |name: &str| self.variables.get(name).map(String::as_str).unwrap_or_default();
        match (variable("CC"), variable("LLVM")) {
            ("", "" | "0") => format!("{}gcc", variable("CROSS_COMPILE")),
            ("", suffix) if suffix.starts_with('-') => format!("clang{suffix}"),
            ("", prefix) if prefix.ends_with('/') => format!("{prefix}clang"),
            ("", _) => "clang".to_owned(),
            (named, _) => named.to_owned(),
        }
    }
}

/// What a tree is configured as when nobody says: it builds in minutes and has all that agent and suites need.
pub fn tiny() -> ConfigChoice {
    ConfigChoice { base: "tiny".to_owned(), fragments: Vec::new() }
}

fn check_architecture(variables: &BTreeMap<String, String>) -> Result<()> {
    match variables.get("ARCH").map(String::as_str) {
        None | Some("x86_64" | "x86") => Ok(()),
        Some(other) => {
            Err(Error::usage(format!("ARCH={other}: only x86_64 kernels are built and booted here")))
        }
    }
}

fn base(
    spec: &TreeSpec,
    choice: &ConfigChoice,
    cache: &Cache,
    progress: Progress<'_>,
) -> Result<(Base, &'static [&'static str])> {
    let (name, seed) = choice.base.split_once(':').unwrap_or((&choice.base, ""));
    let target = |name: &str, seed| Base::Target { name: name.to_owned(), seed };
    match name {
        "tiny" => Ok((target("tinyconfig", None), &["tiny", "base"])),
        "own" => Ok((Base::Text(read(&own_config(spec))?), &[])),
        "deb" => Ok((Base::Text(distribution(&choice.base, cache, progress)?), &["distro"])),
        "randconfig" => {
            let seed = match seed {
                "" => SEED,
                typed => typed.parse().map_err(|_| {
                    Error::usage(format!("`{}`: the seed is a number", choice.base)).hint("randconfig:7")
                })?,
            };
            Ok((target(name, Some(seed)), &[]))
        }
        _ if TARGETS.contains(&name) && seed.is_empty() => Ok((target(name, None), &[])),
        _ if choice.base.contains('/') => Ok((Base::Text(read(Path::new(&choice.base))?), &[])),
        _ => {
            let known = ["tiny", "own"].into_iter().chain(TARGETS);
            Err(Error::unknown("base of a kernel configuration", &choice.base, known)
                .hint("a Debian kernel's is named deb:VERSION/FLAVOUR, a file by a path with a /"))
        }
    }
}

/// The configuration that the user's own make would take, in the build directory that O= names.
fn own_config(spec: &TreeSpec) -> PathBuf {
    spec.directory.join(spec.variables.get("O").map_or("", String::as_str)).join(".config")
}

fn distribution(spec: &str, cache: &Cache, progress: Progress<'_>) -> Result<String> {
    let spec: KernelSpec = spec.parse()?;
    let kernel = crate::kernel::resolve(&spec, cache, progress)?;
    // An entry of the cache keeps the configuration beside the image, as it was in the package.
    read(&kernel.image.with_file_name("config"))
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| {
        Error::usage(format!("kernel configuration {}", path.display()))
            .because(error)
            .hint("make one in the tree (`make defconfig`), or say config=tiny")
    })
}

fn fragment(name: &str) -> Result<Fragment> {
    if name.contains('/') {
        return Ok(Fragment { name: name.to_owned(), text: read(Path::new(name))? });
    }
    match FRAGMENTS.iter().find(|(known, _)| *known == name) {
        Some((_, text)) => Ok(Fragment { name: name.to_owned(), text: (*text).to_owned() }),
        None => Err(Error::unknown("fragment", name, FRAGMENTS.iter().map(|(known, _)| *known))
            .hint("a file of your own is named by a path with a /")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipe(text: &str) -> Result<Recipe> {
        let folder = tempfile::tempdir().unwrap();
        let cache = Cache::at(folder.path()).unwrap();
        let KernelSpec::Tree(spec) = text.parse()? else { panic!("{text}") };
        Recipe::of(&spec, &cache, &|_| {})
    }

    fn names(recipe: &Recipe) -> Vec<&str> {
        recipe.fragments.iter().map(|fragment| fragment.name.as_str()).collect()
    }

    #[test]
    fn tiny_is_what_nobody_names_and_brings_what_it_needs() {
        let unnamed = recipe("tree:.").unwrap();
        assert_eq!(unnamed, recipe("tree:.,config=tiny").unwrap());
        assert_eq!((names(&unnamed), unnamed.target()), (vec!["tiny", "base"], "bzImage"));
        assert_eq!(names(&recipe("tree:.,config=tiny+kcov").unwrap()), ["tiny", "base", "kcov"]);
        assert_eq!(names(&recipe("tree:.,config=tiny+base+kcov+kcov").unwrap()), ["tiny", "base", "kcov"]);
    }

    #[test]
    fn a_fragment_of_the_users_counts_by_what_it_says() {
        let folder = tempfile::tempdir().unwrap();
        let [here, there] = ["here.config", "there.config"].map(|name| folder.path().join(name));
        std::fs::write(&here, "CONFIG_A=y\n").unwrap();
        std::fs::write(&there, "CONFIG_A=y\n").unwrap();
        let identity =
            |path: &Path| recipe(&format!("tree:.,config=tiny+{}", path.display())).unwrap().identity();
        assert_eq!(identity(&here), identity(&there));
        std::fs::write(&there, "CONFIG_A=n\n").unwrap();
        assert_ne!(identity(&here), identity(&there));
    }

    #[test]
    fn a_bots_configuration_is_taken_as_it_is_and_built_whole() {
        let random = recipe("tree:.,config=randconfig:7").unwrap();
        assert_eq!(random.base, Base::Target { name: "randconfig".into(), seed: Some(7) });
        assert_eq!((names(&random).len(), random.target()), (0, "all"));
        assert!(recipe("tree:.,config=randconfig:x").unwrap_err().message.contains("seed"));
    }

    #[test]
    fn the_trees_own_configuration_lies_where_o_says() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("out")).unwrap();
        std::fs::write(folder.path().join("out/.config"), "CONFIG_A=y\n").unwrap();
        let own = recipe(&format!("tree:{},config=own,O=out", folder.path().display())).unwrap();
        assert_eq!(own.base, Base::Text("CONFIG_A=y\n".into()));
        assert!(own.variables.is_empty(), "we build in a directory of our own");
        assert!(recipe("tree:/nowhere,config=own").unwrap_err().message.contains("/nowhere/.config"));
    }

    #[test]
    fn unknown_words_come_with_the_known_ones() {
        assert!(recipe("tree:.,config=defconfg").unwrap_err().hints[0].contains("defconfig"));
        assert!(recipe("tree:.,config=tiny+kcv").unwrap_err().hints[0].contains("kcov"));
        assert!(recipe("tree:.,ARCH=arm64").unwrap_err().message.contains("arm64"));
    }

    #[test]
    fn the_compiler_is_the_one_that_make_will_call() {
        let compiler = |variables: &str| recipe(&format!("tree:.{variables}")).unwrap().compiler();
        assert_eq!(compiler(""), "gcc");
        assert_eq!(compiler(",CROSS_COMPILE=x86_64-linux-gnu-"), "x86_64-linux-gnu-gcc");
        assert_eq!(compiler(",LLVM=1"), "clang");
        assert_eq!(compiler(",LLVM=-15"), "clang-15");
        assert_eq!(compiler(",LLVM=/opt/llvm/"), "/opt/llvm/clang");
        assert_eq!(compiler(",CC=gcc-11,LLVM=1"), "gcc-11");
    }

    #[test]
    fn our_fragments_are_well_formed_ask_once_and_are_all_listed() {
        for (name, text) in FRAGMENTS {
            let config =
                crate::kernel::KernelConfig::parse(text).unwrap_or_else(|why| panic!("{name}: {why}"));
            let lines = text.lines().filter(|line| line.starts_with("CONFIG_")).count();
            assert_eq!(config.len(), lines, "{name} sets a symbol twice");
        }
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/kconfig");
        assert_eq!(std::fs::read_dir(folder).unwrap().count(), FRAGMENTS.len());
    }
}
