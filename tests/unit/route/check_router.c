/*
 * Which route wins: tables of patterns and requests, conflicts, the worst case,
 * and the tree against a naive matcher on random patterns and paths.
 */
#include "base/random.h"
#include "table.h"

#include <check.h>
#include <stdio.h>

Suite *suite_route_router(void);

static struct table table;

static void
setup(void)
{
	table_init(&table);
}

static void
teardown(void)
{
	table_fini(&table);
}

static int
find(const char *method, const char *host, const char *path, struct router_match *m)
{
	return router_find(table.router, method_of(slice_of(method)), slice_of(host),
			   slice_of(path), m);
}

/* The index of the route that wins, or the error. */
static int
winner(const char *method, const char *host, const char *path)
{
	struct router_match m;
	int err = find(method, host, path, &m);

	return err ? err : (int)(m.route - table.route);
}

START_TEST(the_most_specific_path_wins_from_the_left)
{
	static const char *const matches[] = {
		"GET /",
		"GET /a",
		"GET /a/",
		"GET /a/{x}",
		"GET /a/{rest...}",
		"GET /{x}/b",
		"GET /{x}/b/c",
		"GET /a/{x}/d",
		"GET /{x}/{y}/c",
		"GET /static/{path...}",
		"GET /static/css/main.css",
		"GET /a%2Fb",
	};
	static const struct {
		const char *path;
		int winner;
	} rows[] = {
		{ "/", 0 },
		{ "/a", 1 },
		{ "/b", ERR_NOT_FOUND },
		{ "/a/", 2 },
		{ "/a/b", 3 }, /* a literal at the left beats one at the right */
		{ "/c/b", 5 },
		{ "/c/d", ERR_NOT_FOUND },
		{ "/a/b/d", 7 },
		{ "/a/b/c", 4 }, /* /a/{rest...}: its literal comes first */
		{ "/z/b/c", 6 },
		{ "/z/y/c", 8 },
		{ "/z//c", ERR_NOT_FOUND }, /* a {param} is never empty */
		{ "/a//", 4 },
		{ "/static", ERR_NOT_FOUND },
		{ "/static/", 9 },
		{ "/static/x/y/z", 9 },
		{ "/static/css/main.css", 10 },
		{ "/static/css/main.cs", 9 },
		{ "/static/css/main.css/", 9 },
		{ "/a%2Fb", 11 },
		{ "//", ERR_NOT_FOUND },
		{ "", ERR_NOT_FOUND },
		{ "*", ERR_NOT_FOUND },
		{ "a", ERR_NOT_FOUND },
	};

	for (size_t i = 0; i < sizeof(matches) / sizeof(matches[0]); i++)
		table_need(&table, matches[i], "");
	ck_assert_int_eq(router_finish(table.router), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(winner("GET", "", rows[i].path) == rows[i].winner, "%s: %d",
			      rows[i].path, winner("GET", "", rows[i].path));
}
END_TEST

START_TEST(captures_are_what_stood_in_their_place)
{
	struct router_match m;

	table_need(&table, "GET /u/{id}/f/{path...}", "");
	table_need(&table, "GET /u/{id}/f/x/{last}", "");
	table_need(&table, "GET /{path...}", "");
	ck_assert_int_eq(router_finish(table.router), 0);

	ck_assert_int_eq(find("GET", "", "/u/42/f/a/b/", &m), 0);
	ck_assert_uint_eq(m.captures, 2);
	ck_assert(slice_eq(m.capture[0], SLICE("42")));
	ck_assert(slice_eq(m.capture[1], SLICE("a/b/")));
	ck_assert_int_eq(find("GET", "", "/u/42/f/x/y", &m), 0);
	ck_assert_ptr_eq(m.route, &table.route[1]);
	ck_assert(slice_eq(m.capture[1], SLICE("y")));
	ck_assert_int_eq(find("GET", "", "/u/42/f/", &m), 0);
	ck_assert_uint_eq(m.captures, 2);
	ck_assert_uint_eq(m.capture[1].len, 0);
	ck_assert_int_eq(find("GET", "", "/", &m), 0);
	ck_assert_uint_eq(m.captures, 1);
	ck_assert_uint_eq(m.capture[0].len, 0);
	ck_assert_int_eq(find("GET", "", "/u/42/g", &m), 0);
	ck_assert_uint_eq(m.captures, 1);
	ck_assert(slice_eq(m.capture[0], SLICE("u/42/g")));
}
END_TEST

START_TEST(decoding_turns_a_slash_loose_in_a_param_but_not_in_a_rest)
{
	struct router_match m;
	struct slice plain;

	table_need(&table, "GET /p/{a}/{b}", "");
	table_need(&table, "GET /r/{a}/{path...}", "");
	ck_assert_int_eq(router_finish(table.router), 0);

	ck_assert_int_eq(find("GET", "", "/p/x%2Fy%252F/plain", &m), 0);
	plain = m.capture[1];
	ck_assert_int_eq(router_decode(&m, &table.arena), 0);
	ck_assert(slice_eq(m.capture[0], SLICE("x/y%2F")));
	ck_assert_ptr_null(m.rest.at);
	ck_assert_ptr_eq(m.capture[1].at, plain.at);
	ck_assert_int_eq(find("GET", "", "/r/%2F/a%2Fb/100%25", &m), 0);
	ck_assert_int_eq(router_decode(&m, &table.arena), 0);
	ck_assert(slice_eq(m.capture[0], SLICE("/")));
	ck_assert(slice_eq(m.capture[1], SLICE("a%2Fb/100%")));
	ck_assert(slice_eq(m.rest, SLICE("a%2Fb/100%25")));
}
END_TEST

START_TEST(methods_are_named_or_head_by_get_or_any)
{
	table_need(&table, "GET /a", ""); /* 0 */
	table_need(&table, "POST|PUT /a", ""); /* 1 */
	table_need(&table, "* /b", ""); /* 2 */
	table_need(&table, "GET /b", ""); /* 3 */
	table_need(&table, "HEAD /c", ""); /* 4 */
	table_need(&table, "GET /c", ""); /* 5 */
	table_need(&table, "DELETE /{x}", ""); /* 6 */
	ck_assert_int_eq(router_finish(table.router), 0);

	ck_assert_int_eq(winner("GET", "", "/a"), 0);
	ck_assert_int_eq(winner("HEAD", "", "/a"), 0);
	ck_assert_int_eq(winner("PUT", "", "/a"), 1);
	ck_assert_int_eq(winner("PATCH", "", "/b"), 2);
	ck_assert_int_eq(winner("BREW", "", "/b"), 2);
	ck_assert_int_eq(winner("GET", "", "/b"), 3);
	ck_assert_int_eq(winner("HEAD", "", "/b"), 3);
	ck_assert_int_eq(winner("HEAD", "", "/c"), 4);
	ck_assert_int_eq(winner("GET", "", "/c"), 5);
	/* A path that is there for other methods does not hide a wider one. */
	ck_assert_int_eq(winner("DELETE", "", "/a"), 6);
	ck_assert_int_eq(winner("DELETE", "", "/b"), 2);
}
END_TEST

START_TEST(another_method_is_told_from_another_path)
{
	struct router_match m;
	char text[64];
	struct writer w = writer_over(text, sizeof(text));

	table_need(&table, "GET /a", "");
	table_need(&table, "POST|DELETE /{x}", "");
	ck_assert_int_eq(router_finish(table.router), 0);

	ck_assert_int_eq(find("PATCH", "", "/a", &m), ERR_UNSUPPORTED);
	router_write_allow(m.allow, &w);
	ck_assert(slice_eq(writer_slice(&w), SLICE("GET, HEAD, POST, DELETE")));
	ck_assert_int_eq(find("BREW", "", "/b", &m), ERR_UNSUPPORTED);
	ck_assert_uint_eq(m.allow, 1u << METHOD_POST | 1u << METHOD_DELETE);
	ck_assert_int_eq(find("GET", "", "/a/b", &m), ERR_NOT_FOUND);
	ck_assert_uint_eq(m.allow, 0);
}
END_TEST

START_TEST(hosts_go_from_exact_over_the_longest_suffix_to_any)
{
	static const struct {
		const char *host, *path;
		int winner;
	} rows[] = {
		{ "", "/", 0 },
		{ "other.org", "/", 0 },
		{ "example.com", "/", 1 },
		{ "EXAMPLE.com:8080", "/", 1 },
		{ "example.com.", "/", 1 },
		{ "www.example.com", "/", 2 },
		{ "a.b.www.Example.Com:1", "/", 3 },
		{ "www.example.com", "/only", 4 },
		{ "b.www.example.com", "/only", 4 }, /* falls back to the wider suffix */
		{ "exact.www.example.com", "/", 5 },
		{ "exact.www.example.com", "/only", 4 },
		{ "exact.www.example.com", "/both", 8 }, /* the longest suffix first */
		{ "exact.example.com", "/both", 9 },
		{ "exact.www.example.com", "/x/y", 6 }, /* and at last to any */
		{ "badexample.com", "/", 0 },
		{ ".example.com", "/", 0 },
		{ "[::1]:80", "/", 7 },
		{ "[::1]", "/", 7 },
		{ "[::2]", "/", 0 },
		{ ".", "/", 0 },
	};
	char longest[PATTERN_HOST_BYTES + 32];

	table_need(&table, "GET /", "");
	table_need(&table, "GET /", "Example.com");
	table_need(&table, "GET /", "*.example.com");
	table_need(&table, "GET /", "*.www.example.com");
	table_need(&table, "GET /only", "*.example.com");
	table_need(&table, "GET /", "exact.www.example.com");
	table_need(&table, "* /x/{rest...}", "");
	table_need(&table, "GET /", "[::1]");
	table_need(&table, "GET /both", "*.www.example.com");
	table_need(&table, "GET /both", "*.example.com");
	ck_assert_int_eq(router_finish(table.router), 0);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_msg(winner("GET", rows[i].host, rows[i].path) == rows[i].winner,
			      "%s %s: %d", rows[i].host, rows[i].path,
			      winner("GET", rows[i].host, rows[i].path));
	/* Longer than any name can be: not looked for. */
	memset(longest, 'a', sizeof(longest));
	memcpy(longest + sizeof(longest) - sizeof(".example.com"), ".example.com",
	       sizeof(".example.com"));
	ck_assert_int_eq(winner("GET", longest, "/"), 0);
}
END_TEST

START_TEST(equal_right_to_the_same_requests_is_a_conflict)
{
	static const struct {
		const char *match, *host;
		int rival; /* -1: none */
	} rows[] = {
		{ "GET /a/{x}", "", -1 }, /* 0 */
		{ "GET /a/{y}", "", 0 },       { "POST|GET /a/{y}", "", 0 },
		{ "POST /a/{y}", "", -1 }, /* 1 */
		{ "* /a/{y}", "", -1 }, /* 2 */
		{ "* /a/{z}", "", 2 },         { "HEAD /a/{z}", "", -1 }, /* 3 */
		{ "GET /a/b", "", -1 }, /* 4 */
		{ "GET /a/{z...}", "", -1 }, /* 5 */
		{ "GET /a/{path...}", "", 5 }, { "GET /a/%62", "", 4 }, /* %62 is b */
		{ "GET /a/b", "a.org", -1 }, /* 6 */
		{ "GET /a/b", "A.org.", 6 },   { "GET /a/b", "*.a.org", -1 }, /* 7 */
		{ "GET /a/b/", "", -1 }, /* 8 */
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int rival;
		int err = table_add(&table, rows[i].match, rows[i].host, &rival);

		ck_assert_msg(rival == rows[i].rival, "%s: %d", rows[i].match, rival);
		ck_assert_int_eq(err, rows[i].rival < 0 ? 0 : ERR_CONFLICT);
	}
}
END_TEST

START_TEST(an_empty_router_finds_nothing)
{
	ck_assert_int_eq(router_finish(table.router), 0);
	ck_assert_int_eq(winner("GET", "a.org", "/"), ERR_NOT_FOUND);
}
END_TEST

/* Every way through 8 levels of literal or {param} is declared, but none ends
 * as the path does: each of the 511 nodes is visited, once. */
START_TEST(going_back_is_bounded_by_the_tree)
{
	static char text[256][64];

	for (unsigned i = 0; i < 256; i++) {
		struct writer w = writer_over(text[i], sizeof(text[i]) - 1);

		writer_text(&w, "GET ");
		for (unsigned level = 0; level < 8; level++) {
			if (i >> level & 1)
				writer_format(&w, "/{p%u}", level);
			else
				writer_text(&w, "/a");
		}
		writer_text(&w, "/end");
		text[i][w.len] = '\0';
		table_need(&table, text[i], "");
	}
	ck_assert_int_eq(router_finish(table.router), 0);
	ck_assert_int_eq(winner("GET", "", "/a/a/a/a/a/a/a/a/other"), ERR_NOT_FOUND);
	ck_assert_int_eq(winner("GET", "", "/a/a/a/a/a/a/a/a/end"), 0);
	ck_assert_int_eq(winner("GET", "", "/b/a/a/a/a/a/a/b/end"), 129);
}
END_TEST

START_TEST(a_path_of_any_depth_needs_no_more_steps)
{
	static char path[65536], text[256];
	struct writer w = writer_over(text, sizeof(text) - 1);
	struct writer deep = writer_over(path, sizeof(path) - 1);

	writer_text(&w, "GET ");
	for (int i = 0; i < PATTERN_SEGMENTS; i++)
		writer_text(&w, "/a");
	table_need(&table, text, "");
	table_need(&table, "GET /a/{rest...}", "");
	ck_assert_int_eq(router_finish(table.router), 0);
	while (!deep.is_full)
		writer_text(&deep, "/a");
	path[deep.len] = '\0';
	ck_assert_int_eq(winner("GET", "", path), 1);
	path[2 * PATTERN_SEGMENTS] = '\0';
	ck_assert_int_eq(winner("GET", "", path), 0);
}
END_TEST

/* --- against a naive matcher ---------------------------------------------------- */

/* Ranks per segment, compared from the left: 3 literal, 2 param, 1 rest; -1: no match. */
static bool
naive_match(const struct pattern *p, struct slice path, char *rank)
{
	struct slice rest = slice_after(path, 1);
	bool is_over = false;

	memset(rank, 0, PATTERN_SEGMENTS + 1);
	for (unsigned i = 0; i < p->count; i++) {
		struct slice segment;

		if (is_over)
			return false;
		if (p->segment[i].kind == SEGMENT_REST) {
			rank[i] = 1;
			return true;
		}
		is_over = slice_find(rest, '/') == rest.len;
		segment = slice_cut(&rest, '/');
		if (p->segment[i].kind == SEGMENT_PARAM ? segment.len == 0
							: !slice_eq(segment, p->segment[i].text))
			return false;
		rank[i] = p->segment[i].kind == SEGMENT_PARAM ? 2 : 3;
	}
	return is_over;
}

static int
naive_method(const struct pattern *p, enum method method)
{
	if (method != METHOD_OTHER && p->methods >> method & 1)
		return 3;
	if (method == METHOD_HEAD && p->methods >> METHOD_GET & 1)
		return 2;
	return p->methods == PATTERN_ANY_METHOD ? 1 : 0;
}

static const struct route *
naive_find(enum method method, struct slice path, bool *has_path)
{
	const struct route *best = NULL;
	char best_rank[PATTERN_SEGMENTS + 2];

	*has_path = false;
	for (unsigned i = 0; i < table.count; i++) {
		char rank[PATTERN_SEGMENTS + 2];

		if (!naive_match(&table.route[i].pattern, path, rank))
			continue;
		*has_path = true;
		rank[PATTERN_SEGMENTS + 1] = (char)naive_method(&table.route[i].pattern, method);
		if (rank[PATTERN_SEGMENTS + 1] == 0)
			continue;
		if (!best || memcmp(rank, best_rank, sizeof(rank)) > 0) {
			best = &table.route[i];
			memcpy(best_rank, rank, sizeof(rank));
		}
	}
	return best;
}

static void
random_path(struct random *random, struct writer *w, bool is_pattern)
{
	static const char *const words[] = { "a", "b", "ab", "c" };
	unsigned count = 1 + (unsigned)random_below(random, 5);

	for (unsigned i = 0; i < count; i++) {
		unsigned kind = (unsigned)random_below(random, 8);
		bool is_last = i == count - 1;

		writer_char(w, '/');
		if (is_pattern && kind < 3)
			writer_format(w, "{p%u}", i);
		else if (is_pattern && is_last && kind == 3)
			writer_format(w, "{p%u...}", i);
		else if (kind != 4 || (is_pattern && !is_last))
			writer_text(w, words[random_below(random, 4)]);
	}
}

static void
compare_one(struct random *random)
{
	char text[128];
	struct writer w = writer_over(text, sizeof(text));
	enum method method = (enum method)random_below(random, METHOD_COUNT);
	const struct route *expected;
	struct router_match m;
	bool has_path;
	int err;

	random_path(random, &w, false);
	expected = naive_find(method, writer_slice(&w), &has_path);
	err = router_find(table.router, method, SLICE(""), writer_slice(&w), &m);
	ck_assert_msg(m.route == expected, "%.*s %.*s: %ld instead of %ld",
		      SLICE_PRINT(method_name(method)), SLICE_PRINT(writer_slice(&w)),
		      m.route ? (long)(m.route - table.route) : -1,
		      expected ? (long)(expected - table.route) : -1);
	ck_assert_int_eq(err, expected ? 0 : has_path ? ERR_UNSUPPORTED : ERR_NOT_FOUND);
	if (!err)
		ck_assert_uint_eq(m.captures, m.route->pattern.captures);
}

START_TEST(the_tree_agrees_with_a_naive_matcher)
{
	static const char *const methods[] = { "GET ", "POST ", "HEAD|PUT ", "* " };
	static char text[TABLE_ROUTES][128];
	struct random random;

	random_init(&random, 20261123);
	for (unsigned round = 0; round < 300; round++) {
		unsigned routes = 1 + (unsigned)random_below(&random, 60);
		int rival;

		table_fini(&table);
		table_init(&table);
		for (unsigned i = 0; i < routes; i++) {
			struct writer w = writer_over(text[i], sizeof(text[i]) - 1);

			writer_text(&w, methods[random_below(&random, 4)]);
			random_path(&random, &w, true);
			text[i][w.len] = '\0';
			(void)table_add(&table, text[i], "", &rival);
		}
		ck_assert_int_eq(router_finish(table.router), 0);
		for (unsigned i = 0; i < 300; i++)
			compare_one(&random);
	}
}
END_TEST

START_TEST(want_of_memory_is_reported_and_harmless)
{
	for (size_t limit = 0; limit < 6 * STORE_PAGE_BYTES; limit += STORE_PAGE_BYTES) {
		struct arena arena;
		struct router *r;
		const struct route *rival;
		struct router_match m;

		table_fini(&table);
		table_init(&table);
		table_need(&table, "GET /a/{b}/c", "x.org");
		arena_init(&arena, &table.store, limit);
		r = router_new(&arena);
		if (r && router_add(r, &table.route[0], &rival) == 0 && router_finish(r) == 0)
			ck_assert_int_eq(
			    router_find(r, METHOD_GET, SLICE("x.org"), SLICE("/a/1/c"), &m), 0);
		arena_fini(&arena);
	}
}
END_TEST

Suite *
suite_route_router(void)
{
	Suite *s = suite_create("route/router");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, the_most_specific_path_wins_from_the_left);
	tcase_add_test(t, captures_are_what_stood_in_their_place);
	tcase_add_test(t, decoding_turns_a_slash_loose_in_a_param_but_not_in_a_rest);
	tcase_add_test(t, methods_are_named_or_head_by_get_or_any);
	tcase_add_test(t, another_method_is_told_from_another_path);
	tcase_add_test(t, hosts_go_from_exact_over_the_longest_suffix_to_any);
	tcase_add_test(t, equal_right_to_the_same_requests_is_a_conflict);
	tcase_add_test(t, an_empty_router_finds_nothing);
	tcase_add_test(t, going_back_is_bounded_by_the_tree);
	tcase_add_test(t, a_path_of_any_depth_needs_no_more_steps);
	tcase_add_test(t, the_tree_agrees_with_a_naive_matcher);
	tcase_add_test(t, want_of_memory_is_reported_and_harmless);
	suite_add_tcase(s, t);
	return s;
}
