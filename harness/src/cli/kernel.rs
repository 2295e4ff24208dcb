//! `gauntlet kernel`: what kernels there are, fetching them, and what is known about one before it boots.

use super::Globals;
use crate::kernel::{self, Cache, KernelBuild, KernelSpec};
use crate::{Error, Result, ui};
use std::process::ExitCode;

/// List, fetch and inspect kernels
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// Fetch or build kernels, so that later commands find them in the cache
    Fetch {
        /// Kernels, such as deb:6.1/cloud
        #[arg(required = true, value_name = "SPEC")]
        kernels: Vec<String>,
    },
}

pub async fn run(args: Args, globals: &Globals) -> Result<ExitCode> {
    let globals = globals.clone();
    // apt, compilers and disks are waited for, which must not hold up the other tasks.
    tokio::task::spawn_blocking(move || match args.action {
        Action::Fetch { kernels } => fetch(&kernels, &globals),
    })
    .await
    .map_err(|error| Error::infra("the kernel command stopped").because(error))?
}

fn resolve(spec: &KernelSpec, globals: &Globals) -> Result<KernelBuild> {
    let cache = Cache::at(&globals.cache)?;
    kernel::resolve(spec, &cache, &|step| {
        if globals.progress != ui::Progress::Silent {
            eprintln!("{spec}: {step}");
        }
    })
}

fn fetch(kernels: &[String], globals: &Globals) -> Result<ExitCode> {
    for name in kernels {
        let kernel = resolve(&name.parse()?, globals)?;
        ui::print(&format!("{name}  {}  {}\n", kernel.release, kernel.image.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}
