/* SPDX-License-Identifier: MIT */
/*
** fuzz_nodes.c - any bytes as a statement's tree.
**
**   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_DEFAULT_SOURCE -Ibindings
**     spec/fuzz/fuzz_nodes.c bindings/core/sql/[a-z]*.c bindings/core/base/[a-z]*.c
**     bindings/core/schema/{type,schema,naming,resolve}.c -lsqlite3 -lm
**     -o fuzz_nodes && ./fuzz_nodes -max_len=400
**
** The bytes choose clauses, FROM items and expressions; every tree is well formed, but
** may name tables that are not there or subqueries that lose all of theirs, which the
** compiler refuses. What compiles must prepare in SQLite, with as many parameters and
** columns as the compiler says, and compile to the same text again.
*/
#include "core/sql/compile.h"
#include "core/sql/ddl.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

enum { NESTED = 5, COLUMNS = 4, TABLES = 3, SOURCES = 8 };

typedef pl_node N;

static pl_metadata md;
static pl_table *tables[TABLES];
static sqlite3 *db;
static uint32_t pass;

/* The input, and what was made of it so far. */
static const uint8_t *bytes, *end;
static pl_arena arena;
static N *sources[SOURCES]; /* aliases, subqueries and CTEs that columns may come from */
static size_t nsources;

static uint32_t dice(uint32_t n) {
    return bytes < end ? *bytes++ % n : 0;
}

/* ---- nodes ---- */

static N *node(pl_node_kind kind, uint32_t nkids) {
    N *n = pl_node_new(&arena, kind, nkids);
    if (!n)
        abort();
    return n;
}

static N *one(pl_node_kind kind, N *a) {
    N *n = node(kind, 1);
    n->kids[0] = a;
    return n;
}

static N *two(pl_node_kind kind, N *a, N *b) {
    N *n = node(kind, 2);
    n->kids[0] = a;
    n->kids[1] = b;
    return n;
}

static N *named(N *n, const char *text) {
    pl_node_set_text(n, text);
    return n;
}

static N *with_op(N *n, unsigned op) {
    n->op = (uint8_t)op;
    return n;
}

static N *flagged(N *n, unsigned flags) {
    n->flags = (uint16_t)(n->flags | flags);
    return n;
}

static N *literal(void) {
    switch (dice(4)) {
    case 0: return pl_node_literal(&arena, NULL, pl_slot_int((int64_t)dice(256) - 9));
    case 1: return pl_node_literal(&arena, NULL, pl_slot_text("a%", 2));
    case 2: return pl_node_literal(&arena, NULL, pl_slot_real(1.5));
    default: return pl_node_literal(&arena, pl_type_plain(PL_K_BOOLEAN), pl_slot_int(1));
    }
}

/* A column of a plain table, of an alias of it, or of a subquery that may have it. */
static N *column(void) {
    const pl_table *t = tables[dice(4) == 3 ? dice(TABLES) : 0];
    N *source = nsources > 0 && dice(3) == 0 ? sources[dice((uint32_t)nsources)] : NULL;
    if (source && source->kind == PL_N_ALIAS && source->kids[0]->kind == PL_N_TABLE)
        t = source->kids[0]->ref;
    return pl_node_column(&arena, t->columns[dice(COLUMNS)], source);
}

static N *expr(int depth);
static N *condition(int depth);
static N *select_of(int depth, uint32_t ncolumns);

static N *binary(int depth) {
    static const uint8_t ops[] = {
        PL_OP_EQ,       PL_OP_NE,     PL_OP_LT,     PL_OP_GE,     PL_OP_IS,
        PL_OP_IS_NOT,   PL_OP_ADD,    PL_OP_SUB,    PL_OP_MUL,    PL_OP_DIV,
        PL_OP_FLOORDIV, PL_OP_MOD,    PL_OP_CONCAT, PL_OP_BITAND, PL_OP_BITOR,
        PL_OP_LSHIFT,   PL_OP_RSHIFT, PL_OP_REGEXP, PL_OP_GLOB,   PL_OP_CUSTOM};
    uint8_t op = ops[dice(sizeof ops)];
    N *n = with_op(two(PL_N_BINARY, expr(depth), expr(depth)), op);
    return op == PL_OP_CUSTOM ? named(n, "->>") : n;
}

static N *unary(int depth) {
    static const uint8_t ops[] = {PL_OP_NOT, PL_OP_NEG, PL_OP_BITNOT};
    return with_op(one(PL_N_UNARY, expr(depth)), ops[dice(3)]);
}

static N *junction(int depth) {
    N *n = node(dice(2) ? PL_N_AND : PL_N_OR, dice(4));
    for (uint32_t i = 0; i < n->nkids; i++)
        n->kids[i] = condition(depth);
    return n;
}

static N *member(int depth) {
    uint32_t width = 1 + dice(2), count = dice(5) == 4 ? dice(40) : dice(3);
    N *left = width == 1 ? expr(depth) : two(PL_N_TUPLE, expr(depth), expr(depth));
    if (dice(3) == 0)
        return two(PL_N_IN, left, select_of(depth, width));
    N *n = flagged(node(PL_N_IN, 1 + count), dice(2));
    n->kids[0] = left;
    for (uint32_t i = 1; i <= count; i++)
        n->kids[i] = width == 1 ? literal() : two(PL_N_TUPLE, literal(), literal());
    return n;
}

static N *choice(int depth) {
    unsigned flags = dice(4) * PL_NF_CASE_VALUE;
    uint32_t head = flags & PL_NF_CASE_VALUE ? 1 : 0,
             tail = flags & PL_NF_CASE_ELSE ? 1 : 0;
    N *n = flagged(node(PL_N_CASE, head + 2 + tail), flags);
    for (uint32_t i = 0; i < n->nkids; i++)
        n->kids[i] = expr(depth);
    return n;
}

static N *pattern(int depth) {
    N *n = node(PL_N_LIKE, 2 + dice(2));
    n->op = (uint8_t)(PL_OP_LIKE + dice(4));
    n->kids[0] = expr(depth);
    n->kids[1] = expr(depth);
    if (n->nkids == 3)
        n->kids[2] = pl_node_literal(&arena, NULL, pl_slot_text("/", 1));
    return n;
}

static N *between(int depth) {
    N *n = flagged(node(PL_N_BETWEEN, 3), dice(2));
    for (int i = 0; i < 3; i++)
        n->kids[i] = expr(depth);
    return n;
}

static N *raw_text(void) {
    switch (dice(3)) {
    case 0: return named(node(PL_N_TEXT, 0), "1 or 0");
    case 1: return named(one(PL_N_TEXT, named(literal(), "a")), ":a + 1 -- :b\n");
    default: return named(node(PL_N_TEXT, 0), "'\\:x' || ':y'");
    }
}

static N *wrapped(int depth) {
    static const char *const fields[] = {"year", "epoch", "dow"};
    N *n;
    switch (dice(7)) {
    case 0:
        n = one(PL_N_CAST, expr(depth));
        n->type = pl_type_plain((pl_kind)(1 + dice(PL_K_UUID)));
        return n;
    case 1: return named(one(PL_N_COLLATE, expr(depth)), "NOCASE");
    case 2: return named(one(PL_N_LABEL, expr(depth)), "l");
    case 3: return named(one(PL_N_EXTRACT, expr(depth)), fields[dice(3)]);
    case 4: return named(two(PL_N_FUNC, expr(depth), expr(depth)), "coalesce");
    case 5: return named(one(PL_N_FUNC, expr(depth)), dice(2) ? "lower" : "char_length");
    default:
        n = with_op(two(PL_N_JSON, column(), literal()), dice(2));
        n->type = dice(2) ? pl_type_plain(PL_K_JSON) : NULL;
        return n;
    }
}

static N *leaf(void) {
    switch (dice(6)) {
    case 0: return literal();
    case 1: return node(PL_N_NULL, 0);
    case 2: return with_op(node(PL_N_BOOL, 0), dice(2));
    default: return column();
    }
}

static N *condition(int depth) {
    if (dice(5) == 0)
        return flagged(one(PL_N_EXISTS, select_of(depth - 1, 1 + dice(2))), dice(2));
    return expr(depth);
}

static N *expr(int depth) {
    if (depth <= 0 || bytes >= end)
        return leaf();
    depth--;
    switch (dice(13)) {
    case 0:
    case 1:
    case 2: return binary(depth);
    case 3: return unary(depth);
    case 4: return junction(depth);
    case 5: return member(depth);
    case 6: return choice(depth);
    case 7: return pattern(depth);
    case 8: return between(depth);
    case 9: return wrapped(depth);
    case 10: return raw_text();
    case 11: return one(PL_N_SCALAR, select_of(depth, 1));
    default: return leaf();
    }
}

/* ---- statements ---- */

/* Something of a select list only: aggregates and window functions as well. */
static N *item(int depth) {
    N *n = named(one(PL_N_FUNC, expr(depth)), dice(2) ? "sum" : "max");
    switch (dice(8)) {
    case 0: return flagged(n, dice(2));
    case 1: return two(PL_N_FILTER, n, condition(depth));
    case 2: {
        N *over = node(PL_N_OVER, 3);
        over->kids[0] = n;
        over->kids[1] = dice(2) ? one(PL_N_TUPLE, expr(depth)) : NULL;
        over->kids[2] = dice(2) ? one(PL_N_TUPLE, expr(depth)) : NULL;
        return over;
    }
    case 3: return named(node(PL_N_FUNC, 0), "count");
    default: return expr(depth);
    }
}

static N *source(int depth) {
    N *n;
    if (nsources > 0 && dice(3) == 0)
        return sources[dice((uint32_t)nsources)];
    switch (dice(6)) {
    case 0:
    case 1: return pl_node_table(&arena, tables[dice(TABLES)]);
    case 2: n = one(PL_N_ALIAS, pl_node_table(&arena, tables[dice(TABLES)])); break;
    case 3: n = one(PL_N_ALIAS, select_of(depth - 1, 1 + dice(3))); break;
    case 4: n = one(PL_N_CTE, select_of(depth - 1, 1 + dice(3))); break;
    default:
        n = named(one(PL_N_ALIAS, pl_node_table(&arena, tables[dice(TABLES)])), "u");
        break;
    }
    if (nsources < SOURCES)
        sources[nsources++] = n;
    return n;
}

static N *joined(N *stmt, int depth) {
    N *n = with_op(node(PL_N_JOINED, 4), dice(4));
    n->kids[0] = stmt;
    n->kids[2] = source(depth);
    if (dice(5) == 0)
        n->kids[2] = with_op(two(PL_N_JOIN, n->kids[2], source(depth)), PL_JOIN_CROSS);
    if (n->op != PL_JOIN_CROSS)
        n->kids[3] = condition(depth);
    return n;
}

static N *ordered(N *stmt, int depth) {
    N *n = with_op(one(PL_N_ORDER, expr(depth)), dice(8) % 6);
    return two(PL_N_ORDER_BY, stmt, n);
}

static N *clause(N *stmt, int depth) {
    switch (dice(9)) {
    case 0: return two(PL_N_WHERE, stmt, condition(depth));
    case 1: return joined(stmt, depth);
    case 2: return two(PL_N_FROM, stmt, source(depth));
    case 3: return ordered(stmt, depth);
    case 4: return two(PL_N_LIMIT, stmt, literal());
    case 5: return two(PL_N_OFFSET, stmt, literal());
    case 6: return one(PL_N_DISTINCT, stmt);
    case 7: return two(PL_N_HAVING, two(PL_N_GROUP_BY, stmt, column()), condition(depth));
    default:
        return flagged(two(PL_N_CORRELATE, stmt, pl_node_table(&arena, tables[0])),
                       dice(2));
    }
}

static N *plain_select(int depth, uint32_t ncolumns) {
    N *stmt = node(PL_N_SELECT, ncolumns);
    for (uint32_t i = 0; i < ncolumns; i++)
        stmt->kids[i] = dice(3) == 0 ? item(depth) : column();
    for (uint32_t n = dice(4); n > 0; n--)
        stmt = clause(stmt, depth);
    return stmt;
}

static N *select_of(int depth, uint32_t ncolumns) {
    depth = depth < 0 ? 0 : depth;
    if (depth == 0 || dice(5) != 0)
        return plain_select(depth, ncolumns);
    N *stmt = two(PL_N_COMPOUND, select_of(depth - 1, ncolumns),
                  select_of(depth - 1, ncolumns));
    const N *first = pl_statement_head(stmt->kids[0])->kids[0];
    stmt->op = (uint8_t)dice(4);
    if (dice(3) == 0)
        stmt =
            two(PL_N_ORDER_BY, stmt, first->kind == PL_N_COLUMN ? (N *)first : column());
    return dice(3) == 0 ? two(PL_N_LIMIT, stmt, literal()) : stmt;
}

/* counter(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM counter WHERE ...) */
static N *recursive(int depth) {
    N *anchor = one(PL_N_SELECT, named(one(PL_N_LABEL, literal()), "n"));
    N *first = flagged(named(one(PL_N_CTE, anchor), "counter"), PL_NF_RECURSIVE);
    N *n = named(one(PL_N_COLUMN, first), "n");
    N *next = with_op(two(PL_N_BINARY, n, literal()), PL_OP_ADD);
    N *step = two(PL_N_WHERE, one(PL_N_SELECT, next), condition(depth));
    N *both = with_op(two(PL_N_COMPOUND, anchor, step), dice(2));
    N *cte = flagged(named(one(PL_N_CTE, both), "counter"), PL_NF_RECURSIVE);
    return one(PL_N_SELECT, named(one(PL_N_COLUMN, cte), "n"));
}

static N *insert(int depth) {
    const pl_table *t = tables[dice(TABLES)];
    N *stmt = node(PL_N_INSERT, 0);
    stmt->ref = t;
    N *columns = two(PL_N_TUPLE, pl_node_column(&arena, t->columns[0], NULL),
                     pl_node_column(&arena, t->columns[1], NULL));
    N *rows = node(dice(2) ? PL_N_ROWS : PL_N_FROM_SELECT, 3);
    rows->kids[0] = stmt;
    rows->kids[1] = columns;
    rows->kids[2] = rows->kind == PL_N_ROWS ? two(PL_N_TUPLE, expr(depth), expr(depth))
                                            : select_of(depth, 2);
    if (dice(2) == 0)
        return rows;
    N *conflict = with_op(node(PL_N_CONFLICT, 4), dice(2));
    conflict->kids[0] = rows;
    conflict->kids[1] = one(PL_N_TUPLE, columns->kids[0]);
    N *set = with_op(two(PL_N_BINARY, columns->kids[1], expr(depth)), PL_OP_EQ);
    conflict->kids[2] = one(PL_N_TUPLE, set);
    conflict->kids[3] = dice(2) ? condition(depth) : NULL;
    return conflict;
}

static N *change(int depth) {
    const pl_table *t = tables[dice(TABLES)];
    N *target = pl_node_table(&arena, t);
    if (dice(3) == 0) {
        target = one(PL_N_ALIAS, target);
        if (nsources < SOURCES)
            sources[nsources++] = target;
    }
    N *stmt = one(dice(2) ? PL_N_UPDATE : PL_N_DELETE, target);
    if (stmt->kind == PL_N_UPDATE) {
        N *c = pl_node_column(&arena, t->columns[1], NULL);
        stmt = two(PL_N_SET, stmt, with_op(two(PL_N_BINARY, c, expr(depth)), PL_OP_EQ));
    }
    if (dice(2))
        stmt = two(PL_N_WHERE, stmt, condition(depth));
    return dice(3) == 0 ? two(PL_N_RETURNING, stmt, expr(depth)) : stmt;
}

static N *statement(void) {
    switch (dice(8)) {
    case 0: return insert(3);
    case 1: return change(4);
    case 2: return recursive(2);
    default: return select_of(NESTED, 1 + dice(4));
    }
}

/* ---- checks ---- */

static _Noreturn void complain(const char *what, const char *sql) {
    fprintf(stderr, "%s\n  in: %s\n", what, sql);
    abort();
}

/* What only the database can know, or what it limits. */
static int is_expected(const char *message) {
    static const char *const known[] = {
        "ON clause references tables to its right",
        "parser stack overflow",
        "misuse of aggregate",
        "at most 64 tables in a join",
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (strstr(message, known[i]))
            return 1;
    return 0;
}

static void check_prepares(const pl_compiled *c) {
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db, c->sql, -1, &s, NULL) != SQLITE_OK) {
        if (!is_expected(sqlite3_errmsg(db)))
            complain(sqlite3_errmsg(db), c->sql);
        return;
    }
    if ((size_t)sqlite3_bind_parameter_count(s) != c->nplan)
        complain("another number of parameters", c->sql);
    if (!c->open && (size_t)sqlite3_column_count(s) != c->ncolumns)
        complain("another number of columns", c->sql);
    sqlite3_finalize(s);
}

static void check_again(N *stmt, const pl_compiled *first) {
    pl_compiled c;
    pl_error err;
    pl_error_init(&err, pl_alloc_libc());
    pl_node_walk(stmt, ++pass, NULL, NULL);
    if (pl_compile(&pl_dialect_sqlite, stmt, pass, &arena, &c, &err) != PL_OK ||
        strcmp(c.sql, first->sql) != 0)
        complain("another text the second time", first->sql);
    pl_error_clear(&err);
}

static void check(N *stmt) {
    pl_compiled c;
    pl_error err;
    pl_vec literals;
    pl_vec_init(&literals, pl_alloc_libc());
    pl_error_init(&err, pl_alloc_libc());
    pl_node_walk(stmt, ++pass, NULL, &literals);
    pl_code code = pl_compile(&pl_dialect_sqlite, stmt, pass, &arena, &c, &err);
    if (code == PL_OK) {
        for (size_t i = 0; i < c.nplan; i++)
            if (c.plan[i] >= literals.n)
                complain("no such literal", c.sql);
        check_prepares(&c);
        check_again(stmt, &c);
    } else if (!err.message || code == PL_ENOMEM) {
        complain("an error without a message", "");
    }
    pl_error_clear(&err);
    pl_vec_free(&literals);
}

/* ---- schema ---- */

static void regexp(sqlite3_context *context, int n, sqlite3_value **args) {
    (void)n;
    (void)args;
    sqlite3_result_int(context, 1);
}

static void add_table(int i, const char *name) {
    static const struct {
        const char *name;
        pl_kind kind;
    } columns[COLUMNS] = {{"id", PL_K_INTEGER},
                          {"name", PL_K_STRING},
                          {"active", PL_K_BOOLEAN},
                          {"Order", PL_K_JSON}};
    pl_error err;
    pl_buf text;
    pl_error_init(&err, pl_alloc_libc());
    pl_buf_init(&text, pl_alloc_libc());
    pl_table_new(&md, name, NULL, &tables[i], &err);
    for (int k = 0; k < COLUMNS; k++) {
        pl_column *c =
            pl_column_new(&md, columns[k].name, pl_type_plain(columns[k].kind));
        c->primary_key = k == 0;
        pl_table_add_column(tables[i], c, &err);
    }
    pl_table_finish(tables[i], &err);
    if (pl_ddl_create_table(&pl_dialect_sqlite, tables[i], &text, &err) != PL_OK ||
        sqlite3_exec(db, pl_buf_cstr(&text), NULL, NULL, NULL) != SQLITE_OK)
        abort();
    pl_buf_free(&text);
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerInitialize(int *argc, char ***argv) {
    (void)argc;
    (void)argv;
    if (sqlite3_open(":memory:", &db) != SQLITE_OK)
        abort();
    sqlite3_db_config(db, SQLITE_DBCONFIG_DQS_DML, 0, NULL);
    sqlite3_create_function(db, "regexp", 2, SQLITE_UTF8, NULL, regexp, NULL, NULL);
    pl_metadata_init(&md, pl_alloc_libc(), pl_alloc_libc());
    add_table(0, "user");
    add_table(1, "post");
    add_table(2, "group");
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    bytes = data;
    end = data + size;
    nsources = 0;
    pl_arena_init(&arena, pl_alloc_libc());
    check(statement());
    pl_arena_free(&arena);
    return 0;
}
