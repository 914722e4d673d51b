//! As much of a heap as a program can do with: one reachable box.
#![no_main]

use vipd::linux::entry::Args;

vipd::entry!(run);

fn run(args: Args) -> i32 {
    let boxed = Box::new(args.count());
    core::hint::black_box(&boxed);
    0
}
