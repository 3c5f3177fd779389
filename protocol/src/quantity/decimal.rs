//! Non-negative decimal numbers without rounding.

/// `digits * 10^exponent`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decimal {
    digits: u128,
    exponent: i32,
}

/// Whether `1e3` is a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Exponent {
    /// It is.
    Allowed,
    /// It is not.
    Refused,
}

/// More digits than any amount needs; keeps the arithmetic far from overflow.
const MAX_DIGITS: usize = 36;

impl Decimal {
    /// Reads digits with at most one point.
    pub(super) fn parse(text: &str, exponent: Exponent) -> Option<Self> {
        let (mantissa, power) = match text.split_once(['e', 'E']) {
            Some((mantissa, power)) if exponent == Exponent::Allowed => (mantissa, small_integer(power)?),
            Some(_) => return None,
            None => (text, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole, fraction].concat();
        let plain =
            (1..=MAX_DIGITS).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
        let places = i32::try_from(fraction.len()).ok()?;
        if plain { Some(Self { digits: digits.parse().ok()?, exponent: power - places }) } else { None }
    }

    /// This number times `scale`, rounded down.
    pub(super) fn times(self, scale: u64) -> Option<u64> {
        let power = 10_u128.checked_pow(self.exponent.unsigned_abs());
        let scaled = self.digits.checked_mul(u128::from(scale));
        let value = if self.exponent < 0 {
            // A power of ten beyond u128 divides anything to nothing.
            power.map_or(Some(0), |power| Some(self.divided(scaled, scale, power)))?
        } else {
            scaled?.checked_mul(power?)?
        };
        u64::try_from(value).ok()
    }

    /// `scaled / power`; where the product overflowed, the fraction's last digits do not count.
    fn divided(self, scaled: Option<u128>, scale: u64, power: u128) -> u128 {
        scaled.map_or_else(
            || (self.digits / power).saturating_mul(u128::from(scale)),
            |product| product / power,
        )
    }
}

/// An exponent of one or two digits.
fn small_integer(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    let small = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    if small { text.parse().ok() } else { None }
}
