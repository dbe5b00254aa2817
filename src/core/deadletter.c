/* SPDX-License-Identifier: MIT */
#include "core/deadletter.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "base/alloc.h"
#include "base/parse.h"
#include "base/text.h"
#include "core/slot.h"

/* Numbers and times as text, ended by NUL; fixed memory, so that slices into it stay valid. */
struct numbers {
	char meta[8];
	char attempts[16];
	char first[24], last[24];
	struct entryid_text id;
};

static void put_ms(char *out, size_t size, uint64_t ms)
{
	if (ms)
		snprintf(out, size, "%llu", (unsigned long long)ms);
	else
		out[0] = '\0';
}

static void write_numbers(struct numbers *n, const struct deadletter *d)
{
	snprintf(n->meta, sizeof(n->meta), "%d", DEADLETTER_PAIRS);
	snprintf(n->attempts, sizeof(n->attempts), "%u", d->attempts);
	put_ms(n->first, sizeof(n->first), d->first_ms);
	put_ms(n->last, sizeof(n->last), d->last_ms);
	n->id = entryid_text(d->id);
}

void deadletter_pairs(const struct deadletter *d, struct buf *scratch,
    struct slice pairs[2 * DEADLETTER_PAIRS])
{
	struct numbers *n;
	size_t stderr_at = sizeof(*n);

	buf_clear(scratch);
	buf_reserve(scratch, sizeof(*n));
	buf_added(scratch, sizeof(*n));
	text_append_printable(scratch, d->stderr_tail);
	/* Only now: the buffer moves while it grows. */
	n = (struct numbers *)(void *)buf_data(scratch);
	assert(n);
	write_numbers(n, d);
	/* clang-format off */
	const struct slice all[2 * DEADLETTER_PAIRS] = {
		slice_of("sluice.meta"), slice_of(n->meta),
		slice_of("sluice.stream"), slice_of(d->stream),
		slice_of("sluice.group"), slice_of(d->group),
		slice_of("sluice.consumer"), slice_of(d->consumer),
		slice_of("sluice.id"), slice_of(n->id.text),
		slice_of("sluice.reason"), slice_of(dead_reason_word(d->reason)),
		slice_of("sluice.failure"), slice_of(failure_word(d->failure)),
		slice_of("sluice.detail"), d->detail,
		slice_of("sluice.attempts"), slice_of(n->attempts),
		slice_of("sluice.handler"), slice_of(d->handler),
		slice_of("sluice.host"), slice_of(d->host),
		slice_of("sluice.first_ms"), slice_of(n->first),
		slice_of("sluice.last_ms"), slice_of(n->last),
		slice_of("sluice.stderr"),
		{ buf_data(scratch) + stderr_at, buf_len(scratch) - stderr_at },
	};
	/* clang-format on */
	memcpy(pairs, all, sizeof(all));
}

char *deadletter_stream(const struct dead_letter_settings *settings, const char *stream)
{
	if (settings->off)
		return NULL;
	if (settings->stream)
		return xstrdup(settings->stream);
	return slot_key_beside(stream, ":dead", settings->same_slot);
}

int deadletter_split(const struct fields *f, struct fields *ret_meta, struct fields *ret_original)
{
	uint64_t n_meta;

	if (!f->n_pairs || !slice_is(f->slices[0], "sluice.meta") ||
	    parse_u64(f->slices[1], &n_meta) || !n_meta || n_meta > f->n_pairs)
		return -EINVAL;
	*ret_meta = (struct fields){ .n_pairs = (uint32_t)n_meta, .slices = f->slices };
	*ret_original = (struct fields){
		.n_pairs = f->n_pairs - (uint32_t)n_meta,
		.slices = f->slices + 2 * n_meta,
	};
	return 0;
}

uint64_t deadletter_redriven(const struct fields *original)
{
	const struct slice *last = original->slices + 2 * (size_t)original->n_pairs;
	uint64_t n;

	if (!original->n_pairs || !slice_is(last[-2], "sluice.redriven") || parse_u64(last[-1], &n))
		return 0;
	return n;
}
