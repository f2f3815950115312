/* SPDX-License-Identifier: MIT */
/*
 * fuzz_values.c - any value through a host and back, and as a policy.
 *
 * The bytes become a tree of values. What Lua returns for it must be the same tree, and
 * again when it goes through once more; or it is refused. Read as a policy, it is taken
 * or refused with a message.
 */
#include <stdlib.h>
#include <string.h>

#include "host.h"
#include "value.h"

enum { NODES = 256 };

typedef struct input {
    const uint8_t *at, *end;
    perilune_value values[NODES];
    perilune_pair pairs[NODES];
    int nvalues, npairs;
} input;

static int byte(input *in) {
    return in->at < in->end ? *in->at++ : 0;
}

static const char *const words[] = {"tables", "read",  "hidden", "insert",    "update",
                                    "delete", "rows",  "allow",  "databases", "memory",
                                    "schema", "write", "*",      "user",      "id"};

static perilune_value value(input *in, int depth);

static perilune_value list(input *in, int depth) {
    int n = byte(in) % 8;
    if (in->nvalues + n > NODES)
        n = 0;
    perilune_value *items = in->values + in->nvalues;
    in->nvalues += n;
    for (int i = 0; i < n; i++)
        items[i] = value(in, depth + 1);
    return (perilune_value){PERILUNE_LIST, (size_t)n, {.items = items}};
}

static perilune_value map(input *in, int depth) {
    int n = byte(in) % 6;
    if (in->npairs + n > NODES)
        n = 0;
    perilune_pair *pairs = in->pairs + in->npairs;
    in->npairs += n;
    for (int i = 0; i < n; i++) {
        pairs[i].key = value(in, depth + 1);
        pairs[i].value = value(in, depth + 1);
    }
    return (perilune_value){PERILUNE_MAP, (size_t)n, {.pairs = pairs}};
}

static perilune_value text(input *in) {
    int n = byte(in) % 16;
    if (n > in->end - in->at)
        n = (int)(in->end - in->at);
    const char *bytes = (const char *)in->at;
    in->at += n;
    return (perilune_value){PERILUNE_TEXT, (size_t)n, {.text = bytes}};
}

static perilune_value value(input *in, int depth) {
    perilune_value v = {PERILUNE_NIL, 0, {0}};
    switch (byte(in) % 10) {
    case 0: break;
    case 1:
        v.type = PERILUNE_BOOLEAN;
        v.as.boolean = byte(in) & 1;
        break;
    case 2:
        v.type = PERILUNE_INTEGER;
        v.as.integer = (int64_t)byte(in) << (byte(in) % 56);
        break;
    case 3:
        v.type = PERILUNE_NUMBER;
        v.as.number = byte(in) / (double)byte(in);
        break;
    case 4:
    case 5: return text(in);
    case 6: {
        const char *word = words[(size_t)byte(in) % (sizeof words / sizeof *words)];
        return (perilune_value){PERILUNE_TEXT, strlen(word), {.text = word}};
    }
    case 7: return depth < 40 ? list(in, depth) : v;
    case 8: return depth < 40 ? map(in, depth) : v;
    default: v.type = (perilune_type)(byte(in) % 12); break;
    }
    return v;
}

/* Maps come in any order and drop pairs whose value is nil: their size tells enough. */
static void same(const perilune_value *a, const perilune_value *b) {
    if (a->type != b->type || a->size != b->size)
        abort();
    if (a->type == PERILUNE_TEXT && memcmp(a->as.text, b->as.text, a->size) != 0)
        abort();
    for (size_t i = 0; a->type == PERILUNE_LIST && i < a->size; i++)
        same(&a->as.items[i], &b->as.items[i]);
}

static void there_and_back(perilune_host *h, const perilune_value *v) {
    perilune_result *first, *second;
    int code = perilune_call_function(h, "same", 1, v, &first);
    if (code != PERILUNE_OK) {
        if (!perilune_error_of(h)->message)
            abort();
        return;
    }
    const perilune_value *out = perilune_result_at(first, 0);
    if (perilune_call_function(h, "same", 1, out, &second) != PERILUNE_OK)
        abort();
    same(out, perilune_result_at(second, 0));
    perilune_result_free(first);
    perilune_result_free(second);
}

/* A policy reads texts that end with a zero, as results have them. */
static void as_policy(const perilune_value *v) {
    char message[200] = "";
    unsigned allow = 0;
    guard g;
    guard_init(&g, NULL, NULL);
    perilune_result *r = result_new();
    policy *p = policy_new(true, 0, false);
    if (!r || !p)
        abort();
    if (result_copy(r, v) == 0 &&
        policy_read(p, perilune_result_at(r, 0), &g, &allow, message, sizeof message) !=
            PERILUNE_OK &&
        !message[0])
        abort();
    policy_free(p);
    perilune_result_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static perilune_host *h;
    static const char text_of_same[] = "function same(v) return v end";
    static input in;
    if (!h && (perilune_host_new(&h, NULL) != PERILUNE_OK ||
               perilune_run_string(h, "same", text_of_same, strlen(text_of_same), 0, NULL,
                                   NULL) != PERILUNE_OK))
        abort();
    in.at = data;
    in.end = data + size;
    in.nvalues = in.npairs = 0;
    perilune_value v = value(&in, 0);
    there_and_back(h, &v);
    as_policy(&v);
    return 0;
}
