/*
 * The request's way in: reading, heads, bodies (RFC 9112 3 to 7).
 *
 * Reads land in a counted block. The exchange's request and the body's chunks
 * borrow from it by reference, so a block in use is never moved or written
 * over: what is unfinished at its end goes to the next block.
 */
#include "http/uri.h"
#include "proto/h1_priv.h"
#include "wire/h2_frames.h"

enum { METHOD_ROOM = 32 }; /* a method, and the blank behind it */

/* --- reading -------------------------------------------------------------------- */

/* Moves the unread tail to the front of a block with room. */
static int
make_room(struct h1 *h)
{
	struct slice tail = h1_pending(h);
	struct block *old = h->in, *next;

	if (old->refs == 1 && old->cap >= tail.len + STORE_BLOCK_BYTES / 4) {
		memmove(old->at, tail.at, tail.len);
		next = old;
	} else {
		/* A long head doubles its block: what is copied again stays a small share. */
		next = block_take(h->x.store, tail.len * 2);
		if (!next)
			return ERR_MEMORY;
		memcpy(next->at, tail.at, tail.len);
		block_unref(old);
	}
	next->len = (uint32_t)tail.len;
	h->in = next;
	h->in_at = 0;
	return 0;
}

/* Room in the input block, or an error. Body that nobody takes gets none. */
static int
ensure_room(struct h1 *h)
{
	if (!h->in) {
		h->in = block_take(h->x.store, 0);
		h->in_at = 0;
		return h->in ? 0 : ERR_MEMORY;
	}
	if (h->in_at == h->in->len && h->in->refs == 1)
		h->in_at = h->in->len = 0;
	if (block_room(h->in) > 0)
		return 0;
	return h->state == H1_HEAD || h->in_at > 0 ? make_room(h) : ERR_FULL;
}

enum h1_progress
h1_read(struct h1 *h)
{
	struct conn *c = h->conn;
	bool is_empty;
	long n;
	int err = ensure_room(h);

	if (err) {
		if (err == ERR_MEMORY)
			h->flags |= H1_BROKEN;
		return H1_STARVED;
	}
	n = io_fill(&c->io, h->in, c->flags & CONN_PEER_CLOSED, &is_empty);
	if (is_empty)
		c->flags &= ~(unsigned)CONN_READABLE;
	if (n > 0) {
		h->flags |= H1_CAME;
		pace_move(&h->in_pace, (uint64_t)n);
		return H1_PROGRESS;
	}
	if (n == 0) {
		c->flags |= CONN_EOF;
		if (h->flags & H1_TUNNEL)
			return H1_PROGRESS; /* which is a word of its own there */
	} else if (n != ERR_BUSY) {
		c->flags |= CONN_LOST;
		h->flags |= H1_BROKEN;
	}
	return H1_STARVED;
}

/* --- heads ---------------------------------------------------------------------- */

/* All but the request, which the parser has filled. */
static void
init_exchange(struct h1 *h)
{
	struct conn_host *host = h->conn->host;
	struct exchange *x = &h->x;

	x->ops = &h1_ops;
	x->app = host->app;
	x->store = &host->env->store;
	arena_init_over(&x->arena, x->store, H1_ARENA_BYTES, h->memory, H1_BYTES - sizeof(*h));
	x->response = (struct response){ 0 };
	x->prepared = (struct slice){ 0 };
	x->extra = NULL;
	x->edits = NULL;
	x->pages = NULL;
	x->user = x->claims = (struct slice){ 0 };
	x->asked = NULL;
	x->client = x->near = &h->client;
	x->scheme = conn_scheme(h->conn);
	x->vouched = FIELD_OTHER;
	x->trace.conf = NULL;
	x->trace.state = TRACE_UNREAD;
	x->host = host->app_host;
	x->filter = NULL;
	x->run = NULL;
	x->ran = NULL;
	x->route = 0;
	x->begun_ns = loop_now(&host->env->loop);
	x->body_done_ns = 0;
	x->deadline_ns = 0;
	x->id = host->next_id++;
	x->max_body = host->limits.max_body;
	x->body_received = x->body_sent = 0;
	x->is_head_sent = x->is_answered = x->is_body_complete = x->is_closing = x->is_cut = false;
	x->hides_server = x->is_background = false;
	h->flags &= H1_INSIDE | H1_CAME | H1_WENT | H1_SLOW;
}

static void
turn_away(struct h1 *h, int status, struct slice method, struct slice target)
{
	init_exchange(h);
	h->x.request =
	    (struct request){ .version = HTTP_1_1, .method_name = method, .target = target };
	h->x.is_closing = true;
	h->state = H1_RUNNING;
	h->flags |= H1_BODY_DONE | H1_LINGER_DUE;
	exchange_refuse(&h->x, status);
}

/* For whoever reads the log: the first line's words, whatever they are. */
void
h1_turn_away(struct h1 *h, int status, enum counter reason, const char *what)
{
	struct slice line = h1_pending(h), method, target;

	conn_fault(h->conn, reason, status, what);
	if (slice_has_prefix(line, SLICE("\r\n")))
		line = slice_after(line, 2); /* RFC 9112 2.2 */
	line.len = slice_find(line, '\n');
	line.len = slice_find(line, '\r');
	method = slice_cut(&line, ' ');
	target = slice_cut(&line, ' ');
	turn_away(h, status, method, target);
}

static enum counter
counter_for(int status, enum method method)
{
	switch (status) {
	case 414:
		return COUNTER_REFUSED_TARGET;
	case 431:
		return COUNTER_REFUSED_HEAD;
	case 501:
		return method == METHOD_CONNECT ? COUNTER_REFUSED_METHOD : COUNTER_REFUSED_CODING;
	case 505:
		return COUNTER_REFUSED_VERSION;
	case 417:
		return COUNTER_REFUSED_EXPECT;
	default:
		return COUNTER_REFUSED_SYNTAX;
	}
}

/* The parser's scratch serves the next request: what stays goes to the arena. */
static int
keep_fields(struct h1 *h)
{
	struct fields *f = &h->x.request.fields;
	size_t bytes = f->count * sizeof(struct field);
	struct field *at;

	if (bytes == 0)
		return 0;
	at = arena_alloc(&h->x.arena, bytes);
	if (!at)
		return ERR_MEMORY;
	memcpy(at, f->at, bytes);
	f->at = at;
	f->cap = f->count;
	return 0;
}

static int
decode_path(struct h1 *h)
{
	struct request *q = &h->x.request;
	char *memory;

	if (slice_eq(q->raw_path, SLICE("*"))) {
		q->path = q->raw_path;
		return 0;
	}
	memory = arena_alloc(&h->x.arena, q->raw_path.len);
	if (!memory)
		return ERR_MEMORY;
	return uri_path_decode(q->raw_path, memory, &q->path);
}

static void
expect_body(struct h1 *h)
{
	struct request *q = &h->x.request;

	if (q->keeps_alive)
		h->flags |= H1_KEEP;
	if (q->framing == BODY_NONE || (q->framing == BODY_LENGTH && q->content_length == 0)) {
		h->flags |= H1_BODY_DONE;
		h->x.is_body_complete = true;
		h->x.body_done_ns = h->x.begun_ns;
		h->body_left = 0;
		return;
	}
	pace_start(&h->in_pace, &h->conn->host->limits.body_pace, h->x.begun_ns);
	h->body_left = q->framing == BODY_LENGTH ? q->content_length : 0;
	if (q->framing == BODY_CHUNKED) {
		chunked_init(&h->chunked, H1_TRAILER_BYTES);
		h->trailers = (struct trailers){ 0 };
		inbox_init(&h->body, h->x.store);
	}
	if (q->expects_continue && q->version >= HTTP_1_1)
		h->flags |= H1_CONTINUE_DUE;
}

static void
begin(struct h1 *h, size_t head_bytes)
{
	struct conn_host *host = h->conn->host;
	int err;

	init_exchange(h);
	count_add(host->env->counters, COUNTER_REQUESTS, 1);
	/* What comes behind it, even in this turn, has time of its own; what is to be written has
	 * not. */
	if (h->wait != H1_WAIT_SEND)
		h->wait = H1_WAIT_UNSET;
	h->head_block = block_ref(h->in);
	h->in_at += (uint32_t)head_bytes;
	h->in_seen = 0;
	err = keep_fields(h);
	if (!err)
		err = decode_path(h);
	if (err) {
		arena_fini(&h->x.arena);
		if (err == ERR_MEMORY)
			count_add(host->env->counters, COUNTER_REFUSED_MEMORY, 1);
		else
			conn_fault(h->conn, COUNTER_REFUSED_SYNTAX, 400, "the path is malformed");
		turn_away(h, err == ERR_MEMORY ? 503 : 400, h->x.request.method_name,
			  h->x.request.target);
		return;
	}
	expect_body(h);
	h->state = H1_RUNNING;
	h->flags |= H1_BEGUN;
	h->x.app->begin(&h->x);
}

/* RFC 9113 3.3: who knows that we speak HTTP/2 begins with its preface. Only what HTTP/1 does not
 * take is looked at. */
static bool
is_other(const struct h1 *h, struct slice in)
{
	return (h->conn->flags & (CONN_H2 | CONN_SERVED)) == CONN_H2 && h->in_at == 0 &&
	       h2_preface_is_start(in);
}

/* Too long a target is told once it is there, and not at the end of a line that may never come. */
static bool
has_long_line(const struct h1 *h, struct slice in)
{
	size_t enough = (size_t)h->conn->host->limits.h1.max_target + METHOD_ROOM;

	return h->in_seen < enough && in.len >= enough;
}

/* Whether an unfinished head got no further: no new line since the last look. What looked like
 * another protocol's preface has lines, and may not be one after all. */
static bool
is_same_line(const struct h1 *h, struct slice in)
{
	struct slice fresh = slice_after(in, h->in_seen);

	return h->in_seen > 0 && in.len <= h->conn->host->limits.h1.max_head_bytes &&
	       slice_find(fresh, '\n') == fresh.len && !has_long_line(h, in) &&
	       !is_other(h, slice_make(in.at, h->in_seen));
}

static enum h1_progress
make_way(struct h1 *h, struct slice in)
{
	h->in_seen = (uint32_t)in.len;
	if (in.len < H2_PREFACE_BYTES)
		return H1_STARVED;
	h->flags |= H1_OTHER;
	h->state = H1_CLOSING;
	return H1_STARVED;
}

enum h1_progress
h1_take_head(struct h1 *h)
{
	struct conn_host *host = h->conn->host;
	struct slice in = h1_pending(h);
	struct request *q = &h->x.request;
	struct h1_parse p;
	int result;

	if (is_same_line(h, in)) {
		h->in_seen = (uint32_t)in.len;
		return H1_STARVED;
	}
	q->fields = (struct fields){ .at = host->field_scratch, .cap = host->limits.h1.max_fields };
	result = h1_request_parse(q, in, &host->limits.h1, &p);
	if (result == H1_MORE) {
		h->in_seen = (uint32_t)in.len;
		return H1_STARVED;
	}
	if (result == H1_DONE) {
		begin(h, p.bytes);
	} else if (is_other(h, in)) {
		return make_way(h, in);
	} else {
		h1_turn_away(h, p.status, counter_for(p.status, q->method), p.reason);
	}
	return H1_PROGRESS;
}

/* --- bodies --------------------------------------------------------------------- */

/* Behind the chunks, while there is somebody who may want it. */
static int
decode_trailer(struct h1 *h)
{
	struct exchange *x = &h->x;
	int err = 0;

	if (h->chunked.trailer.len > 0)
		err = trailers_take(&h->trailers, &x->arena, h->chunked.trailer);
	if (!err && h->chunked.state == CHUNKED_END && h->trailers.len > 0)
		err = trailers_end(&h->trailers, &x->arena, &x->request.trailers);
	return err;
}

static int
take_counted(struct h1 *h, struct chunks *list, size_t *bytes)
{
	struct slice data = h1_pending(h);

	if (data.len > h->body_left)
		data.len = (size_t)h->body_left;
	h->body_left -= data.len;
	h->in_at += (uint32_t)data.len;
	*bytes = data.len;
	if (h->body_left == 0)
		h->flags |= H1_BODY_DONE;
	return list ? chunks_add_block(list, h->in, data) : 0;
}

/* Small chunks are gathered: else a client could have a piece of the list and its share of a block
 * kept for each byte. */
static int
take_chunked(struct h1 *h, bool is_kept, size_t *bytes)
{
	struct slice in = h1_pending(h), data;
	size_t before = in.len;
	int err = 0;

	while (!err && in.len > 0 && h->chunked.state != CHUNKED_END) {
		err = chunked_decode(&h->chunked, &in, &data);
		if (!err && is_kept && data.len > 0)
			err = inbox_put(&h->body, h->in, data);
		if (!err && is_kept)
			err = decode_trailer(h);
		if (!err)
			*bytes += data.len;
	}
	h->in_at += (uint32_t)(before - in.len);
	if (h->chunked.state == CHUNKED_END)
		h->flags |= H1_BODY_DONE;
	return err;
}

/* Takes what is there of the body; data goes to `list`, or nowhere when it is
 * NULL. 0 or the error. */
static int
decode_body(struct h1 *h, struct chunks *list, size_t *bytes)
{
	int err;

	*bytes = 0;
	if (h->x.request.framing == BODY_LENGTH)
		return take_counted(h, list, bytes);
	err = take_chunked(h, list != NULL, bytes);
	if (list)
		chunks_move(list, &h->body.list);
	if (h->flags & H1_BODY_DONE)
		inbox_clear(&h->body);
	return err;
}

/* The request's body broke its rules: the application is done with it, and the
 * client hears why if it can. */
static void
fail_body(struct h1 *h, int err)
{
	struct exchange *x = &h->x;
	int status = err == ERR_TOO_LARGE ? 413 : err == ERR_PROTOCOL ? 400 : 503;

	if (err == ERR_TOO_LARGE)
		conn_fault(h->conn, COUNTER_REFUSED_BODY, status, "the body is too large");
	else if (err == ERR_PROTOCOL)
		conn_fault(h->conn, COUNTER_BODY_SYNTAX, status, "the body breaks its framing");
	else
		count_add(h->conn->host->env->counters, COUNTER_REFUSED_MEMORY, 1);
	exchange_cancel(x, err);
	x->is_closing = true;
	h->flags |= H1_LINGER_DUE;
	if (x->is_head_sent)
		h1_ops.abort(x, err);
	else
		exchange_refuse(x, status);
}

enum h1_progress
h1_take_body(struct h1 *h)
{
	struct exchange *x = &h->x;
	struct chunks list;
	size_t bytes;
	int err;

	if (!(h->flags & H1_WANTED) || (h->flags & H1_BODY_DONE))
		return H1_STARVED;
	if (h->flags & H1_TUNNEL)
		return h1_tunnel_take(h);
	if (h1_pending(h).len == 0)
		return H1_STARVED;
	chunks_init(&list, x->store);
	err = decode_body(h, &list, &bytes);
	x->body_received += bytes;
	if (!err && x->body_received > x->max_body)
		err = ERR_TOO_LARGE;
	if (err) {
		chunks_clear(&list);
		fail_body(h, err);
		return H1_PROGRESS;
	}
	if (h->flags & H1_BODY_DONE) {
		x->is_body_complete = true;
		x->body_done_ns = loop_now(&h->conn->host->env->loop);
	} else if (list.bytes == 0) {
		return H1_PROGRESS; /* only framing so far */
	}
	h->flags &= ~(unsigned)(H1_WANTED | H1_CONTINUE_DUE);
	x->app->feed(x, &list, x->is_body_complete);
	return H1_PROGRESS;
}

enum h1_progress
h1_drop_body(struct h1 *h)
{
	size_t before = h1_pending(h).len, bytes;
	int err;

	if (before == 0)
		return H1_STARVED;
	err = decode_body(h, NULL, &bytes);
	h->drained += before - h1_pending(h).len;
	if (err || h->drained > H1_DRAIN_BYTES) {
		h->flags |= H1_LINGER_DUE;
		h->state = H1_CLOSING;
	} else if (h->flags & H1_BODY_DONE) {
		h->state = H1_HEAD;
	}
	return H1_PROGRESS;
}
