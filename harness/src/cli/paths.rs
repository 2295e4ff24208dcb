//! Where the user's files live, by the XDG Base Directory Specification. Pure: the environment is an argument.

use crate::{Error, Result};
use std::path::PathBuf;

/// Looks up an environment variable.
pub(super) type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// `--results`, else `$GAUNTLET_RESULTS`, else `gauntlet/` in the user's state directory.
pub(super) fn results(flag: Option<PathBuf>, env: Lookup) -> Result<PathBuf> {
    match flag {
        Some(path) => Ok(path),
        None => directory("GAUNTLET_RESULTS", "XDG_STATE_HOME", ".local/state", env),
    }
}

/// `$GAUNTLET_CACHE`, else `gauntlet/` in the user's cache directory.
pub(super) fn cache(env: Lookup) -> Result<PathBuf> {
    directory("GAUNTLET_CACHE", "XDG_CACHE_HOME", ".cache", env)
}

fn directory(own: &str, xdg: &str, below_home: &str, env: Lookup) -> Result<PathBuf> {
    let set = |name: &str| env(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = set(own) {
        return Ok(path);
    }
    // "All paths set in these environment variables must be absolute" (XDG); a relative one is ignored.
    let base = set(xdg).filter(|path| path.is_absolute());
    let base = base.or_else(|| set("HOME").map(|home| home.join(below_home)));
    base.map(|base| base.join("gauntlet")).ok_or_else(|| {
        Error::usage(format!("neither ${own} nor $HOME is set")).hint(format!("set {own} to a directory"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(variables: &[(&str, &str)]) -> Result<PathBuf> {
        let env = |name: &str| variables.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned());
        results(None, &env)
    }

    #[test]
    fn own_variable_wins_over_xdg_over_home() {
        let all = [("GAUNTLET_RESULTS", "/r"), ("XDG_STATE_HOME", "/s"), ("HOME", "/h")];
        assert_eq!(resolved(&all).unwrap(), PathBuf::from("/r"));
        assert_eq!(resolved(&all[1..]).unwrap(), PathBuf::from("/s/gauntlet"));
        assert_eq!(resolved(&all[2..]).unwrap(), PathBuf::from("/h/.local/state/gauntlet"));
    }

    #[test]
    fn empty_and_relative_values_do_not_count() {
        let odd = [("GAUNTLET_RESULTS", ""), ("XDG_STATE_HOME", "state"), ("HOME", "/h")];
        assert_eq!(resolved(&odd).unwrap(), PathBuf::from("/h/.local/state/gauntlet"));
    }

    #[test]
    fn no_home_is_an_error_that_names_the_variable() {
        assert!(resolved(&[]).unwrap_err().to_string().contains("GAUNTLET_RESULTS"));
    }
}
