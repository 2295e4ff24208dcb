//! A real kernel, ready.

use gauntlet::kernel::{self, Cache, KernelSpec};
use gauntlet::plan::PlannedCase;
use gauntlet::run::case::CasePolicy;
use gauntlet::session::{Host, Session, SessionOptions};
use gauntlet_qemu::{Exact, Machine};
use gauntlet_results::TestResult;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The kernel most tests run on: small, old enough to be boring, in every Debian 12.
pub const KERNEL: &str = "deb:6.1/cloud";

/// Where kernels and templates are kept between test runs.
pub fn cache() -> PathBuf {
    let set = |name: &str| std::env::var_os(name).map(PathBuf::from);
    set("GAUNTLET_CACHE")
        .or_else(|| Some(set("XDG_CACHE_HOME")?.join("gauntlet")))
        .or_else(|| Some(set("HOME")?.join(".cache/gauntlet")))
        .expect("a home directory")
}

pub struct Ready {
    pub host: Arc<Host>,
    pub session: Session,
}

/// The kernel with these options; `None`, said aloud, where this machine cannot run it.
pub async fn ready(options: SessionOptions) -> Option<Ready> {
    match try_ready(options).await {
        Ok(ready) => Some(ready),
        Err(why) if std::env::var_os("CI").is_some() => panic!("CI must be able to run this: {why}"),
        Err(why) => {
            eprintln!("SKIPPED: {why}");
            None
        }
    }
}

async fn try_ready(options: SessionOptions) -> Result<Ready, String> {
    let host = Host::open(&cache()).await.map_err(|error| error.to_string())?;
    let build = tokio::task::spawn_blocking(|| {
        let spec: KernelSpec = KERNEL.parse().expect("a good spec");
        kernel::resolve(&spec, &Cache::at(cache())?, &|_| {})
    })
    .await
    .expect("resolving does not panic")
    .map_err(|error| error.to_string())?;
    let session = Session::prepare(&host, &build, &options).await.map_err(|failure| failure.to_string())?;
    Ok(Ready { host, session })
}

/// The default machine under TCG: what CI has.
pub fn fast() -> SessionOptions {
    SessionOptions { boot_deadline: Duration::from_secs(120), ..SessionOptions::default() }
}

pub fn exact(seed: u64) -> SessionOptions {
    let machine = Machine { exact: Some(Exact { seed, shift: 3 }), ..Machine::default() };
    SessionOptions { machine, ..fast() }
}

/// A case of the hidden suite of faults.
pub fn fault(name: &str) -> PlannedCase {
    let full = format!("fault/{name}");
    let (suite, case) = gauntlet_guest::suites::find(&full).unwrap_or_else(|| panic!("no fault {name}"));
    PlannedCase { suite, case }
}

pub fn policy(deadline: Duration) -> CasePolicy {
    CasePolicy { seed: 1, deadline, retries: 0, linger: Duration::ZERO }
}

pub async fn judge(session: &Session, planned: &PlannedCase, deadline: Duration) -> TestResult {
    gauntlet::run::case::run_case(session, "kernel", planned, &policy(deadline)).await
}
