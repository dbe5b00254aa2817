#!/bin/sh
# SPDX-License-Identifier: MIT
# Posts standard input to WEBHOOK_URL. The receiver can tell a repeated delivery by Idempotency-Key.
#
#   2xx             done
#   408, 429, 5xx   retry, after Retry-After if the receiver names a number of seconds
#   other 4xx       dead: the receiver will never take this
#   no answer       retry
set -u

# Says it on descriptor 3, where there is room for a reason and a delay.
retry() {
	echo "retry${2:+ delay=${2}s} \"$1\"" >&3
	exit 75
}

dead() {
	echo "dead \"$1\"" >&3
	exit 65
}

# The headers come first, the status code is the last line.
reply=$(curl --silent --show-error --max-time "$WEBHOOK_TIMEOUT" \
	--header "Idempotency-Key: $SLUICE_STREAM/$SLUICE_GROUP/$SLUICE_ID" \
	--header 'Content-Type: application/json' --header 'Expect:' \
	--data-binary @- --output /dev/null --dump-header - --write-out '%{http_code}' \
	"$WEBHOOK_URL" 3>&-)
case $? in
0) ;;
2 | 3 | 126 | 127) exit 78 ;; # bad address, no curl: not the entry's fault, charge nothing
*) retry "no answer" ;; # curl has said why on standard error
esac

status=${reply##*
}
after=$(printf '%s\n' "$reply" | tr -d '\r' | awk -F ': *' '
	tolower($1) == "retry-after" && $2 ~ /^[0-9]+$/ && $2 < 10000 { seconds = $2 }
	END { print seconds }')

case $status in
2??) exit 0 ;;
408 | 429 | 5??) retry "HTTP $status" "$after" ;;
4??) dead "HTTP $status" ;;
*) retry "HTTP $status" ;;
esac
