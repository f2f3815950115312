/* SPDX-License-Identifier: MIT */
/*
** temporal.h - dates, times, datetimes and intervals as plain integers.
**
** A date is a count of days and a datetime a count of microseconds since 1970-01-01
** (00:00:00, proleptic Gregorian calendar, years 1 to 9999); a time is the microsecond of
** its day; an interval is a signed count of microseconds. Nothing here allocates, keeps
** state, reads the clock or knows a time zone: a text that carries an offset is converted
** to UTC and the caller is told so, a text without one is taken as it stands.
**
** Callers are the column types (storage text) and the Lua value classes (ISO text,
** fields). Every function that can refuse returns a pl_temporal_rc and leaves its result
** untouched when it does.
*/
#ifndef PL_TEMPORAL_H
#define PL_TEMPORAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PL_SECOND INT64_C(1000000)
#define PL_MINUTE (60 * PL_SECOND)
#define PL_HOUR   (60 * PL_MINUTE)
#define PL_DAY    (24 * PL_HOUR)

/* Room for any text written here, with the closing zero. */
#define PL_TEMPORAL_TEXT 48

#define PL_TEMPORAL_CODES(X)                                                             \
    X(OK, "no error")                                                                    \
    X(SYNTAX, "not in the expected form")                                                \
    X(YEAR, "year must be in 1..9999")                                                   \
    X(MONTH, "month must be in 1..12")                                                   \
    X(DAY, "day is out of range for month")                                              \
    X(HOUR, "hour must be in 0..23")                                                     \
    X(MINUTE, "minute must be in 0..59")                                                 \
    X(SECOND, "second must be in 0..59")                                                 \
    X(MICROSECOND, "microsecond must be in 0..999999")                                   \
    X(OFFSET, "an offset is out of range or has no meaning here")                        \
    X(RANGE, "value is out of range")                                                    \
    X(ZERO, "division by zero")                                                          \
    X(PART_OF_DAY, "a date takes an interval of whole days only")                        \
    X(CALENDAR_UNIT, "years and months have no fixed length in an interval")

typedef enum pl_temporal_rc {
#define X(name, text) PL_TEMPORAL_##name,
    PL_TEMPORAL_CODES(X)
#undef X
} pl_temporal_rc;

/* The sentence that goes with a code; never NULL. */
const char *pl_temporal_message(pl_temporal_rc rc);

typedef struct pl_fields {
    int year, month, day;
    int hour, minute, second, microsecond;
} pl_fields;

/* Fields to values. A date looks at the first three fields, a time at the last four. */
pl_temporal_rc pl_date_from_fields(const pl_fields *f, int64_t *days);
pl_temporal_rc pl_time_from_fields(const pl_fields *f, int64_t *us);
pl_temporal_rc pl_datetime_from_fields(const pl_fields *f, int64_t *us);

/* Values to fields; fields that the kind does not have become 0. False when the value is
 * out of its range (the fields are then untouched). */
bool pl_date_to_fields(int64_t days, pl_fields *f);
bool pl_time_to_fields(int64_t us, pl_fields *f);
bool pl_datetime_to_fields(int64_t us, pl_fields *f);

bool pl_date_valid(int64_t days);
bool pl_time_valid(int64_t us);
bool pl_datetime_valid(int64_t us);

/* The halves of a valid datetime. */
int64_t pl_datetime_date(int64_t us);
int64_t pl_datetime_time(int64_t us);

/* Monday is 0 and Sunday 6; the first of January is day 1. */
int pl_date_weekday(int64_t days);
int pl_date_yearday(int64_t days);

/* Seconds since the epoch. A fraction is rounded to the nearest microsecond, a tie to
 * the even one; NaN and infinities are out of range. */
pl_temporal_rc pl_datetime_from_epoch(int64_t seconds, int64_t *us);
pl_temporal_rc pl_datetime_from_epoch_real(double seconds, int64_t *us);

/* Sums. A date takes whole days only. */
pl_temporal_rc pl_datetime_add(int64_t us, int64_t interval, int64_t *sum);
pl_temporal_rc pl_date_add(int64_t days, int64_t interval, int64_t *sum);
pl_temporal_rc pl_interval_add(int64_t a, int64_t b, int64_t *sum);
pl_temporal_rc pl_interval_sub(int64_t a, int64_t b, int64_t *difference);

/* n times unit, as an interval; the real form rounds to the nearest microsecond. */
pl_temporal_rc pl_interval_times(int64_t unit, int64_t n, int64_t *product);
pl_temporal_rc pl_interval_times_real(int64_t unit, double n, int64_t *product);

/* An interval divided by a number, to the nearest microsecond, a tie to the even one. */
pl_temporal_rc pl_interval_divide(int64_t interval, double divisor, int64_t *quotient);

/* Days rounded down, then the seconds (0..86399) and microseconds that remain. */
void pl_interval_split(int64_t interval, int64_t *days, int *seconds, int *microseconds);

/* ISO text as people write it: YYYY-MM-DD, hh:mm[:ss[.f]] with 1 to 6 digits of fraction,
 * the two joined by 'T' or a blank, then Z, +hh, +hhmm or +hh:mm. A datetime may lack
 * its time (midnight). `had_offset` may be NULL. A time alone takes no offset, for
 * without its date it cannot be converted. An interval is P[nW][nD][T[nH][nM][n[.f]S]]
 * with an optional sign in front, or [sign]hh:mm:ss[.f] where hours may exceed 23. */
pl_temporal_rc pl_date_parse(const char *text, size_t len, int64_t *days);
pl_temporal_rc pl_time_parse(const char *text, size_t len, int64_t *us);
pl_temporal_rc pl_datetime_parse(const char *text, size_t len, int64_t *us,
                                 bool *had_offset);
pl_temporal_rc pl_interval_parse(const char *text, size_t len, int64_t *interval);

/* The same in writing, with a fraction (6 digits) only where there is one; an interval's
 * fraction has no trailing zeros. Returns the length, or 0 for a value out of range. */
size_t pl_date_iso(int64_t days, char out[PL_TEMPORAL_TEXT]);
size_t pl_time_iso(int64_t us, char out[PL_TEMPORAL_TEXT]);
size_t pl_datetime_iso(int64_t us, char separator, char out[PL_TEMPORAL_TEXT]);
size_t pl_interval_iso(int64_t interval, char out[PL_TEMPORAL_TEXT]);

/* Storage text, as SQLAlchemy writes it on SQLite: the fraction always has 6 digits, the
 * separator is a blank, and an interval is the datetime that lies so far from the epoch.
 * Returns the length, or 0 when there is none (an interval beyond years 1 to 9999). */
size_t pl_date_store(int64_t days, char out[PL_TEMPORAL_TEXT]);
size_t pl_time_store(int64_t us, char out[PL_TEMPORAL_TEXT]);
size_t pl_datetime_store(int64_t us, char out[PL_TEMPORAL_TEXT]);
size_t pl_interval_store(int64_t interval, char out[PL_TEMPORAL_TEXT]);

/* Storage text read back. More lenient than the ISO forms, as other programs write the
 * same file: fields of any number of digits, no fraction or one of any length (cut to
 * microseconds), a datetime where a date is expected (its time is dropped). A fraction
 * is always a decimal one: ".5" is half a second. */
pl_temporal_rc pl_date_load(const char *text, size_t len, int64_t *days);
pl_temporal_rc pl_time_load(const char *text, size_t len, int64_t *us);
pl_temporal_rc pl_datetime_load(const char *text, size_t len, int64_t *us);
pl_temporal_rc pl_interval_load(const char *text, size_t len, int64_t *interval);

#endif
