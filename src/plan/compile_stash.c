/*
 * Whether and where answers of a part are kept: its keys cache, cache_key, cache_for, stale_in and
 * fallback = stale. Builder thread.
 */
#include "base/clock.h"
#include "base/siphash.h"
#include "cache/cache.h"
#include "config/value.h"
#include "plan/part_key.h"
#include "plan/plan_priv.h"
#include "plan/stash.h"

/* --- fallback = stale 60s, [] ------------------------------------------------------------- */

/* The time behind the word; false: the text is none of that kind. */
static bool
read_stale(struct slice text, struct slice *time, struct slice *rest)
{
	static const struct slice word = SLICE_INIT("stale");

	*rest = slice_trim(text);
	if (!slice_has_prefix(*rest, word))
		return false;
	*rest = slice_after(*rest, word.len);
	if (rest->len > 0 && rest->at[0] != ' ' && rest->at[0] != '\t' && rest->at[0] != ',')
		return false;
	*time = slice_trim(slice_cut(rest, ','));
	*rest = slice_trim(*rest);
	return true;
}

bool
stash_read_fallback(struct plan_part *pp, bool is_text, struct conf_errors *e)
{
	struct conf_section *s = pp->part.section;
	struct slice time, rest;
	uint64_t ns = 0;

	pp->fallback = pp->conf.fallback;
	if (!read_stale(pp->conf.fallback, &time, &rest))
		return false;
	/* A text may begin with that word. */
	if (value_duration(time, &ns) != 0 && is_text)
		return false;
	pp->fallback = rest;
	pp->stale_ns = ns ? ns : UINT64_MAX;
	if (ns == 0)
		conf_error_at(e, s, "fallback",
			      "%s is no time: write how old an answer may be, stale 60s",
			      conf_quote(time).text);
	else if (conf_is_set(s, "foreach"))
		conf_error_at(e, s, "fallback",
			      "stale is not for parts with foreach, whose elements may be kept "
			      "(cache)");
	else if (!pp->conf.is_optional && pp->conf.when.len > 0)
		conf_error_at(e, s, "fallback",
			      "stale is for optional parts: this one fails with its route");
	return true;
}

/* --- which cache --------------------------------------------------------------------------- */

static const struct cache *
find_cache(const struct plan_part *pp, const char *key, struct slice name, struct plan_build *b)
{
	const struct cache *c = b->find_cache ? b->find_cache(b->argument, name) : NULL;

	if (!c)
		conf_error_no_section(plan_errors(b), pp->part.section, key, "cache", name);
	return c;
}

/* Keys that are of no use without another. */
static void
check_alone(const struct plan_part *pp, struct conf_errors *e)
{
	struct conf_section *s = pp->part.section;
	bool has_cache = pp->conf.cache.len > 0;

	if (pp->conf.cache_key.len > 0 && !has_cache && pp->stale_ns == 0)
		conf_error_at(e, s, "cache_key", "is for parts with cache, or fallback = stale");
	if (conf_is_set(s, "cache_for") && !has_cache)
		conf_error_at(e, s, "cache_for", "is for parts with cache");
	if (pp->conf.stale_in.len > 0 && pp->stale_ns == 0)
		conf_error_at(e, s, "stale_in", "is for parts with fallback = stale");
	else if (pp->conf.stale_in.len > 0 && has_cache)
		conf_error_at(e, s, "stale_in",
			      "means nothing here: what is kept in cache stands in (%s)",
			      conf_place(s, "cache").text);
	else if (pp->stale_ns && !has_cache && pp->conf.stale_in.len == 0)
		conf_error_at(e, s, "fallback",
			      "stale needs memory: name a section [cache NAME] by stale_in, or by "
			      "cache, where answers are to be used while they are fresh, too");
}

static void
check_source(const struct plan_part *pp, struct conf_errors *e)
{
	const struct source_ops *ops = pp->part.source->ops;
	const char *effects = ops->effects ? ops->effects(&pp->part) : NULL;
	const char *key = pp->conf.cache.len > 0 ? "cache" : "stale_in";

	if (effects)
		conf_error_at(e, pp->part.section, key,
			      "an answer that is kept cannot stand for the part: %s", effects);
}

static void
check_freshness(const struct plan_part *pp, const struct stash *s, struct conf_errors *e)
{
	const struct part *part = &pp->part;

	if (s->answers && s->unsaid_s == 0 && !part->source->ops->tells_freshness)
		conf_warning_at(e, part->section, "cache",
				"keeps nothing: answers of source %s do not say how long they are "
				"fresh, nor does cache_for, here or in [cache %.*s]",
				part->source->ops->name, SLICE_PRINT(s->cache->name));
}

/* --- the stash ---------------------------------------------------------------------------------
 */

static uint64_t
print_section(const struct conf_section *s)
{
	uint64_t print = 1;

	for (const struct conf_entry *e = s ? s->entries : NULL; e; e = e->next) {
		struct siphash_key seed = { { print, 0 } };

		seed.half[1] = siphash(&seed, e->key);
		print = siphash(&seed, e->value);
	}
	return print;
}

/* Of every key and value, the part's and its source's: a cache outlives a reload, and may hold what
 * another section asked, or another server said. */
static uint64_t
print_of(const struct part *part)
{
	const struct siphash_key both = { { print_section(part->section),
					    print_section(part->source->section) } };

	return siphash(&both, SLICE("")) | 1;
}

int
stash_compile(struct plan_part *pp, const struct template *key, struct plan_build *b)
{
	const struct source_ops *ops = pp->part.source->ops;
	const struct plan_part_conf *conf = &pp->conf;
	uint64_t unsaid_ns = conf->cache_for;
	bool has_cache = conf->cache.len > 0;
	struct slice name = has_cache ? conf->cache : conf->stale_in;
	struct stash *s;

	check_alone(pp, plan_errors(b));
	if (name.len == 0)
		return 0;
	s = arena_zalloc(b->source->arena, 1, sizeof(*s));
	if (!s)
		return ERR_MEMORY;
	check_source(pp, plan_errors(b));
	s->cache = find_cache(pp, has_cache ? "cache" : "stale_in", name, b);
	if (!s->cache)
		return 0;
	if (!conf_is_set(pp->part.section, "cache_for"))
		unsaid_ns = s->cache->conf.cache_for;
	s->key = key;
	s->values = key ? pp->key_values : pp->key_values | part_key_all_values(pp);
	s->print = print_of(&pp->part);
	s->unsaid_s = (int64_t)(unsaid_ns / CLOCK_SEC);
	s->stale_ns = pp->stale_ns;
	s->answers = has_cache;
	s->asks = has_cache && ops->asks_condition && ops->asks_condition(&pp->part);
	check_freshness(pp, s, plan_errors(b));
	pp->stash = s;
	return 0;
}
