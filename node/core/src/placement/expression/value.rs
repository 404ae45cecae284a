//! Values and patterns in expressions: texts, numbers, versions, times.

use regex_lite::{Regex, RegexBuilder};

use crate::time::Millis;

/// What a compiled pattern may take: enough for a list of instance types as long as an expression may be, and little enough that
/// looking at a value stays short.
const PATTERN_MAX_BYTES: usize = 64 << 10;
/// Groups within groups of a pattern.
const PATTERN_DEPTH_MAX: u32 = 32;

/// A value of the kind that its subject has; only values of one kind are compared.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Value {
    Text(String),
    Number(u64),
    Version(Version),
    Time(Millis),
}

impl Value {
    /// The text of a value of a subject that has texts.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Number(_) | Self::Version(_) | Self::Time(_) => {
                unreachable!("the grammar gives each subject values of its kind")
            }
        }
    }
}

/// A version of an agent: numbers between dots, compared as numbers. What follows a hyphen or a plus sign does not count.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(Vec<u64>);

impl Version {
    pub(super) fn parse(text: &str) -> Option<Self> {
        let numbers = text.split(['-', '+']).next().unwrap_or_default();
        let parts: Result<Vec<u64>, _> = numbers.split('.').map(str::parse).collect();
        let mut parts = parts.ok()?;
        while parts.last() == Some(&0) {
            parts.pop();
        }
        Some(Self(parts))
    }
}

/// A pattern that has to match a whole value.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    text: String,
    compiled: Regex,
}

impl Pattern {
    pub(super) fn parse(text: &str) -> Result<Self, regex_lite::Error> {
        // By itself first: it must not end the group that it is put in.
        compile(text)?;
        let compiled = compile(&format!("^(?:{text})$"))?;
        Ok(Self {
            text: text.to_owned(),
            compiled,
        })
    }

    pub(super) fn matches(&self, text: &str) -> bool {
        self.compiled.is_match(text)
    }
}

fn compile(text: &str) -> Result<Regex, regex_lite::Error> {
    RegexBuilder::new(text)
        .size_limit(PATTERN_MAX_BYTES)
        .nest_limit(PATTERN_DEPTH_MAX)
        .build()
}

impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Pattern {}

/// A date, or a date and a time with or without a zone; without one it is UTC.
pub(super) fn time(text: &str) -> Option<Millis> {
    let (date, clock) = text.split_once('T').unwrap_or((text, "00:00:00"));
    let days = days(date)?;
    let (clock, zone_s) = zone(clock)?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let millis: i64 = match fraction {
        "" => 0,
        digits => format!("{:0<3}", digits.get(..3).unwrap_or(digits))
            .parse()
            .ok()?,
    };
    let mut parts = clock.split(':').map(|part| number(part, 2));
    let (hours, minutes) = (parts.next()??, parts.next()??);
    let seconds = parts.next().unwrap_or(Some(0))?;
    if parts.next().is_some() || hours > 23 || minutes > 59 || seconds > 60 {
        return None;
    }
    let of_day_s = hours * 3600 + minutes * 60 + seconds - zone_s;
    u64::try_from((days * 86_400 + of_day_s) * 1000 + millis)
        .ok()
        .map(Millis)
}

fn number(text: &str, digits: usize) -> Option<i64> {
    let is_number = text.len() == digits && text.bytes().all(|b| b.is_ascii_digit());
    is_number.then(|| text.parse().ok())?
}

/// The clock without its zone, and how many seconds the zone is ahead of UTC.
fn zone(clock: &str) -> Option<(&str, i64)> {
    if let Some(clock) = clock.strip_suffix('Z') {
        return Some((clock, 0));
    }
    let Some(sign) = clock.find(['+', '-']) else {
        return Some((clock, 0));
    };
    let (hours, minutes) = match clock[sign + 1..].split_once(':') {
        Some(pair) => pair,
        None => clock[sign + 1..].split_at_checked(2)?,
    };
    let ahead = number(hours, 2)? * 3600 + number(minutes, 2)? * 60;
    let is_ahead = clock[sign..].starts_with('+');
    Some((&clock[..sign], if is_ahead { ahead } else { -ahead }))
}

/// Days from the epoch to `YYYY-MM-DD` (Howard Hinnant's days_from_civil).
fn days(date: &str) -> Option<i64> {
    let mut parts = date.split('-');
    let year = number(parts.next()?, 4)?;
    let (month, day) = (number(parts.next()?, 2)?, number(parts.next()?, 2)?);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year - era * 400;
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_have_the_forms_of_the_guide() {
        let noted = Some(Millis(1_529_360_908_000));
        assert_eq!(time("2018-06-18T22:28:28+00:00"), noted);
        assert_eq!(time("2018-06-18T22:28:28Z"), noted);
        assert_eq!(time("2018-06-18T22:28:28"), noted);
        assert_eq!(time("2018-06-19T00:28:28.000+02:00"), noted);
        assert_eq!(time("2018-06-18"), Some(Millis(1_529_280_000_000)));
        assert_eq!(time("2000-02-29"), Some(Millis(951_782_400_000)));
        for wrong in [
            "",
            "2018",
            "2018-13-01",
            "2018-06-18T",
            "2018-06-18T25:00:00",
            "1960-01-01",
            "2018-06-18T22:28:28+x",
        ] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn versions_compare_as_numbers() {
        let of = |text| Version::parse(text);
        assert!(of("1.14.5") > of("1.9"));
        assert!(of("1.9.0") == of("1.9") && of("1.9.1-rc1") == of("1.9.1"));
        assert_eq!(of("new"), None);
    }
}
