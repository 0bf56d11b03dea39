/*
 * From a file to loaded code; see image.h.
 */
#include "module/image.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef MFD_EXEC
#define MFD_EXEC 0x0010U
#endif

enum { COPY_BYTES = 1 << 20 }; /* at a time */

/* --- the copy --------------------------------------------------------------------- */

static int
say_errno(struct writer *why, const char *what)
{
	writer_format(why, "%s: %s", what, strerror(errno));
	return ERR_SYSTEM;
}

/* A named pipe must not be waited for, and a directory not read. */
static int
open_file(const char *file, off_t *bytes, struct writer *why)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	struct stat st;

	if (fd < 0) {
		bool is_missing = errno == ENOENT;

		say_errno(why, file);
		return is_missing ? ERR_NOT_FOUND : ERR_SYSTEM;
	}
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size <= IMAGE_MAX_BYTES) {
		*bytes = st.st_size;
		return fd;
	}
	writer_format(why, "%s is no file, or larger than %d MiB", file, IMAGE_MAX_BYTES >> 20);
	close(fd);
	return ERR_UNSUPPORTED;
}

/* Kernels from 6.3 want to be told that it will be executed; older ones do not know the flag. */
static int
make_memory(void)
{
	unsigned flags = MFD_CLOEXEC | MFD_ALLOW_SEALING;
	int fd = memfd_create("forebay-module", flags | MFD_EXEC);

	return fd < 0 && errno == EINVAL ? memfd_create("forebay-module", flags) : fd;
}

static int
fill(int to, int from, off_t bytes)
{
	while (bytes > 0) {
		size_t step = bytes < COPY_BYTES ? (size_t)bytes : COPY_BYTES;
		ssize_t sent = sendfile(to, from, NULL, step);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return ERR_SYSTEM;
		bytes -= sent;
	}
	return fcntl(to, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL);
}

int
image_copy(struct image *i, const char *file, struct writer *why)
{
	off_t bytes = 0;
	int from, err = 0;

	*i = (struct image){ .fd = -1 };
	from = open_file(file, &bytes, why);
	if (from < 0)
		return from;
	i->fd = make_memory();
	if (i->fd < 0)
		err = say_errno(why, "memory for a file");
	else if (fill(i->fd, from, bytes) != 0)
		err = say_errno(why, file);
	close(from);
	/* With the process's number, so that a debugger finds it too. */
	snprintf(i->path, sizeof(i->path), "/proc/%d/fd/%d", (int)getpid(), i->fd);
	return err;
}

void
image_over(struct image *i, const char *path)
{
	struct writer w = writer_over(i->path, sizeof(i->path) - 1);

	i->fd = -1;
	i->handle = NULL;
	/* Without a slash, dlopen would look in the system's folders. */
	writer_text(&w, strchr(path, '/') ? "" : "./");
	writer_text(&w, path);
	i->path[w.len] = '\0';
}

/* --- the code --------------------------------------------------------------------- */

/* What dlopen says, without the name that it was given. */
static void
say_loader(const struct image *i, struct writer *why)
{
	const char *said = dlerror();
	size_t prefix = strlen(i->path);

	if (said && strncmp(said, i->path, prefix) == 0 && said[prefix] == ':')
		said += prefix + 1;
	while (said && *said == ' ')
		said++;
	writer_text(why, said ? said : "it cannot be loaded");
}

int
image_load(struct image *i, struct writer *why)
{
	i->handle = dlopen(i->path, RTLD_NOW | RTLD_LOCAL);
	if (i->handle)
		return 0;
	say_loader(i, why);
	return ERR_FAILED;
}

const void *
image_find(const struct image *i, const char *symbol)
{
	return dlsym(i->handle, symbol);
}

/* Some code refuses to be unloaded (unique symbols of C++, threads that still have destructors of
 * its to run). Its path must not be another's then, so its descriptor stays. */
static bool
is_stuck(const struct image *i)
{
	void *still = dlopen(i->path, RTLD_NOW | RTLD_NOLOAD);

	if (still)
		dlclose(still);
	return still != NULL;
}

void
image_close(struct image *i)
{
	bool is_loaded = i->handle != NULL;

	if (is_loaded)
		dlclose(i->handle);
	i->handle = NULL;
	if (i->fd >= 0 && !(is_loaded && is_stuck(i)))
		close(i->fd);
	i->fd = -1;
}
