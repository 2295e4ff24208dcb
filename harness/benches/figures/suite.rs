//! Isolated cases, two at once: a hundred and 350 of them on one warm kernel, and 350 on each of five.

use crate::sample::{Row, milliseconds, quantile};
use crate::setup::{KERNEL, host, kernel, runtime, session};
use gauntlet::plan::{self, PlannedCase};
use gauntlet::run::case::{CasePolicy, run_case};
use gauntlet::session::{Session, SessionOptions};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

const ROUNDS: usize = 3;
/// Those of `configs/kernels/debian.yaml`.
const KERNELS: [&str; 5] =
    ["deb:bullseye:5.10/cloud", KERNEL, "deb:6.1/rt", "deb:6.12/cloud", "deb:sid:newest/cloud"];

pub fn measure() -> Vec<Row> {
    runtime().block_on(async {
        let host = host().await;
        let mut sessions = Vec::new();
        for spec in KERNELS {
            sessions.push(Arc::new(session(&host, &kernel(spec), &SessionOptions::default()).await));
        }
        let one = &sessions[1..2];
        let boot = one[0].boot_time().as_secs_f64();
        let hundred = median(one, 100).await;
        let many = median(one, 350).await;
        let five = round(&sessions, 350).await;
        // Kernels differ in speed, so one after another is what all at once is compared with.
        let mut in_turn = 0.0;
        for session in &sessions {
            in_turn += round(std::slice::from_ref(session), 350).await;
        }
        let per_case = |seconds: f64, cases: usize| seconds * 1000.0 / cases as f64;
        vec![
            Row {
                what: "100 isolated cases, 2 at once".to_owned(),
                value: format!("{hundred:.1} s"),
                aim: "20 s",
                reference: format!("100 boots would take {:.0}x as long", boot * 50.0 / hundred),
                n: ROUNDS,
            },
            Row {
                what: "350 isolated cases, 2 at once".to_owned(),
                value: format!("{many:.1} s"),
                aim: "60 s",
                reference: format!("{} a case", milliseconds(per_case(many, 350))),
                n: ROUNDS,
            },
            Row {
                what: "350 cases on each of five kernels".to_owned(),
                value: format!("{five:.1} s"),
                aim: "1.0x",
                reference: format!(
                    "{} a case; {:.2}x of the kernels one after another",
                    milliseconds(per_case(five, KERNELS.len() * 350)),
                    five / in_turn
                ),
                n: 1,
            },
        ]
    })
}

async fn median(sessions: &[Arc<Session>], cases: usize) -> f64 {
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(round(sessions, cases).await);
    }
    quantile(&mut rounds, 0.5)
}

/// Seconds for so many cases on each kernel, the kernels side by side.
async fn round(sessions: &[Arc<Session>], count: usize) -> f64 {
    let policy =
        CasePolicy { seed: 1, deadline: Duration::from_secs(30), retries: 2, linger: Duration::ZERO };
    let slots = Arc::new(Semaphore::new(2));
    let cases = plan::select(&[], &[]).expect("the catalogue");
    // Evenly through the catalogue, so that every suite has its share.
    let chosen: Vec<PlannedCase> = (0..count).map(|index| cases[index * cases.len() / count]).collect();
    let started = Instant::now();
    let mut running = JoinSet::new();
    for (case, session) in chosen.iter().flat_map(|case| sessions.iter().map(move |session| (*case, session)))
    {
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
