//! How a user names a kernel: the grammar of `--kernel`, both ways.

use crate::error::{Error, Result, nearest};
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

mod tree;

pub use tree::{ConfigChoice, TreeSpec};

/// The architecture of every kernel we boot, as Debian writes it; also the name of the flavour without a name.
pub const ARCHITECTURE: &str = "amd64";

/// Where a kernel comes from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KernelSpec {
    /// `deb:…`: a Debian package, from the machine's own suite unless another is named.
    Deb { suite: Option<String>, wanted: Wanted },
    /// `path:IMAGE[,modules=DIR][,config=FILE][,symbols=FILE]`
    Path { image: PathBuf, modules: Option<PathBuf>, config: Option<PathBuf>, symbols: Option<PathBuf> },
    /// `host`: the kernel this machine runs.
    Host,
    /// `tree:DIR[@REVISION][,config=…][,VARIABLE=VALUE]`: built from a git tree.
    Tree(TreeSpec),
}

/// Which package of a suite.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Wanted {
    /// Exactly this one.
    Package(String),
    /// The newest of this flavour (`amd64` is the generic one) whose version begins so; `None` is the newest of all.
    Newest { version: Option<String>, flavour: String },
}

const SCHEMES: [&str; 4] = ["deb", "path", "host", "tree"];
const PATH_KEYS: [&str; 3] = ["modules", "config", "symbols"];
const FORMS: &str = "a kernel is named deb:VERSION/FLAVOUR (deb:6.1/cloud), deb:SUITE:VERSION/FLAVOUR \
    (deb:sid:newest/cloud), deb:PACKAGE, path:BZIMAGE[,modules=DIR][,config=FILE][,symbols=FILE], \
    tree:DIR[@REVISION][,config=BASE[+FRAGMENT]] or host";

impl FromStr for KernelSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<KernelSpec> {
        if text == "host" {
            return Ok(KernelSpec::Host);
        }
        match text.split_once(':') {
            Some(("deb", rest)) => parse_deb(text, rest),
            Some(("path", rest)) => parse_path(text, rest),
            Some(("tree", rest)) => tree::parse(text, rest).map(KernelSpec::Tree),
            Some(("host", _)) => Err(invalid(text, "host takes nothing after it").hint("write just: host")),
            Some((scheme, rest)) => Err(unknown_scheme(text, scheme, rest)),
            None => Err(without_scheme(text)),
        }
    }
}

fn invalid(text: &str, problem: impl fmt::Display) -> Error {
    Error::usage(format!("kernel `{text}`: {problem}"))
}

fn unknown_scheme(text: &str, scheme: &str, rest: &str) -> Error {
    let error = invalid(text, format_args!("no kernel source is called `{scheme}`"));
    match nearest(scheme, SCHEMES).first() {
        Some(known) => error.hint(format!("did you mean {known}:{rest}?")),
        None => error.hint(FORMS),
    }
}

/// What was meant by a text without a source is often plain to see.
fn without_scheme(text: &str) -> Error {
    let error = invalid(text, "it does not say where the kernel comes from");
    let scheme = match text.as_bytes() {
        [] => None,
        [b'0'..=b'9', ..] => Some("deb"),
        _ if text.starts_with("linux-image-") => Some("deb"),
        _ if text.contains('/') || text.contains("Image") || text.contains("vmlinuz") => Some("path"),
        _ => None,
    };
    match (scheme, nearest(text, SCHEMES).first()) {
        (Some(scheme), _) => error.hint(format!("did you mean {scheme}:{text}?")),
        (None, Some(&"host")) => error.hint("did you mean host?"),
        (None, _) => error.hint(FORMS),
    }
}

fn parse_deb(text: &str, rest: &str) -> Result<KernelSpec> {
    let (suite, rest) = match rest.split_once(':') {
        Some((suite, rest)) => (Some(parse_word(text, "suite", suite)?), rest),
        None => (None, rest),
    };
    let wanted = if rest.starts_with("linux-image-") {
        Wanted::Package(parse_word(text, "package", rest)?)
    } else {
        parse_newest(text, rest)?
    };
    Ok(KernelSpec::Deb { suite, wanted })
}

fn parse_newest(text: &str, rest: &str) -> Result<Wanted> {
    let (version, flavour) = rest.split_once('/').unwrap_or((rest, ""));
    let version = match version {
        "newest" => None,
        digits if digits.starts_with(|first: char| first.is_ascii_digit()) => {
            Some(parse_word(text, "version", digits)?)
        }
        other => {
            return Err(invalid(text, format_args!("`{other}` is neither a version nor a kernel package"))
                .hint("a version begins with a digit, or is `newest`; a kernel package begins with linux-image-"));
        }
    };
    let flavour = match flavour {
        "" => ARCHITECTURE.to_owned(),
        named => {
            let named = named.strip_suffix("-amd64").unwrap_or(named);
            parse_word(text, "flavour", named)?
        }
    };
    Ok(Wanted::Newest { version, flavour })
}

/// A word that can stand in a package's name or version: letters, digits and `.+-~` (Debian policy 5.6.1, 5.6.12).
fn parse_word(text: &str, what: &str, word: &str) -> Result<String> {
    let fits = |character: char| character.is_ascii_alphanumeric() || ".+-~".contains(character);
    match word.chars().find(|character| !fits(*character)) {
        Some(character) => {
            Err(invalid(text, format_args!("`{character}` cannot stand in a {what}")).hint(FORMS))
        }
        None if word.is_empty() => Err(invalid(text, format_args!("the {what} is missing")).hint(FORMS)),
        None if !word.starts_with(|first: char| first.is_ascii_alphanumeric()) => {
            Err(invalid(text, format_args!("a {what} begins with a letter or a digit")))
        }
        None => Ok(word.to_owned()),
    }
}

fn parse_path(text: &str, rest: &str) -> Result<KernelSpec> {
    let mut parts = rest.split(',');
    let image = parts.next().unwrap_or_default();
    if image.is_empty() {
        return Err(invalid(text, "the image is missing").hint("for example path:arch/x86/boot/bzImage"));
    }
    let (mut modules, mut config, mut symbols) = (None, None, None);
    for part in parts {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let slot = match key {
            "modules" => &mut modules,
            "config" => &mut config,
            "symbols" => &mut symbols,
            other => return Err(unknown_key(text, other)),
        };
        if value.is_empty() {
            return Err(invalid(text, format_args!("{key}= needs a path")));
        }
        if slot.replace(PathBuf::from(value)).is_some() {
            return Err(invalid(text, format_args!("{key}= stands twice")));
        }
    }
    Ok(KernelSpec::Path { image: PathBuf::from(image), modules, config, symbols })
}

fn unknown_key(text: &str, key: &str) -> Error {
    let error = invalid(text, format_args!("`{key}` is not one of {}", PATH_KEYS.join("=, ") + "="));
    match nearest(key, PATH_KEYS).first() {
        Some(known) => error.hint(format!("did you mean {known}=?")),
        None => error.hint("a comma separates the options, so the path itself cannot contain one"),
    }
}

impl fmt::Display for KernelSpec {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            KernelSpec::Deb { suite, wanted } => {
                formatter.write_str("deb:")?;
                if let Some(suite) = suite {
                    write!(formatter, "{suite}:")?;
                }
                write!(formatter, "{wanted}")
            }
            KernelSpec::Path { image, modules, config, symbols } => {
                write!(formatter, "path:{}", image.display())?;
                PATH_KEYS.iter().zip([modules, config, symbols]).try_for_each(|(key, value)| match value {
                    Some(path) => write!(formatter, ",{key}={}", path.display()),
                    None => Ok(()),
                })
            }
            KernelSpec::Host => formatter.write_str("host"),
            KernelSpec::Tree(tree) => tree.fmt(formatter),
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Wanted::Package(name) => formatter.write_str(name),
            Wanted::Newest { version, flavour } => {
                write!(formatter, "{}/{flavour}", version.as_deref().unwrap_or("newest"))
            }
        }
    }
}

impl serde::Serialize for KernelSpec {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for KernelSpec {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<KernelSpec, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
