/*
 * The desk; see desk.h.
 */
#include "server/desk.h"

#include "base/clock.h"
#include "base/log.h"
#include "http/uri.h"
#include "server/page.h"
#include "server/server.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

enum {
	PATIENCE_MS = 600 * 1000, /* of a client that does not say how long it waits */
	ARGUMENT_BYTES = 512,
};

void
desk_init(struct desk *d, struct loop *loop)
{
	*d = (struct desk){ .loop = loop, .started_as = getuid() };
}

const char *
desk_outcome_text(enum desk_outcome o)
{
	static const char *const words[DESK_OUTCOMES] = {
		[DESK_DONE] = "done",
		[DESK_REFUSED] = "refused",
		[DESK_FORBIDDEN] = "forbidden",
		[DESK_BUSY] = "busy",
	};

	return words[o];
}

static void
count(struct desk *d, const struct command_kind *kind, enum desk_outcome o)
{
	d->counts[command_index(kind)][o]++;
}

/* --- answers -------------------------------------------------------------------------------- */

static bool
wants_json(const struct exchange *x)
{
	return fields_has_token(&x->request.fields, FIELD_ACCEPT, SLICE("application/json"));
}

static void
send_reply(struct exchange *x, struct reply *r, bool is_json)
{
	struct buffer body;

	buffer_init(&body, REPLY_BYTES);
	reply_write(&body, r, is_json);
	if (body.err)
		exchange_refuse(x, 503);
	else
		page_respond(x, r->status,
			     is_json ? SLICE("application/json")
				     : SLICE("text/plain; charset=utf-8"),
			     &body);
	buffer_fini(&body);
}

static void __attribute__((format(printf, 3, 4)))
refuse(struct exchange *x, int status, const char *format, ...)
{
	struct reply r;
	va_list list;

	reply_init(&r);
	r.status = status;
	va_start(list, format);
	vsnprintf(r.message, sizeof(r.message), format, list);
	va_end(list);
	send_reply(x, &r, wants_json(x));
	reply_fini(&r);
}

/* --- who may ---------------------------------------------------------------------------------- */

/* False: it is refused. */
static bool
check_user(const struct desk *d, struct exchange *x, uint32_t *uid)
{
	uint32_t runs_as = geteuid();

	if (!address_is_unix(x->client) || exchange_peer_user(x, uid) != 0) {
		refuse(x, 403, "commands are taken on the admin socket only");
		return false;
	}
	if (*uid == 0 || *uid == d->started_as || *uid == runs_as)
		return true;
	log_warning("%.*s: refused to user %u: run forebayctl as root or as the server's user",
		    SLICE_PRINT(x->request.path), *uid);
	refuse(x, 403,
	       "user %u may not: commands are for root, and for the users who started the server "
	       "and whom it runs as",
	       *uid);
	return false;
}

/* --- waiting ------------------------------------------------------------------------------------
 */

/* Somebody else's turn: the exchange is not waited for any more. */
static struct exchange *
let_go(struct desk *d, struct command *c)
{
	struct exchange *x = c->x;

	c->x = NULL;
	loop_clear_timer(d->loop, &c->patience);
	return x;
}

static void
on_answer(struct mail *m, void *receiver)
{
	struct command *c = CONTAINER_OF(m, struct command, mail);
	struct monitor *monitor = receiver;
	struct desk *d = &monitor->desk;
	struct exchange *x = let_go(d, c);

	count(d, c->kind, c->reply.status < 400 ? DESK_DONE : DESK_REFUSED);
	for (unsigned i = 0; i < DESK_MAX; i++) {
		if (d->out[i] == c)
			d->out[i] = NULL;
	}
	if (x)
		send_reply(x, &c->reply, c->wants_json);
	command_free(&c);
}

static void
on_patience_over(struct timer *t)
{
	struct command *c = CONTAINER_OF(t, struct command, patience);
	struct exchange *x = let_go(&c->server->monitor.desk, c);

	refuse(x, 504, "not done in %d s; it goes on", PATIENCE_MS / 1000);
}

void
desk_cancel(struct desk *d, const struct exchange *x)
{
	for (unsigned i = 0; i < DESK_MAX; i++) {
		if (d->out[i] && d->out[i]->x == x)
			let_go(d, d->out[i]);
	}
}

/* --- taking -------------------------------------------------------------------------------------
 */

/* One place is kept for drain: reloads that do not come home must not hold it back. */
static struct command **
find_place(struct desk *d, const struct command_kind *kind)
{
	unsigned places = kind->is_for_draining ? DESK_MAX : DESK_MAX - 1;

	for (unsigned i = 0; i < places; i++) {
		if (!d->out[i])
			return &d->out[i];
	}
	return NULL;
}

/* The decoded value of a name in the query, in memory of ARGUMENT_BYTES; empty: none. */
static struct slice
argument(const struct request *q, struct slice name, char *memory)
{
	struct slice raw, value;

	if (!uri_query_find(q->query, name, &raw) || raw.len > ARGUMENT_BYTES ||
	    uri_query_decode(raw, memory, &value) != 0)
		return (struct slice){ 0 };
	return value;
}

/* NULL: it was refused. */
static struct command *
make_command(struct server *s, const struct command_kind *kind, struct exchange *x)
{
	char name_memory[ARGUMENT_BYTES], value_memory[ARGUMENT_BYTES];
	struct slice name = { 0 }, value = { 0 };
	struct command *c;

	if (kind->is_setting) {
		name = argument(&x->request, SLICE("name"), name_memory);
		value = argument(&x->request, SLICE("value"), value_memory);
	}
	if (kind->is_setting && (name.len == 0 || (value.len == 0 && !kind->may_lack_value))) {
		refuse(x, 400, "%s", kind->usage);
		return NULL;
	}
	c = command_new(s, kind, name, value);
	if (!c)
		refuse(x, 503, "%s", err_text(ERR_MEMORY));
	return c;
}

static void
take(struct desk *d, struct server *s, const struct command_kind *kind, struct exchange *x)
{
	struct command **place = find_place(d, kind), *c;
	uint32_t uid;

	if (!check_user(d, x, &uid)) {
		count(d, kind, DESK_FORBIDDEN);
		return;
	}
	if (!place) {
		count(d, kind, DESK_BUSY);
		refuse(x, 503, "too many commands are waiting already");
		return;
	}
	c = make_command(s, kind, x);
	if (!c) {
		count(d, kind, DESK_REFUSED);
		return;
	}
	c->uid = uid;
	c->x = x;
	c->wants_json = wants_json(x);
	c->on_answer = on_answer;
	timer_init(&c->patience, on_patience_over);
	if (loop_set_timer(d->loop, &c->patience,
			   clock_after(loop_now(d->loop), PATIENCE_MS * CLOCK_MS)) != 0) {
		command_free(&c);
		refuse(x, 503, "%s", err_text(ERR_MEMORY));
		return;
	}
	*place = c;
	command_send(c);
}

bool
desk_take(struct desk *d, struct server *s, struct exchange *x)
{
	const struct command_kind *kind = command_find(slice_after(x->request.path, 1));

	if (!kind)
		return false;
	if (x->request.method == METHOD_POST)
		take(d, s, kind, x);
	else if (exchange_add_field(x, FIELD_ALLOW, SLICE("POST")) != 0)
		exchange_abort(x, ERR_MEMORY);
	else
		refuse(x, 405, "%.*s is a command: it takes POST", SLICE_PRINT(kind->name));
	return true;
}
