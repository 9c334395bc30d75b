//! Floor 5: what the parser of CEL has read, checked and turned into a filter.
//!
//! Invariant: whatever is not refused here is of types that can be compared.

use super::FilterError;
use super::tree::{Comparison, Operand, Test};
use crate::event::{Field, FieldType, Kind, Severity};
use crate::suggest::suggest;
use crate::time::Timestamp;
use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};
use ipnet::IpNet;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use std::net::IpAddr;

type Result<T> = std::result::Result<T, FilterError>;

/// What can be asked for beside fields.
const NAMES: [&str; 7] = ["kind", "severity", "app", "module", "host", "time", "fields"];

/// Bytes that a compiled pattern may take.
const MOST_REGEX_BYTES: usize = 1 << 20;

/// The type of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
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
    const fn name(self) -> &'static str {
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

/// The question that an expression asks.
pub(super) fn test(expr: &IdedExpr) -> Result<Test> {
    match &expr.expr {
        Expr::Literal(LiteralValue::Boolean(answer)) => Ok(Test::Always(*answer.inner())),
        Expr::Select(select) if select.test => Ok(Test::Has(field_of(&select.operand.expr, &select.field)?)),
        Expr::Call(call) => call_test(call),
        Expr::Comprehension(_) => Err(FilterError::new("macros such as `exists` are not for filters")
            .hint("ask whether a list holds something with `in`, as in `\"root\" in fields.users`")),
        _ => match operand(expr)? {
            (Operand::Field(field), Type::Bool) => Ok(Test::Flag(field)),
            (_, ty) => Err(FilterError::new(format!("it gives {}, and must give yes or no", ty.name()))),
        },
    }
}

fn call_test(call: &CallExpr) -> Result<Test> {
    let args = || call.args.iter().map(test).collect::<Result<Vec<_>>>();
    let one = |mut tests: Vec<Test>| tests.pop().unwrap_or(Test::Always(false));
    Ok(match call.func_name.as_str() {
        operators::LOGICAL_AND => Test::All(args()?),
        operators::LOGICAL_OR => Test::Any(args()?),
        operators::LOGICAL_NOT => Test::Not(Box::new(one(args()?))),
        operators::EQUALS => comparison(call, Comparison::Equal)?,
        operators::NOT_EQUALS => comparison(call, Comparison::NotEqual)?,
        operators::LESS => comparison(call, Comparison::Less)?,
        operators::LESS_EQUALS => comparison(call, Comparison::LessOrEqual)?,
        operators::GREATER => comparison(call, Comparison::Greater)?,
        operators::GREATER_EQUALS => comparison(call, Comparison::GreaterOrEqual)?,
        operators::IN => membership(call)?,
        "in_net" => in_net(call)?,
        "matches" => {
            let (text, pattern) = text_and_literal(call)?;
            Test::Matches(text, Box::new(regex(&pattern)?))
        }
        "startsWith" => {
            let (text, start) = text_and_literal(call)?;
            Test::StartsWith(text, start.into_bytes())
        }
        "endsWith" => {
            let (text, end) = text_and_literal(call)?;
            Test::EndsWith(text, end.into_bytes())
        }
        "contains" => {
            let (text, part) = text_and_literal(call)?;
            Test::Contains(text, part.into_bytes())
        }
        name => return Err(unknown_function(name)),
    })
}

fn unknown_function(name: &str) -> FilterError {
    const KNOWN: [&str; 9] =
        ["in_net", "matches", "startsWith", "endsWith", "contains", "size", "has", "duration", "timestamp"];
    let shown = name.trim_matches(['_', '@']);
    let error = FilterError::new(format!("`{shown}` is not for filters"));
    match suggest(shown, KNOWN) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("there are comparisons, `&&`, `||`, `!`, `in`, and {}", KNOWN.join(", "))),
    }
}

fn comparison(call: &CallExpr, comparison: Comparison) -> Result<Test> {
    let [left, right] = call.args.as_slice() else {
        return Err(FilterError::new("a comparison needs two sides"));
    };
    let ((left, left_type), (right, right_type)) = (operand(left)?, operand(right)?);
    let (left, right) = match (left_type, right_type) {
        (Type::List, _) | (_, Type::List) => {
            return Err(FilterError::new("a list cannot be compared").hint("ask what it holds with `in`"));
        }
        (ty, Type::Text) => (left, fit(right, ty)?),
        (Type::Text, ty) => (fit(left, ty)?, right),
        (left_type, right_type) if can_compare(left_type, right_type) => (left, right),
        (left_type, right_type) => {
            let (left, right) = (left_type.name(), right_type.name());
            return Err(FilterError::new(format!("{left} cannot be compared with {right}")));
        }
    };
    Ok(Test::Compare(left, comparison, right))
}

fn can_compare(left: Type, right: Type) -> bool {
    let is_number = |ty| matches!(ty, Type::Number | Type::Real | Type::Duration);
    left == right || is_number(left) && is_number(right)
}

/// A text where a value of some type is wanted: what it means there.
fn fit(operand: Operand, wanted: Type) -> Result<Operand> {
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
            Err(match suggest(&text, names) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("docs/events.md lists them"),
            })
        }
        Type::Addr => text.parse::<IpAddr>().map(Operand::Addr).map_err(|_| {
            FilterError::new(format!("`{}` is no address", text.escape_debug()))
                .hint("for a network, ask `in_net(fields.addr, \"10.0.0.0/8\")`")
        }),
        Type::Severity => {
            Err(FilterError::new(format!("a severity is no text, as `\"{}\"` is", text.escape_debug()))
                .hint("severities are INFO, NOTICE, WARNING, ERROR and CRITICAL, without quotation marks"))
        }
        _ => Err(FilterError::new(format!("{} cannot be compared with text", wanted.name()))),
    }
}

fn membership(call: &CallExpr) -> Result<Test> {
    let [item, list] = call.args.as_slice() else { return Err(FilterError::new("`in` needs two sides")) };
    let (item, item_type) = operand(item)?;
    if let Expr::List(list) = &list.expr {
        let value = |element: &IdedExpr| {
            let (value, ty) = operand(element)?;
            match ty {
                Type::Text => fit(value, item_type),
                ty if can_compare(item_type, ty) => Ok(value),
                ty => {
                    Err(FilterError::new(format!("{} is not in a list of {}", item_type.name(), ty.name())))
                }
            }
        };
        return Ok(Test::OneOf(item, list.elements.iter().map(value).collect::<Result<_>>()?));
    }
    match operand(list)? {
        (Operand::Field(field), Type::List) => {
            let of = if field.spec().ty == FieldType::Addrs { Type::Addr } else { Type::Text };
            let item = if item_type == Type::Text { fit(item, of)? } else { item };
            Ok(Test::Holds(field, item))
        }
        (_, ty) => Err(FilterError::new(format!("{} holds nothing", ty.name())).hint("`in` wants a list")),
    }
}

fn in_net(call: &CallExpr) -> Result<Test> {
    let usage = || {
        FilterError::new("`in_net` wants an address and networks")
            .hint("as in `in_net(fields.addr, \"10.0.0.0/8\")` or `in_net(fields.addr, [\"10.0.0.0/8\", \"fd00::/8\"])`")
    };
    let args: Vec<&IdedExpr> = call.target.iter().map(AsRef::as_ref).chain(&call.args).collect();
    let [addr, networks] = args.as_slice() else { return Err(usage()) };
    let (addr, ty) = operand(addr)?;
    if ty != Type::Addr {
        return Err(usage());
    }
    let texts: Vec<String> = match &networks.expr {
        Expr::List(list) => list.elements.iter().map(literal_text).collect::<Result<_>>()?,
        _ => vec![literal_text(networks)?],
    };
    let network = |text: &String| {
        let parsed =
            text.parse::<IpNet>().or_else(|error| text.parse::<IpAddr>().map(IpNet::from).map_err(|_| error));
        parsed.map_err(|_| FilterError::new(format!("`{}` is no network", text.escape_debug())))
    };
    Ok(Test::InNet(addr, texts.iter().map(network).collect::<Result<_>>()?))
}

/// The text and the literal of a call such as `fields.user.startsWith("adm")`.
fn text_and_literal(call: &CallExpr) -> Result<(Operand, String)> {
    let name = &call.func_name;
    let args: Vec<&IdedExpr> = call.target.iter().map(AsRef::as_ref).chain(&call.args).collect();
    let [text, literal] = args.as_slice() else {
        return Err(FilterError::new(format!("`{name}` wants one argument"))
            .hint(format!("as in `fields.user.{name}(\"adm\")`")));
    };
    match operand(text)? {
        (text, Type::Text | Type::Kind) => Ok((text, literal_text(literal)?)),
        (_, ty) => Err(FilterError::new(format!("`{name}` is for text, and this is {}", ty.name()))),
    }
}

/// The text of a literal: whatever is looked for is known when the filter is loaded.
fn literal_text(expr: &IdedExpr) -> Result<String> {
    match &expr.expr {
        Expr::Literal(LiteralValue::String(text)) => Ok(text.inner().to_owned()),
        _ => Err(FilterError::new("it must be a text in quotation marks, so that it can be checked at load")),
    }
}

fn regex(pattern: &str) -> Result<Regex> {
    let mut builder = Regex::builder();
    builder.syntax(syntax::Config::new().utf8(false));
    builder.configure(Regex::config().utf8_empty(false).nfa_size_limit(Some(MOST_REGEX_BYTES)));
    builder.build(pattern).map_err(|error| {
        let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        FilterError::new(format!("`{}` is no pattern: {why}", pattern.escape_debug()))
    })
}

fn operand(expr: &IdedExpr) -> Result<(Operand, Type)> {
    match &expr.expr {
        Expr::Literal(literal) => literal_operand(literal),
        Expr::Ident(name) => named(name),
        Expr::Select(select) if !select.test => {
            let field = field_of(&select.operand.expr, &select.field)?;
            Ok((Operand::Field(field), Type::of_field(field)))
        }
        Expr::Call(call) => call_operand(call),
        Expr::Comprehension(_) => test(expr).map(|_| (Operand::Bool(true), Type::Bool)),
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
        _ => match call_test(call) {
            Ok(_) => Err(FilterError::new("an answer of yes or no cannot be compared")
                .hint("join answers with `&&` and `||`")),
            Err(error) => Err(error),
        },
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
            let known = NAMES.into_iter().chain(Severity::ALL.map(Severity::name));
            return Err(match suggest(name, known) {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint(format!("there are {}", NAMES.join(", "))),
            });
        }
    })
}

/// The field that `fields.NAME` stands for.
fn field_of(operand: &Expr, name: &str) -> Result<Field> {
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
