//! A thread that looks into the mailbox while a command runs.

use super::Server;
use gauntlet_protocol::Layout;
use gauntlet_protocol::hostfs::{
    REPLY, REPLY_CAPACITY, REPLY_LENGTH, REPLY_SEQUENCE, REQUEST, REQUEST_CAPACITY, REQUEST_LENGTH,
    REQUEST_SEQUENCE,
};
use gauntlet_qemu::{Region, Result};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two looks while the guest is asking, and when it has been silent for a while.
const BUSY: Duration = Duration::from_micros(50);
const IDLE: Duration = Duration::from_millis(2);
/// Looks without a request after which the guest counts as silent.
const PATIENCE: u32 = 400;

/// Serves the host's files until it is dropped.
#[derive(Debug)]
pub struct Service {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Service {
    /// Starts to serve what the guest behind this region asks for.
    ///
    /// # Errors
    /// When the region cannot be shared.
    pub fn start(region: &Region) -> Result<Service> {
        let region = region.share()?;
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let thread = std::thread::spawn(move || {
            if let Some(layout) = Layout::new(region.size()) {
                let mut mailbox = Mailbox { region, base: layout.hostfs_offset(), done: 0 };
                mailbox.serve(&mut Server::new(Path::new("/")), &stopped);
            }
        });
        Ok(Service { stop, thread: Some(thread) })
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // A panic of the thread is a bug that its own message tells of; the command's result stands.
            let _ = thread.join();
        }
    }
}

struct Mailbox {
    region: Region,
    base: usize,
    /// Sequence of the last request answered.
    done: u32,
}

impl Mailbox {
    fn serve(&mut self, server: &mut Server, stopped: &AtomicBool) {
        let mut silent = 0;
        while !stopped.load(Ordering::Relaxed) {
            if self.answer_one(server) {
                silent = 0;
                continue;
            }
            silent += 1;
            std::thread::sleep(if silent < PATIENCE { BUSY } else { IDLE });
        }
    }

    /// Whether there was a request.
    fn answer_one(&mut self, server: &mut Server) -> bool {
        let sequence = self.region.load32(self.base + REQUEST_SEQUENCE);
        if sequence == self.done {
            return false;
        }
        self.done = sequence;
        let length = (self.region.load32(self.base + REQUEST_LENGTH) as usize).min(REQUEST_CAPACITY);
        let request = self.region.read(self.base + REQUEST..self.base + REQUEST + length);
        let reply = server.answer(&request).unwrap_or_default();
        debug_assert!(reply.len() <= REPLY_CAPACITY);
        self.region.write(self.base + REPLY, &reply);
        self.region.store32(self.base + REPLY_LENGTH, reply.len() as u32);
        self.region.store32(self.base + REPLY_SEQUENCE, sequence);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_in_the_mailbox_is_answered_under_its_sequence() {
        let region = Region::new(4 << 20).unwrap();
        let base = Layout::new(region.size()).unwrap().hostfs_offset();
        let service = Service::start(&region).unwrap();
        let request = super::super::request::tests::message(1, 1, b"etc\0");
        region.write(base + REQUEST, &request);
        region.store32(base + REQUEST_LENGTH, request.len() as u32);
        region.store32(base + REQUEST_SEQUENCE, 9);
        while region.load32(base + REPLY_SEQUENCE) != 9 {
            std::thread::sleep(BUSY);
        }
        assert_eq!(region.load32(base + REPLY_LENGTH), 16 + 128);
        drop(service);
    }
}
