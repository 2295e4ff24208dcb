//! System V IPC: when its objects were last used and changed.

use super::entry::{Low, int80, needs_int80};
use super::support::*;
use crate::case::{CaseResult, exists, setup};
use crate::{Context, Stop, check_eq, syscall};

/// One object of each kind, used once. What it tells are seconds.
struct Objects {
    semaphore: i64,
    queue: i64,
    memory: i64,
}

impl Objects {
    /// Makes them, and uses each so that every time of it is set.
    fn new() -> Result<Objects, Stop> {
        let (private, mode) = (libc::IPC_PRIVATE, 0o600);
        // SAFETY: no pointers.
        let (semaphore, queue, memory) = unsafe {
            (
                setup("semget", exists("semget", syscall!(libc::SYS_semget, private, 1, mode))?)?,
                setup("msgget", syscall!(libc::SYS_msgget, private, mode))?,
                setup("shmget", syscall!(libc::SYS_shmget, private, 4096, mode))?,
            )
        };
        let objects = Objects { semaphore, queue, memory };
        objects.use_all()?;
        Ok(objects)
    }

    fn use_all(&self) -> CaseResult {
        let add_one = libc::sembuf { sem_num: 0, sem_op: 1, sem_flg: 0 };
        let mut message = [1i64, 0];
        // SAFETY: operation and message are ours and as long as said; the memory is attached and detached only.
        unsafe {
            setup("semop", syscall!(libc::SYS_semop, self.semaphore, &raw const add_one, 1))?;
            setup("msgsnd", syscall!(libc::SYS_msgsnd, self.queue, message.as_ptr(), 8, 0))?;
            setup("msgrcv", syscall!(libc::SYS_msgrcv, self.queue, message.as_mut_ptr(), 8, 0, 0))?;
            let address = setup("shmat", syscall!(libc::SYS_shmat, self.memory, 0, 0))?;
            setup("shmdt", syscall!(libc::SYS_shmdt, address))?;
        }
        Ok(())
    }
}

/// Either side of what 32 bits without a sign tell, too.
const WHEN: [i64; 3] = [LAST + 1, LAST_UNSIGNED, FAR];

pub fn ipc_objects_tell_whole_times(_: &Context) -> CaseResult {
    for seconds in WHEN {
        set(Time::new(seconds, 0))?;
        let objects = Objects::new()?;
        // SAFETY: plain structures, for which zero is valid; each call fills in its own.
        let (semaphore, queue, memory) = unsafe {
            let (mut semaphore, mut queue, mut memory): (libc::semid_ds, libc::msqid_ds, libc::shmid_ds) =
                std::mem::zeroed();
            let stat = libc::IPC_STAT;
            setup("semctl", syscall!(libc::SYS_semctl, objects.semaphore, 0, stat, &raw mut semaphore))?;
            setup("msgctl", syscall!(libc::SYS_msgctl, objects.queue, stat, &raw mut queue))?;
            setup("shmctl", syscall!(libc::SYS_shmctl, objects.memory, stat, &raw mut memory))?;
            (semaphore, queue, memory)
        };
        for (name, told) in [
            ("sem_otime", semaphore.sem_otime),
            ("sem_ctime", semaphore.sem_ctime),
            ("msg_stime", queue.msg_stime),
            ("msg_rtime", queue.msg_rtime),
            ("msg_ctime", queue.msg_ctime),
            ("shm_atime", memory.shm_atime),
            ("shm_dtime", memory.shm_dtime),
            ("shm_ctime", memory.shm_ctime),
        ] {
            is_of_now(name, told)?;
        }
    }
    Ok(())
}

/// The last columns of the tables in /proc/sysvipc are the same times.
pub fn ipc_tables_tell_whole_times(_: &Context) -> CaseResult {
    for seconds in WHEN {
        set(Time::new(seconds, 0))?;
        let objects = Objects::new()?;
        for (table, id, columns) in [
            ("sem", objects.semaphore, &["otime", "ctime"][..]),
            ("msg", objects.queue, &["stime", "rtime", "ctime"]),
            ("shm", objects.memory, &["atime", "dtime", "ctime"]),
        ] {
            let path = format!("/proc/sysvipc/{table}");
            let text =
                std::fs::read_to_string(&path).map_err(|error| Stop::Skip(format!("no {path}: {error}")))?;
            let mut lines = text.lines().map(|line| line.split_ascii_whitespace().collect::<Vec<_>>());
            let names = lines.next().unwrap_or_default();
            let row = lines.find(|row| row.get(1).and_then(|word| word.parse().ok()) == Some(id));
            for column in columns {
                let at = names.iter().position(|name| name == column);
                let told = at.and_then(|at| row.as_ref()?.get(at)?.parse().ok());
                is_of_now(&format!("{column} in {path}"), told.unwrap_or(-1))?;
            }
        }
    }
    Ok(())
}

/// A 32-bit program gets every time in two words (include/uapi/asm-generic/{sem,msg,shm}buf.h).
pub fn ipc_times_for_32_bit_programs_are_whole(_: &Context) -> CaseResult {
    const SEMCTL: u32 = 394;
    const SHMCTL: u32 = 396;
    const MSGCTL: u32 = 402;
    const STAT: u32 = libc::IPC_STAT as u32;
    /// Length of `struct ipc64_perm`.
    const PERMISSION: usize = 9;
    needs_int80()?;
    let low = Low::new()?;
    let at = u32::try_from(low.at(0)).expect("the memory is below 4 GiB");
    for seconds in WHEN {
        set(Time::new(seconds, 0))?;
        let objects = Objects::new()?;
        // Words before the times, and how many times there are.
        for (name, call, arguments, before, count) in [
            ("semctl", SEMCTL, [objects.semaphore as u32, 0, STAT, at, 0, 0], PERMISSION, 2),
            ("msgctl", MSGCTL, [objects.queue as u32, STAT, at, 0, 0, 0], PERMISSION, 3),
            ("shmctl", SHMCTL, [objects.memory as u32, STAT, at, 0, 0, 0], PERMISSION + 1, 3),
        ] {
            low.put(0, [0u32; 64]);
            // SAFETY: the structure is in the low memory.
            crate::case::succeeds(name, unsafe { int80(call, arguments) })?;
            let words: [u32; 64] = low.get(0);
            for time in 0..count {
                let (low_half, high_half) = (words[before + 2 * time], words[before + 2 * time + 1]);
                let told = i64::from(low_half) | i64::from(high_half) << 32;
                is_of_now(&format!("time {time} told by {name} to a 32-bit program"), told)?;
            }
        }
    }
    Ok(())
}

/// Changing an object is a time of its own.
pub fn ipc_change_is_noted(_: &Context) -> CaseResult {
    set(Time::new(LAST - 100_000, 0))?;
    let objects = Objects::new()?;
    for seconds in WHEN {
        set(Time::new(seconds, 0))?;
        // SAFETY: a plain structure, for which zero is valid; the calls fill it in and read it.
        let semaphore = unsafe {
            let mut semaphore: libc::semid_ds = std::mem::zeroed();
            let address = &raw mut semaphore;
            for command in [libc::IPC_STAT, libc::IPC_SET, libc::IPC_STAT] {
                setup("semctl", syscall!(libc::SYS_semctl, objects.semaphore, 0, command, address))?;
            }
            semaphore
        };
        is_of_now("sem_ctime after IPC_SET", semaphore.sem_ctime)?;
        objects.use_all()?;
        // SAFETY: as above.
        let used = unsafe {
            let mut semaphore: libc::semid_ds = std::mem::zeroed();
            let address = &raw mut semaphore;
            setup("semctl", syscall!(libc::SYS_semctl, objects.semaphore, 0, libc::IPC_STAT, address))?;
            semaphore
        };
        is_of_now("sem_otime after semop", used.sem_otime)?;
        check_eq!(used.sem_ctime, semaphore.sem_ctime, "sem_ctime, which semop does not change");
    }
    Ok(())
}
