#!/bin/bash
# What keepalived and FRR weigh as Debian ships them: the programs that VRRP needs, the libraries that ldd finds for
# them, and apart from those the C library, which most systems have anyway. It weighs what is installed here.
#
#   size-report/peers.sh             print the table
#   size-report/peers.sh --record    and write it to peers.csv
set -euo pipefail
cd "$(dirname "$0")/.."

# A peer's Debian package, and what runs for VRRP alone: FRR's vrrpd needs zebra; its watcher and shell are left out.
peers() {
    echo keepalived keepalived /usr/sbin/keepalived
    echo FRR frr /usr/lib/frr/zebra /usr/lib/frr/vrrpd
}

# The libraries of these programs, each once, by its real path.
libraries() {
    ldd "$@" | grep -o '/[^ ]*\.so[^ ]*' | xargs -n 1 realpath | sort -u
}

# The real paths of the C library's own: libc, libm, libresolv, the loader.
c_library() {
    dpkg -L libc6 | grep '\.so' | xargs -n 1 realpath | sort -u
}

bytes_of() {
    xargs -r stat -Lc '%F %s' | awk '/^regular/ { sum += $NF } END { print sum + 0 }'
}

# A line of the table: peer, version, part, files, bytes. The whole package is for comparison: nothing adds it up.
weigh() {
    local peer=$1 package=$2 version part files
    shift 2
    version=$(dpkg-query -W -f '${Version}' "$package")
    for part in programs libraries libc package; do
        case $part in
        programs) files=$(printf '%s\n' "$@") ;;
        libraries) files=$(comm -23 <(libraries "$@") <(c_library)) ;;
        libc) files=$(comm -12 <(libraries "$@") <(c_library)) ;;
        package) files=$(dpkg -L "$package" | while read -r file; do [ ! -f "$file" ] || [ -L "$file" ] || echo "$file"; done) ;;
        esac
        echo "$peer,$version,$part,$(wc -l <<<"$files"),$(bytes_of <<<"$files")"
    done
}

weigh_all() {
    local peer package programs
    echo peer,version,part,files,bytes
    while read -r peer package programs; do
        read -ra programs <<<"$programs"
        if [ ! -x "${programs[0]}" ]; then
            echo "$peer is not installed (Debian's package $package)" >&2
            return 1
        fi
        weigh "$peer" "$package" "${programs[@]}"
    done < <(peers)
}

main() {
    local table
    table=$(weigh_all)
    awk -F, '{ printf "%-12s %-20s %-10s %5s %10s\n", $1, $2, $3, $4, $5 }' <<<"$table"
    case ${1-} in
    --record) echo "$table" >size-report/peers.csv ;;
    esac
}

main "$@"
