//! A table with names on the left, cut into blocks of columns where the terminal is too narrow.

use super::{Options, Style};
use crate::Verdict;

pub(super) struct Cell {
    text: String,
    look: Look,
}

enum Look {
    Plain,
    Dim,
    Verdict(Verdict),
}

impl Cell {
    pub fn plain(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), look: Look::Plain }
    }

    pub fn dim(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), look: Look::Dim }
    }

    pub fn of(verdict: Verdict, text: impl Into<String>) -> Cell {
        Cell { text: text.into(), look: Look::Verdict(verdict) }
    }

    fn render(&self, style: Style, width: usize) -> String {
        let text = format!("{:>width$}", self.text);
        match self.look {
            Look::Plain => text,
            Look::Dim => style.dim(&text),
            Look::Verdict(verdict) => style.verdict(verdict, &text),
        }
    }
}

pub(super) struct Table {
    corner: String,
    head: Vec<String>,
    rows: Vec<Row>,
}

struct Row {
    name: String,
    cells: Vec<Cell>,
    /// Lines of their own below the row.
    notes: Vec<String>,
}

const GAP: usize = 2;

impl Table {
    pub fn new(corner: &str, head: impl Iterator<Item = String>) -> Table {
        Table { corner: corner.to_owned(), head: head.collect(), rows: Vec::new() }
    }

    pub fn row(&mut self, name: String, cells: Vec<Cell>, notes: Vec<String>) {
        self.rows.push(Row { name, cells, notes });
    }

    pub fn render(&self, options: &Options) -> String {
        let names = self.rows.iter().map(|row| row.name.chars().count()).max().unwrap_or(0);
        let names = names.max(self.corner.chars().count());
        let widths: Vec<usize> = (0..self.head.len()).map(|column| self.width(column)).collect();
        let blocks = blocks(&widths, options.width.saturating_sub(names + GAP));
        let mut text = String::new();
        for (index, block) in blocks.iter().enumerate() {
            if index > 0 {
                text.push('\n');
            }
            text += &self.block(options, names, &widths, block.clone());
        }
        text
    }

    fn block(
        &self,
        options: &Options,
        names: usize,
        widths: &[usize],
        columns: std::ops::Range<usize>,
    ) -> String {
        let head: String = columns
            .clone()
            .map(|column| format!("  {:>width$}", self.head[column], width = widths[column]))
            .collect();
        let mut text = format!("  {}\n", options.style.dim(&format!("{:<names$}{head}", self.corner)));
        for row in &self.rows {
            let cells: String = columns
                .clone()
                .map(|column| format!("  {}", row.cells[column].render(options.style, widths[column])))
                .collect();
            text += &format!("  {:<names$}{cells}\n", row.name);
            for note in row.notes.iter().filter(|_| columns.end == self.head.len()) {
                for part in super::wrap(note, options.width.saturating_sub(6).max(20)) {
                    text += &format!("      {}\n", options.style.dim(&part));
                }
            }
        }
        text
    }

    fn width(&self, column: usize) -> usize {
        let cells = self.rows.iter().map(|row| row.cells[column].text.chars().count());
        cells.chain([self.head[column].chars().count()]).max().unwrap_or(0)
    }
}

/// Consecutive columns that fit into `room`, at least one each.
fn blocks(widths: &[usize], room: usize) -> Vec<std::ops::Range<usize>> {
    let mut blocks: Vec<std::ops::Range<usize>> = Vec::new();
    let mut used = 0;
    for (column, width) in widths.iter().enumerate() {
        used += width + GAP;
        match blocks.last_mut() {
            Some(block) if used <= room => block.end = column + 1,
            _ => {
                blocks.push(column..column + 1);
                used = width + GAP;
            }
        }
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn blocks_hold_every_column_once_and_fit(widths in prop::collection::vec(1usize..30, 0..20), room in 0usize..90) {
            let blocks = blocks(&widths, room);
            let columns: Vec<usize> = blocks.iter().cloned().flatten().collect();
            prop_assert_eq!(columns, (0..widths.len()).collect::<Vec<_>>());
            for block in blocks {
                let used: usize = widths[block.clone()].iter().map(|width| width + GAP).sum();
                prop_assert!(used <= room || block.len() == 1);
            }
        }
    }
}
