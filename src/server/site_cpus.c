/*
 * The processors that a site keeps its threads on: whether the process may use
 * them, and who has which, in words. Builder or main thread.
 */
#include "config/errors.h"
#include "server/site_priv.h"

enum { LIST_BYTES = 128 };

struct list_text {
	char text[LIST_BYTES];
};

/* A list that is too long for a message is cut. */
static struct list_text
show(const struct cpus *c)
{
	struct list_text t;
	struct writer w = writer_over(t.text, sizeof(t.text) - 1);

	cpus_write(c, &w);
	t.text[w.len] = '\0';
	return t;
}

void
site_check_cpus(const struct site *s, struct cpus *c, const struct conf_section *section,
		struct conf_errors *e)
{
	struct cpus strange = cpus_without(c, &s->budget.usable);

	if (cpus_is_empty(&s->budget.usable) || cpus_is_empty(&strange))
		return;
	conf_error_at(
	    e, section, "cpus", "processor%s %s cannot be used: this process may run on %s",
	    cpus_count(&strange) > 1 ? "s" : "", show(&strange).text, show(&s->budget.usable).text);
	*c = (struct cpus){ { 0 } };
}

void
site_write_cpus(const struct site *s, struct writer *w)
{
	bool has_own = s->workers <= cpus_count(&s->cpus);

	if (!cpus_is_empty(&s->cpus))
		writer_format(w, "%u worker%s on processors %s, %s\n", s->workers,
			      s->workers > 1 ? "s" : "", show(&s->cpus).text,
			      has_own ? "each on one of its own" : "all on all of them");
	for (unsigned i = 0; i < s->pools.count; i++) {
		const struct pool_limits *l = &s->pools.at[i].wanted;

		if (!cpus_is_empty(&l->cpus))
			writer_format(w, "pool %s: %u thread%s on processors %s\n",
				      pool_name(s->pools.at[i].pool), l->threads,
				      l->threads > 1 ? "s" : "", show(&l->cpus).text);
	}
}
