//! `no_accept` and `accept`: what becomes of packets to the virtual addresses.

use super::Acceptance;
use super::instance::Halves;
use super::reader::{Numeric, Reader, first};
use super::uci::Section;
use super::value;
use crate::limits::FILTERED_ADDRESSES_MAX;

static NO_ACCEPT: [Numeric; 1] = [Numeric::flag("no_accept", false)];

impl<'d> Reader<'d, '_> {
    /// They are accepted unless the file says otherwise, as keepalived does, and in version 2 too, which knows nothing
    /// else for others than the owner (RFC 3768 §6.4.3; AD08).
    pub(super) fn acceptance(&mut self, section: Section<'d>, accepts: bool, is_owner: bool) -> Acceptance {
        let accept = first(section, "accept");
        let no_accept = first(section, "no_accept");
        if !cfg!(feature = "no-accept") {
            let no_accept = no_accept.filter(|asked| value::is_asking(asked.text));
            let option: &[u8] = if no_accept.is_some() { b"no_accept" } else { b"accept '0'" };
            if let Some(asked) = no_accept.or(accept.filter(|_| !accepts)) {
                self.error(asked.line, "%a is not in this build of vipd: remove it", &[option]);
            }
            return Acceptance::default();
        }
        let [refuses] = self.numbers(section, &NO_ACCEPT);
        let refuses = refuses != 0;
        if let (Some(_), Some(asked)) = (accept, no_accept)
            && accepts == refuses
        {
            self.error(
                asked.line,
                "no_accept and accept say the contrary of each other: remove one of the two",
                &[],
            );
        }
        if accepts && !refuses {
            return Acceptance::default();
        }
        if let Some(asked) = no_accept.filter(|_| refuses).or(accept)
            && is_owner
        {
            let sentence = "no_accept has no effect with priority 255: the owner of the addresses accepts";
            self.warn(asked.line, sentence, &[]);
            return Acceptance::default();
        }
        Acceptance::refused()
    }

    pub(super) fn check_filtered(&mut self, section: Section<'d>, acceptance: Acceptance, halves: &Halves) {
        let most = halves.v4.addresses.len.max(halves.v6.addresses.len);
        if acceptance.is_refused() && usize::from(most) > FILTERED_ADDRESSES_MAX {
            self.full(section.line(), "VIPD_FILTERED_ADDRESSES", FILTERED_ADDRESSES_MAX);
        }
    }
}
