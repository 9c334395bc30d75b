//! Floor 5: which events a handler wants, as an expression in CEL, the Common Expression Language.
//!
//! The `cel` crate reads the expression; what it reads is checked and turned into a tree of our own, whose evaluation
//! allocates nothing and cannot fail. docs/filters.md tells operators what there is.
//!
//! Invariant: whatever an expression is, it is refused at load or answers yes or no for every event.

mod compile;
mod tree;

#[cfg(test)]
mod tests;

use self::tree::Test;
use crate::event::Event;
use crate::limits;
use cel::IdedExpr;
use std::fmt;
use std::thread;

/// A handler's filter.
#[derive(Debug)]
pub struct Filter {
    source: String,
    test: Test,
}

/// Why an expression is no filter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilterError {
    message: String,
    hint: Option<String>,
}

impl FilterError {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// What is wrong.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What would be right.
    pub fn remedy(&self) -> Option<&str> {
        self.hint.as_deref()
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        self.hint.as_ref().map_or(Ok(()), |hint| write!(f, "; {hint}"))
    }
}

impl std::error::Error for FilterError {}

impl Filter {
    /// Reads and checks an expression.
    ///
    /// # Errors
    /// When it is too long, no CEL, names what there is not, compares what cannot be compared, or does more than a filter
    /// may.
    pub fn compile(source: &str) -> Result<Self, FilterError> {
        if source.len() > limits::MAX_FILTER_LENGTH {
            let most = limits::MAX_FILTER_LENGTH;
            return Err(FilterError::new(format!("it is {} bytes long, and may be {most}", source.len())));
        }
        let test = compile::test(&parse(source)?)?;
        Ok(Self { source: source.to_owned(), test })
    }

    /// Whether the handler wants an event.
    pub fn wants(&self, event: Event<'_>) -> bool {
        self.test.holds(event)
    }

    /// The expression.
    pub fn source(&self) -> &str {
        &self.source
    }
}

/// Has the crate read an expression, on a thread whose stack is large enough for the longest: its parser recurses.
fn parse(source: &str) -> Result<IdedExpr, FilterError> {
    let text = source.to_owned();
    let parser = move || {
        let parser = cel::parser::Parser::new().max_recursion_depth(limits::MAX_FILTER_DEPTH);
        parser.parse(&text).map_err(|errors| {
            let first = errors.errors.into_iter().next();
            first.map_or_else(String::new, |error| format!("at character {}: {}", error.pos.1 + 1, error.msg))
        })
    };
    let thread = thread::Builder::new().stack_size(limits::FILTER_PARSER_STACK).spawn(parser);
    let thread = thread.map_err(|error| FilterError::new(format!("it cannot be read: {error}")))?;
    let parsed = thread.join().map_err(|_| FilterError::new("it cannot be read"))?;
    parsed.map_err(|why| FilterError::new(format!("it is no expression: {why}")))
}
