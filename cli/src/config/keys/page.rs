//! The table of `docs/configuration.md`, so that it cannot tell other than the program does.

use std::fmt::Write as _;

use super::{KEYS, Key, Kind};

/// The comment after which the table stands.
const BEGIN: &str = "-->\n";

fn table() -> String {
    let mut text = String::from("\n| Key | Type | Default | What it changes |\n| --- | --- | --- | --- |\n");
    for key in KEYS {
        let default = if key.default.is_empty() { String::new() } else { format!("`{}`", key.default) };
        let about = cell(key.about);
        let idle = key.idle.map(|why| format!(" **No effect here:** {}.", cell(why))).unwrap_or_default();
        let row = format!("| `{}` | {} | {default} | {about}.{idle} |", key.name, kind(key));
        writeln!(text, "{row}").expect("writing to a string does not fail");
    }
    text
}

fn kind(key: &Key) -> String {
    match key.kind {
        Kind::Text => "text".into(),
        Kind::Form(form) => form.name().into(),
        Kind::Choice(words) => words.iter().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", "),
        Kind::Bool => "bool".into(),
        Kind::Integer => "number".into(),
        Kind::Count => "number from 0".into(),
        Kind::Port => "port".into(),
        Kind::Duration => "duration".into(),
        Kind::List => "list".into(),
        Kind::Map => "map".into(),
        Kind::Structure => "structure, in a file only".into(),
    }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}

#[test]
fn the_page_holds_every_key() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/configuration.md");
    let page = std::fs::read_to_string(&path).unwrap();
    let (prose, found) = page.split_at(page.find(BEGIN).unwrap() + BEGIN.len());
    if std::env::var_os("BACALHAU_WRITE_GOLDEN").is_some() {
        std::fs::write(&path, format!("{prose}{}", table())).unwrap();
        return;
    }
    assert!(found == table(), "write it again with BACALHAU_WRITE_GOLDEN=1");
}
