//! The configuration symbols that a target asks for in its `config` file, against those a kernel has. Pure.

use crate::kernel::KernelConfig;
use crate::kernel::tree::fragment::symbol;

/// The lines of a target's `config` that the kernel does not have. Built in where a module is asked for will do.
pub fn missing<'a>(wanted: &'a str, config: &KernelConfig) -> Vec<&'a str> {
    let lines = wanted.lines().map(str::trim).filter(|line| line.starts_with("CONFIG_"));
    lines.filter(|line| !is_met(line, config)).collect()
}

fn is_met(line: &str, config: &KernelConfig) -> bool {
    let Some(symbol) = symbol(line) else { return true };
    let Ok(wanted) = KernelConfig::parse(line) else { return true };
    match (wanted.get(symbol), config.get(symbol)) {
        (Some(crate::kernel::config::Value::Module), Some(_)) => true,
        (Some(wanted), Some(have)) => wanted == have,
        // `=n`
        (Some(crate::kernel::config::Value::Text(no)), None) => no == "n",
        (Some(_), None) => false,
        (None, _) => true,
    }
}

/// A fragment that sets them, all built in: clones have no modules of a tree's.
pub fn fragment(missing: &[&str]) -> String {
    missing
        .iter()
        .map(|line| {
            format!("{}\n", line.strip_suffix("=m").map_or(line.to_string(), |line| format!("{line}=y")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_named_and_can_be_set() {
        let config = KernelConfig::parse("CONFIG_A=y\nCONFIG_B=y\nCONFIG_HZ=100\n").unwrap();
        let wanted =
            "# x\nCONFIG_A=y\nCONFIG_B=m\nCONFIG_FUSE_FS=m\nCONFIG_HZ=250\nCONFIG_NO=n\nCONFIG_USER_NS=y\n";
        let missing = missing(wanted, &config);
        assert_eq!(missing, ["CONFIG_FUSE_FS=m", "CONFIG_HZ=250", "CONFIG_USER_NS=y"]);
        assert_eq!(fragment(&missing), "CONFIG_FUSE_FS=y\nCONFIG_HZ=250\nCONFIG_USER_NS=y\n");
    }
}
