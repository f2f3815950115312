/* SPDX-License-Identifier: MIT */
/*
** double.h - doubles as the shortest decimal text that reads back the same.
**
** Used where a float becomes text that others read again: exact decimals and JSON. The C
** library does the conversions; the decimal point of the locale never reaches a result.
** Nothing is allocated.
*/
#ifndef PL_DOUBLE_H
#define PL_DOUBLE_H

#include <stddef.h>

#define PL_DOUBLE_DIGITS 18 /* 17 digits and the closing zero */
#define PL_DOUBLE_TEXT   32

/* The digits of |value|, which must be finite, without leading or trailing zeros ("0" for
 * zero): |value| is 0.DIGITS times ten to the power *point. Returns their number. */
int pl_double_digits(double value, char digits[PL_DOUBLE_DIGITS], int *point);

/* The text that Python's repr() gives: plain between 1e-4 and 1e16, otherwise with an
 * exponent of at least two digits; always with a point or an exponent. Returns the
 * length, or 0 when value is not finite. */
size_t pl_double_repr(double value, char out[PL_DOUBLE_TEXT]);

#endif
