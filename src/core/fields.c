/* SPDX-License-Identifier: MIT */
#include "core/fields.h"

#include "base/alloc.h"

struct packed_fields {
	uint32_t n_pairs;
	struct slice slices[]; /* pointing behind themselves */
};

size_t fields_bytes(const struct fields *f)
{
	size_t bytes = 0;

	for (size_t i = 0; i < 2 * (size_t)f->n_pairs; i++)
		bytes += f->slices[i].len;
	return bytes;
}

const struct slice *fields_get(const struct fields *f, struct slice name)
{
	for (size_t i = 0; i < f->n_pairs; i++) {
		if (slice_equal(f->slices[2 * i], name))
			return &f->slices[2 * i + 1];
	}
	return NULL;
}

struct packed_fields *fields_pack(const struct fields *f)
{
	size_t n = 2 * (size_t)f->n_pairs;
	struct packed_fields *p = xmalloc(sizeof(*p) + n * sizeof(p->slices[0]) + fields_bytes(f));
	char *to = (char *)&p->slices[n];

	p->n_pairs = f->n_pairs;
	for (size_t i = 0; i < n; i++) {
		size_t len = f->slices[i].len;

		if (len)
			memcpy(to, f->slices[i].data, len);
		p->slices[i] = (struct slice){ to, len };
		to += len;
	}
	return p;
}

struct fields fields_unpacked(const struct packed_fields *p)
{
	return (struct fields){ .n_pairs = p->n_pairs, .slices = p->slices };
}
