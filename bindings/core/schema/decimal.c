/* SPDX-License-Identifier: MIT */
/*
** decimal.c - exact decimals on GMP's limb functions. See decimal.h.
**
** Every operation works on a `wide`, a natural number with room for the largest
** intermediate result, and ends in keep(), the one place that checks the limits and
** writes a pl_decimal. Scaling by a power of ten multiplies or divides by single limbs;
** rounding drops decimal digits from a truncated number and a flag that says whether
** something else was cut off before ("sticky").
*/
#include "core/schema/decimal.h"

#include <limits.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/double.h"

/* The largest power of ten in a limb. */
#define CHUNK_DIGITS 19
#define CHUNK        UINT64_C(10000000000000000000)

/* A numerator scaled up for a quotient: three times the digits of a number. */
#define WIDE_LIMBS (3 * PL_DECIMAL_LIMBS + 4)

_Static_assert(GMP_NUMB_BITS == 64, "a limb must hold ten to the power 19");

typedef struct wide {
    mp_size_t count;
    mp_limb_t limb[WIDE_LIMBS];
} wide;

const char *pl_decimal_message(pl_decimal_rc rc) {
    static const char *const text[] = {
#define X(name, sentence) sentence,
        PL_DECIMAL_CODES(X)
#undef X
    };
    size_t i = (size_t)rc;
    return i < sizeof text / sizeof text[0] ? text[i] : "unknown error";
}

/* ---- natural numbers -------------------------------------------------------- */

static void widen(const pl_decimal *d, wide *w) {
    w->count = d->count;
    if (d->count > 0)
        mpn_copyi(w->limb, d->limb, d->count);
}

static void trim(wide *w) {
    while (w->count > 0 && w->limb[w->count - 1] == 0)
        w->count--;
}

static mp_limb_t power_of_ten(int n) {
    mp_limb_t p = 1;
    while (n-- > 0)
        p *= 10;
    return p;
}

/* w *= 10^digits; false when it does not fit. */
static bool scale_up(wide *w, int digits) {
    for (; w->count > 0 && digits > 0; digits -= CHUNK_DIGITS) {
        mp_limb_t factor = digits < CHUNK_DIGITS ? power_of_ten(digits) : CHUNK;
        mp_limb_t carry = mpn_mul_1(w->limb, w->limb, w->count, factor);
        if (carry == 0)
            continue;
        if (w->count == WIDE_LIMBS)
            return false;
        w->limb[w->count++] = carry;
    }
    return true;
}

/* w /= 10^digits, cut off; true when what was cut off was not zero. */
static bool scale_down(wide *w, int digits) {
    bool cut = false;
    for (; w->count > 0 && digits > 0; digits -= CHUNK_DIGITS) {
        mp_limb_t divisor = digits < CHUNK_DIGITS ? power_of_ten(digits) : CHUNK;
        cut |= mpn_divrem_1(w->limb, 0, w->limb, w->count, divisor) != 0;
        trim(w);
    }
    return cut;
}

static bool rounds_away(pl_rounding mode, bool negative, bool odd, mp_limb_t digit,
                        bool sticky) {
    bool any = digit > 0 || sticky;
    bool over_half = digit > 5 || (digit == 5 && sticky);
    bool half = digit == 5 && !sticky;
    switch (mode) {
    case PL_ROUND_HALF_EVEN: return over_half || (half && odd);
    case PL_ROUND_HALF_UP: return over_half || half;
    case PL_ROUND_UP: return any;
    case PL_ROUND_FLOOR: return any && negative;
    case PL_ROUND_CEILING: return any && !negative;
    case PL_ROUND_DOWN: break;
    }
    return false;
}

static void increment(wide *w) {
    mp_limb_t carry = 1;
    if (w->count > 0)
        carry = mpn_add_1(w->limb, w->limb, w->count, 1);
    if (carry != 0)
        w->limb[w->count++] = carry;
}

/* Drops `digits` > 0 digits with rounding; `sticky` says that a part not in w is cut off
** too. True when the result is not exact. */
static bool round_off(wide *w, int digits, bool sticky, pl_rounding mode, bool negative) {
    sticky |= scale_down(w, digits - 1);
    mp_limb_t digit = 0;
    if (w->count > 0) {
        digit = mpn_divrem_1(w->limb, 0, w->limb, w->count, 10);
        trim(w);
    }
    bool odd = w->count > 0 && (w->limb[0] & 1);
    if (rounds_away(mode, negative, odd, digit, sticky))
        increment(w);
    return digit != 0 || sticky;
}

/* The digits as values 0..9, most significant first; returns their number, 0 for zero. */
static int to_digits(const mp_limb_t *limb, mp_size_t count, unsigned char *digits) {
    mp_limb_t copy[WIDE_LIMBS]; /* mpn_get_str destroys its source */
    if (count == 0)
        return 0;
    mpn_copyi(copy, limb, count);
    size_t n = mpn_get_str(digits, 10, copy, count), zeros = 0;
    while (digits[zeros] == 0)
        zeros++;
    if (zeros > 0)
        memmove(digits, digits + zeros, n - zeros);
    return (int)(n - zeros);
}

static int count_digits(const wide *w) {
    unsigned char digits[WIDE_LIMBS * 20];
    return to_digits(w->limb, w->count, digits);
}

static bool too_long(const wide *w) {
    if (w->count < PL_DECIMAL_LIMBS - 1)
        return false;
    return w->count > PL_DECIMAL_LIMBS || count_digits(w) > PL_DECIMAL_DIGITS;
}

/* Writes the result of an operation. */
static pl_decimal_rc keep(const wide *w, int scale, bool negative, pl_decimal *out) {
    if (scale < 0 || scale > PL_DECIMAL_DIGITS || too_long(w))
        return PL_DECIMAL_RANGE;
    out->count = w->count;
    out->scale = scale;
    out->negative = negative && w->count > 0;
    if (w->count > 0)
        mpn_copyi(out->limb, w->limb, w->count);
    return PL_DECIMAL_OK;
}

static int compare_wide(const wide *a, const wide *b) {
    if (a->count != b->count)
        return a->count < b->count ? -1 : 1;
    int r = a->count > 0 ? mpn_cmp(a->limb, b->limb, a->count) : 0;
    return (r > 0) - (r < 0);
}

/* ---- text ------------------------------------------------------------------- */

typedef struct reader {
    const char *p, *end;
    unsigned char digits[PL_DECIMAL_DIGITS];
    int count;     /* digits kept, leading zeros left out */
    int scale;     /* digits behind the point, before the exponent counts */
    bool any;      /* a digit was read */
    bool too_long; /* more digits than there is room for */
} reader;

static void read_digits(reader *r, bool behind_point) {
    for (; r->p < r->end && *r->p >= '0' && *r->p <= '9'; r->p++) {
        r->any = true;
        if (behind_point && r->scale < INT_MAX / 2)
            r->scale++;
        if (r->count == 0 && *r->p == '0')
            continue;
        if (r->count == PL_DECIMAL_DIGITS)
            r->too_long = true;
        else
            r->digits[r->count++] = (unsigned char)(*r->p - '0');
    }
}

/* Sign and digits of an exponent; beyond a million it is as good as any. */
static bool read_exponent(reader *r, int *exponent) {
    int n = 0;
    bool negative = r->p < r->end && *r->p == '-';
    if (r->p < r->end && (*r->p == '-' || *r->p == '+'))
        r->p++;
    if (r->p == r->end)
        return false;
    for (; r->p < r->end; r->p++) {
        if (*r->p < '0' || *r->p > '9')
            return false;
        if (n < 1000000)
            n = n * 10 + (*r->p - '0');
    }
    *exponent = negative ? -n : n;
    return true;
}

/* digits * 10^-scale, where scale may be negative. */
static pl_decimal_rc from_digits(const unsigned char *digits, int count, int scale,
                                 bool negative, pl_decimal *out) {
    wide w = {.count = 0};
    if (count > 0)
        w.count = mpn_set_str(w.limb, digits, (size_t)count, 10);
    trim(&w);
    if (scale < 0) {
        if (w.count > 0 && (scale < -PL_DECIMAL_DIGITS || !scale_up(&w, -scale)))
            return PL_DECIMAL_RANGE;
        scale = 0;
    }
    return keep(&w, scale, negative, out);
}

pl_decimal_rc pl_decimal_parse(const char *text, size_t len, pl_decimal *out) {
    reader r;
    int exponent = 0;
    r.p = text;
    r.end = text + len;
    r.count = r.scale = 0;
    r.any = r.too_long = false;
    bool negative = len > 0 && *text == '-';
    if (len > 0 && (*text == '-' || *text == '+'))
        r.p++;
    read_digits(&r, false);
    if (r.p < r.end && *r.p == '.') {
        r.p++;
        read_digits(&r, true);
    }
    if (r.any && r.p < r.end && (*r.p == 'e' || *r.p == 'E')) {
        r.p++;
        if (!read_exponent(&r, &exponent))
            return PL_DECIMAL_SYNTAX;
    }
    if (!r.any || r.p != r.end)
        return PL_DECIMAL_SYNTAX;
    if (r.too_long)
        return PL_DECIMAL_RANGE;
    return from_digits(r.digits, r.count, r.scale - exponent, negative, out);
}

size_t pl_decimal_format(const pl_decimal *d, char out[PL_DECIMAL_TEXT]) {
    unsigned char digits[PL_DECIMAL_LIMBS * 20];
    char *p = out;
    int n = to_digits(d->limb, d->count, digits);
    int whole = n - d->scale; /* digits before the point */
    if (d->negative)
        *p++ = '-';
    if (whole <= 0)
        *p++ = '0';
    for (int i = 0; i < whole; i++)
        *p++ = (char)('0' + digits[i]);
    if (d->scale > 0)
        *p++ = '.';
    for (int i = whole; i < n; i++)
        *p++ = (char)(i < 0 ? '0' : '0' + digits[i]);
    *p = '\0';
    return (size_t)(p - out);
}

int pl_decimal_digits(const pl_decimal *d) {
    unsigned char digits[PL_DECIMAL_LIMBS * 20];
    int n = to_digits(d->limb, d->count, digits);
    return n > 0 ? n : 1;
}

/* ---- machine numbers -------------------------------------------------------- */

void pl_decimal_from_int(int64_t n, pl_decimal *out) {
    out->negative = n < 0;
    out->scale = 0;
    out->limb[0] = n < 0 ? 0 - (uint64_t)n : (uint64_t)n;
    out->count = n != 0;
}

pl_decimal_rc pl_decimal_from_double(double value, pl_decimal *out) {
    char text[PL_DOUBLE_DIGITS];
    unsigned char digits[PL_DOUBLE_DIGITS];
    int point;
    if (!isfinite(value))
        return PL_DECIMAL_NOT_FINITE;
    int n = pl_double_digits(value, text, &point);
    for (int i = 0; i < n; i++)
        digits[i] = (unsigned char)(text[i] - '0');
    return from_digits(digits, n, n - point, value < 0, out);
}

/* w *= 2^bits. */
static void shift_up(wide *w, int bits) {
    mp_size_t limbs = bits / 64;
    if (limbs > 0) {
        mpn_copyd(w->limb + limbs, w->limb, w->count);
        mpn_zero(w->limb, limbs);
        w->count += limbs;
    }
    if (bits % 64 != 0) {
        mp_limb_t carry = mpn_lshift(w->limb, w->limb, w->count, (unsigned)bits % 64);
        if (carry != 0)
            w->limb[w->count++] = carry;
    }
}

/* w /= 2^bits, cut off; true when what was cut off was not zero. */
static bool shift_down(wide *w, int bits) {
    mp_size_t limbs = bits / 64;
    if (w->count == 0)
        return false;
    if (limbs >= w->count) {
        w->count = 0;
        return true;
    }
    bool cut = limbs > 0 && !mpn_zero_p(w->limb, limbs);
    if (limbs > 0)
        mpn_copyi(w->limb, w->limb + limbs, w->count - limbs);
    w->count -= limbs;
    if (bits % 64 != 0)
        cut |= mpn_rshift(w->limb, w->limb, w->count, (unsigned)bits % 64) != 0;
    trim(w);
    return cut;
}

pl_decimal_rc pl_decimal_from_double_exact(double value, int scale, pl_decimal *out) {
    int exponent;
    bool sticky = false;
    if (!isfinite(value))
        return PL_DECIMAL_NOT_FINITE;
    if (scale < 0 || scale > PL_DECIMAL_DIGITS)
        return PL_DECIMAL_RANGE;
    double fraction = frexp(fabs(value), &exponent);
    wide w = {.count = fraction != 0};
    w.limb[0] = (mp_limb_t)ldexp(fraction, 53);
    exponent -= 53;
    if (w.count > 0 && exponent > 0)
        shift_up(&w, exponent);
    if (!scale_up(&w, scale + 1))
        return PL_DECIMAL_RANGE;
    if (exponent < 0)
        sticky = shift_down(&w, -exponent);
    round_off(&w, 1, sticky, PL_ROUND_HALF_EVEN, value < 0);
    return keep(&w, scale, value < 0, out);
}

pl_decimal_rc pl_decimal_to_int(const pl_decimal *d, int64_t *out) {
    wide w;
    widen(d, &w);
    if (scale_down(&w, d->scale))
        return PL_DECIMAL_INEXACT;
    uint64_t n = w.count > 0 ? w.limb[0] : 0;
    uint64_t most = (uint64_t)INT64_MAX + d->negative;
    if (w.count > 1 || n > most)
        return PL_DECIMAL_RANGE;
    *out = d->negative ? (int64_t)(0 - n) : (int64_t)n;
    return PL_DECIMAL_OK;
}

pl_decimal_rc pl_decimal_to_double(const pl_decimal *d, double *out) {
    char text[PL_DECIMAL_TEXT + 16];
    pl_decimal integer = *d;
    integer.scale = 0;
    size_t n = pl_decimal_format(&integer, text);
    snprintf(text + n, 16, "e-%d", d->scale); /* no point, so no locale */
    double value = strtod(text, NULL);
    if (!isfinite(value))
        return PL_DECIMAL_RANGE;
    *out = value;
    return PL_DECIMAL_OK;
}

/* ---- comparison and arithmetic ---------------------------------------------- */

int pl_decimal_sign(const pl_decimal *d) {
    return d->negative ? -1 : d->count > 0;
}

/* Both integers at the larger of the two scales, which is returned. */
static int align(const pl_decimal *a, const pl_decimal *b, wide *wa, wide *wb) {
    int scale = a->scale > b->scale ? a->scale : b->scale;
    widen(a, wa);
    widen(b, wb);
    (void)scale_up(wa, scale - a->scale); /* at most twice the digits: there is room */
    (void)scale_up(wb, scale - b->scale);
    return scale;
}

int pl_decimal_compare(const pl_decimal *a, const pl_decimal *b) {
    wide wa, wb;
    int sa = pl_decimal_sign(a), sb = pl_decimal_sign(b);
    if (sa != sb)
        return sa < sb ? -1 : 1;
    align(a, b, &wa, &wb);
    return sa * compare_wide(&wa, &wb);
}

void pl_decimal_negate(pl_decimal *d) {
    d->negative = !d->negative && d->count > 0;
}

/* big += small, where big >= small. */
static void add_into(wide *big, const wide *small) {
    mp_limb_t carry = 0;
    if (small->count > 0)
        carry = mpn_add(big->limb, big->limb, big->count, small->limb, small->count);
    if (carry != 0)
        big->limb[big->count++] = carry;
}

/* big -= small, where big >= small. */
static void subtract_from(wide *big, const wide *small) {
    if (small->count > 0)
        mpn_sub(big->limb, big->limb, big->count, small->limb, small->count);
    trim(big);
}

static pl_decimal_rc sum(const pl_decimal *a, const pl_decimal *b, bool b_negative,
                         pl_decimal *out) {
    wide wa, wb, *big = &wa, *small = &wb;
    int scale = align(a, b, &wa, &wb);
    bool negative = a->negative, same = a->negative == b_negative;
    if (compare_wide(&wa, &wb) < 0) {
        big = &wb;
        small = &wa;
        negative = b_negative;
    }
    if (same)
        add_into(big, small);
    else
        subtract_from(big, small);
    return keep(big, scale, negative, out);
}

pl_decimal_rc pl_decimal_add(const pl_decimal *a, const pl_decimal *b, pl_decimal *out) {
    return sum(a, b, b->negative, out);
}

pl_decimal_rc pl_decimal_sub(const pl_decimal *a, const pl_decimal *b, pl_decimal *out) {
    return sum(a, b, !b->negative, out);
}

pl_decimal_rc pl_decimal_mul(const pl_decimal *a, const pl_decimal *b, pl_decimal *out) {
    wide w = {.count = 0};
    const pl_decimal *longer = a->count >= b->count ? a : b;
    const pl_decimal *shorter = longer == a ? b : a;
    if (shorter->count > 0) {
        mpn_mul(w.limb, longer->limb, longer->count, shorter->limb, shorter->count);
        w.count = longer->count + shorter->count;
        trim(&w);
    }
    return keep(&w, a->scale + b->scale, a->negative != b->negative, out);
}

/* q = a / b * 10^shift, cut off; *sticky says whether there is a rest. False when it has
** more digits than there is room for. */
static bool divide(const pl_decimal *a, const pl_decimal *b, int shift, wide *q,
                   bool *sticky) {
    wide n, d;
    mp_limb_t rest[WIDE_LIMBS];
    widen(a, &n);
    widen(b, &d);
    if (!scale_up(shift > 0 ? &n : &d, abs(shift)))
        return false;
    q->count = 0;
    *sticky = n.count > 0;
    if (n.count < d.count)
        return true;
    mpn_tdiv_qr(q->limb, rest, 0, n.limb, n.count, d.limb, d.count);
    q->count = n.count - d.count + 1;
    trim(q);
    *sticky = !mpn_zero_p(rest, d.count);
    return true;
}

pl_decimal_rc pl_decimal_div(const pl_decimal *a, const pl_decimal *b, int scale,
                             pl_rounding mode, pl_decimal *out) {
    wide q;
    bool sticky, negative = a->negative != b->negative;
    if (b->count == 0)
        return PL_DECIMAL_ZERO;
    if (scale < 0 || scale > PL_DECIMAL_DIGITS ||
        !divide(a, b, scale + b->scale - a->scale + 1, &q, &sticky))
        return PL_DECIMAL_RANGE;
    round_off(&q, 1, sticky, mode, negative);
    return keep(&q, scale, negative, out);
}

/* Drops zeros at the end of w, as many as lie between scale and least. */
static int strip_zeros(wide *w, int scale, int least) {
    wide shorter;
    for (; scale > least && w->count > 0; scale--) {
        if (mpn_divrem_1(shorter.limb, 0, w->limb, w->count, 10) != 0)
            break;
        shorter.count = w->count;
        trim(&shorter);
        w->count = shorter.count;
        mpn_copyi(w->limb, shorter.limb, w->count);
    }
    return w->count > 0 ? scale : least;
}

/* One digit more than asked for decides the rounding; an integer quotient of so shifted a
** numerator has that many digits or one more still. */
pl_decimal_rc pl_decimal_divide(const pl_decimal *a, const pl_decimal *b,
                                pl_decimal *out) {
    wide q;
    bool sticky, negative = a->negative != b->negative;
    if (b->count == 0)
        return PL_DECIMAL_ZERO;
    int da = pl_decimal_digits(a), db = pl_decimal_digits(b);
    int wanted = da + db + 1 > PL_DECIMAL_DIVISION ? da + db + 1 : PL_DECIMAL_DIVISION;
    if (wanted > PL_DECIMAL_DIGITS)
        wanted = PL_DECIMAL_DIGITS;
    int shift = wanted + 1 - da + db, scale = shift + a->scale - b->scale;
    int least = a->scale > b->scale ? a->scale - b->scale : 0;
    if (!divide(a, b, shift, &q, &sticky))
        return PL_DECIMAL_RANGE;
    int extra = count_digits(&q) - wanted;
    if (extra < scale - PL_DECIMAL_DIGITS)
        extra = scale - PL_DECIMAL_DIGITS;
    if (extra > 0) {
        sticky = round_off(&q, extra, sticky, PL_ROUND_HALF_EVEN, negative);
        scale -= extra;
    }
    if (scale < 0) {
        if (!scale_up(&q, -scale))
            return PL_DECIMAL_RANGE;
        scale = 0;
    }
    if (!sticky)
        scale = strip_zeros(&q, scale, least);
    return keep(&q, scale, negative, out);
}

pl_decimal_rc pl_decimal_floor_divide(const pl_decimal *a, const pl_decimal *b,
                                      pl_decimal *quotient, pl_decimal *rest) {
    pl_decimal q, product, r;
    pl_decimal_rc rc = pl_decimal_div(a, b, 0, PL_ROUND_FLOOR, &q);
    if (rc == PL_DECIMAL_OK && rest) {
        rc = pl_decimal_mul(&q, b, &product);
        if (rc == PL_DECIMAL_OK)
            rc = pl_decimal_sub(a, &product, &r);
    }
    if (rc != PL_DECIMAL_OK)
        return rc;
    if (quotient)
        *quotient = q;
    if (rest)
        *rest = r;
    return PL_DECIMAL_OK;
}

/* ---- rounding and limits ---------------------------------------------------- */

pl_decimal_rc pl_decimal_quantize(const pl_decimal *d, int scale, pl_rounding mode,
                                  pl_decimal *out) {
    wide w;
    widen(d, &w);
    if (scale < -2 * PL_DECIMAL_DIGITS || scale > PL_DECIMAL_DIGITS)
        return PL_DECIMAL_RANGE;
    if (scale < d->scale)
        round_off(&w, d->scale - scale, false, mode, d->negative);
    else if (!scale_up(&w, scale - d->scale))
        return PL_DECIMAL_RANGE;
    if (scale < 0) {
        if (!scale_up(&w, -scale))
            return PL_DECIMAL_RANGE;
        scale = 0;
    }
    return keep(&w, scale, d->negative, out);
}

void pl_decimal_normalize(pl_decimal *d) {
    wide w;
    widen(d, &w);
    int scale = strip_zeros(&w, d->scale, 0);
    (void)keep(&w, scale, d->negative, d); /* no longer than it was */
}

pl_decimal_rc pl_decimal_fits(const pl_decimal *d, int precision, int scale) {
    wide w;
    widen(d, &w);
    if (scale >= 0 && scale < d->scale && scale_down(&w, d->scale - scale))
        return PL_DECIMAL_SCALE;
    if (precision <= 0)
        return PL_DECIMAL_OK;
    widen(d, &w);
    scale_down(&w, d->scale);
    int allowed = precision - (scale > 0 ? scale : 0);
    return count_digits(&w) > allowed ? PL_DECIMAL_PRECISION : PL_DECIMAL_OK;
}

/* ---- storage ---------------------------------------------------------------- */

static int column_scale(int scale) {
    return scale < 0 ? PL_DECIMAL_DEFAULT_SCALE : scale;
}

pl_decimal_rc pl_decimal_load_int(int64_t n, int scale, pl_decimal *out) {
    pl_decimal d;
    pl_decimal_from_int(n, &d);
    return pl_decimal_quantize(&d, column_scale(scale), PL_ROUND_HALF_EVEN, out);
}

pl_decimal_rc pl_decimal_load_real(double value, int scale, pl_decimal *out) {
    pl_decimal d;
    scale = column_scale(scale);
    if (pl_decimal_from_double(value, &d) == PL_DECIMAL_OK && d.scale <= scale)
        return pl_decimal_quantize(&d, scale, PL_ROUND_HALF_EVEN, out);
    return pl_decimal_from_double_exact(value, scale, out);
}

pl_decimal_rc pl_decimal_load_text(const char *text, size_t len, int scale,
                                   pl_decimal *out) {
    pl_decimal d;
    pl_decimal_rc rc = pl_decimal_parse(text, len, &d);
    if (rc != PL_DECIMAL_OK)
        return rc;
    return pl_decimal_quantize(&d, column_scale(scale), PL_ROUND_HALF_EVEN, out);
}

pl_decimal_rc pl_decimal_store(const pl_decimal *d, int scale, pl_decimal_stored *out) {
    pl_decimal back;
    pl_decimal_stored s = {.is_integer = true};
    if (pl_decimal_to_int(d, &s.integer) == PL_DECIMAL_OK) {
        *out = s;
        return PL_DECIMAL_OK;
    }
    s.is_integer = false;
    if (pl_decimal_to_double(d, &s.real) != PL_DECIMAL_OK ||
        pl_decimal_load_real(s.real, scale, &back) != PL_DECIMAL_OK ||
        pl_decimal_compare(d, &back) != 0)
        return PL_DECIMAL_INEXACT;
    *out = s;
    return PL_DECIMAL_OK;
}
