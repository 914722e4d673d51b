//! The virtual servers of a status, as a table, as JSON and as Prometheus text.

use super::ask::Answer;
use super::show::{json_flag, json_name, json_numbers, json_text, quoted, word};
use crate::linux::output::Output;
use crate::status::{Server, Service};
use crate::wire::ipvs::Counters;

/// The names of [`counts`].
static COUNTS: [&str; 5] = ["connections", "packets_in", "packets_out", "bytes_in", "bytes_out"];

const fn counts(counters: &Counters) -> [u64; 5] {
    let Counters { connections, packets_in, packets_out, bytes_in, bytes_out } = *counters;
    [connections, packets_in, packets_out, bytes_in, bytes_out]
}

/// A line for each virtual server, and one for each of its servers.
#[inline(never)]
pub(super) fn table(answer: &Answer, out: &mut Output) {
    for service in &answer.services {
        out.text("  virtual server ");
        out.text(&service.name);
        out.text(" ");
        place(service, out);
        out.text(" ");
        out.text(&service.scheduler);
        out.text(if service.is_up { ": up, " } else { ": down, " });
        out.number(service.living.into());
        out.text(" of ");
        out.number(service.servers.len.into());
        out.text(if service.is_in_kernel { " live; " } else { " live; not in the kernel; " });
        traffic(&service.counters, out);
        for server in service.servers.of(&answer.servers) {
            server_line(server, out);
        }
    }
}

fn server_line(server: &Server, out: &mut Output) {
    out.text("    ");
    out.text(&server.name);
    out.text(" ");
    endpoint(&server.address, server.port.into(), out);
    for text in [" ", word(&Server::FORWARDS, server.forward), ": ", word(&Server::STATES, server.state)] {
        out.text(text);
    }
    out.text(", weight ");
    out.number(server.weight.into());
    match server.kernel_weight {
        None => out.text(" (not in the kernel)"),
        Some(weight) if weight != u32::from(server.weight) => {
            out.text(" (");
            out.number(weight);
            out.text(" in the kernel)");
        }
        Some(_) => {}
    }
    out.text("; ");
    out.number(server.active);
    out.text(" active, ");
    out.number(server.inactive);
    out.text(" inactive, ");
    traffic(&server.counters, out);
}

fn traffic(counters: &Counters, out: &mut Output) {
    out.long_number(counters.connections);
    out.text(" connection(s), ");
    out.long_number(counters.bytes_in);
    out.text(" byte(s) in, ");
    out.long_number(counters.bytes_out);
    out.text(" out\n");
}

/// `tcp 192.0.2.1:80`, or `fwmark 7`.
fn place(service: &Service, out: &mut Output) {
    out.text(word(&Service::PROTOCOLS, service.protocol));
    out.text(" ");
    if service.protocol == Service::MARK {
        out.number(service.number);
    } else {
        endpoint(&service.address, service.number, out);
    }
}

#[inline(never)]
fn endpoint(address: &str, port: u32, out: &mut Output) {
    let is_v6 = address.contains(':');
    out.text(if is_v6 { "[" } else { "" });
    out.text(address);
    out.text(if is_v6 { "]:" } else { ":" });
    out.number(port);
}

/// The elements of an array, an object for each.
#[inline(never)]
pub(super) fn json(answer: &Answer, out: &mut Output) {
    let mut lead = "{\"name\":";
    for service in &answer.services {
        out.text(lead);
        lead = ",{\"name\":";
        quoted(&service.name, out);
        json_text(out, "protocol", word(&Service::PROTOCOLS, service.protocol));
        if service.protocol == Service::MARK {
            json_numbers(out, ",", &["fwmark"], &[service.number]);
        } else {
            json_text(out, "address", &service.address);
            json_numbers(out, ",", &["port"], &[service.number]);
        }
        json_text(out, "scheduler", &service.scheduler);
        json_text(out, "state", if service.is_up { "up" } else { "down" });
        json_flag(out, "in_kernel", service.is_in_kernel);
        json_counts(&service.counters, out);
        json_name(out, ",", "real_servers");
        let mut lead = "[{\"name\":";
        for server in service.servers.of(&answer.servers) {
            out.text(lead);
            lead = ",{\"name\":";
            json_server(server, out);
        }
        out.text(if service.servers.is_empty() { "[]}" } else { "]}" });
    }
}

fn json_server(server: &Server, out: &mut Output) {
    quoted(&server.name, out);
    json_text(out, "address", &server.address);
    json_text(out, "kind", word(&Server::FORWARDS, server.forward));
    json_text(out, "state", word(&Server::STATES, server.state));
    let names = ["port", "weight", "active", "inactive"];
    json_numbers(
        out,
        ",",
        &names,
        &[server.port.into(), server.weight.into(), server.active, server.inactive],
    );
    match server.kernel_weight {
        Some(weight) => json_numbers(out, ",", &["kernel_weight"], &[weight]),
        None => super::show::json_null(out, "kernel_weight"),
    }
    json_counts(&server.counters, out);
    out.text("}");
}

fn json_counts(counters: &Counters, out: &mut Output) {
    for (name, count) in COUNTS.iter().zip(counts(counters)) {
        json_name(out, ",", name);
        out.long_number(count);
    }
}

#[cfg(feature = "prometheus")]
pub(super) use prometheus::prometheus;

#[cfg(feature = "prometheus")]
mod prometheus {
    use super::super::show::head;
    use super::{Answer, COUNTS, Output, Server, Service, counts, endpoint, place, quoted, word};
    use crate::probe::Standing;

    const SERVICE_MEANINGS: [&str; 5] = [
        "Connections of a virtual server",
        "Packets from its clients",
        "Packets to its clients that come by here",
        "Bytes from its clients",
        "Bytes to its clients that come by here",
    ];
    const SERVER_MEANINGS: [&str; 5] = [
        "Connections that a real server was given",
        "Packets to it",
        "Packets from it that come by here",
        "Bytes to it",
        "Bytes from it that come by here",
    ];

    /// Name and meaning of what a real server has beside them.
    const GAUGES: [[&str; 2]; 4] = [
        ["real_server_up", "1 if it lives"],
        ["real_server_weight", "Weight in the kernel, 0 if it is not there"],
        ["real_server_active", "Connections that are established"],
        ["real_server_inactive", "Other connections"],
    ];

    #[inline(never)]
    pub(in super::super) fn prometheus(answer: &Answer, out: &mut Output) {
        head(out, "virtual_server_up", "", "1 while a virtual server has its quorum", "gauge");
        for service in &answer.services {
            labels("virtual_server_up", "", service, None, out);
            out.number(service.is_up.into());
            out.text("\n");
        }
        for (place, (name, meaning)) in COUNTS.iter().zip(SERVICE_MEANINGS).enumerate() {
            head_of("virtual_server_", name, meaning, out);
            for service in &answer.services {
                labels("virtual_server_", name, service, None, out);
                out.long_number(counts(&service.counters).get(place).copied().unwrap_or(0));
                out.text("\n");
            }
        }
        for (place, [name, meaning]) in GAUGES.into_iter().enumerate() {
            head(out, name, "", meaning, "gauge");
            for (service, server) in servers(answer) {
                labels(name, "", service, Some(server), out);
                let values = [
                    u32::from(server.state == Standing::Up as u8),
                    server.kernel_weight.unwrap_or(0),
                    server.active,
                    server.inactive,
                ];
                out.number(values.get(place).copied().unwrap_or(0));
                out.text("\n");
            }
        }
        for (place, (name, meaning)) in COUNTS.iter().zip(SERVER_MEANINGS).enumerate() {
            head_of("real_server_", name, meaning, out);
            for (service, server) in servers(answer) {
                labels("real_server_", name, service, Some(server), out);
                out.long_number(counts(&server.counters).get(place).copied().unwrap_or(0));
                out.text("\n");
            }
        }
    }

    fn servers(answer: &Answer) -> impl Iterator<Item = (&Service, &Server)> {
        let services = answer.services.iter();
        services.flat_map(|service| {
            service.servers.of(&answer.servers).iter().map(move |server| (service, server))
        })
    }

    /// The head of a counter whose name is in two parts.
    fn head_of(first: &str, name: &str, meaning: &str, out: &mut Output) {
        let mut whole = heapless::String::<48>::new();
        // The longest is shorter.
        let _ = whole.push_str(first).and_then(|()| whole.push_str(name));
        head(out, &whole, "_total", meaning, "counter");
    }

    /// The beginning of a sample; of a counter, whose name is in two parts, or of a gauge, whose second part is empty.
    #[inline(never)]
    fn labels(first: &str, name: &str, service: &Service, server: Option<&Server>, out: &mut Output) {
        let suffix = if name.is_empty() { "" } else { "_total" };
        for part in ["vipd_", first, name, suffix, "{virtual_server="] {
            out.text(part);
        }
        quoted(&service.name, out);
        out.text(",service=\"");
        place(service, out);
        out.text("\"");
        if let Some(server) = server {
            out.text(",real_server=");
            quoted(&server.name, out);
            out.text(",server=\"");
            endpoint(&server.address, server.port.into(), out);
            out.text("\",kind=");
            quoted(word(&Server::FORWARDS, server.forward), out);
        }
        out.text("} ");
    }
}
