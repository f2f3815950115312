/* SPDX-License-Identifier: MIT */
/*
 * Running a script under limits, in a sandbox, or with databases read-only: --sandbox,
 * --memory, --instructions, --timeout, --readonly. The script then runs in a host of the
 * embedding library, which ends it.
 */
#ifndef PROGRAM_GUARDED_H
#define PROGRAM_GUARDED_H

#include "options.h"

/* Whether an option asks for it. */
bool program_is_guarded(const struct options *o);

/* Runs the -e texts and the script, or standard input; the status to exit with. */
int program_run_guarded(int argc, char **argv, const struct options *o);

#endif
