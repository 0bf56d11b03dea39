/*
 * Reading what threads have counted; see sample.h.
 */
#include "server/sample.h"

#include "base/mem.h"
#include "server/server.h"

static int
take_blocks(struct sample *s)
{
	const struct server *server = s->server;

	unsigned places = (unsigned)gauge_read(&server->crew.places);

	s->blocks = mem_zalloc(places + 2, sizeof(*s->blocks));
	if (!s->blocks)
		return ERR_MEMORY;
	s->blocks[s->block_count++] = &server->counters;
	s->blocks[s->block_count++] = &server->monitor.lookout.watch.counters;
	for (unsigned i = 0; i < places; i++)
		s->blocks[s->block_count++] = &server->crew.place[i]->counters;
	return 0;
}

static int
take_pools(struct sample *s)
{
	const struct site *site = s->server->shown;

	if (site->pools.count == 0)
		return 0;
	s->pools = mem_zalloc(site->pools.count, sizeof(*s->pools));
	if (!s->pools)
		return ERR_MEMORY;
	for (unsigned i = 0; i < site->pools.count; i++)
		pool_sample(site->pools.at[i].pool, &s->pools[s->pool_count++]);
	return 0;
}

int
sample_take(struct sample *s, const struct server *server)
{
	*s = (struct sample){ .server = server };
	if (take_blocks(s) == 0 && take_pools(s) == 0)
		return 0;
	sample_release(s);
	return ERR_MEMORY;
}

void
sample_release(struct sample *s)
{
	mem_free(&s->blocks);
	mem_free(&s->pools);
}

void
sample_route_sum(const struct sample *s, unsigned index, struct sample_route *sum)
{
	const struct ledger_page *page;

	*sum = (struct sample_route){ 0 };
	for (page = ledger_first(s->server->shown->route_ledgers[index]); page; page = page->next) {
		const struct route_series *series = (const void *)page->series;

		for (unsigned k = 0; k < SERIES_STATUSES; k++)
			sum->by_status[k] += count_read_word(&series->by_status[k]);
		histogram_sum_add(&sum->duration, &series->duration);
	}
	for (unsigned k = 0; k < SERIES_STATUSES; k++)
		sum->requests += sum->by_status[k];
}

void
sample_part_sum(const struct sample *s, unsigned index, struct sample_part *sum)
{
	const struct ledger_page *page;

	*sum = (struct sample_part){ 0 };
	for (page = ledger_first(s->server->shown->part_ledgers[index]); page; page = page->next) {
		const struct part_series *series = (const void *)page->series;

		for (unsigned k = 0; k < OUTCOME_COUNT; k++)
			sum->by_outcome[k] += count_read_word(&series->by_outcome[k]);
		histogram_sum_add(&sum->duration, &series->duration);
	}
}

void
sample_shed_sum(const struct sample *s, unsigned source, unsigned limit, struct sample_shed *sum)
{
	const struct ledger_page *page = ledger_first(s->server->shown->shed_ledgers[source]);

	*sum = (struct sample_shed){ 0 };
	for (; page; page = page->next) {
		const struct shed_series *series = (const void *)page->series;

		sum->enforced += count_read_word(&series[limit].enforced);
		sum->spared += count_read_word(&series[limit].spared);
	}
}

uint64_t
sample_counter(const struct sample *s, enum counter id)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < s->block_count; i++)
		sum += count_read(s->blocks[i], id);
	return sum;
}

uint64_t
sample_connections(const struct counters *worker)
{
	/* Closed first: a conn that closes between the reads is still open then. */
	uint64_t closed = count_read(worker, COUNTER_CONN_CLOSED);
	uint64_t opened = count_read(worker, COUNTER_CONN_OPENED);

	return opened > closed ? opened - closed : 0;
}

uint64_t
sample_behind_ns(const struct worker *w)
{
	return gauge_read(&w->host.backlog.behind_ns);
}

/* Whether requests wait for a worker for longer than they may. */
static bool
is_behind(const struct sample *s)
{
	const struct server *server = s->server;

	for (unsigned i = 0; i < gauge_read(&server->crew.places); i++) {
		if (sample_behind_ns(server->crew.place[i]) > 0)
			return true;
	}
	return false;
}

uint64_t
sample_saturation_milli(const struct sample *s)
{
	uint64_t most = is_behind(s) ? 1000 : 0;

	for (unsigned i = 0; i < s->pool_count; i++) {
		const struct pool_sample *p = &s->pools[i];
		uint64_t used = (uint64_t)p->running + p->queued;
		uint64_t milli = used * 1000 / ((uint64_t)p->threads + p->max_queue);

		if (milli > most)
			most = milli;
	}
	return most < 1000 ? most : 1000;
}
