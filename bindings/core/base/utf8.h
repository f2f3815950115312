/* SPDX-License-Identifier: MIT */
/*
** utf8.h - what the ORM needs of UTF-8: validity and length in characters.
*/
#ifndef PL_UTF8_H
#define PL_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Number of characters of n bytes, or -1 when they are not valid UTF-8. */
int64_t pl_utf8_len(const char *s, size_t n);

/*
** The name among `names` (NULL-terminated) nearest to `name` by edit distance, or NULL
** when none is near enough to be a likely slip.
*/
const char *pl_nearest(const char *name, const char *const *names);

#endif
