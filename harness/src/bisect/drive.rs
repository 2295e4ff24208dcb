//! Doing what the search asks: kernels made ready, questions asked, every answer kept before the next is asked.

use super::question::{Question, Reply};
use super::{Outcome, Point, Search, Step, Verdict};
use crate::interrupt::Interrupt;
use crate::kernel::{self, Cache, KernelBuild, KernelSpec};
use crate::session::{Host, Session, SessionOptions};
use crate::{Error, Kind, Result};
use gauntlet_results::Verdict as ResultVerdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// One bisection being carried out.
#[derive(Debug)]
pub struct Drive {
    pub host: Arc<Host>,
    pub options: SessionOptions,
    pub cache: PathBuf,
    pub question: Question,
    /// The spec of the good end, then of each candidate, in the search's order.
    pub specs: Vec<String>,
    pub interrupt: Interrupt,
    /// Time after which no further question is asked.
    pub budget: Duration,
    /// Where the search is kept: an interrupted one goes on from there.
    pub memory: PathBuf,
    sessions: BTreeMap<Point, Prepared>,
    signature: Option<String>,
}

/// What is kept of a bisection between two invocations.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Memory {
    pub search: Search,
    /// How the failure that is searched for looks.
    pub signature: Option<String>,
}

/// A kernel that was tried to be made ready.
#[derive(Debug)]
enum Prepared {
    Ready(Box<Session>),
    /// It cannot be asked, for this reason; asking again would not help.
    Unusable(Reply),
}

/// What is needed to start.
#[derive(Debug)]
pub struct Plan {
    pub host: Arc<Host>,
    pub options: SessionOptions,
    pub cache: PathBuf,
    pub question: Question,
    pub specs: Vec<String>,
    pub interrupt: Interrupt,
    pub budget: Duration,
    pub memory: PathBuf,
    pub signature: Option<String>,
}

impl Drive {
    pub fn new(plan: Plan) -> Drive {
        let Plan { host, options, cache, question, specs, interrupt, budget, memory, signature } = plan;
        let sessions = BTreeMap::new();
        Drive { host, options, cache, question, specs, interrupt, budget, memory, sessions, signature }
    }

    /// Runs the search to its verdict. Each answer is kept at once.
    ///
    /// # Errors
    /// When interrupted, or when answers cannot be kept.
    pub async fn run(&mut self, search: &mut Search, say: &dyn Fn(&str)) -> Result<Verdict> {
        let started = Instant::now();
        loop {
            match search.next_step() {
                Step::Run { .. } if started.elapsed() >= self.budget => return Ok(search.out_of_budget()),
                Step::Done(verdict) => return Ok(verdict),
                Step::Run { point, count } => {
                    for _ in 0..count {
                        self.interrupt.check()?;
                        let reply = self.ask(point).await?;
                        say(&self.line(search, point, &reply));
                        search.record(point, reply.outcome);
                        self.keep(search)?;
                        if !matches!(reply.outcome, Outcome::Pass | Outcome::Fail) {
                            break;
                        }
                    }
                }
            }
        }
    }

    async fn ask(&mut self, point: Point) -> Result<Reply> {
        self.prepare(point).await?;
        let reply = match self.sessions.get(&point) {
            Some(Prepared::Ready(session)) => tokio::select! {
                reply = self.question.ask(session) => reply,
                () = self.interrupt.wait() => return Err(Error::interrupted()),
            },
            Some(Prepared::Unusable(reply)) => reply.clone(),
            None => Reply::infra("the kernel could not be made ready for reasons of the host's"),
        };
        Ok(self.with_signature(reply))
    }

    /// The first failure seen is the one searched for; a different one hides it.
    fn with_signature(&mut self, reply: Reply) -> Reply {
        match (&self.signature, &reply.signature) {
            (None, Some(signature)) => {
                self.signature = Some(signature.clone());
                reply
            }
            (Some(wanted), Some(seen)) if wanted != seen => Reply { outcome: Outcome::OtherFail, ..reply },
            _ => reply,
        }
    }

    async fn prepare(&mut self, point: Point) -> Result<()> {
        if self.sessions.contains_key(&point) {
            return Ok(());
        }
        let prepared = match self.resolve(point).await {
            Err(error) if error.kind == Kind::Interrupted => return Err(error),
            Err(error) if error.kind == Kind::Infra => None,
            Err(error) => Some(Prepared::Unusable(Reply::unusable(Outcome::BuildFail, error.to_string()))),
            Ok(build) => match Session::prepare(&self.host, &build, &self.options).await {
                Ok(session) => Some(Prepared::Ready(Box::new(session))),
                Err(failure) if failure.verdict == ResultVerdict::Infra => None,
                Err(failure) => Some(Prepared::Unusable(Reply::unusable(Outcome::BootFail, failure.reason))),
            },
        };
        if let Some(prepared) = prepared {
            self.sessions.insert(point, prepared);
        }
        Ok(())
    }

    async fn resolve(&self, point: Point) -> Result<KernelBuild> {
        let text = self.spec(point).to_owned();
        let cache = self.cache.clone();
        let resolving = tokio::task::spawn_blocking(move || {
            let spec: KernelSpec = text.parse()?;
            kernel::resolve(&spec, &Cache::at(cache)?, &|step: &str| eprintln!("{step}"))
        });
        tokio::select! {
            done = resolving => done.map_err(|error| Error::infra("resolving the kernel").because(error))?,
            () = self.interrupt.wait() => Err(Error::interrupted()),
        }
    }

    fn spec(&self, point: Point) -> &str {
        let index = match point {
            Point::Good => 0,
            Point::Candidate(index) => index + 1,
        };
        &self.specs[index]
    }

    fn line(&self, search: &Search, point: Point, reply: &Reply) -> String {
        let word = match reply.outcome {
            Outcome::Pass => "passes",
            Outcome::Fail => "FAILS",
            Outcome::OtherFail => "fails otherwise",
            Outcome::BuildFail => "cannot be had",
            Outcome::BootFail => "cannot be asked",
            Outcome::Infra => "no answer",
        };
        let run = search.log().len() + 1;
        format!(
            "run {run:<3} {:<44} {word} ({})",
            self.spec(point),
            reply.said.lines().next().unwrap_or_default()
        )
    }

    /// Writes the search whole, by rename: a SIGKILL loses at most the answer it interrupted.
    fn keep(&self, search: &Search) -> Result<()> {
        let what = || format!("cannot keep the bisection in {}", self.memory.display());
        let folder = self.memory.parent().unwrap_or(std::path::Path::new("."));
        let write = || -> std::io::Result<()> {
            std::fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            let memory = Memory { search: search.clone(), signature: self.signature.clone() };
            serde_json::to_writer(&mut file, &memory)?;
            file.persist(&self.memory).map_err(|error| error.error)?;
            Ok(())
        };
        write().map_err(|error| Error::infra(what()).because(error))
    }
}
