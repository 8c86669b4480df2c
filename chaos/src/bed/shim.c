/* Stands between a node and the C library, switched by a file that both see: syncs that fail, a wall clock
 * that is ahead. Built by the chaos run and loaded with LD_PRELOAD; no part of any product. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

struct control {
    volatile int64_t fail_syncs;
    volatile int64_t wall_ahead_s;
    volatile int64_t failed;
    volatile int64_t read_ahead;
};

static struct control none;
static struct control *control = &none;
static int (*next_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    next_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    const char *path = getenv("KEYRAFT_CHAOS_CONTROL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *page = mmap(NULL, sizeof none, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (page != MAP_FAILED) control = page;
}

static int sync_with(long call, int fd) {
    if (control->fail_syncs) {
        control->failed++;
        errno = EIO;
        return -1;
    }
    return (int)syscall(call, fd);
}

int fsync(int fd) { return sync_with(SYS_fsync, fd); }
int fdatasync(int fd) { return sync_with(SYS_fdatasync, fd); }

int clock_gettime(clockid_t id, struct timespec *out) {
    int failed = next_clock_gettime ? next_clock_gettime(id, out) : (int)syscall(SYS_clock_gettime, id, out);
    if (!failed && id == CLOCK_REALTIME && control->wall_ahead_s) {
        out->tv_sec += control->wall_ahead_s;
        control->read_ahead = 1;
    }
    return failed;
}
