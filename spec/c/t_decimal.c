/* SPDX-License-Identifier: MIT */
/*
** t_decimal.c - exact decimals: texts, arithmetic, rounding, limits and storage.
**
** Numbers are written as text and results compared as text, so that scales are checked
** too.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/schema/decimal.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static pl_decimal dec(const char *text) {
    pl_decimal d;
    pl_decimal_rc rc = pl_decimal_parse(text, strlen(text), &d);
    if (rc != PL_DECIMAL_OK)
        fail_msg("%s: %s", text, pl_decimal_message(rc));
    return d;
}

static void is(const pl_decimal *d, const char *expected) {
    char out[PL_DECIMAL_TEXT];
    size_t n = pl_decimal_format(d, out);
    assert_string_equal(out, expected);
    assert_int_equal(n, strlen(expected));
    if (d->count == 0)
        assert_false(d->negative);
    else
        assert_true(d->limb[d->count - 1] != 0);
}

/* A text of n nines, and room for a sign and a point. */
static const char *nines(int n, char *buffer) {
    memset(buffer, '9', (size_t)n);
    buffer[n] = '\0';
    return buffer;
}

static void test_text(void **state) {
    (void)state;
    static const char *const known[][2] = {
        {"0", "0"},
        {"-0", "0"},
        {"0.00", "0.00"},
        {"-0.00", "0.00"},
        {"1", "1"},
        {"+1", "1"},
        {"-1.10", "-1.10"},
        {"007.50", "7.50"},
        {".5", "0.5"},
        {"1.", "1"},
        {"0.001", "0.001"},
        {"-0.05", "-0.05"},
        {"1e3", "1000"},
        {"1.5E+2", "150"},
        {"1.25e1", "12.5"},
        {"12e-5", "0.00012"},
        {"0e50", "0"},
        {"0e-2", "0.00"},
        {"18446744073709551616", "18446744073709551616"},
        {"340282366920938463463374607431768211456.0001",
         "340282366920938463463374607431768211456.0001"},
        {"1e999", NULL},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        pl_decimal d = dec(known[i][0]);
        if (known[i][1])
            is(&d, known[i][1]);
        else
            assert_int_equal(pl_decimal_digits(&d), 1000);
    }
}

static void test_text_refused(void **state) {
    (void)state;
    static const char *const syntax[] = {
        "",         " ",     "+",     "-",    ".",  "-.",       "e5",    "1e",
        "1e+",      "1e5.",  "1.2.3", "1,5",  " 1", "1 ",       "0x10",  "NaN",
        "Infinity", "1_000", "--1",   "1e5x", "1-", "\xc2\xb2", "1e--5", ".e1"};
    pl_decimal d = dec("42");
    for (size_t i = 0; i < COUNT(syntax); i++) {
        pl_decimal_rc rc = pl_decimal_parse(syntax[i], strlen(syntax[i]), &d);
        if (rc != PL_DECIMAL_SYNTAX)
            fail_msg("'%s': %s", syntax[i], pl_decimal_message(rc));
    }
    assert_int_equal(pl_decimal_parse("1\0002", 3, &d), PL_DECIMAL_SYNTAX);
    static const char *const range[] = {"1e1000", "1e-1001", "1e999999999999", "0e-1001",
                                        "1e-999999999999"};
    for (size_t i = 0; i < COUNT(range); i++)
        assert_int_equal(pl_decimal_parse(range[i], strlen(range[i]), &d),
                         PL_DECIMAL_RANGE);
    char buffer[1100];
    assert_int_equal(pl_decimal_parse(nines(1001, buffer), 1001, &d), PL_DECIMAL_RANGE);
    is(&d, "42");
}

static void test_longest(void **state) {
    (void)state;
    char buffer[PL_DECIMAL_TEXT], out[PL_DECIMAL_TEXT];
    pl_decimal d = dec(nines(1000, buffer));
    is(&d, buffer);
    pl_decimal one = dec("1");
    assert_int_equal(pl_decimal_add(&d, &one, &d), PL_DECIMAL_RANGE);
    assert_int_equal(pl_decimal_mul(&d, &d, &d), PL_DECIMAL_RANGE);
    is(&d, buffer);
    assert_int_equal(pl_decimal_divide(&d, &d, &d), PL_DECIMAL_OK);
    is(&d, "1");
    memcpy(buffer, "-0.", 3);
    nines(1000, buffer + 3);
    d = dec(buffer);
    is(&d, buffer);
    assert_int_equal(pl_decimal_format(&d, out), 1003);
    assert_int_equal(pl_decimal_quantize(&d, 0, PL_ROUND_HALF_EVEN, &d), PL_DECIMAL_OK);
    is(&d, "-1");
    d = dec("1e-1000");
    assert_int_equal(pl_decimal_compare(&d, &one), -1);
    pl_decimal big = dec("1e999");
    assert_int_equal(pl_decimal_compare(&big, &d), 1);
    assert_int_equal(pl_decimal_add(&big, &d, &one), PL_DECIMAL_RANGE);
    assert_int_equal(pl_decimal_divide(&big, &d, &one), PL_DECIMAL_RANGE);
    assert_int_equal(pl_decimal_divide(&d, &big, &one), PL_DECIMAL_OK);
    assert_int_equal(pl_decimal_sign(&one), 0);
}

typedef pl_decimal_rc operation(const pl_decimal *, const pl_decimal *, pl_decimal *);

static void check(operation *op, const char *a, const char *b, const char *expected) {
    pl_decimal x = dec(a), y = dec(b), r;
    assert_int_equal(op(&x, &y, &r), PL_DECIMAL_OK);
    is(&r, expected);
    assert_int_equal(op(&x, &y, &x), PL_DECIMAL_OK); /* over its own operand */
    is(&x, expected);
}

static void test_arithmetic(void **state) {
    (void)state;
    check(pl_decimal_add, "0.1", "0.2", "0.3");
    check(pl_decimal_add, "1.10", "-1.1", "0.00");
    check(pl_decimal_add, "-5", "3.25", "-1.75");
    check(pl_decimal_add, "18446744073709551615", "1", "18446744073709551616");
    check(pl_decimal_add, "0", "-0.10", "-0.10");
    check(pl_decimal_sub, "18446744073709551616", "1", "18446744073709551615");
    check(pl_decimal_sub, "1", "3", "-2");
    check(pl_decimal_sub, "-1", "-3", "2");
    check(pl_decimal_sub, "0.30", "0.3", "0.00");
    check(pl_decimal_mul, "1.10", "3", "3.30");
    check(pl_decimal_mul, "-0.5", "0.5", "-0.25");
    check(pl_decimal_mul, "-1.5", "0", "0.0");
    check(pl_decimal_mul, "4294967296", "4294967296", "18446744073709551616");
    check(pl_decimal_divide, "1", "3", "0.3333333333333333333333333333");
    check(pl_decimal_divide, "2", "-3", "-0.6666666666666666666666666667");
    check(pl_decimal_divide, "10", "4", "2.5");
    check(pl_decimal_divide, "100", "10", "10");
    check(pl_decimal_divide, "1.00", "0.5", "2.0");
    check(pl_decimal_divide, "0", "7.25", "0");
    check(pl_decimal_divide, "0.00", "7", "0.00");
    check(pl_decimal_divide, "1", "8", "0.125");
    check(pl_decimal_divide, "1e30", "1", "1000000000000000000000000000000");
    check(pl_decimal_divide, "1234567890123456789012345678901234567890.5", "2",
          "617283945061728394506172839450617283945.25");
}

static void test_floor_division(void **state) {
    (void)state;
    static const char *const known[][4] = {
        {"7", "2", "3", "1"},           {"-7", "2", "-4", "1"},
        {"7", "-2", "-4", "-1"},        {"-7", "-2", "3", "-1"},
        {"7.5", "2.5", "3", "0.0"},     {"0.1", "0.03", "3", "0.01"},
        {"-0.1", "0.03", "-4", "0.02"}, {"0", "5", "0", "0"},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        pl_decimal a = dec(known[i][0]), b = dec(known[i][1]), q, r;
        assert_int_equal(pl_decimal_floor_divide(&a, &b, &q, &r), PL_DECIMAL_OK);
        is(&q, known[i][2]);
        is(&r, known[i][3]);
        assert_int_equal(pl_decimal_floor_divide(&a, &b, NULL, &a), PL_DECIMAL_OK);
        is(&a, known[i][3]);
    }
}

static void test_division_by_zero(void **state) {
    (void)state;
    pl_decimal a = dec("1"), zero = dec("0.00"), r = dec("42");
    assert_int_equal(pl_decimal_divide(&a, &zero, &r), PL_DECIMAL_ZERO);
    assert_int_equal(pl_decimal_div(&a, &zero, 2, PL_ROUND_DOWN, &r), PL_DECIMAL_ZERO);
    assert_int_equal(pl_decimal_floor_divide(&a, &zero, &r, &r), PL_DECIMAL_ZERO);
    is(&r, "42");
}

static void test_division_to_scale(void **state) {
    (void)state;
    pl_decimal a = dec("2"), b = dec("3"), r;
    assert_int_equal(pl_decimal_div(&a, &b, 2, PL_ROUND_HALF_EVEN, &r), PL_DECIMAL_OK);
    is(&r, "0.67");
    assert_int_equal(pl_decimal_div(&a, &b, 0, PL_ROUND_DOWN, &r), PL_DECIMAL_OK);
    is(&r, "0");
    a = dec("1"), b = dec("8");
    assert_int_equal(pl_decimal_div(&a, &b, 2, PL_ROUND_HALF_EVEN, &r), PL_DECIMAL_OK);
    is(&r, "0.12");
    a = dec("3");
    assert_int_equal(pl_decimal_div(&a, &b, 2, PL_ROUND_HALF_EVEN, &r), PL_DECIMAL_OK);
    is(&r, "0.38");
    a = dec("0.0000001"), b = dec("10000000");
    assert_int_equal(pl_decimal_div(&a, &b, 3, PL_ROUND_UP, &r), PL_DECIMAL_OK);
    is(&r, "0.001");
    assert_int_equal(pl_decimal_div(&a, &b, 1001, PL_ROUND_UP, &r), PL_DECIMAL_RANGE);
    assert_int_equal(pl_decimal_div(&a, &b, -1, PL_ROUND_UP, &r), PL_DECIMAL_RANGE);
}

static void test_rounding_modes(void **state) {
    (void)state;
    /* in the order of pl_rounding: half even, half up, down, up, floor, ceiling */
    static const struct {
        const char *value, *rounded[6];
    } known[] = {
        {"1.2", {"1", "1", "1", "2", "1", "2"}},
        {"1.5", {"2", "2", "1", "2", "1", "2"}},
        {"2.5", {"2", "3", "2", "3", "2", "3"}},
        {"2.50001", {"3", "3", "2", "3", "2", "3"}},
        {"2.7", {"3", "3", "2", "3", "2", "3"}},
        {"-1.2", {"-1", "-1", "-1", "-2", "-2", "-1"}},
        {"-2.5", {"-2", "-3", "-2", "-3", "-3", "-2"}},
        {"-0.4", {"0", "0", "0", "-1", "-1", "0"}},
        {"3.000", {"3", "3", "3", "3", "3", "3"}},
        {"0.5", {"0", "1", "0", "1", "0", "1"}},
        {"9.9", {"10", "10", "9", "10", "9", "10"}},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        for (int mode = 0; mode < 6; mode++) {
            pl_decimal d = dec(known[i].value), r;
            assert_int_equal(pl_decimal_quantize(&d, 0, (pl_rounding)mode, &r),
                             PL_DECIMAL_OK);
            is(&r, known[i].rounded[mode]);
        }
    }
}

static void test_quantize(void **state) {
    (void)state;
    static const struct {
        const char *value;
        int scale;
        const char *expected;
    } known[] = {
        {"1.005", 2, "1.00"},
        {"1.015", 2, "1.02"},
        {"1.1", 4, "1.1000"},
        {"1234", -2, "1200"},
        {"1250", -2, "1200"},
        {"1350", -2, "1400"},
        {"49", -2, "0"},
        {"51", -2, "100"},
        {"0", 3, "0.000"},
        {"-0.004", 2, "0.00"},
        {"99.995", 2, "100.00"},
        {"123456789012345678901234567890.5", 0, "123456789012345678901234567890"},
        {"0.00000000000000000000000000000000000051", 36,
         "0.000000000000000000000000000000000001"},
        {"5", -2000, "0"},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        pl_decimal d = dec(known[i].value);
        assert_int_equal(pl_decimal_quantize(&d, known[i].scale, PL_ROUND_HALF_EVEN, &d),
                         PL_DECIMAL_OK);
        is(&d, known[i].expected);
    }
    pl_decimal d = dec("5");
    assert_int_equal(pl_decimal_quantize(&d, 1000, PL_ROUND_HALF_EVEN, &d),
                     PL_DECIMAL_RANGE);
    assert_int_equal(pl_decimal_quantize(&d, -1000, PL_ROUND_UP, &d), PL_DECIMAL_RANGE);
    assert_int_equal(pl_decimal_quantize(&d, -999, PL_ROUND_UP, &d), PL_DECIMAL_OK);
    assert_int_equal(pl_decimal_digits(&d), 1000);
}

static void test_compare_and_sign(void **state) {
    (void)state;
    static const struct {
        const char *a, *b;
        int order;
    } known[] = {
        {"1", "1.000", 0},  {"1", "2", -1},      {"-1", "1", -1},
        {"-1", "-2", 1},    {"0", "-0.0", 0},    {"0.1", "0.09", 1},
        {"1e20", "99", 1},  {"-1e20", "99", -1}, {"1e20", "100000000000000000000.1", -1},
        {"0", "0.001", -1}, {"0", "-0.001", 1},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        pl_decimal a = dec(known[i].a), b = dec(known[i].b);
        assert_int_equal(pl_decimal_compare(&a, &b), known[i].order);
        assert_int_equal(pl_decimal_compare(&b, &a), -known[i].order);
    }
    pl_decimal d = dec("1.50");
    pl_decimal_negate(&d);
    is(&d, "-1.50");
    assert_int_equal(pl_decimal_sign(&d), -1);
    pl_decimal_normalize(&d);
    is(&d, "-1.5");
    d = dec("0.00");
    pl_decimal_negate(&d);
    is(&d, "0.00");
    pl_decimal_normalize(&d);
    is(&d, "0");
    d = dec("1200.00");
    pl_decimal_normalize(&d);
    is(&d, "1200");
    assert_int_equal(pl_decimal_digits(&d), 4);
}

static void test_integers(void **state) {
    (void)state;
    static const int64_t known[] = {0, 1, -1, 10, INT64_MAX, INT64_MIN, INT64_MIN + 1};
    for (size_t i = 0; i < COUNT(known); i++) {
        pl_decimal d;
        char text[32];
        int64_t back = 77;
        pl_decimal_from_int(known[i], &d);
        snprintf(text, sizeof text, "%lld", (long long)known[i]);
        is(&d, text);
        assert_int_equal(pl_decimal_to_int(&d, &back), PL_DECIMAL_OK);
        assert_true(back == known[i]);
    }
    int64_t back = 77;
    pl_decimal d = dec("9223372036854775808");
    assert_int_equal(pl_decimal_to_int(&d, &back), PL_DECIMAL_RANGE);
    d = dec("-9223372036854775809");
    assert_int_equal(pl_decimal_to_int(&d, &back), PL_DECIMAL_RANGE);
    d = dec("1e30");
    assert_int_equal(pl_decimal_to_int(&d, &back), PL_DECIMAL_RANGE);
    d = dec("1.5");
    assert_int_equal(pl_decimal_to_int(&d, &back), PL_DECIMAL_INEXACT);
    assert_int_equal(back, 77);
    d = dec("-12.00");
    assert_int_equal(pl_decimal_to_int(&d, &back), PL_DECIMAL_OK);
    assert_int_equal(back, -12);
}

static void test_doubles(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *shortest, *exact4;
    } known[] = {
        {0.1, "0.1", "0.1000"},
        {-0.0, "0", "0.0000"},
        {2.5, "2.5", "2.5000"},
        {1e22, "10000000000000000000000", "10000000000000000000000.0000"},
        {2.00005, "2.00005", "2.0000"}, /* lies below in binary */
        {1.00005, "1.00005", "1.0001"}, /* lies above */
        {0.00003, "0.00003", "0.0000"},
        {-0.03125, "-0.03125", "-0.0312"},
        {0.09375, "0.09375", "0.0938"},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        pl_decimal d;
        double back;
        assert_int_equal(pl_decimal_from_double(known[i].value, &d), PL_DECIMAL_OK);
        is(&d, known[i].shortest);
        assert_int_equal(pl_decimal_to_double(&d, &back), PL_DECIMAL_OK);
        assert_true(back == known[i].value);
        assert_int_equal(pl_decimal_from_double_exact(known[i].value, 4, &d),
                         PL_DECIMAL_OK);
        is(&d, known[i].exact4);
    }
    pl_decimal d = dec("42");
    double back = 77;
    assert_int_equal(pl_decimal_from_double((double)NAN, &d), PL_DECIMAL_NOT_FINITE);
    assert_int_equal(pl_decimal_from_double(-(double)INFINITY, &d),
                     PL_DECIMAL_NOT_FINITE);
    assert_int_equal(pl_decimal_from_double_exact((double)NAN, 2, &d),
                     PL_DECIMAL_NOT_FINITE);
    assert_int_equal(pl_decimal_from_double_exact(1, 1001, &d), PL_DECIMAL_RANGE);
    is(&d, "42");
    d = dec("1e400");
    assert_int_equal(pl_decimal_to_double(&d, &back), PL_DECIMAL_RANGE);
    assert_true(back == 77);
    d = dec("1e-400");
    assert_int_equal(pl_decimal_to_double(&d, &back), PL_DECIMAL_OK);
    assert_true(back == 0);
    assert_int_equal(pl_decimal_from_double(5e-324, &d), PL_DECIMAL_OK);
    assert_int_equal(d.scale, 324);
    assert_int_equal(pl_decimal_from_double(1.7976931348623157e308, &d), PL_DECIMAL_OK);
    assert_int_equal(pl_decimal_digits(&d), 309);
}

/* printf's %.*f is exact, so it checks the binary digits of any double. */
static void test_exact_doubles_like_printf(void **state) {
    (void)state;
    uint64_t random = 11;
    for (int i = 0; i < 20000; i++) {
        char expected[1500];
        double value;
        pl_decimal d, back;
        random = random * 6364136223846793005u + 1442695040888963407u;
        memcpy(&value, &random, sizeof value);
        int scale = (int)(random % 40);
        if (!isfinite(value))
            continue;
        snprintf(expected, sizeof expected, "%.*f", scale, value);
        assert_int_equal(pl_decimal_from_double_exact(value, scale, &d), PL_DECIMAL_OK);
        back = dec(expected);
        assert_int_equal(pl_decimal_compare(&d, &back), 0);
        assert_int_equal(d.scale, scale);
    }
}

static void test_fits(void **state) {
    (void)state;
    static const struct {
        const char *value;
        int precision, scale;
        pl_decimal_rc rc;
    } known[] = {
        {"99.99", 4, 2, PL_DECIMAL_OK},          {"100", 4, 2, PL_DECIMAL_PRECISION},
        {"-99.9900", 4, 2, PL_DECIMAL_OK},       {"1.001", 4, 2, PL_DECIMAL_SCALE},
        {"0.01", 2, 2, PL_DECIMAL_OK},           {"1", 2, 2, PL_DECIMAL_PRECISION},
        {"12345.678", 0, -1, PL_DECIMAL_OK},     {"12345.678", 0, 2, PL_DECIMAL_SCALE},
        {"123456", 5, -1, PL_DECIMAL_PRECISION}, {"12345.6", 5, -1, PL_DECIMAL_OK},
        {"12345", 5, 0, PL_DECIMAL_OK},          {"0", 1, 1, PL_DECIMAL_OK},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        pl_decimal d = dec(known[i].value);
        assert_int_equal(pl_decimal_fits(&d, known[i].precision, known[i].scale),
                         known[i].rc);
    }
}

static void test_store(void **state) {
    (void)state;
    pl_decimal_stored s;
    pl_decimal d = dec("1.10");
    assert_int_equal(pl_decimal_store(&d, 2, &s), PL_DECIMAL_OK);
    assert_false(s.is_integer);
    assert_true(s.real == 1.1);
    d = dec("-12.00");
    assert_int_equal(pl_decimal_store(&d, 2, &s), PL_DECIMAL_OK);
    assert_true(s.is_integer);
    assert_int_equal(s.integer, -12);
    d = dec("9223372036854775807");
    assert_int_equal(pl_decimal_store(&d, 0, &s), PL_DECIMAL_OK);
    assert_true(s.is_integer && s.integer == INT64_MAX);
    d = dec("1e22");
    assert_int_equal(pl_decimal_store(&d, -1, &s), PL_DECIMAL_OK);
    assert_true(!s.is_integer && s.real == 1e22);
    d = dec("123456789012.45");
    assert_int_equal(pl_decimal_store(&d, 10, &s), PL_DECIMAL_OK);
    static const char *const lost[] = {"12345678901234567.89", "9223372036854775809",
                                       "0.1234567890123456789", "1e400", "1e-400"};
    for (size_t i = 0; i < COUNT(lost); i++) {
        d = dec(lost[i]);
        s.integer = 77;
        assert_int_equal(pl_decimal_store(&d, 19, &s), PL_DECIMAL_INEXACT);
        assert_int_equal(s.integer, 77);
    }
    d = dec("0.125"); /* the column keeps two digits */
    assert_int_equal(pl_decimal_store(&d, 2, &s), PL_DECIMAL_INEXACT);
}

static void test_load(void **state) {
    (void)state;
    pl_decimal d;
    assert_int_equal(pl_decimal_load_int(5, 2, &d), PL_DECIMAL_OK);
    is(&d, "5.00");
    assert_int_equal(pl_decimal_load_int(5, -1, &d), PL_DECIMAL_OK);
    is(&d, "5.0000000000");
    assert_int_equal(pl_decimal_load_real(1.1, 2, &d), PL_DECIMAL_OK);
    is(&d, "1.10");
    assert_int_equal(pl_decimal_load_real(2.675, 2, &d), PL_DECIMAL_OK);
    is(&d, "2.67"); /* its binary digits lie below the tie */
    assert_int_equal(pl_decimal_load_real(12345678.1, 10, &d), PL_DECIMAL_OK);
    is(&d, "12345678.1000000000"); /* not the noise of its binary digits */
    assert_int_equal(pl_decimal_load_text("1234567890.12345", 16, 2, &d), PL_DECIMAL_OK);
    is(&d, "1234567890.12");
    assert_int_equal(pl_decimal_load_text("abc", 3, 2, &d), PL_DECIMAL_SYNTAX);
    assert_int_equal(pl_decimal_load_real((double)INFINITY, 2, &d),
                     PL_DECIMAL_NOT_FINITE);
}

/* Whatever pl_decimal_store takes comes back; cents up to 15 digits always do. */
static void test_storage_round_trip(void **state) {
    (void)state;
    uint64_t random = 5;
    for (int i = 0; i < 20000; i++) {
        pl_decimal d, back;
        pl_decimal_stored s;
        random = random * 6364136223846793005u + 1442695040888963407u;
        pl_decimal_from_int((int64_t)(random % 1000000000000000u) - 500000000000000, &d);
        d.scale = (int)(random >> 60) % 13;
        assert_int_equal(pl_decimal_store(&d, 12, &s), PL_DECIMAL_OK);
        pl_decimal_rc rc = s.is_integer ? pl_decimal_load_int(s.integer, 12, &back)
                                        : pl_decimal_load_real(s.real, 12, &back);
        assert_int_equal(rc, PL_DECIMAL_OK);
        assert_int_equal(pl_decimal_compare(&d, &back), 0);
    }
}

/* Laws that hold for any operands. */
static void test_laws(void **state) {
    (void)state;
    uint64_t random = 3;
    for (int i = 0; i < 5000; i++) {
        char text[3][96];
        pl_decimal a, b, c, l, r, q;
        for (int k = 0; k < 3; k++) {
            char *p = text[k];
            int n = 1 + (int)(random >> 40) % 60;
            if (random & 1)
                *p++ = '-';
            for (int j = 0; j < n; j++) {
                random = random * 6364136223846793005u + 1442695040888963407u;
                *p++ = (char)('0' + (random >> 33) % 10);
            }
            snprintf(p, 16, "e-%d", (int)(random >> 50) % 50);
        }
        a = dec(text[0]), b = dec(text[1]), c = dec(text[2]);
        assert_int_equal(pl_decimal_add(&a, &b, &l), PL_DECIMAL_OK);
        assert_int_equal(pl_decimal_sub(&l, &b, &r), PL_DECIMAL_OK);
        assert_int_equal(pl_decimal_compare(&r, &a), 0);
        assert_int_equal(pl_decimal_mul(&l, &c, &l), PL_DECIMAL_OK);
        assert_int_equal(pl_decimal_mul(&a, &c, &q), PL_DECIMAL_OK);
        assert_int_equal(pl_decimal_mul(&b, &c, &r), PL_DECIMAL_OK);
        assert_int_equal(pl_decimal_add(&q, &r, &r), PL_DECIMAL_OK);
        assert_int_equal(pl_decimal_compare(&l, &r), 0);
        if (pl_decimal_sign(&b) == 0)
            continue;
        assert_int_equal(pl_decimal_floor_divide(&a, &b, &q, &r), PL_DECIMAL_OK);
        assert_true(r.count == 0 || r.negative == b.negative);
        assert_int_equal(pl_decimal_mul(&q, &b, &l), PL_DECIMAL_OK);
        assert_int_equal(pl_decimal_add(&l, &r, &l), PL_DECIMAL_OK);
        assert_int_equal(pl_decimal_compare(&l, &a), 0);
        assert_int_equal(pl_decimal_mul(&a, &b, &l), PL_DECIMAL_OK);
        assert_int_equal(pl_decimal_divide(&l, &b, &q), PL_DECIMAL_OK);
        assert_int_equal(pl_decimal_compare(&q, &a), 0);
    }
}

static void test_messages(void **state) {
    (void)state;
    assert_string_equal(pl_decimal_message(PL_DECIMAL_ZERO), "division by zero");
    assert_string_equal(pl_decimal_message((pl_decimal_rc)99), "unknown error");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_text_refused),
        cmocka_unit_test(test_longest),
        cmocka_unit_test(test_arithmetic),
        cmocka_unit_test(test_floor_division),
        cmocka_unit_test(test_division_by_zero),
        cmocka_unit_test(test_division_to_scale),
        cmocka_unit_test(test_rounding_modes),
        cmocka_unit_test(test_quantize),
        cmocka_unit_test(test_compare_and_sign),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_doubles),
        cmocka_unit_test(test_exact_doubles_like_printf),
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_store),
        cmocka_unit_test(test_load),
        cmocka_unit_test(test_storage_round_trip),
        cmocka_unit_test(test_laws),
        cmocka_unit_test(test_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
