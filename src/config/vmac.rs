//! `use_vmac` and `vmac_xmit_base`: an instance's virtual MACs, and the names of their devices.

use core::fmt::Write;

use heapless::String;

use super::instance::Halves;
use super::reader::{Reader, Value, first};
use super::uci::Section;
use super::value::{self, Words};
use super::{Family, InterfaceId, Vmac};
use crate::limits;
use crate::wire::vrrp::Vrid;

type Name = String<{ limits::INTERFACE_NAME_BYTES_MAX }>;

impl<'d> Reader<'d, '_> {
    /// Gives each family of an instance that asks for it the device of its virtual MAC, and puts there the addresses that
    /// would be on the instance's own.
    pub(super) fn vmacs(
        &mut self,
        section: Section<'d>,
        interface: InterfaceId,
        vrid: Vrid,
        (from_base, is_owner): (bool, bool),
        halves: &mut Halves,
    ) {
        let asked = self.scalar(section, "use_vmac").filter(|value| value::is_asking(value.text));
        let Some(asked) = asked else {
            if !cfg!(feature = "vmac") {
                return;
            }
            if let Some(base) = first(section, "vmac_xmit_base").filter(|_| from_base) {
                self.idle(&base, &"vmac_xmit_base has no effect without use_vmac: remove it");
            }
            return;
        };
        if !cfg!(feature = "vmac") {
            self.error(asked.line, "use_vmac is not in this build of vipd: remove it", &[]);
            return;
        }
        let Some(name) = self.vmac_name(asked) else { return };
        if is_owner {
            self.warn(
                asked.line,
                "use_vmac with priority 255: the addresses must not be configured on the interface too, or hosts learn \
                 both Ethernet addresses",
                &[],
            );
        }
        let is_alone = halves.v4.addresses.is_empty();
        for family in [Family::V4, Family::V6] {
            let half = match family {
                Family::V4 => &mut halves.v4,
                Family::V6 => &mut halves.v6,
            };
            if half.addresses.is_empty() {
                continue;
            }
            let Some(device) = self.vmac_device(asked, name, vrid, family, is_alone) else { continue };
            half.vmac = Vmac::on(device, from_base);
            for address in self.config.addresses.get_mut(half.addresses.range()).unwrap_or(&mut []) {
                if address.interface == interface {
                    address.interface = device;
                }
            }
        }
    }

    /// The name that the file gives; empty: none. keepalived takes an Ethernet address behind it.
    fn vmac_name(&mut self, asked: Value<'d>) -> Option<&'d [u8]> {
        if value::flag(asked.text).is_some() {
            return Some(&[]);
        }
        let mut words = Words::new(asked.text);
        let name = words.next().unwrap_or(&[]);
        if words.next().is_some() {
            self.wrong(
                &asked,
                &"use_vmac %A has more than a device's name: the Ethernet address follows from \
                  virtual_router_id, so write the name alone",
            );
            return None;
        }
        Some(name)
    }

    /// `vrrp.10` and `vrrp6.10`, as keepalived calls them; or the name that was given, with a 6 behind it for IPv6 where
    /// IPv4 has it.
    fn vmac_device(
        &mut self,
        asked: Value<'d>,
        given: &[u8],
        vrid: Vrid,
        family: Family,
        is_alone: bool,
    ) -> Option<InterfaceId> {
        let mut name = Name::new();
        let suffix = match family {
            Family::V4 => "",
            Family::V6 if is_alone && !given.is_empty() => "",
            Family::V6 => "6",
        };
        let written = if given.is_empty() {
            write!(name, "vrrp{suffix}.{vrid}")
        } else {
            write!(name, "{}{suffix}", core::str::from_utf8(given).unwrap_or(""))
        };
        if written.is_err() || !value::is_device(name.as_bytes()) {
            self.error_with(
                asked.line,
                "use_vmac %A cannot be a network device: write a name of at most %m characters",
                &[asked.text],
                [limits::INTERFACE_NAME_BYTES_MAX as i32 - suffix.len() as i32, 0],
            );
            return None;
        }
        // Not what another instance, an address or a track has: a device that we make belongs to one virtual router.
        let is_taken = self.config.interfaces.iter().any(|text| self.config.text(*text) == name.as_str());
        if is_taken {
            self.error(
                asked.line,
                "use_vmac: the device %A is named elsewhere in this file: write another name, as in option \
                 use_vmac 'vmac10'",
                &[name.as_bytes()],
            );
            return None;
        }
        let device = self.config.interface(&name);
        if device.is_none() {
            self.full(asked.line, "VIPD_INTERFACES", limits::INTERFACES_MAX);
        }
        device
    }
}
