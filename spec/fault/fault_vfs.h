/* SPDX-License-Identifier: MIT */
/*
** fault_vfs.h - a file system for SQLite whose nth operation fails.
**
** Register one, open "file:PATH?vfs=NAME" with it, arm it, run a scenario, and look
*whether
** anything failed; the next round arms one operation later:
**
**     for (long n = 1;; n++) {
**         fault_vfs_arm(&v, FAULT_ALL, n, false);
**         ... the scenario ...
**         if (fault_vfs_disarm(&v) == 0)
**             break;
**     }
**
** Everything else goes to the system's own file system. Memory mapping is refused, so
*that
** every read is an operation.
*/
#ifndef FAULT_VFS_H
#define FAULT_VFS_H

#include <sqlite3.h>
#include <stdbool.h>

enum {
    FAULT_READ = 1,
    FAULT_WRITE = 2,
    FAULT_SYNC = 4,
    FAULT_TRUNCATE = 8,
    FAULT_SHM = 16, /* the memory that processes share in WAL mode */
    FAULT_OPEN = 32,
    FAULT_DELETE = 64,
    FAULT_ALL = 127
};

typedef struct fault_vfs {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    unsigned kinds;  /* operations that count */
    long fail_at;    /* the first that fails; 0 none */
    bool persistent; /* and all that follow */
    bool full;       /* failing writes say that the disk is full */
    long count, failed;
} fault_vfs;

/* Registers under a name, which stays the caller's; the fault_vfs must stay in place. */
int fault_vfs_register(fault_vfs *v, const char *name);
void fault_vfs_unregister(fault_vfs *v);

/* The nth operation of these kinds from now on fails. */
void fault_vfs_arm(fault_vfs *v, unsigned kinds, long n, bool persistent);

/* Nothing fails any more; returns how many operations did. */
long fault_vfs_disarm(fault_vfs *v);

#endif
