//! Columns of text for people: one space around each cell, no rules, long cells wrapped within their column.

/// One column.
#[derive(Clone, Copy, Debug)]
pub struct Column {
    /// Heading; shown in upper case.
    pub title: &'static str,
    limit: usize,
    align_to_limit: bool,
}

impl Column {
    /// As wide as its widest cell.
    pub const fn new(title: &'static str) -> Self {
        Self { title, limit: usize::MAX, align_to_limit: false }
    }

    /// Wraps cells wider than `limit` characters.
    pub const fn limited(title: &'static str, limit: usize) -> Self {
        Self { title, limit, align_to_limit: false }
    }

    /// Always `width` characters wide, so that rows printed one by one line up.
    pub const fn fixed(title: &'static str, width: usize) -> Self {
        Self { title, limit: width, align_to_limit: true }
    }

    /// The same column without a limit if `wide`.
    pub const fn unless(self, wide: bool) -> Self {
        if wide { Self::new(self.title) } else { self }
    }
}

/// Rows under headings.
#[derive(Clone, Debug)]
pub struct Table {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
}

/// How a table is shown.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// With the heading row.
    pub header: bool,
    /// With colours.
    pub style: bool,
}

impl Table {
    /// Every row has as many cells as there are columns.
    pub fn new(columns: Vec<Column>, rows: Vec<Vec<String>>) -> Self {
        debug_assert!(
            rows.iter().all(|row| row.len() == columns.len()),
            "a row has a cell too many or too few"
        );
        Self { columns, rows }
    }

    /// The columns, in order.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// The cells, row by row.
    pub fn rows(&self) -> &[Vec<String>] {
        &self.rows
    }

    /// The table as text, each line ended.
    pub fn render(&self, look: &Look) -> String {
        let headings: Vec<String> = self.columns.iter().map(|column| column.title.to_uppercase()).collect();
        let header = look.header.then(|| self.wrap(&headings));
        let rows: Vec<Vec<Vec<String>>> = self.rows.iter().map(|row| self.wrap(row)).collect();
        let widths = self.widths(header.iter().chain(&rows));
        let mut text = String::new();
        for line in header.iter().flat_map(|cells| lines(cells, &widths)) {
            let line = if look.style { format!("\x1b[1;32m{line}\x1b[0m") } else { line };
            text.push_str(&line);
            text.push('\n');
        }
        for line in rows.iter().flat_map(|cells| lines(cells, &widths)) {
            text.push_str(&line);
            text.push('\n');
        }
        text
    }

    fn wrap(&self, row: &[String]) -> Vec<Vec<String>> {
        row.iter().zip(&self.columns).map(|(cell, column)| wrap(&printable(cell), column.limit)).collect()
    }

    fn widths<'a>(&self, rows: impl Iterator<Item = &'a Vec<Vec<String>>>) -> Vec<usize> {
        let minimum = |column: &Column| if column.align_to_limit { column.limit } else { 0 };
        let mut widths: Vec<usize> = self.columns.iter().map(minimum).collect();
        for row in rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = cell.iter().map(|line| line.chars().count()).fold(*width, usize::max);
            }
        }
        widths
    }
}

/// The lines of one row of wrapped cells, without blanks at their ends.
fn lines(cells: &[Vec<String>], widths: &[usize]) -> Vec<String> {
    let height = cells.iter().map(Vec::len).max().unwrap_or(0);
    (0..height)
        .map(|index| {
            let mut line = String::new();
            for (cell, width) in cells.iter().zip(widths) {
                let text = cell.get(index).map_or("", String::as_str);
                line.push_str(&format!(" {text:width$} "));
            }
            line.trim_end().to_owned()
        })
        .collect()
}

/// Breaks at blanks where it can, inside a word where it must. Line breaks of the text are kept.
fn wrap(text: &str, limit: usize) -> Vec<String> {
    text.split('\n').flat_map(|line| wrap_line(line, limit)).collect()
}

fn wrap_line(line: &str, limit: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    for word in line.split(' ') {
        let last = lines.last_mut().expect("never empty");
        if last.is_empty() {
            last.push_str(word);
        } else if last.chars().count() + 1 + word.chars().count() <= limit {
            last.push(' ');
            last.push_str(word);
        } else {
            lines.push(word.to_owned());
        }
    }
    lines.iter().flat_map(|line| chunks(line, limit)).collect()
}

fn chunks(word: &str, limit: usize) -> Vec<String> {
    if word.chars().count() <= limit {
        return vec![word.to_owned()];
    }
    let characters: Vec<char> = word.chars().collect();
    characters.chunks(limit).map(|chunk| chunk.iter().collect()).collect()
}

/// Names and messages come from devices and users: nothing in them may steer the terminal.
fn printable(cell: &str) -> String {
    cell.trim_end().chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Look = Look { header: true, style: false };

    fn row(cells: &[&str]) -> Vec<String> {
        cells.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn looks_like_this() {
        let columns = vec![Column::new("created"), Column::limited("labels", 12), Column::new("gpu")];
        let rows = vec![row(&["06:00:00", "name=gateway-7 zone=a", "0"]), row(&["06:00:01", "", "1"])];
        let expected = concat!(
            " CREATED   LABELS        GPU\n",
            " 06:00:00  name=gateway  0\n",
            "           -7\n",
            "           zone=a\n",
            " 06:00:01                1\n",
        );
        assert_eq!(Table::new(columns, rows).render(&PLAIN), expected);
    }

    #[test]
    fn fixed_columns_line_up_across_tables() {
        let columns = vec![Column::fixed("a", 4), Column::new("b")];
        let one = Table::new(columns.clone(), vec![row(&["1", "x"])]).render(&PLAIN);
        let look = Look { header: false, style: false };
        let two = Table::new(columns, vec![row(&["1234", "y"])]).render(&look);
        assert_eq!(one + &two, " A     B\n 1     x\n 1234  y\n");
    }

    #[test]
    fn only_the_heading_is_coloured() {
        let table = Table::new(vec![Column::new("a")], vec![row(&["x"])]);
        assert_eq!(table.render(&Look { header: true, style: true }), "\x1b[1;32m A\x1b[0m\n x\n");
        assert_eq!(table.render(&Look { header: false, style: true }), " x\n");
    }

    #[test]
    fn a_node_cannot_send_escape_sequences_to_the_terminal() {
        let table = Table::new(vec![Column::new("a")], vec![row(&["\x1b[2J\rboo\n"])]);
        assert_eq!(table.render(&PLAIN), " A\n \u{fffd}[2J\u{fffd}boo\n");
    }
}
