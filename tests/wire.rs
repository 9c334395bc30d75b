//! Streams and records as senders write them: tables of what is accepted and refused, and a literal parser as oracle.

#[cfg(test)]
#[path = "wire/framing.rs"]
mod framing;
#[cfg(test)]
#[path = "wire/records.rs"]
mod records;
#[cfg(test)]
#[path = "wire/reference.rs"]
mod reference;
#[cfg(test)]
#[path = "wire/reference_3164.rs"]
mod reference_3164;
#[cfg(test)]
#[path = "wire/round_trip.rs"]
mod round_trip;
