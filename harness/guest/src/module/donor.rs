//! What a module built for a kernel tells about that kernel. Bounded: a damaged file gives `None`.

use crate::{Context, Stop};

/// A small module that depends on no other and is in every distribution.
pub const DONOR: &str = "dummy";

/// Size of one entry of `__versions` (`struct modversion_info`).
const VERSION: usize = 64;
/// Size of a section header and of a relocation with addend (elf(5)).
const SECTION: usize = 64;
const RELOCATION: usize = 24;
const SYMBOL: usize = 24;

/// The facts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Donor {
    /// Size of `struct module`.
    pub size: usize,
    /// Where its name is in it.
    pub name: usize,
    /// Where the pointers to the init and exit functions are.
    pub init: usize,
    pub exit: usize,
    /// `vermagic=…`: kernel release and the options that modules must share.
    pub version: Vec<u8>,
    /// The checksum of `struct module`, where the kernel has MODVERSIONS.
    pub layout: Option<Vec<u8>>,
}

impl Donor {
    /// From the [`DONOR`] among the files of the case.
    pub fn of(context: &Context) -> Result<Donor, Stop> {
        let path = context.file(&format!("{DONOR}.ko"));
        let image =
            std::fs::read(&path).map_err(|error| Stop::Broken(format!("{}: {error}", path.display())))?;
        Donor::parse(&image).ok_or_else(|| Stop::Broken(format!("{DONOR}.ko is not understood")))
    }

    pub fn parse(file: &[u8]) -> Option<Donor> {
        let elf = Elf::new(file)?;
        let module = elf.section(b".gnu.linkonce.this_module")?;
        let info = elf.section(b".modinfo")?;
        let entry = |key: &[u8]| info.split(|byte| *byte == 0).find(|entry| entry.starts_with(key));
        let name = entry(b"name=")?.strip_prefix(b"name=")?;
        Some(Donor {
            size: module.len(),
            name: module.windows(name.len().max(1)).position(|window| window == name)?,
            init: elf.hook(b"init_module")?,
            exit: elf.hook(b"cleanup_module")?,
            version: entry(b"vermagic=")?.to_vec(),
            layout: elf
                .section(b"__versions")
                .and_then(|all| {
                    all.chunks_exact(VERSION).find(|one| one[8..].starts_with(b"module_layout\0"))
                })
                .map(<[u8]>::to_vec),
        })
    }
}

/// A relocatable file, 64-bit and little-endian.
struct Elf<'a> {
    file: &'a [u8],
    sections: Vec<&'a [u8]>,
    names: &'a [u8],
}

fn number<const N: usize>(bytes: &[u8], offset: usize) -> Option<u64> {
    let mut word = [0; 8];
    word[..N].copy_from_slice(bytes.get(offset..offset.checked_add(N)?)?);
    Some(u64::from_le_bytes(word))
}

/// The NUL-terminated text there.
fn text(bytes: &[u8], offset: u64) -> Option<&[u8]> {
    bytes.get(usize::try_from(offset).ok()?..)?.split(|byte| *byte == 0).next()
}

impl<'a> Elf<'a> {
    fn new(file: &'a [u8]) -> Option<Elf<'a>> {
        file.starts_with(b"\x7fELF\x02\x01").then_some(())?;
        let table = usize::try_from(number::<8>(file, 40)?).ok()?;
        let (count, names) = (number::<2>(file, 60)? as usize, number::<2>(file, 62)? as usize);
        let bytes = file.get(table..table.checked_add(count * SECTION)?)?;
        let sections: Vec<&[u8]> = bytes.chunks_exact(SECTION).collect();
        let mut elf = Elf { file, sections, names: &[] };
        elf.names = elf.content(elf.sections.get(names)?)?;
        Some(elf)
    }

    fn content(&self, header: &[u8]) -> Option<&'a [u8]> {
        let start = usize::try_from(number::<8>(header, 24)?).ok()?;
        let length = usize::try_from(number::<8>(header, 32)?).ok()?;
        self.file.get(start..start.checked_add(length)?)
    }

    fn section(&self, name: &[u8]) -> Option<&'a [u8]> {
        let header = self.sections.iter().find(|header| {
            number::<4>(header, 0).and_then(|offset| text(self.names, offset)) == Some(name)
        })?;
        self.content(header)
    }

    /// Where in `struct module` the address of this function goes.
    fn hook(&self, function: &[u8]) -> Option<usize> {
        let (relocations, symbols, strings) = (
            self.section(b".rela.gnu.linkonce.this_module")?,
            self.section(b".symtab")?,
            self.section(b".strtab")?,
        );
        let place = relocations.chunks_exact(RELOCATION).find_map(|one| {
            let symbol = number::<4>(one, 12)? as usize;
            let entry = symbols.chunks_exact(SYMBOL).nth(symbol)?;
            (text(strings, number::<4>(entry, 0)?)? == function).then(|| number::<8>(one, 0))?
        })?;
        usize::try_from(place).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::module::Module;

    fn donor() -> Donor {
        let (version, layout) =
            (b"vermagic=6.1 SMP ".to_vec(), [&[1; 8][..], b"module_layout", &[0; 43]].concat());
        Donor { size: 896, name: 24, init: 312, exit: 848, version, layout: Some(layout) }
    }

    #[test]
    fn what_is_built_for_a_kernel_is_a_donor_for_it() {
        let mut module = Module { name: "made_by_hand", exit: Some(5), ..Module::default() };
        module.text.raw(&[0x31, 0xc0, 0xc3, 0x90, 0x90, 0xc3]);
        assert_eq!(Donor::parse(&module.build(&donor(), &|_| None)), Some(donor()));
    }

    #[test]
    fn a_damaged_file_is_no_donor_and_no_panic() {
        let mut module = Module { name: "made_by_hand", exit: Some(1), ..Module::default() };
        module.text.raw(&[0xc3, 0xc3]);
        let file = module.build(&donor(), &|_| None);
        for length in 0..file.len() {
            let _ = Donor::parse(&file[..length]);
        }
        for place in 0..file.len() {
            let mut damaged = file.clone();
            damaged[place] ^= 0xff;
            let _ = Donor::parse(&damaged);
        }
    }
}
