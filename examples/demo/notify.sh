#!/bin/sh
# SPDX-License-Identifier: MIT
# Tells a customer about an order event; the "mail" is a printed line. When DEMO_DIR is set, it
# also records what it does there, and the demo can make its mail server misbehave.
set -eu
export LC_ALL=C

record() {
	[ -n "${DEMO_DIR:-}" ] || return 0
	echo "$1 $SLUICE_ID $SLUICE_ATTEMPT $SLUICE_CONSUMER" >>"$DEMO_DIR/notifications.txt"
}

mail_server() {
	[ -n "${DEMO_DIR:-}" ] || return 0
	if rm "$DEMO_DIR/busy" 2>/dev/null; then
		echo "421 the mail server is busy, try later" >&2
		exit 75
	fi
	while [ -e "$DEMO_DIR/hangs.$SLUICE_CONSUMER" ]; do sleep 0.1; done
	sleep 0.05
}

trap '[ $? -eq 0 ] || record failed' EXIT
record begun
price=$(printf '%.2f' "$SLUICE_FIELD_TOTAL") # fails where the total is no number
mail_server
echo "to $SLUICE_FIELD_EMAIL: $SLUICE_FIELD_TYPE $SLUICE_FIELD_ORDER_ID, $price EUR"
record sent
