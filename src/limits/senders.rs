//! Floor 0: the caps of what is known of senders and their hosts.

use std::time::Duration;

/// Hosts that are known at once; further ones are neither watched nor compared.
pub const MAX_HOSTS: usize = 65_536;

/// Senders that are known to speak for one host; a further one takes the place of one that was noted a day ago or longer.
pub const MAX_SPEAKERS: usize = 4;

/// Names that senders were refused, over all of them.
pub const MAX_REFUSED_NAMES: usize = 1024;

/// Names that one sender was refused and that are told.
pub const MAX_REFUSED_NAMES_PER_SENDER: usize = 16;

/// Time after which the same trouble of a sender, or of a host's clock, is told again.
pub const SENDER_TOLD_INTERVAL: Duration = Duration::from_secs(86_400);

/// Time that two senders must speak for one host, and for no other, before that is told; a relay has named another one
/// by then.
pub const SHARED_PATIENCE: Duration = Duration::from_secs(60);

/// Parts of the time of silence to within one of which it is known when a host was heard.
pub const SILENCE_GRAINS: u32 = 16;

/// To within what it is known when a host was heard, where none is told to be silent.
pub const HOST_GRAIN: Duration = Duration::from_secs(3600);

/// Time after which a host is forgotten that has spoken for no longer than this.
pub const HOST_PROBATION: Duration = Duration::from_secs(86_400);

/// Time after which a host is forgotten.
pub const HOST_MEMORY: Duration = Duration::from_secs(30 * 86_400);

/// How far after its arrival the time of a record may lie, by default.
pub const CLOCK_AHEAD: Duration = Duration::from_secs(300);

/// Time over which the least difference between records' times and their arrivals is kept.
pub const CLOCK_WINDOW: Duration = Duration::from_secs(600);

/// Hosts that `status` names, by how far off their clocks are.
pub const STATUS_CLOCKS: usize = 10;

/// Silent hosts that `status` names, those that were not heard for longest.
pub const STATUS_SILENT: usize = 10;

/// Hosts for which there must be room again, before it is told once more that there is none.
pub const HOSTS_ROOM_AGAIN: usize = MAX_HOSTS / 16;

/// Sources, and entries in each of their lists.
pub const MAX_SOURCE_ENTRIES: usize = 1000;
