# SPDX-License-Identifier: GPL-2.0
# Runs every demonstration; one that fails or hangs leaves its line out, which counts.

chmod +x ./traced
for name in perf bpftrace multi usdt bench; do
	timeout 90 bash "guest/demo/$name.sh"
done
