//! Programs: typed trees, not bytes.

mod c;
mod edit;
mod encode;
mod input;
mod parse;
mod print;
mod shape;

use crate::description::Description;

pub use c::c_source;
pub use parse::ParseError;

/// A list of calls. What a call refers to comes before it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Program {
    pub calls: Vec<Call>,
}

/// One call with its arguments, as many as its description has.
#[derive(Debug, Clone)]
pub struct Call {
    pub description: &'static Description,
    pub arguments: Vec<Value>,
}

/// An argument, or a field of a structure.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Value {
    Number(u64),
    /// The result of the call with this index.
    Resource(usize),
    /// Pointer to these bytes.
    Data(Vec<u8>),
    /// Pointer to room for so many bytes.
    Output(u32),
    /// Pointer to a structure.
    Record(Vec<Value>),
    /// Pointer to pointers to these strings.
    Strings(Vec<Vec<u8>>),
    /// Pointer to eight-byte instructions.
    Code(Vec<Instruction>),
    /// This offset in the window.
    Window(u32),
}

/// An eight-byte instruction of eBPF or classic BPF.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Instruction {
    pub bits: u64,
    /// The call whose result replaces the upper half: a map's descriptor in `ld_imm64`.
    pub resource: Option<usize>,
}

impl PartialEq for Call {
    fn eq(&self, other: &Call) -> bool {
        self.description.name == other.description.name && self.arguments == other.arguments
    }
}

impl Eq for Call {}

impl std::hash::Hash for Call {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.description.name.hash(state);
        self.arguments.hash(state);
    }
}

#[cfg(test)]
mod tests;
