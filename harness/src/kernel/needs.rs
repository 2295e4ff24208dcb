//! What a case needs against what a kernel has, before anything boots. Pure.

use super::config::Value;
use super::version::major_minor;
use super::{KernelBuild, KernelConfig};
use gauntlet_guest::Need;

/// What is known of a kernel without booting it. What is unknown is left for the case to find out.
#[derive(Debug, Clone, Copy)]
pub struct KernelFacts<'a> {
    /// Major and minor of the release.
    pub version: Option<(u32, u32)>,
    pub config: Option<&'a KernelConfig>,
    /// Modules can be had.
    pub modules: bool,
}

impl<'a> KernelFacts<'a> {
    pub fn of(kernel: &'a KernelBuild) -> KernelFacts<'a> {
        KernelFacts {
            version: major_minor(&kernel.release),
            config: kernel.config.as_ref(),
            modules: kernel.modules.is_some(),
        }
    }
}

/// How the run is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mode {
    pub exact: bool,
    pub cpus: u32,
}

/// Why a case with these needs cannot run, if it cannot: the cause of the first need that is not met.
pub fn unmet<'n>(
    needs: impl IntoIterator<Item = &'n Need>,
    kernel: &KernelFacts<'_>,
    mode: Mode,
) -> Option<String> {
    needs.into_iter().find_map(|need| match *need {
        Need::Config(symbol) => lacks_symbol(symbol, kernel),
        Need::Module { symbol, module } => lacks_module(symbol, module, kernel),
        Need::Since { major, minor, what } => {
            kernel.version.filter(|version| *version < (major, minor)).map(|(has_major, has_minor)| {
                format!("{what}: since {major}.{minor}, this is {has_major}.{has_minor}")
            })
        }
        Need::Before { major, minor, what } => {
            kernel.version.filter(|version| *version >= (major, minor)).map(|(has_major, has_minor)| {
                format!("{what}: removed in {major}.{minor}, this is {has_major}.{has_minor}")
            })
        }
        Need::Exact => (!mode.exact).then(|| "wrong mode: meaningful in exact mode only".to_owned()),
        Need::Cpus(cpus) => (mode.cpus < cpus)
            .then(|| format!("missing hardware: {cpus} CPUs, the machine has {}", mode.cpus)),
    })
}

/// The modules among these needs that must be loaded: those the kernel has, or may have, as modules.
pub fn modules<'n>(needs: impl IntoIterator<Item = &'n Need>, kernel: &KernelFacts<'_>) -> Vec<&'static str> {
    let travels = |symbol| match kernel.config.map(|config| config.get(symbol)) {
        Some(value) => value == Some(&Value::Module),
        None => kernel.modules,
    };
    let wanted = |need: &Need| match *need {
        Need::Module { symbol, module } if travels(symbol) => Some(module),
        _ => None,
    };
    let mut modules: Vec<&'static str> = needs.into_iter().filter_map(wanted).collect();
    let mut seen = std::collections::BTreeSet::new();
    modules.retain(|module| seen.insert(*module));
    modules
}

fn lacks_symbol(symbol: &str, kernel: &KernelFacts<'_>) -> Option<String> {
    match kernel.config?.get(symbol) {
        Some(Value::Yes | Value::Text(_)) => None,
        Some(Value::Module) => Some(format!("missing config symbol: CONFIG_{symbol} is m, needed as y")),
        None => Some(format!("missing config symbol: CONFIG_{symbol}")),
    }
}

fn lacks_module(symbol: &str, module: &str, kernel: &KernelFacts<'_>) -> Option<String> {
    match kernel.config?.get(symbol) {
        Some(Value::Yes | Value::Text(_)) => None,
        Some(Value::Module) if kernel.modules => None,
        Some(Value::Module) => {
            Some(format!("missing module: {module} (the kernel's module tree is not known)"))
        }
        None => Some(format!("missing config symbol: CONFIG_{symbol}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FAST: Mode = Mode { exact: false, cpus: 1 };

    fn reason(need: Need, config: Option<&str>, modules: bool, mode: Mode) -> String {
        let config = config.map(|text| KernelConfig::parse(text).unwrap());
        let facts = KernelFacts { version: Some((6, 1)), config: config.as_ref(), modules };
        unmet([&need], &facts, mode).unwrap_or_default()
    }

    #[test]
    fn a_symbol_must_be_built_in() {
        let need = Need::Config("KCOV");
        assert_eq!(reason(need, Some("CONFIG_KCOV=y\n"), true, FAST), "");
        assert_eq!(
            reason(need, Some("CONFIG_KCOV=m\n"), true, FAST),
            "missing config symbol: CONFIG_KCOV is m, needed as y"
        );
        assert_eq!(reason(need, Some(""), true, FAST), "missing config symbol: CONFIG_KCOV");
    }

    #[test]
    fn a_module_will_do_where_modules_can_be_had() {
        let need = Need::Module { symbol: "FUSE_FS", module: "fuse" };
        assert_eq!(reason(need, Some("CONFIG_FUSE_FS=m\n"), true, FAST), "");
        assert!(reason(need, Some("CONFIG_FUSE_FS=m\n"), false, FAST).starts_with("missing module: fuse"));
        assert_eq!(reason(need, Some("CONFIG_FUSE_FS=y\n"), false, FAST), "");
        assert_eq!(reason(need, Some(""), true, FAST), "missing config symbol: CONFIG_FUSE_FS");
    }

    #[test]
    fn only_what_is_no_part_of_the_image_travels_and_once() {
        let need = |symbol, module| Need::Module { symbol, module };
        let needs = [need("A", "a"), need("B", "b"), need("C", "c"), need("A", "a"), Need::Cpus(1)];
        let config = KernelConfig::parse("CONFIG_A=m\nCONFIG_B=y\n").unwrap();
        let facts = KernelFacts { version: None, config: Some(&config), modules: true };
        assert_eq!(modules(&needs, &facts), ["a"]);
        assert_eq!(modules(&needs, &KernelFacts { config: None, ..facts }), ["a", "b", "c"]);
        assert!(modules(&needs, &KernelFacts { config: None, modules: false, ..facts }).is_empty());
    }

    #[test]
    fn an_unknown_configuration_or_version_skips_nothing() {
        assert_eq!(reason(Need::Config("KCOV"), None, false, FAST), "");
        let facts = KernelFacts { version: None, config: None, modules: false };
        assert_eq!(unmet([&Need::Since { major: 9, minor: 9, what: "x" }], &facts, FAST), None);
    }

    #[test]
    fn versions_bound_from_both_sides() {
        let since = |minor| reason(Need::Since { major: 6, minor, what: "the call" }, None, true, FAST);
        assert_eq!(since(1), "");
        assert_eq!(since(2), "the call: since 6.2, this is 6.1");
        let before = |minor| reason(Need::Before { major: 6, minor, what: "the call" }, None, true, FAST);
        assert_eq!(before(2), "");
        assert_eq!(before(1), "the call: removed in 6.1, this is 6.1");
    }

    #[test]
    fn mode_and_machine_count_too() {
        assert!(reason(Need::Exact, None, true, FAST).contains("exact mode"));
        assert_eq!(reason(Need::Exact, None, true, Mode { exact: true, cpus: 1 }), "");
        assert_eq!(reason(Need::Cpus(2), None, true, FAST), "missing hardware: 2 CPUs, the machine has 1");
        assert_eq!(reason(Need::Cpus(2), None, true, Mode { exact: false, cpus: 2 }), "");
    }

    #[test]
    fn the_first_unmet_need_is_the_cause() {
        let facts = KernelFacts { version: Some((6, 1)), config: None, modules: false };
        let needs = [Need::Cpus(1), Need::Exact, Need::Cpus(4)];
        assert!(unmet(&needs, &facts, FAST).unwrap().contains("exact"));
    }
}
