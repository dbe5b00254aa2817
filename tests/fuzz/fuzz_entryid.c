/* SPDX-License-Identifier: MIT */
/* Entry ids: whatever is accepted prints back as exactly the text that came in. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/entryid.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char text[ENTRYID_TEXT_SIZE];
	struct entryid id, before;

	if (entryid_parse((struct slice){ (const char *)data, size }, &id))
		return 0;
	if (entryid_format(id, text) != size || memcmp(text, data, size) != 0)
		abort();
	before = entryid_before(id);
	if (entryid_is_zero(id) ? !entryid_is_zero(before) : entryid_compare(before, id) >= 0)
		abort();
	return 0;
}
