/* SPDX-License-Identifier: MIT */
/*
** compiler.h - the compiler's own state; included by compile*.c only.
**
** One pl_compiler serves one call of pl_compile. Everything it makes on the way lives in
** its scratch arena and its maps, which pl_compile frees; text goes to the fragment that
** is being written. Errors are sticky: after the first one writers do nothing, and
** pl_compile looks once at the end.
*/
#ifndef PL_COMPILER_H
#define PL_COMPILER_H

#include "core/base/map.h"
#include "core/sql/compile.h"

/* A list of nodes (or of anything) in the scratch arena. */
typedef struct pl_list {
    void **v;
    size_t n, cap;
} pl_list;

/* One placeholder: which literal, and where its '?' stands in the fragment. */
typedef struct pl_bind {
    uint32_t ordinal;
    size_t at;
} pl_bind;

/* Text being written: the statement itself, or a CTE that will go in front of it. */
typedef struct pl_fragment {
    pl_buf sql;
    pl_bind *binds;
    size_t nbinds, cap;
} pl_fragment;

/* One column that a statement returns. */
typedef struct pl_select_item {
    pl_node *node;           /* without its label */
    const char *label;       /* written by the user, or NULL */
    const char *name;        /* exposed; NULL until pl_item_name is asked */
    const pl_column *column; /* the column it is, or NULL */
    const pl_type *type;
    bool entity; /* part of an entity: read by position only */
    bool open;   /* raw text or a star: how many columns is not known */
} pl_select_item;

/* A statement taken apart: its clauses by kind, in the order they were added. */
typedef struct pl_query {
    pl_node *head;
    pl_list columns; /* the select list as written: entities, labels, ... */
    pl_list from, joined, where, group, having, order, with, returning, rows, set;
    pl_list searches; /* conditions of WHERE that are written as joins to their index */
    pl_node *limit, *offset; /* NULL: none */
    pl_node *for_update, *correlate, *from_select, *conflict;
    bool distinct;
    pl_select_item *items; /* flattened; those of a compound are its first member's */
    size_t nitems;
    const void *sole; /* key of the only source in FROM, once that is known, or NULL */
    bool named;       /* exposed names of a derived table were given */
} pl_query;

/* One comma-separated thing of FROM: a base and what is joined to it. */
typedef struct pl_from {
    pl_node *base;
    pl_list joins; /* PL_N_JOINED clauses */
    int part;      /* which connected part it is in, for the cartesian check */
} pl_from;

/* A CTE of the statement. */
typedef struct pl_cte {
    const pl_node *node;   /* the fullest statement of it met */
    const pl_node *anchor; /* recursive: its first select */
    const char *name;
    bool started; /* its text is being written or is done */
    pl_fragment text;
} pl_cte;

/* The statement whose expressions are being written, and those around it. */
typedef struct pl_scope {
    struct pl_scope *up;
    pl_query *query;
    pl_list sources;  /* keys of the tables and aliases whose columns may be named */
    const char *what; /* "SELECT", "DELETE" ... for messages */
    bool open;        /* FROM holds raw text: any name may be there */
    bool bare;        /* columns are written without their table */
    bool hidden;      /* subqueries do not see it: an alias in RETURNING */
    bool compound;    /* ORDER BY of a compound: names of result columns only */
} pl_scope;

/* What a select is part of. */
typedef enum pl_select_use {
    PL_USE_TOP,     /* the statement itself */
    PL_USE_DERIVED, /* a FROM item: result names must be unique, nothing correlates */
    PL_USE_VALUE,   /* a scalar subquery or the right side of IN: correlates */
    PL_USE_EXISTS   /* as VALUE, and the select list does not matter */
} pl_select_use;

typedef struct pl_compiler {
    const pl_dialect *d;
    uint32_t pass;
    pl_error *err;
    pl_code code; /* PL_OK until the first error */
    pl_arena scratch;
    pl_fragment *out; /* what is being written */
    pl_scope *scope;  /* innermost, or NULL */
    pl_map queries;   /* statement -> pl_query */
    pl_map names;     /* FROM item -> its name in this statement */
    pl_map counters;  /* base of generated names -> count so far */
    pl_list ctes;     /* pl_cte met so far */
    pl_list hoisted;  /* finished pl_cte, in order of dependency */
    pl_list tables;   /* pl_table, each once */
    int depth;
    size_t work;       /* nodes visited, bounded */
    bool literal_text; /* literals are written out: DDL */
    bool recursive;
    bool uncached;
    bool cartesian;
    const char *loose;
} pl_compiler;

/* ---- state and errors (compile.c) ---- */

static inline bool pl_failed(const pl_compiler *c) {
    return c->code != PL_OK;
}

/* Remembers an error that pl_fail has filled in, or one without memory. */
void pl_set_error(pl_compiler *c, pl_code code);
void pl_set_nomem(pl_compiler *c);

#define pl_refuse(c, code, ...) pl_set_error((c), pl_fail((c)->err, (code), __VA_ARGS__))

void pl_fragment_init(const pl_compiler *c, pl_fragment *f);

/* Scratch memory; NULL sets the error. */
void *pl_scratch(pl_compiler *c, size_t n);
bool pl_list_add(pl_compiler *c, pl_list *l, const void *p);
bool pl_list_has(const pl_list *l, const void *p);
void pl_list_once(pl_compiler *c, pl_list *l, const void *p); /* unless it is there */
void *pl_map_of(const pl_map *m, const void *key);            /* key by address */
void pl_map_put(pl_compiler *c, pl_map *m, const void *key, void *value);

/* Counts a level of recursion; false (and the error) when it is too deep. Pairs with
 * pl_leave, also when it failed. */
bool pl_enter(pl_compiler *c);
void pl_leave(pl_compiler *c);

void pl_put(pl_compiler *c, const char *s);
void pl_put_name(pl_compiler *c, const char *name);
void pl_put_int(pl_compiler *c, int64_t i);

/* A placeholder for a literal. */
void pl_put_bind(pl_compiler *c, const pl_node *literal);
void pl_use_table(pl_compiler *c, const pl_table *t);

/* ---- statements (compile.c, compile_select.c, compile_dml.c) ---- */

/* The clauses of a chain; made once for each statement. NULL: error. */
pl_query *pl_query_of(pl_compiler *c, pl_node *stmt);

/* The query whose items are what a statement returns: itself, or a compound's first. */
pl_query *pl_result_of(pl_compiler *c, pl_node *stmt);
void pl_write_select(pl_compiler *c, pl_node *stmt, pl_select_use use);
void pl_write_insert(pl_compiler *c, pl_query *q);
void pl_write_update(pl_compiler *c, pl_query *q);
void pl_write_delete(pl_compiler *c, pl_query *q);
void pl_write_where(pl_compiler *c, const char *word, const pl_list *conditions);
void pl_register_with(pl_compiler *c, const pl_query *q);
/* Whether a statement's own CTEs are known to it only, and writing them where it stands.
 */
bool pl_has_local_with(const pl_node *stmt);
void pl_write_local_with(pl_compiler *c, const pl_query *q);

/* ---- names (compile_name.c) ---- */

/* What identifies a FROM item: the table for a plain one, else the node. A recursive CTE
 * and its restatements (its name, its anchor) are one. */
const void *pl_source_key(pl_compiler *c, const pl_node *source);
const void *pl_column_key(pl_compiler *c, const pl_node *column);

/* The name a FROM item goes by in SQL; generated when it has none. */
const char *pl_source_name(pl_compiler *c, const pl_node *source);
void pl_put_source(pl_compiler *c, const pl_node *source); /* with its schema */

/* How a message calls a FROM item. */
const char *pl_source_label(const pl_node *source);

/* The statement behind an alias or CTE, or NULL for tables and the like. */
pl_node *pl_source_statement(const pl_node *source);
const pl_table *pl_source_table(const pl_node *source);

/* "base_1", "base_2", ... NULL: error. */
const char *pl_generate_name(pl_compiler *c, const char *base);

/* Flattens select items to columns. */
void pl_make_items(pl_compiler *c, const pl_list *nodes, pl_select_item **out, size_t *n);

/* Gives the columns of a derived table names that are unique. */
void pl_name_items(pl_compiler *c, pl_query *q);
const char *pl_item_name(pl_compiler *c, pl_query *q, pl_select_item *item);

/* The name of a column as its source exposes it; NULL: it has none such (no error set) */
const char *pl_exposed_name(pl_compiler *c, const pl_node *column);

/* ---- FROM (compile_from.c) ---- */

/* The FROM items of a select, joins placed. An array of n in the scratch arena. */
pl_from *pl_make_froms(pl_compiler *c, pl_query *q, size_t *n);
void pl_correlate(pl_compiler *c, const pl_query *q, pl_select_use use, pl_from *froms,
                  size_t *n);
void pl_check_names(pl_compiler *c, const pl_from *froms, size_t n);
void pl_add_sources(pl_compiler *c, pl_scope *s, const pl_from *f);
void pl_check_cartesian(pl_compiler *c, const pl_query *q, pl_from *froms, size_t n);
void pl_write_froms(pl_compiler *c, const pl_from *froms, size_t n);

/* Appends the FROM items that an expression's columns come from, each once. `deep`: also
 * those in subqueries. */
void pl_collect_sources(pl_compiler *c, const pl_node *n, bool deep, pl_list *out);

/* ---- full-text search (compile_search.c) ---- */

/* Notes the searches among the conditions that WHERE joins by AND, and appends the FROM
 * items of their indexes. */
void pl_find_searches(pl_compiler *c, pl_query *q, pl_list *sources);

/* Whether a FROM item is the index of a noted search. */
bool pl_is_search_source(pl_compiler *c, const pl_query *q, const void *key);

/* Writes a noted search as a join; false when the node is none. */
bool pl_write_search(pl_compiler *c, const pl_node *n);

/* ---- CTEs (compile_cte.c) ---- */

/* The record of a CTE, made at first sight. NULL: error. */
pl_cte *pl_cte_of(pl_compiler *c, const pl_node *cte);

/* Writes the body of a CTE in front of the statement, once. */
void pl_hoist_cte(pl_compiler *c, const pl_node *cte);
/* WITH and the fragments so far; returns the whole in `all`. */
void pl_join_fragments(pl_compiler *c, const pl_fragment *body, pl_fragment *all);

/* ---- expressions (compile_expr.c, compile_op.c) ---- */

/* How an expression is used. */
typedef enum pl_form {
    PL_AS_VALUE,
    PL_AS_CONDITION, /* a Boolean column is written `x = 1` */
    PL_AS_NEGATION   /* NOT of it is written */
} pl_form;

/* Binding strength of what is written for a node, weakest first. */
typedef enum pl_level {
    PL_L_ANY,  /* raw text of unknown shape */
    PL_L_LIST, /* fits between commas */
    PL_L_OR,
    PL_L_AND,
    PL_L_NOT,
    PL_L_COMPARE,
    PL_L_BIT,
    PL_L_ADD,
    PL_L_MUL,
    PL_L_CONCAT,
    PL_L_COLLATE,
    PL_L_UNARY,
    PL_L_ATOM
} pl_level;

typedef void (*pl_write_fn)(pl_compiler *c, const pl_node *n, pl_form form);

/* Whether a value of one piece is compared with 1 or 0 when it is a condition. */
bool pl_is_boolean(const pl_node *n);

pl_level pl_level_of(const pl_node *n, pl_form form);
void pl_write(pl_compiler *c, const pl_node *n, pl_form form);

/* The same in parentheses where it binds less than `least`. */
void pl_write_in(pl_compiler *c, const pl_node *n, pl_form form, pl_level least);

/* SQLite takes trees of limited depth, and a chain of n conditions is one: long chains go
 * in parentheses in groups. Before and after condition i. */
void pl_open_group(pl_compiler *c, size_t i, size_t n);
void pl_close_group(pl_compiler *c, size_t i, size_t n);

/* Writers of the operators, for the table in compile_expr.c. */
void pl_write_unary(pl_compiler *c, const pl_node *n, pl_form form);
void pl_write_binary(pl_compiler *c, const pl_node *n, pl_form form);
void pl_write_and_or(pl_compiler *c, const pl_node *n, pl_form form);
void pl_write_like(pl_compiler *c, const pl_node *n, pl_form form);
void pl_write_between(pl_compiler *c, const pl_node *n, pl_form form);
void pl_write_member(pl_compiler *c, const pl_node *n, pl_form form);
void pl_write_text(pl_compiler *c, const pl_node *n, pl_form form);
void pl_write_func(pl_compiler *c, const pl_node *n, pl_form form);
void pl_write_args(pl_compiler *c, const pl_node *n, uint32_t first);

#endif
