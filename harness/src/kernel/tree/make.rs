//! The kernel's make, in a build directory of ours: configure, compile, and what went wrong.

use super::diagnosis::{errors, first_error};
use super::fragment::{lost, symbol};
use super::kconfig;
use super::makeflags::MakeFlags;
use super::memory::Memory;
use super::output::Output;
use super::program::{Call, Finished, NEEDED, Programs};
use super::recipe::{Base, Fragment, Recipe};
use crate::error::{Error, Result};
use crate::kernel::cache::{digest, unwritable};
use crate::kernel::{KernelConfig, Progress};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What the version text says instead of who built where and when, which would make every build another one
/// (Documentation/kbuild/reproducible-builds.rst).
const ANONYMOUS: [(&str, &str); 5] = [
    ("KBUILD_BUILD_TIMESTAMP", "Thu Jan  1 00:00:00 UTC 1970"),
    ("KBUILD_BUILD_USER", "gauntlet"),
    ("KBUILD_BUILD_HOST", "gauntlet"),
    ("KBUILD_BUILD_VERSION", "1"),
    // Set, even to nothing, it keeps setlocalversion from adding the state of git.
    ("LOCALVERSION", ""),
];

/// Files that shape a configuration besides the recipe.
const KCONFIG_FILES: [&str; 5] =
    ["*Kconfig*", "scripts/kconfig", "scripts/*.sh", "arch/x86/configs", "kernel/configs"];

/// How often progress is told.
const GLANCE: Duration = Duration::from_millis(500);

/// Errors shown besides the first.
const OTHERS: usize = 20;

/// make for one source tree and one build directory.
pub(super) struct Make<'a> {
    pub programs: &'a dyn Programs,
    pub recipe: &'a Recipe,
    pub progress: Progress<'a>,
    pub source: PathBuf,
    pub output: PathBuf,
    /// What is being built, for a person: the commit and its subject.
    pub subject: String,
    /// `V=`: all that make says is shown.
    pub verbosity: Option<&'a str>,
}

impl Make<'_> {
    /// Writes the `.config` of the recipe and checks that Kconfig kept what was asked for; unless the one from last
    /// time was made from the same.
    pub fn configure(&self, memory: &mut Memory) -> Result<()> {
        let stamp = self.stamp()?;
        let path = self.output.join(".config");
        if memory.configured.as_ref() == Some(&stamp) && path.is_file() {
            return Ok(());
        }
        memory.configured = None;
        (self.progress)("configuring");
        match &self.recipe.base {
            Base::Text(text) => std::fs::write(&path, text).map_err(|error| unwritable(&path, error))?,
            Base::Target { name, seed } => {
                let call = self.call(&["--silent", name]);
                let seed = seed.map(|seed| seed.to_string());
                self.checked(seed.iter().fold(call, |call, seed| call.environment("KCONFIG_SEED", seed)))?;
            }
        }
        if !self.recipe.fragments.is_empty() {
            self.merge()?;
        }
        self.checked(self.call(&["--silent", "olddefconfig"]))?;
        let config = KernelConfig::read(&path)?;
        self.recipe.fragments.iter().try_for_each(|fragment| self.refuse_lost(fragment, &config))?;
        memory.configured = Some(stamp);
        Ok(())
    }

    /// Digest of the recipe and of every file of the tree that a configuration is made from.
    fn stamp(&self) -> Result<String> {
        let call = Call::new("git", &self.source).arguments(["ls-files", "--stage", "--"]);
        let listed = self.programs.run(&call.arguments(KCONFIG_FILES))?;
        Ok(digest(&format!("{} {}", self.recipe.identity(), listed.stdout)))
    }

    fn merge(&self) -> Result<()> {
        let mut call = Call::new(self.source.join("scripts/kconfig/merge_config.sh"), &self.source)
            .arguments(["-m", "-O"])
            .argument(&self.output)
            .argument(self.output.join(".config"))
            .environment("ARCH", "x86_64");
        for (number, fragment) in self.recipe.fragments.iter().enumerate() {
            let path = self.output.join(format!("gauntlet-{number}.config"));
            std::fs::write(&path, &fragment.text).map_err(|error| unwritable(&path, error))?;
            call = call.argument(path);
        }
        self.checked(call)
    }

    fn refuse_lost(&self, fragment: &Fragment, config: &KernelConfig) -> Result<()> {
        let lost = lost(&fragment.text, config);
        if lost.is_empty() {
            return Ok(());
        }
        let message = format!("this tree does not take from {}: {}", fragment.name, lost.join(", "));
        let explained = lost.iter().filter_map(|line| symbol(line));
        let explained = explained.map(|symbol| kconfig::explain(symbol, &self.source, config));
        Err(explained.fold(Error::usage(message), Error::hint))
    }

    /// Builds the recipe's target. Gives what make said.
    pub fn compile(&self, expected: Option<usize>) -> Result<Output> {
        let mut output = Output::new(&self.source.to_string_lossy(), expected);
        let (started, mut told) = (Instant::now(), Instant::now());
        let call = self.call(&[self.recipe.target()]);
        let call = self.verbosity.iter().fold(call, |call, level| call.argument(format!("V={level}")));
        (self.progress)(&output.progress(Duration::ZERO));
        let finished = self.programs.watch(&call, &mut |line| {
            output.line(line);
            if self.verbosity.is_some() {
                (self.progress)(line);
            } else if told.elapsed() >= GLANCE {
                told = Instant::now();
                (self.progress)(&output.progress(started.elapsed()));
            }
        })?;
        self.check(&finished)?;
        Ok(output)
    }

    fn call(&self, words: &[&str]) -> Call {
        let call = Call::new("make", &self.source)
            .arguments(["ARCH=x86_64", "--no-print-directory"])
            .argument(format!("O={}", self.output.display()))
            .arguments(self.recipe.variables.iter().map(|(name, value)| format!("{name}={value}")));
        let call = MakeFlags::of_environment().apply(call);
        let call = ANONYMOUS.into_iter().fold(call, |call, (name, value)| call.environment(name, value));
        self.with_cache(call).arguments(words)
    }

    /// Through ccache, where it is installed, not switched off (ccache(1), CCACHE_DISABLE), and nobody chose a compiler
    /// by its path.
    fn with_cache(&self, call: Call) -> Call {
        if self.recipe.variables.contains_key("CC") || std::env::var_os("CCACHE_DISABLE").is_some() {
            return call;
        }
        let version = Call::new("ccache", &self.source).argument("--version");
        if !self.programs.run(&version).is_ok_and(|finished| finished.success) {
            return call;
        }
        // By the dependencies that the kernel's make has written anyway: no second run of the preprocessor.
        call.argument(format!("CC=ccache {}", self.recipe.compiler())).environment("CCACHE_DEPEND", "1")
    }

    fn checked(&self, call: Call) -> Result<()> {
        self.check(&self.programs.run(&call)?)
    }

    fn check(&self, finished: &Finished) -> Result<()> {
        if finished.success {
            return Ok(());
        }
        let log = self.output.join("gauntlet-build.log");
        std::fs::write(&log, format!("{}{}", finished.stdout, finished.stderr))
            .map_err(|error| unwritable(&log, error))?;
        Err(self.failure(finished).hint(format!("everything the build said: {}", log.display())))
    }

    fn failure(&self, finished: &Finished) -> Error {
        let output = format!("{}\n{}", finished.stderr, finished.stdout);
        let Some(complaint) = first_error(&output, &self.source.to_string_lossy()) else {
            return Error::usage(format!("{} does not build, and make does not say why", self.subject));
        };
        // Tools and headers of the host are the machine's business, everything else the tree's.
        let host =
            ["not found", "libelf", "gelf.h", "openssl/"].iter().any(|sign| complaint.message.contains(sign));
        if host {
            return Error::infra(format!("the kernel cannot be built here: {}", complaint.message))
                .hint(NEEDED);
        }
        let error = Error::usage(format!("{} does not build: {}", self.subject, complaint.message));
        let error = match complaint.place {
            Some(place) => error.at(place),
            None => error,
        };
        // Only a make that was told to keep going has more than one that matters.
        let others = errors(&output, &self.source.to_string_lossy()).into_iter().skip(1).take(OTHERS);
        let others = others.filter(|_| MakeFlags::of_environment().keep_going);
        others.fold(error, |error, other| error.hint(format!("also {other}")))
    }
}
