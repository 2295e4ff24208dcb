//! The text form: one call a line, like strace.
//!
//! `r0 = memfd_create("x", 0x2)` · numbers in hexadecimal · `rN` the result of line N · `"text"` or `x"hex"` pointer to
//! bytes · `&0x40` pointer to room · `{…}` pointer to a structure · `("a", "b")` pointer to strings · `[…]` pointer to
//! instructions, `0x1118@r0` with a map · `window+0x1000`.

use std::fmt::{Display, Formatter, Result, Write};

use super::{Call, Instruction, Program, Value};

impl Display for Program {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        for (index, call) in self.calls.iter().enumerate() {
            if call.description.result.is_some() {
                write!(out, "r{index} = ")?;
            }
            writeln!(out, "{call}")?;
        }
        Ok(())
    }
}

impl Display for Call {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        write!(out, "{}(", self.description.name)?;
        list(out, &self.arguments)?;
        out.write_char(')')
    }
}

impl Display for Value {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        match self {
            Value::Number(number) => write!(out, "{number:#x}"),
            Value::Resource(target) => write!(out, "r{target}"),
            Value::Data(bytes) => data(out, bytes),
            Value::Output(room) => write!(out, "&{room:#x}"),
            Value::Record(fields) => {
                out.write_char('{')?;
                list(out, fields)?;
                out.write_char('}')
            }
            Value::Strings(strings) => {
                out.write_char('(')?;
                for (index, string) in strings.iter().enumerate() {
                    out.write_str(if index == 0 { "" } else { ", " })?;
                    data(out, string)?;
                }
                out.write_char(')')
            }
            Value::Code(code) => {
                out.write_char('[')?;
                list(out, code)?;
                out.write_char(']')
            }
            Value::Window(offset) => write!(out, "window+{offset:#x}"),
        }
    }
}

impl Display for Instruction {
    fn fmt(&self, out: &mut Formatter<'_>) -> Result {
        write!(out, "{:#x}", self.bits)?;
        match self.resource {
            Some(target) => write!(out, "@r{target}"),
            None => Ok(()),
        }
    }
}

fn list<T: Display>(out: &mut Formatter<'_>, items: &[T]) -> Result {
    for (index, item) in items.iter().enumerate() {
        out.write_str(if index == 0 { "" } else { ", " })?;
        write!(out, "{item}")?;
    }
    Ok(())
}

fn data(out: &mut Formatter<'_>, bytes: &[u8]) -> Result {
    let plain = |byte: &u8| (b' '..=b'~').contains(byte) && *byte != b'"' && *byte != b'\\';
    if bytes.iter().all(plain) {
        let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
        return write!(out, "\"{text}\"");
    }
    out.write_str("x\"")?;
    bytes.iter().try_for_each(|byte| write!(out, "{byte:02x}"))?;
    out.write_char('"')
}
