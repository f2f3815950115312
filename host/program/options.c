/* SPDX-License-Identifier: MIT */
/*
 * Reads the command line: the one-letter options of lua, each a word of its own, and
 * long options that lua does not have. Owns nothing; every string is argv's.
 */
#include "options.h"

#include <stddef.h>
#include <string.h>
#include <sys/stat.h>

#define UNKNOWN        "unrecognized option '%s'"
#define NEEDS_ARGUMENT "'%s' needs argument"

/* A long option: the member that it sets, a bool, or a string when it takes an argument,
 * which stands behind = or is the next word. */
static const struct long_option {
    const char *name;
    size_t member;
    const char *argument; /* what the list of options calls it, NULL for a bool */
    const char *help;
} long_options[] = {
    {"--echo", offsetof(struct options, echo), NULL, "print every SQL statement"},
    {"--report", offsetof(struct options, report), NULL,
     "at the end, tell what was queried from where"},
    {"--readonly", offsetof(struct options, readonly), NULL, "change no database"},
    {"--sandbox", offsetof(struct options, sandbox), "policy",
     "run the script as the policy file says (- for none)"},
    {"--memory", offsetof(struct options, memory), "bytes",
     "stop the script beyond that, 64M for example"},
    {"--instructions", offsetof(struct options, instructions), "n",
     "stop the script after so many of Lua's"},
    {"--timeout", offsetof(struct options, timeout), "seconds",
     "stop the script after that"},
    {"--version", offsetof(struct options, version), NULL, "print the versions"},
    {"--help", offsetof(struct options, help), NULL, "print this"},
};

enum { LONG_OPTIONS = sizeof long_options / sizeof *long_options };

static const struct command {
    const char *name, *arguments, *help;
} commands[] = {
    {"shell", "[app.lua]", "a prompt with the app, its db and its models"},
    {"db", "schema app.lua", "print the CREATE statements of the models"},
    {"db", "diagram app.lua", "draw the tables: --format mermaid, dot or svg"},
    {"spec", "[options]", "run busted's specs in this interpreter"},
    {"check", "app.lua", "look for mistakes in models and scripts"},
    {"stubs", "app.lua", "write LuaLS annotations of the models"},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

/* The option that a word names, with or without =argument. */
static const struct long_option *find_long(const char *word) {
    size_t length = strcspn(word, "=");
    for (size_t i = 0; i < LONG_OPTIONS; i++) {
        const struct long_option *o = &long_options[i];
        bool exact = strlen(o->name) == length && strncmp(o->name, word, length) == 0;
        if (exact && (word[length] == '\0' || o->argument))
            return o;
    }
    return NULL;
}

/* Whether the argument of a long option is a word of its own. */
static bool takes_next(const struct long_option *o, const char *word) {
    return o->argument && strchr(word, '=') == NULL;
}

/* Words read, 0 for an option that is not known, -1 for one that lacks its argument. */
static int parse_long(struct options *o, const char *word, char *next) {
    const struct long_option *known = find_long(word);
    if (known == NULL)
        return 0;
    void *member = (char *)o + known->member;
    if (known->argument == NULL) {
        *(bool *)member = true;
        return 1;
    }
    if (!takes_next(known, word)) {
        *(const char **)member = strchr(word, '=') + 1;
        return 1;
    }
    *(const char **)member = next;
    return next ? 2 : -1;
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

/* The word that is not understood, and why. */
static struct options refuse(struct options o, const char *word, const char *why) {
    o.bad = word;
    o.why = why;
    return o;
}

/* Reads an option; *index moves to its last word. False when it is refused. */
static bool parse_option(struct options *o, char **argv, int *index) {
    const char *word = argv[*index];
    char *next = argv[*index + 1];
    if (word[1] == '-') {
        int words = parse_long(o, word, next);
        if (words < 1)
            *o = refuse(*o, word, words < 0 ? NEEDS_ARGUMENT : UNKNOWN);
        *index += words == 2;
        return words > 0;
    }
    if (parse_flag(o, word))
        return true;
    bool action = word[1] == 'e' || word[1] == 'l';
    if (!action || !has_argument(word, next)) {
        *o = refuse(*o, word, action ? NEEDS_ARGUMENT : UNKNOWN);
        return false;
    }
    o->statement = o->statement || word[1] == 'e';
    *index += word[2] == '\0';
    return true;
}

struct options program_parse(int argc, char **argv) {
    struct options o = {.script = argc};
    for (int i = 1; i < argc; i++) {
        const char *word = argv[i];
        bool end = strcmp(word, "--") == 0;
        if (end || word[0] != '-' || word[1] == '\0') {
            o.script = i + end;
            o.command = !end && program_is_command(argc, argv, i);
            return o;
        }
        if (!parse_option(&o, argv, &i))
            return o;
    }
    return o;
}

static bool is_file(const char *path) {
    struct stat about;
    return path && stat(path, &about) == 0 && !S_ISDIR(about.st_mode);
}

bool program_is_command(int argc, char **argv, int index) {
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789_-";
    const char *word = argv[index];
    if (word[0] == '-' || word[strspn(word, letters)] != '\0' || is_file(word))
        return false;
    for (size_t i = 0; i < COMMANDS; i++)
        if (strcmp(word, commands[i].name) == 0)
            return true;
    return index + 1 < argc && is_file(argv[index + 1]);
}

char program_action(char **argv, int *index, const char **argument) {
    const char *word = argv[*index];
    *argument = NULL;
    if (word[1] == '-') {
        const struct long_option *known = find_long(word);
        *index += known && takes_next(known, word);
    }
    if (word[1] != 'e' && word[1] != 'l')
        return word[1] == 'W' ? 'W' : '\0';
    *argument = word[2] != '\0' ? word + 2 : argv[++*index];
    return word[1];
}

void program_usage(FILE *stream, const char *name) {
    fprintf(stream,
            "usage: %s [options] [script [arguments]]\n"
            "       %s [options] command [arguments]\n"
            "options:\n"
            "  -e stat    run the statement stat\n"
            "  -i         go interactive after the script\n"
            "  -l mod     require mod into the global mod\n"
            "  -l g=mod   require mod into the global g\n"
            "  -v         print the versions\n"
            "  -E         ignore environment variables\n"
            "  -W         turn warnings on\n"
            "  --         end of options\n"
            "  -          end of options, run standard input\n",
            name, name);
    for (size_t i = 0; i < LONG_OPTIONS; i++) {
        const struct long_option *o = &long_options[i];
        const char *argument = o->argument ? o->argument : "";
        int width = 22 - (int)strlen(o->name);
        fprintf(stream, "  %s %-*s%s\n", o->name, width, argument, o->help);
    }
    fputs("commands, where no file has that name:\n", stream);
    for (size_t i = 0; i < COMMANDS; i++) {
        const struct command *c = &commands[i];
        int width = 22 - (int)strlen(c->name);
        fprintf(stream, "  %s %-*s%s\n", c->name, width, c->arguments, c->help);
    }
    fputs("  NAME app.lua           a command of the app\n", stream);
}
