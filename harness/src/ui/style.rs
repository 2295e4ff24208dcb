//! Colours, where they are wanted.

/// Whether to colour, and how.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Style {
    colors: bool,
}

impl Style {
    pub fn plain() -> Style {
        Style { colors: false }
    }

    pub fn colored() -> Style {
        Style { colors: true }
    }

    /// `NO_COLOR` (no-color.org) and `TERM=dumb` forbid, `CLICOLOR_FORCE` forces, else a terminal decides.
    pub fn for_stream(env: &dyn Fn(&str) -> Option<String>, terminal: bool) -> Style {
        let set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
        let forbidden = set("NO_COLOR") || env("TERM").as_deref() == Some("dumb");
        let forced = set("CLICOLOR_FORCE") && env("CLICOLOR_FORCE").as_deref() != Some("0");
        Style { colors: !forbidden && (forced || terminal) }
    }

    pub fn bold(self, text: &str) -> String {
        self.paint("1", text)
    }

    pub fn dim(self, text: &str) -> String {
        self.paint("2", text)
    }

    pub fn red(self, text: &str) -> String {
        self.paint("1;31", text)
    }

    pub fn green(self, text: &str) -> String {
        self.paint("32", text)
    }

    pub fn yellow(self, text: &str) -> String {
        self.paint("33", text)
    }

    pub fn cyan(self, text: &str) -> String {
        self.paint("36", text)
    }

    /// Select Graphic Rendition, ECMA-48 section 8.3.117.
    fn paint(self, code: &str, text: &str) -> String {
        if self.colors { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn colors(variables: &[(&str, &str)], terminal: bool) -> bool {
        let env = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        Style::for_stream(&env, terminal).colors
    }

    #[test]
    fn a_terminal_has_colours_and_a_pipe_has_none() {
        assert!(colors(&[], true));
        assert!(!colors(&[], false));
    }

    #[test]
    fn the_environment_has_the_last_word() {
        assert!(!colors(&[("NO_COLOR", "1"), ("CLICOLOR_FORCE", "1")], true));
        assert!(colors(&[("NO_COLOR", "")], true));
        assert!(!colors(&[("TERM", "dumb")], true));
        assert!(colors(&[("CLICOLOR_FORCE", "1")], false));
        assert!(!colors(&[("CLICOLOR_FORCE", "0")], false));
    }
}
