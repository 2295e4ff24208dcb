//! Gives the sections of a module addresses of their own.

use anyhow::{Context, Result};
use object::{Object, ObjectSection, SectionIndex, SectionKind};

/// Before the first section: 0 means "nowhere" to readers of DWARF.
const FIRST: u64 = 1 << 20;
/// No section is aligned to more.
const ALIGNMENT: u64 = 4096;

/// The file with its symbols moved as if its sections had been laid out one after the other.
///
/// In a file that is not linked all sections begin at 0, so that one address means several functions. What the
/// debugging information says is relative to symbols, so moving those moves everything. Format: elf(5), `Elf64_Sym`.
///
/// # Errors
/// When the file is no 64-bit ELF file or its symbol table is damaged.
pub(super) fn placed(mut bytes: Vec<u8>) -> Result<Vec<u8>> {
    let (table, bases) = {
        let file = object::File::parse(bytes.as_slice())?;
        let table = file.section_by_name(".symtab").and_then(|section| section.file_range());
        (table.context("it has no symbol table")?, bases(&file))
    };
    let start = usize::try_from(table.0)?;
    let end = start.saturating_add(usize::try_from(table.1)?).min(bytes.len());
    let table = bytes.get_mut(start..end).context("its symbol table lies outside of it")?;
    for symbol in table.chunks_exact_mut(24) {
        let section = usize::from(u16::from_le_bytes([symbol[6], symbol[7]]));
        let (_, value) = symbol.split_at_mut(8);
        let Some(value) = value.first_chunk_mut::<8>() else { continue };
        let base = bases.get(section).copied().unwrap_or_default();
        *value = u64::from_le_bytes(*value).wrapping_add(base).to_le_bytes();
    }
    Ok(bytes)
}

/// The address of each section by its index; 0 for what is not loaded.
fn bases(file: &object::File<'_>) -> Vec<u64> {
    let mut next = FIRST;
    let mut bases = Vec::new();
    for section in file.sections() {
        let SectionIndex(index) = section.index();
        bases.resize(bases.len().max(index + 1), 0);
        if section.kind() == SectionKind::Text {
            bases[index] = next;
            next = next.saturating_add(section.size()).next_multiple_of(ALIGNMENT);
        }
    }
    bases
}
