//! The narrowest type that holds what two devices answered.

use std::fmt;

/// A type of DuckDB, as far as the merge must tell types apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Type {
    /// Two's complement or not, with so many bits.
    Integer {
        /// Has a sign.
        signed: bool,
        /// 8 to 128.
        bits: u16,
    },
    /// FLOAT, DOUBLE, DECIMAL(…).
    Fraction(String),
    /// DATE and the kinds of TIMESTAMP.
    Moment(String),
    /// Everything else.
    Other(String),
}

const INTEGERS: [(&str, bool, u16); 10] = [
    ("TINYINT", true, 8),
    ("SMALLINT", true, 16),
    ("INTEGER", true, 32),
    ("BIGINT", true, 64),
    ("HUGEINT", true, 128),
    ("UTINYINT", false, 8),
    ("USMALLINT", false, 16),
    ("UINTEGER", false, 32),
    ("UBIGINT", false, 64),
    ("UHUGEINT", false, 128),
];
const DOUBLE: &str = "DOUBLE";
const TEXT: &str = "VARCHAR";
const DATE: &str = "DATE";
const TIMESTAMP: &str = "TIMESTAMP";
const ZONED: &str = "TIMESTAMP WITH TIME ZONE";

impl Type {
    /// Reads a name as DESCRIBE gives it.
    pub(super) fn parse(name: &str) -> Self {
        if let Some((_, signed, bits)) = INTEGERS.into_iter().find(|(known, ..)| *known == name) {
            return Self::Integer { signed, bits };
        }
        match name {
            "FLOAT" | DOUBLE => Self::Fraction(name.to_owned()),
            _ if name.starts_with("DECIMAL(") && name.ends_with(')') => Self::Fraction(name.to_owned()),
            DATE | TIMESTAMP | ZONED | "TIMESTAMP_S" | "TIMESTAMP_MS" | "TIMESTAMP_NS" => {
                Self::Moment(name.to_owned())
            }
            _ => Self::Other(name.to_owned()),
        }
    }

    /// The type that holds the values of both. In which order types are widened makes no difference.
    pub(super) fn widened(self, other: Self) -> Self {
        match (self, other) {
            (one, other) if one == other => one,
            (Self::Integer { signed: a, bits: a_bits }, Self::Integer { signed: b, bits: b_bits }) => {
                integer((a, a_bits), (b, b_bits))
            }
            (Self::Integer { .. } | Self::Fraction(_), Self::Integer { .. } | Self::Fraction(_)) => {
                Self::Fraction(DOUBLE.to_owned())
            }
            (Self::Moment(a), Self::Moment(b)) => {
                Self::Moment(if a == ZONED || b == ZONED { ZONED } else { TIMESTAMP }.to_owned())
            }
            _ => Self::Other(TEXT.to_owned()),
        }
    }

    /// Whether people read its values from the right.
    pub(super) fn is_number(&self) -> bool {
        matches!(self, Self::Integer { .. } | Self::Fraction(_))
    }

    /// Whether values of other types become texts in it.
    pub(super) fn is_text(&self) -> bool {
        matches!(self, Self::Other(name) if name == TEXT)
    }
}

fn integer((a, a_bits): (bool, u16), (b, b_bits): (bool, u16)) -> Type {
    if a == b {
        return Type::Integer { signed: a, bits: a_bits.max(b_bits) };
    }
    let (signed_bits, unsigned_bits) = if a { (a_bits, b_bits) } else { (b_bits, a_bits) };
    match signed_bits.max(unsigned_bits * 2) {
        bits @ ..=128 => Type::Integer { signed: true, bits },
        _ => Type::Fraction(DOUBLE.to_owned()),
    }
}

impl fmt::Display for Type {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Integer { signed, bits } => {
                let found = INTEGERS.iter().find(|(_, s, b)| (s, b) == (signed, bits));
                f.write_str(found.map_or("HUGEINT", |(name, ..)| *name))
            }
            Self::Fraction(name) | Self::Moment(name) | Self::Other(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOME: [&str; 20] = [
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "HUGEINT",
        "UTINYINT",
        "UINTEGER",
        "UBIGINT",
        "UHUGEINT",
        "FLOAT",
        "DOUBLE",
        "DECIMAL(9,2)",
        "DECIMAL(18,3)",
        "DATE",
        "TIMESTAMP",
        "TIMESTAMP_NS",
        "TIMESTAMP WITH TIME ZONE",
        "VARCHAR",
        "JSON",
        "STRUCT(a INTEGER)",
    ];

    fn widened(a: &str, b: &str) -> String {
        Type::parse(a).widened(Type::parse(b)).to_string()
    }

    #[test]
    fn the_narrowest_type_that_holds_both() {
        for (a, b, expected) in [
            ("INTEGER", "BIGINT", "BIGINT"),
            ("UTINYINT", "TINYINT", "SMALLINT"),
            ("UBIGINT", "INTEGER", "HUGEINT"),
            ("UHUGEINT", "TINYINT", "DOUBLE"),
            ("BIGINT", "DECIMAL(9,2)", "DOUBLE"),
            ("DATE", "TIMESTAMP WITH TIME ZONE", "TIMESTAMP WITH TIME ZONE"),
            ("DATE", "TIMESTAMP_NS", "TIMESTAMP"),
            ("INTEGER", "VARCHAR", "VARCHAR"),
            ("BOOLEAN", "INTEGER", "VARCHAR"),
            ("INTEGER[]", "INTEGER[]", "INTEGER[]"),
        ] {
            assert_eq!(widened(a, b), expected, "{a} and {b}");
        }
    }

    #[test]
    fn the_order_makes_no_difference() {
        for a in SOME {
            assert_eq!(widened(a, a), a);
            for b in SOME {
                assert_eq!(widened(a, b), widened(b, a), "{a} and {b}");
                for c in SOME {
                    assert_eq!(widened(&widened(a, b), c), widened(a, &widened(b, c)), "{a}, {b} and {c}");
                }
            }
        }
    }
}
