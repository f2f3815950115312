/* SPDX-License-Identifier: MIT */
/*
 * The data, the checksum, the clock and the checked SQLite calls of the C benchmark
 * programs; bench.h says what each is for. Memory handed out is never freed unless the
 * workload frees it: a run is one process and one workload.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

void bench_die(const char *what, const char *why) {
    fprintf(stderr, "bench: %s: %s\n", what, why);
    exit(1);
}

void *bench_alloc(size_t size) {
    void *p = malloc(size);
    if (p == NULL)
        bench_die("malloc", "out of memory");
    return p;
}

void *bench_resize(void *array, size_t size) {
    void *p = realloc(array, size);
    if (p == NULL)
        bench_die("realloc", "out of memory");
    return p;
}

char *bench_copy(const void *bytes, size_t n) {
    char *p = bench_alloc(n + 1);
    memcpy(p, bytes, n);
    p[n] = '\0';
    return p;
}

char *bench_column(sqlite3_stmt *s, int column) {
    const unsigned char *text = sqlite3_column_text(s, column);
    return bench_copy(text, (size_t)sqlite3_column_bytes(s, column));
}

/* ---- data ---- */

void bench_record_text(int64_t i, int k, char *out) {
    static const char *const format[4] = {"first %06ld", "second text %06ld",
                                          "a somewhat longer third text %06ld",
                                          "fourth text of the record %06ld"};
    snprintf(out, BENCH_TEXT, format[k], (long)i);
}

void bench_record_numbers(int64_t i, struct bench_record *r) {
    r->a = i;
    r->b = i * 7 % 1000;
    /* Eighths and quarters are exact in binary: their sum does not depend on the order.
     */
    r->x = (double)i / 8;
    r->y = (double)i / 4 + 0.5;
    r->flag = (int)(i % 2);
}

void bench_post_title(int64_t user, int64_t j, char *out) {
    const char *format = j % 5 == 0 ? "x title %ld-%ld" : "a title %ld-%ld";
    snprintf(out, BENCH_TEXT, format, (long)user, (long)j);
}

struct bench_time bench_event_time(int64_t i) {
    struct bench_time t = {2024,
                           (int)(i / 40320 % 12 + 1),
                           (int)(i / 1440 % 28 + 1),
                           (int)(i / 60 % 24),
                           (int)(i % 60),
                           (int)(i * 7 % 60),
                           (int)(i * 37 % 1000000)};
    return t;
}

char **bench_texts(int64_t n, const char *format) {
    char **texts = bench_alloc((size_t)(n + 1) * sizeof *texts);
    char line[BENCH_TEXT];
    texts[0] = NULL;
    for (int64_t i = 1; i <= n; i++) {
        int size = snprintf(line, sizeof line, format, (long)i);
        texts[i] = bench_copy(line, (size_t)size);
    }
    return texts;
}

/* ---- checksum ---- */

uint32_t bench_mix(uint32_t h, int64_t v) {
    return h * 31U + (uint32_t)v;
}

uint32_t bench_mix_text(uint32_t h, const char *text) {
    const unsigned char *s = (const unsigned char *)text;
    size_t n = strlen(text);
    h = bench_mix(h, (int64_t)n);
    if (n == 0)
        return h;
    return bench_mix(h, s[0] + 256 * s[n / 2] + 65536 * s[n - 1]);
}

/* ---- clock and memory ---- */

double bench_now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

/* VmHWM and not getrusage: ru_maxrss keeps the peak of the shell that started us. */
long bench_peak_kb(void) {
    char line[256];
    long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    if (f == NULL)
        return 0;
    while (fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, "VmHWM:", 6) == 0)
            kb = strtol(line + 6, NULL, 10);
    }
    fclose(f);
    return kb;
}

void bench_start(struct bench *b) {
    b->started = bench_now();
}

void bench_stop(struct bench *b) {
    b->seconds = bench_now() - b->started;
    b->peak_kb = bench_peak_kb();
}

/* ---- SQLite ---- */

sqlite3 *bench_open(const char *path) {
    sqlite3 *db = NULL;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
    if (sqlite3_open_v2(path, &db, flags, NULL) != SQLITE_OK)
        bench_die(path, sqlite3_errmsg(db));
    bench_exec(db, "PRAGMA journal_mode = WAL");
    bench_exec(db, "PRAGMA synchronous = NORMAL");
    bench_exec(db, "PRAGMA foreign_keys = ON");
    bench_exec(db, "PRAGMA mmap_size = 134217728");
    return db;
}

void bench_exec(sqlite3 *db, const char *sql) {
    if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK)
        bench_die(sql, sqlite3_errmsg(db));
}

sqlite3_stmt *bench_prepare(sqlite3 *db, const char *sql) {
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) != SQLITE_OK)
        bench_die(sql, sqlite3_errmsg(db));
    return s;
}

int bench_step(sqlite3_stmt *s) {
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        return 1;
    if (rc != SQLITE_DONE)
        bench_die(sqlite3_sql(s), sqlite3_errmsg(sqlite3_db_handle(s)));
    return 0;
}

void bench_write(sqlite3_stmt *s) {
    int more = 1;
    while (more)
        more = bench_step(s);
    sqlite3_reset(s);
}

void bench_bind_text(sqlite3_stmt *s, int at, const char *text) {
    sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}
