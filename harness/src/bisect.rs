//! Finding the commit or the build that broke something, with a stated confidence.
