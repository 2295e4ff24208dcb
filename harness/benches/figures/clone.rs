//! Clones: how long until the first verified reply, what memory size does to it, what one costs in memory.

use crate::sample::{Row, milliseconds, quantile};
use crate::setup::{KERNEL, host, kernel, runtime, session};
use gauntlet::session::{GuestOptions, Session, SessionOptions};
use gauntlet_protocol::{Request, Response};
use gauntlet_qemu::Machine;
use std::time::{Duration, Instant};

const N: usize = 200;

pub fn measure() -> Vec<Row> {
    runtime().block_on(async {
        let (host, kernel) = (host().await, kernel(KERNEL));
        let options = |memory_mib| SessionOptions {
            machine: Machine { memory_mib, ..Machine::default() },
            ..SessionOptions::default()
        };
        let small = session(&host, &kernel, &options(256)).await;
        let large = session(&host, &kernel, &options(2048)).await;
        let boot = boot_milliseconds(&small);
        // Alternating, so that a busy minute of the host's hits both alike.
        let (mut of_small, mut of_large, mut private) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..N {
            of_small.push(reply(&small, &mut private).await);
            of_large.push(reply(&large, &mut Vec::new()).await);
        }
        let p50 = quantile(&mut of_small, 0.5);
        let row = |what: &str, value: String, aim, reference| Row {
            what: what.to_owned(),
            value,
            aim,
            reference,
            n: N,
        };
        vec![
            row(
                "clone to first reply, p50",
                milliseconds(p50),
                "60 ms",
                format!("a cold boot took {:.0}x as long", boot / p50),
            ),
            row(
                "clone to first reply, p99",
                milliseconds(quantile(&mut of_small, 0.99)),
                "200 ms",
                String::new(),
            ),
            row(
                "2 GB against 256 MB, p50",
                format!("{:.2}x", quantile(&mut of_large, 0.5) / p50),
                "within 20 %",
                milliseconds(quantile(&mut of_large, 0.5)),
            ),
            row(
                "private memory of a running clone, median",
                format!("{:.0} MB", quantile(&mut private, 0.5)),
                "90 MB",
                String::new(),
            ),
        ]
    })
}

fn boot_milliseconds(session: &Session) -> f64 {
    session.boot_time().as_secs_f64() * 1000.0
}

/// Milliseconds from asking for a clone to its verified reply.
async fn reply(session: &Session, private: &mut Vec<f64>) -> f64 {
    let started = Instant::now();
    let mut guest = session.guest(GuestOptions::default()).await.expect("a clone");
    let answer = guest.request(&Request::Ping, Duration::from_secs(60)).await;
    let spent = started.elapsed().as_secs_f64() * 1000.0;
    assert!(matches!(answer.response, Ok(Response::Hello(_))), "{:?}", answer.response);
    private.extend(private_megabytes(guest.process_id()));
    spent
}

/// `Private_Clean + Private_Dirty` of /proc/PID/smaps_rollup: what the clone does not share with the template.
fn private_megabytes(process: u32) -> Option<f64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/smaps_rollup")).ok()?;
    let kilobytes: f64 = text
        .lines()
        .filter(|line| line.starts_with("Private_"))
        .filter_map(|line| line.split_ascii_whitespace().nth(1)?.parse::<f64>().ok())
        .sum();
    Some(kilobytes / 1024.0)
}
