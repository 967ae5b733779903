//! Tables on a terminal or in a file: plain columns, numbers to the right.

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

/// A line under the header, none elsewhere.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

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
    table.load_style(STYLE);
    table.set_header(header.to_vec());
    table
}
