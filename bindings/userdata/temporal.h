/* SPDX-License-Identifier: MIT */
/*
** temporal.h - the Lua classes DateTime, Date, Time and Interval.
**
** Immutable userdata around the integers of core/schema/temporal.h: days for a date,
** microseconds for the others. Scripts make them by datetime(...), date(...), time(...)
** and interval(...); the glue makes them from stored values with the push functions and
** reads them with the test functions. The push functions trust their argument to be in
** range, as what the core's load functions return is.
*/
#ifndef PLUA_TEMPORAL_H
#define PLUA_TEMPORAL_H

#include <stdint.h>

#include <lua.h>

#define PLUA_DATETIME "perilune.DateTime"
#define PLUA_DATE     "perilune.Date"
#define PLUA_TIME     "perilune.Time"
#define PLUA_INTERVAL "perilune.Interval"

/* [-0, +1, m] */
void plua_push_datetime(lua_State *L, int64_t us);
void plua_push_date(lua_State *L, int64_t days);
void plua_push_time(lua_State *L, int64_t us);
void plua_push_interval(lua_State *L, int64_t us);

/* 1 and the value when idx is of the class, otherwise 0; out may be NULL. [-0, +0, -] */
int plua_test_datetime(lua_State *L, int idx, int64_t *out);
int plua_test_date(lua_State *L, int idx, int64_t *out);
int plua_test_time(lua_State *L, int idx, int64_t *out);
int plua_test_interval(lua_State *L, int idx, int64_t *out);

/* Registers the classes and pushes a table with the constructors: datetime (also .now,
** .utcnow), date (.today), time (.now), interval. Repeatable. [-0, +1, m] */
int plua_open_temporal(lua_State *L);

#endif
