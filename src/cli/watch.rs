//! `vipd watch`: what happens, as it happens. The daemon tells its transitions; the adverts of everybody are heard
//! with ears of our own, so they are also told where no daemon runs or none is configured for them.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use super::ask::Answer;
use super::show::{REASONS, family, json_name, json_null, json_numbers, json_text, quoted};
use super::{ANSWER, Command, Exit, Format, complain_of};
use crate::config::Family;
use crate::linux::control::{Connection, Received};
use crate::linux::ears::Ears;
use crate::linux::output::Output;
use crate::linux::poll::{self, Waiting};
use crate::linux::{self, clock};
use crate::router::Packet;
use crate::status::{PACKET_BYTES_MAX, Record, Reply, Request};
use crate::vrrp::Phase;
use crate::wire::frame::Ipv4Packet;
use crate::wire::ip;
use crate::wire::vrrp::{Advert, Discard, PRIORITY_RESIGN, TTL, vrid_of};

/// The groups that everybody uses (RFC 9568 §5.1.1.2, §5.1.2.2). What is sent to another one is heard where the daemon
/// has joined that.
const GROUP_V4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 18);
const GROUP_V6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x12);

/// How often a daemon that is not there is looked for.
const PAUSE: Duration = Duration::from_secs(1);

#[inline(never)]
pub(super) fn watch(command: &Command<'_>) -> Exit {
    let Some(answer) = ANSWER.take() else { return Exit::Refused };
    let is_json = command.format == Format::Json;
    let mut watch = Watch { is_json, answer, daemon: None };
    match watch.go_on(command) {
        // Whoever read this has gone.
        Ok(()) => Exit::Done,
        Err(error) => {
            complain_of("watch", &error);
            if error.is_privilege() { Exit::Refused } else { Exit::Wrong }
        }
    }
}

struct Watch {
    is_json: bool,
    /// The virtual routers, as the daemon has told them last.
    answer: &'static mut Answer,
    daemon: Option<Connection>,
}

/// What was heard.
struct Heard<'a> {
    interface: &'a str,
    source: IpAddr,
    destination: IpAddr,
    ttl: u8,
    message: &'a [u8],
}

impl Watch {
    fn go_on(&mut self, command: &Command<'_>) -> Result<(), linux::Error> {
        let mut ears = Ears::open()?;
        ears.join(GROUP_V4, GROUP_V6);
        let mut is_said = false;
        loop {
            if self.daemon.is_none() {
                self.daemon = ask(command)
                    .inspect_err(|error| {
                        if !is_said {
                            complain_of(command.socket.to_str().unwrap_or("socket"), error);
                        }
                    })
                    .ok();
                is_said = true;
            }
            let daemon = self.daemon.as_ref().map_or(Waiting::NEVER, Waiting::to_read);
            let [v4, v6] = ears.interests();
            let timeout = self.daemon.is_none().then_some(PAUSE);
            poll::wait(&mut [daemon, v4, v6], timeout)?;
            let mut out = Output::stdout();
            self.take_records(&mut out);
            ears.receive(&mut |interface, packet| {
                if let Some(heard) = Heard::of(interface, &packet) {
                    self.advert(&heard, &mut out);
                }
            })?;
            if out.finish().is_err() {
                return Ok(());
            }
        }
    }

    /// Takes what the daemon has told.
    fn take_records(&mut self, out: &mut Output) {
        let mut buffer = [0; PACKET_BYTES_MAX];
        while let Some(daemon) = &self.daemon {
            match daemon.receive(&mut buffer) {
                Ok(Received::Nothing) => break,
                Ok(Received::Packet(packet)) => {
                    if let Some(Reply::Record(record)) = Reply::parse(packet) {
                        self.record(record, out);
                    }
                }
                Ok(Received::Closed) | Err(_) => {
                    self.daemon = None;
                    self.answer.records.clear();
                }
            }
        }
    }

    /// A virtual router has moved, or is told for the first time.
    fn record(&mut self, record: Record, out: &mut Output) {
        let is_it = |known: &Record| known.name == record.name && known.is_ipv6 == record.is_ipv6;
        let place = self.answer.records.iter().position(is_it);
        let known = place.and_then(|place| self.answer.records.get(place));
        self.transition(known.map(|known| known.phase), &record, out);
        match place.and_then(|place| self.answer.records.get_mut(place)) {
            Some(known) => *known = record,
            // The daemon is the same program, with the same limits.
            None => drop(self.answer.records.push(record)),
        }
    }

    fn transition(&self, before: Option<Phase>, record: &Record, out: &mut Output) {
        self.begin("transition", &record.interface, out);
        if self.is_json {
            json_text(out, "instance", &record.name);
            json_text(out, "family", family(record));
            json_numbers(out, ",", &["vrid", "priority"], &[record.vrid.into(), record.priority.into()]);
            match before {
                Some(before) => json_text(out, "from", before.name()),
                None => json_null(out, "from"),
            }
            json_text(out, "to", record.phase.name());
            json_text(out, "reason", &record.cause);
            return out.text("}\n");
        }
        for text in [record.name.as_str(), if record.is_ipv6 { " IPv6" } else { " IPv4" }, ", VRID "] {
            out.text(text);
        }
        out.number(record.vrid.into());
        out.text(": ");
        if let Some(before) = before {
            out.text(before.name());
            out.text(" -> ");
        }
        for text in [record.phase.name(), " (", &record.cause, ")\n"] {
            out.text(text);
        }
    }

    fn advert(&self, heard: &Heard<'_>, out: &mut Output) {
        let vrid = vrid_of(heard.message).map_or(0, |vrid| vrid.get());
        let advert = Advert::parse(heard.message, heard.source, heard.destination);
        self.begin(if advert.is_ok() { "advert" } else { "refused" }, heard.interface, out);
        let is_ours = |record: &&Record| {
            record.vrid == vrid
                && record.is_ipv6 == (Family::of(heard.source) == Family::V6)
                && record.interface == heard.interface
        };
        let instance = self.answer.records.iter().find(is_ours).map(|record| record.name.as_str());
        if self.is_json {
            heard.json(vrid, &advert, instance, out);
        } else {
            heard.line(vrid, &advert, instance, out);
        }
    }

    /// The beginning of a line: when, what and where.
    fn begin(&self, what: &str, interface: &str, out: &mut Output) {
        let (secs, millis) = clock::time_of_day();
        if self.is_json {
            out.text("{\"time\":");
            out.number(secs);
            out.text(".");
            padded(millis, 100, out);
            json_text(out, "event", what);
            return json_text(out, "interface", interface);
        }
        for (number, behind) in [(secs / 3600 % 24, ":"), (secs / 60 % 60, ":"), (secs % 60, ".")] {
            padded(number, 10, out);
            out.text(behind);
        }
        padded(millis, 100, out);
        out.text("  ");
        out.cell(interface, 10);
        out.text(" ");
    }
}

/// Asks the daemon to tell what moves.
fn ask(command: &Command<'_>) -> Result<Connection, linux::Error> {
    let connection = Connection::connect(command.socket, Duration::ZERO)?;
    let mut buffer = [0; PACKET_BYTES_MAX];
    // It fits.
    let len = Request::Watch.emit(&mut buffer).unwrap_or(0);
    connection.send(buffer.get(..len).unwrap_or(&[]))?;
    Ok(connection)
}

/// A number with zeros before it, as many as `least` has behind its one.
fn padded(number: u32, least: u32, out: &mut Output) {
    let mut least = least;
    while least > number.max(1) {
        out.text("0");
        least /= 10;
    }
    out.number(number);
}

impl<'a> Heard<'a> {
    /// `None`: it is no packet.
    fn of(interface: &'a str, packet: &Packet<'a>) -> Option<Self> {
        match *packet {
            Packet::V4 { packet, .. } => {
                let Ipv4Packet { source, destination, ttl, payload } = Ipv4Packet::parse(packet).ok()?;
                let (source, destination) = (source.into(), destination.into());
                Some(Self { interface, source, destination, ttl, message: payload })
            }
            Packet::V6 { source, destination, hop_limit, message, .. } => {
                let (source, destination) = (source.into(), destination.into());
                Some(Self { interface, source, destination, ttl: hop_limit, message })
            }
        }
    }

    fn line(&self, vrid: u8, advert: &Result<Advert<'_>, Discard>, instance: Option<&str>, out: &mut Output) {
        out.text(&ip::text(self.source));
        out.text(": VRID ");
        out.number(vrid.into());
        match advert {
            Ok(advert) => {
                out.text(", version ");
                out.number(advert.version.number().into());
                if advert.priority == PRIORITY_RESIGN {
                    out.text(", resigns");
                } else {
                    out.text(", priority ");
                    out.number(advert.priority.into());
                }
                let centis = u32::from(advert.interval.centis());
                out.text(", every ");
                out.number(centis / 100);
                if centis % 100 > 0 {
                    out.text(".");
                    padded(centis % 100, 10, out);
                }
                let mut lead = " s, for ";
                for address in self.addresses(advert) {
                    out.text(lead);
                    out.text(&ip::text(address));
                    lead = " ";
                }
            }
            Err(reason) => {
                out.text(", refused: ");
                out.text(REASONS.get(*reason as usize).unwrap_or(&""));
            }
        }
        if self.ttl != TTL {
            out.text(", TTL ");
            out.number(self.ttl.into());
        }
        out.text("; ");
        out.text(instance.unwrap_or("not configured here"));
        out.text("\n");
    }

    fn json(&self, vrid: u8, advert: &Result<Advert<'_>, Discard>, instance: Option<&str>, out: &mut Output) {
        json_text(out, "source", &ip::text(self.source));
        match instance {
            Some(instance) => json_text(out, "instance", instance),
            None => json_null(out, "instance"),
        }
        json_numbers(out, ",", &["vrid", "ttl"], &[vrid.into(), self.ttl.into()]);
        match advert {
            Ok(advert) => {
                let names = ["version", "priority", "interval_cs"];
                let (version, interval) = (advert.version.number(), advert.interval.centis());
                json_numbers(out, ",", &names, &[version.into(), advert.priority.into(), interval.into()]);
                json_name(out, ",", "addresses");
                let mut lead = "[";
                for address in self.addresses(advert) {
                    out.text(lead);
                    quoted(&ip::text(address), out);
                    lead = ",";
                }
                out.text("]");
            }
            Err(reason) => json_text(out, "reason", REASONS.get(*reason as usize).unwrap_or(&"")),
        }
        out.text("}\n");
    }

    fn addresses<'b>(&self, advert: &Advert<'b>) -> impl Iterator<Item = IpAddr> + use<'b> {
        let len = match self.source {
            IpAddr::V4(_) => 4,
            IpAddr::V6(_) => 16,
        };
        advert.addresses.chunks_exact(len).filter_map(ip::from_octets)
    }
}
