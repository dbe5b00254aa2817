/* SPDX-License-Identifier: MIT */
#include "redis/arena.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/compiler.h"
#include "base/rng.h"

static const size_t sizes[] = { 1, 0, 15, 16, 17, 100, 4096, 128 * 1024 - 16, 128 * 1024,
	128 * 1024 + 1, 1 << 20, 3, 0 };

static void test_pieces_are_apart_and_aligned(void **unused)
{
	struct arena_cache cache = { 0 };
	struct arena a;
	char *pieces[ARRAY_LEN(sizes)];

	(void)unused;
	arena_init(&a, &cache);
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			pieces[i] = arena_take(&a, sizes[i]);
			assert_int_equal((uintptr_t)pieces[i] % 8, 0);
			memset(pieces[i], (int)i + 1, sizes[i]);
		}
		for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
			for (size_t n = 0; n < sizes[i]; n++)
				assert_int_equal(pieces[i][n], i + 1);
		}
		arena_reset(&a);
		assert_null(a.chunks);
	}
	arena_cache_done(&cache);
}

/* What one connection gives back another one takes; what is too much is freed. */
static void test_cache_is_shared_and_bounded(void **unused)
{
	enum { N = 40 };
	struct arena_cache cache = { 0 };
	struct arena arenas[N];

	(void)unused;
	for (int i = 0; i < N; i++) {
		arena_init(&arenas[i], &cache);
		arena_take(&arenas[i], 100);
	}
	assert_int_equal(cache.n_spare, 0);
	for (int i = 0; i < N; i++)
		arena_reset(&arenas[i]);
	assert_in_range(cache.n_spare, 1, N / 2);
	for (size_t before = cache.n_spare; before; before--) {
		arena_take(&arenas[before], 1);
		assert_int_equal(cache.n_spare, before - 1);
	}
	for (int i = 0; i < N; i++)
		arena_reset(&arenas[i]);
	arena_cache_done(&cache);
	assert_null(cache.spare);
}

/* A huge reply is not kept. */
static void test_large_chunks_are_freed(void **unused)
{
	struct arena_cache cache = { 0 };
	struct arena a;

	(void)unused;
	arena_init(&a, &cache);
	arena_take(&a, 64u << 20);
	arena_reset(&a);
	assert_int_equal(cache.n_spare, 0);
	assert_null(cache.spare);
	arena_cache_done(&cache);
}

static void test_random(void **unused)
{
	enum { N = 300 };
	struct arena_cache cache = { 0 };
	struct arena a;
	struct rng r = { 2 };

	(void)unused;
	arena_init(&a, &cache);
	for (int round = 0; round < 50; round++) {
		char *pieces[N];
		size_t lens[N];

		for (int i = 0; i < N; i++) {
			lens[i] = rng_between(&r, 0, rng_between(&r, 0, 20) ? 300 : 200000);
			pieces[i] = arena_take(&a, lens[i]);
			memset(pieces[i], i & 0x7f, lens[i]);
		}
		for (int i = 0; i < N; i++)
			assert_true(!lens[i] || (pieces[i][0] == (i & 0x7f) &&
			                            pieces[i][lens[i] - 1] == (i & 0x7f)));
		arena_reset(&a);
	}
	arena_cache_done(&cache);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_pieces_are_apart_and_aligned),
		cmocka_unit_test(test_cache_is_shared_and_bounded),
		cmocka_unit_test(test_large_chunks_are_freed),
		cmocka_unit_test(test_random),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
