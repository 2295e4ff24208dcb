//! The second serial port: doorbell beside the region, or the whole transport without it.

use gauntlet_protocol::{DOORBELL, frame};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;

#[derive(Debug)]
pub struct Serial {
    /// `None` on a kernel without a second 8250 port: then requests can only be waiting already.
    port: Option<File>,
    reader: frame::Reader,
}

impl Serial {
    pub fn open() -> Serial {
        let port = File::options().read(true).write(true).open("/dev/ttyS1").ok();
        if let Some(port) = &port {
            make_raw(port);
        }
        Serial { port, reader: frame::Reader::default() }
    }

    /// Tells the host to look at the region.
    pub fn ring(&mut self) {
        self.send(&[DOORBELL]);
    }

    /// Sends a payload in a frame.
    pub fn send_frame(&mut self, payload: &[u8]) {
        self.send(&frame::wrap(payload));
    }

    fn send(&mut self, bytes: &[u8]) {
        if let Some(port) = &mut self.port {
            // Nobody to tell when this fails: the host's deadline does.
            let _ = port.write_all(bytes);
        }
    }

    /// Waits for a doorbell (or any byte).
    pub fn wait_for_ring(&mut self) {
        let mut byte = [0u8; 64];
        match &mut self.port {
            Some(port) => {
                let _ = port.read(&mut byte);
            }
            None => std::thread::sleep(std::time::Duration::from_millis(1)),
        }
    }

    /// Waits for a whole frame.
    pub fn next_frame(&mut self) -> Vec<u8> {
        let mut bytes = [0u8; 4096];
        loop {
            if let Some(payload) = self.reader.next_payload() {
                return payload;
            }
            match self.port.as_mut().map(|port| port.read(&mut bytes)) {
                Some(Ok(n)) => self.reader.push(&bytes[..n]),
                // No port or a dead one: nothing will ever arrive.
                _ => std::thread::sleep(std::time::Duration::from_secs(1)),
            }
        }
    }
}

/// termios(3): no echo, no translation, one byte at a time.
fn make_raw(port: &File) {
    // SAFETY: an all-zero termios is a valid value to be filled in; the descriptor is open.
    unsafe {
        let mut settings: libc::termios = std::mem::zeroed();
        if libc::tcgetattr(port.as_raw_fd(), &mut settings) == 0 {
            libc::cfmakeraw(&mut settings);
            settings.c_cflag = (settings.c_cflag & !libc::CBAUD) | libc::B115200 | libc::CLOCAL;
            libc::tcsetattr(port.as_raw_fd(), libc::TCSANOW, &settings);
        }
    }
}
