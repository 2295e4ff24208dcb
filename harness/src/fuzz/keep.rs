//! A finding as files, for whoever debugs it: the minimal program, the same in C, and what the kernel said.

use crate::{Error, Result};
use gauntlet_results::Finding;
use std::path::{Path, PathBuf};

/// Longest title in a folder's name; the digest tells the rest apart.
const TITLE: usize = 60;

/// Where the files of a finding are.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Kept {
    pub program: PathBuf,
    pub c_program: PathBuf,
    pub console: PathBuf,
}

/// Writes the files below `findings`, in a folder named by kernel and title; those of an earlier campaign that found
/// the same are replaced.
///
/// # Errors
/// When they cannot be written.
pub fn keep(finding: &Finding, findings: &Path) -> Result<Kept> {
    let folder = findings.join(file_name(&finding.kernel)).join(folder_name(&finding.title));
    let kept = Kept {
        program: folder.join("minimal.program"),
        c_program: folder.join("reproducer.c"),
        console: folder.join("console.log"),
    };
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(&folder)?;
        std::fs::write(&kept.program, format!("{}\n", finding.program.trim_end()))?;
        std::fs::write(&kept.c_program, &finding.c_program)?;
        std::fs::write(&kept.console, &finding.console)
    };
    write().map_err(|error| {
        Error::infra(format!("cannot keep a finding in {}", folder.display())).because(error)
    })?;
    Ok(kept)
}

/// Titles come from a guest: only letters, digits and dashes of them reach the disk.
fn folder_name(title: &str) -> String {
    let digest = blake3::hash(title.as_bytes()).to_hex();
    let mut name: String = file_name(title).chars().take(TITLE).collect();
    name.push('-');
    name.push_str(&digest[..8]);
    name
}

fn file_name(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '.' || c == '_' { c } else { '-' };
    let name: String = text.chars().map(plain).collect();
    name.trim_matches(['-', '.']).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(title: &str) -> Finding {
        Finding {
            kernel: "../6.1".to_owned(),
            title: title.to_owned(),
            program: "sysrq$panic(0x63)".to_owned(),
            c_program: "int main(void) {}\n".to_owned(),
            console: "[    1.0] Kernel panic\n".to_owned(),
            reproduced: 3,
            replays: 3,
        }
    }

    #[test]
    fn a_finding_becomes_three_files_inside_the_folder_whatever_its_title() {
        let folder = tempfile::tempdir().unwrap();
        for title in ["kernel panic: sysrq", "../../etc/passwd", "", &"x/".repeat(500)] {
            let kept = keep(&finding(title), folder.path()).unwrap();
            for file in [&kept.program, &kept.c_program, &kept.console] {
                let real = file.canonicalize().unwrap();
                assert!(real.starts_with(folder.path().canonicalize().unwrap()), "{}", real.display());
            }
        }
    }

    #[test]
    fn titles_that_differ_only_in_signs_have_folders_of_their_own() {
        assert_ne!(folder_name("a b"), folder_name("a-b"));
    }
}
