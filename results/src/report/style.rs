//! Colours for terminals (Select Graphic Rendition, ECMA-48 section 8.3.117). Whether to use them is the
//! caller's decision: it knows the stream and `NO_COLOR`.

use crate::Verdict;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    Plain,
    Colored,
}

impl Style {
    pub(crate) fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub(crate) fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub(crate) fn verdict(self, verdict: Verdict, text: &str) -> String {
        match verdict {
            Verdict::Pass => self.paint("32", text),
            Verdict::Xfail | Verdict::Skip => self.dim(text),
            Verdict::Infra | Verdict::Error => self.paint("33", text),
            Verdict::Fail | Verdict::Timeout => self.paint("31", text),
            Verdict::Crash => self.paint("1;31", text),
        }
    }

    fn paint(self, code: &str, text: &str) -> String {
        match self {
            Style::Plain => text.to_owned(),
            Style::Colored => format!("\x1b[{code}m{text}\x1b[0m"),
        }
    }
}
