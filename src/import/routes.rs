//! `virtual_routes` and `virtual_rules`: each line becomes an entry of the list of the same name.

use heapless::Vec;

use super::draft::Need;
use super::notice::Place;
use super::statements::{Statement, Words};
use super::translate::Translation;
use super::words;

/// Words that mean the same in both, with one behind each.
const ROUTE: &str = "src dev table scope metric";
const RULE: &str = "from to iif dev table lookup fwmark priority preference";

/// Words of a route that drops what goes there, each before its network.
const DROPS: &str = "blackhole unreachable prohibit";

const MANY_GATEWAYS: &str = "a route has one gateway in this release of vipd: it is left out";
const WAY_OUT: &str = "a rule looks at where packets come in (iif), not where they go out: it is left out";
const NETWORKS: &str = "a route has one network: it is left out";
const NOTHING_ALIKE: &str = "there is nothing like it in this release of vipd: the line is left out";
const NO_WORD: &str = "this is not one word: the line is left out";
const PROTOCOL: &str = "vipd marks its own with protocol 112, to know them again";
const NO_TRACK: &str = "vipd puts back what somebody removes";

/// Words that an entry can have, which are more than those that it needs.
const WORDS_MAX: usize = 24;

type Entry<'w> = Vec<&'w [u8], WORDS_MAX>;

/// A word, and why its line is left out.
type Lost<'w> = (&'w [u8], &'static str);

impl Translation<'_, '_, '_> {
    /// Each line of the block. What stands behind its words is for `check` to take or to refuse.
    pub(super) fn routes(&mut self, block: &Statement<'_>) {
        let option = block.word(0);
        for line in self.block(block) {
            let mut entry = Entry::new();
            let written = match (line.words().find(|word| !is_one_word(word)), option) {
                (Some(word), _) => Err((word, NO_WORD)),
                (None, b"virtual_routes") => self.route(&line, &mut entry),
                (None, _) => self.rule(&line, &mut entry),
            };
            match written {
                Ok(()) => self.draft.list((line.place, Need::Wish), option, entry.iter().copied()),
                Err((word, reason)) => self.lose_words(line.place, &[option, word], reason),
            }
        }
    }

    /// keepalived takes the network of a route anywhere: it is written first.
    fn route<'w>(&mut self, line: &Statement<'w>, entry: &mut Entry<'w>) -> Result<(), Lost<'w>> {
        let mut network = [&b""[..]; 2];
        let mut words = line.words();
        while let Some(word) = words.next() {
            let name: &[u8] = match word {
                b"oif" => b"dev",
                b"priority" | b"preference" => b"metric",
                _ => word,
            };
            if matches!(name, b"via" | b"gw") {
                // It can say its family first, which its address says too.
                let behind = words.next().filter(|word| !matches!(*word, b"inet" | b"inet6"));
                add(entry, name, behind.or_else(|| words.next()))?;
            } else if words::has(ROUTE, name) {
                add(entry, name, words.next())?;
            } else if words::has(DROPS, word) || word == b"to" || is_network(word) {
                if network != [b"", b""] {
                    return Err((word, NETWORKS));
                }
                network = match word {
                    b"to" => [b"", words.next().unwrap_or(&[])],
                    _ if is_network(word) => [b"", word],
                    _ => [word, words.next().unwrap_or(&[])],
                };
            } else if matches!(word, b"or" | b"nexthop") {
                return Err((word, MANY_GATEWAYS));
            } else {
                self.beside((line.place, b"virtual_routes"), word, &mut words)?;
            }
        }
        let [drop, network] = network;
        if network.is_empty() {
            return Err((line.word(0), NETWORKS));
        }
        for word in [network, drop] {
            if !word.is_empty() && entry.insert(0, word).is_err() {
                return Err((word, NOTHING_ALIKE));
            }
        }
        Ok(())
    }

    fn rule<'w>(&mut self, line: &Statement<'w>, entry: &mut Entry<'w>) -> Result<(), Lost<'w>> {
        let mut words = line.words();
        while let Some(word) = words.next() {
            if words::has(RULE, word) {
                add(entry, word, words.next())?;
            } else if word == b"oif" {
                return Err((word, WAY_OUT));
            } else {
                self.beside((line.place, b"virtual_rules"), word, &mut words)?;
            }
        }
        Ok(())
    }

    /// A word without which a route or a rule is the same to whoever sends packets, or none of those that we know.
    fn beside<'w>(
        &mut self,
        (place, option): (Place, &[u8]),
        word: &'w [u8],
        words: &mut Words<'w>,
    ) -> Result<(), Lost<'w>> {
        match word {
            b"no_track" => self.lose_words(place, &[option, word], NO_TRACK),
            b"proto" | b"protocol" => {
                let behind = words.next().unwrap_or(&[]);
                self.lose_words(place, &[option, word, behind], PROTOCOL);
            }
            _ => return Err((word, NOTHING_ALIKE)),
        }
        Ok(())
    }
}

fn add<'w>(entry: &mut Entry<'w>, word: &'w [u8], behind: Option<&'w [u8]>) -> Result<(), Lost<'w>> {
    entry.extend_from_slice(&[word, behind.unwrap_or(&[])]).map_err(|_| (word, NOTHING_ALIKE))
}

/// Whether it would be one word of an entry too: quotes can hold more together, or nothing.
fn is_one_word(word: &[u8]) -> bool {
    !word.is_empty() && !word.iter().any(|byte| *byte == b' ' || byte.is_ascii_control())
}

/// Whether a word stands where a network could; `check` says whether it is one.
fn is_network(word: &[u8]) -> bool {
    word == b"default" || word.iter().any(|byte| matches!(byte, b'.' | b':' | b'/'))
}
