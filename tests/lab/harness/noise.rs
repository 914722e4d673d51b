//! How late this machine wakes a sleeper: the evidence that decides whether a late packet is somebody's
//! fault or the machine's.

use std::fs;
use std::mem;
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant};

use super::now;

const PERIOD: Duration = Duration::from_millis(4);
const NOTABLE: Duration = Duration::from_millis(10);
/// What is too much where each millisecond counts.
const SLIGHT: Duration = Duration::from_millis(2);

/// Watches every processor of the machine for as long as the process runs.
pub(crate) struct Noise {
    stalls: Mutex<Vec<(Duration, Duration)>>,
}

impl Noise {
    /// The one observer, started by the first call.
    pub(crate) fn observer() -> &'static Self {
        static OBSERVER: OnceLock<Noise> = OnceLock::new();
        static STARTED: OnceLock<()> = OnceLock::new();
        let observer = OBSERVER.get_or_init(|| Self { stalls: Mutex::new(Vec::new()) });
        STARTED.get_or_init(|| {
            let processors = thread::available_parallelism().map_or(1, usize::from);
            for processor in 0..processors.min(8) {
                thread::spawn(move || observer.watch(processor));
            }
        });
        observer
    }

    /// The longest stall that began or ended between two moments; zero if there was none of 10 ms.
    pub(crate) fn worst(&self, from: Duration, to: Duration) -> Duration {
        let stalls = self.stalls.lock().expect("no observer panics");
        stalls
            .iter()
            .filter(|(began, length)| *began + *length >= from && *began <= to && *length >= NOTABLE + PERIOD)
            .map(|(_, length)| *length)
            .max()
            .unwrap_or_default()
    }

    /// How long the machine stood still between two moments, in stalls of 10 ms and more, all together. The
    /// processors are watched one by one, so what stops them all counts for each.
    pub(crate) fn total(&self, from: Duration, to: Duration) -> Duration {
        let stalls = self.stalls.lock().expect("no observer panics");
        let notable = stalls.iter().filter(|(_, length)| *length >= NOTABLE + PERIOD);
        let inside = notable.filter(|(began, length)| *began + *length >= from && *began <= to);
        inside.map(|(_, length)| *length).sum()
    }

    /// Whether nobody was woken 2 ms late or more between two moments.
    #[allow(dead_code)] // Not the emulated boards'.
    pub(crate) fn is_quiet(&self, from: Duration, to: Duration) -> bool {
        let stalls = self.stalls.lock().expect("no observer panics");
        !stalls.iter().any(|(began, length)| *began + *length >= from && *began <= to)
    }

    /// For how long, since the machine started, somebody has been waiting for a processor (PSI).
    pub(crate) fn pressure() -> Duration {
        let text = fs::read_to_string("/proc/pressure/cpu").unwrap_or_default();
        let total = text.split_whitespace().find_map(|word| word.strip_prefix("total="));
        Duration::from_micros(total.and_then(|digits| digits.parse().ok()).unwrap_or(0))
    }

    fn watch(&self, processor: usize) {
        pin_to(processor);
        loop {
            let began = now();
            let due = Instant::now() + PERIOD;
            thread::sleep(PERIOD);
            let late = Instant::now().saturating_duration_since(due);
            if late >= SLIGHT {
                let mut stalls = self.stalls.lock().expect("no observer panics");
                stalls.push((began, late + PERIOD));
            }
        }
    }
}

/// Without permission the observer watches wherever it is put, which is nearly as good.
fn pin_to(processor: usize) {
    // SAFETY: an all-zero cpu_set_t is an empty one, and `processor` is below its size.
    unsafe {
        let mut set: libc::cpu_set_t = mem::zeroed();
        libc::CPU_SET(processor, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &raw const set);
    }
}
