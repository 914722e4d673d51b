#!/bin/sh
# shellcheck shell=ash
# /lib/functions/procd.sh: what is called is written down, one call a line.

record() {
	echo "$*" >>/tmp/procd
}

procd_running() {
	[ -e /tmp/running ]
}

procd_open_service() { record open_service "$@"; }
procd_close_service() { record close_service "$@"; }
procd_open_instance() { record open_instance "$@"; }
procd_close_instance() { record close_instance "$@"; }
procd_set_param() { record set "$@"; }
procd_append_param() { record append "$@"; }
procd_add_jail() { record jail "$@"; }
procd_add_jail_mount() { record mount "$@"; }
procd_add_jail_mount_rw() { record mount_rw "$@"; }
procd_open_data() { record open_data "$@"; }
procd_close_data() { record close_data "$@"; }
procd_add_reload_trigger() { record reload_trigger "$@"; }
procd_add_reload_interface_trigger() { record reload_interface_trigger "$@"; }
procd_set_config_changed() { record config_changed "$@"; }
json_add_array() { record "array [" "$@"; }
json_close_array() { record "array ]" "$@"; }
json_add_object() { record "object [" "$@"; }
json_close_object() { record "object ]" "$@"; }
json_add_string() { record string "$@"; }
