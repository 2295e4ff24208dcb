//! What the agent tells the process that runs a case: words through a pipe, because the process is there before
//! anybody knows the case.

use crate::Context;
use std::ffi::CStr;
use std::io::Read;
use std::path::PathBuf;

/// The argument of a process that waits for an order; no command looks like it.
const WAITING: &CStr = c"gauntlet-case:";
/// The descriptor it waits at.
const INHERITED: i32 = 4;

/// A case and what it gets.
#[derive(Debug, Clone)]
pub struct Order {
    /// `suite/case`.
    pub name: String,
    pub context: Context,
}

impl Order {
    /// Arguments of a process that waits for an order.
    pub fn waiting() -> [&'static CStr; 2] {
        [c"gauntlet-cases", WAITING]
    }

    /// Makes a pipe's reading end the one that a program executed by this process waits at. Async-signal-safe.
    pub fn hand_on(reader: i32) {
        crate::word::inherit(reader, INHERITED);
    }

    /// Waits for the order if these arguments say so; `None` when they do not. The pipe is closed then: a case finds
    /// only its own descriptors.
    pub fn wait(arguments: &[String]) -> Option<Order> {
        let [_, waiting] = arguments else { return None };
        if waiting.as_bytes() != WAITING.to_bytes() {
            return None;
        }
        // SAFETY: the agent left this descriptor to us, and nobody else here knows it.
        let mut pipe = unsafe { <std::fs::File as std::os::fd::FromRawFd>::from_raw_fd(INHERITED) };
        let mut bytes = Vec::new();
        pipe.read_to_end(&mut bytes).ok()?;
        Order::read(&bytes)
    }

    /// The order as it goes through the pipe: words that end with a NUL.
    pub fn bytes(&self) -> Vec<u8> {
        let Context { seed, exact, scratch, files, region } = &self.context;
        let (address, size) = region.unwrap_or_default();
        let words = [
            self.name.clone(),
            seed.to_string(),
            u8::from(*exact).to_string(),
            scratch.to_string_lossy().into_owned(),
            files.to_string_lossy().into_owned(),
            address.to_string(),
            size.to_string(),
        ];
        words.into_iter().flat_map(|word| [word.into_bytes(), vec![0]].concat()).collect()
    }

    fn read(bytes: &[u8]) -> Option<Order> {
        let text = std::str::from_utf8(bytes).ok()?;
        let words: Vec<&str> = text.split_terminator('\0').collect();
        let [name, seed, exact, scratch, files, address, size] = words[..] else { return None };
        let (address, size): (u64, u64) = (address.parse().ok()?, size.parse().ok()?);
        let context = Context {
            seed: seed.parse().ok()?,
            exact: exact == "1",
            scratch: PathBuf::from(scratch),
            files: PathBuf::from(files),
            region: (size > 0).then_some((address, size)),
        };
        Some(Order { name: name.to_owned(), context })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_order_is_read_as_it_was_given() {
        for region in [None, Some((0x1000_0000, 32 << 20))] {
            let (scratch, files) = (PathBuf::from("/tmp/case"), PathBuf::from("/run/files"));
            let context = Context { seed: u64::MAX, exact: true, scratch, files, region };
            let order = Order { name: "memfd/seals_add_up".to_owned(), context };
            let read = Order::read(&order.bytes()).unwrap();
            assert_eq!(format!("{read:?}"), format!("{order:?}"));
        }
    }

    #[test]
    fn half_an_order_is_none_and_what_people_type_waits_for_none() {
        assert!(Order::read(b"memfd/x\x001\x00").is_none());
        let typed = ["gauntlet-cases", "run", "memfd/x"].map(str::to_owned);
        assert!(Order::wait(&typed).is_none());
    }
}
