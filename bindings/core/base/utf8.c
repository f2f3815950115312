/* SPDX-License-Identifier: MIT */
/*
** utf8.c - see utf8.h.
*/
#include "core/base/utf8.h"

#include <string.h>

/* Length of the sequence at s, 0 when invalid. */
static size_t sequence(const unsigned char *s, size_t n) {
    if (s[0] < 0x80)
        return 1;
    size_t len = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
    if (s[0] < 0xc2 || s[0] > 0xf4 || len > n)
        return 0;
    for (size_t i = 1; i < len; i++)
        if ((s[i] & 0xc0) != 0x80)
            return 0;
    if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
        (s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
        return 0;
    return len;
}

int64_t pl_utf8_len(const char *s, size_t n) {
    int64_t count = 0;
    while (n > 0) {
        size_t len = sequence((const unsigned char *)s, n);
        if (len == 0)
            return -1;
        s += len;
        n -= len;
        count++;
    }
    return count;
}

enum { NAME_MAX_LEN = 64 };

/* Edits between two names of at most NAME_MAX_LEN bytes; swapped neighbours are one. */
static size_t distance(const char *a, size_t na, const char *b, size_t nb) {
    size_t rows[3][NAME_MAX_LEN + 1];
    for (size_t j = 0; j <= nb; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= na; i++) {
        const size_t *above = rows[(i - 1) % 3], *before = rows[(i + 1) % 3];
        size_t *row = rows[i % 3];
        row[0] = i;
        for (size_t j = 1; j <= nb; j++) {
            row[j] = above[j - 1] + (a[i - 1] != b[j - 1]);
            if (above[j] + 1 < row[j])
                row[j] = above[j] + 1;
            if (row[j - 1] + 1 < row[j])
                row[j] = row[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < row[j])
                row[j] = before[j - 2] + 1;
        }
    }
    return rows[na % 3][nb];
}

const char *pl_nearest(const char *name, const char *const *names) {
    size_t len = strlen(name);
    size_t best = len / 3 + 1;
    const char *found = NULL;
    if (len > NAME_MAX_LEN)
        return NULL;
    for (; *names; names++) {
        size_t n = strlen(*names);
        size_t d = n > NAME_MAX_LEN ? best + 1 : distance(name, len, *names, n);
        if (d < best || (d == best && !found)) {
            best = d;
            found = *names;
        }
    }
    return found;
}
