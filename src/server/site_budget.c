/*
 * What a site makes of the CPU budget: whether its workers and the threads of its
 * pools fit into a quota, and who shares it, in words. A throttled control group
 * stops the workers too. Builder or main thread.
 */
#include "config/errors.h"
#include "server/site_priv.h"

static unsigned
count_computing(const struct site *s)
{
	unsigned threads = 0;

	for (unsigned i = 0; i < s->pools.count; i++) {
		const struct pools_entry *e = &s->pools.at[i];

		threads += e->computes ? e->wanted.threads : 0;
	}
	return threads;
}

void
site_check_budget(const struct site *s, struct conf_errors *e)
{
	unsigned threads = count_computing(s);

	if (budget_is_exceeded(&s->budget, s->workers + threads))
		conf_warning_at(e, conf_find(s->conf, SLICE("server"), SLICE("")), "workers",
				"%u workers and %u compute threads are more than the quota of "
				"%.2f processors",
				s->workers, threads, (double)s->budget.quota_milli / 1000);
}

/* "compute 2, heavy 1" */
static void
write_threads(const struct site *s, bool computes, struct writer *w)
{
	const char *before = "";

	for (unsigned i = 0; i < s->pools.count; i++) {
		const struct pools_entry *e = &s->pools.at[i];

		if (e->computes != computes)
			continue;
		writer_format(w, "%s%s %u", before, pool_name(e->pool), e->wanted.threads);
		before = ", ";
	}
}

void
site_write_budget(const struct site *s, struct writer *w)
{
	if (!budget_is_shared(&s->budget))
		return;
	writer_format(w,
		      "the quota is shared by %u worker%s and the threads of pools that compute: ",
		      s->workers, s->workers > 1 ? "s" : "");
	write_threads(s, true, w);
	writer_text(w, "; those of other pools mostly wait and are not counted: ");
	write_threads(s, false, w);
	writer_char(w, '\n');
}
