//! Texts in columns.

/// Puts the texts under their titles next to each other; lines too long for their column are cut.
pub(super) fn columns(texts: &[(String, String)], line_width: usize) -> String {
    let width = line_width / texts.len().max(1) - GAP.len();
    let height = texts.iter().map(|(_, text)| text.lines().count()).max().unwrap_or(0);
    let mut out = row(texts.iter().map(|(title, _)| title.as_str()), width);
    out += &row(texts.iter().map(|_| RULE), width);
    for index in 0..height {
        out += &row(texts.iter().map(|(_, text)| text.lines().nth(index).unwrap_or_default()), width);
    }
    out
}

fn row<'a>(cells: impl Iterator<Item = &'a str>, width: usize) -> String {
    let cells: Vec<String> = cells.map(|cell| cell.chars().take(width).collect()).collect();
    let padded: Vec<String> = cells.iter().map(|cell| format!("{cell:width$}")).collect();
    padded.join(GAP).trim_end().to_owned() + "\n"
}

const GAP: &str = "  ";
const RULE: &str = "────────────────────";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_texts_stay_in_their_columns() {
        let texts = [("a".to_owned(), "one\ntwo".to_owned()), ("b".to_owned(), "a line too long".to_owned())];
        let lines: Vec<String> = columns(&texts, 20).lines().map(str::to_owned).collect();
        assert_eq!(lines, ["a         b", "────────  ────────", "one       a line t", "two"]);
    }
}
