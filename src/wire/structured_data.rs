//! Floor 1: the structured data of RFC 5424 (section 6.3), checked at once and taken apart only when asked.
//!
//! Names may have up to 255 bytes where the RFC has 32, as header fields may. Of what the RFC forbids two things are
//! accepted, since nothing is ambiguous about them: an SD-ID that occurs twice, and a value that is not UTF-8.
//!
//! Invariant: a [`StructuredData`] holds nothing or one or more well-formed elements.

use super::Reject;
use super::scan::is_printable;
use crate::limits::MAX_HEADER_FIELD;
use nom::branch::alt;
use nom::bytes::complete::{take_while_m_n, take_while1};
use nom::character::complete::char;
use nom::combinator::recognize;
use nom::error::{ErrorKind, ParseError};
use nom::multi::many0_count;
use nom::sequence::{preceded, terminated};
use nom::{Err, Parser};
use std::borrow::Cow;

type Parsed<'a, T> = nom::IResult<&'a [u8], T, Reject>;

/// The elements of a record, as they stand in it; nothing for NILVALUE.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StructuredData<'a>(&'a [u8]);

impl<'a> StructuredData<'a> {
    /// Checks structured data that stands alone: one or more elements, or NILVALUE.
    ///
    /// # Errors
    /// Says what is malformed.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reject> {
        match bytes {
            b"-" => Ok(Self::default()),
            _ => match Self::split(bytes)? {
                (data, []) => Ok(data),
                _ => Err(Reject::AfterStructuredData),
            },
        }
    }

    /// Splits one or more elements off.
    pub(super) fn split(bytes: &'a [u8]) -> Result<(Self, &'a [u8]), Reject> {
        let mut rest = bytes;
        loop {
            rest = match element(rest) {
                Ok((rest, _)) => rest,
                Err(Err::Error(reject) | Err::Failure(reject)) => return Err(reject),
                Err(Err::Incomplete(_)) => return Err(Reject::StructuredData),
            };
            if rest.first() != Some(&b'[') {
                let len = bytes.len() - rest.len();
                return bytes
                    .split_at_checked(len)
                    .map(|(data, rest)| (Self(data), rest))
                    .ok_or(Reject::StructuredData);
            }
        }
    }

    /// The bytes as they stand in the record; empty for NILVALUE.
    pub const fn as_bytes(self) -> &'a [u8] {
        self.0
    }

    /// Whether there are no elements.
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The elements, in their order.
    pub const fn elements(self) -> Elements<'a> {
        Elements(self.0)
    }

    /// The first value of a parameter of an element.
    pub fn get(self, id: &[u8], name: &[u8]) -> Option<Cow<'a, [u8]>> {
        let params = self.elements().filter(|element| element.id == id).flat_map(|element| element.params());
        params.into_iter().find(|param| param.name == name).map(|param| param.value())
    }
}

/// The elements of structured data, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = Element<'a>;

    fn next(&mut self) -> Option<Element<'a>> {
        let (rest, element) = element(self.0).ok()?;
        self.0 = rest;
        Some(element)
    }
}

/// One SD-ELEMENT (section 6.3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Element<'a> {
    /// The SD-ID, such as `origin` or `exampleSDID@32473`.
    pub id: &'a [u8],
    params: &'a [u8],
}

impl<'a> Element<'a> {
    /// The parameters, in their order.
    pub const fn params(self) -> Params<'a> {
        Params(self.params)
    }
}

/// The parameters of an element, in their order.
#[derive(Clone, Copy, Debug)]
pub struct Params<'a>(&'a [u8]);

impl<'a> Iterator for Params<'a> {
    type Item = Param<'a>;

    fn next(&mut self) -> Option<Param<'a>> {
        let (rest, param) = param(self.0).ok()?;
        self.0 = rest;
        Some(param)
    }
}

/// One SD-PARAM (section 6.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Param<'a> {
    /// The PARAM-NAME.
    pub name: &'a [u8],
    /// The PARAM-VALUE as it stands in the record, escapes included.
    pub raw: &'a [u8],
}

impl<'a> Param<'a> {
    /// The PARAM-VALUE without its escapes; it allocates only if there are any.
    ///
    /// A backslash before anything but `"`, `\` and `]` is an ordinary character.
    pub fn value(&self) -> Cow<'a, [u8]> {
        if memchr::memchr(b'\\', self.raw).is_none() {
            return Cow::Borrowed(self.raw);
        }
        let mut value = Vec::with_capacity(self.raw.len());
        let mut bytes = self.raw.iter().copied().peekable();
        while let Some(byte) = bytes.next() {
            let escaped = if byte == b'\\' { bytes.next_if(|next| is_escaped(*next)) } else { None };
            value.push(escaped.unwrap_or(byte));
        }
        Cow::Owned(value)
    }
}

/// Escapes a PARAM-VALUE for writing; it allocates only if something must be escaped.
pub fn escape(value: &[u8]) -> Cow<'_, [u8]> {
    if !value.iter().any(|byte| is_escaped(*byte)) {
        return Cow::Borrowed(value);
    }
    let escaped = value.iter().flat_map(|byte| is_escaped(*byte).then_some(b'\\').into_iter().chain([*byte]));
    Cow::Owned(escaped.collect())
}

/// Whether a byte must have a backslash before it in a PARAM-VALUE.
const fn is_escaped(byte: u8) -> bool {
    matches!(byte, b'"' | b'\\' | b']')
}

/// `"[" SD-ID *(SP SD-PARAM) "]"`
fn element(input: &[u8]) -> Parsed<'_, Element<'_>> {
    let (input, id) = preceded(or(Reject::StructuredData, char('[')), or(Reject::SdId, name)).parse(input)?;
    let (rest, params) = recognize(many0_count(param)).parse(input)?;
    let (rest, _) =
        or(if params.is_empty() { Reject::SdId } else { Reject::SdParam }, char(']')).parse(rest)?;
    Ok((rest, Element { id, params }))
}

/// `SP PARAM-NAME "=" %d34 PARAM-VALUE %d34`; what begins with a blank must be all of it.
fn param(input: &[u8]) -> Parsed<'_, Param<'_>> {
    let (input, _) = char(' ').parse(input)?;
    let (input, name) = must(Reject::SdParam, terminated(name, (char('='), char('"')))).parse(input)?;
    let (input, raw) = must(Reject::SdValue, terminated(value, char('"'))).parse(input)?;
    Ok((input, Param { name, raw }))
}

/// SD-NAME: PRINTUSASCII other than `=`, `]` and `"`.
fn name(input: &[u8]) -> Parsed<'_, &[u8]> {
    let is_name = |byte: u8| is_printable(byte) && !matches!(byte, b'=' | b']' | b'"');
    take_while_m_n(1, MAX_HEADER_FIELD, is_name).parse(input)
}

/// PARAM-VALUE: anything, with a backslash before `"`, `\` and `]`.
fn value(input: &[u8]) -> Parsed<'_, &[u8]> {
    let plain = take_while1(|byte| !is_escaped(byte));
    let escape = preceded(char('\\'), take_while_m_n(0, 1, is_escaped));
    recognize(many0_count(alt((plain, escape)))).parse(input)
}

/// The parser, with a reason for its errors.
fn or<'a, T>(
    reject: Reject,
    mut parser: impl Parser<&'a [u8], Output = T, Error = Reject>,
) -> impl Parser<&'a [u8], Output = T, Error = Reject> {
    move |input| parser.parse(input).map_err(|_| Err::Error(reject))
}

/// The parser, with a reason for its errors, which end the search for another way to read the input.
fn must<'a, T>(
    reject: Reject,
    mut parser: impl Parser<&'a [u8], Output = T, Error = Reject>,
) -> impl Parser<&'a [u8], Output = T, Error = Reject> {
    move |input| parser.parse(input).map_err(|_| Err::Failure(reject))
}

/// The reason of whoever asked for a parser replaces what its parts would say.
impl<I> ParseError<I> for Reject {
    fn from_error_kind(_: I, _: ErrorKind) -> Self {
        Self::StructuredData
    }

    fn append(_: I, _: ErrorKind, other: Self) -> Self {
        other
    }
}

#[cfg(test)]
mod tests;
