//! The page in a real browser, where chromium is installed, with `GAUNTLET_SLOW=1`: keys, filter, narrow screens, paper.

mod support;

use gauntlet_results::report::{Format, Options};
use std::path::Path;
use std::process::Command;

/// What nobody needs to see or send.
const QUIET: &[&str] = &[
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];

/// Does what a person does, and leaves what came of it in the title.
const VISIT: &str = "<script>
(function () {
  var said = {};
  function shown(selector) {
    return Array.from(document.querySelectorAll(selector)).filter(function (one) { return one.offsetParent; });
  }
  function key(name) { dispatchEvent(new KeyboardEvent('keydown', { key: name, cancelable: true })); }
  var box = document.querySelector('input[type=search]');
  said.cards = shown('.card').length;
  said.wide = document.documentElement.scrollWidth > innerWidth;
  key('j'); said.first = document.activeElement.id;
  key('j'); key('j'); key('k'); said.then = document.activeElement.id;
  key('n'); said.section = document.activeElement.tagName;
  key('/'); said.filtering = document.activeElement === box;
  box.value = 'splice-race'; box.dispatchEvent(new Event('input'));
  said.found = shown('.card').length; said.rows = shown('#cases tbody tr').length;
  box.value = ''; box.dispatchEvent(new Event('input'));
  said.again = shown('.card').length;
  location.hash = '#s1';
  setTimeout(function () {
    said.linked = document.getElementById('s1').open;
    document.title = 'said ' + JSON.stringify(said);
  }, 200);
})();
</script>";

fn chromium(profile: &Path, arguments: &[&str]) -> Vec<u8> {
    let mut command = Command::new("chromium");
    command.args(QUIET).arg(format!("--user-data-dir={}", profile.display())).args(arguments);
    let output = command.output().expect("chromium starts");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn keys_filter_and_links_work_on_any_screen_and_paper() {
    let installed = Command::new("chromium").arg("--version").output().is_ok();
    if std::env::var_os("GAUNTLET_SLOW").is_none() || !installed {
        println!("not looked at: install chromium and set GAUNTLET_SLOW=1");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let page = scratch.path().join("report.html");
    let text = Format::Html.render(&support::sample::record(), &Options::default());
    std::fs::write(&page, text.replace("</body>", &format!("{VISIT}</body>"))).unwrap();
    let url = format!("file://{}", page.display());
    for size in ["1280,900", "390,844"] {
        let arguments = [&format!("--window-size={size}"), "--virtual-time-budget=2000", "--dump-dom", &url];
        let dom = String::from_utf8(chromium(scratch.path(), &arguments)).unwrap();
        let said = dom.split("<title>said ").nth(1).and_then(|rest| rest.split("</title>").next());
        let said: serde_json::Value = serde_json::from_str(said.expect("the visit ended")).unwrap();
        let expected = serde_json::json!({
            "cards": 10, "wide": false, "first": "f1", "then": "f2", "section": "H2", "filtering": true,
            "found": 1, "rows": 1, "again": 10, "linked": true,
        });
        assert_eq!(said, expected, "{size}");
    }
    let paper = scratch.path().join("report.pdf");
    chromium(
        scratch.path(),
        &[&format!("--print-to-pdf={}", paper.display()), "--no-pdf-header-footer", &url],
    );
    assert!(std::fs::read(paper).unwrap().starts_with(b"%PDF"));
}
