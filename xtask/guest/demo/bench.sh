# SPDX-License-Identifier: GPL-2.0
# Upstream's own benchmark of a probe on a one-byte nop.

. guest/demo/lib.sh

title "upstream's bench trig-uprobe-nop"
run "upstream/bpf/bench -w1 -d2 -p1 -a trig-uprobe-nop | tee /tmp/bench.out"
# Hits per second of every second that was measured, in millions.
hits "uprobe on a nop" "upstream's bench" \
	"$(awk '/^Iter/ { sum += $5 * 1000000 } END { printf "%d", sum }' /tmp/bench.out)" 1 -
