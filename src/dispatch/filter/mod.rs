//! Floor 5: which events a handler wants, as an expression in CEL, the Common Expression Language.
//!
//! The `cel` crate reads the expression; what it reads is checked and turned into a tree of our own, whose evaluation
//! allocates nothing and cannot fail. docs/filters.md tells operators what there is.
//!
//! Invariant: whatever an expression is, it is refused at load or answers yes or no for every event.

mod compile;
mod operand;
mod tree;

#[cfg(test)]
mod tests;

use self::tree::Test;
use crate::event::Event;
use crate::limits;
use cel::parser::ParseError;
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
        Ok(Self { source: source.to_owned(), test: read(source)? })
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

/// Reads an expression on a thread whose stack is large enough for the longest: the parser recurses, and so does what
/// walks through a long chain of comparisons.
fn read(source: &str) -> Result<Test, FilterError> {
    let text = source.to_owned();
    let reader = move || {
        let parser = cel::parser::Parser::new().max_recursion_depth(limits::MAX_FILTER_DEPTH);
        match parser.parse(&text) {
            Ok(expr) => compile::test(&expr),
            Err(errors) => Err(syntax_error(&text, &errors.errors)),
        }
    };
    let thread = thread::Builder::new().stack_size(limits::FILTER_READER_STACK).spawn(reader);
    let thread = thread.map_err(|error| FilterError::new(format!("it cannot be read: {error}")))?;
    thread.join().unwrap_or_else(|_| Err(FilterError::new("it cannot be read")))
}

/// What the parser says, without its list of all tokens that it would have taken.
fn syntax_error(source: &str, errors: &[ParseError]) -> FilterError {
    let Some(error) = errors.first() else { return FilterError::new("it is no expression") };
    if errors.iter().any(|error| error.msg.contains("Recursion limit of ")) {
        let most = limits::MAX_FILTER_DEPTH;
        return FilterError::new(format!("it is nested too deeply: more than {most} levels"))
            .hint("fewer parentheses, or `in` with a list in place of many comparisons");
    }
    let (line, column) = error.pos;
    let place = match source.contains('\n') {
        true => format!("line {line}, character {column}"),
        false => format!("character {column}"),
    };
    let why = error.msg.trim_start_matches("Syntax error: ");
    let why = why.split_once(" expecting ").map_or(why, |(why, _)| why);
    let why = if why.contains("'<EOF>'") { "it ends too soon" } else { why };
    let error = FilterError::new(format!("it is no expression: at {place}: {why}"));
    if why.contains("at: '= ") {
        return error.hint("`==` asks whether two values are equal");
    }
    let words = [("'and'", "`and` is written `&&`"), ("'or'", "`or` is written `||`")];
    match words.into_iter().find(|(word, _)| why.contains(word)) {
        Some((_, hint)) => error.hint(hint),
        None => error,
    }
}
