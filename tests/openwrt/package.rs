//! The Makefile and the files that are data.

use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::root::{PACKAGE, Root};

const MANIFEST: &str = include_str!("../../Cargo.toml");

#[test]
fn every_file_is_installed_where_openwrt_looks_for_it() {
    let Some(root) = Root::install() else { return };
    for (name, mode) in [
        ("usr/sbin/vipd", 0o755),
        ("etc/init.d/vipd", 0o755),
        // There are passwords in it.
        ("etc/config/vipd", 0o600),
        ("etc/uci-defaults/vipd", 0o755),
        ("etc/vipd.user", 0o644),
        ("etc/hotplug.d/vipd/00-keepalived-compat", 0o644),
        ("etc/hotplug.d/vipd/10-user", 0o644),
        ("usr/share/vipd/recipes/30-services", 0o644),
        ("usr/share/vipd/recipes/40-wan", 0o644),
        ("usr/share/vipd/recipes/50-conntrackd", 0o644),
        ("etc/capabilities/vipd.json", 0o644),
        ("lib/upgrade/keep.d/vipd", 0o644),
        ("usr/libexec/rpcd/vipd", 0o755),
        ("usr/share/rpcd/acl.d/vipd.json", 0o644),
    ] {
        let metadata = std::fs::metadata(root.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(metadata.permissions().mode() & 0o7777, mode, "{name}");
    }
}

#[test]
fn the_package_has_the_version_of_the_crate_and_keeps_what_users_write() {
    let Some(root) = Root::install() else { return };
    let said = root.make(&["say"]);
    assert!(said.contains(&format!("version {}\n", env!("CARGO_PKG_VERSION"))), "{said}");
    assert!(said.contains("conffiles /etc/config/vipd /etc/vipd.user\n"), "{said}");
}

/// The default features are a host's: with `import`, which no board needs.
#[test]
fn the_package_is_built_with_the_features_and_capacities_of_a_board() {
    let Some(root) = Root::install() else { return };
    for (choice, board, capacity) in [
        ("CONFIG_VIPD_GENERIC=y", include_str!("../../board/generic.env"), None),
        ("CONFIG_VIPD_TINY=y", include_str!("../../board/tiny.env"), Some("VIPD_VIRTUAL_ROUTERS=16")),
        ("CONFIG_VIPD_LARGE=y", include_str!("../../board/large.env"), Some("VIPD_VIRTUAL_ROUTERS=255")),
        (
            "CONFIG_VIPD_BALANCER=y",
            include_str!("../../board/balancer.env"),
            Some("VIPD_VIRTUAL_SERVERS=100"),
        ),
    ] {
        let said = root.make(&["say", choice]);
        let line = |word: &str| said.lines().find_map(|line| line.strip_prefix(word)).unwrap().trim();
        let features = board.lines().find_map(|line| line.strip_prefix("FEATURES=")).unwrap();
        assert_eq!(line("features"), features, "{choice}");
        assert!(!features.split(',').any(|feature| feature == "import"), "{choice}");
        assert_eq!(line("args"), "--no-default-features", "{choice}");
        let capacities: Vec<_> = board.lines().filter(|line| line.starts_with("VIPD_")).collect();
        assert_eq!(line("vars"), capacities.join(" "), "{choice}");
        assert!(capacity.is_none_or(|capacity| capacities.contains(&capacity)), "{choice}");
    }
    assert_eq!(root.make(&["say"]), root.make(&["say", "CONFIG_VIPD_GENERIC=y"]), "the default");
}

/// The tree sets fields of `release` through CARGO_PROFILE_RELEASE_*; what a profile inherits is overridden with it.
#[test]
fn the_profile_of_the_feed_sets_every_field_itself() {
    let Some(root) = Root::install() else { return };
    assert!(root.make(&["say"]).contains("profile openwrt\n"));
    let profile = MANIFEST.split("[profile.openwrt]\n").nth(1).unwrap().split("\n\n").next().unwrap();
    for field in [
        "codegen-units = 1",
        "debug = false",
        "debug-assertions = false",
        "incremental = false",
        "lto = \"fat\"",
        "opt-level = \"z\"",
        "overflow-checks = false",
        "panic = \"abort\"",
        "rpath = false",
        "split-debuginfo = \"off\"",
        "strip = \"symbols\"",
    ] {
        assert!(profile.lines().any(|line| line == field), "{field}");
    }
}

#[test]
fn what_is_prepared_for_the_build_holds_every_target_of_the_manifest() {
    let Some(root) = Root::install() else { return };
    let build = root.path("tmp/build");
    root.make(&["prepare", &format!("PKG_BUILD_DIR={}", build.display())]);
    for name in ["Cargo.lock", "src/main.rs", "examples/failover.rs", "LICENSE-MIT", "LICENSE-APACHE"] {
        assert!(build.join(name).exists(), "{name}");
    }
    let read = std::process::Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--format-version", "1", "--offline", "--manifest-path"])
        .arg(build.join("Cargo.toml"))
        .output()
        .unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
}

#[test]
fn the_jail_and_the_access_list_are_json() {
    let read = |name: &str| -> Value {
        let text = std::fs::read_to_string(format!("{PACKAGE}/files/{name}")).unwrap();
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
    };
    let capabilities = read("vipd.capabilities.json");
    for set in ["bounding", "effective", "ambient", "permitted", "inheritable"] {
        assert_eq!(capabilities[set], serde_json::json!(["CAP_NET_ADMIN", "CAP_NET_RAW"]), "{set}");
    }
    assert_eq!(read("vipd.acl.json")["vipd"]["read"]["ubus"]["vipd"], serde_json::json!(["status", "dump"]));
}
