#!/bin/sh
# SPDX-License-Identifier: MIT
# Every configuration that is shipped passes --check.
n=0 wrong=0
for file in config/*.yaml examples/*/sluiced.yaml; do
	[ -e "$file" ] || continue
	n=$((n + 1))
	if said=$("$SLUICED" --check -c "$file" 2>&1); then
		echo "ok $n - $file"
	else
		wrong=1
		echo "not ok $n - $file"
		echo "$said" | sed 's/^/# /'
	fi
done
echo "1..$n"
[ "$n" -gt 0 ] && exit $wrong
