# SPDX-License-Identifier: GPL-2.0
#
# What the demonstrations share. Sourced by each; leaves one line per traced
# thing in /results/hits, tab-separated: what, tool, hits, least, most.
# `least` and `most` bound a sound number of hits; `-` is no bound.

libc=$(ldd /usr/bin/ls | awk '/libc\.so/ { print $3 }')
calls=1000

title() {
	printf '\n\033[1m== %s ==\033[0m\n' "$*"
}

# Shows a command as typed, then runs it.
run() {
	printf '\n$ %s\n' "$*"
	eval "$*"
}

# hits WHAT TOOL HITS LEAST MOST
hits() {
	printf '%s\t%s\t%s\t%s\t%s\n' "$1" "$2" "${3:-0}" "$4" "$5" >>/results/hits
}

# The number that bpftrace printed for a map: total @calls <output
total() {
	awk -v map="$1" 'index($1, map) == 1 { sum += $NF } END { print sum + 0 }'
}
