/* SPDX-License-Identifier: MIT */
#include "redis/slotmap.h"

#include <errno.h>
#include <string.h>

#include "base/parse.h"
#include "core/slot.h"

/* A host that a node gives for itself or another; without one, the host that was asked. */
static int take_host(struct slice host, const struct endpoint *asked, struct endpoint *e)
{
	if (!host.len || slice_is(host, "?"))
		host = slice_of(asked->host);
	if (host.len >= sizeof(e->host) || memchr(host.data, '\0', host.len))
		return -EPROTO;
	memcpy(e->host, host.data, host.len);
	e->host[host.len] = '\0';
	return 0;
}

static int take_port(int64_t port, struct endpoint *e)
{
	if (port <= 0 || port > UINT16_MAX)
		return -EPROTO;
	e->port = (uint16_t)port;
	return 0;
}

static bool is_slot(int64_t number)
{
	return number >= 0 && number < SLOTS;
}

int slotmap_range(const struct reply *slots, size_t i, const struct endpoint *asked,
    struct slot_range *ret_range)
{
	const struct reply *row = reply_at(slots, i), *primary = reply_at(row, 2);
	int64_t first = reply_integer(reply_at(row, 0)), last = reply_integer(reply_at(row, 1));
	struct slot_range range = { .first = (uint16_t)first, .last = (uint16_t)last };

	if (reply_len(primary) < 2 || !is_slot(first) || !is_slot(last) || first > last)
		return -EPROTO;
	if (take_host(reply_text(reply_at(primary, 0)), asked, &range.primary) ||
	    take_port(reply_integer(reply_at(primary, 1)), &range.primary))
		return -EPROTO;
	*ret_range = range;
	return 0;
}

int slotmap_replica(const struct reply *slots, size_t i, size_t k, const struct endpoint *asked,
    struct endpoint *ret_at)
{
	const struct reply *replica = reply_at(reply_at(slots, i), 3 + k);
	struct endpoint at;

	if (!replica)
		return -ENOENT;
	if (take_host(reply_text(reply_at(replica, 0)), asked, &at) ||
	    take_port(reply_integer(reply_at(replica, 1)), &at))
		return -EPROTO;
	*ret_at = at;
	return 0;
}

/* The word up to the next blank; *rest goes on behind it. */
static struct slice next_word(struct slice *rest)
{
	const char *blank = memchr(rest->data, ' ', rest->len);
	struct slice word = { rest->data, blank ? (size_t)(blank - rest->data) : rest->len };
	size_t used = blank ? word.len + 1 : word.len;

	*rest = (struct slice){ rest->data + used, rest->len - used };
	return word;
}

static int take_place(struct slice place, const struct endpoint *asked, struct endpoint *ret)
{
	uint64_t port;

	/* Not "::1:6381", which is an address. */
	if (place.len && memrchr(place.data, ':', place.len) == place.data) {
		if (parse_u64((struct slice){ place.data + 1, place.len - 1 }, &port) ||
		    port > UINT16_MAX)
			return -EINVAL;
		take_host(slice_of(""), asked, ret);
		return take_port((int64_t)port, ret);
	}
	return endpoint_parse(place, ret);
}

int slotmap_redirect(struct slice error, const struct endpoint *asked,
    struct redirect *ret_redirect)
{
	struct slice kind = next_word(&error), slot = next_word(&error), place = next_word(&error);
	struct redirect r = { .kind = REDIRECT_MOVED };
	uint64_t number;

	if (slice_is(kind, "ASK"))
		r.kind = REDIRECT_ASK;
	else if (!slice_is(kind, "MOVED"))
		return -EINVAL;
	if (parse_u64(slot, &number) || number >= SLOTS || take_place(place, asked, &r.to))
		return -EINVAL;
	r.slot = (uint16_t)number;
	*ret_redirect = r;
	return 0;
}
