//! What a build directory remembers of earlier builds: how many objects there were, and which warnings are old.

use super::output::Warning;
use crate::error::Result;
use crate::kernel::cache::unwritable;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// Kept in the build directory as JSON. One that cannot be read is forgotten: nothing depends on it but a bar.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// Objects of the last build that began with nothing.
    pub cold: Option<usize>,
    /// Objects of the last build that began with an earlier one's.
    pub warm: Option<usize>,
    /// Identities of the warnings seen so far.
    pub warnings: BTreeSet<String>,
    /// What the configuration in the directory was made from.
    pub configured: Option<String>,
}

const FILE: &str = "gauntlet-memory.json";

impl Memory {
    pub fn load(output: &Path) -> Memory {
        let text = std::fs::read(output.join(FILE)).unwrap_or_default();
        serde_json::from_slice(&text).unwrap_or_default()
    }

    /// Errors: infrastructure, when the directory cannot be written.
    pub fn save(&self, output: &Path) -> Result<()> {
        let path: PathBuf = output.join(FILE);
        let text = serde_json::to_vec(self).expect("plain data");
        std::fs::write(&path, text).map_err(|error| unwritable(&path, error))
    }

    /// Whether an earlier build left something to go on with.
    pub fn is_warm(&self) -> bool {
        self.cold.is_some()
    }

    /// Objects that the next build will make, if it is like the last.
    pub fn expected(&self) -> Option<usize> {
        if self.is_warm() { self.warm } else { None }
    }

    /// Takes in a finished build, with its number of objects where that is known. Gives the warnings that no earlier build had; of the first one none is new, because
    /// there is nothing to compare with.
    pub fn learn<'a>(&mut self, objects: Option<usize>, warnings: &'a BTreeSet<Warning>) -> Vec<&'a Warning> {
        let first = !self.is_warm();
        let count = if first { &mut self.cold } else { &mut self.warm };
        *count = objects.or(*count);
        let unknown = |warning: &&Warning| !self.warnings.contains(&warning.identity());
        let new = warnings.iter().filter(|warning| !first && unknown(warning)).collect();
        self.warnings.extend(warnings.iter().map(Warning::identity));
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn warnings(files: &[&str]) -> BTreeSet<Warning> {
        let one = |file: &&str| Warning {
            file: (*file).to_owned(),
            message: "unused".into(),
            position: "1:1".into(),
        };
        files.iter().map(one).collect()
    }

    #[test]
    fn only_what_no_earlier_build_said_is_new() {
        let mut memory = Memory::default();
        assert!(memory.learn(Some(100), &warnings(&["a.c", "b.c"])).is_empty());
        let second = warnings(&["b.c", "c.c"]);
        let new: Vec<_> = memory.learn(Some(3), &second).iter().map(|warning| warning.file.clone()).collect();
        assert_eq!(new, ["c.c"]);
        assert!(memory.learn(Some(3), &second).is_empty());
        assert_eq!((memory.cold, memory.warm, memory.expected()), (Some(100), Some(3), Some(3)));
    }

    #[test]
    fn it_survives_and_garbage_is_forgotten() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory { cold: Some(7), ..Memory::default() };
        memory.save(folder.path()).unwrap();
        assert_eq!(Memory::load(folder.path()), memory);
        std::fs::write(folder.path().join(FILE), "{").unwrap();
        assert_eq!(Memory::load(folder.path()), Memory::default());
    }
}
