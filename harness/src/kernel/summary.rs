//! What is known of a kernel before it boots. Pure, but for the size of the image.

use super::config::Value;
use super::needs::{KernelFacts, Mode, unmet};
use super::{KernelBuild, KernelConfig};
use gauntlet_guest::suites;
use serde::Serialize;

/// The symbols that decide what can be tested and seen on a kernel.
const KEY_SYMBOLS: [&str; 24] = [
    "PREEMPT_RT",
    "PREEMPT_DYNAMIC",
    "HZ",
    "KCOV",
    "KASAN",
    "KFENCE",
    "UBSAN",
    "PROVE_LOCKING",
    "DEBUG_INFO",
    "DEBUG_INFO_BTF",
    "KALLSYMS_ALL",
    "LIVEPATCH",
    "FUNCTION_TRACER",
    "DEVMEM",
    "STRICT_DEVMEM",
    "BPF_SYSCALL",
    "BPF_JIT",
    "SECCOMP_FILTER",
    "KEXEC_FILE",
    "KEXEC_SIG",
    "SECURITY_LOCKDOWN_LSM",
    "SERIAL_8250_CONSOLE",
    "BLK_DEV_INITRD",
    "MODULES",
];

/// One kernel, described.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    pub spec: String,
    pub release: String,
    /// The whole version text of the image.
    pub version: String,
    pub image: String,
    /// Of the image, in bytes.
    pub bytes: u64,
    pub image_digest: String,
    pub compiler: Option<String>,
    /// How many symbols the configuration sets; none if it is not known.
    pub configured: Option<usize>,
    /// Key symbols in a fixed order: `y`, `m`, `n` or a text.
    #[serde(serialize_with = "as_map")]
    pub config: Vec<(&'static str, String)>,
    /// A System.map with addresses is at hand.
    pub symbols: bool,
    pub modules: bool,
    pub skips: Vec<Skips>,
}

fn as_map<S: serde::Serializer>(pairs: &[(&'static str, String)], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(pairs.iter().map(|(symbol, value)| (symbol, value)))
}

/// Cases of one suite that share a reason not to run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Skips {
    pub suite: &'static str,
    pub reason: String,
    /// Of how many cases in the suite.
    pub of: usize,
    pub cases: Vec<&'static str>,
}

/// Describes the kernel, and what would skip on it in this mode.
pub fn summarize(kernel: &KernelBuild, mode: Mode) -> Summary {
    Summary {
        spec: kernel.spec.to_string(),
        release: kernel.release.clone(),
        version: kernel.version.clone(),
        image: kernel.image.display().to_string(),
        bytes: std::fs::metadata(&kernel.image).map_or(0, |file| file.len()),
        image_digest: kernel.image_digest.clone(),
        compiler: kernel.config.as_ref().and_then(|config| config.text("CC_VERSION_TEXT")).map(str::to_owned),
        configured: kernel.config.as_ref().map(KernelConfig::len),
        config: kernel.config.as_ref().map(key_symbols).unwrap_or_default(),
        symbols: kernel.symbols.is_some(),
        modules: kernel.modules.is_some(),
        skips: skips(&KernelFacts::of(kernel), mode),
    }
}

fn key_symbols(config: &KernelConfig) -> Vec<(&'static str, String)> {
    let value = |symbol| match config.get(symbol) {
        None => "n".to_owned(),
        Some(Value::Yes) => "y".to_owned(),
        Some(Value::Module) => "m".to_owned(),
        Some(Value::Text(text)) => text.clone(),
    };
    KEY_SYMBOLS.iter().map(|symbol| (*symbol, value(symbol))).collect()
}

fn skips(kernel: &KernelFacts<'_>, mode: Mode) -> Vec<Skips> {
    let mut skips: Vec<Skips> = Vec::new();
    for (_, suite, case) in suites::all() {
        let Some(reason) = unmet(suite.needs.iter().chain(case.needs), kernel, mode) else { continue };
        match skips.iter_mut().find(|known| known.suite == suite.name && known.reason == reason) {
            Some(known) => known.cases.push(case.name),
            None => {
                skips.push(Skips { suite: suite.name, reason, of: suite.cases.len(), cases: vec![case.name] })
            }
        }
    }
    skips
}

/// The summary for a person.
pub fn render(summary: &Summary) -> String {
    let mut text = format!("{}\n", summary.spec);
    let mut line = |name: &str, value: &str| text += &format!("  {name:<9} {value}\n");
    line("release", &summary.release);
    line("version", &summary.version);
    line("image", &format!("{} ({:.1} MB)", summary.image, summary.bytes as f64 / 1e6));
    line("compiler", summary.compiler.as_deref().unwrap_or("not known without a configuration"));
    line(
        "symbols",
        if summary.symbols { "System.map" } else { "none on disk; read from the kernel when it boots" },
    );
    line("modules", if summary.modules { "at hand" } else { "none" });
    match summary.configured {
        None => line("config", "not known; path:IMAGE,config=FILE names it"),
        Some(count) => line("config", &format!("{count} symbols set, among them:")),
    }
    for row in summary.config.chunks(4) {
        let cells: String =
            row.iter().map(|(symbol, value)| format!("{:<26}", format!("{symbol}={value}"))).collect();
        line("", cells.trim_end());
    }
    line("skips", if summary.skips.is_empty() { "nothing that is known before it boots" } else { "" });
    for skip in &summary.skips {
        line("", &format!("{}: {} of {} ({})", skip.suite, skip.cases.len(), skip.of, skip.reason));
    }
    // An empty name leaves blanks behind.
    text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::KernelSpec;

    fn kernel(config: Option<&str>) -> KernelBuild {
        KernelBuild {
            name: "host".into(),
            spec: KernelSpec::Host,
            release: "3.2.0-4-amd64".into(),
            version: "3.2.0-4-amd64 (builder) #1 SMP".into(),
            image: "/nowhere/vmlinuz".into(),
            config: config.map(|text| KernelConfig::parse(text).unwrap()),
            symbols: None,
            debug: None,
            modules: None,
            packages: vec![],
            image_digest: "00".into(),
        }
    }

    const MODE: Mode = Mode { exact: false, cpus: 1 };

    #[test]
    fn what_a_person_sees() {
        let config = "CONFIG_CC_VERSION_TEXT=\"gcc-12\"\nCONFIG_KCOV=y\nCONFIG_MODULES=y\nCONFIG_HZ=250\n";
        let mut summary = summarize(&kernel(Some(config)), MODE);
        summary.skips = vec![Skips { suite: "bpf", reason: "why".into(), of: 9, cases: vec!["a", "b"] }];
        insta::assert_snapshot!(render(&summary));
    }

    #[test]
    fn an_old_kernel_skips_what_is_younger_and_says_why() {
        let summary = summarize(&kernel(None), MODE);
        let young = summary.skips.iter().find(|skip| skip.reason.contains("this is 3.2"));
        let young = young.expect("some case needs a kernel younger than 3.2");
        assert!(!young.cases.is_empty() && young.cases.len() <= young.of);
    }

    #[test]
    fn without_a_configuration_nothing_is_claimed_about_it() {
        let summary = summarize(&kernel(None), MODE);
        assert!(summary.config.is_empty());
        assert!(summary.skips.iter().all(|skip| !skip.reason.contains("CONFIG_")));
        assert!(render(&summary).contains("path:IMAGE,config=FILE"));
    }
}
