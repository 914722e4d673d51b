#!/bin/sh
# shellcheck shell=ash
# $1 is the package, $2 its version: what can be seen of it without a network.

[ "$1" = vipd ] || exit 0

fail() {
	echo "vipd: $*"
	exit 1
}

vipd --version | grep -F "$2" || fail "--version does not say $2"
vipd --help | grep -F 'vipd run' || fail "--help does not help"
vipd check -c /etc/config/vipd || fail "the default configuration is refused"

bad=$(mktemp)
printf 'config vrrp_instance\n\toption virtual_router_id 256\n' >"$bad"
said=$(vipd check -c "$bad")
status=$?
rm -f "$bad"
[ "$status" -eq 1 ] || fail "a bad configuration: exit $status, not 1"
echo "$said" | grep -F "$bad:2:" || fail "a bad configuration: no line in '$said'"

vipd status --socket /nonexistent/vipd.sock
status=$?
[ "$status" -eq 3 ] || fail "no daemon: exit $status, not 3"

for script in /etc/init.d/vipd /etc/hotplug.d/vipd/* /usr/libexec/rpcd/vipd; do
	sh -n "$script" || fail "$script is no script"
done
/usr/libexec/rpcd/vipd list | grep -F '"status":{}' || fail "the plugin lists no method"
