//! Reads the layers and puts them together.

use super::layer::Layer;
use super::raw::{Raw, RawExact, RawMachine};
use super::scalar::Auto;
use super::{Config, Size, resolve, yaml};
use crate::{Error, Result};
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::Path;

/// The file that documents every knob, and the one source of defaults.
pub(super) const DEFAULTS: &str = include_str!("../../../configs/gauntlet.yaml");

/// What the flags set: the topmost layer.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    /// Replaces the configured kernels unless empty.
    pub kernels: Vec<String>,
    pub jobs: Option<NonZeroUsize>,
    /// Exact mode; a flag can switch it on only.
    pub exact: bool,
    pub seed: Option<u64>,
    pub append: Option<String>,
    pub memory: Option<Size>,
    pub cpus: Option<NonZeroU32>,
}

/// The configuration: defaults, then the file, then the flags. `cpus` is what `jobs: auto` means.
///
/// # Errors
/// Usage errors that name the file, the line and the nearest known key.
pub fn load(file: Option<&Path>, overrides: Overrides, cpus: usize) -> Result<Config> {
    let below = match file {
        Some(path) => parse(&path.display().to_string(), &read(path)?)?.over(defaults()?),
        None => defaults()?,
    };
    resolve::resolve(Raw::from(overrides).over(below), cpus)
}

pub(super) fn defaults() -> Result<Raw> {
    parse("gauntlet.yaml (built in)", DEFAULTS)
}

fn parse(name: &str, text: &str) -> Result<Raw> {
    yaml::parse(name, text)
}

fn read(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|source| {
        Error::usage(format!("cannot read the configuration {}", path.display())).because(source)
    })
}

impl From<Overrides> for Raw {
    fn from(flags: Overrides) -> Raw {
        Raw {
            kernels: Some(flags.kernels).filter(|kernels| !kernels.is_empty()),
            jobs: flags.jobs.map(Auto::Fixed),
            seed: flags.seed,
            exact: flags.exact.then_some(RawExact { enabled: Some(true), shift: None }),
            machine: Some(RawMachine {
                memory: flags.memory,
                cpus: flags.cpus,
                append: flags.append,
                ..RawMachine::default()
            }),
            ..Raw::default()
        }
    }
}
