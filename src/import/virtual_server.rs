//! `virtual_server`, alone or of a `virtual_server_group`.

use heapless::Vec;

use super::draft::{Need, Part};
use super::notice::Place;
use super::source::Digits;
use super::statements::{Act, Statement};
use super::translate::Translation;
use super::words;
use crate::config::value;
use crate::limits::{NAME_BYTES_MAX, SECTIONS_MAX};

/// Words that mean the same in both, and of which nothing else has to be known.
const CARRIED: &str = "virtualhost alpha omega inhibit_on_failure weight persistence_engine smtp_alert";

/// Words that are read together, or behind the others.
const TOGETHER: &str = "lb_algo lvs_sched lb_kind lvs_method protocol persistence_timeout persistence_granularity quorum \
                        hysteresis sorry_server sorry_server_lvs_method ip_family sh-port sh-fallback mh-port \
                        mh-fallback flag-1 flag-2 real_server";

/// Words behind which there are seconds.
pub(super) const SECONDS: &str = "delay_loop delay_before_retry warmup connect_timeout";

/// Words whose values can end in anything.
const FREE: &str = "path regex virtualhost";

/// Those that keepalived 2.2 knows.
const SCHEDULERS: &str = "rr wrr lc wlc lblc sh mh dh fo ovf lblcr sed nq twos";

const KINDS: &str = "NAT DR TUN";

/// Words for flags of schedulers: what a word asks for, of which scheduler.
const FLAGS: [(&[u8], &[u8], &[u8]); 8] = [
    (b"sh-port", b"sh", b"sh_port"),
    (b"sh-fallback", b"sh", b"sh_fallback"),
    (b"mh-port", b"mh", b"mh_port"),
    (b"mh-fallback", b"mh", b"mh_fallback"),
    (b"flag-1", b"sh", b"sh_fallback"),
    (b"flag-2", b"sh", b"sh_port"),
    (b"flag-1", b"mh", b"mh_fallback"),
    (b"flag-2", b"mh", b"mh_port"),
];

/// keepalived's, where it is asked for persistence and not told for how long.
const PERSISTENCE_SECS: &[u8] = b"360";

const NO_BUILD: &str = "not in this build of vipd";
const NO_SEMICOLON: &str = "keepalived knows no ; between statements, and nothing of this one counts: write each on a \
                            line of its own";
const NO_PORT: &str = "a fwmark has no port, and only NAT changes ports: keepalived takes none";
const PORTS: &str = "only NAT changes ports, so keepalived takes the virtual server's port instead";

/// What a section has for its name.
pub(super) type SectionName = Vec<u8, NAME_BYTES_MAX>;

/// What is balanced.
#[derive(Clone, Copy)]
pub(super) enum Service<'t> {
    /// An address and a port, which may be missing.
    Address { place: Place, address: &'t [u8], port: &'t [u8] },
    /// What has a mark of the packet filter, with its family.
    Mark { place: Place, mark: &'t [u8], family: &'t [u8] },
}

/// What has to be known of a virtual server when its real servers are written.
pub(super) struct Traits<'t> {
    /// `NAT`, `DR` or `TUN`.
    pub(super) kind: &'t [u8],
    pub(super) is_alpha: bool,
    pub(super) inhibits: bool,
    /// Port of the virtual server, if its real servers have no other one without NAT; empty: it is a mark, and they have
    /// none.
    pub(super) only_port: Option<&'t [u8]>,
}

impl<'t> Translation<'t, '_, '_> {
    pub(super) fn virtual_servers(&mut self) {
        for block in self.outermost() {
            match block.word(0) {
                b"virtual_server" | b"virtual_server_group" if !words::is_built("virtual_server") => {
                    self.lose(&block, NO_BUILD);
                }
                b"virtual_server" => self.virtual_server(&block),
                b"virtual_server_group" => self.unused_group(&block),
                _ => {}
            }
        }
    }

    fn virtual_server(&mut self, block: &Statement<'t>) {
        if !self.block(block).has(b"real_server") {
            for statement in self.block(block) {
                self.is_cut(&statement);
            }
            let words = [block.word(0), block.word(1), block.word(2)];
            self.remark(
                block.place,
                called(&words),
                "keepalived ignores one without a real_server: it is left out",
            );
            return;
        }
        match block.word(1) {
            b"group" => self.group_of_servers(block),
            b"fwmark" => {
                let family = self.block(block).last(b"ip_family").map_or(&[][..], |family| family.word(1));
                self.service(block, Service::Mark { place: block.place, mark: block.word(2), family }, None);
            }
            address => {
                let service = Service::Address { place: block.place, address, port: block.word(2) };
                self.service(block, service, None);
            }
        }
    }

    /// Each address and each mark of a group is a virtual server, and all have the same real servers.
    fn group_of_servers(&mut self, block: &Statement<'t>) {
        let name = block.word(2);
        let is_it = |other: &Statement<'_>| other.word(0) == b"virtual_server_group" && other.word(1) == name;
        let Some(group) = self.outermost().find(is_it) else {
            let reason = "there is no such virtual_server_group, and keepalived ignores it: it is left out";
            self.remark(block.place, &[block.word(0), b"group", name], reason);
            return;
        };
        let mut servers = None;
        for member in self.block(&group) {
            let place = member.place;
            let first = member.word(0);
            let service = if first == b"fwmark" {
                let family = Some(member.word(2)).filter(|family| !family.is_empty());
                let family = family.or_else(|| Some(self.block(block).last(b"ip_family")?.word(1)));
                Service::Mark { place, mark: member.word(1), family: family.unwrap_or(&[]) }
            } else if first.iter().any(|byte| matches!(byte, b'-' | b'/')) {
                self.lose_words(
                    place,
                    &[group.word(0), name, first],
                    "a virtual_server has one address: write each of these that clients ask, or give them a fwmark",
                );
                continue;
            } else {
                Service::Address { place, address: first, port: member.word(1) }
            };
            if self.is_of_other_family(block, &service) {
                let words = [group.word(0), name, first];
                self.lose_words(place, &words, "the real servers are of the other family: left out");
                continue;
            }
            self.is_silent = servers.is_some();
            let written = self.service(block, service, servers);
            self.is_silent = false;
            servers = servers.or(written);
        }
    }

    /// Whether an address is of another family than the first server to which no tunnel leads.
    fn is_of_other_family(&self, block: &Statement<'_>, service: &Service<'_>) -> bool {
        let Service::Address { address, .. } = *service else { return false };
        let usual = self.kind(block).map_or(&b"NAT"[..], |kind| kind.word(1));
        let mut servers = self.block(block).filter(|server| {
            let kind = self.kind(server).map_or(usual, |kind| kind.word(1));
            server.word(0) == b"real_server" && kind != b"TUN"
        });
        let is_v6 = |address: &[u8]| value::address(bare(address)).map(|address| address.is_ipv6());
        let other = servers.find_map(|server| is_v6(server.word(1)));
        other.is_some_and(|other| is_v6(address).is_some_and(|is_v6| is_v6 != other))
    }

    /// What no virtual server asks for, keepalived has for nothing.
    fn unused_group(&mut self, block: &Statement<'t>) {
        let name = block.word(1);
        let mut others = self.outermost().filter(|other| other.word(0) == b"virtual_server");
        if !others.any(|other| other.word(1) == b"group" && other.word(2) == name) {
            self.remark(block.place, &[block.word(0), name], "no virtual_server has it: it is left out");
        }
    }

    /// One section, and its servers before it, unless they stand between the positions of `servers` already. Says where
    /// they are.
    fn service(
        &mut self,
        block: &Statement<'t>,
        service: Service<'t>,
        servers: Option<(usize, usize)>,
    ) -> Option<(usize, usize)> {
        let start = self.draft.position();
        let traits = self.traits_of_service(block, &service);
        self.draft.trial();
        let mut names = Vec::<(Place, SectionName, Part), SECTIONS_MAX>::new();
        if servers.is_none() {
            for statement in self.block(block).filter(|statement| statement.word(0) == b"real_server") {
                if self.stands_twice(block, &statement) {
                    let words = [statement.word(0), statement.word(1), statement.word(2)];
                    let reason = "it is written twice, and keepalived takes the first";
                    self.remark(statement.place, called(&words), reason);
                    continue;
                }
                let (name, part) = self.real_server(&statement, &traits);
                let _ = names.push((statement.place, name, part));
            }
        }
        self.draft.go_on(Part::WHOLE);
        let place = match service {
            Service::Address { place, .. } | Service::Mark { place, .. } => place,
        };
        self.draft.head(place, "virtual_server");
        self.identity(block, &service);
        for statement in self.block(block) {
            self.service_statement(block, &statement, &service);
        }
        self.scheduler(block);
        self.persistence(block, &service);
        self.quorum(block);
        self.sorry_server(block, &traits);
        for (place, name, part) in &names {
            self.draft.list((*place, Need::Wish), b"real_server", [name.as_slice()]);
            self.draft.names(*part);
        }
        if let Some((from, to)) = servers {
            self.draft.list_again(place, "real_server", from, to);
        }
        let words = match service {
            Service::Address { address, port, .. } => [b"virtual_server", address, port],
            Service::Mark { mark, .. } => [&b"virtual_server"[..], b"fwmark", mark],
        };
        self.finish_at(place, called(&words));
        let end = self.draft.position();
        servers.or_else(|| (end > start).then_some((start, end)))
    }

    fn traits_of_service(&self, block: &Statement<'t>, service: &Service<'t>) -> Traits<'t> {
        let inner = self.block(block);
        let only_port = match service {
            _ if block.word(1) == b"group" => None,
            Service::Address { port, .. } => Some(*port).filter(|port| !port.is_empty()),
            Service::Mark { .. } => Some(&[][..]),
        };
        Traits {
            kind: self.kind(block).map_or(b"NAT", |kind| kind.word(1)),
            is_alpha: inner.has(b"alpha"),
            inhibits: inner.has(b"inhibit_on_failure"),
            only_port,
        }
    }

    /// The last `lvs_method` that is one; of real servers keepalived knows it by this word alone.
    pub(super) fn kind(&self, block: &Statement<'_>) -> Option<Statement<'t>> {
        let is_old = block.word(0) == b"virtual_server";
        let is_kind = |statement: &Statement<'_>| {
            let is_word = statement.word(0) == b"lvs_method" || is_old && statement.word(0) == b"lb_kind";
            is_word && words::has(KINDS, statement.word(1))
        };
        self.block(block).filter(is_kind).last()
    }

    /// Whether another server before it has the same address and port, which keepalived has once.
    fn stands_twice(&self, block: &Statement<'_>, server: &Statement<'_>) -> bool {
        let mut before = self.block(block).take_while(|other| other.end != server.end);
        before.any(|other| {
            other.word(0) == b"real_server"
                && bare(other.word(1)) == bare(server.word(1))
                && other.word(2) == server.word(2)
        })
    }

    /// Whether a statement is written for a reader of semicolons, who is not keepalived. If so, this is said.
    pub(super) fn is_cut(&mut self, statement: &Statement<'_>) -> bool {
        let (word, text) = (statement.word(0), statement.word(1));
        let is_cut = word.ends_with(b";") || text.ends_with(b";") && !words::has(FREE, word);
        if is_cut {
            self.remark(statement.place, &[word, text], NO_SEMICOLON);
        }
        is_cut
    }

    fn identity(&mut self, block: &Statement<'_>, service: &Service<'_>) {
        let protocols = self
            .block(block)
            .filter(|statement| statement.word(0) == b"protocol" && protocol(statement.word(1)).is_some());
        let written = protocols.last();
        let protocol = written.and_then(|written| protocol(written.word(1)));
        match *service {
            Service::Mark { place, mark, family } => {
                let at = (place, Need::Must);
                let name = self.unique_name(b"mark", &[mark], b"virtual_server");
                self.draft.option(at, b"name", [name.as_slice()]);
                self.draft.option(at, b"fwmark", [mark]);
                if !family.is_empty() {
                    self.draft.option(at, b"family", [family]);
                }
            }
            Service::Address { place, address, port } => {
                let at = (place, Need::Must);
                let address = bare(address);
                let known = protocol.unwrap_or(b"udp");
                let name = self.unique_name(known, &[address, port], b"virtual_server");
                self.draft.option(at, b"name", [name.as_slice()]);
                self.draft.option(at, b"ipaddr", [address]);
                if !port.is_empty() {
                    self.draft.option(at, b"port", [port]);
                }
                self.draft.option((written.map_or(place, |it| it.place), Need::Must), b"protocol", [known]);
                if protocol.is_none() {
                    let words = [block.word(0), block.word(1), block.word(2)];
                    self.remark(
                        block.place,
                        called(&words),
                        "keepalived takes UDP where no protocol is written",
                    );
                }
            }
        }
        if let Some(kind) = self.kind(block) {
            self.forwarding(&kind);
        }
    }

    fn service_statement(&mut self, block: &Statement<'t>, statement: &Statement<'t>, service: &Service<'t>) {
        if self.is_cut(statement) {
            return;
        }
        let (word, text) = (statement.word(0), statement.word(1));
        match word {
            b"nat_mask" => self.remark(
                statement.place,
                &[word],
                "it was for Linux 2.2, and keepalived has not known it for long: it does nothing",
            ),
            b"lb_kind" | b"lvs_method" if !words::has(KINDS, text) => {
                self.remark(
                    statement.place,
                    &[word, text],
                    "keepalived does not know it: NAT is its default",
                );
            }
            b"lb_algo" | b"lvs_sched" if !words::has(SCHEDULERS, text) => {
                self.remark(
                    statement.place,
                    &[word, text],
                    "keepalived does not know it: wlc is its default",
                );
            }
            b"protocol" if protocol(text).is_none() => {
                self.remark(statement.place, &[word, text], "keepalived does not know it, and ignores it");
            }
            b"ha_suspend" if matches!(service, Service::Mark { .. }) => {
                self.remark(statement.place, &[word], "keepalived ignores it with a fwmark: it is left out");
            }
            b"ops" if !self.is_for_ops(block, service) => {
                self.remark(
                    statement.place,
                    &[word],
                    "keepalived ignores it unless it is UDP: it is left out",
                );
            }
            b"ip_family" if matches!(service, Service::Address { .. }) => {}
            b"quorum_up" | b"quorum_down" => self.hook(statement),
            b"retry" => self.retry(statement),
            b"flag-3" => self.lose(statement, "no scheduler of Linux has it"),
            _ if words::has(SECONDS, word) => self.seconds(word, statement),
            _ if words::has(TOGETHER, word) => {}
            b"ha_suspend" | b"ops" => self.draft.option((statement.place, Need::Wish), word, [&b"1"[..]]),
            // Whatever is behind one of these, it is on.
            b"alpha" | b"omega" | b"inhibit_on_failure" => {
                self.draft.option((statement.place, Need::Wish), word, [&b"1"[..]]);
            }
            _ => self.carry("virtual_server", CARRIED, Need::Wish, statement),
        }
    }

    fn is_for_ops(&self, block: &Statement<'_>, service: &Service<'_>) -> bool {
        let mut protocols = self.block(block).filter(|statement| statement.word(0) == b"protocol");
        matches!(service, Service::Mark { .. })
            || protocols.all(|statement| matches!(protocol(statement.word(1)), Some(b"udp") | None))
    }

    /// `lb_kind`, with the words of a tunnel.
    pub(super) fn forwarding(&mut self, statement: &Statement<'_>) {
        self.draft.option((statement.place, Need::Must), b"lb_kind", [statement.word(1)]);
        self.tunnel(statement);
    }

    /// `TUN type gue port N csum`, and so on.
    fn tunnel(&mut self, statement: &Statement<'_>) {
        let at = (statement.place, Need::Must);
        let mut words = statement.words().skip(2);
        while let Some(word) = words.next() {
            match word {
                b"type" => self.draft.option(at, b"tun_type", [words.next().unwrap_or(&[])]),
                b"port" => self.draft.option(at, b"tun_port", [words.next().unwrap_or(&[])]),
                b"nocsum" | b"csum" | b"remcsum" => self.draft.option(at, b"tun_checksum", [word]),
                _ => self.remark(
                    statement.place,
                    &[statement.word(0), word],
                    "keepalived does not know this word, and ignores it",
                ),
            }
        }
    }

    fn scheduler(&mut self, block: &Statement<'_>) {
        let schedulers = self.block(block).filter(|statement| {
            matches!(statement.word(0), b"lb_algo" | b"lvs_sched")
                && words::has(SCHEDULERS, statement.word(1))
        });
        let written = schedulers.last();
        if let Some(written) = written {
            self.draft.option((written.place, Need::Must), b"lb_algo", [written.word(1)]);
        }
        let scheduler = written.map_or(&b"wlc"[..], |written| written.word(1));
        for statement in self.block(block) {
            let word = statement.word(0);
            let mut flags = FLAGS.iter().filter(|(flag, _, _)| *flag == word).peekable();
            if flags.peek().is_none() {
                continue;
            }
            if let Some((_, _, option)) = flags.find(|(_, its, _)| *its == scheduler) {
                self.draft.option((statement.place, Need::Wish), option, [&b"1"[..]]);
            } else {
                self.remark(
                    statement.place,
                    &[word],
                    "it is a flag of another scheduler, and does nothing: it is left out",
                );
            }
        }
    }

    fn persistence(&mut self, block: &Statement<'_>, service: &Service<'_>) {
        let timeout = self.block(block).last(b"persistence_timeout");
        let granularity = self.block(block).last(b"persistence_granularity");
        let is_asked = |statement: &Statement<'_>| !statement.word(1).ends_with(b";");
        let timeout = timeout.filter(is_asked);
        if let Some(statement) = timeout {
            let at = (statement.place, Need::Wish);
            let text = if statement.len() > 1 { statement.word(1) } else { PERSISTENCE_SECS };
            self.draft.option(at, b"persistence_timeout", [text]);
        }
        let granularity = granularity.filter(is_asked);
        if let Some(statement) = granularity {
            let at = (statement.place, Need::Wish);
            self.draft.option(at, b"persistence_granularity", [statement.word(1)]);
        }
        let has_no_port = matches!(service, Service::Address { port: [], .. });
        if timeout.is_none() && (granularity.is_some() || has_no_port) {
            let place = granularity.map_or(block.place, |statement| statement.place);
            self.draft.option((place, Need::Wish), b"persistence_timeout", [PERSISTENCE_SECS]);
            let it = granularity.unwrap_or(*block);
            let words = [it.word(0), it.word(1)];
            self.remark(
                place,
                &words,
                "keepalived makes it persistent for 360 seconds where no other time is written",
            );
        }
    }

    /// keepalived lowers a quorum that all servers together do not reach, and a hysteresis that is not below it.
    fn quorum(&mut self, block: &Statement<'_>) {
        let number = |statement: &Statement<'_>| value::decimal(statement.word(1), 0);
        let quorum = self.block(block).last(b"quorum");
        let hysteresis = self.block(block).last(b"hysteresis");
        let total = self.total_weight(block);
        let mut least = 1;
        if let Some(statement) = quorum.filter(|statement| !statement.word(1).ends_with(b";")) {
            let at = (statement.place, Need::Wish);
            match number(&statement).filter(|quorum| *quorum > 0) {
                Some(quorum) if quorum > total && total > 0 => {
                    least = total;
                    self.draft.option(at, b"quorum", [Digits::new(total, false).text()]);
                    let words = [statement.word(0), statement.word(1)];
                    let reason = "keepalived lowers it to what all real servers weigh together";
                    self.remark(statement.place, &words, reason);
                }
                known => {
                    least = known.unwrap_or(1);
                    self.draft.option(at, b"quorum", [statement.word(1)]);
                }
            }
        }
        if let Some(statement) = hysteresis.filter(|statement| !statement.word(1).ends_with(b";")) {
            let at = (statement.place, Need::Wish);
            if number(&statement).is_some_and(|hysteresis| hysteresis >= least) {
                self.draft.option(at, b"hysteresis", [Digits::new(least - 1, false).text()]);
                let words = [statement.word(0), statement.word(1)];
                self.remark(statement.place, &words, "keepalived lowers it to one less than the quorum");
            } else {
                self.draft.option(at, b"hysteresis", [statement.word(1)]);
            }
        }
    }

    /// What all servers weigh, as far as it is known.
    fn total_weight(&self, block: &Statement<'_>) -> i32 {
        let weight_in = |block: &Statement<'_>| {
            let weight = self.block(block).last(b"weight")?;
            value::decimal(weight.word(1), 0)
        };
        let usual = weight_in(block).unwrap_or(1);
        let servers = self
            .block(block)
            .filter(|server| server.word(0) == b"real_server" && !self.stands_twice(block, server));
        servers.fold(0i32, |total, server| total.saturating_add(weight_in(&server).unwrap_or(usual)))
    }

    fn sorry_server(&mut self, block: &Statement<'_>, traits: &Traits<'t>) {
        let Some(statement) = self.block(block).last(b"sorry_server") else { return };
        let at = (statement.place, Need::Wish);
        let kind = self.block(block).last(b"sorry_server_lvs_method");
        let kind = kind.filter(|kind| words::has(KINDS, kind.word(1)));
        let its_kind = kind.map_or(traits.kind, |kind| kind.word(1));
        self.draft.option(at, b"sorry_server_ip", [bare(statement.word(1))]);
        let (port, _) = self.port(traits, its_kind, &statement);
        if !port.is_empty() {
            self.draft.option(at, b"sorry_server_port", [port]);
        }
        let Some(kind) = kind else { return };
        self.draft.option((kind.place, Need::Wish), b"sorry_server_lb_kind", [kind.word(1)]);
        if kind.word(1) != b"TUN" {
            return;
        }
        match self.kind(block).filter(|kind| kind.word(1) == b"TUN") {
            None => self.tunnel(&kind),
            Some(usual) if usual.words().skip(1).eq(kind.words().skip(1)) => {}
            Some(_) => self.lose_words(
                kind.place,
                &[kind.word(0), b"TUN"],
                "the tunnel to it is of the type that the virtual server says",
            ),
        }
    }

    /// The port of a server, and the one at which it is checked, if that is another one. keepalived puts the port of the
    /// virtual server for it where no NAT is, and still checks the one that is written.
    pub(super) fn port<'s>(
        &mut self,
        traits: &Traits<'s>,
        kind: &[u8],
        statement: &Statement<'s>,
    ) -> (&'s [u8], &'s [u8]) {
        let written = statement.word(2);
        match traits.only_port.filter(|_| kind != b"NAT" && !written.is_empty()) {
            Some(only) if only != written => {
                let words = [statement.word(0), statement.word(1), written];
                let reason = if only.is_empty() { NO_PORT } else { PORTS };
                self.remark(statement.place, &words, reason);
                (only, written)
            }
            Some(_) | None => (written, &[]),
        }
    }

    // What virtual servers, real servers and checks have in common.

    /// A script, and the user as whom it would run.
    pub(super) fn hook(&mut self, statement: &Statement<'_>) {
        self.draft.option((statement.place, Need::Wish), statement.word(0), [statement.word(1)]);
        if statement.len() > 2 && statement.word(2) != b"root" {
            self.lose_words(
                statement.place,
                &[statement.word(0), statement.word(2)],
                "scripts run as the user who starts vipd",
            );
        }
    }

    /// keepalived has no such thing as no retry here.
    pub(super) fn retry(&mut self, statement: &Statement<'_>) {
        if value::decimal(statement.word(1), 0) == Some(0) {
            self.remark(statement.place, &[b"retry", b"0"], "keepalived ignores it here: it is left out");
        } else {
            self.draft.option((statement.place, Need::Wish), b"retry", [statement.word(1)]);
        }
    }

    /// Seconds, which keepalived takes with fractions.
    pub(super) fn seconds(&mut self, option: &[u8], statement: &Statement<'_>) {
        let at = (statement.place, Need::Wish);
        let (word, text) = (statement.word(0), statement.word(1));
        let point = text.iter().position(|byte| *byte == b'.');
        let (whole, fraction) = text.split_at_checked(point.unwrap_or(text.len())).unwrap_or((text, &[]));
        let fraction = fraction.get(1..).unwrap_or(&[]);
        let secs = if whole.is_empty() { Some(0) } else { value::decimal(whole, 0) };
        let secs = secs.filter(|_| !text.is_empty() && fraction.iter().all(u8::is_ascii_digit));
        let is_whole = fraction.iter().all(|byte| *byte == b'0');
        match secs {
            Some(0) if is_whole && word == b"delay_before_retry" => {
                self.draft.option(at, option, [&b"1"[..]]);
                self.lose_words(statement.place, &[word, text], "vipd waits for a second at least");
            }
            Some(0) if is_whole && word != b"warmup" => {
                self.remark(statement.place, &[word, text], "keepalived ignores it: it is left out");
            }
            Some(secs) if !is_whole => {
                let secs = Digits::new(secs.saturating_add(1), false);
                self.draft.option(at, option, [secs.text()]);
                let reason = "vipd has whole seconds here: it is rounded up";
                self.lose_words(statement.place, &[word, text], reason);
            }
            Some(secs) => self.draft.option(at, option, [Digits::new(secs, false).text()]),
            // `check` says what is wrong with it.
            None => self.draft.option(at, option, [text]),
        }
    }

    /// `WORD_192_0_2_1_80`, and a number behind it if there is one already.
    pub(super) fn unique_name(&self, word: &[u8], parts: &[&[u8]], kind: &[u8]) -> SectionName {
        let mut name = SectionName::new();
        let mut is_long = name.extend_from_slice(word).is_err();
        for part in parts.iter().filter(|part| !part.is_empty()) {
            is_long |= name.push(b'_').is_err();
            for byte in *part {
                is_long |= name.push(if byte.is_ascii_alphanumeric() { *byte } else { b'_' }).is_err();
            }
        }
        if is_long {
            name.clear();
            // Kinds are shorter than names.
            let _ = name.extend_from_slice(kind);
        }
        if !is_long && !self.draft.has_name(&name) {
            return name;
        }
        for number in 1 + i32::from(!is_long)..=SECTIONS_MAX as i32 {
            let mut other = name.clone();
            let digits = Digits::new(number, false);
            while other.len() + 1 + digits.text().len() > NAME_BYTES_MAX {
                other.pop();
            }
            let _ = other.push(b'_');
            let _ = other.extend_from_slice(digits.text());
            if !self.draft.has_name(&other) {
                return other;
            }
        }
        name
    }
}

/// An address without a prefix length, which keepalived does not heed in these places.
pub(super) fn bare(address: &[u8]) -> &[u8] {
    address.split(|byte| *byte == b'/').next().unwrap_or(address)
}

/// Words without an empty last one.
fn called<'w>(words: &'w [&'w [u8]]) -> &'w [&'w [u8]] {
    words.strip_suffix(&[&[][..]]).unwrap_or(words)
}

fn protocol(text: &[u8]) -> Option<&'static [u8]> {
    let known: [&[u8]; 3] = [b"tcp", b"udp", b"sctp"];
    known.into_iter().find(|known| known.eq_ignore_ascii_case(text))
}

/// Whether a statement opens a block.
pub(super) fn opens(statement: &Statement<'_>) -> bool {
    statement.act == Act::Open
}
