/* SPDX-License-Identifier: MIT */
/*
** t_topo.c - topological order: stability, cycles, levels, failing memory.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/unit/topo.h"

enum { MAX = 64 };

static uint32_t order[MAX], component[MAX], level[MAX];

static size_t sort(uint32_t n, const pl_edge *edges, size_t nedges) {
    pl_arena a;
    pl_arena_init(&a, pl_alloc_libc());
    size_t r = pl_topo_sort(&a, n, edges, nedges, order, component);
    pl_arena_free(&a);
    return r;
}

static void expect(const uint32_t *got, const uint32_t *want, size_t n) {
    for (size_t i = 0; i < n; i++)
        assert_int_equal(got[i], want[i]);
}

static void test_no_edges_keep_order(void **state) {
    (void)state;
    assert_int_equal(sort(5, NULL, 0), 0);
    expect(order, (uint32_t[]){0, 1, 2, 3, 4}, 5);
    assert_int_equal(sort(0, NULL, 0), 0);
}

static void test_edges_move_as_little_as_possible(void **state) {
    (void)state;
    pl_edge e[] = {{3, 1}, {4, 0}};
    assert_int_equal(sort(5, e, 2), 0);
    expect(order, (uint32_t[]){2, 3, 1, 4, 0}, 5);
    pl_edge chain[] = {{4, 3}, {3, 2}, {2, 1}, {1, 0}, {4, 3}};
    assert_int_equal(sort(5, chain, 5), 0);
    expect(order, (uint32_t[]){4, 3, 2, 1, 0}, 5);
}

static void test_cycles_stand_together(void **state) {
    (void)state;
    pl_edge e[] = {{0, 3}, {3, 0}, {3, 1}, {2, 2}, {4, 0}};
    assert_int_equal(sort(5, e, 5), 2);
    expect(order, (uint32_t[]){2, 4, 0, 3, 1}, 5);
    assert_int_equal(component[0], component[3]);
    assert_int_not_equal(component[0], component[1]);
    assert_true(component[2] < component[4] && component[4] < component[0] &&
                component[0] < component[1]);
}

static void test_two_cycles(void **state) {
    (void)state;
    pl_edge e[] = {{0, 1}, {1, 2}, {2, 0}, {4, 5}, {5, 4}, {5, 0}};
    assert_int_equal(sort(6, e, 6), 5);
    expect(order, (uint32_t[]){3, 4, 5, 0, 1, 2}, 6);
}

static void test_levels(void **state) {
    (void)state;
    pl_arena a;
    pl_arena_init(&a, pl_alloc_libc());
    pl_edge e[] = {{0, 2}, {1, 2}, {2, 3}, {0, 3}, {4, 4}};
    assert_int_equal(pl_topo_levels(&a, 5, e, 5, level), 3);
    expect(level, (uint32_t[]){0, 0, 1, 2, 0}, 5);
    pl_edge cyclic[] = {{0, 1}, {1, 2}, {2, 1}, {2, 3}};
    assert_int_equal(pl_topo_levels(&a, 4, cyclic, 4, level), 1);
    expect(level, (uint32_t[]){0, UINT32_MAX, UINT32_MAX, UINT32_MAX}, 4);
    pl_arena_free(&a);
}

/* Random graphs: every edge between components is honoured, every item comes once. */
static void test_random_graphs(void **state) {
    (void)state;
    uint32_t seed = 1;
    for (int round = 0; round < 2000; round++) {
        pl_edge e[80];
        uint32_t n = 1 + (seed >> 3) % 40, place[MAX], seen = 0;
        size_t ne = (seed >> 11) % 80;
        for (size_t i = 0; i < ne; i++) {
            seed = seed * 1664525u + 1013904223u;
            e[i] = (pl_edge){(seed >> 8) % n, (seed >> 20) % n};
        }
        seed = seed * 1664525u + 1013904223u;
        assert_true(sort(n, e, ne) <= n);
        for (uint32_t i = 0; i < n; i++) {
            place[order[i]] = i;
            seen += order[i];
        }
        assert_int_equal(seen, n * (n - 1) / 2);
        for (size_t i = 0; i < ne; i++)
            if (component[e[i].before] != component[e[i].after])
                assert_true(place[e[i].before] < place[e[i].after]);
    }
}

static void test_long_chain(void **state) {
    (void)state;
    enum { N = 200000 };
    pl_arena a;
    pl_arena_init(&a, pl_alloc_libc());
    pl_edge *e = malloc(N * sizeof *e);
    uint32_t *out = malloc(N * sizeof *out);
    for (uint32_t i = 0; i + 1 < N; i++)
        e[i] = (pl_edge){i + 1, i};
    assert_int_equal(pl_topo_sort(&a, N, e, N - 1, out, NULL), 0);
    assert_int_equal(out[0], N - 1);
    assert_int_equal(pl_topo_levels(&a, N, e, N - 1, out), N);
    assert_int_equal(out[0], N - 1);
    free(e);
    free(out);
    pl_arena_free(&a);
}

typedef struct failing {
    int left;
} failing;

static void *failing_alloc(void *ud, void *p, size_t osize, size_t nsize) {
    failing *f = ud;
    (void)osize;
    if (nsize == 0) {
        free(p);
        return NULL;
    }
    return f->left-- > 0 ? realloc(p, nsize) : NULL;
}

static void test_out_of_memory(void **state) {
    (void)state;
    pl_edge e[] = {{3, 1}, {1, 3}, {4, 0}};
    for (int k = 0;; k++) {
        failing f = {k};
        pl_arena a;
        pl_arena_init(&a, (pl_alloc){failing_alloc, &f});
        size_t sorted = pl_topo_sort(&a, 40, e, 3, order, component);
        size_t levels = pl_topo_levels(&a, 40, e, 3, level);
        pl_arena_free(&a);
        if (sorted != SIZE_MAX && levels != SIZE_MAX) {
            assert_int_equal(sorted, 2);
            assert_true(k > 0);
            break;
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_edges_keep_order),
        cmocka_unit_test(test_edges_move_as_little_as_possible),
        cmocka_unit_test(test_cycles_stand_together),
        cmocka_unit_test(test_two_cycles),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_random_graphs),
        cmocka_unit_test(test_long_chain),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
