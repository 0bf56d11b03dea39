/*
 * One look at a running server; see overview.h.
 */
#include "server/overview.h"

#include "base/clock.h"
#include "config.h"
#include "http/status.h"
#include "module/module.h"
#include "server/member.h"
#include "server/sample.h"
#include "server/server.h"

#include <time.h>
#include <unistd.h>

enum { NUMBER_BYTES = 32, LINE_BYTES = 1024, NAME_WIDTH = 24, NUMBER_WIDTH = 12 };

static uint64_t
uptime_ms(const struct server *s)
{
	return (clock_monotonic() - s->started_ns) / CLOCK_MS;
}

const char *
overview_state(const struct server *s)
{
	switch ((enum server_state)gauge_read(&s->state)) {
	case SERVER_READY:
		return "ready";
	case SERVER_DRAINING:
		return "draining";
	case SERVER_STARTING:
		break;
	}
	return "starting";
}

/* Answers of 500 and above. */
static uint64_t
failures(const struct sample_route *sum)
{
	uint64_t count = 0;

	for (unsigned i = 0; i < SERIES_STATUSES; i++) {
		if (status_at(i) >= 500)
			count += sum->by_status[i];
	}
	return count;
}

/* --- JSON ------------------------------------------------------------------------------- */

/* A list of processors; null: all that there are for the process. */
static void
json_cpus(struct buffer *b, const struct cpus *c)
{
	char text[LINE_BYTES];
	struct writer w = writer_over(text, sizeof(text));

	cpus_write(c, &w);
	member_text_or_null(b, "cpus", writer_slice(&w));
}

static void
json_server(struct buffer *b, const struct sample *s)
{
	char budget[LINE_BYTES];
	struct writer w = writer_over(budget, sizeof(budget));

	budget_explain(&s->server->budget_watch.seen, &w);
	member_text(b, "version", SLICE(PACKAGE_VERSION));
	member_text(b, "state", slice_of(overview_state(s->server)));
	member_number(b, "pid", (uint64_t)getpid());
	member_milli(b, "uptime_seconds", uptime_ms(s->server));
	member_text(b, "cpu_budget", writer_slice(&w));
	member_milli(b, "saturation", sample_saturation_milli(s));
	member_number(b, "max_connections", s->server->shown->max_connections);
}

/* null before the first reload. */
static void
json_reload(struct buffer *b, const struct sample *s)
{
	uint64_t at = gauge_read(&s->server->reloaded_at);

	if (at == 0) {
		member_null(b, "last_reload");
		return;
	}
	member_name(b, "last_reload");
	buffer_char(b, '{');
	member_bool(b, "successful", !gauge_read(&s->server->reload_failed));
	member_number(b, "time", at);
	buffer_char(b, '}');
}

/* NULL: there is none in this place now. */
static const char *
state_of(const struct worker *w)
{
	switch ((enum worker_state)gauge_read(&w->state)) {
	case WORKER_SERVING:
		return "serving";
	case WORKER_LEAVING:
		return "leaving";
	case WORKER_FREE:
		break;
	}
	return NULL;
}

static void
json_workers(struct buffer *b, const struct sample *s)
{
	member_list(b, "workers");
	for (unsigned i = 0; i < gauge_read(&s->server->crew.places); i++) {
		const struct worker *w = s->server->crew.place[i];
		const char *state = state_of(w);
		struct cpus cpus = thread_cpus(gauge_read(&w->number));

		if (!state)
			continue;
		member_object(b);
		member_number(b, "worker", i);
		member_text(b, "state", slice_of(state));
		member_number(b, "connections", sample_connections(&w->counters));
		member_number(b, "requests", count_read(&w->counters, COUNTER_REQUESTS));
		json_cpus(b, &cpus);
		buffer_char(b, '}');
	}
	buffer_char(b, ']');
}

static void
json_pools(struct buffer *b, const struct sample *s)
{
	member_list(b, "pools");
	for (unsigned i = 0; i < s->pool_count; i++) {
		const struct pool_sample *p = &s->pools[i];

		member_object(b);
		member_text(b, "name", slice_of(p->name));
		member_number(b, "threads", p->threads);
		json_cpus(b, &p->cpus);
		member_number(b, "running", p->running);
		member_number(b, "queued", p->queued);
		member_number(b, "max_queue", p->max_queue);
		member_number(b, "max_wait_us", p->max_wait_ns / CLOCK_US);
		member_number(b, "jobs", histogram_sum_count(&p->run));
		member_number(b, "mean_run_us", p->mean_run_ns / CLOCK_US);
		member_number(b, "drain_us", p->drain_ns / CLOCK_US);
		member_number(b, "refused_queue", p->shed[POOL_SHED_QUEUE]);
		member_number(b, "refused_wait", p->shed[POOL_SHED_WAIT]);
		member_number(b, "refused_standing", p->shed[POOL_SHED_STANDING]);
		member_number(b, "evicted", p->shed[POOL_SHED_PRIORITY]);
		member_number(b, "hopeless", p->shed[POOL_SHED_DEADLINE]);
		member_number(b, "expired", p->expired);
		member_number(b, "abandoned", p->abandoned);
		buffer_char(b, '}');
	}
	buffer_char(b, ']');
}

static void
json_modules(struct buffer *b, const struct sample *s)
{
	const struct site *site = s->server->shown;

	member_list(b, "modules");
	for (unsigned i = 0; i < site->module_count; i++) {
		const struct module *m = site->modules[i];

		member_object(b);
		member_text(b, "name", module_section(m)->name);
		member_text(b, "module", module_title(m));
		member_text(b, "version", module_version(m));
		member_list(b, "jobs");
		for (unsigned k = 0; k < module_job_count(m); k++) {
			buffer_text(b, k ? "," : "");
			buffer_json_string(b, slice_of(module_job(m, k)->name));
		}
		buffer_text(b, "]}");
	}
	buffer_char(b, ']');
}

static struct slice
address_text(const struct address *a, char *memory)
{
	struct writer w = writer_over(memory, LINE_BYTES);

	address_write(a, &w);
	return writer_slice(&w);
}

static void
json_listeners(struct buffer *b, const struct sample *s)
{
	const struct site *site = s->server->shown;
	char memory[LINE_BYTES];

	member_list(b, "listeners");
	for (unsigned i = 0; i < site->listener_count; i++) {
		member_object(b);
		member_text(b, "name", site->listeners[i].name);
		member_text(b, "address", address_text(&site->listeners[i].address, memory));
		buffer_char(b, '}');
	}
	buffer_char(b, ']');
}

static void
json_routes(struct buffer *b, const struct sample *s)
{
	const struct site *site = s->server->shown;
	struct sample_route sum;

	member_list(b, "routes");
	for (unsigned i = 0; i < site->route_count; i++) {
		sample_route_sum(s, site->routes[i].index, &sum);
		member_object(b);
		member_text(b, "name", site->routes[i].name);
		member_text(b, "match", site->routes[i].pattern.match);
		member_number(b, "requests", sum.requests);
		member_number(b, "failures", failures(&sum));
		buffer_char(b, '}');
	}
	buffer_char(b, ']');
}

/* --- text ------------------------------------------------------------------------------- */

static void
put_line(struct buffer *b, const char *text)
{
	buffer_text(b, text);
	buffer_char(b, '\n');
}

/* The first column of a table, and the others. */
static void
put_name(struct buffer *b, struct slice name)
{
	buffer_put(b, name);
	for (size_t i = name.len; i < NAME_WIDTH; i++)
		buffer_char(b, ' ');
}

static void
put_column(struct buffer *b, uint64_t value)
{
	struct writer w = buffer_room(b, NUMBER_BYTES + NUMBER_WIDTH);

	writer_format(&w, " %*llu", NUMBER_WIDTH - 1, (unsigned long long)value);
	buffer_wrote(b, &w);
}

/* The last column. */
static void
put_processors(struct buffer *b, const struct cpus *c)
{
	struct writer w = buffer_room(b, LINE_BYTES);

	writer_text(&w, "  ");
	cpus_write(c, &w);
	writer_text(&w, cpus_is_empty(c) ? "any\n" : "\n");
	buffer_wrote(b, &w);
}

static void
text_server(struct buffer *b, const struct sample *s)
{
	uint64_t seconds = uptime_ms(s->server) / 1000;
	uint64_t saturation = sample_saturation_milli(s);
	struct writer w = buffer_room(b, LINE_BYTES);

	writer_format(&w, "forebay %s: %s, up %llu h %llu min %llu s, process %ld\n",
		      PACKAGE_VERSION, overview_state(s->server),
		      (unsigned long long)(seconds / 3600), (unsigned long long)(seconds / 60 % 60),
		      (unsigned long long)(seconds % 60), (long)getpid());
	budget_explain(&s->server->budget_watch.seen, &w);
	writer_format(&w, "\nsaturation %u.%03u\n", (unsigned)(saturation / 1000),
		      (unsigned)(saturation % 1000));
	buffer_wrote(b, &w);
}

static void
text_reload(struct buffer *b, const struct sample *s)
{
	time_t at = (time_t)gauge_read(&s->server->reloaded_at);
	char text[NUMBER_BYTES];
	struct tm tm;

	if (at == 0 || !gmtime_r(&at, &tm))
		return;
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	buffer_text(b, "last reload ");
	buffer_text(b, text);
	put_line(b, gauge_read(&s->server->reload_failed)
			? ": refused, what was there before goes on serving"
			: ": taken");
}

static void
text_listeners(struct buffer *b, const struct sample *s)
{
	const struct site *site = s->server->shown;
	char memory[LINE_BYTES];

	put_line(b, "\nlistener                address");
	for (unsigned i = 0; i < site->listener_count; i++) {
		put_name(b, site->listeners[i].name);
		buffer_put(b, address_text(&site->listeners[i].address, memory));
		buffer_char(b, '\n');
	}
}

static void
text_workers(struct buffer *b, const struct sample *s)
{
	put_line(b, "\nworker                   connections    requests  processors");
	for (unsigned i = 0; i < gauge_read(&s->server->crew.places); i++) {
		const struct worker *w = s->server->crew.place[i];
		const char *state = state_of(w);
		char memory[NUMBER_BYTES];
		struct writer name = writer_over(memory, sizeof(memory));
		struct cpus cpus = thread_cpus(gauge_read(&w->number));

		if (!state)
			continue;
		writer_format(&name, "%u %s", i, state);
		put_name(b, writer_slice(&name));
		put_column(b, sample_connections(&w->counters));
		put_column(b, count_read(&w->counters, COUNTER_REQUESTS));
		put_processors(b, &cpus);
	}
}

static void
text_pools(struct buffer *b, const struct sample *s)
{
	put_line(b, "\npool                         threads     running      queued   max_queue"
		    "        jobs     refused     dropped  processors");
	for (unsigned i = 0; i < s->pool_count; i++) {
		const struct pool_sample *p = &s->pools[i];

		put_name(b, slice_of(p->name));
		put_column(b, p->threads);
		put_column(b, p->running);
		put_column(b, p->queued);
		put_column(b, p->max_queue);
		put_column(b, histogram_sum_count(&p->run));
		put_column(b, p->shed[POOL_SHED_QUEUE] + p->shed[POOL_SHED_WAIT] +
				  p->shed[POOL_SHED_STANDING]);
		put_column(b, p->expired + p->abandoned + p->shed[POOL_SHED_PRIORITY] +
				  p->shed[POOL_SHED_DEADLINE]);
		put_processors(b, &p->cpus);
	}
}

static void
text_modules(struct buffer *b, const struct sample *s)
{
	const struct site *site = s->server->shown;

	if (site->module_count > 0)
		put_line(b, "\nmodule                  version                 jobs");
	for (unsigned i = 0; i < site->module_count; i++) {
		const struct module *m = site->modules[i];

		put_name(b, module_section(m)->name);
		put_name(b, module_version(m));
		for (unsigned k = 0; k < module_job_count(m); k++) {
			buffer_text(b, k ? ", " : "");
			buffer_text(b, module_job(m, k)->name);
		}
		buffer_char(b, '\n');
	}
}

static void
text_routes(struct buffer *b, const struct sample *s)
{
	const struct site *site = s->server->shown;
	struct sample_route sum;

	put_line(b, "\nroute                       requests    failures  match");
	for (unsigned i = 0; i < site->route_count; i++) {
		sample_route_sum(s, site->routes[i].index, &sum);
		put_name(b, site->routes[i].name);
		put_column(b, sum.requests);
		put_column(b, failures(&sum));
		buffer_text(b, "  ");
		buffer_put(b, site->routes[i].pattern.match);
		buffer_char(b, '\n');
	}
}

/* --- both --------------------------------------------------------------------------------- */

typedef void (*section_fn)(struct buffer *b, const struct sample *s);

static const section_fn json_sections[] = { json_server,  json_reload,    json_workers, json_pools,
					    json_modules, json_listeners, json_routes,  NULL };
static const section_fn text_sections[] = { text_server, text_reload,  text_listeners, text_workers,
					    text_pools,  text_modules, text_routes,    NULL };

static void
put_sections(struct buffer *b, const struct server *server, const section_fn *section)
{
	struct sample s;

	if (sample_take(&s, server) != 0) {
		b->err = ERR_MEMORY;
		return;
	}
	for (; *section; section++)
		(*section)(b, &s);
	sample_release(&s);
}

void
overview_write_json(struct buffer *b, const struct server *s)
{
	member_object(b);
	put_sections(b, s, json_sections);
	buffer_text(b, "}\n");
}

void
overview_write_text(struct buffer *b, const struct server *s)
{
	put_sections(b, s, text_sections);
}
