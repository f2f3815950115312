/* SPDX-License-Identifier: MIT */
/*
** predicate_tree.h - a predicate's function as a tree, before it meets a model.
**
** In Lua it is a table of the arena it lives in, the list of its constants and its root.
*It
** knows upvalues by number, so that it serves every closure of the same
** function; values are taken when it is used.
*/
#ifndef PLUA_PREDICATE_TREE_H
#define PLUA_PREDICATE_TREE_H

#include "userdata/glue.h"
#include "userdata/predicate_lex.h"

typedef enum plua_ptree_kind {
    PLUA_P_NIL,
    PLUA_P_TRUE,
    PLUA_P_FALSE,
    PLUA_P_CONSTANT, /* number: place in the list of constants */
    PLUA_P_ROW,      /* number: nesting of the function whose parameter it is, from 0 */
    PLUA_P_UPVALUE,  /* number: of the function, from 1; name */
    PLUA_P_GLOBAL,   /* name; number: upvalue that is _ENV */
    PLUA_P_FIELD,    /* a.name */
    PLUA_P_INDEX,    /* a[b] */
    PLUA_P_CALL,     /* a(list) */
    PLUA_P_METHOD,   /* a:name(list) */
    PLUA_P_BINARY,   /* a op b; op is the token's kind */
    PLUA_P_UNARY,    /* op a */
    PLUA_P_AND,
    PLUA_P_OR,
    PLUA_P_NOT,
    PLUA_P_TABLE,   /* list of ITEM */
    PLUA_P_ITEM,    /* a: key or NULL, b: value */
    PLUA_P_FUNCTION /* a: what it returns; number: its nesting */
} plua_ptree_kind;

typedef struct plua_ptree {
    plua_ptree_kind kind;
    int op;
    int number;
    int line, column;
    struct plua_ptree *a, *b;
    struct plua_ptree **list;
    size_t nlist;
    const char *name; /* a C string in the arena */
} plua_ptree;

/* A function's text and what is known of it from outside. */
typedef struct plua_psource {
    const char *text; /* the whole chunk */
    size_t len;
    const char *chunk;           /* for messages */
    size_t start;                /* of the parameter list's '(' */
    int line, column;            /* there */
    const char *const *upvalues; /* names by number - 1, nupvalues */
    int nupvalues;
    int env;        /* number of the upvalue _ENV, 0: none */
    bool is_method; /* declared with a colon: the row is `self` */
} plua_psource;

enum { PLUA_PT_ARENA = 1, PLUA_PT_CONSTANTS, PLUA_PT_ROOT };

/* Pushes the table with the tree of what the function returns; raises CompileError at the
** place of what cannot be SQL. [-0, +1, v] */
plua_ptree *plua_predicate_parse(lua_State *L, const plua_psource *s);

/*
** Pushes the table of the tree of the function at idx, from a cache or from its source,
** which must be what was compiled; raises when it cannot be found. [-0, +1, v]
*/
plua_ptree *plua_predicate_tree(lua_State *L, int idx);

#endif
