/*
 * Trees of /proc and /sys made up in a folder, for tests of what a machine and
 * control groups grant.
 */
#ifndef FOREBAY_TESTS_SERVER_FAKE_ROOT_H
#define FOREBAY_TESTS_SERVER_FAKE_ROOT_H

#include "base/writer.h"

#include <check.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* A line of mountinfo: control groups of version 2. */
#define HEAD_2 "38 31 0:38 / /sys/fs/cgroup rw,relatime shared:4 - cgroup2 cgroup2 rw\n"

static char root[64];

/* Folders of the way are made. */
static inline void
put(const char *path, const char *text)
{
	char whole[PATH_MAX];
	struct writer w = writer_over(whole, sizeof(whole));
	int fd;

	writer_text(&w, root);
	writer_text(&w, path);
	writer_char(&w, '\0');
	ck_assert(!w.is_full);
	for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
		*slash = '\0';
		ck_assert(mkdir(whole, 0700) == 0 || errno == EEXIST);
		*slash = '/';
	}
	fd = open(whole, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static inline void
put_processors(const char *online, const char *affinity)
{
	char status[256];
	struct writer w = writer_over(status, sizeof(status));

	put("/sys/devices/system/cpu/online", online);
	writer_format(&w, "Name:\tforebayd\nCpus_allowed:\tff\nCpus_allowed_list:\t%s\nMems:\t1\n",
		      affinity);
	writer_char(&w, '\0');
	put("/proc/self/status", status);
}

/* Eight processors, no control groups. */
static inline void
fake_root_make(void)
{
	memcpy(root, "/tmp/check_root_XXXXXX", sizeof("/tmp/check_root_XXXXXX"));
	ck_assert_ptr_nonnull(mkdtemp(root));
	put_processors("0-7\n", "0-7");
}

static inline void
fake_root_remove(void)
{
	char command[128];
	struct writer w = writer_over(command, sizeof(command));

	writer_format(&w, "rm -rf %s", root);
	writer_char(&w, '\0');
	ck_assert_int_eq(system(command), 0);
}

#endif
