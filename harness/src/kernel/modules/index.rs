//! modules.dep(5) and modules.builtin(5). Pure, but for reading the two.

use crate::error::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// Which module is where, and what it depends on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Index {
    /// By name: path below the tree, and the names of what must be loaded before.
    modules: BTreeMap<String, (String, Vec<String>)>,
    built_in: BTreeSet<String>,
}

impl Index {
    /// Reads the index of a module tree.
    pub fn read(tree: &Path) -> Result<Index> {
        let file = tree.join("modules.dep");
        let dep = std::fs::read_to_string(&file)
            .map_err(|error| Error::usage(format!("module tree {}", tree.display())).because(error))?;
        // A kernel may have nothing built in.
        let built_in = std::fs::read_to_string(tree.join("modules.builtin")).unwrap_or_default();
        Ok(Index::parse(&dep, &built_in))
    }

    /// Reads `kernel/a.ko: kernel/b.ko kernel/c.ko` lines, and a list of paths.
    pub fn parse(dep: &str, built_in: &str) -> Index {
        let line = |line: &str| {
            let (path, needs) = line.split_once(':')?;
            let needs = needs.split_whitespace().map(name_of).collect();
            Some((name_of(path), (path.to_owned(), needs)))
        };
        Index {
            modules: dep.lines().filter_map(line).collect(),
            built_in: built_in.lines().map(name_of).collect(),
        }
    }

    /// The names of all modules.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.modules.keys().map(String::as_str)
    }

    /// The paths of these modules and of all they depend on, each after what it depends on.
    ///
    /// Errors: the name that is neither a module nor built in.
    pub fn load_order(&self, wanted: &[&str]) -> std::result::Result<Vec<String>, String> {
        let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
        // Names to enter, and paths to take when all below them is done.
        let mut stack: Vec<Step> = wanted.iter().rev().map(|name| Step::Enter(name_of(name))).collect();
        while let Some(step) = stack.pop() {
            match step {
                Step::Take(path) => order.push(path),
                Step::Enter(name) if seen.contains(&name) || self.built_in.contains(&name) => {}
                Step::Enter(name) => {
                    let (path, needs) = self.modules.get(&name).ok_or_else(|| name.clone())?;
                    seen.insert(name);
                    stack.push(Step::Take(path.clone()));
                    // depmod lists what must be loaded first at the end.
                    stack.extend(needs.iter().map(|need| Step::Enter(need.clone())));
                }
            }
        }
        Ok(order)
    }
}

enum Step {
    Enter(String),
    Take(String),
}

/// The name of the module in a file: without folders and endings, and with `_` for `-`, as the kernel has it.
pub(super) fn name_of(path: &str) -> String {
    let file = path.trim().rsplit('/').next().unwrap_or_default();
    file.split(".ko").next().unwrap_or_default().replace('-', "_")
}
