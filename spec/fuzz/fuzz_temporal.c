/* SPDX-License-Identifier: MIT */
/*
** fuzz_temporal.c - any bytes through every reader of dates and times, and any integers
** through every writer.
**
** What a reader takes must be in range, must come back from its own text, and a refusal
** must leave the result alone. Standalone:
**   clang -g -O1 -fsanitize=fuzzer,address,undefined -Ibindings spec/fuzz/fuzz_temporal.c
**     bindings/core/schema/temporal.c -lm -o fuzz_temporal && ./fuzz_temporal
*-runs=1000000
*/
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/schema/temporal.h"

#define UNTOUCHED INT64_C(0x5a5a5a5a5a5a5a5a)

/* The sanitizer's report needs the place, which abort() gives. */
#define MUST(condition)                                                                  \
    do {                                                                                 \
        if (!(condition))                                                                \
            abort();                                                                     \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef pl_temporal_rc reader(const char *text, size_t len, int64_t *out);
typedef size_t writer(int64_t value, char out[PL_TEMPORAL_TEXT]);

static pl_temporal_rc datetime_parse(const char *text, size_t len, int64_t *out) {
    bool had_offset;
    return pl_datetime_parse(text, len, out, &had_offset);
}

static size_t datetime_iso(int64_t value, char out[PL_TEMPORAL_TEXT]) {
    return pl_datetime_iso(value, 'T', out);
}

static bool any(int64_t value) {
    (void)value;
    return true;
}

static const struct form {
    reader *read;
    writer *write;
    bool (*valid)(int64_t value);
} forms[] = {
    {pl_date_parse, pl_date_iso, pl_date_valid},
    {pl_time_parse, pl_time_iso, pl_time_valid},
    {datetime_parse, datetime_iso, pl_datetime_valid},
    {pl_interval_parse, pl_interval_iso, any},
    {pl_date_load, pl_date_store, pl_date_valid},
    {pl_time_load, pl_time_store, pl_time_valid},
    {pl_datetime_load, pl_datetime_store, pl_datetime_valid},
    {pl_interval_load, pl_interval_store, pl_datetime_valid},
};

static void write_and_read(const struct form *form, int64_t value) {
    char text[PL_TEMPORAL_TEXT];
    int64_t back = UNTOUCHED;
    size_t len = form->write(value, text);
    MUST(len < PL_TEMPORAL_TEXT && text[len] == '\0');
    MUST((len > 0) == form->valid(value));
    if (len > 0)
        MUST(form->read(text, len, &back) == PL_TEMPORAL_OK && back == value);
}

static void read_any(const struct form *form, const char *text, size_t len) {
    int64_t value = UNTOUCHED;
    if (form->read(text, len, &value) != PL_TEMPORAL_OK) {
        MUST(value == UNTOUCHED);
        return;
    }
    MUST(form->valid(value));
    write_and_read(form, value);
}

static void check_fields(int64_t value) {
    pl_fields f;
    int64_t back, days;
    int seconds, us;
    if (pl_datetime_to_fields(value, &f)) {
        MUST(pl_datetime_from_fields(&f, &back) == PL_TEMPORAL_OK && back == value);
        MUST(pl_datetime_date(value) * PL_DAY + pl_datetime_time(value) == value);
        MUST(pl_date_yearday(pl_datetime_date(value)) <= 366);
    }
    pl_interval_split(value, &days, &seconds, &us);
    MUST(seconds >= 0 && seconds < 86400 && us >= 0 && us < PL_SECOND);
}

static void check_arithmetic(int64_t a, int64_t b, double real) {
    int64_t sum = UNTOUCHED, back;
    if (pl_datetime_valid(a) && pl_datetime_add(a, b, &sum) == PL_TEMPORAL_OK) {
        MUST(pl_datetime_valid(sum));
        MUST(pl_interval_sub(sum, a, &back) == PL_TEMPORAL_OK && back == b);
    }
    if (pl_date_valid(a) && pl_date_add(a, b, &sum) == PL_TEMPORAL_OK)
        MUST(pl_date_valid(sum));
    if (pl_datetime_from_epoch_real(real, &sum) == PL_TEMPORAL_OK)
        MUST(pl_datetime_valid(sum));
    (void)pl_interval_times(a, b, &sum);
    (void)pl_interval_times_real(a, real, &sum);
    (void)pl_interval_divide(a, real, &sum);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    int64_t number[2] = {0, 0};
    double real = 0;
    /* an exact copy, so that reading one byte too far is seen */
    char *text = malloc(size ? size : 1);
    MUST(text);
    if (size > 0)
        memcpy(text, data, size);
    memcpy(number, data, size < sizeof number ? size : sizeof number);
    memcpy(&real, data, size < sizeof real ? size : sizeof real);
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        read_any(&forms[i], text, size);
        write_and_read(&forms[i], number[0]);
    }
    check_fields(number[0]);
    check_arithmetic(number[0], number[1], real);
    free(text);
    return 0;
}
