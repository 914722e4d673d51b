//! Everything in the corpus, in every run of the tests.

use std::fs;
use std::path::Path;

use crate::targets::{self, Target};

/// Says which file it was, if it is dropped by a failure.
struct Replaying<'a>(&'a Path);

impl Drop for Replaying<'_> {
    fn drop(&mut self) {
        eprintln!("it fails with {}", self.0.display());
    }
}

fn replay(name: &str, target: Target) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(name);
    let mut paths: Vec<_> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() > 4, "{} is nearly empty", folder.display());
    for path in paths {
        let replaying = Replaying(&path);
        target(&fs::read(&path).unwrap());
        core::mem::forget(replaying);
    }
    target(&[]);
}

macro_rules! replays {
    ($($test:ident $target:ident),* $(,)?) => {
        $(
            #[test]
            fn $test() {
                replay(stringify!($target), targets::$target);
            }
        )*

        /// A corpus that nobody replays proves nothing.
        #[test]
        fn every_corpus_and_every_target_of_the_fuzzer_has_its_replay() {
            let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz");
            let names = |folder: &str| -> Vec<String> {
                let stem = |entry: std::io::Result<fs::DirEntry>| {
                    entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_string()
                };
                let mut names: Vec<_> = fs::read_dir(root.join(folder)).unwrap().map(stem).collect();
                names.sort();
                names
            };
            let mut replayed = vec![$(stringify!($target)),*];
            replayed.sort_unstable();
            assert_eq!(names("corpus"), replayed);
            assert_eq!(names("fuzz_targets"), replayed);
        }
    };
}

replays! {
    adverts_are_read_as_the_rfcs_say advert,
    bfd_is_read_as_the_rfc_says_and_a_session_keeps_its_promises bfd,
    what_answers_a_check_of_a_real_server_is_what_another_reader_says_it_is check,
    configurations_are_what_they_say_or_refused_with_a_line config,
    nothing_on_the_control_socket_breaks_either_end control,
    frames_are_read_back_by_another_reader frame,
    whatever_is_imported_is_accepted import,
    what_the_load_balancer_tells_is_asked_for_and_read_again ipvs,
    netlink_is_walked_as_the_kernel_lays_it_out netlink,
    what_answers_a_probe_is_what_another_reader_says_it_is probe,
    the_router_keeps_its_promises_whatever_it_is_told router,
    the_simulated_segment_keeps_its_invariants segment,
    uci_is_read_and_written_and_read_again uci,
}
