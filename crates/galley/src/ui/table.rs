//! Tables of text.

use unicode_width::UnicodeWidthStr;

/// `rows` in columns, each as wide as its widest cell; no spaces at the ends of lines.
pub fn table<const COLUMNS: usize>(rows: &[[String; COLUMNS]]) -> String {
    let mut widths = [0; COLUMNS];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.width());
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            let padding = " ".repeat(width.saturating_sub(cell.width()) + 3);
            line += &format!("{cell}{padding}");
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let row = |a: &str, b: &str| [a.to_owned(), b.to_owned()];
        assert_eq!(
            table(&[row("NAME", "ID"), row("料理", "1"), row("", "22")]),
            "NAME   ID\n料理   1\n       22\n"
        );
    }
}
