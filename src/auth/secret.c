/*
 * Reading files of secrets; see secret.h.
 */
#include "auth/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int
read_all(int fd, char *at, size_t room, size_t *len)
{
	*len = 0;
	while (*len < room) {
		ssize_t n = read(fd, at + *len, room - *len);

		if (n == 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return ERR_SYSTEM;
		*len += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int
read_open(int fd, size_t limit, struct arena *a, struct slice *text, const char **why)
{
	struct stat st;
	size_t len;
	char *memory;

	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		*why = "it is no regular file";
		return ERR_FAILED;
	}
	if (st.st_size < 0 || (uint64_t)st.st_size > limit) {
		*why = "it is too large for what it should be";
		return ERR_FAILED;
	}
	memory = arena_alloc(a, (size_t)st.st_size + 1);
	if (!memory)
		return ERR_MEMORY;
	if (read_all(fd, memory, (size_t)st.st_size, &len) != 0) {
		*why = strerror(errno);
		return ERR_FAILED;
	}
	memory[len] = '\0';
	*text = slice_make(memory, len);
	return 0;
}

int
secret_read(const char *path, size_t limit, struct arena *a, struct slice *text, const char **why)
{
	/* A FIFO without a writer must not stop the builder. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	int err;

	if (fd < 0) {
		*why = strerror(errno);
		return ERR_FAILED;
	}
	err = read_open(fd, limit, a, text, why);
	close(fd);
	return err;
}
