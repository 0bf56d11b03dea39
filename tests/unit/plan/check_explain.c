/*
 * What is written about a plan, as text and for Graphviz: whole texts, so that
 * a column out of line is seen.
 */
#include "../../scenario/world.h"
#include "plan/explain.h"

#include <check.h>

Suite *suite_plan_explain(void);

#define FAKE "source = upstream fake\n"

static char text[1 << 14];

/* All that explain_text, or explain_dot, says. */
static const char *
explain(const char *conf, bool is_dot)
{
	struct world *w = world_open(conf);
	struct writer out = writer_over(text, sizeof(text) - 1);

	if (is_dot)
		explain_dot(w->plan, &out);
	else
		explain_text(w->plan, 2 << 20, &out);
	ck_assert(!out.is_full);
	text[out.len] = '\0';
	client_start(w);
	client_leave(w);
	world_close(w);
	return text;
}

static const struct {
	const char *conf, *text;
} cases[] = {
	{ "[route r]\ndeadline = 2s\nsource = fixed\n",
	  "[route r] at conf:1\n"
	  "one part, passed through; deadline 2s, priority normal\n"
	  "\n"
	  "Step  Part  Source  Timeout  Pool  If it fails  Waits for\n"
	  "1     -     fixed   at once  -     required     -\n"
	  "\n"
	  "Time      nothing waits for anything\n"
	  "Memory    no body is kept: it is streamed\n" },
	{ "[route r]\ndeadline = 2s\npriority = critical\n" FAKE,
	  "[route r] at conf:1\n"
	  "one part, passed through; deadline 2s, priority critical\n"
	  "\n"
	  "Step  Part  Source         Timeout   Pool  If it fails  Waits for\n"
	  "1     -     upstream fake  deadline  -     required     -\n"
	  "\n"
	  "Time      2s at most, by the deadline, until the answer begins; the clock stands while "
	  "the client sends its body\n"
	  "Memory    no body is kept: it is streamed\n" },
	{ "[route r]\ndeadline = 2s\nbuffer_response = 1m\n" FAKE,
	  "[route r] at conf:1\n"
	  "one part, passed through; deadline 2s, priority normal\n"
	  "\n"
	  "Step  Part  Source         Timeout   Pool  If it fails  Waits for\n"
	  "1     -     upstream fake  deadline  -     required     -\n"
	  "\n"
	  "Time      2s at most, by the deadline, until the answer begins; the clock stands while "
	  "the client sends its body\n"
	  "Memory    1m at most: 1m of the response (buffer_response)\n" },
	{ "[route r]\ndeadline = 1s\n"
	  "[subrequest r.badge]\n" FAKE "body = {user.a}{body}\nafter = orders\noptional = yes\n"
	  "timeout = 90ms\nas = json\nmax_result = 3k\n"
	  "[subrequest r.user]\n" FAKE "timeout = 100ms\nas = json\nmax_result = 1k\n"
	  "[subrequest r.orders]\nsource = upstream other\noptional = yes\nfallback = []\n"
	  "timeout = 2s\nas = base64\nmax_result = 3k\n",
	  "[route r] at conf:1\n"
	  "joined as an object; deadline 1s, priority normal\n"
	  "\n"
	  "Step  Part    Source          Timeout   Pool  If it fails  Waits for\n"
	  "1     user    upstream fake   100ms     -     required     -\n"
	  "1     orders  upstream other  deadline  -     else []      -\n"
	  "2     badge   upstream fake   90ms      -     else null    user, (orders)\n"
	  "\n"
	  "Time      1s at most, by the deadline; the clock stands while the client sends its "
	  "body\n"
	  "          longest chain: orders 1s > badge 90ms = 1090ms\n"
	  "Memory    2059k at most: 7k of results (max_result), 4k to write as JSON what is none, "
	  "2m of the request's body (max_body)\n"
	  "Fan-out   3 parts in 2 steps, at most 2 at once\n" },
	{ "[route r]\ndeadline = 1s\njoin = array\nfailure = all-or-nothing\n"
	  "[subrequest r.a]\n" FAKE "timeout = 300ms\nas = json\noptional = yes\n"
	  "fallback = \"a text that is too long for a column\"\n",
	  "[route r] at conf:1\n"
	  "joined as an array, all or nothing; deadline 1s, priority normal\n"
	  "\n"
	  "Step  Part  Source         Timeout  Pool  If it fails  Waits for\n"
	  "1     a     upstream fake  300ms    -     required     -\n"
	  "\n"
	  "Time      300ms at most, by the timeouts; the deadline is 1s\n"
	  "          longest chain: a 300ms\n"
	  "Memory    1m at most: 1m of results (max_result)\n"
	  "Fan-out   1 part in 1 step, at most 1 at once\n" },
};

START_TEST(a_plan_is_read_at_a_glance)
{
	ck_assert_str_eq(explain(cases[_i].conf, false), cases[_i].text);
}
END_TEST

static const struct {
	const char *keys, *line;
} stashes[] = {
	{ "cache = c\n", "Kept      a: in cache c, used while it is fresh\n" },
	{ "cache = c\ncache_key = {query.k}\ncache_for = 5s\n",
	  "Kept      a: in cache c by {query.k}, used while it is fresh, 5s if it does not say\n" },
	{ "stale_in = c\noptional = yes\nfallback = stale 60s, []\n",
	  "Kept      a: in cache c, used if the part fails until it is 1m old\n" },
	{ "stale_in = c\noptional = yes\nfallback = stale 60s, []\n", "  else stale 60s, []  " },
};

START_TEST(what_is_kept_of_a_part_is_told)
{
	char conf[512];
	struct writer w = writer_over(conf, sizeof(conf));

	writer_text(&w, "[cache c]\n[route r]\n[subrequest r.a]\n" FAKE);
	writer_text(&w, stashes[_i].keys);
	writer_char(&w, '\0');
	ck_assert_msg(strstr(explain(conf, false), stashes[_i].line) != NULL, "%s", text);
	ck_assert_ptr_nonnull(strstr(explain(conf, true), "\\ncache c\""));
}
END_TEST

START_TEST(a_long_fallback_is_not_shown)
{
	explain("[route r]\n[subrequest r.a]\n" FAKE "optional = yes\n"
		"fallback = \"a text that is too long for a column\"\n",
		false);
	ck_assert_ptr_nonnull(strstr(text, "  else its fallback  "));
}
END_TEST

START_TEST(a_graph_has_an_arrow_for_each_wait)
{
	ck_assert_str_eq(explain("[route r]\ndeadline = 1s\n"
				 "[subrequest r.c]\n" FAKE "body = {a.x}\nafter = b\n"
				 "[subrequest r.b]\n" FAKE "optional = yes\ntimeout = 5ms\n"
				 "[subrequest r.a]\nsource = fixed\nbody = 1\n",
				 true),
			 "digraph \"r\" {\n"
			 "\trankdir=LR;\n"
			 "\tlabel=\"deadline 1s; at most 1s\";\n"
			 "\tnode [shape=box];\n"
			 "\trequest [shape=plaintext];\n"
			 "\tanswer [shape=plaintext];\n"
			 "\tp0 [label=\"c\\nupstream fake\\ndeadline\"];\n"
			 "\tp1 [label=\"b\\nupstream fake\\n5ms\", style=dashed];\n"
			 "\tp2 [label=\"a\\nfixed\\nat once\"];\n"
			 "\tp1 -> p0 [penwidth=2] [style=dashed];\n"
			 "\tp2 -> p0;\n"
			 "\tp0 -> answer [penwidth=2];\n"
			 "\trequest -> p1 [penwidth=2];\n"
			 "\trequest -> p2;\n"
			 "}\n");
}
END_TEST

Suite *
suite_plan_explain(void)
{
	Suite *s = suite_create("plan/explain");
	TCase *c = tcase_create("explain");

	tcase_add_loop_test(c, a_plan_is_read_at_a_glance, 0, sizeof(cases) / sizeof(cases[0]));
	tcase_add_loop_test(c, what_is_kept_of_a_part_is_told, 0,
			    sizeof(stashes) / sizeof(stashes[0]));
	tcase_add_test(c, a_long_fallback_is_not_shown);
	tcase_add_test(c, a_graph_has_an_arrow_for_each_wait);
	suite_add_tcase(s, c);
	return s;
}
