//! Amounts of money.

use std::fmt;

/// Amount in USD, exact to the pico-USD: a token costs a whole number of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Usd(u64);

/// Pico-USD in one USD.
const PICO_USD: u64 = 1_000_000_000_000;

impl Usd {
    /// Returns the amount of this many pico-USD.
    pub const fn from_pico(pico_usd: u64) -> Self {
        Self(pico_usd)
    }

    /// Returns the number of pico-USD.
    pub const fn as_pico(self) -> u64 {
        self.0
    }

    /// Returns the sum, up to the maximum of 64 bits: 18 million USD.
    pub const fn plus(self, other: Self) -> Self {
        Self(self.0.saturating_add(other.0))
    }
}

/// Writes a decimal number without an exponent, which is also a number in JSON.
impl fmt::Display for Usd {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.0 / PICO_USD, self.0 % PICO_USD);
        write!(f, "{whole}")?;
        if rest == 0 {
            return Ok(());
        }
        let digits = format!("{rest:012}");
        write!(f, ".{}", digits.trim_end_matches('0'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_amount_is_written_exactly() {
        for (pico_usd, expected) in [
            (0, "0"),
            (1, "0.000000000001"),
            (11_250_000, "0.00001125"),
            (500_000_000_000, "0.5"),
            (PICO_USD, "1"),
            (50 * PICO_USD + 20, "50.00000000002"),
            (u64::MAX, "18446744.073709551615"),
        ] {
            let written = Usd::from_pico(pico_usd).to_string();
            assert_eq!(written, expected);
            assert!(serde_json::from_str::<f64>(&written).is_ok(), "{written}");
        }
        assert_eq!(Usd::from_pico(u64::MAX).plus(Usd::from_pico(1)), Usd::from_pico(u64::MAX));
    }
}
