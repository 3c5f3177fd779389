//! The common and combined log formats of web servers.

use super::Line;
use crate::level::Level;
use crate::timestamp::Cursor;

/// `client ident user [time] "request" status …`.
pub(super) fn parse(text: &str) -> Option<Line<'_>> {
    let (_client, rest) = text.split_once(" [")?;
    let (time, rest) = Cursor(rest).access_time()?;
    let message = rest.strip_prefix("] ")?;
    let (_request, after) = message.strip_prefix('"')?.split_once("\" ")?;
    let status = after.split(' ').next()?.parse().ok()?;
    Some(Line { level: Some(Level::from_http_status(status)), ..Line::timed(time, message) })
}
