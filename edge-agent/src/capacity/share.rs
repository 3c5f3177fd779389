//! A part of something: a percentage or an amount.

/// One hundred per cent.
const WHOLE: u32 = 1_000_000;

/// A part of what a machine has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// Millionths of it.
    Part(u32),
    /// This much, whatever there is.
    Amount(u64),
}

impl Share {
    /// So many per cent; more than 100 counts as 100.
    pub const fn percent(percent: u32) -> Self {
        Self::Part(if percent > 100 { WHOLE } else { percent * (WHOLE / 100) })
    }

    /// Reads a share of CPUs in thousandths: `80%`, `2`, `0.5`, `500m`.
    pub fn cpu(text: &str) -> Result<Self, String> {
        Self::read("cpu", text, |text| match text.strip_suffix('m') {
            Some(millis) => scaled(millis, 1),
            None => scaled(text, 1000),
        })
    }

    /// Reads a share of memory: `80%`, `512Mb`, `4Gi`.
    pub fn memory(text: &str) -> Result<Self, String> {
        Self::read("memory", text, bytes)
    }

    /// Reads a share of a disk: `80%`, `512Mb`, `4Gi`.
    pub fn disk(text: &str) -> Result<Self, String> {
        Self::read("disk", text, bytes)
    }

    /// Reads a share of GPUs: `100%`, `1`.
    pub fn gpu(text: &str) -> Result<Self, String> {
        Self::read("gpu", text, |text| text.parse().ok())
    }

    /// This share of a whole, rounded down.
    pub fn of(self, whole: u64) -> u64 {
        match self {
            Self::Part(part) => narrow(u128::from(whole) * u128::from(part) / u128::from(WHOLE)),
            Self::Amount(amount) => amount,
        }
    }

    /// This share of a whole, rounded up.
    pub fn of_rounded_up(self, whole: u64) -> u64 {
        match self {
            Self::Part(part) => narrow((u128::from(whole) * u128::from(part)).div_ceil(u128::from(WHOLE))),
            Self::Amount(amount) => amount,
        }
    }

    fn read(what: &str, text: &str, amount: impl FnOnce(&str) -> Option<u64>) -> Result<Self, String> {
        let Some(percent) = text.strip_suffix('%') else {
            return amount(text)
                .map(Self::Amount)
                .ok_or_else(|| format!("invalid {what} value {text:?}; expected a percentage or an amount"));
        };
        let part = scaled(percent, u64::from(WHOLE / 100))
            .ok_or_else(|| format!("{what} capacity invalid percentage format: {text}"))?;
        match u32::try_from(part) {
            Ok(part @ ..=WHOLE) => Ok(Self::Part(part)),
            _ => Err(format!("{what} capacity percentage must be between 0% and 100%, got {text}")),
        }
    }
}

fn bytes(text: &str) -> Option<u64> {
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    scaled(number, unit_bytes(&unit.trim().to_ascii_lowercase())?)
}

fn unit_bytes(unit: &str) -> Option<u64> {
    if matches!(unit, "" | "b") {
        return Some(1);
    }
    let (base, letter) = match unit.strip_suffix("ib").or_else(|| unit.strip_suffix('i')) {
        Some(letter) => (1024_u64, letter),
        None => (1000, unit.strip_suffix('b').unwrap_or(unit)),
    };
    let exponent = ["k", "m", "g", "t", "p", "e"].iter().position(|known| *known == letter)?;
    base.checked_pow(u32::try_from(exponent).ok()? + 1)
}

/// A decimal number times `scale`, rounded down; digits below a billionth do not count.
fn scaled(text: &str, scale: u64) -> Option<u64> {
    const BILLION: u128 = 1_000_000_000;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let billionths: u128 = format!("{fraction:0<9}").get(..9)?.parse().ok()?;
    let total = whole.parse::<u64>().ok()?;
    let value = (u128::from(total) * BILLION + billionths) * u128::from(scale) / BILLION;
    u64::try_from(value).ok()
}

fn narrow(value: u128) -> u64 {
    u64::try_from(value).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_read_in_their_units() {
        assert_eq!(Share::cpu("500m"), Ok(Share::Amount(500)));
        assert_eq!(Share::cpu("0.5"), Ok(Share::Amount(500)));
        assert_eq!(Share::memory("512Mb"), Ok(Share::Amount(512_000_000)));
        assert_eq!(Share::memory("1.5 Gi"), Ok(Share::Amount(1_610_612_736)));
        assert_eq!(Share::disk("100"), Ok(Share::Amount(100)));
        assert_eq!(Share::gpu("1"), Ok(Share::Amount(1)));
    }

    #[test]
    fn percentages_may_have_decimals_and_end_at_a_hundred() {
        assert_eq!(Share::memory("12.5%").unwrap().of(1000), 125);
        assert_eq!(Share::memory("100%").unwrap().of(u64::MAX), u64::MAX);
        assert_eq!(
            Share::cpu("120%").unwrap_err(),
            "cpu capacity percentage must be between 0% and 100%, got 120%"
        );
        assert!(Share::disk("x%").unwrap_err().starts_with("disk capacity invalid percentage format"));
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "-1", "1 2", "1x", "1e3", ".", "99999999999999999999", "20Ei"] {
            assert!(Share::memory(text).is_err(), "{text:?}");
        }
        assert!(Share::gpu("0.5").is_err());
    }
}
