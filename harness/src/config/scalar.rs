//! Values with units. Each parses from a word and says what it expected, so that YAML errors point at the word.

use gauntlet_results::Format;
use gauntlet_results::report::UnknownFormat;
use serde::de::{Deserialize, Deserializer, Error, Visitor};
use serde::{Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

/// Bytes, written with a binary unit: `512K`, `256M`, `2G`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Size(pub u64);

/// A stretch of time, written with its unit: `25ms`, `60s`, `5m`, `8h`, `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span(pub Duration);

/// A share, written in percent: `0.5%`. Holds the ratio: 0.005.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd, Serialize)]
pub struct Percent(pub f64);

/// The word `auto`, or a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Auto<T> {
    Auto,
    #[serde(untagged)]
    Fixed(T),
}

/// The name of a suite that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SuiteName(pub(super) String);

/// The name of a report format that exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReportName(pub(super) Format);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Size, String> {
        let units = [("K", 1u64 << 10), ("M", 1 << 20), ("G", 1 << 30), ("T", 1 << 40)];
        with_unit::<u64>(text, &units)
            .and_then(|(number, unit)| number.checked_mul(unit))
            .filter(|bytes| *bytes > 0)
            .map(Size)
            .ok_or_else(|| format!("'{text}' is not a size, such as 512K, 256M or 2G"))
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let units = [("ms", 1u64), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];
        with_unit::<u64>(text, &units)
            .and_then(|(number, unit)| number.checked_mul(unit))
            .map(|milliseconds| Span(Duration::from_millis(milliseconds)))
            .ok_or_else(|| format!("'{text}' is not a time, such as 25ms, 60s, 5m, 8h or 30d"))
    }
}

impl FromStr for Percent {
    type Err = String;

    fn from_str(text: &str) -> Result<Percent, String> {
        with_unit::<f64>(text, &[("%", 1)])
            .filter(|(number, _)| (0.0..=100.0).contains(number))
            .map(|(number, _)| Percent(number / 100.0))
            .ok_or_else(|| format!("'{text}' is not a share, such as 0.5% or 99%"))
    }
}

impl FromStr for SuiteName {
    type Err = String;

    fn from_str(text: &str) -> Result<SuiteName, String> {
        let known = || gauntlet_guest::suites::SUITES.iter().map(|suite| suite.name);
        if known().any(|name| name == text) {
            return Ok(SuiteName(text.to_owned()));
        }
        let close = crate::error::nearest(text, known());
        let choices = if close.is_empty() { known().collect() } else { close };
        Err(format!("unknown suite '{text}', expected {}", choices.join(", ")))
    }
}

impl FromStr for ReportName {
    type Err = String;

    fn from_str(text: &str) -> Result<ReportName, String> {
        text.parse().map(ReportName).map_err(|unknown: UnknownFormat| unknown.to_string())
    }
}

impl<T: FromStr> FromStr for Auto<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<Auto<T>, String> {
        if text == "auto" {
            return Ok(Auto::Auto);
        }
        text.parse().map(Auto::Fixed).map_err(|_| format!("'{text}' is neither 'auto' nor a number above 0"))
    }
}

impl<T> Auto<T> {
    pub fn map<U>(self, change: impl FnOnce(T) -> U) -> Auto<U> {
        match self {
            Auto::Auto => Auto::Auto,
            Auto::Fixed(value) => Auto::Fixed(change(value)),
        }
    }

    /// The value, if it is not left to us.
    pub fn fixed(self) -> Option<T> {
        match self {
            Auto::Auto => None,
            Auto::Fixed(value) => Some(value),
        }
    }

    /// The value, or what `auto` means here.
    pub fn unwrap_or(self, automatic: T) -> T {
        self.fixed().unwrap_or(automatic)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let units = [(40, "T"), (30, "G"), (20, "M"), (10, "K")];
        let whole = |shift: u32| self.0.is_multiple_of(1 << shift) && self.0 > 0;
        match units.iter().find(|(shift, _)| whole(*shift)) {
            Some((shift, unit)) => write!(formatter, "{}{unit}", self.0 >> shift),
            None => write!(formatter, "{} bytes", self.0),
        }
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// Splits `12ms` into its number and the factor of its unit.
fn with_unit<N: FromStr>(text: &str, units: &[(&str, u64)]) -> Option<(N, u64)> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(split);
    let factor = units.iter().find(|(name, _)| *name == unit)?.1;
    Some((number.parse().ok()?, factor))
}

/// Deserializes through `FromStr` inside the visitor: only there does the parser know the word's place.
pub(super) fn from_word<'de, T, D>(deserializer: D) -> Result<T, D::Error>
where
    T: FromStr<Err = String>,
    D: Deserializer<'de>,
{
    struct Word<T>(PhantomData<T>);

    impl<T: FromStr<Err = String>> Visitor<'_> for Word<T> {
        type Value = T;

        fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
            formatter.write_str("a single value")
        }

        fn visit_str<E: Error>(self, word: &str) -> Result<T, E> {
            word.parse().map_err(E::custom)
        }
    }
    deserializer.deserialize_str(Word(PhantomData))
}

macro_rules! deserialize_from_word {
    ($($type:ty),+) => {
        $(impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                from_word(deserializer)
            }
        })+
    };
}

deserialize_from_word!(Size, Span, Percent, SuiteName, ReportName, super::Glob);

impl<'de, T: FromStr> Deserialize<'de> for Auto<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        from_word(deserializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn units_are_required_and_known() {
        assert_eq!("256M".parse(), Ok(Size(256 << 20)));
        assert_eq!("25ms".parse(), Ok(Span(Duration::from_millis(25))));
        assert_eq!("0.5%".parse(), Ok(Percent(0.005)));
        for wrong in ["", "256", "M", "1.5G", "12Q", "-1M", "0M", "99999999999999T"] {
            assert!(wrong.parse::<Size>().is_err(), "{wrong}");
        }
        for wrong in ["60", "s", "5 m", "1.5h", "9999999999999999999d"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
        for wrong in ["1", "101%", "-1%", "%", "1.2.3%"] {
            assert!(wrong.parse::<Percent>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn auto_or_a_number() {
        assert_eq!("auto".parse::<Auto<u32>>().unwrap().unwrap_or(7), 7);
        assert_eq!("3".parse::<Auto<u32>>().unwrap().unwrap_or(7), 3);
        assert!("many".parse::<Auto<u32>>().is_err());
    }

    proptest! {
        #[test]
        fn sizes_read_back_what_they_show(kibibytes in 1u64..1 << 40) {
            let size = Size(kibibytes << 10);
            prop_assert_eq!(size.to_string().parse::<Size>(), Ok(size));
        }

        #[test]
        fn no_word_makes_them_panic(word in ".*") {
            let _ = (word.parse::<Size>(), word.parse::<Span>(), word.parse::<Percent>());
        }
    }
}
