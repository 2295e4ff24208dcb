//! Kernel builds: from the name a user typed to files that can boot.
//!
//! A [`KernelSpec`] says where a kernel comes from, [`resolve`] makes a [`KernelBuild`] of it, whatever the source.

use std::path::PathBuf;

pub mod apt;
pub mod archive;
pub mod cache;
pub mod catalogue;
pub mod config;
pub mod deb;
pub mod entry;
pub mod image;
pub mod local;
pub mod modules;
pub mod needs;
pub mod package;
pub mod resolve;
pub mod spec;
pub mod summary;
pub mod tree;
pub mod version;

pub use cache::Cache;
pub use config::KernelConfig;
pub use resolve::resolve;
pub use spec::KernelSpec;

/// A kernel that can boot, and what is known about it.
#[derive(Debug, Clone)]
pub struct KernelBuild {
    /// How results call it; the spec unless a configuration gives another name.
    pub name: String,
    pub spec: KernelSpec,
    /// `uname -r`.
    pub release: String,
    /// The whole version text of the image, with builder and date.
    pub version: String,
    /// The bzImage.
    pub image: PathBuf,
    pub config: Option<KernelConfig>,
    /// System.map, if it has the real addresses (Debian ships a placeholder).
    pub symbols: Option<PathBuf>,
    /// vmlinux with debugging information, of a kernel that was built on this machine.
    pub debug: Option<PathBuf>,
    /// The module tree, `/lib/modules/RELEASE`; of a packaged kernel it is filled on demand from `packages`.
    pub modules: Option<PathBuf>,
    /// The Debian packages the kernel came in.
    pub packages: Vec<PathBuf>,
    /// BLAKE3 of the image, in hexadecimal.
    pub image_digest: String,
}

/// Is told what happens now, in words for a person.
pub type Progress<'a> = &'a dyn Fn(&str);
