/*
 * What is answered about a file: conditions and ranges, from memory, by
 * sendfile and through the pool alike; and which sibling is sent.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "file_bed.h"

#include <stdio.h>

Suite *suite_source_file_reply(void);

static struct field request_field[2];

static void
say(enum field_id id, const char *value)
{
	asked.request.fields.at = request_field;
	asked.request.fields.cap = 2;
	ck_assert_int_eq(fields_add(&asked.request.fields, id, slice_of(value)), 0);
}

static int
get(const char *path, enum field_id id, const char *value)
{
	ask("GET", path, "");
	say(id, value);
	start();
	await_done();
	ck_assert_int_eq(asked.err, 0);
	ck_assert_uint_eq(asked.heads, 1);
	return asked.q.response.status;
}

static bool
has(enum field_id id, const char *value)
{
	return slice_eq(field(id), slice_of(value));
}

/* _i in all: bit 0 through the pool, bit 1 with a cache. */
static void
load_way(int way, const char *more)
{
	char keys[256];

	snprintf(keys, sizeof(keys), "%s%s", way & 2 ? "open_files = 8\n" : "", more);
	load_tree(keys, true);
	file_conf.is_cold = way & 1;
}

START_TEST(one_range_is_cut_out)
{
	load_way(_i, "");
	ck_assert_int_eq(get("/small", FIELD_RANGE, "bytes=6-9"), 206);
	ck_assert_str_eq(text, "file");
	ck_assert(has(FIELD_CONTENT_RANGE, "bytes 6-9/11"));
	end();
	ck_assert_int_eq(get("/small", FIELD_RANGE, "bytes=-5"), 206);
	ck_assert_str_eq(text, "file\n");
	end();
	ck_assert_int_eq(get("/small", FIELD_RANGE, "bytes=11-"), 416);
	ck_assert(has(FIELD_CONTENT_RANGE, "bytes */11"));
	end();
	ck_assert_int_eq(get("/empty", FIELD_RANGE, "bytes=0-"), 200);
	end();
}
END_TEST

/* The body as it must be, with the boundary that the head says. */
START_TEST(several_ranges_are_parts)
{
	char expected[1024];
	struct slice type, boundary;

	load_way(_i, "type = text/x");
	tree_add(&tree, "wide", 40000);
	ck_assert_int_eq(get("/wide", FIELD_RANGE, "bytes=39999-,0-0"), 206);
	type = field(FIELD_CONTENT_TYPE);
	ck_assert(slice_has_prefix(type, SLICE("multipart/byteranges; boundary=")));
	boundary = slice_after(type, sizeof("multipart/byteranges; boundary=") - 1);
	snprintf(expected, sizeof(expected),
		 "--%.*s\r\nContent-Type: text/x\r\nContent-Range: bytes 39999-39999/40000\r\n\r\n"
		 "%c\r\n--%.*s\r\nContent-Type: text/x\r\nContent-Range: bytes 0-0/40000\r\n\r\n"
		 "%c\r\n--%.*s--\r\n",
		 SLICE_PRINT(boundary), tree_byte(39999), SLICE_PRINT(boundary), 'Z',
		 SLICE_PRINT(boundary));
	*strchr(strstr(expected, "0-0/40000\r\n\r\nZ"), 'Z') = tree_byte(0);
	ck_assert_uint_eq(asked.q.response.content_length, asked.got);
	ck_assert_int_eq(memcmp(text, expected, asked.got), 0);
	end();
}
END_TEST

START_TEST(a_client_that_has_it_gets_304)
{
	char etag[64];

	load_way(_i, "cache_control = no-cache");
	ck_assert_int_eq(get("/small", FIELD_IF_NONE_MATCH, "\"x\""), 200);
	snprintf(etag, sizeof(etag), "%.*s", SLICE_PRINT(field(FIELD_ETAG)));
	end();
	ck_assert_int_eq(get("/small", FIELD_IF_NONE_MATCH, etag), 304);
	ck_assert(has(FIELD_ETAG, etag));
	ck_assert(has(FIELD_CACHE_CONTROL, "no-cache"));
	ck_assert_uint_eq(asked.q.response.fields.count, 2);
	ck_assert_uint_eq(asked.got, 0);
	end();
	ck_assert_int_eq(get("/small", FIELD_IF_MATCH, "\"x\""), 412);
	ck_assert_str_eq(text, "Precondition Failed");
	end();
}
END_TEST

START_TEST(a_sibling_is_sent_to_who_likes_it_better)
{
	load_way(_i, "precompressed = gzip, zstd, br");
	tree_add(&tree, "small.br", 20);
	tree_add(&tree, "small.gz", 10);
	ck_assert_int_eq(get("/small", FIELD_ACCEPT_ENCODING, "gzip, br"), 200);
	ck_assert_uint_eq(asked.got, 20);
	ck_assert(has(FIELD_CONTENT_ENCODING, "br"));
	ck_assert(has(FIELD_VARY, "Accept-Encoding"));
	end();
	ck_assert_int_eq(get("/small", FIELD_ACCEPT_ENCODING, "zstd, gzip;q=0.5"), 200);
	ck_assert_uint_eq(asked.got, 10);
	end();
	ck_assert_int_eq(get("/small", FIELD_ACCEPT_ENCODING, "zstd"), 200);
	ck_assert_str_eq(text, "small file\n");
	ck_assert(has(FIELD_CONTENT_ENCODING, ""));
	ck_assert(has(FIELD_VARY, "Accept-Encoding"));
	end();
	ck_assert_int_eq(get("/missing", FIELD_ACCEPT_ENCODING, "br"), 404);
	end();
}
END_TEST

START_TEST(a_joined_part_knows_neither_conditions_nor_codings)
{
	load_tree("path = {x}\nprecompressed = br", false);
	tree_add(&tree, "small.br", 20);
	ask("GET", "/", "small");
	say(FIELD_RANGE, "bytes=0-0");
	say(FIELD_ACCEPT_ENCODING, "br");
	start();
	await_done();
	ck_assert_int_eq(asked.q.response.status, 200);
	ck_assert_str_eq(text, "small file\n");
	end();
}
END_TEST

START_TEST(want_of_memory_fails_the_part_alone)
{
	bool was_complete = false;

	load_way(_i, "");
	tree_add(&tree, "wide", 40000);
	for (unsigned long n = 1; !was_complete; n++) {
		ck_assert_uint_lt(n, 200);
		store_fini(&env.store);
		store_init(&env.store);
		ask("GET", "/wide", "");
		say(FIELD_RANGE, "bytes=0-9,2000-2009");
		mem_fail_at(n, false);
		start();
		await_done();
		was_complete = mem_count() < n;
		mem_fail_at(0, false);
		ck_assert_uint_eq(asked.dones, 1);
		ck_assert(asked.err || asked.got == asked.q.response.content_length);
		end();
		ck_assert_uint_eq(env.store.out, 0);
	}
}
END_TEST

Suite *
suite_source_file_reply(void)
{
	Suite *s = suite_create("source/file_reply");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, bed_setup, bed_teardown);
	tcase_add_loop_test(t, one_range_is_cut_out, 0, 4);
	tcase_add_loop_test(t, several_ranges_are_parts, 0, 4);
	tcase_add_loop_test(t, a_client_that_has_it_gets_304, 0, 4);
	tcase_add_loop_test(t, a_sibling_is_sent_to_who_likes_it_better, 0, 4);
	tcase_add_test(t, a_joined_part_knows_neither_conditions_nor_codings);
	tcase_add_loop_test(t, want_of_memory_fails_the_part_alone, 0, 4);
	suite_add_tcase(s, t);
	return s;
}
