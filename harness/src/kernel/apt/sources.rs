//! The machine's package sources (sources.list(5)), and the same sources for another Debian suite.

use std::path::Path;

/// One stanza of the deb822 form; a line of the one-line form is read into the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    pub uris: Vec<String>,
    pub suites: Vec<String>,
    pub components: Vec<String>,
    /// Every other field but Types and Enabled, such as Signed-By.
    pub options: Vec<(String, String)>,
}

/// Parts of a suite that are archives of their own.
const POCKETS: [&str; 3] = ["", "-updates", "-security"];
/// Suites that have no parts: new versions go in directly.
const WITHOUT_POCKETS: [&str; 3] = ["sid", "unstable", "experimental"];
/// Names that mean whatever suite has this role today.
const ROLES: [&str; 5] = ["stable", "oldstable", "oldoldstable", "testing", "unstable"];
/// Holds the keys of every suite that Debian supports; the release's own files hold one suite's.
const ARCHIVE_KEYRING: &str = "debian-archive-keyring.gpg";

/// Reads a file by the form its ending tells: `.sources` is deb822, everything else one line per source.
pub fn parse(file: &Path, text: &str) -> Vec<Source> {
    match file.extension().is_some_and(|ending| ending == "sources") {
        true => parse_deb822(text),
        false => text.lines().filter_map(parse_line).collect(),
    }
}

/// `deb [option=value …] URI suite component…`; sources of source packages and discs are of no use to us.
fn parse_line(line: &str) -> Option<Source> {
    let line = line.split('#').next()?.trim();
    let rest = line.strip_prefix("deb")?;
    if !rest.starts_with([' ', '\t', '[']) {
        return None;
    }
    let rest = rest.trim_start();
    let (options, rest) = match rest.strip_prefix('[') {
        Some(inner) => inner.split_once(']')?,
        None => ("", rest),
    };
    let mut words = rest.split_whitespace().map(str::to_owned);
    let uri = words.next().filter(|uri| !uri.starts_with("cdrom:"))?;
    let suites = vec![words.next()?];
    let option = |option: &str| {
        let (name, value) = option.split_once('=')?;
        Some((field_name(name), value.replace(',', " ")))
    };
    Some(Source {
        uris: vec![uri],
        suites,
        components: words.collect(),
        options: options.split_whitespace().filter_map(option).collect(),
    })
}

/// The deb822 name of a one-line option; the two forms differ in these few.
fn field_name(option: &str) -> String {
    match option {
        "arch" => "Architectures".to_owned(),
        "lang" => "Languages".to_owned(),
        "target" => "Targets".to_owned(),
        other => other.to_owned(),
    }
}

fn parse_deb822(text: &str) -> Vec<Source> {
    let lines: Vec<&str> = text.lines().filter(|line| !line.starts_with('#')).collect();
    lines.split(|line| line.trim().is_empty()).filter_map(parse_stanza).collect()
}

fn parse_stanza(lines: &[&str]) -> Option<Source> {
    let mut fields: Vec<(String, String)> = Vec::new();
    for line in lines {
        if line.starts_with([' ', '\t']) {
            // A continued value keeps its line breaks: a key may be written out under Signed-By.
            let (_, value) = fields.last_mut()?;
            value.push('\n');
            value.push_str(line);
        } else {
            let (name, value) = line.split_once(':')?;
            fields.push((name.to_owned(), value.trim().to_owned()));
        }
    }
    let mut take = |wanted: &str| {
        let found = fields.iter().position(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
        Some(fields.remove(found).1)
    };
    let words = |value: Option<String>| -> Vec<String> {
        value.unwrap_or_default().split_whitespace().map(str::to_owned).collect()
    };
    let disabled = take("Enabled").is_some_and(|value| ["no", "false", "off", "0"].contains(&value.as_str()));
    let binary = words(take("Types")).iter().any(|kind| kind == "deb");
    let (uris, suites, components) = (words(take("URIs")), words(take("Suites")), words(take("Components")));
    (binary && !disabled && !uris.is_empty() && !suites.is_empty()).then_some(Source {
        uris,
        suites,
        components,
        options: fields,
    })
}

/// The machine's sources, bent to `suite`: those that name it already, else those of the machine's own suite (known
/// by its code name) with the name exchanged. Empty if there are neither.
pub fn derive(sources: &[Source], codename: &str, suite: &str) -> Vec<Source> {
    let named = rename(sources, |name| {
        POCKETS.iter().any(|pocket| name == format!("{suite}{pocket}")).then_some(name.to_owned())
    });
    if named.iter().any(|source| source.suites.iter().any(|name| name == suite)) {
        return named;
    }
    let whole = WITHOUT_POCKETS.contains(&suite) || suite.contains('-');
    rename(sources, |name| {
        let pocket = std::iter::once(codename).chain(ROLES).find_map(|own| name.strip_prefix(own))?;
        (POCKETS.contains(&pocket) && (pocket.is_empty() || !whole)).then(|| format!("{suite}{pocket}"))
    })
}

/// Sources of the main component whose suites have a new name, under it.
fn rename(sources: &[Source], new_name: impl Fn(&str) -> Option<String>) -> Vec<Source> {
    let renamed = |source: &Source| {
        let suites: Vec<String> = source.suites.iter().filter_map(|name| new_name(name)).collect();
        let useful = !suites.is_empty() && source.components.iter().any(|component| component == "main");
        useful.then(|| Source { suites, components: vec!["main".to_owned()], ..source.clone() })
    };
    sources.iter().filter_map(renamed).collect()
}

/// The sources as a `.sources` file that fetches lists of packages and nothing else. With `keyrings`, a key of the
/// machine's own release gives way to the keyring of the whole archive there, because other suites have other keys.
pub fn render(sources: &[Source], keyrings: Option<&Path>) -> String {
    sources.iter().map(|source| render_one(source, keyrings)).collect::<Vec<_>>().join("\n")
}

fn render_one(source: &Source, keyrings: Option<&Path>) -> String {
    const OURS: [&str; 3] = ["architectures", "targets", "languages"];
    let mut text = format!(
        "Types: deb\nURIs: {}\nSuites: {}\nComponents: {}\nArchitectures: amd64\nTargets: Packages\n",
        source.uris.join(" "),
        source.suites.join(" "),
        source.components.join(" ")
    );
    for (name, value) in &source.options {
        let signed_by = name.eq_ignore_ascii_case("signed-by");
        match keyrings.filter(|_| signed_by && is_one_release(value)) {
            Some(folder) => text += &format!("Signed-By: {}\n", folder.join(ARCHIVE_KEYRING).display()),
            None if OURS.contains(&name.to_ascii_lowercase().as_str()) => {}
            None => text += &format!("{name}: {value}\n"),
        }
    }
    text
}

/// A key written out, or a file of the archive's keys that is not the whole keyring.
fn is_one_release(signed_by: &str) -> bool {
    let file = Path::new(signed_by.trim()).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    signed_by.contains("BEGIN PGP") || (file.starts_with("debian-archive-") && file != ARCHIVE_KEYRING)
}

/// The folder whose keyring covers the whole archive, if the machine has it.
pub fn keyrings() -> Option<&'static Path> {
    let folder = Path::new("/usr/share/keyrings");
    folder.join(ARCHIVE_KEYRING).is_file().then_some(folder)
}

#[cfg(test)]
mod tests;
