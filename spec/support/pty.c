/* SPDX-License-Identifier: MIT */
/*
 * Runs a program on a pseudo-terminal and talks to it, for specs.
 * Usage: pty SECONDS COLUMNS PROGRAM [ARGUMENTS] <steps
 * A step is a line: "send TEXT" writes, "expect TEXT" waits until the program has written
 * the text after what the last step waited for. In texts \n, \t, \\ and \xNN stand for
 * bytes. At the end of the steps the terminal is read until the program ends.
 *
 * All that the program wrote goes to standard output. The exit status is the program's,
 * 128 and a signal's number, or 99 when a text did not come within the seconds.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT = 99, ROOM = 1 << 20 };

struct terminal {
    int fd;
    pid_t child;
    double seconds;
    size_t length; /* of what the program wrote */
    size_t seen;   /* of what expected texts were found in */
    bool ended;
    char text[ROOM];
};

static double now(void) {
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static int hex(char c) {
    const char *digits = "0123456789abcdef";
    const char *found = c ? strchr(digits, c) : NULL;
    return found ? (int)(found - digits) : 0;
}

/* Replaces escapes in place; the length that is left. */
static size_t unescape(char *s) {
    char *out = s, *start = s;
    for (; *s; s++) {
        if (*s != '\\' || s[1] == '\0') {
            *out++ = *s;
            continue;
        }
        s++;
        if (*s == 'x' && s[1] && s[2]) {
            *out++ = (char)(hex(s[1]) * 16 + hex(s[2]));
            s += 2;
        } else {
            *out++ = *s == 'n' ? '\n' : *s == 't' ? '\t' : *s;
        }
    }
    *out = '\0';
    return (size_t)(out - start);
}

/* Reads once what the program wrote, waiting up to the time. */
static void read_some(struct terminal *t, double until) {
    struct pollfd p = {.fd = t->fd, .events = POLLIN};
    double left = until - now();
    if (t->length >= ROOM - 1 || poll(&p, 1, left > 0 ? (int)(left * 1000) : 0) <= 0)
        return;
    ssize_t n = read(t->fd, t->text + t->length, ROOM - 1 - t->length);
    if (n > 0)
        t->length += (size_t)n;
    else if (n == 0 || errno == EIO)
        t->ended = true;
}

static bool expect(struct terminal *t, const char *text, size_t length) {
    double until = now() + t->seconds;
    for (;;) {
        char *found = memmem(t->text + t->seen, t->length - t->seen, text, length);
        if (found) {
            t->seen = (size_t)(found - t->text) + length;
            return true;
        }
        if (t->ended || now() >= until)
            return false;
        read_some(t, until);
    }
}

static bool send_text(const struct terminal *t, const char *text, size_t length) {
    while (length > 0) {
        ssize_t n = write(t->fd, text, length);
        if (n < 0)
            return false;
        text += n;
        length -= (size_t)n;
    }
    return true;
}

static bool run_step(struct terminal *t, char *line) {
    line[strcspn(line, "\n")] = '\0';
    char *text = strchr(line, ' ');
    if (text == NULL)
        return true;
    *text++ = '\0';
    size_t length = unescape(text);
    return strcmp(line, "send") == 0 ? send_text(t, text, length)
                                     : expect(t, text, length);
}

/* Waits for the program; one that does not end is ended. */
static int end(struct terminal *t, bool failed) {
    double until = now() + t->seconds;
    while (!failed && !t->ended && now() < until)
        read_some(t, until);
    failed = failed || !t->ended;
    (void)fwrite(t->text, 1, t->length, stdout);
    if (failed)
        (void)kill(t->child, SIGKILL);
    int status = 0;
    while (waitpid(t->child, &status, 0) < 0 && errno == EINTR)
        continue;
    if (failed)
        return TIMEOUT;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fputs("usage: pty SECONDS COLUMNS PROGRAM [ARGUMENTS] <steps\n", stderr);
        return 2;
    }
    struct winsize size = {.ws_row = 24,
                           .ws_col = (unsigned short)strtol(argv[2], NULL, 10)};
    struct terminal *t = calloc(1, sizeof *t);
    if (t == NULL)
        return 2;
    t->seconds = strtod(argv[1], NULL);
    t->child = forkpty(&t->fd, NULL, NULL, &size);
    if (t->child < 0)
        return 2;
    if (t->child == 0) {
        execvp(argv[3], argv + 3);
        _exit(127);
    }
    char *line = NULL;
    size_t room = 0;
    bool failed = false;
    while (!failed && getline(&line, &room, stdin) > 0)
        failed = !run_step(t, line);
    int status = end(t, failed);
    free(line);
    free(t);
    return status;
}
