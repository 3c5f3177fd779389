//! A part of what a machine has: a percentage or an amount.

use super::decimal::{Decimal, Exponent};
use super::{bytes, cpu_millis, gpus};

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

/// A text is no share.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidShare {
    /// It ends in `%`, but no number stands before it.
    #[error("{what} capacity invalid percentage format: {text}")]
    Percentage {
        /// Share of what.
        what: &'static str,
        /// What was written.
        text: String,
    },
    /// Below nothing or above everything.
    #[error("{what} capacity percentage must be between 0% and 100%, got {text}")]
    Range {
        /// Share of what.
        what: &'static str,
        /// What was written.
        text: String,
    },
    /// Neither a percentage nor an amount.
    #[error(
        "invalid {what} value {text:?}; expected a percentage such as 80% or an amount such as {example}"
    )]
    Amount {
        /// Share of what.
        what: &'static str,
        /// What was written.
        text: String,
        /// What could be written.
        example: &'static str,
    },
}

impl Share {
    /// So many per cent; more than 100 counts as 100.
    pub const fn percent(percent: u32) -> Self {
        Self::Part(if percent > 100 { WHOLE } else { percent * (WHOLE / 100) })
    }

    /// Reads a share of CPUs; amounts are thousandths of a core.
    pub fn cpu(text: &str) -> Result<Self, InvalidShare> {
        Self::read("cpu", "500m", text, cpu_millis(text).ok())
    }

    /// Reads a share of memory; amounts are bytes.
    pub fn memory(text: &str) -> Result<Self, InvalidShare> {
        Self::read("memory", "4Gi", text, bytes("memory", text).ok())
    }

    /// Reads a share of a disk; amounts are bytes.
    pub fn disk(text: &str) -> Result<Self, InvalidShare> {
        Self::read("disk", "10Gi", text, bytes("disk", text).ok())
    }

    /// Reads a share of GPUs.
    pub fn gpu(text: &str) -> Result<Self, InvalidShare> {
        Self::read("gpu", "1", text, gpus(text).ok())
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

    fn read(
        what: &'static str,
        example: &'static str,
        text: &str,
        amount: Option<u64>,
    ) -> Result<Self, InvalidShare> {
        let Some(percent) = text.trim().strip_suffix('%') else {
            let text = text.to_owned();
            return amount.map(Self::Amount).ok_or(InvalidShare::Amount { what, text, example });
        };
        let out_of_range = || InvalidShare::Range { what, text: text.to_owned() };
        if percent.starts_with('-') {
            return Err(out_of_range());
        }
        let number = Decimal::parse(percent.trim(), Exponent::Refused)
            .ok_or_else(|| InvalidShare::Percentage { what, text: text.to_owned() })?;
        let part = number.times(u64::from(WHOLE / 100)).and_then(|part| u32::try_from(part).ok());
        part.filter(|part| *part <= WHOLE).map(Self::Part).ok_or_else(out_of_range)
    }
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
        assert_eq!(Share::memory("1.5 Gi"), Ok(Share::Amount(1_610_612_736)));
        assert_eq!(Share::gpu("1"), Ok(Share::Amount(1)));
    }

    #[test]
    fn percentages_may_have_decimals_and_end_at_a_hundred() {
        assert_eq!(Share::memory("12.5%").unwrap().of(1000), 125);
        assert_eq!(Share::memory("100%").unwrap().of(u64::MAX), u64::MAX);
        assert_eq!(Share::gpu("50%").unwrap().of_rounded_up(1), 1);
        let message = |share: Result<Share, InvalidShare>| share.unwrap_err().to_string();
        assert_eq!(
            message(Share::cpu("120%")),
            "cpu capacity percentage must be between 0% and 100%, got 120%"
        );
        assert_eq!(
            message(Share::cpu("-1%")),
            "cpu capacity percentage must be between 0% and 100%, got -1%"
        );
        assert_eq!(message(Share::disk("x%")), "disk capacity invalid percentage format: x%");
        assert!(message(Share::disk("")).starts_with(r#"invalid disk value """#));
    }
}
