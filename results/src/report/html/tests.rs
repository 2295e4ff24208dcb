//! The context of a realistic run, and what no guest can do to the page.

use super::*;
use crate::support;
use proptest::prelude::*;

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
    let record = support::sample::big(20, 400);
    let size = render(&record).len();
    println!("20 kernels × 400 cases: {size} bytes");
    assert!(size < 2_000_000, "{size} bytes");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

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
