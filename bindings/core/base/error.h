/* SPDX-License-Identifier: MIT */
/*
** error.h - the error object of the core and the one list of error classes.
**
** A function that can fail takes a pl_error and returns a code other than PL_OK after
** filling it. Texts live in the error's own arena; whoever owns the pl_error frees it.
** When even the message cannot be stored, the code stands alone (PL_ENOMEM).
** Names and hierarchy are SQLAlchemy's.
*/
#ifndef PL_ERROR_H
#define PL_ERROR_H

#include "core/base/arena.h"

/*   code                 name                        parent */
#define PL_ERROR_MAP(X)                                                                  \
    X(PL_EPERILUNE, "PeriluneError", PL_OK)                                              \
    X(PL_ERUNTIME, "RuntimeError", PL_EPERILUNE)                                         \
    X(PL_ETYPE, "TypeError", PL_EPERILUNE)                                               \
    X(PL_EVALUE, "ValueError", PL_EPERILUNE)                                             \
    X(PL_EATTRIBUTE, "AttributeError", PL_EPERILUNE)                                     \
    X(PL_EARGUMENT, "ArgumentError", PL_EPERILUNE)                                       \
    X(PL_ENOMEM, "MemoryError", PL_EPERILUNE)                                            \
    X(PL_ECOMPILE, "CompileError", PL_EPERILUNE)                                         \
    X(PL_ECIRCULAR, "CircularDependencyError", PL_EPERILUNE)                             \
    X(PL_ETIMEOUT, "TimeoutError", PL_EPERILUNE)                                         \
    X(PL_EINTERRUPT, "InterruptError", PL_EPERILUNE)                                     \
    X(PL_EINVALID, "InvalidRequestError", PL_EPERILUNE)                                  \
    X(PL_ENORESULT, "NoResultFound", PL_EINVALID)                                        \
    X(PL_EMULTIPLE, "MultipleResultsFound", PL_EINVALID)                                 \
    X(PL_EPENDING, "PendingRollbackError", PL_EINVALID)                                  \
    X(PL_ENOINSPECT, "NoInspectionAvailable", PL_EINVALID)                               \
    X(PL_ERESOURCECLOSED, "ResourceClosedError", PL_EINVALID)                            \
    X(PL_ENOTABLE, "NoSuchTableError", PL_EINVALID)                                      \
    X(PL_EUNMAPPED, "UnmappedInstanceError", PL_EINVALID)                                \
    X(PL_EDELETED, "ObjectDeletedError", PL_EINVALID)                                    \
    X(PL_ENOREFERENCE, "NoReferenceError", PL_EINVALID)                                  \
    X(PL_ENOREFTABLE, "NoReferencedTableError", PL_ENOREFERENCE)                         \
    X(PL_ENOREFCOLUMN, "NoReferencedColumnError", PL_ENOREFERENCE)                       \
    X(PL_ENOFOREIGNKEYS, "NoForeignKeysError", PL_EARGUMENT)                             \
    X(PL_EAMBIGUOUS, "AmbiguousForeignKeysError", PL_EARGUMENT)                          \
    X(PL_EUNBOUND, "UnboundExecutionError", PL_EINVALID)                                 \
    X(PL_ENOMODULE, "NoSuchModuleError", PL_EARGUMENT)                                   \
    X(PL_ENOTFOUND, "NotFound", PL_EPERILUNE)                                            \
    X(PL_EDETACHED, "DetachedInstanceError", PL_EPERILUNE)                               \
    X(PL_EFLUSH, "FlushError", PL_EPERILUNE)                                             \
    X(PL_ESTALE, "StaleDataError", PL_EPERILUNE)                                         \
    X(PL_ESTATEMENT, "StatementError", PL_EPERILUNE)                                     \
    X(PL_EDBAPI, "DBAPIError", PL_ESTATEMENT)                                            \
    X(PL_EINTERFACE, "InterfaceError", PL_EDBAPI)                                        \
    X(PL_EDATABASE, "DatabaseError", PL_EDBAPI)                                          \
    X(PL_EDATA, "DataError", PL_EDATABASE)                                               \
    X(PL_EINTEGRITY, "IntegrityError", PL_EDATABASE)                                     \
    X(PL_EINTERNAL, "InternalError", PL_EDATABASE)                                       \
    X(PL_EOPERATIONAL, "OperationalError", PL_EDATABASE)                                 \
    X(PL_EBUSY, "DatabaseLockedError", PL_EOPERATIONAL)                                  \
    X(PL_EUPGRADE, "LockUpgradeError", PL_EBUSY)                                         \
    X(PL_EPROGRAMMING, "ProgrammingError", PL_EDATABASE)                                 \
    X(PL_ENOTSUPPORTED, "NotSupportedError", PL_EDATABASE)                               \
    X(PL_EPERMISSION, "PermissionError", PL_EPERILUNE)

typedef enum pl_code {
    PL_OK = 0,
#define X(code, name, parent) code,
    PL_ERROR_MAP(X)
#undef X
        PL_ECOUNT
} pl_code;

/* Invariant: code is PL_OK exactly when no text is set. */
typedef struct pl_error {
    pl_arena texts;
    pl_code code;
    int db_code;            /* the database's own (extended) code, or 0 */
    const char *message;    /* never NULL when code is set */
    const char *hint;       /* the way out, or NULL */
    const char *sql;        /* statement that failed, or NULL */
    const char *params;     /* printable parameters, or NULL */
    const char *table;      /* table of a constraint failure, or NULL */
    const char *column;     /* its column, several joined by ", ", or NULL */
    const char *constraint; /* a CHECK's name or text, an index, or NULL */
    const char *attribute;  /* "Model.attribute", or NULL */
    const void *object;     /* the pl_object at fault, borrowed, or NULL */
} pl_error;

void pl_error_init(pl_error *e, pl_alloc alloc);
void pl_error_clear(pl_error *e); /* frees the texts, back to PL_OK */

/* Sets code and message (printf's directives) and returns the code. Keeps the first
 * error. Without an error to fill (NULL) it gives the code only. */
pl_code pl_fail(pl_error *e, pl_code code, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Adds the way out; returns the error's code. */
pl_code pl_hint(pl_error *e, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* Copies a text into the error's memory. */
const char *pl_error_text(pl_error *e, const char *s);

/* PL_ENOMEM, with a message that needs no memory. */
pl_code pl_nomem(pl_error *e);

const char *pl_code_name(pl_code code);
pl_code pl_code_parent(pl_code code);

/* Whether code is `base` or below it in the hierarchy. */
bool pl_code_is(pl_code code, pl_code base);

/* The code of a class name, or PL_OK when there is none. */
pl_code pl_code_named(const char *name);

#endif
