/*
 * Request rates; see rate.h. On workers, but for the tables of counts, which all workers
 * share (thread/rates.h) and which outlive a reload that leaves their section as it is.
 */
#include "guard/rate.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/env.h"
#include "plan/scope.h"
#include "plan/template.h"
#include "thread/rates.h"

enum {
	POLICY_BYTES = 128, /* "NAME";q=100;w=60 */
	ITEM_BYTES = 128, /* "NAME";r=50;t=30 */
	NUMBER_BYTES = 24,
	ADDRESS_BYTES = 64,
	KEY_BYTES = 4096, /* of a key that is evaluated; who has a longer one shares that of none */
	NAME_MAX_BYTES = 48,
	FIELDS_ADDED = 2,
};

struct rate_section_conf {
	struct slice rate, key;
	unsigned burst, entries;
};

static const struct conf_key section_keys[] = {
	{ "rate", CONF_TEXT, CONF_FIELD(struct rate_section_conf, rate), .flags = CONF_REQUIRED,
	  .help = "requests in a second, minute, hour or day: 100/s, 600/m, 1000/h, 5000/d" },
	{ "burst", CONF_UINT, CONF_FIELD(struct rate_section_conf, burst), .min = 1, .max = 1000000,
	  .help = "how many may come at once; without it, as many as rate says" },
	{ "key", CONF_TEMPLATE, CONF_FIELD(struct rate_section_conf, key),
	  .def = "{client.address}", .flags = CONF_MAY_LACK,
	  .help =
	      "who is counted as one: {client.address} (of IPv6 its /64), {header.x-api-key}, "
	      "{request.user}, {request.claim.tenant}; all for whom a value is absent are one" },
	{ "entries", CONF_UINT, CONF_FIELD(struct rate_section_conf, entries), .def = "65536",
	  .min = 8, .max = RATES_ENTRIES_MAX,
	  .help = "of the table, 16 bytes each: when it is full, who has been idle longest is "
		  "forgotten" },
	CONF_KEYS_END
};

struct rate_section {
	struct rate_section *next;
	const struct conf_section *section;
	struct rate_section_conf conf;
	struct rate_limit limit;
	struct template *key;
	struct rates *rates; /* counted */
	struct slice policy;
};

struct rate_state {
	struct rate_section *all;
};

struct rate_guard {
	struct guard guard;
	unsigned count;
	const struct rate_section *section[];
};

struct rate_conf {
	struct conf_list rate;
};

static const struct conf_key route_keys[] = {
	{ "rate", CONF_LIST, CONF_FIELD(struct rate_conf, rate),
	  .help = "[rate NAME] sections that say how often somebody may ask: 429 above" },
	CONF_KEYS_END
};

/* --- sections ------------------------------------------------------------------------- */

static const struct unit {
	char letter;
	uint64_t seconds;
} units[] = { { 's', 1 }, { 'm', 60 }, { 'h', 3600 }, { 'd', 86400 } };

static const struct unit *
find_unit(struct slice text)
{
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (text.len == 1 && text.at[0] == units[i].letter)
			return &units[i];
	}
	return NULL;
}

/* 100/s: how many, and in how many seconds. */
static int
parse_rate(struct slice text, uint64_t *count, uint64_t *seconds)
{
	struct slice number = slice_trim(slice_cut(&text, '/'));
	const struct unit *unit = find_unit(slice_trim(text));

	if (!unit || slice_to_u64(number, count) != 0 || *count == 0 || *count > 1000000)
		return ERR_SYNTAX;
	*seconds = unit->seconds;
	return 0;
}

/* It stands in quotes in a field. */
static bool
is_plain(struct slice name)
{
	for (size_t i = 0; i < name.len; i++) {
		if (name.at[i] <= ' ' || name.at[i] >= 0x7f || name.at[i] == '"' ||
		    name.at[i] == '\\')
			return false;
	}
	return name.len <= NAME_MAX_BYTES;
}

static void
compile_key(struct rate_section *s, struct guard_build *b)
{
	const struct template_names names = { .rest = TEMPLATE_NO_REST };
	struct template_error why;

	s->key = template_compile(b->arena, s->conf.key, VALUE_RAW, &names, &why);
	if (!s->key)
		conf_error_at(b->errors, s->section, "key", "%s", why.text);
	else if (template_needs(s->key).has_body)
		conf_error_at(b->errors, s->section, "key",
			      "the request's body is not there yet when this is asked");
}

static int
make_policy(struct rate_section *s, uint64_t count, uint64_t seconds, struct arena *arena)
{
	char *memory = arena_alloc(arena, POLICY_BYTES);
	struct writer w = writer_over(memory, memory ? POLICY_BYTES : 0);

	writer_format(&w, "\"%.*s\";q=", SLICE_PRINT(s->section->name));
	writer_u64(&w, count);
	writer_text(&w, ";w=");
	writer_u64(&w, seconds);
	s->policy = writer_slice(&w);
	return memory ? 0 : ERR_MEMORY;
}

static bool
is_same(const struct rate_section_conf *a, const struct rate_section_conf *b)
{
	return slice_eq(a->rate, b->rate) && slice_eq(a->key, b->key) && a->burst == b->burst &&
	       a->entries == b->entries;
}

/* The table of the site before, where the section has not changed. */
static struct rates *
find_rates(const struct rate_section *s, const struct rate_state *prior)
{
	for (const struct rate_section *p = prior ? prior->all : NULL; p; p = p->next) {
		if (p->rates && slice_eq(p->section->name, s->section->name) &&
		    is_same(&p->conf, &s->conf))
			return rates_ref(p->rates);
	}
	return rates_new(s->conf.entries);
}

static int
open_section(struct rate_section *s, struct conf_section *section, const struct rate_state *prior,
	     struct guard_build *b)
{
	const struct conf_table table = { section_keys, &s->conf };
	uint64_t count, seconds;
	int err = conf_fill(section, &table, 1, b->errors);

	s->section = section;
	if (err)
		return err == ERR_MEMORY ? err : 0;
	if (parse_rate(s->conf.rate, &count, &seconds) != 0) {
		conf_error_at(b->errors, section, "rate",
			      "\"%.*s\" is no rate such as 100/s or 600/m",
			      SLICE_PRINT(s->conf.rate));
		return 0;
	}
	if (!is_plain(section->name))
		conf_error_at(
		    b->errors, section, NULL,
		    "the name of a rate is at most 48 characters of ASCII, without \" and \\");
	s->limit.interval_ns = seconds * CLOCK_SEC / count;
	s->limit.burst = s->conf.burst ? s->conf.burst : count;
	compile_key(s, b);
	s->rates = find_rates(s, prior);
	return s->rates ? make_policy(s, count, seconds, b->arena) : ERR_MEMORY;
}

/* Which of the two kinds asks it. */
static bool
is_about_user(const struct conf_section *section)
{
	const struct conf_entry *entry = conf_entry(section, "key");
	struct slice rest = entry ? entry->value : SLICE("");

	for (; rest.len > 0; rest = slice_after(rest, 1)) {
		if (slice_has_prefix(rest, SLICE("{request.user}")) ||
		    slice_has_prefix(rest, SLICE("{request.claim")))
			return true;
	}
	return false;
}

static int
open_kind(void **pointer, const void *prior, struct guard_build *b, bool is_of_user)
{
	struct rate_state *state = arena_zalloc(b->arena, 1, sizeof(*state));
	struct conf_section *section = NULL;
	int err = 0;

	*pointer = state;
	if (!state)
		return ERR_MEMORY;
	while (!err && (section = conf_next(b->conf, "rate", section)) != NULL) {
		struct rate_section *s;

		if (is_about_user(section) != is_of_user)
			continue;
		s = arena_zalloc(b->arena, 1, sizeof(*s));
		if (!s)
			return ERR_MEMORY;
		s->next = state->all;
		state->all = s;
		err = open_section(s, section, prior, b);
	}
	return err;
}

static int
open_rate(void **state, const void *prior, struct guard_build *b)
{
	return open_kind(state, prior, b, false);
}

static int
open_rate_of_user(void **state, const void *prior, struct guard_build *b)
{
	return open_kind(state, prior, b, true);
}

static void
close_rate(void **pointer)
{
	struct rate_state *state = *pointer;

	for (struct rate_section *s = state ? state->all : NULL; s; s = s->next)
		rates_unref(&s->rates);
	*pointer = NULL;
}

/* --- routes ----------------------------------------------------------------------------- */

static const struct rate_section *
find_section(const struct rate_state *state, struct slice name)
{
	const struct rate_section *s = state->all;

	while (s && !slice_eq(s->section->name, name))
		s = s->next;
	return s;
}

/* Takes those of the names that this kind has. */
static const struct guard *
load_kind(const struct guard_kind *kind, const struct rate_state *state, struct conf_section *route,
	  struct guard_build *b, bool checks_names)
{
	const struct conf_entry *entry = conf_entry(route, "rate");
	struct slice rest = entry ? entry->value : SLICE("");
	struct rate_guard *g =
	    arena_zalloc(b->arena, 1, sizeof(*g) + (rest.len / 2 + 1) * sizeof(g->section[0]));

	if (!g)
		return NULL;
	g->guard.kind = kind;
	while (rest.len > 0) {
		struct slice name = slice_trim(slice_cut(&rest, ','));
		const struct rate_section *s = find_section(state, name);

		if (s)
			g->section[g->count++] = s;
		else if (checks_names && name.len > 0)
			conf_error_no_section(b->errors, route, "rate", "rate", name);
	}
	return g->count ? &g->guard : NULL;
}

static const struct guard *
load_rate(void *state, const void *conf, struct conf_section *route, struct guard_build *b)
{
	(void)conf;
	return load_kind(&guard_rate, state, route, b, true);
}

static const struct guard *
load_rate_of_user(void *state, const void *conf, struct conf_section *route, struct guard_build *b)
{
	const struct guard *g = load_kind(&guard_rate_of_user, state, route, b, false);

	(void)conf;
	if (g && !conf_is_set(route, "auth"))
		conf_error_at(b->errors, route, "rate",
			      "one of these asks who the user is, and this route has no auth");
	return g;
}

/* --- requests ----------------------------------------------------------------------------- */

/* What its answer will say. */
struct rate_edits {
	struct exchange_edits of; /* the first */
	struct slice limits, policies; /* lists */
	char text[]; /* of both */
};

static int
apply(const struct exchange_edits *of, struct exchange *x)
{
	const struct rate_edits *e = (const struct rate_edits *)of;
	int err = exchange_own_fields(x, FIELDS_ADDED);

	if (!err)
		err = exchange_add_field_name(x, SLICE("RateLimit"), e->limits);
	if (!err)
		err = exchange_add_field_name(x, SLICE("RateLimit-Policy"), e->policies);
	return err ? ERR_MEMORY : 0;
}

/* A client with a /64 has more addresses than any table has room for. */
static struct slice
client_text(const struct exchange *x, struct writer *w)
{
	struct address a = *x->client;

	address_to_client(&a);
	address_write_host(&a, w);
	return writer_slice(w);
}

static struct slice
find_key(const struct rate_section *s, const struct guard_asked *asked, struct writer *memory)
{
	struct template_scope scope;
	struct slice key;
	unsigned variable;

	scope_fill(&scope, asked->x, asked->param, asked->rest);
	scope.client_address = client_text(asked->x, memory);
	if (template_eval(s->key, &scope, &asked->x->arena, KEY_BYTES, &key, &variable) != 0)
		return SLICE("");
	return key;
}

static void
count_place(struct counters *c, enum rates_place place)
{
	if (place == RATES_REPLACED_IDLE)
		count_add(c, COUNTER_RATE_REPLACED_IDLE, 1);
	else if (place == RATES_REPLACED_BUSY)
		count_add(c, COUNTER_RATE_REPLACED_BUSY, 1);
}

/* Rounded up: who comes back then is early by nothing. */
static uint64_t
seconds_of(uint64_t ns)
{
	return ns / CLOCK_SEC + (ns % CLOCK_SEC != 0);
}

static void
tell(struct writer *w, const struct rate_section *s, const struct rates_answer *a)
{
	if (w->len)
		writer_text(w, ", ");
	writer_format(w, "\"%.*s\";r=", SLICE_PRINT(s->section->name));
	writer_u64(w, a->left);
	writer_text(w, ";t=");
	writer_u64(w, seconds_of(a->full_ns));
}

static void
refuse(const struct rate_section *s, struct guard_asked *asked, const struct rates_answer *a)
{
	struct exchange *x = asked->x;
	char *memory = arena_alloc(&x->arena, NUMBER_BYTES);
	struct writer w = writer_over(memory, memory ? NUMBER_BYTES : 0);
	char text[ADDRESS_BYTES];
	struct writer client = writer_over(text, sizeof(text));

	count_add(asked->lease->env->counters, COUNTER_REFUSED_RATE, 1);
	address_write_host(x->client, &client);
	log_debug("%.*s: refused by [rate %.*s]", SLICE_PRINT(writer_slice(&client)),
		  SLICE_PRINT(s->section->name));
	writer_u64(&w, seconds_of(a->retry_ns));
	if (exchange_add_field(x, FIELD_RETRY_AFTER, writer_slice(&w)) != 0)
		exchange_abort(x, ERR_MEMORY);
	else
		exchange_refuse(x, 429);
}

/* Asks the sections in order, as far as the first that refuses, and writes what each says; that
 * one, or NULL. */
static const struct rate_section *
ask_all(const struct rate_guard *rate, struct guard_asked *asked, struct writer *limits,
	struct writer *policies, struct rates_answer *a)
{
	struct env *env = asked->lease->env;

	for (unsigned i = 0; i < rate->count; i++) {
		const struct rate_section *s = rate->section[i];
		char memory[ADDRESS_BYTES];
		struct writer address = writer_over(memory, sizeof(memory));

		rates_take(s->rates, find_key(s, asked, &address), loop_now(&env->loop), &s->limit,
			   a);
		count_place(env->counters, a->place);
		tell(limits, s, a);
		writer_text(policies, policies->len ? ", " : "");
		writer_put(policies, s->policy);
		if (!a->is_passed)
			return s;
	}
	return NULL;
}

static enum guard_verdict
check(const struct guard *g, struct guard_asked *asked)
{
	const struct rate_guard *rate = (const struct rate_guard *)g;
	struct exchange *x = asked->x;
	size_t room = rate->count * ITEM_BYTES;
	struct rate_edits *e = arena_zalloc(&x->arena, 1, sizeof(*e) + 2 * room);
	const struct rate_section *refusing;
	struct writer limits, policies;
	struct rates_answer a;

	if (!e) {
		exchange_abort(x, ERR_MEMORY);
		return GUARD_ENDED;
	}
	limits = writer_over(e->text, room);
	policies = writer_over(e->text + room, room);
	refusing = ask_all(rate, asked, &limits, &policies, &a);
	e->of = (struct exchange_edits){ .apply = apply, .next = x->edits };
	e->limits = writer_slice(&limits);
	e->policies = writer_slice(&policies);
	x->edits = &e->of;
	if (!refusing)
		return GUARD_PASS;
	refuse(refusing, asked, &a);
	return GUARD_ENDED;
}

const struct guard_kind guard_rate = {
	.name = "rate",
	.section = "rate",
	.section_keys = section_keys,
	.keys = route_keys,
	.conf_size = sizeof(struct rate_conf),
	.open = open_rate,
	.load = load_rate,
	.close = close_rate,
	.check = check,
};

const struct guard_kind guard_rate_of_user = {
	.name = "rate_of_user",
	.open = open_rate_of_user,
	.load = load_rate_of_user,
	.close = close_rate,
	.check = check,
};
