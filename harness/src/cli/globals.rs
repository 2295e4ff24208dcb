//! What every verb gets: the shared flags, resolved against the environment.

use super::flags::{GlobalFlags, MachineFlags, ProgressFlag};
use super::paths;
use crate::Result;
use crate::config::{self, Config, Overrides};
use crate::interrupt::Interrupt;
use crate::ui::{Progress, Style};
use gauntlet_results::report::{self, Options};
use std::io::IsTerminal;
use std::num::NonZeroUsize;
use std::path::PathBuf;

#[derive(Debug, Clone)]
pub struct Globals {
    /// A configuration file to layer over the defaults.
    pub config: Option<PathBuf>,
    /// Where results are kept.
    pub results: PathBuf,
    /// Where what can be made again is kept: kernels, templates, build outputs.
    pub cache: PathBuf,
    /// Where to note the identifier of the run.
    pub run_file: Option<PathBuf>,
    /// `-j`, when given.
    pub jobs: Option<NonZeroUsize>,
    pub progress: Progress,
    pub json: bool,
    /// Colours for standard output.
    pub style: Style,
    /// Set by the first Ctrl-C.
    pub interrupt: Interrupt,
    /// The command line, as typed.
    pub command: Vec<String>,
}

impl Globals {
    pub(super) fn resolve(flags: GlobalFlags, command: Vec<String>, interrupt: Interrupt) -> Result<Globals> {
        let env = |name: &str| std::env::var(name).ok();
        Ok(Globals {
            results: paths::results(flags.results, &env)?,
            cache: paths::cache(&env)?,
            config: flags.config,
            run_file: flags.run_file,
            jobs: flags.jobs,
            progress: progress(flags.progress, std::io::stderr().is_terminal()),
            json: flags.json,
            style: Style::for_stream(&env, std::io::stdout().is_terminal()),
            interrupt,
            command,
        })
    }

    /// How reports look on standard output.
    pub fn report_options(&self) -> report::Options {
        let columns = rustix::termios::tcgetwinsize(std::io::stdout()).map(|size| usize::from(size.ws_col));
        let style = if self.style == Style::plain() { report::Style::Plain } else { report::Style::Colored };
        // A terminal that does not know its size says 0.
        Options { width: columns.ok().filter(|width| *width >= 40).unwrap_or(80), style }
    }

    /// The checked configuration: defaults, then `--config`, then these flags.
    ///
    /// # Errors
    /// Usage errors that name the file, the line and the nearest known key.
    pub fn config(&self, flags: &MachineFlags) -> Result<Config> {
        let overrides = Overrides {
            kernels: flags.kernels.clone(),
            jobs: self.jobs,
            exact: flags.exact,
            seed: flags.seed,
            append: flags.append.clone(),
            memory: flags.mem,
            cpus: flags.cpus,
        };
        let cpus = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        config::load(self.config.as_deref(), overrides, cpus.get())
    }
}

fn progress(flag: ProgressFlag, terminal: bool) -> Progress {
    match flag {
        ProgressFlag::Auto if terminal => Progress::Bars,
        ProgressFlag::Auto | ProgressFlag::Plain => Progress::Lines,
        ProgressFlag::Tty => Progress::Bars,
        ProgressFlag::None => Progress::Silent,
    }
}
