/* SPDX-License-Identifier: MIT */
/*
** object.h - the C part of an instance: its mapper, its session, its slots.
**
** The block belongs to Lua's collector (it is a userdata). It owns nothing: `slots`
** points behind the block itself or into a page of rows, bytes of text stand there
** too or are Lua strings that the instance's user value keeps alive. The core reads
** slots and writes numbers into them; a text goes in only through the holder
** (pl_flush_hooks.store).
*/
#ifndef PL_OBJECT_H
#define PL_OBJECT_H

#include "core/base/slot.h"

struct pl_mapper;
typedef struct pl_object pl_object;

/*
** What an instance knows of its session. A cell is never freed while Lua runs; when a
** session closes, `birth` is set above every epoch given so far, and all its instances
** are detached at once without being visited. Raising `epoch` expires them all.
** Invariant: birth <= epoch.
*/
typedef struct pl_session_cell {
    uint32_t epoch;  /* values loaded earlier than this are stale */
    uint32_t birth;  /* instances from before this are detached */
    uint32_t order;  /* lists from before this may be out of order, */
    uint32_t filter; /* and those of models with a criterion may hold others */
    void *session;   /* the glue's session, NULL when the cell is free */
} pl_session_cell;

typedef enum pl_state {
    PL_TRANSIENT,
    PL_PENDING,
    PL_PERSISTENT,
    PL_DELETED, /* DELETE was flushed, the transaction is still open */
    PL_GONE     /* was in a session and is no more: detached */
} pl_state;

enum {
    PL_OBJ_STATE = 7,       /* mask of pl_state */
    PL_OBJ_CHANGED = 8,     /* some slot has PL_SLOT_CHANGED */
    PL_OBJ_MODIFIED = 16,   /* counts in session.dirty (something was set or mutated) */
    PL_OBJ_DELETING = 32,   /* session:delete was called, not yet flushed */
    PL_OBJ_TABLE = 64,      /* the user value is a table, not the bare page */
    PL_OBJ_PAGED = 128,     /* slots stand in a page (with siblings) */
    PL_OBJ_PARTIAL = 256,   /* some column slot is PL_UNSET and may be loaded */
    PL_OBJ_KEYED = 512,     /* has an identity: a row with this key exists or existed */
    PL_OBJ_FLUSHING = 1024, /* in the flush that is running */
    PL_OBJ_ERASED = 2048,   /* its row was deleted for good */
    PL_OBJ_ORPHAN = 4096,
    PL_OBJ_JSON = 8192,     /* a decoded JSON value may have been changed in place */
    PL_OBJ_WRITTEN = 16384, /* in that flush, and its row is written */
    PL_OBJ_DOOMED = 32768,  /* in that flush, to be deleted by the next one */
    PL_OBJ_IN_FLUSH = PL_OBJ_FLUSHING | PL_OBJ_WRITTEN | PL_OBJ_DOOMED,
    PL_OBJ_SHIFT = 16 /* upper half: the glue's own */
};

/* Invariant: session is NULL exactly in states TRANSIENT and, when never attached, GONE.
 */
struct pl_object {
    struct pl_mapper *mapper;
    pl_session_cell *session;
    pl_slot *slots; /* mapper->nslots */
    uint32_t epoch;
    uint32_t status;
    uint32_t pin;   /* place in the session's list of objects it keeps alive, 0: none */
    uint32_t index; /* scratch of a flush */
    uint32_t walk;  /* number of the last cascade that came by; the glue's */
    uint32_t tx;    /* the session's transaction that INSERTed it; 0: an earlier one */
};

static inline pl_state pl_object_state(const pl_object *o) {
    return (pl_state)(o->status & PL_OBJ_STATE);
}

static inline void pl_object_set_state(pl_object *o, pl_state s) {
    o->status = (o->status & ~(uint32_t)PL_OBJ_STATE) | (uint32_t)s;
}

/* Belongs to a session that is still open. */
static inline bool pl_object_attached(const pl_object *o) {
    return o->session && o->epoch >= o->session->birth;
}

/* Values are those of the open transaction: no re-read needed. */
static inline bool pl_object_fresh(const pl_object *o) {
    return o->session && o->epoch == o->session->epoch;
}

#endif
