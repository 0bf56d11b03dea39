/*
 * The pages of the admin listeners; see page.h.
 */
#include "server/page.h"

#include "metrics/export.h"
#include "server/metrics.h"
#include "server/overview.h"
#include "server/server.h"
#include "server/stall_page.h"

enum { SMALL_BYTES = 4096, STALLS_BYTES = STALLS_KEPT * 4096 };

/* What a page writes, and where. */
struct page_reply {
	const struct server *server;
	const struct request *request;
	struct buffer body;
	struct slice type;
	int status;
};

struct page {
	struct slice path;
	void (*write)(struct page_reply *r);
};

/* --- the pages --------------------------------------------------------------------------- */

/* It answers, so the process lives. */
static void
write_livez(struct page_reply *r)
{
	buffer_text(&r->body, "alive\n");
}

static void
write_readyz(struct page_reply *r)
{
	if (gauge_read(&r->server->state) != SERVER_READY)
		r->status = 503;
	buffer_text(&r->body, overview_state(r->server));
	buffer_char(&r->body, '\n');
}

/* Start-up is over, and was all right. */
static void
write_startupz(struct page_reply *r)
{
	bool has_started = gauge_read(&r->server->state) != SERVER_STARTING;

	if (!has_started)
		r->status = 503;
	buffer_text(&r->body, has_started ? "started\n" : "starting\n");
}

static void
write_metrics(struct page_reply *r)
{
	r->type = SLICE(EXPORT_TYPE);
	r->body.limit = metrics_limit(r->server);
	metrics_write(&r->body, r->server);
}

/* Text for who asks for it with ?text or Accept: text/plain. */
static bool
wants_text(const struct request *q)
{
	return slice_eq(q->query, SLICE("text")) ||
	       fields_has_token(&q->fields, FIELD_ACCEPT, SLICE("text/plain"));
}

static void
write_status(struct page_reply *r)
{
	r->body.limit = metrics_limit(r->server);
	if (wants_text(r->request)) {
		overview_write_text(&r->body, r->server);
		return;
	}
	r->type = SLICE("application/json");
	overview_write_json(&r->body, r->server);
}

static void
write_stalls(struct page_reply *r)
{
	struct stall_page p;

	lookout_describe(&r->server->monitor.lookout, &p);
	r->body.limit = STALLS_BYTES;
	if (wants_text(r->request)) {
		stall_page_write_text(&r->body, &p);
		return;
	}
	r->type = SLICE("application/json");
	stall_page_write_json(&r->body, &p);
}

static const struct page pages[] = {
	{ SLICE_INIT("/livez"), write_livez },   { SLICE_INIT("/metrics"), write_metrics },
	{ SLICE_INIT("/readyz"), write_readyz }, { SLICE_INIT("/startupz"), write_startupz },
	{ SLICE_INIT("/status"), write_status }, { SLICE_INIT("/stalls"), write_stalls },
};

enum { PAGES = sizeof(pages) / sizeof(pages[0]) };

static void
write_not_found(struct page_reply *r)
{
	r->status = 404;
	buffer_text(&r->body, "Not Found. There are:\n");
	for (size_t i = 0; i < PAGES; i++) {
		buffer_put(&r->body, pages[i].path);
		buffer_char(&r->body, '\n');
	}
	for (unsigned i = 0; i < COMMAND_KINDS; i++) {
		buffer_text(&r->body, "POST /");
		buffer_put(&r->body, command_at(i)->name);
		buffer_char(&r->body, '\n');
	}
}

/* --- the exchange -------------------------------------------------------------------------- */

static void
find_page(struct page_reply *r)
{
	for (size_t i = 0; i < PAGES; i++) {
		if (slice_eq(r->request->path, pages[i].path)) {
			pages[i].write(r);
			return;
		}
	}
	write_not_found(r);
}

/* Takes the text, which no arena holds: it may be long. */
static int
send_body(struct exchange *x, struct buffer *body)
{
	struct chunks list;
	size_t len;
	char *text = buffer_take(body, &len);
	int err;

	chunks_init(&list, x->store);
	err = chunks_add_heap(&list, text, slice_make(text, len));
	if (!err)
		err = exchange_body(x, &list);
	chunks_clear(&list);
	return err < 0 ? err : 0;
}

void
page_respond(struct exchange *x, int status, struct slice type, struct buffer *body)
{
	int err;

	x->response.status = status;
	x->response.framing = BODY_LENGTH;
	x->response.content_length = body->len;
	err = exchange_add_field(x, FIELD_CONTENT_TYPE, type);
	if (!err)
		err = exchange_head(x);
	if (!err)
		err = send_body(x, body);
	if (err)
		exchange_abort(x, err);
	else
		exchange_end(x);
}

static void
refuse_method(struct exchange *x)
{
	if (exchange_add_field(x, FIELD_ALLOW, SLICE("GET, HEAD")) != 0)
		exchange_abort(x, ERR_MEMORY);
	else
		exchange_refuse(x, 405);
}

static void
begin(struct exchange *x)
{
	struct server *server = x->host;
	struct page_reply r = {
		.server = server,
		.request = &x->request,
		.type = SLICE("text/plain; charset=utf-8"),
		.status = 200,
	};

	if (exchange_add_field(x, FIELD_CACHE_CONTROL, SLICE("no-store")) != 0) {
		exchange_abort(x, ERR_MEMORY);
		return;
	}
	if (desk_take(&server->monitor.desk, server, x))
		return;
	if (x->request.method != METHOD_GET && x->request.method != METHOD_HEAD) {
		refuse_method(x);
		return;
	}
	lookout_refresh(&server->monitor.lookout);
	buffer_init(&r.body, SMALL_BYTES);
	find_page(&r);
	if (r.body.err)
		exchange_refuse(x, 503);
	else
		page_respond(x, r.status, r.type, &r.body);
	buffer_fini(&r.body);
}

/* Bodies are never asked for. */
static void
feed(struct exchange *x, struct chunks *body, bool is_last)
{
	(void)x;
	(void)is_last;
	chunks_clear(body);
}

static void
do_nothing(struct exchange *x)
{
	(void)x;
}

static void
cancel(struct exchange *x, int err)
{
	struct server *server = x->host;

	(void)err;
	desk_cancel(&server->monitor.desk, x);
}

const struct exchange_app page_app = {
	.begin = begin,
	.feed = feed,
	.resume = do_nothing,
	.cancel = cancel,
	.ended = do_nothing,
};
