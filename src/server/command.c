/*
 * Commands; see command.h. The handlers run on the main thread.
 */
#include "server/command.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/server.h"

#include <stdarg.h>
#include <stdio.h>

/* --- the table --------------------------------------------------------------------------- */

/* As SIGTERM does. */
static void
drain(struct server *s, struct command *c)
{
	unsigned long long grace = s->site->grace_ns / CLOCK_SEC;

	if (gauge_read(&s->state) == SERVER_DRAINING) {
		command_answer(c, 202, "draining already");
		return;
	}
	/* Who has the answer may look at /readyz at once, and take anything else there for a new
	 * server. */
	server_drain(s, "forebayctl drain");
	command_answer(c, 202, "draining for up to %llu s", grace);
}

static void
reload(struct server *s, struct command *c)
{
	reload_ask(&s->reload, c);
}

static void
set(struct server *s, struct command *c)
{
	setting_change(&s->setting, c);
}

static void
purge(struct server *s, struct command *c)
{
	purge_ask(&s->purge, c);
}

static const struct command_kind kinds[COMMAND_KINDS] = {
	{ .name = SLICE_INIT("drain"), .run = drain, .is_for_draining = true },
	{ .name = SLICE_INIT("purge"),
	  .run = purge,
	  .is_setting = true,
	  .may_lack_value = true,
	  .usage = "say of which cache, and which key: ?name=NAME&value=KEY" },
	{ .name = SLICE_INIT("reload"), .run = reload },
	{ .name = SLICE_INIT("set"),
	  .run = set,
	  .is_setting = true,
	  .usage = "say what to set, and to what: ?name=pool.NAME.threads&value=N" },
};

const struct command_kind *
command_at(unsigned n)
{
	return &kinds[n];
}

unsigned
command_index(const struct command_kind *kind)
{
	return (unsigned)(kind - kinds);
}

const struct command_kind *
command_find(struct slice name)
{
	for (size_t i = 0; i < COMMAND_KINDS; i++) {
		if (slice_eq(name, kinds[i].name))
			return &kinds[i];
	}
	return NULL;
}

/* --- life ---------------------------------------------------------------------------------- */

struct command *
command_new(struct server *s, const struct command_kind *kind, struct slice name,
	    struct slice value)
{
	struct command *c = mem_zalloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->memory = mem_alloc(name.len + value.len + 1);
	if (!c->memory) {
		mem_free(&c);
		return NULL;
	}
	if (name.len)
		memcpy(c->memory, name.at, name.len);
	if (value.len)
		memcpy(c->memory + name.len, value.at, value.len);
	c->server = s;
	c->kind = kind;
	c->name = slice_make(c->memory, name.len);
	c->value = slice_make(c->memory + name.len, value.len);
	reply_init(&c->reply);
	return c;
}

void
command_free(struct command **c)
{
	if (!*c)
		return;
	reply_fini(&(*c)->reply);
	mem_free(&(*c)->memory);
	mem_free(c);
}

/* --- the way to main and home --------------------------------------------------------------- */

/* The monitor ends before main's last mail is delivered: then nobody is there to be told, and
 * nothing is begun for nobody. */
static bool
is_homeless(const struct command *c)
{
	return !c->server->monitor.has_loop;
}

static void
on_ask(struct mail *m, void *receiver)
{
	struct command *c = CONTAINER_OF(m, struct command, mail);
	struct server *s = receiver;

	if (is_homeless(c)) {
		command_free(&c);
		return;
	}
	log_notice("%.*s: asked by user %u", SLICE_PRINT(c->kind->name), c->uid);
	if (gauge_read(&s->state) == SERVER_DRAINING && !c->kind->is_for_draining)
		command_answer(c, 409, "the server is draining");
	else
		c->kind->run(s, c);
}

void
command_send(struct command *c)
{
	c->mail.deliver = on_ask;
	mailbox_send(&c->server->loop.mailbox, &c->mail);
}

void
command_answer(struct command *c, int status, const char *format, ...)
{
	char message[REPLY_MESSAGE_BYTES];
	va_list list;

	if (is_homeless(c)) {
		command_free(&c);
		return;
	}
	va_start(list, format);
	vsnprintf(message, sizeof(message), format, list);
	va_end(list);
	reply_say(&c->reply, status, "%s", message);
	c->mail.deliver = c->on_answer;
	mailbox_send(&c->server->monitor.env.loop.mailbox, &c->mail);
}
