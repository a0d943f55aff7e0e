# SPDX-License-Identifier: GPL-2.0
# bpftrace: entry and return of malloc, as a histogram of a real command.

. guest/demo/lib.sh

title "bpftrace: sizes that ls allocates"
cat >/tmp/malloc.bt <<SCRIPT
uprobe:$libc:malloc { @bytes = hist(arg0); @calls = count(); }
uretprobe:$libc:malloc /retval != 0/ { @returns = count(); }
SCRIPT
run "cat /tmp/malloc.bt"
run "bpftrace -q /tmp/malloc.bt -c 'ls -laR /usr/share' >/tmp/malloc.out"
sed -n '/^@/,$p' /tmp/malloc.out
calls_of_malloc=$(total @calls: </tmp/malloc.out)
hits "libc malloc in ls" "bpftrace uprobe" "$calls_of_malloc" 1 -
hits "its returns" "bpftrace uretprobe" "$(total @returns: </tmp/malloc.out)" \
	"$((calls_of_malloc > 0 ? calls_of_malloc : 1))" "$calls_of_malloc"
