/*
 * Which changes a running server cannot take; see key.h.
 */
#include "config/key.h"

static struct slice
text_of(const struct conf_section *s, const struct conf_key *k)
{
	const struct conf_entry *e = s ? conf_entry(s, k->name) : NULL;

	return e ? e->value : slice_of(k->def ? k->def : "");
}

static void
complain(const struct conf *now, const struct conf_section *s, const struct conf_key *k,
	 const char *kind, struct slice was, struct conf_errors *e)
{
	const char *rule = "only a restart can change it";

	if (s)
		conf_error_at(e, s, k->name, "%s; it is %s", rule, conf_quote(was).text);
	else
		conf_error(e, now->files->name, 0, "[%s] %s: %s; it is %s", kind, k->name, rule,
			   conf_quote(was).text);
}

void
conf_check_live(const struct conf *prior, const struct conf *now, const char *kind,
		const struct conf_key *keys, struct conf_errors *e)
{
	const struct conf_section *before = conf_find(prior, slice_of(kind), SLICE(""));
	const struct conf_section *after = conf_find(now, slice_of(kind), SLICE(""));

	for (const struct conf_key *k = keys; k->name; k++) {
		struct slice was = text_of(before, k);

		if ((k->flags & CONF_RESTART) && !slice_eq(was, text_of(after, k)))
			complain(now, after, k, kind, was, e);
	}
}
