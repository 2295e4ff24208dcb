//! Our terminal connected to a command in a guest.

use super::guest::Guest;
use super::outcome::{Answer, ConsoleLog, Death};
use gauntlet_protocol::Request;
use gauntlet_qemu::vm::Happening;
use std::io::Write;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;

/// Copies both ways until the command has ended.
pub(super) async fn converse(guest: &mut Guest, request: &Request, deadline: Duration) -> Answer {
    let started = Instant::now();
    let mut console = ConsoleLog::default();
    let response = match guest.send(request).await {
        Err(death) => Err(death),
        Ok(()) => copy(guest, &mut console, started, deadline).await,
    };
    // What the kernel said last is worth more than an error about reading it.
    let _ = guest.read_console(&mut console);
    Answer {
        response,
        console,
        flight: None,
        elapsed: started.elapsed(),
        starved: Duration::ZERO,
        required: deadline,
        afterwards: None,
    }
}

async fn copy(
    guest: &mut Guest,
    console: &mut ConsoleLog,
    started: Instant,
    deadline: Duration,
) -> Result<gauntlet_protocol::Response, Death> {
    let mut typed = [0u8; 1024];
    let mut stdin = tokio::io::stdin();
    let mut open = true;
    while started.elapsed() < deadline {
        tokio::select! {
            happening = guest.vm().next() => match happening {
                Ok(Happening::AgentBytes(bytes)) => {
                    if guest.has_answered() {
                        // The last byte is the agent's doorbell, not the command's.
                        print(bytes.strip_suffix(&[gauntlet_protocol::DOORBELL]).unwrap_or(&bytes));
                        return guest.read_response();
                    }
                    print(&bytes);
                }
                Ok(Happening::Ended(ended)) => return Err(Death::Ended(ended)),
                Ok(Happening::Parked) => {}
                Err(error) => return Err(Death::Host(error.to_string())),
            },
            read = stdin.read(&mut typed), if open => match read {
                Ok(n @ 1..) => guest
                    .vm()
                    .send_to_agent(&typed[..n])
                    .await
                    .map_err(|error| Death::Host(error.to_string()))?,
                // Nobody types any more: Ctrl-D, as a terminal would send it.
                _ => {
                    open = false;
                    guest.vm().send_to_agent(&[4]).await.map_err(|error| Death::Host(error.to_string()))?;
                }
            },
            () = tokio::time::sleep(Duration::from_millis(200)) => guest.read_console(console)?,
        }
    }
    Err(Death::Silent { waited: started.elapsed() })
}

fn print(bytes: &[u8]) {
    let mut stdout = std::io::stdout().lock();
    // A terminal that went away ends the session by itself.
    let _ = stdout.write_all(bytes).and_then(|()| stdout.flush());
}
