//! What a make that called us was told and that holds for the makes we call: its job server, `-j`, `-k` (info make,
//! "Options/Recursion" and "Job Slots").

use super::program::Call;

/// The flags in `MAKEFLAGS` that mean something to us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MakeFlags {
    /// The connection to the job server, as words for `MAKEFLAGS`: then its slots bound our compilers, too.
    server: Vec<String>,
    /// `-jN`.
    pub jobs: Option<usize>,
    /// `-k`: after an error, build what does not need the broken file.
    pub keep_going: bool,
}

impl MakeFlags {
    /// Of the make that called us, if one did.
    pub fn of_environment() -> MakeFlags {
        MakeFlags::parse(&std::env::var("MAKEFLAGS").unwrap_or_default())
    }

    /// `kn -j8 --jobserver-auth=3,4 -- LLVM=1`: single letters first, without a dash; variables last.
    fn parse(text: &str) -> MakeFlags {
        let words: Vec<&str> = text.split_ascii_whitespace().take_while(|word| *word != "--").collect();
        let letters = words.first().filter(|word| !word.starts_with('-') && !word.contains('='));
        let jobs = |word: &&str| word.strip_prefix("-j").filter(|rest| !rest.starts_with('-')).is_some();
        let connection = |word: &&&str| word.starts_with("--jobserver-");
        let is_served = words.iter().any(|word| connection(&word));
        let server = words.iter().filter(|word| is_served && (connection(word) || jobs(word)));
        MakeFlags {
            server: server.map(|word| (*word).to_owned()).collect(),
            jobs: words.iter().find(|word| jobs(word)).and_then(|word| word[2..].parse().ok()),
            keep_going: letters.is_some_and(|letters| letters.contains('k')),
        }
    }

    /// Makes them hold for a call of make. Nobody having said how many jobs, there is one for each CPU.
    pub fn apply(&self, call: Call) -> Call {
        let call = if self.keep_going { call.argument("--keep-going") } else { call };
        if !self.server.is_empty() {
            return call.environment("MAKEFLAGS", format!(" {}", self.server.join(" ")));
        }
        let cpus = || std::thread::available_parallelism().map_or(1, usize::from);
        call.argument(format!("--jobs={}", self.jobs.unwrap_or_else(cpus)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn applied(makeflags: &str) -> (Vec<String>, Option<String>) {
        let call = MakeFlags::parse(makeflags).apply(Call::new("make", Path::new("/")));
        let text = |word: &std::ffi::OsString| word.to_string_lossy().into_owned();
        let flags = call.environment.iter().find(|(name, _)| *name == "MAKEFLAGS");
        (call.arguments.iter().map(text).collect(), flags.map(|(_, value)| text(value)))
    }

    #[test]
    fn the_job_server_is_joined_where_there_is_one() {
        let (arguments, flags) = applied("n -j8 --jobserver-auth=3,4 -- LLVM=1");
        assert_eq!((arguments, flags.as_deref()), (vec![], Some(" -j8 --jobserver-auth=3,4")));
        let (_, flags) = applied(" -j2 --jobserver-auth=fifo:/tmp/GMfifo1");
        assert_eq!(flags.as_deref(), Some(" -j2 --jobserver-auth=fifo:/tmp/GMfifo1"));
    }

    #[test]
    fn one_job_and_going_on_after_errors_are_heard_without_one() {
        assert_eq!(
            applied("k -j1 --no-print-directory"),
            (vec!["--keep-going".into(), "--jobs=1".into()], None)
        );
        assert_eq!(MakeFlags::parse("TARGETS=k"), MakeFlags::default());
        assert_eq!(MakeFlags::parse(" -- k=1 -j9"), MakeFlags::default());
        assert!(applied("").0[0].starts_with("--jobs="));
    }
}
