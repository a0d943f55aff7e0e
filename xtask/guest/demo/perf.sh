# SPDX-License-Identifier: GPL-2.0
# perf: a function of libc in a real command, and the return value of our own.

. guest/demo/lib.sh

title "perf: malloc of libc in ls"
run "perf probe -q -x $libc malloc"
run "perf record -q -e probe_libc:malloc -o /tmp/malloc.data -- ls -laR /usr/share >/dev/null"
run "perf report --stdio -s comm,dso -i /tmp/malloc.data 2>/dev/null | grep -v '^\$' | head -12"
hits "libc malloc in ls" "perf record" "$(perf script -i /tmp/malloc.data 2>/dev/null | wc -l)" 1 -

title "perf: what a function returns, $calls calls"
run "perf probe -q -x ./traced 'work%return value=\$retval'"
run "perf record -q -e probe_traced:work__return -o /tmp/work.data -- ./traced $calls"
run "perf script -i /tmp/work.data | tail -3"
hits "return of work()" "perf record" "$(perf script -i /tmp/work.data | wc -l)" $calls $calls
perf probe -q -d 'probe_*:*'
