/* SPDX-License-Identifier: MIT */
/*
** t_double.c - shortest decimal text of doubles.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/double.h"

static void test_repr(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } known[] = {
        {0.0, "0.0"},
        {-0.0, "-0.0"},
        {1.0, "1.0"},
        {-2.5, "-2.5"},
        {0.1, "0.1"},
        {0.30000000000000004, "0.30000000000000004"},
        {100.0, "100.0"},
        {1e15, "1000000000000000.0"},
        {1234567890123456.7, "1234567890123456.8"},
        {1e16, "1e+16"},
        {1.5e300, "1.5e+300"},
        {0.0001, "0.0001"},
        {0.00001, "1e-05"},
        {1.25e-7, "1.25e-07"},
        {5e-324, "5e-324"},
        {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {9007199254740993.0, "9007199254740992.0"},
        {7.120236347223045e-307, "7.120236347223045e-307"}, /* a power of two */
    };
    char out[PL_DOUBLE_TEXT];
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_int_equal(pl_double_repr(known[i].value, out), strlen(known[i].text));
        assert_string_equal(out, known[i].text);
    }
}

static void test_not_finite(void **state) {
    (void)state;
    char out[PL_DOUBLE_TEXT] = "x";
    assert_int_equal(pl_double_repr((double)INFINITY, out), 0);
    assert_string_equal(out, "");
    assert_int_equal(pl_double_repr((double)NAN, out), 0);
}

static void test_digits(void **state) {
    (void)state;
    char digits[PL_DOUBLE_DIGITS];
    int point;
    assert_int_equal(pl_double_digits(-1250.0, digits, &point), 3);
    assert_string_equal(digits, "125");
    assert_int_equal(point, 4);
    assert_int_equal(pl_double_digits(0.00125, digits, &point), 3);
    assert_int_equal(point, -2);
}

/* Any bit pattern: the text reads back, and one digit less (rounded) does not. */
static void test_shortest(void **state) {
    (void)state;
    uint64_t random = 7;
    for (int i = 0; i < 20000; i++) {
        double value;
        char out[PL_DOUBLE_TEXT], digits[PL_DOUBLE_DIGITS], shorter[64];
        int point;
        random = random * 6364136223846793005u + 1442695040888963407u;
        memcpy(&value, &random, sizeof value);
        if (!isfinite(value))
            continue;
        assert_true(pl_double_repr(value, out) > 0);
        assert_true(strtod(out, NULL) == value);
        int n = pl_double_digits(value, digits, &point);
        if (n > 1) {
            snprintf(shorter, sizeof shorter, "%.*e", n - 2, value);
            assert_true(strtod(shorter, NULL) != value);
        }
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_repr),
        cmocka_unit_test(test_not_finite),
        cmocka_unit_test(test_digits),
        cmocka_unit_test(test_shortest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
