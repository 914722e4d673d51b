//! The same without the box.
#![no_main]

use vipd::linux::entry::Args;

vipd::entry!(run);

fn run(args: Args) -> i32 {
    let counted = args.count();
    core::hint::black_box(&counted);
    0
}
