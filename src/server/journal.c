/*
 * The journal; see journal.h.
 */
#include "server/journal.h"

#include "base/err.h"
#include "base/writer.h"
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#define SOCKET "/run/systemd/journal/socket"

enum { FIELD_BYTES = 2048 };

bool
journal_is_stderr(void)
{
	const char *stream = getenv("JOURNAL_STREAM");
	uintmax_t device, inode;
	struct stat st;

	/* systemd.exec(5): device and inode of what was given as standard output or error. */
	return stream && sscanf(stream, "%ju:%ju", &device, &inode) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == (dev_t)device &&
	       st.st_ino == (ino_t)inode;
}

#ifdef HAVE_SYSTEMD
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

bool
journal_is_there(const char **why)
{
	*why = "there is no journal at " SOCKET;
	return access(SOCKET, W_OK) == 0;
}

static struct iovec
make_field(char *memory, const char *name, struct slice value)
{
	struct writer w = writer_over(memory, FIELD_BYTES);

	writer_text(&w, name);
	writer_put(&w, value);
	return (struct iovec){ w.at, w.len };
}

int
journal_send(enum log_level level, const char *thread, struct slice message)
{
	static const char *const priorities[] = {
		[LOG_LEVEL_ERROR] = "3",
		[LOG_LEVEL_WARNING] = "4",
		[LOG_LEVEL_NOTICE] = "5",
		[LOG_LEVEL_DEBUG] = "7",
	};
	char text[4][FIELD_BYTES];
	const struct iovec fields[] = {
		make_field(text[0], "PRIORITY=", slice_of(priorities[level])),
		make_field(text[1], "SYSLOG_IDENTIFIER=", SLICE("forebayd")),
		make_field(text[2], "FOREBAY_THREAD=", slice_of(thread)),
		make_field(text[3], "MESSAGE=", message),
	};

	return sd_journal_sendv(fields, sizeof(fields) / sizeof(fields[0])) == 0 ? 0 : ERR_FAILED;
}
#else
bool
journal_is_there(const char **why)
{
	*why = "this forebayd was built without systemd";
	return false;
}

int
journal_send(enum log_level level, const char *thread, struct slice message)
{
	(void)level;
	(void)thread;
	(void)message;
	return ERR_UNSUPPORTED;
}
#endif
