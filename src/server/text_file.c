/*
 * Reading small text files; see text_file.h.
 */
#include "server/text_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <unistd.h>

enum { STEP = 4096 };

static int
open_file(const char *root, const char *path)
{
	char whole[PATH_MAX];
	struct writer w = writer_over(whole, sizeof(whole) - 1);

	writer_text(&w, root);
	writer_text(&w, path);
	if (w.is_full)
		return -1;
	whole[w.len] = '\0';
	return open(whole, O_RDONLY | O_CLOEXEC);
}

int
text_file_read(struct buffer *b, const char *root, const char *path)
{
	int fd = open_file(root, path);
	char step[STEP];
	ssize_t n = 0;

	if (fd < 0)
		return ERR_NOT_FOUND;
	do {
		n = read(fd, step, sizeof(step));
		if (n > 0)
			buffer_put(b, slice_make(step, (size_t)n));
	} while ((n > 0 && !b->err) || (n < 0 && errno == EINTR));
	close(fd);
	return n < 0 ? ERR_NOT_FOUND : b->err;
}

bool
text_file_line(struct slice *rest, struct slice *line)
{
	if (slice_is_empty(*rest))
		return false;
	*line = slice_cut(rest, '\n');
	return true;
}
