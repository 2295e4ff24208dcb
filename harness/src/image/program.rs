//! A program of the host's with everything it needs, as an archive.
