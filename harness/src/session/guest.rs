//! A running clone that answers requests.

use super::failure::Failure;
use super::outcome::{Answer, ConsoleLog, Death};
use super::{Attachments, Session};
use crate::hostfs::Service;
use gauntlet_protocol::flight::word;
use gauntlet_protocol::message::{checksum, decode, encode};
use gauntlet_protocol::region::{BULK_OFFSET, REQUEST_CAPACITY, REQUEST_OFFSET, header};
use gauntlet_protocol::{DOORBELL, FlightRecord, Layout, Request, Response, frame};
use gauntlet_qemu::vm::{Happening, Launch, Vm};
use gauntlet_qemu::{Ended, Plugin, Region};
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How often the console is looked at while a request runs.
const GLANCE: Duration = Duration::from_millis(50);
/// Console bytes during one request beyond which the guest is stopped.
const FLOOD: u64 = 4 << 20;

/// What a guest gets beside its kernel.
#[derive(Debug, Default)]
pub struct GuestOptions {
    /// Arguments of the TCG plugin; none: no plugin. `{N}` stands for the N-th file of `files`.
    pub plugin: Vec<String>,
    /// Files the plugin opens as `/dev/fd/…`.
    pub files: Vec<File>,
}

#[derive(Debug)]
pub struct Guest {
    vm: Vm,
    layout: Layout,
    /// Messages go through the region; otherwise over serial.
    shared_region: bool,
    /// Nothing may reach the guest at a time the host chooses.
    exact: bool,
    sequence: u32,
    running: bool,
    frames: frame::Reader,
    /// Serves the host's files, when asked to.
    hostfs: Option<Service>,
    _files: Vec<File>,
}

pub(super) async fn start(session: &Session, options: GuestOptions) -> Result<Guest, Failure> {
    let plugin = plugin(session, &options);
    let mut keep: Vec<_> = options.files.iter().map(AsRawFd::as_raw_fd).collect();
    keep.push(session.host.plugin.as_raw_fd());
    let launch = Launch {
        qemu: &session.host.qemu,
        machine: &session.options.machine,
        boot: &session.boot,
        plugin: plugin.as_ref(),
        keep,
    };
    let vm = session.template.clone_vm(&launch).await?;
    let layout =
        Layout::new(vm.region.size()).ok_or_else(|| Failure::infra("the shared region is too small"))?;
    vm.region.store64(header::SIZE, vm.region.size() as u64);
    Ok(Guest {
        vm,
        layout,
        shared_region: session.hello().shared_region,
        exact: session.options.machine.exact.is_some(),
        sequence: 0,
        running: false,
        frames: frame::Reader::default(),
        hostfs: None,
        _files: options.files,
    })
}

fn plugin(session: &Session, options: &GuestOptions) -> Option<Plugin> {
    if options.plugin.is_empty() {
        return None;
    }
    let fill = |argument: &String| {
        options.files.iter().enumerate().fold(argument.clone(), |text, (index, file)| {
            text.replace(&format!("{{{index}}}"), &format!("/dev/fd/{}", file.as_raw_fd()))
        })
    };
    Some(Plugin {
        library: PathBuf::from(format!("/dev/fd/{}", session.host.plugin.as_raw_fd())),
        arguments: options.plugin.iter().map(fill).collect(),
    })
}

impl Guest {
    /// Puts files into bulk before a request that names them. False when they do not fit.
    pub fn attach(&mut self, attachments: &Attachments) -> bool {
        let bytes = attachments.bytes();
        let fits = bytes.len() <= self.layout.bulk_capacity();
        if fits {
            self.vm.region.write(BULK_OFFSET, bytes);
        }
        fits
    }

    /// Answers what the guest asks of the host's files from now on.
    ///
    /// # Errors
    /// When the region cannot be shared with the thread that does.
    pub fn serve_host_files(&mut self) -> Result<(), Failure> {
        self.hostfs = Some(Service::start(&self.vm.region)?);
        Ok(())
    }

    /// A copy of the first `length` bytes of bulk; `None` when the guest claims more than there is.
    pub fn bulk(&self, length: u32) -> Option<Vec<u8>> {
        self.layout.bulk_range(length).map(|range| self.vm.region.read(range))
    }

    /// The shared region itself, for whoever lays out bulk on its own.
    pub fn region(&self) -> &Region {
        &self.vm.region
    }

    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// QEMU's process number.
    pub fn process_id(&self) -> u32 {
        self.vm.process_id()
    }

    /// The control connection and the serial port, for interactive sessions and fault injection.
    pub fn vm(&mut self) -> &mut Vm {
        &mut self.vm
    }

    /// Sends a request and waits for its answer until the deadline, in host time.
    pub async fn request(&mut self, request: &Request, deadline: Duration) -> Answer {
        self.request_watching(request, deadline, |_| {}).await
    }

    /// Sends a request to a machine that was stopped and stays so: it cannot answer. For fault injection.
    pub async fn request_stopped(&mut self, request: &Request, deadline: Duration) -> Answer {
        self.running = true;
        self.request(request, deadline).await
    }

    /// Like [`Self::request`], calling `watch` with the region whenever something may have changed.
    pub async fn request_watching(
        &mut self,
        request: &Request,
        deadline: Duration,
        mut watch: impl FnMut(&Region),
    ) -> Answer {
        let started = Instant::now();
        let starved_before = self.vm.starvation();
        let mut console = ConsoleLog::default();
        let flooded_at = self.vm.console.position() + FLOOD;
        let response = match self.send(request).await {
            Err(death) => Err(death),
            Ok(()) => loop {
                let happening = tokio::time::timeout(GLANCE, self.vm.next()).await;
                watch(&self.vm.region);
                if let Err(death) = self.read_console(&mut console) {
                    break Err(death);
                }
                match happening {
                    Ok(Ok(happening)) => match self.consider(happening) {
                        Some(response) => break response,
                        None => continue,
                    },
                    Ok(Err(error)) => break Err(Death::Host(error.to_string())),
                    Err(_) if self.vm.console.position() > flooded_at => {
                        break Err(Death::Flooded { bytes: self.vm.console.position() + FLOOD - flooded_at });
                    }
                    Err(_) if started.elapsed() > deadline => {
                        break Err(self.overdue(started.elapsed()).await);
                    }
                    Err(_) => {}
                }
            },
        };
        let _ = self.read_console(&mut console);
        let flight = FlightRecord::decode(&self.vm.region.read(0..word::NAME + word::NAME_CAPACITY));
        let starved = self.vm.starvation().saturating_sub(starved_before);
        let elapsed = started.elapsed();
        Answer { response, console, flight, elapsed, starved, required: deadline, afterwards: None }
    }

    /// Lets the machine go on for so long after an answer, and adds what happens then to the answer.
    pub async fn linger(&mut self, duration: Duration, answer: &mut Answer) {
        let started = Instant::now();
        while answer.afterwards.is_none() && started.elapsed() < duration {
            let happening = tokio::time::timeout(GLANCE, self.vm.next()).await;
            answer.afterwards = match happening {
                Ok(Ok(Happening::Ended(ended))) => Some(Death::Ended(ended)),
                Ok(Ok(Happening::Parked)) => Some(Death::Ended(Ended::Reset)),
                Ok(Ok(Happening::AgentBytes(_))) | Err(_) => None,
                Ok(Err(error)) => Some(Death::Host(error.to_string())),
            };
            if let Err(death) = self.read_console(&mut answer.console) {
                answer.afterwards = Some(death);
            }
        }
    }

    /// Sends a request whose command has the serial port as its terminal, and connects our own terminal to it.
    pub async fn converse(&mut self, request: &Request, deadline: Duration) -> Answer {
        super::terminal::converse(self, request, deadline).await
    }

    /// The pieces of [`Self::request_watching`] that a terminal session needs, too.
    pub(super) async fn send(&mut self, request: &Request) -> Result<(), Death> {
        let host = |error: gauntlet_qemu::Error| Death::Host(error.to_string());
        let bytes = encode(request).map_err(|error| Death::Host(error.to_string()))?;
        if bytes.len() > REQUEST_CAPACITY {
            return Err(Death::Host(format!("a request of {} bytes does not fit", bytes.len())));
        }
        self.sequence += 1;
        if self.shared_region {
            let region = &self.vm.region;
            region.write(REQUEST_OFFSET, &bytes);
            region.store32(header::REQUEST_LENGTH, bytes.len() as u32);
            region.store32(header::REQUEST_SEQUENCE, self.sequence);
        }
        if !self.running {
            self.vm.resume().await.map_err(host)?;
            self.running = true;
        }
        if !self.shared_region {
            self.vm.send_to_agent(&frame::wrap(&bytes)).await.map_err(host)?;
        } else if !self.exact {
            // A guest that ran past its parking point waits for this; in exact mode none can.
            self.vm.send_to_agent(&[DOORBELL]).await.map_err(host)?;
        }
        Ok(())
    }

    fn consider(&mut self, happening: Happening) -> Option<Result<Response, Death>> {
        match happening {
            // The agent does not park while it works: this is a kernel's own pvpanic driver saying that it panicked.
            Happening::Parked => Some(Err(Death::Ended(Ended::Reset))),
            Happening::Ended(ended) => Some(Err(Death::Ended(ended))),
            Happening::AgentBytes(bytes) if self.shared_region => {
                (bytes.contains(&DOORBELL) && self.has_answered()).then(|| self.read_response())
            }
            Happening::AgentBytes(bytes) => {
                self.frames.push(&bytes);
                self.frames.next_payload().map(|payload| parse(&payload))
            }
        }
    }

    pub(super) fn has_answered(&self) -> bool {
        self.vm.region.load32(header::RESPONSE_SEQUENCE) == self.sequence
    }

    pub(super) fn read_response(&self) -> Result<Response, Death> {
        let region = &self.vm.region;
        let length = region.load32(header::RESPONSE_LENGTH);
        let range = self
            .layout
            .response_range(length)
            .ok_or_else(|| Death::Garbage(format!("the guest claims a response of {length} bytes")))?;
        let bytes = region.read(range);
        if checksum(&bytes) != region.load32(header::RESPONSE_CHECKSUM) {
            return Err(Death::Garbage("the response's checksum is wrong".to_owned()));
        }
        parse(&bytes)
    }

    pub(super) fn read_console(&mut self, log: &mut ConsoleLog) -> Result<(), Death> {
        let mut new = Vec::new();
        self.vm.console.read_new(&mut new, 4 << 20).map_err(|error| Death::Host(error.to_string()))?;
        log.push(&new);
        Ok(())
    }

    async fn overdue(&mut self, waited: Duration) -> Death {
        if self.vm.is_responsive().await { Death::Silent { waited } } else { Death::QemuStuck { waited } }
    }
}

fn parse(bytes: &[u8]) -> Result<Response, Death> {
    decode(bytes).map_err(|error| Death::Garbage(format!("the response cannot be read: {error}")))
}
