// SPDX-License-Identifier: GPL-2.0

//! A header and lines of cells as a table: for a terminal, or as Markdown.
//!
//! Relies on comfy-table for how it looks. Promises that columns of numbers are aligned at the
//! right; what the cells say is for the tables of this folder.

use comfy_table::{
    CellAlignment, Table,
    presets::{ASCII_MARKDOWN, UTF8_FULL_CONDENSED},
};
use std::ops::RangeInclusive;

pub(super) struct Grid(Table);

impl Grid {
    /// `numbers` are the columns of numbers.
    pub(super) fn new<const N: usize>(
        header: [&str; N],
        numbers: RangeInclusive<usize>,
        lines: impl IntoIterator<Item = [String; N]>,
    ) -> Self {
        let mut table = Table::new();
        table.set_header(header);
        for index in numbers {
            if let Some(column) = table.column_mut(index) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.add_rows(lines);
        Self(table)
    }

    pub(super) fn terminal(mut self) -> String {
        self.0.load_style(UTF8_FULL_CONDENSED);
        self.0.to_string()
    }

    pub(super) fn markdown(mut self) -> String {
        self.0.load_style(ASCII_MARKDOWN);
        format!("{}\n", self.0)
    }
}
