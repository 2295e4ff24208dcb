//! One case on one kernel: a clone, a request, a verdict; again when the trouble was ours.

use super::judge::{Judged, judge_provoking};
use super::luggage::Luggage;
use crate::kernel::needs::{self, KernelFacts};
use crate::plan::PlannedCase;
use crate::session::{Answer, Failure, Guest, GuestOptions, Session};
use gauntlet_guest::FileNeed;
use gauntlet_protocol::message::encode;
use gauntlet_protocol::{Attachment, CaseRequest, Request, Response};
use gauntlet_results::{Evidence, TestResult, Verdict};
use std::time::{Duration, Instant};

/// What all cases of a run share.
#[derive(Debug, Clone)]
pub struct CasePolicy {
    pub seed: u64,
    /// Guest time a case may take on a host of ordinary speed.
    pub deadline: Duration,
    /// Further attempts after infrastructure trouble.
    pub retries: u32,
    /// Host time for which a machine goes on after its case has passed.
    pub linger: Duration,
}

/// Time beyond a case's own deadline that the host waits for the agent to say so.
const GRACE: Duration = Duration::from_secs(5);
/// Console text kept with a result that passed.
const QUIET_CONSOLE: usize = 4 << 10;

/// Runs the case until it has a verdict that is not our own trouble, or the attempts are used up.
pub async fn run_case(
    session: &Session,
    kernel: &str,
    planned: &PlannedCase,
    policy: &CasePolicy,
) -> TestResult {
    answer_case(session, kernel, planned, policy).await.result().await
}

/// The same, but gives back the case as soon as it has answered: what is left is to linger, which takes time and hardly
/// a CPU.
pub async fn answer_case<'a>(
    session: &'a Session,
    kernel: &'a str,
    planned: &'a PlannedCase,
    policy: &'a CasePolicy,
) -> Answered<'a> {
    let started = Instant::now();
    let mut attempt = 1;
    loop {
        let (judged, end) = match attempt_case(session, planned, policy, attempt).await {
            Ok((guest, answer)) => (judge_provoking(&answer, planned.case.splats), Some((guest, answer))),
            Err(failure) => (unanswered(failure), None),
        };
        if judged.evidence.verdict == Verdict::Infra && attempt <= policy.retries {
            tracing::info!(case = planned.name(), attempt, reason = judged.evidence.reason, "trying again");
            attempt += 1;
            continue;
        }
        let subject = Subject { session, kernel, planned, policy, attempts: attempt, started };
        let lingers = judged.evidence.verdict == Verdict::Pass
            && !policy.linger.is_zero()
            && session.options.machine.exact.is_none();
        let (guest, answer) = end.unzip();
        return Answered { subject, judged, answer, lingering: guest.filter(|_| lingers) };
    }
}

/// A case that has answered.
#[derive(Debug)]
pub struct Answered<'a> {
    subject: Subject<'a>,
    judged: Judged,
    answer: Option<Answer>,
    /// The machine, if it is to go on.
    lingering: Option<Guest>,
}

impl Answered<'_> {
    pub fn lingers(&self) -> bool {
        self.lingering.is_some()
    }

    /// Lets the machine linger where it is to, judges again if something happened, and tells the result.
    pub async fn result(mut self) -> TestResult {
        let Subject { session, planned, policy, .. } = self.subject;
        if let (Some(mut guest), Some(answer)) = (self.lingering.take(), &mut self.answer) {
            guest.linger(policy.linger, answer).await;
            self.judged = judge_provoking(answer, planned.case.splats);
        }
        let mut result = self.subject.result(self.judged, self.answer);
        result.console = session.annotate(std::mem::take(&mut result.console)).await;
        result
    }
}

fn unanswered(failure: Failure) -> Judged {
    Judged { evidence: Evidence::new(failure.verdict, failure.reason), splat: None }
}

/// One attempt: the answer of a fresh clone. Each further attempt may take four times as long: the one before
/// may have failed because the host was busy.
async fn attempt_case(
    session: &Session,
    planned: &PlannedCase,
    policy: &CasePolicy,
    attempt: u32,
) -> Result<(Guest, Answer), Failure> {
    let required = policy.deadline.mul_f64(session.slowness());
    let deadline = required * 4u32.saturating_pow(attempt - 1);
    let (Luggage { attachments, modules }, files) = pack(session, planned).await?;
    let request = Request::Case(CaseRequest {
        name: planned.name(),
        deadline_ms: deadline.as_millis() as u64,
        seed: policy.seed,
        exact: session.options.machine.exact.is_some(),
        files,
        modules,
    });
    let mut guest = session.guest(GuestOptions::default()).await?;
    if !guest.attach(&attachments) {
        return Err(Failure::infra("the case's files do not fit the shared region"));
    }
    let answer = guest.request(&request, deadline + GRACE.mul_f64(session.slowness())).await;
    Ok((guest, Answer { required, ..answer }))
}

/// What a case takes along, and which of it are its files.
async fn pack(session: &Session, planned: &PlannedCase) -> Result<(Luggage, Vec<Attachment>), Failure> {
    let (mut luggage, mut files) = (Luggage::default(), Vec::new());
    let facts = KernelFacts::of(&session.kernel);
    luggage.add_modules(&session.modules(&needs::modules(planned.needs(), &facts)).await?)?;
    for file in planned.case.files {
        files.push(match *file {
            FileNeed::KernelImage => {
                let image = std::fs::read(&session.kernel.image).map_err(|error| {
                    Failure::infra(format!("cannot read {}: {error}", session.kernel.image.display()))
                })?;
                luggage.add("kernel", &image)?
            }
            FileNeed::AgentInitrd => luggage.add("initrd", session.initrd_bytes())?,
            FileNeed::Filesystem(kind) => {
                luggage.add(&format!("{kind}.disk"), &session.filesystem(kind).await?)?
            }
            FileNeed::Module(name) => {
                let modules = session.modules(&[name]).await?;
                let Some((module, before)) = modules.split_last() else {
                    return Err(Failure::skip(format!("{name} is built in, needed as a module")));
                };
                luggage.add_modules(before)?;
                luggage.add(&format!("{name}.ko"), &module.content)?
            }
        });
    }
    Ok((luggage, files))
}

#[derive(Debug)]
struct Subject<'a> {
    session: &'a Session,
    kernel: &'a str,
    planned: &'a PlannedCase,
    policy: &'a CasePolicy,
    attempts: u32,
    started: Instant,
}

impl Subject<'_> {
    fn result(&self, judged: Judged, answer: Option<Answer>) -> TestResult {
        let report = answer.as_ref().and_then(|answer| match &answer.response {
            Ok(Response::Case(report)) => Some(report),
            _ => None,
        });
        let mut console = answer.as_ref().map(|answer| answer.console.text()).unwrap_or_default();
        let fingerprint = answer.as_ref().map(fingerprint).unwrap_or_default();
        if judged.evidence.verdict == Verdict::Pass && console.len() > QUIET_CONSOLE {
            let cut = console.floor_char_boundary(QUIET_CONSOLE);
            console.truncate(cut);
        }
        TestResult {
            kernel: self.kernel.to_owned(),
            case: self.planned.name(),
            verdict: judged.evidence.verdict,
            reason: judged.evidence.reason,
            duration_ms: self.started.elapsed().as_millis() as u64,
            guest_ns: report.map(|report| report.duration_ns),
            output: report.map(|report| report.output.clone()).unwrap_or_default(),
            console,
            splat: judged.splat,
            flight: answer.as_ref().filter(|answer| answer.response.is_err()).and_then(flight),
            attempts: self.attempts,
            fingerprint,
            exact: self.session.options.machine.exact.is_some(),
            seed: self.policy.seed,
            linger_ms: self.policy.linger.as_millis() as u64,
            repetitions: Vec::new(),
        }
    }
}

fn flight(answer: &Answer) -> Option<String> {
    let flight = answer.flight.as_ref()?;
    let phase = flight.phase.map_or("garbage", |phase| phase.as_str());
    Some(format!("{} ({phase}, step {})", flight.name, flight.steps))
}

/// What a rerun in exact mode must reproduce to the bit.
fn fingerprint(answer: &Answer) -> String {
    let mut hasher = blake3::Hasher::new();
    match &answer.response {
        // Encoding can only fail for lengths no report has; then the fingerprint differs, which is right.
        Ok(response) => hasher.update(&encode(response).unwrap_or_default()),
        Err(death) => hasher.update(format!("{death:?}").as_bytes()),
    };
    hasher.update(&answer.console.bytes());
    hasher.finalize().to_hex()[..32].to_owned()
}
