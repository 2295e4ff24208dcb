//! What is said just before a warning or a `BUG()` by the helper that noticed: it names the bug better than the
//! place does.

use super::rules::matches;

/// What the record starts with (after a `*`, what must come later in it), and how the bug is called.
const PREFACES: &[(&str, &str)] = &[
    // lib/refcount.c, lib/debugobjects.c, lib/list_debug.c, lib/kobject.c, lib/string_helpers.c
    ("refcount_t: ", "refcount bug"),
    ("ODEBUG: ", "ODEBUG bug"),
    ("list_add corruption", "corrupted list"),
    ("list_del corruption", "corrupted list"),
    ("kobject: *tried to init an initialized object", "kobject bug"),
    ("kobject: *is not initialized", "kobject bug"),
    ("kobject_add_internal failed for ", "kobject bug"),
    ("detected buffer overflow in ", "buffer overflow"),
    ("mem*: detected buffer overflow", "buffer overflow"),
    ("str*: detected buffer overflow", "buffer overflow"),
    ("mem*: detected field-spanning write", "field-spanning write"),
    // mm/usercopy.c
    ("usercopy: ", "bad usercopy"),
    // kernel/locking
    ("DEBUG_LOCKS_WARN_ON(", "locking bug"),
    ("DEBUG_RWSEMS_WARN_ON(", "locking bug"),
    // fs/proc/generic.c
    ("proc_dir_entry '", "proc registration bug"),
    ("Voluntary context switch within RCU read-side critical section", "sleeping in RCU read-side section"),
];

/// How the bug is called that this record announces.
pub(super) fn preface(body: &str) -> Option<&'static str> {
    PREFACES.iter().find(|(start, _)| matches(start, body)).map(|(_, words)| *words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn helpers_announce_what_they_noticed() {
        assert_eq!(preface("refcount_t: underflow; use-after-free."), Some("refcount bug"));
        assert_eq!(preface("memcpy: detected buffer overflow: 52 byte write"), Some("buffer overflow"));
        assert_eq!(preface("memory is plentiful"), None);
    }

    #[test]
    fn no_preface_hides_a_later_one() {
        for (index, (start, words)) in PREFACES.iter().enumerate() {
            let first = PREFACES.iter().position(|(other, _)| matches(other, &start.replace('*', "x")));
            assert!(first.is_some_and(|first| first == index || PREFACES[first].1 == *words), "{start}");
        }
    }
}
