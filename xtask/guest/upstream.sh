#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs upstream's own test programs and frames the output of each.
#
# Usage: upstream.sh FOLDER
# FOLDER holds the programs and the file `programs`, a line for each program to
# run: its name, the folder that it runs in, its time limit in seconds and its
# command, separated by tabs. What a program prints comes out between a
# `@@ begin NAME` and a `@@ end NAME STATUS SECONDS` line; a program that is
# ended by its limit has the status 124 or 137.

set -u
cd "$1" || exit 1
top=$PWD

now() {
	cut -d. -f1 /proc/uptime
}

while IFS='	' read -r name folder limit command; do
	echo "@@ begin $name"
	start=$(now)
	(cd "$top/$folder" && exec timeout -k 5 "$limit" sh -c "$command") </dev/null 2>&1
	status=$?
	# The program's last line may lack its end.
	echo
	echo "@@ end $name $status $(($(now) - start))"
done <programs
