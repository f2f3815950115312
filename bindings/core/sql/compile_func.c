/* SPDX-License-Identifier: MIT */
/*
** compile_func.c - function calls, and raw text with its :name parameters.
*/
#include "core/sql/compiler.h"

/* ---- functions ---- */

/* Functions that SQLite knows under another name, or without parentheses. */
static const struct {
    const char *name, *text;
    bool bare; /* no argument list */
} spellings[] = {
    {"now", "CURRENT_TIMESTAMP", true},
    {"current_timestamp", "CURRENT_TIMESTAMP", true},
    {"current_date", "CURRENT_DATE", true},
    {"current_time", "CURRENT_TIME", true},
    {"localtimestamp", "DATETIME(CURRENT_TIMESTAMP, 'localtime')", true},
    {"char_length", "length", false},
    {"aggregate_strings", "group_concat", false},
};

/* A name as the user wrote it, quoted where it could be anything else than a name. */
static void put_function_name(pl_compiler *c, const char *name) {
    static const char word[] = "abcdefghijklmnopqrstuvwxyz_"
                               "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789";
    for (;;) {
        size_t n = strcspn(name, "."), good = strspn(name, word);
        if (n > 0 && good >= n && !(name[0] >= '0' && name[0] <= '9')) {
            pl_buf_put(&c->out->sql, name, n);
        } else {
            char *part = pl_arena_copy(&c->scratch, name, n);
            if (!part) {
                pl_set_nomem(c);
                return;
            }
            pl_put_name(c, part);
        }
        if (name[n] == '\0')
            return;
        pl_put(c, ".");
        name += n + 1;
    }
}

void pl_write_func(pl_compiler *c, const pl_node *n, pl_form form) {
    (void)form;
    const char *name = n->text;
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        if (strcmp(spellings[i].name, name) != 0)
            continue;
        name = spellings[i].text;
        if (spellings[i].bare) {
            pl_put(c, name);
            return;
        }
    }
    put_function_name(c, name);
    pl_put(c, n->flags & PL_NF_DISTINCT ? "(DISTINCT " : "(");
    if (n->nkids == 0 && strcmp(name, "count") == 0)
        pl_put(c, "*");
    pl_write_args(c, n, 0);
    pl_put(c, ")");
}

/* ---- raw text ---- */

static bool is_word_char(char ch) {
    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z') || ch == '_' ||
           (ch >= '0' && ch <= '9');
}

/* Length of a quoted string or a comment that begins at s, or 0. */
static size_t quoted_length(const char *s) {
    const char *end = NULL;
    if (*s == '\'' || *s == '"' || *s == '`') {
        end = s + 1;
        while (*end && (*end != *s || end[1] == *s))
            end += *end == *s ? 2 : 1;
        return (size_t)(end - s) + (*end != '\0');
    }
    if (s[0] == '-' && s[1] == '-')
        return strcspn(s, "\n");
    if (s[0] == '/' && s[1] == '*') {
        end = strstr(s + 2, "*/");
        return end ? (size_t)(end - s) + 2 : strlen(s);
    }
    if (*s == '[') {
        end = strchr(s, ']');
        return end ? (size_t)(end - s) + 1 : 1;
    }
    return 0;
}

static const pl_node *find_parameter(const pl_node *n, const char *name, size_t len) {
    for (uint32_t i = 0; i < n->nkids; i++) {
        const pl_node *kid = n->kids[i];
        if (kid && kid->text && kid->len == len && memcmp(kid->text, name, len) == 0)
            return kid;
    }
    return NULL;
}

/* A parameter of several values is a list in parentheses: x IN :names. */
static void write_parameter(pl_compiler *c, const pl_node *n, const char *name,
                            size_t len) {
    const pl_node *kid = find_parameter(n, name, len);
    if (!kid) {
        pl_refuse(c, PL_ESTATEMENT, "A value is required for bind parameter '%.*s'",
                  (int)len, name);
        pl_hint(c->err,
                "pass it with the text: {%.*s = ...}; a colon that is none of a "
                "parameter is written \\:",
                (int)len, name);
    } else if (kid->kind == PL_N_TUPLE && kid->nkids == 0) {
        pl_put(c, "(SELECT 1 WHERE 1!=1)");
    } else {
        pl_write_in(c, kid, PL_AS_VALUE, PL_L_ATOM);
    }
}

/* SQLite would count these among its parameters and shift all that follow. */
static void refuse_marker(pl_compiler *c, char ch) {
    pl_refuse(c, PL_EARGUMENT, "text has a parameter written with '%c'", ch);
    pl_hint(c->err, "parameters of text are written :name");
}

void pl_write_text(pl_compiler *c, const pl_node *n, pl_form form) {
    (void)form;
    const char *s = n->text, *start = s;
    pl_buf *out = &c->out->sql;
    while (*s && !pl_failed(c)) {
        size_t skip = quoted_length(s);
        if (skip > 0) {
            pl_buf_put(out, s, skip);
            s += skip;
        } else if (s[0] == '\\' && s[1] == ':') {
            pl_buf_chr(out, ':');
            s += 2;
        } else if (s[0] == ':' && s[1] == ':') {
            pl_buf_str(out, "::");
            s += 2;
        } else if (s[0] == ':' && is_word_char(s[1]) &&
                   (s == start || !is_word_char(s[-1]))) {
            const char *name = ++s;
            while (is_word_char(*s))
                s++;
            write_parameter(c, n, name, (size_t)(s - name));
        } else if (*s == '?' || *s == '@' ||
                   (*s == '$' && !is_word_char(s == start ? ' ' : s[-1]))) {
            refuse_marker(c, *s);
        } else {
            pl_buf_chr(out, *s++);
        }
    }
}
