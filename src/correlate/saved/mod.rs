//! Floor 3: the whole state of the correlator as bytes, and the correlator that they give back.
//!
//! ```text
//! bytes = magic (8), version (4), zero (4), then an rkyv archive of `State`, aligned to 16
//! ```
//!
//! The archive is flat: rows of fixed size, and beside them columns of what rows have any number of, in the order of the
//! rows. It holds what the inputs gave and nothing else: no hashes, no places in tables, no options.
//!
//! Invariant: the same inputs give the same bytes, however they were batched, whatever process folded them, and however
//! often it was restored in between. Bytes that are not ours, damaged or made up by an enemy give an error or a state
//! within its bounds, and never a panic. A change to any archived type changes [`VERSION`].

pub(super) mod columns;
pub(super) mod texts;
pub(super) mod windows;

use super::correlator::{Correlator, State};
use super::hosts::{self, Hosts};
use super::{App, report, sshd};
use crate::time::{Timestamp, Zone};
use columns::Damaged;
use rkyv::api::high::to_bytes_in;
use rkyv::rancor::BoxedError;
use rkyv::util::AlignedVec;
use rkyv::{Archive, Deserialize, Serialize};

const MAGIC: [u8; 8] = *b"corstate";
const VERSION: u32 = 2;
/// Bytes before the archive, which its alignment divides.
const PROLOGUE: usize = 16;
/// Bytes that are kept free for what an archive holds besides the rows of modules.
const ROOM_FOR_THE_REST: usize = 64 * 1024;
/// What archives are aligned to.
const ALIGNMENT: usize = 16;

/// Why the state was not saved.
#[derive(Debug, thiserror::Error)]
#[error("the correlator's state cannot be archived; it may be larger than 2 GiB")]
pub struct SaveError(#[source] BoxedError);

/// Why no correlator was restored.
#[derive(Debug, thiserror::Error)]
pub enum RestoreError {
    /// The bytes do not begin as a saved state does.
    #[error("these bytes are no saved state of a correlator")]
    Foreign,
    /// The bytes were written by a newer version.
    #[error(
        "the saved state is of version {0} and this program reads versions up to {VERSION}: \
         use the program that wrote it, or a newer one"
    )]
    Newer(u32),
    /// The archive is damaged.
    #[error("the archive of the saved state is damaged")]
    Archive(#[source] BoxedError),
    /// What the archive says contradicts itself.
    #[error("the saved state contradicts itself")]
    Damaged(#[from] Damaged),
}

/// Everything.
#[derive(Archive, Serialize, Deserialize)]
struct Everything {
    folded: Folded,
    hosts: hosts::Saved,
}

/// The clock and the modules; all that version 1 had.
#[derive(Archive, Serialize, Deserialize)]
struct Folded {
    base: u64,
    last_number: u64,
    first_arrival: Option<Timestamp>,
    last_arrival: Option<Timestamp>,
    server_raised: u64,
    modules: Vec<Module>,
}

/// One module.
#[derive(Archive, Serialize, Deserialize)]
struct Module {
    app: String,
    module: String,
    raised: u64,
    part: Part,
}

/// The state of a module, by its type.
#[derive(Archive, Serialize, Deserialize)]
enum Part {
    Sshd(Box<sshd::Saved>),
    Report(report::Saved),
}

impl Everything {
    /// Bytes that its rows take in an archive.
    fn size(&self) -> usize {
        let modules = self.folded.modules.iter().map(|module| match &module.part {
            Part::Sshd(saved) => saved.size(),
            Part::Report(_) => 0,
        });
        modules.sum::<usize>() + self.hosts.size()
    }
}

impl Correlator {
    /// Saves the whole state, in place of what `out` holds; its memory may serve from one time to the next. What is
    /// saved lies between two inputs.
    ///
    /// # Errors
    /// When the state is too large for an archive.
    pub fn save(&self, out: &mut AlignedVec) -> Result<(), SaveError> {
        let everything = self.everything();
        out.clear();
        // What grows by doubling touches twice as much memory, and is copied each time. Of what is reserved, nothing is touched
        // that is not used.
        out.reserve(everything.size() + ROOM_FOR_THE_REST);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&VERSION.to_le_bytes());
        out.resize(PROLOGUE, 0);
        to_bytes_in(&everything, out).map(drop).map_err(SaveError)
    }

    fn everything(&self) -> Everything {
        let modules = self.modules.iter().zip(&self.names).map(|(module, name)| Module {
            app: name.app.clone(),
            module: name.module.clone(),
            raised: module.turn.raised(),
            part: match &module.state {
                State::Sshd(module) => Part::Sshd(Box::new(module.save())),
                State::Report(module) => Part::Report(module.save()),
            },
        });
        let folded = Folded {
            base: self.base,
            last_number: self.last_number,
            first_arrival: self.first_arrival,
            last_arrival: self.last_arrival,
            server_raised: self.server.raised(),
            modules: modules.collect(),
        };
        Everything { folded, hosts: self.hosts.save() }
    }

    /// Restores what [`Correlator::save`] saved. Options are those of `apps`: a saved module that they do not name, or
    /// name with another type, is dropped, and one that was not saved starts empty.
    ///
    /// Bytes that are not aligned to 16, as those in a memory map are, are copied first.
    ///
    /// # Errors
    /// When the bytes are no saved state, of a newer version, or damaged.
    pub fn restore(apps: &[App], zone: Zone, bytes: &[u8]) -> Result<Self, RestoreError> {
        let Everything { folded, hosts } = read(bytes)?;
        let mut correlator = Self::new(apps, zone);
        correlator.hosts = Hosts::restore(hosts::Options::default(), hosts)?;
        correlator.base = folded.base;
        correlator.last_number = folded.last_number;
        correlator.first_arrival = folded.first_arrival;
        correlator.server.resume(columns::count(folded.server_raised)?);
        if let Some(last) = folded.last_arrival {
            correlator.last_arrival = Some(last);
            correlator.next_midnight = correlator.zone.next_midnight(last);
        }
        let options = apps.iter().flat_map(|app| app.modules.iter().map(|(_, options)| options));
        let mut saved = folded.modules;
        for ((name, options), module) in correlator.names.iter().zip(options).zip(&mut correlator.modules) {
            let place = saved.iter().position(|saved| saved.app == name.app && saved.module == name.module);
            let Some(found) = place.map(|place| saved.swap_remove(place)) else { continue };
            match (options, &mut module.state, found.part) {
                (super::ModuleOptions::Sshd(options), State::Sshd(state), Part::Sshd(part)) => {
                    **state = sshd::Module::restore(options.clone(), *part)?;
                }
                (_, State::Report(state), Part::Report(part)) => state.restore(&part)?,
                _ => continue,
            }
            module.turn.resume(columns::count(found.raised)?);
        }
        Ok(correlator)
    }
}

fn read(bytes: &[u8]) -> Result<Everything, RestoreError> {
    let rest = bytes.strip_prefix(&MAGIC).ok_or(RestoreError::Foreign)?;
    let (version, _) = rest.split_first_chunk().ok_or(RestoreError::Foreign)?;
    let version = u32::from_le_bytes(*version);
    match version {
        1..=VERSION => {}
        0 => return Err(RestoreError::Foreign),
        newer => return Err(RestoreError::Newer(newer)),
    }
    let archive = bytes.get(PROLOGUE..).unwrap_or_default();
    if archive.as_ptr().addr().is_multiple_of(ALIGNMENT) {
        return unpack(version, archive);
    }
    let mut aligned = AlignedVec::<ALIGNMENT>::with_capacity(archive.len());
    aligned.extend_from_slice(archive);
    unpack(version, &aligned)
}

fn unpack(version: u32, archive: &[u8]) -> Result<Everything, RestoreError> {
    if version == 1 {
        let folded = rkyv::from_bytes(archive).map_err(RestoreError::Archive)?;
        return Ok(Everything { folded, hosts: hosts::Saved::default() });
    }
    rkyv::from_bytes(archive).map_err(RestoreError::Archive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::correlate::sshd::Options;
    use crate::correlate::tests::lines::{app, block, fold, sshd};
    use crate::detect::Kind;

    #[test]
    fn the_size_of_a_state_is_known_before_it_is_archived() {
        let (apps, mut lines) = (app(Options::default()), Vec::new());
        for n in 0..250_u16 {
            let host: &'static str = format!("web{n}").leak();
            let (line, users) = (sshd(host, n.into()), [format!("u{n}"), format!("v{n}")]);
            let address: &'static str = format!("198.51.100.{n}").leak();
            let client = (address, 1000 + n);
            lines.extend(users.iter().map(|user| line.failed(user, client).times(3)));
            lines.extend([line.accepted(&users[0], client), line.pam_opened(&users[0])]);
            lines.push(line.says(Kind::ConnectionDropped).from(client).detail(0, "MaxStartups"));
        }
        let mut correlator = Correlator::new(&apps, Zone::UTC);
        fold(&mut correlator, &lines, &[3], &mut block(&apps));
        let (size, mut bytes) = (correlator.everything().size(), AlignedVec::new());
        correlator.save(&mut bytes).unwrap();
        assert!(size > 50_000 && (size..size + 2048).contains(&bytes.len()), "{size} of {}", bytes.len());
    }
}
