//! A QMP client: JSON lines over an inherited socket. It keeps events it does not know, answers out of order
//! are impossible (commands run in the order sent), and nothing but a broken stream ends it.
//! Source: QEMU docs/interop/qmp-spec.rst.

use crate::error::{Error, Result};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::os::fd::{AsRawFd, RawFd};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::UnixStream;

/// A line longer than this is no QMP of ours.
const LONGEST_LINE: usize = 4 << 20;

/// Something QEMU says unasked.
#[derive(Debug, Clone, PartialEq)]
pub struct QmpEvent {
    pub name: String,
    pub data: Value,
}

#[derive(Debug)]
pub struct Qmp {
    stream: UnixStream,
    buffer: Vec<u8>,
    events: VecDeque<QmpEvent>,
    last_id: u64,
}

enum Line {
    Greeting,
    Event(QmpEvent),
    Answer { id: Option<u64>, result: Result<Value, String> },
}

impl Qmp {
    /// Wraps our end of the connection. Call inside a tokio runtime.
    pub fn new(stream: std::os::unix::net::UnixStream) -> Result<Qmp> {
        let stream = UnixStream::from_std(stream).map_err(Error::io("cannot use the QMP socket"))?;
        Ok(Qmp { stream, buffer: Vec::new(), events: VecDeque::new(), last_id: 0 })
    }

    /// Waits for the greeting and leaves negotiation mode.
    pub async fn negotiate(&mut self) -> Result<()> {
        loop {
            match self.next_line().await? {
                Line::Greeting => break,
                Line::Event(event) => self.events.push_back(event),
                Line::Answer { .. } => {}
            }
        }
        self.execute("qmp_capabilities", json!({})).await.map(|_| ())
    }

    /// Sends a command and waits for its answer; events met on the way are kept.
    pub async fn execute(&mut self, command: &str, arguments: Value) -> Result<Value> {
        let id = self.send(command, arguments, None).await?;
        self.answer(id, command).await
    }

    /// Like [`Self::execute`], with a limit: a QEMU that is stopped or stuck answers nothing.
    pub async fn execute_within(
        &mut self,
        command: &str,
        arguments: Value,
        limit: Duration,
    ) -> Result<Value> {
        tokio::time::timeout(limit, self.execute(command, arguments))
            .await
            .unwrap_or_else(|_| Err(Error::Silent { command: command.to_owned(), limit }))
    }

    /// Hands a descriptor to QEMU under a name that migration URIs can use.
    pub async fn give_descriptor(&mut self, name: &str, fd: RawFd) -> Result<()> {
        let id = self.send("getfd", json!({ "fdname": name }), Some(fd)).await?;
        self.answer(id, "getfd").await.map(|_| ())
    }

    /// The next event, old ones first. Cancel-safe.
    pub async fn next_event(&mut self) -> Result<QmpEvent> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Ok(event);
            }
            if let Line::Event(event) = self.next_line().await? {
                return Ok(event);
            }
        }
    }

    /// Waits for the named event; others that come first are dropped.
    pub async fn wait_for_event(&mut self, name: &str) -> Result<QmpEvent> {
        loop {
            let event = self.next_event().await?;
            if event.name == name {
                return Ok(event);
            }
        }
    }

    async fn send(&mut self, command: &str, arguments: Value, fd: Option<RawFd>) -> Result<u64> {
        self.last_id += 1;
        let id = self.last_id;
        // QEMU reads its monitor byte by byte and wakes up for each, so no byte is sent for nothing.
        let request = match arguments.as_object().is_some_and(serde_json::Map::is_empty) {
            true => json!({ "execute": command, "id": id }),
            false => json!({ "execute": command, "arguments": arguments, "id": id }),
        };
        let mut line = request.to_string().into_bytes();
        line.push(b'\n');
        match fd {
            None => self.stream.write_all(&line).await.map_err(|_| Error::Closed)?,
            Some(fd) => self.send_with_descriptor(&line, fd).await?,
        }
        Ok(id)
    }

    async fn send_with_descriptor(&mut self, line: &[u8], fd: RawFd) -> Result<()> {
        use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
        // SAFETY: the caller keeps the descriptor open during this call.
        let fd = unsafe { std::os::fd::BorrowedFd::borrow_raw(fd) };
        let stream = &self.stream;
        let sent = stream
            .async_io(Interest::WRITABLE, || {
                let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                let fds = [fd];
                control.push(SendAncillaryMessage::ScmRights(&fds));
                let parts = [std::io::IoSlice::new(line)];
                // SAFETY: the stream is open for the life of `self`.
                let socket = unsafe { std::os::fd::BorrowedFd::borrow_raw(stream.as_raw_fd()) };
                sendmsg(socket, &parts, &mut control, SendFlags::NOSIGNAL).map_err(std::io::Error::from)
            })
            .await
            .map_err(|_| Error::Closed)?;
        if sent != line.len() {
            return Err(Error::Closed);
        }
        Ok(())
    }

    async fn answer(&mut self, wanted: u64, command: &str) -> Result<Value> {
        loop {
            match self.next_line().await? {
                Line::Event(event) => self.events.push_back(event),
                Line::Greeting => {}
                Line::Answer { id, result } if id == Some(wanted) || id.is_none() => {
                    return result
                        .map_err(|description| Error::Refused { command: command.to_owned(), description });
                }
                Line::Answer { .. } => {}
            }
        }
    }

    async fn next_line(&mut self) -> Result<Line> {
        loop {
            if let Some(end) = self.buffer.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.buffer.drain(..=end).collect();
                if line.iter().all(u8::is_ascii_whitespace) {
                    continue;
                }
                return parse(&line);
            }
            if self.buffer.len() > LONGEST_LINE {
                return Err(gibberish(&self.buffer));
            }
            self.fill().await?;
        }
    }

    async fn fill(&mut self) -> Result<()> {
        loop {
            self.stream.readable().await.map_err(|_| Error::Closed)?;
            match self.stream.try_read_buf(&mut self.buffer) {
                Ok(0) => return Err(Error::Closed),
                Ok(_) => return Ok(()),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return Err(Error::Closed),
            }
        }
    }
}

fn parse(line: &[u8]) -> Result<Line> {
    let mut value: Value = serde_json::from_slice(line).map_err(|_| gibberish(line))?;
    if let Some(name) = value.get("event").and_then(Value::as_str) {
        let name = name.to_owned();
        return Ok(Line::Event(QmpEvent { name, data: value["data"].take() }));
    }
    let id = value.get("id").and_then(Value::as_u64);
    if value.get("return").is_some() {
        return Ok(Line::Answer { id, result: Ok(value["return"].take()) });
    }
    if let Some(error) = value.get("error") {
        let description = error["desc"].as_str().unwrap_or("no reason given").to_owned();
        return Ok(Line::Answer { id, result: Err(description) });
    }
    if value.get("QMP").is_some() {
        return Ok(Line::Greeting);
    }
    Err(gibberish(line))
}

fn gibberish(line: &[u8]) -> Error {
    let shown = &line[..line.len().min(200)];
    Error::Gibberish { line: String::from_utf8_lossy(shown).trim_end().to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::descriptor::connection;
    use std::io::{BufRead, BufReader, Write};

    /// A QEMU that sends the given lines after each command it receives.
    fn fake(greeting: &'static str, answers: Vec<&'static str>) -> Qmp {
        let (ours, theirs) = connection().unwrap();
        std::thread::spawn(move || {
            let mut stream = std::os::unix::net::UnixStream::from(theirs);
            stream.write_all(greeting.as_bytes()).unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            for answer in answers {
                let mut line = String::new();
                if reader.read_line(&mut line).unwrap_or(0) == 0 {
                    return;
                }
                stream.write_all(answer.as_bytes()).unwrap();
            }
        });
        Qmp::new(ours).unwrap()
    }

    const GREETING: &str = "{\"QMP\": {\"version\": {}, \"capabilities\": []}}\r\n";

    #[tokio::test]
    async fn unknown_events_are_kept_and_nothing_breaks() {
        let mut qmp = fake(
            GREETING,
            vec![
                "{\"return\": {}, \"id\": 1}\r\n",
                "{\"event\": \"FROM_THE_FUTURE\", \"data\": {\"x\": [1]}, \"timestamp\": {}}\r\n{\"return\": {\"status\": \"paused\"}, \"id\": 2}\r\n",
            ],
        );
        qmp.negotiate().await.unwrap();
        let status = qmp.execute("query-status", json!({})).await.unwrap();
        assert_eq!(status["status"], "paused");
        assert_eq!(qmp.next_event().await.unwrap().name, "FROM_THE_FUTURE");
    }

    #[tokio::test]
    async fn a_refusal_says_which_command_and_why() {
        let mut qmp = fake(
            GREETING,
            vec!["{\"error\": {\"class\": \"GenericError\", \"desc\": \"no such thing\"}, \"id\": 1}\n"],
        );
        let error = qmp.negotiate().await.unwrap_err().to_string();
        assert_eq!(error, "QEMU refused qmp_capabilities: no such thing");
    }

    #[tokio::test]
    async fn an_end_of_stream_is_a_closed_connection() {
        let mut qmp = fake(GREETING, vec![]);
        assert!(matches!(qmp.negotiate().await, Err(Error::Closed)));
    }

    #[tokio::test]
    async fn silence_ends_at_the_limit() {
        let (ours, _theirs) = connection().unwrap();
        let mut qmp = Qmp::new(ours).unwrap();
        let answer = qmp.execute_within("query-status", json!({}), Duration::from_millis(20)).await;
        assert!(matches!(answer, Err(Error::Silent { .. })));
    }

    #[test]
    fn gibberish_is_quoted_in_part() {
        assert!(matches!(parse(b"hello\n"), Err(Error::Gibberish { line }) if line == "hello"));
    }
}
