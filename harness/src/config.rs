//! Raw YAML in, checked configuration out.
