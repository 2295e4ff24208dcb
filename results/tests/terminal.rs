//! The terminal report of a realistic run, and of hostile ones.

mod support;

use gauntlet_results::report::{Format, Options, Style};
use gauntlet_results::{RunRecord, Verdict};
use proptest::prelude::*;
use support::{any, run_info, sample};

fn render(record: &RunRecord, width: usize, style: Style) -> String {
    Format::Terminal.render(record, &Options { width, style })
}

#[test]
fn eighty_columns() {
    insta::assert_snapshot!(render(&sample::record(), 80, Style::Plain));
}

#[test]
fn lines_that_need_not_be_copied_fit_the_width() {
    for width in [80, 100, 120] {
        let text = render(&sample::record(), width, Style::Plain);
        for line in text.lines().filter(|line| !line.contains("gauntlet replay")) {
            assert!(line.chars().count() <= width, "{width}: {line}");
        }
    }
}

#[test]
fn a_single_good_run_is_short() {
    let mut record = RunRecord::new(run_info("20261123-124501-3f2a9c"));
    record.apply(&gauntlet_results::Event::CaseFinished(support::result("6.1", "memfd/seal", Verdict::Pass)));
    record.apply(&support::finished(false));
    insta::assert_snapshot!(render(&record, 80, Style::Plain));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// No guest can colour, move the cursor or fake a line; and colours change nothing else.
    #[test]
    fn nothing_a_guest_says_reaches_the_terminal_raw(events in any::events(), width in 0usize..130) {
        let mut record = RunRecord::new(run_info("r"));
        events.iter().for_each(|event| record.apply(event));
        let plain = render(&record, width, Style::Plain);
        prop_assert!(plain.chars().all(|c| c == '\n' || !c.is_control()));
        let colored = render(&record, width, Style::Colored);
        let mut parts = colored.split('\x1b');
        let mut uncolored = parts.next().unwrap_or_default().to_owned();
        uncolored.extend(parts.filter_map(|part| part.split_once('m')).map(|(_, rest)| rest));
        prop_assert_eq!(uncolored, plain);
    }
}
