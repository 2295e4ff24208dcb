//! The mutants as data: `tests/data/mutants/<suite>.yaml`. To add one, write a place in the source, what stands there
//! instead when the mutant is chosen, and the case that must fail.

use gauntlet::plan::{self, PlannedCase};
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// One change of the kernel's meaning.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mutant {
    /// The kernel parameter `mutant=` that chooses it.
    pub number: u32,
    /// What is broken then.
    pub breaks: String,
    /// The case that must fail.
    pub caught_by: String,
    /// A file of the kernel tree.
    pub file: PathBuf,
    /// What comes before the place; without it `find` must stand in the file once.
    #[serde(default)]
    pub after: String,
    pub find: String,
    /// C in place of it, in which `@` stands for what was there and `MUTANT` for "this mutant was chosen".
    pub make: String,
    /// Of this mutant, from the file's name.
    #[serde(skip)]
    pub suite: String,
}

impl Mutant {
    /// The case that must fail.
    pub fn case(&self) -> PlannedCase {
        let name = format!("{}/{}", self.suite, self.caught_by);
        let planned = plan::select(&[], &[plan::pattern(&name)]);
        planned.unwrap_or_else(|error| panic!("mutant {}: {error}", self.number))[0]
    }

    /// Where it applies in this text of its file.
    fn span(&self, text: &str) -> Result<(usize, usize), String> {
        let what = |problem: &str| format!("mutant {} in {}: {problem}", self.number, self.file.display());
        let start = match self.after.as_str() {
            "" if text.matches(&self.find).count() > 1 => {
                return Err(what(&format!("`{}` stands there more than once: say `after`", self.find)));
            }
            "" => 0,
            after => text.find(after).ok_or_else(|| what(&format!("no `{after}`")))?,
        };
        let found = text[start..].find(&self.find).map(|offset| start + offset);
        let found = found.ok_or_else(|| what(&format!("no `{}`", self.find)))?;
        Ok((found, found + self.find.len()))
    }
}

pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/mutants")
}

/// Every mutant of every suite.
pub fn all() -> Vec<Mutant> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
        .iter()
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .flat_map(read)
        .collect()
}

fn read(path: &PathBuf) -> Vec<Mutant> {
    let text = std::fs::read_to_string(path).unwrap();
    let read: Vec<Mutant> =
        serde_yaml::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let suite = path.file_stem().unwrap().to_str().unwrap().to_owned();
    read.into_iter().map(|mutant| Mutant { suite: suite.clone(), ..mutant }).collect()
}

/// The text with all these mutants in it. Those with the same place are laid around each other.
pub fn mutated(text: &str, mutants: &[&Mutant]) -> Result<String, String> {
    let mut places: BTreeMap<(usize, usize), Vec<&Mutant>> = BTreeMap::new();
    for mutant in mutants {
        places.entry(mutant.span(text)?).or_default().push(mutant);
    }
    let (mut result, mut done) = (String::new(), 0);
    for ((start, end), mutants) in places {
        if start < done {
            return Err(format!("mutant {} overlaps another", mutants[0].number));
        }
        if let [_, .., last] = &mutants[..]
            && !mutants.iter().all(|mutant| mutant.make.contains('@'))
        {
            return Err(format!("mutant {} drops another of the same place: it needs an @", last.number));
        }
        let here = mutants.iter().fold(text[start..end].to_owned(), |inner, mutant| {
            let chosen = format!("(mutant == {})", mutant.number);
            mutant.make.replace("MUTANT", &chosen).replace('@', &inner)
        });
        result += &text[done..start];
        result += &here;
        done = end;
    }
    Ok(result + &text[done..])
}

#[test]
fn every_mutant_has_a_number_and_a_case_of_its_suite() {
    let mutants = all();
    let numbers: BTreeSet<u32> = mutants.iter().map(|mutant| mutant.number).collect();
    assert_eq!(numbers.len(), mutants.len(), "a number stands twice");
    assert!(!numbers.contains(&0), "0 is the sound kernel");
    for mutant in &mutants {
        assert_eq!(mutant.case().case.name, mutant.caught_by, "mutant {}", mutant.number);
        assert!(mutant.make.contains("MUTANT"), "mutant {} is always chosen", mutant.number);
    }
}

#[test]
fn mutants_of_one_place_are_laid_around_each_other_and_a_missing_place_is_told() {
    let yaml = "
- {number: 1, breaks: a, caught_by: a, file: a.c, find: 'x > 0', make: '@ && !MUTANT'}
- {number: 2, breaks: b, caught_by: b, file: a.c, after: if, find: 'x > 0', make: (@) || MUTANT}
- {number: 3, breaks: c, caught_by: c, file: a.c, find: y, make: 'MUTANT ? 0 : @'}
- {number: 4, breaks: d, caught_by: d, file: a.c, find: z, make: MUTANT}";
    let mutants: Vec<Mutant> = serde_yaml::from_str(yaml).unwrap();
    let mutants: Vec<&Mutant> = mutants.iter().collect();
    assert_eq!(
        mutated("if (x > 0) return y;", &mutants[..3]).unwrap(),
        "if ((x > 0 && !(mutant == 1)) || (mutant == 2)) return (mutant == 3) ? 0 : y;"
    );
    assert!(mutated("if (x > 0) return y;", &mutants).unwrap_err().contains("mutant 4 in a.c: no `z`"));
    assert!(mutated("yy", &mutants[2..3]).unwrap_err().contains("more than once"));
}
