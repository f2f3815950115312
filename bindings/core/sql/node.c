/* SPDX-License-Identifier: MIT */
/*
** node.c - making nodes, walking a tree to its key, turning a tree to another source.
**
** The walk is the hot path of every query: it runs each time a query is built, while the
** compiler runs once for each shape. It visits a node with kids once for a pass; a second
** meeting writes a reference to the first, so that shared trees stay small and two
** aliases of one table differ from one alias used twice.
*/
#include "core/sql/node.h"

void pl_node_init(pl_node *n, pl_node_kind kind, uint32_t nkids) {
    n->kind = (uint8_t)kind;
    n->nkids = nkids;
}

pl_node *pl_node_new(pl_arena *a, pl_node_kind kind, uint32_t nkids) {
    pl_node *n = pl_arena_get(a, pl_node_size(nkids));
    if (n)
        pl_node_init(n, kind, nkids);
    return n;
}

pl_node *pl_node_column(pl_arena *a, const pl_column *c, pl_node *source) {
    pl_node *n = pl_node_new(a, PL_N_COLUMN, source ? 1 : 0);
    if (!n)
        return NULL;
    n->ref = c;
    n->type = c->type;
    if (source)
        n->kids[0] = source;
    return n;
}

pl_node *pl_node_literal(pl_arena *a, const pl_type *type, pl_slot value) {
    pl_node *n = pl_node_new(a, PL_N_LITERAL, 0);
    if (!n)
        return NULL;
    n->type = type;
    n->value = value;
    return n;
}

pl_node *pl_node_binary(pl_arena *a, pl_op op, pl_node *left, pl_node *right) {
    pl_node *n = left && right ? pl_node_new(a, PL_N_BINARY, 2) : NULL;
    if (!n)
        return NULL;
    n->op = (uint8_t)op;
    n->kids[0] = left;
    n->kids[1] = right;
    return n;
}

pl_node *pl_node_table(pl_arena *a, const pl_table *t) {
    pl_node *n = pl_node_new(a, PL_N_TABLE, 0);
    if (n)
        n->ref = t;
    return n;
}

pl_node *pl_node_clause(pl_arena *a, pl_node_kind kind, pl_node *prev, pl_node *arg) {
    pl_node *n = prev ? pl_node_new(a, kind, arg ? 2 : 1) : NULL;
    if (!n)
        return NULL;
    n->kids[0] = prev;
    if (arg)
        n->kids[1] = arg;
    return n;
}

pl_node *pl_node_and(pl_arena *a, pl_node *left, pl_node *right) {
    if (!left || !right)
        return left ? left : right;
    pl_node *n = pl_node_new(a, PL_N_AND, 2);
    if (!n)
        return NULL;
    n->kids[0] = left;
    n->kids[1] = right;
    return n;
}

/* ---- walk ---- */

typedef struct walk {
    uint32_t pass;
    uint32_t nodes;    /* numbered so far */
    uint32_t nliteral; /* literals so far */
    pl_buf *key;
    pl_vec *literals;
    bool failed;
} walk;

/* Which fields follow in a node's record. */
enum {
    HAS_OP = 1,
    HAS_FLAGS = 2,
    HAS_KIDS = 4,
    HAS_TYPE = 8,
    HAS_REF = 16,
    HAS_TEXT = 32,
    IS_AGAIN = 64,
    IS_ABSENT = 128
};

static size_t put(char *p, const void *field, size_t n) {
    memcpy(p, field, n);
    return n;
}

/* Kind, a byte that says which fields follow, the fields. */
static void write_record(const walk *w, const pl_node *n) {
    char rec[40];
    size_t len = 2;
    unsigned has = 0;
    if (!w->key)
        return;
    if (n->op)
        has |= HAS_OP, rec[len++] = (char)n->op;
    if (n->flags)
        has |= HAS_FLAGS, len += put(rec + len, &n->flags, sizeof n->flags);
    if (n->nkids)
        has |= HAS_KIDS, len += put(rec + len, &n->nkids, sizeof n->nkids);
    if (n->type)
        has |= HAS_TYPE, len += put(rec + len, &n->type, sizeof(void *));
    if (n->ref)
        has |= HAS_REF, len += put(rec + len, &n->ref, sizeof n->ref);
    if (n->text)
        has |= HAS_TEXT, len += put(rec + len, &n->len, sizeof n->len);
    rec[0] = (char)n->kind;
    rec[1] = (char)has;
    pl_buf_put(w->key, rec, len);
    if (n->text)
        pl_buf_put(w->key, n->text, n->len);
}

static void write_again(const walk *w, const pl_node *n) {
    char rec[2 + sizeof n->ordinal] = {(char)n->kind, (char)IS_AGAIN};
    if (w->key)
        pl_buf_put(w->key, rec, 2 + put(rec + 2, &n->ordinal, sizeof n->ordinal));
}

static void walk_literal(walk *w, pl_node *n) {
    if (n->mark == w->pass) {
        write_again(w, n);
        return;
    }
    n->mark = w->pass;
    n->ordinal = w->nliteral++;
    write_record(w, n);
    if (w->literals && !pl_vec_push(w->literals, n))
        w->failed = true;
}

/* A text constant that stands in the SQL text: the value is part of the key. */
static void walk_constant(const walk *w, const pl_node *n) {
    write_record(w, n);
    if (!w->key || n->value.tag != PL_TEXT)
        return;
    pl_buf_put(w->key, &n->value.len, sizeof n->value.len);
    pl_buf_put(w->key, n->value.v.s, n->value.len);
}

/* An ESCAPE character is written out, because SQLite wants a constant there. */
static bool is_constant(const pl_node *parent, uint32_t i) {
    return parent->kind == PL_N_LIKE && i == 2 && parent->kids[i]->kind == PL_N_LITERAL;
}

/*
** A node's record, then its kids from the last to the first. The first kid, where chains
** of clauses and of left operands go, costs no recursion. What is nested too deep to
** compile is left out; clauses and FROM items count here and not there, hence the double.
*/
static void walk_node(walk *w, pl_node *n, int depth) {
    static const char absent[2] = {0, (char)IS_ABSENT};
    for (;;) {
        if (!n) {
            if (w->key)
                pl_buf_put(w->key, absent, sizeof absent);
            return;
        }
        if (n->kind == PL_N_LITERAL) {
            walk_literal(w, n);
            return;
        }
        if (n->nkids == 0) {
            write_record(w, n);
            return;
        }
        if (n->mark == w->pass) {
            write_again(w, n);
            return;
        }
        if (depth > 2 * PL_NODE_DEPTH)
            return;
        n->mark = w->pass;
        n->ordinal = w->nodes++;
        write_record(w, n);
        for (uint32_t i = n->nkids - 1; i > 0; i--) {
            if (n->kids[i] && is_constant(n, i))
                walk_constant(w, n->kids[i]);
            else
                walk_node(w, n->kids[i], depth + 1);
        }
        n = n->kids[0];
    }
}

bool pl_node_walk(pl_node *n, uint32_t pass, pl_buf *key, pl_vec *literals) {
    walk w = {.pass = pass, .key = key, .literals = literals};
    walk_node(&w, n, 0);
    return !w.failed && (!key || pl_buf_ok(key));
}

/* ---- adapt ---- */

typedef struct adapt {
    pl_arena *arena;
    const pl_table *table;
    const pl_node *from;
    pl_node *to;
    bool failed;
} adapt;

static bool is_plain(const pl_node *source) {
    return !source || source->kind == PL_N_TABLE;
}

static bool is_adapted(const adapt *w, const pl_node *n) {
    const pl_column *c = n->ref;
    if (n->kind != PL_N_COLUMN || !c || (w->table && c->table != w->table))
        return false;
    const pl_node *source = n->nkids > 0 ? n->kids[0] : NULL;
    return source == w->from || (is_plain(source) && is_plain(w->from));
}

static pl_node *adapt_column(adapt *w, const pl_node *n) {
    pl_node *copy = pl_node_column(w->arena, n->ref, w->to);
    if (!copy)
        w->failed = true;
    else
        copy->type = n->type;
    return copy;
}

static pl_node *copy_node(adapt *w, const pl_node *n) {
    pl_node *copy = pl_arena_get(w->arena, pl_node_size(n->nkids));
    if (!copy) {
        w->failed = true;
        return NULL;
    }
    memcpy(copy, n, pl_node_size(n->nkids));
    copy->mark = 0;
    return copy;
}

/* The same node where nothing below it changes: literals keep their identity. */
static pl_node *adapt_node(adapt *w, const pl_node *n, int depth) {
    if (!n || w->failed || depth > PL_NODE_DEPTH)
        return (pl_node *)n;
    if (is_adapted(w, n))
        return adapt_column(w, n);
    if (n->kind == PL_N_COLUMN || n->kind == PL_N_ALIAS || n->kind == PL_N_CTE)
        return (pl_node *)n;
    pl_node *copy = NULL;
    for (uint32_t i = 0; i < n->nkids; i++) {
        pl_node *kid = adapt_node(w, n->kids[i], depth + 1);
        if (kid == n->kids[i])
            continue;
        if (!copy && !(copy = copy_node(w, n)))
            return NULL;
        copy->kids[i] = kid;
    }
    return copy ? copy : (pl_node *)n;
}

pl_node *pl_node_adapt(pl_arena *a, const pl_node *n, const pl_table *table,
                       const pl_node *from, pl_node *to) {
    adapt w = {a, table, from, to, false};
    pl_node *copy = adapt_node(&w, n, 0);
    return w.failed ? NULL : copy;
}
