//! Collecting what the lines say, in memory that does not grow with their number.

use crate::counter::Counter;
use crate::duration;
use crate::format::{self, Line};
use crate::level::Level;
use crate::options::Options;
use crate::report::{Files, FrequentLine, LevelCount, Report, SlowLine, UnitCount};
use crate::template;
use crate::timestamp::Timestamp;

/// Everything seen so far.
pub(crate) struct Survey<'a> {
    options: &'a Options,
    lines: u64,
    matching_lines: u64,
    range: Option<(Timestamp, Timestamp)>,
    levels: [u64; LEVEL_NAMES.len()],
    units: Counter<UnitTally>,
    templates: Counter<Option<Level>>,
    slowest: Vec<SlowLine>,
    template_buffer: String,
}

/// The file that lines come from.
pub(crate) struct Source {
    /// What lines without a unit of their own are counted under.
    pub(crate) unit: String,
    pub(crate) modified: Timestamp,
    /// The last time that a line named: continuation lines belong to it.
    pub(crate) last_time: Option<Timestamp>,
}

#[derive(Default)]
struct UnitTally {
    errors: u64,
}

impl<'a> Survey<'a> {
    pub(crate) fn new(options: &'a Options) -> Self {
        Self {
            options,
            lines: 0,
            matching_lines: 0,
            range: None,
            levels: [0; LEVEL_NAMES.len()],
            units: Counter::new(MAX_UNITS),
            templates: Counter::new(MAX_TEMPLATES),
            slowest: Vec::new(),
            template_buffer: String::new(),
        }
    }

    /// Takes in one line; bytes that are no UTF-8 are replaced.
    pub(crate) fn add(&mut self, line: &[u8], source: &mut Source) {
        let text = String::from_utf8_lossy(line);
        if text.trim_ascii().is_empty() {
            return;
        }
        self.lines += 1;
        let parsed = format::parse(&text, source.modified);
        source.last_time = parsed.time.or(source.last_time);
        let level = parsed.level.or_else(|| Level::mentioned_in(&parsed.message));
        if self.matches(source.last_time, level) {
            self.count(&parsed, level, source);
        }
    }

    pub(crate) fn into_report(self, root: String, files: Files, bytes: u64) -> Report {
        let top = self.options.top;
        let counts_are_exact = self.units.is_exact() && self.templates.is_exact();
        let units = self.units.into_top(top).into_iter();
        let templates = self.templates.into_top(top).into_iter();
        Report {
            root,
            files,
            bytes,
            lines: self.lines,
            matching_lines: self.matching_lines,
            first: self.range.map(|(first, _)| first),
            last: self.range.map(|(_, last)| last),
            levels: level_counts(self.levels),
            units: units
                .map(|(unit, entry)| UnitCount {
                    unit: unit.into(),
                    lines: entry.count,
                    errors: entry.value.errors,
                })
                .collect(),
            frequent: templates
                .map(|(line, entry)| FrequentLine {
                    lines: entry.count,
                    level: entry.value,
                    line: line.into(),
                })
                .collect(),
            counts_are_exact,
            slowest: self.slowest,
        }
    }

    /// A line whose time is unknown is kept: its file is new enough, or it would not have been opened.
    fn matches(&self, time: Option<Timestamp>, level: Option<Level>) -> bool {
        let recent = self.options.since.is_none_or(|since| time.is_none_or(|time| time >= since));
        recent && self.options.level.is_none_or(|least| level >= Some(least))
    }

    fn count(&mut self, line: &Line<'_>, level: Option<Level>, source: &Source) {
        self.matching_lines += 1;
        self.levels[level.map_or(UNKNOWN_LEVEL, |level| level as usize)] += 1;
        if let Some(time) = line.time {
            self.range =
                Some(self.range.map_or((time, time), |(first, last)| (first.min(time), last.max(time))));
        }
        let unit = line.unit.as_deref().unwrap_or(&source.unit);
        self.units.count(unit).errors += u64::from(level >= Some(Level::Error));
        self.template_buffer.clear();
        self.template_buffer.extend([unit, ": "]);
        template::write(&line.message, &mut self.template_buffer);
        let worst = self.templates.count(&self.template_buffer);
        *worst = level.max(*worst);
        if let Some(ms) = line.duration_ms.or_else(|| duration::longest_ms(&line.message)) {
            self.add_slow(ms, line, unit);
        }
    }

    /// Keeps the list sorted, slowest first; of equals the one seen first stays ahead.
    fn add_slow(&mut self, ms: f64, line: &Line<'_>, unit: &str) {
        let place = self.slowest.partition_point(|slower| slower.ms >= ms);
        if place >= self.options.top {
            return;
        }
        let end = line.message.floor_char_boundary(MAX_SLOW_LINE_BYTES);
        let line =
            SlowLine { ms, time: line.time, unit: unit.to_owned(), line: line.message[..end].to_owned() };
        self.slowest.insert(place, line);
        self.slowest.truncate(self.options.top);
    }
}

/// Worst first, levels that do not occur left out.
fn level_counts(counts: [u64; LEVEL_NAMES.len()]) -> Vec<LevelCount> {
    let worst_first = (0..UNKNOWN_LEVEL).rev().chain([UNKNOWN_LEVEL]);
    let all = worst_first.map(|index| LevelCount { level: LEVEL_NAMES[index], lines: counts[index] });
    all.filter(|count| count.lines > 0).collect()
}

const LEVEL_NAMES: [&str; 7] = ["debug", "info", "notice", "warning", "error", "critical", "unknown"];
const UNKNOWN_LEVEL: usize = 6;

const MAX_UNITS: usize = 1_000;
/// At up to 160 bytes and some overhead each, twice as many take about 4 MB.
const MAX_TEMPLATES: usize = 8_000;
const MAX_SLOW_LINE_BYTES: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::timestamp::Cursor;

    fn time(text: &str) -> Timestamp {
        Cursor(text).iso_time().unwrap().0
    }

    fn survey(options: &Options, lines: &[&str]) -> Report {
        let mut survey = Survey::new(options);
        let mut source =
            Source { unit: "app".into(), modified: time("2026-11-22T00:00:00Z"), last_time: None };
        for line in lines {
            survey.add(line.as_bytes(), &mut source);
        }
        survey.into_report("/logs".into(), Files::default(), 0)
    }

    fn options() -> Options {
        Options { root: "/logs".into(), top: 3, since: None, level: None }
    }

    #[test]
    fn lines_of_one_shape_are_counted_together_with_their_worst_level() {
        let report = survey(&options(), &["retry 1 of 9", "retry 2 of 9", "", "other"]);
        assert_eq!((report.lines, report.frequent[0].lines), (3, 2));
        assert_eq!(report.frequent[0].line, "app: retry # of #");
    }

    #[test]
    fn units_know_their_errors() {
        let report =
            survey(&options(), &["Nov 21 10:00:00 h db[1]: write failed", "Nov 21 10:00:01 h db[1]: ok"]);
        assert_eq!(
            (report.units[0].unit.as_str(), report.units[0].lines, report.units[0].errors),
            ("db", 2, 1)
        );
        assert_eq!(report.first, Some(time("2026-11-21T10:00:00Z")));
        assert_eq!(report.last, Some(time("2026-11-21T10:00:01Z")));
    }

    #[test]
    fn old_lines_and_their_continuations_are_left_out() {
        let options = Options { since: Some(time("2026-11-21T12:00:00Z")), ..options() };
        let lines = ["2026-11-21 11:00:00 old", "  at old", "2026-11-21 13:00:00 new", "  at new"];
        let report = survey(&options, &lines);
        assert_eq!((report.lines, report.matching_lines), (4, 2));
    }

    #[test]
    fn a_least_level_leaves_out_what_is_harmless_or_unknown() {
        let options = Options { level: Some(Level::Warning), ..options() };
        let report = survey(&options, &["warning: hot", "all fine", "fatal: fire"]);
        let expected =
            [LevelCount { level: "critical", lines: 1 }, LevelCount { level: "warning", lines: 1 }];
        assert_eq!(report.levels, expected);
    }

    #[test]
    fn the_slowest_lines_come_first_and_the_list_is_bounded() {
        let lines = ["took 1ms", "took 5ms", "took 3s", "took 2ms", "took 5ms again"];
        let report = survey(&options(), &lines);
        let listed: Vec<_> = report.slowest.iter().map(|slow| slow.line.as_str()).collect();
        assert_eq!(listed, ["took 3s", "took 5ms", "took 5ms again"]);
    }

    #[test]
    fn bytes_that_are_no_text_do_no_harm() {
        let options = options();
        let mut survey = Survey::new(&options);
        let mut source = Source { unit: "x".into(), modified: time("2026-01-01T00:00:00Z"), last_time: None };
        survey.add(b"caf\xe9 \xff\xfe took 12ms", &mut source);
        assert_eq!(survey.lines, 1);
    }

    #[test]
    fn no_line_however_mangled_ends_the_scan() {
        let seeds: [&[u8]; 5] = [
            "<165>1 2026-11-21T10:49:01.5Z host app 12 ID47 [a b=\"]\"] größer took 1min 2.5s".as_bytes(),
            b"Nov 21 10:49:01 host sshd[812]: job 1a2b3c4d-0000-4000-8000-000000000001 in 4.5s",
            b"10.0.0.1 - - [21/Nov/2026:10:49:01 +0000] \"GET / HTTP/1.1\" 503 0",
            b"{\"level\":50,\"ts\":1795258141.5,\"logger\":\"db\",\"msg\":\"slow\",\"took_ms\":1e3}",
            b"2026-11-21 10:49:01,123 - app.db - WARNING - deadbeef01 elapsed=2 seconds",
        ];
        let options = options();
        let mut survey = Survey::new(&options);
        let mut source = Source { unit: "x".into(), modified: time("2026-01-01T00:00:00Z"), last_time: None };
        let mut random = 0x2545_f491_4f6c_dd1d_u64;
        for round in 0..20_000 {
            let mut line = seeds[round % seeds.len()].to_vec();
            for _ in 0..=round % 4 {
                random ^= random << 13;
                random ^= random >> 7;
                random ^= random << 17;
                let [at, byte, ..] = random.to_le_bytes();
                let at = usize::from(at) % line.len();
                if byte % 3 == 0 { line.truncate(at + 1) } else { line[at] = byte }
            }
            survey.add(&line, &mut source);
        }
        assert!(survey.lines > 19_000);
    }

    #[test]
    fn every_level_has_its_name_in_the_table() {
        for level in [Level::Debug, Level::Info, Level::Notice, Level::Warning, Level::Error, Level::Critical]
        {
            assert_eq!(LEVEL_NAMES[level as usize], level.to_string());
        }
    }
}
