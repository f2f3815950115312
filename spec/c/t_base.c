/* SPDX-License-Identifier: MIT */
/*
** t_base.c - allocator, arena, buffer, map, vector, errors, UTF-8; and that each of them
** survives every failing allocation.
*/
#include "core/base/buf.h"
#include "core/base/error.h"
#include "core/base/map.h"
#include "core/base/slot.h"
#include "core/base/utf8.h"
#include "core/base/vec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "fail_alloc.h"

/* ---- arena ---- */

static void arena_blocks(void **state) {
    (void)state;
    pl_arena a;
    pl_arena_init(&a, pl_alloc_libc());
    for (size_t n = 0; n < 3000; n += 7) {
        unsigned char *p = pl_arena_get(&a, n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < n; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xff, n);
    }
    assert_non_null(pl_arena_get(&a, 1 << 20));
    assert_string_equal(pl_arena_copy(&a, "abcdef", 3), "abc");
    assert_string_equal(pl_arena_str(&a, "abc"), "abc");
    assert_null(pl_arena_str(&a, NULL));
    assert_string_equal(pl_arena_fmt(&a, "%s-%d", "x", 7), "x-7");
    assert_false(a.failed);
    assert_null(pl_arena_get(&a, SIZE_MAX - 8));
    assert_true(a.failed);
    assert_null(pl_arena_array(&a, SIZE_MAX / 4, 16));
    pl_arena_free(&a);
    pl_arena_free(&a);
    assert_int_equal(a.used, 0);
}

/* ---- buffer ---- */

static void buffer_grows_and_is_bounded(void **state) {
    (void)state;
    pl_buf b;
    pl_buf_init(&b, pl_alloc_libc());
    assert_string_equal(pl_buf_cstr(&b), "");
    for (int i = 0; i < 1000; i++)
        pl_buf_fmt(&b, "%03d", i);
    assert_int_equal(b.len, 3000);
    assert_memory_equal(b.p, "000001002", 9);
    assert_int_equal(strlen(pl_buf_cstr(&b)), 3000);
    pl_buf_clear(&b);
    pl_buf_int(&b, INT64_MIN);
    pl_buf_chr(&b, ' ');
    pl_buf_put(&b, "a\0b", 3);
    assert_memory_equal(b.p, "-9223372036854775808 a\0b", 24);
    b.max = 30;
    pl_buf_str(&b, "1234567890");
    assert_false(pl_buf_ok(&b));
    assert_string_equal(pl_buf_cstr(&b), "");
    pl_buf_str(&b, "x");
    assert_int_equal(b.len, 24);
    pl_buf_clear(&b);
    pl_buf_str(&b, "x");
    assert_true(pl_buf_ok(&b));
    assert_string_equal(pl_buf_cstr(&b), "x");
    pl_buf_free(&b);
    pl_buf_free(&b);
}

/* ---- map and vector ---- */

static void map_keeps_order(void **state) {
    (void)state;
    enum { MANY = 2000 };
    static int values[MANY];
    pl_map m;
    size_t pos = 0, n = 0;
    char key[16];
    pl_map_init(&m, pl_alloc_libc());
    assert_null(pl_map_get(&m, "x", 1));
    assert_null(pl_map_del(&m, "x", 1));
    for (int i = 0; i < MANY; i++) {
        int len = snprintf(key, sizeof key, "key%d", i);
        assert_true(pl_map_set(&m, key, (size_t)len, &values[i]));
    }
    assert_int_equal(m.count, MANY);
    for (const pl_map_entry *e; (e = pl_map_next(&m, &pos)); n++)
        assert_ptr_equal(e->value, &values[n]);
    assert_int_equal(n, MANY);
    for (int i = 0; i < MANY; i += 2) {
        int len = snprintf(key, sizeof key, "key%d", i);
        assert_ptr_equal(pl_map_del(&m, key, (size_t)len), &values[i]);
        assert_null(pl_map_get(&m, key, (size_t)len));
    }
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < MANY; i += 2) {
            int len = snprintf(key, sizeof key, "key%d", i);
            assert_true(pl_map_set(&m, key, (size_t)len, &values[i]));
        }
        for (int i = 0; i < MANY; i += 2) {
            int len = snprintf(key, sizeof key, "key%d", i);
            assert_ptr_equal(pl_map_del(&m, key, (size_t)len), &values[i]);
        }
    }
    assert_int_equal(m.count, MANY / 2);
    for (int i = 1; i < MANY; i += 2) {
        int len = snprintf(key, sizeof key, "key%d", i);
        assert_ptr_equal(pl_map_get(&m, key, (size_t)len), &values[i]);
    }
    assert_true(pl_map_set(&m, "", 0, &values[3]));
    assert_ptr_equal(pl_map_get(&m, "", 0), &values[3]);
    assert_true(pl_map_set(&m, "", 0, &values[4]));
    assert_ptr_equal(pl_map_get(&m, "", 0), &values[4]);
    pl_map_free(&m);
    pl_map_free(&m);
}

static void vector_grows(void **state) {
    (void)state;
    pl_vec v;
    static int values[100];
    pl_vec_init(&v, pl_alloc_libc());
    for (int i = 0; i < 100; i++)
        assert_true(pl_vec_push(&v, &values[i]));
    for (int i = 0; i < 100; i++)
        assert_ptr_equal(v.v[i], &values[i]);
    pl_vec_free(&v);
    assert_int_equal(v.n, 0);
}

/* ---- errors ---- */

static void errors_have_classes(void **state) {
    (void)state;
    for (int c = 1; c < PL_ECOUNT; c++) {
        assert_int_equal(pl_code_named(pl_code_name((pl_code)c)), c);
        assert_true(pl_code_is((pl_code)c, PL_EPERILUNE));
        assert_true(pl_code_is((pl_code)c, (pl_code)c));
    }
    assert_true(pl_code_is(PL_EINTEGRITY, PL_EDATABASE));
    assert_true(pl_code_is(PL_EINTEGRITY, PL_ESTATEMENT));
    assert_false(pl_code_is(PL_EINTEGRITY, PL_EINVALID));
    assert_false(pl_code_is(PL_OK, PL_OK));
    assert_int_equal(pl_code_named("NoError"), PL_OK);
    assert_string_equal(pl_code_name(PL_ECOUNT), "");
}

static void the_first_error_stays(void **state) {
    (void)state;
    pl_error e;
    pl_error_init(&e, pl_alloc_libc());
    assert_int_equal(pl_fail(&e, PL_EVALUE, "%s %d", "one", 1), PL_EVALUE);
    assert_int_equal(pl_fail(&e, PL_ETYPE, "two"), PL_EVALUE);
    assert_string_equal(e.message, "one 1");
    assert_int_equal(pl_hint(&e, "try %d", 2), PL_EVALUE);
    assert_string_equal(e.hint, "try 2");
    assert_string_equal(pl_error_text(&e, "copy"), "copy");
    assert_null(pl_error_text(&e, NULL));
    pl_error_clear(&e);
    assert_int_equal(e.code, PL_OK);
    assert_null(e.message);
    assert_int_equal(pl_nomem(&e), PL_ENOMEM);
    assert_string_equal(e.message, "not enough memory");
    pl_error_clear(&e);
}

/* ---- UTF-8 and slots ---- */

static void utf8_is_checked(void **state) {
    (void)state;
    static const struct {
        const char *s;
        int64_t len;
    } texts[] = {
        {"", 0},
        {"abc", 3},
        {"\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 3},
        {"\xf4\x8f\xbf\xbf", 1},
        {"\xed\x9f\xbf\xee\x80\x80", 2},
        {"\x80", -1},
        {"\xc0\xaf", -1},
        {"\xc1\xbf", -1},
        {"\xe0\x9f\xbf", -1},
        {"\xed\xa0\x80", -1},
        {"\xf0\x8f\xbf\xbf", -1},
        {"\xf4\x90\x80\x80", -1},
        {"\xf5\x80\x80\x80", -1},
        {"\xc3", -1},
        {"\xe2\x82", -1},
        {"a\xc3(", -1},
        {"\xff", -1},
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(pl_utf8_len(texts[i].s, strlen(texts[i].s)), texts[i].len);
    assert_int_equal(pl_utf8_len("a\0b", 3), 3);
}

static void near_names_are_found(void **state) {
    (void)state;
    const char *const names[] = {"name", "email", "created_at", NULL};
    assert_string_equal(pl_nearest("nmae", names), "name");
    assert_string_equal(pl_nearest("e_mail", names), "email");
    assert_string_equal(pl_nearest("created", names), "created_at");
    assert_null(pl_nearest("zzz", names));
    assert_null(pl_nearest("x", (const char *const[]){NULL}));
    char giant[200];
    memset(giant, 'a', sizeof giant - 1);
    giant[sizeof giant - 1] = '\0';
    assert_null(pl_nearest(giant, names));
    assert_null(pl_nearest("aaa", (const char *const[]){giant, NULL}));
}

static void slots_compare(void **state) {
    (void)state;
    pl_slot a = pl_slot_int(1), b = pl_slot_real(1), n = pl_slot_real(0.0 / 0.0);
    pl_slot s = pl_slot_text("ab", 2), t = pl_slot_text("abc", 3);
    pl_slot e = pl_slot_text(NULL, 0), f = pl_slot_text("", 0);
    assert_true(pl_slot_same(&a, &a));
    assert_false(pl_slot_same(&a, &b));
    assert_true(pl_slot_same(&n, &n));
    assert_false(pl_slot_same(&s, &t));
    assert_true(pl_slot_same(&e, &f));
    pl_slot x = pl_slot_blob("ab", 2), z = pl_slot_null();
    assert_false(pl_slot_same(&s, &x));
    a.flags = PL_SLOT_CHANGED;
    pl_slot plain = pl_slot_int(1);
    assert_true(pl_slot_same(&a, &plain));
    assert_true(pl_slot_same(&z, &z));
}

/* ---- memory that runs out ---- */

/* Uses everything that allocates; whether all of it worked. */
static bool use_all(pl_alloc alloc) {
    pl_arena a;
    pl_buf b;
    pl_map m;
    pl_vec v;
    pl_error e;
    bool ok = true;
    pl_arena_init(&a, alloc);
    pl_buf_init(&b, alloc);
    pl_map_init(&m, alloc);
    pl_vec_init(&v, alloc);
    pl_error_init(&e, alloc);
    for (int i = 0; i < 60; i++) {
        char *text = pl_arena_fmt(&a, "%0*d", i * 10 + 1, i);
        ok = text && ok;
        pl_buf_str(&b, "some text ");
        size_t n = m.count, count = v.n;
        if (pl_map_set(&m, &i, sizeof i, &a))
            assert_ptr_equal(pl_map_get(&m, &i, sizeof i), &a);
        else
            assert_int_equal(m.count, n), ok = false;
        if (!pl_vec_push(&v, &a))
            assert_int_equal(v.n, count), ok = false;
    }
    pl_code code = pl_fail(&e, PL_EVALUE, "%2000s", "x");
    assert_true(code == PL_EVALUE || code == PL_ENOMEM);
    assert_non_null(e.message);
    ok = ok && pl_buf_ok(&b) && code == PL_EVALUE && !a.failed;
    pl_error_clear(&e);
    pl_vec_free(&v);
    pl_map_free(&m);
    pl_buf_free(&b);
    pl_arena_free(&a);
    return ok;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    for (int persistent = 0; persistent < 2; persistent++) {
        fail_alloc fa = {.persistent = persistent};
        do {
            fail_alloc_next(&fa);
            bool ok = use_all(fail_alloc_of(&fa));
            assert_int_equal(ok, fa.failed == 0);
            assert_int_equal(fa.live, 0);
        } while (fa.failed);
        assert_true(fa.fail_at > 20);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arena_blocks),
        cmocka_unit_test(buffer_grows_and_is_bounded),
        cmocka_unit_test(map_keeps_order),
        cmocka_unit_test(vector_grows),
        cmocka_unit_test(errors_have_classes),
        cmocka_unit_test(the_first_error_stays),
        cmocka_unit_test(utf8_is_checked),
        cmocka_unit_test(near_names_are_found),
        cmocka_unit_test(slots_compare),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("base", tests, NULL, NULL);
}
