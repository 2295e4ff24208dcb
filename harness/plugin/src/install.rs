//! QEMU's entry point and its callbacks.

use crate::interface::Interface;
use crate::mapping::Mapping;
use crate::recorder::Recorder;
use gauntlet_protocol::coverage::{BLOCK_CAPACITY, KERNEL_START};
use gauntlet_protocol::mark::{self, Mark};
use qemu_plugin_sys::qemu_plugin_tb;
use std::ffi::{CStr, CString, c_char, c_int, c_uint, c_void};
use std::sync::{Mutex, OnceLock, PoisonError};

struct Plugin {
    qemu: Interface,
    recorder: Mutex<Recorder>,
}

static PLUGIN: OnceLock<Plugin> = OnceLock::new();

/// QEMU calls this once, before the machine is made.
///
/// # Safety
/// `argv` holds `argc` strings, as QEMU promises.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn qemu_plugin_install(
    id: u64,
    _information: *const c_void,
    argc: c_int,
    argv: *const *const c_char,
) -> c_int {
    let arguments = (0..usize::try_from(argc).unwrap_or(0)).map(|index| {
        // SAFETY: forwarded to the caller.
        unsafe { CStr::from_ptr(*argv.add(index)) }
    });
    match install(id, arguments) {
        Ok(()) => 0,
        Err(why) => {
            eprintln!("gauntlet plugin: {why}");
            1
        }
    }
}

fn install<'a>(id: u64, arguments: impl Iterator<Item = &'a CStr>) -> Result<(), String> {
    let path = coverage_path(arguments)?;
    let qemu = Interface::find(BLOCK_CAPACITY).map_err(|name| format!("this QEMU does not export {name}"))?;
    let file = Mapping::open(&path).map_err(|error| format!("{}: {error}", path.to_string_lossy()))?;
    let recorder = Mutex::new(Recorder::new(file, qemu.level)?);
    let plugin = PLUGIN.get_or_init(|| Plugin { qemu, recorder });
    plugin.qemu.on_translation(id, Some(on_translation));
    Ok(())
}

/// The only argument there is: `coverage=FILE`.
fn coverage_path<'a>(arguments: impl Iterator<Item = &'a CStr>) -> Result<CString, String> {
    let mut path = None;
    for argument in arguments {
        let Some(value) = argument.to_bytes().strip_prefix(b"coverage=") else {
            return Err(format!("unknown argument {argument:?}; known: coverage=FILE"));
        };
        path = CString::new(value).ok();
    }
    path.ok_or_else(|| "argument coverage=FILE is missing".to_owned())
}

/// Numbers and counts kernel blocks; looks for marks in user blocks.
unsafe extern "C" fn on_translation(_id: u64, block: *mut qemu_plugin_tb) {
    let Some(plugin) = PLUGIN.get() else { return };
    // SAFETY: QEMU has just given us the block.
    let (address, instructions) = unsafe { plugin.qemu.block(block) };
    if address < KERNEL_START {
        plugin.find_marks(block, instructions);
        return;
    }
    let length = u32::try_from(instructions).unwrap_or(u32::MAX);
    let number = plugin.recorder().number(address, length);
    if let Some(number) = number {
        // SAFETY: as above; numbers are below the capacity.
        unsafe { plugin.qemu.count(block, number) };
    }
}

unsafe extern "C" fn on_begin(vcpu: c_uint, _data: *mut c_void) {
    // SAFETY: QEMU calls on the vCPU's thread.
    unsafe { at_mark(vcpu, |recorder, counters| recorder.begin(counters)) }
}

unsafe extern "C" fn on_end(vcpu: c_uint, _data: *mut c_void) {
    // SAFETY: as in `on_begin`.
    unsafe { at_mark(vcpu, |recorder, counters| recorder.end(counters)) }
}

/// # Safety
/// Called on the vCPU's thread.
unsafe fn at_mark(vcpu: c_uint, act: impl FnOnce(&mut Recorder, &mut [u64])) {
    if let Some(plugin) = PLUGIN.get() {
        let mut recorder = plugin.recorder();
        // SAFETY: forwarded to the caller; there are never more blocks than capacity.
        let counters = unsafe { plugin.qemu.counters(vcpu, recorder.blocks()) };
        // SAFETY: the vCPU stands still while it calls back, so nobody else touches its counters.
        act(&mut recorder, unsafe { &mut *counters });
    }
}

impl Plugin {
    fn recorder(&self) -> std::sync::MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find_marks(&self, block: *mut qemu_plugin_tb, instructions: usize) {
        for index in 0..instructions {
            let mut bytes = [0; mark::LENGTH];
            // SAFETY: called while QEMU translates the block; the index is below its length.
            let found = unsafe { self.qemu.bytes(block, index, &mut bytes) };
            let callback = match found.and_then(Mark::from_instruction) {
                Some(Mark::Begin) => on_begin,
                Some(Mark::End) => on_end as unsafe extern "C" fn(c_uint, *mut c_void),
                None => continue,
            };
            // SAFETY: as above; the callbacks use no data.
            unsafe { self.qemu.on_execution(block, index, Some(callback), std::ptr::null_mut()) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_the_only_argument() {
        assert_eq!(coverage_path([c"coverage=/dev/fd/7"].into_iter()), Ok(c"/dev/fd/7".to_owned()));
        assert!(coverage_path([c"map=x"].into_iter()).is_err_and(|why| why.contains("coverage=FILE")));
        assert!(coverage_path(std::iter::empty()).is_err_and(|why| why.contains("missing")));
    }
}
