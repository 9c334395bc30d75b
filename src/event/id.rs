//! Floor 1: the identity of an event: stream, run, number, application and module, and ordinal.

use std::fmt;

/// The random identity of a data directory, or the hash of a plain file's content.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// Crockford's base 32, lower case: no letter that reads like a digit.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

impl StreamId {
    /// The identity as thirteen characters of Crockford's base 32.
    pub fn text(self) -> [u8; 13] {
        let mut text = [0_u8; 13];
        for (place, slot) in text.iter_mut().rev().enumerate() {
            let digit = (self.0 >> (5 * place)) & 31;
            *slot = ALPHABET.get(usize::try_from(digit).unwrap_or(0)).copied().unwrap_or(b'0');
        }
        text
    }
}

/// Writes thirteen characters of Crockford's base 32.
impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(str::from_utf8(&self.text()).unwrap_or_default())
    }
}

/// The identity of one event: the same inputs and configuration give the same ids.
///
/// Displayed as `STREAM.RUN.NUMBER.APP.MODULE.K`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EventId<'a> {
    /// The stream of inputs.
    pub stream: StreamId,
    /// The run of the server, from 1; 0 for plain files.
    pub run: u32,
    /// The number of the input that raised the event.
    pub number: u64,
    /// The application's name.
    pub app: &'a str,
    /// The module's name within the application.
    pub module: &'a str,
    /// Which of the events that this input raised in this module, from 0, counting kinds that are switched off too.
    pub ordinal: u32,
}

impl fmt::Display for EventId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { stream, run, number, app, module, ordinal } = self;
        write!(f, "{stream}.{run}.{number}.{app}.{module}.{ordinal}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn displays_all_parts() {
        let id = EventId {
            stream: StreamId(33),
            run: 3,
            number: 1042,
            app: "fleet",
            module: "openssh",
            ordinal: 1,
        };
        assert_eq!(id.to_string(), "0000000000011.3.1042.fleet.openssh.1");
        assert_eq!(StreamId(u64::MAX).to_string(), "fzzzzzzzzzzzz");
    }
}
