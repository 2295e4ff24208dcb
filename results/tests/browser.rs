//! The page in a real browser, where chromium is installed, with `GAUNTLET_SLOW=1`: keys, filter, what is marked, what
//! differs, narrow screens, paper.

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

/// Does what a person does, and tells the frame around it what came of it.
const VISIT: &str = "<script>
(function () {
  var said = {};
  function all(selector) { return Array.from(document.querySelectorAll(selector)); }
  function shown(selector) { return all(selector).filter(function (one) { return one.checkVisibility(); }); }
  function key(name) { dispatchEvent(new KeyboardEvent('keydown', { key: name, cancelable: true })); }
  function wide() { return document.documentElement.scrollWidth > innerWidth; }
  function colour(one) { return getComputedStyle(one).backgroundColor; }
  var box = document.querySelector('input[type=search]');
  said.width = innerWidth;
  said.cards = shown('.card').length;
  said.wide = wide();
  var closed = all('details:not([open])');
  closed.forEach(function (one) { one.open = true; });
  said.wide_when_all_is_open = wide();
  closed.forEach(function (one) { one.open = false; });
  var marks = shown('.card mark');
  said.marks = marks.map(function (one) { return one.textContent; });
  said.stand_out = marks.every(function (one) {
    return ![colour(one.parentElement), 'rgba(0, 0, 0, 0)'].includes(colour(one));
  });
  var section = all('h2').filter(function (one) { return one.textContent.startsWith('Differences'); })[0].parentElement;
  var rows = Array.from(section.querySelectorAll('tbody tr'));
  said.differences = [parseInt(section.querySelector('small').textContent), rows.length];
  said.differs = rows.filter(function (one) { return one.textContent.includes('fcntl-race'); }).map(function (one) {
    return Array.from(one.querySelectorAll('td:not(.time)')).map(function (cell) { return cell.textContent; }).join('');
  });
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
    parent.postMessage(said, '*');
  }, 200);
})();
</script>";

/// A browser's window cannot be as narrow as a telephone, a frame in it can. Leaves in the title what the page says.
fn frame(width: u32, page: &str) -> String {
    format!(
        "<!doctype html><title></title><iframe src='{page}' style='border:0' width={width} height=844></iframe>
         <script>onmessage = function (told) {{ document.title = 'said ' + JSON.stringify(told.data); }};</script>"
    )
}

/// The browser; `None`, said aloud, where nobody asked or there is none.
struct Chromium(tempfile::TempDir);

impl Chromium {
    fn ready() -> Option<Chromium> {
        if std::env::var_os("GAUNTLET_SLOW").is_none() {
            eprintln!("SKIPPED: starts a browser; GAUNTLET_SLOW=1 asks for it");
            return None;
        }
        if !is_installed("chromium", "--version") {
            assert!(std::env::var_os("CI").is_none(), "CI must have chromium");
            eprintln!("SKIPPED: apt-get install chromium");
            return None;
        }
        Some(Chromium(tempfile::tempdir().unwrap()))
    }

    fn run(&self, arguments: &[&str], page: &Path) -> Vec<u8> {
        let mut command = Command::new("chromium");
        command.args(QUIET).arg(format!("--user-data-dir={}", self.0.path().display())).args(arguments);
        let output = command.arg(format!("file://{}", page.display())).output().expect("chromium starts");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }
}

fn is_installed(program: &str, harmless: &str) -> bool {
    Command::new(program).arg(harmless).output().is_ok()
}

fn page() -> String {
    Format::Html.render(&support::sample::record(), &Options::default())
}

#[test]
fn keys_filter_links_marks_and_differences_work_on_any_screen() {
    let Some(chromium) = Chromium::ready() else { return };
    let scratch = tempfile::tempdir().unwrap();
    let visited = page().replace("</body>", &format!("{VISIT}</body>"));
    std::fs::write(scratch.path().join("report.html"), visited).unwrap();
    for width in [1280, 390, 320] {
        let around = scratch.path().join("around.html");
        std::fs::write(&around, frame(width, "report.html")).unwrap();
        let arguments = ["--window-size=1400,900", "--virtual-time-budget=2000", "--dump-dom"];
        let dom = String::from_utf8(chromium.run(&arguments, &around)).unwrap();
        let said = dom.split("<title>said ").nth(1).and_then(|rest| rest.split("</title>").next());
        let said: serde_json::Value = serde_json::from_str(said.expect("the visit ended")).unwrap();
        let expected = serde_json::json!({
            "width": width, "cards": 10, "wide": false, "wide_when_all_is_open": false,
            "marks": [
                "[    0.874] Kernel panic - not syncing: VFS: Unable to mount root fs on unknown-block(0,0)",
                "[    2.113921] BUG: KASAN: slab-use-after-free in memfd_fcntl+0x1d2/0x6f0",
            ],
            "stand_out": true, "differences": [9, 9], "differs": ["✓C✓E"],
            "first": "f1", "then": "f2", "section": "H2", "filtering": true,
            "found": 1, "rows": 1, "again": 10, "linked": true,
        });
        assert_eq!(said, expected, "{width}");
    }
}

/// On paper there is nothing to click, and a page without its script is the same.
#[test]
fn paper_has_everything_with_a_script_and_without() {
    let Some(chromium) = Chromium::ready() else { return };
    let dead = page().replace("<script>", "<script type='text/plain'>");
    for html in [page(), dead] {
        let scratch = tempfile::tempdir().unwrap();
        let (page, paper) = (scratch.path().join("report.html"), scratch.path().join("report.pdf"));
        std::fs::write(&page, html).unwrap();
        chromium.run(&[&format!("--print-to-pdf={}", paper.display()), "--no-pdf-header-footer"], &page);
        let bytes = std::fs::read(&paper).unwrap();
        assert!(bytes.starts_with(b"%PDF"));
        let pages = String::from_utf8_lossy(&bytes).matches("/Type /Page\n").count();
        assert!((3..=20).contains(&pages), "{pages} pages");
        check_text(&paper);
    }
}

fn check_text(paper: &Path) {
    if !is_installed("pdftotext", "-v") {
        assert!(std::env::var_os("CI").is_none(), "CI must have poppler-utils");
        eprintln!("SKIPPED: what the pages say: apt-get install poppler-utils");
        return;
    }
    let output = Command::new("pdftotext").arg("-layout").arg(paper).arg("-").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    for wanted in [
        "Failed: ",
        "BUG: KASAN: slab-use-after-free in memfd_fcntl+0x1d2/0x6f0",
        "Differences between kernels",
        "renameat2-exchange",
        // Folded on a screen: a case that passed, and what a kernel is.
        "prog-test-run",
        "9d2f6f0b3c5a",
    ] {
        assert!(said.contains(wanted), "no {wanted:?} on paper: {said}");
    }
}
