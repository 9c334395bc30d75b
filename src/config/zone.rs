//! Floor 7: time zones by the names that people give them.

use crate::suggest::suggest;
use crate::time::{UnknownZone, Zone};

/// A time zone with the name it was found by.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedZone {
    /// The name in the IANA database.
    pub name: String,
    /// The zone.
    pub zone: Zone,
}

impl NamedZone {
    /// Finds a zone of the IANA database.
    ///
    /// # Errors
    /// When there is none of that name; says which one was probably meant.
    pub fn find(name: &str) -> Result<Self, WrongZone> {
        match Zone::named(name) {
            Ok(zone) => Ok(Self { name: name.to_owned(), zone }),
            Err(unknown) => Err(WrongZone { unknown, hint: hint(name) }),
        }
    }
}

impl Default for NamedZone {
    fn default() -> Self {
        Self { name: "UTC".to_owned(), zone: Zone::UTC }
    }
}

/// A name that no zone has, and what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{unknown}; {hint}")]
pub struct WrongZone {
    pub(super) unknown: UnknownZone,
    pub(super) hint: String,
}

fn hint(name: &str) -> String {
    let names = Zone::names();
    match near(name, &names) {
        Some(near) => format!("did you mean `{near}`?"),
        None => "`timedatectl list-timezones` lists those of this system; the package is `tzdata`".to_owned(),
    }
}

/// The zone that was probably meant: of that city, or else of the name most like it.
fn near<'a>(name: &str, names: &'a [String]) -> Option<&'a str> {
    let name = name.replace(' ', "_");
    let city = |zone: &'a String| zone.rsplit('/').next().unwrap_or_default();
    let of_city = |wanted: &str| {
        let zones = names.iter().filter(|zone| city(zone).eq_ignore_ascii_case(wanted));
        zones.min_by_key(|zone| zone.len()).map(String::as_str)
    };
    of_city(&name)
        .or_else(|| suggest(&name, names.iter().map(String::as_str)))
        .or_else(|| suggest(&name, names.iter().map(city)).and_then(of_city))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_city_is_enough_to_be_told_its_zone() {
        let names =
            ["America/Kentucky/Louisville", "America/Louisville", "America/New_York", "Europe/Berlin"];
        let names = names.map(str::to_owned);
        for (given, expected) in [
            ("Berlin", Some("Europe/Berlin")),
            ("berlin", Some("Europe/Berlin")),
            ("Europe/Berln", Some("Europe/Berlin")),
            ("Berln", Some("Europe/Berlin")),
            ("New York", Some("America/New_York")),
            ("Louisville", Some("America/Louisville")),
            ("Olympus", None),
            ("", None),
        ] {
            assert_eq!(near(given, &names), expected, "{given}");
        }
    }

    #[test]
    fn an_unknown_zone_is_told_with_the_one_that_was_meant() {
        let error = NamedZone::find("Berlin").unwrap_err();
        assert_eq!(error.to_string(), "unknown time zone `Berlin`; did you mean `Europe/Berlin`?");
    }
}
