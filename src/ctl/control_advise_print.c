/*
 * What `forebayctl advise` found, for people and for programs; see
 * control_advise_priv.h.
 */
#include "ctl/control_advise_priv.h"
#include "ctl/quantity.h"

#include <math.h>
#include <stdio.h>

/* --- text ------------------------------------------------------------------------------------ */

static const struct pool_study *
find_bottleneck(const struct advising *a)
{
	const struct pool_study *most = NULL;

	for (unsigned i = 0; i < a->count; i++) {
		if (!most || a->study[i].measured.utilization > most->measured.utilization)
			most = &a->study[i];
	}
	return most;
}

static void
say_bottleneck(const struct advising *a)
{
	const struct pool_study *p = find_bottleneck(a);

	if (!p)
		printf("No pool had a job in %s.\n", quantity_show_time(a->seconds).text);
	else
		printf("The bottleneck is pool %s: its threads were %s busy.\n", p->seen->name,
		       quantity_show_share(p->measured.utilization).text);
}

static void
print_row(const struct advising *a, const struct pool_study *p, const char *name,
	  struct quantity_text (*show)(double), size_t at)
{
	const struct outlook *all[] = { &p->measured, &p->predicted, &p->supposed };
	unsigned columns = p->why[0] ? 2 : a->supposition.is_given ? 3 : 2;

	if (p->predicted.utilization == 0)
		columns = 1;
	printf("  %-20s", name);
	for (unsigned i = 0; i < columns; i++)
		printf("%12s", show(*(const double *)((const char *)all[i] + at)).text);
	printf("\n");
}

static void
print_table(const struct advising *a, const struct pool_study *p)
{
	const struct station *s = &p->station;

	printf("\npool %s: %s of %s (cv %.2g), threads = %u, max_queue = %.0f; %.0f jobs in %s\n",
	       p->seen->name, quantity_show_rate(s->rate).text,
	       quantity_show_time(s->service_s).text, s->cv, station_places(s), p->max_queue,
	       p->arrived, quantity_show_time(a->seconds).text);
	printf("  %-20s%12s%12s%12s\n", "", "measured",
	       p->predicted.utilization > 0 ? "predicted" : "",
	       a->supposition.is_given && !p->why[0] ? "what if" : "");
	print_row(a, p, "threads busy", quantity_show_share, offsetof(struct outlook, utilization));
	print_row(a, p, "wait, mean", quantity_show_time, offsetof(struct outlook, mean_wait_s));
	print_row(a, p, "wait, p99", quantity_show_time, offsetof(struct outlook, p99_wait_s));
	print_row(a, p, "refused", quantity_show_share, offsetof(struct outlook, refused));
}

/* The wish, if there is one. */
static void
say_rate(const struct advising *a, const struct pool_study *p)
{
	if (p->rate_max == 0)
		printf("  At no rate are %s of the responses within %s.\n",
		       quantity_show_share(a->wish.slo_p).text,
		       quantity_show_time(a->wish.slo_s).text);
	else if (a->wish.slo_s > 0)
		printf("  It bears up to %s with %s of the responses within %s.\n",
		       quantity_show_rate(p->rate_max).text,
		       quantity_show_share(a->wish.slo_p).text,
		       quantity_show_time(a->wish.slo_s).text);
	else
		printf("  It bears up to %s with threads 80 %% busy.\n",
		       quantity_show_rate(p->rate_max).text);
}

static bool
has_too_few(const struct pool_study *p)
{
	return p->cores > 0 && p->threads > ceil(p->cores);
}

static void
say_setting(const struct pool_study *p)
{
	unsigned threads = has_too_few(p) ? (unsigned)ceil(p->cores) : p->threads;
	bool is_right =
	    threads == station_places(&p->station) && (!p->has_queue || p->queue == p->max_queue);

	if (p->threads == 0) {
		printf("  No number of threads would do: the jobs alone take too long.\n");
		return;
	}
	if (has_too_few(p))
		printf("  It needs %u processors, and may use %.3g: more threads do no more.\n",
		       p->threads, p->cores);
	printf("  %s threads = %u",
	       is_right         ? "Leave"
	       : has_too_few(p) ? "Set"
				: "The least that will do:",
	       threads);
	if (p->has_queue)
		printf(" and max_queue = %u", p->queue);
	printf(".\n");
}

static void
say_fit(const struct pool_study *p)
{
	if (fabs(p->error) > ADVISE_ERROR_MAX)
		printf("  The model fits as far as waits this short, or this few, can tell.\n");
	else
		printf(
		    "  The model fits: the mean wait predicted is %s %s than the one measured.\n",
		    quantity_show_share(fabs(p->error)).text, p->error < 0 ? "less" : "more");
}

static void
print_pool(const struct advising *a, const struct pool_study *p)
{
	print_table(a, p);
	if (p->dispersion != 1)
		printf("  Jobs come %s than by chance (dispersion %.2g): waits are predicted "
		       "accordingly.\n",
		       p->dispersion < 1 ? "more evenly" : "less evenly", p->dispersion);
	if (p->why[0]) {
		printf("  No advice: %s\n", p->why);
		return;
	}
	say_fit(p);
	if (station_is_shared(&p->station))
		printf("  Its %u threads share %u processor%s; a job would take %s alone.\n",
		       p->station.threads, p->station.servers, p->station.servers == 1 ? "" : "s",
		       quantity_show_time(p->station.service_s).text);
	say_rate(a, p);
	say_setting(p);
}

void
control_advise_text(const struct advising *a)
{
	say_bottleneck(a);
	for (unsigned i = 0; i < a->count; i++)
		print_pool(a, &a->study[i]);
}

/* --- JSON ------------------------------------------------------------------------------------- */

static void
put_number(const char *name, double value)
{
	if (isfinite(value))
		printf(", \"%s\": %.9g", name, value);
	else
		printf(", \"%s\": null", name);
}

static void
put_outlook(const char *name, const struct outlook *o)
{
	printf(",\n   \"%s\": {\"utilization\": %.9g", name, o->utilization);
	put_number("mean_wait_s", o->mean_wait_s);
	put_number("p99_wait_s", o->p99_wait_s);
	put_number("shed", o->refused);
	printf("}");
}

static void
put_advice(const struct advising *a, const struct pool_study *p)
{
	put_number("error", p->error);
	put_number("chance_s", p->chance_s);
	printf(",\n   \"advice\": {\"threads\": ");
	if (p->threads == 0)
		printf("null");
	else
		printf("%.0f", has_too_few(p) ? ceil(p->cores) : (double)p->threads);
	if (p->threads > 0 && p->cores > 0)
		put_number("processors_needed", p->threads);
	if (p->has_queue)
		put_number("queue", p->queue);
	put_number("rate_max", p->rate_max);
	printf("}");
	if (a->supposition.is_given)
		put_outlook("what_if", &p->supposed);
}

static void
put_pool(const struct advising *a, const struct pool_study *p)
{
	/* Names of pools and reasons are ours: no byte in them needs an escape. */
	printf("  {\"pool\": \"%s\"", p->seen->name);
	put_number("jobs", p->arrived);
	put_number("rate", p->station.rate);
	put_number("service_s", p->station.service_s);
	put_number("cv", p->station.cv);
	put_number("dispersion", p->dispersion);
	put_number("threads", station_places(&p->station));
	put_number("processors", p->cores > 0 ? p->cores : (double)INFINITY);
	put_number("queue", p->max_queue);
	put_outlook("measured", &p->measured);
	if (p->predicted.utilization > 0)
		put_outlook("predicted", &p->predicted);
	printf(",\n   \"fits\": %s", p->fits ? "true" : "false");
	if (p->why[0])
		printf(", \"why\": \"%s\"", p->why);
	else
		put_advice(a, p);
	printf("}");
}

void
control_advise_json(const struct advising *a)
{
	const struct pool_study *most = find_bottleneck(a);

	printf("{\"window_s\": %.6g, \"bottleneck\": ", a->seconds);
	if (most)
		printf("\"%s\"", most->seen->name);
	else
		printf("null");
	printf(", \"pools\": [");
	for (unsigned i = 0; i < a->count; i++) {
		printf(i > 0 ? ",\n" : "\n");
		put_pool(a, &a->study[i]);
	}
	printf("\n]}\n");
}
