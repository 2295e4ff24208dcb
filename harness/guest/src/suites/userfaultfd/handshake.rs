//! The descriptor: its flags, the handshake, reading and polling, and who may have one.

use super::calls::*;
use crate::case::{exists, fails_with, setup, succeeds};
use crate::child::{self, needs_root};
use crate::mapping::PAGE;
use crate::sys::Errno;
use crate::{CaseResult, Context, Need, Stop, check, check_eq, file, skip, syscall};
use std::os::fd::AsRawFd;
use std::time::Duration;

pub fn unknown_flag_is_refused(_: &Context) -> CaseResult {
    for bit in (1..31).filter(|bit| ![libc::O_CLOEXEC, libc::O_NONBLOCK].contains(&(1 << bit))) {
        let flags = 1 << bit;
        let made = exists("userfaultfd", create(flags | libc::O_CLOEXEC))?;
        fails_with(&format!("userfaultfd with unknown flag {flags:#x}"), made, libc::EINVAL)?;
    }
    Ok(())
}

pub fn flags_of_the_descriptor_are_as_asked(_: &Context) -> CaseResult {
    for (flags, close, nonblocking) in [
        (0, 0, 0),
        (libc::O_CLOEXEC, 1, 0),
        (libc::O_NONBLOCK, 0, libc::O_NONBLOCK),
        (libc::O_CLOEXEC | libc::O_NONBLOCK, 1, libc::O_NONBLOCK),
    ] {
        let fd = setup("userfaultfd", exists("userfaultfd", create(flags))?)?;
        check_eq!(file::control(&fd, libc::F_GETFD, 0), Ok(close), "FD_CLOEXEC after flags {flags:#x}");
        let status = setup("F_GETFL", file::control(&fd, libc::F_GETFL, 0))? as i32;
        check_eq!(status & libc::O_NONBLOCK, nonblocking, "O_NONBLOCK after flags {flags:#x}");
    }
    Ok(())
}

/// Anonymous memory needs none of the features; what it needs is told by register's bits.
pub fn handshake_tells_version_and_ioctls(_: &Context) -> CaseResult {
    let (result, [api, features, ioctls]) = Uffd::new()?.handshake(API, 0);
    succeeds("UFFDIO_API", result)?;
    check_eq!(api, API, "api of UFFDIO_API");
    let expected = [Call::Api, Call::Register, Call::Unregister].map(|call| 1 << call as u64);
    check_eq!(ioctls, expected.iter().sum::<u64>(), "ioctls of UFFDIO_API");
    check!(features & feature::EVENT_REMOVE != 0, "features of UFFDIO_API: {features:#x}");
    Ok(())
}

pub fn features_of_the_release_are_offered(_: &Context) -> CaseResult {
    let table = [
        (feature::PAGEFAULT_FLAG_WP, "PAGEFAULT_FLAG_WP", (5, 7)),
        (feature::EVENT_FORK, "EVENT_FORK", (4, 11)),
        (feature::EVENT_REMAP, "EVENT_REMAP", (4, 11)),
        (feature::EVENT_REMOVE, "EVENT_REMOVE", (4, 11)),
        (feature::MISSING_HUGETLBFS, "MISSING_HUGETLBFS", (4, 11)),
        (feature::MISSING_SHMEM, "MISSING_SHMEM", (4, 11)),
        (feature::EVENT_UNMAP, "EVENT_UNMAP", (4, 11)),
        (feature::SIGBUS, "SIGBUS", (4, 14)),
        (feature::THREAD_ID, "THREAD_ID", (4, 14)),
        (feature::MINOR_HUGETLBFS, "MINOR_HUGETLBFS", (5, 13)),
        (feature::MINOR_SHMEM, "MINOR_SHMEM", (5, 14)),
        (feature::EXACT_ADDRESS, "EXACT_ADDRESS", (5, 18)),
        (feature::WP_HUGETLBFS_SHMEM, "WP_HUGETLBFS_SHMEM", (5, 19)),
        (feature::WP_UNPOPULATED, "WP_UNPOPULATED", (6, 4)),
        (feature::POISON, "POISON", (6, 6)),
        (feature::WP_ASYNC, "WP_ASYNC", (6, 7)),
        (feature::MOVE, "MOVE", (6, 8)),
    ];
    let (_, [_, offered, _]) = Uffd::new()?.handshake(API, 0);
    let release = crate::sys::release();
    for (bit, name, since) in table.into_iter().filter(|(.., since)| release >= *since) {
        check!(offered & bit != 0, "UFFD_FEATURE_{name} is not offered, which is there since {since:?}");
        succeeds(&format!("UFFDIO_API with UFFD_FEATURE_{name}"), Uffd::new()?.handshake(API, bit).0)?;
    }
    Ok(())
}

pub fn unknown_version_or_feature_is_refused(_: &Context) -> CaseResult {
    for (api, features, what) in [
        (API - 1, 0, "version 0xa9"),
        (API + 1, 0, "version 0xab"),
        (API, 1 << 62, "unknown feature 1 << 62"),
        (API, 1 << 62 | feature::SIGBUS, "a known and an unknown feature"),
    ] {
        let uffd = Uffd::new()?;
        let (result, words) = uffd.handshake(api, features);
        fails_with(&format!("UFFDIO_API with {what}"), result, libc::EINVAL)?;
        check_eq!(words, [0; 3], "the structure after a refused UFFDIO_API with {what}");
        succeeds("UFFDIO_API after a refused one", uffd.handshake(API, 0).0)?;
    }
    Ok(())
}

pub fn handshake_is_made_once(_: &Context) -> CaseResult {
    let uffd = Uffd::with(0)?;
    fails_with("a second UFFDIO_API", uffd.handshake(API, 0).0, libc::EINVAL)?;
    fails_with("a third UFFDIO_API", uffd.handshake(API, feature::SIGBUS).0, libc::EINVAL)
}

pub fn nothing_works_before_the_handshake(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(1)?;
    let uffd = Uffd::new()?;
    fails_with("UFFDIO_REGISTER before UFFDIO_API", uffd.register(pages, MISSING), libc::EINVAL)?;
    fails_with("UFFDIO_UNREGISTER before UFFDIO_API", uffd.unregister(pages), libc::EINVAL)?;
    fails_with("UFFDIO_WAKE before UFFDIO_API", uffd.wake(pages), libc::EINVAL)?;
    fails_with("read(2) before UFFDIO_API", read(&uffd.0, &mut [0; 32]), libc::EINVAL)?;
    check_eq!(uffd.poll(GLANCE)?, libc::POLLERR, "poll(2) before UFFDIO_API");
    Ok(())
}

pub fn unknown_ioctl_and_bad_address_are_refused(_: &Context) -> CaseResult {
    let uffd = Uffd::with(0)?;
    let raw = |request: u64, address: u64| {
        // SAFETY: address 0 is never written; the others are unknown requests.
        unsafe { syscall!(libc::SYS_ioctl, uffd.0.as_raw_fd(), request, address) }
    };
    fails_with("an unknown ioctl", raw(0xc008_aa3e, 0), libc::EINVAL)?;
    fails_with("UFFDIO_REGISTER at NULL", raw(0xc020_aa00, 0), libc::EFAULT)?;
    fails_with("UFFDIO_COPY at NULL", raw(0xc028_aa03, 0), libc::EFAULT)?;
    let new = Uffd::new()?;
    // SAFETY: as above.
    let api = unsafe { syscall!(libc::SYS_ioctl, new.0.as_raw_fd(), 0xc018_aa3fu64, 0) };
    fails_with("UFFDIO_API at NULL", api, libc::EFAULT)
}

pub fn read_with_nothing_to_tell_is_eagain(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(1)?;
    let uffd = Uffd::watching(pages, MISSING, 0)?;
    fails_with("read(2) with nothing to tell", read(&uffd.0, &mut [0; 32]), libc::EAGAIN)?;
    fails_with("read(2) of 31 bytes", read(&uffd.0, &mut [0; 31]), libc::EINVAL)?;
    uffd.is_quiet("with nothing to tell")
}

pub fn blocking_descriptor_cannot_be_polled(_: &Context) -> CaseResult {
    let fd = setup("userfaultfd", exists("userfaultfd", create(libc::O_CLOEXEC))?)?;
    succeeds("UFFDIO_API", ioctl(&fd, Call::Api, &mut [API, 0, 0]))?;
    check_eq!(poll(&fd, Duration::ZERO)?, libc::POLLERR, "poll(2) of a descriptor that blocks");
    Ok(())
}

/// A read that is too short for one message more takes only as many as fit.
pub fn read_takes_as_many_messages_as_fit(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(2)?;
    let (from, first, second) = (source(2)?, pages.page(0).start, pages.page(1).start);
    let uffd = Uffd::watching(pages, MISSING, 0)?;
    let touch = || {
        let other = std::thread::spawn(move || peek(second));
        (peek(first), other.join().unwrap_or(0))
    };
    let (_, seen) = serving(uffd, touch, |uffd| {
        uffd.poll(PATIENCE)?;
        let deadline = std::time::Instant::now() + PATIENCE;
        while !info(uffd)?.contains("pending:\t2\ntotal:\t2\n") {
            check!(std::time::Instant::now() < deadline, "fdinfo with two faults: {}", info(uffd)?);
            std::thread::sleep(Duration::from_millis(1));
        }
        check_eq!(read(&uffd.0, &mut [0; 63]), Ok(32), "read(2) of 63 bytes with two messages");
        check!(info(uffd)?.contains("pending:\t1\ntotal:\t2\n"), "fdinfo after one: {}", info(uffd)?);
        check_eq!(read(&uffd.0, &mut [0; 96]), Ok(32), "read(2) of 96 bytes with one message left");
        fails_with("read(2) of messages that were read", read(&uffd.0, &mut [0; 32]), libc::EAGAIN)?;
        filled("UFFDIO_COPY", uffd.copy(pages, from.address(), 0), pages.length)
    })?;
    check_eq!(seen, (1, 2), "what the two accesses read");
    Ok(())
}

/// proc_pid_fdinfo(5) does not describe these lines; fs/userfaultfd.c does, since they appeared.
fn info(uffd: &Uffd) -> Result<String, Stop> {
    std::fs::read_to_string(format!("/proc/self/fdinfo/{}", uffd.0.as_raw_fd()))
        .map_err(|error| Stop::Broken(format!("fdinfo: {error}")))
}

const SYSCTL: &str = "/proc/sys/vm/unprivileged_userfaultfd";

fn allow_everybody(value: &str) -> CaseResult {
    needs_root()?;
    std::fs::write(SYSCTL, value).map_err(|error| Stop::Broken(format!("{SYSCTL}: {error}")))
}

pub fn privilege_is_needed_for_kernel_faults(_: &Context) -> CaseResult {
    needs_root()?;
    let default =
        std::fs::read_to_string(SYSCTL).map_err(|error| Stop::Broken(format!("{SYSCTL}: {error}")))?;
    if crate::sys::release() >= (5, 11) {
        check_eq!(default, "0\n", "the default of vm.unprivileged_userfaultfd");
    }
    allow_everybody("0")?;
    child::unprivileged(|| {
        fails_with("userfaultfd(0) without privilege", create(libc::O_CLOEXEC), libc::EPERM)
    })?;
    succeeds("userfaultfd(0) with CAP_SYS_PTRACE", create(libc::O_CLOEXEC)).map(drop)
}

pub fn sysctl_1_lets_everybody(_: &Context) -> CaseResult {
    allow_everybody("1")?;
    let result = child::unprivileged(|| {
        succeeds("userfaultfd(0) without privilege, allowed", create(libc::O_CLOEXEC)).map(drop)
    });
    allow_everybody("0")?;
    let out_of_range = std::fs::write(SYSCTL, "2").map_err(|error| error.raw_os_error());
    check_eq!(out_of_range, Err(Some(libc::EINVAL)), "vm.unprivileged_userfaultfd=2");
    result
}

pub const USER_MODE: Need = Need::Since { major: 5, minor: 11, what: "UFFD_USER_MODE_ONLY" };

pub fn user_mode_only_needs_no_privilege(_: &Context) -> CaseResult {
    allow_everybody("0")?;
    child::unprivileged(|| {
        let fd = succeeds(
            "userfaultfd(UFFD_USER_MODE_ONLY) of anybody",
            create(USER_MODE_ONLY | libc::O_NONBLOCK),
        )?;
        succeeds("UFFDIO_API", ioctl(&fd, Call::Api, &mut [API, 0, 0]))?;
        let (_mapping, pages) = untouched(1)?;
        let from = source(1)?;
        let uffd = Uffd(fd);
        succeeds("UFFDIO_REGISTER", uffd.register(pages, MISSING))?;
        let (_, seen) = serving(
            uffd,
            || peek(pages.start),
            |uffd| {
                uffd.expect_fault(0, pages.start)?;
                filled("UFFDIO_COPY", uffd.copy(pages, from.address(), 0), pages.length)
            },
        )?;
        check_eq!(seen, 1, "what the access read");
        Ok(())
    })
}

/// What a kernel fault would stall, it must fail: the call gets EFAULT, nobody a message.
pub fn user_mode_only_stalls_no_kernel_code(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(1)?;
    let made = exists("userfaultfd", create(USER_MODE_ONLY | libc::O_CLOEXEC | libc::O_NONBLOCK))?;
    let uffd = Uffd(succeeds("userfaultfd(UFFD_USER_MODE_ONLY)", made)?);
    succeeds("UFFDIO_API", uffd.handshake(API, 0).0)?;
    succeeds("UFFDIO_REGISTER", uffd.register(pages, MISSING))?;
    let (reader, writer) = child::pipe()?;
    setup("write", file::write(&writer, b"byte"))?;
    let (uffd, read) = serving(
        uffd,
        // SAFETY: the page is a mapping of the case's.
        || unsafe { syscall!(libc::SYS_read, reader.as_raw_fd(), pages.start, 4) },
        |uffd| uffd.is_quiet("after a fault of the kernel's under UFFD_USER_MODE_ONLY"),
    )?;
    check_eq!(read, Err(Errno(libc::EFAULT)), "read(2) into a missing page under UFFD_USER_MODE_ONLY");
    uffd.is_quiet("after a fault of the kernel's under UFFD_USER_MODE_ONLY")
}

pub fn fault_of_the_kernel_is_told_and_resolved(_: &Context) -> CaseResult {
    let (_mapping, pages) = untouched(2)?;
    let from = source(2)?;
    let uffd = Uffd::watching(pages, MISSING, 0)?;
    let (reader, writer) = child::pipe()?;
    setup("write", file::write(&writer, b"byte"))?;
    let at = pages.start + PAGE as u64 - 2;
    let (_, read) = serving(
        uffd,
        // SAFETY: the pages are a mapping of the case's.
        || unsafe { syscall!(libc::SYS_read, reader.as_raw_fd(), at, 4) },
        |uffd| {
            for index in 0..2 {
                uffd.expect_fault(FAULT_WRITE, pages.page(index).start)?;
                let address = from.address() + (index * PAGE) as u64;
                filled("UFFDIO_COPY", uffd.copy(pages.page(index), address, 0), PAGE as u64)?;
            }
            Ok(())
        },
    )?;
    check_eq!(read, Ok(4), "read(2) across two missing pages");
    let bytes = [-1i64, 0, 1, 2, 3, 4].map(|offset| peek(at.wrapping_add_signed(offset)));
    check_eq!(bytes, [1, b'b', b'y', b't', b'e', 2], "bytes around those read");
    Ok(())
}

pub fn device_gives_descriptors_by_file_permission(_: &Context) -> CaseResult {
    needs_root()?;
    let path = c"/dev/userfaultfd";
    let device = match file::open_at(libc::AT_FDCWD, path, libc::O_RDWR | libc::O_CLOEXEC, 0) {
        Err(Errno(libc::ENOENT)) => skip!("missing device: /dev/userfaultfd"),
        other => setup("open of /dev/userfaultfd", other)?,
    };
    allow_everybody("0")?;
    child::unprivileged(|| {
        let opened = file::open_at(libc::AT_FDCWD, path, libc::O_RDWR, 0);
        fails_with("open of /dev/userfaultfd by anybody", opened, libc::EACCES)?;
        // USERFAULTFD_IOC_NEW: who holds the device's descriptor needs no privilege of his own.
        let new = |flags: i32| {
            // SAFETY: takes no pointers.
            unsafe { syscall!(libc::SYS_ioctl, device.as_raw_fd(), 0xaa00, flags) }.map(crate::sys::owned)
        };
        let fd = succeeds("USERFAULTFD_IOC_NEW", new(libc::O_CLOEXEC | libc::O_NONBLOCK))?;
        succeeds("UFFDIO_API", ioctl(&fd, Call::Api, &mut [API, 0, 0]))?;
        fails_with("USERFAULTFD_IOC_NEW with an unknown flag", new(1 << 20), libc::EINVAL)
    })
}
