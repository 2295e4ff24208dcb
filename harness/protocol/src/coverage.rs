//! The coverage file: what the TCG plugin saw in each *window* between two [`crate::mark`]s.
//!
//! The host makes the file (a memfd, all zero) and hands it to QEMU; the plugin maps it and writes; the host
//! reads while or after the guest runs. One window holds the kernel blocks that ran in it and how often, so
//! the same file serves coverage (which blocks) and performance (how many instructions, where).
//!
//! ```text
//! 0x0000  header   magic, version, positions
//! 0x1000  blocks   block table: entry N is block N; grows while the guest runs, never changes
//! then    log      ring of records, one per window
//! ```
//! All integers are little-endian. A record is a head of four u32 (entries, 0, window ordinal low, high) and
//! then `entries` pairs of u32 (block, executions). Records are padded to eight bytes by construction and
//! wrap around the end of the ring byte by byte. Positions only grow; the ring index is position % capacity.

mod reader;

pub use reader::{Block, Malformed, Reader, Store, Window};

/// First word of a file that a plugin has initialised: "GNTCOVER".
pub const MAGIC: u64 = u64::from_le_bytes(*b"GNTCOVER");
/// Raised whenever the meaning of the file changes.
pub const VERSION: u32 = 1;

/// Size of the file for fuzzing: the host empties the ring between batches. The file is sparse.
pub const FUZZ_SIZE: usize = 32 << 20;
/// Size of the file for performance: every operation of a workload, read once at the end. The file is sparse.
pub const PERFORMANCE_SIZE: usize = 128 << 20;

/// Blocks that the table holds. A whole boot of a distribution kernel translates about 76,000.
pub const BLOCK_CAPACITY: usize = 1 << 18;
/// Bytes of one entry of the block table: address u64, instructions u32, 0 u32.
pub const BLOCK_SIZE: usize = 16;
pub const BLOCKS_OFFSET: usize = 0x1000;
pub const LOG_OFFSET: usize = BLOCKS_OFFSET + BLOCK_CAPACITY * BLOCK_SIZE;
/// Bytes of a record's head.
pub const RECORD_HEAD: usize = 16;
/// Bytes of one pair (block, executions).
pub const PAIR_SIZE: usize = 8;
/// Smallest file: room in the ring for one window that ran every block.
pub const MIN_SIZE: usize = LOG_OFFSET + RECORD_HEAD + BLOCK_CAPACITY * PAIR_SIZE;

/// Lowest address of the kernel's half with four-level paging; blocks below are not counted.
/// Source: Linux Documentation/arch/x86/x86_64/mm.rst.
pub const KERNEL_START: u64 = 0xffff_8000_0000_0000;

/// Byte offsets of the header's words.
pub mod header {
    /// u64, written by the plugin last of all when it initialises the file.
    pub const MAGIC: usize = 0;
    /// u32
    pub const VERSION: usize = 8;
    /// u32, level of the plugin interface in use.
    pub const API: usize = 12;
    /// u64, bytes of the file as the plugin found it.
    pub const SIZE: usize = 16;
    /// u64, blocks in the table.
    pub const BLOCKS: usize = 24;
    /// u64, blocks that found no room in the table and are not counted.
    pub const BLOCKS_DROPPED: usize = 32;
    /// u64, windows begun.
    pub const BEGUN: usize = 40;
    /// u64, windows ended.
    pub const ENDED: usize = 48;
    /// u64, windows whose record found no room in the ring.
    pub const DROPPED: usize = 56;
    /// u64, bytes of log written since the start, by the plugin.
    pub const WRITTEN: usize = 64;
    /// u64, bytes of log read since the start, by the host.
    pub const READ: usize = 72;
    pub const LENGTH: usize = 80;
}
