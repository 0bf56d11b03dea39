/*
 * The keys of an upstream and of its parts: what is refused, and in which words.
 */
#include "upstream_bed.h"

#include <check.h>

Suite *suite_source_upstream(void);

#define SERVER "servers = http://127.0.0.1:1\n"

static const struct complaint {
	const char *section, *part;
	int kind;
	const char *said; /* all of it */
} complaints[] = {
	{ SERVER, "", BED_JOINED, "" },
	{ SERVER,
	  "path = /a/{id}\nquery = b={c}&d\nmethod = PATCH\nbody = {body}\n"
	  "forward = cookie\nheader.x = {id}\nhost = client",
	  BED_JOINED, "" },
	{ SERVER "max_connections = 0", "", BED_JOINED, "f:3: [upstream u] max_connections: " },
	{ SERVER "retries = 1", "", BED_JOINED, "f:3: [upstream u] retries: " },
	{ "connect_timeout = 1s", "", BED_JOINED, "f:1: [upstream u] servers: " },
	{ SERVER, "path = a", BED_JOINED, "f:5: [route u] path: path starts with /" },
	{ SERVER, "path = /a?b", BED_JOINED, "f:5: [route u] path: path starts with /" },
	{ SERVER, "path = /a b", BED_JOINED, "f:5: [route u] path: path starts with /" },
	{ SERVER, "query = a#b", BED_JOINED, "f:5: [route u] query: query holds no blank" },
	{ SERVER, "method = CONNECT", BED_JOINED, "f:5: [route u] method: method is the name" },
	{ SERVER, "method = A B", BED_JOINED, "f:5: [route u] method: method is the name" },
	{ SERVER, "forward = cookie", BED_PASSED, "f:5: [route u] forward: forward is for joined" },
	{ SERVER, "forward = transfer-encoding", BED_JOINED,
	  "f:5: [route u] forward: \"transfer-encoding\" is a field that each connection" },
	{ SERVER, "forward = host", BED_JOINED, "f:5: [route u] forward: \"host\" is set by" },
	{ SERVER, "header.content-length = 1", BED_JOINED,
	  "f:5: [route u] header.content-length: \"content-length\" is a field that each" },
	{ SERVER, "host = mine", BED_JOINED, "f:5: [route u] host: " },
};

enum { COMPLAINTS = sizeof(complaints) / sizeof(complaints[0]) };

START_TEST(a_wrong_key_is_named_with_its_line)
{
	const struct complaint *c = &complaints[_i];
	const char *said = bed_complaint(c->section, c->part, c->kind);

	ck_assert_msg(strncmp(said, c->said, strlen(c->said)) == 0, "not \"%s\" but \"%s\"",
		      c->said, said);
	ck_assert_msg(*c->said || !*said, "\"%s\"", said);
}
END_TEST

Suite *
suite_source_upstream(void)
{
	Suite *s = suite_create("source_upstream");
	TCase *t = tcase_create("keys");

	tcase_add_loop_test(t, a_wrong_key_is_named_with_its_line, 0, COMPLAINTS);
	suite_add_tcase(s, t);
	return s;
}
