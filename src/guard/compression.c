/*
 * The kind of guard that puts a compressor (compress/compressor.h) behind the
 * responses of routes that ask for it. It refuses nobody: it is here because it
 * prepares the exchange between the router and the plan, and stands last, so
 * that what other kinds answer goes as it is.
 *
 *   [compression]
 *   codings = zstd, br, gzip
 *   [route page]
 *   compress = yes
 */
#include "base/mem.h"
#include "compress/compressor.h"
#include "guard/guard.h"
#include "plan/plan.h"
#include "plan/scope.h"

/* A megabyte of text takes some 20 ms; a piece is a sixteenth of it. */
enum { PRIOR_NS = 1500000 };

struct route_conf {
	bool compresses;
};

static const struct conf_key route_keys[] = {
	{ "compress", CONF_BOOL, CONF_FIELD(struct route_conf, compresses), .def = "no",
	  .help = "whether responses are compressed as [compression] says; not where a secret and "
		  "text of a client's choice are in one response, as its length would tell" },
	CONF_KEYS_END
};

extern const struct guard_kind guard_compression;

/* Of a site; in its arena. */
struct compression {
	struct guard guard; /* first; one for all routes: they agree */
	struct compress_rules rules;
	bool is_read; /* the section is written, or a route has asked */
};

/* Reads the section, written or not. */
static void
read_rules(struct compression *c, struct conf_section *section, struct guard_build *b)
{
	const struct conf_table table = { compress_keys, &c->rules.conf };
	struct slice pool;

	c->is_read = true;
	if (conf_fill(section, &table, 1, b->errors) != 0)
		return;
	compress_rules_check(&c->rules, section, b->errors);
	pool = c->rules.conf.pool;
	c->rules.pool = b->find_pool(b->argument, pool);
	if (!c->rules.pool)
		conf_error_no_section(b->errors, section, "pool", "pool", pool);
	else
		c->rules.cost = pool_cost(c->rules.pool, SLICE("compression"), PRIOR_NS);
}

static int
open_compression(void **state, const void *prior, struct guard_build *b)
{
	struct compression *c = arena_zalloc(b->arena, 1, sizeof(*c));
	struct conf_section *section = conf_find(b->conf, SLICE("compression"), SLICE(""));

	(void)prior;
	if (!c)
		return ERR_MEMORY;
	c->guard.kind = &guard_compression;
	*state = c;
	if (section)
		read_rules(c, section, b);
	return 0;
}

static const struct guard *
load_compression(void *state, const void *conf, struct conf_section *route, struct guard_build *b)
{
	struct compression *c = state;

	if (!((const struct route_conf *)conf)->compresses || !c)
		return NULL;
	if (!c->is_read) {
		struct conf_section *section = conf_need(b->conf, "compression", "");

		if (!section)
			return NULL; /* the tree is short of memory, which is looked at */
		read_rules(c, section, b);
	}
	if (c->rules.codings == 0)
		conf_error_at(b->errors, route, "compress",
			      "[compression] has no codings that this build has");
	return &c->guard;
}

static int
attach_compression(const void *state, struct lease *l, void **attached)
{
	const struct compression *c = state;
	struct shelf *s;

	if (!c || !c->is_read)
		return 0;
	s = mem_zalloc(1, sizeof(*s));
	if (!s)
		return ERR_MEMORY;
	shelf_init(s, l->env, lease_part_kept(l, c->rules.conf.max_streams));
	*attached = s;
	return 0;
}

static void
detach_compression(const void *state, struct lease *l, void **attached)
{
	struct shelf *s = *attached;

	(void)state;
	(void)l;
	if (!s)
		return;
	shelf_fini(s);
	*attached = NULL;
	mem_free(&s);
}

static enum guard_verdict
check_compression(const struct guard *g, struct guard_asked *a)
{
	const struct compression *c = (const struct compression *)g;
	struct shelf *s = guard_attached(g, a);
	const struct compressor_charge charge = {
		.priority = a->plan->conf.priority,
		.share = scope_client_share(a->x),
		.patience_ns = a->plan->conf.deadline,
	};

	compressor_add(a->x, &c->rules, s, a->lease, &charge);
	return GUARD_PASS;
}

const struct guard_kind guard_compression = {
	.name = "compression",
	.section = "compression",
	.is_single = true,
	.section_keys = compress_keys,
	.keys = route_keys,
	.conf_size = sizeof(struct route_conf),
	.open = open_compression,
	.load = load_compression,
	.attach = attach_compression,
	.detach = detach_compression,
	.check = check_compression,
};
