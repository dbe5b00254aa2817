/* SPDX-License-Identifier: MIT */
#include "core/slot.h"

#include "base/alloc.h"

/* CRC-16/XMODEM, bit by bit: a key is hashed once, when its stream is set up. */
static uint16_t crc16(struct slice s)
{
	uint16_t crc = 0;

	for (size_t i = 0; i < s.len; i++) {
		crc ^= (uint16_t)((unsigned char)s.data[i] << 8);
		for (int bit = 0; bit < 8; bit++)
			crc = (uint16_t)(crc << 1 ^ (crc & 0x8000 ? 0x1021 : 0));
	}
	return crc;
}

struct slice slot_tag(struct slice key)
{
	const char *open = memchr(key.data, '{', key.len);
	const char *end = key.data + key.len;
	const char *close = open ? memchr(open + 1, '}', (size_t)(end - open) - 1) : NULL;

	if (!close)
		return (struct slice){ "", 0 };
	return (struct slice){ open + 1, (size_t)(close - open) - 1 };
}

bool slot_key_has_tag(struct slice key)
{
	return slot_tag(key).len > 0;
}

uint16_t slot_of_key(struct slice key)
{
	struct slice tag = slot_tag(key);

	return crc16(tag.len ? tag : key) % SLOTS;
}

char *slot_key_beside(const char *key, const char *suffix, bool same_slot)
{
	if (same_slot && !slot_key_has_tag(slice_of(key)))
		return xasprintf("{%s}%s", key, suffix);
	return xasprintf("%s%s", key, suffix);
}
