/*
 * Files below a root; see file_open.h.
 */
#include "source/file_open.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

/* O_NONBLOCK: a FIFO without a writer must not hold us; it is refused after fstat. */
enum {
	OPEN_FLAGS = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY,
	RESOLVE_FLAGS = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS,
	/* The kernel gives up with EAGAIN when names below the root are moved meanwhile. */
	RACES_MAX = 8,
};

static int
open_beneath(int root, const char *name, uint64_t flags, uint64_t resolve)
{
	struct open_how how = { .flags = flags, .resolve = resolve };

	return (int)syscall(SYS_openat2, root, name, &how, sizeof(how));
}

static int
open_error(int number)
{
	switch (number) {
	case EAGAIN:
		return ERR_BUSY;
	case ENOENT:
	case ENOTDIR:
	case ELOOP: /* too many links, or one of /proc */
	case EXDEV: /* out of the root */
	case ENAMETOOLONG:
	case ENXIO: /* a socket, or a device that is not there */
	case ENODEV:
	case EISDIR:
		return ERR_NOT_FOUND;
	case EACCES:
	case EPERM:
		return ERR_FORBIDDEN;
	case EMFILE:
	case ENFILE:
	case ENOMEM:
		return ERR_FULL;
	default:
		return ERR_FAILED;
	}
}

int
file_open_root(const char *path)
{
	int root = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int probe, failed;

	if (root < 0)
		return open_error(errno);
	/* Names are looked up in it, so it must be searchable; and openat2 must be there. */
	probe = open_beneath(root, ".", O_PATH | O_DIRECTORY | O_CLOEXEC, RESOLVE_FLAGS);
	failed = probe < 0 ? errno : 0;
	if (probe >= 0)
		close(probe);
	if (!failed && faccessat(root, ".", X_OK, AT_EACCESS) != 0)
		failed = errno;
	if (!failed)
		return root;
	close(root);
	return failed == ENOSYS ? ERR_UNSUPPORTED : open_error(failed);
}

static void
read_facts(const struct stat *st, struct file_facts *facts)
{
	*facts = (struct file_facts){
		.size = (uint64_t)st->st_size,
		.modified_s = st->st_mtim.tv_sec,
		.modified_ns = (uint32_t)st->st_mtim.tv_nsec,
		.changed_s = st->st_ctim.tv_sec,
		.changed_ns = (uint32_t)st->st_ctim.tv_nsec,
		.device = st->st_dev,
		.inode = st->st_ino,
		.is_directory = S_ISDIR(st->st_mode),
	};
}

int
file_facts_of(int fd, struct file_facts *facts)
{
	struct stat st;

	if (fstat(fd, &st) != 0)
		return ERR_FAILED;
	read_facts(&st, facts);
	return 0;
}

/* The descriptor again, if it is of a regular file; else it is closed. */
static int
check_opened(int fd, struct file_facts *facts)
{
	struct stat st;
	int err = 0;

	if (fstat(fd, &st) != 0) {
		err = ERR_FAILED;
	} else {
		read_facts(&st, facts);
		if (!S_ISREG(st.st_mode))
			err = ERR_NOT_FOUND;
	}
	if (err) {
		close(fd);
		return err;
	}
	return fd;
}

static uint64_t
resolve_flags(const struct file_root *root)
{
	return root->has_links ? RESOLVE_FLAGS : RESOLVE_FLAGS | RESOLVE_NO_SYMLINKS;
}

/* May block. */
static int
open_slowly(const struct file_root *root, const char *name, uint64_t flags)
{
	int fd = -1;

	for (int i = 0; i < RACES_MAX && fd < 0; i++) {
		fd = open_beneath(root->fd, name, flags, resolve_flags(root));
		if (fd < 0 && errno != EAGAIN && errno != EINTR)
			return open_error(errno);
	}
	return fd < 0 ? ERR_FAILED : fd;
}

int
file_open(const struct file_root *root, const char *name, struct file_facts *facts)
{
	int fd;

	facts->is_directory = false;
	fd = open_slowly(root, name, OPEN_FLAGS);
	return fd < 0 ? fd : check_opened(fd, facts);
}

int
file_open_now(const struct file_root *root, const char *name, struct file_facts *facts)
{
	int fd;

	facts->is_directory = false;
	fd = open_beneath(root->fd, name, OPEN_FLAGS, resolve_flags(root) | RESOLVE_CACHED);
	if (fd >= 0)
		return check_opened(fd, facts);
	/* EINVAL: RESOLVE_CACHED came with Linux 5.12. */
	return errno == EINVAL || errno == EINTR ? ERR_BUSY : open_error(errno);
}

int
file_open_directory(const struct file_root *root, const char *name)
{
	return open_slowly(root, *name ? name : ".", OPEN_FLAGS | O_DIRECTORY);
}

int
file_look(const struct file_root *root, const char *name, struct file_facts *facts)
{
	int fd = open_slowly(root, name, O_PATH | O_CLOEXEC), err = 0;
	struct stat st;

	if (fd < 0)
		return fd;
	if (fstat(fd, &st) != 0)
		err = ERR_FAILED;
	else if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		err = ERR_NOT_FOUND;
	else
		read_facts(&st, facts);
	close(fd);
	return err;
}

long
file_read(int fd, char *memory, size_t cap, uint64_t offset)
{
	ssize_t n;

	do {
		n = pread(fd, memory, cap, (off_t)offset);
	} while (n < 0 && errno == EINTR);
	return n < 0 ? ERR_FAILED : (long)n;
}

long
file_read_now(int fd, char *memory, size_t cap, uint64_t offset)
{
	struct iovec whole = { memory, cap };
	ssize_t n = preadv2(fd, &whole, 1, (off_t)offset, RWF_NOWAIT);

	if (n >= 0)
		return (long)n;
	/* EOPNOTSUPP: overlayfs, older tmpfs. */
	return errno == EAGAIN || errno == EOPNOTSUPP || errno == EINTR ? ERR_BUSY : ERR_FAILED;
}

/* cachestat(2), of Linux 6.5. */
struct range {
	uint64_t offset, len;
};

struct counts {
	uint64_t cached, dirty, writeback, evicted, recently_evicted;
};

enum { CACHESTAT = 451, PAGE_BYTES = 4096 };

bool
file_is_cached(int fd, uint64_t offset, size_t len)
{
	struct range range = { offset, len };
	struct counts counts = { 0 };
	uint64_t pages = (offset + len - 1) / PAGE_BYTES - offset / PAGE_BYTES + 1;

	if (len == 0 || syscall(CACHESTAT, fd, &range, &counts, 0) != 0)
		return false;
	/* Where pages are larger there are fewer: then it is not known, and is read instead. */
	return counts.cached >= pages;
}
