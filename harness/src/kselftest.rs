//! The kernel's own tests: kselftest programs built from the tree and run in clones, KUnit read from the console.
//!
//! A target is a directory of tools/testing/selftests. Each of its programs runs alone in a fresh clone, with its exit
//! status read by us; every test that it reports is a result of its own, named `kselftest/TARGET:PROGRAM/TEST`.

pub mod install;
pub mod judge;
pub mod ktap;
pub mod kunit;
pub mod plain;
pub mod program;
pub mod symbols;

pub use install::{Installed, install};
pub use program::Program;
