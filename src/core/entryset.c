/* SPDX-License-Identifier: MIT */
/*
 * Owns the entries of one stream. The invariant: an entry is in the table of held ids, on the list
 * of its state, in the heap exactly when it is WAITING, and on one of the two lists of leases
 * exactly when its state is leased: on that of those put off only while it is WAITING or BEGINNING.
 */
#include "core/entryset.h"

#include <assert.h>
#include <stdlib.h>

#include "base/alloc.h"

#define BIT(state) (1u << ENTRY_##state)

/* The life of an entry. ACKING keeps no lease: its work is done, and sending the acknowledgement
 * again says more than renewing it. */
static const unsigned allowed[ENTRY_STATE_COUNT] = {
	[ENTRY_WAITING] = BIT(WAITING) | BIT(BEGINNING) | BIT(BURYING) | BIT(RELEASING) | BIT(GONE),
	[ENTRY_BEGINNING] = BIT(WAITING) | BIT(READY) | BIT(BURYING) | BIT(GONE),
	[ENTRY_CHECKING] = BIT(WAITING) | BIT(READY) | BIT(ACKING) | BIT(RELEASING) | BIT(GONE),
	[ENTRY_READY] =
	    BIT(WAITING) | BIT(CHECKING) | BIT(RUNNING) | BIT(BURYING) | BIT(RELEASING) | BIT(GONE),
	[ENTRY_RUNNING] = BIT(WAITING) | BIT(ACKING) | BIT(BURYING) | BIT(RELEASING) | BIT(GONE),
	[ENTRY_ACKING] = BIT(GONE),
	[ENTRY_BURYING] = BIT(GONE),
	[ENTRY_RELEASING] = BIT(GONE),
	[ENTRY_GONE] = 0,
};

static const unsigned leased =
    BIT(WAITING) | BIT(BEGINNING) | BIT(CHECKING) | BIT(READY) | BIT(RUNNING) | BIT(BURYING);

static const unsigned may_be_put_off = BIT(WAITING) | BIT(BEGINNING);

enum { FIRST_BUCKETS = 64, SPARE_AT_MOST = 4096 };

static size_t bucket_of(const struct entryset *es, struct entryid id)
{
	uint64_t h = (id.ms * 0x9e3779b97f4a7c15u) ^ (id.seq * 0xc2b2ae3d27d4eb4fu);

	return (size_t)((h ^ (h >> 32)) & (es->n_buckets - 1));
}

static void table_grow(struct entryset *es)
{
	struct entry **old = es->buckets;
	size_t n_old = es->n_buckets;

	es->n_buckets = n_old ? 2 * n_old : FIRST_BUCKETS;
	es->buckets = xcalloc(es->n_buckets, sizeof(struct entry *));
	for (size_t i = 0; i < n_old; i++) {
		for (struct entry *e = old[i], *next; e; e = next) {
			size_t b = bucket_of(es, e->id);

			next = e->bucket_next;
			e->bucket_next = es->buckets[b];
			es->buckets[b] = e;
		}
	}
	free(old);
}

static void table_insert(struct entryset *es, struct entry *e)
{
	size_t b;

	/* Half full at most: an id that is not held is mostly found so without a look at any entry.
	 */
	if (2 * es->n_held >= es->n_buckets)
		table_grow(es);
	b = bucket_of(es, e->id);
	e->bucket_next = es->buckets[b];
	es->buckets[b] = e;
	if (entryid_compare(e->id, es->highest) > 0)
		es->highest = e->id;
	es->n_held++;
	es->totals->n_held++;
}

static void table_remove(struct entryset *es, struct entry *e)
{
	struct entry **link = &es->buckets[bucket_of(es, e->id)];

	while (*link != e)
		link = &(*link)->bucket_next;
	*link = e->bucket_next;
	es->n_held--;
	es->totals->n_held--;
}

static void drop_payload(struct entry *e)
{
	free(e->payload);
	e->payload = NULL;
}

static void drop_guard_key(struct entry *e)
{
	free(e->guard_key);
	e->guard_key = NULL;
	e->guard_key_len = 0;
}

static void drop_last_failure(struct entry *e)
{
	if (!e->last_failure)
		return;
	free(e->last_failure->detail);
	free(e->last_failure->stderr_tail);
	free(e->last_failure);
	e->last_failure = NULL;
}

/* The payload is in our memory; the handler's while it runs. */
static const unsigned with_payload = BIT(CHECKING) | BIT(READY) | BIT(RUNNING);
static const unsigned with_own_payload = BIT(CHECKING) | BIT(READY);
static const unsigned with_guard_key = BIT(CHECKING) | BIT(READY) | BIT(RUNNING) | BIT(ACKING);

static void unaccount(struct entryset *es, struct entry *e)
{
	es->totals->bytes -= e->bytes;
	if (es->totals->shared_bytes)
		*es->totals->shared_bytes -= e->bytes;
	e->bytes = 0;
}

static void enter_state(struct entryset *es, struct entry *e, enum entry_state state)
{
	e->state = (uint8_t)state;
	list_append(&es->in[state], &e->node);
	es->totals->in[state]++;
}

static void leave_state(struct entryset *es, struct entry *e)
{
	list_remove(&es->in[e->state], &e->node);
	es->totals->in[e->state]--;
}

static void leave_leases(struct entryset *es, struct entry *e)
{
	list_remove(e->put_off ? &es->put_off : &es->by_freshness, &e->lease_node);
	e->put_off = false;
}

/* What is put off is staler than all that is not. */
static void change_lease(struct entryset *es, struct entry *e, enum entry_state to)
{
	if (!list_listed(&e->lease_node))
		return;
	if (!(leased & 1u << to)) {
		leave_leases(es, e);
	} else if (e->put_off && !(may_be_put_off & 1u << to)) {
		leave_leases(es, e);
		list_prepend(&es->by_freshness, &e->lease_node);
	}
}

static void change_state(struct entryset *es, struct entry *e, enum entry_state to)
{
	assert(entry_state_allows((enum entry_state)e->state, to));
	leave_state(es, e);
	if (e->state == ENTRY_WAITING)
		heap_remove(&es->due, &e->due);
	if (e->bytes && !(with_payload & 1u << to))
		unaccount(es, e);
	if (with_own_payload & 1u << e->state && !(with_own_payload & 1u << to))
		drop_payload(e);
	if (e->guard_key_len && !(with_guard_key & 1u << to))
		drop_guard_key(e);
	change_lease(es, e, to);
	enter_state(es, e, to);
}

static struct entry *take_memory(struct entryset *es)
{
	struct list_node *node = list_pop(&es->spare);
	struct entry *e;

	if (!node)
		return xcalloc(1, sizeof(*e));
	e = container_of(node, struct entry, node);
	memset(e, 0, sizeof(*e));
	return e;
}

static struct entry *add(struct entryset *es, struct entryid id, enum entry_state state,
    uint64_t now_ms)
{
	struct entry *e = take_memory(es);

	assert(!entryset_find(es, id));
	e->id = id;
	e->fresh_at_ms = now_ms;
	enter_state(es, e, state);
	list_append(&es->by_freshness, &e->lease_node);
	table_insert(es, e);
	return e;
}

void entryset_init(struct entryset *es, struct entry_totals *totals)
{
	*es = (struct entryset){ .totals = totals };
	for (int i = 0; i < ENTRY_STATE_COUNT; i++)
		list_init(&es->in[i]);
	list_init(&es->by_freshness);
	list_init(&es->put_off);
	list_init(&es->spare);
}

void entryset_done(struct entryset *es)
{
	struct list_node *node;

	for (int i = 0; i < ENTRY_STATE_COUNT; i++) {
		while ((node = list_first(&es->in[i]))) {
			struct entry *e = container_of(node, struct entry, node);

			leave_state(es, e);
			unaccount(es, e);
			es->totals->n_held--;
			drop_payload(e);
			drop_guard_key(e);
			drop_last_failure(e);
			free(e);
		}
	}
	while ((node = list_pop(&es->spare)))
		free(container_of(node, struct entry, node));
	heap_done(&es->due);
	free(es->buckets);
	*es = (struct entryset){ 0 };
}

struct entry *entryset_find(const struct entryset *es, struct entryid id)
{
	struct entry *e;

	/* What is read as new is higher than all before it, as a rule. */
	if (!es->n_buckets || entryid_compare(id, es->highest) > 0)
		return NULL;
	e = es->buckets[bucket_of(es, id)];
	while (e && entryid_compare(e->id, id) != 0)
		e = e->bucket_next;
	return e;
}

struct entry *entryset_add_waiting(struct entryset *es, struct entryid id, uint64_t now_ms)
{
	struct entry *e = add(es, id, ENTRY_WAITING, now_ms);

	heap_push(&es->due, &e->due, now_ms);
	return e;
}

struct entry *entryset_add_ready(struct entryset *es, struct entryid id, uint64_t now_ms)
{
	return add(es, id, ENTRY_READY, now_ms);
}

void entryset_move(struct entryset *es, struct entry *e, enum entry_state to)
{
	assert(to != ENTRY_WAITING && to != ENTRY_GONE);
	change_state(es, e, to);
}

void entryset_wait(struct entryset *es, struct entry *e, uint64_t due_at_ms)
{
	change_state(es, e, ENTRY_WAITING);
	heap_push(&es->due, &e->due, due_at_ms);
}

void entryset_forget(struct entryset *es, struct entry *e)
{
	change_state(es, e, ENTRY_GONE);
	leave_state(es, e);
	table_remove(es, e);
	drop_last_failure(e);
	if (es->spare.len < SPARE_AT_MOST)
		list_prepend(&es->spare, &e->node);
	else
		free(e);
}

void entryset_account(struct entryset *es, struct entry *e, size_t bytes)
{
	assert(e->state == ENTRY_READY && e->bytes == 0);
	e->bytes = (uint32_t)bytes;
	es->totals->bytes += e->bytes;
	if (es->totals->shared_bytes)
		*es->totals->shared_bytes += e->bytes;
}

void entryset_requeue(struct entryset *es, struct entry *e)
{
	list_remove(&es->in[e->state], &e->node);
	list_append(&es->in[e->state], &e->node);
}

void entryset_requeue_lease(struct entryset *es, struct entry *e)
{
	leave_leases(es, e);
	list_append(&es->by_freshness, &e->lease_node);
}

void entryset_put_off_lease(struct entryset *es, struct entry *e)
{
	assert(e->state == ENTRY_WAITING && list_first(&es->by_freshness) == &e->lease_node);
	leave_leases(es, e);
	list_append(&es->put_off, &e->lease_node);
	e->put_off = true;
}

size_t entryset_n_leased(const struct entryset *es)
{
	return es->by_freshness.len + es->put_off.len;
}

void entryset_freshen(struct entryset *es, struct entry *e, uint64_t now_ms)
{
	e->fresh_at_ms = now_ms;
	if (list_listed(&e->lease_node))
		entryset_requeue_lease(es, e);
}

struct entry *entryset_first_due(const struct entryset *es)
{
	struct heap_node *node = heap_peek(&es->due);

	return node ? container_of(node, struct entry, due) : NULL;
}

struct entry *entryset_first(const struct entryset *es, enum entry_state state)
{
	struct list_node *node = list_first(&es->in[state]);

	return node ? container_of(node, struct entry, node) : NULL;
}

bool entryset_lowest(const struct entryset *es, struct entryid *ret_id)
{
	bool found = false;

	for (int i = 0; i < ENTRY_STATE_COUNT; i++) {
		list_foreach(&es->in[i], node) {
			const struct entry *e = container_of(node, struct entry, node);

			if (!found || entryid_compare(e->id, *ret_id) < 0)
				*ret_id = e->id;
			found = true;
		}
	}
	return found;
}

const char *entry_state_word(enum entry_state state)
{
	static const char *const words[ENTRY_STATE_COUNT] = {
#define X(name, word) [ENTRY_##name] = word,
		ENTRY_STATES(X)
#undef X
	};

	return words[state];
}

bool entry_state_allows(enum entry_state from, enum entry_state to)
{
	return allowed[from] & (1u << to);
}
