/*
 * What systemd passed; see inherited.h.
 *
 * By hand rather than by sd_listen_fds_with_names(): it is three variables, and
 * so it works in a build without libsystemd too.
 */
#include "server/inherited.h"

#include "base/log.h"
#include "base/mem.h"
#include "config/errors.h"
#include "config/suggest.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { FIRST = 3, MOST = 256 };

struct passed {
	struct slice name; /* "unknown" where systemd gave none, as it says itself */
	bool is_used;
};

static struct {
	struct passed *list; /* list[i] is descriptor FIRST + i */
	unsigned count;
	char *names; /* owned: where the names point to */
} table;

static const char *const variables[] = { "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES" };

static uint64_t
read_number(const char *variable)
{
	uint64_t value = 0;

	return slice_to_u64(slice_of(getenv(variable)), &value) == 0 ? value : 0;
}

static int
copy_names(void)
{
	struct slice names = slice_of(getenv("LISTEN_FDNAMES"));

	table.names = mem_alloc(names.len + 1);
	if (!table.names)
		return ERR_MEMORY;
	if (names.len)
		memcpy(table.names, names.at, names.len);
	names.at = table.names;
	for (unsigned i = 0; i < table.count; i++) {
		struct slice name = slice_cut(&names, ':');

		table.list[i].name = name.len ? name : SLICE("unknown");
	}
	return 0;
}

/* A number that no open descriptor has was not passed by systemd. */
static int
claim(unsigned count)
{
	for (unsigned i = 0; i < count; i++) {
		if (fcntl((int)(FIRST + i), F_SETFD, FD_CLOEXEC) == 0)
			continue;
		log_error("LISTEN_FDS = %u, but descriptor %u is not open", count, FIRST + i);
		return ERR_ARGUMENT;
	}
	return 0;
}

static int
take(unsigned count)
{
	int err = claim(count);

	if (err)
		return err;
	table.list = mem_zalloc(count, sizeof(*table.list));
	if (!table.list)
		return ERR_MEMORY;
	table.count = count;
	return copy_names();
}

int
inherited_take(void)
{
	uint64_t count = read_number("LISTEN_FDS");
	int err = 0;

	if (read_number("LISTEN_PID") != (uint64_t)getpid())
		return 0; /* meant for another process, whose environment this is */
	if (count > MOST) {
		log_error("LISTEN_FDS: more than %d sockets", MOST);
		return ERR_ARGUMENT;
	}
	if (count > 0)
		err = take((unsigned)count);
	for (size_t i = 0; i < sizeof(variables) / sizeof(variables[0]); i++)
		unsetenv(variables[i]);
	return err;
}

void
inherited_close(void)
{
	for (unsigned i = 0; i < table.count; i++)
		close((int)(FIRST + i));
	table.count = 0;
	mem_free(&table.list);
	mem_free(&table.names);
}

/* What was passed, and the nearest of it. */
static void
explain_missing(struct slice name, struct writer *why)
{
	const char *comma = "";
	struct suggest near;

	if (table.count == 0) {
		writer_text(why, "systemd passed no sockets; start it through a socket unit with "
				 "FileDescriptorName=, or write an address");
		return;
	}
	suggest_init(&near, name);
	for (unsigned i = 0; i < table.count; i++)
		suggest_offer(&near, table.list[i].name);
	writer_format(why, "systemd passed no socket of that name%s; it passed",
		      suggest_text(&near));
	for (unsigned i = 0; i < table.count; i++) {
		writer_format(why, "%s %s", comma, conf_quote(table.list[i].name).text);
		comma = ",";
	}
}

int
inherited_find(struct slice name, struct writer *why)
{
	struct passed *found = NULL;

	for (unsigned i = 0; i < table.count; i++) {
		if (!slice_eq(table.list[i].name, name))
			continue;
		if (found) {
			writer_text(why, "systemd passed more than one socket of that name; give "
					 "each a socket unit and a FileDescriptorName= of its own");
			return -1;
		}
		found = &table.list[i];
	}
	if (!found) {
		explain_missing(name, why);
		return -1;
	}
	found->is_used = true;
	return FIRST + (int)(found - table.list);
}

void
inherited_mention_unused(void)
{
	for (unsigned i = 0; i < table.count; i++) {
		if (!table.list[i].is_used)
			log_warning("systemd passed socket %s, but no address is systemd:%.*s",
				    conf_quote(table.list[i].name).text,
				    SLICE_PRINT(table.list[i].name));
	}
}
