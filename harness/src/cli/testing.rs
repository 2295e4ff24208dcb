//! What `test` and `tree test` have in common: build, prepare, run, record.

use super::{Globals, conclude, exit};
use crate::config::Config;
use crate::kernel::spec::{ConfigChoice, TreeSpec};
use crate::kernel::tree::range::Commit;
use crate::kernel::tree::recipe;
use crate::kernel::{Cache, KernelSpec};
use crate::kselftest::{Installed, Program, install, symbols};
use crate::plan::PlannedCase;
use crate::run::options::{case_policy, session_options};
use crate::run::programs::Broken;
use crate::run::repeat::Repeat;
use crate::run::series;
use crate::run::sink::run_info;
use crate::run::test::TestRun;
use crate::run::{Resolved, Sink, resolve_series};
use crate::session::Host;
use crate::ui::Steps;
use crate::{Error, Result, ui};
use gauntlet_results::RunRecord;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// What to run, on the kernels of the configuration.
#[derive(Debug)]
pub(super) struct Request {
    pub config: Config,
    pub repeat: Repeat,
    pub cases: Vec<PlannedCase>,
    /// Targets of the tree's kselftest.
    pub targets: Vec<String>,
    /// Build the kernel with the symbols that the targets ask for.
    pub fix_config: bool,
}

/// What came of it.
#[derive(Debug)]
pub(super) struct Finished {
    pub record: RunRecord,
    pub folder: PathBuf,
    config: Config,
    series: Vec<Commit>,
}

pub(super) async fn run(mut request: Request, globals: &Globals) -> Result<Finished> {
    let targets = build_targets(&mut request, globals).await?;
    let config = request.config;
    let Resolved { kernels, unbuilt, series } =
        resolve_series(&config.kernels, &globals.cache, globals.progress).await?;
    for kernel in &kernels {
        for installed in &targets.installed {
            name_missing(installed, kernel.build.config.as_ref(), &kernel.name);
        }
    }
    let host = Host::open(&globals.cache).await?;
    let test = TestRun {
        options: session_options(&config, &host),
        policy: case_policy(&config),
        repeat: request.repeat,
        failed: AtomicBool::new(false),
        expectations: config.expectations.clone(),
        jobs: config.jobs,
        interrupt: globals.interrupt.clone(),
        host: Arc::clone(&host),
        programs: targets.installed.iter().flat_map(Program::all).collect(),
        broken: targets.broken,
        cases: request.cases,
        kernels,
        unbuilt,
    };
    let info = run_info("test", &globals.command, test.digest(&config.digest()));
    let sink = Arc::new(Sink::start(&globals.results, info, globals.progress)?);
    test.run(Arc::clone(&sink)).await;
    let (record, folder) = conclude::finish(sink, globals)?;
    collect_garbage(&host, &config);
    // Interrupted or not: what has finished is told.
    Ok(Finished { record, folder, config, series })
}

impl Finished {
    /// Reports, and for a series which commit did what.
    pub(super) fn conclude(&self, globals: &Globals) -> Result<ExitCode> {
        let code = conclude::conclude(&self.record, &self.folder, &self.config.reports, globals)?;
        if self.series.is_empty() {
            return Ok(code);
        }
        let effects = series::effects(&self.series, &self.record);
        if !globals.json {
            ui::print(&series::render(&effects))?;
        }
        // Of a series it counts what its commits do; what is broken at the base was broken before.
        let good = effects.iter().all(|effect| effect.broken.is_empty());
        let decided = [exit::INFRA, exit::INTERRUPTED].map(ExitCode::from).contains(&code);
        Ok(if decided { code } else { exit::from_good(good) })
    }
}

#[derive(Debug, Default)]
struct Targets {
    installed: Vec<Installed>,
    broken: Vec<Broken>,
}

/// Builds the kselftest targets from the newest tree of the request: one set of binaries for all kernels.
async fn build_targets(request: &mut Request, globals: &Globals) -> Result<Targets> {
    if request.targets.is_empty() {
        return Ok(Targets::default());
    }
    let tree = newest_tree(&request.config.kernels)?;
    let (wanted, path, progress) = (request.targets.clone(), globals.cache.clone(), globals.progress);
    let built = tokio::task::spawn_blocking(move || {
        let steps = Steps::new(progress);
        install(&tree, &wanted, &Cache::at(path)?, &|text| steps.say(text))
    });
    let built = built.await.map_err(|error| Error::infra("building kselftest").because(error))??;
    let mut targets = Targets::default();
    for (target, result) in built {
        match result {
            Ok(installed) => targets.installed.push(installed),
            Err(error) if error.kind == crate::Kind::Interrupted => return Err(error),
            Err(error) => {
                error.hints.iter().for_each(|hint| eprintln!("kselftest {target}: {hint}"));
                targets
                    .broken
                    .push(Broken { name: format!("kselftest/{target}"), reason: error.to_string() });
            }
        }
    }
    if request.fix_config {
        fix_config(request, &targets.installed, &Cache::at(&globals.cache)?)?;
    }
    Ok(targets)
}

fn newest_tree(kernels: &[String]) -> Result<TreeSpec> {
    for text in kernels.iter().rev() {
        if let KernelSpec::Tree(mut tree) = text.parse()? {
            let tip = tree.revision.as_deref().and_then(|revision| revision.split_once(".."));
            if let Some((_, tip)) = tip {
                tree.revision = Some(if tip.is_empty() { "HEAD" } else { tip }.to_owned());
            }
            return Ok(tree);
        }
    }
    Err(Error::usage("kselftest is built from a kernel tree, and no -k tree:DIR is named"))
}

/// Adds what the targets ask for to the configuration of every tree of the request.
fn fix_config(request: &mut Request, targets: &[Installed], cache: &Cache) -> Result<()> {
    let lines = targets.iter().flat_map(|target| symbols::missing(&target.config, &Default::default()));
    let mut lines: Vec<&str> = lines.collect();
    lines.sort_unstable();
    lines.dedup();
    if lines.is_empty() {
        return Ok(());
    }
    let text = symbols::fragment(&lines);
    let path = cache.path(format!("kselftest/{}.config", crate::kernel::cache::digest(&text)))?;
    cache.write(&path, text.as_bytes())?;
    for kernel in &mut request.config.kernels {
        if let KernelSpec::Tree(mut tree) = kernel.parse()? {
            let mut choice: ConfigChoice = tree.config.take().unwrap_or_else(recipe::tiny);
            choice.fragments.push(path.to_string_lossy().into_owned());
            tree.config = Some(choice);
            *kernel = KernelSpec::Tree(tree).to_string();
        }
    }
    Ok(())
}

/// Before anything boots, so that nobody wonders about the skips.
fn name_missing(target: &Installed, config: Option<&crate::kernel::KernelConfig>, kernel: &str) {
    let missing = target.missing(config);
    if !missing.is_empty() {
        eprintln!(
            "{kernel}: kselftest {} asks for {}; --fix-config builds a tree with them",
            target.target,
            missing.join(", ")
        );
    }
}

fn collect_garbage(host: &Host, config: &Config) {
    let (size, age) = (config.cache.size.0, config.cache.age);
    if let Err(error) = host.templates().collect(size, age, std::time::SystemTime::now()) {
        tracing::warn!(%error, "cannot tidy the template cache");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binaries_come_from_the_tip_of_the_newest_tree() {
        let tree =
            |kernels: &[&str]| newest_tree(&kernels.iter().map(|one| (*one).to_owned()).collect::<Vec<_>>());
        let newest = tree(&["tree:a", "tree:b@v1..v2", "deb:6.1/cloud"]).unwrap();
        assert_eq!((newest.directory.to_str(), newest.revision.as_deref()), (Some("b"), Some("v2")));
        assert_eq!(tree(&["tree:a@HEAD~3.."]).unwrap().revision.as_deref(), Some("HEAD"));
        assert!(tree(&["deb:6.1/cloud"]).unwrap_err().message.contains("no -k tree:DIR"));
    }
}
