//! Results of other runners, read from what they wrote: so that they can be reported, compared and bisected beside ours.
//! Pure. To add a format: a module here and a row in [`READERS`].

mod kirk;
mod tap;

use crate::kselftest::ktap;
use gauntlet_results::Verdict;

/// What a file holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Imported {
    /// Release of the kernel that ran, where the file tells.
    pub kernel: Option<String>,
    /// Machine and distribution, for people.
    pub machine: String,
    pub results: Vec<Outcome>,
}

/// One test's result.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Without a suite's name before it.
    pub test: String,
    pub verdict: Verdict,
    pub reason: String,
    pub output: String,
    pub duration_ms: u64,
}

/// One format.
#[derive(Debug)]
pub struct Reader {
    pub name: &'static str,
    /// The suite that results belong to; the file's name where there is none.
    pub suite: Option<&'static str>,
    is: fn(&str) -> bool,
    read: fn(&str) -> Result<Imported, String>,
}

/// The formats, in the order in which they are tried.
pub const READERS: &[Reader] = &[
    Reader { name: "kirk", suite: Some("ltp"), is: kirk::is, read: kirk::read },
    Reader { name: "ktap", suite: None, is: tap::is, read: tap::read },
];

/// The reader for such a text.
pub fn reader(text: &str) -> Option<&'static Reader> {
    READERS.iter().find(|reader| (reader.is)(text))
}

impl Reader {
    /// Reads a text; tests of one name are told apart by a number.
    ///
    /// # Errors
    /// What is wrong with the text, and where.
    pub fn read(&self, text: &str) -> Result<Imported, String> {
        let mut imported = (self.read)(text)?;
        if imported.results.is_empty() {
            return Err("it holds no result".to_owned());
        }
        ktap::number(imported.results.iter_mut().map(|outcome| &mut outcome.test));
        Ok(imported)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KIRK: &str = include_str!("import/testdata/kirk.json");

    #[test]
    fn every_format_is_known_by_its_text_alone() {
        let name = |text| reader(text).map(|reader| reader.name);
        assert_eq!(name(KIRK), Some("kirk"));
        assert_eq!(name("KTAP version 1\n1..1\nok 1 a\n"), Some("ktap"));
        assert_eq!(name("TAP version 13\nok 1 a\n"), Some("ktap"));
        assert_eq!(name("# a remark\nnot ok 1 - b\n"), Some("ktap"));
        assert_eq!(name("{\"a\": 1}"), None);
        assert_eq!(name("a diary"), None);
    }

    #[test]
    fn tests_of_one_name_are_told_apart() {
        let twice = KIRK.replace("bpf_prog05", "getrandom01");
        for (text, expected) in [(twice.as_str(), "getrandom01 (2)"), ("1..2\nok 1 a\nnot ok 2 a\n", "a (2)")]
        {
            let read = reader(text).unwrap().read(text).unwrap();
            assert!(read.results.iter().any(|outcome| outcome.test == expected), "{:?}", read.results);
        }
    }

    proptest! {
        #[test]
        fn damaged_files_are_refused_or_read_and_never_panic(at in 0..KIRK.len(), byte in any::<u8>(), cut in any::<bool>()) {
            let mut bytes = KIRK.as_bytes().to_vec();
            bytes[at] = byte;
            if cut {
                bytes.truncate(at);
            }
            let text = String::from_utf8_lossy(&bytes);
            for reader in READERS {
                let _ = reader.read(&text);
            }
        }
    }
}
