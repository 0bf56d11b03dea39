/*
 * The source `upstream`: HTTP/1.1 servers of [upstream NAME], asked over
 * connections that each worker keeps for itself. See upstream_priv.h for who
 * does what.
 */
#include "http/conditional.h"
#include "http/status.h"
#include "source/upstream_prior.h"
#include "source/upstream_priv.h"
#include "source/upstream_tunnel.h"

#include "base/assert.h"

#include <limits.h>

/* --- keys -------------------------------------------------------------------- */

#define FIELD_OF(field) CONF_FIELD(struct upstream_conf, field)

/* By the bits of enum upstream_protocol. */
static const char *const protocols[] = { "http/1.1", "h2", NULL };

/* By enum upstream_resolve. */
static const char *const resolves[] = { "auto", "dns", "start", NULL };

static const char *const balances[] = { "round-robin", "least-requests", "p2c", "hash", NULL };

/* By enum upstream_fault. */
static const char *const faults[] = { "connect", "closed", "timeout", "502", "503", "504", NULL };

static const struct conf_key section_keys[] = {
	{ "servers", CONF_LIST, FIELD_OF(servers), .flags = CONF_REQUIRED,
	  .help = "each as http://HOST[:PORT], https://HOST[:PORT] or unix:/PATH, and weight=N "
		  "behind it where shares "
		  "differ (1 to 256); each address of a name is a server, and names are looked up "
		  "again when DNS says so; http://_SERVICE._PROTOCOL.NAME takes servers, ports, "
		  "weights and priorities from SRV records" },
	{ "resolve", CONF_WORD, FIELD_OF(resolve), .def = "auto", .words = resolves,
	  .help = "when names that are not in the hosts file are looked up: dns, again and again, "
		  "while one that is not found gets no requests; start, once, by the system's "
		  "functions, and one that is not found is an error; auto: dns, where c-ares is "
		  "built in" },
	{ "protocols", CONF_WORDS, FIELD_OF(protocols), .def = "http/1.1", .words = protocols,
	  .help = "versions of HTTP that the servers speak: with both, https servers choose, by "
		  "ALPN, and others are spoken to in HTTP/1.1; with h2 alone they must know it" },
	{ "max_streams", CONF_UINT, FIELD_OF(max_streams), .def = "100", .min = 2, .max = 1000,
	  .help =
	      "requests under way on one connection of HTTP/2; fewer where the server says so" },
	{ "ping_interval", CONF_DURATION, FIELD_OF(ping_interval), .def = "30s", .min = 1000000,
	  .help =
	      "a connection of HTTP/2 that was silent for so long is asked for a sign of life" },
	{ "ping_timeout", CONF_DURATION, FIELD_OF(ping_timeout), .def = "5s", .min = 1000000,
	  .help = "and is closed when there is none within this" },
	{ "balance", CONF_WORD, FIELD_OF(balance), .def = "round-robin", .words = balances,
	  .help =
	      "which server is asked, by weight, decided by each worker for itself: in turn; the "
	      "one with the fewest requests under way; the better of two drawn at random; by "
	      "the part's hash_key" },
	{ "connect_timeout", CONF_DURATION, FIELD_OF(connect_timeout), .def = "1s", .min = 1,
	  .help = "for a connection to be made" },
	{ "first_byte_timeout", CONF_DURATION, FIELD_OF(first_byte_timeout), .def = "5s", .min = 1,
	  .help = "from the sent request to the first byte of the response" },
	{ "read_idle_timeout", CONF_DURATION, FIELD_OF(read_idle_timeout), .def = "10s", .min = 1,
	  .help = "between two pieces of the response" },
	{ "send_idle_timeout", CONF_DURATION, FIELD_OF(send_idle_timeout), .def = "10s", .min = 1,
	  .help = "while the server takes nothing of the request" },
	{ "keepalive_timeout", CONF_DURATION, FIELD_OF(keepalive_timeout), .def = "60s",
	  .help = "how long an idle connection is kept; 0: not at all" },
	{ "max_connections", CONF_UINT, FIELD_OF(max_connections), .def = "64", .min = 1,
	  .max = 65536, .help = "of all workers together; each worker has at least one" },
	{ "max_pending", CONF_UINT, FIELD_OF(max_pending), .def = "256", .max = 1000000,
	  .help = "requests that wait for a connection, of all workers together" },
	{ "max_wait", CONF_DURATION, FIELD_OF(wait.max_wait), .def = "0",
	  .max = INT64_C(86400000000000), .help = WAIT_MAX_HELP },
	{ "order", CONF_WORD, FIELD_OF(wait.order), .def = "adaptive", .words = wait_orders,
	  .help = WAIT_ORDER_HELP },
	{ "retries", CONF_UINT, FIELD_OF(retries), .def = "1", .max = UPSTREAM_RETRIES_MAX,
	  .help = "more attempts for one request, each at a server that it did not ask yet: "
		  "idempotent ones, nothing of whose body was sent" },
	{ "retry_on", CONF_WORDS, FIELD_OF(retry_on), .def = "connect, closed", .words = faults,
	  .help = "what is worth another attempt: no connection; closed or reset before the first "
		  "byte of a response; no such byte within first_byte_timeout; these statuses" },
	{ "retry_budget", CONF_PERCENT, FIELD_OF(retry_budget), .def = "20%",
	  .help = "retries as a share of the requests, in each worker, which saves up 10 at most; "
		  "with few requests one a second is free" },
	{ "hedge_after", CONF_DURATION, FIELD_OF(hedge_after), .def = "0",
	  .help = "an idempotent request without a body that has no answer for so long is sent to "
		  "another server, too, within retry_budget; whose answer begins first is taken; "
		  "0: not at all" },
	{ "eject_after", CONF_UINT, FIELD_OF(eject_after), .def = "5", .max = 1000,
	  .help =
	      "failures in a row for which a worker leaves a server out, never the last one: no "
	      "answer before the deadline or a time-out, no HTTP, status 5xx; 0: never" },
	{ "eject_for", CONF_DURATION, FIELD_OF(eject_for), .def = "10s", .min = 1,
	  .help = "for how long; then one request at a time tries it, and each failure doubles the "
		  "time, up to 32 times" },
	{ "health_path", CONF_TEXT, FIELD_OF(health_path),
	  .help = "path that one worker asks each server for, on behalf of all; servers that do "
		  "not answer it with 200 to 399 are left out, unless all are such; not set: no "
		  "checks" },
	{ "health_interval", CONF_DURATION, FIELD_OF(health_interval), .def = "5s", .min = 10000000,
	  .help = "from the end of one check of a server to the next" },
	{ "health_timeout", CONF_DURATION, FIELD_OF(health_timeout), .def = "2s", .min = 1,
	  .help = "for a whole check" },
	{ "health_rise", CONF_UINT, FIELD_OF(health_rise), .def = "2", .min = 1, .max = 1000,
	  .help = "good checks in a row that bring a server back" },
	{ "health_fall", CONF_UINT, FIELD_OF(health_fall), .def = "3", .min = 1, .max = 1000,
	  .help = "bad checks in a row that take it out; the very first one decides alone" },
	{ "slow_start", CONF_DURATION, FIELD_OF(slow_start), .def = "0",
	  .max = INT64_C(3600000000000),
	  .help = "time over which a server that is new among others, or is back, grows from a "
		  "hundredth of its weight to all of it; not with balance = hash; 0: at once" },
	{ "tls_ca", CONF_PATH, FIELD_OF(tls.ca),
	  .help = "of https servers: whose certificates are trusted; else those that the system "
		  "trusts" },
	{ "tls_name", CONF_TEXT, FIELD_OF(tls.name),
	  .help = "name that they must have a certificate for; else the host of their address" },
	{ "tls_verify", CONF_BOOL, FIELD_OF(tls.verifies), .def = "yes",
	  .help = "with no, anybody may be the server: for tests alone" },
	{ "tls_certificate", CONF_PATH, FIELD_OF(tls.certificate),
	  .help = "our own certificate, for servers that ask for one" },
	{ "tls_key", CONF_PATH, FIELD_OF(tls.key), .help = "its key" },
	{ "breaker_error_rate", CONF_PERCENT, FIELD_OF(breaker_error_rate), .min = 0,
	  .help = "share of failed attempts in breaker_window from which a worker does not ask the "
		  "upstream at all; not set: it always does" },
	{ "breaker_window", CONF_DURATION, FIELD_OF(breaker_window), .def = "10s",
	  .min = INT64_C(100000000), .max = INT64_C(600000000000),
	  .help = "over which attempts are counted; a shorter one reacts sooner, and to short "
		  "disturbances as well" },
	{ "breaker_min_requests", CONF_UINT, FIELD_OF(breaker_min_requests), .def = "20", .min = 1,
	  .max = 1000000,
	  .help = "attempts of a worker in breaker_window below which no rate counts" },
	{ "breaker_open_for", CONF_DURATION, FIELD_OF(breaker_open_for), .def = "10s", .min = 1,
	  .help =
	      "for how long requests get 503; then a few try, and all are let in when 3 of them "
	      "were answered" },
	CONF_KEYS_END
};

#undef FIELD_OF
#define FIELD_OF(field) CONF_FIELD(struct upstream_part, field)

static const char *const hosts[] = { "upstream", "client", NULL };

static const struct conf_key part_keys[] = {
	{ "path", CONF_TEMPLATE, FIELD_OF(path),
	  .help = "path to ask for; else the request's target" },
	{ "query", CONF_TEMPLATE, FIELD_OF(query), .help = "query to ask with" },
	{ "method", CONF_TEXT, FIELD_OF(method),
	  .help = "else the client's method when passed through, GET when joined" },
	{ "body", CONF_TEMPLATE, FIELD_OF(body), .help = "body to send" },
	{ "forward", CONF_LIST, FIELD_OF(forward),
	  .help = "fields of the client that a joined part sends on" },
	{ "header.", CONF_FAMILY, FIELD_OF(headers),
	  .help = "a field to send: header.NAME = TEMPLATE" },
	{ "set_request_header.", CONF_FAMILY, FIELD_OF(set),
	  .help =
	      "a field to send in the place of the client's; none of that name where the value "
	      "is absent; the client's is not sent in another spelling either: X_User for X-User" },
	{ "add_request_header.", CONF_FAMILY, FIELD_OF(add),
	  .help = "a field to send beside the client's; not where the value is absent" },
	{ "remove_request_header", CONF_LIST, FIELD_OF(remove),
	  .help = "names of fields that are not sent, neither the client's nor our own, '-' spelt "
		  "as '_' or not" },
	{ "host", CONF_WORD, FIELD_OF(host), .def = "upstream", .words = hosts,
	  .help = "whose name Host bears" },
	{ "upgrade", CONF_LIST, FIELD_OF(upgrade),
	  .help =
	      "protocols, such as websocket, that a client may change to by a GET with Upgrade: "
	      "when the server agrees (101), bytes go both ways as they come, on a connection "
	      "of max_connections; not set: Upgrade is not sent on" },
	{ "tunnel_idle_timeout", CONF_DURATION, FIELD_OF(tunnel_idle_timeout), .def = "10m",
	  .min = 1,
	  .help = "when neither side of such a connection has sent anything for so long, "
		  "it is closed" },
	{ "hash_key", CONF_TEMPLATE, FIELD_OF(hash_key), .flags = CONF_MAY_LACK,
	  .help = "for upstreams with balance = hash: equal keys go to the same server; without a "
		  "value at run time, servers take turns" },
	CONF_KEYS_END
};

/* --- loading, on the builder's thread ------------------------------------------ */

/* By enum wait_limit and enum upstream_limit. */
static const char *const limits[] = { "max_pending", WAIT_WORDS, "breaker", "servers" };

/* What may stand in a request line as it is (RFC 9112 3.2.1), roughly. */
static bool
is_target(struct slice text)
{
	for (size_t i = 0; i < text.len; i++) {
		if (text.at[i] <= ' ' || text.at[i] > '~' || text.at[i] == '#')
			return false;
	}
	return text.len > 0 && text.at[0] == '/';
}

static int
check_protocols(const struct upstream *u, struct source *s, struct source_build *b)
{
	if (u->conf->protocols == UPSTREAM_H2 && u->conf->health_path.len > 0) {
		conf_error_at(b->errors, s->section, "health_path",
			      "health_path is asked for in HTTP/1.1, which protocols leaves out");
		return ERR_SYNTAX;
	}
	return 0;
}

static int
load(struct source *s, struct source_build *b)
{
	const struct source *prior =
	    b->find_prior ? b->find_prior(b->argument, s->ops, s->name) : NULL;
	struct upstream *u = arena_zalloc(b->arena, 1, sizeof(*u));

	if (!u)
		return ERR_MEMORY;
	u->conf = s->conf;
	u->name = s->name;
	u->source = s;
	u->prior = prior ? (int)prior->index : UPSTREAM_NO_VALUE;
	if (wait_name_limits(s, b, limits, UPSTREAM_LIMITS) != 0)
		return ERR_MEMORY;
	s->state = u;
	if (u->conf->health_path.len > 0 && !is_target(u->conf->health_path)) {
		conf_error_at(b->errors, s->section, "health_path",
			      "health_path starts with / and holds no blank and no #");
		return ERR_SYNTAX;
	}
	if (check_protocols(u, s, b) != 0)
		return ERR_SYNTAX;
	return upstream_servers_load(u, s, b);
}

static void
unload(struct source *s)
{
	struct upstream *u = s->state;

	upstream_names_unload(u);
	tls_client_free(&u->tls);
}

/* Fields that are written by us alone, or not at all. */
static bool
is_reserved_field(struct slice name)
{
	enum field_id id = field_id_of(name);

	return (field_flags(id) & FIELD_HOP) || id == FIELD_CONTENT_LENGTH || id == FIELD_HOST ||
	       id == FIELD_EXPECT || id == FIELD_FOREBAY_DEADLINE;
}

static int
check_field_name(struct part *p, struct source_build *b, struct slice name, const char *key)
{
	const char *wrong = NULL;

	if (!field_is_token(name))
		wrong = "is not the name of a field";
	else if (field_id_of(name) == FIELD_HOST)
		wrong = "is set by `host = client` or `host = upstream`";
	else if (is_reserved_field(name))
		wrong = "is a field that each connection has of its own";
	if (!wrong)
		return 0;
	conf_error_at(b->errors, p->section, key, "%s %s", conf_quote(name).text, wrong);
	return ERR_SYNTAX;
}

static bool
has_any(struct slice s, const char *bytes)
{
	for (; *bytes; bytes++) {
		if (slice_find(s, *bytes) < s.len)
			return true;
	}
	return false;
}

static int
check_part(struct part *p, struct source_build *b, const struct upstream_part *u)
{
	const char *key = NULL, *wrong = NULL;

	if (u->path.len > 0 && (u->path.at[0] != '/' || has_any(u->path, "?# \t\r\n"))) {
		key = "path";
		wrong = "starts with / and holds no blank, ? or #; a query goes to `query`";
	} else if (has_any(u->query, "# \t\r\n")) {
		key = "query";
		wrong = "holds no blank and no #";
	} else if (u->method.len > 0 &&
		   (!field_is_token(u->method) || method_of(u->method) == METHOD_CONNECT)) {
		key = "method";
		wrong = "is the name of a method, and not CONNECT";
	} else if (u->forward.count > 0 && p->passes_through) {
		key = "forward";
		wrong = "is for joined parts; a route with a source of its own sends all fields on";
	}
	if (!key)
		return 0;
	conf_error_at(b->errors, p->section, key, "%s %s", key, wrong);
	return ERR_SYNTAX;
}

/* Index of the wanted value, UPSTREAM_NO_VALUE for an empty text; *err is set on failure. */
static int
want(struct part *p, struct slice text, enum value_coding coding, const char *key, int *err)
{
	int index;

	if (text.len == 0)
		return UPSTREAM_NO_VALUE;
	index = part_want(p, text, coding, key);
	if (index < 0) {
		*err = index;
		return UPSTREAM_NO_VALUE;
	}
	return index;
}

/* A request without a value for the key is still answered. */
static int
want_key(struct part *p, struct slice text, int *err)
{
	int index;

	if (text.len == 0)
		return UPSTREAM_NO_VALUE;
	index = part_want_optional(p, text, VALUE_RAW, "hash_key");
	if (index < 0) {
		*err = index;
		return UPSTREAM_NO_VALUE;
	}
	return index;
}

typedef int (*want_fn)(struct part *p, struct slice text, enum value_coding coding,
		       const char *key);

/* Values of a family stand in a row, an empty text is one too; *first is where they begin. */
static int
load_family(struct part *p, struct source_build *b, const struct conf_family *family, want_fn wants,
	    int *first)
{
	int err = 0;

	*first = (int)p->values;
	for (size_t i = 0; i < family->count; i++) {
		const struct conf_named *h = &family->at[i];
		const char *key = h->entry->key.at;
		int index;

		if (check_field_name(p, b, h->name, key) != 0)
			err = ERR_SYNTAX;
		index = wants(p, h->value, VALUE_FIELD, key);
		if (index < 0)
			return index;
	}
	return err;
}

static int
load_headers(struct part *p, struct source_build *b, struct upstream_part *u)
{
	int err = load_family(p, b, &u->headers, part_want, &u->header_value);
	int set_err = load_family(p, b, &u->set, part_want_optional, &u->set_value);
	int add_err = load_family(p, b, &u->add, part_want_optional, &u->add_value);

	for (size_t i = 0; i < u->remove.count; i++) {
		if (check_field_name(p, b, u->remove.at[i], "remove_request_header") != 0)
			err = ERR_SYNTAX;
	}
	if (set_err)
		err = set_err;
	return add_err ? add_err : err;
}

/* A key and `balance = hash` need one another. */
static int
check_hash(struct part *p, struct source_build *b, const struct upstream_part *u)
{
	const struct upstream_conf *conf = p->source->conf;
	bool is_hashed = conf->balance == UPSTREAM_HASH;

	if (is_hashed == (u->hash_key.len > 0))
		return 0;
	conf_error_at(b->errors, p->section, "hash_key",
		      is_hashed ? "upstream %s has balance = hash: say by which hash_key"
				: "upstream %s has no balance = hash",
		      conf_quote(p->source->name).text);
	return ERR_SYNTAX;
}

static int
load_part(struct part *p, struct source_build *b)
{
	struct upstream_part *u = p->conf;
	int err = check_part(p, b, u), failed;

	wait_add_part(p);
	for (size_t i = 0; i < u->forward.count; i++) {
		if (check_field_name(p, b, u->forward.at[i], "forward") != 0)
			err = ERR_SYNTAX;
	}
	u->path_value = want(p, u->path, VALUE_PATH, "path", &err);
	u->query_value = want(p, u->query, VALUE_QUERY, "query", &err);
	u->body_value = want(p, u->body, VALUE_RAW, "body", &err);
	u->hash_value = want_key(p, u->hash_key, &err);
	failed = load_headers(p, b, u);
	if (failed)
		err = failed;
	if (upstream_tunnel_check(p, b) != 0)
		err = ERR_SYNTAX;
	if (check_hash(p, b, u) != 0)
		err = ERR_SYNTAX;
	if (err == ERR_TOO_MANY)
		conf_error_at(b->errors, p->section, NULL, "more than %d templates",
			      PART_VALUES_MAX);
	return err;
}

/* Of a joined part. */
static const struct conf_list *
forwards(const struct part *p)
{
	const struct upstream_part *u = p->conf;

	return &u->forward;
}

static const char *
effects(const struct part *p)
{
	const struct upstream_part *u = p->conf;

	if (u->method.len == 0 || (method_flags(method_of(u->method)) & METHOD_SAFE))
		return NULL;
	return "its method is not a safe one";
}

static void
bounds(const struct part *p, struct source_bounds *b)
{
	const struct upstream *u = p->source->state;
	const struct upstream_conf *conf = u->conf;
	unsigned servers = u->board ? UINT_MAX : u->count;

	b->at_once =
	    conf->max_connections * (conf->protocols & UPSTREAM_H2 ? conf->max_streams : 1);
	b->waiting = conf->max_pending;
	b->at_once_key = "max_connections";
	/* Each attempt is at a server that was not asked yet. */
	b->attempts = 1 + (conf->retries < servers - 1 ? conf->retries : servers - 1);
	b->answer_ns = clock_after(conf->connect_timeout, conf->first_byte_timeout);
	b->descriptors = 1;
}

/* --- on a worker ------------------------------------------------------------------ */

static int
attach(struct source *s, struct lease *lease)
{
	const struct upstream *u = s->state;
	struct upstream_share *share = upstream_share_new(u, lease);

	lease->attached[s->index] = share;
	if (!share)
		return ERR_MEMORY;
	if (lease->prior && u->prior != UPSTREAM_NO_VALUE)
		upstream_prior_take(share, lease->prior->attached[u->prior]);
	return 0;
}

static void
detach(struct source *s, struct lease *lease)
{
	struct upstream_share *share = lease->attached[s->index];

	upstream_share_free(&share);
	lease->attached[s->index] = NULL;
}

static int
reserve(struct subrequest *q[], size_t n)
{
	struct upstream_share *share = q[0]->lease->attached[q[0]->part->source->index];

	return upstream_share_admit(share, q, n);
}

static void
release(struct subrequest *q)
{
	if (q->state)
		upstream_errand_drop(q->state);
}

/* RFC 9110 7.6.2: who may not pass it on answers as the one that was asked. The message itself is
 * not sent back (9.3.8): it may hold what nobody else should read. */
static int
answer(struct subrequest *q)
{
	if (!upstream_request_is_last_hop(q))
		return ERR_BUSY;
	if (q->request->method == METHOD_TRACE)
		subrequest_answer(q, 501, SLICE("text/plain"), status_reason(501));
	else
		subrequest_answer(q, 204, SLICE(""), SLICE(""));
	return 0;
}

static void
start(struct subrequest *q)
{
	ASSERT(q->state); /* of reserve() */
	upstream_share_wait(q->state);
}

static void
feed(struct subrequest *q, struct chunks *body, bool is_last)
{
	struct upstream_errand *e = q->state;

	if (e && e->channel)
		e->channel->ops->feed(e->channel, body, is_last);
	else if (e)
		upstream_retry_hold(e, body, is_last);
	else
		chunks_clear(body);
}

static void
resume(struct subrequest *q)
{
	struct upstream_errand *e = q->state;

	if (e && e->channel)
		e->channel->ops->resume(e->channel);
}

static void
cancel(struct subrequest *q)
{
	struct upstream_errand *e = q->state;

	if (!e)
		return;
	upstream_hedge_win(e);
	if (e->channel)
		e->channel->ops->cancel(e->channel);
	upstream_errand_drop(e);
}

static bool
sends_host(const struct part *p)
{
	const struct upstream_part *u = p->conf;

	return u->host == UPSTREAM_HOST_CLIENT;
}

static bool
asks_target(const struct part *p)
{
	const struct upstream_part *u = p->conf;

	return u->path_value == UPSTREAM_NO_VALUE;
}

static bool
has_condition(const struct conf_family *f)
{
	for (size_t i = 0; i < f->count; i++) {
		if (condition_is_field(field_id_of(f->at[i].name)))
			return true;
	}
	return false;
}

/* Where the section sends conditions of others, a 304 is about what they have. */
static bool
asks_condition(const struct part *p)
{
	const struct upstream_part *u = p->conf;

	for (size_t i = 0; i < u->forward.count; i++) {
		if (condition_is_field(field_id_of(u->forward.at[i])))
			return false;
	}
	return !p->passes_through && (u->method.len == 0 || method_of(u->method) == METHOD_GET) &&
	       !has_condition(&u->headers) && !has_condition(&u->set) && !has_condition(&u->add);
}

const struct source_ops source_upstream = {
	.name = "upstream",
	.section = "upstream",
	.reads_paths = true,
	.section_keys = section_keys,
	.section_size = sizeof(struct upstream_conf),
	.part_keys = part_keys,
	.part_size = sizeof(struct upstream_part),
	.load = load,
	.load_part = load_part,
	.unload = unload,
	.bounds = bounds,
	.forwards = forwards,
	.effects = effects,
	.attach = attach,
	.detach = detach,
	.reserve = reserve,
	.release = release,
	.answer = answer,
	.start = start,
	.feed = feed,
	.resume = resume,
	.cancel = cancel,
	.sends_host = sends_host,
	.waits_for_reader = true,
	.asks_target = asks_target,
	.asks_condition = asks_condition,
	.tells_freshness = true,
	.takes_body = true,
};
