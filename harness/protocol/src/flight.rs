//! The flight record: what the agent was doing when the guest died.
//!
//! Plain stores into host memory before each step, so it survives whatever kills the guest.

use crate::region::FLIGHT_OFFSET;

/// Byte offsets of the record's words, from the start of the region.
pub mod word {
    use super::FLIGHT_OFFSET;
    /// u32, a [`super::Phase`].
    pub const PHASE: usize = FLIGHT_OFFSET;
    /// u32, index of the running program in its batch, or of the case's step.
    pub const ITEM: usize = FLIGHT_OFFSET + 4;
    /// u32, index of the running call in its program.
    pub const CALL: usize = FLIGHT_OFFSET + 8;
    /// u32, number of steps recorded so far: a heartbeat.
    pub const STEPS: usize = FLIGHT_OFFSET + 12;
    /// u32, length of the name that follows.
    pub const NAME_LENGTH: usize = FLIGHT_OFFSET + 16;
    /// Up to 256 bytes: the case or workload that runs.
    pub const NAME: usize = FLIGHT_OFFSET + 64;
    pub const NAME_CAPACITY: usize = 256;
}

/// The agent's phase within a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Phase {
    Idle = 0,
    Starting = 1,
    Setup = 2,
    Running = 3,
    Collecting = 4,
    Answering = 5,
}

impl Phase {
    /// The phase a word stands for; `None` for garbage.
    pub fn from_word(word: u32) -> Option<Phase> {
        Some(match word {
            0 => Phase::Idle,
            1 => Phase::Starting,
            2 => Phase::Setup,
            3 => Phase::Running,
            4 => Phase::Collecting,
            5 => Phase::Answering,
            _ => return None,
        })
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Phase::Idle => "idle",
            Phase::Starting => "starting",
            Phase::Setup => "setup",
            Phase::Running => "running",
            Phase::Collecting => "collecting",
            Phase::Answering => "answering",
        }
    }
}

/// A decoded flight record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FlightRecord {
    /// `None` when the guest left garbage.
    pub phase: Option<Phase>,
    pub item: u32,
    pub call: u32,
    pub steps: u32,
    pub name: String,
}

impl FlightRecord {
    /// Decodes the record from a copy of the region's first bytes. Hostile bytes give odd values, never a panic.
    pub fn decode(region: &[u8]) -> Option<FlightRecord> {
        let word = |offset: usize| -> Option<u32> {
            Some(u32::from_le_bytes(region.get(offset..offset + 4)?.try_into().ok()?))
        };
        let length = usize::try_from(word(word::NAME_LENGTH)?).ok()?.min(word::NAME_CAPACITY);
        let name = region.get(word::NAME..word::NAME + length)?;
        Some(FlightRecord {
            phase: Phase::from_word(word(word::PHASE)?),
            item: word(word::ITEM)?,
            call: word(word::CALL)?,
            steps: word(word::STEPS)?,
            name: String::from_utf8_lossy(name).into_owned(),
        })
    }
}
