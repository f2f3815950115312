/* SPDX-License-Identifier: MIT */
/* The allocator of a Lua state: no block overlaps another or loses its bytes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "heap.h"

enum { BLOCKS = 4000, STEPS = 200000 };

typedef struct piece {
    unsigned char *p;
    size_t size;
    unsigned char mark;
} piece;

static uint32_t next_random(uint32_t *seed) {
    *seed = *seed * 1664525u + 1013904223u;
    return *seed >> 8;
}

/* Mostly small, as Lua's are; some around the limits between the kinds of blocks. */
static size_t random_size(uint32_t *seed) {
    static const size_t edges[] = {1,    15,   16,    17,    1023,  1024,  1025, 1280,
                                   1281, 2048, 32767, 32768, 32769, 65536, 5000, 100};
    uint32_t kind = next_random(seed) % 16;
    if (kind == 0)
        return edges[next_random(seed) % (sizeof edges / sizeof *edges)];
    if (kind == 1)
        return 1 + next_random(seed) % 70000;
    return 1 + next_random(seed) % 300;
}

static void check(const piece *b) {
    for (size_t i = 0; i < b->size; i++)
        assert_int_equal(b->p[i], b->mark);
}

static void move(heap *h, piece *b, size_t size, unsigned char mark) {
    check(b);
    unsigned char *p = heap_alloc(h, b->p, b->size, size);
    size_t kept = b->size < size ? b->size : size;
    assert_true((p == NULL) == (size == 0));
    for (size_t i = 0; i < kept; i++)
        assert_int_equal(p[i], b->mark);
    assert_int_equal((uintptr_t)p % 16, 0);
    *b = (piece){p, size, mark};
    if (p)
        memset(p, mark, size);
}

static void test_random(void **state) {
    (void)state;
    heap *h = heap_new();
    piece *blocks = calloc(BLOCKS, sizeof *blocks);
    uint32_t seed = 20260722;
    assert_non_null(h);
    assert_non_null(blocks);
    for (int i = 0; i < STEPS; i++) {
        piece *b = &blocks[next_random(&seed) % BLOCKS];
        bool give = next_random(&seed) % 3 == 0;
        move(h, b, give ? 0 : random_size(&seed), (unsigned char)i);
    }
    for (int i = 0; i < BLOCKS; i++)
        move(h, &blocks[i], 0, 0);
    free(blocks);
    heap_free(h);
}

/* What was freed serves again: the second round needs no new addresses. */
static void test_again(void **state) {
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* every block is the sanitizer's */
#endif
    enum { N = 1000 };
    static void *first[N];
    heap *h = heap_new();
    assert_non_null(h);
    for (int i = 0; i < N; i++)
        first[i] = heap_alloc(h, NULL, 0, 40);
    for (int i = 0; i < N; i++)
        heap_alloc(h, first[i], 40, 0);
    for (int i = N - 1; i >= 0; i--)
        assert_ptr_equal(heap_alloc(h, NULL, 0, 48), first[i]);
    heap_free(h);
}

static void test_nothing(void **state) {
    (void)state;
    heap *h = heap_new();
    assert_non_null(h);
    assert_null(heap_alloc(h, NULL, 0, 0));
    assert_null(heap_alloc(h, NULL, 5, 0));
    assert_null(heap_alloc(h, NULL, 0, SIZE_MAX / 2));
    heap_free(h);
    heap_free(NULL);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_random),
        cmocka_unit_test(test_again),
        cmocka_unit_test(test_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
