//! Numbers for jitter and discriminators.

/// Numbers from a seed (xorshift32): the simulator can fix them.
#[derive(Debug, Clone, Copy)]
pub struct Random(u32);

impl Random {
    /// Not seeded yet; all bits zero. Its every number is 0.
    pub const NEW: Self = Self(0);

    /// From this seed on.
    #[must_use]
    pub const fn from_seed(seed: u32) -> Self {
        Self(seed | 1)
    }

    /// The next number, never 0 once it is seeded.
    pub const fn next(&mut self) -> u32 {
        let mut x = self.0;
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        self.0 = x;
        x
    }

    /// A number below `end`: the upper half of a product, since a remainder is a division.
    const fn below(&mut self, end: u32) -> u32 {
        ((self.next() as u64 * end as u64) >> 32) as u32
    }

    /// An interval without a random part of it (RFC 5880 §6.8.7): up to a quarter, so that nobody falls into step; and where
    /// not a single packet may be missed, a tenth at least, so that the next one is there before the other end gives up.
    pub(super) fn shortened(&mut self, interval_us: u32, multiplier: u8) -> u32 {
        let most = interval_us / 4;
        let least = if multiplier == 1 { most.min(interval_us.div_ceil(10)) } else { 0 };
        // The greatest sum is the interval's quarter.
        interval_us - least - self.below(most - least + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 5880 §6.8.7; BF06: at both ends of the range, and nowhere else.
    #[test]
    fn bf06_an_interval_is_shortened_by_up_to_a_quarter_and_alone_by_a_tenth() {
        let mut random = Random::from_seed(7);
        for interval_us in [1_000u32, 10_000, 300_000, 1_000_000, 60_000_000, u32::MAX - 3] {
            for multiplier in [1, 2, 3, 255] {
                let whole = u64::from(interval_us);
                let greatest = if multiplier == 1 { whole * 9 / 10 } else { whole };
                let (mut least_seen, mut greatest_seen, mut sum) = (u64::MAX, 0, 0);
                for _ in 0..10_000 {
                    let wait = u64::from(random.shortened(interval_us, multiplier));
                    assert!((whole * 3).div_ceil(4) <= wait && wait <= greatest, "{wait} of {interval_us}");
                    (least_seen, greatest_seen) = (least_seen.min(wait), greatest_seen.max(wait));
                    sum += wait;
                }
                let near = whole / 200;
                assert!(least_seen <= whole * 3 / 4 + near && greatest_seen + near >= greatest);
                let mean = u64::midpoint(whole * 3 / 4, greatest);
                assert!((sum / 10_000).abs_diff(mean) < near, "{} is not {mean}", sum / 10_000);
            }
        }
    }

    #[test]
    fn an_interval_of_next_to_nothing_is_none_the_less_one() {
        for seed in 0..1000 {
            for interval_us in 0..12 {
                for multiplier in [1, 3] {
                    let wait = Random::from_seed(seed).shortened(interval_us, multiplier);
                    assert!(wait <= interval_us && wait * 4 >= interval_us * 3);
                }
            }
        }
        let mut unseeded = Random::NEW;
        assert_eq!(unseeded.shortened(u32::MAX, 3), u32::MAX);
        assert_eq!(unseeded.shortened(1000, 1), 900);
    }

    #[test]
    fn no_number_is_zero_and_none_comes_back_soon() {
        let mut random = Random::from_seed(0);
        let first = random.next();
        for _ in 0..100_000 {
            let number = random.next();
            assert!(number != 0 && number != first);
        }
    }
}
