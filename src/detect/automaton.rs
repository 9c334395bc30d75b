//! Floor 2: patterns compiled into automata: which pattern, and then where its fields are.
//!
//! All patterns of a program make one automaton, which reads a message once and says which pattern it matches. Its
//! states are built as messages first reach them, for all of them at once take a third of a second, and are kept up to
//! [`MAX_AUTOMATON_CACHE`], which is more than there are. Only then that pattern's own engine looks for the groups: a
//! one-pass automaton where the pattern permits one, else a bounded backtracker. Nothing allocates once a [`Cache`] has
//! seen messages alike.
//!
//! Invariant: the same pattern text goes into both, so that what the first step says the second one confirms.

use super::row::{Role, Row, expand};
use crate::limits::{MAX_AUTOMATON_CACHE, MAX_DETECTED_MESSAGE};
use crate::span::Span;
use regex_automata::dfa::onepass;
use regex_automata::hybrid::dfa;
use regex_automata::nfa::thompson::{NFA, backtrack};
use regex_automata::util::primitives::NonMaxUsize;
use regex_automata::util::syntax;
use regex_automata::{Anchored, Input};

/// Slots of the groups of one pattern, the whole match's among them: the one-pass engine has no more.
const MAX_SLOTS: usize = 34;

/// What a pattern captured: where its groups stand in the message.
pub(super) type Slots = [Option<NonMaxUsize>; MAX_SLOTS];

/// The compiled patterns of one program.
pub(super) struct Program {
    which: dfa::DFA,
    patterns: Vec<Pattern>,
}

/// One pattern and the means to find its groups.
#[derive(Debug)]
pub(super) struct Pattern {
    /// What it was made from.
    pub(super) row: &'static Row,
    /// The named groups: name, index and role.
    pub(super) groups: Vec<(String, usize, Role)>,
    engine: Engine,
}

#[derive(Debug)]
enum Engine {
    OnePass(Box<onepass::DFA>),
    Backtrack(Box<backtrack::BoundedBacktracker>),
}

/// Memory that searches of one program work in.
#[derive(Debug)]
pub(super) struct Cache {
    which: dfa::Cache,
    onepass: Option<onepass::Cache>,
    backtrack: Option<backtrack::Cache>,
}

/// A pattern and what it captured.
pub(super) struct Found<'p> {
    /// The pattern.
    pub(super) pattern: &'p Pattern,
    slots: Slots,
}

impl Program {
    /// Compiles rows; of several that match one message, the first counts.
    ///
    /// # Errors
    /// Says what is wrong with the rows.
    pub(super) fn compile(rows: impl IntoIterator<Item = &'static Row>) -> Result<Self, String> {
        let rows: Vec<&'static Row> = rows.into_iter().collect();
        let texts: Vec<String> = rows.iter().map(|row| expand(row.pattern)).collect();
        let config = dfa::Config::new().cache_capacity(MAX_AUTOMATON_CACHE);
        let which = dfa::Builder::new()
            .configure(config)
            .syntax(syntax())
            .build_many(&texts)
            .map_err(|error| error.to_string())?;
        let patterns = rows
            .iter()
            .zip(&texts)
            .map(|(row, text)| Pattern::compile(row, text))
            .collect::<Result<_, _>>()?;
        Ok(Self { which, patterns })
    }

    /// Makes the memory that searches need.
    pub(super) fn cache(&self) -> Cache {
        Cache {
            which: self.which.create_cache(),
            onepass: self.patterns.iter().find_map(|pattern| match &pattern.engine {
                Engine::OnePass(dfa) => Some(dfa.create_cache()),
                Engine::Backtrack(_) => None,
            }),
            backtrack: self.patterns.iter().find_map(|pattern| match &pattern.engine {
                Engine::Backtrack(regex) => Some(regex.create_cache()),
                Engine::OnePass(_) => None,
            }),
        }
    }

    /// Finds the pattern that a message matches, and the places of its fields. A message that is longer than any of
    /// ours matches none.
    pub(super) fn find(&self, cache: &mut Cache, message: &[u8]) -> Option<Found<'_>> {
        if message.len() > MAX_DETECTED_MESSAGE {
            return None;
        }
        let input = Input::new(message).anchored(Anchored::Yes);
        let which = self.which.try_search_fwd(&mut cache.which, &input).ok()??;
        let pattern = self.patterns.get(which.pattern().as_usize())?;
        let mut slots = [None; MAX_SLOTS];
        pattern.capture(cache, &input, &mut slots)?;
        Some(Found { pattern, slots })
    }
}

impl std::fmt::Debug for Program {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Program({} patterns)", self.patterns.len())
    }
}

impl Pattern {
    fn compile(row: &'static Row, text: &str) -> Result<Self, String> {
        let told = |error: &dyn std::fmt::Display| format!("pattern {}: {error}", row.name);
        let nfa = NFA::compiler().syntax(syntax()).build(text).map_err(|error| told(&error))?;
        if nfa.group_info().slot_len() > MAX_SLOTS {
            return Err(told(&"too many groups"));
        }
        let mut groups = Vec::new();
        for (_, index, name) in nfa.group_info().all_names() {
            let Some(name) = name else { continue };
            let role = row.role(name).ok_or_else(|| told(&format_args!("group {name} has no role")))?;
            groups.push((name.to_owned(), index, role));
        }
        let engine = match onepass::DFA::new_from_nfa(nfa.clone()) {
            Ok(dfa) => Engine::OnePass(Box::new(dfa)),
            Err(_) => {
                let bits = nfa.states().len() * (MAX_DETECTED_MESSAGE + 1);
                let config = backtrack::Config::new().visited_capacity(bits.div_ceil(8) + size_of::<usize>());
                let builder = backtrack::Builder::new().configure(config).build_from_nfa(nfa);
                Engine::Backtrack(Box::new(builder.map_err(|error| told(&error))?))
            }
        };
        Ok(Self { row, groups, engine })
    }

    fn capture(&self, cache: &mut Cache, input: &Input<'_>, slots: &mut Slots) -> Option<()> {
        match &self.engine {
            Engine::OnePass(dfa) => {
                let cache = cache.onepass.as_mut()?;
                cache.reset(dfa);
                dfa.try_search_slots(cache, input, slots).ok()?
            }
            Engine::Backtrack(regex) => {
                let cache = cache.backtrack.as_mut()?;
                cache.reset(regex);
                regex.try_search_slots(cache, input, slots).ok()?
            }
        };
        Some(())
    }
}

impl Found<'_> {
    /// The named groups that took part in the match: name, role and place.
    pub(super) fn groups(&self) -> impl Iterator<Item = (&str, Role, Span)> {
        self.pattern.groups.iter().filter_map(|(name, index, role)| {
            let start = (*self.slots.get(index * 2)?)?.get();
            let end = (*self.slots.get(index * 2 + 1)?)?.get();
            Some((
                name.as_str(),
                *role,
                Span::new(u32::try_from(start).ok()?, u32::try_from(end.checked_sub(start)?).ok()?),
            ))
        })
    }
}

/// Bytes, not characters: sshd's lines are ASCII, PAM's are anything, line feeds included.
pub(super) fn syntax() -> syntax::Config {
    syntax::Config::new().unicode(false).utf8(false).dot_matches_new_line(true)
}
