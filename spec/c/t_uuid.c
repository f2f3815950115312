/* SPDX-License-Identifier: MIT */
/*
** t_uuid.c - the two texts of a UUID, and random ones.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/schema/uuid.h"

static const char canonical[] = "12345678-9abc-def0-1234-56789abcdef0";
static const char hex[] = "123456789abcdef0123456789abcdef0";

static void test_both_forms(void **state) {
    (void)state;
    static const char *const forms[] = {canonical, hex,
                                        "12345678-9ABC-DEF0-1234-56789ABCDEF0",
                                        "123456789ABCDEF0123456789abcdef0"};
    char out[PL_UUID_TEXT];
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        pl_uuid u;
        assert_true(pl_uuid_parse(forms[i], strlen(forms[i]), &u));
        assert_int_equal(u.byte[0], 0x12);
        assert_int_equal(u.byte[15], 0xf0);
        pl_uuid_format(&u, out);
        assert_string_equal(out, canonical);
        pl_uuid_store(&u, out);
        assert_string_equal(out, hex);
    }
}

static void test_refuses(void **state) {
    (void)state;
    static const char *const bad[] = {
        "",
        "12345678-9abc-def0-1234-56789abcdef",   /* a digit short */
        "12345678-9abc-def0-1234-56789abcdef00", /* one too many */
        "123456789abc-def0-1234-56789abcdef0-",  /* hyphens elsewhere */
        "{12345678-9abc-def0-1234-56789abcde}",
        "12345678-9abc-def0-1234-56789abcdefg",
        "123456789abcdef0123456789abcdef",
        "123456789abcdef0123456789abcdefg",
        "12345678-9abc-def0-1234-56789abc",
        " 23456789abcdef0123456789abcdef0",
    };
    pl_uuid u;
    memset(&u, 0x5a, sizeof u);
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_false(pl_uuid_parse(bad[i], strlen(bad[i]), &u));
        assert_int_equal(u.byte[0], 0x5a);
        assert_int_equal(u.byte[15], 0x5a);
    }
}

static void test_random(void **state) {
    (void)state;
    pl_uuid a, b;
    for (int i = 0; i < 200; i++) {
        assert_true(pl_uuid_random(&a));
        assert_true(pl_uuid_random(&b));
        assert_memory_not_equal(&a, &b, sizeof a);
        assert_int_equal(a.byte[6] >> 4, 4);
        assert_int_equal(a.byte[8] >> 6, 2);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_forms),
        cmocka_unit_test(test_refuses),
        cmocka_unit_test(test_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
