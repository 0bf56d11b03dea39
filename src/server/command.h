/*
 * Commands: what an operator may tell a running server to do (reload, drain,
 * set, purge). A command comes in at the desk on the monitor's thread, goes to main by
 * mail, is carried out there, at once or over many turns, and goes home by
 * mail with its reply:
 *
 *   monitor: desk_take ==mail==> main: the row's handler ... command_answer ==mail==> monitor
 *
 * A command is always answered exactly once and always comes home, whether
 * its client still waits or not.
 */
#ifndef FOREBAY_SERVER_COMMAND_H
#define FOREBAY_SERVER_COMMAND_H

#include "net/timer.h"
#include "server/reply.h"
#include "thread/mailbox.h"

struct server;
struct exchange;
struct command;

enum { COMMAND_KINDS = 4 };

/* A row of the table: one command. */
struct command_kind {
	struct slice name;
	void (*run)(struct server *s, struct command *c); /* main; must see to a command_answer */
	bool is_setting; /* takes name and value */
	bool may_lack_value;
	const char *usage; /* of a setting without them */
	bool is_for_draining; /* also while the server drains; others are refused then */
};

struct command {
	struct mail mail; /* to main, then home */
	struct server *server; /* borrowed */
	const struct command_kind *kind;
	uint32_t uid; /* who asks */
	struct slice name, value; /* of a setting, such as pool.compute.threads; in memory */
	char *memory; /* owned */
	struct reply reply; /* main's until it is answered */
	/* The desk's alone. */
	void (*on_answer)(struct mail *m, void *monitor); /* frees it */
	struct exchange *x; /* borrowed: who waits; NULL when nobody does any more */
	struct timer patience;
	bool wants_json;
};

/* The command of that name, or NULL. */
const struct command_kind *command_find(struct slice name);
/* The n-th of COMMAND_KINDS commands, and which one it is. */
const struct command_kind *command_at(unsigned n);
unsigned command_index(const struct command_kind *kind);

/* Monitor: a command; name and value (empty, but of a setting) are copied. NULL without memory. */
struct command *command_new(struct server *s, const struct command_kind *kind, struct slice name,
			    struct slice value) MUST_CHECK;
void command_free(struct command **c);
/* Monitor: on its way to main. on_answer is set. */
void command_send(struct command *c);

/*
 * Main: how it went; c may not be touched any more. From inside the handler or
 * later, exactly once. c->reply.errors may have been filled before. 200 done,
 * 202 begun, 409 not now, 422 refused for what c->reply.errors say, 503 busy.
 */
void command_answer(struct command *c, int status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif
