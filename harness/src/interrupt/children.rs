//! Programs that we wait for (make, its compilers, git, apt) and that must not go on when the user wants to stop. A
//! Ctrl-C at the terminal reaches them as it reaches us; a signal that was sent to us alone does not.

use rustix::process::{Pid, Signal, getpgrp, getpid, kill_process};

/// One process, as /proc/PID/stat has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Process {
    id: i32,
    parent: i32,
    group: i32,
}

/// Asks every descendant of ours in our process group to end. Virtual machines have groups of their own: their sessions
/// end them.
pub fn stop() {
    let (us, group) = (getpid().as_raw_nonzero().get(), getpgrp().as_raw_nonzero().get());
    for id in below(&processes(), us, group) {
        if let Some(id) = Pid::from_raw(id) {
            // It may have ended by itself.
            let _ = kill_process(id, Signal::TERM);
        }
    }
}

fn processes() -> Vec<Process> {
    let folders = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let stats = folders.filter_map(|folder| std::fs::read_to_string(folder.path().join("stat")).ok());
    stats.filter_map(|text| parse(&text)).collect()
}

/// `PID (NAME) STATE PARENT GROUP …` (proc_pid_stat(5)); the name may hold anything.
fn parse(stat: &str) -> Option<Process> {
    let (id, rest) = stat.split_once(" (")?;
    let (_, rest) = rest.rsplit_once(") ")?;
    let mut fields = rest.split_ascii_whitespace().skip(1);
    let mut number = || fields.next()?.parse().ok();
    Some(Process { parent: number()?, group: number()?, id: id.parse().ok()? })
}

/// The descendants of a process that share a group, each after its parent. A child that left the group took its own
/// children along.
fn below(all: &[Process], root: i32, group: i32) -> Vec<i32> {
    let mut found = vec![root];
    let mut next = 0;
    while let Some(parent) = found.get(next).copied() {
        let fits = |one: &&Process| one.parent == parent && one.group == group && !found.contains(&one.id);
        let children: Vec<i32> = all.iter().filter(fits).map(|one| one.id).collect();
        found.extend(children);
        next += 1;
    }
    found.split_off(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_cannot_forge_a_field() {
        assert_eq!(parse("7 (a) S 1 (b) R 3 9 9 0 -1 4194304"), Some(Process { id: 7, parent: 3, group: 9 }));
        assert_eq!(parse("7 (a"), None);
    }

    #[test]
    fn descendants_of_the_group_are_found_and_nobody_else() {
        let one = |id, parent, group| Process { id, parent, group };
        // 10 is us; 11 our make, 12 its compiler; 20 a virtual machine, 21 its helper; 30 the shell beside us.
        let all = [
            one(12, 11, 10),
            one(11, 10, 10),
            one(10, 1, 10),
            one(20, 10, 20),
            one(21, 20, 10),
            one(30, 1, 10),
        ];
        assert_eq!(below(&all, 10, 10), [11, 12]);
        let loops = [one(2, 3, 1), one(3, 2, 1)];
        assert_eq!(below(&loops, 2, 1), [3]);
    }
}
