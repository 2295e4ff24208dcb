//! The BTF encoder: type descriptions as the kernel reads them (Documentation/bpf/btf.rst, section 2).

use super::{Attributes, Command};
use crate::sys::Errno;
use std::os::fd::OwnedFd;

const MAGIC: u16 = 0xeb9f;
const HEADER: u32 = 24;
const KIND_INT: u32 = 1;
const KIND_STRUCT: u32 = 4;
const KIND_FUNCTION: u32 = 12;
const KIND_PROTOTYPE: u32 = 13;

/// Types in the order they were added; the first has identifier 1.
#[derive(Debug, Default)]
pub struct Types {
    types: Vec<u8>,
    strings: Vec<u8>,
    count: u32,
}

impl Types {
    fn name(&mut self, name: &str) -> u32 {
        if self.strings.is_empty() {
            self.strings.push(0);
        }
        let offset = self.strings.len() as u32;
        self.strings.extend(name.bytes());
        self.strings.push(0);
        offset
    }

    fn add(&mut self, words: &[u32]) {
        self.types.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    }

    /// An unsigned integer of so many bytes; its identifier.
    pub fn integer(&mut self, name: &str, bytes: u32) -> u32 {
        let name = self.name(name);
        self.add(&[name, KIND_INT << 24, bytes, bytes * 8]);
        self.count += 1;
        self.count
    }

    /// A structure of members, each with its type and its offset in bytes; its identifier.
    pub fn structure(&mut self, name: &str, bytes: u32, members: &[(&str, u32, u32)]) -> u32 {
        let name = self.name(name);
        self.add(&[name, KIND_STRUCT << 24 | members.len() as u32, bytes]);
        for &(member, kind, offset) in members {
            let member = self.name(member);
            self.add(&[member, kind, offset * 8]);
        }
        self.count += 1;
        self.count
    }

    /// A static function without named arguments that returns this type; its identifier.
    pub fn function(&mut self, name: &str, returns: u32) -> u32 {
        self.add(&[0, KIND_PROTOTYPE << 24, returns]);
        self.count += 1;
        let (name, prototype) = (self.name(name), self.count);
        self.add(&[name, KIND_FUNCTION << 24, prototype]);
        self.count += 1;
        self.count
    }

    /// Header, types and strings.
    pub fn encode(&self) -> Vec<u8> {
        let (types, strings) = (self.types.len() as u32, self.strings.len() as u32);
        let mut blob = MAGIC.to_le_bytes().to_vec();
        blob.extend([1, 0]);
        blob.extend([HEADER, 0, types, types, strings].iter().flat_map(|word| word.to_le_bytes()));
        blob.extend(&self.types);
        blob.extend(&self.strings);
        blob
    }

    /// BPF_BTF_LOAD.
    pub fn load(&self) -> Result<OwnedFd, Errno> {
        let blob = self.encode();
        Attributes::default().input(0, &blob).u32(16, blob.len() as u32).open(Command::BtfLoad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out by hand from btf.rst.
    #[test]
    fn a_structure_is_encoded_as_documented() {
        let mut types = Types::default();
        let word = types.integer("u", 4);
        assert_eq!(types.structure("s", 4, &[("m", word, 0)]), 2);
        let blob = types.encode();
        assert_eq!(blob[..4], [0x9f, 0xeb, 1, 0]);
        let words: Vec<u32> =
            blob[4..64].as_chunks().0.iter().map(|&word| u32::from_le_bytes(word)).collect();
        assert_eq!(words[..5], [24, 0, 40, 40, 7], "header");
        assert_eq!(words[5..9], [1, 1 << 24, 4, 32], "the integer");
        assert_eq!(words[9..15], [3, 4 << 24 | 1, 4, 5, 1, 0], "the structure and its member");
        assert_eq!(blob[64..], *b"\0u\0s\0m\0");
    }
}
