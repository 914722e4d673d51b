//! Builds libuci's core from the C files of the crate `libuci-sys`, and `src/answer.c` on top of it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// libuci without its command line and without the part that needs libubox; `list.c` is included by `libuci.c`.
const SOURCES: [&str; 5] = ["libuci.c", "file.c", "util.c", "delta.c", "parse.c"];

fn main() {
    println!("cargo::rerun-if-changed=src/answer.c");
    println!("cargo::rerun-if-changed=Cargo.lock");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let uci = folder_of_libuci();
    // Its own build would write this; both settings that it can hold are off.
    fs::write(out.join("uci_config.h"), "").expect("uci_config.h");

    let mut objects = Vec::new();
    for source in SOURCES.map(|name| uci.join(name)).into_iter().chain([PathBuf::from("src/answer.c")]) {
        let object = out.join(source.file_name().expect("a file")).with_extension("o");
        run(Command::new("cc")
            .args(["-std=gnu99", "-O1", "-w", "-c", "-DUCI_PREFIX=\"/usr\"", "-I"])
            .args([&out, Path::new("-I"), &uci, &source, Path::new("-o"), &object]));
        objects.push(object);
    }
    let archive = out.join("libuci_oracle.a");
    let _ = fs::remove_file(&archive);
    run(Command::new("ar").arg("crs").arg(&archive).args(&objects));
    println!("cargo::rustc-link-search=native={}", out.display());
    println!("cargo::rustc-link-lib=static=uci_oracle");
}

/// Where the sources are, as cargo says it.
fn folder_of_libuci() -> PathBuf {
    let cargo = env::var_os("CARGO").expect("cargo sets CARGO");
    let metadata = Command::new(cargo).args(["metadata", "--format-version", "1", "--locked"]).output();
    let metadata = String::from_utf8(metadata.expect("cargo metadata").stdout).expect("UTF-8");
    let manifests = metadata.split("\"manifest_path\":\"").skip(1).filter_map(|rest| rest.split('"').next());
    let manifest = manifests.filter(|path| path.contains("libuci-sys-")).map(PathBuf::from).next();
    let manifest = manifest.expect("cargo metadata knows libuci-sys");
    manifest.parent().expect("a folder").join("uci")
}

fn run(command: &mut Command) {
    let status = command.status().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(status.success(), "{command:?}: {status}");
}
