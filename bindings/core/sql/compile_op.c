/* SPDX-License-Identifier: MIT */
/*
** compile_op.c - operators: how strongly each binds, and what NOT makes of it.
**
** Levels are SQLite's own precedence, with two safe departures: comparisons never nest
** without parentheses, and || never mixes bare with arithmetic, where other databases
** read it differently. NOT of a comparison is written as the opposite comparison.
*/
#include "core/sql/compiler.h"

typedef struct op_info {
    const char *text;
    uint8_t level;
    uint8_t inverse; /* op that NOT makes of it, or the same op */
} op_info;

static const op_info ops[PL_OP_CUSTOM + 1] = {
    [PL_OP_EQ] = {" = ", PL_L_COMPARE, PL_OP_NE},
    [PL_OP_NE] = {" != ", PL_L_COMPARE, PL_OP_EQ},
    [PL_OP_LT] = {" < ", PL_L_COMPARE, PL_OP_GE},
    [PL_OP_LE] = {" <= ", PL_L_COMPARE, PL_OP_GT},
    [PL_OP_GT] = {" > ", PL_L_COMPARE, PL_OP_LE},
    [PL_OP_GE] = {" >= ", PL_L_COMPARE, PL_OP_LT},
    [PL_OP_IS] = {" IS ", PL_L_COMPARE, PL_OP_IS_NOT},
    [PL_OP_IS_NOT] = {" IS NOT ", PL_L_COMPARE, PL_OP_IS},
    [PL_OP_ADD] = {" + ", PL_L_ADD, PL_OP_ADD},
    [PL_OP_SUB] = {" - ", PL_L_ADD, PL_OP_SUB},
    [PL_OP_MUL] = {" * ", PL_L_MUL, PL_OP_MUL},
    [PL_OP_DIV] = {" / ", PL_L_MUL, PL_OP_DIV},
    [PL_OP_FLOORDIV] = {" / ", PL_L_MUL, PL_OP_FLOORDIV},
    [PL_OP_MOD] = {" % ", PL_L_MUL, PL_OP_MOD},
    [PL_OP_CONCAT] = {" || ", PL_L_CONCAT, PL_OP_CONCAT},
    [PL_OP_BITAND] = {" & ", PL_L_BIT, PL_OP_BITAND},
    [PL_OP_BITOR] = {" | ", PL_L_BIT, PL_OP_BITOR},
    [PL_OP_LSHIFT] = {" << ", PL_L_BIT, PL_OP_LSHIFT},
    [PL_OP_RSHIFT] = {" >> ", PL_L_BIT, PL_OP_RSHIFT},
    [PL_OP_REGEXP] = {" REGEXP ", PL_L_COMPARE, PL_OP_NOT_REGEXP},
    [PL_OP_NOT_REGEXP] = {" NOT REGEXP ", PL_L_COMPARE, PL_OP_REGEXP},
    [PL_OP_GLOB] = {" GLOB ", PL_L_COMPARE, PL_OP_GLOB},
    [PL_OP_MATCH] = {" MATCH ", PL_L_COMPARE, PL_OP_MATCH},
    [PL_OP_NOT] = {"NOT ", PL_L_NOT, PL_OP_NOT},
    [PL_OP_NEG] = {"-", PL_L_UNARY, PL_OP_NEG},
    [PL_OP_BITNOT] = {"~", PL_L_UNARY, PL_OP_BITNOT},
    [PL_OP_DISTINCT] = {"DISTINCT ", PL_L_ANY, PL_OP_DISTINCT},
    [PL_OP_LIKE] = {" LIKE ", PL_L_COMPARE, PL_OP_NOT_LIKE},
    [PL_OP_NOT_LIKE] = {" NOT LIKE ", PL_L_COMPARE, PL_OP_LIKE},
    [PL_OP_ILIKE] = {" ILIKE ", PL_L_COMPARE, PL_OP_NOT_ILIKE},
    [PL_OP_NOT_ILIKE] = {" NOT ILIKE ", PL_L_COMPARE, PL_OP_ILIKE},
    [PL_OP_CUSTOM] = {NULL, PL_L_ANY, PL_OP_CUSTOM},
};

/* What is written for a NOT over a node: the opposite op where there is one. */
static pl_op effective_op(const pl_node *n, pl_form form) {
    return (pl_op)(form == PL_AS_NEGATION ? ops[n->op].inverse : n->op);
}

static bool has_inverse(const pl_node *n) {
    return ops[n->op].inverse != n->op;
}

static bool is_null(const pl_node *n) {
    return n->kind == PL_N_NULL;
}

/* Said to be Boolean; what only seems so (a CASE with a Boolean branch) may be a number.
 */
bool pl_is_boolean(const pl_node *n) {
    const pl_type *t = n->kind == PL_N_COLUMN ? pl_node_type(n) : n->type;
    return t && n->kind != PL_N_TEXT && n->kind != PL_N_COLLATE &&
           pl_type_storage(t)->kind == PL_K_BOOLEAN;
}

/* ---- levels ---- */

/* Raw text without blanks and operators cannot fall apart. */
static pl_level text_level(const pl_node *n) {
    const char *s = n->text;
    int depth = 0;
    for (; *s; s++) {
        if (*s == '(')
            depth++;
        else if (*s == ')')
            depth--;
        else if (depth == 0 && !strchr("abcdefghijklmnopqrstuvwxyz_.:"
                                       "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789",
                                       *s))
            return PL_L_ANY;
        if (depth < 0)
            return PL_L_ANY;
    }
    return depth == 0 && n->len > 0 ? PL_L_ATOM : PL_L_ANY;
}

static pl_level unary_level(const pl_node *n, pl_form form) {
    return form == PL_AS_NEGATION ? PL_L_NOT : (pl_level)ops[n->op].level;
}

static pl_level binary_level(const pl_node *n, pl_form form) {
    if (form == PL_AS_NEGATION)
        return has_inverse(n) ? PL_L_COMPARE : PL_L_NOT;
    if (n->op == PL_OP_FLOORDIV && !pl_type_is_integer(pl_node_type(n->kids[1])))
        return PL_L_ATOM;
    return (pl_level)ops[n->op].level;
}

static pl_level logic_level(const pl_node *n, pl_form form) {
    if (n->nkids == 0)
        return form == PL_AS_VALUE ? PL_L_ATOM : PL_L_COMPARE;
    if (form == PL_AS_NEGATION)
        return PL_L_NOT;
    return n->kind == PL_N_AND ? PL_L_AND : PL_L_OR;
}

/* Something that is one piece: as a condition a Boolean one is compared with 1 or 0. */
static pl_level atom_level(const pl_node *n, pl_form form) {
    if (form == PL_AS_VALUE)
        return PL_L_ATOM;
    if (n->kind == PL_N_BOOL || pl_is_boolean(n))
        return PL_L_COMPARE;
    return form == PL_AS_NEGATION ? PL_L_NOT : PL_L_ATOM;
}

static bool is_not(const pl_node *n) {
    return n->kind == PL_N_UNARY && n->op == PL_OP_NOT;
}

static bool is_alone(const pl_node *n) {
    return (n->kind == PL_N_AND || n->kind == PL_N_OR) && n->nkids == 1;
}

/* Whether a value can only be 1, 0 or NULL, so that NOT NOT gives it back. */
static bool is_truth(const pl_node *n) {
    while (n->kind == PL_N_LABEL || is_alone(n))
        n = n->kids[0];
    switch (n->kind) {
    case PL_N_BINARY: return ops[n->op].level == PL_L_COMPARE;
    case PL_N_AND:
    case PL_N_OR:
    case PL_N_LIKE:
    case PL_N_BETWEEN:
    case PL_N_IN:
    case PL_N_EXISTS:
    case PL_N_BOOL: return true;
    default: return is_not(n) || pl_is_boolean(n);
    }
}

/* NOT of a NOT that cannot be dropped: NOT NOT 5 is 1. */
static bool is_kept_not(const pl_node *n, pl_form form) {
    return form == PL_AS_NEGATION && is_not(n) && !is_truth(n->kids[0]);
}

/* The node whose text stands for n, and in which form: without labels and double NOT. */
static const pl_node *essence(const pl_node *n, pl_form *form) {
    for (;; n = n->kids[0]) {
        if (is_kept_not(n, *form))
            return n;
        if (is_not(n))
            *form = *form == PL_AS_NEGATION ? PL_AS_CONDITION : PL_AS_NEGATION;
        else if (is_alone(n))
            *form = *form == PL_AS_VALUE ? PL_AS_CONDITION : *form;
        else if (n->kind != PL_N_LABEL)
            return n;
    }
}

pl_level pl_level_of(const pl_node *n, pl_form form) {
    n = essence(n, &form);
    switch (n->kind) {
    case PL_N_UNARY: return unary_level(n, form);
    case PL_N_BINARY: return binary_level(n, form);
    case PL_N_AND:
    case PL_N_OR: return logic_level(n, form);
    case PL_N_LIKE:
    case PL_N_BETWEEN:
    case PL_N_IN: return PL_L_COMPARE;
    case PL_N_TEXT: return form == PL_AS_NEGATION ? PL_L_NOT : text_level(n);
    case PL_N_EXISTS:
        return ((n->flags & PL_NF_NOT) != 0) != (form == PL_AS_NEGATION) ? PL_L_NOT
                                                                         : PL_L_ATOM;
    case PL_N_COLLATE: return form == PL_AS_NEGATION ? PL_L_NOT : PL_L_COLLATE;
    case PL_N_ORDER: return PL_L_ANY;
    default: return atom_level(n, form);
    }
}

/* ---- writers ---- */

/* "NOT " and the operand, for what has no opposite of its own. */
static void write_not(pl_compiler *c, const pl_node *n) {
    pl_put(c, "NOT ");
    pl_write_in(c, n, PL_AS_VALUE, PL_L_ATOM);
}

void pl_write_unary(pl_compiler *c, const pl_node *n, pl_form form) {
    if (is_kept_not(n, form)) {
        pl_put(c, "NOT (");
        pl_write(c, n, PL_AS_VALUE);
        pl_put(c, ")");
    } else if (n->op == PL_OP_NOT) {
        pl_write(c, n->kids[0],
                 form == PL_AS_NEGATION ? PL_AS_CONDITION : PL_AS_NEGATION);
    } else if (form == PL_AS_NEGATION) {
        write_not(c, n);
    } else {
        bool number = c->literal_text && n->kids[0]->kind == PL_N_LITERAL;
        pl_put(c, ops[n->op].text);
        pl_put(c, number ? "(" : "");
        pl_write_in(c, n->kids[0], PL_AS_VALUE,
                    n->op == PL_OP_DISTINCT ? PL_L_OR : PL_L_ATOM);
        pl_put(c, number ? ")" : "");
    }
}

/* = and IS with NULL, and the null-safe comparisons of dialects that have words. */
static void write_is(pl_compiler *c, const pl_node *n, pl_op op) {
    const pl_node *right = n->kids[1];
    bool negative = op == PL_OP_NE || op == PL_OP_IS_NOT;
    bool plain = is_null(right) || right->kind == PL_N_BOOL;
    pl_write_in(c, n->kids[0], PL_AS_VALUE, PL_L_BIT);
    if (c->d->has_is_distinct && !plain)
        pl_put(c, negative ? " IS DISTINCT FROM " : " IS NOT DISTINCT FROM ");
    else
        pl_put(c, negative ? " IS NOT " : " IS ");
    pl_write_in(c, right, PL_AS_VALUE, PL_L_BIT);
}

static void write_custom(pl_compiler *c, const pl_node *n) {
    pl_write_in(c, n->kids[0], PL_AS_VALUE, PL_L_ATOM);
    pl_put(c, " ");
    pl_put(c, n->text);
    pl_put(c, " ");
    pl_write_in(c, n->kids[1], PL_AS_VALUE, PL_L_ATOM);
}

/* An operand of arithmetic; || in it always goes in parentheses. */
static void write_operand(pl_compiler *c, const pl_node *n, pl_level least) {
    bool mixed = least <= PL_L_CONCAT && pl_level_of(n, PL_AS_VALUE) == PL_L_CONCAT;
    bool chain = least == PL_L_CONCAT && n->kind == PL_N_BINARY;
    pl_write_in(c, n, PL_AS_VALUE, mixed && !chain ? PL_L_COLLATE : least);
}

/* a / (b + 0.0): a quotient of integers is not cut off. */
static void write_division(pl_compiler *c, const pl_node *n) {
    write_operand(c, n->kids[0], PL_L_MUL);
    pl_put(c, " / (");
    write_operand(c, n->kids[1], PL_L_ADD);
    pl_put(c, " + 0.0)");
}

/* Whether division leaves a fraction: floats, decimals. */
static bool is_fractional(const pl_node *n) {
    pl_kind kind = pl_type_storage(pl_node_type(n))->kind;
    return kind == PL_K_FLOAT || kind == PL_K_DOUBLE || kind == PL_K_NUMERIC;
}

static void write_floor_division(pl_compiler *c, const pl_node *n) {
    bool integer =
        pl_type_is_integer(pl_node_type(n->kids[1])) && !is_fractional(n->kids[0]);
    pl_put(c, integer ? "" : "FLOOR(");
    write_operand(c, n->kids[0], PL_L_MUL);
    pl_put(c, " / ");
    write_operand(c, n->kids[1], PL_L_COLLATE);
    pl_put(c, integer ? "" : ")");
}

/* Left operands of the same level need no parentheses; right ones do, but for ||. */
static void write_infix(pl_compiler *c, const pl_node *n, pl_op op) {
    pl_level level = (pl_level)ops[op].level;
    bool compares = level == PL_L_COMPARE;
    if (compares) {
        pl_write_in(c, n->kids[0], PL_AS_VALUE, PL_L_BIT);
        pl_put(c, ops[op].text);
        pl_write_in(c, n->kids[1], PL_AS_VALUE, PL_L_BIT);
        return;
    }
    write_operand(c, n->kids[0], level);
    pl_put(c, ops[op].text);
    write_operand(c, n->kids[1], (pl_level)(op == PL_OP_CONCAT ? level : level + 1));
}

void pl_write_binary(pl_compiler *c, const pl_node *n, pl_form form) {
    if (form == PL_AS_NEGATION && !has_inverse(n)) {
        write_not(c, n);
        return;
    }
    pl_op op = effective_op(n, form);
    switch (op) {
    case PL_OP_EQ:
    case PL_OP_NE:
        if (is_null(n->kids[1]))
            write_is(c, n, op);
        else
            write_infix(c, n, op);
        break;
    case PL_OP_IS:
    case PL_OP_IS_NOT: write_is(c, n, op); break;
    case PL_OP_DIV: write_division(c, n); break;
    case PL_OP_FLOORDIV: write_floor_division(c, n); break;
    case PL_OP_CUSTOM: write_custom(c, n); break;
    default: write_infix(c, n, op); break;
    }
}

enum { GROUP = 128 };

void pl_open_group(pl_compiler *c, size_t i, size_t n) {
    pl_put(c, n > 2 * GROUP && i % GROUP == 0 ? "(" : "");
}

void pl_close_group(pl_compiler *c, size_t i, size_t n) {
    pl_put(c, n > 2 * GROUP && (i % GROUP == GROUP - 1 || i == n - 1) ? ")" : "");
}

void pl_write_and_or(pl_compiler *c, const pl_node *n, pl_form form) {
    bool all = n->kind == PL_N_AND;
    if (n->nkids == 0) {
        bool truth = all != (form == PL_AS_NEGATION);
        pl_put(c, form == PL_AS_VALUE ? (truth ? "1" : "0") : truth ? "1 = 1" : "0 = 1");
        return;
    }
    if (n->nkids == 1) {
        pl_write(c, n->kids[0], form == PL_AS_VALUE ? PL_AS_CONDITION : form);
        return;
    }
    if (form == PL_AS_NEGATION) {
        write_not(c, n);
        return;
    }
    for (uint32_t i = 0; i < n->nkids && !pl_failed(c); i++) {
        pl_put(c, i == 0 ? "" : all ? " AND " : " OR ");
        pl_open_group(c, i, n->nkids);
        pl_write_in(c, n->kids[i], PL_AS_CONDITION, all ? PL_L_AND : PL_L_OR);
        pl_close_group(c, i, n->nkids);
    }
}

static void write_lower(pl_compiler *c, const pl_node *n) {
    pl_put(c, "lower(");
    pl_write_in(c, n, PL_AS_VALUE, PL_L_OR);
    pl_put(c, ")");
}

/* The escape character stands in the text: it is part of the statement's key. */
static void write_escape(pl_compiler *c, const pl_node *n) {
    pl_put(c, " ESCAPE ");
    if (n->kind == PL_N_LITERAL)
        pl_write_literal(c->d, &c->out->sql, &n->value);
    else
        pl_write_in(c, n, PL_AS_VALUE, PL_L_ATOM);
}

void pl_write_like(pl_compiler *c, const pl_node *n, pl_form form) {
    pl_op op = effective_op(n, form);
    bool blind = op == PL_OP_ILIKE || op == PL_OP_NOT_ILIKE;
    if (blind && !c->d->has_ilike) {
        write_lower(c, n->kids[0]);
        pl_put(c, op == PL_OP_ILIKE ? " LIKE " : " NOT LIKE ");
        write_lower(c, n->kids[1]);
    } else {
        pl_write_in(c, n->kids[0], PL_AS_VALUE, PL_L_BIT);
        pl_put(c, ops[op].text);
        pl_write_in(c, n->kids[1], PL_AS_VALUE, PL_L_BIT);
    }
    if (n->nkids > 2 && n->kids[2])
        write_escape(c, n->kids[2]);
}

static bool is_negative(const pl_node *n, pl_form form) {
    return ((n->flags & PL_NF_NOT) != 0) != (form == PL_AS_NEGATION);
}

void pl_write_between(pl_compiler *c, const pl_node *n, pl_form form) {
    pl_write_in(c, n->kids[0], PL_AS_VALUE, PL_L_BIT);
    pl_put(c, is_negative(n, form) ? " NOT BETWEEN " : " BETWEEN ");
    pl_write_in(c, n->kids[1], PL_AS_VALUE, PL_L_BIT);
    pl_put(c, " AND ");
    pl_write_in(c, n->kids[2], PL_AS_VALUE, PL_L_BIT);
}

/* ---- IN ---- */

static bool is_literal_row(const pl_node *n) {
    if (n->kind == PL_N_LITERAL)
        return true;
    if (n->kind != PL_N_TUPLE)
        return false;
    for (uint32_t i = 0; i < n->nkids; i++)
        if (n->kids[i]->kind != PL_N_LITERAL)
            return false;
    return true;
}

/* How many items to write for n values: see PL_IN_EXACT. */
static uint32_t padded(pl_compiler *c, const pl_node *n) {
    uint32_t count = n->nkids - 1, size = PL_IN_EXACT;
    if (count <= PL_IN_EXACT)
        return count;
    if (count > PL_IN_PADDED) {
        c->uncached = true;
        return count;
    }
    for (uint32_t i = 1; i <= count; i++)
        if (!is_literal_row(n->kids[i]))
            return count;
    while (size < count)
        size *= 2;
    return size;
}

static void write_in_list(pl_compiler *c, const pl_node *n) {
    uint32_t count = n->nkids - 1, size = padded(c, n);
    bool rows = n->kids[0]->kind == PL_N_TUPLE;
    pl_put(c, rows ? "(VALUES " : "(");
    for (uint32_t i = 0; i < size && !pl_failed(c); i++) {
        pl_put(c, i > 0 ? ", " : "");
        pl_write_in(c, n->kids[(i < count ? i : count - 1) + 1], PL_AS_VALUE, PL_L_OR);
    }
    pl_put(c, ")");
}

/* No row has this; of as many columns as the left side. */
static void write_nothing(pl_compiler *c, const pl_node *left) {
    uint32_t n = left->kind == PL_N_TUPLE ? left->nkids : 1;
    for (int twice = 0; twice < 2; twice++) {
        pl_put(c, "(SELECT 1");
        for (uint32_t i = 1; i < n; i++)
            pl_put(c, ", 1");
        pl_put(c, twice == 0 ? " FROM " : ") WHERE 1!=1)");
    }
}

void pl_write_member(pl_compiler *c, const pl_node *n, pl_form form) {
    pl_node *set = n->nkids > 1 ? n->kids[1] : NULL;
    if (form == PL_AS_CONDITION && pl_write_search(c, n))
        return;
    pl_write_in(c, n->kids[0], PL_AS_VALUE, PL_L_BIT);
    pl_put(c, is_negative(n, form) ? " NOT IN " : " IN ");
    if (!set) {
        write_nothing(c, n->kids[0]);
    } else if (pl_node_is_statement(set)) {
        pl_put(c, "(");
        pl_write_select(c, set, PL_USE_VALUE);
        pl_put(c, ")");
    } else if (set->kind == PL_N_SCALAR && n->nkids == 2) {
        pl_write(c, set, PL_AS_VALUE);
    } else {
        write_in_list(c, n);
    }
}
