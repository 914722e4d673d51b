//! Status records as a table, as JSON and as Prometheus text.

use super::ask::Answer;
use super::balance;
use crate::linux::output::Output;
use crate::status::{Record, Session, Stranger, Track};
use crate::vrrp::{Fault, Phase};
use crate::wire::ip;
use crate::wire::vrrp::Discard;

/// Counts of packets that belong to no virtual router.
pub type Stray = [u32; Discard::ALL.len()];

/// The words for [`Discard::ALL`].
pub(super) static REASONS: [&str; Discard::ALL.len()] = {
    let mut names = [""; Discard::ALL.len()];
    let mut next = 0;
    while next < names.len() {
        names[next] = Discard::ALL[next].name();
        next += 1;
    }
    names
};

/// A table for people, one virtual router a line, and a second line that says why; under it, who is refused.
pub fn table(answer: &Answer, out: &mut Output) {
    out.text(
        "INSTANCE       IP   INTERFACE  VRID STATE         SINCE PRIO MASTER                          SENT  \
         RECEIVED DROPPED\n",
    );
    for record in &answer.records {
        row(record, out);
        why(record, out);
        tracks(record, answer, out);
        dropped(out, "dropped", record.counters.discards());
    }
    if cfg!(feature = "bfd") {
        sessions(&answer.sessions, &BFD_LINE, out);
    }
    if cfg!(feature = "ipvs") {
        balance::table(answer, out);
    }
    dropped(out, "packets for nobody here", &answer.stray);
    strangers(&answer.strangers, &STRANGER_LINE, out);
}

/// How one of a list is written: its texts, and then its numbers.
struct Words {
    between: &'static str,
    before_texts: &'static [&'static str],
    put_text: fn(&str, &mut Output),
    before_numbers: &'static [&'static str],
    end: &'static str,
}

static STRANGER_LINE: Words = Words {
    between: "",
    before_texts: &["  refused on ", ": ", " "],
    put_text: |text, out| out.text(text),
    before_numbers: &[", VRID ", ", ", " packet(s), the last "],
    end: " s ago\n",
};
static STRANGER_JSON: Words = Words {
    between: ",",
    before_texts: &["{\"interface\":", ",\"source\":", ",\"reason\":"],
    put_text: quoted,
    before_numbers: &[",\"vrid\":", ",\"count\":", ",\"seen_s\":"],
    end: "}",
};
static BFD_LINE: Words = Words {
    between: "",
    before_texts: &["  bfd ", " to ", ": ", ", the other end "],
    put_text: |text, out| out.text(text),
    before_numbers: &[", for ", " s, lost ", " time(s), diagnostic ", "; every ", " us, missed after "],
    end: " us\n",
};
static BFD_JSON: Words = Words {
    between: ",",
    before_texts: &["{\"name\":", ",\"neighbor\":", ",\"state\":", ",\"remote_state\":"],
    put_text: quoted,
    before_numbers: &[
        ",\"since_s\":",
        ",\"losses\":",
        ",\"diagnostic\":",
        ",\"interval_us\":",
        ",\"detection_us\":",
    ],
    end: "}",
};

impl Words {
    fn put(&self, texts: &[&str], numbers: &[u32], out: &mut Output) {
        for (text, before) in texts.iter().zip(self.before_texts) {
            out.text(before);
            (self.put_text)(text, out);
        }
        for (number, before) in numbers.iter().zip(self.before_numbers) {
            out.text(before);
            out.number(*number);
        }
        out.text(self.end);
    }
}

#[inline(never)]
fn strangers(all: &[Stranger], words: &Words, out: &mut Output) {
    let mut lead = "";
    for Stranger { interface, source, vrid, reason, count, seen_secs } in all {
        out.text(lead);
        lead = words.between;
        let reason = REASONS.get(usize::from(*reason)).unwrap_or(&"");
        words.put(&[interface, source, reason], &[u32::from(*vrid), *count, *seen_secs], out);
    }
}

#[inline(never)]
fn sessions(all: &[Session], words: &Words, out: &mut Output) {
    let mut lead = "";
    for session in all {
        out.text(lead);
        lead = words.between;
        let Session { name, neighbor, state, remote_state, .. } = session;
        let texts =
            [name, neighbor.as_str(), word(&Session::STATES, *state), word(&Session::STATES, *remote_state)];
        let Session { since_secs, losses, diagnostic, interval_us, detection_us, .. } = *session;
        words.put(&texts, &[since_secs, losses, diagnostic.into(), interval_us, detection_us], out);
    }
}

fn row(record: &Record, out: &mut Output) {
    let sum = record.counters.discards().iter().fold(0u32, |sum, count| sum.wrapping_add(*count));
    out.cell(&record.name, 15);
    out.cell(if record.is_ipv6 { "v6" } else { "v4" }, 5);
    out.cell(&record.interface, 10);
    out.number_cell(u32::from(record.vrid), 5);
    out.text(" ");
    out.cell(record.phase.name(), 10);
    age(record.since_secs, out);
    out.number_cell(u32::from(record.priority), 5);
    out.text(" ");
    match record.master {
        Some(master) => out.cell(&ip::text(master), 26),
        None => out.cell("-", 26),
    }
    out.number_cell(record.counters.sent, 10);
    out.number_cell(record.counters.received, 10);
    out.number_cell(sum, 8);
}

fn why(record: &Record, out: &mut Output) {
    out.text("\n  ");
    out.text(&record.cause);
    if record.is_released && record.cause != Fault::Released.name() {
        out.text("; ");
        out.text(Fault::Released.name());
    }
    let sentence = match record.phase {
        Phase::Initialize => ["", ""],
        Phase::Backup => ["; takes over in ", " ms unless the master is heard"],
        Phase::Master if record.is_released => ["; goes in ", " ms, or when another master is heard"],
        Phase::Master => ["; next advert in ", " ms"],
    };
    if let ([before, behind], Some(ms)) = (sentence, record.deadline_ms) {
        out.text(before);
        out.number(ms);
        out.text(behind);
    }
    if record.peer_checksum_is_rfc9568 {
        out.text("; the peer sends RFC 9568 checksums");
    }
    out.text("\n");
}

/// What it tracks, and what each makes of its priority.
fn tracks(record: &Record, answer: &Answer, out: &mut Output) {
    let mut lead = "  tracks: ";
    let mut sum = i32::from(record.base_priority);
    answer.each_track(record, &mut |track| {
        sum = sum.saturating_add(track.adds);
        out.text(lead);
        lead = ", ";
        out.text(&track.name);
        out.text(" ");
        if track.kind == Track::FILE {
            signed(track.number, out);
        } else {
            out.text(word(&Track::STATES, track.state));
        }
        if track.is_fault {
            out.text(" (fault)");
        } else if track.adds != 0 {
            out.text(if track.adds > 0 { " (+" } else { " (" });
            signed(track.adds, out);
            out.text(")");
        }
    });
    if lead == ", " {
        out.text("; base priority ");
        out.number(record.base_priority.into());
        // The owner's never changes, and that of others stays between 1 and 254.
        if sum != i32::from(record.priority) {
            out.text(", kept at ");
            out.number(record.priority.into());
        }
        out.text("\n");
    }
}

pub(super) fn word(words: &[&'static str], place: u8) -> &'static str {
    words.get(usize::from(place)).copied().unwrap_or("")
}

fn signed(number: i32, out: &mut Output) {
    if number < 0 {
        out.text("-");
    }
    out.number(number.unsigned_abs());
}

fn json_tracks(record: &Record, answer: &Answer, out: &mut Output) {
    json_name(out, ",", "tracks");
    let mut lead = "[{\"name\":";
    answer.each_track(record, &mut |track| {
        out.text(lead);
        lead = "},{\"name\":";
        quoted(&track.name, out);
        json_text(out, "kind", word(&Track::KINDS, track.kind));
        if track.kind == Track::FILE {
            json_name(out, ",", "number");
            signed(track.number, out);
        } else {
            json_text(out, "state", word(&Track::STATES, track.state));
        }
        json_name(out, ",", "adds");
        signed(track.adds, out);
        json_flag(out, "fault", track.is_fault);
    });
    out.text(if lead.starts_with('}') { "}]" } else { "[]" });
}

fn dropped(out: &mut Output, what: &str, discards: &Stray) {
    let mut lead = what;
    for (reason, count) in REASONS.iter().zip(discards) {
        if *count > 0 {
            out.text(if lead.is_empty() { "," } else { "  " });
            out.text(lead);
            out.text(" ");
            out.text(reason);
            out.text(" ");
            out.number(*count);
            lead = "";
        }
    }
    if lead.is_empty() {
        out.text("\n");
    }
}

/// Seconds as `5s`, `12m30s`, `3h07m`, `9d04h`, in nine columns.
fn age(secs: u32, out: &mut Output) {
    let (minutes, hours, days) = (secs / 60, secs / 3600, secs / 86_400);
    let (whole, unit, part, part_unit) = match (minutes, hours, days) {
        (0, _, _) => {
            out.number_cell(secs, 8);
            return out.text("s");
        }
        (_, 0, _) => (minutes, "m", secs % 60, "s"),
        (_, _, 0) => (hours, "h", minutes % 60, "m"),
        (_, _, _) => (days, "d", hours % 24, "h"),
    };
    out.number_cell(whole, 5);
    out.text(unit);
    out.text(if part < 10 { "0" } else { "" });
    out.number(part);
    out.text(part_unit);
}

/// One JSON object: `instances`, `bfd`, `virtual_servers` and `strangers`, arrays with an object for each, `stray`, and `status`, which is there
/// for LuCI; `now_secs` is the time of day, in seconds since 1970.
pub fn json(answer: &Answer, now_secs: u32, out: &mut Output) {
    out.text("{\"instances\":[");
    for (position, record) in answer.records.iter().enumerate() {
        out.text(if position > 0 { ",{" } else { "{" });
        json_record(record, out);
        json_tracks(record, answer, out);
        out.text("}");
    }
    if cfg!(feature = "bfd") {
        out.text("],\"bfd\":[");
        sessions(&answer.sessions, &BFD_JSON, out);
    }
    if cfg!(feature = "ipvs") {
        out.text("],\"virtual_servers\":[");
        balance::json(answer, out);
    }
    out.text("],\"stray\":{");
    json_numbers(out, "", &REASONS, &answer.stray);
    out.text("},\"strangers\":[");
    strangers(&answer.strangers, &STRANGER_JSON, out);
    out.text("],\"status\":[");
    for (position, record) in answer.records.iter().enumerate() {
        out.text(if position > 0 { ",{" } else { "{" });
        json_as_keepalived(record, now_secs, out);
    }
    out.text("]}\n");
}

/// What keepalived tells of a virtual router, as far as LuCI's pages for it read that, with their numbers of states.
fn json_as_keepalived(record: &Record, now_secs: u32, out: &mut Output) {
    let is_yet_to_start = [Fault::Starting, Fault::StartupDelay, Fault::Stopped];
    let state = match record.phase {
        Phase::Initialize if is_yet_to_start.iter().any(|fault| record.cause == fault.name()) => 0,
        Phase::Backup => 1,
        Phase::Master => 2,
        Phase::Initialize => 3,
    };
    out.text("\"data\":{\"iname\":");
    quoted(&record.name, out);
    json_text(out, "ifp_ifname", &record.interface);
    let last = now_secs.saturating_sub(record.since_secs);
    json_numbers(out, ",", &["vrid", "state", "last_transition"], &[record.vrid.into(), state, last]);
    out.text("},\"stats\":{");
    let it = &record.counters;
    let names = ["advert_sent", "advert_rcvd", "become_master", "release_master"];
    json_numbers(out, "", &names, &[it.sent, it.received, it.became_master, it.released_master]);
    out.text("}}");
}

/// The names of a record's numbers, of its addresses, and of what may not be known.
static NUMBERS: [&str; 7] =
    ["vrid", "version", "since_s", "priority", "base_priority", "interval_cs", "addresses"];
static ADDRESSES: [&str; 3] = ["source", "address", "master"];
static PERHAPS: [&str; 3] = ["master_priority", "heard_ms", "deadline_ms"];

fn json_record(record: &Record, out: &mut Output) {
    out.text("\"name\":");
    quoted(&record.name, out);
    json_text(out, "interface", &record.interface);
    json_text(out, "family", family(record));
    json_text(out, "state", record.phase.name());
    json_text(out, "reason", &record.cause);
    json_flag(out, "released", record.is_released);
    json_text(out, "peer_checksum", if record.peer_checksum_is_rfc9568 { "rfc9568" } else { "rfc5798" });
    let values = [
        record.vrid.into(),
        record.version.into(),
        record.since_secs,
        record.priority.into(),
        record.base_priority.into(),
        record.interval_centis.into(),
        record.addresses.into(),
    ];
    json_numbers(out, ",", &NUMBERS, &values);
    for (name, address) in ADDRESSES.iter().zip([&record.source, &record.address, &record.master]) {
        match address {
            Some(address) => json_text(out, name, &ip::text(*address)),
            None => json_null(out, name),
        }
    }
    let values = [record.master_priority.map(u32::from), record.heard_ms, record.deadline_ms];
    for (name, value) in PERHAPS.iter().zip(&values) {
        match value {
            Some(value) => json_numbers(out, ",", &[name], &[*value]),
            None => json_null(out, name),
        }
    }
    out.text(",\"counters\":{");
    json_numbers(out, "", &COUNTERS, &counters(record));
    out.text("},\"dropped\":{");
    json_numbers(out, "", &REASONS, record.counters.discards());
    out.text("}");
}

/// Members of an object that are numbers; `comma` stands before the first.
#[inline(never)]
pub(super) fn json_numbers(out: &mut Output, comma: &str, names: &[&str], values: &[u32]) {
    let mut comma = comma;
    for (name, value) in names.iter().zip(values) {
        json_name(out, comma, name);
        out.number(*value);
        comma = ",";
    }
}

#[inline(never)]
pub(super) fn json_text(out: &mut Output, name: &str, text: &str) {
    json_name(out, ",", name);
    quoted(text, out);
}

pub(super) fn json_flag(out: &mut Output, name: &str, flag: bool) {
    json_name(out, ",", name);
    out.text(if flag { "true" } else { "false" });
}

#[inline(never)]
pub(super) fn json_null(out: &mut Output, name: &str) {
    json_name(out, ",", name);
    out.text("null");
}

#[inline(never)]
pub(super) fn json_name(out: &mut Output, comma: &str, name: &str) {
    out.text(comma);
    quoted(name, out);
    out.text(":");
}

/// The names of [`counters`].
static COUNTERS: [&str; 11] = [
    "adverts_sent",
    "adverts_received",
    "resignations_sent",
    "resignations_received",
    "other_interval",
    "contended",
    "became_master",
    "released_master",
    "announced",
    "put_back",
    "send_failures",
];

const fn counters(record: &Record) -> [u32; 11] {
    let counters = &record.counters;
    [
        counters.sent,
        counters.received,
        counters.sent_zero,
        counters.received_zero,
        counters.other_interval,
        counters.contended,
        counters.became_master,
        counters.released_master,
        counters.announced,
        counters.put_back,
        counters.failed,
    ]
}

pub(super) const fn family(record: &Record) -> &'static str {
    if record.is_ipv6 { "ipv6" } else { "ipv4" }
}

/// Text between quotes, escaped as JSON and Prometheus both understand.
#[inline(never)]
pub(super) fn quoted(text: &str, out: &mut Output) {
    out.text("\"");
    for byte in text.as_bytes() {
        match byte {
            b'"' | b'\\' => out.put(&[b'\\', *byte]),
            b'\n' => out.text("\\n"),
            0..b' ' => {
                out.text(if *byte < 16 { "\\u000" } else { "\\u001" });
                let digit = byte & 15;
                out.put(&[if digit < 10 { b'0' + digit } else { b'a' + digit - 10 }]);
            }
            other => out.put(&[*other]),
        }
    }
    out.text("\"");
}

#[cfg(feature = "prometheus")]
pub(super) use prometheus::head;
#[cfg(feature = "prometheus")]
pub use prometheus::prometheus;

/// Prometheus' text format, for node-exporter's textfile collector.
#[cfg(feature = "prometheus")]
mod prometheus {
    use super::{Answer, COUNTERS, REASONS, counters, family, quoted, signed, word};
    use crate::linux::output::Output;
    use crate::probe::Standing;
    use crate::status::{Record, Track};

    /// What there is beside the counters: name and meaning.
    const GAUGES: [[&str; 2]; 5] = [
        ["state", "0 initialize, 1 backup, 2 master"],
        ["state_seconds", "Time in the state"],
        ["priority", "Priority at the moment"],
        ["base_priority", "Priority without what is tracked"],
        ["released", "1 from release to reclaim"],
    ];

    /// The meaning of [`COUNTERS`].
    const MEANINGS: [&str; 11] = [
        "Advertisements sent",
        "Advertisements accepted",
        "Advertisements sent with priority 0",
        "Advertisements accepted with priority 0",
        "Advertisements accepted with another interval than ours",
        "Advertisements of others who believed to be master",
        "Transitions to master",
        "Transitions from master",
        "Bursts of gratuitous ARP or neighbour advertisements",
        "Addresses put back after somebody removed them",
        "Advertisements that could not be sent",
    ];

    /// All of it.
    pub fn prometheus(answer: &Answer, out: &mut Output) {
        let records = &answer.records;
        for (position, [name, meaning]) in GAUGES.into_iter().enumerate() {
            head(out, name, "", meaning, "gauge");
            for record in records {
                let values = [
                    record.phase as u32,
                    record.since_secs,
                    record.priority.into(),
                    record.base_priority.into(),
                    record.is_released.into(),
                ];
                sample(out, name, "", Some(record), "", values.get(position));
            }
        }
        tracked(answer, "tracked_up", "1 if it is up, 0 if it is down or not tried yet", false, out);
        tracked(answer, "tracked_value", "Number in a file", true, out);
        for (position, (name, meaning)) in COUNTERS.iter().zip(MEANINGS).enumerate() {
            head(out, name, "_total", meaning, "counter");
            for record in records {
                sample(out, name, "_total", Some(record), "", counters(record).get(position));
            }
        }
        head(out, "dropped", "_total", "Packets dropped, by reason", "counter");
        for record in records {
            for (reason, count) in REASONS.iter().zip(record.counters.discards()) {
                sample(out, "dropped", "_total", Some(record), reason, Some(count));
            }
        }
        head(out, "stray", "_total", "Packets for nobody here, by reason", "counter");
        for (reason, count) in REASONS.iter().zip(&answer.stray) {
            sample(out, "stray", "_total", None, reason, Some(count));
        }
        if cfg!(feature = "ipvs") {
            super::balance::prometheus(answer, out);
        }
    }

    #[inline(never)]
    pub(in super::super) fn head(out: &mut Output, name: &str, suffix: &str, meaning: &str, kind: &str) {
        for part in
            ["# HELP vipd_", name, suffix, " ", meaning, "\n# TYPE vipd_", name, suffix, " ", kind, "\n"]
        {
            out.text(part);
        }
    }

    /// What is tracked and has a number, or has none. An instance and its group may track the same thing.
    #[inline(never)]
    fn tracked(answer: &Answer, name: &str, meaning: &str, has_number: bool, out: &mut Output) {
        head(out, name, "", meaning, "gauge");
        for record in &answer.records {
            let mut by = ",by=\"instance\",kind=";
            for span in &record.tracks {
                for track in span.of(&answer.tracks) {
                    if (track.kind == Track::FILE) != has_number {
                        continue;
                    }
                    labels(out, name, "", Some(record));
                    out.text(by);
                    quoted(word(&Track::KINDS, track.kind), out);
                    out.text(",name=");
                    quoted(&track.name, out);
                    out.text("} ");
                    let up = i32::from(track.state == Standing::Up as u8);
                    signed(if has_number { track.number } else { up }, out);
                    out.text("\n");
                }
                by = ",by=\"group\",kind=";
            }
        }
    }

    /// The beginning of a sample.
    #[inline(never)]
    fn labels(out: &mut Output, name: &str, suffix: &str, record: Option<&Record>) {
        for part in ["vipd_", name, suffix, "{"] {
            out.text(part);
        }
        if let Some(record) = record {
            out.text("instance=");
            quoted(&record.name, out);
            out.text(",interface=");
            quoted(&record.interface, out);
            out.text(",family=");
            quoted(family(record), out);
            out.text(",vrid=\"");
            out.number(record.vrid.into());
            out.text("\"");
        }
    }

    #[inline(never)]
    fn sample(
        out: &mut Output,
        name: &str,
        suffix: &str,
        record: Option<&Record>,
        reason: &str,
        value: Option<&u32>,
    ) {
        labels(out, name, suffix, record);
        if !reason.is_empty() {
            out.text(if record.is_some() { "," } else { "" });
            out.text("reason=");
            quoted(reason, out);
        }
        out.text("} ");
        out.number(value.copied().unwrap_or(0));
        out.text("\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Span;
    use crate::linux::output::written;
    use crate::probe::Standing;
    use crate::status::cut;

    #[test]
    fn an_age_is_as_precise_as_it_is_short() {
        let shown = |secs| written(|out| age(secs, out));
        assert_eq!(shown(5), "       5s");
        assert_eq!(shown(750), "   12m30s");
        assert_eq!(shown(11_220), "    3h07m");
        assert_eq!(shown(792_000), "    9d04h");
        assert_eq!(shown(u32::MAX), "49710d06h");
    }

    /// An answer with one virtual router of this base priority and priority, which tracks the first of these by itself and
    /// the others by its group.
    fn answer(base_priority: u8, priority: u8, tracks: &[Track]) -> Answer {
        let mut answer = Answer::new();
        let spans = [Span { start: 0, len: 1 }, Span { start: 1, len: tracks.len() as u16 - 1 }];
        let name = cut("lan");
        let record = Record { name, base_priority, priority, tracks: spans, ..Record::EMPTY };
        answer.records.push(record).unwrap();
        answer.tracks.extend(tracks.iter().cloned());
        answer
    }

    fn track(kind: &str, state: Standing, number: i32, adds: i32) -> Track {
        let kind_place = Track::KINDS.iter().position(|word| *word == kind).unwrap() as u8;
        Track { name: cut(kind), kind: kind_place, state: state as u8, number, adds, is_fault: false }
    }

    fn good_and_bad() -> [Track; 3] {
        [
            track("link", Standing::Up, 0, 20),
            track("ping", Standing::Down, 0, -7),
            track("file", Standing::Down, -300, 253),
        ]
    }

    #[test]
    fn a_table_says_what_a_priority_is_made_of_and_where_it_is_kept() {
        let lines = |answer: &Answer| {
            let text = written(|out| table(answer, out));
            text.lines().skip(3).map(std::borrow::ToOwned::to_owned).collect::<std::vec::Vec<_>>()
        };
        let tracks = "  tracks: link up (+20), ping down (-7), file -300 (+253); base priority";
        for (base, priority, behind) in [(250, 254, " 250, kept at 254"), (255, 255, " 255, kept at 255")] {
            let shown = lines(&answer(base, priority, &good_and_bad()));
            assert_eq!(shown, [std::format!("{tracks}{behind}")]);
        }
        let few = good_and_bad();
        let shown = lines(&answer(100, 113, &few[..2]));
        assert_eq!(shown, ["  tracks: link up (+20), ping down (-7); base priority 100"]);
        let mut none = answer(100, 100, &few);
        none.records[0].tracks = [Span::default(); 2];
        assert!(lines(&none).is_empty());
    }

    #[test]
    fn a_file_has_a_number_where_everything_else_has_a_state() {
        let answer = answer(250, 254, &good_and_bad());
        let text = written(|out| json_tracks(&answer.records[0], &answer, out));
        let [link, ping, file] = [
            r#"{"name":"link","kind":"link","state":"up","adds":20,"fault":false}"#,
            r#"{"name":"ping","kind":"ping","state":"down","adds":-7,"fault":false}"#,
            r#"{"name":"file","kind":"file","number":-300,"adds":253,"fault":false}"#,
        ];
        assert_eq!(text, std::format!(",\"tracks\":[{link},{ping},{file}]"));
    }

    #[test]
    fn a_release_by_hand_is_told_in_every_state_and_as_what_comes_of_it() {
        let mut answer = answer(100, 100, &good_and_bad()[..1]);
        for (phase, is_released, cause, told) in [
            (Phase::Master, false, "silence", "silence; next advert in 7 ms"),
            (
                Phase::Master,
                true,
                "silence",
                "silence; released by hand; goes in 7 ms, or when another master is heard",
            ),
            (Phase::Initialize, true, "released by hand", "released by hand"),
            (Phase::Initialize, true, "starting", "starting; released by hand"),
        ] {
            let deadline_ms = (phase == Phase::Master).then_some(7);
            let record = &mut answer.records[0];
            *record = Record { phase, is_released, cause: cut(cause), deadline_ms, ..record.clone() };
            assert_eq!(written(|out| why(&answer.records[0], out)), std::format!("\n  {told}\n"));
            let json = written(|out| json_record(&answer.records[0], out));
            assert!(json.contains(&std::format!(",\"released\":{is_released},")), "{json}");
        }
    }

    #[cfg(feature = "prometheus")]
    #[test]
    fn prometheus_has_what_is_tracked_and_what_the_priority_is_made_of() {
        let [link, ping, file] = good_and_bad();
        let mut answer = answer(250, 254, &[link.clone(), ping, file, link]);
        answer.records[0].is_released = true;
        let text = written(|out| prometheus(&answer, out));
        let labels = r#"instance="lan",interface="",family="ipv4",vrid="0""#;
        for (name, more, value) in [
            ("priority", "", "254"),
            ("base_priority", "", "250"),
            ("released", "", "1"),
            ("tracked_up", r#",by="instance",kind="link",name="link""#, "1"),
            ("tracked_up", r#",by="group",kind="link",name="link""#, "1"),
            ("tracked_up", r#",by="group",kind="ping",name="ping""#, "0"),
            ("tracked_value", r#",by="group",kind="file",name="file""#, "-300"),
        ] {
            let sample = std::format!("\nvipd_{name}{{{labels}{more}}} {value}\n");
            assert_eq!(text.matches(&sample).count(), 1, "{sample} in {text}");
        }
        assert_eq!(text.matches("vipd_tracked_").count(), 4 + 2 * 2, "with HELP and TYPE of two");
        let reasons = text.lines().filter(|line| line.starts_with("vipd_dropped_total{instance"));
        assert!(reasons.clone().count() > 0 && reasons.clone().all(|line| line.contains(",reason=\"")));
        assert!(text.contains("\nvipd_stray_total{reason=\""));
    }

    #[test]
    fn quotes_and_control_characters_are_escaped() {
        let text = written(|out| quoted("a\"b\\c\n\u{1}\u{1f}é", out));
        assert_eq!(text, "\"a\\\"b\\\\c\\n\\u0001\\u001fé\"");
    }
}
