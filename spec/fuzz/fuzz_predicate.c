/* SPDX-License-Identifier: MIT */
/*
** fuzz_predicate.c - any bytes as what a predicate returns, where(function(u) ... end).
**
** What the reader takes must be read the same from the function that Lua compiled, and
** must prepare and run in SQLite; what it refuses is a CompileError at a place. See
** predicate.lua.
*/
#define SCRIPT "spec/fuzz/predicate.lua"
#include "fuzz_script.h"
