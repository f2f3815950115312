/* SPDX-License-Identifier: MIT */
/*
** t_uri.c - database URIs: parts, meaning, errors, and that no password gets out.
*/
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/driver/uri.h"

#include "fail_alloc.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

typedef struct fixture {
    pl_arena arena;
    pl_error err;
    pl_uri uri;
} fixture;

static pl_code parse(fixture *f, const char *text) {
    pl_error_clear(&f->err);
    return pl_uri_parse(text, strlen(text), &f->arena, &f->uri, &f->err);
}

static int set_up(void **state) {
    static fixture f;
    pl_arena_init(&f.arena, pl_alloc_libc());
    pl_error_init(&f.err, pl_alloc_libc());
    *state = &f;
    return 0;
}

static int tear_down(void **state) {
    fixture *f = *state;
    pl_arena_free(&f->arena);
    pl_error_clear(&f->err);
    return 0;
}

static void same(const char *got, const char *expected) {
    if (!got || !expected)
        assert_true(got == expected);
    else
        assert_string_equal(got, expected);
}

static void test_parts(void **state) {
    fixture *f = *state;
    static const struct {
        const char *text, *dialect, *driver, *user, *password, *host;
        int port;
        const char *database;
    } known[] = {
        {"sqlite://", "sqlite", NULL, NULL, NULL, NULL, 0, NULL},
        {"sqlite:///", "sqlite", NULL, NULL, NULL, NULL, 0, ""},
        {"sqlite:///a%20b.db", "sqlite", NULL, NULL, NULL, NULL, 0, "a%20b.db"},
        {"sqlite:////abs/x.db", "sqlite", NULL, NULL, NULL, NULL, 0, "/abs/x.db"},
        {"sqlite:///C:/x.db", "sqlite", NULL, NULL, NULL, NULL, 0, "C:/x.db"},
        {"sqlite:///a.db#b", "sqlite", NULL, NULL, NULL, NULL, 0, "a.db#b"},
        {"sqlite+pysqlite:///a", "sqlite", "pysqlite", NULL, NULL, NULL, 0, "a"},
        {"postgresql://us%40er:p%2Fw@h:5432/db", "postgresql", NULL, "us@er", "p/w", "h",
         5432, "db"},
        {"postgresql://u:p/w@h/db", "postgresql", NULL, "u", "p/w", "h", 0, "db"},
        {"postgresql://u:p@w@h/db", "postgresql", NULL, "u", "p@w", "h", 0, "db"},
        {"postgresql+psycopg2://u@h", "postgresql", "psycopg2", "u", NULL, "h", 0, NULL},
        {"postgresql://[::1]:5/db", "postgresql", NULL, NULL, NULL, "::1", 5, "db"},
        {"postgresql:///db?host=/tmp", "postgresql", NULL, NULL, NULL, NULL, 0, "db"},
        {"postgresql://h/d@b", "postgresql", NULL, NULL, NULL, "h", 0, "d@b"},
        {"postgresql://u:%zz%4@h/db", "postgresql", NULL, "u", "%zz%4", "h", 0, "db"},
        {"postgresql://u:%00@h/db", "postgresql", NULL, "u", "%00", "h", 0, "db"},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        if (parse(f, known[i].text) != PL_OK)
            fail_msg("%s: %s", known[i].text, f->err.message);
        same(f->uri.dialect, known[i].dialect);
        same(f->uri.driver, known[i].driver);
        same(f->uri.user, known[i].user);
        same(f->uri.password, known[i].password);
        same(f->uri.host, known[i].host);
        assert_int_equal(f->uri.port, known[i].port);
        same(f->uri.database, known[i].database);
    }
}

static void test_memory(void **state) {
    fixture *f = *state;
    static const struct {
        const char *text;
        bool memory, file_uri;
    } known[] = {
        {"sqlite://", true, false},
        {"sqlite:///", true, false},
        {"sqlite:///:memory:", true, false},
        {"sqlite://?timeout=3", true, false},
        {"sqlite:///a.db", false, false},
        {"sqlite:///file:x", false, false},
        {"sqlite:///file:x?uri=true", false, true},
        {"sqlite:///file:x?uri=1&mode=ro", false, true},
        {"sqlite:///file:x?mode=memory&cache=shared&uri=true", true, true},
        {"sqlite:///file::memory:?uri=true", true, true},
        {"sqlite:///a.db?uri=true", false, false},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        assert_int_equal(parse(f, known[i].text), PL_OK);
        assert_int_equal(f->uri.memory, known[i].memory);
        assert_int_equal(f->uri.file_uri, known[i].file_uri);
    }
}

static void test_options(void **state) {
    fixture *f = *state;
    assert_int_equal(parse(f, "postgresql://h/d?a=b+c&d=e%20f%26&x&y=&=z&&e=1=2"), PL_OK);
    assert_int_equal(f->uri.noptions, 3);
    assert_string_equal(pl_uri_option_get(&f->uri, "a"), "b c");
    assert_string_equal(pl_uri_option_get(&f->uri, "d"), "e f&");
    assert_string_equal(pl_uri_option_get(&f->uri, "e"), "1=2");
    assert_null(pl_uri_option_get(&f->uri, "x"));
    assert_null(pl_uri_option_get(&f->uri, "y"));
    char many[1000] = "sqlite://?";
    for (int i = 0; i < 65; i++)
        (void)snprintf(many + strlen(many), sizeof many - strlen(many), "k%d=1&", i);
    assert_int_equal(parse(f, many), PL_EARGUMENT);
}

static void test_errors(void **state) {
    fixture *f = *state;
    static const struct {
        const char *text;
        pl_code code;
        const char *part;
    } known[] = {
        {"nonsense", PL_EARGUMENT, "from string 'nonsense'; the forms are sqlite://"},
        {"", PL_EARGUMENT, "from string ''"},
        {"://x", PL_EARGUMENT, "sqlite:////absolute/path/to/file.db"},
        {"sqlite:/a.db", PL_EARGUMENT, "postgresql://user"},
        {"sq lite:///a.db", PL_EARGUMENT, "Could not parse"},
        {"postgresql://h:xx/db", PL_EARGUMENT, "Could not parse"},
        {"postgresql://h:65536/db", PL_EARGUMENT, "Could not parse"},
        {"postgresql://h:99999999999/db", PL_EARGUMENT, "Could not parse"},
        {"postgresql://[::1/db", PL_EARGUMENT, "Could not parse"},
        {"postgresql://[::1]x/db", PL_EARGUMENT, "Could not parse"},
        {"sqlite://host/a.db", PL_EARGUMENT, "Invalid SQLite URL: sqlite://host/a.db"},
        {"sqlite://host/a.db", PL_EARGUMENT, "Valid SQLite URL forms are"},
        {"sqlite://u:secret@/a.db", PL_EARGUMENT, "sqlite://u:***@/a.db"},
        {"foo://", PL_ENOMODULE, "Can't load plugin: perilune.dialects:foo"},
        {"SQLITE://", PL_ENOMODULE, "perilune.dialects:SQLITE"},
        {"mysql://u:secret@h/db", PL_ENOMODULE, "perilune.dialects:mysql"},
        {"sqlite+pysqlcipher://:secret@/x", PL_ENOMODULE, "sqlite.pysqlcipher"},
        {"postgresql//u:secret@h/db", PL_EARGUMENT, "***@h/db"},
        {"u:se@secret@h", PL_EARGUMENT, "'u:***@h'"},
        {"secret@h", PL_EARGUMENT, "'***@h'"},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        assert_int_equal(parse(f, known[i].text), known[i].code);
        if (!strstr(f->err.message, known[i].part) || strstr(f->err.message, "secret"))
            fail_msg("%s gives: %s", known[i].text, f->err.message);
    }
    pl_error_clear(&f->err);
    assert_int_equal(pl_uri_parse("sqlite://\0x", 11, &f->arena, &f->uri, &f->err),
                     PL_EARGUMENT);
    static char endless[5000];
    memset(endless, 'a', sizeof endless - 1);
    assert_int_equal(parse(f, endless), PL_EARGUMENT);
    assert_true(strlen(f->err.message) < 200);
}

static void test_masked(void **state) {
    fixture *f = *state;
    static const char *const known[][2] = {
        {"sqlite://", "sqlite://"},
        {"sqlite:///", "sqlite:///"},
        {"sqlite:////a/b.db", "sqlite:////a/b.db"},
        {"sqlite:///a.db?timeout=3", "sqlite:///a.db?timeout=3"},
        {"postgresql+pg8000://us%40er:p%2Fw@h:5432/db?a=b+c",
         "postgresql+pg8000://us%40er:***@h:5432/db?a=b%20c"},
        {"postgresql://u@[::1]:5/db", "postgresql://u@[::1]:5/db"},
        {"postgresql://:pw@h/db", "postgresql://:***@h/db"},
        {"postgresql://h/db?password=pw&sslpassword=pw&user=u",
         "postgresql://h/db?password=***&sslpassword=***&user=u"},
    };
    for (size_t i = 0; i < COUNT(known); i++) {
        assert_int_equal(parse(f, known[i][0]), PL_OK);
        same(pl_uri_masked(&f->uri, &f->arena), known[i][1]);
    }
}

/* Every allocation fails in turn; the answer is PL_ENOMEM or the right one. */
static void test_no_memory(void **state) {
    (void)state;
    static const char *const texts[] = {"postgresql://u:pw@h:1/db?a=b&c=d",
                                        "sqlite://host/a.db", "foo://", "nonsense"};
    static const pl_code codes[] = {PL_OK, PL_EARGUMENT, PL_ENOMODULE, PL_EARGUMENT};
    for (size_t i = 0; i < COUNT(texts); i++) {
        fail_alloc fa = {.fail_at = 0};
        do {
            fail_alloc_next(&fa);
            pl_arena arena;
            pl_error err;
            pl_uri uri;
            pl_arena_init(&arena, fail_alloc_of(&fa));
            pl_error_init(&err, fail_alloc_of(&fa));
            pl_code code = pl_uri_parse(texts[i], strlen(texts[i]), &arena, &uri, &err);
            if (code == PL_OK && !pl_uri_masked(&uri, &arena))
                code = PL_ENOMEM;
            if (!fa.failed || code != PL_ENOMEM) /* a hint may be lost silently */
                assert_int_equal(code, codes[i]);
            pl_arena_free(&arena);
            pl_error_clear(&err);
            assert_int_equal(fa.live, 0);
        } while (fa.failed);
        assert_true(fa.fail_at > 1);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_parts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_memory, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_options, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_errors, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_masked, set_up, tear_down),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
