//! Version numbers: Debian's order, and what a partly written version matches.

use std::cmp::Ordering;
use std::fmt;

/// A Debian package version, ordered as deb-version(7) orders: epoch, upstream part, revision; runs of non-digits
/// by characters with `~` before everything, runs of digits by value.
#[derive(Debug, Clone)]
pub struct DebianVersion(String);

impl DebianVersion {
    pub fn new(text: impl Into<String>) -> DebianVersion {
        DebianVersion(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Epoch, upstream version and revision.
    fn parts(&self) -> (u64, &str, &str) {
        let (epoch, rest) = match self.0.split_once(':') {
            Some((epoch, rest)) => (epoch.parse().unwrap_or(0), rest),
            None => (0, self.0.as_str()),
        };
        let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
        (epoch, upstream, revision)
    }

    /// The version of the software itself, without epoch and Debian revision.
    pub fn upstream(&self) -> &str {
        self.parts().1
    }
}

impl Ord for DebianVersion {
    fn cmp(&self, other: &DebianVersion) -> Ordering {
        let (epoch, upstream, revision) = self.parts();
        let (other_epoch, other_upstream, other_revision) = other.parts();
        epoch
            .cmp(&other_epoch)
            .then_with(|| compare_part(upstream, other_upstream))
            .then_with(|| compare_part(revision, other_revision))
    }
}

impl PartialOrd for DebianVersion {
    fn partial_cmp(&self, other: &DebianVersion) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for DebianVersion {
    fn eq(&self, other: &DebianVersion) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for DebianVersion {}

impl fmt::Display for DebianVersion {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.0)
    }
}

fn compare_part(mut a: &str, mut b: &str) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (a_text, a_rest) = split_while(a, |byte| !byte.is_ascii_digit());
        let (b_text, b_rest) = split_while(b, |byte| !byte.is_ascii_digit());
        let (a_number, a_next) = split_while(a_rest, |byte| byte.is_ascii_digit());
        let (b_number, b_next) = split_while(b_rest, |byte| byte.is_ascii_digit());
        let order = compare_text(a_text, b_text).then_with(|| compare_number(a_number, b_number));
        if order != Ordering::Equal {
            return order;
        }
        (a, b) = (a_next, b_next);
    }
    Ordering::Equal
}

fn split_while(text: &str, accept: impl Fn(u8) -> bool) -> (&str, &str) {
    let end = text.bytes().position(|byte| !accept(byte)).unwrap_or(text.len());
    // A multi-byte character is never a digit, so the cut never falls inside one.
    text.split_at(end)
}

fn compare_text(a: &str, b: &str) -> Ordering {
    let weights = |text: &str| text.bytes().map(weight).chain([0]).collect::<Vec<i32>>();
    weights(a).cmp(&weights(b))
}

/// `~` sorts before the end of the text, the end before letters, letters before everything else.
fn weight(byte: u8) -> i32 {
    match byte {
        b'~' => -1,
        b'A'..=b'Z' | b'a'..=b'z' => i32::from(byte),
        other => i32::from(other) + 256,
    }
}

/// Digits of any length, leading zeros meaning nothing.
fn compare_number(a: &str, b: &str) -> Ordering {
    let (a, b) = (a.trim_start_matches('0'), b.trim_start_matches('0'));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Whether `wanted` is `version` or a whole-component beginning of it: `6.1` matches `6.1.0-56` and `6.1`, not `6.12`.
pub fn begins_with(version: &str, wanted: &str) -> bool {
    match version.strip_prefix(wanted) {
        Some(rest) => rest.bytes().next().is_none_or(|byte| !byte.is_ascii_alphanumeric()),
        None => false,
    }
}

/// The first two numbers of a kernel release: `6.12.117+deb12-cloud-amd64` is (6, 12).
pub fn major_minor(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|character: char| !character.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn compare(a: &str, b: &str) -> Ordering {
        DebianVersion::new(a).cmp(&DebianVersion::new(b))
    }

    #[test]
    fn orders_as_the_manual_page_says() {
        for pair in ["~~", "~~a", "~", "", "a"].windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
    }

    #[test]
    fn orders_real_kernel_versions() {
        let rising = [
            "5.10.262-1",
            "6.1.176-1",
            "6.1.192-1",
            "6.1.192-2",
            "6.12.117-1~deb12u1",
            "6.12.117-1",
            "7.2.13-1",
            "1:1.0-1",
        ];
        for pair in rising.windows(2) {
            assert_eq!(compare(pair[0], pair[1]), Ordering::Less, "{pair:?}");
        }
    }

    #[test]
    fn a_beginning_ends_at_a_component() {
        assert!(begins_with("6.1.0-56", "6.1"));
        assert!(begins_with("6.12.117+deb12", "6.12.117"));
        assert!(!begins_with("6.12.117+deb12", "6.1"));
        assert!(!begins_with("6.1", "6.1.0"));
    }

    #[test]
    fn major_and_minor_are_read_from_any_release() {
        assert_eq!(major_minor("7.2.13+deb14-cloud-amd64"), Some((7, 2)));
        assert_eq!(major_minor("6.18-rc3"), Some((6, 18)));
        assert_eq!(major_minor("next"), None);
    }

    proptest! {
        #[test]
        fn the_order_is_total(a in "[0-9a~.+-]{0,8}", b in "[0-9a~.+-]{0,8}", c in "[0-9a~.+-]{0,8}") {
            prop_assert_eq!(compare(&a, &b), compare(&b, &a).reverse());
            if compare(&a, &b).is_le() && compare(&b, &c).is_le() {
                prop_assert!(compare(&a, &c).is_le());
            }
        }

        #[test]
        fn plain_numbers_order_as_numbers(a in proptest::collection::vec(0u32..200, 3), b in proptest::collection::vec(0u32..200, 3)) {
            let text = |numbers: &[u32]| numbers.iter().map(u32::to_string).collect::<Vec<_>>().join(".");
            prop_assert_eq!(compare(&text(&a), &text(&b)), a.cmp(&b));
        }
    }
}
