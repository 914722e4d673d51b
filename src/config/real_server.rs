//! `config real_server`: one server of a virtual server, and how its health is found out.

use super::reader::{Numeric, Reader, first, words_of};
use super::uci::Section;
use super::value;
use super::{RealServer, RealServerId, Tracked, VirtualServerId};
use crate::limits;
use crate::probe::Standing;
use crate::wire::ipvs::{Destination, Forward, Identity, TUNNEL_CHECKSUM, TUNNEL_REMOTE_CHECKSUM, Tunnel};

/// Of a server, or of all servers of a virtual server. Where neither says anything, −1, the default is that of the check.
static RHYTHM: [Numeric; 6] = [
    Numeric::whole("delay_loop", [1, 65_535], UNSAID),
    Numeric::whole("connect_timeout", [1, 65_535], UNSAID),
    Numeric::whole("retry", [0, 254], UNSAID),
    Numeric::whole("delay_before_retry", [1, 65_535], UNSAID),
    Numeric::whole("warmup", [0, 65_535], UNSAID),
    Numeric::whole("weight", [0, 65_535], UNSAID),
];

static NUMBERS: [Numeric; 4] = [
    Numeric::whole("port", [1, 65_535], 0),
    Numeric::whole("uthreshold", [0, 999_999_999], 0),
    Numeric::whole("lthreshold", [0, 999_999_999], 0),
    Numeric::flag("inhibit_on_failure", false),
];

const TUNNEL_WORDS: [&str; 3] = ["tun_type", "tun_port", "tun_checksum"];

static TUNNEL_PORT: [Numeric; 1] = [Numeric::whole("tun_port", [1, 65_535], 0)];

pub(super) const UNSAID: i32 = -1;

/// When a server is tried.
#[derive(Clone, Copy)]
pub(super) struct Rhythm {
    pub(super) delay_loop: i32,
    pub(super) connect_timeout: i32,
    pub(super) retry: i32,
    pub(super) delay_before_retry: i32,
    pub(super) warmup: i32,
    weight: i32,
}

impl Rhythm {
    /// What is not said here is as said there.
    const fn or(self, other: Self) -> Self {
        Self {
            delay_loop: said(self.delay_loop, other.delay_loop),
            connect_timeout: said(self.connect_timeout, other.connect_timeout),
            retry: said(self.retry, other.retry),
            delay_before_retry: said(self.delay_before_retry, other.delay_before_retry),
            warmup: said(self.warmup, other.warmup),
            weight: said(self.weight, other.weight),
        }
    }
}

pub(super) const fn said(value: i32, default: i32) -> i32 {
    if value == UNSAID { default } else { value }
}

/// What all servers of a virtual server have in common, unless one of them says something else.
#[derive(Clone, Copy)]
pub(super) struct Common {
    pub(super) rhythm: Rhythm,
    pub(super) forward: Forward,
    pub(super) is_alpha: bool,
    pub(super) inhibits: bool,
}

/// A server's port: the service's, if it does not say another.
pub(super) const fn port(port: u16, identity: &Identity) -> u16 {
    match identity {
        Identity::Address { port: its, .. } if port == 0 => *its,
        Identity::Address { .. } | Identity::Mark { .. } => port,
    }
}

impl<'d> Reader<'d, '_> {
    pub(super) fn common(&mut self, section: Section<'d>, is_alpha: bool, inhibits: bool) -> Common {
        let rhythm = self.rhythm(section);
        let forward = self.forward(section, "lb_kind").unwrap_or(Forward::Masquerade);
        Common { rhythm, forward, is_alpha, inhibits }
    }

    fn rhythm(&mut self, section: Section<'d>) -> Rhythm {
        let [delay_loop, connect_timeout, retry, delay_before_retry, warmup, weight] =
            self.numbers(section, &RHYTHM);
        Rhythm { delay_loop, connect_timeout, retry, delay_before_retry, warmup, weight }
    }

    /// The servers of a virtual server, which are its last.
    pub(super) fn real_servers(
        &mut self,
        section: Section<'d>,
        id: VirtualServerId,
        identity: &Identity,
        common: &Common,
    ) {
        let start = self.config.real_servers.len();
        for word in words_of(section, "real_server") {
            let Some(its) = self.resolve("real_server", word.text) else {
                self.wrong(&word, &"real_server %A is not the name of a real_server section: write one");
                continue;
            };
            if !self.is_enabled(its) {
                continue;
            }
            let mut known = self.server_sections.iter().filter(|(index, _)| *index == its.index());
            let known = known.next().map(|(_, is_good)| *is_good);
            let was_usable = core::mem::replace(&mut self.is_usable, true);
            self.is_silent = known.is_some();
            let server = self.checked_server(section, its, id, identity, common);
            self.is_silent = false;
            let is_good = core::mem::replace(&mut self.is_usable, was_usable) && server.is_some();
            self.is_usable &= is_good;
            match known {
                // There is room for each that has room itself.
                None => drop(self.server_sections.push((its.index(), is_good))),
                Some(true) if !is_good => self.wrong(
                    &word,
                    &"real_server %A does not fit this virtual_server, and others have it too: write a section of its own",
                ),
                Some(_) => {}
            }
            let Some(server) = server else { continue };
            let Destination { address, port, .. } = server.destination;
            let mine = self.config.real_servers.get(start..).unwrap_or(&[]);
            if mine.iter().any(|other| other.destination.address == address && other.destination.port == port)
            {
                self.wrong(&word, &"real_server %A has the address and port of another one: remove it");
            }
            let what = Tracked::Server(RealServerId(self.config.real_servers.len() as u16));
            if self.config.real_servers.push(server).is_err() {
                self.full(word.line, "VIPD_REAL_SERVERS", limits::REAL_SERVERS_MAX);
                return;
            }
            self.is_silent = known.is_some();
            self.enter_script(its, "notify", what, None, server.name);
            self.enter_script(its, "notify_up", what, Some(Standing::Up), server.name);
            self.enter_script(its, "notify_down", what, Some(Standing::Down), server.name);
            self.is_silent = false;
        }
    }

    /// A server with its probe. What is wrong in its section is said once, however many virtual servers have it.
    fn checked_server(
        &mut self,
        service: Section<'d>,
        section: Section<'d>,
        id: VirtualServerId,
        identity: &Identity,
        common: &Common,
    ) -> Option<RealServer> {
        let rhythm = self.rhythm(section).or(common.rhythm);
        let mut server = self.real_server(section, id, identity, common, &rhythm)?;
        server.name = self.section_name(section);
        server.probe = self.check(service, section, &server, common, &rhythm)?;
        Some(server)
    }

    #[inline(never)]
    fn real_server(
        &mut self,
        section: Section<'d>,
        service: VirtualServerId,
        identity: &Identity,
        common: &Common,
        rhythm: &Rhythm,
    ) -> Option<RealServer> {
        let [own_port, upper, lower, inhibits] = self.numbers(section, &NUMBERS);
        if lower > upper {
            self.error_with(
                section.line(),
                "lthreshold %m is greater than uthreshold %n: write less",
                &[],
                [lower, upper],
            );
        }
        let mut forward = self.forward(section, "lb_kind").unwrap_or(common.forward);
        let of_tunnel = TUNNEL_WORDS.iter().find_map(|word| first(section, word));
        match forward {
            // Its own lb_kind has been read with them.
            Forward::Tunnel(_) if of_tunnel.is_some() && first(section, "lb_kind").is_none() => {
                forward = Forward::Tunnel(self.tunnel(section));
            }
            Forward::Tunnel(_) => {}
            Forward::Masquerade | Forward::Local | Forward::Direct => {
                if let Some(value) = of_tunnel {
                    self.idle(&value, &"%A has no effect: there is no tunnel without lb_kind TUN");
                }
            }
        }
        let Some(value) = self.scalar(section, "ipaddr") else {
            self.missing(section, "ipaddr");
            return None;
        };
        let address = self.server_address(value, "ipaddr", identity, forward)?;
        let destination = Destination {
            address,
            port: port(own_port as u16, identity),
            forward,
            weight: said(rhythm.weight, 1).cast_unsigned(),
            upper: upper.cast_unsigned(),
            lower: lower.cast_unsigned(),
        };
        self.warn_of_port(section, identity, &destination);
        Some(RealServer {
            name: super::Text::EMPTY,
            service,
            destination,
            probe: None,
            inhibits: common.inhibits || inhibits != 0,
        })
    }

    /// Only NAT changes the port on the way.
    fn warn_of_port(&mut self, section: Section<'d>, identity: &Identity, destination: &Destination) {
        let Identity::Address { port, .. } = *identity else { return };
        let Some(value) = first(section, "port").filter(|_| destination.port != port) else { return };
        if destination.forward != Forward::Masquerade {
            self.warn(
                value.line,
                "port %a is where the check goes: with DR and TUN clients reach the server at the virtual server's own \
                 port, so let it listen there",
                &[value.text],
            );
        }
    }

    /// `tun_type`, `tun_port` and `tun_checksum`.
    pub(super) fn tunnel(&mut self, section: Section<'d>) -> Tunnel {
        let [port] = self.numbers(section, &TUNNEL_PORT);
        let flags = self.tunnel_flags(section);
        let Some(value) = self.scalar(section, "tun_type") else { return Tunnel::Ipip };
        match value::choice(value.text, "ipip gue gre") {
            Some(0) => Tunnel::Ipip,
            Some(1) => {
                if port == 0 {
                    self.missing(section, "tun_port");
                }
                Tunnel::Gue { port: port as u16, flags }
            }
            Some(_) => {
                if flags & TUNNEL_REMOTE_CHECKSUM != 0 {
                    self.wrong(&value, &"tun_type %A has no remcsum: write nocsum or csum");
                }
                Tunnel::Gre { flags }
            }
            None => {
                self.wrong(&value, &"tun_type %A is unknown: write ipip, gue or gre");
                Tunnel::Ipip
            }
        }
    }

    fn tunnel_flags(&mut self, section: Section<'d>) -> u16 {
        let Some(value) = self.scalar(section, "tun_checksum") else { return 0 };
        match value::choice(value.text, "nocsum csum remcsum") {
            Some(0) => 0,
            Some(1) => TUNNEL_CHECKSUM,
            Some(_) => TUNNEL_REMOTE_CHECKSUM,
            None => {
                self.wrong(&value, &"tun_checksum %A is unknown: write nocsum, csum or remcsum");
                0
            }
        }
    }
}
