//! Requests to the kernel's IPVS.

use super::{Outlet, Unsent};
use crate::config::{Config, SyncDaemon, VirtualServerId};
use crate::ipvs::Step;
use crate::router::{IpvsChange, IpvsRequest, Router};
use crate::wire::Full;
use crate::wire::ipvs::{self, Destination, Identity, REQUEST_BYTES_MAX, Verb};

pub(super) fn send(router: &Router, request: &IpvsRequest, outlet: &mut impl Outlet) -> Result<(), Unsent> {
    let mut buffer = [0; REQUEST_BYTES_MAX];
    let len = write(router, request, &mut buffer)?;
    outlet.ipvs(buffer.get_mut(..len).ok_or(Unsent)?)
}

fn write(router: &Router, request: &IpvsRequest, buffer: &mut [u8]) -> Result<usize, Full> {
    let IpvsRequest { change, sequence } = *request;
    let config = router.config();
    match change {
        IpvsChange::ListServices => ipvs::dump_services(sequence, buffer),
        IpvsChange::ListServers(id) => ipvs::dump_destinations(&identity(config, id)?, sequence, buffer),
        IpvsChange::Service(id, step) => {
            let service = config.virtual_server(id).ok_or(Full)?.service;
            match verb(step) {
                Some(verb) => ipvs::put_service(verb, &service, sequence, buffer),
                None => ipvs::delete_service(&service.identity, sequence, buffer),
            }
        }
        IpvsChange::Server(id, step, weight) => {
            let server = config.real_server(id).ok_or(Full)?;
            let destination = Destination { weight: weight.into(), ..server.destination };
            put(&identity(config, server.service)?, step, &destination, sequence, buffer)
        }
        IpvsChange::Sorry(id, step) => {
            let sorry = config.virtual_server(id).and_then(|service| service.sorry).ok_or(Full)?;
            put(&identity(config, id)?, step, &sorry, sequence, buffer)
        }
        IpvsChange::Stranger(id) => {
            let (address, port) = router.ipvs_stranger();
            ipvs::delete_destination(&identity(config, id)?, address, port, sequence, buffer)
        }
        IpvsChange::Timeouts => ipvs::set_timeouts(&config.ipvs_timeouts, sequence, buffer),
        IpvsChange::Daemon { is_master, starts } => {
            let SyncDaemon { instance, interface } = config.sync_daemon.ok_or(Full)?;
            let instance = config.instances.get(usize::from(instance)).ok_or(Full)?;
            let daemon = ipvs::SyncDaemon {
                is_master,
                interface: config.interface_name(interface),
                id: instance.vrid.get(),
            };
            if starts {
                ipvs::start_daemon(&daemon, sequence, buffer)
            } else {
                ipvs::stop_daemon(&daemon, sequence, buffer)
            }
        }
    }
}

fn identity(config: &Config, id: VirtualServerId) -> Result<Identity, Full> {
    config.virtual_server(id).map(|service| service.service.identity).ok_or(Full)
}

fn put(
    of: &Identity,
    step: Step,
    destination: &Destination,
    sequence: u32,
    buffer: &mut [u8],
) -> Result<usize, Full> {
    match verb(step) {
        Some(verb) => ipvs::put_destination(verb, of, destination, sequence, buffer),
        None => ipvs::delete_destination(of, destination.address, destination.port, sequence, buffer),
    }
}

/// `None`: it is removed.
const fn verb(step: Step) -> Option<Verb> {
    match step {
        Step::Add => Some(Verb::Add),
        Step::Set => Some(Verb::Set),
        Step::Delete => None,
    }
}
