/* SPDX-License-Identifier: MIT */
/*
** fuzz_uri.c - any bytes as a database URI.
**
**   clang -g -O1 -fsanitize=fuzzer,address,undefined -D_DEFAULT_SOURCE -Ibindings
**     spec/fuzz/fuzz_uri.c bindings/core/driver/uri.c
**     bindings/core/base/{alloc,arena,buf,error}.c -o fuzz_uri && ./fuzz_uri
**
** What parses prints, and what is printed parses to the same parts; only an '@' in the
** database of a URI without a user is ambiguous (host:port/a@b reads as user:password@b).
*/
#include "core/driver/uri.h"

#include <stdlib.h>
#include <string.h>

static void same(const char *a, const char *b) {
    if (a != b && (!a || !b || strcmp(a, b) != 0))
        abort();
}

/* The parts that the print shows. */
static void compare(const pl_uri *a, const pl_uri *b) {
    same(a->dialect, b->dialect);
    same(a->driver, b->driver);
    same(a->host, b->host);
    same(a->database, b->database);
    if (a->port != b->port || a->memory != b->memory || a->file_uri != b->file_uri ||
        a->noptions != b->noptions || !a->password != !b->password)
        abort();
    if (a->user && *a->user)
        same(a->user, b->user);
}

static void print_again(const pl_uri *uri, pl_arena *arena) {
    pl_uri second;
    pl_error err;
    const char *text = pl_uri_masked(uri, arena);
    if (!uri->user && uri->database && strchr(uri->database, '@'))
        return;
    pl_error_init(&err, pl_alloc_libc());
    if (!text || pl_uri_parse(text, strlen(text), arena, &second, &err) != PL_OK)
        abort();
    compare(uri, &second);
    same(text, pl_uri_masked(&second, arena));
    pl_error_clear(&err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    pl_arena arena;
    pl_error err;
    pl_uri uri;
    pl_arena_init(&arena, pl_alloc_libc());
    pl_error_init(&err, pl_alloc_libc());
    if (pl_uri_parse((const char *)data, size, &arena, &uri, &err) == PL_OK)
        print_again(&uri, &arena);
    else if (!err.message || err.code == PL_OK)
        abort();
    pl_error_clear(&err);
    pl_arena_free(&arena);
    return 0;
}
