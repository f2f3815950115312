/* SPDX-License-Identifier: MIT */
/*
** predicate_lex.c - the words of Lua source. See predicate_lex.h.
*/
#include "userdata/predicate_lex.h"

#include <string.h>

static const char *const keywords[] = {
    "and",      "break",  "do",   "else", "elseif", "end",  "false", "for",
    "function", "goto",   "if",   "in",   "local",  "nil",  "not",   "or",
    "repeat",   "return", "then", "true", "until",  "while"};

void plua_lex_init(plua_lexer *x, const char *source, size_t len) {
    *x = (plua_lexer){source, source + len, source, 1};
    if (len > 0 && *source == '#') /* a script's first line may be the shell's */
        while (x->p < x->end && *x->p != '\n')
            x->p++;
}

static char at(const plua_lexer *x, size_t i) {
    return (size_t)(x->end - x->p) > i ? x->p[i] : '\0';
}

static void newline(plua_lexer *x) {
    x->p++;
    x->line++;
    x->line_start = x->p;
}

static bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

/* Number of '=' in the long bracket that begins here, or -1. */
static int bracket_level(const plua_lexer *x) {
    size_t i = 1;
    while (at(x, i) == '=')
        i++;
    return at(x, 0) == '[' && at(x, i) == '[' ? (int)i - 1 : -1;
}

/* Moves behind a long string or comment; false when it does not end. */
static bool skip_long(plua_lexer *x, int level) {
    x->p += level + 2;
    while (x->p < x->end) {
        if (*x->p == '\n') {
            newline(x);
            continue;
        }
        if (*x->p++ != ']')
            continue;
        int n = 0;
        while (n < level && at(x, (size_t)n) == '=')
            n++;
        if (n == level && at(x, (size_t)n) == ']') {
            x->p += n + 1;
            return true;
        }
    }
    return false;
}

static bool skip_string(plua_lexer *x) {
    char quote = *x->p++;
    while (x->p < x->end && *x->p != quote) {
        if (*x->p == '\\' && at(x, 1) == 'z') {
            x->p += 2;
            while (x->p < x->end && strchr(" \t\r\n\v\f", *x->p)) {
                if (*x->p == '\n')
                    newline(x);
                else
                    x->p++;
            }
        } else if (*x->p == '\\' && at(x, 1) == '\n') {
            x->p++;
            newline(x);
        } else if (*x->p == '\n') {
            return false;
        } else {
            x->p += *x->p == '\\' && x->p + 1 < x->end ? 2 : 1;
        }
    }
    if (x->p >= x->end)
        return false;
    x->p++;
    return true;
}

static void skip_comment(plua_lexer *x) {
    x->p += 2;
    int level = bracket_level(x);
    if (level >= 0) {
        skip_long(x, level);
        return;
    }
    while (x->p < x->end && *x->p != '\n')
        x->p++;
}

static void skip_blank(plua_lexer *x) {
    for (;;) {
        char c = at(x, 0);
        if (c == '\n' && x->p < x->end)
            newline(x);
        else if (c == '-' && at(x, 1) == '-')
            skip_comment(x);
        else if (c && strchr(" \t\r\v\f", c))
            x->p++;
        else
            return;
    }
}

static int word_kind(const char *s, size_t len) {
    for (size_t i = 0; i < sizeof keywords / sizeof keywords[0]; i++) {
        if (strlen(keywords[i]) == len && memcmp(keywords[i], s, len) == 0)
            return PLUA_W_AND + (int)i;
    }
    return PLUA_W_NAME;
}

/* Takes digits, letters, points, and a sign behind an exponent; Lua judges the number. */
static void skip_number(plua_lexer *x) {
    bool hex = at(x, 0) == '0' && (at(x, 1) == 'x' || at(x, 1) == 'X');
    const char *exponent = hex ? "pP" : "eE";
    while (is_digit(at(x, 0)) || is_letter(at(x, 0)) || at(x, 0) == '.') {
        char c = *x->p++;
        if (strchr(exponent, c) && (at(x, 0) == '+' || at(x, 0) == '-'))
            x->p++;
    }
}

static int sign_kind(plua_lexer *x) {
    static const struct {
        char text[4];
        int kind;
    } signs[] = {{"...", PLUA_W_DOTS}, {"..", PLUA_W_CONCAT}, {"==", PLUA_W_EQ},
                 {"~=", PLUA_W_NE},    {"<=", PLUA_W_LE},     {">=", PLUA_W_GE},
                 {"//", PLUA_W_IDIV},  {"<<", PLUA_W_SHL},    {">>", PLUA_W_SHR},
                 {"::", PLUA_W_COLONS}};
    for (size_t i = 0; i < sizeof signs / sizeof signs[0]; i++) {
        size_t len = strlen(signs[i].text);
        if ((size_t)(x->end - x->p) >= len && memcmp(x->p, signs[i].text, len) == 0) {
            x->p += len;
            return signs[i].kind;
        }
    }
    char c = *x->p++;
    return strchr("+-*/%^#&~|<>=(){}[];:,.", c) ? c : PLUA_W_BAD;
}

plua_token plua_lex(plua_lexer *x) {
    skip_blank(x);
    plua_token t = {PLUA_W_END, x->p, 0, x->line, (int)(x->p - x->line_start) + 1};
    if (x->p >= x->end)
        return t;
    char c = *x->p;
    int level = bracket_level(x);
    if (is_letter(c)) {
        while (is_letter(at(x, 0)) || is_digit(at(x, 0)))
            x->p++;
        t.kind = word_kind(t.s, (size_t)(x->p - t.s));
    } else if (is_digit(c) || (c == '.' && is_digit(at(x, 1)))) {
        skip_number(x);
        t.kind = PLUA_W_NUMBER;
    } else if (c == '"' || c == '\'') {
        t.kind = skip_string(x) ? PLUA_W_STRING : PLUA_W_BAD;
    } else if (level >= 0) {
        t.kind = skip_long(x, level) ? PLUA_W_STRING : PLUA_W_BAD;
    } else {
        t.kind = c ? sign_kind(x) : (x->p++, PLUA_W_BAD);
    }
    t.len = (size_t)(x->p - t.s);
    return t;
}
