//! Where kernels come from: packages, paths, the host, git trees.
