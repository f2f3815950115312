/* SPDX-License-Identifier: MIT */
/*
** join.h - how the tables of two mappers are joined: what relation.c asks of join.c.
*/
#ifndef PL_JOIN_H
#define PL_JOIN_H

#include "core/unit/mapper.h"

/*
** Finds direction, pairs, far pairs, `simple` and the join conditions of a relation whose
** target (and secondary) is known and whose foreign keys are resolved. Errors:
** PL_ENOFOREIGNKEYS, PL_EAMBIGUOUS, PL_EARGUMENT, PL_ENOREFCOLUMN.
*/
pl_code pl_join_find(pl_relation *r, pl_error *err);

/* The same by turning round the relation on the other side. */
pl_code pl_join_mirror(pl_relation *r, const pl_relation *other, pl_error *err);

/* Whether the join was spelled out at least in part. */
bool pl_join_is_explicit(const pl_relation *r);

/* Whether two relations are the two directions of one join. */
bool pl_join_is_mirror(const pl_relation *a, const pl_relation *b);

/* A foreign key by which one table of a mapper refers to another of the same mapper:
** what a table of joined inheritance is joined by. */
bool pl_join_is_inheritance(const pl_mapper *m, const pl_constraint *fk);

#endif
