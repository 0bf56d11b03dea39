/*
 * Connections that change to another protocol (RFC 9110 7.8), WebSocket above all.
 * A client of HTTP/1.1 may ask for one that its part lets it have, by a GET
 * without a body; the server's 101 has to name what was asked for. Then the
 * connection carries this one errand to its end, and nothing of it is parsed:
 *
 *   feed  --> out --> socket    until the client's FIN: is_sent, and ours
 *   socket --> body             until the server's FIN: is_ended, and subrequest_shut
 *
 * Both: the errand is done. Whatever else ends it, resets it.
 */
#include "source/upstream_tunnel.h"

static const struct upstream_part *
part_of(const struct subrequest *q)
{
	return q->part->conf;
}

/* --- keys ------------------------------------------------------------------------ */

/* RFC 9110 7.8: protocol-name, perhaps "/" protocol-version. */
static bool
is_protocol(struct slice text)
{
	struct slice name = slice_cut(&text, '/');

	return field_is_token(name) && (text.len == 0 || field_is_token(text));
}

int
upstream_tunnel_check(struct part *p, struct source_build *b)
{
	const struct upstream_conf *conf = p->source->conf;
	const struct upstream_part *u = p->conf;
	const char *wrong = NULL;

	for (size_t i = 0; i < u->upgrade.count; i++) {
		if (!is_protocol(u->upgrade.at[i]))
			wrong = "is not the name of a protocol";
		else if (slice_eq_nocase(u->upgrade.at[i], SLICE("h2c")))
			wrong = "would be HTTP past all that routes decide";
		if (!wrong)
			continue;
		conf_error_at(b->errors, p->section, "upgrade", "%s %s",
			      conf_quote(u->upgrade.at[i]).text, wrong);
		return ERR_SYNTAX;
	}
	if (u->upgrade.count == 0)
		return 0;
	if (!p->passes_through)
		wrong = "upgrade is for a route with a source of its own, not for joined parts";
	else if (conf->protocols & UPSTREAM_H2)
		wrong = "upgrade is for upstreams with protocols = http/1.1: HTTP/2 has none";
	if (wrong)
		conf_error_at(b->errors, p->section, "upgrade", "%s", wrong);
	return wrong ? ERR_SYNTAX : 0;
}

/* --- what is asked for ----------------------------------------------------------- */

/* The next protocol of the Upgrade lines. */
struct offer {
	const struct fields *fields;
	unsigned line; /* the next */
	struct slice rest; /* of the one before */
};

static bool
next_offer(struct offer *o, struct slice *protocol)
{
	for (;;) {
		while (o->rest.len > 0) {
			*protocol = slice_trim(slice_cut(&o->rest, ','));
			if (protocol->len > 0)
				return true;
		}
		while (o->line < o->fields->count && o->fields->at[o->line].id != FIELD_UPGRADE)
			o->line++;
		if (o->line >= o->fields->count)
			return false;
		o->rest = o->fields->at[o->line++].value;
	}
}

static bool
is_allowed(const struct upstream_part *u, struct slice protocol)
{
	for (size_t i = 0; i < u->upgrade.count; i++) {
		if (slice_eq_nocase(u->upgrade.at[i], protocol))
			return true;
	}
	return false;
}

static bool
is_offered(const struct subrequest *q, struct slice protocol)
{
	struct offer o = { .fields = &q->request->fields };
	struct slice offered;

	while (next_offer(&o, &offered)) {
		if (slice_eq_nocase(offered, protocol))
			return is_allowed(part_of(q), protocol);
	}
	return false;
}

/* RFC 9110 7.8: not from HTTP/1.0, nor without the connection option. */
static bool
may_switch(const struct subrequest *q)
{
	const struct request *r = q->request;

	return q->part->passes_through && r->version == HTTP_1_1 && r->method == METHOD_GET &&
	       !q->has_body && r->framing != BODY_CHUNKED &&
	       upstream_request_sending(q).method == METHOD_GET &&
	       upstream_request_sending(q).framing == BODY_NONE &&
	       fields_has_token(&r->fields, FIELD_CONNECTION, SLICE("upgrade"));
}

bool
upstream_tunnel_is_asked(const struct subrequest *q)
{
	struct offer o = { .fields = &q->request->fields };
	struct slice protocol;

	if (part_of(q)->upgrade.count == 0 || !may_switch(q))
		return false;
	while (next_offer(&o, &protocol)) {
		if (is_allowed(part_of(q), protocol))
			return true;
	}
	return false;
}

void
upstream_tunnel_write(const struct subrequest *q, struct writer *w)
{
	struct offer o = { .fields = &q->request->fields };
	struct slice protocol;
	bool is_first = true;

	while (next_offer(&o, &protocol)) {
		if (!is_allowed(part_of(q), protocol))
			continue;
		writer_text(w, is_first ? "" : ", ");
		writer_put(w, protocol);
		is_first = false;
	}
}

/* --- the answer ------------------------------------------------------------------ */

const char *
upstream_tunnel_refusal(const struct upstream_conn *c, const struct response *r)
{
	const struct subrequest *q = c->errand->q;
	struct offer o = { .fields = &r->fields };
	struct slice protocol;
	bool names_one = false;

	if (!upstream_tunnel_is_asked(q))
		return "101 without having been asked for";
	if (!c->is_sent || c->is_broken)
		return "101 before the request was sent";
	if (!fields_has_token(&r->fields, FIELD_CONNECTION, SLICE("upgrade")))
		return "101 without Connection: Upgrade";
	while (next_offer(&o, &protocol)) {
		if (!is_offered(q, protocol))
			return "101 to a protocol that was not asked for";
		names_one = true;
	}
	return names_one ? NULL : "101 without Upgrade";
}

/* Upgrade belongs to the connection, and was left out with all that does. */
static int
add_upgrade(struct subrequest *q, const struct response *r)
{
	struct offer o = { .fields = &r->fields };
	size_t bytes = 0;
	struct slice protocol;
	struct writer w;
	char *text;

	while (next_offer(&o, &protocol))
		bytes += protocol.len + 2;
	text = arena_alloc(q->arena, bytes);
	if (!text)
		return ERR_MEMORY;
	w = writer_over(text, bytes);
	o = (struct offer){ .fields = &r->fields };
	while (next_offer(&o, &protocol)) {
		writer_text(&w, w.len > 0 ? ", " : "");
		writer_put(&w, protocol);
	}
	return fields_add(&q->response.fields, FIELD_UPGRADE, writer_slice(&w));
}

int
upstream_tunnel_begin(struct upstream_conn *c, const struct response *r)
{
	struct subrequest *q = c->errand->q;
	int err = add_upgrade(q, r);

	if (err)
		return err;
	q->has_body = true;
	c->state = UPSTREAM_BODY;
	c->sending = c->receiving = BODY_UNTIL_CLOSE;
	c->is_tunnel = true;
	c->is_fed = c->is_wanted = c->is_sent = c->is_complete = c->keeps_alive = false;
	count_add(upstream_env(c)->counters, COUNTER_TUNNEL_OPENED, 1);
	upstream_conn_touch(c);
	upstream_conn_go_on(c); /* the client may have sent something already */
	return 0;
}

/* --- its end ----------------------------------------------------------------------- */

void
upstream_tunnel_finish_sending(struct upstream_conn *c)
{
	if (io_finish(&c->io) != 0)
		return; /* again when there is room */
	c->is_sent = true;
	upstream_conn_touch(c);
	if (c->is_ended)
		upstream_conn_finish(c);
}

void
upstream_tunnel_finish_reading(struct upstream_conn *c)
{
	c->is_ended = true;
	upstream_conn_touch(c);
	if (c->is_sent)
		upstream_conn_finish(c);
	else
		subrequest_shut(c->errand->q);
}

bool
upstream_tunnel_is_reset(const struct upstream_conn *c)
{
	return (c->is_paused || c->is_ended) && c->is_readable && io_is_reset(&c->io);
}

uint64_t
upstream_tunnel_expiry(const struct upstream_conn *c)
{
	return clock_after(c->last_ns, part_of(c->errand->q)->tunnel_idle_timeout);
}

void
upstream_tunnel_close(struct upstream_conn *c)
{
	count_add(upstream_env(c)->counters, COUNTER_TUNNEL_CLOSED, 1);
	if (!c->is_ended || !c->is_sent)
		io_reset_on_close(&c->io);
}
