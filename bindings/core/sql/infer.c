/* SPDX-License-Identifier: MIT */
/*
** infer.c - the type of an expression's value, as far as it can be known.
**
** Decides how a result column is read and how `/` and `//` are written. A node that
** carries a type is believed; else the operator or function says, or its operands do.
** Nothing is made here: every type is a column's or one of the plain ones.
*/
#include "core/sql/node.h"

#include <stdlib.h>

/* What a function returns: a kind, or the type of one of its arguments. */
enum { OF_FIRST = -1, OF_SECOND = -2 };

typedef struct function {
    const char *name;
    int result;
} function;

/* Sorted by name. */
static const function functions[] = {
    {"abs", OF_FIRST},
    {"aggregate_strings", PL_K_STRING},
    {"avg", PL_K_FLOAT},
    {"ceil", PL_K_FLOAT},
    {"changes", PL_K_INTEGER},
    {"char", PL_K_STRING},
    {"char_length", PL_K_INTEGER},
    {"coalesce", OF_FIRST},
    {"concat", PL_K_STRING},
    {"count", PL_K_INTEGER},
    {"cume_dist", PL_K_NUMERIC},
    {"current_date", PL_K_DATE},
    {"current_time", PL_K_TIME},
    {"current_timestamp", PL_K_DATETIME},
    {"date", PL_K_STRING},
    {"datetime", PL_K_STRING},
    {"dense_rank", PL_K_INTEGER},
    {"first_value", OF_FIRST},
    {"floor", PL_K_FLOAT},
    {"format", PL_K_STRING},
    {"group_concat", PL_K_STRING},
    {"hex", PL_K_STRING},
    {"ifnull", OF_FIRST},
    {"iif", OF_SECOND},
    {"instr", PL_K_INTEGER},
    {"json", PL_K_JSON},
    {"json_array", PL_K_JSON},
    {"json_array_length", PL_K_INTEGER},
    {"json_group_array", PL_K_JSON},
    {"json_group_object", PL_K_JSON},
    {"json_object", PL_K_JSON},
    {"json_type", PL_K_STRING},
    {"json_valid", PL_K_BOOLEAN},
    {"julianday", PL_K_FLOAT},
    {"lag", OF_FIRST},
    {"last_insert_rowid", PL_K_INTEGER},
    {"last_value", OF_FIRST},
    {"lead", OF_FIRST},
    {"length", PL_K_INTEGER},
    {"localtimestamp", PL_K_DATETIME},
    {"lower", PL_K_STRING},
    {"ltrim", PL_K_STRING},
    {"max", OF_FIRST},
    {"min", OF_FIRST},
    {"now", PL_K_DATETIME},
    {"nth_value", OF_FIRST},
    {"ntile", PL_K_INTEGER},
    {"nullif", OF_FIRST},
    {"percent_rank", PL_K_NUMERIC},
    {"printf", PL_K_STRING},
    {"quote", PL_K_STRING},
    {"random", PL_K_INTEGER},
    {"rank", PL_K_INTEGER},
    {"replace", PL_K_STRING},
    {"round", PL_K_FLOAT},
    {"row_number", PL_K_INTEGER},
    {"rtrim", PL_K_STRING},
    {"sign", PL_K_INTEGER},
    {"soundex", PL_K_STRING},
    {"sqrt", PL_K_FLOAT},
    {"strftime", PL_K_STRING},
    {"substr", PL_K_STRING},
    {"substring", PL_K_STRING},
    {"sum", OF_FIRST},
    {"time", PL_K_STRING},
    {"total", PL_K_FLOAT},
    {"trim", PL_K_STRING},
    {"typeof", PL_K_STRING},
    {"unicode", PL_K_INTEGER},
    {"unixepoch", PL_K_INTEGER},
    {"upper", PL_K_STRING},
};

/* Bounds the work on trees that share parts many times. */
enum { BUDGET = 10000, NEST_MAX = 200 };

typedef struct infer {
    int budget, depth;
} infer;

static const pl_type *type_of(infer *in, const pl_node *n);

static const pl_type *any(void) {
    return pl_type_plain(PL_K_ANY);
}

static int compare_name(const void *name, const void *f) {
    return strcmp(name, ((const function *)f)->name);
}

static const pl_type *func_type(infer *in, const pl_node *n) {
    const function *f = bsearch(n->text, functions, sizeof functions / sizeof *functions,
                                sizeof *functions, compare_name);
    if (!f)
        return any();
    if (f->result >= 0)
        return pl_type_plain((pl_kind)f->result);
    uint32_t i = f->result == OF_SECOND ? 1 : 0;
    return i < n->nkids && n->kids[i] ? pl_type_computed(type_of(in, n->kids[i])) : any();
}

static const pl_type *literal_type(const pl_node *n) {
    switch (n->value.tag) {
    case PL_INT: return pl_type_plain(PL_K_INTEGER);
    case PL_REAL: return pl_type_plain(PL_K_FLOAT);
    case PL_TEXT: return pl_type_plain(PL_K_STRING);
    case PL_BLOB: return pl_type_plain(PL_K_BINARY);
    default: return any();
    }
}

/* + - * and %: the wider of two numbers; what is no number passes through. */
static const pl_type *arithmetic_type(infer *in, const pl_node *n) {
    const pl_type *a = type_of(in, n->kids[0]), *b = type_of(in, n->kids[1]);
    pl_kind ka = pl_type_storage(a)->kind, kb = pl_type_storage(b)->kind;
    if (pl_type_is_text(a))
        return a;
    if (ka == PL_K_ANY || kb == PL_K_NUMERIC)
        return b;
    if (pl_type_is_integer(a) && (kb == PL_K_FLOAT || kb == PL_K_DOUBLE))
        return b;
    return a;
}

static const pl_type *quotient_type(infer *in, const pl_node *n) {
    const pl_type *t = arithmetic_type(in, n);
    return pl_type_is_integer(t) ? pl_type_plain(PL_K_FLOAT) : t;
}

static const pl_type *binary_type(infer *in, const pl_node *n) {
    switch (n->op) {
    case PL_OP_ADD:
    case PL_OP_SUB:
    case PL_OP_MUL:
    case PL_OP_FLOORDIV:
    case PL_OP_MOD: return pl_type_computed(arithmetic_type(in, n));
    case PL_OP_DIV: return quotient_type(in, n);
    case PL_OP_CONCAT: return pl_type_plain(PL_K_STRING);
    case PL_OP_BITAND:
    case PL_OP_BITOR:
    case PL_OP_LSHIFT:
    case PL_OP_RSHIFT: return pl_type_plain(PL_K_INTEGER);
    case PL_OP_CUSTOM: return any();
    default: return pl_type_plain(PL_K_BOOLEAN);
    }
}

static const pl_type *unary_type(infer *in, const pl_node *n) {
    if (n->op == PL_OP_NOT)
        return pl_type_plain(PL_K_BOOLEAN);
    if (n->op == PL_OP_BITNOT)
        return pl_type_plain(PL_K_INTEGER);
    return pl_type_computed(type_of(in, n->kids[0]));
}

/* The first branch that has a type. */
static const pl_type *case_type(infer *in, const pl_node *n) {
    uint32_t i = n->flags & PL_NF_CASE_VALUE ? 2 : 1;
    for (; i < n->nkids; i += 2) {
        const pl_type *t = type_of(in, n->kids[i]);
        if (t->kind != PL_K_ANY)
            return t;
    }
    bool has_else = (n->flags & PL_NF_CASE_ELSE) && n->nkids > 0;
    return has_else ? type_of(in, n->kids[n->nkids - 1]) : any();
}

/* ---- columns of statements ---- */

/* The newest clause of a chain that sets or adds to the select list. */
static const pl_node *select_list(const pl_node *stmt) {
    while (stmt && stmt->nkids > 0 && stmt->kind != PL_N_SELECT &&
           stmt->kind != PL_N_COLUMNS && stmt->kind != PL_N_RETURNING)
        stmt = stmt->kids[0];
    return stmt;
}

static const pl_type *first_type(infer *in, const pl_node *stmt) {
    const pl_node *list = select_list(stmt);
    uint32_t first = list && list->kind != PL_N_SELECT ? 1 : 0;
    return list && list->nkids > first ? type_of(in, list->kids[first]) : any();
}

static bool is_named(const pl_node *item, const pl_node *name) {
    const char *text = item->text;
    if (item->kind == PL_N_COLUMN && item->ref)
        text = ((const pl_column *)item->ref)->name;
    return (item->kind == PL_N_LABEL || item->kind == PL_N_COLUMN) && text &&
           strcmp(text, name->text) == 0;
}

/* A column that is named by its label in a derived table. */
static const pl_type *labelled_type(infer *in, const pl_node *n) {
    const pl_node *source = n->nkids > 0 ? n->kids[0] : NULL;
    while (source && (source->kind == PL_N_ALIAS || source->kind == PL_N_CTE))
        source = source->nkids > 0 ? source->kids[0] : NULL;
    for (; source && source->nkids > 0; source = source->kids[0]) {
        bool lists = source->kind == PL_N_SELECT || source->kind == PL_N_COLUMNS ||
                     source->kind == PL_N_ADD_COLUMNS;
        for (uint32_t i = 0; lists && i < source->nkids; i++)
            if (source->kids[i] && is_named(source->kids[i], n))
                return type_of(in, source->kids[i]);
        if (source->kind == PL_N_SELECT || source->kind == PL_N_COLUMNS)
            break;
    }
    return any();
}

static const pl_type *column_type(infer *in, const pl_node *n) {
    const pl_column *c = n->ref;
    if (c)
        return c->type ? c->type : any();
    return n->text ? labelled_type(in, n) : any();
}

static const pl_type *type_by_kind(infer *in, const pl_node *n) {
    switch (n->kind) {
    case PL_N_COLUMN: return column_type(in, n);
    case PL_N_LITERAL: return literal_type(n);
    case PL_N_FUNC: return func_type(in, n);
    case PL_N_BINARY: return binary_type(in, n);
    case PL_N_UNARY: return unary_type(in, n);
    case PL_N_CASE: return case_type(in, n);
    case PL_N_BOOL:
    case PL_N_AND:
    case PL_N_OR:
    case PL_N_LIKE:
    case PL_N_BETWEEN:
    case PL_N_IN:
    case PL_N_EXISTS: return pl_type_plain(PL_K_BOOLEAN);
    case PL_N_EXTRACT: return pl_type_plain(PL_K_INTEGER);
    case PL_N_JSON: return pl_type_plain(n->op == PL_JSON_TEXT ? PL_K_STRING : PL_K_JSON);
    case PL_N_SCALAR: return first_type(in, n->kids[0]);
    case PL_N_LABEL:
    case PL_N_COLLATE:
    case PL_N_FILTER:
    case PL_N_OVER:
    case PL_N_ORDER: return type_of(in, n->kids[0]);
    default: return any();
    }
}

static const pl_type *type_of(infer *in, const pl_node *n) {
    if (n->type)
        return n->type;
    if (in->budget <= 0 || in->depth >= NEST_MAX)
        return any();
    in->budget--;
    in->depth++;
    const pl_type *t = type_by_kind(in, n);
    in->depth--;
    return t;
}

const pl_type *pl_node_type(const pl_node *n) {
    infer in = {BUDGET, 0};
    return type_of(&in, n);
}

bool pl_node_is_statement(const pl_node *n) {
    return n->kind >= PL_N_SELECT && n->kind <= PL_N_OPTION;
}
