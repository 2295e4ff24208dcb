//! A running QEMU.

use crate::argv::{Boot, Plugin, Ram, Wiring, arguments};
use crate::console::Console;
use crate::descriptor::connection;
use crate::error::{Error, Result};
use crate::host::Qemu;
use crate::machine::Machine;
use crate::process::{Exit, Process, Spawn};
use crate::qmp::{Qmp, QmpEvent};
use crate::region::Region;
use serde_json::{Value, json};
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::net::UnixStream;

/// QEMU answers control commands in microseconds; one that takes this long is stopped or stuck.
const CONTROL_LIMIT: Duration = Duration::from_secs(10);

/// What to start, apart from its memory.
#[derive(Debug, Clone)]
pub struct Launch<'a> {
    pub qemu: &'a Qemu,
    pub machine: &'a Machine,
    pub boot: &'a Boot,
    pub plugin: Option<&'a Plugin>,
    /// Further descriptors the child keeps (files of the plugin).
    pub keep: Vec<RawFd>,
}

/// How a machine ended without being asked to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// The guest switched itself off.
    PoweredOff,
    /// The guest reset: a panic with `panic=-1`, a reboot, or a triple fault.
    Reset,
    /// QEMU ended by itself: never the guest's doing as far as anyone can tell.
    Qemu { exit: Exit, stderr: Option<String> },
}

/// Something that happens while a machine runs.
#[derive(Debug)]
pub enum Happening {
    /// The guest parked itself at a point of its own choosing.
    Parked,
    /// Bytes on the agent's serial port.
    AgentBytes(Vec<u8>),
    Ended(Ended),
}

#[derive(Debug)]
pub struct Vm {
    process: Process,
    qmp: Qmp,
    agent: UnixStream,
    pub region: Region,
    pub console: Console,
}

impl Vm {
    /// Starts QEMU and takes control of it.
    pub async fn start(launch: &Launch<'_>, ram: &Ram) -> Result<Vm> {
        let region = Region::new((launch.machine.region_mib as usize) << 20)?;
        let console = Console::new()?;
        let (agent, agent_end) = connection()?;
        let (qmp, qmp_end) = connection()?;
        let wiring = Wiring {
            qmp: qmp_end.as_raw_fd(),
            console: console.descriptor(),
            agent: agent_end.as_raw_fd(),
            region: region.descriptor(),
        };
        let mut keep = vec![wiring.qmp, wiring.console, wiring.agent, wiring.region, launch.boot.initrd];
        keep.extend(&launch.keep);
        keep.extend(ram_descriptor(ram));
        let arguments = arguments(launch.machine, launch.boot, ram, &wiring, launch.plugin);
        tracing::debug!(program = %launch.qemu.program.display(), ?arguments, "starting QEMU");
        let process = Process::start(Spawn { program: launch.qemu.program.clone(), arguments, keep })?;
        // Only the child holds these now: when it ends, we are told.
        drop((agent_end, qmp_end));
        let agent = UnixStream::from_std(agent).map_err(Error::io("cannot use the agent's socket"))?;
        let mut vm = Vm { process, qmp: Qmp::new(qmp)?, agent, region, console };
        match tokio::time::timeout(CONTROL_LIMIT, vm.take_control()).await {
            Ok(Ok(())) => Ok(vm),
            Ok(Err(Error::Closed)) => Err(vm.early_end().await),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Silent { command: "the greeting".to_owned(), limit: CONTROL_LIMIT }),
        }
    }

    async fn take_control(&mut self) -> Result<()> {
        self.qmp.negotiate().await?;
        let capabilities: Vec<Value> = ["x-ignore-shared", "events"]
            .iter()
            .map(|name| json!({ "capability": name, "state": true }))
            .collect();
        self.qmp
            .execute("migrate-set-capabilities", json!({ "capabilities": capabilities }))
            .await
            .map(|_| ())
    }

    async fn early_end(&mut self) -> Error {
        let _ = tokio::time::timeout(Duration::from_secs(1), self.process.wait()).await;
        Error::EndedEarly { stderr: self.process.stderr() }
    }

    /// Loads saved device state into a machine started with [`Ram::Clone`]; it stays stopped.
    /// `state` is a descriptor QEMU inherited (see [`Launch::keep`]), at its start.
    pub async fn load(&mut self, state: RawFd) -> Result<()> {
        self.control("migrate-incoming", json!({ "uri": format!("fd:{state}") })).await?;
        let loaded = async {
            loop {
                let event = self.qmp.wait_for_event("MIGRATION").await?;
                match event.data["status"].as_str() {
                    Some("completed") => return Ok(()),
                    Some("failed") => {
                        return Err(Error::Machine("QEMU cannot load the saved state".to_owned()));
                    }
                    _ => {}
                }
            }
        };
        let loaded = tokio::time::timeout(CONTROL_LIMIT, loaded).await;
        match loaded {
            Ok(Err(Error::Closed)) => Err(self.early_end().await),
            Ok(result) => result,
            Err(_) => Err(Error::Silent { command: "migrate-incoming".to_owned(), limit: CONTROL_LIMIT }),
        }
    }

    /// Saves the device state of a stopped machine.
    pub async fn save(&mut self) -> Result<Vec<u8>> {
        let file = crate::descriptor::anonymous_file("gauntlet-state", 0)?;
        self.qmp.give_descriptor("state", file.as_raw_fd()).await?;
        self.control("migrate", json!({ "uri": "fd:state" })).await?;
        loop {
            let event = tokio::time::timeout(CONTROL_LIMIT, self.qmp.wait_for_event("MIGRATION"))
                .await
                .map_err(|_| Error::Silent { command: "migrate".to_owned(), limit: CONTROL_LIMIT })??;
            match event.data["status"].as_str() {
                Some("completed") => break,
                Some("failed") => return Err(Error::Machine("QEMU cannot save this machine".to_owned())),
                _ => {}
            }
        }
        let mut bytes = Vec::new();
        let mut file = file;
        std::io::Seek::rewind(&mut file).map_err(Error::io("cannot read the saved state"))?;
        std::io::Read::read_to_end(&mut file, &mut bytes)
            .map_err(Error::io("cannot read the saved state"))?;
        Ok(bytes)
    }

    /// Lets a stopped machine run.
    pub async fn resume(&mut self) -> Result<()> {
        self.control("cont", json!({})).await.map(|_| ())
    }

    /// Stops a running machine.
    pub async fn pause(&mut self) -> Result<()> {
        self.control("stop", json!({})).await.map(|_| ())
    }

    /// A control command under the control limit.
    pub async fn control(&mut self, command: &str, arguments: Value) -> Result<Value> {
        self.qmp.execute_within(command, arguments, CONTROL_LIMIT).await
    }

    /// Writes to the agent's serial port.
    pub async fn send_to_agent(&mut self, bytes: &[u8]) -> Result<()> {
        self.agent.write_all(bytes).await.map_err(Error::io("cannot reach the agent's serial port"))
    }

    /// Waits for whatever happens next. Cancel-safe.
    pub async fn next(&mut self) -> Result<Happening> {
        loop {
            tokio::select! {
                biased;
                event = self.qmp.next_event() => match event {
                    Ok(event) => if let Some(happening) = self.digest(event) {
                        return Ok(happening);
                    },
                    Err(Error::Closed) => return self.ended(None).await,
                    Err(error) => return Err(error),
                },
                bytes = read_some(&self.agent) => match bytes {
                    Some(bytes) => return Ok(Happening::AgentBytes(bytes)),
                    None => return self.ended(None).await,
                },
            }
        }
    }

    fn digest(&mut self, event: QmpEvent) -> Option<Happening> {
        match event.name.as_str() {
            "GUEST_PANICKED" => Some(Happening::Parked),
            "SHUTDOWN" => match event.data["reason"].as_str() {
                Some("guest-shutdown") => Some(Happening::Ended(Ended::PoweredOff)),
                Some("guest-reset" | "guest-panic") => Some(Happening::Ended(Ended::Reset)),
                _ => None,
            },
            _ => None,
        }
    }

    async fn ended(&mut self, known: Option<Ended>) -> Result<Happening> {
        if let Some(ended) = known {
            return Ok(Happening::Ended(ended));
        }
        // The last words may still be in the socket.
        while let Ok(Ok(event)) = tokio::time::timeout(Duration::from_millis(50), self.qmp.next_event()).await
        {
            if let Some(Happening::Ended(ended)) = self.digest(event) {
                return Ok(Happening::Ended(ended));
            }
        }
        let exit = tokio::time::timeout(CONTROL_LIMIT, self.process.wait()).await;
        let exit = match exit {
            Ok(exit) => exit?,
            Err(_) => return Err(Error::Closed),
        };
        Ok(Happening::Ended(Ended::Qemu { exit, stderr: self.process.stderr() }))
    }

    /// How long the machine's threads have waited for a CPU of the host so far: of the thread that waited most.
    pub fn starvation(&self) -> Duration {
        self.process.run_delay()
    }

    /// Process number, for people and for measuring memory.
    pub fn process_id(&self) -> u32 {
        self.process.id()
    }

    /// Whether QEMU still answers its control connection.
    pub async fn is_responsive(&mut self) -> bool {
        self.qmp.execute_within("query-status", json!({}), Duration::from_secs(2)).await.is_ok()
    }

    /// Gives the agent's serial port away, for a terminal session.
    pub fn agent_stream(&mut self) -> &mut UnixStream {
        &mut self.agent
    }
}

/// Main RAM under `/dev/fd/N` must be inherited.
fn ram_descriptor(ram: &Ram) -> Option<RawFd> {
    let (Ram::Template(path) | Ram::Clone(path)) = ram;
    path.strip_prefix("/dev/fd").ok()?.to_str()?.parse().ok()
}

/// Some bytes, or `None` at the end of the stream. Cancel-safe.
async fn read_some(stream: &UnixStream) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(4096);
    loop {
        stream.readable().await.ok()?;
        match stream.try_read_buf(&mut bytes) {
            Ok(0) => return None,
            Ok(_) => return Some(bytes),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
}
