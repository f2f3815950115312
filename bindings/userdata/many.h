/* SPDX-License-Identifier: MIT */
/*
** many.h - what a flush tells the listeners of an engine when one statement runs for many
** rows.
*/
#ifndef PLUA_MANY_H
#define PLUA_MANY_H

#include "userdata/unitwork.h"

/* Sets the hooks for a flush of u->engine when somebody listens; pushes what they need.
** [-0, +(0|1), m] */
void plua_many_begin(plua_unit *u, pl_flush_hooks *hooks);

#endif
