/*
 * What `forebayctl plan` found: for people one sentence to act on and then the
 * numbers, for programs JSON. See control_plan_priv.h.
 */
#include "ctl/control_plan_priv.h"
#include "ctl/quantity.h"

#include <math.h>
#include <stdio.h>

/* Above it a little more load, or a little more than was guessed, makes long waits. */
static const double busy = 0.8;
/* A share below it is shown as 0 %. */
static const double shed_min = 0.0005;

/* --- the sentence ---------------------------------------------------------------------------- */

static const char *
plural(unsigned n)
{
	return n == 1 ? "" : "s";
}

static void
say_percentile(const struct planning *p)
{
	printf("%s of the answers within %s",
	       quantity_show_share(p->wish.slo_s > 0 ? p->wish.slo_p : 0.99).text,
	       quantity_show_time(p->wish.slo_s > 0 ? forecast_response(&p->forecast, p->wish.slo_p)
						    : p->forecast.p99_response_s)
		   .text);
}

/* How to get out of an overload: more threads, or none are enough. */
static void
say_way_out(const struct planning *p)
{
	const struct station *s = &p->asked;
	double least = floor(station_work(s) / busy) + 1;

	printf("%s %.0f threads would be %s busy", p->cores ? "; with as many cores" : ";", least,
	       quantity_show_share(station_work(s) / least).text);
	if (!s->is_bounded)
		printf("; bound the queue%s", p->has_slots ? "" : ": --deadline says how long");
	printf(".\n");
}

static void
say_overload(const struct planning *p)
{
	const struct station *s = &p->asked;
	const char *what = p->cores && p->threads >= p->cores ? "core" : "thread";
	double shed = 1 - 1 / station_load(s);

	if (shed < shed_min)
		shed = p->forecast.shed;
	if (shed >= shed_min)
		printf("It must shed %s: ", quantity_show_share(shed).text);
	else
		printf("It must shed almost nothing, but waits grow for ever: ");
	printf("%u %s%s can do %s of the %s that come", s->servers, what, plural(s->servers),
	       quantity_show_rate(station_capacity(s)).text, quantity_show_rate(s->rate).text);
}

/* Threads were to be chosen, and there are too few cores: a queue this short keeps the wish by
 * refusing. */
static void
say_short(const struct planning *p)
{
	printf("%u core%s too few: it takes %u. With threads = %u and max_queue = %u: ", p->cores,
	       p->cores == 1 ? " is" : "s are", p->needed, p->threads, p->asked.slots);
	say_percentile(p);
	printf(", %s refused.\n", quantity_show_share(p->forecast.p_block).text);
}

/* What would do instead. */
static void
say_what_it_takes(const struct planning *p)
{
	if (p->needed == 0)
		printf("; no number of threads would do, the jobs alone take too long.\n");
	else if (p->needed > p->threads)
		printf("; it takes %u threads%s.\n", p->needed,
		       p->cores && p->needed > p->cores ? ", with as many cores" : "");
	else if (station_is_shared(&p->asked))
		printf("; threads = %u would do.\n", p->needed);
	else
		printf("; a longer max_queue would do, or more threads.\n");
}

static void
say_miss(const struct planning *p)
{
	printf("It misses the wish of %s within %s: with %u thread%s ",
	       quantity_show_share(p->wish.slo_p).text, quantity_show_time(p->wish.slo_s).text,
	       p->threads, plural(p->threads));
	say_percentile(p);
	if (p->asked.is_bounded && p->forecast.shed >= shed_min)
		printf(", and %s refused", quantity_show_share(p->forecast.shed).text);
	say_what_it_takes(p);
}

static void
say_chosen(const struct planning *p)
{
	printf("Set threads = %u", p->threads);
	if (p->asked.is_bounded)
		printf(" and max_queue = %u", p->asked.slots);
	printf(": ");
	say_percentile(p);
	printf(", %s refused.\n",
	       p->forecast.p_block > 0 ? quantity_show_share(p->forecast.p_block).text : "none");
}

static void
say_enough(const struct planning *p)
{
	printf("%u thread%s %s enough: %s busy, ", p->threads, plural(p->threads),
	       p->threads == 1 ? "is" : "are", quantity_show_share(p->forecast.utilization).text);
	say_percentile(p);
	if (p->asked.is_bounded && p->forecast.p_block > 0)
		printf(", %s refused", quantity_show_share(p->forecast.p_block).text);
	printf(".\n");
}

static void
say_advice(const struct planning *p)
{
	if (station_load(&p->asked) >= 1) {
		say_overload(p);
		say_way_out(p);
	} else if (p->is_chosen && p->cores && p->needed > p->cores) {
		say_short(p);
	} else if (p->wish.slo_s > 0 && !advice_holds(&p->forecast, &p->wish)) {
		say_miss(p);
	} else if (p->is_chosen) {
		say_chosen(p);
	} else {
		say_enough(p);
	}
}

/* --- what else there is to know --------------------------------------------------------------- */

static const char *const ways[] = {
	[FORECAST_NONE] = "A queue that grows for ever has no wait to tell.",
	[FORECAST_ERLANG] = "Exact for exponential jobs (Erlang C).",
	[FORECAST_CORRECTED] = "Approximate: Erlang C, corrected for the cv.",
	[FORECAST_EXACT] = "Exact for exponential jobs (the long run of all states).",
	[FORECAST_SIMULATED] =
	    "Simulated: there is no formula for this case; +- holds 95 times in 100.",
};

static void
note_queue(const struct planning *p)
{
	if (!p->has_slots || p->is_chosen)
		return;
	if (!p->has_queue)
		printf("Set max_queue = %u: whatever waits behind more comes too late.\n",
		       p->slots);
	else if (p->asked.slots > p->slots)
		printf("A max_queue above %u lets in what comes too late.\n", p->slots);
}

static const char *const orders[] = {
	[ORDER_FIFO] = "fifo",
	[ORDER_ADAPTIVE] = "adaptive",
};

static void
note_gate(const struct planning *p)
{
	const struct control_gate *g = &p->gate;
	double rate = p->asked.rate;

	if (p->lacks_gate)
		printf("The gate was not simulated: so few or so many come that it takes too "
		       "long.\n");
	if (!p->has_gate)
		return;
	printf("With order = %s, max_queue = %u and that deadline the gate gives %s +- %s in time "
	       "(%s of what comes; of the threads' time %s is for them); ",
	       orders[g->order], g->max_queue, quantity_show_rate(rate * g->in_time.mean).text,
	       quantity_show_rate(rate * g->in_time.error).text,
	       quantity_show_share(g->in_time.mean).text, quantity_show_share(g->useful.mean).text);
	printf("%s is refused at once, %s dropped, %s late.\n",
	       quantity_show_share(g->refused.mean).text, quantity_show_share(g->dropped.mean).text,
	       quantity_show_share(g->late.mean).text);
}

static void
print_notes(const struct planning *p)
{
	double load = station_load(&p->asked);

	if (load > busy && load < 1)
		printf("Warning: above 80 %% busy a little more load makes much longer waits.\n");
	if (p->cores && p->threads > p->cores)
		printf("Warning: %u threads share %u core%s: jobs run longer, p99 rises, and no "
		       "more gets done.\n",
		       p->threads, p->cores, plural(p->cores));
	note_queue(p);
	if (p->has_rate && p->rate_max > 0)
		printf("It bears up to %s within the wish.\n",
		       quantity_show_rate(p->rate_max).text);
	note_gate(p);
	printf("%s\n", ways[p->forecast.way]);
	if (p->unsimulated)
		printf("Not simulated: %s.\n", p->unsimulated);
}

/* --- the table ---------------------------------------------------------------------------------
 */

enum shape {
	SHAPE_SHARE,
	SHAPE_TIME,
	SHAPE_RATE,
};

static struct quantity_text
show(enum shape shape, double value)
{
	if (shape == SHAPE_SHARE)
		return quantity_show_share(value);
	return shape == SHAPE_TIME ? quantity_show_time(value) : quantity_show_rate(value);
}

/* Of a value that both have. */
#define AT(value) offsetof(struct simulation, value)

enum { NOWHERE = -1 };

static const struct simulation_value *
value_at(const struct simulation *m, long at)
{
	return m && at != NOWHERE ? (const void *)((const char *)m + at) : NULL;
}

static void
print_row(const struct planning *p, const char *name, enum shape shape, double value, long at)
{
	const struct simulation_value *own = value_at(p->forecast.simulation, at);
	const struct simulation_value *beside = value_at(p->simulation, at);

	printf("  %-28s%12s", name, show(shape, value).text);
	if (own)
		printf(" +- %s", show(shape, own->error).text);
	if (beside)
		printf("%14s +- %s", show(shape, beside->mean).text,
		       show(shape, beside->error).text);
	printf("\n");
}

static void
print_asked(const struct planning *p)
{
	const struct station *s = &p->asked;

	printf("\n%s of ", quantity_show_rate(s->rate).text);
	if (s->fan > 1)
		printf("%u jobs, each of ", s->fan);
	printf("%s (cv %.3g), %u thread%s", quantity_show_time(s->service_s).text, s->cv,
	       p->threads, plural(p->threads));
	if (s->servers != p->threads)
		printf(" on %u core%s", s->servers, plural(s->servers));
	if (s->is_bounded)
		printf(", room for %u to wait\n", s->slots);
	else
		printf(", no bound on what waits\n");
}

static void
print_table(const struct planning *p)
{
	const struct forecast *f = &p->forecast;

	print_asked(p);
	if (p->simulation)
		printf("  %40s%14s +- 95 %%\n", "formula", "simulated");
	print_row(p, "threads busy", SHAPE_SHARE, f->utilization, AT(busy));
	print_row(p, "jobs that wait", SHAPE_SHARE, f->p_wait, AT(p_wait));
	print_row(p, "wait, mean", SHAPE_TIME, f->mean_wait_s, AT(mean_wait_s));
	print_row(p, "wait, p99", SHAPE_TIME, f->p99_wait_s, AT(p99_wait_s));
	print_row(p, "response, mean", SHAPE_TIME, f->mean_response_s, AT(mean_response_s));
	print_row(p, "response, p99", SHAPE_TIME, f->p99_response_s, AT(p99_response_s));
	if (p->wish.deadline_s > 0 && f->way != FORECAST_NONE)
		print_row(p, "later than the deadline", SHAPE_SHARE,
			  forecast_late(f, p->wish.deadline_s), NOWHERE);
	print_row(p, "refused", SHAPE_SHARE, f->shed, AT(refused));
	print_row(p, "answered", SHAPE_RATE, f->throughput, NOWHERE);
	print_row(p, "answered at the most", SHAPE_RATE, station_capacity(&p->asked), NOWHERE);
	printf("\n");
}

void
control_plan_text(const struct planning *p)
{
	say_advice(p);
	print_table(p);
	print_notes(p);
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static void
put_number(const char *name, double value)
{
	if (isfinite(value))
		printf(",\n  \"%s\": %.12g", name, value);
	else
		printf(",\n  \"%s\": null", name);
}

static void
put_whole(const char *name, bool is_known, unsigned value)
{
	put_number(name, is_known ? (double)value : (double)INFINITY);
}

static const struct {
	const char *name;
	long at;
} simulated[] = {
	{ "utilization", AT(busy) },
	{ "p_wait", AT(p_wait) },
	{ "mean_wait_s", AT(mean_wait_s) },
	{ "p99_wait_s", AT(p99_wait_s) },
	{ "mean_response_s", AT(mean_response_s) },
	{ "p99_response_s", AT(p99_response_s) },
	{ "p_block", AT(refused) },
};

enum { SIMULATED = sizeof(simulated) / sizeof(simulated[0]) };

static void
put_simulation(const struct simulation *m)
{
	printf(",\n  \"simulation\": {\"requests\": %llu", (unsigned long long)m->requests);
	for (unsigned i = 0; i < SIMULATED; i++) {
		const struct simulation_value *v = value_at(m, simulated[i].at);

		printf(", \"%s\": {\"value\": %.9g, \"error\": %.3g}", simulated[i].name, v->mean,
		       v->error);
	}
	printf("}");
}

static void
put_gate(const struct planning *p)
{
	const struct control_gate *g = &p->gate;
	const struct {
		const char *name;
		const struct simulation_value *value;
	} rows[] = {
		{ "in_time", &g->in_time }, { "late", &g->late },     { "dropped", &g->dropped },
		{ "refused", &g->refused }, { "useful", &g->useful },
	};

	printf(",\n  \"gate\": {\"order\": \"%s\", \"queue\": %u, \"requests\": %llu, "
	       "\"goodput\": %.9g",
	       orders[g->order], g->max_queue, (unsigned long long)g->requests,
	       p->asked.rate * g->in_time.mean);
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		printf(", \"%s\": {\"value\": %.9g, \"error\": %.3g}", rows[i].name,
		       rows[i].value->mean, rows[i].value->error);
	printf("}");
}

/* Of the numbers themselves, where they were simulated. */
static void
put_errors(const struct simulation *m)
{
	printf(",\n  \"error\": {");
	for (unsigned i = 0; i < SIMULATED; i++)
		printf("%s\"%s\": %.3g", i > 0 ? ", " : "", simulated[i].name,
		       value_at(m, simulated[i].at)->error);
	printf("}");
}

static const char *const way_words[] = {
	[FORECAST_NONE] = "none",           [FORECAST_ERLANG] = "erlang",
	[FORECAST_CORRECTED] = "corrected", [FORECAST_EXACT] = "exact",
	[FORECAST_SIMULATED] = "simulated",
};

void
control_plan_json(const struct planning *p)
{
	const struct forecast *f = &p->forecast;
	const struct station *s = &p->asked;
	bool has_slo = p->wish.slo_s > 0;

	printf("{\n  \"method\": \"%s\"", way_words[f->way]);
	put_whole("threads", true, p->threads);
	put_whole("queue", s->is_bounded, s->slots);
	put_number("load", station_load(s));
	if (s->measured) {
		put_number("service_s", s->service_s);
		put_number("cv", s->cv);
	}
	put_number("utilization", f->utilization);
	put_number("p_wait", f->p_wait);
	put_number("mean_wait_s", f->mean_wait_s);
	put_number("p99_wait_s", f->p99_wait_s);
	put_number("mean_response_s", f->mean_response_s);
	put_number("p99_response_s", f->p99_response_s);
	put_number("p_block", f->p_block);
	put_number("throughput", f->throughput);
	put_number("shed", f->shed);
	put_number("capacity", station_capacity(s));
	if (p->wish.deadline_s > 0)
		put_number("late", f->way == FORECAST_NONE ? INFINITY
							   : forecast_late(f, p->wish.deadline_s));
	if (has_slo) {
		printf(",\n  \"slo_met\": %s",
		       advice_holds(&p->forecast, &p->wish) ? "true" : "false");
		put_whole("threads_needed", p->needed > 0, p->needed);
	}
	if (p->has_slots)
		put_whole("queue_in_time", true, p->slots);
	if (has_slo)
		put_number("rate_max", p->has_rate ? p->rate_max : INFINITY);
	if (f->simulation)
		put_errors(f->simulation);
	if (p->simulation)
		put_simulation(p->simulation);
	if (p->has_gate)
		put_gate(p);
	if (p->lacks_gate)
		printf(",\n  \"gate\": null");
	if (p->unsimulated)
		printf(",\n  \"simulation\": null, \"simulation_why\": \"%s\"", p->unsimulated);
	printf("\n}\n");
}
