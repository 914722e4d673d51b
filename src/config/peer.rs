//! `unicast_peer` with `config peer`, and the source addresses.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::instance::Halves;
use super::reader::{Numeric, Reader, Value, first, insert, span, words_of};
use super::uci::Section;
use super::value;
use super::{Family, Peer, PeerBfd, Span};
use crate::limits;

static NUMBERS: [Numeric; 2] =
    [Numeric::whole("min_ttl", [0, 255], 0), Numeric::whole("max_ttl", [0, 255], 255)];

impl<'d> Reader<'d, '_> {
    /// The unicast peers of an instance, IPv4 and IPv6.
    pub(super) fn peers(&mut self, section: Section<'d>) -> (Span, Span) {
        let start = self.config.peers.len();
        let mut v4_end = start;
        for word in words_of(section, "unicast_peer") {
            let Some(peer) = self.peer(word) else { continue };
            let mine = self.config.peers.get(start..).unwrap_or(&[]);
            if mine.iter().any(|other| other.address == peer.address) {
                self.wrong(&word, &"unicast_peer %A is written twice: remove one");
            }
            let at = match Family::of(peer.address) {
                Family::V4 => v4_end,
                Family::V6 => self.config.peers.len(),
            };
            if !insert(&mut self.config.peers, at, peer) {
                self.full(word.line, "VIPD_PEERS", limits::PEERS_MAX);
                break;
            }
            if Family::of(peer.address) == Family::V4 {
                v4_end += 1;
            }
        }
        (span(start, v4_end), span(v4_end, self.config.peers.len()))
    }

    /// A peer by its address, or by the name of its section.
    fn peer(&mut self, word: Value<'d>) -> Option<Peer> {
        if let Some(address) = value::address(word.text) {
            if !value::is_host(address) {
                self.wrong(
                    &word,
                    &"unicast_peer %A is no address of a router: write one that a single router has",
                );
                return None;
            }
            return Some(Peer { address, min_ttl: 0, max_ttl: 255, bfd: PeerBfd::default() });
        }
        let Some(section) = self.resolve("peer", word.text) else {
            self.wrong(
                &word,
                &"unicast_peer %A is neither an address nor the name of a peer section: write one of them",
            );
            return None;
        };
        self.silently(|reader| reader.defined_peer(section))
    }

    /// `config peer`.
    pub(super) fn defined_peer(&mut self, section: Section<'d>) -> Option<Peer> {
        let [min_ttl, max_ttl] = self.numbers(section, &NUMBERS);
        if min_ttl > max_ttl {
            self.error_with(
                section.line(),
                "min_ttl %m is greater than max_ttl %n: nothing would be accepted, so swap them",
                &[],
                [min_ttl, max_ttl],
            );
        }
        let Some(value) = self.scalar(section, "address") else {
            self.missing(section, "address");
            return None;
        };
        let address = value::address(value.text).filter(|address| value::is_host(*address));
        if address.is_none() {
            self.wrong(
                &value,
                &"address %A is no address of a router: write one like 192.168.1.2 or fe80::2",
            );
        }
        Some(Peer {
            address: address?,
            min_ttl: min_ttl as u8,
            max_ttl: max_ttl as u8,
            bfd: PeerBfd::default(),
        })
    }

    /// With unicast, every family that has addresses needs peers, and no other has any.
    pub(super) fn check_peers(&mut self, section: Section<'d>, halves: &Halves) {
        if !halves.has_unicast() || !halves.has_addresses() {
            return;
        }
        let line = first(section, "unicast_peer").map_or(0, |value| value.line);
        let families = [(&halves.v4, "IPv4"), (&halves.v6, "IPv6")];
        for (half, family) in families {
            let sentence = match (half.addresses.is_empty(), half.peers.is_empty()) {
                (false, true) => "there are %a addresses, but no %a peer: write one, or split the instance",
                (true, false) => "there are %a peers, but no %a address: write one, or remove the peers",
                (true, true) | (false, false) => continue,
            };
            self.error(line, sentence, &[family.as_bytes()]);
        }
    }

    /// The source address of each family: with peers `unicast_src_ip` first, without `mcast_src_ip` first.
    pub(super) fn sources(
        &mut self,
        section: Section<'d>,
        halves: &Halves,
    ) -> (Option<Ipv4Addr>, Option<Ipv6Addr>) {
        let mut sources = (None, None);
        let mut names = ["unicast_src_ip", "mcast_src_ip"];
        if !halves.has_unicast() {
            names.reverse();
        }
        for name in names {
            self.source(section, name, halves, &mut sources);
        }
        if let Some(value) = first(section, "unicast_src_ip").filter(|_| !halves.has_unicast()) {
            self.warn(value.line, "there is no unicast_peer: multicast is used, from this address", &[]);
        }
        sources
    }

    /// The addresses of one option, at most one per family, where there is none yet.
    fn source(
        &mut self,
        section: Section<'d>,
        name: &str,
        halves: &Halves,
        sources: &mut (Option<Ipv4Addr>, Option<Ipv6Addr>),
    ) {
        let (mut has_v4, mut has_v6) = (false, false);
        for word in words_of(section, name) {
            let address = value::address(word.text).filter(|address| value::is_host(*address));
            let has = match address {
                Some(IpAddr::V4(address)) => {
                    sources.0.get_or_insert(address);
                    &mut has_v4
                }
                Some(IpAddr::V6(address)) => {
                    sources.1.get_or_insert(address);
                    &mut has_v6
                }
                None => {
                    self.wrong_option(
                        &word,
                        name,
                        &"%a %B is no address of a router: write one that this router has",
                    );
                    continue;
                }
            };
            if core::mem::replace(has, true) {
                self.wrong_option(
                    &word,
                    name,
                    &"%a %B is the second of its family: write one for IPv4 and one for IPv6 at most",
                );
            }
            self.check_source(word, name, address, halves);
        }
    }

    fn check_source(&mut self, word: Value<'d>, name: &str, address: Option<IpAddr>, halves: &Halves) {
        let Some(address) = address else { return };
        let half = match Family::of(address) {
            Family::V4 => &halves.v4,
            Family::V6 => &halves.v6,
        };
        let peers = half.peers.of(&self.config.peers);
        if peers.iter().any(|peer| peer.address == address) {
            self.wrong_option(
                &word,
                name,
                &"%a %B is a unicast_peer too: peers are the other routers, so remove it there",
            );
        }
        if half.addresses.is_empty() && halves.has_addresses() {
            self.warn(
                word.line,
                "%a %B has no effect: there is no virtual address of its family",
                &[name.as_bytes(), word.text],
            );
        }
    }
}
