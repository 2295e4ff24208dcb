//! The report for people.

use super::{Cell, Part, Report, Row};
use crate::ui::{Style, format};
use gauntlet_perf::Change;
use gauntlet_results::Verdict;

/// What exact figures cannot show; a reader must know it.
const BLIND: &str = "Not in these figures: cache and TLB misses, lock contention between CPUs, device time.
A repeated string instruction (memset_erms and its like) counts once per element.";

impl Report {
    /// The report as text.
    pub fn text(&self, style: Style) -> String {
        let mut text = format!("{}\n\n", style.bold("Instructions per operation (median)"));
        text += &self.header(style);
        for row in &self.rows {
            text += &self.row(row, style);
        }
        for absent in &self.absent {
            let verdict = format::verdict(absent.verdict, style);
            text += &format!("{verdict} {}: {}\n", absent.kernel, format::printable(&absent.reason));
        }
        text + &format!("\n{}\n{}\n", self.summary(), style.dim(BLIND))
    }

    fn name_width(&self) -> usize {
        self.rows.iter().map(|row| row.workload.len()).max().unwrap_or(0).max("workload".len())
    }

    fn column_width(&self) -> usize {
        self.kernels.iter().map(String::len).max().unwrap_or(0).max(14)
    }

    fn header(&self, style: Style) -> String {
        let mut line = format!("{:name$}", "workload", name = self.name_width());
        for (index, kernel) in self.kernels.iter().enumerate() {
            line += &format!("  {kernel:>width$}", width = self.column_width());
            line += if index > 0 { "    ratio  change" } else { "" };
        }
        format!("{}\n", style.dim(line.trim_end()))
    }

    fn row(&self, row: &Row, style: Style) -> String {
        let mut line = format!("{:name$}", row.workload, name = self.name_width());
        for (index, cell) in row.cells.iter().enumerate() {
            line += &format!("  {}", self.figure(cell, style));
            line += &if index > 0 { change(cell, style) } else { String::new() };
        }
        let mut text = format!("{}\n", line.trim_end());
        for (kernel, cell) in self.kernels.iter().zip(&row.cells) {
            // With two kernels there is no doubt which one is meant.
            let of = if self.kernels.len() > 2 { format!(" ({kernel})") } else { String::new() };
            text.extend(cell.functions.iter().map(|part| style.dim(&function(part, &of)) + "\n"));
            if cell.verdict.is_some_and(|verdict| verdict != Verdict::Pass) {
                text += &format!("    {kernel}: {}\n", format::printable(&cell.reason));
            }
        }
        text
    }

    fn figure(&self, cell: &Cell, style: Style) -> String {
        let width = self.column_width();
        match (cell.figure, cell.verdict) {
            (Some(figure), _) => format!("{:>width$}", thousands(figure)),
            (None, Some(verdict)) => {
                format!("{:pad$}{}", "", format::verdict(verdict, style), pad = width.saturating_sub(7))
            }
            (None, None) => format!("{:>width$}", "–"),
        }
    }

    fn summary(&self) -> String {
        let count = |change: Change| {
            let cells = self.rows.iter().flat_map(|row| &row.cells);
            cells.filter(|cell| cell.comparison.is_some_and(|one| one.change == change)).count()
        };
        if self.kernels.len() < 2 {
            return format!("{} measured", format::plural(self.rows.len(), "workload"));
        }
        format!(
            "{} slower, {} faster, {} the same, against {}",
            count(Change::Slower),
            count(Change::Faster),
            count(Change::Same),
            self.kernels[0]
        )
    }
}

fn change(cell: &Cell, style: Style) -> String {
    let Some(one) = cell.comparison else { return " ".repeat(17) };
    let ratio = format!("{:>9.4}", one.ratio);
    match one.change {
        Change::Same => format!("{ratio}  {}", style.dim("same  ")),
        Change::Faster => format!("{ratio}  {}", style.green("faster")),
        Change::Slower => format!("{ratio}  {}", style.red("slower")),
    }
}

/// `    +1,204  (43 %)  shmem_get_inode: 310 → 1,514`
fn function(part: &Part, of: &str) -> String {
    let sign = if part.after < part.before { '−' } else { '+' };
    let change = format!("{sign}{}", thousands(part.after.abs_diff(part.before)));
    let share = format!("({:.0} %)", 100.0 * part.share);
    let name = format::printable(&part.function);
    format!("  {change:>12}  {share:>8}  {name}: {} → {}{of}", thousands(part.before), thousands(part.after))
}

/// `1,234,567`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_grouped_by_three() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(thousands(number), text);
        }
    }
}
