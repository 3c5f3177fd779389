//! The shape of a line: what is left when everything that differs from one occurrence to the next is taken out.

/// Appends `message` to `out` with numbers, versions, times, long hexadecimal words and UUIDs replaced by `#`, cut to
/// [`MAX_TEMPLATE_BYTES`].
pub(crate) fn write(message: &str, out: &mut String) {
    let bytes = message.as_bytes();
    let start = out.len();
    let mut at = 0;
    while at < bytes.len() && out.len() - start < MAX_TEMPLATE_BYTES {
        let word = at + bytes[at..].iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        at = if word > at { write_word(message, at, word, out) } else { write_gap(message, at, out) };
    }
    let end = out.floor_char_boundary(start + MAX_TEMPLATE_BYTES);
    out.truncate(end);
}

/// Writes the alphanumeric run `message[at..end]` and returns where to go on.
fn write_word(message: &str, at: usize, end: usize, out: &mut String) -> usize {
    let word = &message[at..end];
    if !word.bytes().any(|byte| byte.is_ascii_digit()) {
        out.push_str(word);
        return end;
    }
    if message.get(at..at + UUID_BYTES).is_some_and(is_uuid) {
        write_placeholder(out);
        return at + UUID_BYTES;
    }
    if is_long_hex(word) {
        write_placeholder(out);
        return end;
    }
    let mut in_number = false;
    for character in word.chars() {
        if !character.is_ascii_digit() {
            out.push(character);
        } else if !in_number {
            write_placeholder(out);
        }
        in_number = character.is_ascii_digit();
    }
    end
}

/// Writes everything up to the next alphanumeric character.
fn write_gap(message: &str, at: usize, out: &mut String) -> usize {
    let length = message.as_bytes()[at..].iter().take_while(|byte| !byte.is_ascii_alphanumeric()).count();
    out.push_str(&message[at..at + length]);
    at + length
}

/// Writes `#`; parts of one number such as `1.2.3` or `10:49:01` share one.
fn write_placeholder(out: &mut String) {
    if out.ends_with("#.") || out.ends_with("#:") {
        out.pop();
    } else {
        out.push('#');
    }
}

fn is_uuid(text: &str) -> bool {
    let fits = |(index, byte): (usize, u8)| match index {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    text.bytes().enumerate().all(fits)
}

fn is_long_hex(word: &str) -> bool {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    let long_enough = digits.len() < word.len() || digits.len() >= MIN_HEX_BYTES;
    long_enough && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
}

const MAX_TEMPLATE_BYTES: usize = 160;
const MIN_HEX_BYTES: usize = 8;
const UUID_BYTES: usize = 36;

#[cfg(test)]
mod tests {
    use super::*;

    fn template(message: &str) -> String {
        let mut out = String::new();
        write(message, &mut out);
        out
    }

    #[test]
    fn what_varies_becomes_a_placeholder() {
        for (message, expected) in [
            ("Accepted key for root from 10.0.0.7 port 51234", "Accepted key for root from # port #"),
            ("commit deadbeef01 in 0x1f at 10:49:01", "commit # in # at #"),
            ("job 1a2b3c4d-0000-4000-8000-000000000001 done", "job # done"),
            ("upgrade libc6:amd64 2.36-9+deb12u1", "upgrade libc#:amd# #-#+deb#u#"),
            ("größe 12 µs", "größe # µs"),
            ("nothing to replace", "nothing to replace"),
        ] {
            assert_eq!(template(message), expected);
        }
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let cut = template(&"äöü ".repeat(1_000));
        assert!(cut.len() <= MAX_TEMPLATE_BYTES && cut.len() > MAX_TEMPLATE_BYTES - 2);
    }

    #[test]
    fn a_prefix_already_written_stays() {
        let mut out = "sshd: ".to_owned();
        write("port 22", &mut out);
        assert_eq!(out, "sshd: port #");
    }
}
