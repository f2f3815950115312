/* SPDX-License-Identifier: MIT */
/*
 * The functions and variables of readline that the program uses, loaded when a line is
 * first edited: a script should not wait at its start for a library that only a prompt
 * needs. See readline's manual for what they mean.
 */
#ifndef PROGRAM_READLINE_LIBRARY_H
#define PROGRAM_READLINE_LIBRARY_H

#include <stdio.h>

#include <readline/history.h>
#include <readline/readline.h>

struct readline_library {
    /* functions */
    char *(*read_line)(const char *prompt);
    void (*free_line)(void *line);
    int (*replace_line)(const char *text, int clear_undo);
    int (*get_character)(FILE *stream);
    char **(*matches)(const char *word, rl_compentry_func_t *next);
    void (*add_history)(const char *text);
    void (*using_history)(void);
    int (*read_history)(const char *path);
    int (*write_history)(const char *path);
    void (*stifle_history)(int count);
    int (*unstifle_history)(void);
    /* variables */
    const char **name;
    const char **word_breaks;
    rl_completion_func_t **complete;
    int *complete_no_files;
    int *append_character;
    rl_getc_func_t **getc_function;
    int *catch_signals;
    char **line;
    int *point;
    char *history_comment;
    int *history_timestamps;
};

/* The library, loaded by the first call; NULL where it is not installed. It stays loaded
 * until the process ends. */
const struct readline_library *program_readline(void);

#endif
