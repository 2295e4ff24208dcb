//! A kernel's text symbols, by address.

use super::Placement;
use std::sync::Arc;

/// No function is longer: farther behind a symbol there is something else.
const MAX_FUNCTION: u64 = 1 << 20;

/// Sorted by address; one name for each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Symbols {
    entries: Vec<(u64, String)>,
    /// Where symbols of a module begin: those at and after an address, up to the next entry, are this module's.
    modules: Vec<(u64, Option<Arc<str>>)>,
}

impl Symbols {
    /// Parses the form of `/proc/kallsyms` and System.map: `ffffffff81000000 T _stext`, a module after it or not.
    ///
    /// Only text symbols (`t`, `T`, `w`, `W`, see nm(1)); lines of any other form are left out. Symbols at
    /// address 0, as `kernel.kptr_restrict` shows them to the unprivileged, are left out too.
    pub fn parse(text: &str) -> Symbols {
        let mut lines: Vec<Entry> = text.lines().filter_map(parse_line).collect();
        lines.sort_by(|one, other| (one.address, rank(one.name)).cmp(&(other.address, rank(other.name))));
        lines.dedup_by_key(|line| line.address);
        let entries = lines.iter().map(|line| (line.address, line.name.to_owned())).collect();
        lines.dedup_by_key(|line| line.module);
        let modules = lines.iter().map(|line| (line.address, line.module.map(Arc::from))).collect();
        Symbols { entries, modules }
    }

    /// The symbol at or before the address, and the offset into it.
    pub fn lookup(&self, address: u64) -> Option<(&str, u64)> {
        let after = self.entries.partition_point(|(start, _)| *start <= address);
        let (start, name) = self.entries.get(after.checked_sub(1)?)?;
        Some((name, address - start))
    }

    /// The symbol that the address on a console lies in, with the offset into it and its module: as these symbols have
    /// it where the kernel lay elsewhere, and None where nothing tells how far.
    pub fn lookup_told(
        &self,
        address: u64,
        placement: Option<Placement>,
    ) -> Option<(&str, u64, Option<&str>)> {
        let address = address.checked_sub(self.distance(address, placement)?)?;
        let (name, offset) = self.lookup(address)?;
        (offset < MAX_FUNCTION).then(|| (name, offset, self.module(address)))
    }

    /// How far behind its place in this table the kernel lay, and with it this address.
    fn distance(&self, address: u64, placement: Option<Placement>) -> Option<u64> {
        let (first, _) = self.entries.first()?;
        match placement {
            None => (!self.are_as_linked()).then_some(0),
            Some(Placement::Linked) => Some(0),
            Some(Placement::Moved { by, from, last }) if *first == from => (address <= last).then_some(by),
            Some(Placement::Moved { by, from, .. }) => (from.checked_add(by) == Some(*first)).then_some(0),
        }
    }

    /// Whether they are as a build leaves them: only a kernel that runs has modules in its table, and all are where they
    /// were then.
    pub fn are_as_linked(&self) -> bool {
        !self.is_empty() && self.modules.iter().all(|(_, module)| module.is_none())
    }

    /// The module that the symbol at or before the address belongs to.
    pub fn module(&self, address: u64) -> Option<&str> {
        let after = self.modules.partition_point(|(start, _)| *start <= address);
        self.modules.get(after.checked_sub(1)?)?.1.as_deref()
    }

    /// `name+0x1f`, or the bare address where no symbol lies before it.
    pub fn name(&self, address: u64) -> String {
        match self.lookup(address) {
            Some((name, 0)) => name.to_owned(),
            Some((name, offset)) => format!("{name}+{offset:#x}"),
            None => format!("{address:#x}"),
        }
    }

    /// Address and name, in the order of addresses.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &str)> {
        self.entries.iter().map(|(address, name)| (*address, name.as_str()))
    }

    pub fn len(&self) -> usize {
        self.entries.len()
    }

    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

/// Of several names of one address, the one a person would use sorts first: no underscores, short, alphabetical.
fn rank(name: &str) -> (usize, usize, &str) {
    (name.len() - name.trim_start_matches('_').len(), name.len(), name)
}

/// A line of the table.
struct Entry<'a> {
    address: u64,
    name: &'a str,
    module: Option<&'a str>,
}

fn parse_line(line: &str) -> Option<Entry<'_>> {
    let mut words = line.split_ascii_whitespace();
    let address = u64::from_str_radix(words.next()?, 16).ok()?;
    let kind = words.next()?;
    let name = words.next()?;
    let module = words.next().and_then(|word| word.strip_prefix('[')?.strip_suffix(']'));
    (address != 0 && matches!(kind, "t" | "T" | "w" | "W")).then_some(Entry { address, name, module })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KALLSYMS: &str = "\
ffffffff81000040 T secondary_startup_64
ffffffff81000000 T _stext
ffffffff81000000 T startup_64
ffffffff82000000 D jiffies
0000000000000000 T hidden
nonsense
ffffffffc0206000 t lab_init\t[lab]
";

    #[test]
    fn text_symbols_are_found_by_address() {
        let symbols = Symbols::parse(KALLSYMS);
        assert_eq!(symbols.len(), 3);
        assert_eq!(symbols.lookup(0xffff_ffff_8100_0000), Some(("startup_64", 0)));
        assert_eq!(symbols.lookup(0xffff_ffff_8100_003f), Some(("startup_64", 0x3f)));
        assert_eq!(symbols.name(0xffff_ffff_c020_6010), "lab_init+0x10");
        assert_eq!(symbols.name(0x10), "0x10");
        assert_eq!(symbols.module(0xffff_ffff_c020_6010), Some("lab"));
        assert_eq!((symbols.module(0xffff_ffff_8100_0000), symbols.module(1)), (None, None));
        assert_eq!(Symbols::parse("").lookup(1), None);
    }

    #[test]
    fn an_address_on_a_console_is_named_as_far_as_it_is_known_where_the_kernel_lay() {
        let (linked, by) = (0xffff_ffff_8100_0000, 0x2a00_0000);
        let moved = Some(Placement::Moved { by, from: linked, last: 0xffff_ffff_bfff_ffff });
        let linked_map =
            "ffffffff81000000 T _text\nffffffff81000100 T second\nffffffff83200000 t _einittext\n";
        let map = Symbols::parse(linked_map);
        let name =
            |address, placement| map.lookup_told(address, placement).map(|(name, offset, _)| (name, offset));
        assert_eq!(name(linked + 0x110, Some(Placement::Linked)), Some(("second", 0x10)));
        assert_eq!(name(linked + by + 0x110, moved), Some(("second", 0x10)));
        assert_eq!(name(linked + 0x110, None), None, "nothing tells where it lay");
        assert_eq!(name(linked + 0x110, moved), None, "before the kernel");
        // As if KASLR had gone so far that a module's address seems to be of the kernel's end.
        let far = Some(Placement::Moved { by: 0x3d00_0000, from: linked, last: 0xffff_ffff_bfff_ffff });
        assert_eq!(name(0xffff_ffff_c020_6000, far), None, "a module's");
        assert_eq!(name(0xffff_ffff_c020_6000, Some(Placement::Linked)), None, "a module's");
        let other = Some(Placement::Moved { by, from: linked + 0x100_0000, last: u64::MAX });
        assert_eq!(name(linked + by + 0x110, other), None, "the table is another kernel's");

        let running = Symbols::parse("ffffffffab000000 T _text\nffffffffc0206000 t lab_init\t[lab]\n");
        for placement in [moved, None] {
            let found = running.lookup_told(0xffff_ffff_c020_6010, placement);
            assert_eq!(found, Some(("lab_init", 0x10, Some("lab"))), "{placement:?}");
        }
    }

    proptest! {
        #[test]
        fn lookup_is_the_last_symbol_not_above(
            starts in prop::collection::btree_set(1u64..1000, 0..40),
            address in 0u64..1100,
        ) {
            let text: String = starts.iter().rev().map(|at| format!("{at:x} T f{at}\n")).collect();
            let expected = starts.iter().filter(|at| **at <= address).max().map(|at| (format!("f{at}"), address - at));
            let symbols = Symbols::parse(&text);
            let found = symbols.lookup(address).map(|(name, offset)| (name.to_owned(), offset));
            prop_assert_eq!(found, expected);
        }
    }
}
