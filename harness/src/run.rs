//! Running a plan: clones, retries, events.
