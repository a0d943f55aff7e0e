# SPDX-License-Identifier: GPL-2.0
# libbpf's uprobe.multi: one link for many functions, which bpftrace makes of a
# pattern. bpftool says what kind of link it is while it is there.

. guest/demo/lib.sh

title "uprobe.multi: four functions, one link, $calls calls each"
cat >/tmp/child.sh <<SCRIPT
bpftool link show | sed -n '/uprobe_multi/,\$p' >/tmp/links
exec /disk/traced $calls
SCRIPT
run "bpftrace -q -e 'uprobe:/disk/traced:stage_* { @[func] = count(); }' -c 'sh /tmp/child.sh' >/tmp/multi.out"
run "cat /tmp/links"
cat /tmp/multi.out
links=$(grep -c 'uprobe_multi' /tmp/links)
hits "link for stage_*" "bpftool" "$links" 1 1
hits "stage_1 to stage_4" "uprobe.multi" "$(total '@[' </tmp/multi.out)" $((4 * calls)) $((4 * calls))
