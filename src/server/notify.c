/*
 * Words for the service manager; see notify.h.
 */
#include "server/notify.h"

#include "base/clock.h"
#include "base/writer.h"
#include "config.h"

#include <inttypes.h>

#ifdef HAVE_SYSTEMD
#include <systemd/sd-daemon.h>
#else
/* Without the library nobody is told, and nobody waits. */
#define SYSTEMD_BUILT_WITH "no"

static int
sd_notify(int unset, const char *fields)
{
	(void)unset;
	(void)fields;
	return 0;
}

static int
sd_watchdog_enabled(int unset, uint64_t *usec)
{
	(void)unset;
	*usec = 0;
	return 0;
}
#endif

enum { FIELDS_BYTES = 1024, STATUS_BYTES = 768, SERVING_BYTES = 64 };

/* One message: the fields that are set, one to a line. */
struct message {
	char text[FIELDS_BYTES];
	struct writer w;
};

static void
begin(struct message *m, const char *fields)
{
	m->w = writer_over(m->text, sizeof(m->text) - 1);
	writer_text(&m->w, fields);
}

/* Its beginning, without half a character at its end: the manager wants UTF-8. */
static struct slice
shorten(struct slice s)
{
	size_t len = STATUS_BYTES;

	if (s.len <= len)
		return s;
	while (len > 0 && ((unsigned char)s.at[len] & 0xc0) == 0x80)
		len--;
	return slice_make(s.at, len);
}

/* A newline in a status would begin another field. */
static void
add_status(struct message *m, const char *status)
{
	struct slice text = slice_of(status);
	struct slice line = shorten(slice_cut(&text, '\n'));

	writer_format(&m->w, "STATUS=%.*s\n", SLICE_PRINT(line));
}

static void
add_usec(struct message *m, const char *name, uint64_t ns)
{
	writer_format(&m->w, "%s=%" PRIu64 "\n", name, ns / CLOCK_US);
}

static void
tell(struct message *m)
{
	m->text[m->w.len] = '\0';
	sd_notify(0, m->text);
}

void
notify_ready(const char *status)
{
	struct message m;

	begin(&m, "READY=1\n");
	add_status(&m, status);
	tell(&m);
}

void
notify_serving(unsigned workers, unsigned routes)
{
	char text[SERVING_BYTES];
	struct writer w = writer_over(text, sizeof(text) - 1);

	writer_format(&w, "serving: %u worker%s, %u route%s", workers, workers == 1 ? "" : "s",
		      routes, routes == 1 ? "" : "s");
	text[w.len] = '\0';
	notify_ready(text);
}

/* MONOTONIC_USEC is for Type=notify-reload; older managers skip what they do not know. */
void
notify_reloading(void)
{
	struct message m;

	begin(&m, "RELOADING=1\n");
	add_usec(&m, "MONOTONIC_USEC", clock_monotonic());
	add_status(&m, "reloading the configuration");
	tell(&m);
}

void
notify_stopping(const char *status, uint64_t ns)
{
	struct message m;

	begin(&m, "STOPPING=1\n");
	add_usec(&m, "EXTEND_TIMEOUT_USEC", ns);
	add_status(&m, status);
	tell(&m);
}

uint64_t
notify_watchdog(void)
{
	uint64_t usec = 0;

	return sd_watchdog_enabled(0, &usec) > 0 ? usec * CLOCK_US : 0;
}

void
notify_alive(void)
{
	sd_notify(0, "WATCHDOG=1");
}

const char *
notify_library_version(void)
{
	return SYSTEMD_BUILT_WITH;
}
