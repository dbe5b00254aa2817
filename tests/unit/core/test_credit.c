/* SPDX-License-Identifier: MIT */
/* Properties of the credit over random situations; the windows beside what they sum up. */
#include "core/credit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/rng.h"

enum { N_RANDOM = 200000 };

/* Small numbers, zeros and extremes come often. */
static uint64_t some(struct rng *r, uint64_t max)
{
	switch (rng_between(r, 0, 4)) {
	case 0:
		return 0;
	case 1:
		return max;
	case 2:
		return rng_between(r, 0, max < 10 ? max : 10);
	default:
		return rng_between(r, 0, max);
	}
}

static struct credit random_credit(struct rng *r)
{
	uint32_t most = rng_between(r, 0, 3) ? 1000 : UINT32_MAX;

	return (struct credit){
		.free = (uint32_t)some(r, most),
		.round = (uint32_t)some(r, most),
		.recent = (uint32_t)some(r, most),
		.ready = (uint32_t)some(r, most),
		.asked = (uint32_t)some(r, most),
		.held = some(r, 100000),
		.max_held = some(r, 100000),
		.bytes_left = some(r, 1u << 30),
		.largest_bytes = some(r, 1u << 20),
	};
}

static uint64_t ahead(const struct credit *c)
{
	return (uint64_t)c->free + (c->round > c->recent ? c->round : c->recent);
}

static void check_bounds(const struct credit *c)
{
	uint32_t room = credit_room(c), of_pool = credit_room_of_pool(c);
	uint64_t taken = (uint64_t)c->ready + c->asked;

	assert_true(of_pool == 0 || of_pool + taken <= ahead(c));
	assert_true(room <= of_pool);
	assert_true(room == 0 || room + c->held + c->asked <= c->max_held);
	assert_true(room == 0 || c->round > 0);
	assert_true(room == 0 || c->bytes_left > 0 || !c->largest_bytes);
	/* All that is asked for fits into the bytes left, but for a single entry. */
	if (room && c->largest_bytes && room + c->asked > 1)
		assert_true(((uint64_t)room + c->asked) * c->largest_bytes <= c->bytes_left);
}

/* Nothing that could be asked for is left out. */
static void check_exact(const struct credit *c)
{
	uint64_t one_more = (uint64_t)credit_room(c) + 1, asked = one_more + c->asked;

	if (!c->round || one_more > UINT32_MAX)
		return;
	assert_true(one_more + c->ready + c->asked > ahead(c) || asked + c->held > c->max_held ||
	            (c->largest_bytes && asked * c->largest_bytes > c->bytes_left) ||
	            one_more + c->asked > UINT32_MAX);
}

static void test_room(void **unused)
{
	struct rng r = { 17 };

	(void)unused;
	for (int i = 0; i < N_RANDOM; i++) {
		struct credit c = random_credit(&r);

		check_bounds(&c);
		check_exact(&c);
	}
}

#define IDLE(...)                                                                                  \
	{                                                                                          \
		.max_held = 1000, .bytes_left = 1000, __VA_ARGS__                                  \
	}

static const struct {
	const char *name;
	struct credit c;
	uint32_t room;
} rooms[] = {
	{ "idle", IDLE(.free = 8, .round = 8), 16 },
	{ "busy", IDLE(.free = 0, .round = 8), 8 },
	{ "a fast pool", IDLE(.free = 0, .round = 8, .recent = 100), 100 },
	{ "a slow pool", IDLE(.free = 0, .round = 8, .recent = 1), 8 },
	{ "no process is up", IDLE(.free = 0, .round = 0, .recent = 100), 0 },
	{ "all is asked for", IDLE(.free = 8, .round = 8, .asked = 16), 0 },
	{ "all is ready", IDLE(.free = 8, .round = 8, .ready = 17), 0 },
	{ "nearly full", IDLE(.free = 8, .round = 8, .held = 995), 5 },
	{ "full", IDLE(.free = 8, .round = 8, .held = 1000), 0 },
	{ "over full", IDLE(.free = 8, .round = 8, .held = 1001), 0 },
	{ "full when the asked have come", IDLE(.free = 8, .round = 8, .held = 995, .asked = 5),
	    0 },
	{ "three fit", IDLE(.free = 8, .round = 8, .largest_bytes = 300), 3 },
	{ "one of the three is asked for",
	    IDLE(.free = 8, .round = 8, .largest_bytes = 300, .asked = 1), 2 },
	{ "none fits, one is tried", IDLE(.free = 8, .round = 8, .largest_bytes = 5000), 1 },
	{ "the one is asked for", IDLE(.free = 8, .round = 8, .largest_bytes = 5000, .asked = 1),
	    0 },
	{ "no bytes left",
	    { .free = 8, .round = 8, .max_held = 9, .bytes_left = 0, .largest_bytes = 1 }, 0 },
};

static void test_rooms(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(rooms); i++) {
		if (credit_room(&rooms[i].c) != rooms[i].room)
			fail_msg("%s: %u", rooms[i].name, credit_room(&rooms[i].c));
	}
}

/* As the readers do it: each asks in turn, with what the one before it left. */
static void test_shares(void **unused)
{
	struct rng r = { 23 };

	(void)unused;
	for (int i = 0; i < N_RANDOM / 10; i++) {
		struct credit c = random_credit(&r);
		uint32_t n = (uint32_t)rng_between(&r, 1, 20),
		         count_max = 1 + (uint32_t)some(&r, 999);
		uint64_t room = credit_room(&c), sum = 0;
		uint32_t least = UINT32_MAX, most = 0;

		for (uint32_t left = n; left; left--) {
			uint32_t share = credit_share(&c, credit_room(&c), left, count_max);

			assert_true(share <= count_max);
			assert_true(share <= credit_room(&c));
			least = share < least ? share : least;
			most = share > most ? share : most;
			sum += share;
			c.asked += share;
		}
		assert_true(sum <= room);
		/* Fair: nobody gets two more than another, unless the last one waits for more. */
		assert_true(most - least <= 1 || least == 0);
	}
}

static const struct {
	const char *name;
	struct credit c;
	uint32_t room, n_hungry, count_max, share;
} shares[] = {
	{ "alone, idle", { .round = 8 }, 16, 1, 100, 16 },
	{ "alone, idle, little room", { .round = 8 }, 1, 1, 100, 1 },
	{ "alone, busy, not worth it", { .round = 8, .ready = 1 }, 3, 1, 100, 0 },
	{ "alone, busy, worth it", { .round = 8, .ready = 1 }, 4, 1, 100, 4 },
	{ "alone, a read is out", { .round = 8, .asked = 1 }, 3, 1, 100, 0 },
	{ "one handler", { .round = 1, .asked = 1 }, 1, 1, 100, 1 },
	{ "bounded", { .round = 8 }, 16, 1, 5, 5 },
	{ "a bound below what is worth it", { .round = 80, .ready = 1 }, 16, 1, 5, 5 },
	{ "count 1", { .round = 80, .ready = 1 }, 16, 1, 1, 1 },
	{ "several", { .round = 8 }, 16, 3, 100, 6 },
	{ "several, idle, little room", { .round = 8 }, 3, 3, 100, 3 },
	{ "several, busy, not worth it", { .round = 8, .ready = 4 }, 3, 3, 100, 0 },
	{ "several, no fair share is worth it", { .round = 8, .ready = 4 }, 6, 3, 100, 4 },
	{ "very many", { .round = 2000, .asked = 400 }, 600, 1000, 500, 500 },
	{ "no room", { .round = 8 }, 0, 3, 100, 0 },
	{ "no room, alone", { .round = 8 }, 0, 1, 100, 0 },
	{ "all the room there is", { .round = 8 }, UINT32_MAX, 2, UINT32_MAX, 1u << 31 },
};

static void test_share(void **unused)
{
	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(shares); i++) {
		uint32_t share = credit_share(&shares[i].c, shares[i].room, shares[i].n_hungry,
		    shares[i].count_max);

		if (share != shares[i].share)
			fail_msg("%s: %u", shares[i].name, share);
	}
}

/* ---- windows ---- */

static void test_recent(void **unused)
{
	static const struct {
		uint64_t now_ms;
		uint32_t add, recent;
	} steps[] = {
		{ 1000, 0, 0 },
		{ 1000, 5, 5 },
		{ 1049, 2, 7 },
		{ 1050, 0, 7 }, /* a new window: the previous one still counts */
		{ 1060, 3, 7 },
		{ 1060, 6, 9 },
		{ 1109, 0, 9 },
		{ 1160, 0, 0 }, /* a whole window has gone by */
		{ 1160, 4, 4 },
		{ 9999, 0, 0 },
		{ 9999, 1, 1 },
		{ 10048, 0, 1 },
		{ 10098, 0, 1 },
		{ 10148, 0, 0 },
		{ 20000, 5, 5 },
		{ 20099, 0, 5 },
		{ 30000, 5, 5 },
		{ 30100, 0, 0 },
	};
	struct recent r = { 0 };

	(void)unused;
	for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
		if (steps[i].add)
			recent_add(&r, steps[i].now_ms, steps[i].add);
		if (recent_get(&r, steps[i].now_ms) != steps[i].recent)
			fail_msg("step %zu: %u", i, recent_get(&r, steps[i].now_ms));
	}
}

/* Never more than finished in the last three windows, and a steady pace is seen as it is. */
static void test_recent_beside_a_list(void **unused)
{
	enum { N = 5000, BACK_MS = 150 };
	static uint32_t finished[N + BACK_MS];
	struct recent r = { 0 };
	struct rng rng = { 4 };

	(void)unused;
	for (uint64_t now_ms = BACK_MS; now_ms < N; now_ms++) {
		uint64_t sum = 0;

		if (rng_between(&rng, 0, 3) == 0)
			recent_add(&r, now_ms, finished[now_ms] = (uint32_t)some(&rng, 20));
		for (uint64_t t = now_ms - BACK_MS + 1; t <= now_ms; t++)
			sum += finished[t];
		assert_true(recent_get(&r, now_ms) <= sum);
	}
	for (uint64_t now_ms = N; now_ms < N + 1000; now_ms++) {
		recent_add(&r, now_ms, 3);
		if (now_ms > N + 100)
			assert_in_range(recent_get(&r, now_ms), 3 * 49, 3 * 51);
	}
}

static void test_largest(void **unused)
{
	struct largest l = { 0 };

	(void)unused;
	largest_add(&l, 100);
	largest_add(&l, 99);
	assert_int_equal(l.value, 100);
	largest_add(&l, 5000);
	assert_int_equal(l.value, 5000);
	for (int i = 0; i < 1023; i++)
		largest_add(&l, 10);
	assert_int_equal(l.value, 5000);
	largest_add(&l, 4000); /* near it: remembered for as long again */
	for (int i = 0; i < 1023; i++)
		largest_add(&l, 10);
	assert_int_equal(l.value, 5000);
	largest_add(&l, 10);
	assert_int_equal(l.value, 2500);
	for (int i = 0; i < 20 * 1024; i++)
		largest_add(&l, 10);
	assert_in_range(l.value, 10, 20);
}

/* Never below what came last. */
static void test_largest_covers_the_last(void **unused)
{
	struct largest l = { 0 };
	struct rng r = { 6 };

	(void)unused;
	for (int i = 0; i < 100000; i++) {
		uint64_t value = some(&r, 1000);

		largest_add(&l, value);
		assert_true(l.value >= value);
	}
}

/* The windows hold 50 ms: three in a millisecond are dense, two are not. */
static void test_dense(void **unused)
{
	struct recent sparse = { 0 }, dense = { 0 };

	(void)unused;
	for (uint64_t now_ms = 1000; now_ms < 1300; now_ms++) {
		recent_add(&sparse, now_ms, 2);
		recent_add(&dense, now_ms, 4);
	}
	assert_false(recent_is_dense(recent_get(&sparse, 1300)));
	assert_true(recent_is_dense(recent_get(&dense, 1300)));
	assert_false(recent_is_dense(recent_get(&dense, 2000)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_room),
		cmocka_unit_test(test_rooms),
		cmocka_unit_test(test_shares),
		cmocka_unit_test(test_share),
		cmocka_unit_test(test_recent),
		cmocka_unit_test(test_recent_beside_a_list),
		cmocka_unit_test(test_dense),
		cmocka_unit_test(test_largest),
		cmocka_unit_test(test_largest_covers_the_last),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
