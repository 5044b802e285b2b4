//! What objects are called: `<prefix><name>-<version>-<time>-<uuid><extension>`.

use afflux_types::{Result, ServerTime};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};
use uuid::Uuid;

use crate::Fault;

/// Characters of a file extension, with its period.
const EXTENSION_CHARS_MAX: usize = 128;

/// The namespace of the ids of objects: chosen at random, once.
const NAMESPACE: Uuid = Uuid::from_u128(0x9f2c_07a1_55d3_4b8e_8d60_3c1b_e4f7_a926);

/// The name of an object behind its prefix.
///
/// `id` is the object's id, see [`object_id`]; `extension` opens with a period or is empty.
#[must_use]
pub fn object_name(
    delivery: &Delivery<'_>,
    arrival: ServerTime,
    zone: &TimeZone,
    id: [u8; 16],
) -> String {
    let Delivery {
        name,
        version,
        extension,
    } = delivery;
    let time = local(arrival, zone).strftime("%Y-%m-%d-%H-%M-%S");
    let id = Uuid::from_bytes(id).hyphenated();
    format!("{name}-{version}-{time}-{id}{extension}")
}

/// The name, behind its prefix, of what a delivery stream has of the hour of `arrival`: `<name>-<hour>`.
#[must_use]
pub fn hour_name(delivery: &str, arrival: ServerTime, zone: &TimeZone) -> String {
    let hour = local(arrival, zone).strftime("%Y-%m-%d-%H");
    format!("{delivery}-{hour}")
}

/// When the hour of `arrival` began, by the clock on a wall in the zone.
#[must_use]
pub fn hour_start(arrival: ServerTime, zone: &TimeZone) -> ServerTime {
    let time = local(arrival, zone);
    let seconds = i64::from(time.minute()) * 60 + i64::from(time.second());
    let millis = seconds * 1_000 + i64::from(time.millisecond());
    ServerTime::from_millis(arrival.as_millis().saturating_sub(millis))
}

/// What the names of all objects of a delivery stream have in common.
#[derive(Clone, Copy, Debug)]
pub struct Delivery<'a> {
    /// The delivery stream's name.
    pub name: &'a str,
    /// The version of its configuration.
    pub version: u64,
    /// The ending of the name, with its period.
    pub extension: &'a str,
}

/// An id that the same parts always give: a UUID of version 5 (RFC 9562).
///
/// Parts are told apart by their lengths: `["ab", "c"]` and `["a", "bc"]` give different ids.
#[must_use]
pub fn object_id(parts: &[&[u8]]) -> [u8; 16] {
    let mut name = Vec::new();
    for part in parts {
        let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
        name.extend_from_slice(&length.to_be_bytes());
        name.extend_from_slice(part);
    }
    Uuid::new_v5(&NAMESPACE, &name).into_bytes()
}

/// Checks the extension that a user wants instead of the one of the compression.
///
/// # Errors
/// If it is neither empty nor a period and then some of `0-9a-z!-_.*'()`.
pub fn check_extension(extension: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase() || "!-_.*'()".contains(c);
    let rest = extension.strip_prefix('.').unwrap_or_default();
    let right =
        !rest.is_empty() && rest.chars().all(allowed) && extension.len() <= EXTENSION_CHARS_MAX;
    if right || extension.is_empty() {
        return Ok(());
    }
    Err(Fault::Extension {
        extension: extension.to_owned(),
        max: EXTENSION_CHARS_MAX,
    }
    .into())
}

/// The time zone of a name such as `Asia/Tokyo`; an empty name is UTC.
///
/// # Errors
/// If the time zone database has no such zone.
pub fn time_zone(name: &str) -> Result<TimeZone> {
    if name.is_empty() {
        return Ok(TimeZone::UTC);
    }
    // The program's own database: the same zones on every machine.
    let zone = TimeZoneDatabase::bundled().get(name);
    zone.map_err(|_| {
        let name = name.to_owned();
        Fault::TimeZone { name }.into()
    })
}

/// The time on a wall in the zone; times outside of the calendar stop at its ends.
pub(crate) fn local(time: ServerTime, zone: &TimeZone) -> Zoned {
    let millis = time.as_millis();
    let end = if millis < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    };
    let time = Timestamp::from_millisecond(millis).unwrap_or(end);
    time.to_zoned(zone.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELIVERY: Delivery<'_> = Delivery {
        name: "my-delivery-stream",
        version: 1,
        extension: ".gz",
    };

    #[test]
    fn a_name_has_the_parts_of_the_documented_one() {
        let time = "2019-08-09T23:55:09Z".parse().unwrap();
        let id = *b"\xa9\xfa\x96\xaf\xe4\xe4\x40\x9f\xba\xc3\x1f\x80\x47\x14\xfa\xaa";
        assert_eq!(
            object_name(&DELIVERY, time, &TimeZone::UTC, id),
            "my-delivery-stream-1-2019-08-09-23-55-09-a9fa96af-e4e4-409f-bac3-1f804714faaa.gz"
        );
        let tokyo = time_zone("Asia/Tokyo").unwrap();
        let name = object_name(&DELIVERY, time, &tokyo, id);
        assert!(name.contains("-2019-08-10-08-55-09-"), "{name}");
    }

    #[test]
    fn an_hour_begins_and_is_named_by_the_clock_on_the_wall() {
        let time: ServerTime = "2019-08-09T23:55:09.125Z".parse().unwrap();
        let start = |zone: &str| hour_start(time, &time_zone(zone).unwrap()).to_string();
        assert_eq!(start("UTC"), "2019-08-09T23:00:00.000Z");
        assert_eq!(start("Asia/Calcutta"), "2019-08-09T23:30:00.000Z");
        let name = hour_name("cam", time, &time_zone("Asia/Calcutta").unwrap());
        assert_eq!(name, "cam-2019-08-10-05");
    }

    #[test]
    fn an_id_is_a_pure_function_of_its_parts() {
        let id = object_id(&[b"stream", b"shard"]);
        assert_eq!(id, object_id(&[b"stream", b"shard"]));
        assert_ne!(id, object_id(&[b"stream", b"shar", b"d"]));
        assert_ne!(id, object_id(&[b"streams", b"hard"]));
        assert_eq!(Uuid::from_bytes(id).get_version_num(), 5);
        // Objects that were written by an older program keep their names.
        let text = Uuid::from_bytes(id).to_string();
        assert_eq!(text, "0e0452a5-8cd4-53cd-9f64-447149576f42");
    }

    #[test]
    fn extensions_are_checked() {
        for good in ["", ".gz", ".json.gz", ".a!-_.*'()9"] {
            check_extension(good).unwrap();
        }
        for bad in ["gz", ".", ".GZ", ".a b", ".ä"] {
            assert!(check_extension(bad).is_err(), "{bad:?} was accepted");
        }
        assert!(check_extension(&format!(".{}", "a".repeat(127))).is_ok());
        assert!(check_extension(&format!(".{}", "a".repeat(128))).is_err());
    }

    #[test]
    fn zones_come_with_the_program() {
        for good in [
            "",
            "UTC",
            "Asia/Tokyo",
            "America/Argentina/Buenos_Aires",
            "Asia/Calcutta",
        ] {
            time_zone(good).unwrap();
        }
        for bad in ["Mars/Olympus", "../etc/passwd", "local"] {
            assert!(time_zone(bad).is_err(), "{bad:?} was accepted");
        }
    }

    #[test]
    fn times_outside_of_the_calendar_have_a_name_too() {
        for millis in [i64::MIN, i64::MAX] {
            let time = ServerTime::from_millis(millis);
            let name = object_name(&DELIVERY, time, &time_zone("Asia/Tokyo").unwrap(), [0; 16]);
            assert!(name.starts_with("my-delivery-stream-1-"), "{name}");
        }
    }
}
