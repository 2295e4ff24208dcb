//! `gauntlet kernel`: what kernels there are, fetching them, and what is known about one before it boots.

use super::{Globals, MachineFlags, exit};
use crate::kernel::catalogue::{self, Offer};
use crate::kernel::needs::Mode;
use crate::kernel::summary::{render, summarize};
use crate::kernel::tree::range::{self, Commit};
use crate::kernel::{self, Cache, KernelBuild, KernelSpec, deb};
use crate::{Error, Result, ui};
use std::num::NonZeroU32;
use std::process::ExitCode;

/// List, fetch and inspect kernels
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, clap::Subcommand)]
enum Action {
    /// The kernels that apt offers: the newest of each series and flavour
    List {
        /// Debian suites, such as bullseye or sid [default: the machine's own]
        #[arg(value_name = "SUITE")]
        suites: Vec<String>,
        /// Older ones of each series too
        #[arg(short, long)]
        all: bool,
        /// Fetch the package lists of the suites again
        #[arg(short, long)]
        update: bool,
    },
    /// Fetch or build kernels, so that later commands find them in the cache
    ///
    /// Of a series of commits, tree:DIR@BASE..TIP, every one is built; a commit that does not build is told with its
    /// first error, and the others are built nevertheless. config=randconfig:SEED, allmodconfig and the like build
    /// everything that the configuration holds, as build bots do.
    #[command(visible_alias = "build")]
    Fetch {
        /// Kernels, such as deb:6.1/cloud, deb:sid:newest/cloud, tree:DIR@REV or tree:DIR@BASE..TIP,config=randconfig:7
        #[arg(required_unless_present = "more", value_name = "SPEC")]
        kernels: Vec<String>,
        /// The same as SPEC
        #[arg(short = 'k', long = "kernel", value_name = "SPEC")]
        more: Vec<String>,
        /// Fetch the package lists of other suites again, to find newer kernels in them
        #[arg(short, long)]
        update: bool,
    },
    /// What a kernel is, how it is configured, and what would skip on it, without booting it
    Show {
        /// Kernels, such as deb:6.1/cloud or path:arch/x86/boot/bzImage
        #[arg(required = true, value_name = "SPEC")]
        kernels: Vec<String>,
        /// What would skip in exact mode
        #[arg(long)]
        exact: bool,
        /// What would skip on a machine with so many CPUs
        #[arg(long, value_name = "N")]
        cpus: Option<NonZeroU32>,
    },
}

pub async fn run(args: Args, globals: &Globals) -> Result<ExitCode> {
    let globals = globals.clone();
    // apt, compilers and disks are waited for, which must not hold up the other tasks.
    tokio::task::spawn_blocking(move || {
        let kernels = Kernels { cache: Cache::at(&globals.cache)?, globals };
        match args.action {
            Action::List { suites, all, update } => kernels.list(&suites, all, update),
            Action::Fetch { kernels: specs, more, update } => kernels.fetch(&[specs, more].concat(), update),
            Action::Show { kernels: specs, exact, cpus } => {
                kernels.show(&specs, MachineFlags { exact, cpus, ..MachineFlags::default() })
            }
        }
    })
    .await
    .map_err(|error| Error::infra("the kernel command stopped").because(error))?
}

struct Kernels {
    cache: Cache,
    globals: Globals,
}

impl Kernels {
    fn list(&self, suites: &[String], all: bool, update: bool) -> Result<ExitCode> {
        let mut suites: Vec<Option<&str>> = suites.iter().map(|suite| Some(suite.as_str())).collect();
        if suites.is_empty() {
            suites.push(None);
        }
        let mut offers = Vec::new();
        for suite in suites {
            if update {
                self.update(suite)?;
            }
            let apt = deb::open(suite, &self.cache, &|step| self.say(step))?;
            offers.extend(catalogue::offers(&deb::packages(apt.as_ref())?, suite, all, &self.cache)?);
        }
        match self.globals.json {
            true => ui::print_json(&offers)?,
            false => ui::print(&table(&offers))?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn fetch(&self, specs: &[String], update: bool) -> Result<ExitCode> {
        let (mut fetched, mut good) = (Vec::new(), true);
        for text in specs {
            let spec: KernelSpec = text.parse()?;
            if let (KernelSpec::Deb { suite, .. }, true) = (&spec, update) {
                self.update(suite.as_deref())?;
            }
            match range::commits(&spec)? {
                None => fetched.push(self.tell(&self.resolve(&spec)?)?),
                Some(commits) => {
                    for commit in commits {
                        let built = self.build(&commit)?;
                        good &= built.get("error").is_none();
                        fetched.push(built);
                    }
                }
            }
        }
        if self.globals.json {
            ui::print_json(&fetched)?;
        }
        Ok(exit::from_good(good))
    }

    /// A commit of a series: that it does not build is a result.
    fn build(&self, commit: &Commit) -> Result<serde_json::Value> {
        let error = match self.resolve(&commit.spec) {
            Ok(kernel) => return self.tell(&kernel),
            Err(error) if error.kind == crate::Kind::Usage => error,
            Err(error) => return Err(error),
        };
        if !self.globals.json {
            ui::print(&format!("{}  does not build\n", commit.spec))?;
            ui::print_error(&error);
        }
        Ok(serde_json::json!({
            "spec": commit.spec,
            "subject": commit.subject,
            "error": error.to_string(),
            "place": error.place,
        }))
    }

    fn tell(&self, kernel: &KernelBuild) -> Result<serde_json::Value> {
        if !self.globals.json {
            ui::print(&format!("{}  {}  {}\n", kernel.spec, kernel.release, kernel.image.display()))?;
        }
        Ok(serde_json::json!({
            "spec": kernel.spec,
            "release": kernel.release,
            "image": kernel.image,
            "image_digest": kernel.image_digest,
        }))
    }

    fn show(&self, specs: &[String], flags: MachineFlags) -> Result<ExitCode> {
        let config = self.globals.config(&flags)?;
        let mode = Mode { exact: config.exact.enabled, cpus: config.machine.cpus };
        let kernels: Vec<KernelBuild> =
            specs.iter().map(|text| self.resolve(&text.parse()?)).collect::<Result<_>>()?;
        let summaries: Vec<_> = kernels.iter().map(|kernel| summarize(kernel, mode)).collect();
        match self.globals.json {
            true => ui::print_json(&summaries)?,
            false => ui::print(&summaries.iter().map(render).collect::<Vec<_>>().join("\n"))?,
        }
        Ok(ExitCode::SUCCESS)
    }

    fn update(&self, suite: Option<&str>) -> Result<()> {
        if !deb::refresh(suite, &self.cache, &|step| self.say(step))? {
            self.say("the machine's own package lists are its administrator's: sudo apt-get update");
        }
        Ok(())
    }

    fn resolve(&self, spec: &KernelSpec) -> Result<KernelBuild> {
        let steps = ui::Steps::new(self.globals.progress);
        kernel::resolve(spec, &self.cache, &|step| steps.say(step))
    }

    fn say(&self, step: &str) {
        if self.globals.progress != ui::Progress::Silent {
            eprintln!("{step}");
        }
    }
}

fn table(offers: &[Offer]) -> String {
    let width =
        |column: fn(&Offer) -> &str| offers.iter().map(|offer| column(offer).len()).max().unwrap_or(0);
    let (spec, release) = (width(|offer| &offer.spec), width(|offer| &offer.release));
    offers
        .iter()
        .map(|offer| {
            let state = match offer.cached {
                true => "cached".to_owned(),
                false => format!("{:.0} MB", offer.bytes as f64 / 1e6),
            };
            format!("{:spec$}  {:release$}  {state:>6}  {}\n", offer.spec, offer.release, offer.version)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_columns_line_up() {
        let offer = |spec: &str, cached| Offer {
            spec: spec.into(),
            release: "6.1.0-56-rt-amd64".into(),
            version: "6.1.192-2".into(),
            bytes: 70_400_000,
            cached,
        };
        assert_eq!(
            table(&[offer("deb:6.1/rt", false), offer("deb:6.12/cloud", true)]),
            "deb:6.1/rt      6.1.0-56-rt-amd64   70 MB  6.1.192-2\n\
             deb:6.12/cloud  6.1.0-56-rt-amd64  cached  6.1.192-2\n"
        );
    }
}
