//! Flags that several verbs share: plain data, as typed.

use crate::config::Size;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::PathBuf;

/// Flags of every verb.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct GlobalFlags {
    /// Configuration layered over the built-in defaults (`gauntlet.yaml` lists every knob)
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,

    /// Where results are kept [default: $GAUNTLET_RESULTS, else gauntlet/ in the user's state directory]
    #[arg(long, global = true, value_name = "DIR")]
    pub results: Option<PathBuf>,

    /// Append the identifier of the run to a file, for `gauntlet report $(cat FILE)`
    #[arg(long, global = true, value_name = "FILE")]
    pub run_file: Option<PathBuf>,

    /// How many virtual machines (or compilers) run at once
    #[arg(short, long, global = true, value_name = "N")]
    pub jobs: Option<NonZeroUsize>,

    /// How progress is shown, on standard error
    #[arg(long, global = true, value_name = "HOW", default_value = "auto", hide_default_value = true)]
    pub progress: ProgressFlag,

    /// Print the result as JSON
    #[arg(long, global = true)]
    pub json: bool,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum ProgressFlag {
    /// Bars on a terminal, lines elsewhere
    #[default]
    Auto,
    /// Bars
    Tty,
    /// One line per change
    Plain,
    /// Nothing
    None,
}

/// Flags of the verbs that boot kernels. They override the configuration.
#[derive(Debug, Clone, Default, clap::Args)]
#[command(next_help_heading = "Kernels and machine")]
pub struct MachineFlags {
    /// A kernel: deb:PACKAGE, deb:VERSION/FLAVOUR, path:BZIMAGE, tree:DIR[@REV][,config=BASE+FRAGMENT] or host; may be repeated
    #[arg(short = 'k', long = "kernel", value_name = "SPEC")]
    pub kernels: Vec<String>,

    /// Virtual time: the run is a pure function of kernel, image and seed
    #[arg(long)]
    pub exact: bool,

    /// Seed of everything random
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,

    /// Words added to the kernel's command line
    #[arg(long, value_name = "ARGS", allow_hyphen_values = true)]
    pub append: Option<String>,

    /// Memory of the virtual machine, such as 512M or 2G
    #[arg(long, value_name = "SIZE")]
    pub mem: Option<Size>,

    /// CPUs of the virtual machine
    #[arg(long, value_name = "N")]
    pub cpus: Option<NonZeroU32>,
}
