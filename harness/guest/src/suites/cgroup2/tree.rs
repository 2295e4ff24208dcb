//! The tree: files of a group, which controllers it has, who is in it, how deep it may grow.

use super::group::*;
use crate::case::{fails_with, setup, succeeds};
use crate::child;
use crate::sys::Errno;
use crate::{CaseResult, Context, Stop, check, check_eq, file, syscall};
use std::os::fd::AsRawFd;
use std::path::Path;

pub fn every_mount_shows_the_one_hierarchy(context: &Context) -> CaseResult {
    let group = Group::root(context)?.child("case")?;
    let second = context.scratch.join("second");
    setup("mkdir", make(&second))?;
    crate::mounts::mount("cgroup2", &second, 0)?;
    check!(second.join("case/cgroup.procs").exists(), "a second mount does not show the group");
    setup("mkdir through the second mount", make(&second.join("case/inner")))?;
    check!(group.path.join("inner").exists(), "a group made through the second mount is not in the first");
    succeeds("rmdir through the first mount", remove(&group.path.join("inner")))
}

pub fn group_has_the_core_files(context: &Context) -> CaseResult {
    let root = Group::root(context)?;
    let group = root.child("case")?;
    for (file, expected) in [
        ("cgroup.procs", ""),
        ("cgroup.threads", ""),
        ("cgroup.type", "domain"),
        ("cgroup.subtree_control", ""),
        ("cgroup.events", "populated 0\nfrozen 0"),
        ("cgroup.max.descendants", "max"),
        ("cgroup.max.depth", "max"),
        ("cgroup.freeze", "0"),
    ] {
        group.holds(file, expected, "of a new group")?;
    }
    for file in ["cgroup.type", "cgroup.events", "cgroup.freeze", "cgroup.kill"] {
        check!(!root.path.join(file).exists(), "the root has {file}");
    }
    Ok(())
}

pub fn controllers_are_what_the_parent_hands_down(context: &Context) -> CaseResult {
    let group = Group::with(context, &["pids", "memory"])?;
    let here = group.read("cgroup.controllers")?;
    for controller in ["pids", "memory"] {
        check!(here.split(' ').any(|name| name == controller), "cgroup.controllers of a child: {here}");
    }
    let inner = group.child("inner")?;
    inner.holds("cgroup.controllers", "", "below a group that hands nothing down")?;
    check!(!inner.path.join("pids.max").exists(), "a group without the controller has pids.max");
    group.set("cgroup.subtree_control", "+pids")?;
    inner.holds("cgroup.controllers", "pids", "below a group that hands pids down")?;
    check!(inner.path.join("pids.max").exists(), "a group with the controller has no pids.max");
    check!(!inner.path.join("memory.max").exists(), "a group without the controller has memory.max");
    group.set("cgroup.subtree_control", "-pids +memory")?;
    inner.holds("cgroup.controllers", "memory", "after one was taken away and one given")?;
    check!(!inner.path.join("pids.max").exists(), "pids.max stays when the controller is taken away");
    Ok(())
}

pub fn bad_controllers_change_nothing(context: &Context) -> CaseResult {
    let group = Group::with(context, &["pids"])?;
    let write = |value: &str| group.write("cgroup.subtree_control", value);
    fails_with("an unknown controller", write("+nonsense"), libc::EINVAL)?;
    fails_with("a name without sign", write("pids"), libc::EINVAL)?;
    fails_with("a known and an unknown controller", write("+pids +nonsense"), libc::EINVAL)?;
    group.holds("cgroup.subtree_control", "", "after refused writes")?;
    let inner = group.child("inner")?;
    let result = inner.write("cgroup.subtree_control", "+pids");
    fails_with("a controller that the parent does not hand down", result, libc::ENOENT)
}

pub fn controller_in_use_below_cannot_be_taken_away(context: &Context) -> CaseResult {
    let group = Group::with(context, &["pids"])?;
    let inner = group.child("inner")?;
    group.set("cgroup.subtree_control", "+pids")?;
    inner.set("cgroup.subtree_control", "+pids")?;
    let result = group.write("cgroup.subtree_control", "-pids");
    fails_with("-pids while a child hands pids down", result, libc::EBUSY)?;
    inner.set("cgroup.subtree_control", "-pids")?;
    group.set("cgroup.subtree_control", "-pids")
}

pub fn group_with_processes_hands_no_resources_down(context: &Context) -> CaseResult {
    let group = Group::with(context, &["memory"])?;
    let inner = group.child("inner")?;
    let member = Member::idle(&group)?;
    let enabled = group.write("cgroup.subtree_control", "+memory");
    fails_with("+memory in a group with a process", enabled, libc::EBUSY)?;
    setup("move", inner.join(member.pid))?;
    group.set("cgroup.subtree_control", "+memory")?;
    fails_with("move into a group that hands memory down", group.join(member.pid), libc::EBUSY)?;
    check_eq!(inner.processes()?, [member.pid], "processes of the leaf");
    Ok(())
}

pub fn process_is_in_one_group_and_so_are_its_children(context: &Context) -> CaseResult {
    let root = Group::root(context)?;
    let (first, second) = (root.child("first")?, root.child("second")?);
    let member = Member::doing(&first, || {
        let _ = child::fork();
        child::pause()
    })?;
    let deadline = std::time::Instant::now() + PATIENCE;
    while first.processes()?.len() < 2 && std::time::Instant::now() < deadline {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let both = first.processes()?;
    check!(
        both.len() == 2 && both.contains(&member.pid),
        "processes of the group, parent and child: {both:?}"
    );
    check_eq!(place_of(member.pid)?, "/first", "/proc/PID/cgroup");
    succeeds("move of the parent", second.join(member.pid))?;
    check_eq!(second.processes()?, [member.pid], "processes of the second group");
    check_eq!(first.processes()?.len(), 1, "processes that stay in the first group");
    check_eq!(place_of(member.pid)?, "/second", "/proc/PID/cgroup after the move");
    Ok(())
}

/// The path of a process in the hierarchy, from its `0::` line.
pub fn place_of(pid: i32) -> Result<String, Stop> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup"))
        .map_err(|error| Stop::Broken(format!("/proc/{pid}/cgroup: {error}")))?;
    let line = text.lines().find_map(|line| line.strip_prefix("0::"));
    line.map(str::to_owned).ok_or_else(|| Stop::Fail(format!("/proc/{pid}/cgroup has no 0:: line: {text}")))
}

pub fn move_of_a_thread_moves_the_process(context: &Context) -> CaseResult {
    let group = Group::root(context)?.child("case")?;
    let inner = group.child("inner")?;
    child::isolated(|| {
        setup("move of oneself", group.join(0))?;
        std::thread::scope(|scope| {
            let (tell, told) = std::sync::mpsc::channel();
            let (_hold, held) = std::sync::mpsc::channel::<()>();
            scope.spawn(move || {
                // SAFETY: takes no pointers.
                let _ = tell.send(unsafe { libc::gettid() });
                let _ = held.recv();
            });
            let thread = told.recv().map_err(|_| Stop::Broken("a thread vanished".into()))?;
            succeeds("write of a thread's number to cgroup.procs", inner.join(thread))?;
            let pid = std::process::id() as i32;
            check_eq!(inner.processes()?, [pid], "processes where the thread's process went");
            check_eq!(group.processes()?, [], "processes that stayed");
            let threads = inner.read("cgroup.threads")?;
            let listed = threads.lines().any(|line| line == thread.to_string());
            check!(listed && threads.lines().count() == 2, "cgroup.threads: {threads}");
            Ok(())
        })
    })
}

pub fn bad_process_numbers_are_refused(context: &Context) -> CaseResult {
    let group = Group::root(context)?.child("case")?;
    let write = |value: &str| group.write("cgroup.procs", value);
    fails_with("a number that no process has", write("4194303"), libc::ESRCH)?;
    fails_with("a word", write("self"), libc::EINVAL)?;
    fails_with("a negative number", write("-1"), libc::EINVAL)?;
    // Threads of the kernel's stay in the root.
    fails_with("kthreadd", write("2"), libc::EINVAL)?;
    check_eq!(group.processes()?, [], "processes after refused writes");
    Ok(())
}

pub fn group_in_use_cannot_be_removed(context: &Context) -> CaseResult {
    let root = Group::root(context)?;
    let path = root.path.join("case");
    {
        let group = root.child("case")?;
        let inner = group.child("inner")?;
        fails_with("rmdir of a group with a child", remove(&path), libc::EBUSY)?;
        let member = Member::idle(&inner)?;
        fails_with("rmdir of a group with a process", remove(&inner.path), libc::EBUSY)?;
        drop(member);
    }
    check!(!path.exists(), "rmdir of an empty group does not remove it");
    let group = root.child("case")?;
    let directory = group.open()?;
    let open = |flags| {
        // SAFETY: a constant string.
        unsafe { syscall!(libc::SYS_openat, directory.as_raw_fd(), c"cgroup.procs".as_ptr(), flags) }
            .map(crate::sys::owned)
    };
    let file = setup("open of cgroup.procs", open(libc::O_RDWR))?;
    succeeds("rmdir of an empty group", remove(&path))?;
    fails_with("write to a file of a removed group", crate::file::write(&file, b"0"), libc::ENODEV)?;
    fails_with("open of a file in a removed group", open(libc::O_RDONLY), libc::ENOENT)
}

pub fn populated_tells_of_the_whole_subtree(context: &Context) -> CaseResult {
    let group = Group::root(context)?.child("case")?;
    let inner = group.child("inner")?;
    let deep = inner.child("deep")?;
    let watch = Watch::on(&group.path.join("cgroup.events"))?;
    let member = Member::idle(&deep)?;
    for (of, name) in [(&group, "the outermost"), (&inner, "the middle"), (&deep, "the innermost")] {
        check_eq!(of.key("cgroup.events", "populated")?, 1, "populated of {name} group");
    }
    check!(watch.fires()?, "cgroup.events was not notified when the first process came");
    drop(member);
    group.reaches("cgroup.events", "populated", 0, "after the last process ended")?;
    check!(watch.fires()?, "cgroup.events was not notified when the last process went");
    Ok(())
}

/// An inotify watch for modification of a file.
pub struct Watch(std::os::fd::OwnedFd);

impl Watch {
    pub fn on(path: &Path) -> Result<Watch, Stop> {
        use std::os::unix::ffi::OsStrExt;
        let name = std::ffi::CString::new(path.as_os_str().as_bytes()).expect("paths of cases hold no NUL");
        // SAFETY: the path lives through the call.
        unsafe {
            let fd = setup("inotify_init1", syscall!(libc::SYS_inotify_init1, libc::IN_CLOEXEC))?;
            let fd = crate::sys::owned(fd);
            let added = syscall!(libc::SYS_inotify_add_watch, fd.as_raw_fd(), name.as_ptr(), libc::IN_MODIFY);
            setup("inotify_add_watch", added)?;
            Ok(Watch(fd))
        }
    }

    /// Whether the file was modified within a while; takes every note there is.
    pub fn fires(&self) -> Result<bool, Stop> {
        let fires = setup("poll", file::poll(&self.0, libc::POLLIN, PATIENCE))? != 0;
        if fires {
            let mut bytes = [0u8; 4096];
            let (fd, address) = (self.0.as_raw_fd(), bytes.as_mut_ptr());
            // SAFETY: the buffer is ours.
            setup("read", unsafe { syscall!(libc::SYS_read, fd, address, bytes.len()) })?;
        }
        Ok(fires)
    }
}

/// At the limit a group can be made, one above it cannot.
pub fn descendants_and_depth_are_limited(context: &Context) -> CaseResult {
    let group = Group::root(context)?.child("case")?;
    group.set("cgroup.max.descendants", "2")?;
    {
        let first = group.child("first")?;
        let _inner = first.child("inner")?;
        let third = make(&group.path.join("third"));
        fails_with("mkdir beyond cgroup.max.descendants", third, libc::EAGAIN)?;
        check_eq!(group.key("cgroup.stat", "nr_descendants")?, 2, "nr_descendants at the limit");
    }
    group.set("cgroup.max.descendants", "max")?;
    group.set("cgroup.max.depth", "1")?;
    let first = group.child("first")?;
    let beyond = make(&first.path.join("inner"));
    fails_with("mkdir beyond cgroup.max.depth", beyond, libc::EAGAIN)?;
    group.set("cgroup.max.depth", "2")?;
    let inner = first.child("inner")?;
    check_eq!(group.key("cgroup.stat", "nr_descendants")?, 2, "nr_descendants");
    fails_with("mkdir beyond it, one deeper", make(&inner.path.join("x")), libc::EAGAIN)?;
    for file in ["cgroup.max.descendants", "cgroup.max.depth"] {
        check_eq!(group.write(file, "-1"), Err(Errno(libc::ERANGE)), "-1 in {file}");
        check_eq!(group.write(file, "many"), Err(Errno(libc::EINVAL)), "a word in {file}");
    }
    Ok(())
}
