//! Tables of plain columns, for a terminal or a file.

use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

/// A line under the header, none elsewhere.
const STYLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A table with this header: the first column aligned left, all others right, as numbers are.
pub fn number_columns(header: &[&str]) -> Table {
    let mut table = text_columns(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

/// A table with this header and all columns aligned left.
pub fn text_columns(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE);
    table.set_header(header.to_vec());
    table
}
