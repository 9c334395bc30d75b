//! Floor 3: what the blocks of a journal archive.
//!
//! Invariant: a change to any type here changes the tag of the block that holds it.

use crate::event::{EventTable, UnpackedTable};
use crate::segment::{FileKind, Schema, Tag};
use rkyv::{Archive, Serialize};

/// Segments of the stream of inputs.
pub(super) const INPUTS: FileKind = FileKind(*b"INPT");

/// Segments of the stream of events.
pub(super) const EVENTS: FileKind = FileKind(*b"EVTS");

/// Their format since events are packed: a program that does not know them must not pass over them.
pub(super) const EVENTS_FORMAT: u16 = 2;

/// Snapshots.
pub(super) const SNAPSHOT: FileKind = FileKind(*b"SNAP");

/// The tags of all blocks that this version knows.
pub(super) const TAGS: [Tag; 12] = [
    Inputs::TAG,
    Followed::TAG,
    Files::TAG,
    PackedEvents::TAG,
    UnpackedEvents::TAG,
    Deliveries::TAG,
    Checkpoint::TAG,
    RunStart::TAG,
    RunStop::TAG,
    SyncMark::TAG,
    EndMark::TAG,
    SnapshotBody::TAG,
];

/// Inputs that meant something: the frames that were observed, and what fired timers.
#[derive(Debug, Default, Archive, Serialize)]
pub(super) struct Inputs {
    /// The run that received them.
    pub(super) run: u32,
    /// Inputs of all runs before that one.
    pub(super) base: u64,
    /// The position through which all inputs are accounted for.
    pub(super) through: u64,
    pub(super) origins: Vec<OriginRow>,
    pub(super) batches: Vec<BatchRow>,
    pub(super) frames: Vec<FrameRow>,
    /// The messages, without anything between them.
    pub(super) bytes: Vec<u8>,
}

#[derive(Debug, Archive, Serialize)]
pub(super) struct OriginRow {
    pub(super) listener: String,
    pub(super) peer: String,
}

#[derive(Clone, Copy, Debug, Archive, Serialize)]
pub(super) struct BatchRow {
    /// Number of its first input, kept or not.
    pub(super) first: u64,
    /// Arrival, in microseconds.
    pub(super) arrival: i64,
    pub(super) origin: u32,
    /// Frames of it that were kept.
    pub(super) frames: u32,
    /// Whether its arrival fired timers.
    pub(super) fired: bool,
    /// Whether it is the end of the run's inputs.
    pub(super) end: bool,
}

#[derive(Clone, Copy, Debug, Archive, Serialize)]
pub(super) struct FrameRow {
    /// Its place among the frames of its batch.
    pub(super) index: u32,
    pub(super) length: u32,
    pub(super) truncated: bool,
}

impl Schema for Inputs {
    const TAG: Tag = Tag(*b"INP1");
}

/// Inputs, and how far the files had been read that some of them are from. Its header is that of inputs.
#[derive(Debug, Archive, Serialize)]
pub(super) struct Followed<'a> {
    #[rkyv(with = rkyv::with::Inline)]
    pub(super) inputs: &'a Inputs,
    /// What is new since the block before.
    pub(super) marks: Vec<MarkRow>,
}

#[derive(Debug, Archive, Serialize)]
pub(super) struct MarkRow {
    pub(super) path: Vec<u8>,
    pub(super) device: u64,
    pub(super) inode: u64,
    pub(super) offset: u64,
    /// The hash of the bytes before the offset.
    pub(super) hash: u64,
    /// How many bytes that hash is of.
    pub(super) known: u32,
    /// Whether the rest of a line has to be passed over.
    pub(super) mid_line: bool,
    /// Whether nobody reads the file any more.
    pub(super) gone: bool,
}

impl Schema for Followed<'_> {
    const TAG: Tag = Tag(*b"INF1");
}

/// How far all files had been read. The block's header bears the position of the last input before it.
#[derive(Debug, Archive, Serialize)]
pub(super) struct Files {
    pub(super) rows: Vec<MarkRow>,
}

impl Schema for Files {
    const TAG: Tag = Tag(*b"FIL1");
}

/// Events. The block's header bears the sequence number of the first.
#[derive(Debug, Archive, Serialize)]
pub(super) struct Events<T> {
    /// The position of the last input that is accounted for.
    pub(super) through: u64,
    pub(super) table: T,
}

/// Events as they are written.
pub(super) type PackedEvents<'a> = Events<EventTable<'a>>;

impl Schema for PackedEvents<'_> {
    const TAG: Tag = Tag(*b"EVT2");
}

/// Events as 0.1.0 wrote them before cells were packed.
pub(super) type UnpackedEvents<'a> = Events<UnpackedTable<'a>>;

impl Schema for UnpackedEvents<'_> {
    const TAG: Tag = Tag(*b"EVT1");
}

/// What became of events in handlers.
#[derive(Debug, Default, Archive, Serialize)]
pub(super) struct Deliveries {
    pub(super) handlers: Vec<String>,
    pub(super) notes: Vec<String>,
    pub(super) rows: Vec<DeliveryRow>,
}

#[derive(Debug, Archive, Serialize)]
pub(super) struct DeliveryRow {
    /// Sequence number of the first event.
    pub(super) first: u64,
    pub(super) count: u64,
    /// In microseconds.
    pub(super) time: i64,
    pub(super) attempts: u32,
    /// Index of the handler.
    pub(super) handler: u16,
    /// The code of the state.
    pub(super) state: u8,
    /// Index of the note.
    pub(super) note: Option<u16>,
}

impl Schema for Deliveries {
    const TAG: Tag = Tag(*b"DLV1");
}

/// Where everything stands at the head of a segment of events: what makes the segments before it needless for a start.
#[derive(Debug, Default, Archive, Serialize)]
pub(super) struct Checkpoint {
    /// The position of the last input that is accounted for.
    pub(super) through: u64,
    pub(super) handlers: Vec<StandingRow>,
}

#[derive(Debug, Archive, Serialize)]
pub(super) struct StandingRow {
    pub(super) name: String,
    pub(super) start: u64,
    pub(super) cursor: u64,
    /// How many events ended in each state, by the state's code; one more is the end of a handler that is not configured
    /// any more. Older versions pass over it.
    pub(super) counts: Vec<u64>,
    pub(super) gathered: Vec<RangeRow>,
    pub(super) requeued: Vec<RangeRow>,
    pub(super) dead: Vec<RangeRow>,
    pub(super) retry: Option<RetryRow>,
}

#[derive(Clone, Copy, Debug, Archive, Serialize)]
pub(super) struct RangeRow {
    pub(super) start: u64,
    pub(super) end: u64,
}

#[derive(Debug, Archive, Serialize)]
pub(super) struct RetryRow {
    pub(super) first: u64,
    pub(super) attempts: u32,
    /// In microseconds.
    pub(super) since: i64,
    pub(super) note: String,
}

impl Schema for Checkpoint {
    const TAG: Tag = Tag(*b"CHK1");
}

/// A run begins.
#[derive(Debug, Archive, Serialize)]
pub(super) struct RunStart {
    pub(super) run: u32,
    pub(super) base: u64,
    pub(super) version: String,
    /// A hash of the configuration.
    pub(super) configuration: u64,
}

impl Schema for RunStart {
    const TAG: Tag = Tag(*b"RUN1");
}

/// A run has ended as it should.
#[derive(Debug, Archive, Serialize)]
pub(super) struct RunStop {
    pub(super) run: u32,
}

impl Schema for RunStop {
    const TAG: Tag = Tag(*b"STP1");
}

/// The last block of a flush.
#[derive(Debug, Archive, Serialize)]
pub(super) struct SyncMark {
    /// Where in the segment the flush began.
    pub(super) start: u64,
}

impl Schema for SyncMark {
    const TAG: Tag = Tag(*b"SYN1");
}

/// The last block of a segment: nothing behind it counts.
#[derive(Debug, Archive, Serialize)]
pub(super) struct EndMark {
    /// Bytes behind it that a crash left of a block, which nobody was told of.
    pub(super) torn: u64,
}

impl Schema for EndMark {
    const TAG: Tag = Tag(*b"JEND");
}

/// The state of the correlator between two inputs.
#[derive(Debug, Archive, Serialize)]
pub(super) struct SnapshotBody<'a> {
    pub(super) run: u32,
    pub(super) base: u64,
    /// The position of the last input in it.
    pub(super) position: u64,
    /// The sequence number of the first event that was raised after it.
    pub(super) next: u64,
    #[rkyv(with = rkyv::with::InlineAsBox)]
    pub(super) state: &'a [u8],
}

impl Schema for SnapshotBody<'_> {
    const TAG: Tag = Tag(*b"SNP1");
}
