//! Reading a kernel's complaints off its console.
