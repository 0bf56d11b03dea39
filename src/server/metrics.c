/*
 * Prometheus' text of a running server; see metrics.h.
 */
#include "server/metrics.h"

#include "base/mem.h"
#include "cache/cache.h"
#include "config.h"
#include "guard/cache.h"
#include "http/status.h"
#include "metrics/export.h"
#include "server/cgroup.h"
#include "server/sample.h"
#include "server/server.h"

enum { BASE_BYTES = 1 << 20, SERIES_BYTES = 1 << 15, NUMBER_BYTES = 24, LIMIT_BYTES = 160 };

size_t
metrics_limit(const struct server *s)
{
	const struct site *site = s->shown;
	size_t series = site->route_count + site->part_count + site->pools.count + CREW_MAX;

	return BASE_BYTES + series * SERIES_BYTES;
}

static struct slice
number(char *memory, uint64_t value)
{
	struct writer w = writer_over(memory, NUMBER_BYTES);

	writer_u64(&w, value);
	return writer_slice(&w);
}

/* --- workers ------------------------------------------------------------------------- */

static void
put_lags(struct buffer *b, const struct sample *s)
{
	export_family(b, "forebay_loop_lag_seconds", EXPORT_GAUGE,
		      "How long requests wait for their worker; 0 where that is less than "
		      "worker_wait.");
	for (unsigned i = 0; i < gauge_read(&s->server->crew.places); i++) {
		char memory[NUMBER_BYTES];
		const struct export_label label = { "worker", number(memory, i) };

		export_seconds(b, "forebay_loop_lag_seconds", &label, 1,
			       sample_behind_ns(s->server->crew.place[i]));
	}
}

static void
put_workers(struct buffer *b, const struct sample *s)
{
	export_family(b, "forebay_connections", EXPORT_GAUGE,
		      "Client connections that a worker has open.");
	for (unsigned i = 0; i < gauge_read(&s->server->crew.places); i++) {
		char memory[NUMBER_BYTES];
		const struct export_label label = { "worker", number(memory, i) };

		export_u64(b, "forebay_connections", &label, 1,
			   sample_connections(&s->server->crew.place[i]->counters));
	}
}

/* --- routes ---------------------------------------------------------------------------- */

/* Of route `index`; empty for requests that found none. */
static struct slice
route_name(const struct site *site, unsigned index)
{
	return index ? site->routes[index - 1].name : (struct slice){ 0 };
}

static void
put_statuses(struct buffer *b, struct slice route, const struct sample_route *sum)
{
	for (unsigned i = 0; i < SERIES_STATUSES; i++) {
		char memory[NUMBER_BYTES];
		int status = status_at(i);
		const struct export_label labels[] = {
			{ "route", route },
			{ "status", status ? number(memory, (uint64_t)status) : SLICE("other") },
		};

		if (sum->by_status[i])
			export_u64(b, "forebay_requests_total", labels, 2, sum->by_status[i]);
	}
}

static void
put_requests(struct buffer *b, const struct sample *s)
{
	const struct site *site = s->server->shown;
	struct sample_route sum;

	export_family(b, "forebay_requests_total", EXPORT_COUNTER,
		      "Requests answered, by route (empty: none was found) and status.");
	for (unsigned i = 0; i <= site->route_count; i++) {
		sample_route_sum(s, i, &sum);
		put_statuses(b, route_name(site, i), &sum);
	}
}

static void
put_request_durations(struct buffer *b, const struct sample *s)
{
	const struct site *site = s->server->shown;
	struct sample_route sum;

	export_family(b, "forebay_request_duration_seconds", EXPORT_HISTOGRAM,
		      "From a request's complete head to the last byte of its answer.");
	for (unsigned i = 0; i <= site->route_count; i++) {
		const struct export_label label = { "route", route_name(site, i) };

		sample_route_sum(s, i, &sum);
		if (sum.requests)
			export_histogram(b, "forebay_request_duration_seconds", &label, 1,
					 &sum.duration);
	}
}

/* --- parts ------------------------------------------------------------------------------- */

typedef void (*part_fn)(struct buffer *b, struct slice route, struct slice part,
			const struct sample_part *sum);

static void
each_part(struct buffer *b, const struct sample *s, part_fn put)
{
	const struct site *site = s->server->shown;

	for (unsigned i = 0; i < site->route_count; i++) {
		const struct plan *plan = site->routes[i].plan;

		for (unsigned k = 0; plan && k < plan->count; k++) {
			struct sample_part sum;

			sample_part_sum(s, plan->part[k].part.index, &sum);
			put(b, site->routes[i].name, plan->part[k].part.name, &sum);
		}
	}
}

static void
put_outcomes(struct buffer *b, struct slice route, struct slice part, const struct sample_part *sum)
{
	for (unsigned i = 0; i < OUTCOME_COUNT; i++) {
		const struct export_label labels[] = {
			{ "route", route },
			{ "subrequest", part },
			{ "outcome", slice_of(outcome_word((enum outcome)i)) },
		};

		if (sum->by_outcome[i])
			export_u64(b, "forebay_subrequests_total", labels, 3, sum->by_outcome[i]);
	}
}

static void
put_part_duration(struct buffer *b, struct slice route, struct slice part,
		  const struct sample_part *sum)
{
	const struct export_label labels[] = { { "route", route }, { "subrequest", part } };

	if (histogram_sum_count(&sum->duration))
		export_histogram(b, "forebay_subrequest_duration_seconds", labels, 2,
				 &sum->duration);
}

static void
put_parts(struct buffer *b, const struct sample *s)
{
	export_family(b, "forebay_subrequests_total", EXPORT_COUNTER,
		      "Subrequests that ended, by outcome; of a route without [subrequest] "
		      "sections the name is empty.");
	each_part(b, s, put_outcomes);
	export_family(b, "forebay_subrequest_duration_seconds", EXPORT_HISTOGRAM,
		      "From a subrequest's start to its end.");
	each_part(b, s, put_part_duration);
}

/* --- pools ------------------------------------------------------------------------------- */

static void
put_pool_gauges(struct buffer *b, const struct sample *s)
{
	static const struct {
		const char *name, *help;
		size_t at; /* of an unsigned in struct pool_sample */
	} rows[] = {
		{ "forebay_pool_threads", "Threads of a pool.",
		  offsetof(struct pool_sample, threads) },
		{ "forebay_pool_running", "Jobs that run now.",
		  offsetof(struct pool_sample, running) },
		{ "forebay_pool_queued", "Jobs that wait for a thread now.",
		  offsetof(struct pool_sample, queued) },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		export_family(b, rows[i].name, EXPORT_GAUGE, rows[i].help);
		for (unsigned k = 0; k < s->pool_count; k++) {
			const struct pool_sample *p = &s->pools[k];
			const struct export_label label = { "pool", slice_of(p->name) };
			const unsigned *value = (const void *)((const char *)p + rows[i].at);

			export_u64(b, rows[i].name, &label, 1, *value);
		}
	}
}

static void
put_caches(struct buffer *b, const struct sample *s)
{
	static const struct {
		const char *name, *help;
	} rows[] = {
		{ "forebay_cache_bytes", "What a cache holds now." },
		{ "forebay_cache_max_bytes", "What it may hold: its size." },
		{ "forebay_cache_entries",
		  "Answers that it holds, and lists of what they vary by." },
	};
	const struct cache *first = guard_caches(s->server->shown->guards);

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]) && first; i++) {
		export_family(b, rows[i].name, EXPORT_GAUGE, rows[i].help);
		for (const struct cache *c = first; c; c = c->next) {
			const struct export_label label = { "cache", c->name };
			struct vault_reading r;

			vault_read(c->vault, &r);
			export_u64(b, rows[i].name, &label, 1,
				   i == 0   ? r.bytes
				   : i == 1 ? r.bytes_max
					    : r.items);
		}
	}
}

static void
put_pool_times(struct buffer *b, const struct sample *s)
{
	static const struct {
		const char *name, *help;
		size_t at; /* of a struct histogram_sum in struct pool_sample */
	} rows[] = {
		{ "forebay_pool_wait_seconds", "How long jobs waited for a thread.",
		  offsetof(struct pool_sample, wait) },
		{ "forebay_pool_run_seconds", "How long jobs ran.",
		  offsetof(struct pool_sample, run) },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		export_family(b, rows[i].name, EXPORT_HISTOGRAM, rows[i].help);
		for (unsigned k = 0; k < s->pool_count; k++) {
			const struct pool_sample *p = &s->pools[k];
			const struct export_label label = { "pool", slice_of(p->name) };

			export_histogram(b, rows[i].name, &label, 1,
					 (const void *)((const char *)p + rows[i].at));
		}
	}
}

static void
put_pool_squares(struct buffer *b, const struct sample *s)
{
	static const char name[] = "forebay_pool_run_squares_total";

	export_family(
	    b, name, EXPORT_COUNTER,
	    "Squares of the seconds that jobs ran: their spread, with the sum and count of "
	    "forebay_pool_run_seconds.");
	for (unsigned k = 0; k < s->pool_count; k++) {
		const struct export_label label = { "pool", slice_of(s->pools[k].name) };

		export_seconds(b, name, &label, 1, s->pools[k].run_squares);
	}
}

static void
put_dropped(struct buffer *b, const struct sample *s)
{
	export_family(b, "forebay_jobs_dropped_total", EXPORT_COUNTER,
		      "Jobs dropped before they ran: too late, or nobody wanted them any more.");
	for (unsigned k = 0; k < s->pool_count; k++) {
		const struct pool_sample *p = &s->pools[k];
		struct export_label labels[] = {
			{ "pool", slice_of(p->name) },
			{ "reason", SLICE("expired") },
		};

		export_u64(b, "forebay_jobs_dropped_total", labels, 2, p->expired);
		labels[1].value = SLICE("abandoned");
		export_u64(b, "forebay_jobs_dropped_total", labels, 2, p->abandoned);
		labels[1].value = SLICE("hopeless");
		export_u64(b, "forebay_jobs_dropped_total", labels, 2, p->shed[POOL_SHED_DEADLINE]);
		labels[1].value = SLICE("evicted");
		export_u64(b, "forebay_jobs_dropped_total", labels, 2, p->shed[POOL_SHED_PRIORITY]);
	}
}

/* limit="pool.NAME.KIND": the word of Forebay-Shed. The route is not known to a pool. */
static void
put_refusals(struct buffer *b, const struct pool_sample *p, const char *kind, const char *mode,
	     uint64_t count)
{
	char memory[LIMIT_BYTES];
	struct writer w = writer_over(memory, sizeof(memory));

	writer_text(&w, "pool.");
	writer_text(&w, p->name);
	writer_char(&w, '.');
	writer_text(&w, kind);
	const struct export_label labels[] = {
		{ "route", { 0 } },
		{ "limit", writer_slice(&w) },
		{ "mode", slice_of(mode) },
	};

	export_u64(b, "forebay_shed_total", labels, 3, count);
}

/* Of workers and sources; as above, but counted by each worker. */
static void
put_worker_refusals(struct buffer *b, const char *limit, const char *mode, uint64_t count)
{
	const struct export_label labels[] = {
		{ "route", { 0 } },
		{ "limit", slice_of(limit) },
		{ "mode", slice_of(mode) },
	};

	export_u64(b, "forebay_shed_total", labels, 3, count);
}

static void
put_source_refusals(struct buffer *b, const struct sample *s)
{
	const struct site *site = s->server->shown;

	for (unsigned i = 0; i < site->source_count; i++) {
		for (unsigned k = 0; k < site->sources[i]->limits; k++) {
			const char *limit = site->sources[i]->limit[k];
			struct sample_shed sum;

			sample_shed_sum(s, i, k, &sum);
			put_worker_refusals(b, limit, "enforce", sum.enforced);
			put_worker_refusals(b, limit, "shadow", sum.spared);
		}
	}
}

static void
put_shed(struct buffer *b, const struct sample *s)
{
	export_family(b, "forebay_shed_total", EXPORT_COUNTER,
		      "Work refused by a limit, a fan-out counted once.");
	put_worker_refusals(b, "worker.wait", "enforce", sample_counter(s, COUNTER_REFUSED_WAIT));
	put_worker_refusals(b, "worker.wait", "shadow", sample_counter(s, COUNTER_SPARED_WAIT));
	put_worker_refusals(b, "bytes", "enforce",
			    sample_counter(s, COUNTER_REFUSED_BYTES) +
				sample_counter(s, COUNTER_CUT_BYTES));
	put_worker_refusals(b, "bytes", "shadow", sample_counter(s, COUNTER_SPARED_BYTES));
	put_source_refusals(b, s);
	for (unsigned k = 0; k < s->pool_count; k++) {
		const struct pool_sample *p = &s->pools[k];

		for (unsigned i = 0; i < POOL_SHEDS; i++) {
			put_refusals(b, p, pool_shed_word(i), "enforce", p->shed[i]);
			put_refusals(b, p, pool_shed_word(i), "shadow", p->shadowed[i]);
		}
	}
}

/* Read where they are counted: on the monitor's thread. */
static void
put_commands(struct buffer *b, const struct sample *s)
{
	const struct desk *d = &s->server->monitor.desk;

	export_family(b, "forebay_commands_total", EXPORT_COUNTER,
		      "Commands over the admin listener, and what became of them.");
	for (unsigned i = 0; i < COMMAND_KINDS; i++) {
		for (unsigned o = 0; o < DESK_OUTCOMES; o++) {
			const struct export_label labels[] = {
				{ "command", command_at(i)->name },
				{ "outcome", slice_of(desk_outcome_text(o)) },
			};

			export_u64(b, "forebay_commands_total", labels, 2, d->counts[i][o]);
		}
	}
}

/* --- the server ---------------------------------------------------------------------------- */

/* Rows are read while their threads go on: what is gone may be read after what came. */
static uint64_t
difference(const struct sample *s, enum counter in, enum counter out)
{
	uint64_t gone = sample_counter(s, out), came = sample_counter(s, in);

	return came > gone ? came - gone : 0;
}

static void
put_kept(struct buffer *b, const struct sample *s)
{
	export_family(b, "forebay_response_buffer_bytes", EXPORT_GAUGE,
		      "Bytes of responses that are kept for slow clients, in memory or in files.");
	export_u64(b, "forebay_response_buffer_bytes", NULL, 0,
		   difference(s, COUNTER_POND_KEPT, COUNTER_POND_LEFT));
	export_family(b, "forebay_response_spool_bytes", EXPORT_GAUGE, "Of them, those in files.");
	export_u64(b, "forebay_response_spool_bytes", NULL, 0,
		   difference(s, COUNTER_POND_FILE_KEPT, COUNTER_POND_FILE_LEFT));
}

static void
put_server(struct buffer *b, const struct sample *s)
{
	const struct export_label version = { "version", SLICE(PACKAGE_VERSION) };

	export_family(b, "forebay_saturation", EXPORT_GAUGE,
		      "How full the fullest pool is: jobs running and waiting, of as many as there "
		      "can be; 1 while requests wait for a worker longer than worker_wait.");
	export_milli(b, "forebay_saturation", NULL, 0, sample_saturation_milli(s));
	export_family(b, "forebay_cpu_budget", EXPORT_GAUGE,
		      "Processors' worth of time that the process may use, as seen last.");
	export_milli(b, "forebay_cpu_budget", NULL, 0, s->server->budget_watch.seen.milli);
	export_family(b, "forebay_cpu_throttled_seconds_total", EXPORT_COUNTER,
		      "How long the control group was kept from running, its CPU quota used up.");
	export_seconds(b, "forebay_cpu_throttled_seconds_total", NULL, 0, cgroup_throttled_ns(""));
	export_family(b, "forebay_inflight_bytes", EXPORT_GAUGE,
		      "Memory in blocks of 16 KiB and more: bodies, results, scratch of jobs.");
	export_u64(b, "forebay_inflight_bytes", NULL, 0, mem_large_bytes());
	export_family(b, "forebay_inflight_limit_bytes", EXPORT_GAUGE, "What of it there may be.");
	export_u64(b, "forebay_inflight_limit_bytes", NULL, 0, s->server->shown->inflight_bytes);
	export_family(b, "forebay_config_last_reload_successful", EXPORT_GAUGE,
		      "Whether the configuration that was read last is the one that serves.");
	export_u64(b, "forebay_config_last_reload_successful", NULL, 0,
		   gauge_read(&s->server->reload_failed) == 0);
	export_family(b, "forebay_build_info", EXPORT_GAUGE, "Always 1; the version is a label.");
	export_u64(b, "forebay_build_info", &version, 1, 1);
}

static void (*const writers[])(struct buffer *b, const struct sample *s) = {
	put_workers, put_lags,        put_requests,   put_request_durations,
	put_parts,   put_pool_gauges, put_pool_times, put_pool_squares,
	put_dropped, put_shed,        put_commands,   put_kept,
	put_caches,  put_server,
};

void
metrics_write(struct buffer *b, const struct server *server)
{
	struct sample s;

	if (sample_take(&s, server) != 0) {
		b->err = ERR_MEMORY;
		return;
	}
	export_counters(b, s.blocks, s.block_count);
	for (size_t i = 0; i < sizeof(writers) / sizeof(writers[0]); i++)
		writers[i](b, &s);
	sample_release(&s);
}
