// Loaded before the C library (LD_PRELOAD) into a program of a test: makes its clock wrong and its disk full, as a file says.
//
// CHIMERA_SHIM names the file, two 64-bit numbers: microseconds that are added to the real time, and how full the disk is: 0 not,
// 1 no data file of PostgreSQL can grow, 2 no file in a folder "data" can. What lies in a file already can be overwritten, as on a
// real full disk. The monotonic clock stays right, as it does when a machine's clock is set.
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

static volatile const int64_t *state;

__attribute__((constructor)) static void find_state(void) {
    const char *path = getenv("CHIMERA_SHIM");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) { return; }
    void *mapped = mmap(NULL, 16, PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) { state = mapped; }
}

// MARK: the clock

int clock_gettime(clockid_t clock, struct timespec *now) {
    int result = (int)syscall(SYS_clock_gettime, clock, now);
    if (result == 0 && state && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t nanoseconds = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + state[0] * 1000;
        now->tv_sec = nanoseconds / 1000000000;
        now->tv_nsec = nanoseconds % 1000000000;
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec exact;
    (void)zone;
    clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *now) {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (now) { *now = exact.tv_sec; }
    return exact.tv_sec;
}

// MARK: the disk

static int is_full(int file, int64_t end) {
    char link[64], path[1024];
    struct stat known;
    if (!state || state[1] == 0) { return 0; }
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length < 0) { return 0; }
    path[length] = 0;
    if (!strstr(path, state[1] == 1 ? "/data/base/" : "/data/")) { return 0; }
    if (fstat(file, &known) != 0 || !S_ISREG(known.st_mode) || end <= known.st_size) { return 0; }
    errno = ENOSPC;
    return 1;
}

static int64_t total(const struct iovec *parts, int count) {
    int64_t bytes = 0;
    for (int i = 0; i < count; i++) { bytes += (int64_t)parts[i].iov_len; }
    return bytes;
}

ssize_t pwrite64(int file, const void *bytes, size_t count, off64_t at) {
    return is_full(file, at + (int64_t)count) ? -1 : syscall(SYS_pwrite64, file, bytes, count, at);
}
ssize_t pwrite(int file, const void *bytes, size_t count, off_t at) { return pwrite64(file, bytes, count, at); }

ssize_t pwritev64(int file, const struct iovec *parts, int count, off64_t at) {
    return is_full(file, at + total(parts, count)) ? -1 : syscall(SYS_pwritev, file, parts, count, at, 0);
}
ssize_t pwritev(int file, const struct iovec *parts, int count, off_t at) { return pwritev64(file, parts, count, at); }

ssize_t write(int file, const void *bytes, size_t count) {
    if (state && state[1] == 2) {
        int64_t at = syscall(SYS_lseek, file, 0, SEEK_CUR);
        if (at >= 0 && is_full(file, at + (int64_t)count)) { return -1; }
    }
    return syscall(SYS_write, file, bytes, count);
}

// posix_fallocate gives its error and leaves errno alone.
int posix_fallocate64(int file, off64_t at, off64_t count) {
    if (is_full(file, at + count)) { return ENOSPC; }
    return syscall(SYS_fallocate, file, 0, at, count) == 0 ? 0 : errno;
}
int posix_fallocate(int file, off_t at, off_t count) { return posix_fallocate64(file, at, count); }
