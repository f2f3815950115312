/* SPDX-License-Identifier: MIT */
/*
 * The command line of the program: which switches stand on it and where the script is.
 * Parsing reads argv only and decides nothing; main acts on the result, and -e, -l and
 * -W are carried out later in the order in which they were written.
 */
#ifndef PROGRAM_OPTIONS_H
#define PROGRAM_OPTIONS_H

#include <stdbool.h>
#include <stdio.h>

struct options {
    bool interactive; /* -i */
    bool version;     /* -v, or -i, which announces itself too */
    bool statement;   /* some -e */
    bool no_environ;  /* -E */
    bool help;        /* --help */
    bool echo;        /* --echo */
    bool report;      /* --report */
    bool readonly;    /* --readonly */
    const char *sandbox, *memory, *instructions, *timeout; /* as written, or NULL */
    int script;      /* index of the script in argv, argc when there is none */
    bool command;    /* the word at script is a command of ours and no file */
    const char *bad; /* the argument that is not understood, or NULL */
    const char *why; /* what is wrong with it, as a format for its text */
};

struct options program_parse(int argc, char **argv);

/* Whether argv[index] is to be run as a command: it names no file, and is one of ours or
 * stands before a file, whose App may have a command of that name. */
bool program_is_command(int argc, char **argv, int index);

/* The switch at argv[*index] that is to be carried out: 'e', 'l' or 'W' with its
 * argument, 0 for one that program_parse has dealt with. *index moves to its last word.
 */
char program_action(char **argv, int *index, const char **argument);

/* One line per option and command, to a stream. */
void program_usage(FILE *stream, const char *name);

#endif
