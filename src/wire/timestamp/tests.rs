//! Timestamps of each dialect: what is read, what is refused, which year is meant.

use super::*;
use crate::time::{civil_from_days, days_from_civil};
use proptest::prelude::*;

fn show(read: Option<(Timestamp, &[u8])>) -> Option<(String, String)> {
    read.map(|(instant, rest)| (instant.to_string(), String::from_utf8_lossy(rest).into_owned()))
}

fn strict(text: &str) -> Option<(String, String)> {
    show(rfc5424(text.as_bytes()).map(|(instant, len)| (instant, &text.as_bytes()[len..])))
}

fn instant(text: &str) -> Timestamp {
    rfc5424(text.as_bytes()).unwrap().0
}

fn micros(digits: &str) -> String {
    format!("{digits:0<6}")
}

#[test]
fn rfc5424_reads_the_examples_of_the_rfc() {
    let cases = [
        ("1985-04-12T23:20:50.52Z", "1985-04-12T23:20:50.520000Z"),
        ("1985-04-12T19:20:50.52-04:00", "1985-04-12T23:20:50.520000Z"),
        ("2003-10-11T22:14:15.003Z", "2003-10-11T22:14:15.003000Z"),
        ("2003-08-24T05:14:15.000003-07:00", "2003-08-24T12:14:15.000003Z"),
        ("0000-01-01T23:59:00+23:59", "0000-01-01T00:00:00.000000Z"),
        ("9999-12-31T00:00:59.999999-23:59", "9999-12-31T23:59:59.999999Z"),
        ("2024-02-29T00:00:00-00:00", "2024-02-29T00:00:00.000000Z"),
    ];
    for (text, expected) in cases {
        let padded = format!("{text} rest");
        assert_eq!(strict(&padded), Some((expected.into(), " rest".into())), "{text}");
        assert_eq!(strict(text), Some((expected.into(), String::new())), "{text} at the end");
    }
}

#[test]
fn rfc5424_refuses_what_the_rfc_refuses() {
    let cases = [
        // A year that has no four digits in UTC could not be written down again.
        "0000-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59.999999-23:59",
        "2003-08-24T05:14:15.000000003-07:00",
        "2003-08-24T05:14:15.0000000Z",
        "2003-08-24T05:14:15.Z",
        "2003-08-24T05:14:15",
        "2003-08-24T05:14:15.5",
        "2003-08-24t05:14:15Z",
        "2003-08-24T05:14:15z",
        "2003-08-24 05:14:15Z",
        "2003-08-24T05:14:60Z",
        "2003-08-24T05:60:15Z",
        "2003-08-24T24:00:00Z",
        "2003-00-24T05:14:15Z",
        "2003-13-24T05:14:15Z",
        "2003-08-00T05:14:15Z",
        "2003-08-32T05:14:15Z",
        "2003-04-31T05:14:15Z",
        "2003-02-29T05:14:15Z",
        "1900-02-29T05:14:15Z",
        "2003-08-24T05:14:15+24:00",
        "2003-08-24T05:14:15+07:60",
        "2003-08-24T05:14:15+0700",
        "2003-08-24T05:14:15+07",
        "2003-08-24T05:14:15*07:00",
        "2003-8-24T05:14:15Z",
        "20030824T051415Z",
        "+003-08-24T05:14:15Z",
        "2003-08-24T05:14:1",
        "",
    ];
    for text in cases {
        assert_eq!(strict(text), None, "{text}");
        assert_eq!(strict(&format!("{text} host app")), None, "{text}");
    }
}

#[test]
fn iso_is_read_as_files_have_it() {
    let berlin = Zone::named("Europe/Berlin").unwrap();
    let cases = [
        ("2026-02-01T00:00:00.1+00:00 h", "2026-02-01T00:00:00.100000Z", " h"),
        ("2026-02-01T00:00:00.123456789Z h", "2026-02-01T00:00:00.123456Z", " h"),
        ("2026-02-01T00:00:00+0130 h", "2026-01-31T22:30:00.000000Z", " h"),
        ("2026-02-01T00:00:00 h", "2026-01-31T23:00:00.000000Z", " h"),
        ("2026-07-01T00:00:00.25 h", "2026-06-30T22:00:00.250000Z", " h"),
    ];
    for (text, expected, rest) in cases {
        assert_eq!(show(iso(text.as_bytes(), &berlin)), Some((expected.into(), rest.into())), "{text}");
    }
    for text in
        ["2026-02-01T00:00:00.1234567890Z", "2026-02-30T00:00:00Z", "2026-02-01", "2026-02-01 00:00:00Z"]
    {
        assert_eq!(show(iso(text.as_bytes(), &berlin)), None, "{text}");
    }
}

#[test]
fn bsd_takes_the_latest_year_that_is_not_ahead() {
    let cases = [
        ("2026-11-23T12:00:00Z", "Oct 11 22:14:15", "2026-10-11T22:14:15.000000Z"),
        ("2026-11-23T12:00:00Z", "Nov 24 12:00:00", "2026-11-24T12:00:00.000000Z"),
        ("2026-11-23T12:00:00Z", "Nov 24 12:00:01", "2025-11-24T12:00:01.000000Z"),
        ("2026-01-01T00:00:30Z", "Dec 31 23:59:59", "2025-12-31T23:59:59.000000Z"),
        ("2025-12-31T23:59:30Z", "Jan  1 00:00:00", "2026-01-01T00:00:00.000000Z"),
        ("2026-03-01T00:00:00Z", "Feb 29 12:00:00", "2024-02-29T12:00:00.000000Z"),
        ("2028-02-28T12:00:00Z", "Feb 29 12:00:00", "2028-02-29T12:00:00.000000Z"),
        ("2028-02-28T11:59:59Z", "Feb 29 12:00:00", "2024-02-29T12:00:00.000000Z"),
        ("1904-02-01T00:00:00Z", "Feb 29 00:00:00", "1896-02-29T00:00:00.000000Z"),
    ];
    for (reference, text, expected) in cases {
        let read = bsd(text.as_bytes(), instant(reference), &Zone::UTC);
        assert_eq!(show(read), Some((expected.into(), String::new())), "{text} at {reference}");
    }
}

#[test]
fn bsd_applies_the_zone_before_it_chooses_the_year() {
    let kiritimati = Zone::named("Pacific/Kiritimati").unwrap();
    let reference = instant("2025-12-31T23:00:00Z");
    let read = bsd(b"Jan  2 12:00:00", reference, &kiritimati);
    assert_eq!(show(read).unwrap().0, "2026-01-01T22:00:00.000000Z");
    let honolulu = Zone::named("Pacific/Honolulu").unwrap();
    let read = bsd(b"Jan  1 13:00:01", reference, &honolulu);
    assert_eq!(show(read).unwrap().0, "2025-01-01T23:00:01.000000Z");
}

#[test]
fn bsd_survives_any_reference() {
    for reference in [Timestamp::MIN, Timestamp::EPOCH, Timestamp::MAX] {
        for zone in [Zone::UTC, Zone::named("Europe/Berlin").unwrap()] {
            assert!(bsd(b"Feb 29 00:00:00", reference, &zone).is_some());
        }
    }
}

#[test]
fn bsd_reads_what_equipment_adds() {
    let berlin = Zone::named("Europe/Berlin").unwrap();
    let reference = instant("2026-11-23T12:00:00Z");
    let cases = [
        ("Feb  5 17:32:18 h", "2026-02-05T16:32:18.000000Z", " h"),
        ("Feb 5 17:32:18 h", "2026-02-05T16:32:18.000000Z", " h"),
        ("Feb 05 17:32:18 h", "2026-02-05T16:32:18.000000Z", " h"),
        ("*Mar  1 00:00:12.345: %SYS-5-X: m", "2026-02-28T23:00:12.345000Z", " %SYS-5-X: m"),
        (".Mar  1 00:00:12 UTC: %SYS-5-X: m", "2026-03-01T00:00:12.000000Z", " %SYS-5-X: m"),
        ("Mar  1 00:00:12 CET: %SYS-5-X: m", "2026-02-28T23:00:12.000000Z", " %SYS-5-X: m"),
        ("Mar  1 00:00:12 CRON: m", "2026-02-28T23:00:12.000000Z", " CRON: m"),
        ("Jun 24 2004 10:32:01: %ASA-6-1: m", "2004-06-24T08:32:01.000000Z", " %ASA-6-1: m"),
        ("Jun 24 2004 10:32:01 fw : %ASA-6-1: m", "2004-06-24T08:32:01.000000Z", " fw : %ASA-6-1: m"),
    ];
    for (text, expected, rest) in cases {
        assert_eq!(
            show(bsd(text.as_bytes(), reference, &berlin)),
            Some((expected.into(), rest.into())),
            "{text}"
        );
    }
    let refused = [
        "Feb 30 00:00:00",
        "Feb  0 00:00:00",
        "Feb 29 2003 00:00:00",
        "feb  5 17:32:18",
        "Okt 11 22:14:15",
        "Feb  5 24:00:00",
        "Feb  5 17:60:00",
        "Feb  5 17:32:60",
        "Feb  5 17:32",
        "Feb  5 7:32:18",
        "Feb 5th 17:32:18",
        "Feb   5 17:32:18",
        "Feb  5 17:32:18.",
        "Feb",
        "",
    ];
    for text in refused {
        assert_eq!(show(bsd(text.as_bytes(), reference, &berlin)), None, "{text}");
    }
}

proptest! {
    #[test]
    fn days_agree_with_the_calendar_below(number in -719_528_i64..2_932_897) {
        let (year, month, day) = civil_from_days(number);
        prop_assert_eq!(days(u32::try_from(year / 100).unwrap(), u32::try_from(year % 100).unwrap(), month, day), Some(number));
        prop_assert_eq!(days_from_civil(year, month, day), number);
    }

    #[test]
    fn rfc5424_inverts_display(whole in 0_i64..253_402_300_800, digits in "[0-9]{0,6}", minutes in -1439_i64..1440) {
        let fraction = if digits.is_empty() { String::new() } else { format!(".{digits}") };
        let local = Timestamp::from_micros(whole * MICROS_PER_SECOND).to_string();
        let sign = if minutes < 0 { '-' } else { '+' };
        let text = format!("{}{fraction}{sign}{:02}:{:02}", &local[..19], minutes.abs() / 60, minutes.abs() % 60);
        let expected = (whole - minutes * 60) * MICROS_PER_SECOND + micros(&digits).parse::<i64>().unwrap();
        let (instant, len) = rfc5424(text.as_bytes()).unwrap();
        prop_assert_eq!((instant.as_micros(), len), (expected, text.len()));
    }
}
