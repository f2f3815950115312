/* SPDX-License-Identifier: MIT */
/*
** driver_fixture.h - what tests of the driver share: a directory, an error, connections.
**
** The fixture's directory is removed with its files by fixture_down, which also checks
*that
** no connection left a statement checked out.
*/
#ifndef DRIVER_FIXTURE_H
#define DRIVER_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/driver/conn.h"

enum { FIXTURE_PATH = 300, FIXTURE_CONNS = 8 };

typedef struct fixture {
    char dir[64];
    char path[FIXTURE_PATH]; /* of a database in it */
    pl_arena arena;
    pl_error err;
    pl_conn *conns[FIXTURE_CONNS]; /* closed at the end */
    int nconns;
} fixture;

static inline int fixture_up(void **state) {
    fixture *f = calloc(1, sizeof *f);
    (void)snprintf(f->dir, sizeof f->dir, "/tmp/perilune-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    (void)snprintf(f->path, sizeof f->path, "%s/test.db", f->dir);
    pl_arena_init(&f->arena, pl_alloc_libc());
    pl_error_init(&f->err, pl_alloc_libc());
    *state = f;
    return 0;
}

static inline int fixture_down(void **state) {
    fixture *f = *state;
    int open = 0;
    for (int i = 0; i < f->nconns; i++) {
        open += pl_conn_open_statements(f->conns[i]);
        pl_conn_unref(f->conns[i]);
    }
    DIR *dir = opendir(f->dir);
    for (struct dirent *e = dir ? readdir(dir) : NULL; e; e = readdir(dir)) {
        char name[FIXTURE_PATH + 300];
        (void)snprintf(name, sizeof name, "%s/%s", f->dir, e->d_name);
        if (e->d_name[0] != '.')
            (void)remove(name);
    }
    if (dir)
        (void)closedir(dir);
    (void)rmdir(f->dir);
    pl_arena_free(&f->arena);
    pl_error_clear(&f->err);
    free(f);
    return open;
}

#define FIXTURE_TEST(fn) cmocka_unit_test_setup_teardown(fn, fixture_up, fixture_down)

/* The call succeeds, or the test fails with the error's text; an old error goes. */
#define OK(f, call)                                                                      \
    do {                                                                                 \
        pl_error_clear(&(f)->err);                                                       \
        if ((call) != PL_OK)                                                             \
            fail_msg("%s: %s (%s)", pl_code_name((f)->err.code), (f)->err.message,       \
                     (f)->err.hint ? (f)->err.hint : "");                                \
    } while (0)

/* The call fails with this class; the error is kept for more questions. */
#define FAILS(f, call, expected)                                                         \
    do {                                                                                 \
        pl_error_clear(&(f)->err);                                                       \
        pl_code got_ = (call);                                                           \
        if (got_ != (expected))                                                          \
            fail_msg("%s, not %s: %s", pl_code_name(got_), pl_code_name(expected),       \
                     (f)->err.message ? (f)->err.message : "");                          \
        assert_int_equal((f)->err.code, got_);                                           \
        assert_non_null((f)->err.message);                                               \
    } while (0)

static inline pl_code try_open(fixture *f, const char *path, const pl_conn_options *o,
                               pl_conn **out) {
    pl_uri uri = {.dialect = "sqlite", .database = path, .memory = !path};
    return pl_conn_open(&pl_driver_sqlite, &uri, path, o, pl_alloc_libc(), out, &f->err);
}

/* A connection that the fixture closes; path NULL is memory. */
static inline pl_conn *open_with(fixture *f, const char *path, const pl_conn_options *o) {
    pl_conn *c;
    OK(f, try_open(f, path, o, &c));
    assert_true(f->nconns < FIXTURE_CONNS);
    f->conns[f->nconns++] = c;
    return c;
}

static inline pl_conn *open_memory(fixture *f) {
    return open_with(f, NULL, NULL);
}

static inline pl_conn *open_file(fixture *f) {
    return open_with(f, f->path, NULL);
}

static inline void exec(fixture *f, pl_conn *c, const char *sql) {
    OK(f, pl_conn_exec(c, sql, &f->err));
}

static inline pl_stmt *prepare(fixture *f, pl_conn *c, const char *sql) {
    pl_stmt *s;
    OK(f, pl_conn_prepare(c, sql, strlen(sql), true, &s, &f->err));
    return s;
}

static inline pl_slot scalar(fixture *f, pl_conn *c, const char *sql) {
    pl_slot v;
    OK(f, pl_conn_scalar(c, sql, NULL, 0, &f->arena, &v, &f->err));
    return v;
}

static inline int64_t integer(fixture *f, pl_conn *c, const char *sql) {
    pl_slot v = scalar(f, c, sql);
    assert_int_equal(v.tag, PL_INT);
    return v.v.i;
}

static inline const char *text(fixture *f, pl_conn *c, const char *sql) {
    pl_slot v = scalar(f, c, sql);
    assert_int_equal(v.tag, PL_TEXT);
    return v.v.s;
}

static inline pl_slot slot_str(const char *s) {
    return pl_slot_text(s, strlen(s));
}

#endif
