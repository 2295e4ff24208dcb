//! How requests come and responses go: through the region, or in frames over serial.

use super::boot::{Parameters, log};
use super::region::Region;
use super::serial::Serial;
use gauntlet_protocol::message::{checksum, decode, encode};
use gauntlet_protocol::region::{
    REQUEST_CAPACITY, REQUEST_OFFSET, RESPONSE_CAPACITY, RESPONSE_OFFSET, header,
};
use gauntlet_protocol::{AgentState, Hello, PARK, PARK_PORT, PROTOCOL_VERSION, Phase, Request, Response};

#[derive(Debug)]
pub struct Link {
    region: Option<Region>,
    serial: Serial,
    /// Sequence of the request being answered.
    sequence: u32,
    can_park: bool,
    said: Option<Hello>,
}

impl Link {
    pub fn open(parameters: &Parameters) -> Link {
        let region = parameters.region.and_then(|(address, size)| match Region::map(address, size) {
            Ok(region) if region.is_prepared() => Some(region),
            Ok(_) => {
                log("the shared region is not where the command line says; using serial");
                None
            }
            Err(why) => {
                log(&format!("no shared region ({why}); using serial"));
                None
            }
        });
        // SAFETY: asks for one I/O port; lockdown may refuse, and then we do not park.
        let can_park = unsafe { libc::ioperm(PARK_PORT.into(), 1, 1) } == 0;
        Link { region, serial: Serial::open(), sequence: 0, can_park, said: None }
    }

    pub fn is_region(&self) -> bool {
        self.region.is_some()
    }

    pub fn region(&self) -> Option<Region> {
        self.region
    }

    /// Publishes the hello and parks: here the machine becomes a template.
    pub fn say_hello(&mut self, hello: &Hello) {
        self.said = Some(hello.clone());
        let Some(region) = self.region else {
            self.serial.send_frame(&encode_response(&Response::Hello(hello.clone())));
            return;
        };
        region.store32(header::VERSION, PROTOCOL_VERSION);
        region.store32(header::STATE, AgentState::Ready as u32);
        self.publish(region, &Response::Hello(hello.clone()), 0);
        region.sign();
        if self.can_park {
            // In exact mode the host may want another stop than the one it got; a clone's region says 0.
            loop {
                park(region.word_at(header::PARKED_AT));
                if region.load32(header::PARK_AGAIN) == 0 {
                    break;
                }
            }
        } else {
            self.serial.ring();
        }
    }

    /// What was said then: a clone that only shows that it is there need not look at everything again, with a
    /// translator that starts cold.
    pub fn said(&self) -> Option<&Hello> {
        self.said.as_ref()
    }

    /// Waits for the next request.
    pub fn next_request(&mut self) -> Result<Request, String> {
        let Some(region) = self.region else {
            return decode(&self.serial.next_frame()).map_err(|error| error.to_string());
        };
        loop {
            let sequence = region.load32(header::REQUEST_SEQUENCE);
            if sequence != self.sequence {
                self.sequence = sequence;
                region.store32(header::STATE, AgentState::Busy as u32);
                return read_request(region);
            }
            self.serial.wait_for_ring();
        }
    }

    /// The request that is pending in the region, for a kernel started while it was being answered.
    pub fn adopt_request(&mut self) -> Result<Request, String> {
        let region = self.region.ok_or("no shared region after kexec")?;
        self.sequence = region.load32(header::REQUEST_SEQUENCE);
        read_request(region)
    }

    /// Sends the answer to the last request.
    pub fn respond(&mut self, response: &Response) {
        let Some(region) = self.region else {
            self.serial.send_frame(&encode_response(response));
            return;
        };
        self.publish(region, response, self.sequence);
        region.store32(header::STATE, AgentState::Answered as u32);
        self.serial.ring();
    }

    fn publish(&self, region: Region, response: &Response, sequence: u32) {
        let mut bytes = encode_response(response);
        if bytes.len() > RESPONSE_CAPACITY {
            bytes = encode_response(&Response::Refused { reason: "the answer is too long".to_owned() });
        }
        region.write(RESPONSE_OFFSET, &bytes);
        region.store32(header::RESPONSE_LENGTH, bytes.len() as u32);
        region.store32(header::RESPONSE_CHECKSUM, checksum(&bytes));
        region.store32(header::RESPONSE_SEQUENCE, sequence);
    }

    /// Notes what happens now in the flight record, if there is one.
    pub fn note(&self, phase: Phase, name: &str) {
        if let Some(region) = &self.region {
            region.note(phase, name);
        }
    }
}

fn read_request(region: Region) -> Result<Request, String> {
    let length = region.load32(header::REQUEST_LENGTH) as usize;
    if length > REQUEST_CAPACITY {
        return Err(format!("a request of {length} bytes"));
    }
    let bytes = region.read(REQUEST_OFFSET, length).ok_or("a request outside the region")?;
    decode(&bytes).map_err(|error| error.to_string())
}

fn encode_response(response: &Response) -> Vec<u8> {
    encode(response).unwrap_or_default()
}

/// Notes the time and stops the machine at this very instruction (see [`PARK_PORT`]). Neither the time nor anything
/// else that differs from one attempt to the next is left in a register: an interrupt would save it, and stopped
/// machines would differ.
fn park(note: *mut u64) {
    // SAFETY: eight bytes of the region, then one byte to a port we were granted; QEMU pauses the machine.
    unsafe {
        std::arch::asm!(
            "rdtsc",
            "shl rdx, 32",
            "or rax, rdx",
            "mov [{note}], rax",
            "mov edx, {port}",
            "mov eax, {value}",
            "out dx, al",
            note = in(reg) note,
            port = const PARK_PORT,
            value = const PARK,
            out("rax") _,
            out("rdx") _,
            options(nostack)
        )
    };
}
