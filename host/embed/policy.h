/* SPDX-License-Identifier: MIT */
/*
 * policy.h - what scripts of a sandbox may do with databases.
 *
 * A policy is read from the table that a policy file returns, and asked by the watch of
 * the bindings: which files may be opened, what every statement that is compiled may
 * read and write, wherever its text comes from. The rules on rows are a view through
 * which a table is read and triggers on what is written, both temporary objects of each
 * connection. Owned by the guard's owner; texts live as long as the policy.
 */
#ifndef EMBED_POLICY_H
#define EMBED_POLICY_H

#include "guard.h"

typedef struct policy policy;

/* The rules without a policy file, or NULL when memory is short: those of a sandbox that
 * is allowed `allow`, or without one. */
policy *policy_new(bool sandbox, unsigned allow, bool readonly);
void policy_free(policy *p);

/* Reads a policy from what its file returned; limits and permissions go to the guard and
 * *allow. 0, or PERILUNE_EPOLICY and what is wrong in message. */
int policy_read(policy *p, const perilune_value *value, guard *g, unsigned *allow,
                char *message, size_t size);

/* Lets the watch of a guard ask the policy too. variable gives a variable of the context
 * in force, a plain value; what it gives is copied at once. */
typedef void (*policy_variable)(void *ud, const char *name, perilune_value *out);
void policy_watch(policy *p, guard *g, pl_watch *watch, policy_variable variable,
                  void *ud);

#endif
