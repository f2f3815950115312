/* SPDX-License-Identifier: MIT */
/*
 * Progress of long work, one line on standard error that is written over and taken away
 * when the work is done. Whoever else writes to the terminal clears it first.
 *
 * There is one terminal, and those who clear the line do not know who drew it, so what is
 * shown stands in a static variable.
 */
#include "progress.h"

#include <stdbool.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "call.h"

#define PATIENCE 1.0 /* seconds before anything is shown */
#define INTERVAL 0.2 /* between two changes of the line */

static struct progress {
    double began; /* when the work was first heard of, 0 when there is none */
    double drawn; /* when the line was last drawn */
    int width;    /* of the line that is shown, 0 when none is */
    bool counted; /* it is about rows, which the end of a statement does not end */
} current;

static double now(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

void program_progress_clear(void) {
    if (current.width > 0)
        fprintf(stderr, "\r%*s\r", current.width, "");
    current = (struct progress){0};
}

/* Whether it is time to draw; the first call begins to wait. */
static bool is_due(double time) {
    if (current.began == 0)
        current.began = time;
    if (time - current.began < PATIENCE || time - current.drawn < INTERVAL)
        return false;
    current.drawn = time;
    return true;
}

/* The new line covers the old one, which may have been longer. */
static void drawn(int width) {
    if (width < current.width)
        fprintf(stderr, "%*s", current.width - width, "");
    current.width = width;
    fflush(stderr);
}

static void draw_statement(void) {
    double time = now();
    if (!current.counted && is_due(time))
        drawn(fprintf(stderr, "\rquery running, %.1f s (^C stops it)",
                      time - current.began) -
              1);
}

static int poll_quietly(void *ud) {
    (void)ud;
    return program_interrupted();
}

static int poll_and_draw(void *ud) {
    draw_statement();
    return poll_quietly(ud);
}

static void interrupt_raised(void *ud) {
    (void)ud;
    program_interrupt_raised();
}

static void statement_ended(void *ud) {
    (void)ud;
    if (!current.counted)
        program_progress_clear();
}

static void draw_rows(void *ud, const char *model, long long done, long long total) {
    (void)ud;
    if (done >= total) {
        program_progress_clear();
        return;
    }
    current.counted = true;
    if (is_due(now()))
        drawn(fprintf(stderr, "\r%s: %lld of %lld rows, %lld %%", model, done, total,
                      done * 100 / total) -
              1);
}

void program_watch(lua_State *L, pl_watch *watch) {
    *watch = (pl_watch){.poll = poll_quietly, .raising = interrupt_raised};
    if (isatty(STDERR_FILENO)) {
        watch->poll = poll_and_draw;
        watch->ended = statement_ended;
        watch->progress = draw_rows;
    }
    lua_pushlightuserdata(L, watch);
    lua_setfield(L, LUA_REGISTRYINDEX, PL_WATCH);
}
