/* SPDX-License-Identifier: MIT */
/*
** uuid.c - reading and writing UUIDs.
**
** The canonical form has hyphens before the bytes 4, 6, 8 and 10 and nowhere else; a text
** is read whole into a local value first, so that a refusal leaves the caller's alone.
*/
#include "core/schema/uuid.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

static int hex_value(char c) {
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    if (c >= 'A' && c <= 'F')
        return c - 'A' + 10;
    return -1;
}

static bool hyphen_before(int byte) {
    return byte == 4 || byte == 6 || byte == 8 || byte == 10;
}

bool pl_uuid_parse(const char *text, size_t len, pl_uuid *out) {
    bool hyphens = len == PL_UUID_TEXT - 1;
    pl_uuid u;
    if (!hyphens && len != PL_UUID_HEX - 1)
        return false;
    for (int i = 0; i < 16; i++) {
        if (hyphens && hyphen_before(i) && *text++ != '-')
            return false;
        int high = hex_value(*text++), low = hex_value(*text++);
        if (high < 0 || low < 0)
            return false;
        u.byte[i] = (uint8_t)(high << 4 | low);
    }
    *out = u;
    return true;
}

static void put_hex(const pl_uuid *u, bool hyphens, char *p) {
    static const char digit[] = "0123456789abcdef";
    for (int i = 0; i < 16; i++) {
        if (hyphens && hyphen_before(i))
            *p++ = '-';
        *p++ = digit[u->byte[i] >> 4];
        *p++ = digit[u->byte[i] & 15];
    }
    *p = '\0';
}

void pl_uuid_format(const pl_uuid *u, char out[PL_UUID_TEXT]) {
    put_hex(u, true, out);
}

void pl_uuid_store(const pl_uuid *u, char out[PL_UUID_HEX]) {
    put_hex(u, false, out);
}

bool pl_uuid_random(pl_uuid *out) {
    pl_uuid u;
    ssize_t n;
    do
        n = getrandom(u.byte, sizeof u.byte, 0);
    while (n < 0 && errno == EINTR);
    if (n != (ssize_t)sizeof u.byte) /* up to 256 bytes come whole or not at all */
        return false;
    u.byte[6] = (uint8_t)((u.byte[6] & 0x0f) | 0x40);
    u.byte[8] = (uint8_t)((u.byte[8] & 0x3f) | 0x80);
    *out = u;
    return true;
}
