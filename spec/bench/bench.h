/* SPDX-License-Identifier: MIT */
/*
 * What the C programs of the benchmark share: one run (struct bench), the sizes that
 * follow from the number of rows, the data that row i holds, and the checksum.
 *
 * fixture.c fills the database files with this data, raw.c and raw_more.c insert and read
 * it; harness.lua and sqlalchemy_bench.py state the same formulas in their languages, and
 * unequal checksums show where they differ. These programs use malloc and sqlite3
 * directly and exit at the first error: they are the measure, not part of the library.
 */
#ifndef BENCH_H
#define BENCH_H

#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>

enum { BENCH_GROUPS = 100, BENCH_TEXT = 96, BENCH_IN_KEYS = 100, BENCH_IN_LIST = 500 };

/* One run: `seen` and `hash` are the checksum, `started` and `seconds` the clock. */
struct bench {
    sqlite3 *db;
    int64_t rows;
    int64_t seen;
    uint32_t hash;
    double started;
    double seconds;
    long peak_kb;
};

struct bench_workload {
    const char *name;
    void (*run)(struct bench *b);
};

/* The second group of workloads (raw_more.c); ends with a NULL name. */
extern const struct bench_workload bench_more[];

/* Sizes: every count is a share of the rows asked for. */
#define BENCH_KEYS(rows)    ((rows) / 5)   /* get_by_pk, filter_query, events */
#define BENCH_PARENTS(rows) ((rows) / 100) /* users of the blog fixture */
#define BENCH_AUTHORS(rows) ((rows) / 50)  /* users of the posts fixture */
#define BENCH_GRAPH(rows)   ((rows) / 50)  /* graph_insert users, small_txn commits */
#define BENCH_SHAPES(rows)  ((rows) / 20)  /* queries of each further shape */
#define BENCH_LINKED(rows)  ((rows) / 10)  /* users of delete_related */
#define BENCH_POSTS         10             /* posts of a blog user */
#define BENCH_MEMBER        20             /* groups of a blog user */
#define BENCH_GRAPH_MEMBER  5              /* groups of a graph_insert user */
#define BENCH_MANY_POSTS    50             /* posts of a user of the posts fixture */

/* The k-th key of `n`, scrambled: the factor is a prime that divides no size in use. */
#define BENCH_SCRAMBLE(k, n) ((k)*7919 % (n) + 1)

/* The j-th group (from 0) of user i. */
#define BENCH_GROUP_OF(i, j) (((i)*7 + (j)*5) % BENCH_GROUPS + 1)

struct bench_record {
    int64_t id, a, b;
    double x, y;
    char *s[4];
    int flag;
};

struct bench_time {
    int year, month, day, hour, minute, second, micro;
};

/* Row i (from 1); texts are written into `out`, which holds BENCH_TEXT bytes. */
void bench_record_text(int64_t i, int k, char *out);
void bench_record_numbers(int64_t i, struct bench_record *r);
void bench_post_title(int64_t user, int64_t j, char *out);
struct bench_time bench_event_time(int64_t i);

/* A malloc'ed array of n texts; the format gets the index from 1 as a long. */
char **bench_texts(int64_t n, const char *format);

/* malloc and realloc that exit when there is no memory; a copy with a closing zero. */
void *bench_alloc(size_t size);
void *bench_resize(void *array, size_t size);
char *bench_copy(const void *bytes, size_t n);
char *bench_column(sqlite3_stmt *s, int column);

/* SQLite calls that exit with the database's message on failure. */
sqlite3 *bench_open(const char *path);
void bench_exec(sqlite3 *db, const char *sql);
sqlite3_stmt *bench_prepare(sqlite3 *db, const char *sql);
int bench_step(sqlite3_stmt *s);   /* 1: a row, 0: done */
void bench_write(sqlite3_stmt *s); /* step to the end and reset */
void bench_bind_text(sqlite3_stmt *s, int at, const char *text);
_Noreturn void bench_die(const char *what, const char *why);

/* Seconds of the monotonic clock; the process's peak resident set in KiB. */
double bench_now(void);
long bench_peak_kb(void);
void bench_start(struct bench *b);
void bench_stop(struct bench *b);

/* The checksum of rows: mix integers and texts of one row, then add it to the run. */
uint32_t bench_mix(uint32_t h, int64_t v);
uint32_t bench_mix_text(uint32_t h, const char *text);

#endif
