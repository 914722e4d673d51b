//! Time, as the core sees it: an [`Instant`] that enters by argument, and an [`Interval`] that knows
//! every timing formula of VRRP.
//!
//! Nothing here divides a 64-bit number: on a 32-bit MIPS that is a library call of half a kilobyte.

use core::num::NonZeroU32;
use core::ops::Add;
use core::time::Duration;

/// A moment on a monotonic clock, counted from an origin of the shell's choice (Linux: boot).
///
/// Integer, nanosecond resolution, never a wall clock, so setting the time of day moves no deadline. Two
/// 32-bit numbers, as the kernel's own: 136 years, in eight bytes, and with room in them for "no moment".
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Instant {
    secs: u32,
    /// One more than the nanoseconds, so that an `Option<Instant>` is not larger.
    nanos_and_one: NonZeroU32,
}

const NANOS_PER_SEC: u32 = 1_000_000_000;
const MICROS_PER_SEC: u32 = 1_000_000;

impl Instant {
    /// The clock's origin.
    pub const ORIGIN: Self = Self::new(0, 0);

    /// The end of time, 136 years after the origin: later moments are taken for this one.
    pub const END: Self = Self::new(u32::MAX, NANOS_PER_SEC - 1);

    const fn new(secs: u32, nanos: u32) -> Self {
        Self { secs, nanos_and_one: NonZeroU32::MIN.saturating_add(nanos) }
    }

    /// The moment that lies `since_origin` after the clock's origin.
    #[must_use]
    pub const fn from_origin(since_origin: Duration) -> Self {
        if since_origin.as_secs() > u32::MAX as u64 {
            return Self::END;
        }
        Self::new(since_origin.as_secs() as u32, since_origin.subsec_nanos())
    }

    /// How far this moment lies after the clock's origin.
    #[must_use]
    pub const fn since_origin(self) -> Duration {
        Duration::new(self.secs as u64, self.nanos_and_one.get() - 1)
    }

    /// Time from `earlier` to this moment; zero if `earlier` is later.
    #[must_use]
    #[inline(never)]
    pub fn since(self, earlier: Self) -> Duration {
        if self <= earlier {
            return Duration::ZERO;
        }
        // The one that both nanoseconds have too many cancels out.
        let (nanos, before) = (self.nanos_and_one.get(), earlier.nanos_and_one.get());
        let secs = self.secs - earlier.secs;
        let (secs, nanos) =
            if nanos >= before { (secs, nanos - before) } else { (secs - 1, nanos + NANOS_PER_SEC - before) };
        // Always below: the compiler is told, or `new` could panic.
        Duration::new(u64::from(secs), nanos.min(NANOS_PER_SEC - 1))
    }

    /// The moment that lies so many microseconds after this one, taken so many times: exact, also where their product
    /// does not fit 32 bits. Saturates at [`Instant::END`].
    #[must_use]
    #[inline(never)]
    pub fn after_micros(self, micros: u32, times: u8) -> Self {
        let times = u32::from(times);
        // What is below a second stays below 255 seconds, which fits.
        let below = micros % MICROS_PER_SEC * times;
        let secs = micros / MICROS_PER_SEC * times + below / MICROS_PER_SEC;
        self.plus(secs, below % MICROS_PER_SEC * (NANOS_PER_SEC / MICROS_PER_SEC))
    }

    /// `nanos` are below [`NANOS_PER_SEC`].
    #[inline(never)]
    fn plus(self, secs: u32, nanos: u32) -> Self {
        let mut nanos = self.nanos_and_one.get() - 1 + nanos;
        let mut carry = 0;
        if nanos >= NANOS_PER_SEC {
            nanos -= NANOS_PER_SEC;
            carry = 1;
        }
        match self.secs.checked_add(secs).and_then(|secs| secs.checked_add(carry)) {
            Some(secs) => Self::new(secs, nanos),
            None => Self::END,
        }
    }
}

impl Default for Instant {
    fn default() -> Self {
        Self::ORIGIN
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// Saturates at [`Instant::END`].
    fn add(self, span: Duration) -> Self {
        match u32::try_from(span.as_secs()) {
            Ok(secs) => self.plus(secs, span.subsec_nanos()),
            Err(_) => Self::END,
        }
    }
}

/// The earlier of two moments, where one that is none is later than any.
#[must_use]
#[inline(never)]
pub fn earlier(one: Option<Instant>, other: Option<Instant>) -> Option<Instant> {
    match (one, other) {
        (None, at) | (at, None) => at,
        (Some(one), Some(other)) => Some(one.min(other)),
    }
}

/// A span of time in 256ths of a centisecond (39062.5 ns), of which every formula of VRRP is a whole number: 32 bits
/// hold 46 hours, and nothing is rounded before the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Span {
    units: u32,
}

/// The number of 256ths of a centisecond in a second.
const UNITS_PER_SECOND: u32 = 25_600;

impl Span {
    /// Seconds, 0..=65535.
    #[must_use]
    pub const fn from_secs(secs: u16) -> Self {
        Self { units: secs as u32 * UNITS_PER_SECOND }
    }

    /// Nothing.
    pub const ZERO: Self = Self { units: 0 };

    /// Milliseconds, rounded down to the unit; more than 16 777 215, four hours and a half, are taken for as many.
    #[must_use]
    pub const fn from_millis(millis: u32) -> Self {
        let millis = if millis > u32::MAX / 256 { u32::MAX / 256 } else { millis };
        Self { units: millis * 256 / 10 }
    }

    /// One of so many equal parts of it, rounded down to the unit; of none, all of it.
    #[must_use]
    pub const fn part(self, of: u16) -> Self {
        Self { units: self.units / if of > 0 { of as u32 } else { 1 } }
    }

    /// As a duration, rounded down to the nanosecond.
    #[must_use]
    pub const fn duration(self) -> Duration {
        let (secs, nanos) = self.parts();
        Duration::new(secs as u64, nanos)
    }

    /// Seconds, and nanoseconds below a second. A remainder below one second times 78125 stays below 2³¹, so the
    /// whole computation is 32-bit.
    const fn parts(self) -> (u32, u32) {
        (self.units / UNITS_PER_SECOND, (self.units % UNITS_PER_SECOND) * 78_125 / 2)
    }
}

impl Add for Span {
    type Output = Self;

    /// Saturates at 46 hours.
    fn add(self, other: Self) -> Self {
        Self { units: self.units.saturating_add(other.units) }
    }
}

impl Add<Span> for Instant {
    type Output = Self;

    /// Saturates at [`Instant::END`].
    #[inline(never)]
    fn add(self, span: Span) -> Self {
        let (secs, nanos) = span.parts();
        self.plus(secs, nanos)
    }
}

/// When what was due at `due` is due again: a period later, so that nothing drifts. What was missed is skipped: if
/// that is not after `now`, a period from now (law 12).
#[must_use]
#[inline(never)]
pub fn next_due(due: Instant, period: Span, now: Instant) -> Instant {
    let next = due + period;
    if next > now { next } else { now + period }
}

/// An advertisement interval in centiseconds, the unit of VRRPv3's wire format: 0.01 s to 255 s.
///
/// VRRPv3 can express 1..=4095 centiseconds (RFC 9568 §5.2.7), VRRPv2 whole seconds 1..=255
/// (RFC 3768 §5.3.7). All formulas are products of the interval and a 256th: whole [`Span`]s.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Interval {
    centis: u16,
}

impl Interval {
    /// One second, the default of every version.
    pub const SECOND: Self = Self { centis: 100 };
    /// The longest interval that VRRPv3 can advertise, 40.95 s (RFC 9568 §5.2.7).
    pub const V3_MAX: Self = Self { centis: 4095 };
    /// The longest interval that VRRPv2 can advertise, 255 s (RFC 3768 §5.3.7).
    pub const V2_MAX: Self = Self { centis: 25_500 };

    /// An interval of `centis` centiseconds, 1..=25500; `None` outside.
    #[must_use]
    pub const fn from_centis(centis: u16) -> Option<Self> {
        if centis == 0 || centis > Self::V2_MAX.centis { None } else { Some(Self { centis }) }
    }

    /// An interval of `secs` whole seconds, 1..=255; `None` for zero.
    #[must_use]
    pub const fn from_secs(secs: u8) -> Option<Self> {
        Self::from_centis(secs as u16 * 100)
    }

    /// Centiseconds, 1..=25500.
    #[must_use]
    pub const fn centis(self) -> u16 {
        self.centis
    }

    /// Whole seconds, if it is a whole number of them: what VRRPv2 can say.
    #[must_use]
    pub const fn whole_secs(self) -> Option<u8> {
        if self.centis.is_multiple_of(100) {
            // At most 255: `from_centis` bounds it.
            Some((self.centis / 100) as u8)
        } else {
            None
        }
    }

    /// The interval itself: from one advertisement to the next.
    #[must_use]
    pub const fn span(self) -> Span {
        Span { units: self.centis as u32 * 256 }
    }

    /// Skew_Time of VRRPv2: (256 − priority) / 256 seconds, whatever the interval (RFC 3768 §6.1).
    #[must_use]
    pub const fn skew_v2(priority: u8) -> Span {
        Span { units: (256 - priority as u32) * 100 }
    }

    /// Skew_Time of VRRPv3: (256 − priority) / 256 of the interval (RFC 9568 §6.1).
    #[must_use]
    pub const fn skew_v3(self, priority: u8) -> Span {
        Span { units: (256 - priority as u32) * self.centis as u32 }
    }

    /// Master_Down_Interval of VRRPv2: 3 × interval + Skew_Time (RFC 3768 §6.1).
    #[must_use]
    pub const fn down_v2(self, priority: u8) -> Span {
        Span { units: 3 * self.span().units + Self::skew_v2(priority).units }
    }

    /// Active_Down_Interval of VRRPv3: 3 × interval + Skew_Time (RFC 9568 §6.1).
    #[must_use]
    pub const fn down_v3(self, priority: u8) -> Span {
        Span { units: 3 * self.span().units + self.skew_v3(priority).units }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The formula in exact arithmetic, in nanoseconds, the other way round: nothing shared with the code above.
    fn exact(numerator: u128, denominator: u128) -> u128 {
        numerator * 1_000_000_000 / denominator
    }

    #[test]
    fn one_second_is_a_hundred_centiseconds() {
        assert_eq!(Interval::from_secs(1), Some(Interval::SECOND));
        assert_eq!(Interval::SECOND.centis(), 100);
        assert_eq!(Interval::SECOND.span().duration(), Duration::from_secs(1));
        assert_eq!(Interval::from_centis(1).unwrap().span().duration(), Duration::from_millis(10));
        assert_eq!(Interval::V3_MAX.span().duration(), Duration::from_millis(40_950));
        assert_eq!(Interval::V2_MAX.span().duration(), Duration::from_secs(255));
    }

    #[test]
    fn zero_and_more_than_255_seconds_are_no_intervals() {
        assert_eq!(Interval::from_centis(0), None);
        assert_eq!(Interval::from_secs(0), None);
        assert_eq!(Interval::from_centis(25_501), None);
        assert!(Interval::from_centis(25_500).is_some());
    }

    /// RFC 3768 §6.1, TM01 and TM02: literal numbers.
    #[test]
    fn tm01_tm02_v2_skew_and_down_time_by_hand() {
        assert_eq!(Interval::skew_v2(100).duration(), Duration::from_micros(609_375));
        assert_eq!(Interval::skew_v2(254).duration(), Duration::from_nanos(7_812_500));
        assert_eq!(Interval::SECOND.down_v2(100).duration(), Duration::from_micros(3_609_375));
        assert_eq!(
            Interval::from_secs(10).unwrap().down_v2(100).duration(),
            Duration::from_micros(30_609_375)
        );
    }

    /// RFC 9568 §6.1, TM03 and TM04: literal numbers; the fastest interval keeps its skew.
    #[test]
    fn tm03_tm04_v3_skew_and_down_time_by_hand() {
        let centi = Interval::from_centis(1).unwrap();
        assert_eq!(centi.skew_v3(255).duration(), Duration::from_nanos(39_062));
        assert_eq!(centi.skew_v3(254).duration(), Duration::from_nanos(78_125));
        assert_eq!(centi.down_v3(100).duration(), Duration::from_nanos(36_093_750));
        assert_eq!(Interval::SECOND.down_v3(150).duration(), Duration::from_nanos(3_414_062_500));
    }

    /// Law 13. Every priority with every interval that a wire can carry, against the exact fraction.
    #[test]
    fn law_13_time_is_integer_and_typed() {
        for centis in 1..=4095u16 {
            let interval = Interval::from_centis(centis).unwrap();
            for priority in 0..=255u8 {
                let skew = (256 - u128::from(priority)) * u128::from(centis);
                assert_eq!(interval.skew_v3(priority).duration().as_nanos(), exact(skew, 25_600));
                let down = skew + 3 * 256 * u128::from(centis);
                assert_eq!(interval.down_v3(priority).duration().as_nanos(), exact(down, 25_600));
            }
        }
        for secs in 1..=255u8 {
            let interval = Interval::from_secs(secs).unwrap();
            for priority in 0..=255u8 {
                let skew = 256 - u128::from(priority);
                assert_eq!(Interval::skew_v2(priority).duration().as_nanos(), exact(skew, 256));
                let down = skew + 3 * 256 * u128::from(secs);
                assert_eq!(interval.down_v2(priority).duration().as_nanos(), exact(down, 256));
            }
        }
    }

    /// Two backups with different priorities never time out together: the skew is what keeps them apart.
    #[test]
    fn different_priorities_have_different_down_times() {
        for centis in [1u16, 2, 7, 10, 100, 4095] {
            let interval = Interval::from_centis(centis).unwrap();
            for priority in 0..255u8 {
                assert!(interval.down_v3(priority) > interval.down_v3(priority + 1));
                assert!(interval.down_v2(priority) > interval.down_v2(priority + 1));
            }
        }
    }

    #[test]
    fn a_span_is_added_to_a_moment_as_its_duration_is() {
        for span in [
            Span::from_millis(10),
            Span::from_millis(u32::MAX),
            Span::from_secs(u16::MAX),
            Span { units: u32::MAX },
        ] {
            for at in
                [Instant::ORIGIN, Instant::from_origin(Duration::from_nanos(7_999_999_999)), Instant::END]
            {
                assert_eq!(at + span, at + span.duration());
            }
        }
        assert_eq!(Span::from_millis(10), Interval::from_centis(1).unwrap().span());
        assert_eq!(Span::from_secs(1), Interval::SECOND.span());
        assert_eq!(Span::from_millis(1).duration(), Duration::from_nanos(976_562));
        assert_eq!(Span::from_secs(1) + Span::from_millis(10), Interval::from_centis(101).unwrap().span());
        assert_eq!(Span::from_secs(3600).part(3), Span::from_secs(1200));
        assert_eq!(Span::from_secs(3600).part(0), Span::from_secs(3600));
    }

    #[test]
    fn instants_saturate_instead_of_panicking() {
        assert_eq!(Instant::from_origin(Duration::MAX), Instant::END);
        assert_eq!(Instant::END + Duration::from_secs(1), Instant::END);
        assert_eq!(Instant::END + Duration::MAX, Instant::END);
        assert_eq!(Instant::ORIGIN.since(Instant::END), Duration::ZERO);
        assert_eq!(Instant::END.since(Instant::ORIGIN).as_secs(), u64::from(u32::MAX));
    }

    /// The oracle is core's duration, which counts in 64 bits.
    #[test]
    fn microseconds_are_added_as_their_product_is() {
        let almost = Instant::from_origin(Duration::from_nanos(1_999_999_999));
        for micros in [0, 1, 7_500, 999_999, 1_000_000, 1_000_001, 33_333_333, u32::MAX] {
            for times in [0, 1, 2, 3, 5, 254, 255] {
                let span = Duration::from_micros(u64::from(micros) * u64::from(times));
                for at in [Instant::ORIGIN, almost, Instant::END] {
                    assert_eq!(at.after_micros(micros, times), at + span, "{micros} us {times} times");
                }
            }
        }
    }

    #[test]
    fn nanoseconds_carry_into_seconds() {
        let almost = Instant::from_origin(Duration::from_nanos(1_999_999_999));
        assert_eq!(almost + Duration::from_nanos(1), Instant::from_origin(Duration::from_secs(2)));
        assert_eq!((almost + Duration::from_nanos(1)).since(almost), Duration::from_nanos(1));
        assert!(almost < almost + Duration::from_nanos(1));
    }
}
