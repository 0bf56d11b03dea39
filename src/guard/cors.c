/*
 * The guard `cors`; see cors.h.
 *
 *   [route api]
 *   match = GET|PUT /api/{id}
 *   cors_origins = https://app.example.com, https://www.example.org
 *   cors_headers = content-type, x-token
 *   cors_credentials = yes
 *
 * An origin that is not among them gets the same answers without a field that
 * would let its pages read them: that is what keeps them out (Fetch 3.2.4).
 */
#include "guard/cors.h"

#include "base/clock.h"
#include "http/uri.h"

enum { NUMBER_BYTES = 24 };

struct cors_conf {
	struct conf_list origins, methods, headers, expose;
	bool credentials;
	uint64_t max_age;
};

/* One origin: all of it, or what stands before and behind the "*". */
struct cors_origin {
	struct slice before, behind;
	bool is_family;
};

struct cors {
	struct guard guard; /* the first */
	const struct cors_origin *origin;
	size_t origins;
	bool is_open; /* cors_origins = * */
	bool has_credentials;
	struct slice methods, headers, expose; /* lists as they are sent; empty: not said */
	const struct conf_list *allowed; /* methods that the route says; for counting */
	struct slice max_age;
};

/* What an exchange keeps until its head is complete. */
struct cors_edits {
	struct exchange_edits of; /* the first */
	const struct cors *cors;
	struct slice origin; /* that may read the answer; empty: none */
};

static const struct conf_key keys[] = {
	{ "cors_origins", CONF_LIST, CONF_FIELD(struct cors_conf, origins),
	  .help = "origins whose pages may use the route: https://app.example.com, "
		  "https://*.example.com, or * for any" },
	{ "cors_methods", CONF_LIST, CONF_FIELD(struct cors_conf, methods),
	  .help = "methods that a preflight allows; else the one that it asks for, which the route "
		  "takes" },
	{ "cors_headers", CONF_LIST, CONF_FIELD(struct cors_conf, headers),
	  .help = "request fields that pages may send beyond the plain ones, or *" },
	{ "cors_expose", CONF_LIST, CONF_FIELD(struct cors_conf, expose),
	  .help = "response fields that pages may read beyond the plain ones, or *" },
	{ "cors_credentials", CONF_BOOL, CONF_FIELD(struct cors_conf, credentials), .def = "no",
	  .help = "pages may use their users' cookies, passwords and certificates; not with *" },
	{ "cors_max_age", CONF_DURATION, CONF_FIELD(struct cors_conf, max_age),
	  .max = INT64_C(86400000000000),
	  .help = "for how long browsers may keep a preflight's "
		  "answer; without it, 5s" },
	CONF_KEYS_END
};

/* --- loading ------------------------------------------------------------------------ */

struct loading {
	struct cors *cors;
	const struct cors_conf *conf;
	const struct conf_section *route;
	struct guard_build *build;
};

static bool
is_star(struct slice s)
{
	return slice_eq(s, SLICE("*"));
}

/* scheme "://" host [":" port], as browsers write it (RFC 6454 6.2). */
static bool
is_origin(struct slice s, struct slice scheme)
{
	if (!slice_has_prefix(s, scheme))
		return false;
	s = slice_after(s, scheme.len);
	if (slice_has_prefix(s, SLICE("*.")))
		s = slice_after(s, 2);
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] >= 'A' && s.at[i] <= 'Z')
			return false;
	}
	return s.len > 0 && uri_host(s).len > 0 && slice_find(s, '*') == s.len &&
	       uri_is_authority(s);
}

static void
add_origin(struct loading *l, struct slice text, struct cors_origin *into)
{
	size_t star = slice_find(text, '*');

	if (!is_origin(text, SLICE("https://")) && !is_origin(text, SLICE("http://")))
		conf_error_at(l->build->errors, l->route, "cors_origins",
			      "%s is no origin as browsers write it: https://app.example.com, in "
			      "lower case, without a path; or https://*.example.com; or *",
			      conf_quote(text).text);
	*into = (struct cors_origin){
		.before = slice_make(text.at, star),
		.behind = star < text.len ? slice_after(text, star + 1) : SLICE(""),
		.is_family = star < text.len,
	};
}

static int
load_origins(struct loading *l)
{
	const struct conf_list *list = &l->conf->origins;
	struct cors_origin *origin =
	    arena_zalloc(l->build->arena, list->count + 1, sizeof(*origin));

	if (!origin)
		return ERR_MEMORY;
	l->cors->origin = origin;
	for (size_t i = 0; i < list->count; i++) {
		if (is_star(list->at[i]) && list->count == 1)
			l->cors->is_open = true;
		else
			add_origin(l, list->at[i], &origin[l->cors->origins++]);
	}
	return 0;
}

/* A list of tokens as one text. */
static int
load_list(struct loading *l, const struct conf_list *list, const char *key, struct slice *text)
{
	size_t bytes = 1;
	struct writer w;
	char *memory;

	for (size_t i = 0; i < list->count; i++) {
		bytes += list->at[i].len + 2;
		if (!field_is_token(list->at[i]))
			conf_error_at(l->build->errors, l->route, key, "%s is no name",
				      conf_quote(list->at[i]).text);
		if (is_star(list->at[i]) && l->conf->credentials)
			conf_error_at(l->build->errors, l->route, key,
				      "with cors_credentials, browsers do not read * as any "
				      "(Fetch 3.2.5): name them");
	}
	memory = arena_alloc(l->build->arena, bytes);
	if (!memory)
		return ERR_MEMORY;
	w = writer_over(memory, bytes);
	for (size_t i = 0; i < list->count; i++) {
		writer_put(&w, i ? SLICE(", ") : SLICE(""));
		writer_put(&w, list->at[i]);
	}
	*text = writer_slice(&w);
	return 0;
}

static int
load_max_age(struct loading *l)
{
	char *memory = arena_alloc(l->build->arena, NUMBER_BYTES);
	struct writer w = writer_over(memory, memory ? NUMBER_BYTES : 0);

	if (!memory)
		return ERR_MEMORY;
	if (conf_is_set(l->route, "cors_max_age"))
		writer_u64(&w, l->conf->max_age / CLOCK_SEC);
	l->cors->max_age = writer_slice(&w);
	return 0;
}

/* Without origins there is nothing that the other keys could say; a default may stand in a dump. */
static void
check_strays(const struct cors_conf *conf, const struct conf_section *route, struct guard_build *b)
{
	for (const struct conf_key *k = keys; k->name; k++) {
		if (conf_is_set(route, k->name) && (!k->def || conf->credentials))
			conf_error_at(b->errors, route, k->name,
				      "has no effect without cors_origins");
	}
}

static const struct guard *
load(void *state, const void *conf, struct conf_section *route, struct guard_build *b)
{
	struct loading l = { .conf = conf, .route = route, .build = b };
	struct cors *c;

	(void)state;
	if (l.conf->origins.count == 0) {
		check_strays(conf, route, b);
		return NULL;
	}
	c = l.cors = arena_zalloc(b->arena, 1, sizeof(*c));
	if (!c)
		return NULL;
	c->guard.kind = &guard_cors;
	c->has_credentials = l.conf->credentials;
	c->allowed = &l.conf->methods;
	if (load_origins(&l) != 0 ||
	    load_list(&l, &l.conf->methods, "cors_methods", &c->methods) != 0 ||
	    load_list(&l, &l.conf->headers, "cors_headers", &c->headers) != 0 ||
	    load_list(&l, &l.conf->expose, "cors_expose", &c->expose) != 0 || load_max_age(&l) != 0)
		return NULL;
	if (c->is_open && c->has_credentials)
		conf_error_at(b->errors, route, "cors_origins",
			      "not * with cors_credentials: any page could act for its visitors");
	return &c->guard;
}

/* --- origins -------------------------------------------------------------------------- */

/* Labels and dots alone: what a "*" stands for begins and ends no label. */
static bool
is_label_text(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];

		if (!(c >= 'a' && c <= 'z') && !ascii_is_digit(c) && c != '-' && c != '.')
			return false;
	}
	return s.len > 0 && s.at[0] != '.';
}

static bool
is_origin_of(const struct cors_origin *o, struct slice s)
{
	size_t ends = o->before.len + o->behind.len;

	if (!o->is_family)
		return slice_eq(s, o->before);
	return s.len > ends && slice_has_prefix(s, o->before) &&
	       slice_eq(slice_after(s, s.len - o->behind.len), o->behind) &&
	       is_label_text(slice_make(s.at + o->before.len, s.len - ends));
}

/* What Access-Control-Allow-Origin says to this request; empty: nothing. */
static struct slice
find_origin(const struct cors *c, const struct request *q)
{
	const struct field *f = fields_find(&q->fields, FIELD_ORIGIN);

	/* To who does not ask, too: as nothing varies, a cache may give the answer to who does. */
	if (c->is_open)
		return SLICE("*");
	if (!f)
		return SLICE("");
	for (size_t i = 0; i < c->origins; i++) {
		if (is_origin_of(&c->origin[i], f->value))
			return f->value;
	}
	return SLICE("");
}

/* --- fields ---------------------------------------------------------------------------- */

/* One field; none for an empty value. */
static int
add(struct exchange *x, struct slice name, struct slice value)
{
	return value.len > 0 ? exchange_add_field_name(x, name, value) : 0;
}

/* Caches must not give one origin what was meant for another (Fetch 3.2.7). */
static int
add_vary(const struct cors *c, struct exchange *x)
{
	const struct fields *f = &x->response.fields;

	if (c->is_open || fields_has_token(f, FIELD_VARY, SLICE("*")) ||
	    fields_has_token(f, FIELD_VARY, SLICE("origin")))
		return 0;
	return exchange_add_field(x, FIELD_VARY, SLICE("Origin"));
}

static int
add_origin_fields(const struct cors *c, struct exchange *x, struct slice origin)
{
	int err = add(x, SLICE("Access-Control-Allow-Origin"), origin);

	if (!err && c->has_credentials)
		err = add(x, SLICE("Access-Control-Allow-Credentials"), SLICE("true"));
	return err;
}

/* The source's own answer to the same question would contradict ours. */
static void
drop_others(struct fields *f)
{
	struct slice prefix = SLICE("access-control-");
	unsigned kept = 0;

	for (unsigned i = 0; i < f->count; i++) {
		struct slice name = f->at[i].name;

		if (name.len > prefix.len &&
		    slice_eq_nocase(slice_make(name.at, prefix.len), prefix))
			continue;
		f->at[kept++] = f->at[i];
	}
	f->count = kept;
}

static void
strip(const struct exchange_edits *of, struct fields *f)
{
	(void)of;
	drop_others(f);
}

enum { FIELDS_ADDED = 4 };

static int
apply(const struct exchange_edits *of, struct exchange *x)
{
	const struct cors_edits *e = (const struct cors_edits *)of;
	const struct cors *c = e->cors;
	int err = exchange_own_fields(x, FIELDS_ADDED);

	if (err)
		return err;
	drop_others(&x->response.fields);
	err = add_vary(c, x);
	if (!err && e->origin.len > 0)
		err = add_origin_fields(c, x, e->origin);
	if (!err && e->origin.len > 0)
		err = add(x, SLICE("Access-Control-Expose-Headers"), c->expose);
	return err ? ERR_MEMORY : 0;
}

/* --- preflights ------------------------------------------------------------------------- */

static struct slice
asked_method(const struct request *q)
{
	const struct field *f =
	    fields_find_name(&q->fields, SLICE("Access-Control-Request-Method"));

	return f ? f->value : SLICE("");
}

bool
cors_is_preflight(const struct request *q, enum method *method)
{
	if (q->method != METHOD_OPTIONS || !fields_find(&q->fields, FIELD_ORIGIN) ||
	    !field_is_token(asked_method(q)))
		return false;
	*method = method_of(asked_method(q));
	return true;
}

bool
cors_is_among(const struct guard_list *guards)
{
	for (unsigned i = 0; i < guards->count; i++) {
		if (guards->at[i]->kind == &guard_cors)
			return true;
	}
	return false;
}

/* Methods are compared as they are: they have case (Fetch 4.9). */
static bool
is_allowed(const struct cors *c, struct slice method)
{
	for (size_t i = 0; i < c->allowed->count; i++) {
		if (slice_eq(c->allowed->at[i], method) || is_star(c->allowed->at[i]))
			return true;
	}
	return c->allowed->count == 0;
}

/* All that the route allows: comparing is the browser's matter. */
static int
add_preflight_fields(const struct cors *c, struct exchange *x, struct slice origin)
{
	struct slice methods = c->methods.len > 0 ? c->methods : asked_method(&x->request);
	int err = add_origin_fields(c, x, origin);

	if (!err)
		err = add(x, SLICE("Access-Control-Allow-Methods"), methods);
	if (!err)
		err = add(x, SLICE("Access-Control-Allow-Headers"), c->headers);
	return err ? err : add(x, SLICE("Access-Control-Max-Age"), c->max_age);
}

static void
answer_preflight(const struct cors *c, struct guard_asked *a)
{
	struct exchange *x = a->x;
	struct slice origin = find_origin(c, &x->request);
	bool is_good = origin.len > 0 && is_allowed(c, asked_method(&x->request));
	int err = 0;

	count_add(a->lease->env->counters, is_good ? COUNTER_CORS_ALLOWED : COUNTER_CORS_REFUSED,
		  1);
	if (!c->is_open || c->methods.len == 0)
		err = exchange_add_field(x, FIELD_VARY,
					 SLICE("Origin, Access-Control-Request-Method"));
	if (!err && origin.len > 0)
		err = add_preflight_fields(c, x, origin);
	if (err)
		exchange_abort(x, ERR_MEMORY);
	else
		exchange_respond(x, 204, (struct slice){ 0 }, (struct slice){ 0 });
}

/* --- the guard ---------------------------------------------------------------------------- */

static enum guard_verdict
check(const struct guard *g, struct guard_asked *a)
{
	const struct cors *c = (const struct cors *)g;
	struct exchange *x = a->x;
	struct cors_edits *e;
	enum method method;

	if (cors_is_preflight(&x->request, &method)) {
		answer_preflight(c, a);
		return GUARD_ENDED;
	}
	e = arena_zalloc(&x->arena, 1, sizeof(*e));
	if (!e) {
		exchange_abort(x, ERR_MEMORY);
		return GUARD_ENDED;
	}
	*e = (struct cors_edits){
		.of = { .apply = apply, .strip = strip, .next = x->edits },
		.cors = c,
		.origin = find_origin(c, &x->request),
	};
	x->edits = &e->of;
	return GUARD_PASS;
}

const struct guard_kind guard_cors = {
	.name = "cors",
	.keys = keys,
	.conf_size = sizeof(struct cors_conf),
	.load = load,
	.check = check,
};
