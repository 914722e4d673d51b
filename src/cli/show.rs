//! Status records as a table, as JSON and as Prometheus text.

use core::fmt::{self, Write};

use crate::status::Record;
use crate::vrrp::Phase;
use crate::wire::ip;
use crate::wire::vrrp::Discard;

/// Counts of packets that belong to no virtual router.
pub type Stray = [u32; Discard::ALL.len()];

/// A table for people, one virtual router a line, and a second line that says why.
///
/// # Errors
/// Those of `out`.
pub fn table(records: &[Record], stray: &Stray, out: &mut impl Write) -> fmt::Result {
    writeln!(
        out,
        "{:<14} {:<4} {:<10} {:>4} {:<10} {:>8} {:>4} {:<26} {:>9} {:>9} {:>7}",
        "INSTANCE",
        "IP",
        "INTERFACE",
        "VRID",
        "STATE",
        "SINCE",
        "PRIO",
        "MASTER",
        "SENT",
        "RECEIVED",
        "DROPPED"
    )?;
    for record in records {
        let dropped: u32 = record.counters.discards().iter().fold(0, |sum, count| sum.wrapping_add(*count));
        let family = if record.is_ipv6 { "v6" } else { "v4" };
        write!(out, "{:<14} {family:<4} {:<10} {:>4} ", record.name, record.interface, record.vrid)?;
        write!(out, "{:<10} {:>8} {:>4} ", record.phase.name(), Age(record.since_secs), record.priority)?;
        match record.master {
            Some(master) => write!(out, "{:<26} ", ip::text(master))?,
            None => write!(out, "{:<26} ", "-")?,
        }
        writeln!(out, "{:>9} {:>9} {dropped:>7}", record.counters.sent, record.counters.received)?;
        write!(out, "  {}", record.cause)?;
        match (record.phase, record.deadline_ms) {
            (Phase::Backup, Some(ms)) => write!(out, "; takes over in {ms} ms unless the master is heard")?,
            (Phase::Master, Some(ms)) => write!(out, "; next advert in {ms} ms")?,
            (Phase::Initialize, _) | (_, None) => {}
        }
        if record.peer_checksum_is_rfc9568 {
            write!(out, "; the peer sends RFC 9568 checksums")?;
        }
        writeln!(out)?;
        dropped_line(out, "dropped", record.counters.discards())?;
    }
    dropped_line(out, "packets for nobody here", stray)
}

/// One JSON object: `instances`, an array with an object for every virtual router, and `stray`.
///
/// # Errors
/// Those of `out`.
pub fn json(records: &[Record], stray: &Stray, out: &mut impl Write) -> fmt::Result {
    out.write_str("{\"instances\":[")?;
    for (position, record) in records.iter().enumerate() {
        if position > 0 {
            out.write_char(',')?;
        }
        json_record(record, out)?;
    }
    out.write_str("],\"stray\":")?;
    json_discards(stray, out)?;
    out.write_str("}\n")
}

fn json_record(record: &Record, out: &mut impl Write) -> fmt::Result {
    write!(out, "{{\"name\":{},\"interface\":{}", Quoted(&record.name), Quoted(&record.interface))?;
    write!(out, ",\"family\":\"{}\"", family(record))?;
    for (name, value) in [
        ("vrid", u32::from(record.vrid)),
        ("version", u32::from(record.version)),
        ("since_s", record.since_secs),
        ("priority", u32::from(record.priority)),
        ("base_priority", u32::from(record.base_priority)),
        ("interval_cs", u32::from(record.interval_centis)),
        ("addresses", u32::from(record.addresses)),
    ] {
        write!(out, ",\"{name}\":{value}")?;
    }
    write!(out, ",\"state\":\"{}\",\"reason\":{}", record.phase.name(), Quoted(&record.cause))?;
    for (name, address) in [("source", record.source), ("address", record.address), ("master", record.master)]
    {
        match address {
            Some(address) => write!(out, ",\"{name}\":\"{}\"", ip::text(address))?,
            None => write!(out, ",\"{name}\":null")?,
        }
    }
    for (name, value) in [
        ("master_priority", record.master_priority.map(u32::from)),
        ("heard_ms", record.heard_ms),
        ("deadline_ms", record.deadline_ms),
    ] {
        match value {
            Some(value) => write!(out, ",\"{name}\":{value}")?,
            None => write!(out, ",\"{name}\":null")?,
        }
    }
    let peer = if record.peer_checksum_is_rfc9568 { "rfc9568" } else { "rfc5798" };
    write!(out, ",\"peer_checksum\":\"{peer}\",\"counters\":{{")?;
    for (position, (name, _, value)) in counters(record).into_iter().enumerate() {
        let comma = if position > 0 { "," } else { "" };
        write!(out, "{comma}\"{name}\":{value}")?;
    }
    out.write_str("},\"dropped\":")?;
    json_discards(record.counters.discards(), out)?;
    out.write_char('}')
}

fn json_discards(discards: &Stray, out: &mut impl Write) -> fmt::Result {
    out.write_char('{')?;
    for (position, (reason, count)) in Discard::ALL.iter().zip(discards).enumerate() {
        let comma = if position > 0 { "," } else { "" };
        write!(out, "{comma}\"{}\":{count}", reason.name())?;
    }
    out.write_char('}')
}

/// Prometheus' text format, for node-exporter's textfile collector.
///
/// # Errors
/// Those of `out`.
pub fn prometheus(records: &[Record], stray: &Stray, out: &mut impl Write) -> fmt::Result {
    gauge(out, "vipd_state", "0 initialize, 1 backup, 2 master", records, |record| match record.phase {
        Phase::Initialize => 0,
        Phase::Backup => 1,
        Phase::Master => 2,
    })?;
    gauge(out, "vipd_state_seconds", "Time in the state", records, |record| record.since_secs)?;
    gauge(out, "vipd_priority", "Priority at the moment", records, |record| u32::from(record.priority))?;
    for (position, (name, help, _)) in records.first().map(counters).into_iter().flatten().enumerate() {
        writeln!(out, "# HELP vipd_{name}_total {help}\n# TYPE vipd_{name}_total counter")?;
        for record in records {
            let value = counters(record).get(position).map_or(0, |(_, _, value)| *value);
            writeln!(out, "vipd_{name}_total{{{}}} {value}", Labels(record))?;
        }
    }
    writeln!(out, "# HELP vipd_dropped_total Packets dropped, by reason\n# TYPE vipd_dropped_total counter")?;
    for record in records {
        for (reason, count) in Discard::ALL.iter().zip(record.counters.discards()) {
            writeln!(out, "vipd_dropped_total{{{},reason=\"{}\"}} {count}", Labels(record), reason.name())?;
        }
    }
    writeln!(
        out,
        "# HELP vipd_stray_total Packets for nobody here, by reason\n# TYPE vipd_stray_total counter"
    )?;
    for (reason, count) in Discard::ALL.iter().zip(stray) {
        writeln!(out, "vipd_stray_total{{reason=\"{}\"}} {count}", reason.name())?;
    }
    Ok(())
}

fn gauge(
    out: &mut impl Write,
    name: &str,
    help: &str,
    records: &[Record],
    value: fn(&Record) -> u32,
) -> fmt::Result {
    writeln!(out, "# HELP {name} {help}\n# TYPE {name} gauge")?;
    for record in records {
        writeln!(out, "{name}{{{}}} {}", Labels(record), value(record))?;
    }
    Ok(())
}

/// Name, meaning and value of every counter.
fn counters(record: &Record) -> [(&'static str, &'static str, u32); 11] {
    let counters = &record.counters;
    [
        ("adverts_sent", "Advertisements sent", counters.sent),
        ("adverts_received", "Advertisements accepted", counters.received),
        ("resignations_sent", "Advertisements sent with priority 0", counters.sent_zero),
        ("resignations_received", "Advertisements accepted with priority 0", counters.received_zero),
        (
            "other_interval",
            "Advertisements accepted with another interval than ours",
            counters.other_interval,
        ),
        ("contended", "Advertisements of others who believed to be master", counters.contended),
        ("became_master", "Transitions to master", counters.became_master),
        ("released_master", "Transitions from master", counters.released_master),
        ("announced", "Bursts of gratuitous ARP or neighbour advertisements", counters.announced),
        ("put_back", "Addresses put back after somebody removed them", counters.put_back),
        ("send_failures", "Advertisements that could not be sent", counters.failed),
    ]
}

fn dropped_line(out: &mut impl Write, what: &str, discards: &Stray) -> fmt::Result {
    let mut lead = what;
    for (reason, count) in Discard::ALL.iter().zip(discards).filter(|(_, count)| **count > 0) {
        let comma = if lead.is_empty() { "," } else { "  " };
        write!(out, "{comma}{lead} {} {count}", reason.name())?;
        lead = "";
    }
    if lead.is_empty() { writeln!(out) } else { Ok(()) }
}

const fn family(record: &Record) -> &'static str {
    if record.is_ipv6 { "ipv6" } else { "ipv4" }
}

/// The labels of a Prometheus sample.
struct Labels<'a>(&'a Record);

impl fmt::Display for Labels<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(record) = self;
        write!(f, "instance={},interface={}", Quoted(&record.name), Quoted(&record.interface))?;
        write!(f, ",family=\"{}\",vrid=\"{}\"", family(record), record.vrid)
    }
}

/// Text between quotes, escaped as JSON and Prometheus both understand.
struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        for character in self.0.chars() {
            match character {
                '"' | '\\' => write!(f, "\\{character}")?,
                '\n' => f.write_str("\\n")?,
                control if control < ' ' => write!(f, "\\u{:04x}", control as u32)?,
                other => f.write_char(other)?,
            }
        }
        f.write_char('"')
    }
}

/// Seconds as `5s`, `12m30s`, `3h07m`, `9d04h`; right-aligned by the caller's width.
struct Age(u32);

impl fmt::Display for Age {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (secs, minutes, hours, days) = (self.0, self.0 / 60, self.0 / 3600, self.0 / 86_400);
        let mut text = heapless::String::<16>::new();
        if days > 0 {
            write!(text, "{days}d{:02}h", hours % 24)?;
        } else if hours > 0 {
            write!(text, "{hours}h{:02}m", minutes % 60)?;
        } else if minutes > 0 {
            write!(text, "{minutes}m{:02}s", secs % 60)?;
        } else {
            write!(text, "{secs}s")?;
        }
        f.pad(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_as_precise_as_it_is_short() {
        let age = |secs| std::format!("{:>8}", Age(secs));
        assert_eq!(age(5), "      5s");
        assert_eq!(age(750), "  12m30s");
        assert_eq!(age(11_220), "   3h07m");
        assert_eq!(age(792_000), "   9d04h");
        assert_eq!(age(u32::MAX), "49710d06h");
    }

    #[test]
    fn quotes_and_control_characters_are_escaped() {
        assert_eq!(std::format!("{}", Quoted("a\"b\\c\n\u{1}")), "\"a\\\"b\\\\c\\n\\u0001\"");
    }
}
