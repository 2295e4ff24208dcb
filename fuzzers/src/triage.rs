//! From a crash to a report: does it come again, what of it is needed, and how does it look in C.

mod minimise;
mod reproduce;

use crate::Program;
use crate::engine::Found;
use crate::program::c_source;
use crate::target::{Target, TargetError};
use reproduce::Laboratory;

pub use minimise::ddmin;

/// Runs that decide how reliable a reproducer is.
const ATTEMPTS: u32 = 3;

/// What triage made of a crash.
#[derive(Debug, Clone)]
pub struct Report {
    pub title: String,
    /// The kernel's own words.
    pub console: String,
    /// The programs that bring the crash about, in this order, on one machine; mostly one.
    pub programs: Vec<Program>,
    /// Runs of `programs` in fresh clones that gave the same title.
    pub reproduced: u32,
    /// Such runs made.
    pub attempts: u32,
    /// Clones used in all.
    pub runs: u32,
    /// Standalone C source of the last program.
    pub c_source: String,
}

/// Reproduces a crash in fresh clones and makes it as small as `budget` clones allow.
///
/// # Errors
/// When no clone can be made.
pub fn triage(target: &mut dyn Target, found: &Found, budget: u32) -> Result<Report, TargetError> {
    let mut laboratory = Laboratory::new(target, &found.crash.title, budget);
    let mut programs = laboratory.needed(&found.program, &found.before)?;
    if let Some(last) = programs.pop() {
        let before = programs.clone();
        let smaller = minimise::program(last, &mut |candidate| {
            let mut all = before.clone();
            all.push(candidate.clone());
            laboratory.crashes(&all)
        })?;
        programs.push(smaller);
    }
    let mut reproduced = 0;
    for _ in 0..ATTEMPTS {
        reproduced += u32::from(laboratory.verify(&programs)?);
    }
    let runs = laboratory.runs();
    target.renew()?;
    Ok(Report {
        title: found.crash.title.clone(),
        console: found.crash.report.clone(),
        c_source: programs.last().map(|program| c_source(program, &found.crash.title)).unwrap_or_default(),
        programs,
        reproduced,
        attempts: ATTEMPTS,
        runs,
    })
}

#[cfg(test)]
mod tests;
