/* SPDX-License-Identifier: MIT */
/*
 * perilune.h - Perilune in a C program: hosts that run Lua with the object-relational
 * mapper built in.
 *
 *     perilune_host *host;
 *     if (perilune_host_new(&host, NULL) == PERILUNE_OK &&
 *         perilune_run_file(host, "app.lua", 0, NULL, NULL) != PERILUNE_OK)
 *         fprintf(stderr, "%s\n", perilune_error_of(host)->message);
 *     perilune_host_free(host);
 *
 * Rules that hold for every function:
 * - A host belongs to one thread at a time; any number of hosts may run side by side and
 *   share nothing. Only perilune_interrupt may be called from another thread, or from a
 *   signal handler, while the host exists.
 * - Functions return PERILUNE_OK (0) or a negative PERILUNE_E... code; what happened
 *   stands in perilune_error_of(host). No function longjmps, prints or ends the process.
 * - Out parameters come first; what a `T **out` gives belongs to the caller and has a
 *   function that frees it, which takes NULL. A pointer that is returned is borrowed.
 * - Texts are bytes with a length, or end with a zero where no length is asked for. They
 *   are copied.
 * - Structs with a field `size` are filled by their _init function first; fields are only
 *   ever added at the end.
 *
 * Link with `pkg-config --cflags --libs perilune`.
 */
#ifndef PERILUNE_H
#define PERILUNE_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define PERILUNE_API __attribute__((visibility("default")))
#else
#define PERILUNE_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

#define PERILUNE_VERSION "0.1.0"

/* major * 1,000,000 + minor * 1,000 + patch. With major 0, minor versions may break. */
#define PERILUNE_VERSION_NUMBER 1000

struct lua_State;
struct sqlite3;

/* The version of the library that runs, to compare with the macros. */
PERILUNE_API const char *perilune_version(void);
PERILUNE_API int perilune_version_number(void);

/* ---- codes ----------------------------------------------------------------------- */

#define PERILUNE_ERROR_MAP(X)                                                            \
    X(MEMORY, -1, "not enough memory, or the host's limit of memory is reached")         \
    X(SYNTAX, -2, "the text is not a Lua program")                                       \
    X(RUNTIME, -3, "the program raised an error")                                        \
    X(INTERRUPT, -4, "the call was interrupted")                                         \
    X(INSTRUCTIONS, -5, "the limit of instructions is reached")                          \
    X(TIME, -6, "the limit of time is reached")                                          \
    X(ROWS, -7, "the limit of rows is reached")                                          \
    X(DATABASES, -8, "the limit of open databases is reached")                           \
    X(FILE, -9, "a file cannot be read")                                                 \
    X(VALUE, -10, "a value cannot cross between C and Lua")                              \
    X(NAME, -11, "there is no function, module or app of that name")                     \
    X(MISUSE, -12, "a function was called in a way that its contract rules out")         \
    X(POLICY, -13, "the policy is not valid")

typedef enum perilune_code {
#define PERILUNE_CODE(name, number, text) PERILUNE_E##name = (number),
    PERILUNE_ERROR_MAP(PERILUNE_CODE)
#undef PERILUNE_CODE
        PERILUNE_OK = 0
} perilune_code;

/* "MEMORY" and a sentence; "OK" and "no error" for 0; "UNKNOWN" for other numbers. */
PERILUNE_API const char *perilune_error_name(int code);
PERILUNE_API const char *perilune_error_text(int code);

/* ---- values ---------------------------------------------------------------------- */

typedef enum perilune_type {
    PERILUNE_NIL,
    PERILUNE_BOOLEAN, /* as.boolean, 0 or 1 */
    PERILUNE_INTEGER, /* as.integer */
    PERILUNE_NUMBER,  /* as.number */
    PERILUNE_TEXT,    /* as.text, size bytes and a zero behind them */
    PERILUNE_LIST,    /* as.items, size of them: a table with the keys 1 .. size */
    PERILUNE_MAP,     /* as.pairs, size of them: any other table, in no order */
    PERILUNE_OTHER    /* out only: as.text is what tostring says; functions, objects */
} perilune_type;

typedef struct perilune_value perilune_value;
typedef struct perilune_pair perilune_pair;

/*
 * A value outside Lua. Given to a function it is read only, and need not live longer than
 * the call. Tables cross by value, to a depth of PERILUNE_DEPTH; one that is deeper or
 * contains itself is PERILUNE_EVALUE.
 */
struct perilune_value {
    perilune_type type;
    size_t size;
    union {
        int boolean;
        int64_t integer;
        double number;
        const char *text;
        const perilune_value *items;
        const perilune_pair *pairs;
    } as;
};

struct perilune_pair {
    perilune_value key;
    perilune_value value;
};

#define PERILUNE_DEPTH 32

/* What a call returned: a fixed copy, valid until it is freed, also after its host. */
typedef struct perilune_result perilune_result;

PERILUNE_API size_t perilune_result_count(const perilune_result *result);

/* The value at an index from 0; a NIL beyond the last, never NULL. */
PERILUNE_API const perilune_value *perilune_result_at(const perilune_result *result,
                                                      size_t index);
PERILUNE_API void perilune_result_free(perilune_result *result);

/* The value of a MAP under a text, or NULL: of the first such pair. */
PERILUNE_API const perilune_value *perilune_field(const perilune_value *map,
                                                  const char *name);

/* ---- hosts ----------------------------------------------------------------------- */

typedef struct perilune_host perilune_host;

/* As lua_Alloc: new_size 0 frees; old_size is the size of `block`. May return NULL. */
typedef void *(*perilune_alloc_fn)(void *payload, void *block, size_t old_size,
                                   size_t new_size);

/* A line that a script prints, or a warning: level 'p' or 'w', text without newline. */
typedef void (*perilune_log_fn)(void *payload, char level, const char *text, size_t size);

/* What a sandboxed script may do beyond computing. */
enum {
    PERILUNE_ALLOW_READ = 1,     /* io.open to read, config:from_file, loadfile, dofile */
    PERILUNE_ALLOW_WRITE = 2,    /* io.open to write, os.remove, os.rename, os.tmpname */
    PERILUNE_ALLOW_ENV = 4,      /* os.getenv, config:from_env */
    PERILUNE_ALLOW_PROCESS = 8,  /* os.execute, io.popen, os.exit */
    PERILUNE_ALLOW_NATIVE = 16,  /* C modules, package.cpath, package.loadlib */
    PERILUNE_ALLOW_BYTECODE = 32 /* string.dump, load of binary chunks */
};

typedef struct perilune_config {
    size_t size;             /* set by perilune_config_init */
    perilune_alloc_fn alloc; /* NULL: the C library's */
    void *alloc_payload;
    int sandbox;        /* not 0: scripts get the allow list instead of Lua's libraries */
    unsigned allow;     /* PERILUNE_ALLOW_..., for a sandbox */
    const char *policy; /* path of a policy file; implies the sandbox. NULL for none */
    int readonly;       /* not 0: databases are opened read-only */
    int interruptible; /* 1. With 0 and no limit of instructions or time, Lua runs at full
                        * speed and perilune_interrupt stops SQL statements only */
    int64_t memory;    /* limits, as perilune_limit; 0 for none */
    int64_t instructions;
    int64_t milliseconds;
    int64_t rows;
    int64_t databases;
} perilune_config;

/* Fills in the defaults: no sandbox, no limits, interruptible. */
PERILUNE_API void perilune_config_init(perilune_config *config);

/*
 * Makes a host: a Lua state of its own with the module "perilune" ready to be required.
 * NULL config is the defaults. On failure *out is NULL when there was no memory for a
 * host; else it is a host that only answers perilune_error_of and is to be freed.
 */
PERILUNE_API int perilune_host_new(perilune_host **out, const perilune_config *config);

/*
 * Leaves contexts, rolls back and closes sessions, closes databases and frees all. NULL
 * is nothing. Not from a C function that the host itself called: that does nothing.
 */
PERILUNE_API void perilune_host_free(perilune_host *host);

typedef enum perilune_limit_id {
    PERILUNE_LIMIT_MEMORY,       /* bytes that Lua and the mapper hold, at any time */
    PERILUNE_LIMIT_INSTRUCTIONS, /* of Lua's virtual machine, in one call from C */
    PERILUNE_LIMIT_MILLISECONDS, /* of wall time, in one call from C */
    PERILUNE_LIMIT_ROWS,         /* that statements return, in one call from C */
    PERILUNE_LIMIT_DATABASES     /* connections open at any time */
} perilune_limit_id;

/*
 * Sets a limit; 0 is none, a negative value only reads. The value before goes to *old,
 * which may be NULL. A script cannot catch a limit: pcall does not return once one is
 * reached, a running SQL statement stops, and when the call ends what was not committed
 * is rolled back, without listeners or teardown functions of the script. Coroutines made
 * while there was no limit and no interruptible host are not stopped: set limits before
 * running scripts.
 */
PERILUNE_API int perilune_limit(perilune_host *host, perilune_limit_id id, int64_t value,
                                int64_t *old);

/*
 * Asks the running call to stop with PERILUNE_EINTERRUPT; when none runs, the next one
 * that runs a script. A request that comes too late for its call is not left for another.
 * May be called from any thread and from a signal handler. NULL is nothing.
 */
PERILUNE_API void perilune_interrupt(perilune_host *host);

/* Where print and warnings go; NULL: print to standard output, warnings nowhere. */
PERILUNE_API int perilune_set_log(perilune_host *host, perilune_log_fn fn, void *payload);

typedef struct perilune_stats {
    size_t size;          /* of this struct, set by the caller before the call */
    int64_t memory;       /* bytes held now */
    int64_t memory_peak;  /* at most, so far */
    int64_t instructions; /* of the running or last call; steps of the hook, so rounded */
    int64_t rows;         /* returned by statements in the running or last call */
    int64_t statements;   /* executed since the host was made */
    int64_t databases;    /* connections open now */
    int64_t calls;        /* from C into Lua since the host was made */
} perilune_stats;

PERILUNE_API int perilune_get_stats(const perilune_host *host, perilune_stats *stats);

/*
 * The Lua state, for what this header does not have. The caller leaves the stack as it
 * found it, calls nothing that raises outside lua_pcall, and gives it no hook.
 */
PERILUNE_API struct lua_State *perilune_lua(perilune_host *host);

/* The opener of the module "perilune", for a program with a Lua state of its own. */
PERILUNE_API int luaopen_perilune(struct lua_State *L);

/* ---- errors ---------------------------------------------------------------------- */

typedef struct perilune_error {
    int code;              /* PERILUNE_OK when the last call went well */
    const char *name;      /* "IntegrityError", ...: the mapper's class, or NULL */
    const char *message;   /* never NULL */
    const char *traceback; /* where in Lua, or NULL */
    const char *sql;       /* the statement that failed, or NULL */
    int database_code;     /* SQLite's extended code, or 0 */
} perilune_error;

/* How the last call on the host ended. Valid until the next call; never NULL. */
PERILUNE_API const perilune_error *perilune_error_of(const perilune_host *host);

/* ---- extending ------------------------------------------------------------------- */

/* A call of a C function by a script; valid inside the function only. */
typedef struct perilune_call perilune_call;

/* Returns PERILUNE_OK, or a negative code, which raises an error in the script. */
typedef int (*perilune_fn)(perilune_call *call, void *payload);

/*
 * Makes a C function a global, or with a dot ("shop.price") a field of a global table. In
 * a sandbox scripts cannot replace it.
 */
PERILUNE_API int perilune_register(perilune_host *host, const char *name, perilune_fn fn,
                                   void *payload);

/* For the function: the host, the arguments (an index from 0; NIL beyond the last), a
 * value to return (copied; the first, the second, ...), the text of the error that a
 * negative code will raise. */
PERILUNE_API perilune_host *perilune_call_host(const perilune_call *call);
PERILUNE_API size_t perilune_arg_count(const perilune_call *call);
PERILUNE_API const perilune_value *perilune_arg(const perilune_call *call, size_t index);
PERILUNE_API int perilune_return(perilune_call *call, const perilune_value *value);
PERILUNE_API int perilune_fail(perilune_call *call, const char *message);

/* Makes a C module in Lua's own style available to require. Also in a sandbox. */
PERILUNE_API int perilune_module(perilune_host *host, const char *name,
                                 int (*opener)(struct lua_State *L));

/* Makes a module written in Lua available to require. Text only. */
PERILUNE_API int perilune_module_source(perilune_host *host, const char *name,
                                        const char *text, size_t size);

/* Adds a folder in which require looks for NAME.lua and NAME/init.lua. A sandbox looks
 * nowhere else. */
PERILUNE_API int perilune_path(perilune_host *host, const char *folder);

/* ---- databases ------------------------------------------------------------------- */

/*
 * Lets scripts use a database that the program has open: under this name it is what
 * require("perilune.host").handle(name) gives for the option `handle` of perilune.open or
 * ENGINE_OPTIONS. It stays the program's, which closes it after the host, and may only be
 * used by the host's thread meanwhile. NULL takes the name away.
 */
PERILUNE_API int perilune_share(perilune_host *host, const char *name,
                                struct sqlite3 *database);

/* ---- contexts -------------------------------------------------------------------- */

/*
 * Puts a new context of an app in force, as app:app_context() does: one per request. app
 * is the name given to perilune.App; NULL when scripts made one app only.
 */
PERILUNE_API int perilune_context_push(perilune_host *host, const char *app);

/* Ends the context that was pushed last. With commit not 0 its sessions commit first;
 * when one cannot, or without commit, they roll back. */
PERILUNE_API int perilune_context_pop(perilune_host *host, int commit);

/*
 * Sets a variable of the context in force (of the host when there is none): scripts read
 * it as require("perilune.host").vars[name], policies as perilune_var('name') in SQL. It
 * goes with the context. Plain values only.
 */
PERILUNE_API int perilune_set(perilune_host *host, const char *name,
                              const perilune_value *value);

/* ---- running --------------------------------------------------------------------- */

/*
 * Runs a file (NULL: standard input) or a text with arguments, which it gets as `...`.
 * Text only: a compiled chunk is PERILUNE_ESYNTAX. What it returns goes to *out, which
 * may be NULL. `chunk` is the name in messages.
 */
PERILUNE_API int perilune_run_file(perilune_host *host, const char *path, size_t count,
                                   const perilune_value *args, perilune_result **out);
PERILUNE_API int perilune_run_string(perilune_host *host, const char *chunk,
                                     const char *text, size_t size, size_t count,
                                     const perilune_value *args, perilune_result **out);

/* Calls a global function, or with dots ("shop.price") a field of a global table or of a
 * module that was required under that name. */
PERILUNE_API int perilune_call_function(perilune_host *host, const char *name,
                                        size_t count, const perilune_value *args,
                                        perilune_result **out);

#ifdef __cplusplus
}
#endif

#endif
