//! A machine of the laboratory.

use std::process::Command;
use std::sync::Arc;

use super::namespace::Namespace;

/// A machine: a network namespace with a name for messages.
#[derive(Clone)]
pub(crate) struct Host {
    name: Arc<str>,
    namespace: Arc<Namespace>,
}

impl Host {
    /// A machine with nothing but a loopback device. Until [`super::Segment::attach`] it is alone.
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.into(), namespace: Arc::new(Namespace::new()) }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn namespace(&self) -> &Namespace {
        &self.namespace
    }

    /// A command that will run on this machine.
    pub(crate) fn command(&self, program: &str) -> Command {
        self.namespace.command(program)
    }

    /// Runs `ip` with these words, which must succeed; returns what it prints.
    pub(crate) fn ip(&self, words: &str) -> String {
        self.namespace.ip(words)
    }

    /// The same where it may fail; says whether it succeeded.
    pub(crate) fn try_ip(&self, words: &str) -> bool {
        self.namespace.try_ip(words)
    }

    /// Runs `ip` once with many lines of words, which must all succeed.
    #[allow(dead_code)] // For those that run under another kernel.
    pub(crate) fn ip_batch(&self, lines: &[String]) {
        self.namespace.ip_batch(lines);
    }

    /// Sets a value under `/proc/sys/net`.
    pub(crate) fn sysctl(&self, name: &str, value: &str) {
        self.namespace.sysctl(name, value);
    }

    /// Adds a device that is up and has carrier but leads nowhere.
    pub(crate) fn add_idle_device(&self, device: &str) {
        self.ip(&format!("link add {device} type veth peer name {device}-end"));
        self.ip(&format!("link set {device} up"));
        self.ip(&format!("link set {device}-end up"));
    }

    /// The addresses of a device as `ADDRESS/LEN`, in the kernel's order.
    pub(crate) fn addresses(&self, device: &str) -> Vec<String> {
        self.ip(&format!("-o addr show dev {device}"))
            .lines()
            .filter_map(|line| {
                let mut words = line.split_whitespace();
                words.find(|word| *word == "inet" || *word == "inet6")?;
                words.next().map(str::to_owned)
            })
            .collect()
    }

    /// Whether the device has this address, whatever its prefix length.
    pub(crate) fn has(&self, device: &str, address: &str) -> bool {
        let wanted = address.split('/').next();
        self.addresses(device).iter().any(|entry| entry.split('/').next() == wanted)
    }
}
