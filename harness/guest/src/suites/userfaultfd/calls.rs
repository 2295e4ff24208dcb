//! The calls of the suite, and a thread that runs into faults while another answers them.

use crate::case::{CaseResult, Stop, exists, setup, succeeds};
use crate::mapping::{Mapping, PAGE};
use crate::sys::{Errno, check as result_of, owned};
use crate::{check, check_eq, file, syscall};
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering::SeqCst};
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

/// `UFFD_API` of include/uapi/linux/userfaultfd.h.
pub const API: u64 = 0xaa;
pub const USER_MODE_ONLY: i32 = 1;
/// How long what must happen may take.
pub const PATIENCE: Duration = Duration::from_secs(10);
/// How long what must not happen is waited for.
pub const GLANCE: Duration = Duration::from_millis(30);

/// The ioctls, by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u64)]
pub enum Call {
    Register = 0x00,
    Unregister = 0x01,
    Wake = 0x02,
    Copy = 0x03,
    ZeroPage = 0x04,
    Move = 0x05,
    WriteProtect = 0x06,
    Continue = 0x07,
    Poison = 0x08,
    Api = 0x3f,
}

/// Features of UFFDIO_API.
pub mod feature {
    pub const PAGEFAULT_FLAG_WP: u64 = 1 << 0;
    pub const EVENT_FORK: u64 = 1 << 1;
    pub const EVENT_REMAP: u64 = 1 << 2;
    pub const EVENT_REMOVE: u64 = 1 << 3;
    pub const MISSING_HUGETLBFS: u64 = 1 << 4;
    pub const MISSING_SHMEM: u64 = 1 << 5;
    pub const EVENT_UNMAP: u64 = 1 << 6;
    pub const SIGBUS: u64 = 1 << 7;
    pub const THREAD_ID: u64 = 1 << 8;
    pub const MINOR_HUGETLBFS: u64 = 1 << 9;
    pub const MINOR_SHMEM: u64 = 1 << 10;
    pub const EXACT_ADDRESS: u64 = 1 << 11;
    pub const WP_HUGETLBFS_SHMEM: u64 = 1 << 12;
    pub const WP_UNPOPULATED: u64 = 1 << 13;
    pub const POISON: u64 = 1 << 14;
    pub const WP_ASYNC: u64 = 1 << 15;
    pub const MOVE: u64 = 1 << 16;
}

/// Modes of UFFDIO_REGISTER.
pub const MISSING: u64 = 1;
pub const WP: u64 = 2;
pub const MINOR: u64 = 4;
/// Modes of the calls that fill or release pages. Waking is the default of all of them.
pub const DONTWAKE: u64 = 1;
pub const COPY_WP: u64 = 2;
pub const PROTECT: u64 = 1;
pub const PROTECT_DONTWAKE: u64 = 2;
pub const CONTINUE_WP: u64 = 2;
pub const ALLOW_SRC_HOLES: u64 = 2;
/// Flags of a fault.
pub const FAULT_WRITE: u64 = 1;
pub const FAULT_WP: u64 = 2;
pub const FAULT_MINOR: u64 = 4;

/// Some pages of memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pages {
    pub start: u64,
    pub length: u64,
}

impl Pages {
    pub fn of(mapping: &Mapping, count: usize) -> Pages {
        Pages { start: mapping.address(), length: (count * PAGE) as u64 }
    }

    /// One page of them.
    pub fn page(self, index: usize) -> Pages {
        Pages { start: self.start + (index * PAGE) as u64, length: PAGE as u64 }
    }

    pub fn end(self) -> u64 {
        self.start + self.length
    }
}

/// What a call that fills pages came to: its result, and the count it wrote back.
pub type Filled = (Result<(), Errno>, i64);

/// A message of the kernel's.
#[derive(Debug)]
pub enum Message {
    Fault { flags: u64, address: u64, thread: u32 },
    Fork(Uffd),
    Remap { from: u64, to: u64, length: u64 },
    Remove { start: u64, end: u64 },
    Unmap { start: u64, end: u64 },
}

/// A userfaultfd that does not block.
#[derive(Debug)]
pub struct Uffd(pub OwnedFd);

/// userfaultfd(2).
pub fn create(flags: i32) -> Result<OwnedFd, Errno> {
    // SAFETY: takes no pointers.
    unsafe { syscall!(libc::SYS_userfaultfd, flags) }.map(owned)
}

/// An ioctl on words: every structure of the interface is an array of 64-bit words.
pub fn ioctl<const N: usize>(fd: &impl AsRawFd, call: Call, words: &mut [u64; N]) -> Result<i64, Errno> {
    // asm-generic/ioctl.h: direction, size, type, number. These two only read (_IOR, as the kernel misnames it).
    let direction: u64 = if matches!(call, Call::Unregister | Call::Wake) { 2 } else { 3 };
    let request = direction << 30 | (N as u64 * 8) << 16 | API << 8 | call as u64;
    // SAFETY: the words are ours, and as many as the size in the request says.
    unsafe { syscall!(libc::SYS_ioctl, fd.as_raw_fd(), request, words.as_mut_ptr()) }
}

impl Uffd {
    /// A descriptor that still waits for its handshake.
    pub fn new() -> Result<Uffd, Stop> {
        let made = exists("userfaultfd", create(libc::O_CLOEXEC | libc::O_NONBLOCK))?;
        setup("userfaultfd", made).map(Uffd)
    }

    /// A descriptor with these features; they must be there.
    pub fn with(features: u64) -> Result<Uffd, Stop> {
        let uffd = Uffd::new()?;
        succeeds(&format!("UFFDIO_API with features {features:#x}"), uffd.handshake(API, features).0)?;
        Ok(uffd)
    }

    /// UFFDIO_API: the result, and the structure as it came back: version, features, ioctls.
    pub fn handshake(&self, api: u64, features: u64) -> (Result<i64, Errno>, [u64; 3]) {
        let mut words = [api, features, 0];
        (ioctl(&self.0, Call::Api, &mut words), words)
    }

    /// UFFDIO_REGISTER: the bits of the ioctls that the range takes.
    pub fn register(&self, pages: Pages, mode: u64) -> Result<u64, Errno> {
        let mut words = [pages.start, pages.length, mode, 0];
        ioctl(&self.0, Call::Register, &mut words).map(|_| words[3])
    }

    /// A descriptor with features and a registered range.
    pub fn watching(pages: Pages, mode: u64, features: u64) -> Result<Uffd, Stop> {
        let uffd = Uffd::with(features)?;
        succeeds(&format!("UFFDIO_REGISTER with mode {mode:#x}"), uffd.register(pages, mode))?;
        Ok(uffd)
    }

    pub fn unregister(&self, pages: Pages) -> Result<i64, Errno> {
        ioctl(&self.0, Call::Unregister, &mut [pages.start, pages.length])
    }

    pub fn wake(&self, pages: Pages) -> Result<i64, Errno> {
        ioctl(&self.0, Call::Wake, &mut [pages.start, pages.length])
    }

    pub fn copy(&self, to: Pages, from: u64, mode: u64) -> Filled {
        let mut words = [to.start, from, to.length, mode, 0];
        (ioctl(&self.0, Call::Copy, &mut words).map(drop), words[4] as i64)
    }

    /// UFFDIO_MOVE.
    pub fn relocate(&self, to: Pages, from: u64, mode: u64) -> Filled {
        let mut words = [to.start, from, to.length, mode, 0];
        (ioctl(&self.0, Call::Move, &mut words).map(drop), words[4] as i64)
    }

    /// UFFDIO_ZEROPAGE, UFFDIO_CONTINUE and UFFDIO_POISON look alike.
    pub fn fill(&self, call: Call, pages: Pages, mode: u64) -> Filled {
        let mut words = [pages.start, pages.length, mode, 0];
        (ioctl(&self.0, call, &mut words).map(drop), words[3] as i64)
    }

    pub fn write_protect(&self, pages: Pages, mode: u64) -> Result<i64, Errno> {
        ioctl(&self.0, Call::WriteProtect, &mut [pages.start, pages.length, mode])
    }

    /// poll(2): the events that are there within this time.
    pub fn poll(&self, time: Duration) -> Result<i16, Stop> {
        poll(&self.0, time)
    }

    /// What the kernel has to say; it must say something.
    pub fn message(&self) -> Result<Message, Stop> {
        let events = self.poll(PATIENCE)?;
        check_eq!(events, libc::POLLIN, "poll(2) of a userfaultfd while something must be told");
        let mut bytes = [0u8; 32];
        check_eq!(succeeds("read of a message", read(&self.0, &mut bytes))?, 32, "length of a message");
        let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"));
        Ok(match bytes[0] {
            0x12 => Message::Fault { flags: word(8), address: word(16), thread: word(24) as u32 },
            0x13 => Message::Fork(Uffd(owned((word(8) as u32).into()))),
            0x14 => Message::Remap { from: word(8), to: word(16), length: word(24) },
            0x15 => Message::Remove { start: word(8), end: word(16) },
            0x16 => Message::Unmap { start: word(8), end: word(16) },
            other => return Err(Stop::Fail(format!("a message of unknown event {other:#x}"))),
        })
    }

    /// The next message must be a fault: its flags and address.
    pub fn fault(&self) -> Result<(u64, u64), Stop> {
        match self.message()? {
            Message::Fault { flags, address, .. } => Ok((flags, address)),
            other => Err(Stop::Fail(format!("the message of a fault is {other:?}"))),
        }
    }

    /// The next message must be this fault.
    pub fn expect_fault(&self, flags: u64, address: u64) -> CaseResult {
        let (got_flags, got_address) = self.fault()?;
        check_eq!(got_flags, flags, "flags of the fault");
        check!(got_address == address, "address of the fault: got {got_address:#x}, expected {address:#x}");
        Ok(())
    }

    /// The next message must be that of a fork; gives the child's descriptor.
    pub fn expect_fork(&self) -> Result<Uffd, Stop> {
        match self.message()? {
            Message::Fork(theirs) => Ok(theirs),
            other => Err(Stop::Fail(format!("the message of a fork is {other:?}"))),
        }
    }

    /// Nothing may be told now.
    pub fn is_quiet(&self, when: &str) -> CaseResult {
        check_eq!(self.poll(GLANCE)?, 0, "poll(2) of a userfaultfd {when}");
        Ok(())
    }
}

pub fn poll(fd: &impl AsRawFd, time: Duration) -> Result<i16, Stop> {
    setup("poll", file::poll(fd, libc::POLLIN, time))
}

pub fn read(fd: &impl AsRawFd, bytes: &mut [u8]) -> Result<i64, Errno> {
    // SAFETY: the buffer is ours and as long as said.
    unsafe { syscall!(libc::SYS_read, fd.as_raw_fd(), bytes.as_mut_ptr(), bytes.len()) }
}

/// Memory that may be read and written, of which no page is there yet.
pub fn untouched(pages: usize) -> Result<(Mapping, Pages), Stop> {
    let mapping = Mapping::anonymous(pages * PAGE, libc::PROT_READ | libc::PROT_WRITE)?;
    // A huge page would hide which page was touched.
    let range = Pages::of(&mapping, pages);
    advise(range, libc::MADV_NOHUGEPAGE);
    Ok((mapping, range))
}

/// A file in shared memory of some pages, none of them there.
pub fn shared_file(pages: usize) -> Result<OwnedFd, Stop> {
    let fd = setup("memfd_create", exists("memfd_create", file::in_memory(0))?)?;
    setup("ftruncate", file::truncate(&fd, (pages * PAGE) as i64))?;
    Ok(fd)
}

/// A shared mapping of such a file, writable.
pub fn shared(fd: &OwnedFd, pages: usize) -> Result<(Mapping, Pages), Stop> {
    let access = libc::PROT_READ | libc::PROT_WRITE;
    let mapping = setup("mmap", Mapping::of(fd, pages * PAGE, access, libc::MAP_SHARED))?;
    let range = Pages::of(&mapping, pages);
    Ok((mapping, range))
}

/// Pages full of one byte each: 1 in the first, 2 in the second …
pub fn source(pages: usize) -> Result<Mapping, Stop> {
    let mut mapping = Mapping::anonymous(pages * PAGE, libc::PROT_READ | libc::PROT_WRITE)?;
    advise(Pages::of(&mapping, pages), libc::MADV_NOHUGEPAGE);
    for (index, page) in mapping.bytes().chunks_mut(PAGE).enumerate() {
        page.fill((index as u8).wrapping_add(1));
    }
    Ok(mapping)
}

/// madvise(2); a kernel without huge pages knows not all advice.
pub fn advise(pages: Pages, advice: i32) {
    // SAFETY: callers name mappings of their own that nothing borrows.
    let _ = unsafe { syscall!(libc::SYS_madvise, pages.start, pages.length, advice) };
}

/// Reads a byte of a mapping of the case's.
pub fn peek(address: u64) -> u8 {
    // SAFETY: cases name addresses inside mappings of their own; what is not there ends in a signal.
    unsafe { std::ptr::read_volatile(address as *const u8) }
}

/// Writes a byte of a mapping of the case's.
pub fn poke(address: u64, byte: u8) {
    // SAFETY: as in `peek`.
    unsafe { std::ptr::write_volatile(address as *mut u8, byte) }
}

static PAGE_SIZE: AtomicU64 = AtomicU64::new(PAGE as u64);
static SIGNAL: AtomicI32 = AtomicI32::new(0);
static CODE: AtomicI32 = AtomicI32::new(0);
static ADDRESS: AtomicU64 = AtomicU64::new(0);

/// Notes the signal and puts a fresh page where it happened, so that the access goes on.
extern "C" fn note_and_mend(signal: i32, info: *mut libc::siginfo_t, _: *mut libc::c_void) {
    // SAFETY: the kernel hands over a valid siginfo; the page belongs to a mapping of the case's.
    unsafe {
        let address = (*info).si_addr() as u64;
        SIGNAL.store(signal, SeqCst);
        CODE.store((*info).si_code, SeqCst);
        ADDRESS.store(address, SeqCst);
        let flags = libc::MAP_FIXED | libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
        let size = PAGE_SIZE.load(SeqCst);
        let page = (address & !(size - 1)) as *mut libc::c_void;
        libc::mmap(page, size as usize, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
    }
}

/// What signal an access gets: its number, code and address; zeros for none.
pub fn signal_at(access: impl FnOnce()) -> Result<(i32, i32, u64), Stop> {
    signal_in(PAGE as u64, access)
}

/// The same in memory that is made of pages of this size.
pub fn signal_in(size: u64, access: impl FnOnce()) -> Result<(i32, i32, u64), Stop> {
    PAGE_SIZE.store(size, SeqCst);
    // SAFETY: an all-zero sigaction is valid; the handler makes only calls that signal handlers may make.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_flags = libc::SA_SIGINFO;
        action.sa_sigaction = note_and_mend as extern "C" fn(_, _, _) as usize;
        setup("sigaction", result_of(libc::sigaction(libc::SIGBUS, &action, std::ptr::null_mut()).into()))?;
    }
    SIGNAL.store(0, SeqCst);
    access();
    Ok((SIGNAL.load(SeqCst), CODE.load(SeqCst), ADDRESS.load(SeqCst)))
}

/// Every byte of the page.
pub fn page_holds(page: Pages, byte: u8, what: &str) -> CaseResult {
    // SAFETY: the page is mapped, filled, and nobody writes it now.
    let bytes = unsafe { std::slice::from_raw_parts(page.start as *const u8, page.length as usize) };
    let wrong = bytes.iter().position(|&got| got != byte);
    check!(wrong.is_none(), "{what}: byte {wrong:?} is not {byte:#x}");
    Ok(())
}

/// A call that fills pages must have filled them all.
pub fn filled(what: &str, result: Filled, length: u64) -> CaseResult {
    succeeds(what, result.0)?;
    check_eq!(result.1, length as i64, "bytes done by {what}");
    Ok(())
}

/// A call that fills pages must fail so, and write the same number back.
pub fn refused(what: &str, result: Filled, errno: i32) -> CaseResult {
    check_eq!(result.0, Err(Errno(errno)), "{what}");
    check_eq!(result.1, -i64::from(errno), "what {what} wrote back");
    Ok(())
}

/// Runs `touch` in a thread of its own while `serve` answers its faults. When something goes wrong the descriptor
/// is closed, which lets every fault go on; so a broken kernel fails the case instead of hanging it.
pub fn serving<T: Send>(
    uffd: Uffd,
    touch: impl FnOnce() -> T + Send,
    serve: impl FnOnce(&Uffd) -> CaseResult,
) -> Result<(Uffd, T), Stop> {
    thread::scope(|scope| {
        let (tell, told) = mpsc::channel();
        scope.spawn(move || {
            let _ = tell.send(touch());
        });
        let asleep = |_| Stop::Fail("the access does not go on after its fault was resolved".to_owned());
        let touched = serve(&uffd).and_then(|()| told.recv_timeout(PATIENCE).map_err(asleep));
        touched.map(|value| (uffd, value))
    })
}
