//! Floor 7: the options of `type = "log"`.

use crate::config::codec::{Choice, OneOf};
use crate::config::option::{Opt, options};
use crate::config::section::Section;
use crate::handlers::log::{Color, Format, Options};

impl Choice for Format {
    const NAMES: &'static [(&'static str, Self)] = &[("text", Self::Text), ("json", Self::Json)];
}

impl Choice for Color {
    const NAMES: &'static [(&'static str, Self)] =
        &[("auto", Self::Auto), ("always", Self::Always), ("never", Self::Never)];
}

impl Section for Options {
    const OPTIONS: &'static [Opt<Self>] = options! { Self:
        format = format as OneOf<Format>,
            "How an event is written: a line for people, or a JSON object.";
        color = color as OneOf<Color>,
            "When lines for people are coloured by severity; `auto` means on a terminal.";
    };

    fn defaults() -> Self {
        Self::default()
    }
}
