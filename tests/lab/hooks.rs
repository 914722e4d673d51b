//! Hook scripts: the words in their environment, one at a time, and the last state last.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::bench::{Bench, Load};
use crate::harness::{Workspace, eventually};
use crate::lone::{Lone, SECOND, VRID, config};

/// A script that writes a line when it begins and one when it ends.
pub(crate) fn script(workspace: &Workspace, seconds: &str) -> (PathBuf, PathBuf) {
    let record = workspace.path("record");
    let text = format!(
        "#!/bin/sh\nexec >>{}\n\
         echo \"begin $ACTION $TYPE $NAME $STATE was=$PREVIOUS prio=$PRIORITY on=$INTERFACE why=$REASON\"\n\
         sleep {seconds}\necho end\n",
        record.display()
    );
    let path = workspace.write("hook", &text);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    (path, record)
}

fn lines(record: &Path) -> Vec<String> {
    fs::read_to_string(record).unwrap_or_default().lines().map(str::to_owned).collect()
}

pub(crate) fn notify(path: &Path) -> String {
    format!("\toption notify '{}'\n", path.display())
}

pub(crate) fn begins(record: &Path) -> Vec<String> {
    lines(record).into_iter().filter(|line| line.starts_with("begin ")).collect()
}

#[test]
fn every_state_is_said_in_the_words_of_openwrts_keepalived() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let workspace = Workspace::new();
    let (path, record) = script(&workspace, "0");
    let mut lone = Lone::start(&(config(200, &["10.0.0.100/24"]) + &notify(&path)));
    lone.wait_master("10.0.0.100");
    let said = |what: &str, count: usize| {
        eventually(what, SECOND * 3, || {
            let begins = begins(&record);
            (begins.len() >= count && begins.last()?.contains(what)).then_some(begins.len())
        })
    };
    let count = said("NOTIFY_MASTER INSTANCE lan MASTER", 1);
    lone.port.unplug();
    let count = said("NOTIFY_FAULT INSTANCE lan FAULT was=MASTER", count + 1);
    lone.port.plug();
    let count = said("NOTIFY_MASTER", count + 1);
    lone.vipd.process().terminate();
    lone.vipd.process().wait(SECOND * 3);
    said("NOTIFY_STOP INSTANCE lan STOP was=MASTER", count + 1);
    let master = begins(&record).into_iter().find(|line| line.contains("NOTIFY_MASTER")).unwrap();
    assert!(master.contains("prio=200") && master.contains("on=eth0"), "{master}");
    assert!(begins(&record).iter().any(|line| line.contains("NOTIFY_BACKUP")), "{:?}", lines(&record));
}

/// keepalived may run the scripts of two quick changes in any order (its issue 1055).
#[test]
fn scripts_of_one_instance_never_overlap_and_the_last_state_is_said_last() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let workspace = Workspace::new();
    let (path, record) = script(&workspace, "0.7");
    let lone = Lone::start(&(config(200, &["10.0.0.100/24"]) + &notify(&path)));
    lone.wait_master("10.0.0.100");
    // Faster than the script.
    for _ in 0..4 {
        lone.port.unplug();
        thread::sleep(SECOND / 10);
        lone.port.plug();
        thread::sleep(SECOND / 10);
    }
    eventually("the last state is said", SECOND * 8, || {
        let lines = lines(&record);
        let master = lines.iter().rfind(|line| line.starts_with("begin "))?.contains("NOTIFY_MASTER");
        (master && lines.last()? == "end" && lone.host.has("eth0", "10.0.0.100")).then_some(())
    });
    let lines = lines(&record);
    for pair in lines.chunks(2) {
        assert!(pair[0].starts_with("begin ") && pair[1] == "end", "one at a time: {lines:#?}");
    }
    assert!(lines.len() < 2 * 9, "what was overtaken is not said: {lines:#?}");
}

#[test]
fn a_hook_that_hangs_or_is_missing_does_not_hold_the_router_up() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let workspace = Workspace::new();
    let (path, _) = script(&workspace, "60");
    for path in [path, workspace.path("no-such-script")] {
        let mut lone = Lone::start(&(config(200, &["10.0.0.100/24"]) + &notify(&path)));
        let (since, _) = lone.wait_master("10.0.0.100");
        thread::sleep(SECOND);
        lone.was_master_since(since);
        lone.vipd.process().terminate();
        lone.wait_address("10.0.0.100", false);
        lone.vipd.process().wait(SECOND * 10);
    }
}

/// What conntrackd's commit needs: the flows are there before the packets come.
#[test]
fn addresses_wait_for_the_claim_script_and_for_one_that_hangs_not_long() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let workspace = Workspace::new();
    for (seconds, least, most) in [("0.6", 500, 2500), ("30", 900, 3000)] {
        let (path, record) = script(&workspace, seconds);
        let claim = format!("\toption claim_script '{}'\n\toption claim_wait '1'\n", path.display());
        let lone = Lone::start(&(config(200, &["10.0.0.100/24"]) + &claim));
        let (first, _) = lone.capture.wait_advert(&lone.port, VRID, Duration::ZERO, SECOND * 5);
        assert!(!lone.host.has("eth0", "10.0.0.100"), "it waits");
        let claimed = lone
            .capture
            .wait("the announcement", first, SECOND * 5, |frame| frame.gratuitous_arp().map(|_| frame.at));
        let waited = claimed - first;
        let bounds = Duration::from_millis(least)..Duration::from_millis(most);
        assert!(bounds.contains(&waited), "{waited:?}");
        lone.wait_address("10.0.0.100", true);
        let begins = begins(&record);
        let last = begins.last().unwrap();
        assert!(
            last.starts_with("begin NOTIFY_CLAIM INSTANCE lan CLAIM was=BACKUP prio=200 on=eth0"),
            "{last}"
        );
    }
}

/// A link that flaps faster than the script runs, a probe whose goal goes away, and a file.
#[test]
fn what_is_tracked_has_hooks_of_its_own() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let workspace = Workspace::new();
    let (path, record) = script(&workspace, "0.4");
    let (flag, load) = (workspace.write("flag", ""), workspace.write("load", "5\n"));
    let check = workspace.write("check", &format!("#!/bin/sh\ntest -e {}\n", flag.display()));
    fs::set_permissions(&check, fs::Permissions::from_mode(0o755)).unwrap();
    let notify = notify(&path);
    let tracking = format!(
        "\tlist track_interface 'uplink weight -10'\n\tlist track_script 'isp weight -20'\n\
         \tlist track_probe 'self weight -30'\n\tlist track_file 'load'\n\
         config track_interface 'uplink'\n\toption value 'eth0'\n{notify}\
         config vrrp_script 'isp'\n\toption script '{}'\n{notify}\
         config probe 'self'\n\toption type 'ping'\n\toption address '10.0.0.1'\n{notify}\
         config track_file 'load'\n\toption file '{}'\n{notify}",
        check.display(),
        load.display()
    );
    let lone = Lone::start(&(config(200, &["10.0.0.100/24"]) + &tracking));
    lone.wait_master("10.0.0.100");
    let last = |of: &str, what: &str| {
        eventually(&format!("{of}: {what}"), SECOND * 8, || {
            let mut of_it = begins(&record).into_iter().filter(|line| line.contains(of));
            let last = of_it.next_back()?;
            last.starts_with(&format!("begin {what}")).then_some(1 + of_it.count())
        })
    };
    last(" self ", "NOTIFY_UP PROBE self UP was= prio= on= why=");
    last(" isp ", "NOTIFY_UP SCRIPT isp UP was= prio= on= why=");
    last(" load ", "NOTIFY FILE load 5 was= prio= on= why=");
    let before = last(" uplink ", "NOTIFY_UP INTERFACE uplink UP was= prio= on=eth0 why=");
    for _ in 0..5 {
        lone.port.unplug();
        thread::sleep(SECOND / 10);
        lone.port.plug();
        thread::sleep(SECOND / 10);
    }
    lone.port.unplug();
    let after = last(" uplink ", "NOTIFY_DOWN INTERFACE uplink DOWN was=UP prio= on=eth0 why=");
    assert!(after < before + 11, "what was overtaken is not said: {:#?}", begins(&record));
    lone.port.plug();
    last(" uplink ", "NOTIFY_UP INTERFACE uplink UP was=DOWN");
    fs::remove_file(&flag).unwrap();
    last(" isp ", "NOTIFY_DOWN SCRIPT isp DOWN was=UP");
    lone.host.ip("addr del 10.0.0.1/24 dev eth0");
    last(" self ", "NOTIFY_DOWN PROBE self DOWN was=UP");
    for number in 6..=9 {
        workspace.write("load", &format!("{number}\n"));
    }
    last(" load ", "NOTIFY FILE load 9 was=");
}

#[test]
fn a_sync_group_has_hooks_of_its_own() {
    let Some(_bench) = Bench::take(Load::Light, &[]) else { return };
    let workspace = Workspace::new();
    let (path, record) = script(&workspace, "0");
    let group = format!("config vrrp_sync_group 'edge'\n\tlist group 'lan'\n{}", notify(&path));
    let lone = Lone::start(&(config(200, &["10.0.0.100/24"]) + &group));
    lone.wait_master("10.0.0.100");
    eventually("the group is said to be master", SECOND * 3, || {
        let begins = begins(&record);
        begins.iter().any(|line| line.contains("NOTIFY_MASTER GROUP edge MASTER")).then_some(())
    });
}
