//! What a symbol depends on, read from the tree's Kconfig files (Documentation/kbuild/kconfig-language.rst). Only as
//! much of the language as it takes to tell a person why a symbol was dropped.

use crate::kernel::KernelConfig;
use std::path::Path;

/// Kconfig nests a few levels; a loop of links must not keep us.
const DEPTH: usize = 12;

/// Where a symbol is defined, and the conditions there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Definition {
    /// `file:line`, relative to the tree.
    pub place: String,
    /// `depends on` of the symbol itself and the `if`s and menus around it.
    pub conditions: Vec<String>,
}

/// Why the symbol (without `CONFIG_`) is not as wanted: what it depends on that is not set.
pub fn explain(symbol: &str, source: &Path, config: &KernelConfig) -> String {
    let mut found = Vec::new();
    search(source, source, symbol, DEPTH, &mut found);
    let Some(first) = found.first() else { return format!("CONFIG_{symbol} is unknown to this tree") };
    let unmet = found.iter().flat_map(|definition| &definition.conditions).flat_map(|text| words(text));
    let mut unset: Vec<&str> = unmet.filter(|word| config.get(word).is_none()).collect();
    unset.sort_unstable();
    unset.dedup();
    let conditions = first.conditions.join(" && ");
    match (conditions.is_empty(), unset.is_empty()) {
        (true, _) => {
            format!("CONFIG_{symbol} ({}) depends on nothing: another choice or value won", first.place)
        }
        (false, true) => format!("CONFIG_{symbol} ({}) depends on {conditions}", first.place),
        (false, false) => {
            format!(
                "CONFIG_{symbol} ({}) depends on {conditions}; not set: {}",
                first.place,
                unset.join(", ")
            )
        }
    }
}

/// The symbols of an expression.
fn words(expression: &str) -> impl Iterator<Item = &str> {
    expression
        .split(|character: char| !character.is_ascii_alphanumeric() && character != '_')
        .filter(|word| word.starts_with(|first: char| first.is_ascii_uppercase()))
}

fn search(root: &Path, folder: &Path, symbol: &str, depth: usize, found: &mut Vec<Definition>) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        let (path, name) = (entry.path(), entry.file_name());
        if kind.is_dir() && depth > 0 && !foreign(root, &path) {
            search(root, &path, symbol, depth - 1, found);
        } else if kind.is_file()
            && name.to_string_lossy().starts_with("Kconfig")
            && let Ok(text) = std::fs::read(&path)
        {
            let file = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            found.extend(definitions(&String::from_utf8_lossy(&text), &file, symbol));
        }
    }
}

/// Folders without a Kconfig file of ours: other architectures, and what is no source.
fn foreign(root: &Path, path: &Path) -> bool {
    let inside = path.strip_prefix(root).unwrap_or(path);
    let other = inside.parent() == Some(Path::new("arch")) && !inside.ends_with("x86");
    other || ["Documentation", "tools", ".git"].iter().any(|name| inside == Path::new(name))
}

/// Every definition of the symbol in one file.
fn definitions(text: &str, file: &str, symbol: &str) -> Vec<Definition> {
    let joined = text.replace("\\\n", " \u{0}");
    let mut found: Vec<Definition> = Vec::new();
    // One entry per open `if`, `menu` or `choice`, with what it asks for.
    let mut around: Vec<String> = Vec::new();
    let (mut inside, mut of_menu) = (false, false);
    let mut prose = Prose::None;
    let mut number = 0;
    for line in joined.lines() {
        number += 1;
        let place = number;
        number += line.matches('\u{0}').count();
        let line = line.replace('\u{0}', "");
        if prose.goes_on(&line) {
            continue;
        }
        let (keyword, rest) = line.trim().split_once(char::is_whitespace).unwrap_or((line.trim(), ""));
        match (keyword, rest.trim()) {
            ("config" | "menuconfig", name) => {
                (inside, of_menu) = (name == symbol, false);
                let conditions = around.iter().filter(|one| !one.is_empty()).cloned().collect();
                found.extend(inside.then(|| Definition { place: format!("{file}:{place}"), conditions }));
            }
            ("if", condition) => {
                around.push(condition.to_owned());
                (inside, of_menu) = (false, false);
            }
            ("menu" | "choice", _) => {
                around.push(String::new());
                (inside, of_menu) = (false, true);
            }
            ("endif" | "endmenu" | "endchoice", _) => {
                around.pop();
                (inside, of_menu) = (false, false);
            }
            ("source" | "comment", _) => (inside, of_menu) = (false, false),
            ("depends", condition) => {
                let condition = condition.strip_prefix("on").unwrap_or(condition).trim().to_owned();
                match (inside, of_menu) {
                    (true, _) => found.last_mut().expect("inside one").conditions.push(condition),
                    (false, true) => *around.last_mut().expect("inside one") = condition,
                    (false, false) => {}
                }
            }
            ("help" | "---help---", _) => prose = Prose::Begins,
            _ => {}
        }
    }
    found
}

/// Where a help text is read: it ends before the first line that is indented less than its first one.
#[derive(Clone, Copy)]
enum Prose {
    None,
    Begins,
    Indented(usize),
}

impl Prose {
    /// Whether this line belongs to it.
    fn goes_on(&mut self, line: &str) -> bool {
        let indentation = indentation(line);
        match (*self, indentation) {
            (Prose::None, _) => return false,
            (_, None) => return true,
            (Prose::Begins, Some(0)) => {}
            (Prose::Begins, Some(columns)) => {
                *self = Prose::Indented(columns);
                return true;
            }
            (Prose::Indented(least), Some(columns)) if columns >= least => return true,
            (Prose::Indented(_), Some(_)) => {}
        }
        *self = Prose::None;
        false
    }
}

/// Columns before the first letter, a tab reaching to the next multiple of eight; `None` for an empty line.
fn indentation(line: &str) -> Option<usize> {
    let mut columns = 0;
    for letter in line.chars() {
        match letter {
            '\t' => columns = (columns / 8 + 1) * 8,
            ' ' => columns += 1,
            _ => return Some(columns),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "menu \"Memory\"\n\tdepends on MMU\n\nconfig OTHER\n\tdepends on Z\n\nif DEBUG_KERNEL\n\
        config KASAN\n\tbool \"x\"\n\tdepends on (SLUB && SYSFS) || \\\n\t\tSLAB\n\thelp\n\t  depends on what\n\nendif\n\
        config LAST\n\tbool\nendmenu\nconfig FREE\n\tbool\n";

    #[test]
    fn conditions_are_the_symbols_own_and_those_around_it() {
        let found = definitions(TEXT, "lib/Kconfig", "KASAN");
        assert_eq!(found[0].place, "lib/Kconfig:8");
        assert_eq!(found[0].conditions[..2], ["MMU", "DEBUG_KERNEL"]);
        assert!(found[0].conditions[2].starts_with("(SLUB && SYSFS) ||"));
        assert_eq!(found[0].conditions.len(), 3, "help is prose");
        assert_eq!(definitions(TEXT, "f", "LAST")[0].conditions, ["MMU"]);
        assert!(definitions(TEXT, "f", "FREE")[0].conditions.is_empty());
    }

    #[test]
    fn the_explanation_names_what_is_not_set() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("lib")).unwrap();
        std::fs::write(folder.path().join("lib/Kconfig.debug"), TEXT).unwrap();
        let config = KernelConfig::parse("CONFIG_MMU=y\nCONFIG_SLUB=y\nCONFIG_SYSFS=y\n").unwrap();
        let said = explain("KASAN", folder.path(), &config);
        assert!(
            said.starts_with("CONFIG_KASAN (lib/Kconfig.debug:8) depends on MMU && DEBUG_KERNEL"),
            "{said}"
        );
        assert!(said.contains("not set: DEBUG_KERNEL, SLAB"), "{said}");
        assert!(explain("GONE", folder.path(), &config).contains("unknown to this tree"));
    }

    #[test]
    fn help_is_prose_whatever_words_its_lines_begin_with() {
        let text = "config A\n\tbool \"a\"\n\thelp\n\t  Say Y\n\n\t  if you have one. A\n\t  menu of\n\t  config B\n\
            config B\n\tbool\n\thelp\n\tdepends on nothing\n\nif REAL\nconfig C\n\tbool\nendif\n";
        assert!(definitions(text, "f", "B")[0].conditions.is_empty());
        assert_eq!(definitions(text, "f", "B")[0].place, "f:9");
        assert_eq!(definitions(text, "f", "C")[0].conditions, ["REAL"]);
    }

    #[test]
    fn garbage_ends() {
        assert!(definitions("endif\nendmenu\nconfig\nif\n\\\n\\", "f", "A").is_empty());
    }
}
