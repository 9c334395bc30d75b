//! Floor 5: what the parser of CEL has read, checked and turned into a filter.
//!
//! Invariant: whatever is not refused here is of types that can be compared.

use super::FilterError;
use super::operand::{Type, can_compare, field_of, fit, literal_text, operand};
use super::tree::{Comparison, Operand, Test};
use crate::event::FieldType;
use crate::limits;
use crate::suggest::did_you_mean;
use cel::IdedExpr;
use cel::common::ast::{CallExpr, Expr, LiteralValue, operators};
use ipnet::IpNet;
use regex_automata::meta::Regex;
use regex_automata::util::syntax;
use std::net::IpAddr;

pub(super) type Result<T> = std::result::Result<T, FilterError>;

/// The functions that there are.
const FUNCTIONS: [&str; 9] =
    ["in_net", "matches", "startsWith", "endsWith", "contains", "size", "has", "duration", "timestamp"];

/// The question that an expression asks.
pub(super) fn test(expr: &IdedExpr) -> Result<Test> {
    match &expr.expr {
        Expr::Literal(LiteralValue::Boolean(answer)) => Ok(Test::Always(*answer.inner())),
        Expr::Select(select) if select.test => Ok(Test::Has(field_of(&select.operand.expr, &select.field)?)),
        Expr::Call(call) if gives_answer(&call.func_name) => call_test(call),
        _ => match operand(expr)? {
            (Operand::Field(field), Type::Bool) => Ok(Test::Flag(field)),
            (_, ty) => Err(FilterError::new(format!("it gives {}, and must give yes or no", ty.name()))),
        },
    }
}

/// Whether a function answers yes or no.
pub(super) fn gives_answer(function: &str) -> bool {
    const LOGIC: [&str; 3] = [operators::LOGICAL_AND, operators::LOGICAL_OR, operators::LOGICAL_NOT];
    const QUESTIONS: [&str; 6] = [operators::IN, "in_net", "matches", "startsWith", "endsWith", "contains"];
    LOGIC.contains(&function) || QUESTIONS.contains(&function) || comparison_of(function).is_some()
}

fn comparison_of(function: &str) -> Option<Comparison> {
    Some(match function {
        operators::EQUALS => Comparison::Equal,
        operators::NOT_EQUALS => Comparison::NotEqual,
        operators::LESS => Comparison::Less,
        operators::LESS_EQUALS => Comparison::LessOrEqual,
        operators::GREATER => Comparison::Greater,
        operators::GREATER_EQUALS => Comparison::GreaterOrEqual,
        _ => return None,
    })
}

fn call_test(call: &CallExpr) -> Result<Test> {
    let args = || call.args.iter().map(test).collect::<Result<Vec<_>>>();
    let one = |mut tests: Vec<Test>| tests.pop().unwrap_or(Test::Always(false));
    Ok(match call.func_name.as_str() {
        operators::LOGICAL_AND => Test::All(args()?),
        operators::LOGICAL_OR => Test::Any(args()?),
        operators::LOGICAL_NOT => Test::Not(Box::new(one(args()?))),
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
        name => match comparison_of(name) {
            Some(how) => comparison(call, how)?,
            None => return Err(unknown_function(name)),
        },
    })
}

pub(super) fn unknown_function(name: &str) -> FilterError {
    let shown = match name {
        operators::CONDITIONAL => "? :",
        operators::INDEX => {
            return FilterError::new("`[ ]` is not for filters").hint("fields are written `fields.NAME`");
        }
        name => name.trim_matches(['_', '@']),
    };
    let error = FilterError::new(format!("`{shown}` is not for filters"));
    error.hint(did_you_mean(shown, FUNCTIONS).unwrap_or_else(|| {
        format!("there are comparisons, `&&`, `||`, `!`, `in`, and {}", FUNCTIONS.join(", "))
    }))
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

fn membership(call: &CallExpr) -> Result<Test> {
    let [item, list] = call.args.as_slice() else { return Err(FilterError::new("`in` needs two sides")) };
    let (item, item_type) = operand(item)?;
    if item_type == Type::List {
        return Err(FilterError::new("no list holds a list").hint("`in` asks for one value"));
    }
    // A value that is looked for, where values of some type stand.
    let value = |(value, ty): (Operand, Type), among: Type| match ty {
        Type::Text => fit(value, among),
        ty if can_compare(among, ty) => Ok(value),
        ty => Err(FilterError::new(format!("{} cannot be compared with {}", among.name(), ty.name()))),
    };
    if let Expr::List(list) = &list.expr {
        let values = some(&list.elements)?.iter().map(|element| value(operand(element)?, item_type));
        return Ok(Test::OneOf(item, values.collect::<Result<_>>()?));
    }
    match operand(list)? {
        (Operand::Field(field), Type::List) => {
            let of = if field.spec().ty == FieldType::Addrs { Type::Addr } else { Type::Text };
            Ok(Test::Holds(field, value((item, item_type), of)?))
        }
        (_, ty) => Err(FilterError::new(format!("{} holds nothing", ty.name())).hint("`in` wants a list")),
    }
}

/// The elements of a list that is not empty: nothing is in an empty one, which nobody means to ask.
fn some(elements: &[IdedExpr]) -> Result<&[IdedExpr]> {
    if elements.is_empty() { Err(FilterError::new("the list is empty")) } else { Ok(elements) }
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
        Expr::List(list) => some(&list.elements)?.iter().map(literal_text).collect::<Result<_>>()?,
        _ => vec![literal_text(networks)?],
    };
    Ok(Test::InNet(addr, texts.iter().map(|text| network(text)).collect::<Result<_>>()?))
}

/// A network, or an address for the network of it alone; in IPv4 where IPv6 means IPv4, as addresses are compared.
fn network(text: &str) -> Result<IpNet> {
    let parsed = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from));
    let network =
        parsed.ok_or_else(|| FilterError::new(format!("`{}` is no network", text.escape_debug())))?;
    let mapped = || IpNet::new(network.addr().to_canonical(), network.prefix_len().checked_sub(96)?).ok();
    Ok(if network.addr().to_canonical() == network.addr() { network } else { mapped().unwrap_or(network) })
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

fn regex(pattern: &str) -> Result<Regex> {
    let mut builder = Regex::builder();
    builder.syntax(syntax::Config::new().utf8(false));
    builder
        .configure(Regex::config().utf8_empty(false).nfa_size_limit(Some(limits::MAX_FILTER_PATTERN_SIZE)));
    builder.build(pattern).map_err(|error| {
        let why = std::error::Error::source(&error).map_or_else(|| error.to_string(), ToString::to_string);
        FilterError::new(format!("`{}` is no pattern: {why}", pattern.escape_debug()))
    })
}
