//! Filesystems that travel into a clone, with their modules.

use crate::support::{fast, judge, ready};
use gauntlet::plan::{pattern, select};
use gauntlet_results::Verdict;
use std::time::Duration;

#[tokio::test]
async fn every_filesystem_is_mounted_in_a_clone_or_its_missing_program_named() {
    let Some(ready) = ready(fast()).await else { return };
    let cases = select(&["renameat2".to_owned()], &[pattern("_when_mounted_again")]).unwrap();
    assert_eq!(cases.len(), 4, "overlayfs and three on a disk");
    for planned in cases {
        let result = judge(&ready.session, &planned, Duration::from_secs(30)).await;
        let excused = result.verdict == Verdict::Skip && result.reason.contains("missing program: mkfs.");
        assert!(result.verdict == Verdict::Pass || excused, "{}: {}", result.case, result.reason);
    }
}
