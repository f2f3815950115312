/* SPDX-License-Identifier: MIT */
/*
** temporal_make.c - the constructors datetime, date, time and interval.
**
** Each takes fields by position or in a table (os.date "*t" spells minutes and seconds
** its own way), ISO text, seconds, or a value of a related class. What is missing, not
** known or out of range is refused by name.
*/
#include "userdata/temporal_class.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

/* ---- fields ----------------------------------------------------------------- */

/* Names in a table of fields. The first seven are also the order of positions; then come
** os.date's other spellings, and what it gives that follows from the rest. */
static const struct {
    const char *name;
    size_t member; /* where in pl_fields */
} members[] = {
    {"year", offsetof(pl_fields, year)},
    {"month", offsetof(pl_fields, month)},
    {"day", offsetof(pl_fields, day)},
    {"hour", offsetof(pl_fields, hour)},
    {"minute", offsetof(pl_fields, minute)},
    {"second", offsetof(pl_fields, second)},
    {"microsecond", offsetof(pl_fields, microsecond)},
    {"min", offsetof(pl_fields, minute)},
    {"sec", offsetof(pl_fields, second)},
    {"wday", sizeof(pl_fields)},
    {"yday", sizeof(pl_fields)},
    {"isdst", sizeof(pl_fields)},
};

enum { HOUR = 3, POSITIONS = 7, MEMBERS = sizeof members / sizeof members[0] };

static const char *called(plua_temporal_kind kind) {
    return plua_temporal_classes[kind].constructor;
}

/* Sets the member from the number at idx. One too large for an int is out of range as it
** is. */
static void set_member(lua_State *L, int idx, plua_temporal_kind kind, int i,
                       pl_fields *f) {
    int exact = 0;
    lua_Integer n = 0;
    if (lua_type(L, idx) == LUA_TNUMBER)
        n = lua_tointegerx(L, idx, &exact);
    if (!exact)
        plua_raise(L, PL_ETYPE, "%s: %s must be an integer, got %s", called(kind),
                   members[i].name, luaL_tolstring(L, idx, NULL));
    int value = n < -1 || n > 1000000 ? -1 : (int)n;
    memcpy((char *)f + members[i].member, &value, sizeof value);
}

static int from_fields(lua_State *L, plua_temporal_kind kind, const pl_fields *f) {
    int64_t value;
    plua_temporal_allow(L, plua_temporal_classes[kind].from_fields(f, &value),
                        called(kind));
    return plua_temporal_push(L, kind, value);
}

static int from_positions(lua_State *L, plua_temporal_kind kind) {
    pl_fields f = {0};
    int n = lua_gettop(L), first = kind == PLUA_K_TIME ? HOUR : 0;
    int most = (kind == PLUA_K_DATE ? HOUR : POSITIONS) - first;
    int least = kind == PLUA_K_TIME ? 2 : 3;
    if (n < least || n > most)
        plua_raise(L, PL_EARGUMENT, "%s takes %d to %d numbers, got %d", called(kind),
                   least, most, n);
    for (int i = 0; i < n; i++)
        set_member(L, i + 1, kind, first + i, &f);
    return from_fields(L, kind, &f);
}

__attribute__((noreturn)) static void unknown_member(lua_State *L, int idx,
                                                     plua_temporal_kind kind) {
    const char *names[MEMBERS + 1];
    for (int i = 0; i < MEMBERS; i++)
        names[i] = members[i].name;
    names[MEMBERS] = NULL;
    plua_no_field(L, idx, called(kind), names);
}

static bool is_member(const char *name) {
    int i = 0;
    while (i < MEMBERS && strcmp(members[i].name, name) != 0)
        i++;
    return i < MEMBERS;
}

/* Reads the table at idx over what *f holds. */
static void read_table(lua_State *L, int idx, plua_temporal_kind kind, pl_fields *f) {
    lua_pushnil(L);
    while (lua_next(L, idx)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING || !is_member(lua_tostring(L, -1)))
            unknown_member(L, -1, kind);
    }
    for (int i = 0; i < MEMBERS && members[i].member < sizeof *f; i++) {
        if (lua_getfield(L, idx, members[i].name) != LUA_TNIL)
            set_member(L, -1, kind, i, f);
        lua_pop(L, 1);
    }
}

static int from_table(lua_State *L, plua_temporal_kind kind) {
    pl_fields f = {0};
    int first = kind == PLUA_K_TIME ? HOUR : 0, last = kind == PLUA_K_TIME ? HOUR : 2;
    for (int i = first; i <= last; i++) {
        if (lua_getfield(L, 1, members[i].name) == LUA_TNIL)
            plua_raise(L, PL_EARGUMENT, "%s: %s is missing", called(kind),
                       members[i].name);
    }
    read_table(L, 1, kind, &f);
    return from_fields(L, kind, &f);
}

int plua_temporal_replace(lua_State *L) {
    int64_t value;
    pl_fields f;
    plua_temporal_kind kind = plua_temporal_self(L, &value);
    luaL_checktype(L, 2, LUA_TTABLE);
    (void)plua_temporal_classes[kind].to_fields(value, &f);
    read_table(L, 2, kind, &f);
    return from_fields(L, kind, &f);
}

/* ---- text, numbers, other values -------------------------------------------- */

static int from_text(lua_State *L, plua_temporal_kind kind) {
    size_t len;
    int64_t value;
    const char *text = lua_tolstring(L, 1, &len);
    pl_temporal_rc rc = plua_temporal_classes[kind].parse(text, len, &value);
    if (rc == PL_TEMPORAL_SYNTAX)
        plua_raise(L, PL_EVALUE, "%s: '%s' is not of the form %s", called(kind), text,
                   plua_temporal_classes[kind].form);
    if (rc != PL_TEMPORAL_OK)
        plua_raise(L, PL_EVALUE, "%s: '%s': %s", called(kind), text,
                   pl_temporal_message(rc));
    return plua_temporal_push(L, kind, value);
}

/* Seconds since the epoch, or of an interval. */
static int from_seconds(lua_State *L, plua_temporal_kind kind) {
    int64_t us;
    pl_temporal_rc rc;
    if (kind == PLUA_K_TIME)
        plua_raise_hint(L, PL_EARGUMENT, "write time(12, 0) or time{hour = 12}",
                        "time: one number could be hours or seconds");
    if (lua_isinteger(L, 1))
        rc = pl_interval_times(PL_SECOND, lua_tointeger(L, 1), &us);
    else
        rc = pl_interval_times_real(PL_SECOND, lua_tonumber(L, 1), &us);
    if (rc == PL_TEMPORAL_OK && kind != PLUA_K_INTERVAL && !pl_datetime_valid(us))
        rc = PL_TEMPORAL_RANGE;
    plua_temporal_allow(L, rc, called(kind));
    return plua_temporal_push(L, kind, kind == PLUA_K_DATE ? pl_datetime_date(us) : us);
}

/* A value of the same class, or one that holds it. */
static int from_value(lua_State *L, plua_temporal_kind kind) {
    int64_t value = 0, time = 0;
    plua_temporal_kind got = plua_temporal_kind_of(L, 1, &value);
    int n = lua_gettop(L);
    if (got == kind && n == 1)
        return 1;
    if (kind == PLUA_K_DATETIME && got == PLUA_K_DATE &&
        (n == 1 || (n == 2 && plua_test_time(L, 2, &time))))
        return plua_temporal_push(L, kind, value * PL_DAY + time);
    if (kind == PLUA_K_DATE && got == PLUA_K_DATETIME && n == 1)
        return plua_temporal_push(L, kind, pl_datetime_date(value));
    if (kind == PLUA_K_TIME && got == PLUA_K_DATETIME && n == 1)
        return plua_temporal_push(L, kind, pl_datetime_time(value));
    plua_raise(L, PL_ETYPE, "%s cannot be made from a %s", called(kind),
               plua_typename(L, 1));
}

static int construct(lua_State *L, plua_temporal_kind kind) {
    int n = lua_gettop(L);
    if (n == 0)
        plua_raise(L, PL_EARGUMENT, "%s takes fields, ISO text (%s) or seconds",
                   called(kind), plua_temporal_classes[kind].form);
    switch (lua_type(L, 1)) {
    case LUA_TNUMBER: return n == 1 ? from_seconds(L, kind) : from_positions(L, kind);
    case LUA_TSTRING:
        if (n == 1)
            return from_text(L, kind);
        break;
    case LUA_TTABLE:
        if (n == 1)
            return from_table(L, kind);
        break;
    default: return from_value(L, kind);
    }
    plua_raise(L, PL_EARGUMENT, "%s takes one argument after a %s, got %d", called(kind),
               luaL_typename(L, 1), n);
}

static int datetime_call(lua_State *L) {
    return construct(L, PLUA_K_DATETIME);
}

static int date_call(lua_State *L) {
    return construct(L, PLUA_K_DATE);
}

static int time_call(lua_State *L) {
    return construct(L, PLUA_K_TIME);
}

static const struct {
    const char *name;
    int64_t us;
} units[] = {
    {"weeks", 7 * PL_DAY},  {"days", PL_DAY},       {"hours", PL_HOUR},
    {"minutes", PL_MINUTE}, {"seconds", PL_SECOND}, {"milliseconds", 1000},
    {"microseconds", 1},
};

enum { UNITS = sizeof units / sizeof units[0] };

__attribute__((noreturn)) static void unknown_unit(lua_State *L) {
    const char *names[UNITS + 1];
    for (int i = 0; i < UNITS; i++)
        names[i] = units[i].name;
    names[UNITS] = NULL;
    plua_no_field(L, -2, "interval", names);
}

/* The length that key and value on top of the stack say. */
static int64_t read_unit(lua_State *L) {
    int64_t us;
    int i = UNITS;
    if (lua_type(L, -2) == LUA_TSTRING) {
        for (i = 0; i < UNITS && strcmp(units[i].name, lua_tostring(L, -2)) != 0;)
            i++;
    }
    if (i == UNITS)
        unknown_unit(L);
    if (lua_type(L, -1) != LUA_TNUMBER)
        plua_raise(L, PL_ETYPE, "interval: %s must be a number, got %s", units[i].name,
                   plua_typename(L, -1));
    if (lua_isinteger(L, -1))
        plua_temporal_allow(L, pl_interval_times(units[i].us, lua_tointeger(L, -1), &us),
                            "interval");
    else
        plua_temporal_allow(
            L, pl_interval_times_real(units[i].us, lua_tonumber(L, -1), &us), "interval");
    return us;
}

static int interval_call(lua_State *L) {
    int64_t total = 0;
    if (lua_type(L, 1) == LUA_TNUMBER && lua_gettop(L) > 1)
        plua_raise_hint(L, PL_EARGUMENT, "write interval{days = 1, hours = 2}",
                        "interval takes one number, the seconds");
    if (lua_type(L, 1) != LUA_TTABLE || lua_gettop(L) > 1)
        return construct(L, PLUA_K_INTERVAL);
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        plua_temporal_allow(L, pl_interval_add(total, read_unit(L), &total), "interval");
        lua_pop(L, 1);
    }
    return plua_temporal_push(L, PLUA_K_INTERVAL, total);
}

static int64_t now(void) {
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * PL_SECOND + t.tv_nsec / 1000;
}

static int datetime_now(lua_State *L) {
    return plua_temporal_push(L, PLUA_K_DATETIME, now());
}

static int date_today(lua_State *L) {
    return plua_temporal_push(L, PLUA_K_DATE, pl_datetime_date(now()));
}

static int time_now(lua_State *L) {
    return plua_temporal_push(L, PLUA_K_TIME, pl_datetime_time(now()));
}

void plua_temporal_constructors(lua_State *L) {
    static const luaL_Reg datetime[] = {
        {"now", datetime_now}, {"utcnow", datetime_now}, {NULL, NULL}};
    static const luaL_Reg date[] = {{"today", date_today}, {NULL, NULL}};
    static const luaL_Reg time[] = {{"now", time_now}, {NULL, NULL}};
    static const luaL_Reg interval[] = {{NULL, NULL}};
    lua_createtable(L, 0, 4);
    plua_constructor(L, datetime_call, datetime);
    lua_setfield(L, -2, "datetime");
    plua_constructor(L, date_call, date);
    lua_setfield(L, -2, "date");
    plua_constructor(L, time_call, time);
    lua_setfield(L, -2, "time");
    plua_constructor(L, interval_call, interval);
    lua_setfield(L, -2, "interval");
}
