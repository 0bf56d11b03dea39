/*
 * Answers of parts that are kept: while they are fresh in the place of the source (cache), and when
 * it fails (fallback = stale); what is kept, for whom, and for how long.
 */
#include "world.h"

#include <check.h>

Suite *suite_scenario_stash(void);

#define ROUTE   "[cache c]\n[route r]\ndeadline = 1h\n"
#define FAKE    "source = upstream fake\n"
#define A(keys) "[subrequest r.a]\n" FAKE keys
#define B(keys) "[subrequest r.b]\n" FAKE keys
#define STALE   "optional = yes\nstale_in = c\nfallback = stale 60s"

/* Another client, who asks with that query at that time and has its answer a little later. */
static struct client *
ask_at(struct world *w, uint64_t ms, const char *query)
{
	struct client *c = world_client(w);

	c->x.request.query = slice_of(query);
	c->x.request.has_query = true;
	world_run(w, ms);
	other_start(c);
	world_run(w, ms + 100);
	return c;
}

static struct slice
field_of(const struct client *c, const char *name)
{
	for (unsigned i = 0; i < c->fields; i++) {
		if (slice_eq_nocase(c->field_name[i], slice_of(name)))
			return c->field_value[i];
	}
	return SLICE("");
}

#define ck_assert_field(c, name, literal)                                                          \
	ck_assert_msg(slice_eq(field_of(c, name), slice_of(literal)), "%s: %.*s", name,            \
		      SLICE_PRINT(field_of(c, name)))

/* The first client has asked, with k=1, and has its answer. */
static struct world *
run(const char *conf)
{
	struct world *w = world_open(conf);

	w->client.x.request.query = SLICE("k=1");
	w->client.x.request.has_query = true;
	client_start(w);
	world_run(w, 100);
	ck_assert_int_eq(w->client.status, 200);
	return w;
}

static uint64_t
counted(struct world *w, enum counter c)
{
	return count_read(&w->counters, c);
}

/* --- fresh ones ------------------------------------------------------------------------------ */

START_TEST(a_fresh_answer_is_used_in_the_place_of_the_source)
{
	struct world *w = run(ROUTE A("cache = c\ncache_for = 10s\nbody = [7]\n"));
	struct client *second = ask_at(w, 5000, ""), *third = ask_at(w, 11000, "");

	ck_assert_got_field(w, "Forebay-Parts", "a=ok;1ms");
	ck_assert_other(second, "{\"a\":[7]}");
	ck_assert_field(second, "Forebay-Parts", "a=ok;0ms;hit");
	ck_assert_field(second, "Cache-Control", "");
	ck_assert_other(third, "{\"a\":[7]}");
	ck_assert_field(third, "Forebay-Parts", "a=ok;1ms");
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	ck_assert_uint_eq(world_outcome(w, "a", OUTCOME_OK), 3);
	ck_assert_uint_eq(counted(w, COUNTER_CACHE_PART_HIT), 1);
	ck_assert_uint_eq(counted(w, COUNTER_CACHE_PART_MISS), 2);
	ck_assert_uint_eq(counted(w, COUNTER_CACHE_STORED), 2);
	world_close(w);
}
END_TEST

/* What an answer says of itself, and whether it is used two seconds later, and twenty. */
static const struct {
	const char *keys;
	bool is_used_early, is_used_late;
} lives[] = {
	{ "", false, false },
	{ "cache_for = 10s\n", true, false },
	{ "cache_for = 1h\n", true, true },
	{ "header.cache-control = max-age=10\n", true, false },
	{ "cache_for = 1h\nheader.cache-control = max-age=10\n", true, false },
	{ "header.cache-control = max-age=1, s-maxage=60\n", true, true },
	{ "cache_for = 1h\nheader.cache-control = no-store\n", false, false },
	{ "cache_for = 1h\nheader.cache-control = private, max-age=60\n", false, false },
	{ "cache_for = 1h\nheader.cache-control = no-cache\nheader.etag = \"x\"\n", false, false },
	{ "cache_for = 1h\nheader.set-cookie = a=b\n", false, false },
	{ "cache_for = 1h\nheader.age = 90\nheader.cache-control = max-age=60\n", false, false },
	{ "cache_for = 1h\nheader.vary = *\n", false, false },
	{ "cache_for = 1h\nheader.vary = Accept\n", true, true },
	{ "cache_for = 1h\nexpect = 206\nstatus = 206\n", false, false },
	{ "cache_for = 1h\nstatus = 204\n", true, true },
};

START_TEST(an_answer_is_used_for_as_long_as_it_says)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct world *w;

	writer_text(&cw, ROUTE A("cache = c\nbody = 1\n"));
	writer_text(&cw, lives[_i].keys);
	writer_char(&cw, '\0');
	w = run(conf);
	ask_at(w, 2000, "");
	ck_assert_uint_eq(world_calls(w, "a"), lives[_i].is_used_early ? 1 : 2);
	if (lives[_i].is_used_early) {
		ask_at(w, 20000, "");
		ck_assert_uint_eq(world_calls(w, "a"), lives[_i].is_used_late ? 1 : 2);
	}
	world_close(w);
}
END_TEST

/* Two queries, and whether they share an answer. */
static const struct {
	const char *keys, *query;
	bool is_shared;
} keys[] = {
	{ "body = [{query.k}]\n", "k=1&z=9", true },
	{ "body = [{query.k}]\n", "k=2", false },
	{ "body = [\"{request.id}\"]\n", "k=2", true },
	{ "cache_key = {query.k}\nbody = 1\n", "k=1&z=9", true },
	{ "cache_key = {query.k}\nbody = 1\n", "k=2", false },
	{ "cache_key = x\nbody = [{query.k}]\n", "k=2", true },
	{ "cache_key = {query.gone}\nbody = 1\n", "k=1", false },
};

START_TEST(answers_are_told_apart_by_what_is_asked)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct world *w;

	writer_text(&cw, ROUTE A("cache = c\ncache_for = 1h\n"));
	writer_text(&cw, keys[_i].keys);
	writer_char(&cw, '\0');
	w = run(conf);
	ask_at(w, 1000, keys[_i].query);
	ck_assert_uint_eq(world_calls(w, "a"), keys[_i].is_shared ? 1 : 2);
	world_close(w);
}
END_TEST

/* Whatever the key is. */
static const struct {
	const char *keys, *name;
} private[] = {
	{ "forward = authorization\nbody = 1\n", "authorization" },
	{ "forward = cookie\nbody = 1\n", "Cookie" },
	{ "body = \"{header.x-tenant}\"\n", "X-Tenant" },
};

START_TEST(what_may_be_one_clients_own_is_of_every_key)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct client *second, *third;
	struct world *w;

	writer_text(&cw, ROUTE A("cache = c\ncache_key = x\ncache_for = 1h\n"));
	writer_text(&cw, private[_i].keys);
	writer_char(&cw, '\0');
	w = world_open(conf);
	client_field(w, private[_i].name, "ann");
	client_start(w);
	world_run(w, 100);
	second = world_client(w);
	other_field(second, private[_i].name, "bob");
	other_start(second);
	world_run(w, 200);
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	third = world_client(w);
	other_field(third, private[_i].name, "ann");
	other_start(third);
	world_run(w, 300);
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	ck_assert_field(third, "Forebay-Parts", "a=ok;0ms;hit");
	world_close(w);
}
END_TEST

START_TEST(a_result_of_another_part_is_of_every_key)
{
	struct world *w = run(ROUTE A("body = {\"x\": \"{query.k}\"}\n") B(
	    "cache = c\ncache_key = y\ncache_for = 1h\nbody = \"{a.x}\"\n"));

	ask_at(w, 1000, "k=2");
	ck_assert_uint_eq(world_calls(w, "b"), 2);
	ask_at(w, 2000, "k=1");
	ck_assert_uint_eq(world_calls(w, "b"), 2);
	world_close(w);
}
END_TEST

START_TEST(parts_do_not_share_what_is_kept)
{
	struct world *w = run(ROUTE A("cache = c\ncache_for = 1h\ncache_key = x\nbody = 1\n")
				  B("cache = c\ncache_for = 1h\ncache_key = x\nbody = 2\n"));
	struct client *second = ask_at(w, 1000, "");

	ck_assert_other(second, "{\"a\":1,\"b\":2}");
	ck_assert_uint_eq(counted(w, COUNTER_CACHE_PART_HIT), 2);
	world_close(w);
}
END_TEST

START_TEST(a_client_that_says_no_store_leaves_nothing)
{
	struct world *w = world_open(ROUTE A("cache = c\ncache_for = 1h\nbody = 1\n"));

	client_field(w, "Cache-Control", "no-store");
	client_start(w);
	ask_at(w, 1000, "");
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	world_close(w);
}
END_TEST

START_TEST(what_is_too_large_is_not_kept)
{
	struct world *w = run(
	    "[cache c]\nmax_entry = 3\n[route r]\n" A("cache = c\ncache_for = 1h\nbody = [77]\n")
		B("cache = c\ncache_for = 1h\nbody = [7]\n"));

	ask_at(w, 1000, "");
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	ck_assert_uint_eq(world_calls(w, "b"), 1);
	world_close(w);
}
END_TEST

START_TEST(what_is_no_result_is_not_kept)
{
	struct world *w = world_open(
	    ROUTE A("cache = c\ncache_for = 1h\nas = json\nbody = nonsense\noptional = yes\n"));

	client_start(w);
	ask_at(w, 1000, "");
	ck_assert_uint_eq(world_calls(w, "a"), 2);
	ck_assert_uint_eq(counted(w, COUNTER_CACHE_STORED), 0);
	world_close(w);
}
END_TEST

/* Each way to take a result, from the source and from what is kept. */
static const struct {
	const char *route, *keys, *answer;
} forms[] = {
	{ "", "body = {\"x\": {\"y\": 1}, \"z\": 2}\npick = y = x.y\n", "{\"a\":{\"y\":1}}" },
	{ "", "body = a \"b\"\ntype = text/plain\n", "{\"a\":\"a \\\"b\\\"\"}" },
	{ "", "body = abc\nas = base64\n", "{\"a\":\"YWJj\"}" },
	{ "", "status = 204\n", "{\"a\":null}" },
	{ "join = array\n", "body = 7\n", "[7]" },
	{ "join = concat\n", "body = 7\n", "7" },
	{ "join = first\n", "body = 7\ntype = text/x\n", "7" },
	{ "join = template\ntemplate = {\"is\": {a.x}, \"t\": \"{a:header.content-type}\"}\n",
	  "body = {\"x\": 1}\n", "{\"is\": 1, \"t\": \"application/json\"}" },
	{ "report = body\n", "body = 7\n",
	  "{\"a\":7,\"_parts\":{\"a\":{\"outcome\":\"ok\",\"ms\":0,\"cache\":\"hit\"}}}" },
};

START_TEST(what_is_kept_makes_the_same_answer)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct client *second;
	struct world *w;

	writer_format(&cw, "[cache c]\n[route r]\n%s" A("cache = c\ncache_for = 1h\n%s"),
		      forms[_i].route, forms[_i].keys);
	writer_char(&cw, '\0');
	w = run(conf);
	second = ask_at(w, 1000, "");
	ck_assert_uint_eq(world_calls(w, "a"), 1);
	ck_assert_other(second, forms[_i].answer);
	ck_assert_int_eq(
	    slice_eq(field_of(second, "Content-Type"), client_got_field(w, "Content-Type")), true);
	world_close(w);
}
END_TEST

START_TEST(who_is_answered_so_needs_no_place)
{
	struct world *w =
	    run(ROUTE A("cache = c\ncache_for = 1h\ngood = 1\nrefuses = yes\nbody = 1\n"));
	struct client *second = ask_at(w, 1000, "");

	ck_assert_other(second, "{\"a\":1}");
	ck_assert_uint_eq(world_calls(w, "a"), 1);
	world_close(w);
}
END_TEST

START_TEST(those_who_share_an_execution_keep_it_once)
{
	struct world *w = world_open(
	    ROUTE A("cache = c\ncache_for = 1h\ncoalesce = x\ndelay = 10ms\nbody = 1\n"));
	struct client *second = world_client(w);

	client_start(w);
	other_start(second);
	world_run(w, 50);
	ck_assert_other(second, "{\"a\":1}");
	ck_assert_uint_eq(counted(w, COUNTER_CACHE_STORED), 1);
	ck_assert_other(ask_at(w, 100, ""), "{\"a\":1}");
	ck_assert_uint_eq(world_calls(w, "a"), 1);
	world_close(w);
}
END_TEST

START_TEST(elements_of_a_list_are_kept_one_by_one)
{
	struct world *w = run(ROUTE A("body = [{query.k}, 2]\n") B(
	    "foreach = {a}\ncache = c\ncache_for = 1h\ncache_key = x\nbody = {item}\n"));
	struct client *second = ask_at(w, 1000, "k=2"), *third;

	ck_assert_got(w, "{\"a\":[1, 2],\"b\":[1,2]}");
	ck_assert_other(second, "{\"a\":[2, 2],\"b\":[2,2]}");
	ck_assert_uint_eq(world_calls(w, "b"), 2);
	third = ask_at(w, 2000, "k=3");
	ck_assert_other(third, "{\"a\":[3, 2],\"b\":[3,2]}");
	ck_assert_uint_eq(world_calls(w, "b"), 3);
	world_close(w);
}
END_TEST

START_TEST(a_flow_gets_what_is_kept)
{
	struct world *w = run("[cache c]\n[route r]\ndeadline = 1h\nflow = script\n"
			      "script = call a; set k=1; call b; put a; put b\n" A(
				  "cache = c\ncache_for = 1h\nbody = 1\n")
				  B(STALE "\ncache_key = x\ngood = 1\nfails = connect\n"
					  "body = [{flow.k}]\n"));
	struct client *second = ask_at(w, 5000, "");

	ck_assert_got(w, "1[1]");
	ck_assert_other(second, "1[1]");
	ck_assert_field(second, "Forebay-Parts", "a=ok;0ms;hit, b=connect;1ms;stale");
	ck_assert_field(second, "Cache-Control", "no-store");
	world_close(w);
}
END_TEST

/* --- those that stand in -----------------------------------------------------------------------
 */

/* What happens to all requests but the first. */
static const struct {
	const char *keys, *report;
} failures[] = {
	{ "fails = connect\n", "a=connect;1ms;stale" },
	{ "fails = shed\n", "a=shed;1ms;stale" },
	{ "status = 500\n", "a=status;1ms;stale" },
	{ "hangs = yes\ntimeout = 50ms\n", "a=timeout;50ms;stale" },
	{ "refuses = yes\n", "a=shed;0ms;stale" },
	{ "coalesce = x\nfails = failed\n", "a=error;1ms;stale" },
	{ "cache_key = x\nfails = failed\n", "a=error;1ms;stale" },
};

START_TEST(the_last_good_answer_stands_in_for_each_failure)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct client *second, *third;
	struct world *w;

	writer_format(&cw, ROUTE A(STALE "\ngood = 1\nbody = [7]\n%s"), failures[_i].keys);
	writer_char(&cw, '\0');
	w = run(conf);
	ck_assert_got_field(w, "Cache-Control", "");
	second = ask_at(w, 30000, "");
	ck_assert_int_eq(second->status, 200);
	ck_assert_other(second, "{\"a\":[7]}");
	ck_assert_field(second, "Forebay-Parts", failures[_i].report);
	ck_assert_field(second, "Cache-Control", "no-store");
	third = ask_at(w, 60200, "");
	ck_assert_other(third, "{\"a\":null}");
	ck_assert_field(third, "Cache-Control", "no-store");
	ck_assert_uint_eq(counted(w, COUNTER_CACHE_PART_STALE), 1);
	world_close(w);
}
END_TEST

/* What the source says of itself is a failure, what it says of what was asked is an answer. */
static const struct {
	const char *keys;
	bool stands_in;
} statuses[] = {
	{ "status = 500\n", true },
	{ "status = 502\n", true },
	{ "status = 503\n", true },
	{ "status = 504\n", true },
	{ "status = 429\n", true },
	{ "status = 400\n", false },
	{ "status = 401\n", false },
	{ "status = 403\n", false },
	{ "status = 404\n", false },
	{ "status = 410\n", false },
	{ "status = 422\n", false },
	{ "status = 501\n", false },
	{ "status = 204\nexpect = 200\n", false },
	{ "status = 404\npieces = 2\nbreaks = failed\n", false },
	{ "status = 503\npieces = 2\nbreaks = failed\n", true },
	{ "pieces = 2\nbreaks = failed\n", true },
};

START_TEST(nothing_stands_in_for_a_status_that_is_an_answer)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct client *second;
	struct world *w;

	writer_format(&cw, ROUTE A(STALE "\ngood = 1\nbody = [7]\n%s"), statuses[_i].keys);
	writer_char(&cw, '\0');
	w = run(conf);
	second = ask_at(w, 5000, "");
	ck_assert_other(second, statuses[_i].stands_in ? "{\"a\":[7]}" : "{\"a\":null}");
	ck_assert_field(second, "Cache-Control", "no-store");
	ck_assert_uint_eq(counted(w, COUNTER_CACHE_PART_STALE), statuses[_i].stands_in);
	world_close(w);
}
END_TEST

START_TEST(a_source_that_answers_is_asked_each_time)
{
	struct world *w = run(ROUTE A(STALE "\nbody = [7]\n"));

	ask_at(w, 500, "");
	ask_at(w, 2000, "");
	ck_assert_uint_eq(world_calls(w, "a"), 3);
	/* That of half a second before does as well. */
	ck_assert_uint_eq(counted(w, COUNTER_CACHE_STORED), 2);
	world_close(w);
}
END_TEST

/* What is written behind the time, and what follows where nothing is kept. */
static const struct {
	const char *route, *rest, *answer;
} rests[] = {
	{ "", "", "{\"a\":null,\"b\":1}" },
	{ "", ", []", "{\"a\":[],\"b\":1}" },
	{ "", ", {\"x\": [1, 2]}", "{\"a\":{\"x\": [1, 2]},\"b\":1}" },
	{ "", ", omit", "{\"b\":1}" },
	{ "join = concat\n", ", none", "none1" },
};

START_TEST(without_one_the_next_fallback_counts)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct world *w;

	writer_format(&cw, ROUTE "%s" A(STALE "%s\nfails = connect\n") B("body = 1\n"),
		      rests[_i].route, rests[_i].rest);
	writer_char(&cw, '\0');
	w = run(conf);
	ck_assert_got(w, rests[_i].answer);
	world_close(w);
}
END_TEST

START_TEST(a_text_is_no_time)
{
	struct world *w = run("[route r]\njoin = concat\n" A(
	    "optional = yes\nfallback = stale bread\nfails = connect\n"));

	ck_assert_got(w, "stale bread");
	world_close(w);
}
END_TEST

/* Before `omit` and in bytes, too. */
static const struct {
	const char *route, *rest, *answer;
} joins[] = {
	{ "", ", omit", "{\"a\":[7],\"b\":[7]}" },
	{ "join = array\n", "", "[[7],[7]]" },
	{ "join = concat\n", ", none", "[7][7]" },
	{ "join = template\ntemplate = {\"is\": {a}}\n", "", "{\"is\": [7]}" },
	{ "report = off\n", "", "{\"a\":[7],\"b\":[7]}" },
};

START_TEST(it_is_a_result_for_joins_and_for_other_parts)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct world *w;

	writer_format(&cw,
		      ROUTE "%s" A(STALE "%s\ngood = 1\nstatus = 503\nbody = [7]\n")
			  B("body = {a:body}\n"),
		      joins[_i].route, joins[_i].rest);
	writer_char(&cw, '\0');
	w = run(conf);
	ck_assert_other(ask_at(w, 1000, ""), joins[_i].answer);
	world_close(w);
}
END_TEST

/* What an answer says of itself, and whether it may stand in half a minute later. */
static const struct {
	const char *keys;
	bool stands_in;
} says[] = {
	{ "", true },
	{ "header.cache-control = max-age=0\n", true },
	{ "header.cache-control = max-age=5\n", true },
	{ "header.cache-control = max-age=5, must-revalidate\n", false },
	{ "header.cache-control = max-age=50, must-revalidate\n", true },
	{ "header.cache-control = max-age=5, stale-if-error=10\n", false },
	{ "header.cache-control = s-maxage=5\n", false },
	{ "header.cache-control = no-cache\n", false },
	{ "header.cache-control = no-store\n", false },
	{ "header.cache-control = private\n", false },
	{ "header.set-cookie = a=b\n", false },
};

START_TEST(what_an_answer_says_of_itself_counts_for_standing_in)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));
	struct world *w;

	writer_format(&cw, ROUTE A(STALE "\ngood = 1\nfails = connect\nbody = [7]\n%s"),
		      says[_i].keys);
	writer_char(&cw, '\0');
	w = run(conf);
	ck_assert_other(ask_at(w, 30000, ""), says[_i].stands_in ? "{\"a\":[7]}" : "{\"a\":null}");
	world_close(w);
}
END_TEST

START_TEST(it_is_never_that_of_another_client)
{
	struct world *w = world_open(
	    ROUTE A(STALE "\ncache_key = x\nforward = authorization\ngood = 1\nfails = connect\n"
			  "body = [7]\n"));
	struct client *second;

	client_field(w, "Authorization", "ann");
	client_start(w);
	world_run(w, 100);
	second = world_client(w);
	other_field(second, "Authorization", "bob");
	other_start(second);
	world_run(w, 200);
	ck_assert_got(w, "{\"a\":[7]}");
	ck_assert_other(second, "{\"a\":null}");
	world_close(w);
}
END_TEST

START_TEST(one_memory_serves_both)
{
	struct world *w =
	    run(ROUTE A("cache = c\ncache_for = 5s\noptional = yes\n"
			"fallback = stale 20s\ngood = 1\nfails = connect\nbody = 1\n"));

	ck_assert_field(ask_at(w, 4000, ""), "Forebay-Parts", "a=ok;0ms;hit");
	ck_assert_field(ask_at(w, 10000, ""), "Forebay-Parts", "a=connect;1ms;stale");
	ck_assert_field(ask_at(w, 30000, ""), "Forebay-Parts", "a=connect;1ms");
	world_close(w);
}
END_TEST

START_TEST(what_may_only_stand_in_is_not_used_as_fresh)
{
	struct world *w = run(ROUTE A("cache = c\noptional = yes\nfallback = stale 20s\ngood = 2\n"
				      "fails = connect\nbody = 1\n"));

	ck_assert_field(ask_at(w, 1000, ""), "Forebay-Parts", "a=ok;1ms");
	ck_assert_field(ask_at(w, 2000, ""), "Forebay-Parts", "a=connect;1ms;stale");
	world_close(w);
}
END_TEST

START_TEST(nothing_stands_in_for_a_part_that_is_not_needed)
{
	struct world *w = run(ROUTE A(STALE "\nwhen = {query.k} == 1\nbody = [7]\n"));

	ck_assert_other(ask_at(w, 1000, "k=2"), "{\"a\":null}");
	world_close(w);
}
END_TEST

START_TEST(at_the_deadline_it_stands_in_too)
{
	struct world *w = run("[cache c]\n[route r]\ndeadline = 1s\n" A(
	    STALE "\ngood = 1\nhangs = yes\nbody = [7]\n"));
	struct client *second = world_client(w);

	other_start(second);
	world_run(w, 3000);
	ck_assert_other(second, "{\"a\":[7]}");
	ck_assert_field(second, "Cache-Control", "no-store");
	world_close(w);
}
END_TEST

/* --- mistakes
 * --------------------------------------------------------------------------------------
 */

static const struct {
	const char *conf, *said;
} mistakes[] = {
	{ "[cache pages]\n" A("cache = page\n"), "conf:8: [subrequest r.a] cache: there is no "
						 "section [cache page]; did you mean \"pages\"?" },
	{ "[cache c]\n" A("cache_key = {id}\n"), "cache_key: is for parts with cache" },
	{ "[cache c]\n" A("cache_for = 1s\n"), "cache_for: is for parts with cache" },
	{ "[cache c]\n" A("stale_in = c\n"), "stale_in: is for parts with fallback = stale" },
	{ "[cache c]\n" A("optional = yes\nfallback = stale 1s\n"), "stale needs memory" },
	{ "[cache c]\n" A("optional = yes\nfallback = stale soon\nstale_in = c\n"),
	  "\"soon\" is no time: write how old an answer may be, stale 60s" },
	{ "[cache c]\n" A("optional = yes\nfallback = stale\nstale_in = c\n"), "is no time" },
	{ "[cache c]\n" A("optional = yes\nfallback = stale 1s, x\nstale_in = c\n"),
	  "\"x\" is not JSON" },
	{ "[cache c]\n" A("fallback = stale 1s\nstale_in = c\n"), "only an optional part" },
	{ "[cache c]\n" A("when = {id} == 1\nfallback = stale 1s\nstale_in = c\n"),
	  "stale is for optional parts" },
	{ "[cache c]\n" A("cache = c\nstale_in = c\noptional = yes\nfallback = stale 1s\n"),
	  "what is kept in cache stands in (conf:8)" },
	{ "[cache c]\n" A("cache = c\neffects = yes\n"), "cannot stand for the part: it says so" },
	{ "[cache c]\n" A(
	      "foreach = {body.x}\nstale_in = c\noptional = yes\nfallback = stale 1s\n"),
	  "stale is not for parts with foreach" },
	{ "[cache c]\n" A("cache = c\ncache_key = {nobody}\n"), "cache_key: {nobody}" },
	{ "[cache c]\n[subrequest r.f]\nsource = fixed\nbody = 1\ncache = c\n",
	  "cache: keeps nothing: answers of source fixed do not say how long they are fresh" },
};

START_TEST(a_mistake_is_told_with_its_line)
{
	char conf[512];
	struct writer cw = writer_over(conf, sizeof(conf));

	writer_format(&cw, "[route r]\nmatch = GET /{id}\n# one\n# two\n%s", mistakes[_i].conf);
	writer_char(&cw, '\0');
	ck_assert_msg(strstr(world_complaint(conf), mistakes[_i].said) != NULL, "%s",
		      world_complaint(conf));
}
END_TEST

Suite *
suite_scenario_stash(void)
{
	Suite *s = suite_create("scenario_stash");
	TCase *t = tcase_create("fresh"), *u = tcase_create("stale");

	tcase_add_test(t, a_fresh_answer_is_used_in_the_place_of_the_source);
	tcase_add_loop_test(t, an_answer_is_used_for_as_long_as_it_says, 0,
			    sizeof(lives) / sizeof(lives[0]));
	tcase_add_loop_test(t, answers_are_told_apart_by_what_is_asked, 0,
			    sizeof(keys) / sizeof(keys[0]));
	tcase_add_loop_test(t, what_may_be_one_clients_own_is_of_every_key, 0,
			    sizeof(private) / sizeof(private[0]));
	tcase_add_test(t, a_result_of_another_part_is_of_every_key);
	tcase_add_test(t, parts_do_not_share_what_is_kept);
	tcase_add_test(t, a_client_that_says_no_store_leaves_nothing);
	tcase_add_test(t, what_is_too_large_is_not_kept);
	tcase_add_test(t, what_is_no_result_is_not_kept);
	tcase_add_loop_test(t, what_is_kept_makes_the_same_answer, 0,
			    sizeof(forms) / sizeof(forms[0]));
	tcase_add_test(t, who_is_answered_so_needs_no_place);
	tcase_add_test(t, those_who_share_an_execution_keep_it_once);
	tcase_add_test(t, elements_of_a_list_are_kept_one_by_one);
	tcase_add_test(t, a_flow_gets_what_is_kept);
	suite_add_tcase(s, t);
	tcase_add_loop_test(u, the_last_good_answer_stands_in_for_each_failure, 0,
			    sizeof(failures) / sizeof(failures[0]));
	tcase_add_loop_test(u, nothing_stands_in_for_a_status_that_is_an_answer, 0,
			    sizeof(statuses) / sizeof(statuses[0]));
	tcase_add_test(u, a_source_that_answers_is_asked_each_time);
	tcase_add_loop_test(u, without_one_the_next_fallback_counts, 0,
			    sizeof(rests) / sizeof(rests[0]));
	tcase_add_test(u, a_text_is_no_time);
	tcase_add_loop_test(u, it_is_a_result_for_joins_and_for_other_parts, 0,
			    sizeof(joins) / sizeof(joins[0]));
	tcase_add_loop_test(u, what_an_answer_says_of_itself_counts_for_standing_in, 0,
			    sizeof(says) / sizeof(says[0]));
	tcase_add_test(u, it_is_never_that_of_another_client);
	tcase_add_test(u, one_memory_serves_both);
	tcase_add_test(u, what_may_only_stand_in_is_not_used_as_fresh);
	tcase_add_test(u, nothing_stands_in_for_a_part_that_is_not_needed);
	tcase_add_test(u, at_the_deadline_it_stands_in_too);
	suite_add_tcase(s, u);
	t = tcase_create("mistakes");
	tcase_add_loop_test(t, a_mistake_is_told_with_its_line, 0,
			    sizeof(mistakes) / sizeof(mistakes[0]));
	suite_add_tcase(s, t);
	return s;
}
