/* SPDX-License-Identifier: MIT */
/*
** temporal.c - the Lua classes DateTime, Date, Time and Interval. See temporal.h.
**
** The four share one representation (a kind and an integer) and one set of metamethods;
** what differs stands in plua_temporal_classes. Points in time differ by an interval and
** move by one; classes do not mix otherwise.
*/
#include "userdata/temporal_class.h"

typedef struct temporal {
    int64_t value;
    plua_temporal_kind kind;
} temporal;

static pl_temporal_rc parse_datetime(const char *text, size_t len, int64_t *out) {
    return pl_datetime_parse(text, len, out, NULL);
}

const plua_temporal_class plua_temporal_classes[PLUA_K_OTHER] = {
    [PLUA_K_DATETIME] = {PLUA_DATETIME, "datetime",
                         "YYYY-MM-DDThh:mm:ss[.ffffff][Z or +hh:mm]", parse_datetime,
                         pl_datetime_from_fields, pl_datetime_to_fields},
    [PLUA_K_DATE] = {PLUA_DATE, "date", "YYYY-MM-DD", pl_date_parse, pl_date_from_fields,
                     pl_date_to_fields},
    [PLUA_K_TIME] = {PLUA_TIME, "time", "hh:mm:ss[.ffffff]", pl_time_parse,
                     pl_time_from_fields, pl_time_to_fields},
    [PLUA_K_INTERVAL] = {PLUA_INTERVAL, "interval", "P1DT2H3M4.5S or hh:mm:ss",
                         pl_interval_parse, NULL, NULL},
};

/* ---- values ----------------------------------------------------------------- */

int plua_temporal_push(lua_State *L, plua_temporal_kind kind, int64_t value) {
    temporal *t = lua_newuserdatauv(L, sizeof *t, 0);
    *t = (temporal){value, kind};
    luaL_setmetatable(L, plua_temporal_classes[kind].name);
    return 1;
}

static int test(lua_State *L, int idx, plua_temporal_kind kind, int64_t *value) {
    const temporal *t = plua_test(L, idx, plua_temporal_classes[kind].name);
    if (t && value)
        *value = t->value;
    return t != NULL;
}

/* The metatable decides; the field read first only says which of the four it may be. */
plua_temporal_kind plua_temporal_kind_of(lua_State *L, int idx, int64_t *value) {
    const temporal *t = lua_touserdata(L, idx);
    if (!t || lua_rawlen(L, idx) != sizeof *t || t->kind >= PLUA_K_OTHER ||
        !test(L, idx, t->kind, value))
        return PLUA_K_OTHER;
    return t->kind;
}

plua_temporal_kind plua_temporal_self(lua_State *L, int64_t *value) {
    plua_temporal_kind kind = plua_temporal_kind_of(L, 1, value);
    if (kind == PLUA_K_OTHER)
        plua_raise_hint(L, PL_ETYPE, "call methods with a colon: value:iso()",
                        "date or time value expected, got %s", plua_typename(L, 1));
    return kind;
}

void plua_temporal_allow(lua_State *L, pl_temporal_rc rc, const char *what) {
    if (rc != PL_TEMPORAL_OK)
        plua_raise(L, PL_EVALUE, "%s: %s", what, pl_temporal_message(rc));
}

void plua_push_datetime(lua_State *L, int64_t us) {
    plua_temporal_push(L, PLUA_K_DATETIME, us);
}

void plua_push_date(lua_State *L, int64_t days) {
    plua_temporal_push(L, PLUA_K_DATE, days);
}

void plua_push_time(lua_State *L, int64_t us) {
    plua_temporal_push(L, PLUA_K_TIME, us);
}

void plua_push_interval(lua_State *L, int64_t us) {
    plua_temporal_push(L, PLUA_K_INTERVAL, us);
}

int plua_test_datetime(lua_State *L, int idx, int64_t *out) {
    return test(L, idx, PLUA_K_DATETIME, out);
}

int plua_test_date(lua_State *L, int idx, int64_t *out) {
    return test(L, idx, PLUA_K_DATE, out);
}

int plua_test_time(lua_State *L, int idx, int64_t *out) {
    return test(L, idx, PLUA_K_TIME, out);
}

int plua_test_interval(lua_State *L, int idx, int64_t *out) {
    return test(L, idx, PLUA_K_INTERVAL, out);
}

/* ---- fields ----------------------------------------------------------------- */

/* In an order that gives each class one run of them. */
typedef enum field {
    F_HOUR = 1, /* Time and DateTime from here */
    F_MINUTE,
    F_SECOND,
    F_MICROSECOND, /* Time to here */
    F_YEAR,        /* Date from here */
    F_MONTH,
    F_DAY,
    F_WEEKDAY,
    F_ISOWEEKDAY,
    F_WDAY,
    F_YDAY,
    F_EPOCH, /* DateTime and Date to here */
    F_DAYS,  /* Interval */
    F_SECONDS,
    F_MICROSECONDS,
    F_TOTAL_SECONDS
} field;

static const plua_value_field all_fields[] = {
    {"hour", F_HOUR},
    {"minute", F_MINUTE},
    {"second", F_SECOND},
    {"microsecond", F_MICROSECOND},
    {"year", F_YEAR},
    {"month", F_MONTH},
    {"day", F_DAY},
    {"weekday", F_WEEKDAY},
    {"isoweekday", F_ISOWEEKDAY},
    {"wday", F_WDAY},
    {"yday", F_YDAY},
    {"epoch", F_EPOCH},
    {"days", F_DAYS},
    {"seconds", F_SECONDS},
    {"microseconds", F_MICROSECONDS},
    {"total_seconds", F_TOTAL_SECONDS},
};

static const plua_value_field *fields_of(plua_temporal_kind kind, size_t *n) {
    static const struct {
        field first, last;
    } run[PLUA_K_OTHER] = {
        [PLUA_K_DATETIME] = {F_HOUR, F_EPOCH},
        [PLUA_K_DATE] = {F_YEAR, F_EPOCH},
        [PLUA_K_TIME] = {F_HOUR, F_MICROSECOND},
        [PLUA_K_INTERVAL] = {F_DAYS, F_TOTAL_SECONDS},
    };
    *n = run[kind].last - run[kind].first + 1;
    return &all_fields[run[kind].first - 1];
}

/* Seconds: an integer where they are whole. */
static void push_seconds(lua_State *L, int64_t us) {
    if (us % PL_SECOND == 0)
        lua_pushinteger(L, us / PL_SECOND);
    else
        lua_pushnumber(L, (lua_Number)us / (lua_Number)PL_SECOND);
}

static void push_interval_field(lua_State *L, int64_t interval, field f) {
    int64_t days;
    int seconds, microseconds;
    pl_interval_split(interval, &days, &seconds, &microseconds);
    switch (f) {
    case F_DAYS: lua_pushinteger(L, days); break;
    case F_SECONDS: lua_pushinteger(L, seconds); break;
    case F_MICROSECONDS: lua_pushinteger(L, microseconds); break;
    default: push_seconds(L, interval);
    }
}

static int64_t day_of(plua_temporal_kind kind, int64_t value) {
    return kind == PLUA_K_DATETIME ? pl_datetime_date(value) : value;
}

static void push_field(lua_State *L, plua_temporal_kind kind, int64_t value, field f) {
    if (kind == PLUA_K_INTERVAL) {
        push_interval_field(L, value, f);
        return;
    }
    pl_fields at;
    (void)plua_temporal_classes[kind].to_fields(value, &at);
    int weekday = pl_date_weekday(day_of(kind, value));
    switch (f) {
    case F_YEAR: lua_pushinteger(L, at.year); break;
    case F_MONTH: lua_pushinteger(L, at.month); break;
    case F_DAY: lua_pushinteger(L, at.day); break;
    case F_HOUR: lua_pushinteger(L, at.hour); break;
    case F_MINUTE: lua_pushinteger(L, at.minute); break;
    case F_SECOND: lua_pushinteger(L, at.second); break;
    case F_MICROSECOND: lua_pushinteger(L, at.microsecond); break;
    case F_WEEKDAY: lua_pushinteger(L, weekday); break;
    case F_ISOWEEKDAY: lua_pushinteger(L, weekday + 1); break;
    case F_WDAY: lua_pushinteger(L, (weekday + 1) % 7 + 1); break;
    case F_YDAY: lua_pushinteger(L, pl_date_yearday(day_of(kind, value))); break;
    default: push_seconds(L, kind == PLUA_K_DATE ? value * PL_DAY : value);
    }
}

static int temporal_index(lua_State *L) {
    int64_t value;
    size_t n;
    plua_temporal_kind kind = plua_temporal_self(L, &value);
    const plua_value_field *fields = fields_of(kind, &n);
    int number = plua_value_member(L, plua_temporal_classes[kind].name, fields, n);
    if (number > 0)
        push_field(L, kind, value, (field)number);
    return 1;
}

/* ---- text ------------------------------------------------------------------- */

static int push_text(lua_State *L, plua_temporal_kind kind, int64_t value,
                     char separator) {
    char text[PL_TEMPORAL_TEXT];
    size_t len = 0;
    switch (kind) {
    case PLUA_K_DATETIME: len = pl_datetime_iso(value, separator, text); break;
    case PLUA_K_DATE: len = pl_date_iso(value, text); break;
    case PLUA_K_TIME: len = pl_time_iso(value, text); break;
    default: len = pl_interval_iso(value, text);
    }
    lua_pushlstring(L, text, len);
    return 1;
}

static int temporal_iso(lua_State *L) {
    int64_t value;
    plua_temporal_kind kind = plua_temporal_self(L, &value);
    return push_text(L, kind, value, 'T');
}

static int temporal_tostring(lua_State *L) {
    int64_t value;
    plua_temporal_kind kind = plua_temporal_self(L, &value);
    return push_text(L, kind, value, ' ');
}

/* ---- comparison and arithmetic ---------------------------------------------- */

static int temporal_eq(lua_State *L) {
    int64_t a, b;
    plua_temporal_kind kind = plua_temporal_kind_of(L, 1, &a);
    lua_pushboolean(L, kind != PLUA_K_OTHER && plua_temporal_kind_of(L, 2, &b) == kind &&
                           a == b);
    return 1;
}

static int temporal_lt(lua_State *L) {
    int64_t a, b;
    plua_temporal_kind kind = plua_temporal_kind_of(L, 1, &a);
    if (kind == PLUA_K_OTHER || plua_temporal_kind_of(L, 2, &b) != kind)
        return plua_operand_other(L, "__lt", "compare");
    lua_pushboolean(L, a < b);
    return 1;
}

static int temporal_le(lua_State *L) {
    int64_t a, b;
    plua_temporal_kind kind = plua_temporal_kind_of(L, 1, &a);
    if (kind == PLUA_K_OTHER || plua_temporal_kind_of(L, 2, &b) != kind)
        return plua_operand_other(L, "__le", "compare");
    lua_pushboolean(L, a <= b);
    return 1;
}

/* A point or an interval plus an interval. */
static int push_sum(lua_State *L, plua_temporal_kind kind, int64_t value,
                    int64_t interval) {
    int64_t sum;
    pl_temporal_rc rc;
    switch (kind) {
    case PLUA_K_DATETIME: rc = pl_datetime_add(value, interval, &sum); break;
    case PLUA_K_DATE: rc = pl_date_add(value, interval, &sum); break;
    default: rc = pl_interval_add(value, interval, &sum);
    }
    plua_temporal_allow(L, rc, "sum");
    return plua_temporal_push(L, kind, sum);
}

static int temporal_add(lua_State *L) {
    int64_t a = 0, b = 0;
    plua_temporal_kind ka = plua_temporal_kind_of(L, 1, &a),
                       kb = plua_temporal_kind_of(L, 2, &b);
    if (kb == PLUA_K_INTERVAL &&
        (ka == PLUA_K_DATETIME || ka == PLUA_K_DATE || ka == PLUA_K_INTERVAL))
        return push_sum(L, ka, a, b);
    if (ka == PLUA_K_INTERVAL && (kb == PLUA_K_DATETIME || kb == PLUA_K_DATE))
        return push_sum(L, kb, b, a);
    return plua_operand_other(L, "__add", "add");
}

static int temporal_sub(lua_State *L) {
    int64_t a = 0, b = 0, difference;
    plua_temporal_kind ka = plua_temporal_kind_of(L, 1, &a),
                       kb = plua_temporal_kind_of(L, 2, &b);
    if (ka != PLUA_K_OTHER && ka == kb) {
        int64_t unit = ka == PLUA_K_DATE ? PL_DAY : 1; /* dates lie near enough */
        plua_temporal_allow(L, pl_interval_sub(a * unit, b * unit, &difference),
                            "difference");
        return plua_temporal_push(L, PLUA_K_INTERVAL, difference);
    }
    if (kb == PLUA_K_INTERVAL && (ka == PLUA_K_DATETIME || ka == PLUA_K_DATE)) {
        plua_temporal_allow(L, pl_interval_sub(0, b, &difference), "difference");
        return push_sum(L, ka, a, difference);
    }
    return plua_operand_other(L, "__sub", "subtract");
}

static int interval_unm(lua_State *L) {
    int64_t value, negative;
    (void)plua_temporal_self(L, &value);
    plua_temporal_allow(L, pl_interval_sub(0, value, &negative), "negation");
    return plua_temporal_push(L, PLUA_K_INTERVAL, negative);
}

static int interval_abs(lua_State *L) {
    int64_t value;
    (void)plua_temporal_self(L, &value);
    if (value < 0)
        return interval_unm(L);
    lua_settop(L, 1);
    return 1;
}

static int interval_mul(lua_State *L) {
    int64_t a = 0, product;
    int number = lua_type(L, 1) == LUA_TNUMBER ? 1 : 2;
    if (lua_type(L, number) != LUA_TNUMBER ||
        plua_temporal_kind_of(L, 3 - number, &a) != PLUA_K_INTERVAL)
        return plua_operand_other(L, "__mul", "multiply");
    if (lua_isinteger(L, number))
        plua_temporal_allow(L, pl_interval_times(a, lua_tointeger(L, number), &product),
                            "product");
    else
        plua_temporal_allow(
            L, pl_interval_times_real(a, lua_tonumber(L, number), &product), "product");
    return plua_temporal_push(L, PLUA_K_INTERVAL, product);
}

static int interval_div(lua_State *L) {
    int64_t a = 0, b = 0, quotient;
    if (plua_temporal_kind_of(L, 1, &a) != PLUA_K_INTERVAL)
        return plua_operand_other(L, "__div", "divide");
    if (plua_temporal_kind_of(L, 2, &b) == PLUA_K_INTERVAL) {
        plua_temporal_allow(L, b == 0 ? PL_TEMPORAL_ZERO : PL_TEMPORAL_OK, "quotient");
        lua_pushnumber(L, (lua_Number)a / (lua_Number)b);
        return 1;
    }
    if (lua_type(L, 2) != LUA_TNUMBER)
        return plua_operand_other(L, "__div", "divide");
    plua_temporal_allow(L, pl_interval_divide(a, lua_tonumber(L, 2), &quotient),
                        "quotient");
    return plua_temporal_push(L, PLUA_K_INTERVAL, quotient);
}

/* ---- methods ---------------------------------------------------------------- */

static int datetime_date(lua_State *L) {
    int64_t value;
    plua_temporal_self(L, &value);
    return plua_temporal_push(L, PLUA_K_DATE, pl_datetime_date(value));
}

static int datetime_time(lua_State *L) {
    int64_t value;
    plua_temporal_self(L, &value);
    return plua_temporal_push(L, PLUA_K_TIME, pl_datetime_time(value));
}

static void set_field(lua_State *L, const char *name, lua_Integer n) {
    lua_pushinteger(L, n);
    lua_setfield(L, -2, name);
}

/* A table as os.date "!*t" gives it, with the microsecond. */
static int temporal_fields(lua_State *L) {
    int64_t value;
    pl_fields f;
    plua_temporal_kind kind = plua_temporal_self(L, &value);
    (void)plua_temporal_classes[kind].to_fields(value, &f);
    lua_createtable(L, 0, 10);
    if (kind != PLUA_K_TIME) {
        set_field(L, "year", f.year);
        set_field(L, "month", f.month);
        set_field(L, "day", f.day);
        set_field(L, "wday", (pl_date_weekday(day_of(kind, value)) + 1) % 7 + 1);
        set_field(L, "yday", pl_date_yearday(day_of(kind, value)));
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "isdst");
    }
    set_field(L, "hour", f.hour);
    set_field(L, "min", f.minute);
    set_field(L, "sec", f.second);
    set_field(L, "microsecond", f.microsecond);
    return 1;
}

/* ---- registration ----------------------------------------------------------- */

static void register_class(lua_State *L, plua_temporal_kind kind,
                           const luaL_Reg *methods) {
    static const luaL_Reg points[] = {{"__eq", temporal_eq},
                                      {"__lt", temporal_lt},
                                      {"__le", temporal_le},
                                      {"__add", temporal_add},
                                      {"__sub", temporal_sub},
                                      {"__tostring", temporal_tostring},
                                      {NULL, NULL}};
    static const luaL_Reg intervals[] = {
        {"__eq", temporal_eq},   {"__lt", temporal_lt},
        {"__le", temporal_le},   {"__add", temporal_add},
        {"__sub", temporal_sub}, {"__tostring", temporal_tostring},
        {"__unm", interval_unm}, {"__mul", interval_mul},
        {"__div", interval_div}, {NULL, NULL}};
    size_t n;
    const plua_value_field *fields = fields_of(kind, &n);
    plua_value_class(L, plua_temporal_classes[kind].name,
                     kind == PLUA_K_INTERVAL ? intervals : points, methods, fields, n,
                     temporal_index);
}

static void register_classes(lua_State *L) {
    static const luaL_Reg datetime[] = {
        {"iso", temporal_iso},       {"date", datetime_date},
        {"time", datetime_time},     {"replace", plua_temporal_replace},
        {"fields", temporal_fields}, {NULL, NULL}};
    static const luaL_Reg point[] = {{"iso", temporal_iso},
                                     {"replace", plua_temporal_replace},
                                     {"fields", temporal_fields},
                                     {NULL, NULL}};
    static const luaL_Reg interval[] = {
        {"iso", temporal_iso}, {"abs", interval_abs}, {NULL, NULL}};
    register_class(L, PLUA_K_DATETIME, datetime);
    register_class(L, PLUA_K_DATE, point);
    register_class(L, PLUA_K_TIME, point);
    register_class(L, PLUA_K_INTERVAL, interval);
}

int plua_open_temporal(lua_State *L) {
    register_classes(L);
    plua_temporal_constructors(L);
    return 1;
}
