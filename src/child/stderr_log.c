/*
 * Standard errors of children; see stderr_log.h.
 */
#include "child/stderr_log.h"

#include "base/log.h"
#include "child/child.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

enum { READ_BYTES = 16384 };

void
stderr_log_init(struct stderr_log *l, const char *name)
{
	l->name = name;
	l->len = l->dropped = 0;
	l->lines = 0;
}

static void
end_line(struct stderr_log *l)
{
	if (l->len > 0 && l->lines < STDERR_LINES)
		log_warning("%s says: %.*s", l->name, (int)l->len, l->line);
	else
		l->dropped += l->len;
	l->lines += l->len > 0 && l->lines < STDERR_LINES;
	l->len = 0;
}

/* A line that is too long goes on in the next. */
static void
put(struct stderr_log *l, const char *at, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (l->lines == STDERR_LINES) {
			l->dropped += len - i;
			return;
		}
		if (at[i] != '\n')
			l->line[l->len++] = at[i];
		if (at[i] == '\n' || l->len == sizeof(l->line))
			end_line(l);
	}
}

bool
stderr_log_read(struct stderr_log *l, int *fd)
{
	char memory[READ_BYTES];
	ssize_t got = read(*fd, memory, sizeof(memory));

	if (got > 0)
		put(l, memory, (size_t)got);
	else if (got == 0 || (errno != EAGAIN && errno != EINTR))
		child_close_fd(fd);
	return got > 0;
}

void
stderr_log_end(struct stderr_log *l)
{
	end_line(l);
	if (l->dropped > 0)
		log_warning("%s: %zu more bytes of its standard error are not shown", l->name,
			    l->dropped);
}
