//! `tree:DIR[@REVISION][,config=BASE[+FRAGMENT]...][,VARIABLE=VALUE]...`

use super::invalid;
use crate::error::Result;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

/// A kernel to be built from a git tree.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TreeSpec {
    pub directory: PathBuf,
    /// A git revision or a range `BASE..TIP`; without one the files as they are, uncommitted changes included.
    pub revision: Option<String>,
    /// How the tree is configured; without it as `tiny`.
    pub config: Option<ConfigChoice>,
    /// Variables for the kernel's make: `LLVM=1`, `CROSS_COMPILE=x86_64-linux-gnu-`, `O=DIR`.
    pub variables: BTreeMap<String, String>,
}

/// The first `.config`, and what is merged over it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConfigChoice {
    /// `tiny`, `own`, a make target such as `defconfig` or `randconfig:SEED`, `deb:VERSION/FLAVOUR`, or a file.
    pub base: String,
    /// Names of `configs/kconfig/NAME.config`, or files.
    pub fragments: Vec<String>,
}

const EXAMPLE: &str = "for example tree:.@v6.12,config=defconfig+kcov,LLVM=1";

pub(super) fn parse(text: &str, rest: &str) -> Result<TreeSpec> {
    let mut parts = rest.split(',');
    let (directory, revision) = split_revision(parts.next().unwrap_or_default());
    if directory.is_empty() {
        return Err(invalid(text, "the directory is missing").hint("for example tree:.@v6.12"));
    }
    if revision.is_some_and(|revision| revision.is_empty() || revision.starts_with('-')) {
        return Err(invalid(text, "after @ comes a git revision").hint("for example tree:.@v6.12"));
    }
    let mut spec = TreeSpec {
        directory: PathBuf::from(directory),
        revision: revision.map(str::to_owned),
        ..TreeSpec::default()
    };
    for part in parts {
        spec.set(text, part)?;
    }
    Ok(spec)
}

/// The last `@` begins the revision, unless it is git's own `@{…}`.
fn split_revision(text: &str) -> (&str, Option<&str>) {
    let at = text.rmatch_indices('@').map(|(at, _)| at).find(|at| !text[at + 1..].starts_with('{'));
    match at {
        Some(at) => (&text[..at], Some(&text[at + 1..])),
        None => (text, None),
    }
}

impl TreeSpec {
    fn set(&mut self, text: &str, part: &str) -> Result<()> {
        let Some((key, value)) = part.split_once('=') else {
            return Err(invalid(text, format_args!("`{part}` is not KEY=VALUE")).hint(EXAMPLE));
        };
        let again = match key {
            "config" => self.config.replace(choice(text, value)?).is_some(),
            _ if is_variable(key) => self.variables.insert(key.to_owned(), value.to_owned()).is_some(),
            _ => {
                return Err(invalid(
                    text,
                    format_args!("`{key}` is neither config= nor a variable of the kernel's make"),
                )
                .hint(EXAMPLE));
            }
        };
        match again {
            true => Err(invalid(text, format_args!("{key}= stands twice"))),
            false => Ok(()),
        }
    }
}

impl TreeSpec {
    /// `V=1`: the user wants to see what make says.
    pub fn verbosity(&self) -> Option<&str> {
        self.variables.get("V").map(String::as_str).filter(|level| !level.is_empty() && *level != "0")
    }
}

fn choice(text: &str, value: &str) -> Result<ConfigChoice> {
    let mut names = value.split('+').map(str::to_owned);
    let base = names.next().unwrap_or_default();
    let fragments: Vec<String> = names.collect();
    if base.is_empty() || fragments.iter().any(String::is_empty) {
        return Err(invalid(text, "config= needs a base and perhaps fragments, with + between")
            .hint("for example config=tiny+kcov+kasan"));
    }
    Ok(ConfigChoice { base, fragments })
}

/// make's variables are written in capitals, which tells a typing error in `config` from one.
fn is_variable(key: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_';
    key.starts_with(|first: char| first.is_ascii_uppercase()) && key.bytes().all(fits)
}

impl fmt::Display for TreeSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "tree:{}", self.directory.display())?;
        if let Some(revision) = &self.revision {
            write!(formatter, "@{revision}")?;
        }
        if let Some(config) = &self.config {
            write!(formatter, ",config={config}")?;
        }
        self.variables.iter().try_for_each(|(key, value)| write!(formatter, ",{key}={value}"))
    }
}

impl fmt::Display for ConfigChoice {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.base)?;
        self.fragments.iter().try_for_each(|fragment| write!(formatter, "+{fragment}"))
    }
}
