/* SPDX-License-Identifier: MIT */
/*
 * The second group of raw C workloads: five further shapes of query, rows instead of
 * objects, streaming, JSON and time columns, and deleting what stands in a relationship.
 * The same rules as in raw.c. JSON needs jansson; built without it (no BENCH_JANSSON) the
 * two event workloads are missing and the driver says so.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

#ifdef BENCH_JANSSON
#include <jansson.h>
#endif

struct named {
    int64_t id;
    char *name;
};

/* Reads (id, text, ...) rows into copies and gives them back, as every shape does. */
static void read_named(struct bench *b, sqlite3_stmt *s) {
    struct named found[BENCH_IN_KEYS];
    int count = 0;
    while (bench_step(s)) {
        found[count].id = sqlite3_column_int64(s, 0);
        found[count++].name = bench_column(s, 1);
    }
    sqlite3_reset(s);
    for (int i = 0; i < count; i++) {
        b->seen += found[i].id + (int64_t)strlen(found[i].name);
        free(found[i].name);
    }
}

/* Runs `bind` and reads the result for every query of a shape, in one transaction. */
static void run_shape(struct bench *b, const char *sql,
                      void (*bind)(sqlite3_stmt *s, int64_t k, int64_t rows),
                      void (*read)(struct bench *b, sqlite3_stmt *s)) {
    bench_start(b);
    bench_exec(b->db, "BEGIN");
    sqlite3_stmt *s = bench_prepare(b->db, sql);
    for (int64_t k = 0; k < BENCH_SHAPES(b->rows); k++) {
        bind(s, k, b->rows);
        read(b, s);
    }
    sqlite3_finalize(s);
    bench_exec(b->db, "COMMIT");
    bench_stop(b);
}

static void bind_author(sqlite3_stmt *s, int64_t k, int64_t rows) {
    sqlite3_bind_int64(s, 1, BENCH_SCRAMBLE(k, BENCH_AUTHORS(rows)));
}

static void q_join(struct bench *b) {
    run_shape(
        b,
        "SELECT p.id, p.title, p.user_id FROM post p JOIN user u ON u.id = p.user_id "
        "WHERE u.id = ? AND p.title LIKE 'x%' ORDER BY p.id DESC LIMIT 10",
        bind_author, read_named);
}

/* Five users from a scrambled first one. */
static void bind_range(sqlite3_stmt *s, int64_t k, int64_t rows) {
    int64_t first = BENCH_SCRAMBLE(k, BENCH_AUTHORS(rows) - 4);
    sqlite3_bind_int64(s, 1, first);
    sqlite3_bind_int64(s, 2, first + 4);
}

static void read_pairs(struct bench *b, sqlite3_stmt *s) {
    while (bench_step(s))
        b->seen += sqlite3_column_int64(s, 0) * sqlite3_column_int64(s, 1);
    sqlite3_reset(s);
}

static void q_group(struct bench *b) {
    run_shape(b,
              "SELECT user_id, count(id) FROM post WHERE user_id BETWEEN ? AND ? "
              "GROUP BY user_id ORDER BY user_id",
              bind_range, read_pairs);
}

static void q_any(struct bench *b) {
    run_shape(
        b,
        "SELECT id, name FROM user WHERE id BETWEEN ? AND ? AND EXISTS (SELECT 1 FROM "
        "post WHERE post.user_id = user.id AND post.title LIKE 'x%') ORDER BY id",
        bind_range, read_named);
}

static void bind_in(sqlite3_stmt *s, int64_t k, int64_t rows) {
    for (int j = 0; j < BENCH_IN_KEYS; j++)
        sqlite3_bind_int64(s, j + 1, (k * 101 + j * 37) % rows + 1);
}

static void q_in(struct bench *b) {
    static const char head[] = "SELECT id, title, user_id FROM post WHERE id IN (?";
    char sql[sizeof head + 2 * BENCH_IN_KEYS];
    size_t at = sizeof head - 1;
    memcpy(sql, head, at);
    for (int j = 1; j < BENCH_IN_KEYS; j++, at += 2)
        memcpy(sql + at, ",?", 2);
    memcpy(sql + at, ")", 2);
    run_shape(b, sql, bind_in, read_named);
}

static void bind_func(sqlite3_stmt *s, int64_t k, int64_t rows) {
    char title[BENCH_TEXT];
    int64_t user = BENCH_SCRAMBLE(k, BENCH_AUTHORS(rows));
    int n = snprintf(title, sizeof title, "X TITLE %ld-10", (long)user);
    sqlite3_bind_int64(s, 1, user);
    sqlite3_bind_text(s, 2, title, n, SQLITE_TRANSIENT);
}

static void q_func(struct bench *b) {
    run_shape(
        b, "SELECT id, title, user_id FROM post WHERE user_id = ? AND upper(title) = ?",
        bind_func, read_named);
}

/* Rows are plain values: one array of structs that grows, the texts copied. */
static struct named *load_pairs(sqlite3 *db, int64_t *count) {
    int64_t n = 0, room = 64;
    struct named *rows = bench_alloc((size_t)room * sizeof *rows);
    sqlite3_stmt *s = bench_prepare(db, "SELECT id, name FROM user");
    while (bench_step(s)) {
        if (n == room) {
            room *= 2;
            rows = bench_resize(rows, (size_t)room * sizeof *rows);
        }
        rows[n].id = sqlite3_column_int64(s, 0);
        rows[n++].name = bench_column(s, 1);
    }
    sqlite3_finalize(s);
    *count = n;
    return rows;
}

static void load_rows(struct bench *b) {
    int64_t n = 0;
    bench_start(b);
    struct named *rows = load_pairs(b->db, &n);
    for (int64_t i = 0; i < n; i++)
        b->seen += rows[i].id + (int64_t)strlen(rows[i].name);
    bench_stop(b);
    for (int64_t i = 0; i < n; i++)
        b->hash += bench_mix_text(bench_mix(1, rows[i].id), rows[i].name);
}

/* Nothing is kept, so nothing is copied. */
static void each(struct bench *b) {
    bench_start(b);
    sqlite3_stmt *s = bench_prepare(b->db, "SELECT id, name FROM user");
    while (bench_step(s)) {
        const char *name = (const char *)sqlite3_column_text(s, 1);
        b->seen += sqlite3_column_int64(s, 0) + (int64_t)strlen(name);
    }
    sqlite3_finalize(s);
    bench_stop(b);
}

/* The user's rows of the join table go first, as its foreign key demands. */
static void delete_related(struct bench *b) {
    int64_t n = 0, count = BENCH_LINKED(b->rows);
    int64_t *ids = bench_alloc((size_t)count * sizeof *ids);
    bench_exec(b->db, "BEGIN IMMEDIATE");
    sqlite3_stmt *load = bench_prepare(b->db, "SELECT id FROM user");
    while (n < count && bench_step(load))
        ids[n++] = sqlite3_column_int64(load, 0);
    sqlite3_finalize(load);
    bench_start(b);
    sqlite3_stmt *links =
        bench_prepare(b->db, "DELETE FROM user_group WHERE user_id = ?");
    sqlite3_stmt *user = bench_prepare(b->db, "DELETE FROM user WHERE id = ?");
    for (int64_t i = 0; i < n; i++) {
        sqlite3_bind_int64(links, 1, ids[i]);
        bench_write(links);
        sqlite3_bind_int64(user, 1, ids[i]);
        bench_write(user);
    }
    sqlite3_finalize(links);
    sqlite3_finalize(user);
    bench_exec(b->db, "COMMIT");
    bench_stop(b);
    b->seen = n;
}

#ifdef BENCH_JANSSON

struct event {
    int64_t id;
    struct bench_time at;
    json_t *data;
};

static json_t *event_data(int64_t i) {
    char tag[BENCH_TEXT];
    snprintf(tag, sizeof tag, "tag %ld", (long)(i % 7));
    return json_pack("{s:I, s:[s, s], s:b}", "n", (json_int_t)i, "tags", "red", tag, "on",
                     1);
}

static void insert_event(sqlite3_stmt *s, const struct event *e) {
    char at[BENCH_TEXT];
    const struct bench_time *t = &e->at;
    int n = snprintf(at, sizeof at, "%04d-%02d-%02d %02d:%02d:%02d.%06d", t->year,
                     t->month, t->day, t->hour, t->minute, t->second, t->micro);
    char *data = json_dumps(e->data, 0);
    sqlite3_bind_text(s, 1, at, n, SQLITE_STATIC);
    bench_bind_text(s, 2, data);
    bench_write(s);
    free(data);
}

static void typed_insert(struct bench *b) {
    int64_t n = BENCH_KEYS(b->rows);
    json_t **docs = bench_alloc((size_t)n * sizeof(json_t *));
    for (int64_t i = 0; i < n; i++)
        docs[i] = event_data(i + 1);
    bench_start(b);
    struct event **events = bench_alloc((size_t)n * sizeof *events);
    for (int64_t i = 0; i < n; i++) {
        events[i] = bench_alloc(sizeof **events);
        events[i]->at = bench_event_time(i + 1);
        events[i]->data = docs[i];
    }
    bench_exec(b->db, "BEGIN IMMEDIATE");
    sqlite3_stmt *s = bench_prepare(b->db, "INSERT INTO event (at, data) VALUES (?, ?)");
    for (int64_t i = 0; i < n; i++) {
        insert_event(s, events[i]);
        events[i]->id = sqlite3_last_insert_rowid(b->db);
        b->seen += events[i]->id;
    }
    sqlite3_finalize(s);
    bench_exec(b->db, "COMMIT");
    bench_stop(b);
}

/* `count` decimal digits; the stored form has a fixed width. */
static int digits(const char *s, int count) {
    int v = 0;
    for (int i = 0; i < count; i++)
        v = v * 10 + (s[i] - '0');
    return v;
}

static struct bench_time parse_time(const char *s) {
    struct bench_time t = {digits(s, 4),      digits(s + 5, 2),  digits(s + 8, 2),
                           digits(s + 11, 2), digits(s + 14, 2), digits(s + 17, 2),
                           digits(s + 20, 6)};
    return t;
}

static struct event *read_event(sqlite3_stmt *s) {
    struct event *e = bench_alloc(sizeof *e);
    json_error_t error;
    e->id = sqlite3_column_int64(s, 0);
    e->at = parse_time((const char *)sqlite3_column_text(s, 1));
    e->data = json_loads((const char *)sqlite3_column_text(s, 2), 0, &error);
    if (e->data == NULL)
        bench_die("json_loads", error.text);
    return e;
}

static void typed_load(struct bench *b) {
    int64_t n = BENCH_KEYS(b->rows), count = 0;
    bench_start(b);
    struct event **events = bench_alloc((size_t)n * sizeof *events);
    sqlite3_stmt *s = bench_prepare(b->db, "SELECT id, at, data FROM event");
    while (count < n && bench_step(s))
        events[count++] = read_event(s);
    sqlite3_finalize(s);
    for (int64_t i = 0; i < count; i++) {
        const struct event *e = events[i];
        const json_t *tags = json_object_get(e->data, "tags");
        b->seen += e->id + e->at.year + e->at.minute + e->at.micro +
                   json_integer_value(json_object_get(e->data, "n")) +
                   (int64_t)json_string_length(json_array_get(tags, 1));
    }
    bench_stop(b);
}

#endif

const struct bench_workload bench_more[] = {{"q_join", q_join},
                                            {"q_group", q_group},
                                            {"q_any", q_any},
                                            {"q_in", q_in},
                                            {"q_func", q_func},
                                            {"load_rows", load_rows},
                                            {"each", each},
                                            {"delete_related", delete_related},
#ifdef BENCH_JANSSON
                                            {"typed_insert", typed_insert},
                                            {"typed_load", typed_load},
#endif
                                            {NULL, NULL}};
