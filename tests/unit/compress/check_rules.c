/*
 * Whether a response is compressed, and what its head says then.
 */
#include "compress/rules.h"

#include "compress/encoder.h"

#include <check.h>

Suite *suite_compress_rules(void);

static struct store store;
static struct exchange x;
static struct conf_errors errors;
static struct conf *conf;
static struct compress_rules rules;

static void
load(const char *section)
{
	const struct conf_table table = { compress_keys, &rules.conf };
	struct conf_section *s;

	conf_errors_init(&errors);
	conf = conf_read(slice_of(section), "test.conf", &errors);
	ck_assert_ptr_nonnull(conf);
	s = conf_need(conf, "compression", "");
	ck_assert_ptr_nonnull(s);
	if (conf_fill(s, &table, 1, &errors) == 0)
		compress_rules_check(&rules, s, &errors);
}

static void
unload(void)
{
	conf_free(&conf);
	conf_errors_fini(&errors);
}

static void
setup(void)
{
	store_init(&store);
	rules = (struct compress_rules){ 0 };
	load("[compression]\n");
	ck_assert_uint_eq(errors.errors, 0);
	/* As in a build that has all. */
	rules.coding[0] = CODING_ZSTD;
	rules.coding[1] = CODING_BR;
	rules.coding[2] = CODING_GZIP;
	rules.codings = 3;
}

static void
teardown(void)
{
	unload();
	store_fini(&store);
}

static struct field request_at[4];

/* A request and a response; fields as "name: value" lines. */
static void
begin(const char *accept, int status, const char *fields)
{
	struct slice rest = slice_of(fields);

	x = (struct exchange){ .store = &store };
	arena_init(&x.arena, &store, 1 << 16);
	x.request.method = METHOD_GET;
	x.request.fields = (struct fields){ .at = request_at, .cap = 4 };
	if (accept)
		ck_assert_int_eq(
		    fields_add(&x.request.fields, FIELD_ACCEPT_ENCODING, slice_of(accept)), 0);
	x.response.status = status;
	x.response.framing = BODY_LENGTH;
	x.response.content_length = 100000;
	while (rest.len > 0) {
		struct slice line = slice_cut(&rest, '\n'), name = slice_cut(&line, ':');

		ck_assert_int_eq(exchange_add_field_name(&x, name, slice_trim(line)), 0);
	}
}

static void
end(void)
{
	arena_fini(&x.arena);
}

#define HTML "Content-Type: text/html; charset=utf-8\n"

START_TEST(what_is_compressed_and_why_not)
{
	static const struct {
		const char *accept;
		int status;
		const char *fields;
		enum coding coding;
		enum compress_refusal why;
	} rows[] = {
		{ "gzip", 200, HTML, CODING_GZIP, COMPRESS_NOT_REFUSED },
		{ "gzip, br, zstd", 200, HTML, CODING_ZSTD, COMPRESS_NOT_REFUSED },
		{ "gzip;q=1, br;q=0.9", 200, HTML, CODING_GZIP, COMPRESS_NOT_REFUSED },
		{ "gzip", 404, HTML, CODING_GZIP, COMPRESS_NOT_REFUSED },
		{ "gzip", 206, HTML "Content-Range: bytes 0-9/20\n", 0, COMPRESS_STATUS },
		{ "gzip", 204, HTML, 0, COMPRESS_STATUS },
		{ "gzip", 304, HTML, 0, COMPRESS_STATUS },
		{ "gzip", 416, HTML "Content-Range: bytes */20\n", 0, COMPRESS_CODED },
		{ "gzip", 200, HTML "Content-Encoding: br\n", 0, COMPRESS_CODED },
		{ "gzip", 200, HTML "Content-Encoding: gzip\n", 0, COMPRESS_CODED },
		{ "gzip", 200, HTML "Content-Encoding: identity\n", CODING_GZIP,
		  COMPRESS_NOT_REFUSED },
		{ "gzip", 200, HTML "Cache-Control: public, No-Transform\n", 0,
		  COMPRESS_FORBIDDEN },
		{ "gzip", 200, HTML "Cache-Control: public\n", CODING_GZIP, COMPRESS_NOT_REFUSED },
		{ "gzip", 200, HTML "Repr-Digest: sha-256=:AA==:\n", 0, COMPRESS_FORBIDDEN },
		{ "gzip", 200, HTML "content-md5: AA==\n", 0, COMPRESS_FORBIDDEN },
		{ "gzip", 200, "", 0, COMPRESS_TYPE },
		{ "gzip", 200, "Content-Type: \n", 0, COMPRESS_TYPE },
		{ "gzip", 200, "Content-Type: image/png\n", 0, COMPRESS_TYPE },
		{ "gzip", 200, "Content-Type: application/zip\n", 0, COMPRESS_TYPE },
		{ "gzip", 200, "Content-Type: TEXT/Plain\n", CODING_GZIP, COMPRESS_NOT_REFUSED },
		{ "gzip", 200, "Content-Type: text/event-stream\n", CODING_GZIP,
		  COMPRESS_NOT_REFUSED },
		{ "gzip", 200, "Content-Type: application/ld+json\n", CODING_GZIP,
		  COMPRESS_NOT_REFUSED },
		{ "gzip", 200, "Content-Type: application/+json\n", CODING_GZIP,
		  COMPRESS_NOT_REFUSED },
		{ "gzip", 200, "Content-Type: application/json ;q=x\n", CODING_GZIP,
		  COMPRESS_NOT_REFUSED },
		{ "gzip", 200, "Content-Type: application/jsonp\n", 0, COMPRESS_TYPE },
		{ "gzip", 200, "Content-Type: text\n", 0, COMPRESS_TYPE },
		{ "", 200, HTML, 0, COMPRESS_ACCEPT },
		{ NULL, 200, HTML, 0, COMPRESS_ACCEPT },
		{ "deflate", 200, HTML, 0, COMPRESS_ACCEPT },
		{ "gzip;q=0", 200, HTML, 0, COMPRESS_ACCEPT },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum compress_refusal why;
		enum coding c;

		begin(rows[i].accept, rows[i].status, rows[i].fields);
		c = compress_choose(&rules, &x.request, &x.response, &why);
		ck_assert_msg(c == rows[i].coding && why == rows[i].why,
			      "row %zu: coding %d, why %d", i, (int)c, (int)why);
		end();
	}
}
END_TEST

START_TEST(what_is_known_to_be_short_is_not_worth_it)
{
	static const struct {
		enum method method;
		enum body_framing framing;
		uint64_t length;
		enum compress_refusal why;
	} rows[] = {
		{ METHOD_GET, BODY_LENGTH, 1023, COMPRESS_SMALL },
		{ METHOD_GET, BODY_LENGTH, 1024, COMPRESS_NOT_REFUSED },
		{ METHOD_GET, BODY_LENGTH, 0, COMPRESS_SMALL },
		{ METHOD_GET, BODY_CHUNKED, 0, COMPRESS_NOT_REFUSED },
		{ METHOD_GET, BODY_UNTIL_CLOSE, 0, COMPRESS_NOT_REFUSED },
		{ METHOD_GET, BODY_NONE, 0, COMPRESS_STATUS },
		{ METHOD_HEAD, BODY_LENGTH, 1023, COMPRESS_SMALL },
		{ METHOD_HEAD, BODY_LENGTH, 1024, COMPRESS_NOT_REFUSED },
		{ METHOD_HEAD, BODY_NONE, 0, COMPRESS_NOT_REFUSED },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		enum compress_refusal why;

		begin("gzip", 200, HTML);
		x.request.method = rows[i].method;
		x.response.framing = rows[i].framing;
		x.response.content_length = rows[i].length;
		(void)compress_choose(&rules, &x.request, &x.response, &why);
		ck_assert_msg(why == rows[i].why, "row %zu: %d", i, (int)why);
		end();
	}
	rules.conf.min_bytes = 0;
	begin("gzip", 200, HTML);
	x.response.content_length = 0;
	{
		enum compress_refusal why;

		(void)compress_choose(&rules, &x.request, &x.response, &why);
		ck_assert_int_eq(why, COMPRESS_SMALL); /* nothing is not worth it either */
	}
	end();
}
END_TEST

/* The fields after the edit, as lines. */
static const char *
edited(enum coding c)
{
	static char text[512];
	struct writer w = writer_over(text, sizeof(text) - 1);

	ck_assert_int_eq(compress_edit_head(&rules, &x, c), 0);
	for (unsigned i = 0; i < x.response.fields.count; i++) {
		writer_format(&w, "%.*s: %.*s\n", SLICE_PRINT(x.response.fields.at[i].name),
			      SLICE_PRINT(x.response.fields.at[i].value));
	}
	ck_assert(!w.is_full);
	text[w.len] = '\0';
	return text;
}

START_TEST(the_head_says_what_was_done)
{
	static const struct {
		int status;
		const char *fields;
		enum coding coding;
		const char *expected;
	} rows[] = {
		{ 200, "A: 1\nETag: \"x\"\nAccept-Ranges: bytes\nContent-Length: 5\n", CODING_BR,
		  "A: 1\nETag: W/\"x\"\ncontent-encoding: br\nvary: Accept-Encoding\n" },
		{ 200, "ETag: W/\"x\"\n", CODING_GZIP,
		  "ETag: W/\"x\"\ncontent-encoding: gzip\nvary: Accept-Encoding\n" },
		{ 200, "ETag: \n", CODING_GZIP,
		  "ETag: \ncontent-encoding: gzip\nvary: Accept-Encoding\n" },
		{ 200, "ETag: \"x\"\nAccept-Ranges: bytes\n", CODING_IDENTITY,
		  "ETag: \"x\"\nAccept-Ranges: bytes\nvary: Accept-Encoding\n" },
		{ 200, "Vary: Origin\n", CODING_ZSTD,
		  "Vary: Origin\ncontent-encoding: zstd\nvary: Accept-Encoding\n" },
		{ 200, "Vary: Origin, accept-encoding\n", CODING_ZSTD,
		  "Vary: Origin, accept-encoding\ncontent-encoding: zstd\n" },
		{ 200, "Vary: *\n", CODING_IDENTITY, "Vary: *\n" },
		{ 200, "Content-Encoding: identity\n", CODING_GZIP,
		  "content-encoding: gzip\nvary: Accept-Encoding\n" },
		{ 304, "ETag: \"x\"\n", CODING_IDENTITY, "ETag: W/\"x\"\nvary: Accept-Encoding\n" },
		{ 206, "ETag: \"x\"\n", CODING_IDENTITY, "ETag: \"x\"\nvary: Accept-Encoding\n" },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		begin("gzip", rows[i].status, rows[i].fields);
		x.prepared = SLICE("stale");
		ck_assert_msg(
		    slice_eq(slice_of(edited(rows[i].coding)), slice_of(rows[i].expected)),
		    "row %zu: %s", i, edited(rows[i].coding));
		ck_assert(x.prepared.len == 0 ||
			  slice_eq(slice_of(rows[i].fields), slice_of(rows[i].expected)));
		end();
	}
}
END_TEST

START_TEST(a_304_for_who_takes_no_coding_keeps_its_tag)
{
	begin(NULL, 304, "ETag: \"x\"\n");
	ck_assert_str_eq(edited(CODING_IDENTITY), "ETag: \"x\"\nvary: Accept-Encoding\n");
	end();
}
END_TEST

START_TEST(the_fields_of_the_source_are_not_touched)
{
	static struct field constant[] = { { SLICE_INIT("etag"), SLICE_INIT("\"x\""),
					     FIELD_ETAG } };

	begin("gzip", 200, "");
	x.response.fields = (struct fields){ .at = constant, .count = 1, .cap = 1 };
	(void)edited(CODING_GZIP);
	ck_assert(x.response.fields.at != constant);
	ck_assert(slice_eq(constant[0].value, SLICE("\"x\"")));
	end();
}
END_TEST

START_TEST(wrong_codings_and_types_are_told)
{
	static const char *const sections[] = {
		"[compression]\ncodings = deflate\n",      "[compression]\ncodings = identity\n",
		"[compression]\ncodings = gzip, x-gzip\n", "[compression]\ntypes = text\n",
		"[compression]\ngzip_level = 10\n",        "[compression]\nzstd_level = 0\n",
		"[compression]\nbr_level = 7\n",           "[compression]\nmax_streams = 0\n",
	};

	for (size_t i = 0; i < sizeof(sections) / sizeof(sections[0]); i++) {
		unload();
		load(sections[i]);
		ck_assert_msg(errors.errors > 0, "%s", sections[i]);
	}
}
END_TEST

START_TEST(levels_follow_the_keys)
{
	unload();
	load("[compression]\ngzip_level = 9\nbr_level = 0\nzstd_level = 12\n");
	ck_assert_uint_eq(errors.errors, 0);
	ck_assert_uint_eq(rules.level[CODING_GZIP], 9);
	ck_assert_uint_eq(rules.level[CODING_BR], 0);
	ck_assert_uint_eq(rules.level[CODING_ZSTD], 12);
	for (int c = CODING_GZIP; c < CODING_COUNT; c++) {
		const struct encoder_ops *ops = encoder_ops_of((enum coding)c);

		if (!ops)
			continue;
		ck_assert_uint_le(rules.level[c], ops->most);
		ck_assert_uint_ge(rules.level[c], ops->least);
	}
}
END_TEST

Suite *
suite_compress_rules(void)
{
	Suite *s = suite_create("compress/rules");
	TCase *c = tcase_create("rules");

	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, what_is_compressed_and_why_not);
	tcase_add_test(c, what_is_known_to_be_short_is_not_worth_it);
	tcase_add_test(c, the_head_says_what_was_done);
	tcase_add_test(c, a_304_for_who_takes_no_coding_keeps_its_tag);
	tcase_add_test(c, the_fields_of_the_source_are_not_touched);
	tcase_add_test(c, wrong_codings_and_types_are_told);
	tcase_add_test(c, levels_follow_the_keys);
	suite_add_tcase(s, c);
	return s;
}
