# shellcheck shell=bash
# The kinds of board that can be emulated. Sourced by the scripts beside it, from the repository's root.

# Where kernels, tools and images are made and kept; nothing in it is precious.
# shellcheck disable=SC2034
BOARDS=target/boards

# Sets what is to be known of one kind: TARGET as Rust calls it, FLAVOUR of Debian's kernel (none: Debian has none,
# and it is built), QEMU with the machine, NIC, CONSOLE, and the board's RAM in MB.
# shellcheck disable=SC2034
kind() {
    case $1 in
    mipsel) # ramips: an 8 MB flash, 64 MB RAM class of board, a 24Kc core without floating point
        TARGET=mipsel-unknown-linux-musl FLAVOUR=4kc-malta
        QEMU=(qemu-system-mipsel -M malta -cpu 24Kc) NIC=virtio-net-pci,romfile= CONSOLE=ttyS0 RAM=64
        ;;
    mips) # ath79: the same core, big endian
        TARGET=mips-unknown-linux-musl FLAVOUR=
        QEMU=(qemu-system-mips -M malta -cpu 24Kc) NIC=virtio-net-pci,romfile= CONSOLE=ttyS0 RAM=64
        ;;
    armhf) # ipq40xx, mvebu
        TARGET=armv7-unknown-linux-musleabihf FLAVOUR=armmp
        QEMU=(qemu-system-arm -M virt -cpu cortex-a15) NIC=virtio-net-device CONSOLE=ttyAMA0 RAM=128
        ;;
    arm64) # filogic, ipq807x
        TARGET=aarch64-unknown-linux-musl FLAVOUR=cloud-arm64
        QEMU=(qemu-system-aarch64 -M virt -cpu cortex-a53) NIC=virtio-net-device CONSOLE=ttyAMA0 RAM=256
        ;;
    *)
        echo "no board $1: mipsel, mips, armhf or arm64" >&2
        return 2
        ;;
    esac
}
