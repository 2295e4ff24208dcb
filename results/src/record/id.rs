//! Run identifiers.

use jiff::Timestamp;

/// An identifier that sorts by start and is unique across processes: `20261123-124501-3f2a9c`, in UTC.
///
/// `salt` is whatever tells two runs of the same second apart: process id, nanoseconds.
pub fn run_id(started: Timestamp, salt: &[u8]) -> String {
    let digest = blake3::hash(salt);
    format!("{}-{}", started.strftime("%Y%m%d-%H%M%S"), &digest.to_hex()[..6])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_time_and_differ_by_salt() {
        let at = |second: i64| Timestamp::from_second(1_795_000_000 + second).unwrap();
        assert!(run_id(at(0), b"1").starts_with("20261118-110640-"), "{}", run_id(at(0), b"1"));
        assert!(run_id(at(0), b"1") < run_id(at(1), b"0"));
        assert_ne!(run_id(at(0), b"1"), run_id(at(0), b"2"));
    }
}
