/* SPDX-License-Identifier: MIT */
/*
 * One row for each verb says what may follow it; the rest is words. `ok TAG` by the hundred
 * thousand a second is the usual case.
 */
#include "handler/verdictline.h"

#include <errno.h>
#include <string.h>

#include "base/compiler.h"
#include "base/digits.h"
#include "base/parse.h"
#include "base/text.h"
#include "handler/jsonstring.h"

/* What follows a verb. */
enum shape {
	SHAPE_BARE,     /* nothing */
	SHAPE_TAGS,     /* TAG… */
	SHAPE_REASON,   /* TAG [REASON] */
	SHAPE_DELAY,    /* TAG [delay=DURATION] [REASON] */
	SHAPE_TEXT,     /* [REASON] */
	SHAPE_DURATION, /* DURATION */
};

struct row {
	const char *word;
	size_t len;
	enum shape shape;
	enum verdict verdict; /* of terminal verbs */
	enum failure failure;
	bool terminal, charged;
};

#define WORD(text) .word = text, .len = sizeof(text) - 1
#define ENDS(v, f) .terminal = true, .verdict = v, .failure = f

static const struct row rows[VERB_COUNT] = {
	[VERB_OK] = { WORD("ok"), SHAPE_TAGS, ENDS(VERDICT_OK, FAILURE_NONE) },
	[VERB_RETRY] = { WORD("retry"), SHAPE_DELAY, ENDS(VERDICT_RETRY, FAILURE_RETRY),
	    .charged = true },
	[VERB_DEAD] = { WORD("dead"), SHAPE_REASON, ENDS(VERDICT_DEAD, FAILURE_RETRY),
	    .charged = true },
	[VERB_DROP] = { WORD("drop"), SHAPE_REASON, ENDS(VERDICT_DROP, FAILURE_NONE) },
	[VERB_RELEASE] = { WORD("release"), SHAPE_TAGS, ENDS(VERDICT_RELEASE, FAILURE_NONE) },
	[VERB_WORKING] = { WORD("working"), SHAPE_TAGS },
	[VERB_READY] = { WORD("ready"), SHAPE_BARE },
	[VERB_PAUSE] = { WORD("pause"), SHAPE_DURATION },
	[VERB_RETIRE] = { WORD("retire"), SHAPE_BARE },
	[VERB_BROKEN] = { WORD("broken"), SHAPE_TEXT, ENDS(VERDICT_BROKEN, FAILURE_BROKEN) },
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void skip_spaces(struct slice *s)
{
	while (s->len && is_space(*s->data)) {
		s->data++;
		s->len--;
	}
}

static void trim_end(struct slice *s)
{
	while (s->len && is_space(s->data[s->len - 1]))
		s->len--;
}

/* Takes the first word off s together with the spaces behind it. */
static struct slice take_word(struct slice *s)
{
	struct slice word = { .data = s->data };

	if (!s->len)
		return word;
	while (word.len < s->len && !is_space(s->data[word.len]))
		word.len++;
	s->data += word.len;
	s->len -= word.len;
	skip_spaces(s);
	return word;
}

/* Decimal; leading zeros are allowed, because shells make them. */
static bool read_tag(struct slice word, uint64_t *ret_tag)
{
	return verdict_line_next_tag(&word, ret_tag) && !word.len;
}

/* Up to here no digit can be too much. */
enum { SAFE_DIGITS = 19 };

/* Not by take_word(): tags are most of what workers say. */
bool verdict_line_next_tag(struct slice *tags, uint64_t *ret_tag)
{
	const char *p = tags->data, *end, *safe_end;
	uint64_t tag = 0;

	if (!tags->len)
		return false;
	end = p + tags->len;
	safe_end = tags->len > SAFE_DIGITS ? p + SAFE_DIGITS : end;
	while (p < safe_end && is_digit(*p))
		tag = tag * 10 + (uint64_t)(*p++ - '0');
	for (; p < end && is_digit(*p); p++) {
		unsigned digit = (unsigned)(*p - '0');

		if (tag > (UINT64_MAX - digit) / 10)
			return false;
		tag = tag * 10 + digit;
	}
	if (p == tags->data || (p < end && !is_space(*p)))
		return false;
	tags->len = (size_t)(end - p);
	tags->data = p;
	skip_spaces(tags);
	*ret_tag = tag;
	return true;
}

static int parse_tags(struct slice rest, enum tag_rule rule, struct verdict_line *v)
{
	struct slice words = rest;
	uint64_t tag;

	if (!rest.len && rule == TAGS_REQUIRED)
		return -EINVAL;
	while (words.len) {
		if (!verdict_line_next_tag(&words, &tag))
			return -EINVAL;
	}
	if (rule != TAGS_NONE)
		v->tags = rest;
	return 0;
}

static int parse_one_tag(struct slice *rest, enum tag_rule rule, struct verdict_line *v)
{
	struct slice after = *rest, word;
	uint64_t tag;

	if (rule == TAGS_NONE)
		return 0;
	word = take_word(&after);
	if (!read_tag(word, &tag))
		return rule == TAGS_REQUIRED ? -EINVAL : 0;
	v->tags = word;
	*rest = after;
	return 0;
}

/* A `delay=` that is no duration is the beginning of the reason. */
static void parse_delay(struct slice *rest, struct verdict_line *v)
{
	static const char key[] = "delay=";
	struct slice after = *rest, word = take_word(&after);

	if (word.len < sizeof(key) || memcmp(word.data, key, sizeof(key) - 1) != 0)
		return;
	word.data += sizeof(key) - 1;
	word.len -= sizeof(key) - 1;
	if (parse_duration_ms(word, &v->delay_ms))
		return;
	v->has_delay = true;
	*rest = after;
}

static int parse_rest(struct slice rest, enum tag_rule rule, struct verdict_line *v)
{
	enum shape shape = rows[v->verb].shape;

	switch (shape) {
	case SHAPE_BARE:
		return rest.len ? -EINVAL : 0;
	case SHAPE_TAGS:
		return parse_tags(rest, rule, v);
	case SHAPE_DURATION:
		return parse_duration_ms(rest, &v->delay_ms);
	case SHAPE_REASON:
	case SHAPE_DELAY:
		if (parse_one_tag(&rest, rule, v))
			return -EINVAL;
		if (shape == SHAPE_DELAY)
			parse_delay(&rest, v);
		break;
	case SHAPE_TEXT:
		break;
	}
	v->reason = rest;
	return 0;
}

static enum verb find_verb(struct slice word)
{
	unsigned v = 0;

	while (v < VERB_COUNT &&
	       (word.len != rows[v].len || memcmp(word.data, rows[v].word, word.len) != 0))
		v++;
	return (enum verb)v;
}

int verdict_line_parse(struct slice line, enum tag_rule rule, struct verdict_line *ret)
{
	struct verdict_line v = { 0 };

	trim_end(&line);
	v.verb = find_verb(take_word(&line));
	if (v.verb == VERB_COUNT || parse_rest(line, rule, &v))
		return -EINVAL;
	*ret = v;
	return 0;
}

bool verb_is_terminal(enum verb v)
{
	return rows[v].terminal;
}

static struct slice decode_reason(struct slice raw, struct buf *scratch)
{
	buf_clear(scratch);
	if (!raw.len || raw.data[0] != '"' || jsonstring_decode(raw, scratch))
		return raw;
	return buf_slice(scratch);
}

static void append_without_nul(struct buf *to, struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.data[i])
			buf_append_char(to, text.data[i]);
		else
			buf_append_text(to, "\\x00");
	}
}

struct slice verdict_reason(struct slice raw, struct buf *scratch)
{
	struct slice text = decode_reason(raw, scratch);
	struct buf without_nul = { 0 };

	if (!text.data || !memchr(text.data, '\0', text.len))
		return text;
	append_without_nul(&without_nul, text);
	buf_done(scratch);
	*scratch = without_nul;
	return buf_slice(scratch);
}

void verdict_line_outcome(const struct verdict_line *v, struct buf *scratch,
    struct outcome *ret_outcome)
{
	const struct row *row = &rows[v->verb];

	*ret_outcome = (struct outcome){
		.verdict = row->verdict,
		.failure = row->failure,
		.charged = row->charged,
		.has_delay = v->has_delay,
		.delay_ms = v->delay_ms,
		.exit_status = -1,
	};
	if (v->reason.len)
		ret_outcome->detail = verdict_reason(v->reason, scratch);
}
