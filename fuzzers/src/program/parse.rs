//! Reads the text form. A program that is read is sound.

use std::collections::HashMap;
use std::str::FromStr;

use gauntlet_protocol::program::MAX_CALLS;

use super::{Call, Instruction, Program, Value};
use crate::descriptions;

/// Why a text is no program.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {message}")]
pub struct ParseError {
    /// Counted from 1.
    pub line: usize,
    pub message: String,
}

impl FromStr for Program {
    type Err = ParseError;

    /// Empty lines and lines that start with `#` are skipped. Labels (`rN =`) may be any numbers.
    fn from_str(text: &str) -> Result<Program, ParseError> {
        let mut program = Program::default();
        let mut labels = HashMap::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let error = |message| ParseError { line: index + 1, message };
            let (label, call) = call(line, &labels).map_err(error)?;
            if let Some(label) = label {
                labels.insert(label, program.calls.len());
            }
            program.calls.push(call);
            if program.calls.len() > MAX_CALLS {
                return Err(error(format!("a program holds at most {MAX_CALLS} calls")));
            }
            if !program.is_sound() {
                return Err(error(
                    "an argument does not fit the call, or names a result of another kind".into(),
                ));
            }
        }
        Ok(program)
    }
}

type Labels = HashMap<u64, usize>;

fn call(line: &str, labels: &Labels) -> Result<(Option<u64>, Call), String> {
    let (label, rest) = match line.split_once(" = ") {
        Some((label, rest)) if label.starts_with('r') => (Some(label_number(label)?), rest),
        _ => (None, line),
    };
    let (name, rest) = rest.split_once('(').ok_or("expected `name(arguments)`")?;
    let description = descriptions::find(name).ok_or_else(|| unknown(name))?;
    let mut reader = Reader { rest, labels };
    let arguments = reader.list(')')?;
    if !reader.rest.is_empty() {
        return Err(format!("unexpected `{}` after the call", reader.rest));
    }
    let expected = description.arguments.len();
    if arguments.len() != expected {
        return Err(format!("`{name}` takes {expected} arguments, not {}", arguments.len()));
    }
    Ok((label, Call { description, arguments }))
}

fn unknown(name: &str) -> String {
    let stem = name.split('$').next().unwrap_or(name);
    let near: Vec<&str> =
        descriptions::all().map(|call| call.name).filter(|call| call.starts_with(stem)).collect();
    match near.is_empty() {
        true => format!("unknown call `{name}`"),
        false => format!("unknown call `{name}`; there are: {}", near.join(", ")),
    }
}

fn label_number(label: &str) -> Result<u64, String> {
    label[1..].parse().map_err(|_| format!("`{label}` is no label such as r0"))
}

struct Reader<'a> {
    rest: &'a str,
    labels: &'a Labels,
}

impl<'a> Reader<'a> {
    /// Takes `prefix` if it comes next.
    fn take(&mut self, prefix: &str) -> bool {
        match self.rest.strip_prefix(prefix) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn word(&mut self) -> &'a str {
        let end = self.rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    /// Values up to a closing bracket, which is taken too.
    fn list(&mut self, close: char) -> Result<Vec<Value>, String> {
        let mut values = Vec::new();
        let close = close.to_string();
        while !self.take(&close) {
            if !values.is_empty() && !self.take(", ") {
                return Err(format!("expected `, ` or `{close}` before `{}`", self.rest));
            }
            values.push(self.value()?);
        }
        Ok(values)
    }

    fn value(&mut self) -> Result<Value, String> {
        if self.take("{") {
            return Ok(Value::Record(self.list('}')?));
        }
        if self.take("[") {
            return self.code();
        }
        if self.take("(") {
            return self.strings();
        }
        if self.take("window+") {
            return Ok(Value::Window(self.small()?));
        }
        if self.take("&") {
            return Ok(Value::Output(self.small()?));
        }
        if self.take("\"") {
            return Ok(Value::Data(self.quoted()?.as_bytes().to_vec()));
        }
        if self.take("x\"") {
            return Ok(Value::Data(hexadecimal(self.quoted()?)?));
        }
        if self.rest.starts_with('r') {
            return Ok(Value::Resource(self.reference()?));
        }
        Ok(Value::Number(self.number()?))
    }

    fn code(&mut self) -> Result<Value, String> {
        let mut code = Vec::new();
        while !self.take("]") {
            if !code.is_empty() && !self.take(", ") {
                return Err(format!("expected `, ` or `]` before `{}`", self.rest));
            }
            let bits = self.number()?;
            let resource = if self.take("@") { Some(self.reference()?) } else { None };
            code.push(Instruction { bits, resource });
        }
        Ok(Value::Code(code))
    }

    fn strings(&mut self) -> Result<Value, String> {
        let strings = self.list(')')?.into_iter().map(|value| match value {
            Value::Data(bytes) => Ok(bytes),
            other => Err(format!("expected a string, not `{other}`")),
        });
        Ok(Value::Strings(strings.collect::<Result<_, _>>()?))
    }

    fn quoted(&mut self) -> Result<&'a str, String> {
        let (text, rest) = self.rest.split_once('"').ok_or("a string does not end")?;
        self.rest = rest;
        Ok(text)
    }

    fn reference(&mut self) -> Result<usize, String> {
        let word = self.word();
        let target = word.strip_prefix('r').and_then(|_| label_number(word).ok());
        let known = target.and_then(|label| self.labels.get(&label));
        known.copied().ok_or_else(|| format!("`{word}` is no result of an earlier line"))
    }

    fn number(&mut self) -> Result<u64, String> {
        let word = self.word();
        let parsed = match word.strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => word.parse(),
        };
        parsed.map_err(|_| format!("expected a value, not `{word}{}`", self.rest))
    }

    fn small(&mut self) -> Result<u32, String> {
        let number = self.number()?;
        u32::try_from(number).map_err(|_| format!("{number:#x} is too large here"))
    }
}

fn hexadecimal(text: &str) -> Result<Vec<u8>, String> {
    let pairs = text.as_bytes().chunks(2).map(|pair| {
        let digits = std::str::from_utf8(pair).ok().filter(|digits| digits.len() == 2);
        digits.and_then(|digits| u8::from_str_radix(digits, 16).ok())
    });
    pairs.collect::<Option<_>>().ok_or_else(|| format!("`{text}` is not hexadecimal"))
}
