//! A relocatable file in the form that the kernel's module loader wants (elf(5), kernel/module/main.c).

use super::{Code, Donor, Module, Target};

const PROGBITS: u32 = 1;
const SYMTAB: u32 = 2;
const STRTAB: u32 = 3;
const RELA: u32 = 4;
const WRITE: u64 = 1;
const ALLOC: u64 = 2;
const EXEC: u64 = 4;
/// The flag of a section that says which one its relocations are for.
const INFO_LINK: u64 = 0x40;

/// R_X86_64_64, R_X86_64_PC32 and R_X86_64_PLT32 (System V ABI, AMD64 supplement).
const ABSOLUTE: u64 = 1;
const DISTANCE: u64 = 2;
const CALL: u64 = 4;

/// The sections that others point at, by their place in the table.
const TEXT: usize = 1;
const DATA: usize = 2;
const THIS_MODULE: usize = 3;

/// The sections of symbols without one: not known, and not relocated (elf(5) st_shndx).
const UNDEFINED: usize = 0;
const FIXED: usize = 0xfff1;

/// The symbols that stand at the beginning of the table, in this order.
const TEXT_SYMBOL: u64 = 1;
const DATA_SYMBOL: u64 = 2;
const MODULE_SYMBOL: u64 = 3;
const INIT_SYMBOL: u64 = 4;
const EXIT_SYMBOL: u64 = 5;

struct Section {
    name: &'static str,
    kind: u32,
    flags: u64,
    content: Vec<u8>,
    link: u32,
    info: u32,
    entry: u64,
}

fn section(name: &'static str, flags: u64, content: Vec<u8>) -> Section {
    Section { name, kind: PROGBITS, flags, content, link: 0, info: 0, entry: 0 }
}

/// The module as a file.
pub fn build(module: &Module, donor: &Donor, address: &dyn Fn(&str) -> Option<u64>) -> Vec<u8> {
    let mut symbols = Symbols::new(module, address);
    let mut this_module = vec![0; donor.size];
    this_module[donor.name..donor.name + module.name.len()].copy_from_slice(module.name.as_bytes());
    let mut hooks = relocation(donor.init, INIT_SYMBOL, ABSOLUTE, 0);
    if module.exit.is_some() {
        hooks.extend(relocation(donor.exit, EXIT_SYMBOL, ABSOLUTE, 0));
    }
    let mut sections = vec![
        section(".text", ALLOC | EXEC, module.text.bytes.clone()),
        section(".data", ALLOC | WRITE, module.data.bytes.clone()),
        section(".gnu.linkonce.this_module", ALLOC | WRITE, this_module),
        section(".modinfo", ALLOC, information(module, donor)),
    ];
    sections.extend(donor.layout.clone().map(|layout| section("__versions", ALLOC, layout)));
    let mut relocated = vec![
        (".rela.text", TEXT, distances(&module.text, &mut symbols)),
        (".rela.data", DATA, addresses(module, &mut symbols)),
        (".rela.gnu.linkonce.this_module", THIS_MODULE, hooks),
    ];
    if !module.warnings.is_empty() {
        let (table, places) = warnings(module);
        sections.push(section("__bug_table", ALLOC | WRITE, table));
        relocated.push((".rela__bug_table", sections.len(), places));
    }
    // Behind all sections with content: symbols, their names.
    let symbol_table = sections.len() + relocated.len() + 1;
    sections.extend(relocated.into_iter().map(|(name, target, content)| Section {
        kind: RELA,
        link: symbol_table as u32,
        info: target as u32,
        entry: 24,
        ..section(name, INFO_LINK, content)
    }));
    sections.push(Section {
        kind: SYMTAB,
        link: symbol_table as u32 + 1,
        // The first that is not local.
        info: MODULE_SYMBOL as u32,
        entry: 24,
        ..section(".symtab", 0, symbols.table)
    });
    sections.push(Section { kind: STRTAB, ..section(".strtab", 0, symbols.names) });
    lay_out(sections)
}

/// Header, contents, section table.
fn lay_out(mut sections: Vec<Section>) -> Vec<u8> {
    let mut names = vec![0];
    let mut name = |text: &str| {
        let place = names.len() as u32;
        names.extend_from_slice(text.as_bytes());
        names.push(0);
        place
    };
    let mut places: Vec<u32> = sections.iter().map(|section| name(section.name)).collect();
    places.push(name(".shstrtab"));
    sections.push(Section { kind: STRTAB, ..section(".shstrtab", 0, names) });
    let mut file = vec![0; 64];
    let mut table = vec![0; 64];
    for (section, name) in sections.iter().zip(places) {
        file.resize(file.len().next_multiple_of(64), 0);
        table.extend([name.to_le_bytes(), section.kind.to_le_bytes()].concat());
        for word in [section.flags, 0, file.len() as u64, section.content.len() as u64] {
            table.extend(word.to_le_bytes());
        }
        table.extend([section.link.to_le_bytes(), section.info.to_le_bytes()].concat());
        let alignment = if section.flags & ALLOC == 0 { 8u64 } else { 64 };
        table.extend([alignment.to_le_bytes(), section.entry.to_le_bytes()].concat());
        file.extend_from_slice(&section.content);
    }
    file.resize(file.len().next_multiple_of(64), 0);
    let at = file.len() as u64;
    file.extend(table);
    let header = &mut file[..64];
    header[..7].copy_from_slice(b"\x7fELF\x02\x01\x01");
    // Relocatable, x86-64, version 1; the section table, its place and geometry.
    header[16..24].copy_from_slice(&[1, 0, 62, 0, 1, 0, 0, 0]);
    header[40..48].copy_from_slice(&at.to_le_bytes());
    let count = sections.len() as u16 + 1;
    for (place, value) in [(52, 64), (58, 64), (60, count), (62, count - 1)] {
        header[place..place + 2].copy_from_slice(&value.to_le_bytes());
    }
    file
}

fn information(module: &Module, donor: &Donor) -> Vec<u8> {
    let mut content = Vec::new();
    let name = format!("name={}", module.name);
    // Without `retpoline` the kernel would say on its console that it is not safe.
    let fixed = ["license=GPL", "retpoline=Y", "depends=", &name];
    for entry in fixed.into_iter().chain(module.info.iter().copied()) {
        content.extend_from_slice(entry.as_bytes());
        content.push(0);
    }
    content.extend_from_slice(&donor.version);
    content.push(0);
    content
}

fn relocation(place: usize, symbol: u64, kind: u64, addend: i64) -> Vec<u8> {
    [place as u64, symbol << 32 | kind, addend as u64].map(u64::to_le_bytes).concat()
}

fn distances(code: &Code, symbols: &mut Symbols<'_>) -> Vec<u8> {
    // A distance counts from the end of its field.
    let one = |(place, target): &(usize, Target)| {
        let (symbol, offset) = symbols.of(*target);
        let kind = if matches!(target, Target::Symbol(_)) { CALL } else { DISTANCE };
        relocation(*place, symbol, kind, offset - 4)
    };
    code.distances.iter().flat_map(one).collect()
}

fn addresses(module: &Module, symbols: &mut Symbols<'_>) -> Vec<u8> {
    let one = |(place, target): &(usize, Target)| {
        let (symbol, offset) = symbols.of(*target);
        relocation(*place, symbol, ABSOLUTE, offset)
    };
    module.data.addresses.iter().flat_map(one).collect()
}

/// `struct bug_entry` with relative pointers and a file name: address, file, line, flags (include/asm-generic/bug.h).
/// The file is the name of the module.
fn warnings(module: &Module) -> (Vec<u8>, Vec<u8>) {
    let (mut table, mut places) = (Vec::new(), Vec::new());
    for (place, flags) in &module.warnings {
        let at = table.len();
        table.extend([0; 8]);
        table.extend([1u16.to_le_bytes(), flags.to_le_bytes()].concat());
        places.extend(relocation(at, TEXT_SYMBOL, DISTANCE, *place as i64));
        places.extend(relocation(at + 4, DATA_SYMBOL, DISTANCE, 0));
    }
    (table, places)
}

struct Symbols<'a> {
    table: Vec<u8>,
    names: Vec<u8>,
    address: &'a dyn Fn(&str) -> Option<u64>,
    /// The kernel's, behind the fixed ones.
    imported: Vec<&'static str>,
    fixed: usize,
}

impl Symbols<'_> {
    fn new<'a>(module: &Module, address: &'a dyn Fn(&str) -> Option<u64>) -> Symbols<'a> {
        let mut symbols = Symbols { table: vec![0; 24], names: vec![0], address, imported: vec![], fixed: 0 };
        // Binding and type: local section, global object, global function (elf(5) st_info).
        symbols.add("", 0x03, TEXT, 0);
        symbols.add("", 0x03, DATA, 0);
        symbols.add("__this_module", 0x11, THIS_MODULE, 0);
        symbols.add("init_module", 0x12, TEXT, module.init);
        if let Some(exit) = module.exit {
            symbols.add("cleanup_module", 0x12, TEXT, exit);
        }
        symbols.fixed = symbols.table.len() / 24;
        symbols
    }

    fn add(&mut self, name: &str, info: u8, section: usize, value: usize) {
        let place = if name.is_empty() { 0 } else { self.names.len() as u32 };
        if !name.is_empty() {
            self.names.extend_from_slice(name.as_bytes());
            self.names.push(0);
        }
        self.table.extend(place.to_le_bytes());
        self.table.extend([info, 0]);
        self.table.extend((section as u16).to_le_bytes());
        self.table.extend((value as u64).to_le_bytes());
        self.table.extend([0; 8]);
    }

    /// The symbol to relocate against, and what to add to it.
    fn of(&mut self, target: Target) -> (u64, i64) {
        match target {
            Target::Text(offset) => (TEXT_SYMBOL, offset as i64),
            Target::Data(offset) => (DATA_SYMBOL, offset as i64),
            Target::ThisModule => (MODULE_SYMBOL, 0),
            Target::Symbol(name) => {
                let known = self.imported.iter().position(|one| *one == name);
                let index = known.unwrap_or_else(|| {
                    match (self.address)(name) {
                        Some(address) => self.add(name, 0x10, FIXED, address as usize),
                        None => self.add(name, 0x10, UNDEFINED, 0),
                    }
                    self.imported.push(name);
                    self.imported.len() - 1
                });
                ((self.fixed + index) as u64, 0)
            }
        }
    }
}
