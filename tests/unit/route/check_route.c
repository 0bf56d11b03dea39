/*
 * Routes from sections: what is said about bad ones and conflicts, and what
 * `forebayd --match` answers.
 */
#include "base/arena.h"
#include "route/route.h"

#include <check.h>
#include <stdio.h>

Suite *suite_route_route(void);

enum { ROUTES = 16 };

static struct store store;
static struct arena arena;
static struct conf *conf;
static struct conf_errors errors;
static struct router *router;
static struct route route[ROUTES];
static char text[4096];

static void
setup(void)
{
	store_init(&store);
	arena_init(&arena, &store, 1 << 20);
	conf_errors_init(&errors);
	router = router_new(&arena);
}

static void
teardown(void)
{
	conf_free(&conf);
	conf_errors_fini(&errors);
	arena_fini(&arena);
	store_fini(&store);
}

static void
load(const char *ini)
{
	struct conf_section *s = NULL;
	struct route_conf values;
	struct conf_table tables[] = { { route_keys, &values } };
	unsigned i = 0;

	conf = conf_read(slice_of(ini), "t.conf", &errors);
	ck_assert_ptr_nonnull(conf);
	while ((s = conf_next(conf, "route", s)) != NULL) {
		if (conf_fill(s, tables, 1, &errors) == 0 &&
		    route_init(&route[i], s, &values, 1000, &arena, &errors) == 0 &&
		    route_add(router, &route[i], &errors) == 0)
			i++;
	}
	ck_assert_int_eq(router_finish(router), 0);
}

static const char *
messages(void)
{
	struct writer w = writer_over(text, sizeof(text) - 1);

	conf_errors_write(&errors, &w);
	text[w.len] = '\0';
	return text;
}

static const char *
explain(const char *request, int err)
{
	struct writer w = writer_over(text, sizeof(text) - 1);
	int got = route_explain(router, slice_of(request), &arena, &w);

	text[w.len] = '\0';
	ck_assert_msg(got == err, "%s: %s", request, err_text(got));
	return text;
}

START_TEST(a_route_has_its_own_ceiling_or_that_of_all)
{
	load("[route a]\nmatch = GET /a\n[route b]\nmatch = GET /b\nmax_body = 2k\n"
	     "[route c]\nmatch = GET /c\nmax_body = 0\n");
	ck_assert_str_eq(messages(), "");
	ck_assert_uint_eq(route[0].max_body, 1000);
	ck_assert_uint_eq(route[1].max_body, 2048);
	ck_assert_uint_eq(route[2].max_body, 0);
	ck_assert(slice_eq(route[1].name, SLICE("b")));
}
END_TEST

START_TEST(every_bad_route_is_told_with_its_line)
{
	load("[route a]\nmatch = GET hello\n"
	     "[route b]\nmatch = GET /b\nhost = b:80\n"
	     "[route c]\nmatch = GET /{c}/{c}\nhost = *\n"
	     "[route d]\nhost = d.org\n");
	ck_assert_str_eq(
	    messages(),
	    "t.conf:2: [route a] match: \"GET hello\" has no path that starts with /\n"
	    "t.conf:5: [route b] host: \"b:80\" has a port; hosts are compared without it\n"
	    "t.conf:7: [route c] match: \"{c}\" names a parameter twice\n"
	    "t.conf:8: [route c] host: \"*\" is not a host name, nor *.example.com\n"
	    "t.conf:9: [route d] match: this key is required\n");
}
END_TEST

START_TEST(a_conflict_names_both_places)
{
	load("[route a]\nmatch = GET /x/{id}\n\n[route b]\nmatch = GET|POST /x/{name}\n");
	ck_assert_str_eq(messages(), "t.conf:5: [route b] match: takes the same requests as "
				     "[route a] at t.conf:2: one of them never gets any\n");
}
END_TEST

START_TEST(explain_names_the_winner_and_its_captures)
{
	load("[route a]\nmatch = GET /x/{id}/{rest...}\n"
	     "[route b]\nmatch = POST /x\nhost = *.b.org\n");
	ck_assert_str_eq(explain("GET /a/../x/1%2F2/3/4?q=/", 0),
			 "[route a] at t.conf:2: GET /x/{id}/{rest...}\n"
			 "  id = 1/2\n"
			 "  rest = 3/4\n");
	ck_assert_str_eq(explain("POST http://www.B.org:80/x", 0),
			 "[route b] at t.conf:4: POST /x host *.b.org\n");
	ck_assert_str_eq(explain("GET http://www.b.org/x", ERR_UNSUPPORTED),
			 "no route: 405, the path is there for POST only\n");
	ck_assert_str_eq(explain("GET /", ERR_NOT_FOUND),
			 "no route: 404, no route has such a path\n");
	ck_assert_str_eq(explain("GET http://a.org?x", ERR_NOT_FOUND),
			 "no route: 404, no route has such a path\n");
	ck_assert_str_eq(explain("GET /%zz", ERR_SYNTAX),
			 "/%zz is not a path: such a request is refused with 400\n");
	ck_assert_str_eq(explain("GET *", ERR_SYNTAX),
			 "* is not a path: such a request is refused with 400\n");
	ck_assert_str_eq(explain("OPTIONS *", ERR_SYNTAX),
			 "no route: 204, the server itself answers OPTIONS *\n");
	ck_assert_str_eq(explain("/x", ERR_SYNTAX),
			 "not a request: write it as 'GET /path' or 'GET http://host/path'\n");
}
END_TEST

Suite *
suite_route_route(void)
{
	Suite *s = suite_create("route/route");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_add_test(t, a_route_has_its_own_ceiling_or_that_of_all);
	tcase_add_test(t, every_bad_route_is_told_with_its_line);
	tcase_add_test(t, a_conflict_names_both_places);
	tcase_add_test(t, explain_names_the_winner_and_its_captures);
	suite_add_tcase(s, t);
	return s;
}
