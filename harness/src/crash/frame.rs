//! One line of a stack trace.

use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Without the suffixes compilers add (`.isra.0`, `.cold`); the bare address where the kernel has no names.
    pub function: String,
    /// The name with those suffixes, as the symbol table has it.
    pub symbol: String,
    pub offset: u64,
    /// Of the function, up to the next symbol; 0 where it is not told.
    pub size: u64,
    pub module: Option<String>,
    /// False for `? foo+0x1/0x2`: merely found on the stack.
    pub reliable: bool,
    /// Between `<IRQ>` and `</IRQ>` or in another exception context.
    pub interrupt: bool,
    /// Where it is in the source, as far as debugging information tells: what was inlined there, innermost
    /// first, and the function itself last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub source: Vec<Source>,
}

/// A place in the source.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    pub function: String,
    pub file: String,
    pub line: u32,
}

impl Frame {
    /// Reads ` foo+0x1a/0x40 [module]`, ` ? foo+0x1a/0x40`, ` [<ffffffff81000000>] foo+0x1a/0x40`, and the
    /// bare address that kernels without names print.
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
        if is_kernel_address(text) {
            return Some(Frame { reliable, ..Frame::new(text, 0, 0) });
        }
        let (name, rest) = text.split_once("+0x")?;
        let (offset, rest) = rest.split_once("/0x")?;
        if !is_symbol(name) {
            return None;
        }
        let size = rest.split(|next: char| !next.is_ascii_hexdigit()).next()?;
        let module = rest
            .split_once(" [")
            .and_then(|(_, module)| module.split([']', ' ']).next())
            .filter(|module| is_symbol(module));
        let hexadecimal = |digits| u64::from_str_radix(digits, 16).ok();
        let frame = Frame::new(name, hexadecimal(offset)?, hexadecimal(size)?);
        Some(Frame { module: module.map(str::to_owned), reliable, ..frame })
    }

    /// Reads `foo net/core/sock.c:12 [inline]`, as symbolised logs show what was inlined.
    pub(super) fn parse_inlined(text: &str) -> Option<Frame> {
        let (name, place) = text.strip_suffix(" [inline]")?.split_once(' ')?;
        let (file, line) = place.rsplit_once(':')?;
        if !is_symbol(name) {
            return None;
        }
        let mut frame = Frame::new(name, 0, 0);
        let source = Source { function: name.to_owned(), file: file.to_owned(), line: line.parse().ok()? };
        frame.source.push(source);
        Some(frame)
    }

    fn new(symbol: &str, offset: u64, size: u64) -> Frame {
        Frame {
            function: without_suffix(symbol).to_owned(),
            symbol: symbol.to_owned(),
            offset,
            size,
            module: None,
            reliable: true,
            interrupt: false,
            source: Vec::new(),
        }
    }

    /// The address, where the kernel printed no name.
    pub(super) fn bare_address(&self) -> Option<u64> {
        let digits = self.symbol.strip_prefix("0x").filter(|_| self.size == 0)?;
        u64::from_str_radix(digits, 16).ok()
    }

    /// Gives a bare address its name.
    pub(super) fn name(&mut self, symbol: &str, offset: u64) {
        self.function = without_suffix(symbol).to_owned();
        self.symbol = symbol.to_owned();
        self.offset = offset;
    }
}

/// A whole address of the upper half: anything shorter is a number of the report.
fn is_kernel_address(text: &str) -> bool {
    let digits = text.strip_prefix("0xffff").unwrap_or_default();
    digits.len() == 12 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

fn is_symbol(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$');
    !name.is_empty() && name.len() <= 256 && name.bytes().all(allowed)
}

/// The function a compiler split or cloned the symbol from.
pub(super) fn without_suffix(name: &str) -> &str {
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
        let bare = Frame::parse(" ? 0xffffffffc0206000").unwrap();
        assert_eq!((bare.bare_address(), bare.reliable), (Some(0xffff_ffff_c020_6000), false));
        assert_eq!(parse("0xc0206000"), None);
        assert_eq!(
            Frame::parse("foo.cold+0x1a/0x40").map(|frame| (frame.symbol, frame.size)),
            Some(("foo.cold".into(), 0x40))
        );
        let inlined = Frame::parse_inlined("sk_free net/core/sock.c:12 [inline]").unwrap();
        assert_eq!((inlined.function.as_str(), inlined.source[0].line), ("sk_free", 12));
        assert_eq!(parse("two words+0x1/0x2"), None);
        assert_eq!(parse("+0x1/0x2"), None);
    }
}
