/* SPDX-License-Identifier: MIT */
/*
 * What a host costs: to open and close one, to push and pop a context, to call a
 * function. Prints microseconds, the median of several rounds.
 */
#include <perilune.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { ROUNDS = 21 };

static const char program[] = "local perilune = require 'perilune'\n"
                              "local app = perilune.App 'bench'\n"
                              "app.config.DATABASE_URI = 'sqlite://'\n"
                              "db = perilune.Database(app)\n"
                              "function nothing() end\n";

static double now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static void open_host(perilune_host *h, int n) {
    (void)h;
    for (int i = 0; i < n; i++) {
        perilune_host *other;
        if (perilune_host_new(&other, NULL) != PERILUNE_OK)
            exit(1);
        perilune_host_free(other);
    }
}

static void load_mapper(perilune_host *h, int n) {
    (void)h;
    for (int i = 0; i < n; i++) {
        perilune_host *other;
        if (perilune_host_new(&other, NULL) != PERILUNE_OK ||
            perilune_run_string(other, "app", program, strlen(program), 0, NULL, NULL))
            exit(1);
        perilune_host_free(other);
    }
}

static void context(perilune_host *h, int n) {
    for (int i = 0; i < n; i++)
        if (perilune_context_push(h, NULL) || perilune_context_pop(h, 1))
            exit(1);
}

static void call(perilune_host *h, int n) {
    for (int i = 0; i < n; i++)
        if (perilune_call_function(h, "nothing", 0, NULL, NULL))
            exit(1);
}

static void measure(perilune_host *h, const char *name, void (*fn)(perilune_host *, int),
                    int n) {
    double times[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        double began = now_us();
        fn(h, n);
        times[i] = (now_us() - began) / n;
    }
    qsort(times, ROUNDS, sizeof *times, compare);
    printf("%-44s %10.2f us\n", name, times[ROUNDS / 2]);
}

int main(void) {
    perilune_host *h;
    if (perilune_host_new(&h, NULL) != PERILUNE_OK ||
        perilune_run_string(h, "app", program, strlen(program), 0, NULL, NULL)) {
        printf("%s\n", perilune_error_of(h)->message);
        return 1;
    }
    measure(h, "open and close a host", open_host, 20);
    measure(h, "the same, with the mapper, an App and a db", load_mapper, 5);
    measure(h, "push and pop a context", context, 2000);
    measure(h, "call a function", call, 5000);
    perilune_host_free(h);
    return 0;
}
