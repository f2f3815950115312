/* SPDX-License-Identifier: MIT */
/*
** uuid.h - 16 bytes in network order, and their two texts.
**
** Scripts see the canonical form (lower case, with hyphens); the database holds 32 hex
** digits in a CHAR(32) column, as SQLAlchemy stores them. Nothing is allocated; the only
** outside source is the kernel's random generator.
*/
#ifndef PL_UUID_H
#define PL_UUID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Sizes of the texts, with the closing zero. */
#define PL_UUID_TEXT 37
#define PL_UUID_HEX  33

typedef struct pl_uuid {
    uint8_t byte[16];
} pl_uuid;

/* Reads the canonical form or 32 hex digits, in either case; false for anything else (the
 * result is then untouched). */
bool pl_uuid_parse(const char *text, size_t len, pl_uuid *out);

void pl_uuid_format(const pl_uuid *u, char out[PL_UUID_TEXT]);
void pl_uuid_store(const pl_uuid *u, char out[PL_UUID_HEX]);

/* A version 4 UUID from getrandom(2); false when the kernel refuses. */
bool pl_uuid_random(pl_uuid *out);

#endif
