/*
 * forebayctl plan: what a pool will do, from numbers on the command line. It
 * asks no server. Here are its options and what is reckoned;
 * control_plan_print.c says it, src/planner knows how.
 */
#include "base/mem.h"
#include "config/suggest.h"
#include "config/value.h"
#include "server/control_plan_priv.h"
#include "server/control_priv.h"
#include "server/quantity.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum {
	SIMULATED = 1000000, /* requests of --simulate, and the seed of their run */
	SIMULATED_SEED = 2,
	SEARCHED_SLOTS_MAX = 10000, /* of a queue for which the highest rate is sought */
};

static const double rate_max = 1e9, service_max = 86400, cv_max = 10;

/* --- options ------------------------------------------------------------------------------- */

/* Takes one value; false if it is not one. */
typedef bool (*take_fn)(struct planning *p, const char *text);

static bool
take_rate(struct planning *p, const char *text)
{
	return quantity_rate(slice_of(text), &p->asked.rate) == 0 && p->asked.rate > 0 &&
	       p->asked.rate <= rate_max;
}

static bool
take_service(struct planning *p, const char *text)
{
	return quantity_time(slice_of(text), &p->asked.service_s) == 0 && p->asked.service_s > 0 &&
	       p->asked.service_s <= service_max;
}

static bool
take_cv(struct planning *p, const char *text)
{
	return quantity_number(slice_of(text), &p->asked.cv) == 0 && p->asked.cv <= cv_max;
}

static bool
take_whole(const char *text, unsigned from, unsigned to, unsigned *value)
{
	uint64_t n;

	if (value_uint(slice_of(text), &n) != 0 || n < from || n > to)
		return false;
	*value = (unsigned)n;
	return true;
}

static bool
take_threads(struct planning *p, const char *text)
{
	p->has_threads = take_whole(text, 1, STATION_SERVERS_MAX, &p->threads);
	return p->has_threads;
}

static bool
take_queue(struct planning *p, const char *text)
{
	p->has_queue = take_whole(text, 0, STATION_SLOTS_MAX, &p->asked.slots);
	return p->has_queue;
}

static bool
take_fan(struct planning *p, const char *text)
{
	return take_whole(text, 1, STATION_FAN_MAX, &p->asked.fan);
}

static bool
take_deadline(struct planning *p, const char *text)
{
	return quantity_time(slice_of(text), &p->wish.deadline_s) == 0 && p->wish.deadline_s > 0;
}

static bool
take_slo(struct planning *p, const char *text)
{
	return quantity_percentile(slice_of(text), &p->wish.slo_p, &p->wish.slo_s) == 0 &&
	       p->wish.slo_s > 0;
}

static bool
take_cores(struct planning *p, const char *text)
{
	return take_whole(text, 1, STATION_SERVERS_MAX, &p->cores);
}

static bool
take_simulate(struct planning *p, const char *text)
{
	(void)text;
	p->simulates = true;
	return true;
}

static bool
take_json(struct planning *p, const char *text)
{
	(void)text;
	p->is_json = true;
	return true;
}

static bool
take_help(struct planning *p, const char *text)
{
	(void)text;
	p->is_help = true;
	return true;
}

struct choice {
	const char *name, *value; /* value: its form in --help; NULL: none is taken */
	const char *help;
	const char *wanted; /* of a wrong value */
	take_fn take;
};

static const struct choice choices[] = {
	{ "rate", "RATE", "requests: 80/s, 4800/m; at the peak", "not a rate such as 80/s",
	  take_rate },
	{ "service", "TIME", "mean CPU time of a job: 20ms, 1.5s", "not a time such as 20ms",
	  take_service },
	{ "cv", "NUMBER", "its standard deviation / mean: 0 constant, 1 (default)",
	  "not a number from 0 to 10", take_cv },
	{ "threads", "N", "of the pool", "not a number from 1 to 100000", take_threads },
	{ "queue", "N", "jobs that may wait; default: no bound", "not a number from 0 to 1000000",
	  take_queue },
	{ "fan-out", "N", "jobs of a request, joined; default 1", "not a number from 1 to 64",
	  take_fan },
	{ "deadline", "TIME", "of a request: later is lost", "not a time such as 500ms",
	  take_deadline },
	{ "slo", "pN=TIME", "the response wanted: p99=150ms", "not of the form p99=150ms",
	  take_slo },
	{ "cores", "N", "processors for the pool", "not a number from 1 to 100000", take_cores },
	{ "simulate", NULL, "a run of a million requests beside the formulas", NULL,
	  take_simulate },
	{ "json", NULL, "for programs", NULL, take_json },
	{ "help", NULL, "this text", NULL, take_help },
};

enum { CHOICES = sizeof(choices) / sizeof(choices[0]) };

static void
print_help(void)
{
	printf(
	    "forebayctl plan: what a pool will do, before it is built; asks no server\n"
	    "\n"
	    "  forebayctl plan --rate 80/s --service 20ms --threads 4 [OPTION...]\n"
	    "  forebayctl plan --rate 80/s --service 20ms --slo p99=150ms --cores 4 [OPTION...]\n"
	    "\n");
	for (int i = 0; i < CHOICES; i++) {
		const struct choice *c = &choices[i];
		int width = 16 - (int)strlen(c->name);

		printf("  --%s %-*s%s\n", c->name, width, c->value ? c->value : "", c->help);
	}
	printf("\n"
	       "With --slo and without --threads it says which threads and max_queue to set.\n"
	       "Arrivals are taken as random (Poisson), service times as gamma distributed.\n"
	       "JSON: utilization p_wait mean_wait_s p99_wait_s p99_response_s p_block throughput\n"
	       "shed, and more; waits are null where they would grow for ever.\n");
}

static enum control_exit
complain(const char *what, const char *word, const char *more)
{
	fprintf(stderr, "forebayctl: plan: %s%s%s%s; see forebayctl plan --help\n", what,
		word ? ": " : "", word ? word : "", more ? more : "");
	return CONTROL_USAGE;
}

static enum control_exit
complain_option(const char *word)
{
	struct suggest near;

	suggest_init(&near, slice_of(word + strspn(word, "-")));
	for (int i = 0; i < CHOICES; i++)
		suggest_offer(&near, slice_of(choices[i].name));
	return complain("no such option", word, suggest_text(&near));
}

static enum control_exit
take_choice(struct planning *p, const struct choice *c, const char *value)
{
	char what[80];

	if (c->take(p, value))
		return CONTROL_OK;
	snprintf(what, sizeof(what), "--%s: %s", c->name, c->wanted);
	return complain(what, value, NULL);
}

static void
list_options(struct option longs[CHOICES + 1])
{
	for (int i = 0; i < CHOICES; i++)
		longs[i] = (struct option){
			.name = choices[i].name,
			.has_arg = choices[i].value ? required_argument : no_argument,
		};
	longs[CHOICES] = (struct option){ .name = NULL };
}

/* The first operand is "plan" itself. */
static enum control_exit
read_options(struct planning *p, int argc, char **argv)
{
	enum control_exit code = CONTROL_OK;
	struct option longs[CHOICES + 1];
	int letter, at = -1;

	list_options(longs);
	opterr = 0;
	optind = 0;
	while (code == CONTROL_OK && (letter = getopt_long(argc, argv, ":hj", longs, &at)) != -1) {
		if (letter == 0)
			code = take_choice(p, &choices[at], optarg);
		else if (letter == 'j')
			p->is_json = true;
		else if (letter == 'h')
			p->is_help = true;
		else if (letter == ':')
			code = complain("a value is missing", argv[optind - 1], NULL);
		else
			code = complain_option(argv[optind - 1]);
	}
	if (code == CONTROL_OK && argc - optind > 1)
		code = complain("options alone, without", argv[optind + 1], NULL);
	return code;
}

static enum control_exit
check_options(const struct planning *p)
{
	const struct station *s = &p->asked;

	if (!(s->rate > 0))
		return complain("--rate is missing: how many requests come, such as 80/s", NULL,
				NULL);
	if (!(s->service_s > 0))
		return complain("--service is missing: how long a job runs, such as 20ms", NULL,
				NULL);
	if (!p->has_threads && !(p->wish.slo_s > 0) && !p->cores)
		return complain("--threads is missing, or --slo to have them chosen", NULL, NULL);
	if (p->has_threads && p->has_queue && s->fan > p->threads + s->slots)
		return complain("no request ever fits: --fan-out is above threads and queue", NULL,
				NULL);
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
simulate(struct planning *p)
{
	if (!p->simulates || p->forecast.way == FORECAST_NONE)
		return 0;
	p->simulation = mem_alloc(sizeof(*p->simulation));
	if (!p->simulation)
		return ERR_MEMORY;
	return simulation_run(p->simulation, &p->asked, SIMULATED, SIMULATED_SEED);
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
	choose_slots(p);
	s->is_bounded = p->has_queue || (p->is_chosen && p->has_slots);
	if (!p->has_queue && s->is_bounded)
		s->slots = p->slots;
	/* Threads beyond the cores are places, too. */
	if (p->has_queue && p->threads > s->servers)
		s->slots += p->threads - s->servers;
	err = forecast_init(&p->forecast, s);
	if (err)
		return err;
	err = simulate(p);
	p->has_rate = !err && is_worth_searching(p);
	return p->has_rate ? advice_rate(s, &p->wish, &p->rate_max) : err;
}

static enum control_exit
blame(int err)
{
	if (err == ERR_ARGUMENT)
		return complain("no request ever fits: --fan-out is above threads and queue", NULL,
				NULL);
	fprintf(stderr, "forebayctl: plan: %s\n", err_text(err));
	return CONTROL_NO;
}

static enum control_exit
print(const struct planning *p)
{
	if (p->is_json)
		control_plan_json(p);
	else
		control_plan_text(p);
	if (fflush(stdout) == 0 && !ferror(stdout))
		return CONTROL_OK;
	fprintf(stderr, "forebayctl: cannot write: %s\n", strerror(errno));
	return CONTROL_NO;
}

static enum control_exit
reckon(struct planning *p)
{
	enum control_exit code;
	int err = choose_threads(p);

	if (err)
		return blame(err);
	if (p->threads == 0)
		return complain("the service alone takes longer than --slo; give --cores or "
				"--threads to see by how much",
				NULL, NULL);
	err = make_forecast(p);
	code = err ? blame(err) : print(p);
	mem_free(&p->simulation);
	forecast_fini(&p->forecast);
	return code;
}

enum control_exit
control_plan(int argc, char **argv)
{
	struct planning p = { .asked = { .cv = 1, .fan = 1 } };
	enum control_exit code = read_options(&p, argc, argv);

	if (code != CONTROL_OK)
		return code;
	if (p.is_help) {
		print_help();
		return CONTROL_OK;
	}
	code = check_options(&p);
	return code == CONTROL_OK ? reckon(&p) : code;
}
