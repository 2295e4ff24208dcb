use super::*;

fn said(text: &str) -> Vec<(String, Verdict)> {
    parse(text).tests.into_iter().map(|test| (test.name, test.verdict)).collect()
}

fn named(list: &[(&str, Verdict)]) -> Vec<(String, Verdict)> {
    list.iter().map(|(name, verdict)| ((*name).to_owned(), *verdict)).collect()
}

use Verdict::{Error, Fail, Pass, Skip, Xfail};

#[test]
fn kunit_nests_by_spaces_and_the_parent_comes_last() {
    let text = "KTAP version 1\n1..2\n    # Subtest: lists\n    1..2\n    ok 1 init\n    not ok 2 add\n\
        not ok 1 lists\n    KTAP version 1\n    # Subtest: bits\n    1..1\n    ok 1 mask\nok 2 bits\n";
    assert_eq!(said(text), named(&[("lists/init", Pass), ("lists/add", Fail), ("bits/mask", Pass)]));
}

#[test]
fn kselftest_nests_by_hashes() {
    let text = "TAP version 13\n1..1\n# selftests: mm: run_vmtests.sh\n# TAP version 13\n# 1..2\n\
        # # ok 1 Read same data\n# ok 1 ksm\n# ok 2 # SKIP no huge pages\nnot ok 1 selftests: mm: run_vmtests.sh # exit=1\n";
    assert_eq!(
        said(text),
        named(&[
            ("selftests: mm: run_vmtests.sh/ksm/Read same data", Pass),
            ("selftests: mm: run_vmtests.sh/no huge pages", Skip),
            ("selftests: mm: run_vmtests.sh", Fail),
        ])
    );
}

#[test]
fn a_planned_test_that_is_not_reported_is_an_error() {
    let report = parse("TAP version 13\n1..3\nok 1 a\n");
    assert_eq!(said("TAP version 13\n1..3\nok 1 a\n")[1..], named(&[("test 2", Error), ("test 3", Error)]));
    assert!(report.tests[1].reason.contains("3 tests were planned, 1 reported"));
    assert!(said("1..2\n").iter().all(|(_, verdict)| *verdict == Error));
}

#[test]
fn parents_count_as_one_of_the_plan() {
    let text = "1..2\n  1..3\n  ok 1 a\n  ok 2 b\n  ok 3 c\nok 1 p\nok 2 q\n";
    assert_eq!(said(text), named(&[("p/a", Pass), ("p/b", Pass), ("p/c", Pass), ("q", Pass)]));
    assert_eq!(said("1..2\n  1..1\n  ok 1 a\nok 1 p\n")[1..], named(&[("test 2", Error)]));
}

#[test]
fn the_name_that_a_skip_swallowed_is_found_again() {
    let text = "TAP version 13\n1..2\n#  RUN           global.tls ...\n#      SKIP      no TLS\n\
        #            OK  global.tls\nok 1 # SKIP no TLS\n#  RUN           global.b ...\nok 2 global.b\n";
    assert_eq!(said(text), named(&[("global.tls", Skip), ("global.b", Pass)]));
}

#[test]
fn repeated_lines_count_once_and_are_told() {
    let report = parse("ok 1 kmem\nok 1 kmem\nok 1 kmem\nok 2 other\nnot ok 3 other\n");
    assert_eq!(report.tests.len(), 3);
    assert_eq!(report.tests[2].name, "other (2)", "names are unique");
    assert_eq!(report.anomalies, ["2 results were printed again"]);
}

#[test]
fn a_whole_program_may_skip_or_give_up() {
    assert_eq!(parse("TAP version 13\n1..0 # SKIP not root\n").skipped.as_deref(), Some("not root"));
    assert_eq!(
        parse("1..2\nok 1 a\n# Bail out! x\nBail out! no memory\n").bail_out.as_deref(),
        Some("no memory")
    );
}

#[test]
fn expected_failures_and_strangers() {
    let text = "make: Entering directory\nok 1 - a # time=46ms\nbook 3 pages\nnot ok 2 b # XFAIL known\n\0ok 3 c\r\n";
    assert_eq!(said(text), named(&[("a", Pass), ("b", Xfail), ("c", Pass)]));
}

#[test]
fn a_plan_at_the_end_or_twice_promises_no_more() {
    assert_eq!(said("ok 1 a\nok 2 b\n1..2\n").len(), 2);
    assert_eq!(said("1..2\nok 1 a\nok 2 b\n1..2\n").len(), 2);
}

#[test]
fn several_documents_in_one_stream() {
    let text = "TAP version 13\n1..1\nok 1 a\nTAP version 13\n1..2\nok 1 b\n";
    assert_eq!(said(text), named(&[("a", Pass), ("b", Pass), ("test 2", Error)]));
}

proptest::proptest! {
    #[test]
    fn nothing_makes_it_panic_and_no_failure_disappears(
        lines in proptest::collection::vec("( {0,4}|# )?(ok|not ok|1\\.\\.|KTAP version|Bail out!)? ?[0-9]{0,2} ?[a-z#]{0,3}", 0..40)
    ) {
        let text = lines.join("\n");
        let report = parse(&text);
        let failed = lines.iter().any(|line| matches!(line::read(line), Line::Result(one) if one.verdict == Fail));
        proptest::prop_assert!(!failed || report.tests.iter().any(|test| test.verdict.is_failure()));
    }
}

#[test]
fn a_failure_without_a_reason_takes_the_remark_before_it() {
    let text = "TAP version 13\n1..3\n#  RUN           file.fifo ...\n\
        # non-regular.c:184:fifo:Expected errno (30) == 13 (13)\n# fifo: Test failed at step #3\n\
        #          FAIL  file.fifo\nnot ok 1 file.fifo\n# about the next\nok 2 good\n# no memory\nnot ok 3 plain\n";
    let reasons: Vec<String> = parse(text).tests.into_iter().map(|test| test.reason).collect();
    assert_eq!(reasons, ["non-regular.c:184:fifo:Expected errno (30) == 13 (13)", "", "no memory"]);
}
