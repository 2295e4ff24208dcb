//! bpf(2) as the kernel sees it: instructions as eight bytes, attributes as bytes at offsets. No library stands
//! between a case and the kernel, so a case can also say what no library would.
//!
//! Source for numbers and layouts: `include/uapi/linux/bpf.h`, Documentation/bpf/standardization/instruction-set.rst.

mod attributes;
mod information;
mod instruction;
mod map;
mod program;
mod types;

pub use attributes::{Attributes, Command, bpf};
pub use information::{id_list, information, next_id, object_by_id, object_get, object_pin};
pub use instruction::{Alu, Atomic, Condition, Instruction, Operand, Register, Swap, Width};
pub use map::{Batch, Map, MapKind, MapSpec, batch, map_flags, possible_cpus, update};
pub use program::{Load, ProgramKind, Rejection, TestRun, load, test_run};
pub use types::Types;
