//! What a call looks like: the schema that programs are generated, checked and encoded by.

use gauntlet_protocol::program::Tier;

/// What a call's result, or an argument, stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Any file descriptor.
    Descriptor,
    Memfd,
    File,
    Directory,
    Eventfd,
    Timerfd,
    Epoll,
    BpfMap,
    BpfProgram,
    BpfBtf,
    SeccompListener,
}

impl Kind {
    /// Whether a resource of kind `other` serves where this kind is wanted.
    pub fn accepts(self, other: Kind) -> bool {
        self == other || self == Kind::Descriptor
    }
}

/// The type of an argument or of a field.
#[derive(Debug, Clone, Copy)]
pub enum Type {
    Constant(u64),
    /// One of these.
    OneOf(&'static [u64]),
    /// Any union of these bits.
    Flags(&'static [u64]),
    /// Lowest and highest value, both included.
    Range(u64, u64),
    /// Any number, mostly the ones that break things.
    Any,
    Resource(Kind),
    /// Bytes of the argument or field with this index.
    LengthOf(usize),
    /// Elements of the argument or field with this index.
    CountOf(usize),
    /// A name out of a small pool, relative to the program's own directory.
    Path,
    /// Pointer to so many bytes at least and at most.
    Bytes(u32, u32),
    /// Pointer to room for so many bytes at most.
    Output(u32),
    /// Pointer to a structure.
    Record(&'static [Field]),
    /// Pointer to pointers to strings, ended by a null pointer.
    Strings(u32),
    /// Pointer to eBPF instructions.
    Bpf,
    /// Pointer to classic BPF instructions of a seccomp filter.
    Filter,
    /// Pointer to an executable file's bytes.
    Executable,
    /// Pointer to the head of a bzImage.
    KernelImage,
    /// A page of the window that programs map over.
    Window,
}

/// An argument's name and type.
pub type Parameter = (&'static str, Type);

/// A field's name, width in bytes (8 for pointers) and type. Fields lie one behind the other without padding.
pub type Field = (&'static str, u8, Type);

/// One call.
#[derive(Debug, Clone, Copy)]
pub struct Description {
    /// `call` or `call$variant`, unique.
    pub name: &'static str,
    /// System call number on x86-64, or a pseudo call of the executor.
    pub number: u32,
    pub arguments: &'static [Parameter],
    /// What a successful call returns.
    pub result: Option<Kind>,
    pub tier: Tier,
    /// How often it is generated, relative to the others.
    pub weight: u32,
    /// It ends the machine: generated only when the user asks for it.
    pub dangerous: bool,
}

impl Description {
    /// What most calls are; descriptions override it field by field.
    pub const CALL: Description = Description {
        name: "",
        number: 0,
        arguments: &[],
        result: None,
        tier: Tier::InProcess,
        weight: 10,
        dangerous: false,
    };
}

/// A `libc::SYS_*` constant as the number the wire carries.
pub(crate) const fn number(call: libc::c_long) -> u32 {
    call as u32
}

impl Type {
    /// Whether values of this type are addresses.
    pub fn is_pointer(&self) -> bool {
        !matches!(
            self,
            Type::Constant(_)
                | Type::OneOf(_)
                | Type::Flags(_)
                | Type::Range(..)
                | Type::Any
                | Type::Resource(_)
                | Type::LengthOf(_)
                | Type::CountOf(_)
        )
    }
}
