/* SPDX-License-Identifier: MIT */
/*
** node.h - expressions and statements as one kind of tree.
**
** Every expression, FROM item, clause and statement is a pl_node. A node is immutable
** once it is complete (but for the two scratch fields of a compile pass) and owns
** nothing outside its block: kids are kept alive by whoever made it (user values of a
** userdata, or one arena). A statement is a chain: each clause node has the statement
** so far as kids[0], so that adding a clause never changes what others hold.
**
** The uniform shape gives two things for free: a structural key of any tree (under
** which compiled SQL is cached) and the list of its literals in the same order.
*/
#ifndef PL_NODE_H
#define PL_NODE_H

#include "core/base/buf.h"
#include "core/base/slot.h"
#include "core/base/vec.h"
#include "core/schema/schema.h"

typedef enum pl_node_kind {
    /* expressions; kids in parentheses */
    PL_N_COLUMN,  /* ref: pl_column, or NULL with text = label of a derived table (with
                     both the text names it); (source) or () for the plain table */
    PL_N_LITERAL, /* value: becomes a bound parameter */
    PL_N_NULL,    /* SQL NULL */
    PL_N_BOOL,    /* op: 1 true, 0 false */
    PL_N_STAR,    /* *; () or (source) */
    PL_N_TEXT,    /* text with :name parameters; (literal...) each with text = name */
    PL_N_IDENT,   /* text: a name to be quoted, e.g. a label; () or (IDENT) before a dot.
                     As source of a COLUMN: `excluded` */
    PL_N_UNARY,   /* op pl_op; (a) */
    PL_N_BINARY,  /* op pl_op, text when PL_OP_CUSTOM; (a, b) */
    PL_N_AND,     /* (a...) none: true */
    PL_N_OR,      /* (a...) none: false */
    PL_N_LIKE,    /* op LIKE/ILIKE..., (a, pattern [, escape literal]) */
    PL_N_BETWEEN, /* (a, low, high); flag NOT */
    PL_N_IN,      /* (a, item...) or (a, SELECT); flag NOT; no items: false */
    PL_N_TUPLE,   /* (a...) row value */
    PL_N_FUNC,    /* text: name; (arg...); flag DISTINCT; dotted names allowed */
    PL_N_FILTER,  /* (func, condition): func FILTER (WHERE condition) */
    PL_N_OVER,    /* (func, partition TUPLE or NULL, order TUPLE or NULL); text: frame */
    PL_N_CASE,    /* ([value,] when, then, ..., [else]); flags CASE_VALUE, CASE_ELSE */
    PL_N_CAST,    /* type; (a) */
    PL_N_EXTRACT, /* text: field; (a) */
    PL_N_COLLATE, /* text: collation; (a) */
    PL_N_LABEL,   /* text: name; (a) */
    PL_N_ORDER,   /* op pl_order_op bits; (a) */
    PL_N_JSON,    /* (a, literal path); op PL_JSON_VALUE ...; type */
    PL_N_SCALAR,  /* (SELECT) as an expression */
    PL_N_EXISTS,  /* (SELECT); flag NOT */
    PL_N_ENTITY,  /* ref: mapper, opaque here; (column...) columns to select */
    /* FROM items */
    PL_N_TABLE,  /* ref: pl_table */
    PL_N_ALIAS,  /* (TABLE or statement); text: name or NULL for a generated one */
    PL_N_CTE,    /* (statement); text: name; flag RECURSIVE */
    PL_N_VALUES, /* text: alias; (TUPLE...) ; ref unused; kids[0] TUPLE of IDENT names */
    PL_N_JOIN,   /* op pl_join_op; (left, right, on or NULL) */
    PL_N_TABLEFUNC, /* (FUNC); text: alias; e.g. json_each */
    /* statement heads */
    PL_N_SELECT,   /* (item...) */
    PL_N_COMPOUND, /* op pl_set_op; (statement, statement...) */
    PL_N_INSERT,   /* ref: pl_table; () */
    PL_N_UPDATE,   /* (TABLE or ALIAS, tie...): a tie is a condition that joins a further
                      table, that of its first column, whenever that is mentioned */
    PL_N_DELETE,   /* (TABLE or ALIAS) */
    /* clauses: kids[0] is the statement so far */
    PL_N_WHERE,       /* (prev, condition...) */
    PL_N_GROUP_BY,    /* (prev, a...) */
    PL_N_HAVING,      /* (prev, condition...) */
    PL_N_ORDER_BY,    /* (prev, a...); no items: forget the order so far */
    PL_N_LIMIT,       /* (prev, a or NULL) */
    PL_N_OFFSET,      /* (prev, a or NULL) */
    PL_N_DISTINCT,    /* (prev) */
    PL_N_FROM,        /* (prev, from item...) select_from */
    PL_N_JOINED,      /* op pl_join_op; (prev, left or NULL, right, on or NULL) */
    PL_N_WITH,        /* (prev, CTE...) */
    PL_N_COLUMNS,     /* (prev, item...) replaces the select list */
    PL_N_ADD_COLUMNS, /* (prev, item...) */
    PL_N_FOR_UPDATE,  /* text: variant; (prev) */
    PL_N_CORRELATE,   /* (prev, from item...); none: correlate nothing; flag NOT: all of
                         the enclosing statements' items but these */
    PL_N_SET,         /* UPDATE: (prev, BINARY EQ(column, value)...) */
    PL_N_ROWS,        /* INSERT: (prev, TUPLE of columns, TUPLE of values...) */
    PL_N_FROM_SELECT, /* INSERT: (prev, TUPLE of columns, statement) */
    PL_N_CONFLICT,    /* op 0 nothing, 1 update; (prev, TUPLE of targets or NULL,
                         TUPLE of SET items or NULL, where or NULL) */
    PL_N_RETURNING,   /* (prev, item...) */
    PL_N_OPTION,      /* the glue's own (loader options): ref, op; ignored by SQL */
    PL_N_COUNT
} pl_node_kind;

typedef enum pl_op {
    PL_OP_EQ,
    PL_OP_NE,
    PL_OP_LT,
    PL_OP_LE,
    PL_OP_GT,
    PL_OP_GE,
    PL_OP_IS,
    PL_OP_IS_NOT, /* null-safe: IS [NOT] (DISTINCT FROM) */
    PL_OP_ADD,
    PL_OP_SUB,
    PL_OP_MUL,
    PL_OP_DIV,
    PL_OP_FLOORDIV,
    PL_OP_MOD,
    PL_OP_CONCAT,
    PL_OP_BITAND,
    PL_OP_BITOR,
    PL_OP_LSHIFT,
    PL_OP_RSHIFT,
    PL_OP_REGEXP,
    PL_OP_NOT_REGEXP,
    PL_OP_GLOB,
    PL_OP_MATCH,
    PL_OP_NOT,
    PL_OP_NEG,
    PL_OP_BITNOT,
    PL_OP_DISTINCT, /* unary */
    PL_OP_LIKE,
    PL_OP_NOT_LIKE,
    PL_OP_ILIKE,
    PL_OP_NOT_ILIKE,
    PL_OP_CUSTOM /* text */
} pl_op;

enum {
    PL_ORDER_ASC = 0,
    PL_ORDER_DESC = 1,
    PL_ORDER_NULLS_FIRST = 2,
    PL_ORDER_NULLS_LAST = 4
};
/* A value as JSON text, where SQLite makes numbers of true and false; as SQL has it; as
** JSON text with true and false. */
enum { PL_JSON_VALUE = 0, PL_JSON_TEXT = 1, PL_JSON_EXACT = 2 };
typedef enum pl_join_op {
    PL_JOIN_INNER,
    PL_JOIN_LEFT,
    PL_JOIN_FULL,
    PL_JOIN_CROSS
} pl_join_op;
typedef enum pl_set_op {
    PL_SET_UNION,
    PL_SET_UNION_ALL,
    PL_SET_INTERSECT,
    PL_SET_EXCEPT
} pl_set_op;

enum {
    PL_NF_NOT = 1,
    PL_NF_DISTINCT = 2,
    PL_NF_RECURSIVE = 4,
    PL_NF_CASE_VALUE = 8,
    PL_NF_CASE_ELSE = 16,
    PL_NF_UNCACHED = 32, /* a list whose length varies without bound, raw text */
    PL_NF_INTERNAL = 64, /* added by a loader, not by the user */
    PL_NF_SEARCH = 128,  /* IN (SELECT rowid of a full-text index WHERE it matches) */
    PL_NF_LOCAL = 256    /* WITH: the CTEs are known to its statement only, as they hide
                            tables; else they stand in front of everything */
};

typedef struct pl_node {
    uint8_t kind; /* pl_node_kind */
    uint8_t op;
    uint16_t flags;
    uint32_t nkids;
    uint32_t mark;       /* scratch: pass that visited a literal last */
    uint32_t ordinal;    /* scratch: number it got there */
    const pl_type *type; /* of the value; NULL where there is none */
    const void *ref;     /* part of the key by address */
    const char *text;    /* part of the key by content; len bytes and a zero behind */
    uint32_t len;
    uint32_t ext; /* the glue's own, not part of the key */
    pl_slot value;
    struct pl_node *kids[];
} pl_node;

/*
** How deep expressions may be nested (first kids, where clauses and left operands chain,
** do not count for the walk). What is deeper does not compile: PL_ECOMPILE.
*/
enum { PL_NODE_DEPTH = 1000 };

/* Bytes a node of n kids takes. */
static inline size_t pl_node_size(uint32_t nkids) {
    return sizeof(pl_node) + nkids * sizeof(pl_node *);
}

/* Fills a zeroed block of pl_node_size bytes. */
void pl_node_init(pl_node *n, pl_node_kind kind, uint32_t nkids);

/* Sets text and len; the bytes stay the caller's. */
static inline void pl_node_set_text(pl_node *n, const char *text) {
    n->text = text;
    n->len = text ? (uint32_t)strlen(text) : 0;
}

/* Nodes in an arena, for queries that the core or a loader builds. NULL: no memory. */
pl_node *pl_node_new(pl_arena *a, pl_node_kind kind, uint32_t nkids);
pl_node *pl_node_column(pl_arena *a, const pl_column *c, pl_node *source);
pl_node *pl_node_literal(pl_arena *a, const pl_type *type, pl_slot value);
pl_node *pl_node_binary(pl_arena *a, pl_op op, pl_node *left, pl_node *right);
pl_node *pl_node_table(pl_arena *a, const pl_table *t);
pl_node *pl_node_clause(pl_arena *a, pl_node_kind kind, pl_node *prev, pl_node *arg);
pl_node *pl_node_and(pl_arena *a, pl_node *left, pl_node *right); /* either may be NULL */

/*
** One structural walk: appends the tree's key to `key` and its literals to `literals`
** in a fixed order of its own; a literal met twice counts once, and its ordinal is its
** place in `literals`. Both may be NULL. `pass` must not be 0 and must differ from that
** of any walk still in use (a counter of the caller). Types and refs are part of the key
** by address: they must live as long as the cache that the key serves. The ESCAPE literal
** of a LIKE is no parameter but part of the text and of the key.
** False when memory ran out.
*/
bool pl_node_walk(pl_node *n, uint32_t pass, pl_buf *key, pl_vec *literals);

/*
** A copy of a tree in an arena where every column of `table` (NULL: of any table) whose
** source is `from` (NULL: the plain table) is taken from source `to` instead. Parts that
** do not change are shared, so literals keep their identity; derived tables are left as
** they are. Used to turn a join condition to an alias. NULL: no memory.
*/
pl_node *pl_node_adapt(pl_arena *a, const pl_node *n, const pl_table *table,
                       const pl_node *from, pl_node *to);

/*
** The type of an expression's value: what the node says, else what follows from its
** operator or function and its operands. Never NULL; PL_K_ANY when unknown.
*/
const pl_type *pl_node_type(const pl_node *n);

/* Whether a node is a statement (head or clause), as opposed to an expression. */
bool pl_node_is_statement(const pl_node *n);

#endif
