//! What the agent tells the program that runs a case, as its arguments. Pure.

use crate::Context;
use std::ffi::CString;
use std::path::PathBuf;

/// First word of an order; no name of a case or command looks like it.
const MARK: &str = "gauntlet-case:";

/// A case and what it gets.
#[derive(Debug, Clone)]
pub struct Order {
    /// `suite/case`.
    pub name: String,
    pub context: Context,
}

impl Order {
    /// The program's arguments, its own name first.
    pub fn arguments(&self) -> Vec<CString> {
        let Context { seed, exact, scratch, files, region } = &self.context;
        let (address, size) = region.unwrap_or_default();
        let words = [
            "gauntlet-cases".to_owned(),
            MARK.to_owned(),
            self.name.clone(),
            seed.to_string(),
            u8::from(*exact).to_string(),
            scratch.to_string_lossy().into_owned(),
            files.to_string_lossy().into_owned(),
            address.to_string(),
            size.to_string(),
        ];
        words.into_iter().map(|word| CString::new(word).unwrap_or_default()).collect()
    }

    /// The order in these arguments; `None` when they are none.
    pub fn read(arguments: &[String]) -> Option<Order> {
        let [_, mark, name, seed, exact, scratch, files, address, size] = arguments else { return None };
        if mark != MARK {
            return None;
        }
        let (address, size): (u64, u64) = (address.parse().ok()?, size.parse().ok()?);
        let context = Context {
            seed: seed.parse().ok()?,
            exact: exact == "1",
            scratch: PathBuf::from(scratch),
            files: PathBuf::from(files),
            region: (size > 0).then_some((address, size)),
        };
        Some(Order { name: name.clone(), context })
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
            let words: Vec<String> =
                order.arguments().iter().map(|word| word.to_string_lossy().into_owned()).collect();
            let read = Order::read(&words).unwrap();
            assert_eq!(format!("{read:?}"), format!("{order:?}"));
        }
    }

    #[test]
    fn what_people_type_is_no_order() {
        let typed = ["gauntlet-cases", "run", "memfd/x"].map(str::to_owned);
        assert!(Order::read(&typed).is_none());
    }
}
