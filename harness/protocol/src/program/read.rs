//! Decoding, in the guest. Nothing here allocates, and no bytes make it panic.

use super::{
    ARENA_SIZE, Argument, BATCH_MAGIC, MAX_ARGUMENTS, MAX_CALLS, Operation, Tier, WINDOW_OFFSET, WINDOW_SIZE,
    code,
};

/// Bytes that no host of this version writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReadError;

/// The programs of a batch.
#[derive(Debug, Clone)]
pub struct Programs<'a> {
    rest: &'a [u8],
    cookie: u64,
    left: u64,
}

impl<'a> Programs<'a> {
    /// Reads a batch's head.
    ///
    /// # Errors
    /// When the bytes are not a batch.
    pub fn new(bytes: &'a [u8]) -> Result<Programs<'a>, ReadError> {
        let mut rest = bytes;
        if take_word(&mut rest)? != BATCH_MAGIC {
            return Err(ReadError);
        }
        let cookie = take_word(&mut rest)?;
        let left = take_word(&mut rest)?;
        Ok(Programs { rest, cookie, left })
    }

    pub fn cookie(&self) -> u64 {
        self.cookie
    }

    fn take_program(&mut self) -> Result<(Tier, Operations<'a>), ReadError> {
        let head = take_word(&mut self.rest)?;
        let length = usize::try_from(head & 0xffff_ffff).map_err(|_| ReadError)?;
        let tier = Tier::from_byte((head >> 32) as u8).ok_or(ReadError)?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or(ReadError)?;
        self.rest = rest;
        Ok((tier, Operations::new(bytes)))
    }
}

impl<'a> Iterator for Programs<'a> {
    type Item = Result<(Tier, Operations<'a>), ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let program = self.take_program();
        if program.is_err() {
            self.left = 0;
        }
        Some(program)
    }
}

/// The operations of a program. Ends after the first malformed one.
#[derive(Debug, Clone)]
pub struct Operations<'a> {
    rest: &'a [u8],
    calls: usize,
}

impl<'a> Operations<'a> {
    fn new(rest: &'a [u8]) -> Operations<'a> {
        Operations { rest, calls: 0 }
    }

    fn take(&mut self) -> Result<Operation<'a>, ReadError> {
        let head = take_word(&mut self.rest)?;
        let high = (head >> 32) as u32;
        match head & 0xff {
            code::DATA => self.take_data(head, high),
            code::RESULT => {
                let fallback = (take_word(&mut self.rest)? as u32).cast_signed();
                let slot = self.checked_slot((head >> 8) as u8)?;
                Ok(Operation::Result { offset: in_arena(high, 4)?, slot, fallback })
            }
            code::ADDRESS => {
                let target = u32::try_from(take_word(&mut self.rest)?).map_err(|_| ReadError)?;
                Ok(Operation::Address { offset: in_arena(high, 8)?, target: in_mapping(target)? })
            }
            code::CALL => self.take_call(head, high),
            _ => Err(ReadError),
        }
    }

    fn take_data(&mut self, head: u64, offset: u32) -> Result<Operation<'a>, ReadError> {
        let length = ((head >> 8) & 0xff_ffff) as u32;
        let padded = (length as usize).next_multiple_of(8);
        let (bytes, rest) = self.rest.split_at_checked(padded).ok_or(ReadError)?;
        self.rest = rest;
        Ok(Operation::Data { offset: in_arena(offset, length)?, bytes: &bytes[..length as usize] })
    }

    fn take_call(&mut self, head: u64, number: u32) -> Result<Operation<'a>, ReadError> {
        let count = ((head >> 8) & 0xff) as usize;
        if count > MAX_ARGUMENTS || self.calls >= MAX_CALLS {
            return Err(ReadError);
        }
        let mut arguments = [Argument::Number(0); MAX_ARGUMENTS];
        for (index, argument) in arguments.iter_mut().enumerate().take(count) {
            let word = take_word(&mut self.rest)?;
            *argument = match (head >> (16 + 2 * index)) & 3 {
                0 => Argument::Number(word),
                1 => Argument::Pointer(in_mapping(u32::try_from(word).map_err(|_| ReadError)?)?),
                2 => Argument::Slot {
                    slot: self.checked_slot(word as u8)?,
                    fallback: ((word >> 32) as u32).cast_signed(),
                },
                _ => return Err(ReadError),
            };
        }
        self.calls += 1;
        Ok(Operation::Call { number, arguments, count })
    }

    /// A result can only be used after the call that gives it.
    fn checked_slot(&self, slot: u8) -> Result<u8, ReadError> {
        if usize::from(slot) < self.calls { Ok(slot) } else { Err(ReadError) }
    }
}

impl<'a> Iterator for Operations<'a> {
    type Item = Result<Operation<'a>, ReadError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let operation = self.take();
        if operation.is_err() {
            self.rest = &[];
        }
        Some(operation)
    }
}

fn take_word(rest: &mut &[u8]) -> Result<u64, ReadError> {
    let (word, tail) = rest.split_first_chunk::<8>().ok_or(ReadError)?;
    *rest = tail;
    Ok(u64::from_le_bytes(*word))
}

fn in_arena(offset: u32, length: u32) -> Result<u32, ReadError> {
    let end = offset.checked_add(length).ok_or(ReadError)?;
    if end <= ARENA_SIZE { Ok(offset) } else { Err(ReadError) }
}

/// Pointers may also name the window that programs map over.
fn in_mapping(offset: u32) -> Result<u32, ReadError> {
    let in_window = (WINDOW_OFFSET..=WINDOW_OFFSET + WINDOW_SIZE).contains(&offset);
    if offset <= ARENA_SIZE || in_window { Ok(offset) } else { Err(ReadError) }
}
