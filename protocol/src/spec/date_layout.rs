//! Dates as Go's layouts describe them: `2006-01-02` and its like, where the parts of one famous moment stand for
//! whatever a text has in their place.

/// A layout, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateLayout(Vec<Part>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Literal(String),
    /// This many digits at least and at most, and what they may come to.
    Number {
        least: usize,
        most: usize,
        within: (u32, u32),
        field: Field,
    },
    /// A blank or a digit, then a digit.
    PaddedDay,
    /// One of some words, in any case.
    Word(&'static [&'static str]),
    /// A fraction of a second with this many digits; with none given, any number of them, or none.
    Fraction(Option<usize>),
    /// `Z`, if that is allowed, or an offset with or without a colon and minutes.
    Zone {
        z: bool,
        minutes: bool,
        colon: bool,
    },
    /// Letters such as `UTC`.
    ZoneName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Field {
    Year,
    ShortYear,
    Month,
    Day,
    Other,
}

const MONTHS: &[&str] = &[
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
const SHORT_MONTHS: &[&str] =
    &["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
const DAYS: &[&str] = &["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
const SHORT_DAYS: &[&str] = &["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

const fn number(least: usize, most: usize, within: (u32, u32), field: Field) -> Part {
    Part::Number { least, most, within, field }
}

/// What stands for what. Of those that begin alike the longer comes first.
const TOKENS: &[(&str, Part)] = &[
    ("January", Part::Word(MONTHS)),
    ("Jan", Part::Word(SHORT_MONTHS)),
    ("Monday", Part::Word(DAYS)),
    ("Mon", Part::Word(SHORT_DAYS)),
    ("MST", Part::ZoneName),
    ("2006", number(4, 4, (0, 9999), Field::Year)),
    ("002", number(3, 3, (1, 366), Field::Other)),
    ("01", number(2, 2, (1, 12), Field::Month)),
    ("02", number(2, 2, (1, 31), Field::Day)),
    ("03", number(2, 2, (1, 12), Field::Other)),
    ("04", number(2, 2, (0, 59), Field::Other)),
    ("05", number(2, 2, (0, 59), Field::Other)),
    ("06", number(2, 2, (0, 99), Field::ShortYear)),
    ("15", number(2, 2, (0, 23), Field::Other)),
    ("_2", Part::PaddedDay),
    ("PM", Part::Word(&["AM", "PM"])),
    ("pm", Part::Word(&["am", "pm"])),
    ("Z07:00", Part::Zone { z: true, minutes: true, colon: true }),
    ("Z0700", Part::Zone { z: true, minutes: true, colon: false }),
    ("Z07", Part::Zone { z: true, minutes: false, colon: false }),
    ("-07:00", Part::Zone { z: false, minutes: true, colon: true }),
    ("-0700", Part::Zone { z: false, minutes: true, colon: false }),
    ("-07", Part::Zone { z: false, minutes: false, colon: false }),
    ("1", number(1, 2, (1, 12), Field::Month)),
    ("2", number(1, 2, (1, 31), Field::Day)),
    ("3", number(1, 2, (1, 12), Field::Other)),
    ("4", number(1, 2, (0, 59), Field::Other)),
    ("5", number(1, 2, (0, 59), Field::Other)),
];

impl DateLayout {
    /// `None` for a layout without any part of a date in it, which would tell no two texts apart.
    pub fn parse(layout: &str) -> Option<Self> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = layout;
        while let Some(first) = rest.chars().next() {
            let Some((part, length)) = token(rest) else {
                literal.push(first);
                rest = &rest[first.len_utf8()..];
                continue;
            };
            if !literal.is_empty() {
                parts.push(Part::Literal(std::mem::take(&mut literal)));
            }
            parts.push(part);
            rest = &rest[length..];
        }
        if parts.is_empty() {
            return None;
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Some(Self(parts))
    }

    /// The date at the beginning of `text`, as it is written there; something may follow it.
    pub fn date_in<'t>(&self, text: &'t str) -> Option<&'t str> {
        let (mut rest, mut date) = (text, Date::default());
        for part in &self.0 {
            rest = part.take(rest, &mut date)?;
        }
        date.exists().then(|| &text[..text.len() - rest.len()])
    }
}

/// The part that a layout begins with, and how much of the layout it is.
fn token(layout: &str) -> Option<(Part, usize)> {
    if layout.starts_with(['.', ',']) {
        let digit = layout[1..].chars().next().filter(|digit| matches!(digit, '0' | '9'))?;
        let after = layout[1..].trim_start_matches(digit);
        let digits = layout.len() - 1 - after.len();
        let wanted = (digit == '0').then_some(digits);
        return (!after.starts_with(|next: char| next.is_ascii_digit()))
            .then_some((Part::Fraction(wanted), digits + 1));
    }
    TOKENS
        .iter()
        .find(|(token, _)| layout.starts_with(token))
        .map(|(token, part)| (part.clone(), token.len()))
}

/// What of a date decides whether there is such a day.
#[derive(Default)]
struct Date {
    year: Option<u32>,
    month: Option<u32>,
    day: Option<u32>,
}

impl Date {
    fn note(&mut self, field: Field, value: u32) {
        match field {
            Field::Year => self.year = Some(value),
            Field::ShortYear => self.year = Some(value + if value < 69 { 2000 } else { 1900 }),
            Field::Month => self.month = Some(value),
            Field::Day => self.day = Some(value),
            Field::Other => {}
        }
    }

    fn exists(&self) -> bool {
        let (Some(month), Some(day)) = (self.month, self.day) else { return true };
        let is_leap =
            |year: u32| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
        let last = match month {
            2 if self.year.is_none_or(is_leap) => 29,
            2 => 28,
            4 | 6 | 9 | 11 => 30,
            _ => 31,
        };
        day <= last
    }
}

impl Part {
    /// What follows this part in `text`, which must begin with it.
    fn take<'t>(&self, text: &'t str, date: &mut Date) -> Option<&'t str> {
        match self {
            Self::Literal(literal) => text.strip_prefix(literal.as_str()),
            Self::Number { least, most, within, field } => {
                let digits = leading_digits(text).min(*most);
                let value: u32 = text[..digits].parse().ok()?;
                let fits = digits >= *least && (within.0..=within.1).contains(&value);
                fits.then(|| date.note(*field, value)).map(|()| &text[digits..])
            }
            Self::PaddedDay => {
                let text = text.strip_prefix(' ').unwrap_or(text);
                number(1, 2, (1, 31), Field::Day).take(text, date)
            }
            Self::Word(words) => {
                let begins = |word: &&&str| {
                    text.get(..word.len()).is_some_and(|start| start.eq_ignore_ascii_case(word))
                };
                let word = words.iter().find(begins)?;
                if *words == MONTHS || *words == SHORT_MONTHS {
                    let month = words.iter().position(|other| other == word)?;
                    date.note(Field::Month, u32::try_from(month).ok()? + 1);
                }
                Some(&text[word.len()..])
            }
            Self::Fraction(wanted) => fraction(text, *wanted),
            Self::Zone { z: true, .. } if text.starts_with('Z') => Some(&text[1..]),
            Self::Zone { minutes, colon, .. } => zone(text, *minutes, *colon),
            Self::ZoneName => {
                let letters = text.bytes().take_while(u8::is_ascii_uppercase).count();
                (3..=5).contains(&letters).then(|| &text[letters..])
            }
        }
    }
}

fn leading_digits(text: &str) -> usize {
    text.bytes().take_while(u8::is_ascii_digit).count()
}

fn fraction(text: &str, wanted: Option<usize>) -> Option<&str> {
    let Some(after) = text.strip_prefix(['.', ',']) else {
        return wanted.is_none().then_some(text);
    };
    let digits = leading_digits(after);
    wanted.is_none_or(|wanted| wanted == digits).then(|| &after[digits..])
}

fn zone(text: &str, minutes: bool, colon: bool) -> Option<&str> {
    let two = number(2, 2, (0, 59), Field::Other);
    let mut rest = two.take(text.strip_prefix(['+', '-'])?, &mut Date::default())?;
    if colon {
        rest = rest.strip_prefix(':')?;
    }
    if minutes { two.take(rest, &mut Date::default()) } else { Some(rest) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn date<'t>(layout: &str, text: &'t str) -> Option<&'t str> {
        DateLayout::parse(layout).unwrap().date_in(text)
    }

    #[test]
    fn a_date_is_found_at_the_beginning() {
        for (layout, text, found) in [
            ("2006-01-02", "2024-02-29/app.log", "2024-02-29"),
            ("2006/01/02/15", "2024/12/31/23/x", "2024/12/31/23"),
            ("20060102T150405Z0700", "20240131T235959Z.gz", "20240131T235959Z"),
            (
                "2006-01-02T15:04:05.000-07:00",
                "2024-01-31T23:59:59.123+02:00",
                "2024-01-31T23:59:59.123+02:00",
            ),
            ("2006.01.02", "2024.11.05.log", "2024.11.05"),
            ("log-Jan _2 2006", "log-feb  3 2024", "log-feb  3 2024"),
            ("Monday, 2 January 06", "Friday, 7 March 24 x", "Friday, 7 March 24"),
            ("1/2/06 3:04PM MST", "7/14/24 9:30am CEST!", "7/14/24 9:30am CEST"),
            ("15:04:05.999", "10:11:12/x", "10:11:12"),
            ("2006-002", "2024-366", "2024-366"),
        ] {
            assert_eq!(date(layout, text), Some(found), "{layout}");
        }
    }

    #[test]
    fn what_is_no_date_is_not_found() {
        for (layout, text) in [
            ("2006-01-02", "app-2024-02-28"),
            ("2006-01-02", "2023-02-29"),
            ("2006-01-02", "2024-13-01"),
            ("2006-01-02", "2024-1-1"),
            ("2006-01-02", "2024-04-31"),
            ("2006-01-02", "２０２４-01-01"),
            ("2006-01-02", ""),
            ("15:04", "24:00"),
            ("Jan", "Jän"),
            ("05.000", "05.12"),
        ] {
            assert_eq!(date(layout, text), None, "{layout} in {text}");
        }
    }

    #[test]
    fn a_layout_without_a_date_is_none() {
        assert_eq!(DateLayout::parse(""), None);
        assert_eq!(DateLayout::parse("YYYY-MM-DD"), None);
    }
}
