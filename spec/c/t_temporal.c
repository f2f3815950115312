/* SPDX-License-Identifier: MIT */
/*
** t_temporal.c - the calendar, the ISO forms and the storage texts of
** core/schema/temporal.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <math.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core/schema/temporal.h"

#define FIRST_DAY INT64_C(-719162)
#define LAST_DAY  INT64_C(2932896)
#define UNTOUCHED INT64_C(-987654321)

typedef pl_temporal_rc reader(const char *text, size_t len, int64_t *out);

static pl_temporal_rc datetime_parse(const char *text, size_t len, int64_t *out) {
    return pl_datetime_parse(text, len, out, NULL);
}

static int64_t read_ok(reader *read, const char *text) {
    int64_t v = UNTOUCHED;
    pl_temporal_rc rc = read(text, strlen(text), &v);
    if (rc != PL_TEMPORAL_OK)
        fail_msg("%s: %s", text, pl_temporal_message(rc));
    return v;
}

static void read_fails(reader *read, const char *text, pl_temporal_rc expected) {
    int64_t v = UNTOUCHED;
    pl_temporal_rc rc = read(text, strlen(text), &v);
    if (rc != expected)
        fail_msg("'%s' gives '%s', not '%s'", text, pl_temporal_message(rc),
                 pl_temporal_message(expected));
    assert_true(v == UNTOUCHED);
}

static int64_t at(int year, int month, int day, int hour, int minute, int second,
                  int us) {
    pl_fields f = {year, month, day, hour, minute, second, us};
    int64_t v = UNTOUCHED;
    assert_int_equal(pl_datetime_from_fields(&f, &v), PL_TEMPORAL_OK);
    return v;
}

/* ---- calendar --------------------------------------------------------------- */

static void test_known_days(void **state) {
    (void)state;
    static const struct {
        pl_fields f;
        int64_t days;
        int weekday, yearday;
    } known[] = {
        {{.year = 1970, .month = 1, .day = 1}, 0, 3, 1},
        {{.year = 1969, .month = 12, .day = 31}, -1, 2, 365},
        {{.year = 1, .month = 1, .day = 1}, FIRST_DAY, 0, 1},
        {{.year = 9999, .month = 12, .day = 31}, LAST_DAY, 4, 365},
        {{.year = 2000, .month = 2, .day = 29}, 11016, 1, 60},
        {{.year = 2000, .month = 12, .day = 31}, 11322, 6, 366},
        {{.year = 1900, .month = 3, .day = 1}, -25508, 3, 60},
        {{.year = 2024, .month = 2, .day = 29}, 19782, 3, 60},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        int64_t days = UNTOUCHED;
        assert_int_equal(pl_date_from_fields(&known[i].f, &days), PL_TEMPORAL_OK);
        assert_int_equal(days, known[i].days);
        assert_int_equal(pl_date_weekday(days), known[i].weekday);
        assert_int_equal(pl_date_yearday(days), known[i].yearday);
    }
}

/* Every day there is, in order: fields, back, weekday and day of the year. */
static void test_every_day(void **state) {
    (void)state;
    pl_fields f, last = {0};
    int weekday = 0;
    for (int64_t day = FIRST_DAY; day <= LAST_DAY; day++, weekday = (weekday + 1) % 7) {
        int64_t back = UNTOUCHED;
        assert_true(pl_date_to_fields(day, &f));
        bool next_day = f.day == last.day + 1 && f.month == last.month;
        bool next_month = f.day == 1 && f.month == last.month + 1 && last.day >= 28;
        bool next_year = f.day == 1 && f.month == 1 && f.year == last.year + 1;
        if (!next_day && !next_month && !next_year)
            fail_msg("%d-%d-%d follows %d-%d-%d", f.year, f.month, f.day, last.year,
                     last.month, last.day);
        if (pl_date_from_fields(&f, &back) != PL_TEMPORAL_OK || back != day)
            fail_msg("%d-%d-%d does not come back", f.year, f.month, f.day);
        if (pl_date_weekday(day) != weekday)
            fail_msg("weekday of %d-%d-%d", f.year, f.month, f.day);
        last = f;
    }
    assert_int_equal(last.year, 9999);
    assert_int_equal(weekday, 5);
}

static void test_field_ranges(void **state) {
    (void)state;
    static const struct {
        pl_fields f;
        pl_temporal_rc rc;
    } wrong[] = {
        {{.year = 0, .month = 1, .day = 1}, PL_TEMPORAL_YEAR},
        {{.year = 10000, .month = 1, .day = 1}, PL_TEMPORAL_YEAR},
        {{.year = 2024, .month = 0, .day = 1}, PL_TEMPORAL_MONTH},
        {{.year = 2024, .month = 13, .day = 1}, PL_TEMPORAL_MONTH},
        {{.year = 2024, .month = 1, .day = 0}, PL_TEMPORAL_DAY},
        {{.year = 2023, .month = 2, .day = 29}, PL_TEMPORAL_DAY},
        {{.year = 1900, .month = 2, .day = 29}, PL_TEMPORAL_DAY},
        {{.year = 2024, .month = 4, .day = 31}, PL_TEMPORAL_DAY},
        {{2024, 1, 1, 24, 0, 0, 0}, PL_TEMPORAL_HOUR},
        {{2024, 1, 1, -1, 0, 0, 0}, PL_TEMPORAL_HOUR},
        {{2024, 1, 1, 0, 60, 0, 0}, PL_TEMPORAL_MINUTE},
        {{2024, 1, 1, 0, 0, 60, 0}, PL_TEMPORAL_SECOND},
        {{2024, 1, 1, 0, 0, 0, 1000000}, PL_TEMPORAL_MICROSECOND},
        {{2024, 1, 1, 0, 0, 0, -1}, PL_TEMPORAL_MICROSECOND},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        int64_t v = UNTOUCHED;
        assert_int_equal(pl_datetime_from_fields(&wrong[i].f, &v), wrong[i].rc);
        assert_true(v == UNTOUCHED);
    }
    pl_fields f = {.year = 7};
    assert_false(pl_date_to_fields(FIRST_DAY - 1, &f));
    assert_false(pl_date_to_fields(LAST_DAY + 1, &f));
    assert_false(pl_time_to_fields(-1, &f));
    assert_false(pl_time_to_fields(PL_DAY, &f));
    assert_false(pl_datetime_to_fields(INT64_MIN, &f));
    assert_false(pl_datetime_to_fields(INT64_MAX, &f));
    assert_int_equal(f.year, 7);
}

static void test_halves_before_epoch(void **state) {
    (void)state;
    int64_t v = at(1969, 12, 31, 23, 59, 59, 999999);
    assert_int_equal(v, -1);
    assert_int_equal(pl_datetime_date(v), -1);
    assert_int_equal(pl_datetime_time(v), PL_DAY - 1);
    assert_int_equal(pl_datetime_date(at(1, 1, 1, 0, 0, 0, 0)), FIRST_DAY);
}

/* ---- arithmetic ------------------------------------------------------------- */

static void test_sums(void **state) {
    (void)state;
    int64_t v = UNTOUCHED;
    int64_t last = at(9999, 12, 31, 23, 59, 59, 999999);
    assert_int_equal(pl_datetime_add(last, 1, &v), PL_TEMPORAL_RANGE);
    assert_int_equal(pl_datetime_add(INT64_MAX, 1, &v), PL_TEMPORAL_RANGE);
    assert_int_equal(pl_datetime_add(at(1, 1, 1, 0, 0, 0, 0), -1, &v), PL_TEMPORAL_RANGE);
    assert_int_equal(pl_date_add(0, PL_HOUR, &v), PL_TEMPORAL_PART_OF_DAY);
    assert_int_equal(pl_date_add(LAST_DAY, PL_DAY, &v), PL_TEMPORAL_RANGE);
    assert_int_equal(pl_interval_add(INT64_MAX, 1, &v), PL_TEMPORAL_RANGE);
    assert_int_equal(pl_interval_sub(0, INT64_MIN, &v), PL_TEMPORAL_RANGE);
    assert_int_equal(pl_interval_times(PL_DAY, INT64_MAX, &v), PL_TEMPORAL_RANGE);
    assert_true(v == UNTOUCHED);
    assert_int_equal(pl_datetime_add(last, -PL_DAY, &v), PL_TEMPORAL_OK);
    assert_int_equal(v, at(9999, 12, 30, 23, 59, 59, 999999));
    assert_int_equal(pl_date_add(19781, PL_DAY, &v), PL_TEMPORAL_OK);
    assert_int_equal(v, 19782);
    assert_int_equal(pl_date_add(0, -3 * PL_DAY, &v), PL_TEMPORAL_OK);
    assert_int_equal(v, -3);
}

static void test_epoch(void **state) {
    (void)state;
    int64_t v = UNTOUCHED;
    assert_int_equal(pl_datetime_from_epoch(INT64_MAX, &v), PL_TEMPORAL_RANGE);
    assert_int_equal(pl_datetime_from_epoch(INT64_C(253402300800), &v),
                     PL_TEMPORAL_RANGE);
    static const double refused[] = {1e300, -1e300, 0x1p63, (double)INFINITY,
                                     (double)NAN};
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++)
        assert_int_equal(pl_datetime_from_epoch_real(refused[i], &v), PL_TEMPORAL_RANGE);
    assert_true(v == UNTOUCHED);
    static const struct {
        double seconds;
        int64_t us;
    } known[] = {
        {0.0, 0},
        {-0.25, -250000},
        {1700000000.25, INT64_C(1700000000250000)},
        {5e-7, 0},
        {1.5e-6, 2},
        {-5e-7, 0},
        {0.9999999, 1000000},
        {253402300799.0, INT64_C(253402300799000000)},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_int_equal(pl_datetime_from_epoch_real(known[i].seconds, &v),
                         PL_TEMPORAL_OK);
        assert_int_equal(v, known[i].us);
    }
}

static void test_interval_parts(void **state) {
    (void)state;
    int64_t days, v;
    int seconds, us;
    pl_interval_split(-1, &days, &seconds, &us);
    assert_int_equal(days, -1);
    assert_int_equal(seconds, 86399);
    assert_int_equal(us, 999999);
    pl_interval_split(INT64_MIN, &days, &seconds, &us);
    assert_true((days + 1) * PL_DAY + (seconds * PL_SECOND + us - PL_DAY) == INT64_MIN);
    assert_int_equal(pl_interval_times_real(PL_DAY, 1.5, &v), PL_TEMPORAL_OK);
    assert_int_equal(v, PL_DAY + PL_DAY / 2);
    assert_int_equal(pl_interval_times_real(PL_SECOND, -1.5, &v), PL_TEMPORAL_OK);
    assert_int_equal(v, -1500000);
    assert_int_equal(pl_interval_times_real(INT64_MAX, 1.5, &v), PL_TEMPORAL_RANGE);
    assert_int_equal(pl_interval_times_real(INT64_MAX, 0.999999999999, &v),
                     PL_TEMPORAL_OK);
}

static void test_interval_division(void **state) {
    (void)state;
    static const struct {
        int64_t interval;
        double divisor;
        int64_t quotient;
    } known[] = {
        {PL_DAY, 24, PL_HOUR},
        {7, 2, 4},
        {5, 2, 2},
        {-7, 2, -4},
        {1, -1, -1},
        {PL_SECOND, 0.5, 2 * PL_SECOND},
        {INT64_MAX, 1, INT64_MAX},
    };
    int64_t q = UNTOUCHED;
    assert_int_equal(pl_interval_divide(1, 0, &q), PL_TEMPORAL_ZERO);
    assert_int_equal(pl_interval_divide(INT64_MAX, 0.5, &q), PL_TEMPORAL_RANGE);
    assert_int_equal(pl_interval_divide(1, (double)NAN, &q), PL_TEMPORAL_RANGE);
    assert_true(q == UNTOUCHED);
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_int_equal(pl_interval_divide(known[i].interval, known[i].divisor, &q),
                         PL_TEMPORAL_OK);
        assert_true(q == known[i].quotient);
    }
}

/* ---- ISO text --------------------------------------------------------------- */

static void test_parse_iso(void **state) {
    (void)state;
    assert_int_equal(read_ok(pl_date_parse, "2024-02-29"), 19782);
    assert_int_equal(read_ok(pl_time_parse, "23:59"), PL_DAY - PL_MINUTE);
    assert_int_equal(read_ok(pl_time_parse, "00:00:01.5"), 1500000);
    assert_int_equal(read_ok(pl_time_parse, "00:00:00.000001"), 1);
    int64_t noon = at(2024, 2, 29, 12, 0, 0, 0);
    assert_int_equal(read_ok(datetime_parse, "2024-02-29T12:00:00"), noon);
    assert_int_equal(read_ok(datetime_parse, "2024-02-29 12:00"), noon);
    assert_int_equal(read_ok(datetime_parse, "2024-02-29"), noon - 12 * PL_HOUR);
    assert_int_equal(read_ok(datetime_parse, "2024-02-29T12:00:00.25Z"), noon + 250000);
    assert_int_equal(read_ok(datetime_parse, "2024-02-29T14:30:00+02:30"), noon);
    assert_int_equal(read_ok(datetime_parse, "2024-02-29T14:30:00+0230"), noon);
    assert_int_equal(read_ok(datetime_parse, "2024-02-29T09:00-03"), noon);
    assert_int_equal(read_ok(datetime_parse, "2024-03-01T00:30:00+23:59"),
                     noon - 11 * PL_HOUR - 29 * PL_MINUTE);
}

static void test_parse_tells_offset(void **state) {
    (void)state;
    static const struct {
        const char *text;
        bool offset;
    } known[] = {
        {"2024-02-29T12:00:00", false},      {"2024-02-29", false},
        {"2024-02-29T12:00:00Z", true},      {"2024-02-29T12:00:00+00:00", true},
        {"2024-02-29T12:00:00-05:00", true},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        int64_t v;
        bool offset = !known[i].offset;
        assert_int_equal(
            pl_datetime_parse(known[i].text, strlen(known[i].text), &v, &offset),
            PL_TEMPORAL_OK);
        assert_int_equal(offset, known[i].offset);
    }
}

static void test_parse_refuses(void **state) {
    (void)state;
    static const char *const bad_datetimes[] = {
        "",
        " 2024-02-29",
        "2024-02-29 ",
        "2024-2-29",
        "24-02-29",
        "2024/02/29",
        "2024-02-29X12:00",
        "2024-02-29T",
        "2024-02-29T12",
        "2024-02-29T12:00:",
        "2024-02-29T12:00:00.",
        "2024-02-29T12:00:00.1234567",
        "2024-02-29T12:00:00,5",
        "2024-02-29T12:00:00 Z",
        "2024-02-29T12:00:00ZZ",
        "2024-02-29T12:00:00+",
        "2024-02-29T12:00:00+2",
        "2024-02-29T12:00:00+02:3",
        "2024-02-29T12:00:00+02:",
        "2024-02-29T12:00:00+02:30:00",
        "2024-02-29Z",
        "+2024-02-29",
        "-2024-02-29",
        "12024-02-29",
        "tomorrow",
    };
    for (size_t i = 0; i < sizeof bad_datetimes / sizeof bad_datetimes[0]; i++)
        read_fails(datetime_parse, bad_datetimes[i], PL_TEMPORAL_SYNTAX);
    read_fails(datetime_parse, "2023-02-29", PL_TEMPORAL_DAY);
    read_fails(datetime_parse, "0000-01-01", PL_TEMPORAL_YEAR);
    read_fails(datetime_parse, "2024-02-29T24:00:00", PL_TEMPORAL_HOUR);
    read_fails(datetime_parse, "2024-02-29T23:59:60", PL_TEMPORAL_SECOND);
    read_fails(datetime_parse, "2024-02-29T12:00:00+24:00", PL_TEMPORAL_OFFSET);
    read_fails(datetime_parse, "2024-02-29T12:00:00+12:60", PL_TEMPORAL_OFFSET);
    read_fails(datetime_parse, "9999-12-31T23:30:00-01:00", PL_TEMPORAL_RANGE);
    read_fails(datetime_parse, "0001-01-01T00:30:00+01:00", PL_TEMPORAL_RANGE);
    read_fails(pl_date_parse, "2024-02-29T00:00:00", PL_TEMPORAL_SYNTAX);
    read_fails(pl_time_parse, "12:00:00Z", PL_TEMPORAL_OFFSET);
    read_fails(pl_time_parse, "12:00:00+01:00", PL_TEMPORAL_OFFSET);
    read_fails(pl_time_parse, "2024-02-29", PL_TEMPORAL_SYNTAX);
}

/* A zero byte inside is a character like any other, and nothing behind len is read. */
static void test_length_counts(void **state) {
    (void)state;
    int64_t v = UNTOUCHED;
    assert_int_equal(pl_date_parse("2024-02-29\0", 11, &v), PL_TEMPORAL_SYNTAX);
    assert_int_equal(pl_date_parse("2024-02-2999", 10, &v), PL_TEMPORAL_OK);
    assert_int_equal(v, 19782);
}

static void test_write_iso(void **state) {
    (void)state;
    char out[PL_TEMPORAL_TEXT];
    assert_int_equal(pl_datetime_iso(at(33, 4, 3, 5, 6, 7, 0), 'T', out), 19);
    assert_string_equal(out, "0033-04-03T05:06:07");
    assert_int_equal(pl_datetime_iso(at(2024, 12, 31, 23, 59, 59, 120), ' ', out), 26);
    assert_string_equal(out, "2024-12-31 23:59:59.000120");
    assert_int_equal(pl_date_iso(LAST_DAY, out), 10);
    assert_string_equal(out, "9999-12-31");
    assert_int_equal(pl_time_iso(1, out), 15);
    assert_string_equal(out, "00:00:00.000001");
    assert_int_equal(pl_date_iso(LAST_DAY + 1, out), 0);
    assert_string_equal(out, "");
    assert_int_equal(pl_time_iso(PL_DAY, out), 0);
    assert_int_equal(pl_datetime_iso(INT64_MIN, 'T', out), 0);
}

static void test_interval_text(void **state) {
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
        const char *canonical;
    } known[] = {
        {"PT0S", 0, "PT0S"},
        {"P1D", PL_DAY, "P1D"},
        {"P2W", 14 * PL_DAY, "P14D"},
        {"P1W1DT1H", 8 * PL_DAY + PL_HOUR, "P8DT1H"},
        {"PT90S", 90 * PL_SECOND, "PT1M30S"},
        {"PT0.5S", 500000, "PT0.5S"},
        {"-PT0.000001S", -1, "-PT0.000001S"},
        {"+P1DT2H3M4.05S", PL_DAY + 2 * PL_HOUR + 3 * PL_MINUTE + 4050000,
         "P1DT2H3M4.05S"},
        {"26:30:00", 26 * PL_HOUR + 30 * PL_MINUTE, "P1DT2H30M"},
        {"-00:00:01.25", -1250000, "-PT1.25S"},
        {"-P106751991DT4H54.775808S", INT64_MIN, "-P106751991DT4H54.775808S"},
        {"P106751991DT4H54.775807S", INT64_MAX, "P106751991DT4H54.775807S"},
    };
    char out[PL_TEMPORAL_TEXT];
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        assert_true(read_ok(pl_interval_parse, known[i].text) == known[i].us);
        assert_int_equal(pl_interval_iso(known[i].us, out), strlen(known[i].canonical));
        assert_string_equal(out, known[i].canonical);
    }
    static const char *const bad[] = {"",
                                      "P",
                                      "PT",
                                      "P1",
                                      "1D",
                                      "PT1D",
                                      "P1DT",
                                      "P1S",
                                      "P1D1W",
                                      "PT1M1H",
                                      "P1.5D",
                                      "PT1.5M",
                                      "PT1.S",
                                      "PT.5S",
                                      "--PT1S",
                                      "P-1D",
                                      "1:2:3",
                                      "12:00",
                                      "12:00:00.",
                                      "PT1S ",
                                      "P1DT1",
                                      "PT1.1234567S",
                                      "P1234567890123456D"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        read_fails(pl_interval_parse, bad[i], PL_TEMPORAL_SYNTAX);
    read_fails(pl_interval_parse, "P1Y", PL_TEMPORAL_CALENDAR_UNIT);
    read_fails(pl_interval_parse, "P3M", PL_TEMPORAL_CALENDAR_UNIT);
    read_fails(pl_interval_parse, "00:60:00", PL_TEMPORAL_MINUTE);
    read_fails(pl_interval_parse, "P106751991DT4H54.775808S", PL_TEMPORAL_RANGE);
    read_fails(pl_interval_parse, "P106751992D", PL_TEMPORAL_RANGE);
    read_fails(pl_interval_parse, "999999999999999:00:00", PL_TEMPORAL_RANGE);
}

/* ---- storage ---------------------------------------------------------------- */

static void test_store(void **state) {
    (void)state;
    char out[PL_TEMPORAL_TEXT];
    assert_int_equal(pl_datetime_store(at(2021, 3, 15, 12, 5, 57, 105542), out), 26);
    assert_string_equal(out, "2021-03-15 12:05:57.105542");
    assert_int_equal(pl_datetime_store(0, out), 26);
    assert_string_equal(out, "1970-01-01 00:00:00.000000");
    pl_date_store(19782, out);
    assert_string_equal(out, "2024-02-29");
    assert_int_equal(pl_time_store(PL_HOUR, out), 15);
    assert_string_equal(out, "01:00:00.000000");
    pl_interval_store(PL_DAY + 90 * PL_SECOND, out);
    assert_string_equal(out, "1970-01-02 00:01:30.000000");
    pl_interval_store(-1, out);
    assert_string_equal(out, "1969-12-31 23:59:59.999999");
    assert_int_equal(pl_interval_store(8030 * 366 * PL_DAY, out), 0);
}

static void test_load(void **state) {
    (void)state;
    int64_t v = at(2020, 1, 2, 3, 4, 5, 0);
    assert_int_equal(read_ok(pl_datetime_load, "2020-01-02 03:04:05.000000"), v);
    assert_int_equal(read_ok(pl_datetime_load, "2020-01-02 03:04:05"), v);
    assert_int_equal(read_ok(pl_datetime_load, "2020-1-2 3:4:5"), v);
    assert_int_equal(read_ok(pl_datetime_load, "2020-01-02T03:04:05"), v);
    assert_int_equal(read_ok(pl_datetime_load, "2020-01-02 03:04:05+00:00"), v);
    assert_int_equal(read_ok(pl_datetime_load, "2020-01-02 03:04:05.5"), v + 500000);
    assert_int_equal(read_ok(pl_datetime_load, "2020-01-02 03:04:05.123456789"),
                     v + 123456);
    assert_int_equal(read_ok(pl_datetime_load, "2020-01-02"), at(2020, 1, 2, 0, 0, 0, 0));
    assert_int_equal(read_ok(pl_date_load, "2020-1-2"), pl_datetime_date(v));
    assert_int_equal(read_ok(pl_date_load, "2020-01-02 03:04:05.0"), pl_datetime_date(v));
    assert_int_equal(read_ok(pl_time_load, "3:4:5"), pl_datetime_time(v));
    assert_int_equal(read_ok(pl_time_load, "03:04:05.000007"), pl_datetime_time(v) + 7);
    assert_int_equal(read_ok(pl_interval_load, "1970-01-02 00:00:00.000001"), PL_DAY + 1);
    static const char *const bad[] = {"",
                                      "junk",
                                      "2020-01",
                                      "2020-01-02 03",
                                      "2020-01-02 03:04:05 junk",
                                      "2020-01-02 03:04:05.",
                                      "1234567890-01-02",
                                      "1577934245"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        read_fails(pl_datetime_load, bad[i], PL_TEMPORAL_SYNTAX);
    read_fails(pl_datetime_load, "2020-02-30 00:00:00", PL_TEMPORAL_DAY);
    read_fails(pl_datetime_load, "99999-01-01 00:00:00", PL_TEMPORAL_YEAR);
    read_fails(pl_time_load, "03:04:05Z", PL_TEMPORAL_OFFSET);
}

static void test_round_trip(void **state) {
    (void)state;
    char out[PL_TEMPORAL_TEXT];
    uint64_t random = 42;
    int64_t first = FIRST_DAY * PL_DAY;
    uint64_t span = (uint64_t)(LAST_DAY - FIRST_DAY + 1) * (uint64_t)PL_DAY;
    for (int i = 0; i < 20000; i++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        int64_t v = first + (int64_t)(random % span);
        pl_datetime_store(v, out);
        assert_true(read_ok(pl_datetime_load, out) == v);
        pl_datetime_iso(v, 'T', out);
        assert_true(read_ok(datetime_parse, out) == v);
        pl_time_store(pl_datetime_time(v), out);
        assert_true(read_ok(pl_time_load, out) == pl_datetime_time(v));
        pl_interval_iso((int64_t)random, out);
        assert_true(read_ok(pl_interval_parse, out) == (int64_t)random);
    }
}

static void test_messages(void **state) {
    (void)state;
    assert_string_equal(pl_temporal_message(PL_TEMPORAL_MONTH), "month must be in 1..12");
    assert_string_equal(pl_temporal_message((pl_temporal_rc)999), "unknown error");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_days),     cmocka_unit_test(test_every_day),
        cmocka_unit_test(test_field_ranges),   cmocka_unit_test(test_halves_before_epoch),
        cmocka_unit_test(test_sums),           cmocka_unit_test(test_epoch),
        cmocka_unit_test(test_interval_parts), cmocka_unit_test(test_interval_division),
        cmocka_unit_test(test_parse_iso),      cmocka_unit_test(test_parse_tells_offset),
        cmocka_unit_test(test_parse_refuses),  cmocka_unit_test(test_length_counts),
        cmocka_unit_test(test_write_iso),      cmocka_unit_test(test_interval_text),
        cmocka_unit_test(test_store),          cmocka_unit_test(test_load),
        cmocka_unit_test(test_round_trip),     cmocka_unit_test(test_messages),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
