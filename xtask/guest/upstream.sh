#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
#
# Runs upstream's own test programs and frames the output of each.
#
# Usage: upstream.sh FOLDER
# FOLDER holds the programs and the file `programs`, a line for each program to
# run: its name, the folder that it runs in, its time limit in seconds, how often
# it is run if it fails, and its command, separated by tabs. What a program prints
# comes out between a `@@ begin NAME` and a `@@ end NAME STATUS SECONDS` line; a
# program that is ended by its limit has the status 124 or 137.

set -u
cd "$1" || exit 1
top=$PWD

now() {
	cut -d. -f1 /proc/uptime
}

# NAME FOLDER LIMIT COMMAND
run() {
	echo "@@ begin $1"
	start=$(now)
	(cd "$top/$2" && exec timeout -k 5 "$3" sh -c "$4") </dev/null 2>&1
	status=$?
	# The program's last line may lack its end.
	echo
	echo "@@ end $1 $status $(($(now) - start))"
	return $status
}

while IFS='	' read -r name folder limit tries command; do
	until run "$name" "$folder" "$limit" "$command" || [ "$tries" -le 1 ]; do
		tries=$((tries - 1))
	done
done <programs
