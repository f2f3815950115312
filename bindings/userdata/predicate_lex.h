/* SPDX-License-Identifier: MIT */
/*
** predicate_lex.h - the words of Lua source, as far as predicates need them.
**
** A token is a span of the source; strings and numbers are left as they are written (the
** parser lets Lua read them). The source stays the caller's.
*/
#ifndef PLUA_PREDICATE_LEX_H
#define PLUA_PREDICATE_LEX_H

#include <stdbool.h>
#include <stddef.h>

/* Signs of one byte are their own kind. */
typedef enum plua_word {
    PLUA_W_END = 256, /* of the source */
    PLUA_W_BAD,       /* no token of Lua */
    PLUA_W_NAME,
    PLUA_W_STRING,
    PLUA_W_NUMBER,
    PLUA_W_EQ,     /* == */
    PLUA_W_NE,     /* ~= */
    PLUA_W_LE,     /* <= */
    PLUA_W_GE,     /* >= */
    PLUA_W_IDIV,   /* // */
    PLUA_W_SHL,    /* << */
    PLUA_W_SHR,    /* >> */
    PLUA_W_CONCAT, /* .. */
    PLUA_W_DOTS,   /* ... */
    PLUA_W_COLONS, /* :: */
    /* keywords, in the order of the table in predicate_lex.c */
    PLUA_W_AND,
    PLUA_W_BREAK,
    PLUA_W_DO,
    PLUA_W_ELSE,
    PLUA_W_ELSEIF,
    PLUA_W_ENDWORD,
    PLUA_W_FALSE,
    PLUA_W_FOR,
    PLUA_W_FUNCTION,
    PLUA_W_GOTO,
    PLUA_W_IF,
    PLUA_W_IN,
    PLUA_W_LOCAL,
    PLUA_W_NIL,
    PLUA_W_NOT,
    PLUA_W_OR,
    PLUA_W_REPEAT,
    PLUA_W_RETURN,
    PLUA_W_THEN,
    PLUA_W_TRUE,
    PLUA_W_UNTIL,
    PLUA_W_WHILE
} plua_word;

typedef struct plua_token {
    int kind;
    const char *s;
    size_t len;
    int line, column; /* both from 1 */
} plua_token;

typedef struct plua_lexer {
    const char *p, *end;
    const char *line_start;
    int line;
} plua_lexer;

void plua_lex_init(plua_lexer *x, const char *source, size_t len);

/* The next token; at the end always PLUA_W_END. */
plua_token plua_lex(plua_lexer *x);

#endif
