//! Floor 5: the values that a filter's expression speaks of, and their types.
//!
//! Invariant: what an operand gives for an event is of the type that is told here, or nothing.

use super::FilterError;
use super::compile::{Result, gives_answer, unknown_function};
use super::tree::Operand;
use crate::event::{Field, FieldType, Kind, Severity};
use crate::suggest::{did_you_mean, suggest};
use crate::time::Timestamp;
use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};
use std::net::IpAddr;

/// What can be asked for beside fields.
const NAMES: [&str; 7] = ["kind", "severity", "app", "module", "host", "time", "fields"];

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Kind,
    Text,
    Number,
    Real,
    Duration,
    Instant,
    Severity,
    Addr,
    Bool,
    List,
}

impl Type {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Kind => "a kind",
            Self::Text => "text",
            Self::Number | Self::Real => "a number",
            Self::Duration => "a length of time",
            Self::Instant => "a time",
            Self::Severity => "a severity",
            Self::Addr => "an address",
            Self::Bool => "a truth value",
            Self::List => "a list",
        }
    }

    fn of_field(field: Field) -> Self {
        match field.spec().ty {
            FieldType::Text => Self::Text,
            FieldType::Count => Self::Number,
            FieldType::Flag => Self::Bool,
            FieldType::Time => Self::Instant,
            FieldType::Duration => Self::Duration,
            FieldType::Addr => Self::Addr,
            FieldType::Texts | FieldType::Addrs => Self::List,
        }
    }
}

pub(super) fn can_compare(left: Type, right: Type) -> bool {
    let is_number = |ty| matches!(ty, Type::Number | Type::Real | Type::Duration);
    left == right || is_number(left) && is_number(right)
}

/// A text where a value of some type is wanted: what it means there.
pub(super) fn fit(operand: Operand, wanted: Type) -> Result<Operand> {
    let Operand::Text(bytes) = &operand else {
        return match wanted {
            Type::Text | Type::Kind => Ok(operand),
            _ => Err(FilterError::new(format!("text cannot be compared with {}", wanted.name()))),
        };
    };
    let text = String::from_utf8_lossy(bytes);
    match wanted {
        Type::Text => Ok(operand),
        Type::Kind if Kind::from_name(&text).is_some() => Ok(operand),
        Type::Kind => {
            let names = Kind::ALL.iter().map(|kind| kind.spec().name);
            let error = FilterError::new(format!("there is no kind `{}`", text.escape_debug()));
            let near = did_you_mean(&text, names);
            Err(error.hint(near.unwrap_or_else(|| "docs/events.md lists them".to_owned())))
        }
        Type::Addr => text.parse::<IpAddr>().map(Operand::Addr).map_err(|_| {
            FilterError::new(format!("`{}` is no address", text.escape_debug()))
                .hint("for a network, ask `in_net(fields.addr, \"10.0.0.0/8\")`")
        }),
        Type::Severity => {
            Err(FilterError::new(format!("a severity is no text, as `\"{}\"` is", text.escape_debug()))
                .hint("severities are INFO, NOTICE, WARNING, ERROR and CRITICAL, without quotation marks"))
        }
        _ => {
            let error = FilterError::new(format!("{} cannot be compared with text", wanted.name()));
            Err(match wanted {
                Type::Number | Type::Real => error.hint("numbers have no quotation marks"),
                Type::Duration => error.hint("lengths of time are written `duration(\"5m\")`"),
                Type::Instant => error.hint("times are written `timestamp(\"2026-02-01T12:00:00Z\")`"),
                _ => error,
            })
        }
    }
}

/// The text of a literal: whatever is looked for is known when the filter is loaded.
pub(super) fn literal_text(expr: &IdedExpr) -> Result<String> {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => Ok(text.inner().to_owned()),
        _ => Err(FilterError::new("it must be a text in quotation marks, so that it can be checked at load")),
    }
}

pub(super) fn operand(expr: &IdedExpr) -> Result<(Operand, Type)> {
    match &expr.expr {
        Expr::Literal(literal) => literal_operand(literal),
        Expr::Ident(name) => named(name),
        Expr::Select(select) if !select.test => {
            let field = field_of(&select.operand.expr, &select.field)?;
            Ok((Operand::Field(field), Type::of_field(field)))
        }
        Expr::Call(call) => call_operand(call),
        Expr::Comprehension(_) => Err(FilterError::new("macros such as `exists` are not for filters")
            .hint("ask whether a list holds something with `in`, as in `\"root\" in fields.users`")),
        _ => Err(FilterError::new("a list, map or structure cannot stand here")),
    }
}

fn call_operand(call: &CallExpr) -> Result<(Operand, Type)> {
    let args: Vec<&IdedExpr> = call.target.iter().map(AsRef::as_ref).chain(&call.args).collect();
    match (call.func_name.as_str(), args.as_slice()) {
        ("size", [of]) => match operand(of)? {
            (Operand::Field(field), Type::Text | Type::List) => Ok((Operand::Size(field), Type::Number)),
            (_, ty) => Err(FilterError::new(format!(
                "`size` is for fields of text and lists, and this is {}",
                ty.name()
            ))),
        },
        ("duration", [text]) => {
            let text = literal_text(text)?;
            let micros = duration(&text).ok_or_else(|| {
                FilterError::new(format!("`{}` is no length of time", text.escape_debug()))
                    .hint("as in `duration(\"5m\")`")
            })?;
            Ok((Operand::Duration(micros), Type::Duration))
        }
        ("timestamp", [text]) => {
            let text = literal_text(text)?;
            let instant = text.parse::<jiff::Timestamp>().map_err(|_| {
                FilterError::new(format!("`{}` is no time", text.escape_debug()))
                    .hint("as in `timestamp(\"2026-02-01T12:00:00Z\")`")
            })?;
            Ok((Operand::Instant(Timestamp::from_micros(instant.as_microsecond())), Type::Instant))
        }
        (operators::NEGATE, [number]) => match operand(number)? {
            (Operand::Number(number), ty) => Ok((Operand::Number(-number), ty)),
            (Operand::Real(real), ty) => Ok((Operand::Real(-real), ty)),
            _ => Err(FilterError::new("only a number has a negative")),
        },
        (name @ ("size" | "duration" | "timestamp"), _) => {
            Err(FilterError::new(format!("`{name}` wants one argument")))
        }
        (name, _) if gives_answer(name) => Err(FilterError::new("an answer of yes or no cannot be compared")
            .hint("join answers with `&&`, `||` and `!`")),
        (name, _) => Err(unknown_function(name)),
    }
}

fn literal_operand(literal: &LiteralValue) -> Result<(Operand, Type)> {
    Ok(match literal {
        LiteralValue::Boolean(value) => (Operand::Bool(*value.inner()), Type::Bool),
        LiteralValue::Int(number) => (Operand::Number((*number.inner()).into()), Type::Number),
        LiteralValue::UInt(number) => (Operand::Number((*number.inner()).into()), Type::Number),
        LiteralValue::Double(real) => (Operand::Real(*real.inner()), Type::Real),
        LiteralValue::String(text) => (Operand::Text(text.inner().as_bytes().to_vec()), Type::Text),
        LiteralValue::Bytes(bytes) => (Operand::Text(bytes.inner().to_vec()), Type::Text),
        LiteralValue::Null => {
            return Err(FilterError::new("nothing can be compared with null").hint("ask `has(fields.NAME)`"));
        }
    })
}

/// What a name alone stands for.
fn named(name: &str) -> Result<(Operand, Type)> {
    if let Some(severity) = Severity::ALL.into_iter().find(|severity| severity.name() == name) {
        return Ok((Operand::Level(severity), Type::Severity));
    }
    Ok(match name {
        "kind" => (Operand::Kind, Type::Kind),
        "severity" => (Operand::Severity, Type::Severity),
        "app" => (Operand::App, Type::Text),
        "module" => (Operand::Module, Type::Text),
        "host" => (Operand::Field(Field::Host), Type::Text),
        "time" => (Operand::Time, Type::Instant),
        _ => {
            let error = FilterError::new(format!("there is no `{name}`"));
            if Field::ALL.iter().any(|field| field.spec().name == name) {
                return Err(error.hint(format!("did you mean `fields.{name}`?")));
            }
            if name == "fields" {
                return Err(
                    FilterError::new("`fields` alone is no value").hint("fields are written `fields.NAME`")
                );
            }
            let known = NAMES.into_iter().chain(Severity::ALL.map(Severity::name));
            let near = did_you_mean(name, known.clone());
            let all = || format!("there are {}", known.collect::<Vec<_>>().join(", "));
            return Err(error.hint(near.unwrap_or_else(all)));
        }
    })
}

/// The field that `fields.NAME` stands for.
pub(super) fn field_of(operand: &Expr, name: &str) -> Result<Field> {
    if !matches!(operand, Expr::Ident(fields) if fields == "fields") {
        return Err(
            FilterError::new(format!("nothing here has a `{name}`")).hint("fields are written `fields.NAME`")
        );
    }
    let found = Field::ALL.iter().copied().find(|field| field.spec().name == name);
    found.ok_or_else(|| {
        let error = FilterError::new(format!("no kind of event has a field `{name}`"));
        match suggest(name, Field::ALL.iter().map(|field| field.spec().name)) {
            Some(near) => error.hint(format!("did you mean `fields.{near}`?")),
            None => error.hint("docs/events.md lists them"),
        }
    })
}

/// Reads a length of time such as `1h30m` or `90s`, in microseconds.
fn duration(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut total = 0_u64;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit())?;
        let (number, after) = rest.split_at_checked(digits)?;
        let unit_end = after.find(|c: char| c.is_ascii_digit()).unwrap_or(after.len());
        let (unit, after) = after.split_at_checked(unit_end)?;
        let micros: u64 = match unit {
            "us" => 1,
            "ms" => 1_000,
            "s" => 1_000_000,
            "m" => 60_000_000,
            "h" => 3_600_000_000,
            "d" => 86_400_000_000,
            _ => return None,
        };
        total = total.checked_add(number.parse::<u64>().ok()?.checked_mul(micros)?)?;
        rest = after;
    }
    (!text.is_empty()).then_some(total)
}
