//! The end of every verb that records a run: files, summary, exit code.

use super::Globals;
use crate::{Error, Result, ui};
use gauntlet_results::RunRecord;
use gauntlet_results::report::{self, Format, Options};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Writes the configured reports into the run's folder, prints the summary (or the record as JSON), and turns
/// the verdicts into the exit code.
///
/// # Errors
/// When a report cannot be written.
pub fn conclude(
    record: &RunRecord,
    folder: &Path,
    formats: &[Format],
    globals: &Globals,
) -> Result<ExitCode> {
    let mut written = Vec::new();
    for format in formats {
        written.push(write(record, folder, *format)?);
    }
    if globals.json {
        ui::print_json(record)?;
    } else {
        ui::print(&Format::Terminal.render(record, &globals.report_options()))?;
        for path in &written {
            ui::print(&format!("report  {}\n", path.display()))?;
        }
    }
    Ok(ExitCode::from(report::exit_code(record)))
}

fn write(record: &RunRecord, folder: &Path, format: Format) -> Result<PathBuf> {
    let path = folder.join(file_name(format));
    let text = format.render(record, &Options::default());
    std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(&path, text))
        .map_err(|error| Error::infra(format!("cannot write {}", path.display())).because(error))?;
    Ok(path)
}

fn file_name(format: Format) -> &'static str {
    match format {
        Format::Terminal => "report.txt",
        Format::Ktap => "report.ktap",
        Format::Junit => "junit.xml",
        Format::Json => "report.json",
        Format::Html => "report.html",
        Format::Kcidb => "kcidb.json",
        Format::Github => "annotations.txt",
        Format::Mail => "report.eml",
    }
}
