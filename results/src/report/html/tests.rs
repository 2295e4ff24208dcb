//! The context of a realistic run, and what no guest can do to the page.

use super::*;
use crate::Event;
use proptest::prelude::*;

#[path = "../../../tests/support/mod.rs"]
mod support;

#[test]
fn the_context_of_the_sample() {
    insta::assert_debug_snapshot!(Page::of(&support::sample::record()));
}

#[test]
fn the_page_stands_alone() {
    let page = render(&support::sample::record());
    for outside in ["src=", "href=\"http", "url(", "@import", "http://", "https://"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("<mark>"), "the splat's line is marked");
}

#[test]
fn twenty_kernels_with_four_hundred_cases_stay_below_two_megabytes() {
    let mut record = RunRecord::new(support::run_info("r"));
    for kernel in 0..20 {
        for case in 0..400 {
            // Every tenth fails in its own way, with a long console.
            let verdict = if (kernel + case) % 10 == 0 { Verdict::Crash } else { Verdict::Pass };
            let name = format!("suite-{}/some-case-with-a-name-{case}", case / 20);
            let mut result = support::result(&format!("6.{kernel}.0-56-cloud-amd64"), &name, verdict);
            if verdict == Verdict::Crash {
                result.reason = format!("the kernel complained {kernel}");
                result.console = "[    1.234567] something about a task that is not very well\n".repeat(200);
            }
            record.apply(&Event::CaseFinished(result));
        }
    }
    let size = render(&record).len();
    println!("20 kernels × 400 cases: {size} bytes");
    assert!(size < 2_000_000, "{size} bytes");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The page has exactly the elements of the templates: whatever a guest wrote became text.
    #[test]
    fn no_guest_adds_markup(events in support::any::events()) {
        let mut record = RunRecord::new(support::run_info("r"));
        events.iter().for_each(|event| record.apply(event));
        let page = render(&record);
        prop_assert_eq!(page.matches("<script").count(), 1);
        prop_assert_eq!(page.matches("</script").count(), 1);
        prop_assert!(!page.contains("alert(1)</"));
        prop_assert_eq!(page.matches("<pre>").count(), page.matches("</pre>").count());
        prop_assert!(page.chars().all(|c| c == '\n' || !c.is_control()));
    }
}
