#!/bin/sh
# SPDX-License-Identifier: MIT
# Every relative link of every Markdown page leads to something.
find . -path ./build -prune -o -path ./.git -prune -o -path '*/node_modules' -prune -o -name '*.md' -print | {
	wrong=0
	while read -r page; do
		# Links in code blocks are not links.
		targets=$(awk '/^ *```/ { code = !code; next } !code' "$page" |
			grep -oE '\]\([^)#: ]+(#[^)]*)?\)' | sed 's/^](//; s/)$//; s/#.*//')
		for target in $targets; do
			[ -e "$(dirname "$page")/$target" ] && continue
			echo "$page: $target does not exist"
			wrong=1
		done
	done
	exit $wrong
}
