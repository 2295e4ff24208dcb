//! A booted, stopped machine on disk: one RAM file and one file of device state with its description.
//!
//! The recipe, proved on QEMU 7.2: main RAM is a shared mapping of a file, so it need not be saved; the
//! capability `x-ignore-shared` leaves it out of the stream. A clone maps the same file privately and loads
//! the same stream. Source: QEMU docs/devel/migration, "x-ignore-shared"; docs on VM templating.

use crate::argv::Ram;
use crate::descriptor::anonymous_copy;
use crate::error::{Error, Result};
use crate::vm::{Launch, Vm};
use serde_json::Value;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;

/// Ready to be cloned.
#[derive(Debug)]
pub struct Template {
    pub digest: String,
    pub ram: PathBuf,
    /// Device state, in an anonymous file.
    state: File,
    /// Whatever its maker wanted to remember with it.
    pub description: Value,
}

impl Template {
    pub fn new(digest: String, ram: PathBuf, device_state: &[u8], description: Value) -> Result<Template> {
        Ok(Template { digest, ram, state: anonymous_copy("gauntlet-state", device_state)?, description })
    }

    /// Starts a copy-on-write clone, loaded and stopped: write its request, then [`Vm::resume`].
    pub async fn clone_vm(&self, launch: &Launch<'_>) -> Result<Vm> {
        // Each clone reads the state through an open file of its own, with its own position.
        let state = File::open(format!("/proc/self/fd/{}", self.state.as_raw_fd()))
            .map_err(Error::io("cannot open the saved state"))?;
        let mut launch = launch.clone();
        launch.keep.push(state.as_raw_fd());
        let mut vm = Vm::start(&launch, &Ram::Clone(self.ram.clone())).await?;
        vm.load(state.as_raw_fd()).await?;
        Ok(vm)
    }
}
