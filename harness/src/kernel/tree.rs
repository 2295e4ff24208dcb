//! `tree:` kernels: built from a git tree by the tree's own make, in a worktree and a build directory of our own, so
//! that the user's checkout is neither changed nor locked.
//!
//! What was built is kept by content: the git tree, the configuration and the compiler. The worktree and the build
//! directory stay as well, so the next revision compiles only what changed.

pub mod build;
pub mod diagnosis;
pub mod fragment;
pub mod gnumakefile;
pub mod kconfig;
pub mod make;
pub mod makeflags;
pub mod memory;
pub mod output;
pub mod program;
pub mod range;
pub mod recipe;
pub mod source;

pub use build::resolve;
