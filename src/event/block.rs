//! Floor 1: events in blocks of flat columns: a handful of allocations for thousands of events, shared by all
//! handlers, and of a shape that can be archived as it is.

use super::catalogue::Places;
use super::render::Names;
use super::value::List;
use super::{Cell, EventId, Field, FieldType, Kind, Severity, StreamId, Value};
use crate::limits;
use crate::span::Span;
use crate::time::Timestamp;
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

/// The names by which an event's source module is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleName {
    /// The application.
    pub app: String,
    /// The module within it.
    pub module: String,
}

/// What all events of one run have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stamp {
    /// The stream of inputs.
    pub stream: StreamId,
    /// The run of the server; 0 for plain files.
    pub run: u32,
    /// The modules, by the index that [`Head::module`] holds.
    pub modules: Vec<ModuleName>,
}

/// What every event has, whatever its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Number of the input that raised it.
    pub number: u64,
    /// Which of the events of that input and module it is.
    pub ordinal: u32,
    /// Index of its module in [`Stamp::modules`].
    pub module: u16,
    /// Its kind.
    pub kind: Kind,
    /// Its severity.
    pub severity: Severity,
    /// When it happened: the record's own time, or the deadline that passed.
    pub time: Timestamp,
}

/// One event's row: its head, and where its cells and evidence start.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    pub(super) head: Head,
    pub(super) cells: u32,
    pub(super) evidence: Span,
    /// Whether it was raised by records of the past alone.
    pub(super) is_backlog: bool,
}

impl Row {
    /// Its part of the block's evidence.
    fn evidence_in<'a>(&self, evidence: &'a [u64]) -> &'a [u64] {
        let start = self.evidence.start as usize;
        evidence.get(start..start + self.evidence.len as usize).unwrap_or_default()
    }
}

/// Events in the order in which they were raised.
#[derive(Clone, Debug)]
pub struct EventBlock {
    stamp: Arc<Stamp>,
    pub(super) rows: Vec<Row>,
    pub(super) cells: Vec<Cell>,
    pub(super) items: Vec<Cell>,
    pub(super) text: Vec<u8>,
    pub(super) evidence: Vec<u64>,
    /// What the renderings of its events have in common, made when it is needed first.
    names: OnceLock<Arc<[Names]>>,
}

impl EventBlock {
    /// Creates a block without events.
    pub fn new(stamp: Arc<Stamp>) -> Self {
        Self {
            stamp,
            rows: Vec::new(),
            cells: Vec::new(),
            items: Vec::new(),
            text: Vec::new(),
            evidence: Vec::new(),
            names: OnceLock::new(),
        }
    }

    /// Creates a block without events that has room for as much as another one holds, so that it need not grow.
    #[must_use]
    pub fn alike(&self) -> Self {
        Self {
            stamp: Arc::clone(&self.stamp),
            rows: Vec::with_capacity(self.rows.len()),
            cells: Vec::with_capacity(self.cells.len()),
            items: Vec::with_capacity(self.items.len()),
            text: Vec::with_capacity(self.text.len()),
            evidence: Vec::with_capacity(self.evidence.len()),
            names: self.names.clone(),
        }
    }

    /// What all events of the block have in common.
    pub fn stamp(&self) -> &Arc<Stamp> {
        &self.stamp
    }

    /// How many events there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Bytes that the block holds, roughly: what decides when it is handed on.
    pub fn size(&self) -> usize {
        self.text.len() + self.cells.len() * size_of::<Cell>() + self.rows.len() * size_of::<Row>()
    }

    /// Removes all events and keeps the memory.
    pub fn clear(&mut self) {
        self.rows.clear();
        self.cells.clear();
        self.items.clear();
        self.text.clear();
        self.evidence.clear();
    }

    /// Removes all events but the first so many.
    pub fn truncate(&mut self, count: usize) {
        let Some(row) = self.rows.get(count) else { return };
        // What the columns hold of them stays, unused, until the block is cleared.
        self.cells.truncate(row.cells as usize);
        self.evidence.truncate(row.evidence.start as usize);
        self.rows.truncate(count);
    }

    /// Marks those from an index on that rest on records of a backlog alone, as told by their evidence.
    pub fn mark_backlog(&mut self, from: usize, is_backlog: impl Fn(&[u64]) -> bool) {
        for row in self.rows.iter_mut().skip(from) {
            row.is_backlog = is_backlog(row.evidence_in(&self.evidence));
        }
    }

    /// The events, in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Event<'_>> {
        self.rows.iter().map(move |row| Event { block: self, row })
    }

    /// The event at an index.
    pub fn get(&self, index: usize) -> Option<Event<'_>> {
        self.rows.get(index).map(|row| Event { block: self, row })
    }

    /// Appends an event, all of whose fields are null until they are put.
    pub fn push(&mut self, head: Head) -> EventWriter<'_> {
        let cells = self.cells.len();
        self.cells.resize(cells + head.kind.spec().fields.len(), Cell::Null);
        let evidence = Span::new(offset(self.evidence.len()), 0);
        self.rows.push(Row { head, cells: offset(cells), evidence, is_backlog: false });
        EventWriter { places: head.kind.places(), cells, block: self }
    }
}

/// An offset into a column; blocks are handed on long before one could pass four billion.
fn offset(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

/// Fills the fields of the event that was pushed last.
///
/// A kind shows what its schema names: putting a field that the schema lacks has no effect, so that one set of facts
/// serves every kind.
#[derive(Debug)]
pub struct EventWriter<'a> {
    places: &'static Places,
    cells: usize,
    block: &'a mut EventBlock,
}

impl EventWriter<'_> {
    #[inline]
    fn put(&mut self, field: Field, value: Cell) -> &mut Self {
        if let Some(place) = self.places.of(field) {
            self.put_at(place, field, value);
        }
        self
    }

    #[inline]
    fn put_at(&mut self, place: usize, field: Field, value: Cell) {
        debug_assert!(field.spec().ty.admits(&value), "{field:?} cannot hold {value:?}");
        if let Some(cell) = self.block.cells.get_mut(self.cells + place) {
            *cell = value;
        }
    }

    fn intern(&mut self, text: &[u8]) -> Span {
        let span = Span::new(offset(self.block.text.len()), offset(text.len()));
        self.block.text.extend_from_slice(text);
        span
    }

    /// Puts text.
    #[inline]
    pub fn text(&mut self, field: Field, text: &[u8]) -> &mut Self {
        if let Some(place) = self.places.of(field) {
            let span = self.intern(text);
            self.put_at(place, field, Cell::Text(span));
        }
        self
    }

    /// Puts a number.
    pub fn count(&mut self, field: Field, count: u64) -> &mut Self {
        self.put(field, Cell::Count(count))
    }

    /// Puts yes or no.
    pub fn flag(&mut self, field: Field, flag: bool) -> &mut Self {
        self.put(field, Cell::Bool(flag))
    }

    /// Puts an instant.
    pub fn time(&mut self, field: Field, time: Timestamp) -> &mut Self {
        self.put(field, Cell::Time(time))
    }

    /// Puts a length of time.
    pub fn duration(&mut self, field: Field, duration: Duration) -> &mut Self {
        self.put(field, Cell::Duration(u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)))
    }

    /// Puts an address.
    pub fn addr(&mut self, field: Field, addr: IpAddr) -> &mut Self {
        self.put(field, Cell::Addr(addr))
    }

    /// Puts a list of texts, up to [`limits::MAX_LIST_ITEMS`] of them.
    pub fn texts<'t>(&mut self, field: Field, texts: impl IntoIterator<Item = &'t [u8]>) -> &mut Self {
        if self.places.of(field).is_none() {
            return self;
        }
        let start = self.block.items.len();
        for text in texts.into_iter().take(limits::MAX_LIST_ITEMS) {
            let span = self.intern(text);
            self.block.items.push(Cell::Text(span));
        }
        self.list(field, start)
    }

    /// Puts a list of addresses, up to [`limits::MAX_LIST_ITEMS`] of them.
    pub fn addrs(&mut self, field: Field, addrs: impl IntoIterator<Item = IpAddr>) -> &mut Self {
        if self.places.of(field).is_none() {
            return self;
        }
        let start = self.block.items.len();
        self.block.items.extend(addrs.into_iter().take(limits::MAX_LIST_ITEMS).map(Cell::Addr));
        self.list(field, start)
    }

    fn list(&mut self, field: Field, start: usize) -> &mut Self {
        let span = Span::new(offset(start), offset(self.block.items.len() - start));
        self.put(field, Cell::List(span))
    }

    /// Puts a value as another event has it.
    pub fn value(&mut self, field: Field, value: Value<'_>) -> &mut Self {
        match value {
            Value::Null => self,
            Value::Bool(flag) => self.flag(field, flag),
            Value::Count(count) => self.count(field, count),
            Value::Time(time) => self.time(field, time),
            Value::Duration(duration) => self.duration(field, duration),
            Value::Addr(addr) => self.addr(field, addr),
            Value::Text(text) => self.text(field, text),
            Value::List(list) if field.spec().ty == FieldType::Addrs => {
                let addr = |item| if let Value::Addr(addr) = item { Some(addr) } else { None };
                self.addrs(field, list.iter().filter_map(addr))
            }
            Value::List(list) => {
                let text = |item| if let Value::Text(text) = item { Some(text) } else { None };
                self.texts(field, list.iter().filter_map(text))
            }
        }
    }

    /// Adds the numbers of inputs that caused the event, up to [`limits::MAX_EVIDENCE`] of them.
    pub fn evidence(&mut self, numbers: impl IntoIterator<Item = u64>) -> &mut Self {
        let Some(row) = self.block.rows.last_mut() else { return self };
        let room = limits::MAX_EVIDENCE.saturating_sub(row.evidence.len as usize);
        self.block.evidence.extend(numbers.into_iter().take(room));
        row.evidence.len = offset(self.block.evidence.len()).saturating_sub(row.evidence.start);
        self
    }
}

/// One event of a block.
#[derive(Clone, Copy, Debug)]
pub struct Event<'a> {
    block: &'a EventBlock,
    row: &'a Row,
}

impl<'a> Event<'a> {
    /// What every event has.
    pub fn head(self) -> &'a Head {
        &self.row.head
    }

    /// Its kind.
    pub fn kind(self) -> Kind {
        self.row.head.kind
    }

    /// Whether it rests on records alone that were there before anybody followed their file, and is held back from handlers.
    pub fn is_backlog(self) -> bool {
        self.row.is_backlog
    }

    /// The names of the module that raised it.
    pub fn module(self) -> (&'a str, &'a str) {
        let name = self.block.stamp.modules.get(usize::from(self.row.head.module));
        name.map_or(("", ""), |name| (name.app.as_str(), name.module.as_str()))
    }

    /// What all events of its run have in common.
    pub fn stamp(self) -> &'a Stamp {
        &self.block.stamp
    }

    /// What its rendering has in common with those of other events; nothing when its module has no names.
    #[inline]
    pub(super) fn names(self) -> Option<&'a Names> {
        let names = self.block.names.get_or_init(|| Names::of(&self.block.stamp));
        names.get(usize::from(self.row.head.module))
    }

    /// Its identity.
    pub fn id(self) -> EventId<'a> {
        let (app, module) = self.module();
        let Stamp { stream, run, .. } = *self.block.stamp;
        EventId { stream, run, number: self.row.head.number, app, module, ordinal: self.row.head.ordinal }
    }

    /// Its fields and their values, in the order of the kind's schema.
    pub fn fields(self) -> impl ExactSizeIterator<Item = (Field, Value<'a>)> {
        let List { items, text } = self.columns();
        self.cells().map(move |(field, cell)| (field, cell.resolve(items, text)))
    }

    /// Its fields as the block stores them, in the order of the kind's schema.
    #[inline]
    pub(super) fn cells(self) -> impl ExactSizeIterator<Item = (Field, &'a Cell)> {
        let fields = self.kind().spec().fields;
        let start = self.row.cells as usize;
        let cells = self.block.cells.get(start..start + fields.len()).unwrap_or_default();
        fields.iter().copied().zip(cells)
    }

    /// What the spans of its cells are of.
    #[inline]
    pub(super) fn columns(self) -> List<'a> {
        List { items: &self.block.items, text: &self.block.text }
    }

    /// What is stored at a place of the kind's schema; null beyond its end.
    #[inline]
    pub(super) fn cell(self, place: usize) -> &'a Cell {
        self.block.cells.get(self.row.cells as usize + place).unwrap_or(&Cell::Null)
    }

    /// The value of one field; null where the kind has none of that name.
    pub fn get(self, field: Field) -> Value<'a> {
        let List { items, text } = self.columns();
        self.kind().place(field).map_or(Value::Null, |place| self.cell(place).resolve(items, text))
    }

    /// The numbers of the inputs that caused it.
    pub fn evidence(self) -> &'a [u64] {
        self.row.evidence_in(&self.block.evidence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block() -> EventBlock {
        let module = ModuleName { app: "fleet".into(), module: "openssh".into() };
        EventBlock::new(Arc::new(Stamp { stream: StreamId(1), run: 1, modules: vec![module] }))
    }

    fn head(kind: Kind) -> Head {
        Head { number: 7, ordinal: 0, module: 0, kind, severity: Severity::Info, time: Timestamp::EPOCH }
    }

    #[test]
    fn fields_stand_in_schema_order_whatever_the_order_of_putting() {
        let mut block = block();
        block
            .push(head(Kind::SSHDUserEnumeration))
            .count(Field::Port, 22)
            .texts(Field::Users, [&b"a"[..], b"b"])
            .text(Field::Host, b"web1")
            .evidence([3, 7]);
        block.push(head(Kind::SSHDInvalidUser)).text(Field::User, b"x");
        let event = block.get(0).unwrap();
        let names: Vec<_> = event.fields().map(|(field, _)| field).collect();
        assert_eq!(names, Kind::SSHDUserEnumeration.spec().fields);
        assert_eq!(event.get(Field::Host), Value::Text(b"web1"));
        assert_eq!(event.get(Field::Port), Value::Null, "the kind has no port");
        let Value::List(users) = event.get(Field::Users) else { panic!("a list") };
        assert_eq!(users.iter().collect::<Vec<_>>(), [Value::Text(b"a"), Value::Text(b"b")]);
        assert_eq!(event.evidence(), [3, 7]);
        assert_eq!(block.get(1).unwrap().get(Field::User), Value::Text(b"x"));
        assert!(block.get(1).unwrap().evidence().is_empty());
    }

    #[test]
    fn values_are_copied_as_they_are() {
        for kind in Kind::ALL {
            let original = super::super::sample(*kind, Timestamp::EPOCH);
            let event = original.get(0).unwrap();
            let mut copy = EventBlock::new(Arc::clone(original.stamp()));
            let mut writer = copy.push(*event.head());
            for (field, value) in event.fields() {
                writer.value(field, value);
            }
            assert!(copy.get(0).unwrap().fields().eq(event.fields()), "{kind:?}");
        }
    }

    #[test]
    fn lists_and_evidence_are_capped() {
        let mut block = block();
        let many = vec![&b"u"[..]; limits::MAX_LIST_ITEMS + 5];
        block
            .push(head(Kind::SSHDUserEnumeration))
            .texts(Field::Users, many)
            .evidence(0..1000)
            .evidence(0..5);
        let event = block.get(0).unwrap();
        let Value::List(users) = event.get(Field::Users) else { panic!("a list") };
        assert_eq!(users.iter().len(), limits::MAX_LIST_ITEMS);
        assert_eq!(event.evidence().len(), limits::MAX_EVIDENCE);
    }
}
