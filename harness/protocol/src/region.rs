//! The shared region: where everything lies in it.
//!
//! ```text
//! 0x00000  header      magic, version, size, states, sequence numbers
//! 0x01000  flight      what the agent is doing right now (survives any death of the guest)
//! 0x02000  request     one encoded Request, written by the host
//! 0x42000  response    one encoded Response, written by the agent
//! 0x100000 bulk        fuzz batches, captured output: whatever the request says
//! the end  hostfs      the host's files for a command of the user's, see `hostfs`
//! ```
//! All integers are little-endian. Host and guest access the words of the header and of the flight record
//! as single aligned loads and stores, so neither can see half a word.

/// First word of a region that an agent has initialised: "GAUNTLET".
pub const MAGIC: u64 = u64::from_le_bytes(*b"GAUNTLET");

pub const HEADER_OFFSET: usize = 0;
pub const FLIGHT_OFFSET: usize = 0x1000;
pub const REQUEST_OFFSET: usize = 0x2000;
pub const RESPONSE_OFFSET: usize = 0x42000;
pub const BULK_OFFSET: usize = 0x10_0000;

/// Bytes that one encoded request may take.
pub const REQUEST_CAPACITY: usize = RESPONSE_OFFSET - REQUEST_OFFSET;
/// Bytes that one encoded response may take.
pub const RESPONSE_CAPACITY: usize = BULK_OFFSET - RESPONSE_OFFSET;

/// Smallest region that holds the fixed areas and some bulk.
pub const MIN_SIZE: usize = 2 << 20;
/// Default size: large enough for double-buffered fuzz batches.
pub const DEFAULT_SIZE: usize = 16 << 20;

/// Byte offsets of the header's words.
pub mod header {
    /// u64, written by the agent last of all when it initialises the region.
    pub const MAGIC: usize = 0;
    /// u32, [`crate::PROTOCOL_VERSION`] of the agent.
    pub const VERSION: usize = 8;
    /// u32, an [`super::AgentState`].
    pub const STATE: usize = 12;
    /// u32, raised by the host after it wrote a request.
    pub const REQUEST_SEQUENCE: usize = 16;
    /// u32, length of the encoded request.
    pub const REQUEST_LENGTH: usize = 20;
    /// u32, set by the agent to the request's sequence after it wrote the response.
    pub const RESPONSE_SEQUENCE: usize = 24;
    /// u32, length of the encoded response.
    pub const RESPONSE_LENGTH: usize = 28;
    /// u32, CRC-32 (IEEE) of the encoded response.
    pub const RESPONSE_CHECKSUM: usize = 32;
    /// u32, bytes of bulk that belong to the response.
    pub const BULK_LENGTH: usize = 36;
    /// u64, size of the region in bytes as the host made it; written by the host before boot.
    pub const SIZE: usize = 40;
    /// u64, the TSC as the agent read it right before it parked. The host compares it with the clock of the
    /// stopped machine.
    pub const PARKED_AT: usize = 48;
    /// u32, not 0 when the host wants the agent to park once more before it goes on.
    pub const PARK_AGAIN: usize = 56;
}

/// What the agent is doing, as it says so itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum AgentState {
    Absent = 0,
    Booting = 1,
    Ready = 2,
    Busy = 3,
    Answered = 4,
}

impl AgentState {
    /// The state a word stands for; `None` for a word no agent of ours writes.
    pub fn from_word(word: u32) -> Option<AgentState> {
        Some(match word {
            0 => AgentState::Absent,
            1 => AgentState::Booting,
            2 => AgentState::Ready,
            3 => AgentState::Busy,
            4 => AgentState::Answered,
            _ => return None,
        })
    }
}

/// The bounds of a region of a given size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Layout {
    size: usize,
}

impl Layout {
    /// `None` when `size` cannot hold the fixed areas.
    pub fn new(size: usize) -> Option<Layout> {
        (size >= MIN_SIZE).then_some(Layout { size })
    }

    pub fn size(self) -> usize {
        self.size
    }

    pub fn bulk_capacity(self) -> usize {
        self.hostfs_offset() - BULK_OFFSET
    }

    /// Where the mailbox of [`crate::hostfs`] lies.
    pub fn hostfs_offset(self) -> usize {
        self.size - crate::hostfs::SIZE
    }

    /// The byte range of `length` bytes of response, if the guest's claim fits the area.
    pub fn response_range(self, length: u32) -> Option<std::ops::Range<usize>> {
        let length = usize::try_from(length).ok()?;
        (length <= RESPONSE_CAPACITY).then(|| RESPONSE_OFFSET..RESPONSE_OFFSET + length)
    }

    /// The byte range of `length` bytes of bulk, if the guest's claim fits the region.
    pub fn bulk_range(self, length: u32) -> Option<std::ops::Range<usize>> {
        let length = usize::try_from(length).ok()?;
        (length <= self.bulk_capacity()).then(|| BULK_OFFSET..BULK_OFFSET + length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_beyond_the_region_are_refused() {
        let layout = Layout::new(DEFAULT_SIZE).unwrap();
        assert_eq!(layout.response_range(u32::MAX), None);
        assert_eq!(layout.bulk_range(u32::MAX), None);
        let all = u32::try_from(layout.bulk_capacity()).unwrap();
        assert_eq!(layout.bulk_range(all).unwrap().end, layout.hostfs_offset());
        assert_eq!(layout.bulk_range(all + 1), None);
    }

    #[test]
    fn a_region_without_room_for_the_fixed_areas_is_refused() {
        assert_eq!(Layout::new(BULK_OFFSET), None);
    }
}
