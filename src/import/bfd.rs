//! `bfd_instance`.

use core::net::IpAddr;

use super::draft::{Decimal, Need};
use super::statements::Statement;
use super::translate::Translation;
use super::words;
use crate::config::value;

/// Words that mean the same in both. Those of the second line would make another session if they were left out.
const CARRIED: &str = "min_rx min_tx idle_tx multiplier passive \
    source_ip";

/// What vipd sends where nothing is written, and counts `max_hops` from.
const HOP_LIMIT: i32 = 255;

impl Translation<'_, '_, '_> {
    pub(super) fn bfd(&mut self, block: &Statement<'_>) {
        if !words::is_built("bfd_instance") {
            self.lose(block, "not in this build of vipd");
            return;
        }
        if let Some(multihop) = self.block(block).last(b"multihop") {
            self.lose_words(
                multihop.place,
                &[block.word(0), block.word(1), b"multihop"],
                "a session of vipd goes over one link, and another port: left out as a whole",
            );
            return;
        }
        self.draft.section(block.place, "bfd_instance");
        self.name(block);
        for statement in self.block(block) {
            match statement.word(0) {
                b"neighbor_ip" | b"neighbour_ip" => {
                    let at = (statement.place, Need::Must);
                    self.draft.option(at, b"neighbor_ip", [statement.word(1)]);
                }
                b"weight" => self.weight(&statement),
                b"ttl" | b"hoplimit" | b"max_hops" => {}
                b"source_ip" => self.carry("bfd_instance", CARRIED, Need::Must, &statement),
                _ => self.carry("bfd_instance", CARRIED, Need::Wish, &statement),
            }
        }
        self.hop_limits(block);
        self.finish(block);
    }

    /// What is sent, and what is taken. keepalived counts `max_hops` from what it sends itself, and knows `ttl` and
    /// `hoplimit` for either family.
    fn hop_limits(&mut self, block: &Statement<'_>) {
        let is_limit = |statement: &Statement<'_>| matches!(statement.word(0), b"ttl" | b"hoplimit");
        let limit = self.block(block).filter(is_limit).last();
        let most = self.block(block).last(b"max_hops");
        match limit {
            Some(limit) => self.draft.option((limit.place, Need::Wish), b"hoplimit", [limit.word(1)]),
            None if self.is_ipv6(block) => self.remark(
                block.place,
                &[block.word(0), block.word(1)],
                "keepalived sends hop limit 64 where none is written: vipd sends 255, and counts max_hops \
                 from there, so a keepalived at the other end needs hoplimit 255",
            ),
            None => {}
        }
        let sent = limit.map_or(Some(HOP_LIMIT), |limit| value::integer(limit.word(1)));
        let sent = sent.filter(|sent| (1..=HOP_LIMIT).contains(sent)).unwrap_or(HOP_LIMIT);
        let hops = most.map_or(Some(0), |most| value::integer(most.word(1)));
        // −1 is all of them, as 255 is.
        let hops = hops.map(|hops| if hops == -1 { HOP_LIMIT } else { hops });
        let hops = hops.filter(|hops| (0..=HOP_LIMIT).contains(hops));
        match (hops, most.or(limit)) {
            // `check` says what is wrong with it.
            (None, Some(most)) => self.draft.option((most.place, Need::Wish), b"max_hops", [most.word(1)]),
            (Some(hops), Some(at)) if hops > 0 || sent < HOP_LIMIT => {
                let counted = HOP_LIMIT - sent + hops.min(sent);
                let counted = Decimal::new(counted.cast_unsigned() as u16);
                self.draft.option((at.place, Need::Must), b"max_hops", [counted.text()]);
                if sent < HOP_LIMIT {
                    let reason =
                        "keepalived counts it from its own hop limit, vipd from 255: it takes the same";
                    self.remark(at.place, &[b"max_hops", counted.text()], reason);
                }
            }
            (Some(_), _) | (None, None) => {}
        }
    }

    /// Whether keepalived keeps a session from whoever would track it.
    pub(super) fn is_for_checkers(&self, name: &[u8]) -> bool {
        let mut blocks = self.outermost().filter(|block| block.word(0) == b"bfd_instance");
        let block = blocks.find(|block| block.word(1) == name);
        let inner = block.map(|block| self.block(&block));
        inner.is_some_and(|inner| inner.has(b"checker") && !inner.has(b"vrrp"))
    }

    fn is_ipv6(&self, block: &Statement<'_>) -> bool {
        let mut statements = self.block(block);
        statements.any(|statement| {
            let is_neighbor = matches!(statement.word(0), b"neighbor_ip" | b"neighbour_ip");
            is_neighbor && matches!(value::address(statement.word(1)), Some(IpAddr::V6(_)))
        })
    }
}
