//! Tables on a terminal or in a file: plain columns, numbers to the right.

use comfy_table::{CellAlignment, Table, presets};

/// A table with this header; all columns but the first are numbers.
pub(crate) fn numbers(header: &[&str]) -> Table {
    let mut table = plain(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A table with this header, text to the left.
pub(crate) fn plain(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY);
    table.set_header(header.to_vec());
    table
}
