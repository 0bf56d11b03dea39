/*
 * The guard access: which addresses a route lets in.
 */
#include "guard/guard.h"
#include "net/env.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *suite_guard_access(void);

enum { MEMORY = 1 << 20, TEXT_BYTES = 4096 };

extern const struct guard_kind guard_access;

struct bed {
	struct store store;
	struct arena site;
	struct conf *conf;
	struct conf_errors errors;
	void *state;
	const struct guard *guard;
	void *filled;
};

static void
open_bed(struct bed *b, const char *route)
{
	char text[TEXT_BYTES];
	struct guard_build build = { .arena = &b->site, .errors = &b->errors, .rest = -1 };
	struct conf_table table = { guard_access.keys, calloc(1, guard_access.conf_size) };
	struct conf_section *s;

	*b = (struct bed){ .filled = table.into };
	snprintf(text, sizeof(text), "[route r]\n%s\n", route);
	store_init(&b->store);
	arena_init(&b->site, &b->store, MEMORY);
	conf_errors_init(&b->errors);
	b->conf = conf_read(slice_of(text), "conf", &b->errors);
	s = conf_next(b->conf, "route", NULL);
	ck_assert_int_eq(conf_fill(s, &table, 1, &b->errors), 0);
	ck_assert_int_eq(guard_access.open(&b->state, NULL, &build), 0);
	b->guard = guard_access.load(b->state, table.into, s, &build);
}

static void
close_bed(struct bed *b)
{
	guard_access.close(&b->state);
	conf_errors_fini(&b->errors);
	conf_free(&b->conf);
	arena_fini(&b->site);
	store_fini(&b->store);
	free(b->filled);
}

static int refused; /* the status */

static void
on_whole(struct exchange *x, struct slice body)
{
	(void)body;
	refused = x->response.status;
}

/* The status that a client gets; 0: none, it goes on. */
static int
ask(struct bed *b, const char *host)
{
	static const struct exchange_ops ops = { .whole = on_whole };
	struct address client = { .of.any.sa_family = AF_UNIX, .len = sizeof(sa_family_t) };
	struct counters counters = { 0 };
	struct env env = { .counters = &counters };
	struct lease lease = { .env = &env };
	struct exchange x = { .ops = &ops, .store = &b->store, .client = &client };
	struct guard_asked asked = { .x = &x, .lease = &lease };
	enum guard_verdict verdict;

	if (strcmp(host, "unix") != 0)
		ck_assert_int_eq(address_parse_host(&client, slice_of(host), 80), 0);
	arena_init(&x.arena, &b->store, MEMORY);
	refused = 0;
	verdict = guard_access.check(b->guard, &asked);
	arena_fini(&x.arena);
	ck_assert_int_eq(verdict, refused ? GUARD_ENDED : GUARD_PASS);
	ck_assert_uint_eq(count_read(&counters, COUNTER_REFUSED_ACCESS), refused != 0);
	return refused;
}

static const struct {
	const char *route, *let_in, *refused;
} rows[] = {
	{ "allow = 10.0.0.0/8", "10.0.0.1 10.255.255.255 ::ffff:10.0.0.1",
	  "9.255.255.255 11.0.0.0 ::1 unix" },
	{ "deny = 10.0.0.0/8", "9.255.255.255 11.0.0.0 ::1 unix", "10.0.0.1 ::ffff:10.0.0.1" },
	{ "allow = 10.0.0.0/8, unix\ndeny = 10.1.0.0/16", "10.0.0.1 10.2.0.1 unix",
	  "10.1.0.0 10.1.255.255 192.0.2.1 ::1" },
	{ "allow = 10.1.0.0/16\ndeny = 10.0.0.0/8", "10.1.0.0", "10.2.0.0 192.0.2.1" },
	{ "allow = 10.1.2.3, 10.0.0.0/8\ndeny = 10.1.0.0/16", "10.1.2.3 10.2.0.0",
	  "10.1.2.4 192.0.2.1" },
	{ "allow = 0.0.0.0/0\ndeny = 10.0.0.0/8", "192.0.2.1", "10.0.0.1 ::1 unix" },
	{ "allow = ::/0, 0.0.0.0/0, unix", "192.0.2.1 ::1 unix", "" },
	{ "deny = ::/0, 0.0.0.0/0, unix", "", "192.0.2.1 ::1 unix" },
	{ "allow = 2001:db8::/32\ndeny = 2001:db8:1::/48",
	  "2001:db8::1 2001:db8:2::", "2001:db8:1::1 2001:db9:: 32.1.13.184" },
};

START_TEST(narrowest_network_decides)
{
	struct bed b;

	open_bed(&b, rows[_i].route);
	ck_assert_ptr_nonnull(b.guard);
	for (unsigned part = 0; part < 2; part++) {
		struct slice left = slice_of(part ? rows[_i].refused : rows[_i].let_in);

		while (left.len > 0) {
			struct slice word = slice_cut(&left, ' ');
			char host[TEXT_BYTES];

			snprintf(host, sizeof(host), "%.*s", SLICE_PRINT(word));
			ck_assert_msg(ask(&b, host) == (part ? 403 : 0), "%s of %s", host,
				      rows[_i].route);
		}
	}
	close_bed(&b);
}
END_TEST

static const struct {
	const char *route, *said;
	unsigned errors;
} complaints[] = {
	{ "", "", 0 },
	{ "allow =\ndeny =", "", 0 },
	{ "allow = 10.0.0.1/8",
	  "conf:2: warning: [route r] allow: 10.0.0.1/8 is 10.0.0.0/8: bits behind the length do "
	  "not "
	  "count\n",
	  0 },
	{ "allow = 10.0.0.0/8\ndeny = nobody",
	  "conf:3: [route r] deny: \"nobody\" is no network such as 10.0.0.0/8, 192.0.2.1, "
	  "2001:db8::/32 or unix\n",
	  1 },
	{ "allow = 10.0.0.0/8, ::1\ndeny = ::1/128",
	  "conf:3: [route r] deny: ::1/128 stands in two lists that contradict each other\n", 1 },
};

START_TEST(nonsense_is_said)
{
	char text[TEXT_BYTES];
	struct writer w = writer_over(text, sizeof(text) - 1);
	struct bed b;

	open_bed(&b, complaints[_i].route);
	conf_errors_write(&b.errors, &w);
	text[w.len] = '\0';
	ck_assert_str_eq(text, complaints[_i].said);
	ck_assert_uint_eq(b.errors.errors, complaints[_i].errors);
	close_bed(&b);
}
END_TEST

Suite *
suite_guard_access(void)
{
	Suite *s = suite_create("guard/access");
	TCase *t = tcase_create("access");

	tcase_add_loop_test(t, narrowest_network_decides, 0, sizeof(rows) / sizeof(rows[0]));
	tcase_add_loop_test(t, nonsense_is_said, 0, sizeof(complaints) / sizeof(complaints[0]));
	suite_add_tcase(s, t);
	return s;
}
