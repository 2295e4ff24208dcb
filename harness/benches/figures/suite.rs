//! A hundred isolated cases on one warm kernel, on two CPUs.

use crate::sample::{Row, milliseconds, quantile};
use crate::setup::{host, kernel, runtime, session};
use gauntlet::plan::{self, PlannedCase};
use gauntlet::run::case::{CasePolicy, run_case};
use gauntlet::session::SessionOptions;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const CASES: usize = 100;
const ROUNDS: usize = 3;

pub fn measure() -> Vec<Row> {
    runtime().block_on(async {
        let (host, kernel) = (host().await, kernel());
        let session = Arc::new(session(&host, &kernel, &SessionOptions::default()).await);
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            rounds.push(round(&session).await);
        }
        let median = quantile(&mut rounds, 0.5);
        let boot = session.boot_time().as_secs_f64();
        vec![Row {
            what: format!("{CASES} isolated cases, 2 at once"),
            value: format!("{median:.1} s"),
            aim: "20 s",
            reference: format!(
                "{} a case; {CASES} boots would take {:.0}x as long",
                milliseconds(median * 1000.0 / CASES as f64),
                boot * CASES as f64 / 2.0 / median
            ),
            n: ROUNDS,
        }]
    })
}

async fn round(session: &Arc<gauntlet::session::Session>) -> f64 {
    let policy = CasePolicy { seed: 1, deadline: Duration::from_secs(30), retries: 2 };
    let slots = Arc::new(Semaphore::new(2));
    let cases = plan::select(&[], &[]).expect("the catalogue");
    // Evenly through the catalogue, so that every suite has its share.
    let chosen: Vec<PlannedCase> = (0..CASES).map(|index| cases[index * cases.len() / CASES]).collect();
    let started = Instant::now();
    let mut running = JoinSet::new();
    for case in chosen {
        let slot = Arc::clone(&slots).acquire_owned().await.expect("open");
        let (session, policy) = (Arc::clone(session), policy.clone());
        running.spawn(async move {
            run_case(&session, "kernel", &case, &policy).await;
            drop(slot);
        });
    }
    while running.join_next().await.is_some() {}
    started.elapsed().as_secs_f64()
}
