//! Loading the kernel modules that come with a case.

use super::link::Link;
use gauntlet_guest::sys::Errno;
use gauntlet_guest::syscall;
use gauntlet_protocol::region::BULK_OFFSET;
use gauntlet_protocol::{Attachment, Outcome};

/// Loads them in order (init_module(2)); what came of it if one cannot be.
pub fn load(modules: &[Attachment], link: &Link) -> Result<Option<Outcome>, String> {
    for module in modules {
        let region =
            link.region().ok_or("modules need the shared region, which this kernel does not allow")?;
        let image = region
            .read(BULK_OFFSET + module.offset as usize, module.length as usize)
            .ok_or_else(|| format!("module {} lies outside the region", module.name))?;
        // SAFETY: the image and the empty parameters live through the call.
        let loaded = unsafe { syscall!(libc::SYS_init_module, image.as_ptr(), image.len(), c"".as_ptr()) };
        if let Err(errno) = loaded
            && let Some(outcome) = judge(&module.name, errno)
        {
            return Ok(Some(outcome));
        }
    }
    Ok(None)
}

/// What a module that cannot be loaded means for the case that needs it.
fn judge(name: &str, errno: Errno) -> Option<Outcome> {
    let cause = match errno.0 {
        libc::EEXIST => return None,
        libc::EPERM => "loading modules is forbidden",
        libc::ENOSYS => "the kernel has no loadable modules",
        libc::EKEYREJECTED | libc::ENOKEY | libc::EBADMSG => "the kernel does not accept its signature",
        libc::ENODEV | libc::ENXIO => "there is no hardware for it",
        _ => {
            let reason = format!("module {name} cannot be loaded: {errno}; the console may tell why");
            return Some(Outcome::Broken { reason });
        }
    };
    Some(Outcome::Skip { cause: format!("module {name} cannot be loaded: {cause} ({errno})") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_forbids_a_module_skips_and_one_that_cannot_link_it_is_an_error() {
        assert_eq!(judge("a", Errno(libc::EEXIST)), None, "it is there already");
        for errno in [libc::EPERM, libc::ENOSYS, libc::EKEYREJECTED, libc::ENODEV] {
            assert!(matches!(judge("a", Errno(errno)), Some(Outcome::Skip { .. })), "{}", Errno(errno));
        }
        for errno in [libc::ENOENT, libc::ENOEXEC, libc::EINVAL, libc::ENOMEM] {
            assert!(matches!(judge("a", Errno(errno)), Some(Outcome::Broken { .. })), "{}", Errno(errno));
        }
    }
}
