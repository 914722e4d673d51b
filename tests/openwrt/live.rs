//! The whole package with a daemon that runs: started as procd was told, asked through the plugin, reloaded by
//! the signal, and stopped; and what its hooks were told on the way.

use serde_json::Value;

use crate::root::Root;

const CONFIG: &str = "\
config globals 'globals'
	option notify '/sbin/hotplug-call'

config vrrp_instance 'one'
	option name '\"},{\\\"name\":'
	option interface 'lan'
	option virtual_router_id '10'
	option version '3'
	option advert_int '0.1'
	list virtual_ipaddress '192.168.1.1/24'

config vrrp_instance 'down'
	option interface 'eth7'
	option virtual_router_id '11'
	list virtual_ipaddress '192.168.7.1/24'
";

/// What procd does, and a user.
const SCRIPT: &str = r#"
    wait_for() {
        local tries=0
        until vipd status --json 2>/tmp/why | grep -q "$1"; do
            tries=$((tries + 1))
            [ $tries -lt 300 ] || { echo "no $1"; cat /tmp/why; exit 9; }
            usleep 20000
        done
    }
    command_line() {
        sed -n 's/^set command //p; s/^append command //p' /tmp/procd | tr '\n' ' '
    }
    /etc/init.d/vipd start
    before=$(command_line)
    $before &
    pid=$!
    >/tmp/running
    wait_for '"state":"master"'
    echo '{}' | /usr/libexec/rpcd/vipd call status >/tmp/status
    echo '{}' | /usr/libexec/rpcd/vipd call dump >/tmp/dump
    date +%s >/tmp/now
    /etc/init.d/vipd status >/tmp/table || exit 8

    rm /tmp/procd
    sed -i "s/virtual_router_id '10'/&\n\toption priority '77'/" /etc/config/vipd
    /etc/init.d/vipd reload || exit 7
    [ "$(command_line)" = "$before" ] || exit 6
    kill -"$(sed -n 's/^set reload_signal //p' /tmp/procd)" $pid
    wait_for '"base_priority":77'

    kill -TERM $pid
    wait $pid
"#;

fn parsed(root: &Root, name: &str) -> Value {
    let text = root.read(name);
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}: {text}"))
}

#[test]
fn a_running_daemon_is_seen_through_the_plugin_reloaded_and_stopped() {
    let Some(root) = Root::configured(CONFIG) else { return };
    root.write("etc/keepalived.user", "[ \"$NAME\" = down ] || echo \"$TYPE $ACTION\" >>/tmp/hooks\n");
    let ran = root.run(SCRIPT);
    assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{}", ran.out);

    let status = parsed(&root, "tmp/status");
    assert_eq!(status["running"], true);
    assert_eq!(status["instances"][0]["state"], "master");
    assert!(status["stray"].is_object());

    let dump = parsed(&root, "tmp/dump");
    let entries = dump["status"].as_array().unwrap();
    assert_eq!(entries.len(), 2);
    let [one, down] = [&entries[0], &entries[1]];
    assert_eq!(one["data"]["iname"], "\"},{\\\"name\":");
    assert_eq!(one["data"]["ifp_ifname"], "br-lan");
    assert_eq!((&one["data"]["vrid"], &one["data"]["state"]), (&Value::from(10), &Value::from(2)));
    assert_eq!((&down["data"]["iname"], &down["data"]["state"]), (&Value::from("down"), &Value::from(3)));
    let now: i64 = root.read("tmp/now").trim().parse().unwrap();
    let age = now - one["data"]["last_transition"].as_i64().unwrap();
    assert!((0..30).contains(&age), "{age}");
    assert!(one["stats"]["advert_sent"].as_i64().unwrap() > 0);
    assert_eq!((&one["stats"]["become_master"], &one["stats"]["release_master"]), (&1.into(), &0.into()));
    assert_eq!(one["stats"]["advert_rcvd"], 0);

    assert!(root.read("tmp/table").starts_with("INSTANCE "));
    let hooks = root.read("tmp/hooks");
    let said: Vec<&str> = hooks.lines().collect();
    let [.., "INSTANCE NOTIFY_MASTER", "INSTANCE NOTIFY_STOP"] = said[..] else { panic!("{hooks}") };
}
