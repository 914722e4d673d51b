//! What may be seen from outside: fixed-size records that travel over the control socket.
//!
//! A client sends one [`Request`]; the daemon answers with [`Reply`]s, one packet each, the last of them
//! [`Reply::End`]. Both ends are the same program, so the format is private: a byte with its version, a byte that
//! says what follows, and that thing's fields in their order, numbers with the low byte first. It is written here and
//! not by a library for the weight, 8 kB on MIPS: one function names the fields of a record, for both directions.

use core::fmt::Write;
use core::net::IpAddr;

use heapless::String;
use heapless::string::StringView;

use crate::config::{self, Method, Span, Tracked};
use crate::limits::{INTERFACE_NAME_BYTES_MAX, NAME_BYTES_MAX, PATH_BYTES_MAX};
use crate::probe::Standing;
use crate::router::{self, Router, Slot};
use crate::time::Instant;
use crate::vrrp::{Counters, Phase, State};
use crate::wire::vrrp::{ChecksumForm, Discard, Version};
use crate::wire::{Full, Writer, bfd, ip};

mod balance;

pub use balance::{Server, Service};

/// Stands first in every packet. It changes with the format, so that a client of another release is told nothing
/// rather than something wrong.
const FORMAT: u8 = 6;

/// Bytes of the longest packet on the control socket.
pub const PACKET_BYTES_MAX: usize = 512;

/// What a client asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request<'a> {
    /// A [`Reply::Record`] for every virtual router, [`Reply::Stray`], a [`Reply::Track`] for each entry of
    /// [`Config::tracks`](config::Config::tracks), a [`Reply::Session`], [`Reply::Service`] and
    /// [`Reply::Server`] for each, then a [`Reply::Stranger`] for each.
    Status,
    /// Read the configuration again. [`Reply::File`], [`Reply::Problem`]s, then [`Reply::Reloaded`].
    Reload,
    /// Let another router be master of this instance, and keep away. [`Reply::Known`].
    Release(&'a str),
    /// Let this instance take part again. [`Reply::Known`].
    Reclaim(&'a str),
    /// A [`Reply::Record`] for every virtual router, and, until the client goes, one whenever one of them has moved.
    #[cfg(feature = "watch")]
    Watch,
}

/// What the daemon answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reply {
    /// One virtual router.
    Record(Record),
    /// Something that an instance or a group tracks.
    Track(Track),
    /// Packets that belong to none, by reason, in the order of [`Discard::ALL`].
    Stray([u32; Discard::ALL.len()]),
    /// A BFD session.
    Session(Session),
    /// A virtual server.
    Service(Service),
    /// A real server.
    Server(Server),
    /// Who speaks VRRP here and is refused.
    Stranger(Stranger),
    /// Which file is read; every [`Reply::Problem`] that follows is about it.
    File(String<PATH_BYTES_MAX>),
    /// Something is wrong with the configuration file.
    Problem {
        /// Its line, from 1; `None`: the file cannot be read at all.
        line: Option<u32>,
        /// The rest of the configuration can be used in spite of it.
        is_warning: bool,
        /// The sentence.
        text: String<240>,
    },
    /// The configuration was read again; `false`: it is refused, and the old one goes on.
    Reloaded(bool),
    /// Whether there is an instance of that name; if so, it does what was asked.
    Known(bool),
    /// The answer is complete.
    End,
}

/// One virtual router, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The instance's name.
    pub name: String<NAME_BYTES_MAX>,
    /// Its device.
    pub interface: String<INTERFACE_NAME_BYTES_MAX>,
    /// Virtual router identifier.
    pub vrid: u8,
    /// Whether this is its IPv6 half.
    pub is_ipv6: bool,
    /// Protocol version, 2 or 3.
    pub version: u8,
    /// State.
    pub phase: Phase,
    /// Why the state was entered, as a sentence.
    pub cause: String<96>,
    /// Seconds since it was entered.
    pub since_secs: u32,
    /// Priority at the moment, with tracked weights.
    pub priority: u8,
    /// Configured priority.
    pub base_priority: u8,
    /// Own advertisement interval, centiseconds.
    pub interval_centis: u16,
    /// Where our advertisements come from.
    pub source: Option<IpAddr>,
    /// The first virtual address.
    pub address: Option<IpAddr>,
    /// Number of virtual addresses.
    pub addresses: u16,
    /// The master: ourselves, or the router that was heard last.
    pub master: Option<IpAddr>,
    /// The master's priority.
    pub master_priority: Option<u8>,
    /// Version 3: the router that was heard last, whatever its claim, sends its checksum without the
    /// pseudo-header.
    pub peer_checksum_is_rfc9568: bool,
    /// Milliseconds since a router was heard last.
    pub heard_ms: Option<u32>,
    /// Milliseconds until the next deadline: the next advert of a master, the departure of one that is released, the
    /// takeover of a backup.
    pub deadline_ms: Option<u32>,
    /// It keeps away by hand, or as a master will when its successor is there.
    pub is_released: bool,
    /// What its instance and its group track: places among the [`Reply::Track`]s.
    pub tracks: [Span; 2],
    /// Counts since the daemon started.
    pub counters: Counters,
}

/// Something that is tracked, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Track {
    /// Its name.
    pub name: String<NAME_BYTES_MAX>,
    /// A place in [`Track::KINDS`].
    pub kind: u8,
    /// A place in [`Track::STATES`]; says nothing of a file.
    pub state: u8,
    /// What stands in a file.
    pub number: i32,
    /// What it adds to the priority at the moment.
    pub adds: i32,
    /// It keeps the instance from taking part.
    pub is_fault: bool,
}

/// A BFD session, as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// Its name.
    pub name: String<NAME_BYTES_MAX>,
    /// The other end's address.
    pub neighbor: ip::Text,
    /// A place in [`Session::STATES`].
    pub state: u8,
    /// That of the other end, as it said last.
    pub remote_state: u8,
    /// Why it is not up (RFC 5880 §4.1).
    pub diagnostic: u8,
    /// Seconds since it entered its state.
    pub since_secs: u32,
    /// How often it was up and went down since it began.
    pub losses: u32,
    /// Microseconds from one packet of ours to the next, at the most; 0: none are sent.
    pub interval_us: u32,
    /// Microseconds of silence that end it.
    pub detection_us: u32,
}

/// Who speaks VRRP here and is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// The device; empty: it is none of ours any more.
    pub interface: String<INTERFACE_NAME_BYTES_MAX>,
    /// The sender's address, of the packet's family.
    pub source: ip::Text,
    /// What the message says; 0: nothing.
    pub vrid: u8,
    /// Why the last packet was refused: a place in [`Discard::ALL`].
    pub reason: u8,
    /// Packets refused since it is remembered.
    pub count: u32,
    /// Seconds since the last one.
    pub seen_secs: u32,
}

impl Router {
    /// What may be seen of a stranger, by its place in [`Router::stranger`].
    #[must_use]
    pub fn status_of_stranger(&self, now: Instant, place: u8) -> Option<Stranger> {
        let router::Stranger { interface, vrid, source, reason, count, seen_at_secs } =
            *self.stranger(place)?;
        Some(Stranger {
            interface: cut(self.device_name(interface)),
            source: ip::text(source),
            vrid,
            reason: reason as u8,
            count,
            seen_secs: (now.since_origin().as_secs() as u32).saturating_sub(seen_at_secs),
        })
    }

    /// What may be seen of a BFD session, by its place in [`Config::bfd`](config::Config::bfd).
    #[must_use]
    pub fn status_of_session(&self, now: Instant, place: u8) -> Option<Session> {
        if !cfg!(feature = "bfd") {
            return None;
        }
        let bfd = self.config().bfd.get(usize::from(place))?;
        let (session, since, losses) = self.bfd_session(config::BfdId(place))?;
        Some(Session {
            name: cut(self.config().text(bfd.name)),
            neighbor: ip::text(bfd.neighbor),
            state: session.state() as u8,
            remote_state: session.remote_state() as u8,
            diagnostic: session.diagnostic(),
            since_secs: since.map_or(0, |since| now.since(since).as_secs() as u32),
            losses,
            interval_us: session.interval_us(&bfd.rules),
            detection_us: session.detection_us(),
        })
    }

    /// What may be seen of something that is tracked, by its place in [`Config::tracks`](config::Config::tracks): once,
    /// however many instances a group has.
    #[must_use]
    pub fn status_of_track(&self, place: u16) -> Option<Track> {
        let config = self.config();
        let track = config.tracks.get(usize::from(place))?;
        let text = |text: Option<config::Text>| text.map_or("", |text| config.text(text));
        let (kind, name, number) = match track.what {
            Tracked::Link(interface) => (0, config.interface_name(interface), 0),
            Tracked::Probe(id) => {
                let kind = config.target(id).map_or(1, |target| match target.method {
                    // That of a BFD session stands between them.
                    Method::Udp | Method::Dns | Method::Smtp => 4 + target.method as u8,
                    Method::Script | Method::Ping | Method::Arp | Method::Tcp | Method::Http => {
                        3 + target.method as u8
                    }
                });
                (kind, text(config.probes.get(usize::from(id.0)).map(|it| it.name)), 0)
            }
            Tracked::Route(id) => {
                (3, text(config.default_routes.get(usize::from(id.0)).map(|it| it.name)), 0)
            }
            Tracked::Bfd(id) => (8, text(config.bfd.get(usize::from(id.0)).map(|it| it.name)), 0),
            // Nothing tracks them: they have hooks alone.
            Tracked::Server(_) | Tracked::Service(_) => (1, "", 0),
            Tracked::File(id) => {
                (2, text(config.files.get(usize::from(id.0)).map(|it| it.name)), self.number_in(id))
            }
        };
        let adds = self.weigh(track);
        Some(Track {
            name: cut(name),
            kind,
            state: self.standing_of(track.what) as u8,
            number,
            adds: adds.unwrap_or(0),
            is_fault: adds.is_err(),
        })
    }

    /// What may be seen of one virtual router.
    #[must_use]
    pub fn status(&self, now: Instant, slot: Slot) -> Option<Record> {
        let view = self.view(slot)?;
        let virtual_router = view.virtual_router();
        let deadline = match virtual_router.state() {
            State::Initialize { .. } => None,
            State::Backup { down_at, .. } => Some(*down_at),
            State::Master { advert_at, .. } => Some(*advert_at),
        };
        let heard = virtual_router.heard();
        let source = view.rules.source;
        let (master, master_priority) = match virtual_router.phase() {
            Phase::Master => (source, Some(view.rules.priority)),
            Phase::Backup => (heard.map(|heard| &heard.address), heard.map(|heard| heard.priority)),
            Phase::Initialize => (None, None),
        };
        let mut cause = String::new();
        // A sentence that does not fit is cut at its end, which `write!` reports and nobody minds.
        let _ = write!(cause, "{}", virtual_router.cause());
        Some(Record {
            name: cut(self.config().text(view.instance.name)),
            interface: cut(self.config().interface_name(view.instance.interface)),
            vrid: view.rules.vrid.get(),
            is_ipv6: view.rules.family == config::Family::V6,
            version: view.rules.version.number(),
            phase: virtual_router.phase(),
            cause,
            since_secs: now.since(virtual_router.since()).as_secs() as u32,
            priority: view.rules.priority,
            base_priority: view.instance.priority,
            interval_centis: view.rules.interval.centis(),
            source: ip::copied(source),
            address: ip::copied(view.addresses().next().map(|(_, address)| &address.address)),
            addresses: view.advertised().count() as u16,
            master: ip::copied(master),
            master_priority,
            peer_checksum_is_rfc9568: view.rules.version == Version::V3
                && heard.is_some_and(|heard| heard.checksum == ChecksumForm::MessageOnly),
            heard_ms: heard.map(|heard| millis(now.since(heard.at))),
            deadline_ms: deadline.map(|at| millis(at.since(now))),
            is_released: view.is_released(),
            tracks: self.spans_of(view.instance),
            counters: virtual_router.counters,
        })
    }
}

/// Milliseconds in 32 bits: 49 days, and no 64-bit division.
fn millis(span: core::time::Duration) -> u32 {
    u32::try_from(span.as_secs())
        .unwrap_or(u32::MAX)
        .saturating_mul(1000)
        .saturating_add(span.subsec_millis())
}

/// As much of `text` as there is room for.
pub(crate) fn cut<const N: usize>(text: &str) -> String<N> {
    let mut kept = String::new();
    put_cut(&mut kept, text);
    kept
}

fn put_cut(kept: &mut StringView, text: &str) {
    let text = text.get(..text.floor_char_boundary(kept.capacity())).unwrap_or("");
    // It was made to fit.
    let _ = kept.push_str(text);
}

impl<'a> Request<'a> {
    /// Writes what is sent into `buffer`, and returns its length in bytes.
    ///
    /// # Errors
    /// [`Full`] if `buffer` is too short: [`PACKET_BYTES_MAX`] bytes are enough for the name of any instance.
    pub fn emit(self, buffer: &mut [u8]) -> Result<usize, Full> {
        let (kind, name) = match self {
            Self::Status => (0, ""),
            Self::Reload => (1, ""),
            Self::Release(name) => (2, name),
            Self::Reclaim(name) => (3, name),
            #[cfg(feature = "watch")]
            Self::Watch => (4, ""),
        };
        let mut writer = Writer::new(buffer);
        writer.put(&[FORMAT, kind])?;
        writer.put(name.as_bytes())?;
        Ok(writer.len())
    }

    /// Reads what a client has sent; `None`: it is no request of this release.
    #[must_use]
    pub fn parse(packet: &'a [u8]) -> Option<Self> {
        let name = |bytes| core::str::from_utf8(bytes).ok();
        match packet {
            [FORMAT, 0] => Some(Self::Status),
            [FORMAT, 1] => Some(Self::Reload),
            [FORMAT, 2, bytes @ ..] => name(bytes).map(Self::Release),
            [FORMAT, 3, bytes @ ..] => name(bytes).map(Self::Reclaim),
            #[cfg(feature = "watch")]
            [FORMAT, 4] => Some(Self::Watch),
            _ => None,
        }
    }
}

impl Reply {
    /// Writes the reply into `buffer` and returns its length in bytes. The reply stays as it is; it is borrowed
    /// as if it changed because [`Reply::parse`] names the fields with the same function.
    ///
    /// # Errors
    /// [`Full`] if `buffer` is too short; [`PACKET_BYTES_MAX`] bytes are enough.
    pub fn emit(&mut self, buffer: &mut [u8]) -> Result<usize, Full> {
        let mut writer = Writer::new(buffer);
        writer.put(&[FORMAT, self.kind()])?;
        let mut fields = Fields { side: Side::To(writer), failed: false };
        self.exchange(&mut fields);
        match fields {
            Fields { side: Side::To(writer), failed: false } => Ok(writer.len()),
            Fields { side: Side::To(_) | Side::From(_), .. } => Err(Full),
        }
    }

    /// Reads what a daemon has sent; `None`: it is no reply of this release.
    #[must_use]
    pub fn parse(packet: &[u8]) -> Option<Self> {
        let [FORMAT, kind, rest @ ..] = packet else { return None };
        let mut reply = match kind {
            0 => Self::Record(Record::EMPTY),
            1 => Self::Stray([0; Discard::ALL.len()]),
            2 => Self::File(String::new()),
            3 => Self::Problem { line: None, is_warning: false, text: String::new() },
            4 => Self::Reloaded(false),
            5 => Self::End,
            6 => Self::Stranger(Stranger::EMPTY),
            7 => Self::Known(false),
            8 => Self::Track(Track::EMPTY),
            9 if cfg!(feature = "bfd") => Self::Session(Session::EMPTY),
            10 if cfg!(feature = "ipvs") => Self::Service(Service::EMPTY),
            11 if cfg!(feature = "ipvs") => Self::Server(Server::EMPTY),
            _ => return None,
        };
        let mut fields = Fields { side: Side::From(rest), failed: false };
        reply.exchange(&mut fields);
        matches!(fields, Fields { side: Side::From([]), failed: false }).then_some(reply)
    }

    const fn kind(&self) -> u8 {
        match self {
            Self::Record(_) => 0,
            Self::Stray(_) => 1,
            Self::File(_) => 2,
            Self::Problem { .. } => 3,
            Self::Reloaded(_) => 4,
            Self::End => 5,
            Self::Stranger(_) => 6,
            Self::Known(_) => 7,
            Self::Track(_) => 8,
            Self::Session(_) => 9,
            Self::Service(_) => 10,
            Self::Server(_) => 11,
        }
    }

    fn exchange(&mut self, fields: &mut Fields<'_>) {
        match self {
            Self::Record(record) => record.exchange(fields),
            Self::Stray(counts) => counts.iter_mut().for_each(|count| fields.u32(count)),
            Self::Stranger(stranger) => stranger.exchange(fields),
            Self::Track(track) => track.exchange(fields),
            Self::Session(session) => {
                if cfg!(feature = "bfd") {
                    session.exchange(fields);
                }
            }
            Self::Service(service) => {
                if cfg!(feature = "ipvs") {
                    service.exchange(fields);
                }
            }
            Self::Server(server) => {
                if cfg!(feature = "ipvs") {
                    server.exchange(fields);
                }
            }
            Self::File(name) => fields.text(name),
            Self::Problem { line, is_warning, text } => {
                fields.optional(line);
                fields.flag(is_warning);
                fields.text(text);
            }
            Self::Reloaded(flag) | Self::Known(flag) => fields.flag(flag),
            Self::End => {}
        }
    }
}

impl Record {
    /// To be filled by [`Reply::parse`].
    pub(crate) const EMPTY: Self = Self {
        name: String::new(),
        interface: String::new(),
        vrid: 0,
        is_ipv6: false,
        version: 0,
        phase: Phase::Initialize,
        cause: String::new(),
        since_secs: 0,
        priority: 0,
        base_priority: 0,
        interval_centis: 0,
        source: None,
        address: None,
        addresses: 0,
        master: None,
        master_priority: None,
        peer_checksum_is_rfc9568: false,
        heard_ms: None,
        deadline_ms: None,
        is_released: false,
        tracks: [Span { start: 0, len: 0 }; 2],
        counters: Counters::new(),
    };

    fn exchange(&mut self, fields: &mut Fields<'_>) {
        fields.text(&mut self.name);
        fields.text(&mut self.interface);
        fields.text(&mut self.cause);
        fields.u8(&mut self.vrid);
        fields.u8(&mut self.version);
        fields.u8(&mut self.priority);
        fields.u8(&mut self.base_priority);
        fields.flag(&mut self.is_ipv6);
        fields.flag(&mut self.peer_checksum_is_rfc9568);
        fields.flag(&mut self.is_released);
        fields.u16(&mut self.interval_centis);
        fields.u16(&mut self.addresses);
        for address in [&mut self.source, &mut self.address, &mut self.master] {
            fields.address(address);
        }
        let mut phase = self.phase as u8;
        fields.u8(&mut phase);
        match Phase::ALL.get(usize::from(phase)) {
            Some(phase) => self.phase = *phase,
            None => fields.failed = true,
        }
        let mut priority = self.master_priority.map(u32::from);
        fields.optional(&mut priority);
        fields.optional(&mut self.heard_ms);
        fields.optional(&mut self.deadline_ms);
        self.master_priority = priority.map(|priority| priority as u8);
        fields.u32(&mut self.since_secs);
        for Span { start, len } in &mut self.tracks {
            fields.u16(start);
            fields.u16(len);
        }
        self.counters.each(&mut |count| fields.u32(count));
    }
}

impl Track {
    /// The words for [`Track::kind`].
    pub const KINDS: [&'static str; 12] =
        ["link", "script", "file", "route", "ping", "arp", "tcp", "http", "bfd", "udp", "dns", "smtp"];
    /// The words for [`Track::state`].
    pub const STATES: [&'static str; 3] =
        [Standing::Unknown.name(), Standing::Up.name(), Standing::Down.name()];

    /// The kind of [`Track::KINDS`] that has a number.
    pub const FILE: u8 = 2;

    /// To be filled by [`Reply::parse`].
    const EMPTY: Self = Self { name: String::new(), kind: 0, state: 0, number: 0, adds: 0, is_fault: false };

    fn exchange(&mut self, fields: &mut Fields<'_>) {
        fields.text(&mut self.name);
        fields.u8(&mut self.kind);
        fields.u8(&mut self.state);
        fields.flag(&mut self.is_fault);
        for number in [&mut self.number, &mut self.adds] {
            let mut bits = number.cast_unsigned();
            fields.u32(&mut bits);
            *number = bits.cast_signed();
        }
    }
}

impl Session {
    /// The words for [`Session::state`] and [`Session::remote_state`].
    pub const STATES: [&'static str; 4] = [
        bfd::State::AdminDown.name(),
        bfd::State::Down.name(),
        bfd::State::Init.name(),
        bfd::State::Up.name(),
    ];

    /// To be filled by [`Reply::parse`].
    const EMPTY: Self = Self {
        name: String::new(),
        neighbor: ip::Text::new(),
        state: 0,
        remote_state: 0,
        diagnostic: 0,
        since_secs: 0,
        losses: 0,
        interval_us: 0,
        detection_us: 0,
    };

    fn exchange(&mut self, fields: &mut Fields<'_>) {
        fields.text(&mut self.name);
        fields.text(&mut self.neighbor);
        for number in [&mut self.state, &mut self.remote_state, &mut self.diagnostic] {
            fields.u8(number);
        }
        for number in [&mut self.since_secs, &mut self.losses, &mut self.interval_us, &mut self.detection_us]
        {
            fields.u32(number);
        }
    }
}

impl Stranger {
    /// To be filled by [`Reply::parse`].
    const EMPTY: Self = Self {
        interface: String::new(),
        source: ip::Text::new(),
        vrid: 0,
        reason: 0,
        count: 0,
        seen_secs: 0,
    };

    fn exchange(&mut self, fields: &mut Fields<'_>) {
        fields.text(&mut self.interface);
        fields.text(&mut self.source);
        fields.u8(&mut self.vrid);
        fields.u8(&mut self.reason);
        fields.u32(&mut self.count);
        fields.u32(&mut self.seen_secs);
    }
}

/// The fields of a packet, one after another: taken from it, or added to it.
struct Fields<'a> {
    side: Side<'a>,
    /// The packet is too short, or a field has a value that it cannot have.
    failed: bool,
}

enum Side<'a> {
    From(&'a [u8]),
    To(Writer<'a>),
}

impl Fields<'_> {
    fn bytes(&mut self, field: &mut [u8]) {
        match &mut self.side {
            Side::To(writer) => self.failed |= writer.put(field).is_err(),
            Side::From(rest) => match rest.split_at_checked(field.len()) {
                Some((bytes, others)) => {
                    field.copy_from_slice(bytes);
                    *rest = others;
                }
                None => self.failed = true,
            },
        }
    }

    fn u8(&mut self, field: &mut u8) {
        self.bytes(core::slice::from_mut(field));
    }

    fn u16(&mut self, field: &mut u16) {
        let mut bytes = field.to_le_bytes();
        self.bytes(&mut bytes);
        *field = u16::from_le_bytes(bytes);
    }

    fn u32(&mut self, field: &mut u32) {
        let mut bytes = field.to_le_bytes();
        self.bytes(&mut bytes);
        *field = u32::from_le_bytes(bytes);
    }

    fn flag(&mut self, field: &mut bool) {
        let mut byte = u8::from(*field);
        self.u8(&mut byte);
        *field = byte == 1;
        self.failed |= byte > 1;
    }

    fn optional(&mut self, field: &mut Option<u32>) {
        let mut is_some = field.is_some();
        let mut number = field.unwrap_or(0);
        self.flag(&mut is_some);
        self.u32(&mut number);
        *field = is_some.then_some(number);
    }

    /// The number of its bytes, 0 for none, then these.
    fn address(&mut self, field: &mut Option<IpAddr>) {
        let mut bytes = [0; 16];
        let mut len = field.map_or(0, |address| ip::octets(&address, &mut bytes).len() as u8);
        self.u8(&mut len);
        let octets = bytes.get_mut(..usize::from(len)).unwrap_or_default();
        self.bytes(octets);
        *field = ip::from_octets(octets);
        self.failed |= len > 0 && field.is_none();
    }

    /// The number of its bytes, then these.
    fn text(&mut self, field: &mut StringView) {
        // No text of a reply is longer than 255 bytes.
        let mut len = field.len() as u8;
        self.u8(&mut len);
        match &mut self.side {
            Side::To(writer) => self.failed |= writer.put(field.as_bytes()).is_err(),
            Side::From(rest) => {
                let Some((bytes, others)) = rest.split_at_checked(usize::from(len)) else {
                    self.failed = true;
                    return;
                };
                *rest = others;
                field.clear();
                let text = core::str::from_utf8(bytes).unwrap_or("");
                self.failed |= text.len() != bytes.len() || field.push_str(text).is_err();
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longest_record() -> Record {
        let address = Some("fe80:1111:2222:3333:4444:5555:6666:7777".parse().unwrap());
        let mut counters = Counters::new();
        counters.sent = u32::MAX;
        counters.received = u32::MAX;
        for reason in Discard::ALL {
            counters.discard(reason);
        }
        Record {
            name: cut("an instance with a very long name"),
            interface: cut("interface-names"),
            vrid: 255,
            is_ipv6: true,
            version: 3,
            phase: Phase::Initialize,
            cause: cut(&"x".repeat(96)),
            since_secs: u32::MAX,
            priority: 255,
            base_priority: 255,
            interval_centis: 4095,
            source: address,
            address,
            addresses: u16::MAX,
            master: address,
            master_priority: Some(255),
            peer_checksum_is_rfc9568: true,
            heard_ms: Some(u32::MAX),
            deadline_ms: Some(u32::MAX),
            is_released: true,
            tracks: [Span { start: 1, len: u16::MAX }, Span { start: u16::MAX, len: 2 }],
            counters,
        }
    }

    fn longest_stranger() -> Stranger {
        Stranger {
            interface: cut("interface-names"),
            source: cut("fe80:1111:2222:3333:4444:5555:6666:7777"),
            vrid: 255,
            reason: Discard::Initialize as u8,
            count: u32::MAX,
            seen_secs: u32::MAX,
        }
    }

    #[cfg(feature = "ipvs")]
    fn busy() -> crate::wire::ipvs::Counters {
        crate::wire::ipvs::Counters {
            connections: u64::MAX,
            packets_in: 1,
            packets_out: 2,
            bytes_in: u64::MAX - 1,
            bytes_out: 3,
        }
    }

    fn journey(reply: &mut Reply) -> Option<Reply> {
        let mut buffer = [0xa5; PACKET_BYTES_MAX];
        let len = reply.emit(&mut buffer).unwrap();
        Reply::parse(&buffer[..len])
    }

    #[test]
    fn the_longest_record_fits_a_packet_and_survives_the_journey() {
        let mut reply = Reply::Record(longest_record());
        assert_eq!(journey(&mut reply), Some(reply));
    }

    #[test]
    fn the_longest_problem_and_the_longest_file_name_fit_a_packet() {
        let text = cut(&"x".repeat(1000));
        let problem = Reply::Problem { line: Some(u32::MAX), is_warning: true, text };
        for mut reply in [problem, Reply::File(cut(&"x".repeat(1000)))] {
            assert_eq!(journey(&mut reply), Some(reply));
        }
    }

    #[test]
    fn every_reply_and_request_survives_the_journey() {
        let v4 = Record {
            source: Some("192.0.2.1".parse().unwrap()),
            address: None,
            phase: Phase::Master,
            is_ipv6: false,
            master_priority: None,
            ..longest_record()
        };
        let problem = Reply::Problem { line: None, is_warning: false, text: cut("é") };
        let stray = core::array::from_fn(|position| position as u32);
        for mut reply in [
            Reply::Record(v4),
            Reply::Record(Record::EMPTY),
            Reply::Stray(stray),
            Reply::Stranger(longest_stranger()),
            Reply::Stranger(Stranger::EMPTY),
            Reply::Track(Track::EMPTY),
            Reply::Track(Track {
                name: cut(&"n".repeat(NAME_BYTES_MAX)),
                kind: 2,
                state: 1,
                number: i32::MIN,
                adds: -253,
                is_fault: true,
            }),
            problem,
            #[cfg(feature = "bfd")]
            Reply::Session(Session {
                name: cut(&"n".repeat(NAME_BYTES_MAX)),
                neighbor: ip::text("2001:db8:1:2:3:4:5:6".parse().unwrap()),
                state: 3,
                remote_state: 1,
                diagnostic: 31,
                since_secs: u32::MAX,
                losses: 7,
                interval_us: 10_000,
                detection_us: u32::MAX - 1,
            }),
            #[cfg(feature = "ipvs")]
            Reply::Service(Service {
                name: cut(&"n".repeat(NAME_BYTES_MAX)),
                protocol: Service::MARK,
                address: ip::text("2001:db8:1:2:3:4:5:6".parse().unwrap()),
                number: u32::MAX,
                scheduler: cut("a-long-schedule"),
                is_up: true,
                is_in_kernel: true,
                living: u16::MAX,
                servers: Span { start: 1, len: u16::MAX },
                counters: busy(),
            }),
            #[cfg(feature = "ipvs")]
            Reply::Server(Server {
                name: cut(&"n".repeat(NAME_BYTES_MAX)),
                address: ip::text("2001:db8:1:2:3:4:5:6".parse().unwrap()),
                port: u16::MAX,
                forward: 3,
                state: 2,
                weight: u16::MAX,
                kernel_weight: Some(u32::MAX),
                active: u32::MAX,
                inactive: 7,
                counters: busy(),
            }),
            Reply::Reloaded(true),
            Reply::Reloaded(false),
            Reply::Known(true),
            Reply::End,
        ] {
            assert_eq!(journey(&mut reply), Some(reply));
        }
        for request in [Request::Status, Request::Reload, Request::Release("lan"), Request::Reclaim("lan")] {
            let mut buffer = [0xa5; PACKET_BYTES_MAX];
            let len = request.emit(&mut buffer).unwrap();
            assert_eq!(Request::parse(&buffer[..len]), Some(request));
        }
        #[cfg(feature = "watch")]
        assert_eq!(Request::parse(&[FORMAT, 4]), Some(Request::Watch));
    }

    /// A client or daemon of another release, a packet that is cut, and one with more behind it.
    #[test]
    fn what_is_not_exactly_a_packet_is_refused() {
        let mut buffer = [0; PACKET_BYTES_MAX];
        let len = Reply::Record(longest_record()).emit(&mut buffer).unwrap();
        for cut in 0..len {
            assert_eq!(Reply::parse(&buffer[..cut]), None, "{cut}");
            assert_eq!(Reply::Record(longest_record()).emit(&mut [0; PACKET_BYTES_MAX][..cut]), Err(Full));
        }
        assert_eq!(Reply::parse(&buffer[..=len]), None);
        for (packet, what) in [
            (&[FORMAT + 1, 5][..], "format"),
            (&[FORMAT, 12], "kind"),
            (&[FORMAT, 4, 2], "flag"),
            (&[FORMAT, 2, 2, 0xc3, 0x28], "UTF-8"),
            (&[FORMAT, 2, 200], "length"),
        ] {
            assert_eq!(Reply::parse(packet), None, "{what}");
        }
        assert_eq!(Request::parse(&[FORMAT + 1, 0]), None);
        assert_eq!(Request::parse(&[FORMAT, 99]), None);
        assert_eq!(Request::parse(&[FORMAT, 0, 0]), None);
        // An address of five bytes: the third field after three texts, four numbers, three flags and two more.
        let mut record = Record::EMPTY;
        let len = Reply::Record(record.clone()).emit(&mut buffer).unwrap();
        let at = 2 + 3 + 4 + 3 + 4;
        assert_eq!(buffer[at], 0);
        buffer[at] = 5;
        assert_eq!(Reply::parse(&buffer[..len]), None);
        record.phase = Phase::Master;
        let len = Reply::Record(record).emit(&mut buffer).unwrap();
        let at = at + 3;
        assert_eq!(buffer[at], 2);
        buffer[at] = 3;
        assert_eq!(Reply::parse(&buffer[..len]), None);
    }

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut::<3>("aéé"), "aé");
        assert_eq!(cut::<3>("aaaé"), "aaa");
        assert_eq!(cut::<9>("aé"), "aé");
    }

    #[test]
    fn no_bytes_make_a_client_or_the_daemon_panic() {
        for seed in 0..2000u32 {
            let mut bytes: std::vec::Vec<u8> = (0..PACKET_BYTES_MAX)
                .map(|i| (seed.wrapping_mul(2_654_435_761).rotate_left(i as u32) >> 3) as u8)
                .collect();
            let _ = Request::parse(&bytes);
            let _ = Reply::parse(&bytes);
            bytes[0] = FORMAT;
            bytes[1] %= 12;
            let _ = Reply::parse(&bytes);
        }
    }
}
