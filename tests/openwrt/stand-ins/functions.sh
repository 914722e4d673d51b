#!/bin/sh
# shellcheck shell=ash disable=SC2034,SC2154
# /lib/functions.sh, as far as it reads configurations; and a log that a test can read.

# Reads $UCI_CONFIG_DIR/$1 in place of what was read before. Values have no newlines, and no quotes within.
config_load() {
	local name
	for name in $CONFIG_NAMES; do
		unset "$name"
	done
	CONFIG_NAMES='' CONFIG_SECTIONS=''
	[ -f "/etc/config/$1" ] || return 0
	local word section='' count=0 option value
	while read -r word option value; do
		case "$word" in
		config)
			count=$((count + 1))
			section=$(unquoted "$value")
			[ -n "$section" ] || section="cfg$count"
			CONFIG_SECTIONS="$CONFIG_SECTIONS $section"
			config_set "$section" TYPE "$(unquoted "$option")"
			;;
		option) config_set "$section" "$option" "$(unquoted "$value")" ;;
		list) config_set "$section" "$option" "$(config_get "$section" "$option") $(unquoted "$value")" ;;
		esac
	done <"/etc/config/$1"
}

unquoted() {
	local value="${1#[\'\"]}"
	echo "${value%[\'\"]}"
}

# The real one makes a variable's name of both, and goes astray where that is none.
config_name() {
	case "$1$2" in
	*[!A-Za-z0-9_]*)
		echo "config: $1.$2 is no name" >>/tmp/misuse
		return 1
		;;
	esac
	name="CONFIG_${1}_$2"
}

config_set() {
	local name
	config_name "$1" "$2" || return 1
	CONFIG_NAMES="$CONFIG_NAMES $name"
	eval "$name=\${3# }"
}

# config_get SECTION OPTION prints, config_get VARIABLE SECTION OPTION [DEFAULT] sets.
config_get() {
	local name
	if [ $# -eq 2 ]; then
		config_name "$1" "$2" && eval "echo \"\$$name\""
	else
		config_name "$2" "$3" && eval "$1=\"\${$name:-\$4}\""
	fi
}

config_get_bool() {
	local _value
	config_get _value "$2" "$3"
	case "$_value" in
	1 | on | true | yes | enabled) eval "$1=1" ;;
	0 | off | false | no | disabled) eval "$1=0" ;;
	*) eval "$1=\$4" ;;
	esac
}

config_foreach() {
	local _function="$1" _type="$2" _section _its
	shift 2
	for _section in $CONFIG_SECTIONS; do
		config_get _its "$_section" TYPE
		[ "$_its" != "$_type" ] || "$_function" "$_section" "$@"
	done
}

# A function, since busybox prefers its own modprobe to anything in the path. Nothing can be loaded.
modprobe() {
	record modprobe "$1"
	return 1
}

# A function, since busybox prefers its own logger to anything in the path.
logger() {
	sed "s/^/$* /" >>/tmp/syslog
}
