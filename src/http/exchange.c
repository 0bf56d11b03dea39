/*
 * The application's side of the exchange; see exchange.h. Protocol-free: what
 * is sent goes through x->ops.
 */
#include "http/exchange.h"

#include "base/assert.h"
#include "http/error_page.h"
#include "http/filter.h"
#include "http/status.h"

enum { FIRST_FIELDS = 8, FIELDS_MAX = 256 };

/* What a head may not say is not said before it or behind the body either. */
static void
strip(const struct exchange *x, struct fields *f)
{
	for (const struct exchange_edits *e = x->edits; e && f->count > 0; e = e->next) {
		if (e->strip)
			e->strip(e, f);
	}
}

int
exchange_inform(struct exchange *x, int status)
{
	ASSERT(!x->is_head_sent);
	strip(x, &x->response.fields);
	return x->ops->inform(x, status);
}

static int
edit(struct exchange *x)
{
	for (const struct exchange_edits *e = x->edits; e; e = e->next) {
		int err = e->apply(e, x);

		if (err)
			return err;
	}
	return 0;
}

int
exchange_head(struct exchange *x)
{
	int err;

	ASSERT(!x->is_head_sent);
	x->is_head_sent = true;
	err = x->edits ? edit(x) : 0;
	if (err)
		return x->ops->fail(x, err);
	return x->filter ? filters_head(x) : x->ops->head(x);
}

int
exchange_send_body(struct exchange *x, struct chunks *list)
{
	x->body_sent += list->bytes;
	return x->ops->body(x, list);
}

int
exchange_body(struct exchange *x, struct chunks *list)
{
	ASSERT(x->is_head_sent);
	return x->filter ? filters_body(x, list) : exchange_send_body(x, list);
}

void
exchange_end(struct exchange *x)
{
	ASSERT(x->is_head_sent);
	strip(x, &x->response.trailers);
	if (x->filter)
		filters_end(x);
	else
		x->ops->end(x);
}

void
exchange_shut(struct exchange *x)
{
	ASSERT(x->is_head_sent);
	if (x->ops->shut)
		x->ops->shut(x);
}

void
exchange_want_body(struct exchange *x)
{
	x->ops->want_body(x);
}

int
exchange_peer_user(struct exchange *x, uint32_t *uid)
{
	return x->ops->peer_user ? x->ops->peer_user(x, uid) : ERR_UNSUPPORTED;
}

int
exchange_peer(const struct exchange *x, struct address *peer)
{
	return x->ops && x->ops->peer ? x->ops->peer(x, peer) : ERR_UNSUPPORTED;
}

int
exchange_write_subject(const struct exchange *x, struct writer *w)
{
	return x->ops && x->ops->write_subject ? x->ops->write_subject(x, w) : ERR_MISSING;
}

/* The status that tells a client why there is no answer. */
static int
status_for(int err)
{
	switch (err) {
	case ERR_TIMEOUT:
	case ERR_DEADLINE:
		return 504;
	case ERR_CONNECT:
	case ERR_CLOSED:
	case ERR_PROTOCOL:
		return 502;
	case ERR_SHED:
	case ERR_FULL:
	case ERR_MEMORY:
	case ERR_SHUTDOWN:
		return 503;
	case ERR_TOO_LARGE:
		return 413;
	case ERR_NOT_FOUND:
		return 404;
	default:
		return 500;
	}
}

void
exchange_abort(struct exchange *x, int err)
{
	if (!x->is_head_sent)
		exchange_refuse(x, status_for(err));
	else if (x->filter)
		filters_abort(x, err);
	else
		x->ops->abort(x, err);
}

void
exchange_resume(struct exchange *x)
{
	if (x->filter)
		filters_resume(x);
	else
		x->app->resume(x);
}

void
exchange_cancel(struct exchange *x, int err)
{
	if (x->filter)
		filters_cancel(x);
	if (!x->is_answered)
		x->app->cancel(x, err);
}

void
exchange_fail(struct exchange *x, int err)
{
	exchange_cancel(x, err);
	exchange_abort(x, err);
}

/* Room for one more field, in the arena. */
static int
grow_fields(struct exchange *x)
{
	struct fields *f = &x->response.fields;

	if (f->count == f->cap && f->cap > FIELDS_MAX / 2)
		return ERR_TOO_MANY;
	return fields_make_room(f, &x->arena, FIRST_FIELDS);
}

int
exchange_add_field(struct exchange *x, enum field_id id, struct slice value)
{
	int err = grow_fields(x);

	return err ? err : fields_add(&x->response.fields, id, value);
}

int
exchange_add_field_name(struct exchange *x, struct slice name, struct slice value)
{
	int err = grow_fields(x);

	return err ? err : fields_add_name(&x->response.fields, name, value);
}

int
exchange_own_fields(struct exchange *x, unsigned more)
{
	struct fields *f = &x->response.fields;
	struct field *at;

	at = arena_zalloc(&x->arena, f->count + more + 1, sizeof(*at));
	if (!at)
		return ERR_MEMORY;
	if (f->count)
		memcpy(at, f->at, f->count * sizeof(*at));
	f->at = at;
	f->cap = f->count + more + 1;
	x->prepared = (struct slice){ 0 };
	return 0;
}

/* For protocols without a way of their own. */
static int
send_in_steps(struct exchange *x, struct slice body)
{
	struct chunks list;
	int err = x->ops->head(x);

	if (err)
		return err;
	chunks_init(&list, x->store);
	err = chunks_add_arena(&list, body);
	if (!err)
		err = exchange_send_body(x, &list);
	chunks_clear(&list);
	return err < 0 ? err : 0;
}

void
exchange_send_whole(struct exchange *x, struct slice body)
{
	if (x->ops->whole) {
		x->body_sent = body.len;
		x->ops->whole(x, body);
	} else if (send_in_steps(x, body) != 0) {
		x->ops->abort(x, ERR_MEMORY);
	} else {
		x->ops->end(x);
	}
}

void
exchange_whole(struct exchange *x, struct slice body)
{
	ASSERT(!x->is_head_sent);
	x->is_head_sent = true;
	if (x->edits && edit(x) != 0)
		exchange_abort(x, ERR_MEMORY);
	else if (x->filter)
		filters_whole(x, body);
	else
		exchange_send_whole(x, body);
}

void
exchange_respond(struct exchange *x, int status, struct slice type, struct slice body)
{
	bool has_body = status_has_body(status);

	x->response.status = status;
	x->response.framing = has_body ? BODY_LENGTH : BODY_NONE;
	x->response.content_length = has_body ? body.len : 0;
	if (!has_body)
		body.len = 0;
	/* Without memory for the type the client does without it. */
	if (body.len > 0 && exchange_add_field(x, FIELD_CONTENT_TYPE, type) != 0)
		x->is_closing = true;
	exchange_whole(x, body);
}

void
exchange_refuse(struct exchange *x, int status)
{
	const struct error_page *page = error_pages_find(x->pages, status);
	struct slice type = SLICE("text/plain"), body = status_reason(status);

	x->prepared = (struct slice){ 0 };
	if (page)
		error_page_choose(page, &x->request, &type, &body);
	if (page && page->json.at && exchange_add_field(x, FIELD_VARY, SLICE("Accept")) != 0)
		x->is_closing = true;
	exchange_respond(x, status, type, body);
}
