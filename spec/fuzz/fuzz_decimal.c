/* SPDX-License-Identifier: MIT */
/*
** fuzz_decimal.c - any two texts, cut apart at the first comma, as decimals through every
** operation.
**
** What is read must come back from its own text; what an operation gives must obey the
** laws of arithmetic; a refusal must leave the result alone. Standalone:
**   clang -g -O1 -fsanitize=fuzzer,address,undefined -Ibindings spec/fuzz/fuzz_decimal.c
**     bindings/core/schema/decimal.c bindings/core/base/double.c -lgmp -lm
**     -o fuzz_decimal && ./fuzz_decimal -runs=1000000
*/
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/schema/decimal.h"

/* The sanitizer's report needs the place, which abort() gives. */
#define MUST(condition)                                                                  \
    do {                                                                                 \
        if (!(condition))                                                                \
            abort();                                                                     \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const pl_decimal *d) {
    MUST(d->scale >= 0 && d->scale <= PL_DECIMAL_DIGITS);
    MUST(d->count >= 0 && d->count <= PL_DECIMAL_LIMBS);
    MUST(d->count > 0 ? d->limb[d->count - 1] != 0 : !d->negative);
    MUST(pl_decimal_digits(d) <= PL_DECIMAL_DIGITS);
}

static bool same(const pl_decimal *a, const pl_decimal *b) {
    return a->scale == b->scale && pl_decimal_compare(a, b) == 0;
}

static bool read(const uint8_t *data, size_t size, pl_decimal *out) {
    char text[PL_DECIMAL_TEXT];
    pl_decimal back;
    /* an exact copy, so that reading one byte too far is seen */
    char *copy = malloc(size ? size : 1);
    MUST(copy);
    if (size > 0)
        memcpy(copy, data, size);
    pl_decimal_rc rc = pl_decimal_parse(copy, size, out);
    free(copy);
    if (rc != PL_DECIMAL_OK)
        return false;
    check(out);
    size_t len = pl_decimal_format(out, text);
    MUST(len < PL_DECIMAL_TEXT && text[len] == '\0');
    MUST(pl_decimal_parse(text, len, &back) == PL_DECIMAL_OK && same(out, &back));
    return true;
}

static void check_sums(const pl_decimal *a, const pl_decimal *b) {
    pl_decimal sum, back;
    if (pl_decimal_add(a, b, &sum) != PL_DECIMAL_OK)
        return;
    check(&sum);
    if (pl_decimal_sub(&sum, b, &back) == PL_DECIMAL_OK)
        MUST(pl_decimal_compare(&back, a) == 0);
    MUST(pl_decimal_add(b, a, &back) == PL_DECIMAL_OK && same(&sum, &back));
    pl_decimal_negate(&sum);
    MUST(pl_decimal_add(&sum, &back, &back) == PL_DECIMAL_OK);
    MUST(pl_decimal_sign(&back) == 0);
}

static void check_products(const pl_decimal *a, const pl_decimal *b) {
    pl_decimal product, quotient, rest;
    if (pl_decimal_sign(b) == 0) {
        MUST(pl_decimal_divide(a, b, &quotient) == PL_DECIMAL_ZERO);
        return;
    }
    if (pl_decimal_mul(a, b, &product) == PL_DECIMAL_OK) {
        check(&product);
        if (pl_decimal_digits(a) + 2 * pl_decimal_digits(b) < PL_DECIMAL_DIGITS &&
            pl_decimal_divide(&product, b, &quotient) == PL_DECIMAL_OK)
            MUST(pl_decimal_compare(&quotient, a) == 0);
    }
    if (pl_decimal_divide(a, b, &quotient) == PL_DECIMAL_OK)
        check(&quotient);
    if (pl_decimal_floor_divide(a, b, &quotient, &rest) != PL_DECIMAL_OK)
        return;
    check(&quotient);
    check(&rest);
    MUST(pl_decimal_sign(&rest) == 0 || rest.negative == b->negative);
    if (pl_decimal_mul(&quotient, b, &product) == PL_DECIMAL_OK &&
        pl_decimal_add(&product, &rest, &product) == PL_DECIMAL_OK)
        MUST(pl_decimal_compare(&product, a) == 0);
}

/* Rounding up and down enclose the number, and nothing lies between the two. */
static void check_rounding(const pl_decimal *d, int scale) {
    pl_decimal low, high, half, step, one;
    if (pl_decimal_quantize(d, scale, PL_ROUND_FLOOR, &low) != PL_DECIMAL_OK ||
        pl_decimal_quantize(d, scale, PL_ROUND_CEILING, &high) != PL_DECIMAL_OK)
        return;
    check(&low);
    check(&high);
    MUST(pl_decimal_compare(&low, d) <= 0 && pl_decimal_compare(d, &high) <= 0);
    MUST(pl_decimal_quantize(d, scale, PL_ROUND_HALF_EVEN, &half) == PL_DECIMAL_OK);
    MUST(same(&half, &low) || same(&half, &high));
    MUST(pl_decimal_sub(&high, &low, &step) == PL_DECIMAL_OK);
    pl_decimal_from_int(1, &one);
    one.scale = scale;
    MUST(pl_decimal_sign(&step) == 0 || pl_decimal_compare(&step, &one) == 0);
}

static void check_storage(const pl_decimal *d, int scale) {
    pl_decimal_stored stored;
    pl_decimal back;
    int64_t n;
    double real;
    if (pl_decimal_to_int(d, &n) == PL_DECIMAL_OK) {
        pl_decimal_from_int(n, &back);
        MUST(pl_decimal_compare(d, &back) == 0);
    }
    if (pl_decimal_to_double(d, &real) == PL_DECIMAL_OK &&
        pl_decimal_from_double(real, &back) == PL_DECIMAL_OK)
        check(&back);
    if (pl_decimal_store(d, scale, &stored) != PL_DECIMAL_OK || stored.is_integer)
        return;
    MUST(pl_decimal_load_real(stored.real, scale, &back) == PL_DECIMAL_OK);
    MUST(pl_decimal_compare(d, &back) == 0);
}

static void check_double(const uint8_t *data, size_t size) {
    double value, back;
    pl_decimal d;
    if (size < sizeof value)
        return;
    memcpy(&value, data, sizeof value);
    pl_decimal_rc rc = pl_decimal_from_double(value, &d);
    MUST((rc == PL_DECIMAL_NOT_FINITE) == !isfinite(value));
    if (rc == PL_DECIMAL_OK)
        MUST(pl_decimal_to_double(&d, &back) == PL_DECIMAL_OK && back == value);
    (void)pl_decimal_from_double_exact(value, data[0] * 4, &d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pl_decimal a, b;
    const uint8_t *comma = size > 0 ? memchr(data, ',', size) : NULL;
    size_t first = comma ? (size_t)(comma - data) : size;
    check_double(data, size);
    if (!read(data, first, &a))
        return 0;
    int scale = (int)(size * 7 % 60);
    check_rounding(&a, scale);
    check_storage(&a, scale);
    (void)pl_decimal_fits(&a, scale + 3, scale);
    if (!comma || !read(comma + 1, size - first - 1, &b))
        return 0;
    MUST(pl_decimal_compare(&a, &b) == -pl_decimal_compare(&b, &a));
    check_sums(&a, &b);
    check_products(&a, &b);
    return 0;
}
