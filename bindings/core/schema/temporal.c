/* SPDX-License-Identifier: MIT */
/*
** temporal.c - the calendar, and the texts of dates, times and intervals.
**
** Reading goes through one cursor with two manners: strict for the ISO forms that scripts
** pass, lenient for what is found in a database. Writing goes digit by digit and so does
** not depend on the locale.
*/
#include "core/schema/temporal.h"

#include <math.h>
#include <string.h>

/* Days from 0001-01-01 to 1970-01-01, and from the epoch to 9999-12-31. */
#define DAYS_TO_EPOCH INT64_C(719162)
#define LAST_DAY      INT64_C(2932896)

const char *pl_temporal_message(pl_temporal_rc rc) {
    static const char *const text[] = {
#define X(name, sentence) sentence,
        PL_TEMPORAL_CODES(X)
#undef X
    };
    size_t i = (size_t)rc;
    return i < sizeof text / sizeof text[0] ? text[i] : "unknown error";
}

/* ---- calendar --------------------------------------------------------------- */

static const short days_before_month[2][13] = {
    {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365},
    {0, 31, 60, 91, 121, 152, 182, 213, 244, 274, 305, 335, 366},
};

static int is_leap(int year) {
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int64_t floor_div(int64_t a, int64_t b) {
    return a / b - (a % b < 0);
}

bool pl_date_valid(int64_t days) {
    return days >= -DAYS_TO_EPOCH && days <= LAST_DAY;
}

bool pl_time_valid(int64_t us) {
    return us >= 0 && us < PL_DAY;
}

bool pl_datetime_valid(int64_t us) {
    return pl_date_valid(floor_div(us, PL_DAY));
}

int64_t pl_datetime_date(int64_t us) {
    return floor_div(us, PL_DAY);
}

int64_t pl_datetime_time(int64_t us) {
    int64_t rest = us % PL_DAY;
    return rest < 0 ? rest + PL_DAY : rest;
}

pl_temporal_rc pl_date_from_fields(const pl_fields *f, int64_t *days) {
    if (f->year < 1 || f->year > 9999)
        return PL_TEMPORAL_YEAR;
    if (f->month < 1 || f->month > 12)
        return PL_TEMPORAL_MONTH;
    const short *before = days_before_month[is_leap(f->year)];
    if (f->day < 1 || f->day > before[f->month] - before[f->month - 1])
        return PL_TEMPORAL_DAY;
    int64_t y = f->year - 1;
    *days = y * 365 + y / 4 - y / 100 + y / 400 + before[f->month - 1] + f->day - 1 -
            DAYS_TO_EPOCH;
    return PL_TEMPORAL_OK;
}

pl_temporal_rc pl_time_from_fields(const pl_fields *f, int64_t *us) {
    if (f->hour < 0 || f->hour > 23)
        return PL_TEMPORAL_HOUR;
    if (f->minute < 0 || f->minute > 59)
        return PL_TEMPORAL_MINUTE;
    if (f->second < 0 || f->second > 59)
        return PL_TEMPORAL_SECOND;
    if (f->microsecond < 0 || f->microsecond > 999999)
        return PL_TEMPORAL_MICROSECOND;
    *us = f->hour * PL_HOUR + f->minute * PL_MINUTE + f->second * PL_SECOND +
          f->microsecond;
    return PL_TEMPORAL_OK;
}

pl_temporal_rc pl_datetime_from_fields(const pl_fields *f, int64_t *us) {
    int64_t days, time;
    pl_temporal_rc rc = pl_date_from_fields(f, &days);
    if (rc == PL_TEMPORAL_OK)
        rc = pl_time_from_fields(f, &time);
    if (rc == PL_TEMPORAL_OK)
        *us = days * PL_DAY + time;
    return rc;
}

/* The year of a day counted from 0001-01-01, and what is left of it. */
static int year_of(int64_t n, int *yearday) {
    int64_t q400 = n / 146097, q100, q4, q1;
    n %= 146097;
    q100 = n / 36524;
    n -= q100 * 36524;
    q4 = n / 1461;
    n %= 1461;
    q1 = n / 365;
    n -= q1 * 365;
    if (q100 == 4 || q1 == 4) { /* the last day of a leap year that closes its cycle */
        *yearday = 365;
        return (int)(q400 * 400 + q100 * 100 + q4 * 4 + q1);
    }
    *yearday = (int)n;
    return (int)(q400 * 400 + q100 * 100 + q4 * 4 + q1 + 1);
}

static void set_date(int64_t days, pl_fields *f) {
    int yearday, month = 1;
    f->year = year_of(days + DAYS_TO_EPOCH, &yearday);
    const short *before = days_before_month[is_leap(f->year)];
    while (yearday >= before[month])
        month++;
    f->month = month;
    f->day = yearday - before[month - 1] + 1;
}

static void set_time(int64_t us, pl_fields *f) {
    f->hour = (int)(us / PL_HOUR);
    f->minute = (int)(us / PL_MINUTE % 60);
    f->second = (int)(us / PL_SECOND % 60);
    f->microsecond = (int)(us % PL_SECOND);
}

bool pl_date_to_fields(int64_t days, pl_fields *f) {
    if (!pl_date_valid(days))
        return false;
    *f = (pl_fields){0};
    set_date(days, f);
    return true;
}

bool pl_time_to_fields(int64_t us, pl_fields *f) {
    if (!pl_time_valid(us))
        return false;
    *f = (pl_fields){0};
    set_time(us, f);
    return true;
}

bool pl_datetime_to_fields(int64_t us, pl_fields *f) {
    if (!pl_datetime_valid(us))
        return false;
    set_date(pl_datetime_date(us), f);
    set_time(pl_datetime_time(us), f);
    return true;
}

int pl_date_weekday(int64_t days) {
    int64_t from_monday = days + 3; /* 1970-01-01 was a Thursday */
    return (int)(from_monday - floor_div(from_monday, 7) * 7);
}

int pl_date_yearday(int64_t days) {
    int yearday;
    year_of(days + DAYS_TO_EPOCH, &yearday);
    return yearday + 1;
}

/* ---- arithmetic ------------------------------------------------------------- */

pl_temporal_rc pl_interval_add(int64_t a, int64_t b, int64_t *sum) {
    int64_t r;
    if (__builtin_add_overflow(a, b, &r))
        return PL_TEMPORAL_RANGE;
    *sum = r;
    return PL_TEMPORAL_OK;
}

pl_temporal_rc pl_interval_sub(int64_t a, int64_t b, int64_t *difference) {
    int64_t r;
    if (__builtin_sub_overflow(a, b, &r))
        return PL_TEMPORAL_RANGE;
    *difference = r;
    return PL_TEMPORAL_OK;
}

pl_temporal_rc pl_interval_times(int64_t unit, int64_t n, int64_t *product) {
    int64_t r;
    if (__builtin_mul_overflow(unit, n, &r))
        return PL_TEMPORAL_RANGE;
    *product = r;
    return PL_TEMPORAL_OK;
}

/* Whether a whole number is an int64_t; NaN is none. */
static bool fits(long double n) {
    return n >= -9223372036854775808.0L && n < 9223372036854775808.0L;
}

/* The whole part goes through integers, so that a large one does not cost the fraction
 * its last digits. */
pl_temporal_rc pl_interval_times_real(int64_t unit, double n, int64_t *product) {
    int64_t whole, part;
    double floor_n = floor(n);
    if (!fits(floor_n))
        return PL_TEMPORAL_RANGE;
    double fraction = nearbyint((n - floor_n) * (double)unit);
    if (!fits(fraction))
        return PL_TEMPORAL_RANGE;
    part = (int64_t)fraction;
    pl_temporal_rc rc = pl_interval_times(unit, (int64_t)floor_n, &whole);
    return rc == PL_TEMPORAL_OK ? pl_interval_add(whole, part, product) : rc;
}

pl_temporal_rc pl_interval_divide(int64_t interval, double divisor, int64_t *quotient) {
    if (divisor == 0)
        return PL_TEMPORAL_ZERO;
    long double q = nearbyintl((long double)interval / (long double)divisor);
    if (!fits(q))
        return PL_TEMPORAL_RANGE;
    *quotient = (int64_t)q;
    return PL_TEMPORAL_OK;
}

pl_temporal_rc pl_datetime_add(int64_t us, int64_t interval, int64_t *sum) {
    int64_t r;
    if (__builtin_add_overflow(us, interval, &r) || !pl_datetime_valid(r))
        return PL_TEMPORAL_RANGE;
    *sum = r;
    return PL_TEMPORAL_OK;
}

pl_temporal_rc pl_date_add(int64_t days, int64_t interval, int64_t *sum) {
    if (interval % PL_DAY != 0)
        return PL_TEMPORAL_PART_OF_DAY;
    int64_t r = days + interval / PL_DAY;
    if (!pl_date_valid(r))
        return PL_TEMPORAL_RANGE;
    *sum = r;
    return PL_TEMPORAL_OK;
}

pl_temporal_rc pl_datetime_from_epoch(int64_t seconds, int64_t *us) {
    int64_t r;
    if (pl_interval_times(PL_SECOND, seconds, &r) != PL_TEMPORAL_OK)
        return PL_TEMPORAL_RANGE;
    return pl_datetime_add(0, r, us);
}

pl_temporal_rc pl_datetime_from_epoch_real(double seconds, int64_t *us) {
    int64_t r;
    if (pl_interval_times_real(PL_SECOND, seconds, &r) != PL_TEMPORAL_OK)
        return PL_TEMPORAL_RANGE;
    return pl_datetime_add(0, r, us);
}

void pl_interval_split(int64_t interval, int64_t *days, int *seconds, int *microseconds) {
    *days = floor_div(interval, PL_DAY);
    int64_t rest = pl_datetime_time(interval);
    *seconds = (int)(rest / PL_SECOND);
    *microseconds = (int)(rest % PL_SECOND);
}

/* ---- reading ---------------------------------------------------------------- */

typedef struct cursor {
    const char *p, *end;
    bool strict; /* ISO forms only; otherwise any number of digits in a field */
} cursor;

static bool at_digit(const cursor *c) {
    return c->p < c->end && *c->p >= '0' && *c->p <= '9';
}

static bool take(cursor *c, char ch) {
    if (c->p == c->end || *c->p != ch)
        return false;
    c->p++;
    return true;
}

/* A run of min to max digits, and no digit after it. */
static bool take_number(cursor *c, int min, int max, int *out) {
    int n = 0, count = 0;
    for (; at_digit(c); count++) {
        if (count == max)
            return false;
        n = n * 10 + (*c->p++ - '0');
    }
    *out = n;
    return count >= min;
}

static bool take_field(cursor *c, int width, int *out) {
    return c->strict ? take_number(c, width, width, out) : take_number(c, 1, 9, out);
}

/* Digits after the point, as microseconds. */
static bool take_fraction(cursor *c, int *microseconds) {
    int us = 0, count = 0;
    for (; at_digit(c); count++) {
        int digit = *c->p++ - '0';
        if (count < 6)
            us = us * 10 + digit;
        else if (c->strict)
            return false;
    }
    for (int i = count; i < 6; i++)
        us *= 10;
    *microseconds = us;
    return count > 0;
}

static bool take_date(cursor *c, pl_fields *f) {
    return take_field(c, 4, &f->year) && take(c, '-') && take_field(c, 2, &f->month) &&
           take(c, '-') && take_field(c, 2, &f->day);
}

static bool take_time(cursor *c, pl_fields *f) {
    if (!take_field(c, 2, &f->hour) || !take(c, ':') || !take_field(c, 2, &f->minute))
        return false;
    if (!take(c, ':'))
        return true;
    if (!take_field(c, 2, &f->second))
        return false;
    return !take(c, '.') || take_fraction(c, &f->microsecond);
}

/* Exactly two digits, whatever follows. */
static bool take_pair(cursor *c, int *out) {
    *out = 0;
    for (int i = 0; i < 2; i++) {
        if (!at_digit(c))
            return false;
        *out = *out * 10 + (*c->p++ - '0');
    }
    return true;
}

/* Z, +hh, +hhmm or +hh:mm; what is absent is no offset. */
static pl_temporal_rc take_offset(cursor *c, int64_t *offset, bool *found) {
    int hours, minutes = 0;
    *offset = 0;
    *found = c->p < c->end;
    if (!*found || take(c, 'Z') || take(c, 'z'))
        return PL_TEMPORAL_OK;
    bool negative = take(c, '-');
    if ((!negative && !take(c, '+')) || !take_pair(c, &hours))
        return PL_TEMPORAL_SYNTAX;
    if (c->p < c->end) {
        (void)take(c, ':');
        if (!take_pair(c, &minutes))
            return PL_TEMPORAL_SYNTAX;
    }
    if (hours > 23 || minutes > 59)
        return PL_TEMPORAL_OFFSET;
    *offset = (negative ? -1 : 1) * (hours * PL_HOUR + minutes * PL_MINUTE);
    return PL_TEMPORAL_OK;
}

static pl_temporal_rc read_date(cursor c, int64_t *days) {
    pl_fields f = {0};
    if (!take_date(&c, &f))
        return PL_TEMPORAL_SYNTAX;
    if (!c.strict && (take(&c, ' ') || take(&c, 'T')) && !take_time(&c, &f))
        return PL_TEMPORAL_SYNTAX;
    return c.p == c.end ? pl_date_from_fields(&f, days) : PL_TEMPORAL_SYNTAX;
}

static pl_temporal_rc read_time(cursor c, int64_t *us) {
    pl_fields f = {0};
    if (!take_time(&c, &f))
        return PL_TEMPORAL_SYNTAX;
    if (c.p == c.end)
        return pl_time_from_fields(&f, us);
    int64_t offset;
    bool found;
    pl_temporal_rc rc = take_offset(&c, &offset, &found);
    return rc == PL_TEMPORAL_OK && c.p == c.end ? PL_TEMPORAL_OFFSET : PL_TEMPORAL_SYNTAX;
}

static pl_temporal_rc read_datetime(cursor c, int64_t *us, bool *had_offset) {
    pl_fields f = {0};
    int64_t local, offset = 0;
    bool found = false;
    if (!take_date(&c, &f))
        return PL_TEMPORAL_SYNTAX;
    if (c.p < c.end) {
        if (!(take(&c, 'T') || take(&c, 't') || take(&c, ' ')) || !take_time(&c, &f))
            return PL_TEMPORAL_SYNTAX;
        pl_temporal_rc rc = take_offset(&c, &offset, &found);
        if (rc != PL_TEMPORAL_OK)
            return rc;
    }
    if (c.p != c.end)
        return PL_TEMPORAL_SYNTAX;
    pl_temporal_rc rc = pl_datetime_from_fields(&f, &local);
    if (rc == PL_TEMPORAL_OK)
        rc = pl_datetime_add(local, -offset, us);
    if (rc == PL_TEMPORAL_OK && had_offset)
        *had_offset = found;
    return rc;
}

static cursor cursor_on(const char *text, size_t len, bool strict) {
    return (cursor){text, text + len, strict};
}

pl_temporal_rc pl_date_parse(const char *text, size_t len, int64_t *days) {
    return read_date(cursor_on(text, len, true), days);
}

pl_temporal_rc pl_time_parse(const char *text, size_t len, int64_t *us) {
    return read_time(cursor_on(text, len, true), us);
}

pl_temporal_rc pl_datetime_parse(const char *text, size_t len, int64_t *us,
                                 bool *had_offset) {
    return read_datetime(cursor_on(text, len, true), us, had_offset);
}

pl_temporal_rc pl_date_load(const char *text, size_t len, int64_t *days) {
    return read_date(cursor_on(text, len, false), days);
}

pl_temporal_rc pl_time_load(const char *text, size_t len, int64_t *us) {
    return read_time(cursor_on(text, len, false), us);
}

pl_temporal_rc pl_datetime_load(const char *text, size_t len, int64_t *us) {
    return read_datetime(cursor_on(text, len, false), us, NULL);
}

pl_temporal_rc pl_interval_load(const char *text, size_t len, int64_t *interval) {
    return pl_datetime_load(text, len, interval);
}

/* ---- reading intervals ------------------------------------------------------ */

/* A whole number of up to 15 digits: with any unit below, the product is checked. */
static bool take_long(cursor *c, int64_t *out) {
    int64_t n = 0;
    int count = 0;
    for (; at_digit(c); count++) {
        if (count == 15)
            return false;
        n = n * 10 + (*c->p++ - '0');
    }
    *out = n;
    return count > 0;
}

typedef struct designator {
    char letter;
    int64_t unit;
} designator;

static const designator date_units[] = {{'W', 7 * PL_DAY}, {'D', PL_DAY}, {0, 0}};
static const designator time_units[] = {
    {'H', PL_HOUR}, {'M', PL_MINUTE}, {'S', PL_SECOND}, {0, 0}};

/* Number and letter pairs in the order of the units, each at most once; a fraction is for
 * seconds. Adds to *total. */
static pl_temporal_rc take_units(cursor *c, const designator *unit, int sign,
                                 int64_t *total, int *found) {
    *found = 0;
    while (at_digit(c)) {
        int64_t n, part;
        int us = 0;
        if (!take_long(c, &n))
            return PL_TEMPORAL_SYNTAX;
        bool fraction = take(c, '.');
        if (fraction && !take_fraction(c, &us))
            return PL_TEMPORAL_SYNTAX;
        if (unit[0].unit >= PL_DAY && c->p < c->end && (*c->p == 'Y' || *c->p == 'M'))
            return PL_TEMPORAL_CALENDAR_UNIT;
        while (unit->letter && (c->p == c->end || *c->p != unit->letter))
            unit++;
        if (!unit->letter || (fraction && unit->letter != 'S'))
            return PL_TEMPORAL_SYNTAX;
        c->p++;
        pl_temporal_rc rc = pl_interval_times(sign * unit->unit, n, &part);
        if (rc == PL_TEMPORAL_OK)
            rc = pl_interval_add(*total, part, total);
        if (rc == PL_TEMPORAL_OK)
            rc = pl_interval_add(*total, sign * us, total);
        if (rc != PL_TEMPORAL_OK)
            return rc;
        unit++;
        ++*found;
    }
    return PL_TEMPORAL_OK;
}

static pl_temporal_rc read_designated(cursor *c, int sign, int64_t *total) {
    int days = 0, times = 0;
    pl_temporal_rc rc = take_units(c, date_units, sign, total, &days);
    if (rc == PL_TEMPORAL_OK && take(c, 'T')) {
        rc = take_units(c, time_units, sign, total, &times);
        if (rc == PL_TEMPORAL_OK && times == 0)
            return PL_TEMPORAL_SYNTAX;
    }
    if (rc != PL_TEMPORAL_OK)
        return rc;
    return c->p == c->end && days + times > 0 ? PL_TEMPORAL_OK : PL_TEMPORAL_SYNTAX;
}

static pl_temporal_rc read_clock(cursor *c, int sign, int64_t *total) {
    int64_t hours;
    pl_fields f = {0};
    if (!take_long(c, &hours) || !take(c, ':') || !take_number(c, 2, 2, &f.minute) ||
        !take(c, ':') || !take_number(c, 2, 2, &f.second))
        return PL_TEMPORAL_SYNTAX;
    if ((take(c, '.') && !take_fraction(c, &f.microsecond)) || c->p != c->end)
        return PL_TEMPORAL_SYNTAX;
    int64_t rest, whole;
    pl_temporal_rc rc = pl_time_from_fields(&f, &rest);
    if (rc == PL_TEMPORAL_OK)
        rc = pl_interval_times(sign * PL_HOUR, hours, &whole);
    return rc == PL_TEMPORAL_OK ? pl_interval_add(whole, sign * rest, total) : rc;
}

pl_temporal_rc pl_interval_parse(const char *text, size_t len, int64_t *interval) {
    cursor c = cursor_on(text, len, true);
    int64_t total = 0;
    int sign = take(&c, '-') ? -1 : 1;
    if (sign == 1)
        (void)take(&c, '+');
    pl_temporal_rc rc =
        take(&c, 'P') ? read_designated(&c, sign, &total) : read_clock(&c, sign, &total);
    if (rc == PL_TEMPORAL_OK)
        *interval = total;
    return rc;
}

/* ---- writing ---------------------------------------------------------------- */

static char *put(char *p, int64_t n, int width) {
    for (int i = width; i-- > 0; n /= 10)
        p[i] = (char)('0' + n % 10);
    return p + width;
}

static char *put_date(char *p, const pl_fields *f) {
    p = put(p, f->year, 4);
    *p++ = '-';
    p = put(p, f->month, 2);
    *p++ = '-';
    return put(p, f->day, 2);
}

static char *put_time(char *p, const pl_fields *f, bool always_fraction) {
    p = put(p, f->hour, 2);
    *p++ = ':';
    p = put(p, f->minute, 2);
    *p++ = ':';
    p = put(p, f->second, 2);
    if (always_fraction || f->microsecond != 0) {
        *p++ = '.';
        p = put(p, f->microsecond, 6);
    }
    return p;
}

static size_t finish(char *out, char *end) {
    *end = '\0';
    return (size_t)(end - out);
}

static size_t write_time(int64_t us, bool always_fraction, char *out) {
    pl_fields f;
    out[0] = '\0';
    return pl_time_to_fields(us, &f) ? finish(out, put_time(out, &f, always_fraction))
                                     : 0;
}

static size_t write_datetime(int64_t us, char separator, bool always_fraction,
                             char *out) {
    pl_fields f;
    out[0] = '\0';
    if (!pl_datetime_to_fields(us, &f))
        return 0;
    char *p = put_date(out, &f);
    *p++ = separator;
    return finish(out, put_time(p, &f, always_fraction));
}

size_t pl_date_iso(int64_t days, char out[PL_TEMPORAL_TEXT]) {
    pl_fields f;
    out[0] = '\0';
    return pl_date_to_fields(days, &f) ? finish(out, put_date(out, &f)) : 0;
}

size_t pl_time_iso(int64_t us, char out[PL_TEMPORAL_TEXT]) {
    return write_time(us, false, out);
}

size_t pl_datetime_iso(int64_t us, char separator, char out[PL_TEMPORAL_TEXT]) {
    return write_datetime(us, separator, false, out);
}

size_t pl_date_store(int64_t days, char out[PL_TEMPORAL_TEXT]) {
    return pl_date_iso(days, out);
}

size_t pl_time_store(int64_t us, char out[PL_TEMPORAL_TEXT]) {
    return write_time(us, true, out);
}

size_t pl_datetime_store(int64_t us, char out[PL_TEMPORAL_TEXT]) {
    return write_datetime(us, ' ', true, out);
}

size_t pl_interval_store(int64_t interval, char out[PL_TEMPORAL_TEXT]) {
    return pl_datetime_store(interval, out);
}

static char *put_plain(char *p, uint64_t n) {
    char digits[20];
    int count = 0;
    do
        digits[count++] = (char)('0' + n % 10);
    while (n /= 10);
    while (count > 0)
        *p++ = digits[--count];
    return p;
}

static char *put_unit(char *p, uint64_t n, char letter) {
    if (n == 0)
        return p;
    p = put_plain(p, n);
    *p++ = letter;
    return p;
}

static char *put_seconds(char *p, uint64_t us) {
    if (us == 0)
        return p;
    p = put_plain(p, us / PL_SECOND);
    if (us % PL_SECOND != 0) {
        *p++ = '.';
        p = put(p, (int64_t)(us % PL_SECOND), 6);
        while (p[-1] == '0')
            p--;
    }
    *p++ = 'S';
    return p;
}

size_t pl_interval_iso(int64_t interval, char out[PL_TEMPORAL_TEXT]) {
    char *p = out;
    uint64_t us = interval < 0 ? 0 - (uint64_t)interval : (uint64_t)interval;
    if (us == 0) {
        memcpy(out, "PT0S", 5);
        return 4;
    }
    if (interval < 0)
        *p++ = '-';
    *p++ = 'P';
    p = put_unit(p, us / PL_DAY, 'D');
    us %= PL_DAY;
    if (us != 0) {
        *p++ = 'T';
        p = put_unit(p, us / PL_HOUR, 'H');
        p = put_unit(p, us / PL_MINUTE % 60, 'M');
        p = put_seconds(p, us % PL_MINUTE);
    }
    return finish(out, p);
}
