//! Ctrl-C: the first one asks everybody to stop cleanly, the second leaves at once.

mod children;

use crate::{Error, Result};
use std::time::Duration;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

/// Tells long work that the user wants to stop. Cheap to clone; ask it between steps, or wait for it.
#[derive(Debug, Clone)]
pub struct Interrupt(watch::Receiver<bool>);

impl Interrupt {
    /// One that never comes, for work nobody can stop and for tests.
    pub fn never() -> Interrupt {
        Interrupt(watch::channel(false).1)
    }

    /// One that comes when `true` is sent.
    pub fn channel() -> (watch::Sender<bool>, Interrupt) {
        let (sender, receiver) = watch::channel(false);
        (sender, Interrupt(receiver))
    }

    pub fn requested(&self) -> bool {
        *self.0.borrow()
    }

    /// Resolves when the user asked to stop; otherwise never.
    pub async fn wait(&self) {
        let mut receiver = self.0.clone();
        if receiver.wait_for(|requested| *requested).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// # Errors
    /// [`Error::interrupted`] once the user asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.requested() { Err(Error::interrupted()) } else { Ok(()) }
    }
}

/// How often programs are stopped that somebody still started after the request.
const SWEEP: Duration = Duration::from_millis(200);

/// How long after the first signal another one is taken for its echo.
const ECHO: Duration = Duration::from_millis(300);

/// Starts listening for SIGINT and SIGTERM.
pub(crate) fn listen() -> Result<Interrupt> {
    let mut signals = Signals { int: hear(SignalKind::interrupt())?, term: hear(SignalKind::terminate())? };
    let (sender, interrupt) = Interrupt::channel();
    tokio::spawn(async move {
        signals.next().await;
        eprintln!("stopping; again to leave at once");
        sender.send_replace(true);
        children::stop();
        // timeout(1) and a make that dies send the same signal once more at once: that is no second request.
        let echoes = async {
            loop {
                signals.next().await;
            }
        };
        let _: Result<(), _> = tokio::time::timeout(ECHO, echoes).await;
        loop {
            children::stop();
            tokio::select! {
                () = signals.next() => break,
                () = tokio::time::sleep(SWEEP) => {}
            }
        }
        std::process::exit(i32::from(crate::cli::exit::INTERRUPTED));
    });
    Ok(interrupt)
}

struct Signals {
    int: Signal,
    term: Signal,
}

impl Signals {
    async fn next(&mut self) {
        tokio::select! {
            _ = self.int.recv() => {}
            _ = self.term.recv() => {}
        }
    }
}

fn hear(kind: SignalKind) -> Result<Signal> {
    signal(kind).map_err(|source| Error::infra("cannot listen for Ctrl-C").because(source))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn waiting_ends_when_the_request_comes_and_not_before() {
        let (sender, interrupt) = Interrupt::channel();
        assert!(tokio::time::timeout(Duration::from_millis(5), interrupt.wait()).await.is_err());
        assert!(interrupt.check().is_ok());
        sender.send_replace(true);
        interrupt.wait().await;
        assert_eq!(interrupt.check().unwrap_err().kind, crate::Kind::Interrupted);
    }

    #[tokio::test]
    async fn never_stays_never() {
        let never = Interrupt::never();
        assert!(tokio::time::timeout(Duration::from_millis(5), never.wait()).await.is_err());
    }
}
