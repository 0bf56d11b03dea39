/*
 * The source `redirect`: where it leads to, and where no value can make it lead.
 */
#include "../../scenario/world.h"

#include <check.h>
#include <stdio.h>

Suite *suite_source_redirect(void);

static const char *const names[] = { "id", "rest" };

static struct world *
ask(const char *to, const char *id, const char *rest, const char *query, const char *authority)
{
	const char *values[] = { id, rest };
	struct world *w;
	char conf[512];

	snprintf(conf, sizeof(conf), "[route r]\nsource = redirect\nto = %s\n", to);
	w = world_open_path(conf, names, values, 2);
	w->client.x.request.query = slice_of(query);
	w->client.x.request.has_query = query[0] != '\0';
	w->client.x.request.authority = slice_of(authority);
	client_start(w);
	return w;
}

static const struct location_case {
	const char *to, *id, *rest, *query, *authority;
	const char *location; /* NULL: 502 */
} cases[] = {
	{ "/new", "", "", "", "", "/new" },
	{ "/", "", "", "a=1", "", "/" },
	{ "/new/{id}", "a b/c?d#e", "", "", "", "/new/a%20b%2Fc%3Fd%23e" },
	{ "/new/{id}?{query}", "1", "", "a=1&b=%20", "", "/new/1?a=1&b=%20" },
	{ "/new/{id}?{query}", "1", "", "", "", "/new/1" },
	{ "/new?x={query.a}", "1", "", "a=b%26c", "", "/new?x=b%26c" },
	{ "https://example.com/{id}", "1", "", "", "", "https://example.com/1" },
	{ "https://example.com", "1", "", "", "", "https://example.com" },
	{ "http://[2001:db8::1]:8080/{id}", "1", "", "", "", "http://[2001:db8::1]:8080/1" },
	{ "https://{request.host}/{id}", "1", "", "", "a.example:8080", "https://a.example/1" },
	{ "https://{request.host}:8443/", "1", "", "", "a.example", "https://a.example:8443/" },
	{ "https://{request.host}/", "1", "", "", "[::1]:80", "https://[::1]/" },
	{ "https://{request.host}/", "1", "", "", "", NULL },
	/* nobody else's host */
	{ "/{id}", "/evil.example", "", "", "", "/%2Fevil.example" },
	{ "/{id}/x", "", "", "", "", "/x" },
	{ "/{id}/{id}x", "", "", "", "", "/x" },
	{ "/{id}", "\\evil.example", "", "", "", "/%5Cevil.example" },
	{ "/{query.to}", "", "", "to=//evil.example", "", "/%2F%2Fevil.example" },
	{ "/{query.to}", "", "", "to=https://evil.example", "", "/https%3A%2F%2Fevil.example" },
	{ "/{header.x}", "", "", "", "", NULL },
	{ "https://{request.host}/", "", "", "", "good.example@evil.example", NULL },
	{ "https://{request.host}/", "", "", "", "evil.example/x", NULL },
	{ "https://{request.host}/", "", "", "", "evil.example\\x", NULL },
	/* no other line, no climbing */
	{ "/{id}", "a\r\nSet-Cookie: b", "", "", "", "/a%0D%0ASet-Cookie%3A%20b" },
	{ "/{id}?{query}", "1", "", "a\r\nb", "", NULL },
	{ "/a/{id}/b", "..", "", "", "", NULL },
};

START_TEST(a_redirect_leads_where_the_configuration_says)
{
	const struct location_case *c = &cases[_i];
	struct world *w = ask(c->to, c->id, c->rest, c->query, c->authority);

	ck_assert_int_eq(w->client.status, c->location ? 308 : 502);
	ck_assert_got_field(w, "location", c->location ? c->location : "");
	world_close(w);
}
END_TEST

START_TEST(it_has_a_status_and_a_short_text)
{
	struct world *w = world_open("[route r]\nsource = redirect\nto = /x\nstatus = 303\n");

	client_start(w);
	ck_assert_int_eq(w->client.status, 303);
	ck_assert_got(w, "See Other");
	ck_assert_got_field(w, "content-type", "text/plain");
	ck_assert_uint_eq(w->client.length, 9);
	world_close(w);
}
END_TEST

static const char *const wrong[] = {
	"to =",
	"to = //evil.example",
	"to = evil",
	"to = {query.to}",
	"to = {header.referer}",
	"to = ftp://example.com/",
	"to = javascript:alert(1)",
	"to = https://",
	"to = https:///x",
	"to = https://{query.host}/",
	"to = https://example.com{query.x}/",
	"to = https://{request.host}{query.x}/",
	"to = https://{request.host}.evil.example/",
	"to = https://user@example.com/",
	"to = https://example.com\\x",
	"to = /a b",
	"to = /../x",
	"to = /x\nstatus = 200",
	"to = /x\nstatus = 304",
};

START_TEST(a_target_that_values_could_bend_is_an_error)
{
	char conf[256];

	snprintf(conf, sizeof(conf), "[route r]\nsource = redirect\n%s\n", wrong[_i]);
	ck_assert_str_ne(world_complaint(conf), "");
}
END_TEST

START_TEST(a_redirect_cannot_be_joined)
{
	ck_assert_str_ne(
	    world_complaint("[route r]\n[subrequest r.a]\nsource = redirect\nto = /x\n"), "");
}
END_TEST

Suite *
suite_source_redirect(void)
{
	Suite *s = suite_create("source_redirect");
	TCase *t = tcase_create("redirect");

	tcase_add_loop_test(t, a_redirect_leads_where_the_configuration_says, 0,
			    sizeof(cases) / sizeof(cases[0]));
	tcase_add_test(t, it_has_a_status_and_a_short_text);
	tcase_add_loop_test(t, a_target_that_values_could_bend_is_an_error, 0,
			    sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, a_redirect_cannot_be_joined);
	suite_add_tcase(s, t);
	return s;
}
