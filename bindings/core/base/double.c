/* SPDX-License-Identifier: MIT */
/*
** double.c - the search for the shortest decimal text of a double.
**
** printf with a given precision and strtod to check are both exactly rounded, so the
** first precision whose text reads back is the shortest. Fifteen digits always survive
** the way through a normal double, so the search may start there (what is shorter ends in
** zeros); a subnormal one has fewer bits and starts at one digit. Reading back uses
** digits and an exponent only, no point, and so does not depend on the locale.
*/
#include "core/base/double.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Prints value to `count` digits, which go to `digits`, their exponent to *point. */
static void print_digits(double value, int count, char *digits, int *point) {
    char text[PL_DOUBLE_TEXT];
    int n = 0;
    snprintf(text, sizeof text, "%.*e", count - 1, value);
    const char *p = text;
    for (; *p != 'e'; p++) {
        if (*p >= '0' && *p <= '9')
            digits[n++] = *p;
    }
    digits[n] = '\0';
    *point = (int)strtol(p + 1, NULL, 10) + 1;
}

static bool reads_back(double value, const char *digits, int point) {
    char text[PL_DOUBLE_TEXT + 16];
    snprintf(text, sizeof text, "%se%d", digits, point - (int)strlen(digits));
    return strtod(text, NULL) == value;
}

/* Below a power of two doubles lie twice as dense, so there the nearest text of a length
 * may fail where the next one up reads back. */
static bool next_reads_back(double value, char *digits, int point) {
    int exponent;
    size_t last = strlen(digits) - 1;
    if (frexp(value, &exponent) != 0.5 || digits[last] == '9')
        return false;
    digits[last]++;
    return reads_back(value, digits, point);
}

int pl_double_digits(double value, char digits[PL_DOUBLE_DIGITS], int *point) {
    value = fabs(value);
    if (value == 0) {
        memcpy(digits, "0", 2);
        *point = 1;
        return 1;
    }
    for (int count = value < DBL_MIN ? 1 : 15; count <= 17; count++) {
        print_digits(value, count, digits, point);
        if (reads_back(value, digits, *point) || next_reads_back(value, digits, *point))
            break;
    }
    int n = (int)strlen(digits);
    while (n > 1 && digits[n - 1] == '0')
        digits[--n] = '\0';
    return n;
}

static char *put_bytes(char *p, const char *bytes, int n) {
    memcpy(p, bytes, (size_t)n);
    return p + n;
}

static char *put_zeros(char *p, int n) {
    memset(p, '0', (size_t)n);
    return p + n;
}

static char *put_fixed(char *p, const char *digits, int n, int point) {
    if (point <= 0) {
        p = put_bytes(p, "0.", 2);
        p = put_zeros(p, -point);
        return put_bytes(p, digits, n);
    }
    if (n <= point) {
        p = put_bytes(p, digits, n);
        p = put_zeros(p, point - n);
        return put_bytes(p, ".0", 2);
    }
    p = put_bytes(p, digits, point);
    *p++ = '.';
    return put_bytes(p, digits + point, n - point);
}

static char *put_scientific(char *p, const char *digits, int n, int exponent) {
    *p++ = digits[0];
    if (n > 1) {
        *p++ = '.';
        p = put_bytes(p, digits + 1, n - 1);
    }
    return p + snprintf(p, 8, "e%c%02d", exponent < 0 ? '-' : '+', abs(exponent));
}

size_t pl_double_repr(double value, char out[PL_DOUBLE_TEXT]) {
    char digits[PL_DOUBLE_DIGITS];
    int point;
    char *p = out;
    out[0] = '\0';
    if (!isfinite(value))
        return 0;
    int n = pl_double_digits(value, digits, &point);
    if (signbit(value))
        *p++ = '-';
    if (point > -4 && point <= 16)
        p = put_fixed(p, digits, n, point);
    else
        p = put_scientific(p, digits, n, point - 1);
    *p = '\0';
    return (size_t)(p - out);
}
