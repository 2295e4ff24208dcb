//! Why a build failed: the first thing that went wrong, out of thousands of lines.

/// One complaint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// `file:line:column`, relative to the source tree, if the complaint is about a place.
    pub place: Option<String>,
    pub message: String,
}

impl std::fmt::Display for Complaint {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = self.place.as_ref().map(|place| format!("{place}: ")).unwrap_or_default();
        write!(formatter, "{place}{}", self.message)
    }
}

/// The first error of a compiler, linker or of make, in this order of worth: what make says is only an echo.
pub fn first_error(output: &str, source: &str) -> Option<Complaint> {
    let kinds: [fn(&str) -> Option<Complaint>; 4] = [of_compiler, of_linker, of_shell, of_make];
    let complaint = kinds.iter().find_map(|of_kind| output.lines().find_map(of_kind))?;
    Some(complaint.inside(source))
}

/// Every error of the compiler's, in order, each once.
pub fn errors(output: &str, source: &str) -> Vec<Complaint> {
    let mut all: Vec<Complaint> = Vec::new();
    for complaint in output.lines().filter_map(of_compiler).map(|one| one.inside(source)) {
        if !all.contains(&complaint) {
            all.push(complaint);
        }
    }
    all
}

impl Complaint {
    fn inside(self, source: &str) -> Complaint {
        let place = self.place.map(|place| {
            let inside = place.strip_prefix(source).unwrap_or(&place);
            inside.trim_start_matches("../").trim_start_matches('/').to_owned()
        });
        Complaint { place, ..self }
    }
}

/// `fs/open.c:12:3: error: expected ‘;’ before ‘}’ token`; the linker's script errors look alike without a column.
fn of_compiler(line: &str) -> Option<Complaint> {
    let (place, message) = line.split_once(": error: ").or_else(|| line.split_once(": fatal error: "))?;
    let is_place = place.split(':').nth(1).is_some_and(|number| number.parse::<u32>().is_ok());
    is_place.then(|| Complaint { place: Some(place.trim().to_owned()), message: message.to_owned() })
}

/// `ld: kernel/fork.o: in function ...: undefined reference to ...`
fn of_linker(line: &str) -> Option<Complaint> {
    let wrong = ["undefined reference", "multiple definition", "modpost: \"", "unresolvable relocation"];
    let message = line.strip_prefix("ld: ").unwrap_or(line).strip_prefix("ERROR: ").unwrap_or(line);
    wrong
        .iter()
        .any(|wrong| line.contains(wrong))
        .then(|| Complaint { place: None, message: message.to_owned() })
}

/// `/bin/sh: 1: flex: not found`
fn of_shell(line: &str) -> Option<Complaint> {
    let told = line.ends_with(": not found") || line.ends_with(": command not found");
    told.then(|| Complaint { place: None, message: line.to_owned() })
}

/// `make[3]: *** [scripts/Makefile.build:250: fs/open.o] Error 1`, `*** No rule to make target …`
fn of_make(line: &str) -> Option<Complaint> {
    let (_, message) = line.split_once("*** ")?;
    Some(Complaint { place: None, message: message.trim_end_matches("  Stop.").to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn first(output: &str) -> (Option<String>, String) {
        let complaint = first_error(output, "/cache/source").unwrap();
        (complaint.place, complaint.message)
    }

    #[test]
    fn the_compilers_first_error_counts_and_its_place_is_in_the_tree() {
        let output = "make[1]: Entering directory '/cache/build'\n\
            /cache/source/fs/open.c:10:1: warning: unused variable\n\
            /cache/source/fs/open.c: In function 'do_open':\n\
            /cache/source/fs/open.c:12:3: error: expected ';' before '}' token\n\
            /cache/source/fs/open.c:14:3: error: second\n\
            make[3]: *** [/cache/source/scripts/Makefile.build:250: fs/open.o] Error 1\n";
        assert_eq!(first(output), (Some("fs/open.c:12:3".into()), "expected ';' before '}' token".into()));
    }

    #[test]
    fn one_who_keeps_going_hears_of_every_error_once() {
        let output =
            "/s/fs/open.c:12:3: error: a\n/s/fs/open.c:12:3: error: a\nx\n/s/fs/read.c:1: error: b\n";
        let all: Vec<String> = errors(output, "/s").iter().map(ToString::to_string).collect();
        assert_eq!(all, ["fs/open.c:12:3: a", "fs/read.c:1: b"]);
    }

    #[test]
    fn relative_places_lose_their_dots() {
        let output = "../source/a.h:3:10: fatal error: gelf.h: No such file or directory\n";
        assert_eq!(first(output).0, Some("source/a.h:3:10".into()));
        assert_eq!(first(output).1, "gelf.h: No such file or directory");
    }

    #[test]
    fn without_a_compiler_error_the_linker_is_heard_then_make() {
        let output = "ld: kernel/fork.o: in function `fork':\nfork.c:(.text+0x1): undefined reference to `missing'\n\
            make: *** [Makefile:1238: vmlinux] Error 1\n";
        assert!(first(output).1.contains("undefined reference to `missing'"));
        assert_eq!(
            first("make: *** No rule to make target 'x'.  Stop.\n"),
            (None, "No rule to make target 'x'.".into())
        );
        assert!(first("/bin/sh: 1: flex: not found\nmake: *** [x] Error 127\n").1.contains("flex"));
    }

    #[test]
    fn silence_has_no_cause() {
        assert_eq!(first_error("make: Nothing to be done\n", "/s"), None);
    }
}
