/* SPDX-License-Identifier: MIT */
/*
** decimal.h - exact decimal numbers: an integer and the count of its digits behind the
** point.
**
** The integer is held in GMP limbs inside the struct and worked on with GMP's low-level
** functions, so a pl_decimal owns no heap, is copied by assignment and needs no clearing;
** a Lua error that jumps over one leaks nothing. The price is a limit: a number has at
** most PL_DECIMAL_DIGITS digits, and as many behind the point. Sums and products are
** exact or refused, never rounded; only division and the functions that take a rounding
** mode round.
**
** Callers are the Numeric column type and the Lua class perilune.Decimal. Every function
** that can refuse returns a pl_decimal_rc and leaves its result untouched when it does;
** a result may be one of the operands.
*/
#ifndef PL_DECIMAL_H
#define PL_DECIMAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <gmp.h>

#define PL_DECIMAL_DIGITS 1000
#define PL_DECIMAL_TEXT   1008 /* sign, "0.", digits and the closing zero */
#define PL_DECIMAL_LIMBS  ((PL_DECIMAL_DIGITS * 10 / 3 + GMP_NUMB_BITS) / GMP_NUMB_BITS)

/* Digits of a quotient that has no end, as in Python's default context. */
#define PL_DECIMAL_DIVISION 28

/* Digits behind the point of a Numeric column that does not say how many. */
#define PL_DECIMAL_DEFAULT_SCALE 10

#define PL_DECIMAL_CODES(X)                                                              \
    X(OK, "no error")                                                                    \
    X(SYNTAX, "not a decimal number")                                                    \
    X(RANGE, "a decimal has at most 1000 digits, and as many behind the point")          \
    X(ZERO, "division by zero")                                                          \
    X(INEXACT, "the number cannot be held without loss")                                 \
    X(NOT_FINITE, "NaN and infinities are not decimals")                                 \
    X(SCALE, "too many digits behind the point")                                         \
    X(PRECISION, "too many digits before the point")

typedef enum pl_decimal_rc {
#define X(name, text) PL_DECIMAL_##name,
    PL_DECIMAL_CODES(X)
#undef X
} pl_decimal_rc;

/* The sentence that goes with a code; never NULL. */
const char *pl_decimal_message(pl_decimal_rc rc);

typedef enum pl_rounding {
    PL_ROUND_HALF_EVEN, /* Python's default */
    PL_ROUND_HALF_UP,   /* ties away from zero */
    PL_ROUND_DOWN,      /* towards zero */
    PL_ROUND_UP,        /* away from zero */
    PL_ROUND_FLOOR,
    PL_ROUND_CEILING
} pl_rounding;

/* Invariants: value = +-limb[0..count) / 10^scale, the last limb used is not 0, zero has
** count 0 and is not negative, 0 <= scale <= PL_DECIMAL_DIGITS. */
typedef struct pl_decimal {
    bool negative;
    int scale;
    mp_size_t count;
    mp_limb_t limb[PL_DECIMAL_LIMBS];
} pl_decimal;

/* Text is [sign]digits[.digits][e[sign]digits] with a digit somewhere before the e, and
** nothing around it. The scale is that of the text: "1.10" keeps its zero, "1e3" is 1000.
*/
pl_decimal_rc pl_decimal_parse(const char *text, size_t len, pl_decimal *out);

/* Plain notation, with the scale's zeros, never an exponent; returns the length. */
size_t pl_decimal_format(const pl_decimal *d, char out[PL_DECIMAL_TEXT]);

void pl_decimal_from_int(int64_t n, pl_decimal *out);

/* The shortest decimal that reads back as the same double. */
pl_decimal_rc pl_decimal_from_double(double value, pl_decimal *out);

/* The double itself, rounded from all its binary digits to `scale`, as '%.*f' does. */
pl_decimal_rc pl_decimal_from_double_exact(double value, int scale, pl_decimal *out);

/* INEXACT when there is a fraction, RANGE when it does not fit. */
pl_decimal_rc pl_decimal_to_int(const pl_decimal *d, int64_t *out);

/* The nearest double; RANGE when there is none. */
pl_decimal_rc pl_decimal_to_double(const pl_decimal *d, double *out);

/* -1, 0 or 1; scales do not matter. */
int pl_decimal_compare(const pl_decimal *a, const pl_decimal *b);

/* -1, 0 or 1. */
int pl_decimal_sign(const pl_decimal *d);

/* Digits of the integer, leading zeros not counted; 1 for zero. */
int pl_decimal_digits(const pl_decimal *d);

void pl_decimal_negate(pl_decimal *d);

/* Exact. The scale is the larger of the two, for a product their sum. */
pl_decimal_rc pl_decimal_add(const pl_decimal *a, const pl_decimal *b, pl_decimal *out);
pl_decimal_rc pl_decimal_sub(const pl_decimal *a, const pl_decimal *b, pl_decimal *out);
pl_decimal_rc pl_decimal_mul(const pl_decimal *a, const pl_decimal *b, pl_decimal *out);

/* The quotient at a given scale. */
pl_decimal_rc pl_decimal_div(const pl_decimal *a, const pl_decimal *b, int scale,
                             pl_rounding mode, pl_decimal *out);

/* The quotient to at least PL_DECIMAL_DIVISION significant digits (more when the operands
** have more), half-even; an exact one has no needless trailing zeros. */
pl_decimal_rc pl_decimal_divide(const pl_decimal *a, const pl_decimal *b,
                                pl_decimal *out);

/* The quotient rounded down (scale 0) and the rest that goes with it, which has the
** divisor's sign; either result may be NULL. */
pl_decimal_rc pl_decimal_floor_divide(const pl_decimal *a, const pl_decimal *b,
                                      pl_decimal *quotient, pl_decimal *rest);

/* To so many digits behind the point. A negative scale rounds to tens, hundreds ...; the
** result then has scale 0. */
pl_decimal_rc pl_decimal_quantize(const pl_decimal *d, int scale, pl_rounding mode,
                                  pl_decimal *out);

/* Without trailing zeros behind the point. */
void pl_decimal_normalize(pl_decimal *d);

/* Whether d fits Numeric(precision, scale): PL_DECIMAL_SCALE when rounding to `scale`
** would change it, PL_DECIMAL_PRECISION when too many digits stand before the point. A
** negative scale or a precision of 0 sets no limit. */
pl_decimal_rc pl_decimal_fits(const pl_decimal *d, int precision, int scale);

/*
** Storage in a column of NUMERIC affinity, as SQLAlchemy leaves it: SQLite holds a 64-bit
** integer or a double. It turns every text that looks like a number into one of these,
** also where digits are lost, so the caller must not bind as text what does not fit:
** pl_decimal_store answers PL_DECIMAL_INEXACT for a number that pl_decimal_load_real
** would not read back the same at the column's scale (negative: the default scale).
*/
typedef struct pl_decimal_stored {
    bool is_integer;
    int64_t integer;
    double real;
} pl_decimal_stored;

pl_decimal_rc pl_decimal_store(const pl_decimal *d, int scale, pl_decimal_stored *out);

/* Stored values read at the column's scale (negative: the default scale). A double whose
** shortest text has no more digits than that is taken by its text, any other is rounded
** from its binary digits, as SQLAlchemy does with all. */
pl_decimal_rc pl_decimal_load_int(int64_t n, int scale, pl_decimal *out);
pl_decimal_rc pl_decimal_load_real(double value, int scale, pl_decimal *out);
pl_decimal_rc pl_decimal_load_text(const char *text, size_t len, int scale,
                                   pl_decimal *out);

#endif
