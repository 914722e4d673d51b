//! The whole router: any event, at any time, in any state; and its effects, down to the bytes that leave.
#![no_std]
#![no_main]

use core::hint::black_box;
use core::net::{IpAddr, Ipv6Addr};
use core::time::Duration;

use vipd::config::{Config, FileId};
use vipd::perform::{Outlet, Unsent, perform};
use vipd::router::{Datagram, Effects, Event, Failure, Packet, Parcel, Router, Ticket, TryTicket};
use vipd::time::Instant;
use vipd::wire::{IfIndex, ipvs, rtnl};

static mut ROUTER: Router = Router::new();
static mut CONFIG: Config = Config::new();
static mut EFFECTS: Effects = Effects::new();

struct Nowhere;

impl Outlet for Nowhere {
    fn join(&mut self, interface: IfIndex, group: IpAddr) -> Result<(), Unsent> {
        black_box((interface, group));
        black_box(Ok(()))
    }

    fn message(&mut self, _: IfIndex, from: IpAddr, to: IpAddr, payload: &[u8]) -> Result<(), Unsent> {
        black_box((from, to, payload));
        black_box(Ok(()))
    }

    fn datagram(&mut self, datagram: &Datagram<'_>) -> Result<(), Unsent> {
        black_box(datagram);
        black_box(Ok(()))
    }

    fn frame(&mut self, interface: IfIndex, frame: &[u8]) -> Result<(), Unsent> {
        black_box((interface, frame));
        black_box(Ok(()))
    }

    fn advert(&mut self, interface: IfIndex, frame: &[u8]) -> Result<(), Unsent> {
        black_box((interface, frame));
        black_box(Ok(()))
    }

    fn netlink(&mut self, request: &[u8]) -> Result<(), Unsent> {
        black_box(request);
        black_box(Ok(()))
    }

    fn netfilter(&mut self, batch: &[u8]) -> Result<(), Unsent> {
        black_box(batch);
        black_box(Ok(()))
    }

    fn ipvs(&mut self, request: &mut [u8]) -> Result<(), Unsent> {
        black_box(request);
        black_box(Ok(()))
    }
}

/// An event that the proof does not know does not compile: it belongs into the list below.
const fn none_is_missing(event: &Event<'_>) {
    match event {
        Event::Start { .. }
        | Event::Stop
        | Event::Timer
        | Event::Packet(_)
        | Event::Solicitation(_)
        | Event::Bfd(_)
        | Event::Kernel(_)
        | Event::Overrun
        | Event::Ipvs(_)
        | Event::IpvsOverrun
        | Event::RouteGone
        | Event::Failed(_)
        | Event::HookEnded(_)
        | Event::Tried(..)
        | Event::Exited(..)
        | Event::Untried(_)
        | Event::File(..)
        | Event::Release(_)
        | Event::Reclaim(_)
        | Event::Prepare(_)
        | Event::Adopt(_) => {}
    }
}

panic_free::prove!(|bytes| {
    // SAFETY: there is one thread, and this is called once.
    let (router, config, effects) =
        unsafe { (&mut *&raw mut ROUTER, &mut *&raw mut CONFIG, &mut *&raw mut EFFECTS) };
    loop {
        let now = black_box(Instant::from_origin(Duration::ZERO));
        let interface = black_box(IfIndex(1));
        let event = match black_box(0) {
            0 => Event::Start { keeps_marks: black_box(true), seed: 1 },
            1 => Event::Stop,
            2 => Event::Timer,
            3 => Event::Packet(Packet::V4 { interface, packet: bytes }),
            4 => Event::Packet(Packet::V6 {
                interface,
                source: black_box(Ipv6Addr::LOCALHOST),
                destination: black_box(Ipv6Addr::LOCALHOST),
                hop_limit: black_box(255),
                message: bytes,
            }),
            5 => match rtnl::messages(bytes).next() {
                Some(message) => Event::Kernel(message),
                None => Event::Overrun,
            },
            6 => Event::Failed(Failure { interface, what: black_box(Parcel::Frame), errno: black_box(1) }),
            7 => Event::HookEnded(black_box(Ticket(0))),
            8 => Event::Release(black_box(0)),
            9 => Event::Reclaim(black_box(0)),
            10 => Event::Tried(black_box(TryTicket(0)), black_box(true)),
            11 => Event::File(FileId(0), black_box(-1)),
            12 => Event::Solicitation(Packet::V6 {
                interface,
                source: black_box(Ipv6Addr::LOCALHOST),
                destination: black_box(Ipv6Addr::LOCALHOST),
                hop_limit: black_box(255),
                message: bytes,
            }),
            13 => Event::RouteGone,
            14 => Event::Bfd(Datagram {
                interface,
                source: black_box(IpAddr::V6(Ipv6Addr::LOCALHOST)),
                destination: black_box(IpAddr::V6(Ipv6Addr::LOCALHOST)),
                hop_limit: black_box(255),
                payload: bytes,
            }),
            15 => Event::Untried(black_box(TryTicket(0))),
            16 => Event::Exited(black_box(TryTicket(0)), black_box(7)),
            17 => match ipvs::messages(bytes).next() {
                Some(message) => Event::Ipvs(message),
                None => Event::IpvsOverrun,
            },
            18 => Event::Prepare(black_box(&*config)),
            _ => Event::Adopt(black_box(&mut *config)),
        };
        none_is_missing(&event);
        black_box(&mut *router).handle(now, event, black_box(&mut *effects));
        for effect in black_box(&*effects) {
            let _ = perform(router, *effect, &mut Nowhere);
        }
        effects.clear();
        black_box(router.poll_at());
        for slot in router.slots() {
            black_box(router.status(now, slot));
        }
    }
});
