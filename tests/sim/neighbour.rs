//! A BFD neighbour that is no vipd: it reads and writes control packets by RFC 5880 alone, and shares no line with the
//! code under test.

use vipd::wire::Mac;

/// UDP's port of BFD (RFC 5881 §4).
pub const PORT: u16 = 3784;

/// States, as packets have them (RFC 5880 §4.1).
pub const ADMIN_DOWN: u8 = 0;
pub const DOWN: u8 = 1;
pub const INIT: u8 = 2;
pub const UP: u8 = 3;

/// What a control packet says.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Said {
    pub diagnostic: u8,
    pub state: u8,
    pub polls: bool,
    pub answers: bool,
    pub multiplier: u8,
    pub mine: u32,
    pub yours: u32,
    pub min_tx_us: u32,
    pub min_rx_us: u32,
    pub min_echo_us: u32,
}

impl Said {
    /// Reads a packet as a receiver must (RFC 5880 §6.8.6), and says what is wrong with it.
    pub fn read(payload: &[u8]) -> Result<Self, &'static str> {
        let Some(packet) = payload.first_chunk::<24>() else { return Err("length") };
        let word =
            |at: usize| u32::from_be_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]]);
        let said = Self {
            diagnostic: packet[0] & 0x1f,
            state: packet[1] >> 6,
            polls: packet[1] & 0x20 != 0,
            answers: packet[1] & 0x10 != 0,
            multiplier: packet[2],
            mine: word(4),
            yours: word(8),
            min_tx_us: word(12),
            min_rx_us: word(16),
            min_echo_us: word(20),
        };
        match packet {
            _ if packet[0] >> 5 != 1 => Err("version"),
            _ if packet[3] < 24 || usize::from(packet[3]) > payload.len() => Err("length"),
            _ if said.multiplier == 0 => Err("multiplier"),
            _ if packet[1] & 0x01 != 0 => Err("multipoint bit"),
            _ if said.mine == 0 => Err("discriminator of its own"),
            _ if said.yours == 0 && said.state > DOWN => Err("discriminator of the other's"),
            _ if packet[1] & 0x04 != 0 => Err("authentication bit"),
            _ => Ok(said),
        }
    }

    pub fn bytes(&self) -> [u8; 24] {
        let flags = self.state << 6 | u8::from(self.polls) << 5 | u8::from(self.answers) << 4;
        let mut packet = [0; 24];
        packet[..4].copy_from_slice(&[0x20 | self.diagnostic, flags, self.multiplier, 24]);
        let words = [self.mine, self.yours, self.min_tx_us, self.min_rx_us, self.min_echo_us];
        for (room, word) in packet[4..].chunks_exact_mut(4).zip(words) {
            room.copy_from_slice(&word.to_be_bytes());
        }
        packet
    }
}

/// An upstream router that answers each packet with one of its own, and has no timer: its sessions come up, and stay so
/// for as long as it is asked.
#[derive(Debug, Clone, Default)]
pub struct Reflector {
    /// Whose packets it does not answer.
    pub deaf_to: Vec<Mac>,
}

impl Reflector {
    /// Its source port, in the range of RFC 5881 §4.
    pub const SOURCE_PORT: u16 = 50_000;

    /// The answer to a packet.
    pub fn answer(&self, from: Mac, payload: &[u8]) -> Option<Said> {
        let said = Said::read(payload).ok().filter(|_| !self.deaf_to.contains(&from))?;
        // RFC 5880 §6.2: whoever is heard to be down is told that it is heard, and whoever hears that is up.
        let state = match said.state {
            DOWN => INIT,
            INIT | UP => UP,
            _ => return None,
        };
        let (polls, answers) = (false, said.polls);
        let (mine, yours) = (!said.mine | 1, said.mine);
        Some(Said {
            diagnostic: 0,
            state,
            polls,
            answers,
            mine,
            yours,
            min_rx_us: 10_000,
            min_echo_us: 0,
            ..said
        })
    }
}
