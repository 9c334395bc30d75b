//! Floor 1: blocks of events in the shape in which they are archived.
//!
//! Kinds and fields stand there by their codes, and with each kind the fields that it had when the block was written: a
//! later version, whose kinds have more fields, reads them all the same. Cells are packed ([`super::packed`]).
//!
//! Invariant: a block that thaws is as sound as one that the correlator made: every span lies within its column, every
//! cell is of its field's type.

use super::block::Row;
use super::packed::Packed;
use super::value::ArchivedCell;
use super::{Cell, EventBlock, Field, Head, Kind, ModuleName, Severity, Stamp, StreamId};
use crate::span::Span;
use crate::time::Timestamp;
use rkyv::rancor::BoxedError;
use rkyv::with::InlineAsBox;
use rkyv::{Archive, Archived, Deserialize, Serialize};
use std::sync::Arc;

/// A block of events, borrowed for being archived.
#[derive(Debug, Archive, Serialize)]
pub struct EventTable<'a> {
    stream: u64,
    run: u32,
    modules: Vec<ModuleRow>,
    schemas: Vec<SchemaRow>,
    rows: Vec<EventRow>,
    cells: Packed,
    items: Packed,
    #[rkyv(with = InlineAsBox)]
    text: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    evidence: &'a [u64],
}

/// The shape before, in which each cell takes as much room as the largest: it is read, and not written any more.
#[derive(Debug, Archive, Serialize)]
pub struct UnpackedTable<'a> {
    stream: u64,
    run: u32,
    modules: Vec<ModuleRow>,
    schemas: Vec<SchemaRow>,
    rows: Vec<EventRow>,
    #[rkyv(with = InlineAsBox)]
    cells: &'a [Cell],
    #[rkyv(with = InlineAsBox)]
    items: &'a [Cell],
    #[rkyv(with = InlineAsBox)]
    text: &'a [u8],
    #[rkyv(with = InlineAsBox)]
    evidence: &'a [u64],
}

#[derive(Debug, Archive, Serialize, Deserialize)]
struct ModuleRow {
    app: String,
    module: String,
}

/// The fields that a kind had.
#[derive(Debug, Archive, Serialize, Deserialize)]
struct SchemaRow {
    kind: u8,
    fields: Vec<u8>,
}

#[derive(Debug, Archive, Serialize, Deserialize)]
struct EventRow {
    number: u64,
    time: Timestamp,
    ordinal: u32,
    cells: u32,
    evidence: Span,
    module: u16,
    kind: u8,
    /// The code of the severity; the highest bit says that the event is of a backlog. Older versions refuse such a code.
    severity: u8,
}

/// The bit of an event's severity that says that it is of a backlog.
const BACKLOG: u8 = 0x80;

/// Why an archived block is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThawError {
    /// A kind, field or severity that this version does not know.
    #[error("{what} {code} is not known to this version")]
    Unknown {
        /// What it is.
        what: &'static str,
        /// Its code.
        code: u8,
    },
    /// Something points where nothing is, or is of another type than it must be.
    #[error("{0}")]
    Contradiction(&'static str),
}

impl EventBlock {
    /// The block as it is archived.
    pub fn table(&self) -> EventTable<'_> {
        let stamp = self.stamp();
        let modules = stamp.modules.iter();
        let modules =
            modules.map(|name| ModuleRow { app: name.app.clone(), module: name.module.clone() }).collect();
        let mut seen = [false; 256];
        let mut schemas = Vec::new();
        let rows = self.rows.iter().map(|row| {
            let kind = row.head.kind;
            if let Some(seen) = seen.get_mut(usize::from(kind as u8)).filter(|seen| !**seen) {
                *seen = true;
                let fields = kind.spec().fields.iter().map(|field| *field as u8).collect();
                schemas.push(SchemaRow { kind: kind as u8, fields });
            }
            EventRow {
                number: row.head.number,
                time: row.head.time,
                ordinal: row.head.ordinal,
                cells: row.cells,
                evidence: row.evidence,
                module: row.head.module,
                kind: kind as u8,
                severity: row.head.severity as u8 | if row.is_backlog { BACKLOG } else { 0 },
            }
        });
        let rows = rows.collect();
        EventTable {
            stream: stamp.stream.0,
            run: stamp.run,
            modules,
            schemas,
            rows,
            cells: Packed::of(&self.cells),
            items: Packed::of(&self.items),
            text: &self.text,
            evidence: &self.evidence,
        }
    }
}

/// An archived table of either shape.
pub trait Table {
    /// How many events there are.
    fn count(&self) -> usize;

    /// The events as a block.
    ///
    /// # Errors
    /// When the table contradicts itself, or names what this version does not know.
    fn thaw(&self) -> Result<EventBlock, ThawError>;
}

impl Table for ArchivedEventTable<'_> {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn thaw(&self) -> Result<EventBlock, ThawError> {
        let Self { stream, run, modules, schemas, rows, cells, items, text, evidence } = self;
        let mut block = begin((stream.to_native(), run.to_native(), modules), text, evidence);
        let mut unpacker = items.unpack();
        while let Some(item) = unpacker.next()? {
            push_item(&mut block, item)?;
        }
        unpacker.finish()?;
        let mut unpacker = cells.unpack();
        thaw_rows(&mut block, schemas, rows, |place, values| {
            // Rows stand one behind the other.
            if place != unpacker.at() {
                return Err(WITHOUT_CELLS);
            }
            values.iter_mut().try_for_each(|value| {
                *value = unpacker.next()?.ok_or(WITHOUT_CELLS)?;
                Ok(())
            })
        })?;
        unpacker.finish()?;
        Ok(block)
    }
}

impl Table for ArchivedUnpackedTable<'_> {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn thaw(&self) -> Result<EventBlock, ThawError> {
        let Self { stream, run, modules, schemas, rows, cells, items, text, evidence } = self;
        let mut block = begin((stream.to_native(), run.to_native(), modules), text, evidence);
        items.iter().try_for_each(|item| push_item(&mut block, cell(item)?))?;
        thaw_rows(&mut block, schemas, rows, |place, values| {
            let cells = cells.get().get(place..place.saturating_add(values.len())).ok_or(WITHOUT_CELLS)?;
            values.iter_mut().zip(cells).try_for_each(|(value, archived)| {
                *value = cell(archived)?;
                Ok(())
            })
        })?;
        Ok(block)
    }
}

const WITHOUT_CELLS: ThawError = ThawError::Contradiction("an event without its cells");

/// A block without events that holds a table's text and evidence.
fn begin(
    (stream, run, modules): (u64, u32, &[ArchivedModuleRow]),
    text: &[u8],
    evidence: &[Archived<u64>],
) -> EventBlock {
    let stamp =
        Stamp { stream: StreamId(stream), run, modules: modules.iter().map(ModuleName::from).collect() };
    let mut block = EventBlock::new(Arc::new(stamp));
    block.text = text.to_vec();
    block.evidence = evidence.iter().map(|number| number.to_native()).collect();
    block
}

fn push_item(block: &mut EventBlock, item: Cell) -> Result<(), ThawError> {
    if !matches!(item, Cell::Text(_) | Cell::Addr(_)) || !is_within(&item, block, 0) {
        return Err(ThawError::Contradiction("an item is neither text nor an address, or points outside"));
    }
    block.items.push(item);
    Ok(())
}

/// Appends the events of a table to a block that holds its items, text and evidence; `values` gives the cells from a place on.
fn thaw_rows(
    block: &mut EventBlock,
    schemas: &[ArchivedSchemaRow],
    rows: &[ArchivedEventRow],
    mut values: impl FnMut(usize, &mut [Cell]) -> Result<(), ThawError>,
) -> Result<(), ThawError> {
    let schemas = schemas.iter().map(Schema::read).collect::<Result<Vec<_>, _>>()?;
    block.rows.reserve(rows.len());
    let mut cells = Vec::new();
    for row in rows {
        let schema = schemas.iter().find(|schema| schema.code == row.kind);
        let schema = schema.ok_or(ThawError::Contradiction("an event of a kind without a schema"))?;
        cells.clear();
        cells.resize(schema.places.len(), Cell::Null);
        values(row.cells.to_native() as usize, &mut cells)?;
        thaw_row(row, schema, &cells, block)?;
    }
    Ok(())
}

fn thaw_row(
    row: &ArchivedEventRow,
    schema: &Schema,
    cells: &[Cell],
    block: &mut EventBlock,
) -> Result<(), ThawError> {
    let code = row.severity & !BACKLOG;
    let severity = Severity::ALL.into_iter().find(|severity| *severity as u8 == code);
    let severity = severity.ok_or(ThawError::Unknown { what: "severity", code })?;
    let evidence = Span::new(row.evidence.start.to_native(), row.evidence.len.to_native());
    let end = evidence.start as usize + evidence.len as usize;
    if end > block.evidence.len() {
        return Err(ThawError::Contradiction("an event's evidence is not there"));
    }

    let fields = schema.kind.spec().fields;
    let place = block.cells.len();
    block.cells.resize(place + fields.len(), Cell::Null);
    for (value, to) in cells.iter().zip(&schema.places) {
        let Some(to) = *to else { continue };
        let field = fields.get(to).ok_or(ThawError::Contradiction("a field outside its schema"))?;
        if !field.spec().ty.admits(value) || !is_within(value, block, block.items.len()) {
            return Err(ThawError::Contradiction("a field's value is not of its type, or points outside"));
        }
        if let Some(slot) = block.cells.get_mut(place + to) {
            *slot = *value;
        }
    }
    let cells = u32::try_from(place).map_err(|_| ThawError::Contradiction("too many cells"))?;
    let head = Head {
        number: row.number.to_native(),
        ordinal: row.ordinal.to_native(),
        module: row.module.to_native(),
        kind: schema.kind,
        severity,
        time: (&row.time).into(),
    };
    block.rows.push(Row { head, cells, evidence, is_backlog: row.severity & BACKLOG != 0 });
    Ok(())
}

impl From<&ArchivedModuleRow> for ModuleName {
    fn from(row: &ArchivedModuleRow) -> Self {
        Self { app: row.app.as_str().to_owned(), module: row.module.as_str().to_owned() }
    }
}

/// Where the archived fields of a kind stand today.
struct Schema {
    code: u8,
    kind: Kind,
    /// The place of each; none where the field is gone.
    places: Vec<Option<usize>>,
}

impl Schema {
    fn read(row: &ArchivedSchemaRow) -> Result<Self, ThawError> {
        let code = row.kind;
        let kind = Kind::ALL.iter().copied().find(|kind| *kind as u8 == code);
        let kind = kind.ok_or(ThawError::Unknown { what: "kind", code })?;
        let place = |code: &u8| {
            let field = Field::ALL.iter().copied().find(|field| *field as u8 == *code);
            field.map(|field| kind.place(field)).ok_or(ThawError::Unknown { what: "field", code: *code })
        };
        Ok(Self { code, kind, places: row.fields.iter().map(place).collect::<Result<_, _>>()? })
    }
}

fn cell(archived: &ArchivedCell) -> Result<Cell, ThawError> {
    rkyv::deserialize::<Cell, BoxedError>(archived)
        .map_err(|_| ThawError::Contradiction("an unreadable value"))
}

/// Whether what a cell points at is there; a list may have the first `items` items.
fn is_within(cell: &Cell, block: &EventBlock, items: usize) -> bool {
    let ends_by = |span: Span, length| span.start as usize + span.len as usize <= length;
    match *cell {
        Cell::Text(span) => ends_by(span, block.text.len()),
        Cell::List(span) => ends_by(span, items),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rkyv::Portable;
    use rkyv::api::high::HighValidator;
    use rkyv::bytecheck::CheckBytes;
    use rkyv::util::AlignedVec;

    fn sample() -> EventBlock {
        let modules = vec![ModuleName { app: "fleet".into(), module: "openssh".into() }];
        let stamp = Stamp { stream: StreamId(7), run: 3, modules };
        let mut block = EventBlock::new(Arc::new(stamp));
        let kinds = Kind::ALL.iter().copied().cycle().take(100);
        for (number, kind) in (1..).zip(kinds) {
            let (time, severity) = (Timestamp::from_micros(number), kind.spec().severity);
            let number = number.unsigned_abs();
            block
                .push(Head { number, ordinal: 1, module: 0, kind, severity, time })
                .text(Field::Host, b"web1")
                .text(Field::User, &[0xFF, b'x'])
                .addr(Field::Addr, "2001:db8::1".parse().unwrap())
                .count(Field::Port, 22)
                .texts(Field::Users, [&b"a"[..], b"b"])
                .addrs(Field::Addrs, ["192.0.2.1".parse().unwrap()])
                .evidence([number, number + 1]);
        }
        block.mark_backlog(0, |evidence| evidence.iter().all(|number| *number > 50));
        block
    }

    fn archive(block: &EventBlock) -> AlignedVec {
        rkyv::to_bytes::<BoxedError>(&block.table()).unwrap()
    }

    /// As versions before this one wrote it.
    fn archive_unpacked(block: &EventBlock) -> AlignedVec {
        let EventTable { stream, run, modules, schemas, rows, text, evidence, .. } = block.table();
        let (cells, items) = (&*block.cells, &*block.items);
        let table = UnpackedTable { stream, run, modules, schemas, rows, cells, items, text, evidence };
        rkyv::to_bytes::<BoxedError>(&table).unwrap()
    }

    fn thaw_as<T>(bytes: &[u8]) -> Result<EventBlock, String>
    where
        T: Portable + Table + for<'a> CheckBytes<HighValidator<'a, BoxedError>>,
    {
        let table = rkyv::access::<T, BoxedError>(bytes).map_err(|error| error.to_string())?;
        table.thaw().map_err(|error| error.to_string())
    }

    fn thaw(bytes: &[u8]) -> Result<EventBlock, String> {
        thaw_as::<ArchivedEventTable<'static>>(bytes)
    }

    fn thaw_unpacked(bytes: &[u8]) -> Result<EventBlock, String> {
        thaw_as::<ArchivedUnpackedTable<'static>>(bytes)
    }

    fn json(block: &EventBlock) -> Vec<String> {
        let line = |event| {
            let mut line = Vec::new();
            crate::event::render::json(&mut line, event);
            String::from_utf8(line).unwrap()
        };
        block.iter().map(line).collect()
    }

    #[test]
    fn a_block_thaws_to_the_same_events() {
        let block = sample();
        for thawed in [thaw(&archive(&block)), thaw_unpacked(&archive_unpacked(&block))] {
            let thawed = thawed.unwrap();
            assert_eq!(json(&thawed), json(&block));
            let evidence =
                |block: &EventBlock| block.iter().map(|e| e.evidence().to_vec()).collect::<Vec<_>>();
            assert_eq!(evidence(&thawed), evidence(&block));
            assert!(thawed.iter().all(|event| event.is_backlog() == (event.head().number > 50)));
            assert_eq!(**thawed.stamp(), **block.stamp());
        }
    }

    #[test]
    fn a_kind_that_has_gained_fields_reads_its_older_events() {
        let block = sample();
        let mut table = block.table();
        // As an older version wrote it: without the last field of each schema, and so with rows that are shorter.
        for schema in &mut table.schemas {
            schema.fields.pop();
        }
        let mut cells = Vec::new();
        for (row, event) in table.rows.iter_mut().zip(block.iter()) {
            row.cells = u32::try_from(cells.len()).unwrap();
            cells.extend(event.cells().map(|(_, cell)| *cell));
            cells.pop();
        }
        table.cells = Packed::of(&cells);
        let bytes = rkyv::to_bytes::<BoxedError>(&table).unwrap();
        let thawed = thaw(&bytes).unwrap();
        for (old, new) in block.iter().zip(thawed.iter()) {
            let fields: Vec<_> = old.fields().collect();
            let (last, others) = fields.split_last().unwrap();
            assert!(new.fields().take(others.len()).eq(others.iter().copied()));
            assert_eq!(new.get(last.0), crate::event::Value::Null);
        }
    }

    #[test]
    fn an_unknown_kind_is_named() {
        let block = sample();
        let mut table = block.table();
        table.schemas[0].kind = 250;
        let bytes = rkyv::to_bytes::<BoxedError>(&table).unwrap();
        assert_eq!(thaw(&bytes).unwrap_err(), "kind 250 is not known to this version");
    }

    proptest! {
        #[test]
        fn changed_bytes_never_panic(at in 0usize..20_000, with in any::<u8>()) {
            type Shape = (AlignedVec, fn(&[u8]) -> Result<EventBlock, String>);
            let shapes: [Shape; 2] = [(archive(&sample()), thaw), (archive_unpacked(&sample()), thaw_unpacked)];
            for (mut bytes, thaw) in shapes {
                let at = at % bytes.len();
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= with;
                }
                if let Ok(block) = thaw(&bytes) {
                    prop_assert_eq!(json(&block).len(), block.len());
                }
            }
        }
    }
}
