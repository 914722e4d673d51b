//! A VRRP message, versions 2 and 3, over either family; and the header of the packet around it.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::net::IpAddr;

use vipd::wire::frame::Ipv4Packet;
use vipd::wire::vrrp::{Advert, vrid_of};

panic_free::prove!(|bytes| {
    let [source, destination]: [IpAddr; 2] = black_box([IpAddr::from([0; 4]), IpAddr::from([0; 16])]);
    black_box(vrid_of(bytes));
    if let Ok(advert) = black_box(Advert::parse(bytes, source, destination)) {
        black_box(advert.priority);
    }
    if let Ok(packet) = black_box(Ipv4Packet::parse(bytes)) {
        black_box(Advert::parse(packet.payload, source, destination).is_ok());
    }
});
