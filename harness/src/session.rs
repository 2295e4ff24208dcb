//! A kernel made ready: its template, and clones that answer requests.
