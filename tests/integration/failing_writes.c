/* LD_PRELOAD library: the n-th write below a folder fails, and so do all that follow until REPEAT are over.
 *
 * FAILING_WRITES_BELOW   folder whose files count (a prefix of their paths)
 * FAILING_WRITES_AT      number of the first call that fails, from 1; 0 for none
 * FAILING_WRITES_REPEAT  how many calls fail; 0 for all from then on
 * FAILING_WRITES_ERRNO   number of the error
 * FAILING_WRITES_LOG     file with one line per call that failed and, at the end, the number of calls
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

static atomic_long calls;

static const char *setting(const char *name) {
    const char *value = getenv(name);
    return value ? value : "";
}

static void note(const char *text) {
    static int (*open_)(const char *, int, ...);
    static ssize_t (*write_)(int, const void *, size_t);
    if (!open_) open_ = dlsym(RTLD_NEXT, "open");
    if (!write_) write_ = dlsym(RTLD_NEXT, "write");
    int log = open_(setting("FAILING_WRITES_LOG"), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (log < 0) return;
    if (write_(log, text, strlen(text)) < 0) { /* a log that cannot be written fails its test */ }
    close(log);
}

/* Whether this call, on a file of this path, is one that has to fail; sets errno. */
static int fails_on_path(const char *call, const char *path) {
    const char *below = setting("FAILING_WRITES_BELOW");
    if (!*below || strncmp(path, below, strlen(below)) != 0) return 0;
    long number = atomic_fetch_add(&calls, 1) + 1;
    long first = atol(setting("FAILING_WRITES_AT")), repeat = atol(setting("FAILING_WRITES_REPEAT"));
    if (first <= 0 || number < first || (repeat > 0 && number >= first + repeat)) return 0;
    if (number < first + 3) {
        char line[PATH_MAX + 64];
        snprintf(line, sizeof line, "%ld %s %s\n", number, call, path);
        note(line);
    }
    errno = atoi(setting("FAILING_WRITES_ERRNO"));
    return 1;
}

static int fails(const char *call, int descriptor) {
    int before = errno;
    char link[64], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    errno = before;
    if (length < 0) return 0;
    path[length] = 0;
    return fails_on_path(call, path);
}

static int fails_on_name(const char *call, const char *name) {
    char path[PATH_MAX];
    if (*name == '/') return fails_on_path(call, name);
    if (!getcwd(path, sizeof path)) return 0;
    size_t length = strlen(path);
    snprintf(path + length, sizeof path - length, "/%s", name);
    return fails_on_path(call, path);
}

#define REAL(type, name, parameters) \
    static type (*real) parameters; \
    if (!real) real = (type(*) parameters)dlsym(RTLD_NEXT, #name)

#define ON_DESCRIPTOR(type, name, parameters, ...) \
    type name parameters { \
        REAL(type, name, parameters); \
        return fails(#name, fd) ? -1 : real(__VA_ARGS__); \
    }

ON_DESCRIPTOR(ssize_t, write, (int fd, const void *data, size_t size), fd, data, size)
ON_DESCRIPTOR(ssize_t, pwrite, (int fd, const void *data, size_t size, off_t at), fd, data, size, at)
ON_DESCRIPTOR(ssize_t, pwrite64, (int fd, const void *data, size_t size, off64_t at), fd, data, size, at)
ON_DESCRIPTOR(ssize_t, writev, (int fd, const struct iovec *parts, int n), fd, parts, n)
/* A full disk lets a file become shorter. */
#define TRUNCATE(name, length) \
    int name(int fd, length size) { \
        REAL(int, name, (int, length)); \
        int is_full = atoi(setting("FAILING_WRITES_ERRNO")) == ENOSPC; \
        struct stat now; \
        if (is_full && fstat(fd, &now) == 0 && size <= now.st_size) return real(fd, size); \
        return fails(#name, fd) ? -1 : real(fd, size); \
    }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)
ON_DESCRIPTOR(int, fallocate, (int fd, int mode, off_t at, off_t size), fd, mode, at, size)
ON_DESCRIPTOR(int, fallocate64, (int fd, int mode, off64_t at, off64_t size), fd, mode, at, size)
ON_DESCRIPTOR(int, fsync, (int fd), fd)
ON_DESCRIPTOR(int, fdatasync, (int fd), fd)

int rename(const char *from, const char *to) {
    REAL(int, rename, (const char *, const char *));
    return fails_on_name("rename", to) ? -1 : real(from, to);
}

__attribute__((destructor)) static void count(void) {
    char line[64];
    snprintf(line, sizeof line, "calls %ld\n", (long)calls);
    note(line);
}
