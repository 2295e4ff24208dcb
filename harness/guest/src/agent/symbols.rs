//! The booted kernel's own symbol table: right for this boot, KASLR included.

use super::link::Link;
use gauntlet_protocol::Response;
use gauntlet_protocol::region::BULK_OFFSET;
use std::fs::File;
use std::io::{BufRead, BufReader};

/// Copies the text symbols of `/proc/kallsyms` into bulk.
pub fn publish(link: &Link) -> Result<Response, String> {
    let region = link.region().ok_or("symbols need the shared region, which this kernel does not allow")?;
    let file = File::open("/proc/kallsyms").map_err(|error| format!("/proc/kallsyms: {error}"))?;
    let mut used = 0;
    for line in BufReader::with_capacity(64 << 10, file).split(b'\n') {
        let mut line = line.map_err(|error| format!("/proc/kallsyms: {error}"))?;
        if !matches!(line.get(17), Some(b't' | b'T' | b'w' | b'W')) {
            continue;
        }
        line.push(b'\n');
        if !region.write(BULK_OFFSET + used, &line) {
            return Err("the symbol table does not fit the region".to_owned());
        }
        used += line.len();
    }
    Ok(Response::Symbols { length: used as u32 })
}
