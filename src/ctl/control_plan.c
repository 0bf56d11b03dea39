/*
 * forebayctl plan: what a pool will do, from numbers on the command line. It
 * asks no server. Here are its options and what is reckoned;
 * control_plan_print.c says it, src/planner knows how.
 */
#include "base/mem.h"
#include "ctl/control_histogram.h"
#include "ctl/control_option.h"
#include "ctl/control_plan_priv.h"
#include "ctl/control_priv.h"
#include "ctl/quantity.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
	SIMULATED = 1000000, /* jobs of --simulate: as many, or where that is too few ... */
	SIMULATED_MAX = 4000000, /* ... to these */
	SIMULATED_SEED = 2,
	SEARCHED_SLOTS_MAX = 10000, /* of a queue for which the highest rate is sought */
	MORE_BYTES = 64,
	GATE_QUEUE = 256, /* of a pool that says nothing else */
	GATE_SEED = 3,
};

/* --- options ------------------------------------------------------------------------------- */

static bool
take_order(const struct control_option *o, void *place, const char *text)
{
	enum gate_order *order = place;
	struct slice word = slice_of(text);

	(void)o;
	*order = slice_eq(word, SLICE("fifo")) ? ORDER_FIFO : ORDER_ADAPTIVE;
	return *order == ORDER_FIFO || slice_eq(word, SLICE("adaptive"));
}

#define AT(member) offsetof(struct planning, member)

static const struct control_option choices[] = {
	{ "rate", "RATE", "requests: 80/s, 4800/m; at the peak", "not a rate such as 80/s",
	  control_option_rate, AT(asked.rate), .least = CONTROL_ABOVE_0, .most = 1e9 },
	{ "service", "TIME", "mean CPU time of a job: 20ms, 1.5s", "not a time such as 20ms",
	  control_option_time, AT(asked.service_s), AT(has_service), CONTROL_ABOVE_0, 86400 },
	{ "cv", "NUMBER", "its standard deviation / mean: 0 constant, 1 (default)",
	  "not a number from 0 to 10", control_option_number, AT(asked.cv), AT(has_cv), 0, 10 },
	{ "histogram", "FILE", "bounds and counts, or saved /metrics, instead", NULL,
	  control_option_text, AT(histogram) },
	{ "pool", "NAME", "whose run times, where /metrics has several", NULL, control_option_text,
	  AT(pool) },
	{ "threads", "N", "of the pool", "not a number from 1 to 100000", control_option_whole,
	  AT(threads), AT(has_threads), 1, STATION_SERVERS_MAX },
	{ "queue", "N", "jobs that may wait; default: no bound", "not a number from 0 to 1000000",
	  control_option_whole, AT(asked.slots), AT(has_queue), 0, STATION_SLOTS_MAX },
	{ "fan-out", "N", "jobs of a request, joined; default 1", "not a number from 1 to 64",
	  control_option_whole, AT(asked.fan), .least = 1, .most = STATION_FAN_MAX },
	{ "deadline", "TIME", "of a request: later is lost", "not a time such as 500ms",
	  control_option_time, AT(wish.deadline_s), .least = CONTROL_ABOVE_0 },
	{ "slo", "pN=TIME", "the response wanted: p99=150ms", "not of the form p99=150ms",
	  control_option_slo, AT(wish), .least = CONTROL_ABOVE_0 },
	{ "cores", "N", "processors for the pool", "not a number from 1 to 100000",
	  control_option_whole, AT(cores), .least = 1, .most = STATION_SERVERS_MAX },
	{ "simulate", NULL, "a run of a million jobs; with --deadline the gate, too", NULL,
	  control_option_flag, AT(simulates) },
	{ "order", "ORDER", "of the gate: adaptive (default), fifo", "not adaptive or fifo",
	  take_order, AT(order) },
	{ "json", NULL, "for programs", NULL, control_option_flag, AT(is_json), .letter = 'j' },
	{ "help", NULL, "this text", NULL, control_option_flag, AT(is_help), .letter = 'h' },
};

static const struct control_options options = {
	.command = "plan",
	.table = choices,
	.count = sizeof(choices) / sizeof(choices[0]),
};

static void
print_help(void)
{
	printf(
	    "forebayctl plan: what a pool will do, before it is built; asks no server\n"
	    "\n"
	    "  forebayctl plan --rate 80/s --service 20ms --threads 4 [OPTION...]\n"
	    "  forebayctl plan --rate 80/s --service 20ms --slo p99=150ms --cores 4 [OPTION...]\n"
	    "\n");
	control_options_print(&options);
	printf(
	    "\n"
	    "With --slo and without --threads it says which threads and max_queue to set.\n"
	    "Arrivals are random (Poisson), service times gamma distributed or as measured.\n"
	    "JSON: utilization p_wait mean_wait_s p99_wait_s p_block throughput shed, and more.\n");
}

static enum control_exit
complain(const char *what)
{
	return control_options_complain(&options, what, NULL, NULL);
}

static enum control_exit
complain_fit(const struct planning *p)
{
	char more[MORE_BYTES];

	snprintf(more, sizeof(more), "; raise --queue to at least %u", p->asked.fan - p->threads);
	return control_options_complain(
	    &options, "no request ever fits: --fan-out is above threads and queue", NULL, more);
}

/* Service times from a file. */
static enum control_exit
read_histogram(struct planning *p)
{
	char why[CONTROL_HISTOGRAM_WHY];

	if (!p->histogram)
		return p->pool ? complain("--pool is about --histogram, which is missing")
			       : CONTROL_OK;
	if (p->has_service || p->has_cv)
		return complain("--histogram says how long jobs run: without --service and --cv");
	if (!control_histogram_read(&p->measured, p->histogram, p->pool, why)) {
		fprintf(stderr, "forebayctl: plan: --histogram: %s\n", why);
		return CONTROL_USAGE;
	}
	p->asked.service_s = p->measured.mean_s;
	p->asked.cv = p->measured.cv;
	p->asked.measured = &p->measured;
	return CONTROL_OK;
}

static enum control_exit
check_options(const struct planning *p)
{
	const struct station *s = &p->asked;

	if (!(s->rate > 0))
		return complain("--rate is missing: how many requests come, such as 80/s");
	if (!(s->service_s > 0))
		return complain(
		    "--service is missing: how long a job runs, such as 20ms; or --histogram");
	if (!p->has_threads && !(p->wish.slo_s > 0) && !p->cores)
		return complain("--threads is missing, or --slo to have them chosen");
	if (p->has_threads && p->has_queue && s->fan > p->threads + s->slots)
		return complain_fit(p);
	return CONTROL_OK;
}

/* --- what is reckoned ------------------------------------------------------------------------ */

/* Threads share the processors: never more servers than these. */
static unsigned
usable(const struct planning *p, unsigned threads)
{
	return p->cores > 0 && threads > p->cores ? p->cores : threads;
}

/* --slo without --threads: the least that will do, or as many as may be. */
static int
choose_threads(struct planning *p)
{
	struct station *s = &p->asked;
	unsigned most = p->cores ? p->cores : STATION_SERVERS_MAX;
	int err = 0;

	if (p->wish.slo_s > 0)
		err = advice_servers(s, &p->wish, STATION_SERVERS_MAX, &p->needed);
	if (err || p->has_threads)
		return err;
	p->is_chosen = true;
	p->threads = p->needed > 0 && p->needed <= most ? p->needed : p->cores;
	return 0;
}

static bool
is_worth_searching(const struct planning *p)
{
	enum forecast_way way = p->forecast.way;

	return p->wish.slo_s > 0 && way != FORECAST_SIMULATED &&
	       (!p->asked.is_bounded || p->asked.slots <= SEARCHED_SLOTS_MAX);
}

static int
simulate_station(struct planning *p)
{
	uint64_t jobs = simulation_jobs(&p->asked, SIMULATED, SIMULATED_MAX);
	int err;

	if (p->forecast.way == FORECAST_NONE) {
		p->unsimulated = "without --queue what waits grows for ever";
		return 0;
	}
	p->simulation = mem_alloc(sizeof(*p->simulation));
	if (!p->simulation)
		return ERR_MEMORY;
	err = simulation_run(p->simulation, &p->asked, jobs, SIMULATED_SEED);
	if (err != ERR_TOO_LARGE)
		return err;
	mem_free(&p->simulation);
	p->unsimulated = "it cannot be in so many jobs: the load is too near to 1 for a queue "
			 "this long";
	return 0;
}

/* What would be in time, with the gate of the server; it has a bound in any case. */
static int
simulate_gate(struct planning *p)
{
	int err;

	p->gate.order = p->order;
	p->gate.max_queue = p->asked.is_bounded ? p->asked.slots : GATE_QUEUE;
	err = control_gate_run(&p->gate, &p->asked, p->wish.deadline_s, GATE_SEED);
	p->has_gate = err == 0;
	p->lacks_gate = err == ERR_TOO_LARGE;
	return p->lacks_gate ? 0 : err;
}

static int
simulate(struct planning *p)
{
	int err;

	if (!p->simulates)
		return 0;
	err = simulate_station(p);
	return err || !(p->wish.deadline_s > 0) ? err : simulate_gate(p);
}

/* A wish that nothing can fulfil bounds no queue. */
static void
choose_slots(struct planning *p)
{
	struct advice_wish wish = p->wish;

	if (p->needed == 0)
		wish.slo_s = 0;
	p->has_slots = wish.slo_s > 0 || wish.deadline_s > 0;
	if (p->has_slots)
		p->slots = advice_slots(&p->asked, &wish);
}

static int
make_forecast(struct planning *p)
{
	struct station *s = &p->asked;
	int err;

	s->servers = usable(p, p->threads);
	s->threads = p->threads;
	choose_slots(p);
	s->is_bounded = p->has_queue || (p->is_chosen && p->has_slots);
	if (!p->has_queue && s->is_bounded)
		s->slots = p->slots;
	err = forecast_init(&p->forecast, s);
	if (err)
		return err;
	err = simulate(p);
	p->has_rate = !err && is_worth_searching(p);
	return p->has_rate ? advice_rate(s, &p->wish, &p->rate_max) : err;
}

static enum control_exit
blame(const struct planning *p, int err)
{
	if (err == ERR_ARGUMENT)
		return complain_fit(p);
	if (err == ERR_TOO_LARGE)
		fprintf(stderr,
			"forebayctl: plan: there is no formula for this case, and it cannot be "
			"simulated in so many jobs (%d): the load, %.3g, is too near to 1 for a "
			"queue this long\n",
			SIMULATED_MAX, station_load(&p->asked));
	else
		fprintf(stderr, "forebayctl: plan: %s\n", err_text(err));
	return CONTROL_NO;
}

/* Whoever looks on is told that it goes on. */
static void
on_slow(int signal)
{
	static const char text[] = "forebayctl: plan: reckoning, some seconds ...\n";
	ssize_t n = write(STDERR_FILENO, text, sizeof(text) - 1);

	(void)signal;
	(void)n;
}

static void
announce(bool begins)
{
	const struct sigaction slow = { .sa_handler = on_slow, .sa_flags = SA_RESTART };

	if (!isatty(STDERR_FILENO))
		return;
	if (begins)
		sigaction(SIGALRM, &slow, NULL);
	alarm(begins ? 1 : 0);
}

static enum control_exit
print(const struct planning *p)
{
	if (p->is_json)
		control_plan_json(p);
	else
		control_plan_text(p);
	return control_end(CONTROL_OK);
}

static enum control_exit
reckon(struct planning *p)
{
	enum control_exit code;
	int err = choose_threads(p);

	if (err)
		return blame(p, err);
	if (p->threads == 0)
		return complain("the service alone takes longer than --slo; give --cores or "
				"--threads to see by how much");
	err = make_forecast(p);
	announce(false);
	code = err ? blame(p, err) : print(p);
	mem_free(&p->simulation);
	forecast_fini(&p->forecast);
	return code;
}

enum control_exit
control_plan(int argc, char **argv)
{
	struct planning p = { .asked = { .cv = 1, .fan = 1 }, .order = ORDER_ADAPTIVE };
	enum control_exit code = control_options_read(&options, &p, argc, argv);

	if (code != CONTROL_OK)
		return code;
	if (p.is_help) {
		print_help();
		return CONTROL_OK;
	}
	code = read_histogram(&p);
	if (code == CONTROL_OK)
		code = check_options(&p);
	announce(code == CONTROL_OK);
	return code == CONTROL_OK ? reckon(&p) : code;
}
