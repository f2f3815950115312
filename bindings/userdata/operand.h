/* SPDX-License-Identifier: MIT */
/*
** operand.h - what the immutable value classes (dates, times, intervals, decimals) share.
**
** A value class meets operands that are none of its own: a column, say, whose `+` builds
** an expression. Its metamethods then hand both operands over to the other class; two
** value classes never do that to each other (their metatables carry a mark), so nothing
** goes in circles.
*/
#ifndef PLUA_OPERAND_H
#define PLUA_OPERAND_H

#include "userdata/glue.h"

typedef struct plua_value_field {
    const char *name;
    int number; /* above 0 */
} plua_value_field;

/*
** Registers a value class: metatable with `meta`, locked, immutable, with `..` joining
** texts. __index becomes `index` with upvalue 1, a table of the methods and of the
** numbers of the n fields. Repeatable. [-0, +0, m]
*/
void plua_value_class(lua_State *L, const char *name, const luaL_Reg *meta,
                      const luaL_Reg *methods, const plua_value_field *fields, size_t n,
                      lua_CFunction index);

/*
** For `index`: the number of the field named by argument 2, or 0 with a method pushed.
** Raises, naming the nearest field, when there is neither. [-0, +(0|1), v]
*/
int plua_value_member(lua_State *L, const char *name, const plua_value_field *fields,
                      size_t n);

/* Raises "WHERE has no field ..." for the key at idx, naming the nearest of `names`
** (NULL-terminated). [-0, +0, v] */
__attribute__((noreturn)) void plua_no_field(lua_State *L, int idx, const char *where,
                                             const char *const *names);

/*
** Last resort of a binary metamethod: calls the metamethod that an operand of a foreign
** class has for the event and returns 1; raises "cannot WHAT a ... and a ..." when there
** is none. [-0, +1, e]
*/
int plua_operand_other(lua_State *L, const char *event, const char *what);

/* Makes the callable table of a constructor: `call` is called without the table itself,
** the other functions are its fields. [-0, +1, m] */
void plua_constructor(lua_State *L, lua_CFunction call, const luaL_Reg *functions);

#endif
