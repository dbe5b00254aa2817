/* SPDX-License-Identifier: MIT */
/*
 * Owns the two connections to a Sentinel. The listener is there only while the asker is: it may
 * not send anything, so it would not notice a Sentinel that stands still.
 */
#include "redis/sentinelnode.h"

#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "redis/command.h"

static const char SWITCH[] = "+switch-master";

/* ---- answers ---- */

static void names_none(struct sentinel_node *n, const char *why)
{
	n->primary = (struct endpoint){ 0 };
	snprintf(n->why, sizeof(n->why), "%s", why);
}

static int parse_place(struct slice host, struct slice port, struct endpoint *ret_place)
{
	char text[ENDPOINT_TEXT_SIZE];
	int len = snprintf(text, sizeof(text), "%.*s:%.*s", (int)host.len, host.data, (int)port.len,
	    port.data);

	if (len < 0 || (size_t)len >= sizeof(text))
		return -1;
	return endpoint_parse((struct slice){ text, (size_t)len }, ret_place);
}

static void take_error(struct sentinel_node *n, struct slice error)
{
	names_none(n, "");
	snprintf(n->why, sizeof(n->why), "%.*s", (int)error.len, error.data);
}

static void take_answer(struct sentinel_node *n, const struct reply *r)
{
	struct endpoint place;

	n->knows_no_such = r->type == REPLY_NIL;
	if (reply_is_error(r)) {
		take_error(n, r->text);
	} else if (n->knows_no_such) {
		names_none(n, "it watches no such master");
	} else if (reply_len(r) != 2 ||
	           parse_place(reply_text(reply_at(r, 0)), reply_text(reply_at(r, 1)), &place)) {
		names_none(n, "what it answered is no address");
	} else {
		n->primary = place;
		n->why[0] = '\0';
	}
}

static void on_answer(void *owner, void *request, const struct reply *r)
{
	struct sentinel_node *n = owner;

	(void)request;
	n->is_asked = false;
	/* on_down follows. */
	if (!r)
		return;
	n->answered = n->asked;
	take_answer(n, r);
	n->on_change(n->owner);
}

void sentinel_node_ask(struct sentinel_node *n, uint64_t number)
{
	if (n->is_asked || n->asked >= number || !conn_is_up(n->asker))
		return;
	n->is_asked = true;
	n->asked = number;
	command_words(conn_out(n->asker), "SENTINEL", "get-master-addr-by-name", n->master, NULL);
	conn_expect(n->asker, n->host->settings->connect_timeout_ms, on_answer, n, NULL);
}

/* ---- news ---- */

/* Takes the word that the text begins with off it. */
static struct slice take_word(struct slice *text)
{
	const char *blank = memchr(text->data, ' ', text->len);
	size_t len = blank ? (size_t)(blank - text->data) : text->len;
	struct slice word = { text->data, len };

	text->data += blank ? len + 1 : len;
	text->len -= blank ? len + 1 : len;
	return word;
}

/* "NAME OLD-HOST OLD-PORT NEW-HOST NEW-PORT" */
static void take_switch(struct sentinel_node *n, struct slice text)
{
	struct endpoint from, to;
	struct slice name = take_word(&text), host, port;

	if (name.len != strlen(n->master) || memcmp(name.data, n->master, name.len) != 0)
		return;
	host = take_word(&text);
	port = take_word(&text);
	if (parse_place(host, port, &from))
		return;
	host = take_word(&text);
	port = take_word(&text);
	if (parse_place(host, port, &to))
		return;
	n->on_switch(n->owner, &from, &to);
}

static bool is_text(const struct reply *r, const char *text)
{
	struct slice s = reply_text(r);

	return s.len == strlen(text) && memcmp(s.data, text, s.len) == 0;
}

static void on_news(void *owner, const struct reply *r)
{
	if (reply_len(r) == 3 && is_text(reply_at(r, 0), "message") &&
	    is_text(reply_at(r, 1), SWITCH))
		take_switch(owner, reply_text(reply_at(r, 2)));
}

/* Then the questions that are asked every second have to do. */
static void on_subscribed(void *owner, void *request, const struct reply *r)
{
	const struct sentinel_node *n = owner;

	(void)request;
	if (reply_is_error(r))
		log_event(LEVEL_WARNING, EVENT_REDIS_ERROR, NULL,
		    "the Sentinel at %s does not announce a new primary: %.*s",
		    endpoint_text(&n->address).text, (int)r->text.len, r->text.data);
}

static void on_listener_up(void *owner)
{
	struct sentinel_node *n = owner;

	command_words(conn_out(n->listener), "SUBSCRIBE", SWITCH, NULL);
	conn_expect(n->listener, n->host->settings->connect_timeout_ms, on_subscribed, n, NULL);
}

static void on_listener_down(void *owner)
{
	(void)owner;
}

/* ---- the connections ---- */

static void on_asker_up(void *owner)
{
	struct sentinel_node *n = owner;

	conn_open(n->listener);
	n->on_change(n->owner);
}

static void on_asker_down(void *owner)
{
	struct sentinel_node *n = owner;

	conn_close(n->listener);
	n->is_asked = false;
	n->primary = (struct endpoint){ 0 };
	n->knows_no_such = false;
	n->on_change(n->owner);
}

void sentinel_node_open(struct sentinel_node *n)
{
	struct conn_spec spec = {
		.host = n->host,
		.peer = "the Sentinel",
		.tls_switch = "redis.sentinel.tls",
		.client_name = "sluiced.sentinel",
		.owner = n,
		.on_up = on_asker_up,
		.on_down = on_asker_down,
	};

	n->asker = conn_new(&spec);
	spec.on_up = on_listener_up;
	spec.on_down = on_listener_down;
	spec.on_push = on_news;
	n->listener = conn_new(&spec);
	conn_go_to(n->asker, &n->address);
	conn_go_to(n->listener, &n->address);
	conn_open(n->asker);
}

void sentinel_node_close(struct sentinel_node *n)
{
	conn_free(n->asker);
	conn_free(n->listener);
}

bool sentinel_node_has_answered(const struct sentinel_node *n, uint64_t number)
{
	return conn_is_up(n->asker) && n->answered >= number;
}

bool sentinel_node_may_answer(const struct sentinel_node *n, uint64_t number)
{
	if (conn_is_up(n->asker))
		return n->answered < number;
	return !conn_has_tried(n->asker);
}

const char *sentinel_node_why(const struct sentinel_node *n)
{
	if (conn_is_up(n->asker))
		return n->why[0] ? n->why : "it does not answer";
	return conn_last_fault(n->asker)[0] ? conn_last_fault(n->asker) : "it does not answer";
}
