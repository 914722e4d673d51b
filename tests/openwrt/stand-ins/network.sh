#!/bin/sh
# shellcheck shell=ash
# /lib/functions/network.sh: a network is up if /tmp/networks has a file with its device's name.

network_get_device() {
	local _device
	unset "$1"
	[ -f "/tmp/networks/$2" ] || return 1
	read -r _device <"/tmp/networks/$2"
	eval "$1=\$_device"
}
