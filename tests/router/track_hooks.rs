//! Hooks of what is tracked: one at a time for each, the first standing and then what is newest.

use std::time::Duration;

use vipd::config::{Config, FileId, Text, TrackHook, Tracked};
use vipd::router::{Effect, Event, HookOwner, Ticket};

use crate::bench::{Bench, ETH0, ETH1, OUR_V4, Spec, config};

const SECOND: Duration = Duration::from_secs(1);
const UPLINK: HookOwner = HookOwner::Thing(0);
const ISP: HookOwner = HookOwner::Thing(1);
const LOAD: HookOwner = HookOwner::Thing(2);
const FILE: FileId = FileId(0);

/// A link, a script and a file, tracked with weights, and a script for each; the instance has none.
fn hooked() -> Box<Config> {
    let tracks = vec![("eth1", -10), ("probe isp", -10), ("file load", 1)];
    let mut config = config(&[Spec { tracks, ..Spec::default() }]);
    for (place, name) in ["uplink", "isp", "load"].into_iter().enumerate() {
        let name = config.keep_text(name).unwrap();
        let notify = config.keep_text("/etc/vipd/hook").unwrap();
        let what = config.tracks[place].what;
        let is_script = matches!(what, Tracked::Probe(_));
        config.track_hooks.push(TrackHook { name, notify, what, is_script, only: None }).unwrap();
    }
    config
}

fn start(mut config: Box<Config>) -> Bench {
    let mut bench = Bench::unanswered(&[]);
    let asked = bench.effects.clone();
    bench.handle(Event::Adopt(&mut config));
    assert_eq!(notified(&bench), []);
    bench.effects = asked;
    bench.answer_dumps(&[(ETH0, "eth0", true, &[OUR_V4]), (ETH1, "eth1", true, &[])]);
    bench
}

fn started(effects: &[Effect]) -> Vec<(HookOwner, Ticket)> {
    let notified = effects.iter().filter_map(|effect| match effect {
        Effect::Notify(owner, ticket) => Some((*owner, *ticket)),
        _ => None,
    });
    notified.collect()
}

fn notified(bench: &Bench) -> Vec<(HookOwner, Ticket)> {
    started(&bench.effects)
}

/// What the one script that was started by the last event is told, and its ticket.
fn told(bench: &Bench) -> (String, Ticket) {
    let [(owner, ticket)] = notified(bench)[..] else { panic!("{:?}", bench.effects) };
    let hook = bench.router.hook(owner).unwrap();
    assert_eq!((hook.cause, hook.priority), (None, 0), "it has neither");
    (format!("{hook} was={} on={}", hook.previous.name(), hook.interface), ticket)
}

/// Ends the try that is due next.
fn try_isp(bench: &mut Bench, is_success: bool) {
    loop {
        bench.now = bench.router.poll_at().unwrap();
        bench.handle(Event::Timer);
        let ticket = bench.effects.iter().find_map(|effect| match effect {
            Effect::Try(_, ticket) => Some(*ticket),
            _ => None,
        });
        if let Some(ticket) = ticket {
            bench.handle(Event::Tried(ticket, is_success));
            return;
        }
    }
}

#[test]
fn the_first_standing_of_each_is_told_when_it_is_known() {
    let mut bench = start(hooked());
    // The last answer has settled the link.
    let (said, ticket) = told(&bench);
    assert_eq!(said, "INTERFACE uplink UP was= on=eth1");
    bench.handle(Event::HookEnded(ticket));
    bench.handle(Event::File(FILE, 0));
    assert_eq!(told(&bench).0, "FILE load 0 was= on=");
    try_isp(&mut bench, false);
    assert_eq!(told(&bench).0, "SCRIPT isp DOWN was= on=");
}

#[test]
fn whatever_turns_is_told_and_what_stays_is_not() {
    let mut bench = start(hooked());
    bench.handle(Event::HookEnded(told(&bench).1));
    bench.link(ETH1, "eth1", false);
    let (said, ticket) = told(&bench);
    assert_eq!(said, "INTERFACE uplink DOWN was=UP on=eth1");
    bench.handle(Event::HookEnded(ticket));
    bench.link(ETH1, "eth1", false);
    assert_eq!(notified(&bench), []);
    bench.handle(Event::Kernel(vipd::wire::rtnl::Message::LinkGone(ETH1)));
    assert_eq!(notified(&bench), [], "it is as down as before");
    try_isp(&mut bench, true);
    let (said, ticket) = told(&bench);
    assert_eq!(said, "SCRIPT isp UP was= on=");
    bench.handle(Event::HookEnded(ticket));
    for is_last in [false, false, true] {
        try_isp(&mut bench, false);
        assert_eq!(notified(&bench).len(), usize::from(is_last), "it falls with the third");
    }
    assert_eq!(told(&bench).0, "SCRIPT isp DOWN was=UP on=");
}

/// A number is news where it is another one, and where nothing was said: not each time that the file is read.
#[test]
fn a_file_is_told_by_its_number_and_the_newest_of_many_follows() {
    let mut bench = start(hooked());
    bench.handle(Event::File(FILE, 7));
    let (said, first) = told(&bench);
    assert_eq!(said, "FILE load 7 was= on=");
    for number in [8, -3, 7, 9] {
        bench.handle(Event::File(FILE, number));
        assert_eq!(notified(&bench), [], "one at a time");
    }
    bench.handle(Event::HookEnded(first));
    let (said, second) = told(&bench);
    assert_eq!(said, "FILE load 9 was= on=");
    bench.handle(Event::HookEnded(second));
    bench.handle(Event::File(FILE, 9));
    assert_eq!(notified(&bench), []);
}

#[test]
fn while_a_script_runs_only_the_newest_standing_waits() {
    let mut bench = start(hooked());
    let (_, first) = told(&bench);
    for up in [false, true, false, true, false] {
        bench.link(ETH1, "eth1", up);
        assert_eq!(notified(&bench), []);
    }
    // Another thing's script waits for nobody.
    try_isp(&mut bench, true);
    assert_eq!(notified(&bench).len(), 1);
    bench.handle(Event::HookEnded(first));
    let (said, second) = told(&bench);
    assert_eq!(said, "INTERFACE uplink DOWN was=UP on=eth1");
    bench.handle(Event::HookEnded(second));
    assert_eq!(notified(&bench), []);
}

/// The script of `globals` is for instances and groups.
#[test]
fn what_is_tracked_has_its_own_script_or_none() {
    let mut config = hooked();
    config.globals.notify = config.keep_text("/etc/vipd/all").unwrap();
    for hook in &mut config.track_hooks {
        hook.notify = Text::EMPTY;
    }
    let mut bench = start(config);
    bench.handle(Event::File(FILE, 7));
    assert_eq!(notified(&bench), []);
    bench.link(ETH1, "eth1", false);
    assert_eq!(notified(&bench), []);
    assert!([UPLINK, ISP, LOAD].iter().all(|owner| bench.router.hook(*owner).is_none()));
}

/// What was said stays said; what has turned unnoticed is told, and who comes anew is told.
#[test]
fn a_reload_says_what_is_new_and_nothing_else() {
    let mut bench = start(hooked());
    bench.handle(Event::HookEnded(told(&bench).1));
    bench.handle(Event::File(FILE, 7));
    bench.handle(Event::HookEnded(told(&bench).1));
    let mut other = hooked();
    other.track_hooks.swap(0, 2);
    bench.handle(Event::Prepare(&other));
    assert_eq!(notified(&bench), []);
    bench.handle(Event::Adopt(&mut other));
    assert_eq!(notified(&bench), []);
    bench.handle(Event::File(FILE, 7));
    assert_eq!(notified(&bench), []);
    bench.link(ETH1, "eth1", false);
    let [(HookOwner::Thing(2), ticket)] = notified(&bench)[..] else { panic!("{:?}", bench.effects) };
    // Its script is running while its section goes and comes back.
    for hooks in [0, 3] {
        let mut new = hooked();
        new.track_hooks.truncate(hooks);
        bench.handle(Event::Prepare(&new));
        bench.handle(Event::Adopt(&mut new));
        assert!(!notified(&bench).iter().any(|(owner, _)| *owner == UPLINK), "{:?}", bench.effects);
    }
    bench.handle(Event::HookEnded(ticket));
    assert_eq!(notified(&bench), [], "it was told that");
}

/// The link stays what it is when the daemon ends; a script that runs is waited for.
#[test]
fn the_end_is_no_news_of_what_is_tracked() {
    let mut bench = start(hooked());
    let (_, ticket) = told(&bench);
    bench.handle(Event::Stop);
    assert_eq!(notified(&bench), []);
    assert!(!bench.router.is_finished());
    bench.link(ETH1, "eth1", false);
    bench.handle(Event::File(FILE, 3));
    assert_eq!(notified(&bench), []);
    bench.handle(Event::HookEnded(ticket));
    assert_eq!(notified(&bench), []);
    assert!(bench.router.is_finished());
}

/// An instance and a group whose kinds and names differ as little as they can are two all the same.
#[test]
fn an_instance_and_a_group_of_similar_names_have_their_own_hooks() {
    let spec = Spec { name: "froup", group: Some(0), notify: "/etc/vipd/hook", ..Spec::default() };
    let mut bench = Bench::new(std::slice::from_ref(&spec));
    let [(instance, first), (HookOwner::Group(0), second)] = notified(&bench)[..] else { panic!() };
    assert_eq!(instance, HookOwner::Instance(0));
    let mut again = config(&[spec]);
    bench.handle(Event::Prepare(&again));
    bench.handle(Event::Adopt(&mut again));
    bench.handle(Event::HookEnded(first));
    let later: Vec<_> = bench.run_for(SECOND * 4).into_iter().map(|(_, effect)| effect).collect();
    let owners: Vec<_> = started(&later).into_iter().map(|(owner, _)| owner).collect();
    assert_eq!(owners, [HookOwner::Instance(0)], "the group's runs");
    bench.handle(Event::HookEnded(second));
    assert_eq!(notified(&bench).len(), 1);
}
