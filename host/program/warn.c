/* SPDX-License-Identifier: MIT */
/*
 * warn.c - see warn.h. The warning function is the state: which of the three is set says
 * whether warnings are off, on, or in the middle of a message.
 */
#include "warn.h"

#include <stdio.h>
#include <string.h>

static void off(void *ud, const char *text, int more);
static void on(void *ud, const char *text, int more);

/* Control messages: one piece that starts with @. */
static int control(lua_State *L, const char *text, int more) {
    if (more || text[0] != '@')
        return 0;
    if (strcmp(text, "@on") == 0)
        lua_setwarnf(L, on, L);
    else if (strcmp(text, "@off") == 0)
        lua_setwarnf(L, off, L);
    return 1;
}

static void off(void *ud, const char *text, int more) {
    (void)control(ud, text, more);
}

static void middle(void *ud, const char *text, int more) {
    fputs(text, stderr);
    if (more)
        return;
    fputs("\n", stderr);
    fflush(stderr);
    lua_setwarnf(ud, on, ud);
}

static void on(void *ud, const char *text, int more) {
    if (control(ud, text, more))
        return;
    fputs("Lua warning: ", stderr);
    lua_setwarnf(ud, middle, ud);
    middle(ud, text, more);
}

void program_warnings(lua_State *L) {
    lua_setwarnf(L, off, L);
}
