/* SPDX-License-Identifier: MIT */
/*
** compile_expr.c - expressions: one small writer for each kind of node.
**
** A writer gets the form wanted (value, condition, negation) and writes text of the level
** that pl_level_of promises for it; parentheses are pl_write_in's business alone.
*/
#include "core/sql/compiler.h"

/* ---- columns ---- */

static bool is_visible(const pl_compiler *c, const void *key) {
    for (const pl_scope *s = c->scope; s; s = s->up)
        if (s->hidden && s != c->scope)
            continue;
        else if (s->open || pl_list_has(&s->sources, key))
            return true;
    return !c->scope;
}

/* The column's table takes no part in the statement: say which, and what to do. */
static void refuse_column(pl_compiler *c, const pl_node *n) {
    const pl_column *col = n->ref;
    const char *column = col ? col->name : n->text;
    const char *table = n->nkids > 0 && n->kids[0] ? pl_source_label(n->kids[0])
                        : col && col->table        ? col->table->name
                                                   : "?";
    const char *what = c->scope->what;
    pl_refuse(c, PL_EINVALID, "column '%s.%s' cannot be used here: %s is not in %s %s",
              table, column, table, strcmp(what, "SELECT") == 0 ? "FROM of the" : "the",
              what);
    if (strcmp(what, "SELECT") == 0)
        pl_hint(c->err, "join %s, or name it with select_from(...)", table);
    else
        pl_hint(c->err, "use a subquery: in_(db.select(...)) or db.exists(...)");
}

/* ORDER BY of a compound can only name a result column: by its name where that can be no
 * other table's column, else by its number. */
static void write_result_column(pl_compiler *c, const pl_node *n) {
    pl_query *q = c->scope->query;
    size_t found = q->nitems, same = 0;
    for (size_t i = 0; i < q->nitems; i++) {
        const pl_select_item *item = &q->items[i];
        bool is_it = n->ref ? item->column == n->ref
                            : item->label && strcmp(item->label, n->text) == 0;
        if (is_it && found == q->nitems)
            found = i;
    }
    if (found == q->nitems) {
        const pl_column *col = n->ref;
        pl_refuse(c, PL_ECOMPILE,
                  "ORDER BY of a compound select can only name what it "
                  "selects, and '%s' is not among that",
                  col ? col->name : n->text);
        return;
    }
    const char *name = pl_item_name(c, q, &q->items[found]);
    for (size_t i = 0; name && i < q->nitems; i++) {
        const char *other = pl_item_name(c, q, &q->items[i]);
        same += other && strcmp(other, name) == 0;
    }
    const pl_select_item *item = &q->items[found];
    bool sure = item->label || (q->sole && pl_column_key(c, item->node) == q->sole);
    if (name && same == 1 && sure)
        pl_put_name(c, name);
    else
        pl_put_int(c, (int64_t)found + 1);
}

static void write_qualifier(pl_compiler *c, const pl_node *n) {
    const pl_node *source = n->nkids > 0 ? n->kids[0] : NULL;
    const pl_column *col = n->ref;
    if (source) {
        pl_put_source(c, source);
    } else if (col && col->table) {
        if (col->table->schema) {
            pl_put_name(c, col->table->schema);
            pl_put(c, ".");
        }
        pl_put_name(c, col->table->name);
    } else {
        return;
    }
    pl_put(c, ".");
}

static void write_own_column(pl_compiler *c, const pl_node *n) {
    const void *key = pl_column_key(c, n);
    bool excluded = n->nkids > 0 && n->kids[0] && n->kids[0]->kind == PL_N_IDENT;
    if (key && !excluded && !is_visible(c, key)) {
        refuse_column(c, n);
        return;
    }
    bool bare = c->scope && c->scope->bare && pl_list_has(&c->scope->sources, key);
    const char *name = pl_exposed_name(c, n);
    if (!name && !pl_failed(c)) {
        const pl_column *col = n->ref;
        pl_refuse(c, PL_EINVALID, "%s has no column '%s'", pl_source_label(n->kids[0]),
                  col ? col->name : n->text);
        pl_hint(c->err, "select the column in the subquery");
        return;
    }
    if (!bare || excluded)
        write_qualifier(c, n);
    if (name)
        pl_put_name(c, name);
}

static void write_column(pl_compiler *c, const pl_node *n, pl_form form) {
    (void)form;
    const pl_column *col = n->ref;
    if (c->literal_text)
        pl_put_name(c, col ? col->name : n->text);
    else if (c->scope && c->scope->compound)
        write_result_column(c, n);
    else
        write_own_column(c, n);
}

/* ---- constants and names ---- */

static void write_literal(pl_compiler *c, const pl_node *n, pl_form form) {
    (void)form;
    pl_put_bind(c, n);
}

static void write_null(pl_compiler *c, const pl_node *n, pl_form form) {
    (void)n;
    (void)form;
    pl_put(c, "NULL");
}

static void write_bool(pl_compiler *c, const pl_node *n, pl_form form) {
    bool truth = n->op != (form == PL_AS_NEGATION);
    if (c->d->bool_literals)
        pl_put(c, truth ? "true" : "false");
    else if (form == PL_AS_VALUE)
        pl_put(c, truth ? "1" : "0");
    else
        pl_put(c, truth ? "1 = 1" : "0 = 1");
}

static void write_star(pl_compiler *c, const pl_node *n, pl_form form) {
    (void)form;
    if (n->nkids > 0 && n->kids[0]) {
        pl_put_source(c, n->kids[0]);
        pl_put(c, ".");
    }
    pl_put(c, "*");
}

static void write_ident(pl_compiler *c, const pl_node *n, pl_form form) {
    (void)form;
    if (n->nkids > 0 && n->kids[0]) {
        pl_put_name(c, n->kids[0]->text);
        pl_put(c, ".");
    }
    pl_put_name(c, n->text);
}

/* ---- composed expressions ---- */

void pl_write_args(pl_compiler *c, const pl_node *n, uint32_t first) {
    for (uint32_t i = first; i < n->nkids && !pl_failed(c); i++) {
        pl_put(c, i > first ? ", " : "");
        if (n->kids[i])
            pl_write_in(c, n->kids[i], PL_AS_VALUE, PL_L_ANY);
        else
            pl_put(c, "NULL");
    }
}

static void write_tuple(pl_compiler *c, const pl_node *n, pl_form form) {
    (void)form;
    pl_put(c, "(");
    pl_write_args(c, n, 0);
    pl_put(c, ")");
}

static void write_filter(pl_compiler *c, const pl_node *n, pl_form form) {
    (void)form;
    pl_write(c, n->kids[0], PL_AS_VALUE);
    pl_put(c, " FILTER (WHERE ");
    pl_write(c, n->kids[1], PL_AS_CONDITION);
    pl_put(c, ")");
}

static void write_order(pl_compiler *c, const pl_node *n, pl_form form) {
    (void)form;
    pl_write_in(c, n->kids[0], PL_AS_VALUE, PL_L_OR);
    if (n->op & PL_ORDER_DESC)
        pl_put(c, " DESC");
    if (n->op & PL_ORDER_NULLS_FIRST)
        pl_put(c, " NULLS FIRST");
    if (n->op & PL_ORDER_NULLS_LAST)
        pl_put(c, " NULLS LAST");
}

static void write_over(pl_compiler *c, const pl_node *n, pl_form form) {
    (void)form;
    const pl_node *partition = n->nkids > 1 ? n->kids[1] : NULL;
    const pl_node *order = n->nkids > 2 ? n->kids[2] : NULL;
    const char *gap = "";
    pl_write(c, n->kids[0], PL_AS_VALUE);
    pl_put(c, " OVER (");
    if (partition && partition->nkids > 0) {
        pl_put(c, "PARTITION BY ");
        pl_write_args(c, partition, 0);
        gap = " ";
    }
    if (order && order->nkids > 0) {
        pl_put(c, gap);
        pl_put(c, "ORDER BY ");
        pl_write_args(c, order, 0);
        gap = " ";
    }
    if (n->text) {
        pl_put(c, gap);
        pl_put(c, n->text);
    }
    pl_put(c, ")");
}

static void write_case(pl_compiler *c, const pl_node *n, pl_form form) {
    (void)form;
    bool value = n->flags & PL_NF_CASE_VALUE, other = n->flags & PL_NF_CASE_ELSE;
    uint32_t i = 0, end = other && n->nkids > 0 ? n->nkids - 1 : n->nkids;
    pl_put(c, "CASE");
    if (value && n->nkids > 0) {
        pl_put(c, " ");
        pl_write_in(c, n->kids[i++], PL_AS_VALUE, PL_L_OR);
    }
    for (; i + 1 < end && !pl_failed(c); i += 2) {
        pl_put(c, " WHEN ");
        pl_write_in(c, n->kids[i], PL_AS_VALUE, PL_L_OR);
        pl_put(c, " THEN ");
        pl_write_in(c, n->kids[i + 1], PL_AS_VALUE, PL_L_OR);
    }
    if (other && n->nkids > 0) {
        pl_put(c, " ELSE ");
        pl_write_in(c, n->kids[end], PL_AS_VALUE, PL_L_OR);
    }
    pl_put(c, " END");
}

static void write_cast(pl_compiler *c, const pl_node *n, pl_form form) {
    (void)form;
    pl_put(c, "CAST(");
    pl_write_in(c, n->kids[0], PL_AS_VALUE, PL_L_OR);
    pl_put(c, " AS ");
    c->d->type(&c->out->sql, pl_node_type(n));
    pl_put(c, ")");
}

typedef struct argument {
    pl_compiler *c;
    const pl_node *n;
} argument;

static void write_argument(void *ud) {
    const argument *a = ud;
    pl_write_in(a->c, a->n, PL_AS_VALUE, PL_L_OR);
}

static void write_extract(pl_compiler *c, const pl_node *n, pl_form form) {
    (void)form;
    argument a = {c, n->kids[0]};
    if (c->d->extract(&c->out->sql, n->text, write_argument, &a))
        return;
    pl_refuse(c, PL_ECOMPILE, "extract: %s has no field '%s'", c->d->name, n->text);
    pl_hint(c->err, "fields are year, month, day, hour, minute, second, doy, dow, week "
                    "and epoch");
}

static void write_collate(pl_compiler *c, const pl_node *n, pl_form form) {
    (void)form;
    pl_write_in(c, n->kids[0], PL_AS_VALUE, PL_L_COLLATE);
    pl_put(c, " COLLATE ");
    pl_put_name(c, n->text);
}

static void write_label(pl_compiler *c, const pl_node *n, pl_form form) {
    if (c->scope && c->scope->compound)
        pl_put_name(c, n->text);
    else
        pl_write(c, n->kids[0], form);
}

/* A JSON value keeps its quotes; text and numbers come out as such. */
static void write_json(pl_compiler *c, const pl_node *n, pl_form form) {
    (void)form;
    bool json = pl_type_storage(pl_node_type(n))->kind == PL_K_JSON;
    bool exact = json && n->op == PL_JSON_EXACT;
    if (exact) {
        pl_put(c, "CASE JSON_TYPE(");
        pl_write_args(c, n, 0);
        pl_put(c, ") WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE ");
    }
    pl_put(c, json ? "JSON_QUOTE(JSON_EXTRACT(" : "JSON_EXTRACT(");
    pl_write_args(c, n, 0);
    pl_put(c, json ? "))" : ")");
    pl_put(c, exact ? " END" : "");
}

static void write_scalar(pl_compiler *c, const pl_node *n, pl_form form) {
    (void)form;
    pl_put(c, "(");
    pl_write_select(c, n->kids[0], PL_USE_VALUE);
    pl_put(c, ")");
}

static void write_exists(pl_compiler *c, const pl_node *n, pl_form form) {
    bool negative = ((n->flags & PL_NF_NOT) != 0) != (form == PL_AS_NEGATION);
    pl_put(c, negative ? "NOT EXISTS (" : "EXISTS (");
    pl_write_select(c, n->kids[0], PL_USE_EXISTS);
    pl_put(c, ")");
}

/* ---- dispatch ---- */

static const pl_write_fn writers[PL_N_COUNT] = {
    [PL_N_COLUMN] = write_column,      [PL_N_LITERAL] = write_literal,
    [PL_N_NULL] = write_null,          [PL_N_BOOL] = write_bool,
    [PL_N_STAR] = write_star,          [PL_N_TEXT] = pl_write_text,
    [PL_N_IDENT] = write_ident,        [PL_N_UNARY] = pl_write_unary,
    [PL_N_BINARY] = pl_write_binary,   [PL_N_AND] = pl_write_and_or,
    [PL_N_OR] = pl_write_and_or,       [PL_N_LIKE] = pl_write_like,
    [PL_N_BETWEEN] = pl_write_between, [PL_N_IN] = pl_write_member,
    [PL_N_TUPLE] = write_tuple,        [PL_N_FUNC] = pl_write_func,
    [PL_N_FILTER] = write_filter,      [PL_N_OVER] = write_over,
    [PL_N_CASE] = write_case,          [PL_N_CAST] = write_cast,
    [PL_N_EXTRACT] = write_extract,    [PL_N_COLLATE] = write_collate,
    [PL_N_LABEL] = write_label,        [PL_N_ORDER] = write_order,
    [PL_N_JSON] = write_json,          [PL_N_SCALAR] = write_scalar,
    [PL_N_EXISTS] = write_exists,
};

/* Kinds that write conditions and negations themselves. */
static bool knows_form(const pl_node *n) {
    switch (n->kind) {
    case PL_N_BOOL:
    case PL_N_UNARY:
    case PL_N_BINARY:
    case PL_N_AND:
    case PL_N_OR:
    case PL_N_LIKE:
    case PL_N_BETWEEN:
    case PL_N_IN:
    case PL_N_LABEL:
    case PL_N_EXISTS: return true;
    default: return false;
    }
}

/* One piece as a condition: `x = 1` when Boolean, `NOT x` when negated. */
static void write_piece(pl_compiler *c, const pl_node *n, pl_form form) {
    bool negated = form == PL_AS_NEGATION;
    if (pl_is_boolean(n)) {
        writers[n->kind](c, n, PL_AS_VALUE);
        if (!c->d->bool_literals)
            pl_put(c, negated ? " = 0" : " = 1");
        else
            pl_put(c, negated ? " = false" : "");
        return;
    }
    pl_put(c, negated ? "NOT " : "");
    if (negated)
        pl_write_in(c, n, PL_AS_VALUE, PL_L_ATOM);
    else
        writers[n->kind](c, n, PL_AS_VALUE);
}

void pl_write(pl_compiler *c, const pl_node *n, pl_form form) {
    if (n->flags & PL_NF_UNCACHED)
        c->uncached = true;
    if (pl_enter(c)) {
        if (!writers[n->kind])
            pl_refuse(c, PL_EARGUMENT,
                      "a table, statement or clause stands where a value "
                      "is expected"),
                pl_hint(c->err, "a query becomes a value by scalar_subquery()");
        else if (form == PL_AS_VALUE || knows_form(n))
            writers[n->kind](c, n, form);
        else
            write_piece(c, n, form);
    }
    pl_leave(c);
}

void pl_write_in(pl_compiler *c, const pl_node *n, pl_form form, pl_level least) {
    bool weak = pl_level_of(n, form) < least;
    if (weak)
        pl_put(c, "(");
    pl_write(c, n, form);
    if (weak)
        pl_put(c, ")");
}
