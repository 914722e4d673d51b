#!/bin/bash
# What ipvsadm sends and the kernel answers: `tests/golden/ipvs.sh >tests/golden/ipvs.txt` writes the file anew. It needs
# the packages ipvsadm, strace and busybox-static, on x86_64.
set -euo pipefail

if [ "${1:-}" != inside ]; then
    exec "$(dirname "$0")/../uml/run" -t 240 -- bash "$0" inside
fi

modprobe ip_vs
traced=$(mktemp)

# The messages out of a trace, those that are peeked at once: of requests to other families, or for the version, and of
# their answers, nothing. Numbers that differ from one run to the next become zeros: type and sequence number of a
# request, the sequence number of an answer, and the sender.
messages() {
    awk '
        function digit(text) { return index("0123456789abcdef", text) - 1 }
        function byte(text) { return 16 * digit(substr(text, 1, 1)) + digit(substr(text, 2, 1)) }
        function number(at) { return 256 * byte(word[at + 1]) + byte(word[at]) }
        function blank(from, to, at) { for (at = from; at <= to; at++) word[at] = "00" }
        function show(at, line, from, len) {
            for (from = 0; from + 16 <= count; from += len) {
                len = number(from) + (4 - number(from) % 4) % 4
                if (number(from + 4) > 2 && number(from + 4) < 16 && number(from + 4) != 3) len = count
                if (!is_answer) {
                    is_ours = number(from + 4) > 16 && word[from + 16] != "0f"
                    blank(from + 4, from + 5)
                }
                blank(from + 8, from + 15)
                if (number(from + 4) == 2) blank(from + 24, from + 25)
                if (number(from + 4) == 2) blank(from + 28, from + 35)
                if (!is_ours) continue
                for (at = 0; at < len && from + at < count; at += 32) {
                    line = at > 0 ? " " : is_answer ? "<" : ">"
                    for (i = at; i < at + 32 && i < len; i++) line = line (i % 4 ? "" : " ") word[from + i]
                    print line
                }
            }
            count = 0
        }
        /^(send|recv)msg\(/ { show(); is_answer = /^recv/; is_peek = /MSG_PEEK/ }
        /^ \| / && !is_peek {
            bytes = substr($0, 11, 49)
            n = split(bytes, each, " ")
            for (i = 1; i <= n; i++) word[count++] = each[i]
        }
        END { show() }' "$traced"
}

run() {
    local output status=0
    echo
    echo "\$ ipvsadm $*"
    output=$(strace -o "$traced" -e trace=sendmsg,recvmsg -e write=3 -e read=3 ipvsadm "$@" 2>&1) || status=$?
    messages
    [ -z "$output" ] || sed 's/^/= /; s/ *$//' <<<"$output"
    [ "$status" = 0 ] || echo "= exit status $status"
}

cat <<HEAD
# What $(ipvsadm --version | cut -d ' ' -f 1,2) sends (>) to Linux $(uname -r | cut -d . -f 1,2), what that answers (<), and what ipvsadm prints (=).
#
# Zeros stand for what differs from one run to the next: type and sequence number of a request, the sequence number of
# an answer, and the sender. What ipvsadm asks before each command is left out: the family's number, and the version.
# tests/golden/ipvs.sh writes this file.
HEAD

# Not later: a server of another family than its service is nothing that hosts can exchange.
run --start-daemon master --mcast-interface lo --syncid 7
run --start-daemon backup --mcast-interface lo
run -L --daemon
run --stop-daemon master
run --stop-daemon backup
run -L --daemon

v4=10.0.0.100
v6=2001:db8::64
run -A -t $v4:80 -s rr
run -A -u $v4:53 -s wlc
run -A --sctp-service $v4:9 -s rr
run -A -t "[$v6]:80" -s wrr
run -A -u "[$v6]:53" -s lc
run -A -f 7 -s rr
run -A -f 7 -6 -s rr
run -A -t $v4:443 -s wlc -p 300 -M 255.255.255.0
run -A -t "[$v6]:443" -s wlc -p 360 -M 64
run -A -u $v4:5060 -s rr -p 60 --pe sip
run -A -u $v4:514 -s rr -o
run -A -t $v4:8080 -s sh -b sh-port,sh-fallback
run -A -t $v4:8081 -s mh -b mh-fallback
run -A -t $v4:0 -s rr -p 30
run -A -t $v4:444 -s lc -p 100

run -a -t $v4:80 -r 10.1.0.1:8080 -m
run -a -t $v4:80 -r 10.1.0.2:8080 -m -w 5 -x 100 -y 80
run -a -t $v4:80 -r 10.1.0.3 -g -w 0
run -a -t $v4:80 -r 10.1.0.4 -i
run -a -t $v4:80 -r 10.1.0.5 -i --tun-type gue --tun-port 5555 --tun-nocsum
run -a -t $v4:80 -r 10.1.0.6 -i --tun-type gue --tun-port 5555 --tun-csum
run -a -t $v4:80 -r 10.1.0.7 -i --tun-type gue --tun-port 6080 --tun-remcsum
run -a -t $v4:80 -r 10.1.0.8 -i --tun-type gre --tun-csum
run -a -t $v4:80 -r 127.0.0.1 -g
run -a -t $v4:443 -r "[2001:db8:1::1]:443" -i
run -a -t "[$v6]:80" -r "[2001:db8:1::1]:8080" -m
run -a -u "[$v6]:53" -r "[2001:db8:1::2]:53" -g -w 3
run -a --sctp-service $v4:9 -r 10.1.0.1 -g
run -a -f 7 -r 10.1.0.1 -g
run -a -f 7 -6 -r "[2001:db8:1::1]:0" -g

run -E -t $v4:80 -s wrr
run -E -f 7 -s sh -b sh-port
run -E -t $v4:444 -s rr
run -e -t $v4:80 -r 10.1.0.1:8080 -m -w 0
run -e -f 7 -6 -r "[2001:db8:1::1]:0" -g -w 65535

run --set 900 120 300
run --set 0 60 0
echo
echo '$ ipvsadm -L --timeout'
ipvsadm -L --timeout | sed 's/^/= /'

# What is refused.
run -A -t $v4:80 -s rr
run -A -t $v4:81 -s nonsense
run -E -t $v4:81 -s rr
run -D -t $v4:81
run -a -t $v4:81 -r 10.1.0.1 -g
run -a -t $v4:80 -r 10.1.0.1:8080 -m
run -e -t $v4:80 -r 10.1.0.99 -g
run -d -t $v4:80 -r 10.1.0.99
run -e -t $v4:81 -r 10.1.0.1 -g
run -d -t $v4:81 -r 10.1.0.1
run --start-daemon master --mcast-interface lo
run --stop-daemon master

run -Ln

run -d -t $v4:80 -r 10.1.0.1:8080
run -d -u "[$v6]:53" -r "[2001:db8:1::2]:53"
run -d -f 7 -6 -r "[2001:db8:1::1]:0"
run -D -t $v4:8080
run -D -u "[$v6]:53"
run -D -f 7
run -D -f 7 -6

# Traffic, for the counters: three datagrams that nobody answers, and two connections of which one stays.
run -C
ip address add $v4 dev lo
busybox nc -ll -p 8080 -e busybox cat &
run -A -t $v4:80 -s rr
run -a -t $v4:80 -r 127.0.0.1:8080 -m
run -A -u $v4:53 -s rr
run -a -u $v4:53 -r 127.0.0.1:5353 -m -w 2
sleep 1
exec 5<>/dev/tcp/$v4/80 6<>/dev/tcp/$v4/80
for descriptor in 5 6; do
    echo hello >&$descriptor
    read -r _ <&$descriptor
done
exec 6>&-
for _ in 1 2 3; do
    echo hello >/dev/udp/$v4/53
done
sleep 6
run -Ln
run -Ln --stats --exact
