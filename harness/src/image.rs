//! What a clone finds in its initial RAM disk.
