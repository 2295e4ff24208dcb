//! Renames while others look, and at the same time as others.

use super::tree::{EXCHANGE, NOREPLACE, Tree};
use crate::case::setup;
use crate::sys::Errno;
use crate::{CaseResult, Context, check, check_eq, child, syscall};

/// Does the work again and again in a child while the body runs.
fn meanwhile(work: impl Fn() -> CaseResult, body: impl FnOnce() -> CaseResult) -> CaseResult {
    let pid = child::fork()?;
    if pid == 0 {
        while work().is_ok() {}
        child::exit(9);
    }
    let result = body();
    // SAFETY: no pointers; a child of ours.
    let killed = unsafe { syscall!(libc::SYS_kill, pid, libc::SIGKILL) };
    let ending = child::wait(pid)?;
    result?;
    setup("kill", killed)?;
    check_eq!(ending, child::Ending::Killed(libc::SIGKILL), "end of a child that renames all the time");
    Ok(())
}

const LOOKS: usize = 3000;

/// At no moment is a name missing, or does one file have both names.
pub fn exchange_is_never_seen_half_done(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    let (a, b) = (tree.file("a")?, tree.file("b")?);
    meanwhile(
        || tree.renames("a", "b", EXCHANGE),
        || {
            for look in 0..LOOKS {
                for name in ["a", "b"] {
                    let found = tree.look(name);
                    check!(found == Ok(a) || found == Ok(b), "look {look} at {name}: {found:?}");
                }
            }
            Ok(())
        },
    )?;
    let mut inodes = [tree.inode("a")?, tree.inode("b")?];
    inodes.sort();
    let mut expected = [a, b];
    expected.sort();
    check_eq!(inodes, expected, "files after all exchanges");
    tree.shows(&["a", "b"], "after all exchanges")
}

/// "there is no point at which another process attempting to access newpath will find it missing"
pub fn replaced_name_is_never_missing(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    tree.file("target")?;
    meanwhile(
        || {
            // Made anew each time, so that a file is replaced by another.
            tree.file("source")?;
            tree.renames("source", "target", 0)
        },
        || {
            for look in 0..LOOKS {
                let found = tree.look("target");
                check!(found.is_ok(), "look {look} at a name that is replaced: {found:?}");
            }
            Ok(())
        },
    )
}

/// Of two that take one free name at the same time, one gets it and the other is told.
pub fn noreplace_lets_one_of_two_have_the_name(context: &Context) -> CaseResult {
    let tree = Tree::new(context)?;
    for round in 0..30 {
        let sources = [tree.file("first")?, tree.file("second")?];
        let (gate, opener) = child::pipe()?;
        let mut children = vec![];
        for name in ["first", "second"] {
            let pid = child::fork()?;
            if pid == 0 {
                drop(opener);
                let _ = crate::sys::read_all(&gate);
                let status = match tree.rename(name, "prize", NOREPLACE) {
                    Ok(()) => 0,
                    Err(Errno(errno)) => errno,
                };
                child::exit(status);
            }
            children.push(pid);
        }
        drop(opener);
        let mut endings = vec![];
        for pid in children {
            endings.push(child::wait(pid)?);
        }
        let won = endings.iter().position(|ending| *ending == child::Ending::Exited(0));
        let lost = endings.iter().position(|ending| *ending == child::Ending::Exited(libc::EEXIST));
        let (Some(won), Some(_)) = (won, lost) else {
            return Err(crate::Stop::Fail(format!(
                "round {round}: {endings:?}, one must win and one get EEXIST"
            )));
        };
        tree.is("prize", sources[won], "after the race")?;
        let loser = ["second", "first"][won];
        tree.is(loser, sources[1 - won], "after the race it lost")?;
        for name in ["prize", loser] {
            std::fs::remove_file(tree.path.join(name))
                .map_err(|error| crate::Stop::Broken(format!("set-up: unlink: {error}")))?;
        }
    }
    Ok(())
}
