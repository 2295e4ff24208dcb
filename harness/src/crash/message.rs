//! What a line of a report tells, apart from its frames.

/// A message as a title: without addresses, numbers and what varies between two runs.
pub(super) fn normalise(message: &str) -> String {
    const LIMIT: usize = 120;
    // The exit code depends on how init died, not on the bug.
    let message = message.split(" exitcode=").next().unwrap_or(message);
    let mut title = String::new();
    for word in message.split_ascii_whitespace() {
        if title.len() + word.len() > LIMIT {
            break;
        }
        if !title.is_empty() {
            title.push(' ');
        }
        title.push_str(&without_numbers(word));
    }
    title.truncate(title.trim_end_matches([':', ',', ' ']).len());
    title
}

/// `(123)` becomes `(NUM)`, `0x1f` and bare kernel addresses become `ADDR`; names with digits in them stay.
fn without_numbers(word: &str) -> String {
    let (key, value) = match word.rsplit_once([':', '=']) {
        Some((key, value)) if !value.is_empty() => (&word[..=key.len()], value),
        _ => ("", word),
    };
    let core = value.trim_matches(|edge: char| !edge.is_ascii_alphanumeric());
    let replacement = if is_address(core) {
        "ADDR"
    } else if !core.is_empty() && core.bytes().all(|byte| byte.is_ascii_digit() || byte == b'/') {
        "NUM"
    } else {
        return word.to_owned();
    };
    format!("{key}{}", value.replacen(core, replacement, 1))
}

fn is_address(core: &str) -> bool {
    let hexadecimal = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    core.strip_prefix("0x").map_or(core.len() >= 8 && hexadecimal(core), hexadecimal)
}

/// `CPU: 1 UID: 0 PID: 79 Comm: my task Tainted: G           OE      6.12.1 #1` and older forms.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Context {
    pub cpu: Option<u32>,
    pub task: Option<String>,
    pub taint: String,
}

impl Context {
    /// From a line that begins with `CPU: `, or says who it was in another of the reports' ways.
    pub(super) fn parse(body: &str) -> Option<Context> {
        let Some(rest) = body.strip_prefix("CPU: ") else { return Context::of_detail(body) };
        let cpu = rest.split(' ').next()?.parse().ok()?;
        let comm = rest.split_once(" Comm: ").map(|(_, comm)| comm);
        let end =
            |text: &str| [" Tainted: ", " Not tainted "].iter().filter_map(|mark| text.find(mark)).min();
        let task = comm.and_then(|comm| end(comm).map(|end| comm[..end].trim_end().to_owned()));
        let taint = rest.split_once("Tainted: ").map(|(_, letters)| taint(letters)).unwrap_or_default();
        Some(Context { cpu: Some(cpu), task, taint })
    }

    fn of_detail(body: &str) -> Option<Context> {
        // The hung task's own line of taint; 6.12 and later spell the letters out on a line that looks alike.
        if let Some(letters) = body.strip_prefix("Tainted: ").filter(|rest| !rest.starts_with('[')) {
            return Some(Context { taint: taint(letters), ..Context::default() });
        }
        if body.starts_with("Task dump for CPU ") {
            return Some(Context { cpu: number_after(body, "CPU "), ..Context::default() });
        }
        let task = match body.split_once(' ')?.0 {
            // __might_resched(): `in_atomic(): 1, irqs_disabled(): 0, non_block: 0, pid: 79, name: init`
            "in_atomic():" => body.split_once(", name: ")?.1,
            // KASAN: `Read of size 8 at addr ffff888007d2d000 by task init/79`
            "Read" | "Write" => body.split_once(" by task ")?.1.rsplit_once('/')?.0,
            // kmemleak: `comm "init", pid 79, jiffies 4294937296`
            // sched_show_task(): `task:init            state:R  running task`
            name if name.starts_with("task:") => {
                body.strip_prefix("task:")?.split_once(" state:")?.0.trim_end()
            }
            "comm" => body.split_once('"')?.1.rsplit_once("\", pid ")?.0,
            _ => return None,
        };
        Some(Context { task: Some(task.to_owned()), ..Context::default() })
    }

    /// From a head that names its place: `CPU#0 stuck for 22s! [init:79]`, `on cpu 1`, `INFO: task foo:12 blocked`.
    pub(super) fn from_head(body: &str) -> Context {
        let cpu = ["CPU: ", "CPU#", "on cpu ", "on CPU "].iter().find_map(|mark| number_after(body, mark));
        let in_brackets =
            || body.rsplit_once('[').and_then(|(_, task)| task.strip_suffix(']')?.rsplit_once(':'));
        let named = body
            .strip_prefix("INFO: task ")
            .and_then(|rest| rest.split_once(" blocked")?.0.rsplit_once(':'))
            .or_else(|| body.contains("stuck for").then(in_brackets).flatten());
        Context { cpu, task: named.map(|(task, _)| task.to_owned()), taint: String::new() }
    }
}

fn number_after(body: &str, mark: &str) -> Option<u32> {
    let rest = body.split_once(mark)?.1;
    let digits = rest.find(|next: char| !next.is_ascii_digit()).unwrap_or(rest.len());
    rest[..digits].parse().ok()
}

/// `G        W  OE      6.1.0 …` is `GWOE`: letters up to the release.
fn taint(letters: &str) -> String {
    letters
        .split(' ')
        .take_while(|word| word.bytes().all(|byte| byte.is_ascii_uppercase()))
        .flat_map(str::chars)
        .take(32)
        .collect()
}

/// The function named by `… in foo+0x1/0x2` or `… in foo / bar`.
pub(super) fn function_after_in(body: &str) -> Option<&str> {
    let (_, rest) = body.split_once(" in ")?;
    rest.split(['+', ' ']).next().filter(|name| !name.is_empty() && !name.contains(['/', ':']))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_do_not_vary_with_the_run() {
        assert_eq!(normalise("Attempted to kill init! exitcode=0x00000700"), "Attempted to kill init!");
        assert_eq!(
            normalise("Bad rss-counter state mm:00000000deadbeef idx:1"),
            "Bad rss-counter state mm:ADDR idx:NUM"
        );
        assert_eq!(normalise("stuck at 0x12ab (99) of ffffffff81000000,"), "stuck at ADDR (NUM) of ADDR");
        assert_eq!(normalise(&"word ".repeat(99)).len(), 119);
    }

    #[test]
    fn cpu_lines_of_every_form() {
        let of = |cpu, task: &str, taint: &str| {
            Some(Context { cpu: Some(cpu), task: Some(task.to_owned()), taint: taint.to_owned() })
        };
        assert_eq!(
            Context::parse("CPU: 0 PID: 79 Comm: init Tainted: G        W  OE      6.1.0 #1  Debian"),
            of(0, "init", "GWOE")
        );
        assert_eq!(
            Context::parse("CPU: 13 UID: 0 PID: 7 Comm: a b Not tainted 6.12.0 #2"),
            of(13, "a b", "")
        );
        assert_eq!(Context::parse("CPU: many"), None);
        let task = |body| Context::parse(body).and_then(|context| context.task);
        assert_eq!(task("Read of size 8 at addr ffff888007d2d000 by task a/b/79").as_deref(), Some("a/b"));
        assert_eq!(task("in_atomic(): 1, irqs_disabled(): 0, pid: 79, name: a b").as_deref(), Some("a b"));
        assert_eq!(task("comm \"a b\", pid 79, jiffies 4294937296").as_deref(), Some("a b"));
        assert_eq!(task("task:a b             state:R  running task").as_deref(), Some("a b"));
        assert_eq!(Context::parse("Task dump for CPU 3:").and_then(|context| context.cpu), Some(3));
        let hung = Context::parse("Tainted: G           OE      6.12.0 #1").unwrap();
        assert_eq!((hung.taint.as_str(), Context::parse("Tainted: [O]=OOT_MODULE")), ("GOE", None));
        let stuck = Context::from_head("watchdog: BUG: soft lockup - CPU#2 stuck for 22s! [kworker/2:1:79]");
        assert_eq!((stuck.cpu, stuck.task.as_deref()), (Some(2), Some("kworker/2:1")));
        let hung = Context::from_head("INFO: task lab hang:12 blocked for more than 120 seconds.");
        assert_eq!((hung.cpu, hung.task.as_deref()), (None, Some("lab hang")));
    }
}
