//! A small OpenWrt in a folder: the package as its Makefile installs it, busybox, stand-ins for procd and its
//! like, and the real binary. Scripts run in it as they would on a board: in a root of their own, with a network
//! of their own.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

pub(crate) const PACKAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/board/openwrt");
const STAND_INS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/openwrt/stand-ins");

/// Where each stand-in goes.
const PLACES: [(&str, &str); 9] = [
    ("rc.common", "etc/rc.common"),
    ("functions.sh", "lib/functions.sh"),
    ("network.sh", "lib/functions/network.sh"),
    ("procd.sh", "lib/functions/procd.sh"),
    ("hotplug-call", "sbin/hotplug-call"),
    ("ubus", "bin/ubus"),
    ("uci", "sbin/uci"),
    ("fw4", "sbin/fw4"),
    ("rpcd.init", "etc/init.d/rpcd"),
];

/// What runs before a script: a device with a carrier, and a `/dev/null` that is one.
const ENTER: &str = "
    set -e
    ip link set lo up
    ip link add br-lan type veth peer name far
    ip link set far up
    ip link set br-lan up
    ip address add 192.168.1.2/24 dev br-lan
    mount --bind /dev/null \"$1/dev/null\"
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot \"$1\" /bin/busybox ash -c \"$2\"
";

static COUNT: AtomicU32 = AtomicU32::new(0);

/// The folder; it goes when this is dropped.
pub(crate) struct Root(PathBuf);

/// How a script has ended.
pub(crate) struct Ran {
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Root {
    /// The package freshly installed; `None`, and a line that says why, where that cannot be tried.
    pub(crate) fn install() -> Option<Self> {
        if let Err(why) = ready() {
            skip(&why);
            return None;
        }
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("vipd-openwrt-{}-{number}", std::process::id()));
        let root = Self(path);
        for folder in
            ["bin", "sbin", "dev", "tmp/networks", "tmp/zones/network", "tmp/zones/device", "var/run"]
        {
            fs::create_dir_all(root.path(folder)).unwrap();
        }
        root.write("dev/null", "");
        fs::copy("/bin/busybox", root.path("bin/busybox")).unwrap();
        root.link_applets();
        let built = root.path("tmp/built");
        fs::create_dir_all(built.join("bin")).unwrap();
        fs::copy(env!("CARGO_BIN_EXE_vipd"), built.join("bin/vipd")).unwrap();
        root.make(&["install", &format!("PKG_INSTALL_DIR={}", built.display())]);
        fs::remove_dir_all(built).unwrap();
        root.copy_libraries();
        for (name, place) in PLACES {
            fs::create_dir_all(root.path(place).parent().unwrap()).unwrap();
            fs::copy(Path::new(STAND_INS).join(name), root.path(place)).unwrap();
        }
        Some(root)
    }

    /// The same, configured and on one network, `lan`, in a zone of the same name.
    pub(crate) fn configured(config: &str) -> Option<Self> {
        let root = Self::install()?;
        root.write("etc/config/vipd", config);
        root.write("etc/config/network", "config interface 'lan'\n\toption device 'br-lan'\n");
        root.write("tmp/networks/lan", "br-lan\n");
        root.write("tmp/zones/network/lan", "lan\n");
        Some(root)
    }

    /// Runs the package's Makefile, with stand-ins for what it includes; its standard output.
    pub(crate) fn make(&self, words: &[&str]) -> String {
        let top = self.path("tmp/top");
        for (name, text) in [
            ("rules.mk", fs::read_to_string(Path::new(STAND_INS).join("openwrt.mk")).unwrap()),
            ("include/package.mk", String::new()),
            // What was said before it is included is forgotten.
            ("feeds/packages/lang/rust/rust-package.mk", "CARGO_PKG_VARS=\nCARGO_PKG_ARGS=\n".to_owned()),
        ] {
            fs::create_dir_all(top.join(name).parent().unwrap()).unwrap();
            fs::write(top.join(name), text).unwrap();
        }
        let made = Command::new("make")
            .env_remove("MAKEFLAGS")
            .args(["--no-print-directory", "-C", PACKAGE])
            .arg(format!("TOPDIR={}", top.display()))
            .arg(format!("DESTDIR={}", self.0.display()))
            .args(words)
            .output()
            .unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        String::from_utf8(made.stdout).unwrap()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// A script that may be run.
    pub(crate) fn write_program(&self, name: &str, text: &str) {
        self.write(name, text);
        fs::set_permissions(self.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The text of a file; empty if there is none.
    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The text of a file, which is removed.
    pub(crate) fn take(&self, name: &str) -> String {
        let text = self.read(name);
        let _ = fs::remove_file(self.path(name));
        text
    }

    /// Runs a script under busybox ash.
    pub(crate) fn run(&self, script: &str) -> Ran {
        let output = unshare().args(["sh", "-c", ENTER, "sh"]).arg(&self.0).arg(script).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let ran = Ran {
            code: output.status.code().unwrap_or(-1),
            out: text(output.stdout),
            err: text(output.stderr),
        };
        assert_eq!(self.read("tmp/misuse"), "", "{script}");
        ran
    }

    /// Runs a script that must succeed and complain of nothing; its standard output.
    pub(crate) fn succeed(&self, script: &str) -> String {
        let ran = self.run(script);
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{script}\n{}", ran.out);
        ran.out
    }

    /// Runs the init script; what procd was told, one call a line.
    pub(crate) fn init(&self, action: &str) -> Vec<String> {
        self.succeed(&format!("/etc/init.d/vipd {action}"));
        self.take("tmp/procd").lines().map(str::to_owned).collect()
    }

    fn link_applets(&self) {
        let output = Command::new("/bin/busybox").arg("--list").output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        for name in text.lines().filter(|name| *name != "busybox") {
            symlink("busybox", self.path("bin").join(name)).unwrap();
        }
    }

    /// What programs that are not static need, where they look for it.
    fn copy_libraries(&self) {
        let output = Command::new("ldd").args([env!("CARGO_BIN_EXE_vipd"), "/bin/busybox"]).output().unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        for library in text.split_whitespace().filter(|word| word.starts_with("/lib") && !word.ends_with(':'))
        {
            let place = self.path(library.trim_start_matches('/'));
            fs::create_dir_all(place.parent().unwrap()).unwrap();
            fs::copy(library, place).unwrap();
        }
    }
}

impl Drop for Root {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

/// Root in namespaces of its own; whatever a script leaves behind ends with it.
fn unshare() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "--net", "--pid", "--fork", "--kill-child"]);
    command
}

fn ready() -> Result<(), String> {
    if !Path::new("/bin/busybox").exists() {
        return Err("there is no /bin/busybox (Debian package busybox-static)".into());
    }
    for (tool, word) in [("make", "--version"), ("ip", "-V")] {
        if Command::new(tool).arg(word).output().is_err() {
            return Err(format!("there is no {tool}"));
        }
    }
    match unshare().arg("true").output() {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        Err(error) => Err(format!("unshare: {error}")),
    }
}

/// Says that a test does not run, past libtest's capture; where skips are forbidden, fails.
fn skip(why: &str) {
    let forbidden = std::env::var_os("VIPD_NO_SKIPS").is_some_and(|value| value == "1");
    assert!(!forbidden, "SKIPPED: {why} (and VIPD_NO_SKIPS=1)");
    let name = std::thread::current();
    let _ = writeln!(std::io::stderr(), "SKIPPED: {}: {why}", name.name().unwrap_or("?"));
}
