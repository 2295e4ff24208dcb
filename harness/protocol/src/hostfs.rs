//! The mailbox at the region's end through which a guest reads the host's files.
//!
//! The guest has one request at a time: it writes a FUSE message as the kernel gave it, raises `REQUEST_SEQUENCE`,
//! and waits until `REPLY_SEQUENCE` is equal; the reply goes back to the kernel as it is. Source of the messages:
//! Linux include/uapi/linux/fuse.h.

/// Bytes of the mailbox.
pub const SIZE: usize = 256 << 10;

/// u32, raised by the guest after it wrote a request.
pub const REQUEST_SEQUENCE: usize = 0;
/// u32, length of the request.
pub const REQUEST_LENGTH: usize = 4;
/// u32, set by the host to the request's sequence after it wrote the reply.
pub const REPLY_SEQUENCE: usize = 8;
/// u32, length of the reply; 0 when the kernel expects none.
pub const REPLY_LENGTH: usize = 12;
pub const REQUEST: usize = 4096;
pub const REPLY: usize = 64 << 10;

/// Longest request: names and structures, never file data, because nothing can be written.
pub const REQUEST_CAPACITY: usize = REPLY - REQUEST;
/// Longest reply: a header and as much as one read asks for.
pub const REPLY_CAPACITY: usize = SIZE - REPLY;
/// What one read may ask for.
pub const MAX_READ: usize = 128 << 10;

const _: () = assert!(MAX_READ + 4096 <= REPLY_CAPACITY);
