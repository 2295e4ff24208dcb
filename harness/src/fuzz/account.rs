//! What an answer to a batch means: records and evidence in, results out. Pure.

use crate::crash;
use crate::session::{Answer, Death};
use gauntlet_fuzzers::{Crash, Execution};
use gauntlet_protocol::program::Records;
use gauntlet_protocol::{FlightRecord, Response};
use gauntlet_qemu::Ended;
use std::time::Duration;

/// What came of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Account {
    /// The machine answered or died; a crash is the kernel's.
    Told { crash: Option<Crash> },
    /// Our own trouble: the batch says nothing about the kernel.
    Infra(String),
}

/// Console text kept with a crash.
const REPORT: usize = 64 << 10;

/// Judges an answer.
pub fn account(answer: &Answer) -> Account {
    let console = answer.console.bytes();
    let title = crash::scan(&console).first().map(|splat| splat.title.clone());
    let (title, alive) = match (&answer.response, title) {
        (Ok(Response::Fuzz { .. }), None) => return Account::Told { crash: None },
        (Ok(Response::Fuzz { .. }), Some(title)) => (title, true),
        (Ok(Response::Refused { reason }), _) => return Account::Infra(format!("the agent: {reason}")),
        (Ok(other), _) => return Account::Infra(format!("the agent answered something else: {other:?}")),
        (Err(Death::Host(what)), _) => return Account::Infra(what.clone()),
        (Err(Death::QemuStuck { .. }), _) => return Account::Infra("QEMU stopped answering".to_owned()),
        (Err(Death::Ended(Ended::Qemu { exit, stderr })), _) => {
            let why = stderr.clone().unwrap_or_else(|| exit.to_string());
            return Account::Infra(format!("QEMU ended by itself: {why}"));
        }
        // A machine that waited for a CPU of the host is slow, not hung.
        (Err(Death::Silent { .. }), None) if answer.starved * 4 >= answer.elapsed => {
            return Account::Infra("the host was too busy to run the machine".to_owned());
        }
        (Err(_), Some(title)) => (title, false),
        (Err(death), None) => (silent_title(death).to_owned(), false),
    };
    // A machine that is alive went on after the splat: its flight record tells where it is now, not where it was then.
    let flight = answer.flight.as_ref().filter(|_| !alive);
    let index = |pick: fn(&FlightRecord) -> u32| flight.and_then(|flight| usize::try_from(pick(flight)).ok());
    let report = answer.console.text();
    let cut = report.floor_char_boundary(report.len().saturating_sub(REPORT));
    Account::Told {
        crash: Some(Crash {
            title,
            program: index(|flight| flight.item),
            call: index(|flight| flight.call),
            report: report[cut..].to_owned(),
        }),
    }
}

fn silent_title(death: &Death) -> &'static str {
    match death {
        Death::Silent { .. } => "the machine hangs without a word",
        Death::Flooded { .. } => "the kernel floods its console",
        Death::Garbage(_) => "the guest's answer is damaged",
        Death::Ended(Ended::PoweredOff) => "the machine powers off",
        _ => "the machine resets without a word",
    }
}

/// The executions of a batch of `count` programs, out of the records the guest wrote. Hostile bytes give fewer.
pub fn executions(bytes: &[u8], cookie: u64, count: usize) -> Vec<Option<Execution>> {
    let mut executions = vec![None; count];
    for record in Records::new(bytes, cookie) {
        let coverage = record.coverage.iter().map(|low| KERNEL_TEXT | u64::from(*low)).collect();
        if let Some(place) = usize::try_from(record.program).ok().and_then(|index| executions.get_mut(index))
        {
            *place = {
                let time = Duration::from_micros(record.micros.into());
                Some(Execution { results: record.results, coverage, time })
            };
        }
    }
    executions
}

/// KCOV's counters travel as their low halves: kernel text lies in the top 2 GiB.
/// Source: Linux Documentation/arch/x86/x86_64/mm.rst.
const KERNEL_TEXT: u64 = 0xffff_ffff_0000_0000;
/// Modules, and code that the kernel makes at run time, begin here; their addresses change from run to run.
const MODULES: u64 = 0xffff_ffff_c000_0000;
const TEXT_START: u64 = 0xffff_ffff_8000_0000;

/// Whether an address names the same code in every clone.
pub fn is_text(address: u64) -> bool {
    (TEXT_START..MODULES).contains(&address)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::ConsoleLog;
    use gauntlet_protocol::Phase;
    use gauntlet_protocol::program::{NOT_RUN, Ran, RecordWriter};
    use gauntlet_qemu::process::Exit;
    use std::time::Duration;

    fn answer(response: Result<Response, Death>, console: &str) -> Answer {
        let mut log = ConsoleLog::default();
        log.push(console.as_bytes());
        let flight =
            FlightRecord { phase: Some(Phase::Running), item: 7, call: 2, steps: 8, name: "fuzz".into() };
        let elapsed = Duration::from_secs(1);
        Answer {
            response,
            console: log,
            flight: Some(flight),
            elapsed,
            starved: Duration::ZERO,
            required: elapsed,
            afterwards: None,
        }
    }

    const PANIC: &str = "[    2.100000] Kernel panic - not syncing: sysrq triggered crash\n";

    #[test]
    fn a_dead_machine_names_its_splat_and_the_program_that_ran() {
        let Account::Told { crash: Some(crash) } = account(&answer(Err(Death::Ended(Ended::Reset)), PANIC))
        else {
            panic!("no crash");
        };
        assert!(crash.title.starts_with("kernel panic"), "{}", crash.title);
        assert_eq!((crash.program, crash.call), (Some(7), Some(2)));
        assert!(crash.report.contains("sysrq triggered"));
    }

    #[test]
    fn a_warning_of_a_machine_that_went_on_has_no_culprit_yet() {
        let warning = "[    2.100000] WARNING: CPU: 0 PID: 1 at mm/memfd.c:10 foo+0x1/0x2\n";
        let told = account(&answer(Ok(Response::Fuzz { length: 0 }), warning));
        assert!(matches!(told, Account::Told { crash: Some(Crash { program: None, .. }) }), "{told:?}");
        assert_eq!(account(&answer(Ok(Response::Fuzz { length: 0 }), "")), Account::Told { crash: None });
    }

    #[test]
    fn our_own_trouble_is_no_crash() {
        let exit = Exit { code: None, signal: Some(9) };
        let killed = Death::Ended(Ended::Qemu { exit, stderr: None });
        assert!(matches!(account(&answer(Err(killed), "")), Account::Infra(_)));
        let mut starved = answer(Err(Death::Silent { waited: Duration::from_secs(1) }), "");
        assert!(matches!(account(&starved), Account::Told { crash: Some(_) }));
        starved.starved = Duration::from_millis(500);
        assert!(matches!(account(&starved), Account::Infra(_)));
    }

    #[test]
    fn records_of_programs_that_were_never_sent_are_ignored() {
        let mut bytes = vec![0; 512];
        let mut writer = RecordWriter::new(&mut bytes, 1);
        assert!(writer.push(&Ran {
            results: &[0, NOT_RUN],
            coverage: &[0xffff_ffff_8100_0010],
            ..Ran::default()
        }));
        assert!(writer.push(&Ran { program: 9, results: &[0], ..Ran::default() }));
        let found = executions(&bytes, 1, 2);
        assert_eq!(found.len(), 2);
        let first = found[0].as_ref().unwrap();
        assert_eq!(first.coverage, [0xffff_ffff_8100_0010]);
        assert!(is_text(first.coverage[0]));
        assert_eq!(found[1], None);
    }
}
