/*
 * forebayctl advise: watches the pools of a running server for a while, by its
 * /metrics alone, and says whether their threads and queues are right. Here are
 * its options and the measuring; see control_advise_priv.h.
 */
#include "base/clock.h"
#include "base/json.h"
#include "base/mem.h"
#include "config/value.h"
#include "planner/moments.h"
#include "server/control_advise_priv.h"
#include "server/control_option.h"
#include "server/quantity.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	TICK_MS = 250, /* between readings: counts of arrivals in each give their dispersion */
	TICKS_MIN = 4,
	ANSWER_SECONDS = 5,
};

static const double window_default = 10, window_max = 86400;

/* --- options ------------------------------------------------------------------------------- */

static bool
take_socket(void *into, const char *text)
{
	struct advising *a = into;

	a->control.socket = text;
	return true;
}

static bool
take_address(void *into, const char *text)
{
	struct advising *a = into;

	a->control.address = text;
	return true;
}

static bool
take_timeout(void *into, const char *text)
{
	struct advising *a = into;

	return value_duration(slice_of(text), &a->control.timeout_ns) == 0 &&
	       a->control.timeout_ns > 0;
}

static bool
take_pool(void *into, const char *text)
{
	struct advising *a = into;

	a->pool = text;
	return true;
}

static bool
take_window(void *into, const char *text)
{
	struct advising *a = into;

	return quantity_time(slice_of(text), &a->window_s) == 0 && a->window_s >= 1 &&
	       a->window_s <= window_max;
}

static bool
take_slo(void *into, const char *text)
{
	struct advising *a = into;

	return quantity_percentile(slice_of(text), &a->wish.slo_p, &a->wish.slo_s) == 0 &&
	       a->wish.slo_s > 0;
}

static bool
take_deadline(void *into, const char *text)
{
	struct advising *a = into;

	return quantity_time(slice_of(text), &a->wish.deadline_s) == 0 && a->wish.deadline_s > 0;
}

/* 2x or 0.5x. */
static bool
take_factor(struct slice s, double *factor)
{
	return s.len > 1 && s.at[s.len - 1] == 'x' &&
	       quantity_number(slice_make(s.at, s.len - 1), factor) == 0 && *factor > 0 &&
	       *factor <= 1000;
}

static bool
take_supposition(void *into, const char *text)
{
	struct supposition *w = &((struct advising *)into)->supposition;
	struct slice value = slice_of(text);
	struct slice name = slice_cut(&value, '=');

	w->is_given = true;
	if (slice_eq(name, SLICE("threads")))
		return control_option_whole(value.at, 1, STATION_SERVERS_MAX, &w->threads);
	if (slice_eq(name, SLICE("queue"))) {
		w->has_queue = true;
		return control_option_whole(value.at, 0, STATION_SLOTS_MAX, &w->queue);
	}
	if (slice_eq(name, SLICE("rate")))
		return take_factor(value, &w->rate_factor) ||
		       (quantity_rate(value, &w->rate) == 0 && w->rate > 0);
	if (slice_eq(name, SLICE("service")))
		return take_factor(value, &w->service_factor) ||
		       (quantity_time(value, &w->service_s) == 0 && w->service_s > 0);
	return false;
}

static bool
take_json(void *into, const char *text)
{
	struct advising *a = into;

	(void)text;
	a->control.is_json = true;
	return true;
}

static bool
take_help(void *into, const char *text)
{
	struct advising *a = into;

	(void)text;
	a->is_help = true;
	return true;
}

static const struct control_option choices[] = {
	{ "window", "TIME", "how long to watch; default 10s", "not a time of 1s to 24h",
	  take_window, 0 },
	{ "pool", "NAME", "this pool alone", NULL, take_pool, 0 },
	{ "slo", "pN=TIME", "the response wanted: p99=150ms", "not of the form p99=150ms", take_slo,
	  0 },
	{ "deadline", "TIME", "of a request: later is lost", "not a time such as 500ms",
	  take_deadline, 0 },
	{ "what-if", "NAME=VALUE", "rate=2x, rate=80/s, service=0.5x, threads=6, queue=32",
	  "not one of rate=2x, rate=80/s, service=20ms, threads=6, queue=32", take_supposition, 0 },
	{ "socket", "PATH", "default " CONTROL_SOCKET, NULL, take_socket, 's' },
	{ "address", "HOST:PORT", "[admin] listen instead", NULL, take_address, 'a' },
	{ "timeout", "DURATION", "for each answer; default 5s",
	  "not a duration such as 500ms or 5s", take_timeout, 't' },
	{ "json", NULL, "for programs", NULL, take_json, 'j' },
	{ "help", NULL, "this text", NULL, take_help, 'h' },
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

struct watch {
	struct pool_readings first, last;
	uint64_t began, ended;
	double at_first[POOL_READINGS]; /* arrivals, by place in `last` */
	double before[POOL_READINGS]; /* at the last tick that counts */
	uint64_t before_ns;
	struct moments_counts counts[POOL_READINGS]; /* of arrivals per tick */
	double arrived[POOL_READINGS]; /* in all */
	double max_queue[POOL_READINGS], max_wait_us[POOL_READINGS];
};

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

/* Jobs that had come by then. A refused batch counts as one. */
static double
arrivals(const struct pool_reading *p)
{
	return p->wait.total + p->queued + p->refused_queue + p->refused_wait + p->refused_else +
	       p->dropped;
}

static void
count_first(struct watch *w)
{
	w->last = w->first;
	w->ended = w->before_ns = w->began;
	for (unsigned i = 0; i < w->last.count; i++)
		w->at_first[i] = w->before[i] = arrivals(&w->last.pool[i]);
}

/* One that follows a late one too soon tells little: it is added to the next. */
static void
count_tick(struct watch *w)
{
	if (w->ended - w->before_ns < TICK_MS * CLOCK_MS / 2)
		return;
	for (unsigned i = 0; i < w->last.count; i++) {
		double now = arrivals(&w->last.pool[i]);

		moments_count(&w->counts[i], now - w->before[i],
			      (double)(w->ended - w->before_ns) / (double)CLOCK_SEC);
		w->before[i] = now;
	}
	w->before_ns = w->ended;
}

/* Ticks at fixed times, so that none is longer for what the one before took. */
static int
watch_ticks(const struct advising *a, struct watch *w)
{
	uint64_t next, until;
	int err = read_metrics(a, &w->first, &w->began);

	if (err)
		return err;
	count_first(w);
	next = w->began;
	until = w->began + (uint64_t)(a->window_s * (double)CLOCK_SEC);
	while (w->ended < until && !err) {
		uint64_t now = clock_monotonic();

		next += TICK_MS * CLOCK_MS;
		if (next > now)
			usleep((useconds_t)((next - now) / CLOCK_US));
		err = read_metrics(a, &w->last, &w->ended);
		if (!err)
			count_tick(w);
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
read_limits(struct slice json, struct watch *w)
{
	char place[16];
	struct slice path[] = { SLICE("pools"), { place, 0 }, SLICE("name") };
	struct slice name;

	for (unsigned i = 0; i < POOL_READINGS; i++) {
		const struct pool_reading *p;

		path[1].len = (size_t)snprintf(place, sizeof(place), "%u", i);
		if (json_find(json, path, 3, &name) != 0 || !json_text_borrow(name, &name))
			return;
		p = pool_readings_find(&w->last, name);
		if (!p)
			continue;
		w->max_queue[p - w->last.pool] = read_number(json, place, SLICE("max_queue"));
		w->max_wait_us[p - w->last.pool] = read_number(json, place, SLICE("max_wait_us"));
	}
}

static int
read_status(const struct advising *a, struct watch *w)
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

/* From the squares; where the server does not tell them, from the buckets. */
static double
cv_of(const struct pool_reading *r)
{
	const struct pool_times *run = &r->run;
	double mean = run->total > 0 ? run->sum_s / run->total : 0;

	if (r->run_squares > 0 && mean > 0)
		return sqrt(fmax(r->run_squares / run->total / mean / mean - 1, 0));
	return moments_cv(run->bound, run->count, run->buckets, mean);
}

static void
measure(const struct advising *a, const struct watch *w, unsigned i, struct pool_study *p)
{
	const struct pool_reading *r = &w->last.pool[i];
	const struct pool_times *run = &r->run, *wait = &r->wait;
	double refused = r->refused_queue + r->refused_wait + r->refused_else;

	p->seen = r;
	p->arrived = w->arrived[i];
	p->dispersion = dispersion_of(&w->counts[i]);
	p->station = (struct station){
		.rate = p->arrived / a->seconds,
		.service_s = run->total > 0 ? run->sum_s / run->total : 0,
		.servers = r->threads >= 1 ? (unsigned)r->threads : 1,
		.fan = 1,
		.cv = cv_of(r),
		.is_bounded = true,
	};
	p->max_queue = w->max_queue[i];
	p->max_wait_s = w->max_wait_us[i] / 1e6;
	p->station.slots = control_advise_slots(&p->station, p->max_queue, p->max_wait_s);
	p->measured = (struct outlook){
		.utilization = run->sum_s / a->seconds / p->station.servers,
		.mean_wait_s = wait->total > 0 ? wait->sum_s / wait->total : 0,
		.p99_wait_s = moments_percentile(wait->bound, wait->count, wait->buckets, 0.99),
		.refused = p->arrived > 0 ? refused / p->arrived : 0,
	};
}

static int
study_pools(struct advising *a, struct watch *w)
{
	for (unsigned i = 0; i < w->last.count; i++) {
		struct pool_reading *r = &w->last.pool[i];
		const struct pool_reading *before =
		    pool_readings_find(&w->first, slice_of(r->name));
		int err;

		w->arrived[i] = arrivals(r) - w->at_first[i];
		if (a->pool && strcmp(a->pool, r->name) != 0)
			continue;
		if (!before || pool_reading_since(r, before) != 0)
			return ERR_CONFLICT;
		/* A pool that nobody used is shown when asked for by name. */
		if (!a->pool && r->run.total == 0 && w->arrived[i] == 0)
			continue;
		measure(a, w, i, &a->study[a->count]);
		err = control_advise_judge(a, &a->study[a->count++]);
		if (err)
			return err;
	}
	return 0;
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
conclude(const struct advising *a)
{
	bool has_advice = false;

	if (a->pool && a->count == 0) {
		fprintf(stderr, "forebayctl: advise: the server has no pool %s\n", a->pool);
		return CONTROL_NO;
	}
	if (a->control.is_json)
		control_advise_json(a);
	else
		control_advise_text(a);
	for (unsigned i = 0; i < a->count; i++)
		has_advice = has_advice || a->study[i].why[0] == '\0';
	if (fflush(stdout) != 0 || ferror(stdout)) {
		fprintf(stderr, "forebayctl: cannot write: %s\n", strerror(errno));
		return CONTROL_NO;
	}
	return has_advice ? CONTROL_OK : CONTROL_NO;
}

static enum control_exit
watch_and_say(struct advising *a, struct watch *w)
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
	a->seconds = (double)(w->ended - w->began) / (double)CLOCK_SEC;
	err = study_pools(a, w);
	return err ? blame(a, err) : conclude(a);
}

enum control_exit
control_advise(int argc, char **argv)
{
	struct advising *a = mem_zalloc(1, sizeof(*a));
	struct watch *w = mem_zalloc(1, sizeof(*w));
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
