/* SPDX-License-Identifier: MIT */
/*
 * t_host.c - the C API: hosts, running, values, C functions, contexts, errors, limits,
 * interrupts, shared databases. Uses perilune.h only.
 */
#include <perilune.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <sqlite3.h>

static int run(perilune_host *h, const char *text, perilune_result **out) {
    return perilune_run_string(h, "test", text, strlen(text), 0, NULL, out);
}

static void must(perilune_host *h, const char *text) {
    if (run(h, text, NULL) != PERILUNE_OK)
        fail_msg("%s", perilune_error_of(h)->message);
}

static perilune_value text_value(const char *s) {
    return (perilune_value){PERILUNE_TEXT, strlen(s), {.text = s}};
}

static perilune_value integer_value(int64_t i) {
    return (perilune_value){PERILUNE_INTEGER, 0, {.integer = i}};
}

/* The first value that a chunk returns must be this integer. */
static void returns(perilune_host *h, const char *text, int64_t expected) {
    perilune_result *r;
    if (run(h, text, &r) != PERILUNE_OK)
        fail_msg("%s", perilune_error_of(h)->message);
    assert_int_equal(perilune_result_at(r, 0)->type, PERILUNE_INTEGER);
    assert_int_equal(perilune_result_at(r, 0)->as.integer, expected);
    perilune_result_free(r);
}

/* A chunk must end with this code. */
static void ends(perilune_host *h, const char *text, int code) {
    int got = run(h, text, NULL);
    if (got != code)
        fail_msg("%s: %s, expected %s: %s", text, perilune_error_name(got),
                 perilune_error_name(code), perilune_error_of(h)->message);
}

static int new_host(void **state) {
    perilune_host *h;
    assert_int_equal(perilune_host_new(&h, NULL), PERILUNE_OK);
    *state = h;
    return 0;
}

static int free_host(void **state) {
    perilune_host_free(*state);
    return 0;
}

/* ---- running --------------------------------------------------------------------- */

static void versions(void **state) {
    (void)state;
    assert_string_equal(perilune_version(), PERILUNE_VERSION);
    assert_int_equal(perilune_version_number(), PERILUNE_VERSION_NUMBER);
    assert_string_equal(perilune_error_name(PERILUNE_ETIME), "TIME");
    assert_string_equal(perilune_error_name(0), "OK");
    assert_string_equal(perilune_error_name(-999), "UNKNOWN");
}

static void runs_text(void **state) {
    returns(*state, "return 6 * 7", 42);
}

static void no_result_is_nil(void **state) {
    perilune_result *r;
    assert_int_equal(run(*state, "local x = 1", &r), PERILUNE_OK);
    assert_int_equal(perilune_result_count(r), 0);
    assert_int_equal(perilune_result_at(r, 0)->type, PERILUNE_NIL);
    perilune_result_free(r);
    perilune_result_free(NULL);
}

static void arguments(void **state) {
    perilune_result *r;
    perilune_value args[] = {integer_value(1), text_value("b"), {.type = PERILUNE_NIL}};
    const char *text = "return select('#', ...), ...";
    assert_int_equal(perilune_run_string(*state, "args", text, strlen(text), 3, args, &r),
                     PERILUNE_OK);
    assert_int_equal(perilune_result_at(r, 0)->as.integer, 3);
    assert_int_equal(perilune_result_at(r, 1)->as.integer, 1);
    assert_string_equal(perilune_result_at(r, 2)->as.text, "b");
    assert_int_equal(perilune_result_count(r), 4);
    perilune_result_free(r);
}

static void errors(void **state) {
    perilune_host *h = *state;
    ends(h, "return +", PERILUNE_ESYNTAX);
    ends(h, "\033Lua", PERILUNE_ESYNTAX);
    ends(h, "local function f() error 'oops' end f()", PERILUNE_ERUNTIME);
    const perilune_error *e = perilune_error_of(h);
    assert_non_null(strstr(e->message, "oops"));
    assert_non_null(strstr(e->traceback, "test:1"));
    ends(h, "error({})", PERILUNE_ERUNTIME);
    assert_non_null(strstr(perilune_error_of(h)->message, "table value"));
    ends(h, "error(setmetatable({}, {__tostring = function() return 'me' end}))",
         PERILUNE_ERUNTIME);
    assert_string_equal(perilune_error_of(h)->message, "me");
    ends(h, "error(nil)", PERILUNE_ERUNTIME);
    must(h, "return 1");
    assert_int_equal(perilune_error_of(h)->code, PERILUNE_OK);
    assert_int_equal(perilune_run_file(h, "/nowhere/x.lua", 0, NULL, NULL),
                     PERILUNE_EFILE);
    assert_int_equal(perilune_call_function(h, "nowhere", 0, NULL, NULL), PERILUNE_ENAME);
    assert_int_equal(perilune_error_of(NULL)->code, PERILUNE_EMISUSE);
}

static void database_errors(void **state) {
    perilune_host *h = *state;
    ends(
        h,
        "local db = require 'perilune'.open 'sqlite://'\n"
        "local User = db.Model 'User' { id = db.Column{db.Integer, primary_key = true},\n"
        "  name = db.Column{db.String(9), nullable = false} }\n"
        "db:create_all()\n"
        "db.session:add(User{}) db.session:commit()",
        PERILUNE_ERUNTIME);
    const perilune_error *e = perilune_error_of(h);
    assert_string_equal(e->name, "IntegrityError");
    assert_non_null(strstr(e->message, "User.name"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions),
        cmocka_unit_test_setup_teardown(runs_text, new_host, free_host),
        cmocka_unit_test_setup_teardown(no_result_is_nil, new_host, free_host),
        cmocka_unit_test_setup_teardown(arguments, new_host, free_host),
        cmocka_unit_test_setup_teardown(errors, new_host, free_host),
        cmocka_unit_test_setup_teardown(database_errors, new_host, free_host),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
