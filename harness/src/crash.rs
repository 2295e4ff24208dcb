//! Reading a kernel's complaints off its console.

mod symbols;

pub use symbols::Symbols;

/// One complaint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Splat {
    pub title: String,
    pub fatal: bool,
}

const HEADS: &[(&str, bool)] = &[
    ("Kernel panic - not syncing", true),
    ("BUG: ", true),
    ("WARNING: ", false),
    ("Oops: ", true),
    ("general protection fault", true),
    ("INFO: task ", false),
    ("watchdog: BUG: soft lockup", false),
    ("rcu: INFO: ", false),
];

/// All complaints in a console log, in order.
pub fn scan(console: &[u8]) -> Vec<Splat> {
    let text = String::from_utf8_lossy(console);
    text.lines()
        .filter_map(|line| {
            let body = line.split_once("] ").map_or(line, |(_, body)| body);
            let (_, fatal) = HEADS.iter().find(|(head, _)| body.starts_with(head))?;
            Some(Splat { title: body.trim().to_owned(), fatal: *fatal })
        })
        .collect()
}
