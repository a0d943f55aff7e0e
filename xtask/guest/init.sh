#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# First process of the guest: prepares the machine, runs one command with its
# output on a port of its own, leaves its exit status in /results, and ends the
# machine. Relies on nothing but the guest's root and the two folders that the
# host gives: /disk, which it may scribble on, and /results, which the host reads.

export PATH=/usr/sbin:/usr/bin:/sbin:/bin HOME=/root TERM=linux LC_ALL=C.UTF-8

mount -t sysfs sysfs /sys
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mkdir -p /dev/pts /dev/shm /results
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t debugfs debugfs /sys/kernel/debug
mount -t tracefs tracefs /sys/kernel/tracing
mount -t securityfs securityfs /sys/kernel/security
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t 9p -o trans=virtio,version=9p2000.L results /results
# The host waits for this, and boots again if it does not come.
: >/results/began
ln -sf /proc/self/fd /dev/fd
ip link set lo up
echo guest >/proc/sys/kernel/hostname

# The name of the port that the host listens on.
port() {
	for entry in /sys/class/virtio-ports/*; do
		if [ "$(cat "$entry/name" 2>/dev/null)" = "$1" ]; then
			echo "/dev/${entry##*/}"
		fi
	done
}

cd /disk || exit 1
output=$(port output)
if [ -n "$output" ]; then
	sh /disk/guest/command >"$output" 2>&1 </dev/null
else
	setsid -c sh /disk/guest/command >/dev/hvc0 2>&1 </dev/hvc0
fi
echo $? >/results/status

# On a kernel that looks for leaks: what nothing points to goes into its log. A
# block must be some seconds old, and two scans have to find it unchanged.
leaks=/sys/kernel/debug/kmemleak
if [ -e "$leaks" ]; then
	sleep 6
	echo scan >"$leaks"
	echo scan >"$leaks"
	cat "$leaks" >/dev/console
fi
sync
# A reset ends the virtual machine at once, on every architecture.
echo b >/proc/sysrq-trigger
