/* SPDX-License-Identifier: MIT */
/*
 * Makes the database files that the benchmark programs work on, and sums up what they
 * left behind:
 *
 *     fixture make NAME FILE ROWS    empty, users, records, blog, posts, linked or events
 *     fixture digest FILE            a hash over the contents of every table
 *
 * The driver makes each file once, gives writing workloads a copy of it, and adds the
 * digest of the copy to the program's checksum. The digest does not depend on the order
 * of rows, nor on which row of a table got which key as long as the keys' sum is the
 * same: two units of work may insert the same graph in different orders.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

static const char schema[] =
    "CREATE TABLE user (id INTEGER NOT NULL, name VARCHAR(100) NOT NULL,"
    " PRIMARY KEY (id));"
    "CREATE TABLE post (id INTEGER NOT NULL, title VARCHAR(200) NOT NULL,"
    " user_id INTEGER NOT NULL, PRIMARY KEY (id),"
    " FOREIGN KEY (user_id) REFERENCES user (id));"
    "CREATE INDEX ix_post_user_id ON post (user_id);"
    "CREATE TABLE \"group\" (id INTEGER NOT NULL, name VARCHAR(100) NOT NULL,"
    " PRIMARY KEY (id));"
    "CREATE TABLE user_group (user_id INTEGER NOT NULL, group_id INTEGER NOT NULL,"
    " PRIMARY KEY (user_id, group_id), FOREIGN KEY (user_id) REFERENCES user (id),"
    " FOREIGN KEY (group_id) REFERENCES \"group\" (id));"
    "CREATE TABLE record (id INTEGER NOT NULL, a INTEGER, b INTEGER, x FLOAT, y FLOAT,"
    " s1 VARCHAR(100), s2 VARCHAR(100), s3 TEXT, s4 TEXT, flag BOOLEAN,"
    " PRIMARY KEY (id));"
    "CREATE TABLE event (id INTEGER NOT NULL, at DATETIME, data JSON, PRIMARY KEY (id));";

static void make_empty(sqlite3 *db, int64_t rows) {
    (void)db;
    (void)rows;
}

static void make_named(sqlite3 *db, const char *sql, const char *format, int64_t n) {
    sqlite3_stmt *s = bench_prepare(db, sql);
    char name[BENCH_TEXT];
    for (int64_t i = 1; i <= n; i++) {
        snprintf(name, sizeof name, format, (long)i);
        bench_bind_text(s, 1, name);
        bench_write(s);
    }
    sqlite3_finalize(s);
}

static void fill_users(sqlite3 *db, int64_t n) {
    make_named(db, "INSERT INTO user (name) VALUES (?)", "user %06ld", n);
}

static void fill_groups(sqlite3 *db) {
    make_named(db, "INSERT INTO \"group\" (name) VALUES (?)", "group %03ld",
               BENCH_GROUPS);
}

static void fill_posts(sqlite3 *db, int64_t users, int64_t each) {
    sqlite3_stmt *s =
        bench_prepare(db, "INSERT INTO post (title, user_id) VALUES (?, ?)");
    char title[BENCH_TEXT];
    for (int64_t i = 1; i <= users; i++) {
        for (int64_t j = 1; j <= each; j++) {
            bench_post_title(i, j, title);
            bench_bind_text(s, 1, title);
            sqlite3_bind_int64(s, 2, i);
            bench_write(s);
        }
    }
    sqlite3_finalize(s);
}

static void fill_members(sqlite3 *db, int64_t users, int64_t each) {
    sqlite3_stmt *s = bench_prepare(db, "INSERT INTO user_group VALUES (?, ?)");
    for (int64_t i = 1; i <= users; i++) {
        for (int64_t j = 0; j < each; j++) {
            sqlite3_bind_int64(s, 1, i);
            sqlite3_bind_int64(s, 2, BENCH_GROUP_OF(i, j));
            bench_write(s);
        }
    }
    sqlite3_finalize(s);
}

static void make_users(sqlite3 *db, int64_t rows) {
    fill_users(db, rows);
}

static void make_blog(sqlite3 *db, int64_t rows) {
    fill_users(db, BENCH_PARENTS(rows));
    fill_groups(db);
    fill_posts(db, BENCH_PARENTS(rows), BENCH_POSTS);
    fill_members(db, BENCH_PARENTS(rows), BENCH_MEMBER);
}

static void make_posts(sqlite3 *db, int64_t rows) {
    fill_users(db, BENCH_AUTHORS(rows));
    fill_posts(db, BENCH_AUTHORS(rows), BENCH_MANY_POSTS);
}

static void make_linked(sqlite3 *db, int64_t rows) {
    fill_users(db, BENCH_LINKED(rows));
    fill_groups(db);
    fill_members(db, BENCH_LINKED(rows), 2);
}

static void make_records(sqlite3 *db, int64_t rows) {
    sqlite3_stmt *s =
        bench_prepare(db, "INSERT INTO record (a, b, x, y, s1, s2, s3, s4, flag)"
                          " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    char text[4][BENCH_TEXT];
    for (int64_t i = 1; i <= rows; i++) {
        struct bench_record r;
        bench_record_numbers(i, &r);
        sqlite3_bind_int64(s, 1, r.a);
        sqlite3_bind_int64(s, 2, r.b);
        sqlite3_bind_double(s, 3, r.x);
        sqlite3_bind_double(s, 4, r.y);
        for (int k = 0; k < 4; k++) {
            bench_record_text(i, k, text[k]);
            bench_bind_text(s, 5 + k, text[k]);
        }
        sqlite3_bind_int(s, 9, r.flag);
        bench_write(s);
    }
    sqlite3_finalize(s);
}

static void make_events(sqlite3 *db, int64_t rows) {
    sqlite3_stmt *s = bench_prepare(db, "INSERT INTO event (at, data) VALUES (?, ?)");
    char at[BENCH_TEXT], data[BENCH_TEXT];
    for (int64_t i = 1; i <= BENCH_KEYS(rows); i++) {
        struct bench_time t = bench_event_time(i);
        snprintf(at, sizeof at, "%04d-%02d-%02d %02d:%02d:%02d.%06d", t.year, t.month,
                 t.day, t.hour, t.minute, t.second, t.micro);
        snprintf(data, sizeof data,
                 "{\"n\": %ld, \"tags\": [\"red\", \"tag %ld\"], \"on\": true}", (long)i,
                 (long)(i % 7));
        bench_bind_text(s, 1, at);
        bench_bind_text(s, 2, data);
        bench_write(s);
    }
    sqlite3_finalize(s);
}

static const struct {
    const char *name;
    void (*make)(sqlite3 *db, int64_t rows);
} fixtures[] = {{"empty", make_empty},  {"users", make_users}, {"records", make_records},
                {"blog", make_blog},    {"posts", make_posts}, {"linked", make_linked},
                {"events", make_events}};

static int make(const char *name, const char *path, int64_t rows) {
    for (size_t i = 0; i < sizeof fixtures / sizeof *fixtures; i++) {
        if (strcmp(fixtures[i].name, name) != 0)
            continue;
        sqlite3 *db = bench_open(path);
        bench_exec(db, schema);
        bench_exec(db, "BEGIN");
        fixtures[i].make(db, rows);
        bench_exec(db, "COMMIT");
        /* No ANALYZE: the statistics would have to be equal in every program's mind. */
        return sqlite3_close(db) == SQLITE_OK ? 0 : 1;
    }
    bench_die(name, "no such fixture");
}

/* The sum over a query's rows of each row's hash; every value is taken as text. */
static uint32_t digest_query(sqlite3 *db, const char *sql) {
    sqlite3_stmt *s = bench_prepare(db, sql);
    uint32_t sum = 0;
    while (bench_step(s)) {
        uint32_t h = 2166136261U;
        for (int c = 0; c < sqlite3_column_count(s); c++) {
            const unsigned char *text = sqlite3_column_text(s, c);
            for (; text != NULL && *text != 0; text++)
                h = (h ^ *text) * 16777619U;
            h = (h ^ 0xFFU) * 16777619U;
        }
        sum += h;
    }
    sqlite3_finalize(s);
    return sum;
}

static int digest(const char *path) {
    static const char *const queries[] = {
        "SELECT count(*), sum(id) FROM user",
        "SELECT name FROM user",
        "SELECT count(*), sum(id) FROM \"group\"",
        "SELECT name FROM \"group\"",
        "SELECT count(*), sum(id) FROM post",
        "SELECT p.title, u.name FROM post p JOIN user u ON u.id = p.user_id",
        "SELECT count(*) FROM user_group",
        "SELECT u.name, g.name FROM user_group l JOIN user u ON u.id = l.user_id"
        " JOIN \"group\" g ON g.id = l.group_id",
        "SELECT * FROM record",
        "SELECT id, at, json_extract(data, '$.n'), json_extract(data, '$.tags[0]'),"
        " json_extract(data, '$.tags[1]'), json_extract(data, '$.on') FROM event"};
    sqlite3 *db = bench_open(path);
    uint32_t h = 0;
    for (size_t i = 0; i < sizeof queries / sizeof *queries; i++)
        h = bench_mix(h, digest_query(db, queries[i]));
    printf("%08x\n", (unsigned)h);
    return sqlite3_close(db) == SQLITE_OK ? 0 : 1;
}

int main(int argc, char **argv) {
    if (argc == 5 && strcmp(argv[1], "make") == 0)
        return make(argv[2], argv[3], strtol(argv[4], NULL, 10));
    if (argc == 3 && strcmp(argv[1], "digest") == 0)
        return digest(argv[2]);
    fprintf(stderr, "usage: fixture make NAME FILE ROWS | fixture digest FILE\n");
    return 2;
}
