//! getrandom(2).
//!
//! Limits the page states for the old entropy pools (512 bytes from `GRND_RANDOM`) no longer exist on any kernel
//! tested here: since 5.6 both flags read one generator (random(4)).

use crate::{Case, Need, Suite, cases};

mod arguments;
mod bytes;
mod calls;
mod erasure;
mod signals;
mod streams;
mod vdso;

use {arguments::*, bytes::*, erasure::*, signals::*, streams::*, vdso::*};

pub const SUITE: Suite =
    Suite { name: "getrandom", about: "getrandom(2): random bytes without a file", needs: &[], cases: CASES };

/// Memory that is withheld while a signal comes.
const WITHHELD: Need = Need::Config("USERFAULTFD");
const VDSO: Need = Need::Since { major: 6, minor: 11, what: "getrandom in the vDSO" };

const CASES: &[Case] = cases! {
    fills_the_whole_buffer: "getrandom(2): reads of up to 256 bytes always return as many bytes as requested";
    writes_exactly_the_bytes_it_reports: "getrandom(2): fills the buffer pointed to by buf with up to buflen bytes";
    large_request_is_filled_to_its_end: "getrandom(2) RETURN VALUE: the number of bytes copied to buf";
    blocks_of_the_stream_do_not_repeat: "random(7): a cryptographically secure pseudorandom number generator";
    bits_are_balanced: "random(7): a cryptographically secure pseudorandom number generator";
    byte_values_are_evenly_spread: "random(7): a cryptographically secure pseudorandom number generator";
    stream_is_unrelated_to_itself_shifted: "random(7): a cryptographically secure pseudorandom number generator";
    successive_calls_are_unrelated: "random(7): a cryptographically secure pseudorandom number generator";
    flags_and_lengths_repeat_nothing: "random(4): since Linux 5.6, one generator whatever the flags";
    successive_calls_differ: "getrandom(2): a series of random bytes, for seeding generators and cryptography";
    draw_does_not_foretell_the_next: "random(7): a cryptographically secure pseudorandom number generator";
    parent_and_child_draw_different_bytes: "random(7): no state is kept in the process, so fork(2) repeats nothing";
    children_forked_at_once_draw_different_bytes: "random(7): no state is kept in the process, so fork(2) repeats nothing";
    threads_draw_different_bytes: "random(7): one generator for the whole system; clone(2) CLONE_VM";
    cpus_draw_different_bytes: "random(7): one generator for the whole system", needs [Need::Cpus(2)];
    short_request_is_never_interrupted: "getrandom(2): up to 256 bytes will not be interrupted by signals";
    short_request_is_completed_with_a_signal_pending: "getrandom(2): up to 256 bytes will always return as many as requested, not interrupted by signals", needs [WITHHELD];
    interrupted_request_reports_what_it_wrote: "getrandom(2) Interruption by a signal handler: EINTR or a partial count";
    long_request_with_a_signal_pending_reports_what_it_wrote: "getrandom(2) Interruption by a signal handler: EINTR or a partial count", needs [WITHHELD];
    request_of_32_mib_is_cut_by_a_byte_at_most: "getrandom(2) NOTES: at most 33554431 bytes from the urandom source";
    ready_pool_never_blocks: "getrandom(2) GRND_NONBLOCK: EAGAIN only while the pool is uninitialized";
    every_flag_combination_delivers_every_length: "getrandom(2): flags is a bit mask that can contain zero or more";
    random_flag_draws_from_the_same_generator: "random(4): since Linux 5.6, /dev/random differs in blocking only";
    insecure_flag_is_accepted: "getrandom(2) GRND_INSECURE, since Linux 5.6";
    insecure_with_random_is_refused: "getrandom(2) ERRORS: EINVAL, GRND_INSECURE together with GRND_RANDOM";
    unknown_flag_is_refused: "getrandom(2) ERRORS: EINVAL, an invalid flag was specified in flags";
    empty_request_returns_zero: "getrandom(2) RETURN VALUE: the number of bytes copied to buf";
    buffer_without_memory_is_refused: "getrandom(2) ERRORS: EFAULT, buf is outside the accessible address space";
    kernel_address_is_refused: "getrandom(2) ERRORS: EFAULT, buf is outside the accessible address space";
    read_only_buffer_is_refused: "getrandom(2) ERRORS: EFAULT, buf is outside the accessible address space";
    buffer_with_a_hole_is_not_overrun: "getrandom(2) ERRORS: EFAULT, buf is outside the accessible address space";

    vdso_delivers_every_length: "vdso(7) __vdso_getrandom: as getrandom(2)", needs [VDSO];
    vdso_repeats_nothing: "vdso(7) __vdso_getrandom; random(7)", needs [VDSO];
    vdso_state_is_not_shared_with_a_child: "vdso(7) __vdso_getrandom: its state is wiped by fork(2), MADV_WIPEONFORK", needs [VDSO];
    vdso_state_forgets_what_it_dealt_out: "lib/vdso/getrandom.c: bytes are zeroed in the state as they are copied out", needs [VDSO];
    vdso_refuses_unknown_flags_and_torn_states: "getrandom(2) ERRORS: EINVAL; lib/vdso/getrandom.c", needs [VDSO];
};
