//! A disk for one command: a loop device over memory of the guest, blank or with a filesystem that is mounted.

use super::link::Link;
use gauntlet_guest::case::Stop;
use gauntlet_guest::disk::Disk;
use gauntlet_protocol::region::BULK_OFFSET;
use gauntlet_protocol::{DiskRequest, sparse};
use std::path::Path;

/// Where the filesystem is mounted; /tmp is in sight of every command.
const MOUNT: &str = "/tmp/disk";

/// A disk in place, as long as this lives, and the variables that tell the command of it.
pub struct Ready {
    pub variables: Vec<(&'static str, String)>,
    _disk: Disk,
}

pub fn prepare(request: &DiskRequest, link: &Link) -> Result<Ready, String> {
    let said = |stop| match stop {
        Stop::Fail(why) | Stop::Skip(why) | Stop::Broken(why) => format!("no disk: {why}"),
    };
    let image = match request {
        DiskRequest::Blank { mib } => {
            let disk = Disk::made("", u64::from(*mib) << 20, &[]).map_err(said)?;
            return Ok(Ready { variables: vec![("GAUNTLET_DISK", disk.device().to_owned())], _disk: disk });
        }
        DiskRequest::Filesystem(image) => image,
    };
    let region =
        link.region().ok_or("a filesystem needs the shared region, which this kernel does not allow")?;
    let encoded = region
        .read(BULK_OFFSET + image.offset as usize, image.length as usize)
        .ok_or("the filesystem lies outside the region")?;
    let (size, runs) = sparse::decode(&encoded).ok_or("the filesystem is no image")?;
    let disk = Disk::made(&image.name, size, &runs).map_err(said)?;
    std::fs::create_dir_all(MOUNT).map_err(|error| format!("{MOUNT}: {error}"))?;
    disk.mount(Path::new(MOUNT), "").map_err(said)?;
    let variables = vec![("GAUNTLET_DISK", disk.device().to_owned()), ("GAUNTLET_MOUNT", MOUNT.to_owned())];
    Ok(Ready { variables, _disk: disk })
}
