//! Hooks, uci-defaults, the plugin without a daemon, and the feed's own test.

use crate::root::Root;

/// Writes its environment down, by name; what the shell itself sets aside.
const TELL: &str = "env | grep -vE '^(PWD|SHLVL|_)=' | sort >>/tmp/said; echo . >>/tmp/said\n";

const EVENT: &str = "env -i PATH=$PATH ACTION=NOTIFY_MASTER TYPE=INSTANCE NAME=lan STATE=MASTER PREVIOUS=BACKUP \
                     REASON='no master heard' PRIORITY=100 INTERFACE=br-lan /sbin/hotplug-call vipd";

const AS_KEEPALIVED: &str = "\
ACTION=NOTIFY_MASTER
HOTPLUG_TYPE=keepalived
LOGNAME=root
NAME=lan
PATH=/usr/sbin:/usr/bin:/sbin:/bin
TYPE=INSTANCE
USER=root
.
";

#[test]
fn keepalived_users_scripts_have_exactly_the_environment_that_they_had() {
    let Some(root) = Root::install() else { return };
    root.write("etc/hotplug.d/keepalived/50-mine", TELL);
    root.succeed(EVENT);
    assert_eq!(root.take("tmp/said"), AS_KEEPALIVED);
    root.write("etc/keepalived.user", TELL);
    root.succeed(EVENT);
    assert_eq!(root.take("tmp/said"), AS_KEEPALIVED.repeat(2));
    // With the keepalived package's own script there, the user's runs once all the same.
    root.write("etc/hotplug.d/keepalived/01-user", "/bin/sh /etc/keepalived.user\n");
    root.succeed(EVENT);
    assert_eq!(root.take("tmp/said"), AS_KEEPALIVED.repeat(2));
}

/// To them UP and DOWN are a server's, whatever TYPE says.
#[test]
fn keepalived_users_scripts_hear_nothing_of_what_is_tracked() {
    let Some(root) = Root::install() else { return };
    root.write("etc/hotplug.d/keepalived/50-mine", TELL);
    root.write("etc/keepalived.user", TELL);
    root.write("etc/vipd.user", TELL);
    for (kind, action, state) in
        [("PROBE", "NOTIFY_DOWN", "DOWN"), ("INTERFACE", "NOTIFY_UP", "UP"), ("FILE", "NOTIFY", "7")]
    {
        let event = format!("env -i PATH=$PATH ACTION={action} TYPE={kind} NAME=isp STATE={state} PREVIOUS=");
        root.succeed(&format!("{event} INTERFACE= /sbin/hotplug-call vipd"));
        let said = root.take("tmp/said");
        assert!(said.contains("HOTPLUG_TYPE=vipd\n") && said.contains(&format!("STATE={state}\n")), "{said}");
        assert_eq!(said.matches(".\n").count(), 1, "{said}");
    }
}

#[test]
fn startup_and_shutdown_have_an_action_and_nothing_else() {
    let Some(root) = Root::install() else { return };
    root.write("etc/keepalived.user", TELL);
    root.succeed("env -i PATH=$PATH ACTION=startup /sbin/hotplug-call vipd");
    let expected = AS_KEEPALIVED.replace("NOTIFY_MASTER", "startup");
    assert_eq!(root.take("tmp/said"), expected.replace("NAME=lan\n", "").replace("TYPE=INSTANCE\n", ""));
}

#[test]
fn the_users_script_of_vipd_is_told_everything_and_may_fail() {
    let Some(root) = Root::install() else { return };
    // The shipped one holds comments alone.
    root.succeed(EVENT);
    root.write("etc/vipd.user", &format!("{TELL}exit 7\n"));
    root.write("etc/hotplug.d/vipd/20-mine", TELL);
    root.succeed(EVENT);
    let said = root.take("tmp/said");
    assert_eq!(said.matches("REASON=no master heard\n").count(), 2, "{said}");
    assert_eq!(said.matches("STATE=MASTER\n").count(), 2, "{said}");
    assert_eq!(said.matches("HOTPLUG_TYPE=vipd\n").count(), 2, "{said}");
}

#[test]
fn uci_defaults_can_run_twice_and_leave_a_good_file_alone() {
    let Some(root) = Root::install() else { return };
    let shipped = root.read("etc/config/vipd");
    root.succeed("/etc/uci-defaults/vipd");
    assert_eq!(root.read("etc/config/vipd"), shipped);
    assert_eq!(root.take("tmp/uci"), "");
    assert_eq!(root.take("tmp/rpcd"), "running\nreload\n");
    for old in ["config global_defs 'old'", "config global_defs", "config globals"] {
        let rest = "\n\toption router_id 'x'\n\nconfig peer 'globalsx'\n";
        root.write("etc/config/vipd", &format!("{old}{rest}"));
        for _ in 0..2 {
            root.succeed("/etc/uci-defaults/vipd");
            assert_eq!(root.read("etc/config/vipd"), format!("config globals 'globals'{rest}"), "{old}");
        }
        assert_eq!(root.take("tmp/uci"), "commit\n", "{old}");
    }
    // Without rpcd, and without globals.
    std::fs::remove_file(root.path("etc/init.d/rpcd")).unwrap();
    root.write("etc/config/vipd", "config peer 'x'\n");
    root.succeed("/etc/uci-defaults/vipd");
    assert_eq!(root.read("etc/config/vipd"), "config peer 'x'\n");
}

#[test]
fn the_plugin_answers_without_a_daemon_and_knows_its_methods() {
    let Some(root) = Root::install() else { return };
    let call = |words: &str| root.succeed(&format!("echo '{{}}' | /usr/libexec/rpcd/vipd {words}"));
    assert_eq!(call("list"), "{\"status\":{},\"dump\":{}}\n");
    assert_eq!(call("call status"), "{\"running\":false,\"instances\":[]}\n");
    assert_eq!(call("call dump"), "{\"status\":[]}\n");
    for words in ["call release", "call", "bogus", ""] {
        let ran = root.run(&format!("/usr/libexec/rpcd/vipd {words} </dev/null"));
        assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{words}");
    }
}

#[test]
fn the_feeds_test_passes_with_the_real_program_and_notices_another_version() {
    let Some(root) = Root::install() else { return };
    root.write_program("tmp/test.sh", include_str!("../../board/openwrt/test.sh"));
    let version = env!("CARGO_PKG_VERSION");
    let ran = root.run(&format!("/tmp/test.sh vipd {version}"));
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    assert_eq!(root.run("/tmp/test.sh vipd 99.9").code, 1);
    assert_eq!(root.run("/tmp/test.sh another 99.9").code, 0);
    root.write("etc/config/vipd", "config vrrp_instance\n");
    assert_eq!(root.run(&format!("/tmp/test.sh vipd {version}")).code, 1);
}
