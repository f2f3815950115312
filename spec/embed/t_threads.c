/* SPDX-License-Identifier: MIT */
/*
 * t_threads.c - eight hosts in eight threads, and interrupts from a ninth. Under the
 * thread sanitizer (make tsan) it shows that hosts share nothing.
 */
#include <perilune.h>

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

enum { THREADS = 8, ROUNDS = 20 };

typedef struct worker {
    pthread_t thread;
    perilune_host *host;
    int ok, interrupted;
    atomic_int looping, done;
} worker;

static const char program[] = "local perilune = require 'perilune'\n"
                              "local app = perilune.App 'counter'\n"
                              "app.config.DATABASE_URI = 'sqlite://'\n"
                              "local db = perilune.Database(app)\n"
                              "local Item = db.Model 'Item' {\n"
                              "  id = db.Column{db.Integer, primary_key = true}, name = "
                              "db.Column{db.String(20)} }\n"
                              "app:app_context(function() db:create_all() end)\n"
                              "function add(name) db.session:add(Item{name = name}) end\n"
                              "function count() return Item.query:count() end\n"
                              "function loop() while true do end end\n";

static int request(perilune_host *h) {
    perilune_value name = {PERILUNE_TEXT, 1, {.text = "x"}};
    int code = perilune_context_push(h, NULL);
    if (code == PERILUNE_OK)
        code = perilune_call_function(h, "add", 1, &name, NULL);
    int end = perilune_context_pop(h, 1);
    return code == PERILUNE_OK ? end : code;
}

static void *work(void *p) {
    worker *w = p;
    perilune_result *r;
    perilune_host *h = w->host;
    w->ok = perilune_run_string(h, "app", program, strlen(program), 0, NULL, NULL) == 0;
    for (int i = 0; i < ROUNDS; i++) {
        w->ok = w->ok && request(h) == PERILUNE_OK;
        atomic_store(&w->looping, 1);
        w->interrupted +=
            perilune_call_function(h, "loop", 0, NULL, NULL) == PERILUNE_EINTERRUPT;
    }
    w->ok = w->ok && perilune_context_push(h, NULL) == PERILUNE_OK &&
            perilune_call_function(h, "count", 0, NULL, &r) == PERILUNE_OK;
    if (w->ok)
        w->ok = perilune_result_at(r, 0)->as.integer == ROUNDS;
    perilune_result_free(r);
    perilune_context_pop(h, 0);
    atomic_store(&w->done, 1);
    return NULL;
}

/* The ninth thread: stops every worker that says that it loops. */
static void interrupt_all(worker *workers) {
    struct timespec pause = {.tv_nsec = 200000};
    for (int left = THREADS; left > 0;) {
        left = 0;
        for (int i = 0; i < THREADS; i++) {
            if (atomic_load(&workers[i].done))
                continue;
            left++;
            if (atomic_exchange(&workers[i].looping, 0))
                perilune_interrupt(workers[i].host);
        }
        nanosleep(&pause, NULL);
    }
}

static void eight_hosts(void **state) {
    static worker workers[THREADS];
    (void)state;
    for (int i = 0; i < THREADS; i++) {
        assert_int_equal(perilune_host_new(&workers[i].host, NULL), PERILUNE_OK);
        assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
    }
    interrupt_all(workers);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(workers[i].thread, NULL);
        assert_true(workers[i].ok);
        assert_int_equal(workers[i].interrupted, ROUNDS);
        perilune_host_free(workers[i].host);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(eight_hosts)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
