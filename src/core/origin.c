/* SPDX-License-Identifier: MIT */
#include "core/origin.h"

#include "base/buf.h"
#include "base/json.h"

char *origin_json_new(const char *stream, const char *group, const char *consumer, size_t *ret_len)
{
	struct buf b = { 0 };

	buf_append_text(&b, "\"stream\":");
	json_append_lossy(&b, slice_of(stream));
	buf_append_text(&b, ",\"group\":");
	json_append_lossy(&b, slice_of(group));
	buf_append_text(&b, ",\"consumer\":");
	json_append_lossy(&b, slice_of(consumer));
	buf_append_text(&b, ",\"id\":\"");
	*ret_len = buf_len(&b);
	return buf_take_text(&b);
}
