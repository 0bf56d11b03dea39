/*
 * Reading the response: what a server says is as hostile as what a client
 * says. Heads go through the strict parser; bodies are handed up by reference
 * to the counted blocks that they were read into.
 *
 * The framing (RFC 9112 6.3) is undone here: upwards goes the length, or that
 * there is none, and the trailers before the end. Interim responses go up
 * as they come, but 100.
 */
#include "source/upstream_priv.h"
#include "source/upstream_tunnel.h"
#include "wire/h1_head.h"

enum {
	READ_TURN = 8, /* reads in one go; a turn may see two: for an event, and at its end */
	ROOM_MIN = 2048, /* worth reading into; less: a new block */
	TRAILER_BYTES = 8192, /* and chunk extensions, of one body */
};

static const struct h1_limits limits = {
	.max_head_bytes = UPSTREAM_HEAD_BYTES,
	.max_fields = UPSTREAM_FIELDS,
};

static struct slice
unread(const struct upstream_conn *c)
{
	return slice_make(c->in->at + c->at, c->in->len - c->at);
}

static void
fail_protocol(struct upstream_conn *c, const char *reason)
{
	count_add(upstream_env(c)->counters, COUNTER_UPSTREAM_PROTOCOL, 1);
	log_debug("upstream server %.*s: %s", SLICE_PRINT(c->peer->server->label), reason);
	upstream_conn_fail(c, ERR_PROTOCOL);
}

/* --- head ------------------------------------------------------------------------ */

static bool
is_kept(const struct response *r, const struct field *f, bool has_connection)
{
	if ((field_flags(f->id) & FIELD_HOP) || f->id == FIELD_CONTENT_LENGTH)
		return false;
	return !has_connection || !fields_has_token(&r->fields, FIELD_CONNECTION, f->name);
}

static struct slice
copy_text(char **to, struct slice s)
{
	struct slice copy = slice_make(*to, s.len);

	if (s.len > 0)
		memcpy(*to, s.at, s.len);
	*to += s.len;
	return copy;
}

/* The end-to-end fields go to the arena: they outlive the block, and the block
 * need not outlive them. No field is longer than the head that it came in. */
static int
copy_fields(struct subrequest *q, const struct response *r, size_t head_bytes)
{
	bool has_connection = fields_find(&r->fields, FIELD_CONNECTION) != NULL;
	char *text = arena_alloc(q->arena, head_bytes);
	struct fields *to = &q->response.fields;

	*to = (struct fields){ .cap = r->fields.count };
	to->at = arena_zalloc(q->arena, r->fields.count + 1u, sizeof(*to->at));
	if (!text || !to->at)
		return ERR_MEMORY;
	for (unsigned i = 0; i < r->fields.count; i++) {
		const struct field *f = &r->fields.at[i];

		if (!is_kept(r, f, has_connection))
			continue;
		to->at[to->count].id = f->id;
		to->at[to->count].name = copy_text(&text, f->name);
		to->at[to->count++].value = copy_text(&text, f->value);
	}
	return 0;
}

void
upstream_response_tell(struct subrequest *q, const struct response *r, enum method method)
{
	struct response *to = &q->response;

	to->framing = BODY_NONE;
	if (r->framing == BODY_LENGTH ||
	    (method == METHOD_HEAD && fields_find(&r->fields, FIELD_CONTENT_LENGTH))) {
		to->framing = BODY_LENGTH;
		to->content_length = r->content_length;
	} else if (r->framing != BODY_NONE) {
		to->framing = BODY_CHUNKED; /* of unknown length */
	}
}

static void
begin_body(struct upstream_conn *c, const struct response *r)
{
	c->state = UPSTREAM_BODY;
	c->receiving = r->framing;
	c->left = r->content_length;
	c->keeps_alive = r->keeps_alive && !c->is_broken;
	c->is_complete = r->framing == BODY_NONE || (r->framing == BODY_LENGTH && c->left == 0);
	chunked_init(&c->chunked, TRAILER_BYTES);
	c->trailers = (struct trailers){ 0 };
}

/* Another server is asked instead. The conn is kept if the whole response is here. */
static bool
is_retried(struct upstream_conn *c, const struct response *r)
{
	enum upstream_fault why = upstream_retry_fault(r->status);
	struct upstream_errand *e = c->errand;

	if (why == UPSTREAM_FAULT_NONE || !upstream_retry_may(e, c->peer, why, true))
		return false;
	begin_body(c, r);
	if (r->framing == BODY_LENGTH && c->left <= c->in->len - c->at) {
		c->at += (uint32_t)c->left;
		c->is_complete = true;
	}
	upstream_conn_let_go(c);
	if (c->is_complete)
		upstream_conn_finish(c);
	else
		upstream_conn_close(c);
	upstream_retry_go(e);
	return true;
}

static void
take_switch(struct upstream_conn *c, const struct response *r, size_t head_bytes)
{
	struct subrequest *q = c->errand->q;
	const char *wrong = upstream_tunnel_refusal(c, r);

	if (wrong) {
		fail_protocol(c, wrong);
		return;
	}
	upstream_share_note(c->errand, c->peer, false);
	q->response.status = r->status;
	q->response.framing = BODY_NONE;
	if (copy_fields(q, r, head_bytes) != 0 || upstream_tunnel_begin(c, r) != 0) {
		upstream_conn_fail(c, ERR_MEMORY);
		return;
	}
	upstream_share_answered(c->errand);
	wait_lend(&c->share->line, &c->errand->wait);
	subrequest_head(q);
}

static void
take_final(struct upstream_conn *c, const struct response *r, size_t head_bytes)
{
	struct subrequest *q = c->errand->q;

	if (r->status == 101) {
		take_switch(c, r, head_bytes);
		return;
	}
	upstream_share_note(c->errand, c->peer, r->status >= 500);
	if (is_retried(c, r))
		return;
	q->response.status = r->status;
	upstream_response_tell(q, r, c->method);
	if (copy_fields(q, r, head_bytes) != 0) {
		upstream_conn_fail(c, ERR_MEMORY);
		return;
	}
	begin_body(c, r);
	upstream_share_answered(c->errand);
	subrequest_head(q);
}

/* True when there is a head whose bytes are taken from the input; false when
 * more must come, or the conn has failed. */
static bool
parse_head(struct upstream_conn *c, struct response *r, size_t *bytes)
{
	struct h1_parse p;
	int result = h1_response_parse(r, c->method, unread(c), &limits, &p);

	if (result == H1_MORE)
		return false;
	if (result != H1_DONE) {
		fail_protocol(c, p.reason ? p.reason : "malformed head");
		return false;
	}
	c->at += (uint32_t)p.bytes;
	*bytes = p.bytes;
	return true;
}

static bool
is_interim(int status)
{
	return status < 200 && status != 101;
}

/* RFC 8297: what a client may fetch early. Other fields are no news before the head, where they
 * would come past all that changes one. */
void
upstream_response_keep_hints(struct fields *f)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < f->count; i++) {
		if (f->at[i].id == FIELD_LINK)
			f->at[kept++] = f->at[i];
	}
	f->count = kept;
}

/* RFC 9110 15.2: interim responses go on to who has asked, but 100, which answers no Expect of
 * ours. */
static void
take_interim(struct upstream_conn *c, const struct response *r, size_t head_bytes)
{
	struct subrequest *q = c->errand->q;

	if (++c->interims > UPSTREAM_INTERIMS) {
		fail_protocol(c, "too many interim responses");
		return;
	}
	if (r->status == 100 || !q->part->passes_through || c->errand->twin)
		return;
	q->response = (struct response){ .status = r->status };
	if (r->status == 103 && copy_fields(q, r, head_bytes) != 0) {
		upstream_conn_fail(c, ERR_MEMORY);
	} else {
		upstream_response_keep_hints(&q->response.fields);
		subrequest_inform(q);
	}
	q->response = (struct response){ 0 };
}

static void
take_head(struct upstream_conn *c)
{
	struct field at[UPSTREAM_FIELDS];
	struct response r = { .fields = { .at = at, .cap = UPSTREAM_FIELDS } };
	size_t bytes;

	while (c->state == UPSTREAM_HEAD && c->in->len > c->at) {
		if (!parse_head(c, &r, &bytes))
			return;
		if (!is_interim(r.status))
			take_final(c, &r, bytes);
		else
			take_interim(c, &r, bytes);
	}
}

/* --- body ------------------------------------------------------------------------ */

static int
add_data(struct upstream_conn *c, struct chunks *list, struct slice data)
{
	return chunks_add_block(list, c->in, data);
}

/* A client may be told them; a joined response has none. */
static int
take_trailer(struct upstream_conn *c)
{
	struct subrequest *q = c->errand->q;
	int err = 0;

	if (!q->part->passes_through)
		return 0;
	if (c->chunked.trailer.len > 0)
		err = trailers_take(&c->trailers, q->arena, c->chunked.trailer);
	if (!err && c->chunked.state == CHUNKED_END && c->trailers.len > 0)
		err = trailers_end(&c->trailers, q->arena, &q->response.trailers);
	return err;
}

static int
split_chunked(struct upstream_conn *c, struct chunks *list)
{
	struct slice in = unread(c), data;
	int err = 0;

	while (!err && in.len > 0 && c->chunked.state != CHUNKED_END) {
		err = chunked_decode(&c->chunked, &in, &data);
		if (!err)
			err = add_data(c, list, data);
		if (!err)
			err = take_trailer(c);
	}
	c->at = c->in->len - (uint32_t)in.len;
	c->is_complete = c->chunked.state == CHUNKED_END;
	return err == ERR_MEMORY || err == 0 ? err : ERR_PROTOCOL;
}

/* What has come of the body goes to the list; the rest stays unread. */
static int
split(struct upstream_conn *c, struct chunks *list)
{
	struct slice data = unread(c);

	if (c->receiving == BODY_CHUNKED)
		return split_chunked(c, list);
	if (c->receiving == BODY_LENGTH) {
		if (data.len > c->left)
			data.len = (size_t)c->left;
		c->left -= data.len;
		c->is_complete = c->left == 0;
	}
	c->at += (uint32_t)data.len;
	return add_data(c, list, data);
}

static void
take_body(struct upstream_conn *c)
{
	struct subrequest *q = c->errand->q;
	struct chunks list;
	int err;

	chunks_init(&list, &upstream_env(c)->store);
	err = split(c, &list);
	if (err == ERR_PROTOCOL)
		fail_protocol(c, "malformed chunk");
	else if (err)
		upstream_conn_fail(c, err);
	else if (!chunks_is_empty(&list) && subrequest_body(q, &list) == SUBREQUEST_PAUSE)
		c->is_paused = true;
	chunks_clear(&list);
}

/* A head is looked at again only when a line may have ended. One that never
 * ends a line finds no more room in the block. */
static bool
has_line(const struct upstream_conn *c, size_t fresh)
{
	struct slice tail = slice_make(c->in->at + c->in->len - fresh, fresh);

	return slice_find(tail, '\n') < tail.len;
}

/* What was read is taken as far as it goes. Up-calls may end the errand and close the conn. */
static void
take(struct upstream_conn *c, size_t fresh)
{
	if (c->state == UPSTREAM_HEAD && has_line(c, fresh))
		take_head(c);
	if (c->state == UPSTREAM_BODY && !c->is_complete && c->in->len > c->at)
		take_body(c);
	if (c->state == UPSTREAM_BODY && c->is_complete)
		upstream_conn_finish(c);
}

/* --- reading --------------------------------------------------------------------- */

/* A replacement is fresh, so that it is not replaced again. */
static bool
can_be_replaced(const struct upstream_conn *c)
{
	return c->state == UPSTREAM_HEAD && c->is_reused && c->interims == 0 &&
	       (!c->in || c->in->len == 0) && c->sending == BODY_NONE &&
	       (method_flags(c->method) & METHOD_IDEMPOTENT);
}

/* The stream has ended: 0 as it should, or ERR_CLOSED because it broke. */
static void
take_end(struct upstream_conn *c, long err)
{
	struct upstream_errand *e = c->errand;

	c->is_peer_done = true;
	if (can_be_replaced(c)) {
		/* It was closing while it was idle: RFC 9112 9.3.1. */
		upstream_conn_let_go(c);
		upstream_conn_close(c);
		upstream_share_replace(e);
	} else if (c->is_tunnel && err == 0) {
		upstream_tunnel_finish_reading(c);
	} else if (c->state == UPSTREAM_BODY && c->receiving == BODY_UNTIL_CLOSE && err == 0) {
		upstream_conn_finish(c);
	} else {
		count_add(upstream_env(c)->counters, COUNTER_UPSTREAM_CLOSED, 1);
		upstream_conn_fail(c, ERR_CLOSED);
	}
}

/* A block with room to read into; the unread part moves along. */
static int
make_room(struct upstream_conn *c)
{
	struct block *fresh;
	uint32_t kept = c->in ? c->in->len - c->at : 0;

	if (c->in && (block_room(c->in) >= ROOM_MIN || (c->at == 0 && block_room(c->in) > 0)))
		return 0;
	if (kept >= UPSTREAM_HEAD_BYTES)
		return ERR_PROTOCOL;
	fresh = block_take(&upstream_env(c)->store, 0);
	if (!fresh)
		return ERR_MEMORY;
	if (c->in) {
		memcpy(fresh->at, c->in->at + c->at, kept);
		block_unref(c->in);
	}
	fresh->len = kept;
	c->in = fresh;
	c->at = 0;
	return 0;
}

/* Bytes read, 0 at the end, or an error. Keeps track of the edge. */
static long
read_some(struct upstream_conn *c)
{
	bool is_empty;
	long n = io_fill(&c->io, c->in, c->is_peer_done, &is_empty);

	/* Its end is read again. */
	if (is_empty && (n > 0 || n == ERR_BUSY))
		c->is_readable = false;
	if (n > 0)
		c->last_ns = loop_now(&upstream_env(c)->loop);
	return n;
}

static bool
wants_more(const struct upstream_conn *c)
{
	return (c->state == UPSTREAM_HEAD || c->state == UPSTREAM_BODY) && c->is_readable &&
	       !c->is_paused && !c->is_ended;
}

void
upstream_response_read(struct upstream_conn *c)
{
	unsigned reads = 0;

	while (wants_more(c)) {
		int err = make_room(c);
		long n;

		if (err == ERR_PROTOCOL) {
			fail_protocol(c, "head too large");
			return;
		}
		if (err) {
			upstream_conn_fail(c, err);
			return;
		}
		if (reads++ == READ_TURN) {
			upstream_conn_yield(c);
			return;
		}
		n = read_some(c);
		if (n == ERR_BUSY)
			return;
		if (n > 0)
			take(c, (size_t)n);
		else
			take_end(c, n);
	}
}
