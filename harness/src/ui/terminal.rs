//! The user's terminal, handed to a guest and given back.

use rustix::termios::{OptionalActions, Termios, tcgetattr, tcsetattr};

/// Raw mode while it lives: every key goes to the guest, Ctrl-C included.
#[derive(Debug)]
pub struct RawTerminal {
    before: Termios,
}

impl RawTerminal {
    /// `None` when standard input is no terminal.
    pub fn enter() -> Option<RawTerminal> {
        let stdin = std::io::stdin();
        let before = tcgetattr(&stdin).ok()?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(&stdin, OptionalActions::Now, &raw).ok()?;
        Some(RawTerminal { before })
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        // Nothing better is left to do when this fails; `reset` helps.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.before);
    }
}
