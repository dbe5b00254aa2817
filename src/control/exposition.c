/* SPDX-License-Identifier: MIT */
#include "control/exposition.h"

#include <assert.h>

#include "base/json.h"
#include "base/text.h"

static const char *type_word(enum exposition_type type)
{
	switch (type) {
	case EXPOSITION_COUNTER:
		return "counter";
	case EXPOSITION_GAUGE:
		return "gauge";
	case EXPOSITION_HISTOGRAM:
		break;
	}
	return "histogram";
}

void exposition_family(struct buf *to, const char *name, enum exposition_type type,
    const char *help)
{
	buf_printf(to, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type_word(type));
}

/* The format wants UTF-8, and three characters escaped. */
static void append_value(struct buf *to, const char *value)
{
	struct slice rest = slice_of(value);

	while (rest.len) {
		size_t n = text_utf8_sequence(rest);

		if (!n)
			buf_append_text(to, "\xef\xbf\xbd");
		else if (*rest.data == '\n')
			buf_append_text(to, "\\n");
		else if (*rest.data == '"' || *rest.data == '\\')
			buf_append(to, (char[]){ '\\', *rest.data }, 2);
		else
			buf_append(to, rest.data, n);
		rest.data += n ? n : 1;
		rest.len -= n ? n : 1;
	}
}

static void append_labels(struct buf *to, const struct labels *labels)
{
	const struct label *first = labels->items;

	if (!first->name)
		return;
	for (const struct label *l = first; l->name; l++) {
		buf_append_char(to, l == first ? '{' : ',');
		buf_append_text(to, l->name);
		buf_append_text(to, "=\"");
		append_value(to, l->value);
		buf_append_char(to, '"');
	}
	buf_append_char(to, '}');
}

/* As people write it, 0.1 and not 0.100: the bounds of buckets are compared as text. */
static void append_ms(struct buf *to, uint64_t ms)
{
	unsigned fraction = (unsigned)(ms % 1000);
	char digits[4] = { '.', (char)('0' + fraction / 100), (char)('0' + fraction / 10 % 10),
		(char)('0' + fraction % 10) };
	size_t len = sizeof(digits);

	json_append_u64(to, ms / 1000);
	while (len > 1 && digits[len - 1] == '0')
		len--;
	if (len > 1)
		buf_append(to, digits, len);
}

static void begin_sample(struct buf *to, const char *name, const char *suffix,
    const struct labels *labels)
{
	buf_append_text(to, name);
	buf_append_text(to, suffix);
	append_labels(to, labels);
	buf_append_char(to, ' ');
}

static void append_u64(struct buf *to, const char *name, const char *suffix,
    const struct labels *labels, uint64_t value)
{
	begin_sample(to, name, suffix, labels);
	json_append_u64(to, value);
	buf_append_char(to, '\n');
}

static void append_seconds(struct buf *to, const char *name, const char *suffix,
    const struct labels *labels, uint64_t ms)
{
	begin_sample(to, name, suffix, labels);
	append_ms(to, ms);
	buf_append_char(to, '\n');
}

void exposition_u64(struct buf *to, const char *name, const struct labels *labels, uint64_t value)
{
	append_u64(to, name, "", labels, value);
}

void exposition_ms(struct buf *to, const char *name, const struct labels *labels, uint64_t ms)
{
	append_seconds(to, name, "", labels, ms);
}

static void append_buckets(struct buf *to, const char *name, const struct labels *labels,
    const uint64_t bounds_ms[], const struct histogram *h)
{
	struct labels with_bound = *labels;
	struct label *bound = with_bound.items;
	struct buf text = { 0 };
	uint64_t n_up_to = 0;

	while (bound->name)
		bound++;
	assert(bound < with_bound.items + LABELS_MAX);
	bound->name = "le";
	for (unsigned i = 0; i < HISTOGRAM_BOUNDS; i++) {
		buf_clear(&text);
		append_ms(&text, bounds_ms[i]);
		buf_append_char(&text, '\0');
		bound->value = buf_data(&text);
		n_up_to += h->counts[i];
		append_u64(to, name, "_bucket", &with_bound, n_up_to);
	}
	buf_done(&text);
	bound->value = "+Inf";
	append_u64(to, name, "_bucket", &with_bound, histogram_count(h));
}

void exposition_histogram(struct buf *to, const char *name, const struct labels *labels,
    const uint64_t bounds_ms[], const struct histogram *h)
{
	append_buckets(to, name, labels, bounds_ms, h);
	append_seconds(to, name, "_sum", labels, h->sum_ms);
	append_u64(to, name, "_count", labels, histogram_count(h));
}
