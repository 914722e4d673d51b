//! A socket filter of Linux, in classic BPF (`Documentation/networking/filter.rst`): of some VRIDs it lets only a sample
//! in, and all else. What is too short to have a VRID is let in as well.

use super::vrrp::Vrid;

/// One of so many packets of a muted VRID is let in; a power of two.
pub const SAMPLE: u32 = 64;

/// A set of VRIDs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Vrids([u32; 8]);

impl Vrids {
    /// The empty set.
    pub const NONE: Self = Self([0; 8]);

    /// Adds one.
    pub fn insert(&mut self, vrid: Vrid) {
        if let Some(word) = self.0.get_mut(usize::from(vrid.get() / 32)) {
            *word |= 1 << (vrid.get() % 32);
        }
    }

    /// Whether it is one of them.
    #[must_use]
    pub fn contains(&self, vrid: Vrid) -> bool {
        self.0.get(usize::from(vrid.get() / 32)).is_some_and(|word| word >> (vrid.get() % 32) & 1 == 1)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::NONE
    }
}

/// Where a packet begins for the filter of a raw socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// With IPv4's header.
    Ipv4Header,
    /// With the message, behind IPv6's header.
    Message,
}

/// An instruction, as the kernel's `struct sock_filter` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Step {
    /// What is to be done.
    pub code: u16,
    /// Of a condition: how many instructions are passed over if it holds,
    pub jt: u8,
    /// and if it does not.
    pub jf: u8,
    /// The operand.
    pub k: u32,
}

const LOAD_LENGTH: u16 = 0x80;
const LOAD_BYTE_BEHIND_X: u16 = 0x50;
const LOAD_WORD: u16 = 0x20;
const LOAD_MEMORY: u16 = 0x60;
const LOAD: u16 = 0x00;
const X_LOAD: u16 = 0x01;
/// The length of IPv4's header, from its first byte.
const X_LOAD_HEADER_LENGTH: u16 = 0xb1;
const STORE: u16 = 0x02;
const X_TAKE: u16 = 0x07;
const SUBTRACT_X: u16 = 0x1c;
const AND: u16 = 0x54;
const SHIFT_RIGHT_X: u16 = 0x7c;
const JUMP: u16 = 0x05;
const IF_GREATER: u16 = 0x25;
const IF_AT_LEAST: u16 = 0x35;
const IF_ANY_BIT: u16 = 0x45;
const RETURN: u16 = 0x06;

/// `SKF_AD_OFF + SKF_AD_RANDOM`: a number by chance is read from there (Linux 3.15; an older one refuses the filter).
const RANDOM: u32 = 0xffff_f038;

/// Where a VRID is in a message.
const VRID_AT: u32 = 1;

/// Instructions before the first word of the set is looked for.
const FIRST: usize = 9;
const WORDS: usize = 8;
const PER_WORD: usize = 3;
/// Here the word is known.
const TEST: usize = FIRST + WORDS * PER_WORD;
const PASS: usize = TEST + 4;
const DROP: usize = PASS + 1;

/// Instructions of the program.
pub const STEPS: usize = DROP + 1;

const fn step(code: u16, k: u32, jt: u8, jf: u8) -> Step {
    Step { code, jt, jf, k }
}

/// The program for the empty set, where packets begin with the message.
static PASS_ALL: [Step; STEPS] = pass_all();

const fn pass_all() -> [Step; STEPS] {
    const HEAD: [Step; FIRST] = [
        step(X_LOAD, 0, 0, 0),
        // What is loaded from beyond the end would end the program, and the packet.
        step(LOAD_LENGTH, 0, 0, 0),
        step(SUBTRACT_X, 0, 0, 0),
        step(IF_GREATER, VRID_AT, 0, (PASS - 4) as u8),
        step(LOAD_BYTE_BEHIND_X, VRID_AT, 0, 0),
        step(STORE, 0, 0, 0),
        step(AND, 31, 0, 0),
        step(X_TAKE, 0, 0, 0),
        step(LOAD_MEMORY, 0, 0, 0),
    ];
    const TAIL: [Step; STEPS - TEST] = [
        step(SHIFT_RIGHT_X, 0, 0, 0),
        step(IF_ANY_BIT, 1, 0, (PASS - TEST - 2) as u8),
        step(LOAD_WORD, RANDOM, 0, 0),
        step(IF_ANY_BIT, SAMPLE - 1, (DROP - TEST - 4) as u8, 0),
        step(RETURN, u32::MAX, 0, 0),
        step(RETURN, 0, 0, 0),
    ];
    let mut steps = [step(RETURN, 0, 0, 0); STEPS];
    let (mut at, mut rest) = (0, HEAD.as_slice());
    while let Some((step, more)) = rest.split_first() {
        (steps[at], rest) = (*step, more);
        at += 1;
    }
    // The highest VRIDs first.
    let mut word = WORDS as u32;
    while word > 0 {
        word -= 1;
        steps[at] = step(IF_AT_LEAST, word * 32, 0, 2);
        steps[at + 1] = step(LOAD, 0, 0, 0);
        steps[at + 2] = step(JUMP, (TEST - at - PER_WORD) as u32, 0, 0);
        at += PER_WORD;
    }
    rest = TAIL.as_slice();
    while let Some((step, more)) = rest.split_first() {
        (steps[at], rest) = (*step, more);
        at += 1;
    }
    steps
}

/// The program that lets in one of [`SAMPLE`] packets of these VRIDs, and all others.
#[must_use]
pub fn program(start: Start, muted: &Vrids) -> [Step; STEPS] {
    let mut steps = PASS_ALL;
    if let (Start::Ipv4Header, [first, ..]) = (start, &mut steps) {
        first.code = X_LOAD_HEADER_LENGTH;
    }
    let places = steps.iter_mut().skip(FIRST + 1).step_by(PER_WORD);
    for (place, word) in places.zip(muted.0.iter().rev()) {
        place.k = *word;
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn vrid(number: u8) -> Vrid {
        Vrid::new(number).unwrap()
    }

    /// What the kernel makes of a program: how much of the packet is let in.
    fn run(steps: &[Step], packet: &[u8], random: u32) -> u32 {
        let (mut a, mut x, mut memory, mut at) = (0u32, 0u32, [None; 16], 0);
        loop {
            let Step { code, jt, jf, k } = steps[at];
            at += 1;
            let mut branch = |holds| at += usize::from(if holds { jt } else { jf });
            match code {
                LOAD_LENGTH => a = packet.len() as u32,
                LOAD_BYTE_BEHIND_X => match packet.get(x as usize + k as usize) {
                    Some(byte) => a = (*byte).into(),
                    None => return 0,
                },
                LOAD_WORD if k == RANDOM => a = random,
                LOAD_MEMORY => a = memory[k as usize].expect("the kernel refuses what was not stored"),
                LOAD => a = k,
                X_LOAD => x = k,
                X_LOAD_HEADER_LENGTH => match packet.get(k as usize) {
                    Some(byte) => x = u32::from(byte & 0x0f) * 4,
                    None => return 0,
                },
                STORE => memory[k as usize] = Some(a),
                X_TAKE => x = a,
                SUBTRACT_X => a = a.wrapping_sub(x),
                AND => a &= k,
                SHIFT_RIGHT_X => a = a.checked_shr(x).expect("it is defined below 32"),
                JUMP => at += k as usize,
                IF_GREATER => branch(a > k),
                IF_AT_LEAST => branch(a >= k),
                IF_ANY_BIT => branch(a & k != 0),
                RETURN => return k,
                other => panic!("{other:#x}"),
            }
        }
    }

    /// A message behind a header of so many words; none: IPv6.
    fn packet(start: Start, header_words: u8, message: &[u8]) -> Vec<u8> {
        let mut packet = Vec::new();
        if start == Start::Ipv4Header {
            // Bytes of the header that are taken for the message's must show.
            packet.resize(usize::from(header_words) * 4, 0xa5);
            packet[0] = 0x40 | header_words;
        }
        packet.extend_from_slice(message);
        packet
    }

    fn sets() -> Vec<Vrids> {
        let mut random = fastrand::Rng::with_seed(112);
        let mut sets = std::vec![Vrids::NONE, Vrids([u32::MAX; 8])];
        sets.extend((1..=255).map(|number| {
            let mut set = Vrids::NONE;
            set.insert(vrid(number));
            set
        }));
        sets.extend((0..200).map(|_| Vrids(core::array::from_fn(|_| random.u32(..)))));
        sets
    }

    #[test]
    fn a_set_has_what_was_put_in() {
        for number in 1..=255 {
            let mut set = Vrids::NONE;
            assert!(set.is_empty() && !set.contains(vrid(number)));
            set.insert(vrid(number));
            let held: Vec<_> = (1..=255).filter(|other| set.contains(vrid(*other))).collect();
            assert_eq!(held, [number]);
        }
    }

    #[test]
    fn a_muted_vrid_comes_in_once_in_a_sample_and_all_others_always() {
        for set in sets() {
            for start in [Start::Ipv4Header, Start::Message] {
                let steps = program(start, &set);
                for number in 1..=255 {
                    let header_words = 5 + number % 11;
                    let packet = packet(start, header_words, &[0x31, number, 100, 1, 0, 100, 0, 0]);
                    let is_let_in = |random| run(&steps, &packet, random) >= packet.len() as u32;
                    let is_muted = set.contains(vrid(number));
                    assert!(is_let_in(0) && is_let_in(SAMPLE * 5));
                    for random in [1, SAMPLE - 1, u32::MAX] {
                        assert_eq!(is_let_in(random), !is_muted, "{start:?} {number} {set:x?}");
                    }
                    let often = (0..SAMPLE).filter(|random| is_let_in(*random)).count();
                    assert_eq!(often as u32, if is_muted { 1 } else { SAMPLE });
                }
            }
        }
    }

    #[test]
    fn what_is_too_short_for_a_vrid_or_has_none_comes_in() {
        let all: Vrids = {
            let mut all = Vrids::NONE;
            (1..=255).for_each(|number| all.insert(vrid(number)));
            all
        };
        for start in [Start::Ipv4Header, Start::Message] {
            let steps = program(start, &all);
            for message in [&[][..], &[0x31], &[0x31, 0], &[0x31, 0, 100, 1, 0, 100, 0, 0]] {
                let packet = packet(start, 5, message);
                assert_eq!(run(&steps, &packet, 1), u32::MAX, "{start:?} {message:?}");
            }
            assert_eq!(run(&steps, &packet(start, 5, &[0x31, 9]), 1), 0, "{start:?}");
        }
    }

    /// The kernel refuses a program that jumps beyond its end, or whose last instruction is no return.
    #[test]
    fn every_jump_stays_within_the_program() {
        let steps = program(Start::Message, &Vrids::NONE);
        for (at, step) in steps.iter().enumerate() {
            let next = at + 1;
            let targets = match step.code {
                JUMP => [next + step.k as usize; 2],
                _ => [next + usize::from(step.jt), next + usize::from(step.jf)],
            };
            assert!(step.code == RETURN || targets.iter().all(|target| *target < STEPS), "{at}: {step:?}");
        }
        assert_eq!(steps[STEPS - 1].code, RETURN);
    }
}
