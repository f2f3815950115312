/* SPDX-License-Identifier: MIT */
/*
 * Lua patterns with a count of steps; see pattern.h.
 *
 * A pattern is a row of items: a set of bytes with a repetition, a capture's bracket, %b,
 * %f or a back reference. match() goes along the items; a repetition tries its choices by
 * calling match() for the rest. Every step and every byte looked at counts.
 */
#include "pattern.h"

#include <ctype.h>
#include <stdbool.h>
#include <string.h>

#include <lauxlib.h>

#include "guard.h"

enum {
    CAPTURES = 32,
    DEPTH = 200,     /* calls of match() within each other */
    STEPS_ASK = 4096 /* steps between two questions to the guard */
};

enum { OPEN = -1, POSITION = -2 };

typedef struct span {
    const char *at;
    ptrdiff_t len; /* or OPEN, POSITION */
} span;

typedef struct matcher {
    lua_State *L;
    const char *begin, *end; /* the subject */
    const char *stop;        /* end of the pattern */
    int64_t steps;
    int depth, ncaptures;
    span captures[CAPTURES];
} matcher;

static const char *match(matcher *m, const char *s, const char *p);

static void count(matcher *m, int64_t n) {
    m->steps += n;
    if (m->steps < STEPS_ASK)
        return;
    guard_tick(m->L, m->steps / 8);
    m->steps = 0;
}

/* ---- sets of bytes --------------------------------------------------------------- */

static bool in_class(int c, int letter) {
    bool in;
    switch (tolower(letter)) {
    case 'a': in = isalpha(c); break;
    case 'c': in = iscntrl(c); break;
    case 'd': in = isdigit(c); break;
    case 'g': in = isgraph(c); break;
    case 'l': in = islower(c); break;
    case 'p': in = ispunct(c); break;
    case 's': in = isspace(c); break;
    case 'u': in = isupper(c); break;
    case 'w': in = isalnum(c); break;
    case 'x': in = isxdigit(c); break;
    default: return letter == c;
    }
    return isupper(letter) ? !in : in;
}

/* The first byte behind the set that begins at p. */
static const char *set_end(const matcher *m, const char *p) {
    char first = *p++;
    if (first == '%') {
        if (p == m->stop)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 1;
    }
    if (first != '[')
        return p;
    if (p < m->stop && *p == '^')
        p++;
    do { /* a ']' that stands first is an element */
        if (p >= m->stop)
            luaL_error(m->L, "malformed pattern (missing ']')");
        if (*p++ == '%')
            p++;
    } while (p >= m->stop || *p != ']');
    return p + 1;
}

/* Whether a byte is in the brackets that begin at p and close at `last`. */
static bool in_brackets(int c, const char *p, const char *last) {
    bool wanted = true;
    if (p[1] == '^') {
        wanted = false;
        p++;
    }
    for (p++; p < last; p++) {
        if (*p == '%') {
            p++;
            if (in_class(c, (unsigned char)*p))
                return wanted;
        } else if (p[1] == '-' && p + 2 < last) {
            if ((unsigned char)p[0] <= c && c <= (unsigned char)p[2])
                return wanted;
            p += 2;
        } else if ((unsigned char)*p == c) {
            return wanted;
        }
    }
    return !wanted;
}

static bool one(matcher *m, const char *s, const char *p, const char *after) {
    if (s >= m->end)
        return false;
    int c = (unsigned char)*s;
    count(m, 1);
    switch (*p) {
    case '.': return true;
    case '%': return in_class(c, (unsigned char)p[1]);
    case '[': count(m, after - p); return in_brackets(c, p, after - 1);
    default: return (unsigned char)*p == c;
    }
}

/* ---- items ----------------------------------------------------------------------- */

static const char *most_first(matcher *m, const char *s, const char *p,
                              const char *after) {
    const char *t = s;
    while (one(m, t, p, after))
        t++;
    for (; t >= s; t--) {
        const char *end = match(m, t, after + 1);
        if (end)
            return end;
        if (t == s)
            break;
    }
    return NULL;
}

static const char *least_first(matcher *m, const char *s, const char *p,
                               const char *after) {
    for (;;) {
        const char *end = match(m, s, after + 1);
        if (end)
            return end;
        if (!one(m, s, p, after))
            return NULL;
        s++;
    }
}

static const char *balance(matcher *m, const char *s, const char *p) {
    if (p + 1 >= m->stop)
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (s >= m->end || *s != p[0])
        return NULL;
    int64_t level = 1;
    for (const char *t = s + 1; t < m->end; t++) {
        count(m, 1);
        if (*t == p[1]) {
            if (--level == 0)
                return t + 1;
        } else if (*t == p[0]) {
            level++;
        }
    }
    return NULL;
}

static const char *frontier(matcher *m, const char *s, const char *p) {
    if (p >= m->stop || *p != '[')
        luaL_error(m->L, "missing '[' after '%%f' in pattern");
    const char *after = set_end(m, p);
    int before = s == m->begin ? 0 : (unsigned char)s[-1];
    int here = s < m->end ? (unsigned char)*s : 0;
    count(m, after - p);
    if (in_brackets(before, p, after - 1) || !in_brackets(here, p, after - 1))
        return NULL;
    return match(m, s, after);
}

static const char *begin_capture(matcher *m, const char *s, const char *p,
                                 ptrdiff_t what) {
    if (m->ncaptures >= CAPTURES)
        luaL_error(m->L, "too many captures");
    m->captures[m->ncaptures++] = (span){s, what};
    const char *end = match(m, s, p);
    if (!end)
        m->ncaptures--;
    return end;
}

static const char *end_capture(matcher *m, const char *s, const char *p) {
    int i = m->ncaptures - 1;
    while (i >= 0 && m->captures[i].len != OPEN)
        i--;
    if (i < 0)
        luaL_error(m->L, "invalid pattern capture");
    m->captures[i].len = s - m->captures[i].at;
    const char *end = match(m, s, p);
    if (!end)
        m->captures[i].len = OPEN;
    return end;
}

static const char *same_again(matcher *m, const char *s, const char *p) {
    int i = *p - '1';
    if (i < 0 || i >= m->ncaptures || m->captures[i].len == OPEN)
        return luaL_error(m->L, "invalid capture index %%%d", i + 1), NULL;
    ptrdiff_t len = m->captures[i].len == POSITION ? 0 : m->captures[i].len;
    count(m, len);
    if (m->end - s < len || memcmp(m->captures[i].at, s, (size_t)len) != 0)
        return NULL;
    return s + len;
}

static const char *repeated(matcher *m, const char *s, const char *p, const char *after) {
    const char *end;
    switch (*after) {
    case '*': return most_first(m, s, p, after);
    case '+': return one(m, s, p, after) ? most_first(m, s + 1, p, after) : NULL;
    case '-': return least_first(m, s, p, after);
    default: /* '?' */
        if (one(m, s, p, after) && (end = match(m, s + 1, after + 1)))
            return end;
        return match(m, s, after + 1);
    }
}

/* Matches the rest of the pattern, p, at s; where the match ends, or NULL. */
static const char *along(matcher *m, const char *s, const char *p) {
    while (s && p < m->stop) {
        count(m, 1);
        if (*p == '(')
            return p + 1 < m->stop && p[1] == ')' ? begin_capture(m, s, p + 2, POSITION)
                                                  : begin_capture(m, s, p + 1, OPEN);
        if (*p == ')')
            return end_capture(m, s, p + 1);
        if (*p == '$' && p + 1 == m->stop)
            return s == m->end ? s : NULL;
        if (*p == '%' && p + 1 < m->stop && p[1] == 'f')
            return frontier(m, s, p + 2);
        if (*p == '%' && p + 1 < m->stop && p[1] == 'b') {
            s = balance(m, s, p + 2);
            p += 4;
        } else if (*p == '%' && p + 1 < m->stop && isdigit((unsigned char)p[1])) {
            s = same_again(m, s, p + 1);
            p += 2;
        } else {
            const char *after = set_end(m, p);
            if (after < m->stop && strchr("*+-?", *after) && *after)
                return repeated(m, s, p, after);
            s = one(m, s, p, after) ? s + 1 : NULL;
            p = after;
        }
    }
    return s;
}

static const char *match(matcher *m, const char *s, const char *p) {
    if (++m->depth > DEPTH)
        luaL_error(m->L, "pattern too complex");
    const char *end = along(m, s, p);
    m->depth--;
    return end;
}

/* ---- captures -------------------------------------------------------------------- */

/* Pushes capture i; the whole match when there are none. */
static void push_capture(const matcher *m, int i, const char *s, const char *end) {
    if (i >= m->ncaptures) {
        if (i > 0)
            luaL_error(m->L, "invalid capture index %%%d", i + 1);
        lua_pushlstring(m->L, s, (size_t)(end - s));
        return;
    }
    const span *c = &m->captures[i];
    if (c->len == OPEN)
        luaL_error(m->L, "unfinished capture");
    if (c->len == POSITION)
        lua_pushinteger(m->L, c->at - m->begin + 1);
    else
        lua_pushlstring(m->L, c->at, (size_t)c->len);
}

static int push_captures(const matcher *m, const char *s, const char *end) {
    int n = m->ncaptures == 0 && s ? 1 : m->ncaptures;
    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++)
        push_capture(m, i, s, end);
    return n;
}

static void prepare(matcher *m, lua_State *L, int subject, const char **p) {
    size_t ls, lp;
    memset(m, 0, sizeof *m);
    m->L = L;
    m->begin = luaL_checklstring(L, subject, &ls);
    m->end = m->begin + ls;
    *p = luaL_checklstring(L, subject + 1, &lp);
    m->stop = *p + lp;
}

static const char *try_at(matcher *m, const char *s, const char *p) {
    m->ncaptures = m->depth = 0;
    return match(m, s, p);
}

/* ---- find and match -------------------------------------------------------------- */

/* Where a search begins; NULL beyond the subject. */
static const char *start_at(const matcher *m, lua_Integer init) {
    lua_Integer len = m->end - m->begin;
    if (init < 0)
        init = -init > len ? 1 : len + init + 1;
    if (init == 0)
        init = 1;
    return init > len + 1 ? NULL : m->begin + init - 1;
}

/* The text p .. m->stop as it stands, in pieces so that the guard is asked. */
static const char *find_plain(matcher *m, const char *s, const char *p) {
    size_t n = (size_t)(m->stop - p);
    if (n == 0)
        return s;
    for (; (size_t)(m->end - s) >= n; s++) {
        const char *q = memchr(s, *p, (size_t)(m->end - s) - n + 1);
        count(m, q ? (q - s) / 16 + (int64_t)n / 16 + 1 : 1);
        if (!q)
            return NULL;
        if (memcmp(q, p, n) == 0)
            return q;
        s = q;
    }
    return NULL;
}

static int found_plain(matcher *m, const char *s, const char *p) {
    const char *q = find_plain(m, s, p);
    if (!q) {
        lua_pushnil(m->L);
        return 1;
    }
    lua_pushinteger(m->L, q - m->begin + 1);
    lua_pushinteger(m->L, q - m->begin + (m->stop - p));
    return 2;
}

static bool is_plain(const char *p, const char *stop) {
    for (; p < stop; p++)
        if (*p && strchr("^$*+?.([%-", *p))
            return false;
    return true;
}

static int search(lua_State *L, bool find) {
    matcher m;
    const char *p;
    prepare(&m, L, 1, &p);
    const char *s = start_at(&m, luaL_optinteger(L, 3, 1));
    if (!s) {
        lua_pushnil(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || is_plain(p, m.stop)))
        return found_plain(&m, s, p);
    bool anchored = p < m.stop && *p == '^';
    p += anchored;
    for (; s <= m.end; s++) {
        const char *end = try_at(&m, s, p);
        if (end && find) {
            lua_pushinteger(L, s - m.begin + 1);
            lua_pushinteger(L, end - m.begin);
            return push_captures(&m, NULL, NULL) + 2;
        }
        if (end)
            return push_captures(&m, s, end);
        if (anchored)
            break;
    }
    lua_pushnil(L);
    return 1;
}

static int pattern_find(lua_State *L) {
    return search(L, true);
}

static int pattern_match(lua_State *L) {
    return search(L, false);
}

/* ---- gmatch ---------------------------------------------------------------------- */

/* Upvalues: subject, pattern, offset of the next try, offset of the last end or -1. */
static int next_match(lua_State *L) {
    matcher m;
    const char *p;
    luaL_checkstack(L, 4, "gmatch");
    lua_settop(L, 0);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, lua_upvalueindex(2));
    prepare(&m, L, 1, &p);
    const char *s = m.begin + lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    for (; s <= m.end; s++) {
        const char *end = try_at(&m, s, p);
        if (!end || end - m.begin == last)
            continue;
        lua_pushinteger(L, end - m.begin);
        lua_pushvalue(L, -1);
        lua_replace(L, lua_upvalueindex(3));
        lua_replace(L, lua_upvalueindex(4));
        return push_captures(&m, s, end);
    }
    return 0;
}

static int pattern_gmatch(lua_State *L) {
    matcher m;
    const char *p;
    prepare(&m, L, 1, &p);
    const char *s = start_at(&m, luaL_optinteger(L, 3, 1));
    lua_settop(L, 2);
    lua_pushinteger(L, s ? s - m.begin : m.end - m.begin + 1);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, next_match, 4);
    return 1;
}

/* ---- gsub ------------------------------------------------------------------------ */

static void add_text(matcher *m, luaL_Buffer *b, const char *s, const char *end) {
    size_t n;
    const char *r = lua_tolstring(m->L, 3, &n);
    for (size_t i = 0; i < n; i++) {
        count(m, 1);
        if (r[i] != '%') {
            luaL_addchar(b, r[i]);
            continue;
        }
        if (++i < n && r[i] == '%') {
            luaL_addchar(b, '%');
        } else if (i < n && r[i] == '0') {
            luaL_addlstring(b, s, (size_t)(end - s));
        } else if (i < n && isdigit((unsigned char)r[i])) {
            push_capture(m, r[i] - '1', s, end);
            luaL_tolstring(m->L, -1, NULL);
            lua_remove(m->L, -2);
            luaL_addvalue(b);
        } else {
            luaL_error(m->L, "invalid use of '%%' in replacement string");
        }
    }
}

/* Adds what replaces the match, which may be the match itself. */
static void add_replacement(matcher *m, luaL_Buffer *b, const char *s, const char *end) {
    lua_State *L = m->L;
    if (lua_type(L, 3) == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, s, end), 1);
    } else if (lua_type(L, 3) == LUA_TTABLE) {
        push_capture(m, 0, s, end);
        lua_gettable(L, 3);
    } else {
        add_text(m, b, s, end);
        return;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(b, s, (size_t)(end - s));
        return;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    luaL_addvalue(b);
}

static int pattern_gsub(lua_State *L) {
    matcher m;
    const char *p;
    prepare(&m, L, 1, &p);
    int type = lua_type(L, 3);
    luaL_argexpected(L,
                     type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TTABLE ||
                         type == LUA_TFUNCTION,
                     3, "string/function/table");
    lua_Integer most = luaL_optinteger(L, 4, m.end - m.begin + 1), n = 0;
    bool anchored = p < m.stop && *p == '^';
    p += anchored;
    lua_settop(L, 3);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    const char *s = m.begin, *last = NULL;
    while (n < most) {
        const char *end = try_at(&m, s, p);
        count(&m, 1);
        if (end && end != last) {
            n++;
            add_replacement(&m, &b, s, end);
            s = last = end;
        } else if (s < m.end) {
            luaL_addchar(&b, *s++);
        } else {
            break;
        }
        if (anchored)
            break;
    }
    if (s < m.end)
        luaL_addlstring(&b, s, (size_t)(m.end - s));
    luaL_pushresult(&b);
    lua_pushinteger(L, n);
    return 2;
}

void pattern_open(lua_State *L) {
    static const luaL_Reg functions[] = {{"find", pattern_find},
                                         {"match", pattern_match},
                                         {"gmatch", pattern_gmatch},
                                         {"gsub", pattern_gsub},
                                         {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
