/* SPDX-License-Identifier: MIT */
/*
 * The measure of the benchmark: each workload as a good C programmer would write it by
 * hand against SQLite, with prepared statements, one transaction, rows copied into
 * malloc'ed structs and their texts copied too.
 *
 *     raw WORKLOAD FILE ROWS
 *
 * prints "ok WORKLOAD CHECKSUM SECONDS PEAK_KB SETTINGS". It is the fastest plain way,
 * not the fastest possible one: no multi-row INSERT, no arena, no mmap, because a person
 * does not write those for such a job; each workload says what it chose. What is made
 * before bench_start (names to insert, objects to change) is made before the clock starts
 * in every program of the benchmark; what a workload hands over at its end is not freed
 * in its time.
 */
#include "bench.h"

#include <stdlib.h>
#include <string.h>

struct post {
    int64_t id, user_id;
    char *title;
};

struct group {
    int64_t id;
    char *name;
};

struct user {
    int64_t id;
    char *name;
    struct post **posts;
    struct group **groups;
    int post_count, group_count;
};

/* A user without relationships, for the workloads that load nothing else. */
struct plain_user {
    int64_t id;
    char *name;
};

/* ---- helpers ---- */

/* Makes room for one more pointer in an array that grows by doubling from 8. */
static void *grown(void *array, int64_t count) {
    if (count != 0 && (count < 8 || (count & (count - 1)) != 0))
        return array;
    size_t room = count == 0 ? 8 : (size_t)count * 2;
    return bench_resize(array, room * sizeof(void *));
}

static struct plain_user *new_plain(sqlite3_stmt *s) {
    struct plain_user *u = bench_alloc(sizeof *u);
    u->id = sqlite3_column_int64(s, 0);
    u->name = bench_column(s, 1);
    return u;
}

static struct plain_user **load_plain(sqlite3 *db, int64_t *count) {
    sqlite3_stmt *s = bench_prepare(db, "SELECT id, name FROM user");
    struct plain_user **users = NULL;
    int64_t n = 0;
    while (bench_step(s)) {
        users = grown(users, n);
        users[n++] = new_plain(s);
    }
    sqlite3_finalize(s);
    *count = n;
    return users;
}

static struct user *new_user(int64_t id, char *name) {
    struct user *u = bench_alloc(sizeof *u);
    memset(u, 0, sizeof *u);
    u->id = id;
    u->name = name;
    return u;
}

static struct user **load_users(sqlite3 *db, int64_t *count) {
    sqlite3_stmt *s = bench_prepare(db, "SELECT id, name FROM user");
    struct user **users = NULL;
    int64_t n = 0;
    while (bench_step(s)) {
        users = grown(users, n);
        users[n++] = new_user(sqlite3_column_int64(s, 0), bench_column(s, 1));
    }
    sqlite3_finalize(s);
    *count = n;
    return users;
}

/* A post from columns `at` (id, title, user_id). */
static struct post *new_post(sqlite3_stmt *s, int at) {
    struct post *p = bench_alloc(sizeof *p);
    p->id = sqlite3_column_int64(s, at);
    p->title = bench_column(s, at + 1);
    p->user_id = sqlite3_column_int64(s, at + 2);
    return p;
}

static void add_post(struct user *u, struct post *p) {
    u->posts = grown(u->posts, u->post_count);
    u->posts[u->post_count++] = p;
}

static void add_group(struct user *u, struct group *g) {
    u->groups = grown(u->groups, u->group_count);
    u->groups[u->group_count++] = g;
}

static void hash_named(struct bench *b, int64_t id, const char *name) {
    b->hash += bench_mix_text(bench_mix(1, id), name);
}

/* What every relationship workload reads of the objects, inside the clock. */
static void touch_posts(struct bench *b, struct user **users, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        for (int j = 0; j < users[i]->post_count; j++) {
            const struct post *p = users[i]->posts[j];
            b->seen += p->id + (int64_t)strlen(p->title);
        }
    }
}

static void hash_posts(struct bench *b, struct user **users, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        for (int j = 0; j < users[i]->post_count; j++) {
            const struct post *p = users[i]->posts[j];
            uint32_t h = bench_mix(bench_mix(1, users[i]->id), p->id);
            b->hash += bench_mix_text(h, p->title);
        }
    }
}

/* ---- one table ---- */

/* One object per row first, then a single-row prepared INSERT each and its key. */
static void insert_flush(struct bench *b) {
    char **names = bench_texts(b->rows, "user %06ld");
    bench_start(b);
    struct plain_user **users = bench_alloc((size_t)b->rows * sizeof *users);
    for (int64_t i = 0; i < b->rows; i++) {
        users[i] = bench_alloc(sizeof **users);
        users[i]->id = 0;
        users[i]->name = bench_copy(names[i + 1], strlen(names[i + 1]));
    }
    bench_exec(b->db, "BEGIN IMMEDIATE");
    sqlite3_stmt *s = bench_prepare(b->db, "INSERT INTO user (name) VALUES (?)");
    for (int64_t i = 0; i < b->rows; i++) {
        bench_bind_text(s, 1, users[i]->name);
        bench_write(s);
        users[i]->id = sqlite3_last_insert_rowid(b->db);
    }
    sqlite3_finalize(s);
    for (int64_t i = 0; i < b->rows; i++)
        b->seen += users[i]->id;
    bench_exec(b->db, "COMMIT");
    bench_stop(b);
}

/* The rows are there already and nobody asks for the keys. */
static void insert_bulk(struct bench *b) {
    char **names = bench_texts(b->rows, "user %06ld");
    bench_start(b);
    bench_exec(b->db, "BEGIN IMMEDIATE");
    sqlite3_stmt *s = bench_prepare(b->db, "INSERT INTO user (name) VALUES (?)");
    for (int64_t i = 1; i <= b->rows; i++) {
        bench_bind_text(s, 1, names[i]);
        bench_write(s);
    }
    sqlite3_finalize(s);
    bench_exec(b->db, "COMMIT");
    bench_stop(b);
    b->seen = b->rows;
}

static void load_all(struct bench *b) {
    int64_t n = 0;
    bench_start(b);
    struct plain_user **users = load_plain(b->db, &n);
    for (int64_t i = 0; i < n; i++) {
        b->seen += users[i]->id + (int64_t)strlen(users[i]->name);
    }
    bench_stop(b);
    for (int64_t i = 0; i < n; i++)
        hash_named(b, users[i]->id, users[i]->name);
}

static struct bench_record *new_record(sqlite3_stmt *s) {
    struct bench_record *r = bench_alloc(sizeof *r);
    r->id = sqlite3_column_int64(s, 0);
    r->a = sqlite3_column_int64(s, 1);
    r->b = sqlite3_column_int64(s, 2);
    r->x = sqlite3_column_double(s, 3);
    r->y = sqlite3_column_double(s, 4);
    for (int k = 0; k < 4; k++)
        r->s[k] = bench_column(s, 5 + k);
    r->flag = sqlite3_column_int(s, 9);
    return r;
}

static struct bench_record **load_records(sqlite3 *db, int64_t *count) {
    sqlite3_stmt *s =
        bench_prepare(db, "SELECT id, a, b, x, y, s1, s2, s3, s4, flag FROM record");
    struct bench_record **records = NULL;
    int64_t n = 0;
    while (bench_step(s)) {
        records = grown(records, n);
        records[n++] = new_record(s);
    }
    sqlite3_finalize(s);
    *count = n;
    return records;
}

static void hash_records(struct bench *b, struct bench_record **records, int64_t n) {
    for (int64_t i = 0; i < n; i++) {
        const struct bench_record *r = records[i];
        uint32_t h = bench_mix(bench_mix(bench_mix(1, r->id), r->a), r->b);
        h = bench_mix(bench_mix(h, (int64_t)(r->x * 8)), (int64_t)(r->y * 4));
        for (int k = 0; k < 4; k++)
            h = bench_mix_text(h, r->s[k]);
        b->hash += bench_mix(h, r->flag);
    }
}

static void load_wide(struct bench *b) {
    int64_t n = 0;
    double sum = 0;
    bench_start(b);
    struct bench_record **records = load_records(b->db, &n);
    for (int64_t i = 0; i < n; i++) {
        const struct bench_record *r = records[i];
        size_t length = 0;
        for (int k = 0; k < 4; k++)
            length += strlen(r->s[k]);
        b->seen += r->id + r->a + r->b + (int64_t)length + (r->flag ? 1 : 0);
        sum += r->x + r->y;
    }
    b->seen += (int64_t)(sum * 8);
    bench_stop(b);
    hash_records(b, records, n);
}

/* The whole row is copied all the same: the caller may read any field later. */
static void load_wide_1(struct bench *b) {
    int64_t n = 0;
    bench_start(b);
    struct bench_record **records = load_records(b->db, &n);
    for (int64_t i = 0; i < n; i++)
        b->seen += (int64_t)strlen(records[i]->s[0]);
    bench_stop(b);
    hash_records(b, records, n);
}

static void get_by_pk(struct bench *b) {
    int64_t n = BENCH_KEYS(b->rows);
    bench_start(b);
    struct plain_user **users = bench_alloc((size_t)n * sizeof *users);
    bench_exec(b->db, "BEGIN");
    sqlite3_stmt *s = bench_prepare(b->db, "SELECT id, name FROM user WHERE id = ?");
    for (int64_t k = 0; k < n; k++) {
        sqlite3_bind_int64(s, 1, BENCH_SCRAMBLE(k, b->rows));
        if (!bench_step(s))
            bench_die("get_by_pk", "no such user");
        users[k] = new_plain(s);
        sqlite3_reset(s);
        b->seen += (int64_t)strlen(users[k]->name);
    }
    sqlite3_finalize(s);
    bench_exec(b->db, "COMMIT");
    bench_stop(b);
    for (int64_t k = 0; k < n; k++)
        hash_named(b, users[k]->id, users[k]->name);
}

/*
 * The statement is prepared once; each result is read and dropped before the next. The
 * pattern never changes, so it stands in the text: SQLite prepares a statement anew
 * whenever the bound pattern of a LIKE is bound again, which would double the time.
 */
static void filter_query(struct bench *b) {
    int64_t n = BENCH_KEYS(b->rows), users = BENCH_AUTHORS(b->rows);
    bench_start(b);
    bench_exec(b->db, "BEGIN");
    sqlite3_stmt *s = bench_prepare(b->db, "SELECT id, title, user_id FROM post WHERE "
                                           "user_id = ? AND title LIKE 'x%' "
                                           "ORDER BY id DESC LIMIT 10");
    for (int64_t k = 0; k < n; k++) {
        struct post *posts[10];
        int count = 0;
        sqlite3_bind_int64(s, 1, BENCH_SCRAMBLE(k, users));
        while (bench_step(s))
            posts[count++] = new_post(s, 0);
        sqlite3_reset(s);
        for (int i = 0; i < count; i++) {
            b->seen += posts[i]->id * (i + 1) + (int64_t)strlen(posts[i]->title);
            free(posts[i]->title);
            free(posts[i]);
        }
    }
    sqlite3_finalize(s);
    bench_exec(b->db, "COMMIT");
    bench_stop(b);
}

static void update_flush(struct bench *b) {
    int64_t n = 0;
    char **names = bench_texts(b->rows, "changed %06ld");
    bench_exec(b->db, "BEGIN IMMEDIATE");
    struct plain_user **users = load_plain(b->db, &n);
    bench_start(b);
    for (int64_t i = 0; i < n; i++) {
        free(users[i]->name);
        users[i]->name = bench_copy(names[i + 1], strlen(names[i + 1]));
    }
    sqlite3_stmt *s = bench_prepare(b->db, "UPDATE user SET name = ? WHERE id = ?");
    for (int64_t i = 0; i < n; i++) {
        bench_bind_text(s, 1, users[i]->name);
        sqlite3_bind_int64(s, 2, users[i]->id);
        bench_write(s);
    }
    sqlite3_finalize(s);
    bench_exec(b->db, "COMMIT");
    bench_stop(b);
    b->seen = n;
}

/* Records stand in no relationship: this is the price of deleting as such. */
static void delete_flush(struct bench *b) {
    int64_t n = 0;
    bench_exec(b->db, "BEGIN IMMEDIATE");
    struct bench_record **records = load_records(b->db, &n);
    bench_start(b);
    sqlite3_stmt *s = bench_prepare(b->db, "DELETE FROM record WHERE id = ?");
    for (int64_t i = 0; i < n; i++) {
        sqlite3_bind_int64(s, 1, records[i]->id);
        bench_write(s);
    }
    sqlite3_finalize(s);
    bench_exec(b->db, "COMMIT");
    bench_stop(b);
    b->seen = n;
}

/* ---- relationships ---- */

/* "When I need them": one prepared SELECT, run for each user. */
static void rel_lazy(struct bench *b) {
    int64_t n = 0;
    bench_start(b);
    bench_exec(b->db, "BEGIN");
    struct user **users = load_users(b->db, &n);
    sqlite3_stmt *s =
        bench_prepare(b->db, "SELECT id, title, user_id FROM post WHERE user_id = ?");
    for (int64_t i = 0; i < n; i++) {
        sqlite3_bind_int64(s, 1, users[i]->id);
        while (bench_step(s))
            add_post(users[i], new_post(s, 0));
        sqlite3_reset(s);
    }
    sqlite3_finalize(s);
    touch_posts(b, users, n);
    bench_exec(b->db, "COMMIT");
    bench_stop(b);
    hash_posts(b, users, n);
}

/* One LEFT JOIN in order of the user: a new user begins where the id changes. */
static void rel_joined(struct bench *b) {
    int64_t n = 0;
    struct user **users = NULL;
    bench_start(b);
    sqlite3_stmt *s =
        bench_prepare(b->db, "SELECT u.id, u.name, p.id, p.title, p.user_id FROM user u "
                             "LEFT JOIN post p ON p.user_id = u.id ORDER BY u.id");
    while (bench_step(s)) {
        int64_t id = sqlite3_column_int64(s, 0);
        if (n == 0 || users[n - 1]->id != id) {
            users = grown(users, n);
            users[n++] = new_user(id, bench_column(s, 1));
        }
        if (sqlite3_column_type(s, 2) != SQLITE_NULL)
            add_post(users[n - 1], new_post(s, 2));
    }
    sqlite3_finalize(s);
    touch_posts(b, users, n);
    bench_stop(b);
    hash_posts(b, users, n);
}

/* The text of a SELECT of posts with `count` places in its IN list. */
static char *in_list_sql(int64_t count) {
    static const char head[] = "SELECT id, title, user_id FROM post WHERE user_id IN (?";
    static const char tail[] = ") ORDER BY user_id, id";
    char *sql = bench_alloc(sizeof head + sizeof tail + 2 * (size_t)count);
    size_t at = sizeof head - 1;
    memcpy(sql, head, at);
    for (int64_t i = 1; i < count; i++, at += 2)
        memcpy(sql + at, ",?", 2);
    memcpy(sql + at, tail, sizeof tail);
    return sql;
}

/* Posts come in order of their user, as the users do: the two lists are merged. */
static void select_in(struct bench *b, struct user **users, int64_t count) {
    char *sql = in_list_sql(count);
    sqlite3_stmt *s = bench_prepare(b->db, sql);
    int64_t at = 0;
    for (int64_t i = 0; i < count; i++)
        sqlite3_bind_int64(s, (int)i + 1, users[i]->id);
    while (bench_step(s)) {
        int64_t owner = sqlite3_column_int64(s, 2);
        while (users[at]->id != owner)
            at++;
        add_post(users[at], new_post(s, 0));
    }
    sqlite3_finalize(s);
    free(sql);
}

/* Two queries: the users, then their posts by lists of 500 keys. */
static void rel_selectin(struct bench *b) {
    int64_t n = 0;
    bench_start(b);
    bench_exec(b->db, "BEGIN");
    struct user **users = load_users(b->db, &n);
    for (int64_t i = 0; i < n; i += BENCH_IN_LIST)
        select_in(b, users + i, n - i < BENCH_IN_LIST ? n - i : BENCH_IN_LIST);
    touch_posts(b, users, n);
    bench_exec(b->db, "COMMIT");
    bench_stop(b);
    hash_posts(b, users, n);
}

static struct group *new_group(int64_t id, char *name) {
    struct group *g = bench_alloc(sizeof *g);
    g->id = id;
    g->name = name;
    return g;
}

/* One prepared join per user; a group that comes again is a new copy. */
static void m2m(struct bench *b) {
    int64_t n = 0;
    bench_start(b);
    bench_exec(b->db, "BEGIN");
    struct user **users = load_users(b->db, &n);
    sqlite3_stmt *s = bench_prepare(b->db, "SELECT g.id, g.name FROM user_group l JOIN "
                                           "\"group\" g ON g.id = l.group_id "
                                           "WHERE l.user_id = ?");
    for (int64_t i = 0; i < n; i++) {
        struct user *u = users[i];
        sqlite3_bind_int64(s, 1, u->id);
        while (bench_step(s))
            add_group(u, new_group(sqlite3_column_int64(s, 0), bench_column(s, 1)));
        sqlite3_reset(s);
        for (int j = 0; j < u->group_count; j++)
            b->seen += u->groups[j]->id + (int64_t)strlen(u->groups[j]->name);
    }
    sqlite3_finalize(s);
    bench_exec(b->db, "COMMIT");
    bench_stop(b);
    for (int64_t i = 0; i < n; i++) {
        for (int j = 0; j < users[i]->group_count; j++) {
            const struct group *g = users[i]->groups[j];
            uint32_t h = bench_mix(bench_mix(1, users[i]->id), g->id);
            b->hash += bench_mix_text(h, g->name);
        }
    }
}

/* The statements of graph_insert. */
struct graph_sql {
    sqlite3_stmt *user, *post, *group, *link;
};

static struct graph_sql prepare_graph(sqlite3 *db) {
    struct graph_sql q = {
        bench_prepare(db, "INSERT INTO user (name) VALUES (?)"),
        bench_prepare(db, "INSERT INTO post (title, user_id) VALUES (?, ?)"),
        bench_prepare(db, "INSERT INTO \"group\" (name) VALUES (?)"),
        bench_prepare(db, "INSERT INTO user_group (user_id, group_id) VALUES (?, ?)")};
    return q;
}

static int64_t insert_text(sqlite3 *db, sqlite3_stmt *s, const char *text) {
    bench_bind_text(s, 1, text);
    bench_write(s);
    return sqlite3_last_insert_rowid(db);
}

static void insert_user(sqlite3 *db, const struct graph_sql *q, struct user *u) {
    u->id = insert_text(db, q->user, u->name);
    for (int j = 0; j < u->post_count; j++) {
        sqlite3_bind_int64(q->post, 2, u->id);
        u->posts[j]->user_id = u->id;
        u->posts[j]->id = insert_text(db, q->post, u->posts[j]->title);
    }
    for (int j = 0; j < u->group_count; j++) {
        sqlite3_bind_int64(q->link, 1, u->id);
        sqlite3_bind_int64(q->link, 2, u->groups[j]->id);
        bench_write(q->link);
    }
}

static struct user *build_user(int64_t i, char **names, char **titles,
                               struct group **groups) {
    struct user *u = new_user(0, bench_copy(names[i], strlen(names[i])));
    for (int j = 1; j <= BENCH_POSTS; j++) {
        const char *title = titles[(i - 1) * BENCH_POSTS + j];
        struct post *p = bench_alloc(sizeof *p);
        p->title = bench_copy(title, strlen(title));
        add_post(u, p);
    }
    for (int j = 0; j < BENCH_GRAPH_MEMBER; j++)
        add_group(u, groups[BENCH_GROUP_OF(i, j)]);
    return u;
}

/* Builds the whole graph, then inserts it parents first, a prepared statement a table. */
static void graph_insert(struct bench *b) {
    int64_t n = BENCH_GRAPH(b->rows);
    char **names = bench_texts(n, "user %06ld");
    char **titles = bench_texts(n * BENCH_POSTS, "title %07ld");
    char **labels = bench_texts(BENCH_GROUPS, "group %03ld");
    bench_start(b);
    struct group *groups[BENCH_GROUPS + 1];
    struct user **users = bench_alloc((size_t)n * sizeof *users);
    for (int k = 1; k <= BENCH_GROUPS; k++)
        groups[k] = new_group(0, bench_copy(labels[k], strlen(labels[k])));
    for (int64_t i = 0; i < n; i++)
        users[i] = build_user(i + 1, names, titles, groups);
    bench_exec(b->db, "BEGIN IMMEDIATE");
    struct graph_sql q = prepare_graph(b->db);
    for (int k = 1; k <= BENCH_GROUPS; k++)
        groups[k]->id = insert_text(b->db, q.group, groups[k]->name);
    for (int64_t i = 0; i < n; i++) {
        insert_user(b->db, &q, users[i]);
        b->seen += users[i]->id;
    }
    sqlite3_finalize(q.user);
    sqlite3_finalize(q.post);
    sqlite3_finalize(q.group);
    sqlite3_finalize(q.link);
    bench_exec(b->db, "COMMIT");
    bench_stop(b);
}

/* Every statement prepared once, BEGIN and COMMIT too. */
static void small_txn(struct bench *b) {
    int64_t n = BENCH_GRAPH(b->rows);
    char **names = bench_texts(n, "user %06ld");
    bench_start(b);
    sqlite3_stmt *begin = bench_prepare(b->db, "BEGIN IMMEDIATE");
    sqlite3_stmt *commit = bench_prepare(b->db, "COMMIT");
    sqlite3_stmt *s = bench_prepare(b->db, "INSERT INTO user (name) VALUES (?)");
    for (int64_t i = 1; i <= n; i++) {
        bench_write(begin);
        bench_bind_text(s, 1, names[i]);
        bench_write(s);
        bench_write(commit);
    }
    sqlite3_finalize(begin);
    sqlite3_finalize(commit);
    sqlite3_finalize(s);
    bench_stop(b);
    b->seen = n;
}

static const struct bench_workload workloads[] = {{"insert_flush", insert_flush},
                                                  {"insert_bulk", insert_bulk},
                                                  {"load_all", load_all},
                                                  {"load_wide", load_wide},
                                                  {"load_wide_1", load_wide_1},
                                                  {"get_by_pk", get_by_pk},
                                                  {"filter_query", filter_query},
                                                  {"update_flush", update_flush},
                                                  {"delete_flush", delete_flush},
                                                  {"rel_lazy", rel_lazy},
                                                  {"rel_joined", rel_joined},
                                                  {"rel_selectin", rel_selectin},
                                                  {"m2m", m2m},
                                                  {"graph_insert", graph_insert},
                                                  {"small_txn", small_txn},
                                                  {NULL, NULL}};

static const struct bench_workload *find(const struct bench_workload *w,
                                         const char *name) {
    for (; w->name != NULL; w++) {
        if (strcmp(w->name, name) == 0)
            return w;
    }
    return NULL;
}

/* The settings that decide what a write or a read costs, to compare between programs. */
static void print_settings(sqlite3 *db) {
    static const char *const names[] = {"journal_mode", "synchronous", "foreign_keys",
                                        "mmap_size",    "cache_size",  "page_size"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char sql[64];
        snprintf(sql, sizeof sql, "PRAGMA %s", names[i]);
        sqlite3_stmt *s = bench_prepare(db, sql);
        if (bench_step(s))
            printf("%s%s", i == 0 ? "" : ",", (const char *)sqlite3_column_text(s, 0));
        sqlite3_finalize(s);
    }
    printf("\n");
}

int main(int argc, char **argv) {
    if (argc == 2 && strcmp(argv[1], "probe") == 0) {
        printf("ok probe C, SQLite %s\n", sqlite3_libversion());
        return 0;
    }
    if (argc != 4) {
        fprintf(stderr, "usage: raw WORKLOAD FILE ROWS | raw probe\n");
        return 2;
    }
    const struct bench_workload *w = find(workloads, argv[1]);
    if (w == NULL)
        w = find(bench_more, argv[1]);
    if (w == NULL) {
        printf("skip %s not written in C\n", argv[1]);
        return 0;
    }
    struct bench b = {0};
    b.rows = strtol(argv[3], NULL, 10);
    b.db = bench_open(argv[2]);
    w->run(&b);
    printf("ok %s %lld-%08x %.6f %ld ", w->name, (long long)b.seen, (unsigned)b.hash,
           b.seconds, b.peak_kb);
    print_settings(b.db);
    return sqlite3_close(b.db) == SQLITE_OK ? 0 : 1;
}
