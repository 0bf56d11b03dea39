/*
 * forebayctl advise: watches the pools of a running server for a while, by its
 * /metrics alone, and says whether their threads and queues are right. Here are
 * its options and the measuring; see control_advise_priv.h.
 */
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "config/suggest.h"
#include "ctl/control_advise_priv.h"
#include "ctl/control_option.h"
#include "ctl/control_watch.h"
#include "ctl/quantity.h"
#include "planner/moments.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	TICKS_MIN = 4,
	ANSWER_SECONDS = 5,
};

static const double window_default = 10;

/* --- options ------------------------------------------------------------------------------- */

/* 2x or 0.5x. */
static bool
take_factor(const struct control_option *o, void *place, const char *text)
{
	struct slice s = slice_of(text);
	double factor;

	if (s.len < 2 || s.at[s.len - 1] != 'x' ||
	    quantity_number(slice_make(s.at, s.len - 1), &factor) != 0 || !(factor > 0) ||
	    factor > o->most)
		return false;
	*(double *)place = factor;
	return true;
}

#define AT(member) offsetof(struct supposition, member)

/* Of a name the first that takes the value. */
static const struct control_option suppositions[] = {
	{ .name = "threads",
	  .take = control_option_whole,
	  .place = AT(threads),
	  .least = 1,
	  .most = STATION_SERVERS_MAX },
	{ .name = "queue",
	  .take = control_option_whole,
	  .place = AT(queue),
	  .given = AT(has_queue),
	  .most = STATION_SLOTS_MAX },
	{ .name = "rate", .take = take_factor, .place = AT(rate_factor), .most = 1000 },
	{ .name = "rate",
	  .take = control_option_rate,
	  .place = AT(rate),
	  .least = CONTROL_ABOVE_0 },
	{ .name = "service", .take = take_factor, .place = AT(service_factor), .most = 1000 },
	{ .name = "service",
	  .take = control_option_time,
	  .place = AT(service_s),
	  .least = CONTROL_ABOVE_0 },
};

#undef AT

static bool
take_supposition(const struct control_option *o, void *place, const char *text)
{
	struct slice value = slice_of(text);
	struct slice name = slice_cut(&value, '=');

	(void)o;
	for (size_t i = 0; i < sizeof(suppositions) / sizeof(suppositions[0]); i++) {
		if (slice_eq(name, slice_of(suppositions[i].name)) &&
		    control_option_take(&suppositions[i], place, value.at))
			return true;
	}
	return false;
}

#define AT(member) offsetof(struct advising, member)

static const struct control_option choices[] = {
	{ "window", "TIME", "how long to watch; default 10s", "not a time of 1s to 24h",
	  control_option_time, AT(window_s), .least = 1, .most = 86400 },
	{ "pool", "NAME", "this pool alone", NULL, control_option_text, AT(pool) },
	{ "slo", "pN=TIME", "the response wanted: p99=150ms", "not of the form p99=150ms",
	  control_option_slo, AT(wish), .least = CONTROL_ABOVE_0 },
	{ "deadline", "TIME", "of a request: later is lost", "not a time such as 500ms",
	  control_option_time, AT(wish.deadline_s), .least = CONTROL_ABOVE_0 },
	{ "cores", "N", "processors; default: the server's cpu_budget",
	  "not a number from 1 to 100000", control_option_whole, AT(cores), .least = 1,
	  .most = STATION_SERVERS_MAX },
	{ "what-if", "NAME=VALUE", "rate=2x, rate=80/s, service=0.5x, threads=6, queue=32",
	  "not one of rate=2x, rate=80/s, service=20ms, threads=6, queue=32", take_supposition,
	  AT(supposition), AT(supposition.is_given) },
	{ "socket", "PATH", "default " CONTROL_SOCKET, NULL, control_option_text,
	  AT(control.socket), .letter = 's' },
	{ "address", "HOST:PORT", "[admin] listen instead", NULL, control_option_text,
	  AT(control.address), .letter = 'a' },
	{ "timeout", "DURATION", "for each answer; default 5s",
	  "not a duration such as 500ms or 5s", control_option_duration, AT(control.timeout_ns),
	  .least = 1, .letter = 't' },
	{ "json", NULL, "for programs", NULL, control_option_flag, AT(control.is_json),
	  .letter = 'j' },
	{ "help", NULL, "this text", NULL, control_option_flag, AT(is_help), .letter = 'h' },
};

static const struct control_options options = {
	.command = "advise",
	.table = choices,
	.count = sizeof(choices) / sizeof(choices[0]),
};

static void
print_help(void)
{
	printf("forebayctl advise: whether the pools of the running server are right\n"
	       "\n"
	       "  forebayctl [OPTION...] advise [OPTION...]\n"
	       "\n");
	control_options_print(&options);
	printf("\n"
	       "It watches, prints what was measured beside what the model predicts, and gives\n"
	       "advice where the two agree. Watch while the load is as it usually is.\n"
	       "Exit: 0 advice for a pool; 1 for none; 2 wrong usage; 3 no answer.\n");
}

/* --- readings --------------------------------------------------------------------------------- */

static int
ask(const struct advising *a, const char *target, const char *accept, struct client_answer *answer)
{
	const struct client_question q = {
		.method = "GET",
		.target = target,
		.accept = accept,
		.timeout_ns =
		    a->control.timeout_ns ? a->control.timeout_ns : ANSWER_SECONDS * CLOCK_SEC,
	};

	return control_server_ask(&a->control, &q, answer);
}

static int
read_metrics(const struct advising *a, struct pool_readings *r, uint64_t *at)
{
	struct client_answer answer;
	int err = ask(a, "/metrics", "text/plain", &answer);

	if (err)
		return err;
	*at = clock_monotonic();
	err = answer.status == 200 ? pool_readings_parse(r, answer.body) : ERR_PROTOCOL;
	client_release(&answer);
	return err ? ERR_PROTOCOL : 0;
}

/* Ticks at fixed times, so that none is longer for what the one before took. */
static int
watch_ticks(const struct advising *a, struct control_watch *w)
{
	uint64_t next, until;
	int err = read_metrics(a, &w->first, &w->began_ns);

	if (err)
		return err;
	control_watch_begin(w);
	next = w->began_ns;
	until = w->began_ns + (uint64_t)(a->window_s * (double)CLOCK_SEC);
	while (w->ended_ns < until && !err) {
		uint64_t now = clock_monotonic();

		next += CONTROL_WATCH_TICK_MS * CLOCK_MS;
		if (next > now)
			usleep((useconds_t)((next - now) / CLOCK_US));
		err = read_metrics(a, &w->last, &w->ended_ns);
		if (!err)
			control_watch_tick(w);
	}
	return err;
}

/* Of the pool at that place in the list; 0: it does not say. */
static double
read_number(struct slice json, const char *place, struct slice name)
{
	const struct slice path[] = { SLICE("pools"), slice_of(place), name };
	struct slice value;
	uint64_t n;

	if (json_find(json, path, 3, &value) != 0 || slice_to_u64(value, &n) != 0)
		return 0;
	return (double)n;
}

static void
read_limits(struct slice json, struct control_watch *w)
{
	char place[16];
	struct slice path[] = { SLICE("pools"), { place, 0 }, SLICE("name") };
	struct slice name;

	for (unsigned i = 0; i < POOL_READINGS; i++) {
		struct control_tally *t;

		path[1].len = (size_t)snprintf(place, sizeof(place), "%u", i);
		if (json_find(json, path, 3, &name) != 0 || !json_text_borrow(name, &name))
			return;
		t = control_watch_find(w, name);
		if (!t)
			continue;
		t->max_queue = read_number(json, place, SLICE("max_queue"));
		t->max_wait_us = read_number(json, place, SLICE("max_wait_us"));
	}
}

static int
read_status(const struct advising *a, struct control_watch *w)
{
	struct client_answer answer;
	int err = ask(a, "/status", "application/json", &answer);

	if (err)
		return err;
	err =
	    answer.status == 200 ? json_validate(answer.body, JSON_DEPTH_MAX, NULL) : ERR_PROTOCOL;
	if (!err)
		read_limits(answer.body, w);
	client_release(&answer);
	return err ? ERR_PROTOCOL : 0;
}

/* --- what was measured ---------------------------------------------------------------------------
 */

/* 1, random, unless the counts say otherwise beyond chance (three deviations of a variance). */
static double
dispersion_of(const struct moments_counts *m)
{
	double found = moments_dispersion(m);

	if (m->intervals < TICKS_MIN)
		return 1;
	return fabs(found - 1) > 3 * sqrt(2.0 / (m->intervals - 1)) ? found : 1;
}

/* What waits in others of the kind leaves the processors alone. */
static bool
is_computing(const char *pool)
{
	struct slice name = slice_of(pool);

	return !slice_eq(name, SLICE("blocking")) && !slice_eq(name, SLICE("exec")) &&
	       !slice_has_prefix(name, SLICE("database."));
}

static void
measure(const struct advising *a, const struct pool_reading *r, const struct control_tally *t,
	struct pool_study *p)
{
	const struct pool_times *run = &r->run, *wait = &r->wait;

	p->seen = r;
	p->arrived = t->arrived;
	p->dispersion = dispersion_of(&t->counts);
	p->max_queue = t->max_queue;
	p->max_wait_s = t->max_wait_us / 1e6;
	p->cores = !is_computing(r->name) ? 0 : a->cores > 0 ? a->cores : a->budget;
	p->measured = (struct outlook){
		.mean_wait_s = wait->total > 0 ? wait->sum_s / wait->total : 0,
		.p99_wait_s = moments_percentile(wait->bound, wait->count, wait->buckets, 0.99),
		.refused = p->arrived > 0 ? pool_reading_lost(r) / p->arrived : 0,
	};
	p->station = (struct station){
		.rate = p->arrived / a->seconds,
		.service_s = run->total > 0 ? run->sum_s / run->total : 0,
		.threads = r->threads >= 1 ? (unsigned)r->threads : 1,
		.fan = 1,
		.cv = pool_reading_cv(r),
		.is_bounded = true,
		.dispersion = p->dispersion,
	};
	p->measured.utilization = run->sum_s / a->seconds / p->station.threads;
	control_advise_place(p, a->seconds);
}

/* One that a reload brought has not been watched from the beginning. */
static int
study_pool(struct advising *a, struct control_watch *w, struct pool_reading *r)
{
	const struct pool_reading *before = pool_readings_find(&w->first, slice_of(r->name));
	const struct control_tally *t = control_watch_find(w, slice_of(r->name));

	if (!before || !t)
		return 0;
	if (pool_reading_since(r, before) != 0)
		return ERR_CONFLICT;
	/* A pool that nobody used is shown when asked for by name. */
	if (!a->pool && r->run.total == 0 && t->arrived == 0)
		return 0;
	measure(a, r, t, &a->study[a->count]);
	return control_advise_judge(a, &a->study[a->count++]);
}

static int
study_pools(struct advising *a, struct control_watch *w)
{
	int err = 0;

	a->budget = w->last.cpu_budget;
	for (unsigned i = 0; i < w->last.count && !err; i++) {
		if (!a->pool || strcmp(a->pool, w->last.pool[i].name) == 0)
			err = study_pool(a, w, &w->last.pool[i]);
	}
	return err;
}

/* --- the command
 * ---------------------------------------------------------------------------------- */

static enum control_exit
blame(const struct advising *a, int err)
{
	if (err == ERR_CONFLICT)
		fprintf(stderr, "forebayctl: advise: the server was exchanged while it was "
				"watched; try again\n");
	else if (err == ERR_MEMORY || err == ERR_TOO_LARGE || err == ERR_ARGUMENT)
		fprintf(stderr, "forebayctl: advise: %s\n", err_text(err));
	else
		return control_server_blame(&a->control, err);
	return CONTROL_NO;
}

static enum control_exit
complain_pool(const struct advising *a, const struct pool_readings *seen)
{
	struct suggest near;

	suggest_init(&near, slice_of(a->pool));
	for (unsigned i = 0; i < seen->count; i++)
		suggest_offer(&near, slice_of(seen->pool[i].name));
	fprintf(stderr, "forebayctl: advise: the server has no pool %s%s%s", a->pool,
		suggest_text(&near), seen->count > 0 ? "; it has" : "");
	for (unsigned i = 0; i < seen->count; i++)
		fprintf(stderr, "%s %s", i > 0 ? "," : "", seen->pool[i].name);
	fprintf(stderr, "\n");
	return CONTROL_NO;
}

static enum control_exit
conclude(const struct advising *a, const struct control_watch *w)
{
	bool has_advice = false;

	if (a->pool && a->count == 0)
		return complain_pool(a, &w->last);
	if (a->control.is_json)
		control_advise_json(a);
	else
		control_advise_text(a);
	for (unsigned i = 0; i < a->count; i++)
		has_advice = has_advice || a->study[i].why[0] == '\0';
	return control_end(has_advice ? CONTROL_OK : CONTROL_NO);
}

static enum control_exit
watch_and_say(struct advising *a, struct control_watch *w)
{
	enum control_exit code = control_server_find(&a->control);
	int err;

	if (code != CONTROL_OK)
		return code;
	err = watch_ticks(a, w);
	if (!err)
		err = read_status(a, w);
	if (err)
		return blame(a, err);
	a->seconds = (double)(w->ended_ns - w->began_ns) / (double)CLOCK_SEC;
	err = study_pools(a, w);
	return err ? blame(a, err) : conclude(a, w);
}

enum control_exit
control_advise(int argc, char **argv)
{
	struct advising *a = mem_zalloc(1, sizeof(*a));
	struct control_watch *w = mem_zalloc(1, sizeof(*w));
	enum control_exit code = CONTROL_NO;

	if (a && w) {
		a->window_s = window_default;
		code = control_options_read(&options, a, argc, argv);
		if (code == CONTROL_OK && a->is_help)
			print_help();
		else if (code == CONTROL_OK)
			code = watch_and_say(a, w);
	}
	mem_free(&w);
	mem_free(&a);
	return code;
}
