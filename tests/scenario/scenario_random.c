/*
 * Random plans and flows, failures, time-outs and clients that leave: whatever happens,
 * each declared part has one entry in the report and one outcome in the
 * metrics, each subrequest ends once, the response is valid JSON, and nothing
 * is left behind. And a sample plan with every allocation failing in turn.
 *
 * FOREBAY_SEED repeats one world by the number that a failure printed.
 */
#include "base/clock.h"
#include "base/json.h"
#include "base/log.h"
#include "base/mem.h"
#include "world.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>

Suite *suite_scenario_random(void);

/* Worlds of flows are numbered from FLOWS on. */
enum { WORLDS = 10000, FLOWS = 1000000, CONF_BYTES = 16384, PARTS = 8 };

/* --- writing a plan ------------------------------------------------------------------ */

static bool
chance(struct random *r, unsigned percent)
{
	return random_below(r, 100) < percent;
}

static const char *
pick(struct random *r, const char *const *words, size_t count)
{
	return words[random_below(r, count)];
}

#define PICK(r, list) pick(r, list, sizeof(list) / sizeof((list)[0]))

static void
write_body(struct random *r, struct writer *w, unsigned place)
{
	static const char *const plain[] = {
		"1", "{\"x\": {\"y\": [1, 2]}}", "[]", "\"text\"", "{\"x\":", "no json", "null", ""
	};
	static const char *const uses[] = { "{p%u.x.y}", "{p%u:body}", "[{p%u:status}]",
					    "\"{p%u:header.x-a}\"", "[{p%u.x.y.1}]" };

	writer_text(w, "body = ");
	if (place > 0 && chance(r, 40)) {
		const char *use = PICK(r, uses);

		/* Only ever of an earlier part: a circle is no plan. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		writer_format(w, use, (unsigned)random_below(r, place));
#pragma GCC diagnostic pop
	} else if (chance(r, 15)) {
		writer_text(w, chance(r, 50) ? "{body}" : "{body.n}");
	} else {
		writer_text(w, PICK(r, plain));
	}
	writer_char(w, '\n');
}

static void
write_moves(struct random *r, struct writer *w)
{
	static const char *const faults[] = { "connect", "timeout", "closed",
					      "shed",    "failed",  "memory" };
	static const char *const statuses[] = { "204", "301", "401", "404", "429", "500" };

	if (chance(r, 25))
		writer_text(w, "at_once = yes\n");
	writer_format(w, "delay = %ums\ngap = %ums\npieces = %u\n", (unsigned)random_below(r, 30),
		      (unsigned)random_below(r, 5), (unsigned)random_below(r, 4) + 1);
	if (chance(r, 10))
		writer_format(w, "fails = %s\n", PICK(r, faults));
	if (chance(r, 5))
		writer_format(w, "breaks = %s\n", PICK(r, faults));
	if (chance(r, 12))
		writer_format(w, "status = %s\n", PICK(r, statuses));
	if (chance(r, 5))
		writer_text(w, "hangs = yes\n");
	if (chance(r, 4))
		writer_text(w, "refuses = yes\n");
	if (chance(r, 30))
		writer_text(w, "header.X-A = v\n");
}

/* The list is there, or perhaps. */
static void
write_list(struct random *r, struct writer *w, unsigned place)
{
	static const char *const lists[] = { "[]", "[1]", "[{\"x\": 1}, {}, 3]",
					     "[1, 2, 3, 4, 5, 6]" };

	if (place > 0 && chance(r, 50))
		writer_format(w, "foreach = {p%u.x.y}\n", (unsigned)random_below(r, place));
	else
		writer_format(w, "foreach = %s\n", PICK(r, lists));
	writer_format(w, "foreach_at_once = %u\n", (unsigned)random_below(r, 4) + 1);
	if (chance(r, 30))
		writer_text(w, "foreach_max = 3\n");
	if (chance(r, 30))
		writer_text(w, "foreach_fallback = {\"x\": {\"y\": 1}}\n");
}

/* What a flow does with the parts is up to its script. */
static void
write_order(struct random *r, struct writer *w, unsigned place)
{
	if (chance(r, 20))
		writer_format(w, "after = p%u\n", (unsigned)random_below(r, place));
	if (chance(r, 15))
		writer_format(w, "when = {p%u:status} == 200 and not {query.x}\n",
			      (unsigned)random_below(r, place));
}

static void
write_part(struct random *r, struct writer *w, unsigned place, bool is_strict, bool has_order)
{
	static const char *const types[] = { "text/plain", "image/png", "application/json" };
	static const char *const forms[] = { "auto", "json", "text", "base64" };
	bool is_fixed = chance(r, 20);

	/* The text of `fixed` must be JSON if it says so, which only some of ours is. */
	writer_format(w, "[subrequest r.p%u]\nsource = %s\ntype = %s\n", place,
		      is_fixed        ? "fixed"
		      : chance(r, 50) ? "upstream fake"
				      : "upstream other",
		      types[random_below(r, is_fixed ? 2 : 3)]);
	write_body(r, w, place);
	if (!is_fixed)
		write_moves(r, w);
	if (!is_strict && chance(r, 50))
		writer_text(w, chance(r, 50) ? "optional = yes\nfallback = {\"x\": 1}\n"
					     : "optional = yes\n");
	if (chance(r, 25))
		writer_format(w, "timeout = %ums\n", (unsigned)random_below(r, 40) + 1);
	if (chance(r, 10))
		writer_format(w, "max_result = %u\n", (unsigned)random_below(r, 12) + 1);
	/* Only whole results are never looked into. */
	if (chance(r, 10))
		writer_format(w, "as = %s\n", forms[random_below(r, 2)]);
	if (chance(r, 15))
		write_list(r, w, place);
	else if (!is_fixed && chance(r, 30))
		writer_text(w, chance(r, 50) ? "coalesce = same\n" : "coalesce = {query.k}\n");
	if (place > 0 && chance(r, 15))
		writer_text(w, "pick = x, z = x.y.0\n");
	if (place > 0 && has_order)
		write_order(r, w, place);
}

/* The route's keys about its join. True if no part may be optional. */
static bool
write_join(struct random *r, struct writer *w, unsigned parts)
{
	static const char *const joins[] = {
		"object", "object\nreport = body",
		"array",  "concat\nmedia_type = a/b",
		"first",  "template\ntemplate = [{p0}, {p0.x.y}, \"{p0:body}\", {p0:status}]",
	};
	const char *join = PICK(r, joins);
	bool is_strict = join == joins[4];

	writer_format(w, "[route r]\njoin = %s\ndeadline = %ums\n", join,
		      (unsigned)random_below(r, 60) + 5);
	if ((join == joins[0] || join == joins[2]) && chance(r, 25)) {
		writer_format(w, "quorum = %u\n", (unsigned)random_below(r, parts) + 1);
		is_strict = true;
	}
	return is_strict;
}

static void
write_plan(struct random *r, struct writer *w)
{
	unsigned parts = (unsigned)random_below(r, PARTS) + 1;
	bool is_strict = write_join(r, w, parts);

	for (unsigned i = 0; i < parts; i++)
		write_part(r, w, i, is_strict, true);
}

/* One step of a script, of parts that may have been called before. */
static void
write_step(struct random *r, struct writer *w, unsigned parts)
{
	static const char *const words[] = { "call ", "call! ", "all ", "all! ", "any ", "any! " };
	const char *word = PICK(r, words);

	if (chance(r, 15)) {
		writer_format(w, "sleep %u;", (unsigned)random_below(r, 20));
		return;
	}
	writer_text(w, word);
	writer_format(w, "p%u", (unsigned)random_below(r, parts));
	while (word[0] == 'a' && chance(r, 60))
		writer_format(w, ",p%u", (unsigned)random_below(r, parts));
	writer_char(w, ';');
	if (chance(r, 50))
		writer_format(w, "say ,;put p%u;", (unsigned)random_below(r, parts));
}

static void
write_flow(struct random *r, struct writer *w)
{
	unsigned parts = (unsigned)random_below(r, PARTS) + 1;
	unsigned steps = (unsigned)random_below(r, 8);

	writer_format(w, "[route r]\nflow = script\ndeadline = %ums\nscript = %ssay [0;",
		      (unsigned)random_below(r, 60) + 5, chance(r, 10) ? "deaf;" : "");
	for (unsigned i = 0; i < steps; i++)
		write_step(r, w, parts);
	writer_text(w, chance(r, 5) ? "fail\n" : "say ]\n");
	if (chance(r, 5))
		writer_text(w, "max_answer = 20\n");
	for (unsigned i = 0; i < parts; i++)
		write_part(r, w, i, false, false);
}

static void
write_single(struct random *r, struct writer *w)
{
	writer_format(w, "[route r]\nsource = upstream fake\ndeadline = %ums\n",
		      (unsigned)random_below(r, 60) + 5);
	write_body(r, w, 0);
	write_moves(r, w);
	if (chance(r, 50))
		writer_text(w, "reads = yes\n");
}

/* --- playing it ------------------------------------------------------------------------- */

static void
check_entry(struct world *w, unsigned i, struct slice entry)
{
	const struct plan_part *pp = &w->plan->part[i];
	struct slice rest = slice_trim(entry), name = slice_cut(&rest, '='),
		     word = slice_cut(&rest, ';');
	enum outcome o = 0;

	ck_assert(slice_eq(name, pp->part.name));
	while (o < OUTCOME_COUNT && !slice_eq(slice_of(outcome_word(o)), word))
		o++;
	ck_assert_int_lt(o, OUTCOME_COUNT);
	ck_assert_uint_ge(atomic_load(&w->series[pp->part.index].by_outcome[o]), 1);
}

static void
check_response(struct world *w)
{
	struct slice report = client_got_field(w, "forebay-parts");
	unsigned i = 0;

	if (!w->plan->is_joined)
		return;
	if (w->plan->conf.report == PLAN_REPORT_BODY && w->client.status == 200)
		i = w->plan->count; /* it is in the body */
	while (report.len > 0) {
		ck_assert_uint_lt(i, w->plan->count);
		check_entry(w, i++, slice_cut(&report, ','));
	}
	ck_assert_uint_eq(i, w->plan->count);
	ck_assert_uint_eq(w->client.length, w->client.text_len);
	if (w->client.status == 200 && w->plan->conf.join != PLAN_JOIN_CONCAT &&
	    w->plan->conf.join != PLAN_JOIN_FIRST)
		ck_assert_int_eq(json_validate(client_got(w), JSON_DEPTH_MAX, NULL), 0);
}

static void
set_client(struct random *r, struct world *w)
{
	if (chance(r, 40)) {
		client_upload(w, "POST", chance(r, 70) ? SLICE("{\"n\": 12345}") : SLICE("{"),
			      chance(r, 50));
		w->client.upload_piece = random_below(r, 5);
		w->client.upload_gap_ns = random_below(r, 6) * CLOCK_MS;
	}
	w->client.pauses = chance(r, 30);
	w->client.breaks_head = chance(r, 3);
	w->client.breaks_body = chance(r, 3);
}

static void
ask_for_something(struct random *r, struct client *c)
{
	static const char *const queries[] = { "k=1", "k=2", "" };

	c->x.request.query = slice_of(PICK(r, queries));
	c->x.request.has_query = true;
}

/* They come and go beside the one that is looked at. */
static void
play_others(struct random *r, struct world *w)
{
	if (w->mores < WORLD_MORE && chance(r, 20)) {
		struct client *c = world_client(w);

		ask_for_something(r, c);
		other_start(c);
	} else if (w->mores > 0 && chance(r, 10)) {
		other_leave(w->more[random_below(r, w->mores)]);
	}
}

static void
play(struct random *r, struct world *w)
{
	uint64_t until = chance(r, 25) ? random_below(r, 60) : 200;

	set_client(r, w);
	ask_for_something(r, &w->client);
	client_start(w);
	for (uint64_t ms = random_below(r, 5); ms <= until; ms += 1 + random_below(r, 10)) {
		world_run(w, ms);
		play_others(r, w);
		if (w->client.pauses && chance(r, 50))
			client_resume(w);
	}
	if (w->client.is_ended && !w->client.aborts)
		check_response(w);
}

static void
play_world(uint64_t seed)
{
	static char conf[CONF_BYTES];
	struct writer cw = writer_over(conf, sizeof(conf) - 1);
	struct random r;
	struct world *w;

	random_init(&r, seed);
	if (seed >= FLOWS)
		write_flow(&r, &cw);
	else if (chance(&r, 80))
		write_plan(&r, &cw);
	else
		write_single(&r, &cw);
	conf[cw.len] = '\0';
	ck_assert(!cw.is_full);
	w = world_open(conf);
	play(&r, w);
	world_close(w);
}

/* The world that is being played: told when the process ends before it does. */
static uint64_t playing;
static bool is_playing;

static void
tell_seed(void)
{
	if (is_playing)
		fprintf(stderr, "a world failed: repeat it with FOREBAY_SEED=%llu CK_FORK=no\n",
			(unsigned long long)playing);
}

static void
play_noted(uint64_t seed)
{
	/* Scripts call what they may not, and are told. */
	log_set_level(seed >= FLOWS ? LOG_LEVEL_ERROR : LOG_LEVEL_NOTICE);
	playing = seed;
	is_playing = true;
	play_world(seed);
	is_playing = false;
}

START_TEST(every_part_ends_once_whatever_happens)
{
	const char *only = getenv("FOREBAY_SEED");
	uint64_t step = WORLDS / 10, first = (uint64_t)_i * step;

	ck_assert_int_eq(atexit(tell_seed), 0);
	if (only && _i == 0)
		play_noted(strtoull(only, NULL, 10));
	for (uint64_t seed = first; !only && seed < first + step; seed++)
		play_noted(seed);
}
END_TEST

START_TEST(so_does_every_part_of_a_flow)
{
	uint64_t step = WORLDS / 10, first = FLOWS + (uint64_t)_i * step;

	ck_assert_int_eq(atexit(tell_seed), 0);
	for (uint64_t seed = first; !getenv("FOREBAY_SEED") && seed < first + step; seed++)
		play_noted(seed);
}
END_TEST

/* --- allocations that fail ------------------------------------------------------------------ */

static bool
fail_one(const char *conf, unsigned long n, bool onward)
{
	struct world *w = world_open(conf);
	bool was_reached;

	client_upload(w, "POST", SLICE("{\"n\": 12345}"), true);
	w->client.upload_piece = 5;
	mem_fail_at(n, onward);
	client_start(w);
	world_run(w, 100);
	was_reached = mem_count() >= n;
	mem_fail_at(0, false);
	if (w->client.status == 200 && w->plan->is_joined && w->client.ends)
		ck_assert_int_eq(json_validate(client_got(w), JSON_DEPTH_MAX, NULL), 0);
	world_close(w);
	return was_reached;
}

START_TEST(every_allocation_may_fail)
{
	static const char *const confs[] = {
		"[route r]\n"
		"[subrequest r.a]\nsource = upstream fake\nbody = {\"x\": {body.n}}\npieces = "
		"3\ngap = 1ms\n"
		"header.X-A = 1\n"
		"[subrequest r.b]\nsource = upstream fake\nbody = [{a.x}, {a:header.x-a}]\ntimeout "
		"= 50ms\n"
		"[subrequest r.c]\nsource = upstream other\nbody = text \"{body}\"\ntype = "
		"text/plain\n"
		"optional = yes\nfallback = 0\n"
		"[subrequest r.d]\nsource = fixed\nbody = {a:body}\ntype = text/plain\n",
		"[route r]\n[subrequest r.a]\nsource = upstream fake\nbody = [{body.n}, 2, 3]\n"
		"[subrequest r.b]\nsource = upstream fake\nforeach = {a}\nbody = [{item}]\npieces "
		"= 2\ngap = 1ms\nforeach_at_once = 2\n"
		"[subrequest r.c]\nsource = fixed\nforeach = {a}\nbody = x\nforeach_fallback = 0\n",
		"[route r]\n"
		"[subrequest r.a]\nsource = upstream fake\nbody = {body.n}\npieces = 3\n"
		"coalesce = {body.n}\nheader.X-A = 1\n"
		"[subrequest r.b]\nsource = upstream fake\nbody = [{a:header.x-a}]\n"
		"coalesce = b\nat_once = yes\n",
		"[route r]\nsource = upstream fake\nreads = yes\nbody = {body.n}\npieces = 2\ngap "
		"= 1ms\n",
		"[route r]\nsource = echo\n",
		"[route r]\nsource = fixed\nbody = {request.id} {client.address}x\nheader.X-B = "
		"{request.method}\n",
		"[route r]\nsource = fixed\nbody = constant\n",
		"[route r]\nflow = script\nscript = set v=x;call a;say [;get query.x;put a;all b,c;"
		"say ,;put b;say ,;put c;sleep 1;say ];field x-a=b\n"
		"[subrequest r.a]\nsource = upstream fake\nbody = {\"x\": {body.n}}\n"
		"[subrequest r.b]\nsource = upstream fake\nbody = [{a.x}]\ntimeout = 50ms\n"
		"[subrequest r.c]\nsource = upstream other\nbody = text \"{flow.v}\"\n"
		"type = text/plain\noptional = yes\nfallback = 0\n",
	};
	unsigned long n = 1;

	while (fail_one(confs[_i], n, false))
		n++;
	ck_assert_uint_gt(n, 1);
	for (n = 1; fail_one(confs[_i], n, true); n++)
		;
}
END_TEST

Suite *
suite_scenario_random(void)
{
	Suite *s = suite_create("scenario_random");
	TCase *t = tcase_create("random");

	tcase_set_timeout(t, 300);
	tcase_add_loop_test(t, every_allocation_may_fail, 0, 8);
	tcase_add_loop_test(t, so_does_every_part_of_a_flow, 0, 10);
	tcase_add_loop_test(t, every_part_ends_once_whatever_happens, 0, 10);
	suite_add_tcase(s, t);
	return s;
}
