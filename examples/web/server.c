/* SPDX-License-Identifier: MIT */
/*
 * A small web server around Perilune: the blog of the tutorial, with pages and a JSON API
 * written in Lua.
 *
 *     webserver APP-FOLDER DATA-FOLDER PORT [WORKERS]
 *
 * libmicrohttpd runs the workers, each a thread with a host of its own, made at its first
 * request. A request is a context: the Lua function handle(request) is called in it, and
 * it commits when the status is below 400. When a Lua file has changed, the worker makes
 * a new host; when that fails, the one it has goes on. The server ends with its input.
 */
#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <microhttpd.h>
#include <perilune.h>

enum { BODY_BYTES = 1 << 20, WORKERS = 2, WORKERS_MOST = 64 };

typedef struct server {
    const char *app, *data;
    pthread_key_t worker;
} server;

typedef struct worker {
    perilune_host *host;
    int64_t version; /* of the Lua files when the host was made */
} worker;

/* What has come of a request's body. */
typedef struct body {
    char *bytes;
    size_t size;
    bool too_large;
} body;

/* ---- hosts ----------------------------------------------------------------------- */

static perilune_value text(const char *s) {
    return (perilune_value){PERILUNE_TEXT, strlen(s), {.text = s}};
}

/* A number that changes when a Lua file of the app does. */
static int64_t version_of(const char *folder) {
    char path[4096];
    int64_t version = 1;
    struct stat st;
    const struct dirent *e;
    DIR *dir = opendir(folder);
    while (dir && (e = readdir(dir))) {
        const char *dot = strrchr(e->d_name, '.');
        int n = snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        if (!dot || strcmp(dot, ".lua") != 0 || n >= (int)sizeof path ||
            stat(path, &st) != 0)
            continue;
        version = (int64_t)((uint64_t)version * 31 + (uint64_t)st.st_mtim.tv_sec);
        version = (int64_t)((uint64_t)version * 31 + (uint64_t)st.st_mtim.tv_nsec);
        version = (int64_t)((uint64_t)version * 31 + (uint64_t)st.st_size);
    }
    if (dir)
        closedir(dir);
    return version;
}

static perilune_host *new_host(const server *s) {
    perilune_host *host;
    perilune_config config;
    char path[4096];
    perilune_config_init(&config);
    config.memory = 256 << 20;
    config.milliseconds = 5000;
    perilune_value folder = text(s->data);
    int code = perilune_host_new(&host, &config);
    (void)snprintf(path, sizeof path, "%s/main.lua", s->app);
    if (code == PERILUNE_OK)
        code = perilune_path(host, s->app);
    if (code == PERILUNE_OK)
        code = perilune_set(host, "folder", &folder);
    if (code == PERILUNE_OK)
        code = perilune_run_file(host, path, 0, NULL, NULL);
    if (code == PERILUNE_OK)
        return host;
    fprintf(stderr, "%s\n", perilune_error_of(host)->message);
    perilune_host_free(host);
    return NULL;
}

static perilune_host *current_host(const server *s) {
    worker *w = pthread_getspecific(s->worker);
    if (!w) {
        w = calloc(1, sizeof *w);
        if (!w)
            return NULL;
        pthread_setspecific(s->worker, w);
    }
    int64_t version = version_of(s->app);
    if (version != w->version) {
        perilune_host *host = new_host(s);
        w->version = version;
        if (host) {
            perilune_host_free(w->host);
            w->host = host;
        }
    }
    return w->host;
}

static void end_worker(void *p) {
    worker *w = p;
    perilune_host_free(w->host);
    free(w);
}

/* ---- answers --------------------------------------------------------------------- */

static enum MHD_Result answer(struct MHD_Connection *c, unsigned status, const char *type,
                              const char *bytes, size_t size) {
    struct MHD_Response *r =
        MHD_create_response_from_buffer(size, (void *)bytes, MHD_RESPMEM_MUST_COPY);
    if (!r)
        return MHD_NO;
    MHD_add_response_header(r, "Content-Type", type);
    enum MHD_Result done = MHD_queue_response(c, status, r);
    MHD_destroy_response(r);
    return done;
}

static enum MHD_Result answer_text(struct MHD_Connection *c, unsigned status,
                                   const char *message) {
    return answer(c, status, "text/plain; charset=utf-8", message, strlen(message));
}

/* The texts and the status of what handle returned; false when it is not an answer. */
static bool read_answer(const perilune_value *map, unsigned *status, const char **type,
                        const perilune_value **bytes) {
    const perilune_value *s = perilune_field(map, "status");
    const perilune_value *t = perilune_field(map, "type");
    *bytes = perilune_field(map, "body");
    if (!s || s->type != PERILUNE_INTEGER || !t || t->type != PERILUNE_TEXT || !*bytes ||
        (*bytes)->type != PERILUNE_TEXT || s->as.integer < 100 || s->as.integer > 599)
        return false;
    *status = (unsigned)s->as.integer;
    *type = t->as.text;
    return true;
}

/* Calls handle in a context. The answer is given when the commit is done. */
static enum MHD_Result serve(struct MHD_Connection *c, perilune_host *host,
                             const perilune_value *request) {
    perilune_result *result = NULL;
    unsigned status = 500;
    const char *type = NULL;
    const perilune_value *bytes = NULL;
    int code = perilune_context_push(host, NULL);
    if (code == PERILUNE_OK) {
        code = perilune_call_function(host, "handle", 1, request, &result);
        bool good = code == PERILUNE_OK &&
                    read_answer(perilune_result_at(result, 0), &status, &type, &bytes);
        if (code != PERILUNE_OK)
            fprintf(stderr, "%s\n", perilune_error_of(host)->message);
        if (perilune_context_pop(host, good && status < 400) != PERILUNE_OK) {
            fprintf(stderr, "%s\n", perilune_error_of(host)->message);
            good = false;
        }
        code = good ? PERILUNE_OK : PERILUNE_ERUNTIME;
    }
    enum MHD_Result done = code == PERILUNE_OK
                               ? answer(c, status, type, bytes->as.text, bytes->size)
                               : answer_text(c, 500, "the server has failed\n");
    perilune_result_free(result);
    return done;
}

/* ---- requests -------------------------------------------------------------------- */

static void take_body(body *b, const char *data, size_t size) {
    char *bytes = b->too_large || b->size + size > BODY_BYTES
                      ? NULL
                      : realloc(b->bytes, b->size + size + 1);
    if (!bytes) {
        b->too_large = true;
        return;
    }
    memcpy(bytes + b->size, data, size);
    b->bytes = bytes;
    b->size += size;
}

static enum MHD_Result on_request(void *ud, struct MHD_Connection *c, const char *url,
                                  const char *method, const char *version,
                                  const char *data, size_t *size, void **state) {
    body *b = *state;
    (void)version;
    if (!b) {
        *state = b = calloc(1, sizeof *b);
        return b ? MHD_YES : MHD_NO;
    }
    if (*size > 0) {
        take_body(b, data, *size);
        *size = 0;
        return MHD_YES;
    }
    if (b->too_large)
        return answer_text(c, 413, "the body is too large\n");
    perilune_host *host = current_host(ud);
    if (!host)
        return answer_text(c, 500, "the application cannot be loaded\n");
    perilune_value bytes = {PERILUNE_TEXT, b->size, {.text = b->bytes ? b->bytes : ""}};
    perilune_pair fields[] = {
        {text("method"), text(method)}, {text("path"), text(url)}, {text("body"), bytes}};
    perilune_value request = {PERILUNE_MAP, 3, {.pairs = fields}};
    return serve(c, host, &request);
}

static void on_end(void *ud, struct MHD_Connection *c, void **state,
                   enum MHD_RequestTerminationCode how) {
    body *b = *state;
    (void)ud, (void)c, (void)how;
    if (b)
        free(b->bytes);
    free(b);
}

/* The tables are made before workers ask for them at the same time. */
static bool prepare(const server *s) {
    perilune_host *host = new_host(s);
    perilune_host_free(host);
    return host != NULL;
}

static struct MHD_Daemon *start(server *s, unsigned port, unsigned workers) {
    return MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, (uint16_t)port, NULL, NULL,
                            on_request, s, MHD_OPTION_NOTIFY_COMPLETED, on_end, NULL,
                            MHD_OPTION_THREAD_POOL_SIZE, workers, MHD_OPTION_END);
}

int main(int argc, char **argv) {
    if (argc < 4) {
        fprintf(stderr, "usage: %s APP-FOLDER DATA-FOLDER PORT [WORKERS]\n", argv[0]);
        return 1;
    }
    server s = {.app = argv[1], .data = argv[2]};
    unsigned port = (unsigned)strtoul(argv[3], NULL, 10);
    unsigned workers = argc > 4 ? (unsigned)strtoul(argv[4], NULL, 10) : WORKERS;
    if (workers < 2 || workers > WORKERS_MOST)
        workers = WORKERS;
    if (pthread_key_create(&s.worker, end_worker) != 0 || !prepare(&s))
        return 1;
    struct MHD_Daemon *daemon = start(&s, port, workers);
    if (!daemon) {
        fprintf(stderr, "cannot listen on port %u\n", port);
        return 1;
    }
    printf("listening on port %u\n",
           (unsigned)MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
    fflush(stdout);
    while (getchar() != EOF)
        continue;
    MHD_stop_daemon(daemon);
    return 0;
}
