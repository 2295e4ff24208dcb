//! Patterns over names: `*` is any run of characters, `?` is one. Pure.

use serde::Serialize;
use std::fmt;
use std::str::FromStr;

/// A pattern that matches whole names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Glob(String);

impl Glob {
    pub fn new(pattern: impl Into<String>) -> Glob {
        Glob(pattern.into())
    }

    /// Linear in practice: on a mismatch only the last `*` is retried, one character further.
    pub fn matches(&self, name: &str) -> bool {
        let (pattern, name) = (self.0.as_bytes(), name.as_bytes());
        let (mut at, mut read) = (0, 0);
        let mut retry = None;
        while read < name.len() {
            match pattern.get(at) {
                Some(b'*') => {
                    retry = Some((at + 1, read));
                    at += 1;
                }
                Some(&byte) if byte == b'?' || byte == name[read] => (at, read) = (at + 1, read + 1),
                _ => match retry {
                    Some((after_star, start)) => {
                        retry = Some((after_star, start + 1));
                        (at, read) = (after_star, start + 1);
                    }
                    None => return false,
                },
            }
        }
        pattern[at..].iter().all(|byte| *byte == b'*')
    }

    /// Whether any of the patterns matches; an empty list matches everything.
    pub fn any(patterns: &[Glob], name: &str) -> bool {
        patterns.is_empty() || patterns.iter().any(|pattern| pattern.matches(name))
    }
}

impl FromStr for Glob {
    type Err = String;

    fn from_str(text: &str) -> Result<Glob, String> {
        if text.is_empty() { Err("an empty pattern matches nothing".to_owned()) } else { Ok(Glob::new(text)) }
    }
}

impl fmt::Display for Glob {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The definition, word for word.
    fn by_definition(pattern: &[u8], name: &[u8]) -> bool {
        match (pattern.split_first(), name.split_first()) {
            (None, None) => true,
            (Some((b'*', rest)), _) => (0..=name.len()).any(|skip| by_definition(rest, &name[skip..])),
            (Some((b'?', rest)), Some((_, tail))) => by_definition(rest, tail),
            (Some((byte, rest)), Some((first, tail))) => byte == first && by_definition(rest, tail),
            _ => false,
        }
    }

    #[test]
    fn names_of_cases_and_kernels() {
        assert!(Glob::new("memfd/*").matches("memfd/seal_write"));
        assert!(Glob::new("6.1.*cloud*").matches("6.1.0-56-cloud-amd64"));
        assert!(!Glob::new("memfd").matches("memfd/seal_write"));
    }

    proptest! {
        #[test]
        fn agrees_with_the_definition(pattern in "[ab*?]{0,7}", name in "[ab]{0,7}") {
            let expected = by_definition(pattern.as_bytes(), name.as_bytes());
            prop_assert_eq!(Glob::new(pattern).matches(&name), expected);
        }
    }
}
