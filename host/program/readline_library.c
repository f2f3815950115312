/* SPDX-License-Identifier: MIT */
/*
 * Loads readline; see readline_library.h. The table of what was found is static, like the
 * library's own state: a process has one terminal to edit on.
 */
#if defined(PERILUNE_READLINE)

#include "readline_library.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

#define TEXT_OF(x)  #x
#define TEXT(macro) TEXT_OF(macro)
#define SONAME      "libreadline.so." TEXT(RL_VERSION_MAJOR)

#define SYMBOL(member, symbol)                                                           \
    { offsetof(struct readline_library, member), symbol }

static const struct {
    size_t member;
    const char *symbol;
} symbols[] = {
    SYMBOL(read_line, "readline"),
    SYMBOL(free_line, "rl_free"),
    SYMBOL(replace_line, "rl_replace_line"),
    SYMBOL(get_character, "rl_getc"),
    SYMBOL(matches, "rl_completion_matches"),
    SYMBOL(add_history, "add_history"),
    SYMBOL(using_history, "using_history"),
    SYMBOL(read_history, "read_history"),
    SYMBOL(write_history, "write_history"),
    SYMBOL(stifle_history, "stifle_history"),
    SYMBOL(unstifle_history, "unstifle_history"),
    SYMBOL(name, "rl_readline_name"),
    SYMBOL(word_breaks, "rl_basic_word_break_characters"),
    SYMBOL(complete, "rl_attempted_completion_function"),
    SYMBOL(complete_no_files, "rl_attempted_completion_over"),
    SYMBOL(append_character, "rl_completion_append_character"),
    SYMBOL(getc_function, "rl_getc_function"),
    SYMBOL(catch_signals, "rl_catch_signals"),
    SYMBOL(line, "rl_line_buffer"),
    SYMBOL(point, "rl_point"),
    SYMBOL(history_comment, "history_comment_char"),
    SYMBOL(history_timestamps, "history_write_timestamps"),
};

static int load(struct readline_library *library) {
    void *handle = dlopen(SONAME, RTLD_NOW | RTLD_LOCAL);
    if (handle == NULL)
        return 0;
    for (size_t i = 0; i < sizeof symbols / sizeof *symbols; i++) {
        void *address = dlsym(handle, symbols[i].symbol);
        if (address == NULL)
            return 0;
        memcpy((char *)library + symbols[i].member, &address, sizeof address);
    }
    return 1;
}

const struct readline_library *program_readline(void) {
    static struct readline_library library;
    static int state; /* 0 before the first call, then whether it was loaded: 1 or -1 */
    if (state == 0)
        state = load(&library) ? 1 : -1;
    return state > 0 ? &library : NULL;
}

#endif
