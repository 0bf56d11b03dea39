/*
 * Opening files that are appended to; see log_file.h.
 */
#include "base/log_file.h"

#include "base/slice.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

enum {
	LOG_FILE_MODE = 0640,
	LOG_FILE_FLAGS = O_WRONLY | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK
};

int
log_file_open(const char *path)
{
	int fd = open(path, LOG_FILE_FLAGS | O_CREAT, LOG_FILE_MODE);

	return fd < 0 ? ERR_SYSTEM : fd;
}

/* Whether a file could be made there. */
static int
check_folder(const char *path)
{
	const char *slash = strrchr(path, '/');
	char folder[PATH_MAX];
	size_t len = slash ? (size_t)(slash - path) + 1 : 0;

	if (len >= sizeof(folder)) {
		errno = ENAMETOOLONG;
		return ERR_SYSTEM;
	}
	memcpy(folder, len ? path : "./", len ? len : 2);
	folder[len ? len : 2] = '\0';
	return faccessat(AT_FDCWD, folder, W_OK | X_OK, AT_EACCESS) == 0 ? 0 : ERR_SYSTEM;
}

int
log_file_check(const char *path)
{
	int fd = open(path, LOG_FILE_FLAGS);

	if (fd < 0)
		return errno == ENOENT ? check_folder(path) : ERR_SYSTEM;
	close(fd);
	return 0;
}

const char *
log_file_advice(int number)
{
	switch (number) {
	case ENOENT:
	case ENOTDIR:
		return ": make its directory, or change the key";
	case EACCES:
	case EPERM:
		return ": let this user write there, or change the key";
	case EROFS:
		return ": the file system is read-only, change the key";
	case EISDIR:
		return ": name a file in it";
	case ENXIO:
		return ": nobody reads from this FIFO";
	default:
		return "";
	}
}
