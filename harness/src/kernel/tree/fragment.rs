//! Whether a configuration kept what a fragment asked for: Kconfig drops, without a word, every symbol whose
//! dependencies are not met.

use crate::kernel::KernelConfig;
use crate::kernel::config::Value;

/// The symbol that a line of a fragment is about, without `CONFIG_`.
pub fn symbol(line: &str) -> Option<&str> {
    unset(line).or_else(|| line.strip_prefix("CONFIG_")?.split_once('=').map(|(symbol, _)| symbol))
}

/// The lines of a fragment that the configuration does not obey, in order.
pub fn lost<'a>(fragment: &'a str, config: &KernelConfig) -> Vec<&'a str> {
    fragment.lines().map(str::trim).filter(|line| !is_kept(line, config)).collect()
}

fn is_kept(line: &str, config: &KernelConfig) -> bool {
    if let Some(symbol) = unset(line) {
        return config.get(symbol).is_none();
    }
    let Ok(wanted) = KernelConfig::parse(line) else { return false };
    wanted
        .iter()
        .all(|(symbol, value)| config.get(symbol) == Some(value) || is_zero_text(value, config, symbol))
}

/// `# CONFIG_NAME is not set`
fn unset(line: &str) -> Option<&str> {
    line.strip_prefix("# CONFIG_")?.strip_suffix(" is not set")
}

/// `=n` is another way to ask that a symbol be unset.
fn is_zero_text(value: &Value, config: &KernelConfig, symbol: &str) -> bool {
    *value == Value::Text("n".to_owned()) && config.get(symbol).is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAGMENT: &str =
        "# a comment\n\nCONFIG_A=y\n# CONFIG_B is not set\nCONFIG_C=\"text\"\nCONFIG_D=n\n";

    fn lost_in(config: &str) -> Vec<&'static str> {
        lost(FRAGMENT, &KernelConfig::parse(config).unwrap())
    }

    #[test]
    fn a_configuration_that_obeys_loses_nothing() {
        assert!(lost_in("CONFIG_A=y\nCONFIG_C=\"text\"\nCONFIG_OTHER=m\n").is_empty());
    }

    #[test]
    fn every_kind_of_loss_is_named() {
        assert_eq!(
            lost_in("CONFIG_A=m\nCONFIG_B=y\nCONFIG_D=y\n"),
            ["CONFIG_A=y", "# CONFIG_B is not set", "CONFIG_C=\"text\"", "CONFIG_D=n"]
        );
    }
}
