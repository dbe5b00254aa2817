/* SPDX-License-Identifier: MIT */
/* The heap against a plain search for the lowest key. */
#include "base/heap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/rng.h"

enum { N_NODES = 300, N_STEPS = 30000 };

/* Every parent at most its children, every node knows its place. */
static void assert_sound(const struct heap *h)
{
	for (size_t i = 0; i < h->len; i++) {
		assert_int_equal(h->nodes[i]->place, i + 1);
		if (i > 0)
			assert_true(h->nodes[(i - 1) / 2]->key <= h->nodes[i]->key);
	}
}

static uint64_t lowest_key(const struct heap_node *nodes, size_t n)
{
	uint64_t lowest = UINT64_MAX;

	for (size_t i = 0; i < n; i++) {
		if (heap_holds(&nodes[i]) && nodes[i].key < lowest)
			lowest = nodes[i].key;
	}
	return lowest;
}

/* The span of the keys: few different ones make for many equal ones. */
static const uint64_t spans[] = { 0, 3, 1000, UINT64_MAX };

static void run_steps(struct heap_node *nodes, struct rng *r, uint64_t span)
{
	struct heap h = { 0 };
	size_t held = 0;

	for (int step = 0; step < N_STEPS; step++) {
		struct heap_node *n = &nodes[rng_between(r, 0, N_NODES - 1)];

		if (rng_between(r, 0, 4) == 0 && held) {
			n = heap_peek(&h);
			assert_int_equal(n->key, lowest_key(nodes, N_NODES));
		}
		if (heap_holds(n)) {
			heap_remove(&h, n);
			held--;
		} else {
			heap_push(&h, n,
			    span == UINT64_MAX ? rng_next(r) : rng_between(r, 0, span));
			held++;
		}
		assert_int_equal(h.len, held);
		if (step % 64 == 0)
			assert_sound(&h);
	}
	for (; held; held--)
		heap_remove(&h, heap_peek(&h));
	assert_null(heap_peek(&h));
	heap_done(&h);
}

static void test_random_removals(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
		struct heap_node nodes[N_NODES] = { 0 };
		struct rng r = { .state = 7 + i };

		run_steps(nodes, &r, spans[i]);
		for (size_t k = 0; k < N_NODES; k++)
			assert_false(heap_holds(&nodes[k]));
	}
}

static int by_key(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static void test_sorts(void **unused)
{
	struct heap_node nodes[N_NODES] = { 0 };
	uint64_t keys[N_NODES];
	struct heap h = { 0 };
	struct rng r = { 11 };

	(void)unused;
	for (size_t i = 0; i < N_NODES; i++) {
		keys[i] = rng_next(&r);
		heap_push(&h, &nodes[i], keys[i]);
	}
	qsort(keys, N_NODES, sizeof(keys[0]), by_key);
	for (size_t i = 0; i < N_NODES; i++) {
		struct heap_node *n = heap_peek(&h);

		assert_true(n->key == keys[i]);
		heap_remove(&h, n);
	}
	heap_done(&h);
}

static const struct {
	const char *name;
	uint64_t keys[7];
} orders[] = {
	{ "rising", { 1, 2, 3, 4, 5, 6, 7 } },
	{ "falling", { 7, 6, 5, 4, 3, 2, 1 } },
	{ "equal", { 5, 5, 5, 5, 5, 5, 5 } },
	{ "extremes", { UINT64_MAX, 0, UINT64_MAX, 0, 1, UINT64_MAX - 1, 0 } },
	/* Removing the node of 11 moves 3 up past its new parent: a removal must sift both ways. */
	{ "two slopes", { 1, 10, 2, 11, 12, 3, 4 } },
};

/* Takes out each place of each order in turn. */
static void test_remove_each_place(void **unused)
{
	(void)unused;
	for (size_t c = 0; c < ARRAY_LEN(orders); c++) {
		for (size_t victim = 0; victim < 7; victim++) {
			struct heap_node nodes[7] = { 0 };
			struct heap h = { 0 };

			for (size_t i = 0; i < 7; i++)
				heap_push(&h, &nodes[i], orders[c].keys[i]);
			heap_remove(&h, h.nodes[victim]);
			assert_int_equal(h.len, 6);
			assert_sound(&h);
			heap_done(&h);
		}
	}
}

static void test_equal_keys_leave_as_they_came(void **unused)
{
	struct heap_node nodes[N_NODES] = { 0 };
	/* Past the end of the count in the middle. */
	struct heap h = { .n_pushed = UINT32_MAX - N_NODES / 2 };

	(void)unused;
	for (size_t i = 0; i < N_NODES; i++)
		heap_push(&h, &nodes[i], i % 3);
	for (size_t i = 0; i < N_NODES; i++) {
		size_t of_key = N_NODES / 3;

		assert_ptr_equal(heap_peek(&h), &nodes[i % of_key * 3 + i / of_key]);
		heap_remove(&h, heap_peek(&h));
	}
	heap_done(&h);
}

static void test_node_may_return_with_another_key(void **unused)
{
	struct heap_node a = { 0 }, b = { 0 };
	struct heap h = { 0 };

	(void)unused;
	heap_push(&h, &a, 10);
	heap_push(&h, &b, 20);
	assert_ptr_equal(heap_peek(&h), &a);
	heap_remove(&h, &a);
	heap_push(&h, &a, 30);
	assert_ptr_equal(heap_peek(&h), &b);
	heap_done(&h);
	assert_int_equal(h.len, 0);
	assert_null(heap_peek(&h));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_sorts),
		cmocka_unit_test(test_remove_each_place),
		cmocka_unit_test(test_equal_keys_leave_as_they_came),
		cmocka_unit_test(test_node_may_return_with_another_key),
		cmocka_unit_test(test_random_removals),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
