/* SPDX-License-Identifier: MIT */
/*
** predicate_parse.c - from a function's text to its tree, by recursive descent.
**
** The body may have `local` statements and must end with one `return`; a local stands for
** its expression wherever it is used. Everything else of Lua is refused at its place.
*/
#include "userdata/predicate_tree.h"

#include <string.h>

enum { MAX_LOCALS = 64, MAX_DEPTH = 100, MAX_LIST = 250 };

typedef struct local {
    const char *name;
    size_t len;
    plua_ptree *tree;
} local;

typedef struct parser {
    lua_State *L;
    const plua_psource *source;
    plua_lexer lexer;
    plua_token t; /* the token at hand */
    pl_arena *arena;
    int constants; /* stack index of the list */
    int nconstants;
    local locals[MAX_LOCALS];
    int nlocals;
    int nesting; /* of functions */
    int depth;
} parser;

static plua_ptree *expression(parser *p);

/* ---- errors and tokens ---- */

static __attribute__((noreturn)) void fail(parser *p, const plua_token *t,
                                           const char *hint, const char *message) {
    const char *near =
        t->kind == PLUA_W_END ? "the end" : lua_pushlstring(p->L, t->s, t->len);
    plua_raise_hint(p->L, PL_ECOMPILE, hint, "%s:%d:%d: %s near '%s'", p->source->chunk,
                    t->line, t->column, message, near);
}

static void next(parser *p) {
    p->t = plua_lex(&p->lexer);
}

static bool take(parser *p, int kind) {
    if (p->t.kind != kind)
        return false;
    next(p);
    return true;
}

static void expect(parser *p, int kind, const char *what) {
    if (!take(p, kind))
        fail(p, &p->t, NULL, what);
}

static plua_ptree *new_tree(parser *p, plua_ptree_kind kind, const plua_token *t) {
    plua_ptree *n = pl_arena_new(p->arena, plua_ptree);
    if (!n)
        plua_nomem(p->L);
    n->kind = kind;
    n->line = t->line;
    n->column = t->column;
    return n;
}

static const char *copy_name(parser *p, const plua_token *t) {
    const char *s = pl_arena_copy(p->arena, t->s, t->len);
    if (!s)
        plua_nomem(p->L);
    return s;
}

/* The name at hand, which is taken. */
static const char *take_name(parser *p) {
    if (p->t.kind != PLUA_W_NAME)
        fail(p, &p->t, NULL, "a name expected");
    const char *s = copy_name(p, &p->t);
    next(p);
    return s;
}

/* ---- constants and names ---- */

/* A number or string: Lua reads its text. */
static plua_ptree *constant(parser *p) {
    lua_State *L = p->L;
    plua_token t = p->t;
    plua_ptree *n = new_tree(p, PLUA_P_CONSTANT, &t);
    lua_pushliteral(L, "return ");
    lua_pushlstring(L, t.s, t.len);
    lua_concat(L, 2);
    size_t len;
    const char *code = lua_tolstring(L, -1, &len);
    if (luaL_loadbufferx(L, code, len, "=constant", "t") != LUA_OK)
        fail(p, &t, NULL, "malformed constant");
    lua_call(L, 0, 1);
    lua_rawseti(L, p->constants, ++p->nconstants);
    lua_pop(L, 1);
    n->number = p->nconstants;
    next(p);
    return n;
}

static bool is_word(const char *s, size_t len, const char *word) {
    return strlen(word) == len && memcmp(s, word, len) == 0;
}

static plua_ptree *variable(parser *p) {
    plua_token t = p->t;
    next(p);
    for (int i = p->nlocals - 1; i >= 0; i--) {
        if (p->locals[i].len == t.len && memcmp(p->locals[i].name, t.s, t.len) == 0)
            return p->locals[i].tree;
    }
    const plua_psource *s = p->source;
    for (int i = 0; i < s->nupvalues; i++) {
        if (!is_word(t.s, t.len, s->upvalues[i]))
            continue;
        plua_ptree *n = new_tree(p, PLUA_P_UPVALUE, &t);
        n->number = i + 1;
        n->name = copy_name(p, &t);
        return n;
    }
    if (s->env == 0)
        fail(p, &t, "make it an ordinary local, or write its value",
             "the value of a constant of the surrounding function cannot be known");
    plua_ptree *n = new_tree(p, PLUA_P_GLOBAL, &t);
    n->name = copy_name(p, &t);
    n->number = s->env;
    return n;
}

/* ---- functions ---- */

static void add_local(parser *p, const plua_token *name, plua_ptree *tree) {
    if (p->nlocals == MAX_LOCALS)
        fail(p, name, NULL, "too many locals");
    p->locals[p->nlocals++] = (local){name->s, name->len, tree};
}

static plua_ptree *row(parser *p, const plua_token *t) {
    plua_ptree *n = new_tree(p, PLUA_P_ROW, t);
    n->number = p->nesting;
    return n;
}

/* (u): the row. */
static void parameters(parser *p, bool is_method) {
    static const plua_token self = {PLUA_W_NAME, "self", 4, 0, 0};
    int n = 0;
    if (is_method) {
        add_local(p, &self, row(p, &p->t));
        n++;
    }
    expect(p, '(', "'(' expected");
    while (p->t.kind == PLUA_W_NAME) {
        if (n++ > 0)
            fail(p, &p->t, NULL, "a predicate has one parameter, the row; not");
        add_local(p, &p->t, row(p, &p->t));
        next(p);
        if (!take(p, ','))
            break;
    }
    expect(p, ')', "a predicate has one parameter, the row: ')' expected");
}

/* local a, b = x, y */
static void local_statement(parser *p) {
    plua_token names[MAX_LOCALS];
    int n = 0;
    if (p->t.kind == PLUA_W_FUNCTION)
        fail(p, &p->t, NULL, "a function cannot be turned into SQL");
    do {
        if (n == MAX_LOCALS || p->t.kind != PLUA_W_NAME)
            fail(p, &p->t, NULL, "a name expected");
        names[n++] = p->t;
        next(p);
        if (take(p, '<')) {
            next(p);
            expect(p, '>', "'>' expected");
        }
    } while (take(p, ','));
    expect(p, '=', "a local of a predicate needs a value: '=' expected");
    plua_ptree *values[MAX_LOCALS];
    int count = 0;
    do {
        if (count == MAX_LOCALS)
            fail(p, &p->t, NULL, "too many values");
        values[count++] = expression(p);
    } while (take(p, ','));
    for (int i = 0; i < n; i++)
        add_local(p, &names[i],
                  i < count ? values[i] : new_tree(p, PLUA_P_NIL, &names[i]));
}

/* From the parameter list to behind `end`; gives what is returned. */
static plua_ptree *function_body(parser *p, bool is_method) {
    int before = p->nlocals;
    parameters(p, is_method);
    p->nesting++;
    while (take(p, ';') || p->t.kind == PLUA_W_LOCAL) {
        if (take(p, PLUA_W_LOCAL))
            local_statement(p);
    }
    if (p->t.kind != PLUA_W_RETURN)
        fail(p, &p->t,
             "a predicate is function(u) return CONDITION end, with locals before",
             "only 'local' and 'return' can be turned into SQL, not what begins");
    next(p);
    plua_ptree *value = expression(p);
    take(p, ';');
    expect(p, PLUA_W_ENDWORD, "one value is returned: 'end' expected");
    p->nesting--;
    p->nlocals = before;
    return value;
}

/* ---- expressions ---- */

static void add_item(parser *p, plua_ptree **items, size_t *n, plua_ptree *item) {
    if (*n == MAX_LIST)
        fail(p, &p->t, NULL, "too many values");
    items[(*n)++] = item;
}

static void set_list(parser *p, plua_ptree *to, plua_ptree *const *items, size_t n) {
    to->list = pl_arena_array(p->arena, n + 1, sizeof *items);
    if (!to->list)
        plua_nomem(p->L);
    memcpy(to->list, items, n * sizeof *items);
    to->nlist = n;
}

static plua_ptree *table_item(parser *p) {
    plua_ptree *item = new_tree(p, PLUA_P_ITEM, &p->t);
    plua_lexer before = p->lexer;
    plua_token t = p->t;
    if (take(p, '[')) {
        item->a = expression(p);
        expect(p, ']', "']' expected");
        expect(p, '=', "'=' expected");
    } else if (t.kind == PLUA_W_NAME) {
        next(p);
        if (take(p, '=')) {
            lua_pushlstring(p->L, t.s, t.len);
            lua_rawseti(p->L, p->constants, ++p->nconstants);
            item->a = new_tree(p, PLUA_P_CONSTANT, &t);
            item->a->number = p->nconstants;
        } else {
            p->lexer = before;
            p->t = t;
        }
    }
    item->b = expression(p);
    return item;
}

static plua_ptree *table(parser *p) {
    plua_ptree *items[MAX_LIST], *n = new_tree(p, PLUA_P_TABLE, &p->t);
    size_t count = 0;
    next(p);
    while (p->t.kind != '}') {
        add_item(p, items, &count, table_item(p));
        if (!take(p, ',') && !take(p, ';'))
            break;
    }
    expect(p, '}', "'}' expected");
    set_list(p, n, items, count);
    return n;
}

/* The arguments of a call: (a, b), "text" or {table}. */
static void arguments(parser *p, plua_ptree *call) {
    plua_ptree *items[MAX_LIST];
    size_t count = 0;
    if (p->t.kind == PLUA_W_STRING) {
        add_item(p, items, &count, constant(p));
    } else if (p->t.kind == '{') {
        add_item(p, items, &count, table(p));
    } else {
        expect(p, '(', "arguments expected");
        while (p->t.kind != ')') {
            add_item(p, items, &count, expression(p));
            if (!take(p, ','))
                break;
        }
        expect(p, ')', "')' expected");
    }
    set_list(p, call, items, count);
}

static plua_ptree *primary(parser *p) {
    if (p->t.kind == PLUA_W_NAME)
        return variable(p);
    if (p->t.kind != '(')
        fail(p, &p->t, NULL, "a value expected");
    next(p);
    plua_ptree *n = expression(p);
    expect(p, ')', "')' expected");
    return n;
}

static plua_ptree *suffixed(parser *p) {
    plua_ptree *n = primary(p);
    for (;;) {
        plua_token t = p->t;
        plua_ptree *of = n;
        switch (t.kind) {
        case '.':
            next(p);
            n = new_tree(p, PLUA_P_FIELD, &p->t);
            n->name = take_name(p);
            break;
        case '[':
            next(p);
            n = new_tree(p, PLUA_P_INDEX, &t);
            n->b = expression(p);
            expect(p, ']', "']' expected");
            break;
        case ':':
            next(p);
            n = new_tree(p, PLUA_P_METHOD, &p->t);
            n->name = take_name(p);
            arguments(p, n);
            break;
        case '(':
        case '{':
        case PLUA_W_STRING:
            n = new_tree(p, PLUA_P_CALL, &t);
            arguments(p, n);
            break;
        default: return n;
        }
        n->a = of;
    }
}

static plua_ptree *simple(parser *p) {
    plua_token t = p->t;
    switch (t.kind) {
    case PLUA_W_NUMBER:
    case PLUA_W_STRING: return constant(p);
    case PLUA_W_NIL: next(p); return new_tree(p, PLUA_P_NIL, &t);
    case PLUA_W_TRUE: next(p); return new_tree(p, PLUA_P_TRUE, &t);
    case PLUA_W_FALSE: next(p); return new_tree(p, PLUA_P_FALSE, &t);
    case PLUA_W_DOTS: fail(p, &t, NULL, "a predicate has no varargs:");
    case '{': return table(p);
    case PLUA_W_FUNCTION: {
        plua_ptree *n = new_tree(p, PLUA_P_FUNCTION, &t);
        next(p);
        n->number = p->nesting;
        n->a = function_body(p, false);
        return n;
    }
    default: return suffixed(p);
    }
}

typedef struct priority {
    int kind, left, right;
} priority;

/* As in Lua's manual; a higher right side is less than the left for `..` and `^`. */
static const priority priorities[] = {
    {PLUA_W_OR, 1, 1},  {PLUA_W_AND, 2, 2},    {'<', 3, 3},           {'>', 3, 3},
    {PLUA_W_LE, 3, 3},  {PLUA_W_GE, 3, 3},     {PLUA_W_NE, 3, 3},     {PLUA_W_EQ, 3, 3},
    {'|', 4, 4},        {'~', 5, 5},           {'&', 6, 6},           {PLUA_W_SHL, 7, 7},
    {PLUA_W_SHR, 7, 7}, {PLUA_W_CONCAT, 9, 8}, {'+', 10, 10},         {'-', 10, 10},
    {'*', 11, 11},      {'/', 11, 11},         {PLUA_W_IDIV, 11, 11}, {'%', 11, 11},
    {'^', 14, 13}};

enum { UNARY_PRIORITY = 12 };

static const priority *priority_of(int kind) {
    for (size_t i = 0; i < sizeof priorities / sizeof priorities[0]; i++) {
        if (priorities[i].kind == kind)
            return &priorities[i];
    }
    return NULL;
}

static bool is_unary(int kind) {
    return kind == PLUA_W_NOT || kind == '-' || kind == '#' || kind == '~';
}

static plua_ptree *binary(parser *p, const plua_token *t, plua_ptree *a, plua_ptree *b) {
    plua_ptree_kind kind = t->kind == PLUA_W_AND  ? PLUA_P_AND
                           : t->kind == PLUA_W_OR ? PLUA_P_OR
                                                  : PLUA_P_BINARY;
    plua_ptree *n = new_tree(p, kind, t);
    n->op = t->kind;
    n->a = a;
    n->b = b;
    return n;
}

static plua_ptree *subexpression(parser *p, int limit) {
    plua_token t = p->t;
    plua_ptree *n;
    if (++p->depth > MAX_DEPTH)
        fail(p, &t, NULL, "nested too deeply");
    if (is_unary(t.kind)) {
        next(p);
        n = new_tree(p, t.kind == PLUA_W_NOT ? PLUA_P_NOT : PLUA_P_UNARY, &t);
        n->op = t.kind;
        n->a = subexpression(p, UNARY_PRIORITY);
    } else {
        n = simple(p);
    }
    const priority *op;
    while ((op = priority_of(p->t.kind)) && op->left > limit) {
        t = p->t;
        next(p);
        n = binary(p, &t, n, subexpression(p, op->right));
    }
    p->depth--;
    return n;
}

static plua_ptree *expression(parser *p) {
    return subexpression(p, 0);
}

plua_ptree *plua_predicate_parse(lua_State *L, const plua_psource *s) {
    luaL_checkstack(L, 40, "predicate");
    parser *p = lua_newuserdatauv(L, sizeof *p, 0);
    memset(p, 0, sizeof *p);
    int self = lua_gettop(L);
    p->L = L;
    p->source = s;
    p->arena = plua_arena(L);
    lua_newtable(L);
    p->constants = self + 2;
    p->lexer = (plua_lexer){s->text + s->start, s->text + s->len,
                            s->text + s->start - (s->column - 1), s->line};
    next(p);
    plua_ptree *tree = function_body(p, s->is_method);
    lua_createtable(L, 3, 0);
    lua_pushvalue(L, self + 1);
    lua_rawseti(L, -2, PLUA_PT_ARENA);
    lua_pushvalue(L, p->constants);
    lua_rawseti(L, -2, PLUA_PT_CONSTANTS);
    lua_pushlightuserdata(L, tree);
    lua_rawseti(L, -2, PLUA_PT_ROOT);
    lua_replace(L, self);
    lua_settop(L, self);
    return tree;
}
