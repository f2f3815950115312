/* SPDX-License-Identifier: MIT */
/*
** fuzz_jsonpath.c - any bytes as keys of a path into a JSON column, and as JSON text.
**
** A value stored under the keys must be found by them; JSON text that is read must come
** back the same from its own text. See jsonpath.lua.
*/
#define SCRIPT "spec/fuzz/jsonpath.lua"
#include "fuzz_script.h"
