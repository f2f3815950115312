/* SPDX-License-Identifier: MIT */
/*
** express.c - rows with values that are SQL expressions ("u.n = User.n + 1").
**
** Rare and different each time, so the statement is built of nodes and compiled for one
** row. The expression's nodes are copied first: the compiler numbers literals in place,
** and those of the script may be in use. Afterwards such slots are unset and marked as
** the database's, to be read back when next needed.
*/
#include "core/unit/work.h"

#include "core/sql/compile.h"

#include <string.h>

/* A statement being built, compiled and run; everything in `arena` is freed at the end.
 */
typedef struct job {
    pl_flush *f;
    pl_object *o;
    const pl_mapped_table *mt;
    const uint64_t *bits;
    pl_arena arena;
    pl_vec literals;
} job;

static void job_init(job *j, pl_flush *f, pl_object *o, const pl_mapped_table *mt,
                     const uint64_t *bits) {
    *j = (job){.f = f, .o = o, .mt = mt, .bits = bits};
    pl_arena_init(&j->arena, f->alloc);
    pl_vec_init(&j->literals, f->alloc);
}

static void job_free(job *j) {
    pl_vec_free(&j->literals);
    pl_arena_free(&j->arena);
}

/* ---- nodes --------------------------------------------------------------------- */

static pl_node *copy_node(pl_arena *a, const pl_node *n) {
    pl_node *copy = pl_node_new(a, (pl_node_kind)n->kind, n->nkids);
    if (!copy)
        return NULL;
    memcpy(copy, n, sizeof *n);
    copy->mark = 0;
    for (uint32_t i = 0; i < n->nkids; i++) {
        copy->kids[i] = n->kids[i] ? copy_node(a, n->kids[i]) : NULL;
        if (n->kids[i] && !copy->kids[i])
            return NULL;
    }
    return copy;
}

static pl_node *slot_node(job *j, const pl_column *c, const pl_slot *s) {
    if (s->tag == PL_EXPR)
        return copy_node(&j->arena, s->v.p);
    return pl_node_literal(&j->arena, c->type, *s);
}

/* The value of a column, or of its default when the object has none. NULL: left out. */
static const pl_node *default_node(const job *j, uint16_t i, bool update) {
    const pl_column *c = j->mt->table->columns[i];
    const pl_default *d = update ? &c->onupdate : &c->dflt;
    return !pl_bit(j->bits, i) && j->mt->slots[i] != PL_NO_SLOT && d->kind == PL_D_EXPR
               ? d->node
               : NULL;
}

/* False: no memory. *out stays NULL for a column that is not written. */
static bool value_node(job *j, uint16_t i, bool update, pl_node **out) {
    const pl_node *dflt = default_node(j, i, update);
    *out = NULL;
    if (pl_bit(j->bits, i))
        *out = slot_node(j, j->mt->table->columns[i], &j->o->slots[j->mt->slots[i]]);
    else if (dflt)
        *out = copy_node(&j->arena, dflt);
    else
        return true;
    return *out != NULL;
}

static pl_node *tuple_of(job *j, pl_node **v, uint32_t n) {
    pl_node *t = pl_node_new(&j->arena, PL_N_TUPLE, n);
    if (t && n > 0)
        memcpy(t->kids, v, n * sizeof(pl_node *));
    return t;
}

/* Columns and values of all that is written; false without memory. */
static bool collect(job *j, bool update, pl_node ***columns, pl_node ***values,
                    uint32_t *n) {
    *columns = pl_arena_array(&j->arena, j->mt->ncolumns, sizeof(pl_node *));
    *values = pl_arena_array(&j->arena, j->mt->ncolumns, sizeof(pl_node *));
    *n = 0;
    if (!*columns || !*values)
        return false;
    for (uint16_t i = 0; i < j->mt->ncolumns; i++) {
        pl_node *value;
        if (!value_node(j, i, update, &value))
            return false;
        if (!value)
            continue;
        (*columns)[*n] = pl_node_column(&j->arena, j->mt->table->columns[i], NULL);
        (*values)[*n] = value;
        if (!(*columns)[(*n)++])
            return false;
    }
    return true;
}

static pl_node *insert_node(job *j) {
    pl_node **columns, **values;
    uint32_t n;
    pl_node *head = pl_node_new(&j->arena, PL_N_INSERT, 0);
    pl_node *rows = pl_node_new(&j->arena, PL_N_ROWS, 3);
    if (!head || !rows || !collect(j, false, &columns, &values, &n))
        return NULL;
    head->ref = j->mt->table;
    rows->kids[0] = head;
    rows->kids[1] = tuple_of(j, columns, n);
    rows->kids[2] = tuple_of(j, values, n);
    return rows->kids[1] && rows->kids[2] ? rows : NULL;
}

static pl_node *equals(job *j, const pl_column *c, pl_slot value) {
    pl_node *column = pl_node_column(&j->arena, c, NULL);
    pl_node *literal = pl_node_literal(&j->arena, c->type, value);
    return column && literal ? pl_node_binary(&j->arena, PL_OP_EQ, column, literal)
                             : NULL;
}

/* SET column = value ... [, version = version + 1] */
static pl_node *set_node(job *j, pl_node *update, const pl_column *version,
                         pl_slot next) {
    pl_node **columns, **values;
    uint32_t n;
    if (!collect(j, true, &columns, &values, &n))
        return NULL;
    pl_node *set = pl_node_new(&j->arena, PL_N_SET, n + 1 + (version != NULL));
    if (!set)
        return NULL;
    set->kids[0] = update;
    for (uint32_t i = 0; i < n; i++)
        if (!(set->kids[i + 1] =
                  pl_node_binary(&j->arena, PL_OP_EQ, columns[i], values[i])))
            return NULL;
    if (version && !(set->kids[n + 1] = equals(j, version, next)))
        return NULL;
    return set;
}

static pl_node *where_node(job *j, pl_node *set, const pl_slot *key,
                           const pl_column *version, pl_slot old) {
    pl_node *all = NULL;
    for (size_t i = 0; i < j->mt->table->npk; i++) {
        pl_node *equal = equals(j, j->mt->table->pk[i], key[i]);
        if (!equal || !(all = pl_node_and(&j->arena, all, equal)))
            return NULL;
    }
    pl_node *same = version ? equals(j, version, old) : NULL;
    if (version && (!same || !(all = pl_node_and(&j->arena, all, same))))
        return NULL;
    return pl_node_clause(&j->arena, PL_N_WHERE, set, all);
}

/* ---- running ------------------------------------------------------------------- */

static pl_code bind_literals(job *j, const pl_compiled *c, pl_error *err) {
    for (size_t i = 0; i < c->nplan; i++) {
        const pl_node *literal = j->literals.v[c->plan[i]];
        pl_code code = pl_stmt_bind(j->f->stmt, (int)i + 1, &literal->value, err);
        if (code != PL_OK)
            return code;
    }
    return PL_OK;
}

static pl_code run(job *j, pl_node *stmt, pl_error *err) {
    pl_compiled c;
    if (!stmt || !pl_node_walk(stmt, 1, NULL, &j->literals))
        return pl_nomem(err);
    pl_code code = pl_compile(j->f->dialect, stmt, 1, &j->arena, &c, err);
    if (code == PL_OK)
        code = pl_conn_prepare(j->f->conn, c.sql, c.len, c.cacheable, &j->f->stmt, err);
    if (code == PL_OK)
        code = bind_literals(j, &c, err);
    if (code == PL_OK)
        code = pl_run_statement(j->f->stmt, err);
    pl_drop_statement(j->f);
    return code;
}

/* Slots whose value the statement or the database made. */
static void forget_made(job *j, bool update) {
    for (uint16_t i = 0; i < j->mt->ncolumns; i++) {
        uint16_t slot = j->mt->slots[i];
        if (slot == PL_NO_SLOT)
            continue;
        unsigned by_server = update ? PL_COL_RESERVER : PL_COL_SERVER;
        if (pl_bit(j->bits, i)
                ? j->o->slots[slot].tag == PL_EXPR
                : default_node(j, i, update) || (j->mt->traits[i] & by_server))
            pl_forget_values(j->o, &slot, 1);
        else if (!update && j->o->slots[slot].tag == PL_UNSET &&
                 !(j->mt->traits[i] & PL_COL_AUTO))
            j->o->slots[slot] = pl_slot_null();
    }
}

static pl_code take_key(job *j, pl_error *err) {
    for (uint16_t i = 0; i < j->mt->ncolumns; i++)
        if ((j->mt->traits[i] & PL_COL_AUTO) && j->mt->slots[i] != PL_NO_SLOT)
            j->o->slots[j->mt->slots[i]] = pl_slot_int(pl_conn_last_id(j->f->conn));
    for (size_t i = 0; i < j->mt->table->npk; i++)
        if (j->o->slots[j->mt->pk[i]].tag <= PL_NULL) {
            (void)pl_fail(err, PL_EFLUSH,
                          "the key %s cannot be an SQL expression: the row could not be "
                          "found again",
                          j->o->mapper->attrs[j->mt->pk[i]].label);
            return err->code;
        }
    return PL_OK;
}

pl_code pl_insert_expressions(pl_flush *f, pl_object *o, pl_mapped_table *mt,
                              const uint64_t *bits, pl_error *err) {
    job j;
    job_init(&j, f, o, mt, bits);
    pl_code code = run(&j, insert_node(&j), err);
    if (code == PL_OK) {
        forget_made(&j, false);
        code = take_key(&j, err);
    }
    job_free(&j);
    return code;
}

pl_code pl_update_expressions(pl_flush *f, pl_object *o, pl_mapped_table *mt,
                              const uint64_t *bits, const pl_slot *key,
                              const pl_column *version, int64_t *matched, pl_error *err) {
    job j;
    job_init(&j, f, o, mt, bits);
    pl_slot old = pl_slot_null();
    if (version)
        pl_row_key(f, o, &o->mapper->version, 1, &old);
    pl_slot next = pl_slot_int(old.tag == PL_INT ? old.v.i + 1 : 1);
    pl_node *table = pl_node_table(&j.arena, mt->table);
    pl_node *stmt = pl_node_new(&j.arena, PL_N_UPDATE, 1);
    if (stmt && table) {
        stmt->kids[0] = table;
        stmt = set_node(&j, stmt, version, next);
        stmt = stmt ? where_node(&j, stmt, key, version, old) : NULL;
    }
    pl_code code = run(&j, table ? stmt : NULL, err);
    *matched = code == PL_OK ? pl_conn_changes(f->conn) : 0;
    if (*matched > 0)
        forget_made(&j, true);
    job_free(&j);
    return code;
}
