# SPDX-License-Identifier: GPL-2.0
# A static probe with a semaphore: the kernel raises it (ref_ctr) for as long as
# someone listens, and the program says how often it found it raised.

. guest/demo/lib.sh

title "USDT with a semaphore, fired $calls times"
run "bpftrace -q -e 'usdt:/disk/traced:traced:tick { @ticks = count(); @sum = sum(arg0); }' -c '/disk/traced $calls' | tee /tmp/usdt.out"
hits "traced:tick" "bpftrace usdt" "$(total @ticks: </tmp/usdt.out)" $calls $calls
hits "semaphore found raised" "traced" "$(awk '/^raised/ { print $2 }' /tmp/usdt.out)" $calls $calls

run "./traced $calls"
hits "semaphore with nobody listening" "traced" "$(./traced $calls | awk '{ print $2 }')" 0 0
