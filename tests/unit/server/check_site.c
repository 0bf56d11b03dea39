/*
 * A whole site from text, built and freed with memory running out at every
 * allocation in turn: it is either complete, or an error says why.
 */
#include "base/mem.h"
#include "server/site.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *suite_server_site(void);

enum { ROUTES = 7, PARTS = 9, POOLS = 4, SHIFTS = 8, SHIFT = 300 };

static const char text[] =
    "[server]\nworkers = 3\ngrace = 7s\nmax_connections = 99\n"
    "[admin]\nsocket = s\n"
    "[log]\nlevel = warning\n"
    "[access_log]\npath = access.log\nformat = combined\n"
    "[listen a]\naddress = 127.0.0.1:80\nbacklog = 7\n"
    "[listen b]\naddress = unix:/tmp/b\nhalf_close = allow\n"
    "[limits]\nmax_body = 7k\n"
    "[pool compute]\nthreads = 1\nmax_queue = 5\n"
    "[pool blocking]\nthreads = 1\n"
    "[pool own]\nthreads = 1\n"
    "[database shop]\nurl = sqlite:db\nconnections = 1\n"
    "[upstream u]\nservers = http://127.0.0.1:1, http://127.0.0.1:2\n"
    "[route fixed]\nmatch = GET /fixed/{id}\nhost = a.example\nsource = fixed\n"
    "body = {id} {query.x} %s\ntype = text/plain\n"
    "[route file]\nmatch = GET /files/{path...}\nsource = file\nroot = /tmp\n"
    "[route echo]\nmatch = POST /echo\nsource = echo\n"
    "[route own]\nmatch = GET /own\nsource = compute pbkdf2\npool = own\nsalt = s\n"
    "[route rows]\nmatch = GET /rows/{id}\nsource = sql shop\nquery = SELECT :id AS id\n"
    "[route pass]\nmatch = * /pass/{path...}\nsource = upstream u\n"
    "[route plan]\nmatch = GET /plan/{id}\njoin = object\nreport = header\n"
    "[subrequest plan.a]\nsource = upstream u\npath = /{id}\n"
    "[subrequest plan.b]\nsource = compute digest\ninput = {a.x}{header.y}\n"
    "[subrequest plan.c]\nsource = fixed\nbody = {id}\noptional = yes\nfallback = []\n";

static char dir[] = "/tmp/check_site_XXXXXX";
static char path[sizeof(dir) + 16], database[sizeof(dir) + 16];

static void
write_file(const char *name, const char *bytes, size_t len)
{
	FILE *file = fopen(name, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, len, file), len);
	ck_assert_int_eq(fclose(file), 0);
}

/* With a text that is longer by so much: other pieces are the last ones of their pages. */
static void
write_text(unsigned more)
{
	static char whole[sizeof(text) + SHIFTS * SHIFT];
	static char pad[SHIFTS * SHIFT];

	memset(pad, 'x', sizeof(pad));
	pad[more] = '\0';
	snprintf(whole, sizeof(whole), text, pad);
	write_file(path, whole, strlen(whole));
}

static void
set_up(void)
{
	memcpy(dir + sizeof(dir) - 7, "XXXXXX", 6);
	ck_assert_ptr_nonnull(mkdtemp(dir));
	snprintf(path, sizeof(path), "%s/conf", dir);
	snprintf(database, sizeof(database), "%s/db", dir);
	write_text(0);
	write_file(database, "", 0);
}

static void
tear_down(void)
{
	unlink(path);
	unlink(database);
	ck_assert_int_eq(rmdir(dir), 0);
}

static void
print_errors(const struct conf_errors *e)
{
	for (size_t i = 0; i < e->count; i++)
		fprintf(stderr, "%s\n", e->list[i].text);
}

static void
expect_complete(const struct site *s, unsigned long n)
{
	ck_assert_msg(s->workers == 3 && s->grace_ns == UINT64_C(7000000000) &&
			  s->max_connections == 99,
		      "[server], n = %lu", n);
	ck_assert_msg(s->admin_socket.len > 0, "[admin], n = %lu", n);
	ck_assert_msg(s->access_format != NULL, "[access_log], n = %lu", n);
	ck_assert_msg(s->listener_count == 2 && s->listeners[0].backlog == 7 &&
			  s->listeners[1].allows_half_close,
		      "[listen], n = %lu", n);
	ck_assert_msg(s->limits.max_body == 7 * 1024, "[limits], n = %lu", n);
	ck_assert_msg(s->route_count == ROUTES, "%u routes, n = %lu", s->route_count, n);
	ck_assert_msg(s->part_count == PARTS, "%u parts, n = %lu", s->part_count, n);
	ck_assert_msg(s->pools.count == POOLS, "%u pools, n = %lu", s->pools.count, n);
	ck_assert_msg(s->source_count == s->source_cap, "%u sources, n = %lu", s->source_count, n);
	for (unsigned i = 0; i < s->part_count; i++)
		ck_assert_msg(s->parts[i] && s->part_ledgers[i], "part %u, n = %lu", i, n);
	for (unsigned i = 0; i <= s->route_count; i++)
		ck_assert_msg(s->route_ledgers[i] != NULL, "ledger %u, n = %lu", i, n);
}

static unsigned long allocations; /* of the last build */

/* NULL: an error says why there is none. */
static struct site *
build(const struct site *prior, unsigned long n, bool onward)
{
	struct conf_errors errors;
	struct site *site;
	int err = ERR_MEMORY;

	conf_errors_init(&errors);
	mem_fail_at(n, onward);
	site = site_open(path, &errors);
	if (site)
		err = site_complete(site, prior, &errors);
	allocations = mem_count();
	mem_fail_at(0, false);
	if (err || errors.errors)
		site_free(&site);
	if (n == 0 && !site)
		print_errors(&errors);
	conf_errors_fini(&errors);
	return site;
}

static void
build_with_ever_more_memory(const struct site *prior, bool onward)
{
	unsigned long n = 0;
	struct site *site;

	do {
		site = build(prior, ++n, onward);
		/* What was read of the machine alone is not missed. */
		if (site)
			expect_complete(site, n);
		else
			ck_assert_uint_ge(allocations, n);
		site_free(&site);
	} while (allocations >= n);
	ck_assert_uint_gt(n, 20);
}

START_TEST(a_site_is_what_its_text_says)
{
	struct site *site = build(NULL, 0, false);

	ck_assert_ptr_nonnull(site);
	expect_complete(site, 0);
	site_free(&site);
}
END_TEST

START_TEST(without_memory_there_is_no_half_site)
{
	for (unsigned i = 0; i < SHIFTS; i++) {
		write_text(i * SHIFT);
		build_with_ever_more_memory(NULL, false);
		build_with_ever_more_memory(NULL, true);
	}
}
END_TEST

START_TEST(what_the_next_site_has_too_is_shared)
{
	struct site *prior = build(NULL, 0, false), *next = build(prior, 0, false);

	ck_assert_ptr_nonnull(next);
	for (unsigned i = 0; i < POOLS; i++) {
		ck_assert_ptr_eq(next->pools.at[i].pool, prior->pools.at[i].pool);
		ck_assert(next->pools.at[i].is_shared);
	}
	for (unsigned i = 0; i <= ROUTES; i++)
		ck_assert_ptr_eq(next->route_ledgers[i], prior->route_ledgers[i]);
	for (unsigned i = 0; i < PARTS; i++)
		ck_assert_ptr_eq(next->part_ledgers[i], prior->part_ledgers[i]);
	site_free(&prior);
	expect_complete(next, 0);
	site_free(&next);
}
END_TEST

START_TEST(and_stays_whole_when_the_next_one_cannot_be_had)
{
	struct site *prior = build(NULL, 0, false);

	build_with_ever_more_memory(prior, false);
	build_with_ever_more_memory(prior, true);
	expect_complete(prior, 0);
	site_free(&prior);
}
END_TEST

Suite *
suite_server_site(void)
{
	Suite *s = suite_create("server/site");
	TCase *t = tcase_create("site");

	suite_add_tcase(s, t);
	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, a_site_is_what_its_text_says);
	tcase_add_test(t, without_memory_there_is_no_half_site);
	tcase_add_test(t, what_the_next_site_has_too_is_shared);
	tcase_add_test(t, and_stays_whole_when_the_next_one_cannot_be_had);
	return s;
}
