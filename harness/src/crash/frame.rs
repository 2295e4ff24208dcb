//! One line of a stack trace.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Without the suffixes compilers add (`.isra.0`, `.cold`).
    pub function: String,
    pub offset: u64,
    pub module: Option<String>,
    /// False for `? foo+0x1/0x2`: merely found on the stack.
    pub reliable: bool,
    /// Between `<IRQ>` and `</IRQ>` or in another exception context.
    pub interrupt: bool,
}

impl Frame {
    /// Reads ` foo+0x1a/0x40 [module]`, ` ? foo+0x1a/0x40`, ` [<ffffffff81000000>] foo+0x1a/0x40`.
    pub(super) fn parse(text: &str) -> Option<Frame> {
        let text = text.trim();
        let text = match text.strip_prefix("[<") {
            Some(address) => address.split_once(">]")?.1.trim_start(),
            None => text,
        };
        let (text, reliable) = match text.strip_prefix("? ") {
            Some(rest) => (rest, false),
            None => (text, true),
        };
        let (name, rest) = text.split_once("+0x")?;
        let (offset, rest) = rest.split_once("/0x")?;
        if !is_symbol(name) {
            return None;
        }
        let module = rest
            .split_once(" [")
            .and_then(|(_, module)| module.split([']', ' ']).next())
            .filter(|module| is_symbol(module));
        Some(Frame {
            function: without_suffix(name).to_owned(),
            offset: u64::from_str_radix(offset, 16).ok()?,
            module: module.map(str::to_owned),
            reliable,
            interrupt: false,
        })
    }
}

fn is_symbol(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$');
    !name.is_empty() && name.len() <= 256 && name.bytes().all(allowed)
}

/// The function a compiler split or cloned the symbol from.
fn without_suffix(name: &str) -> &str {
    const SUFFIXES: [&str; 5] = [".isra.", ".constprop.", ".part.", ".cold", ".llvm."];
    let cut = SUFFIXES.iter().filter_map(|suffix| name.find(suffix)).filter(|at| *at > 0).min();
    let name = &name[..cut.unwrap_or(name.len())];
    // A static variable of a function, when the processor was led into data: `buffer.4`.
    match name.rsplit_once('.') {
        Some((stem, number)) if !stem.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()) => stem,
        _ => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_of_every_form() {
        let parse = |text| {
            Frame::parse(text).map(|frame| (frame.function, frame.offset, frame.module, frame.reliable))
        };
        let of = |name: &str, module: Option<&str>, reliable| {
            Some((name.to_owned(), 0x1a, module.map(str::to_owned), reliable))
        };
        assert_eq!(parse(" foo+0x1a/0x40"), of("foo", None, true));
        assert_eq!(parse(" ? foo+0x1a/0x40 [ext4]"), of("foo", Some("ext4"), false));
        assert_eq!(parse("foo.isra.0.cold+0x1a/0x40 [ext4 0af31]"), of("foo", Some("ext4"), true));
        assert_eq!(parse(" [<ffffffff81000000>] ? foo+0x1a/0x40"), of("foo", None, false));
        assert_eq!(parse(" ? 0xffffffffc0206000"), None);
        assert_eq!(parse("two words+0x1/0x2"), None);
        assert_eq!(parse("+0x1/0x2"), None);
    }
}
