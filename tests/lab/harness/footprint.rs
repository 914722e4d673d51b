//! What a process has taken of the machine, as exactly as the kernel can tell.

use std::fs;

/// The memory that is its own, and its descriptors.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Footprint {
    /// kB of anonymous pages that are there. From the page tables: the counter of `status` (RssAnon) is a rough one.
    pub(crate) anonymous_kb: u32,
    /// kB of page tables (VmPTE).
    pub(crate) tables_kb: u32,
    /// kB of address space for data and for the stack, which a heap would enlarge.
    pub(crate) space_kb: [u32; 2],
    pub(crate) descriptors: usize,
}

impl Footprint {
    pub(crate) fn of(process: u32) -> Self {
        let file = |name| fs::read_to_string(format!("/proc/{process}/{name}")).expect("it runs");
        let (pages, status) = (file("smaps_rollup"), file("status"));
        let descriptors = fs::read_dir(format!("/proc/{process}/fd")).expect("it runs").count();
        Self {
            anonymous_kb: kb(&pages, "Anonymous:"),
            tables_kb: kb(&status, "VmPTE:"),
            space_kb: ["VmData:", "VmStk:"].map(|name| kb(&status, name)),
            descriptors,
        }
    }

    /// The same without the anonymous pages of the stack, and how many kB those are: how deep the calls went since the last
    /// reload, which gives the stack back, and where in a page the stack begins, are different each time.
    pub(crate) fn beside_stack(process: u32) -> (Self, u32) {
        let all = Self::of(process);
        let pages = fs::read_to_string(format!("/proc/{process}/smaps")).expect("it runs");
        let (_, stack) = pages.split_once("[stack]").expect("it has a stack");
        let stack = kb(stack, "Anonymous:");
        (Self { anonymous_kb: all.anonymous_kb - stack, ..all }, stack)
    }
}

/// The number of a line, as proc_pid_smaps(5) and proc_pid_status(5) have them.
pub(crate) fn kb(text: &str, name: &str) -> u32 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|rest| rest.split_whitespace().next()?.parse().ok()).expect(name)
}
