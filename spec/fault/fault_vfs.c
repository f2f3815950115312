/* SPDX-License-Identifier: MIT */
/*
** fault_vfs.c - see fault_vfs.h. A file of ours is followed in memory by the real one.
*/
#include "fault_vfs.h"

#include <string.h>

typedef struct fault_file {
    sqlite3_file base;
    fault_vfs *v;
} fault_file;

static sqlite3_file *real_of(sqlite3_file *f) {
    return (sqlite3_file *)((fault_file *)f + 1);
}

/* Whether this operation is one that fails. */
static bool fails(fault_vfs *v, unsigned kind) {
    if (!(v->kinds & kind) || v->fail_at == 0)
        return false;
    v->count++;
    if (v->count < v->fail_at || (v->count > v->fail_at && !v->persistent))
        return false;
    v->failed++;
    return true;
}

static bool file_fails(sqlite3_file *f, unsigned kind) {
    return fails(((fault_file *)f)->v, kind);
}

static int fault_close(sqlite3_file *f) {
    sqlite3_file *real = real_of(f);
    return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int fault_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at) {
    if (file_fails(f, FAULT_READ))
        return SQLITE_IOERR_READ;
    return real_of(f)->pMethods->xRead(real_of(f), p, n, at);
}

static int fault_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at) {
    if (file_fails(f, FAULT_WRITE))
        return ((fault_file *)f)->v->full ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    return real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}

static int fault_truncate(sqlite3_file *f, sqlite3_int64 size) {
    if (file_fails(f, FAULT_TRUNCATE))
        return SQLITE_IOERR_TRUNCATE;
    return real_of(f)->pMethods->xTruncate(real_of(f), size);
}

static int fault_sync(sqlite3_file *f, int flags) {
    if (file_fails(f, FAULT_SYNC))
        return SQLITE_IOERR_FSYNC;
    return real_of(f)->pMethods->xSync(real_of(f), flags);
}

static int fault_size(sqlite3_file *f, sqlite3_int64 *size) {
    return real_of(f)->pMethods->xFileSize(real_of(f), size);
}

static int fault_lock(sqlite3_file *f, int level) {
    return real_of(f)->pMethods->xLock(real_of(f), level);
}

static int fault_unlock(sqlite3_file *f, int level) {
    return real_of(f)->pMethods->xUnlock(real_of(f), level);
}

static int fault_check(sqlite3_file *f, int *out) {
    return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out);
}

static int fault_control(sqlite3_file *f, int op, void *arg) {
    return real_of(f)->pMethods->xFileControl(real_of(f), op, arg);
}

static int fault_sector(sqlite3_file *f) {
    return real_of(f)->pMethods->xSectorSize(real_of(f));
}

static int fault_device(sqlite3_file *f) {
    return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f));
}

static int fault_shm_map(sqlite3_file *f, int page, int size, int extend,
                         void volatile **out) {
    if (file_fails(f, FAULT_SHM)) {
        *out = NULL;
        return SQLITE_IOERR_SHMMAP;
    }
    return real_of(f)->pMethods->xShmMap(real_of(f), page, size, extend, out);
}

/* Giving a lock back cannot fail in a way that anybody could act on. */
static int fault_shm_lock(sqlite3_file *f, int offset, int n, int flags) {
    if ((flags & SQLITE_SHM_LOCK) && file_fails(f, FAULT_SHM))
        return SQLITE_IOERR_SHMLOCK;
    return real_of(f)->pMethods->xShmLock(real_of(f), offset, n, flags);
}

static void fault_shm_barrier(sqlite3_file *f) {
    real_of(f)->pMethods->xShmBarrier(real_of(f));
}

static int fault_shm_unmap(sqlite3_file *f, int del) {
    return real_of(f)->pMethods->xShmUnmap(real_of(f), del);
}

static int fault_fetch(sqlite3_file *f, sqlite3_int64 at, int n, void **out) {
    (void)f, (void)at, (void)n;
    *out = NULL;
    return SQLITE_OK;
}

static int fault_unfetch(sqlite3_file *f, sqlite3_int64 at, void *p) {
    (void)f, (void)at, (void)p;
    return SQLITE_OK;
}

static const sqlite3_io_methods methods = {
    .iVersion = 3,
    .xClose = fault_close,
    .xRead = fault_read,
    .xWrite = fault_write,
    .xTruncate = fault_truncate,
    .xSync = fault_sync,
    .xFileSize = fault_size,
    .xLock = fault_lock,
    .xUnlock = fault_unlock,
    .xCheckReservedLock = fault_check,
    .xFileControl = fault_control,
    .xSectorSize = fault_sector,
    .xDeviceCharacteristics = fault_device,
    .xShmMap = fault_shm_map,
    .xShmLock = fault_shm_lock,
    .xShmBarrier = fault_shm_barrier,
    .xShmUnmap = fault_shm_unmap,
    .xFetch = fault_fetch,
    .xUnfetch = fault_unfetch,
};

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags,
                      int *out) {
    fault_vfs *v = vfs->pAppData;
    f->pMethods = NULL;
    if (fails(v, FAULT_OPEN))
        return SQLITE_CANTOPEN;
    ((fault_file *)f)->v = v;
    real_of(f)->pMethods = NULL;
    int rc = v->real->xOpen(v->real, name, real_of(f), flags, out);
    if (real_of(f)->pMethods)
        f->pMethods = &methods;
    return rc;
}

static int fault_delete(sqlite3_vfs *vfs, const char *name, int sync) {
    fault_vfs *v = vfs->pAppData;
    if (fails(v, FAULT_DELETE))
        return SQLITE_IOERR_DELETE;
    return v->real->xDelete(v->real, name, sync);
}

int fault_vfs_register(fault_vfs *v, const char *name) {
    memset(v, 0, sizeof *v);
    v->real = sqlite3_vfs_find(NULL);
    if (!v->real)
        return SQLITE_ERROR;
    v->vfs = *v->real; /* what is not replaced is handed the real one's own data */
    v->vfs.pNext = NULL;
    v->vfs.zName = name;
    v->vfs.pAppData = v;
    v->vfs.szOsFile = (int)sizeof(fault_file) + v->real->szOsFile;
    v->vfs.xOpen = fault_open;
    v->vfs.xDelete = fault_delete;
    return sqlite3_vfs_register(&v->vfs, 0);
}

void fault_vfs_unregister(fault_vfs *v) {
    (void)sqlite3_vfs_unregister(&v->vfs);
}

void fault_vfs_arm(fault_vfs *v, unsigned kinds, long n, bool persistent) {
    v->kinds = kinds;
    v->fail_at = n;
    v->persistent = persistent;
    v->count = v->failed = 0;
}

long fault_vfs_disarm(fault_vfs *v) {
    v->fail_at = 0;
    return v->failed;
}
