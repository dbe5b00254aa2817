/* SPDX-License-Identifier: MIT */
/* The list against an array that is kept beside it. */
#include "base/list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/rng.h"

enum { N_ITEMS = 40, N_STEPS = 20000 };

struct item {
	int id;
	struct list_node node;
};

struct model {
	struct list_node *nodes[N_ITEMS];
	size_t len;
};

static void model_insert(struct model *m, size_t at, struct list_node *n)
{
	memmove(&m->nodes[at + 1], &m->nodes[at], (m->len - at) * sizeof(m->nodes[0]));
	m->nodes[at] = n;
	m->len++;
}

static size_t model_find(const struct model *m, const struct list_node *n)
{
	size_t i = 0;

	while (i < m->len && m->nodes[i] != n)
		i++;
	return i;
}

static void model_remove(struct model *m, const struct list_node *n)
{
	size_t at = model_find(m, n);

	m->len--;
	memmove(&m->nodes[at], &m->nodes[at + 1], (m->len - at) * sizeof(m->nodes[0]));
}

static void assert_same(const struct list *l, const struct model *m)
{
	size_t i = 0;
	const struct list_node *back = l->head.prev;

	assert_int_equal(l->len, m->len);
	assert_int_equal(list_empty(l), m->len == 0);
	assert_ptr_equal(list_first(l), m->len ? m->nodes[0] : NULL);
	list_foreach(l, n) {
		assert_ptr_equal(n, m->nodes[i]);
		i++;
	}
	assert_int_equal(i, m->len);
	while (i--) {
		assert_ptr_equal(back, m->nodes[i]);
		back = back->prev;
	}
	assert_ptr_equal(back, &l->head);
}

static void insert_somewhere(struct rng *r, struct list *l, struct model *m, struct list_node *n)
{
	size_t at = rng_between(r, 0, m->len);

	switch (rng_between(r, 0, 2)) {
	case 0:
		list_append(l, n);
		model_insert(m, m->len, n);
		break;
	case 1:
		list_prepend(l, n);
		model_insert(m, 0, n);
		break;
	default:
		list_insert_before(l, at < m->len ? m->nodes[at] : &l->head, n);
		model_insert(m, at, n);
	}
}

static void test_against_a_model(void **unused)
{
	struct item items[N_ITEMS] = { 0 };
	struct model m = { 0 };
	struct list l;
	struct rng r = { 1 };

	(void)unused;
	list_init(&l);
	for (int step = 0; step < N_STEPS; step++) {
		struct list_node *n = &items[rng_between(&r, 0, N_ITEMS - 1)].node;

		assert_int_equal(list_listed(n), model_find(&m, n) < m.len);
		if (rng_between(&r, 0, 9) == 0) {
			n = list_pop(&l);
			assert_ptr_equal(n, m.len ? m.nodes[0] : NULL);
			if (n)
				model_remove(&m, n);
		} else if (list_listed(n)) {
			list_remove(&l, n);
			model_remove(&m, n);
		} else {
			insert_somewhere(&r, &l, &m, n);
		}
		assert_same(&l, &m);
	}
}

static void test_empty(void **unused)
{
	struct list_node zeroed = { 0 };
	struct list l;

	(void)unused;
	list_init(&l);
	assert_false(list_listed(&zeroed));
	assert_null(list_pop(&l));
	assert_null(list_first(&l));
	list_foreach(&l, n)
		fail();
	list_foreach_safe(&l, n)
		fail();
}

static void test_removed_node_may_return(void **unused)
{
	struct item a = { .id = 1 };
	struct list one, two;

	(void)unused;
	list_init(&one);
	list_init(&two);
	list_append(&one, &a.node);
	assert_ptr_equal(list_pop(&one), &a.node);
	assert_false(list_listed(&a.node));
	list_prepend(&two, &a.node);
	assert_true(list_listed(&a.node));
	assert_int_equal(one.len, 0);
	assert_int_equal(two.len, 1);
	assert_int_equal(container_of(list_first(&two), struct item, node)->id, 1);
}

/* Which of the items leave the list while it is walked. */
static const struct {
	const char *name;
	unsigned mask, left;
} removals[] = {
	{ "none", 0x00, 8 },
	{ "all", 0xff, 0 },
	{ "first", 0x01, 7 },
	{ "last", 0x80, 7 },
	{ "every other", 0x55, 4 },
	{ "neighbours", 0x3c, 4 },
};

static void test_remove_while_walking(void **unused)
{
	(void)unused;
	for (size_t c = 0; c < ARRAY_LEN(removals); c++) {
		struct item items[8] = { 0 };
		struct list l;
		int seen = 0;

		list_init(&l);
		for (int i = 0; i < 8; i++) {
			items[i].id = i;
			list_append(&l, &items[i].node);
		}
		list_foreach_safe(&l, n) {
			int id = container_of(n, struct item, node)->id;

			assert_int_equal(id, seen++);
			if (removals[c].mask & (1u << id))
				list_remove(&l, n);
		}
		assert_int_equal(seen, 8);
		assert_int_equal(l.len, removals[c].left);
		for (int i = 0; i < 8; i++)
			assert_int_equal(list_listed(&items[i].node),
			    !(removals[c].mask & (1u << i)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_removed_node_may_return),
		cmocka_unit_test(test_remove_while_walking),
		cmocka_unit_test(test_against_a_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
