/* SPDX-License-Identifier: MIT */
/*
 * Reads the command line: the one-letter options of lua, each a word of its own, and
 * long options that lua does not have. Owns nothing; every string is argv's.
 */
#include "options.h"

#include <string.h>

#define UNKNOWN        "unrecognized option '%s'"
#define NEEDS_ARGUMENT "'%s' needs argument"

static bool parse_long(struct options *o, const char *word) {
    if (strcmp(word, "--help") == 0)
        o->help = true;
    else if (strcmp(word, "--version") == 0)
        o->version = true;
    else
        return false;
    return true;
}

/* An argument stands in the same word or is the next one, which is no option then. */
static bool has_argument(const char *word, const char *next) {
    return word[2] != '\0' || (next && next[0] != '-');
}

static bool parse_flag(struct options *o, const char *word) {
    if (word[2] != '\0')
        return false;
    switch (word[1]) {
    case 'E': o->no_environ = true; break;
    case 'W': break;
    case 'i': o->interactive = o->version = true; break;
    case 'v': o->version = true; break;
    default: return false;
    }
    return true;
}

struct options program_parse(int argc, char **argv) {
    struct options o = {.script = argc};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        if (word[0] != '-' || word[1] == '\0') {
            o.script = i;
            return o;
        }
        if (strcmp(word, "--") == 0) {
            o.script = i + 1;
            return o;
        }
        if (word[1] == '-' ? parse_long(&o, word) : parse_flag(&o, word))
            continue;
        o.bad = word;
        o.why = UNKNOWN;
        if (word[1] != 'e' && word[1] != 'l')
            return o;
        o.why = NEEDS_ARGUMENT;
        if (!has_argument(word, argv[i + 1]))
            return o;
        o.bad = NULL;
        o.statement = o.statement || word[1] == 'e';
        i += word[2] == '\0';
    }
    return o;
}

char program_action(char **argv, int *index, const char **argument) {
    const char *word = argv[*index];
    *argument = NULL;
    if (word[1] != 'e' && word[1] != 'l')
        return word[1] == 'W' ? 'W' : '\0';
    *argument = word[2] != '\0' ? word + 2 : argv[++*index];
    return word[1];
}

void program_usage(FILE *stream, const char *name) {
    fprintf(stream,
            "usage: %s [options] [script [arguments]]\n"
            "  -e stat    run the statement stat\n"
            "  -i         go interactive after the script\n"
            "  -l mod     require mod into the global mod\n"
            "  -l g=mod   require mod into the global g\n"
            "  -v         print the versions (--version)\n"
            "  -E         ignore environment variables\n"
            "  -W         turn warnings on\n"
            "  --         end of options\n"
            "  -          end of options, run standard input\n"
            "  --help     print this\n",
            name);
}
