//! The end of every verb that records a run: files, summary, exit code.

use super::Globals;
use crate::run::Sink;
use crate::{Error, Result, ui};
use gauntlet_results::RunRecord;
use gauntlet_results::report::{self, Format, Options};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

/// Ends the run, and writes its identifier where `--run-file` says.
///
/// # Errors
/// When something could not be stored or written.
pub fn finish(sink: Arc<Sink>, globals: &Globals) -> Result<(RunRecord, PathBuf)> {
    let sink = Arc::into_inner(sink).ok_or_else(|| Error::infra("a worker outlived its run"))?;
    let (record, folder) = sink.finish(globals.interrupt.requested())?;
    if let Some(path) = &globals.run_file {
        let append = std::fs::OpenOptions::new().create(true).append(true).open(path);
        append
            .and_then(|mut file| writeln!(file, "{}", record.info.id))
            .map_err(|error| Error::infra(format!("cannot write {}", path.display())).because(error))?;
    }
    Ok((record, folder))
}

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
    if globals.json {
        ui::print_json(record)?;
    } else {
        ui::print(&Format::Terminal.render(record, &globals.report_options()))?;
    }
    reports(record, folder, formats, globals)?;
    Ok(ExitCode::from(report::exit_code(record)))
}

/// Writes the configured reports into the run's folder, and says where they are.
///
/// # Errors
/// When a report cannot be written.
pub fn reports(record: &RunRecord, folder: &Path, formats: &[Format], globals: &Globals) -> Result<()> {
    for format in formats {
        let path = write(record, folder, *format)?;
        if !globals.json {
            ui::print(&format!("report  {}\n", path.display()))?;
        }
    }
    Ok(())
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
