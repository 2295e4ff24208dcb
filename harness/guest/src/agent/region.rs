//! The guest's view of the shared region, mapped through `/dev/mem`: it is reserved memory, not System RAM,
//! so even kernels with STRICT_DEVMEM allow it.

use gauntlet_guest::sys::Errno;
use gauntlet_protocol::flight::word;
use gauntlet_protocol::region::{MAGIC, header};
use gauntlet_protocol::{Layout, Phase};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

#[derive(Debug, Clone, Copy)]
pub struct Region {
    base: *mut u8,
    layout: Layout,
}

impl Region {
    /// Maps the region; the mapping lasts as long as the machine.
    pub fn map(address: u64, size: u64) -> Result<Region, String> {
        let size = usize::try_from(size).map_err(|_| "size".to_owned())?;
        let layout = Layout::new(size).ok_or_else(|| format!("{size} bytes are too few"))?;
        let file =
            File::options().read(true).write(true).open("/dev/mem").map_err(|error| error.to_string())?;
        let protection = libc::PROT_READ | libc::PROT_WRITE;
        // SAFETY: a fresh mapping at an address the kernel chooses.
        let base = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size,
                protection,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                address as libc::off_t,
            )
        };
        if base == libc::MAP_FAILED {
            return Err(format!("mmap of /dev/mem: {}", Errno::last()));
        }
        // A forked case must not be able to write its own verdict.
        // SAFETY: exactly the mapping just made.
        unsafe { libc::madvise(base, size, libc::MADV_DONTFORK) };
        Ok(Region { base: base.cast(), layout })
    }

    /// Whether the host prepared this memory: it wrote the region's size.
    pub fn is_prepared(&self) -> bool {
        self.load64(header::SIZE) == self.layout.size() as u64
    }

    pub fn sign(&self) {
        self.store64(header::MAGIC, MAGIC);
    }

    fn word32(&self, offset: usize) -> &AtomicU32 {
        assert!(offset.is_multiple_of(4) && offset + 4 <= self.layout.size());
        // SAFETY: inside the mapping, aligned, accessed atomically only.
        unsafe { AtomicU32::from_ptr(self.base.add(offset).cast()) }
    }

    fn word64(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset + 8 <= self.layout.size());
        // SAFETY: inside the mapping, aligned, accessed atomically only.
        unsafe { AtomicU64::from_ptr(self.base.add(offset).cast()) }
    }

    /// Where a word of 64 bits lies, for code that must write it in one instruction of its own.
    pub fn word_at(&self, offset: usize) -> *mut u64 {
        self.word64(offset).as_ptr()
    }

    pub fn load32(&self, offset: usize) -> u32 {
        self.word32(offset).load(Ordering::Acquire)
    }

    pub fn store32(&self, offset: usize, value: u32) {
        self.word32(offset).store(value, Ordering::Release);
    }

    fn load64(&self, offset: usize) -> u64 {
        self.word64(offset).load(Ordering::Acquire)
    }

    fn store64(&self, offset: usize, value: u64) {
        self.word64(offset).store(value, Ordering::Release);
    }

    /// Copies bytes out; `None` when they are outside.
    pub fn read(&self, offset: usize, length: usize) -> Option<Vec<u8>> {
        let end = offset.checked_add(length)?;
        (end <= self.layout.size()).then(|| {
            let mut bytes = vec![0; length];
            // SAFETY: checked above; the host changes values only.
            unsafe { std::ptr::copy_nonoverlapping(self.base.add(offset), bytes.as_mut_ptr(), length) };
            bytes
        })
    }

    /// Copies bytes in; false when they do not fit.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> bool {
        let fits = offset.checked_add(bytes.len()).is_some_and(|end| end <= self.layout.size());
        if fits {
            // SAFETY: checked above.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.base.add(offset), bytes.len()) };
        }
        fits
    }

    /// Start of bulk and its length, for the fuzz executor, which lays it out itself.
    pub fn bulk(&self) -> (*mut u8, usize) {
        let offset = gauntlet_protocol::region::BULK_OFFSET;
        // SAFETY: the layout guarantees that bulk starts inside the mapping.
        (unsafe { self.base.add(offset) }, self.layout.bulk_capacity())
    }

    /// Where the mailbox for the host's files lies.
    pub fn hostfs_offset(&self) -> usize {
        self.layout.hostfs_offset()
    }

    /// Notes what happens now, so that the host knows it whatever the guest dies of.
    pub fn note(&self, phase: Phase, name: &str) {
        let name = &name.as_bytes()[..name.len().min(word::NAME_CAPACITY)];
        if !name.is_empty() {
            self.write(word::NAME, name);
            self.store32(word::NAME_LENGTH, name.len() as u32);
        }
        self.store32(word::STEPS, self.load32(word::STEPS).wrapping_add(1));
        self.store32(word::PHASE, phase as u32);
    }
}
