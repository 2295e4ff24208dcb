//! A kernel's text symbols, by address.

/// Sorted by address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Symbols {
    entries: Vec<(u64, String)>,
}

impl Symbols {
    /// Parses the form of `/proc/kallsyms` and System.map; text symbols only, bad lines are left out.
    pub fn parse(text: &str) -> Symbols {
        let mut entries: Vec<(u64, String)> = text.lines().filter_map(parse_line).collect();
        entries.sort();
        Symbols { entries }
    }

    /// The symbol at or before the address, and the offset into it.
    pub fn lookup(&self, address: u64) -> Option<(&str, u64)> {
        let after = self.entries.partition_point(|(start, _)| *start <= address);
        let (start, name) = self.entries.get(after.checked_sub(1)?)?;
        Some((name, address - start))
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

fn parse_line(line: &str) -> Option<(u64, String)> {
    let mut words = line.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let kind = words.next()?;
    let name = words.next()?;
    matches!(kind, "t" | "T" | "w" | "W").then(|| (address, name.to_owned()))
}
