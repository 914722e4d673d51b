//! The recipes, put where hotplug finds them, as their own comments say.

use crate::root::Root;

/// A state, told as the daemon tells it.
fn told(root: &Root, action: &str, name: &str) {
    root.succeed(&format!(
        "env -i PATH=$PATH ACTION={action} TYPE=INSTANCE NAME={name} STATE=X PREVIOUS= REASON=ready PRIORITY=100 \
         INTERFACE=br-lan /sbin/hotplug-call vipd"
    ));
}

fn with_recipe(name: &str) -> Option<Root> {
    let root = Root::install()?;
    root.succeed(&format!("cp /usr/share/vipd/recipes/{name} /etc/hotplug.d/vipd/"));
    Some(root)
}

/// A program that writes down how it was called.
fn told_of(name: &str) -> String {
    format!("#!/bin/sh\necho \"{name} $*\" >>/tmp/called\n")
}

#[test]
fn services_run_on_the_master_alone() {
    let Some(root) = with_recipe("30-services") else { return };
    for service in ["dnsmasq", "odhcpd"] {
        // `running` is answered by a file.
        let text = told_of(service).replace("echo", "[ \"$1\" != running ] || exec test -e /tmp/runs\necho");
        root.write_program(&format!("etc/init.d/{service}"), &text);
    }
    told(&root, "NOTIFY_MASTER", "lan");
    assert_eq!(root.take("tmp/called"), "dnsmasq start\nodhcpd start\n");
    root.write("tmp/runs", "");
    told(&root, "NOTIFY_MASTER", "lan");
    assert_eq!(root.take("tmp/called"), "", "what runs is not started again");
    for action in ["NOTIFY_BACKUP", "NOTIFY_FAULT", "NOTIFY_STOP"] {
        told(&root, action, "lan");
        assert_eq!(root.take("tmp/called"), "dnsmasq stop\nodhcpd stop\n", "{action}");
    }
    told(&root, "NOTIFY_MASTER", "guest");
    told(&root, "NOTIFY_CLAIM", "lan");
    root.succeed("env -i PATH=$PATH ACTION=startup /sbin/hotplug-call vipd");
    assert_eq!(root.take("tmp/called"), "", "that was nobody's business");
}

#[test]
fn the_uplink_is_up_on_the_master_alone() {
    let Some(root) = with_recipe("40-wan") else { return };
    for program in ["ifup", "ifdown"] {
        std::fs::remove_file(root.path(&format!("bin/{program}"))).ok();
        std::fs::remove_file(root.path(&format!("sbin/{program}"))).ok();
        root.write_program(&format!("sbin/{program}"), &told_of(program));
    }
    // netifd's answer, as `ubus -S` prints it.
    let answer = |wan: &str| {
        root.write_program(
            "bin/ubus",
            &format!(
                "#!/bin/sh\ncase \"$3\" in\nnetwork.interface.wan) echo '{wan}' ;;\n*) exit 4 ;;\nesac\n"
            ),
        );
    };
    answer(r#"{"up":false,"pending":false,"available":true,"autostart":false}"#);
    told(&root, "NOTIFY_MASTER", "lan");
    assert_eq!(root.take("tmp/called"), "ifup wan\nifup wan6\n");
    for up in [r#"{"up":true,"pending":false}"#, r#"{"up":false,"pending":true}"#] {
        answer(up);
        told(&root, "NOTIFY_MASTER", "lan");
        assert_eq!(root.take("tmp/called"), "ifup wan6\n", "what is up stays: {up}");
    }
    for action in ["NOTIFY_BACKUP", "NOTIFY_FAULT", "NOTIFY_STOP"] {
        told(&root, action, "lan");
        assert_eq!(root.take("tmp/called"), "ifdown wan\nifdown wan6\n", "{action}");
    }
    told(&root, "NOTIFY_MASTER", "wan");
    assert_eq!(root.take("tmp/called"), "");
}

#[test]
fn the_flows_are_committed_before_the_claim_or_else_on_mastership() {
    let Some(root) = with_recipe("50-conntrackd") else { return };
    root.write_program("usr/sbin/conntrackd", &told_of("conntrackd"));
    let tell =
        |options: &[&str]| -> String { options.iter().map(|it| format!("conntrackd {it}\n")).collect() };
    told(&root, "NOTIFY_CLAIM", "lan");
    assert_eq!(root.take("tmp/called"), tell(&["-c"]));
    told(&root, "NOTIFY_MASTER", "lan");
    assert_eq!(root.take("tmp/called"), tell(&["-f", "-R", "-B"]), "committed already");
    told(&root, "NOTIFY_BACKUP", "lan");
    assert_eq!(root.take("tmp/called"), tell(&["-t", "-n"]));
    told(&root, "NOTIFY_MASTER", "lan");
    assert_eq!(root.take("tmp/called"), tell(&["-c", "-f", "-R", "-B"]), "without claim_script");
    told(&root, "NOTIFY_CLAIM", "lan");
    told(&root, "NOTIFY_FAULT", "lan");
    root.take("tmp/called");
    told(&root, "NOTIFY_MASTER", "lan");
    assert_eq!(root.take("tmp/called"), tell(&["-c", "-f", "-R", "-B"]), "a claim that came to nothing");

    // As the claim_script itself.
    root.succeed(
        "chmod +x /etc/hotplug.d/vipd/50-conntrackd\n\
         env -i PATH=$PATH ACTION=NOTIFY_CLAIM TYPE=INSTANCE NAME=lan /etc/hotplug.d/vipd/50-conntrackd",
    );
    assert_eq!(root.take("tmp/called"), tell(&["-c"]));
    // A conntrackd that is not there is said, and ends nothing.
    root.write_program("usr/sbin/conntrackd", "#!/bin/sh\nexit 1\n");
    root.write_program("usr/bin/logger", &told_of("logger"));
    told(&root, "NOTIFY_BACKUP", "lan");
    assert!(root.take("tmp/called").ends_with("logger -t vipd conntrackd -n failed\n"));
}
