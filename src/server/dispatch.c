/*
 * From an exchange to its route's plan; see dispatch.h.
 */
#include "server/dispatch.h"

#include "config/value.h"
#include "guard/cors.h"
#include "http/error_page.h"
#include "http/fault.h"
#include "http/forwarded.h"
#include "http/reading.h"
#include "http/status.h"
#include "plan/edits.h"
#include "plan/run.h"
#include "server/site.h"
#include "server/worker.h"

enum { ALLOW_BYTES = 256, LATE_ANSWERS = 4 };

/* What clients hear who have waited too long for their worker: prepared, and with different times,
 * lest they all come back at once. */
#define LATE_BODY "Service Unavailable"
#define LATE_ANSWER(seconds)                                                                       \
	{                                                                                          \
		.lines = SLICE_INIT("Content-Type: text/plain\r\n"                                 \
				    "Retry-After: " seconds "\r\n"                                 \
				    "Forebay-Shed: worker.wait\r\n"                                \
				    "Content-Length: 19\r\n"),                                     \
		.retry_after = SLICE_INIT(seconds),                                                \
	}
static const struct late_answer {
	struct slice lines, retry_after;
} late_answers[LATE_ANSWERS] = { LATE_ANSWER("1"), LATE_ANSWER("2"), LATE_ANSWER("3"),
				 LATE_ANSWER("4") };

/* Between the router and the run. */
struct awaited {
	struct guard_asked asked;
	struct slice param[]; /* of the route's path */
};

/* 405 says what would have been allowed (RFC 9110 15.5.6); a method that nobody knows here is 501
 * (9.1). */
static void
refuse_method(struct exchange *x, unsigned allow)
{
	struct worker *w = x->host;
	char *memory = arena_alloc(&x->arena, ALLOW_BYTES);
	struct writer text = writer_over(memory, memory ? ALLOW_BYTES : 0);

	count_add(w->env.counters, COUNTER_REFUSED_METHOD, 1);
	router_write_allow(allow, &text);
	if (exchange_add_field(x, FIELD_ALLOW, writer_slice(&text)) != 0) {
		exchange_abort(x, ERR_MEMORY);
		return;
	}
	exchange_refuse(x, x->request.method == METHOD_OTHER ? 501 : 405);
}

static void
refuse(struct exchange *x, int status, enum counter reason)
{
	struct worker *w = x->host;

	count_add(w->env.counters, reason, 1);
	exchange_refuse(x, status);
}

/* Which limit it was, and when to come again. False: there is no memory for it, and it is over. */
static bool
tell_shed(struct exchange *x, struct slice limit, struct slice retry_after)
{
	if (exchange_add_field(x, FIELD_RETRY_AFTER, retry_after) == 0 &&
	    exchange_add_field(x, FIELD_FOREBAY_SHED, limit) == 0)
		return true;
	exchange_abort(x, ERR_MEMORY);
	return false;
}

static const struct late_answer *
pick_answer(struct exchange *x)
{
	struct worker *w = x->host;

	return &late_answers[random_next(&w->env.random) % LATE_ANSWERS];
}

/* Before its plan begins. HTTP/1 sends the lines, all else the fields. */
static __attribute__((noinline)) void
refuse_late(struct exchange *x)
{
	const struct late_answer *late = pick_answer(x);

	x->response.fields.count = 0;
	if (!tell_shed(x, SLICE("worker.wait"), late->retry_after))
		return;
	if (error_pages_find(x->pages, 503)) {
		exchange_refuse(x, 503);
		return;
	}
	x->prepared = late->lines;
	exchange_respond(x, 503, SLICE("text/plain"), SLICE(LATE_BODY));
}

/* Whether it may not come in, for the bytes in flight are short and its body is large. */
static bool
is_too_much(struct worker *w, const struct request *q)
{
	if (q->framing == BODY_NONE)
		return false;
	if (q->framing == BODY_LENGTH && q->content_length <= BYTES_LARGE)
		return false;
	if (bytes_level(&w->env.bytes) < BYTES_SHORT)
		return false;
	if (w->env.bytes.is_shadow)
		count_add(w->env.counters, COUNTER_SPARED_BYTES, 1);
	return !w->env.bytes.is_shadow;
}

static void
refuse_bytes(struct exchange *x)
{
	x->is_closing = true;
	if (tell_shed(x, SLICE("bytes"), pick_answer(x)->retry_after))
		refuse(x, 503, COUNTER_REFUSED_BYTES);
}

/* The server as a whole is asked, not one of its routes (RFC 9110 9.3.7). */
static bool
is_about_server(const struct exchange *x)
{
	return x->request.method == METHOD_OPTIONS && slice_eq(x->request.path, SLICE("*"));
}

/* A request that its route's guards let pass. */
static void
passed(struct guard_asked *a)
{
	struct run_captures captures = { .value = a->param, .rest = a->rest };

	run_start(a->x, a->lease, a->plan, &captures);
}

/* What the guards need lives longer than this turn. */
static void
ask_guards(struct exchange *x, const struct router_match *m)
{
	size_t bytes = sizeof(struct awaited) + m->captures * sizeof(struct slice);
	struct awaited *one = arena_zalloc(&x->arena, 1, bytes);

	if (!one) {
		refuse(x, 503, COUNTER_REFUSED_MEMORY);
		return;
	}
	memcpy(one->param, m->capture, m->captures * sizeof(struct slice));
	one->asked = (struct guard_asked){
		.x = x,
		.lease = x->lease,
		.plan = m->route->plan,
		.param = one->param,
		.rest = m->rest,
		.passed = passed,
		.list = &m->route->guards,
	};
	guard_start(&one->asked);
}

static void
start(struct exchange *x, struct router_match *m)
{
	struct run_captures captures = { .value = m->capture, .rest = m->rest };

	if (router_decode(m, &x->arena) != 0 ||
	    edits_attach(m->route->edits, x, m->capture, m->captures, m->rest) != 0 ||
	    (m->route->intercepts_errors && x->pages && error_pages_intercept(x) != 0))
		refuse(x, 503, COUNTER_REFUSED_MEMORY);
	else if (m->route->guards.count > 0 && !exchange_is_late(x))
		ask_guards(x, m);
	else
		run_start(x, x->lease, m->route->plan, &captures);
}

/* What the trusted proxy that asks has left of its own deadline; what another client says of it is
 * nobody's. */
static void
take_deadline(struct exchange *x, const struct networks *trusted)
{
	const struct field *f = fields_find(&x->request.fields, FIELD_FOREBAY_DEADLINE);
	struct worker *w = x->host;
	uint64_t left;

	if (!f || networks_find(trusted, x->near) == 0)
		return;
	if (value_duration(f->value, &left) == 0) {
		x->deadline_ns = clock_after(x->begun_ns, left);
		return;
	}
	count_add(w->env.counters, COUNTER_DEADLINE_IGNORED, 1);
	fault_log(x->client, 0, "Forebay-Deadline is no duration");
}

/* What trusted proxies say. ERR_MEMORY. */
static int
take_their_word(struct exchange *x, const struct site *site)
{
	take_deadline(x, site->trusted);
	return forwarded_apply(x, site->trusted, site->forwarded_field);
}

/* A preflight is for the route that would take the request it announces, where that route answers
 * preflights; else it is an OPTIONS like any other. */
static int
find_route(const struct exchange *x, struct slice path, struct router_match *m)
{
	const struct router *r = x->lease->site->router;
	const struct request *q = &x->request;
	enum method announced;

	if (q->method == METHOD_OPTIONS && cors_is_preflight(q, &announced) &&
	    router_find(r, announced, q->authority, path, m) == 0 &&
	    cors_is_among(&m->route->guards))
		return 0;
	return router_find(r, q->method, q->authority, path, m);
}

/* Whether a server that reads the path in another way would take it for one that another route is
 * there for, or that climbs. ERR_CONFLICT: so it is. ERR_MEMORY. */
static __attribute__((noinline)) int
check_readings(struct exchange *x, const struct route *route)
{
	enum site_odd_paths policy = x->lease->site->odd_paths;
	struct router_match m;
	struct reading r;
	struct slice text;
	char *memory;

	reading_init(&r, x->request.path);
	if (policy == ODD_PATHS_PASS || r.odd == 0)
		return 0;
	if (policy == ODD_PATHS_REFUSE)
		return ERR_CONFLICT;
	memory = arena_alloc(&x->arena, x->request.path.len);
	if (!memory)
		return ERR_MEMORY;
	while (reading_next(&r, memory, &text)) {
		if (text.len == 0 || (find_route(x, text, &m) == 0 && m.route != route))
			return ERR_CONFLICT;
	}
	return 0;
}

static void
refuse_path(struct exchange *x, int err)
{
	if (err == ERR_MEMORY) {
		refuse(x, 503, COUNTER_REFUSED_MEMORY);
		return;
	}
	fault_log(x->client, 400, "the path has more than one reading");
	refuse(x, 400, COUNTER_REFUSED_PATH);
}

/* For who watches: the worker is at this now. */
static void
mark(const struct exchange *x)
{
	const struct stall_where where = {
		.at = STALL_AT_REQUEST,
		.generation = x->lease->generation,
		.route = x->route,
	};

	stall_mark(x->lease->env->loop.stall, stall_mark_of(where), x->id);
}

/* The site that serves it, and what that says of every request. ERR_MEMORY. */
static int
take_site(struct exchange *x)
{
	struct worker *w = x->host;
	const struct site *site;

	x->lease = w->lease;
	lease_take(x->lease);
	site = x->lease->site;
	x->pages = site->pages;
	x->trace.conf = &site->trace;
	if (site->trusted && take_their_word(x, site) != 0)
		return ERR_MEMORY;
	return site->edits ? edits_attach(site->edits, x, NULL, 0, (struct slice){ 0 }) : 0;
}

/* False: there is none for it, and it has been told. */
static bool
has_route(struct exchange *x, struct router_match *m)
{
	int err = find_route(x, x->request.path, m);

	if (err == ERR_UNSUPPORTED) {
		refuse_method(x, m->allow);
		return false;
	}
	if (err) {
		refuse(x, 404, COUNTER_REFUSED_NO_ROUTE);
		return false;
	}
	if (m->route->reads_paths && reading_is_odd(x->request.path))
		err = check_readings(x, m->route);
	if (err)
		refuse_path(x, err);
	return !err;
}

/* False: the worker or its memory has no room for it, and it has been told. */
static bool
has_room(struct exchange *x, const struct route *route)
{
	struct worker *w = x->host;

	if (backlog_refuses(&w->host.backlog, route->plan->conf.priority)) {
		refuse_late(x);
		return false;
	}
	if (is_too_much(w, &x->request)) {
		refuse_bytes(x);
		return false;
	}
	return true;
}

/* What the run refuses, with the report of its parts. */
static void
count_hopeless(struct exchange *x)
{
	const struct request *q = &x->request;
	struct worker *w = x->host;

	if (exchange_is_late(x)) {
		count_add(w->env.counters, COUNTER_REFUSED_DEADLINE, 1);
		fault_log(x->client, 504, "no time was left");
	} else if (q->framing == BODY_LENGTH && q->content_length > x->max_body) {
		x->is_closing = true;
		count_add(w->env.counters, COUNTER_REFUSED_BODY, 1);
		fault_log(x->client, 413, "the body is too large");
	}
}

static void
begin(struct exchange *x)
{
	struct router_match m;

	if (take_site(x) != 0) {
		refuse(x, 503, COUNTER_REFUSED_MEMORY);
		return;
	}
	if (is_about_server(x)) {
		exchange_respond(x, 204, (struct slice){ 0 }, (struct slice){ 0 });
		return;
	}
	if (!has_route(x, &m))
		return;
	x->route = m.route->index;
	x->max_body = m.route->max_body;
	mark(x);
	if (!has_room(x, m.route))
		return;
	count_hopeless(x);
	start(x, &m);
}

static void
cancel(struct exchange *x, int err)
{
	guard_cancel(x);
	run_cancel(x, err);
}

static void
ended(struct exchange *x)
{
	struct worker *w = x->host;
	struct route_series *series = x->lease->routes[x->route];

	if (x->lease->site->access_format)
		access_log_take(&w->access, x->lease->site, x);
	if (x->is_head_sent) { /* else the client went before there was an answer */
		count_word(&series->by_status[status_index(x->response.status)], 1);
		if (x->response.status != 101) /* how long a tunnel stood is no news of us */
			histogram_add(&series->duration, loop_now(&w->env.loop) - x->begun_ns);
	}
	lease_give(x->lease);
}

/* Before a route, and so before a site: the newest one has the format. */
static void
refused(struct exchange *x)
{
	struct worker *w = x->host;

	if (w->lease->site->access_format)
		access_log_take(&w->access, w->lease->site, x);
}

const struct exchange_app dispatch_app = {
	.begin = begin,
	.feed = run_feed,
	.resume = run_resume,
	.cancel = cancel,
	.ended = ended,
	.refused = refused,
};
