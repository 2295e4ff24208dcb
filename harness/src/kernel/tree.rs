//! `tree:` kernels: built from a git tree by the tree's own make, in a worktree and a build directory of our own, so
//! that the user's checkout is neither changed nor locked.
//!
//! What was built is kept by content: the git tree, the configuration and the compiler. The worktree and the build
//! directory stay as well, so the next revision compiles only what changed.

pub mod build;
pub mod diagnosis;
pub mod fragment;
pub mod program;
pub mod source;

pub use build::resolve;

/// How a tree is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Recipe {
    /// The make target that writes the first `.config`.
    pub base: &'static str,
    /// Kconfig fragments merged over it, in this order: name and text.
    pub fragments: &'static [(&'static str, &'static str)],
}

/// A kernel that builds in minutes and has all that the agent and the suites need.
pub const SMALL: Recipe = Recipe {
    base: "tinyconfig",
    fragments: &[("base.config", include_str!("../../../configs/kconfig/base.config"))],
};
