#!/bin/sh
# SPDX-License-Identifier: MIT
# Writes a letter for each order event into outbox/. The file is named after the entry, so an entry
# that is delivered again writes the same letter over itself and no customer gets two.
#
# Any failure ends the script with a status that means "retry" (disk full, no permission).
set -eu
export LC_ALL=C

# Trying again would not help: 65 sends the entry to the dead-letter stream, with this text in it.
reject() {
	echo "$1" >&2
	exit 65
}

type=${SLUICE_FIELD_TYPE:-}
order=${SLUICE_FIELD_ORDER_ID:-}
email=${SLUICE_FIELD_EMAIL:-}

# Data ends up in headers: nothing but plain characters may pass, least of all a newline.
case $order in '' | *[!A-Za-z0-9-]*) reject "no usable order number" ;; esac
case $email in
*[!A-Za-z0-9.@_+-]* | *@*@*) reject "no usable e-mail address" ;;
?*@?*) ;;
*) reject "no usable e-mail address" ;;
esac

case $type in
order.placed) subject="We have your order $order" ;;
order.paid) subject="Your payment for $order has arrived" ;;
order.shipped) subject="Your order $order is on its way" ;;
order.cancelled) subject="Your order $order is cancelled" ;;
*) exit 0 ;; # nothing a customer wants to read about: done
esac

mkdir -p outbox
letter=outbox/$SLUICE_STREAM.$SLUICE_GROUP.$SLUICE_ID.eml
printf 'To: %s\nSubject: %s\n\n%s.\n' "$email" "$subject" "$subject" >"$letter.part"
mv "$letter.part" "$letter" # whoever reads the outbox never sees half a letter
echo "wrote to $email: $subject"
