//! Amounts as people write them (api.md 2.8, config.md 5): `500m`, `512Mb`, `1.5 GiB`, `80%`.
//!
//! Exact: no floating point takes part, so `0.29` cores are 290 thousandths everywhere.

mod decimal;
mod share;

use decimal::{Decimal, Exponent};
pub use share::{InvalidShare, Share};

/// A text is no amount of this kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid {what} value: {text} (expected {expected})")]
pub struct InvalidQuantity {
    /// `CPU`, `memory`, `disk` or `GPU`.
    pub what: &'static str,
    /// What was written.
    pub text: String,
    /// What can be written.
    pub expected: &'static str,
}

/// Reads CPUs in thousandths of a core: `500m`, `0.5`, `2`, `1e1`. What is below a thousandth is cut off.
pub fn cpu_millis(text: &str) -> Result<u64, InvalidQuantity> {
    let written = compact(text);
    let amount = match written.strip_suffix('m') {
        Some(millis) => digits(millis),
        None => Decimal::parse(&written, Exponent::Allowed).and_then(|cores| cores.times(1000)),
    };
    amount.ok_or_else(|| InvalidQuantity {
        what: "CPU",
        text: text.to_owned(),
        expected: r#"cores such as "0.5" or thousandths of a core such as "500m""#,
    })
}

/// Reads bytes: a number, then a unit. `kb`, `mb` … are powers of 1000, `ki`, `mib` … of 1024; no unit means bytes.
/// `what` names the amount in errors: `memory` or `disk`.
pub fn bytes(what: &'static str, text: &str) -> Result<u64, InvalidQuantity> {
    let written = compact(text).replace(',', "");
    let unit_at = written.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(written.len());
    let (number, unit) = written.split_at(unit_at);
    let amount = Decimal::parse(number, Exponent::Refused)
        .zip(unit_bytes(unit))
        .and_then(|(number, unit)| number.times(unit));
    amount.ok_or_else(|| InvalidQuantity {
        what,
        text: text.to_owned(),
        expected: r#"a number and a unit such as "512Mb", "1.5GiB" or "4096""#,
    })
}

/// Reads a number of GPUs.
pub fn gpus(text: &str) -> Result<u64, InvalidQuantity> {
    digits(&compact(text)).ok_or_else(|| InvalidQuantity {
        what: "GPU",
        text: text.to_owned(),
        expected: r#"a whole number such as "1""#,
    })
}

/// How amounts are kept for showing: lower case, without blanks.
pub fn compact(text: &str) -> String {
    text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect()
}

fn digits(text: &str) -> Option<u64> {
    // `parse` alone would accept a leading `+`.
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn unit_bytes(unit: &str) -> Option<u64> {
    if matches!(unit, "" | "b") {
        return Some(1);
    }
    let (base, letter) = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('i')) {
        Some(letter) => (1024_u64, letter),
        None => (1000, unit.strip_suffix('b').unwrap_or(unit)),
    };
    let power = ["k", "m", "g", "t", "p", "e"].iter().zip(1..).find(|(known, _)| **known == letter)?.1;
    base.checked_pow(power)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn cpus_are_exact_thousandths() {
        let good =
            [("500m", 500), ("0.5", 500), ("2", 2000), ("1e1", 10_000), ("0.29", 290), ("1.0009", 1000)];
        for (text, millis) in
            good.into_iter().chain([(" 250 M", 250), ("5E-1", 500), (".5", 500), ("1.", 1000)])
        {
            assert_eq!(cpu_millis(text), Ok(millis), "{text}");
        }
        for bad in ["", "m", "0.5m", "-1", "+1", "1 x", "inf", "1e99", "0x1", "e1", ".", "1e", "1e1.5"] {
            assert!(cpu_millis(bad).is_err(), "{bad}");
        }
        let expected =
            r#"invalid CPU value: x (expected cores such as "0.5" or thousandths of a core such as "500m")"#;
        assert_eq!(cpu_millis("x").unwrap_err().to_string(), expected);
    }

    #[test]
    fn byte_units_are_decimal_or_binary() {
        let good =
            [("512Mb", 512_000_000), ("512 MB", 512_000_000), ("1Gi", 1 << 30), ("1gib", 1 << 30), ("7", 7)];
        let odd =
            [("1,024 b", 1024), ("2.5GB", 2_500_000_000), ("1k", 1000), ("15e", 15_000_000_000_000_000_000)];
        for (text, bytes_meant) in good.into_iter().chain(odd) {
            assert_eq!(bytes("memory", text), Ok(bytes_meant), "{text}");
        }
        for bad in ["", "mb", "1e3", "-1", "1xb", "20e", "16Ei", "1..5", "1 2 q"] {
            assert!(bytes("memory", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn gpus_are_whole() {
        assert_eq!(gpus("2"), Ok(2));
        for bad in ["", "0.5", "+1", "-1", "two"] {
            assert!(gpus(bad).is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn whole_amounts_come_back(amount in any::<u64>()) {
            prop_assert_eq!(cpu_millis(&format!("{amount}m")), Ok(amount));
            prop_assert_eq!(bytes("disk", &amount.to_string()), Ok(amount));
            prop_assert_eq!(gpus(&amount.to_string()), Ok(amount));
        }

        #[test]
        fn thousandths_written_with_a_point_are_the_same(millis in 0..u64::MAX / 1000) {
            let cores = format!("{}.{:03}", millis / 1000, millis % 1000);
            prop_assert_eq!(cpu_millis(&cores), Ok(millis));
        }

        #[test]
        fn any_text_is_read_or_refused_without_panic(text in ".{0,40}") {
            let _ = (cpu_millis(&text), bytes("memory", &text), gpus(&text), Share::cpu(&text), Share::memory(&text));
        }
    }
}
