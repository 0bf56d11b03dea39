/*
 * Lines of the access log: every field in both forms, and nothing that a client
 * sends ends a line, a quoted value or a member early.
 */
#include "bench.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/random.h"

#include <check.h>

Suite *suite_accesslog_access_line(void);

static struct bench b;

static void
set_up(void)
{
	bench_open(&b);
}

static void
tear_down(void)
{
	bench_close(&b);
}

START_TEST(every_field_has_its_text)
{
	static const struct {
		const char *field, *text;
	} rows[] = {
		{ "{time}", "2026-01-02T03:04:05.678Z" },
		{ "{time.clf}", "02/Jan/2026:03:04:05 +0000" },
		{ "{time.unix}", "1767323045.678" },
		{ "{client.address}", "127.0.0.1" },
		{ "{client.port}", "5000" },
		{ "{peer.address}", "192.0.2.7" },
		{ "{request}", "GET /a?b=c HTTP/1.1" },
		{ "{request.method}", "GET" },
		{ "{request.target}", "/a?b=c" },
		{ "{request.path}", "/a" },
		{ "{request.query}", "b=c" },
		{ "{request.version}", "HTTP/1.1" },
		{ "{request.id}", "1f" },
		{ "{request.trace}", "-" },
		{ "{host}", "example.org:80" },
		{ "{referer}", "http://r/" },
		{ "{user_agent}", "me" },
		{ "{user}", "-" },
		{ "{header.X-Mine}", "first" },
		{ "{header.referer}", "http://r/" },
		{ "{header.cookie}", "-" },
		{ "{response.header.x-cache}", "HIT" },
		{ "{status}", "200" },
		{ "{bytes_in}", "3" },
		{ "{bytes_out}", "12" },
		{ "{duration}", "0.001500" },
		{ "{route}", "r" },
		{ "{parts}", "-" },
		{ "{cut}", "no" },
	};
	size_t fields = 0;

	b.x.request.authority = SLICE("example.org:80");
	bench_add(&b.x.request.fields, "Referer", SLICE("http://r/"));
	bench_add(&b.x.request.fields, "User-Agent", SLICE("me"));
	bench_add(&b.x.request.fields, "X-Mine", SLICE("first"));
	bench_add(&b.x.request.fields, "x-mine", SLICE("second"));
	bench_add(&b.x.response.fields, "X-Cache", SLICE("HIT"));
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		ck_assert_str_eq(bench_template(&b, rows[i].field), rows[i].text);
	while (access_fields[fields].name)
		fields++;
	/* Two of the rows are second rows of header. */
	ck_assert_uint_eq(sizeof(rows) / sizeof(rows[0]), fields + 2);
}
END_TEST

START_TEST(trace_is_the_clients_until_there_is_one_of_ours)
{
	static const struct trace_conf make = { .mode = TRACE_MAKE };
	struct random numbers;

	random_init(&numbers, 1);
	bench_add(&b.x.request.fields, "Traceparent",
		  SLICE("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"));
	ck_assert_str_eq(bench_template(&b, "{request.trace}"), "-");
	b.x.trace.conf = &make;
	ck_assert_str_eq(bench_template(&b, "{request.trace}"), "0af7651916cd43dd8448eb211c80319c");
	b.x.request.fields.count = 0;
	ck_assert_str_eq(bench_template(&b, "{request.trace}"), "-");
	ck_assert(trace_take(&b.x.trace, &b.x.request.fields, &numbers));
	ck_assert_uint_eq(strlen(bench_template(&b, "{request.trace}")), TRACE_ID_BYTES);
}
END_TEST

START_TEST(exchange_cut_before_its_answer_has_499)
{
	b.x.is_head_sent = false;
	b.x.is_cut = true;
	b.x.body_sent = 0;
	ck_assert_str_eq(bench_template(&b, "{status} {cut} {response.header.a}"), "499 yes -");
}
END_TEST

START_TEST(head_sends_no_bytes)
{
	b.x.request.method = METHOD_HEAD;
	ck_assert_str_eq(bench_template(&b, "{bytes_out}"), "0");
}
END_TEST

START_TEST(refused_request_shows_how_it_began)
{
	b.x.request = (struct request){ .version = HTTP_1_1,
					.method_name = SLICE("\x16\x03\"x\xff"),
					.fields = b.x.request.fields };
	ck_assert_str_eq(bench_template(&b, "\"{request}\" {request.target}"),
			 "\"\\x16\\x03\\x22x\\xFF\" -");
	b.x.request.method_name = SLICE("");
	ck_assert_str_eq(bench_template(&b, "{request} {request.version}"), "- -");
}
END_TEST

START_TEST(parts_are_told_as_in_the_response)
{
	static const struct access_part parts[] = {
		{ SLICE_INIT("user"), "ok", 12345678 },
		{ SLICE_INIT("orders"), "timeout", 100 * CLOCK_MS },
		{ SLICE_INIT("badge"), "skipped", 0 },
	};

	b.e.part = parts;
	b.e.parts = 3;
	ck_assert_str_eq(bench_template(&b, "{parts}"),
			 "user=ok;12ms, orders=timeout;100ms, badge=skipped;0ms");
	bench_read(&b, "format = json\nfields = parts");
	ck_assert_str_eq(bench_line(&b),
			 "{\"parts\":{\"user\":{\"outcome\":\"ok\",\"duration\":0.012345},"
			 "\"orders\":{\"outcome\":\"timeout\",\"duration\":0.100000},"
			 "\"badge\":{\"outcome\":\"skipped\",\"duration\":0.000000}}}");
}
END_TEST

START_TEST(json_members_have_their_types)
{
	bench_read(&b, "format = json");
	bench_add(&b.x.request.fields, "User-Agent", SLICE("a\"\\\n\xff\xc3\xa9"));
	ck_assert_str_eq(
	    bench_line(&b),
	    "{\"time\":\"2026-01-02T03:04:05.678Z\",\"client_address\":\"127.0.0.1\",\"user\":null,"
	    "\"request_method\":\"GET\",\"request_target\":\"/a?b=c\","
	    "\"request_version\":\"HTTP/1.1\",\"status\":200,\"bytes_in\":3,\"bytes_out\":12,"
	    "\"duration\":0.001500,\"route\":\"r\",\"request_id\":\"1f\",\"host\":null,"
	    "\"referer\":null,\"user_agent\":\"a\\\"\\\\\\n\xef\xbf\xbd\xc3\xa9\",\"parts\":null,"
	    "\"cut\":false}");
}
END_TEST

/* Whoever may choose a name must not be able to choose what stands behind it in the line. */
START_TEST(a_user_is_one_word)
{
	b.x.user = SLICE("a b - [01/Jan/2026] \"GET\"\n");
	ck_assert_str_eq(bench_template(&b, "{user} {status}"),
			 "a\\x20b\\x20-\\x20[01/Jan/2026]\\x20\\x22GET\\x22\\x0A 200");
	b.x.user = SLICE(" ");
	ck_assert_str_eq(bench_template(&b, "{user} {status}"), "\\x20 200");
	bench_read(&b, "format = json");
	ck_assert_ptr_nonnull(strstr(bench_line(&b), "\"user\":\" \""));
}
END_TEST

START_TEST(addresses_of_all_families)
{
	ck_assert_int_eq(address_parse(&b.client, SLICE("[2001:db8::1]:80")), 0);
	ck_assert_str_eq(bench_template(&b, "{client.address} {client.port}"), "2001:db8::1 80");
	ck_assert_int_eq(address_parse(&b.client, SLICE("unix:/x")), 0);
	ck_assert_str_eq(bench_template(&b, "{client.address} {client.port}"), "unix -");
	ck_assert_int_eq(address_parse(&b.client, SLICE("255.10.0.1:80")), 0);
	ck_assert_str_eq(bench_template(&b, "{client.address}"), "255.10.0.1");
}
END_TEST

START_TEST(line_that_does_not_fit_is_said_so)
{
	char memory[64];

	bench_read(&b, "");
	for (size_t cap = 0; cap < sizeof(memory); cap++) {
		struct writer w = writer_over(memory, cap);

		access_line_write(b.format, &b.e, &b.clock, SIZE_MAX, &w);
		ck_assert(w.is_full);
	}
}
END_TEST

START_TEST(long_values_are_cut_on_demand)
{
	char memory[1024];
	struct writer w = writer_over(memory, sizeof(memory));

	bench_add(&b.x.request.fields, "User-Agent", SLICE("0123456789"));
	bench_read(&b, "format = \"{user_agent}\" {request.method}");
	access_line_write(b.format, &b.e, &b.clock, 4, &w);
	ck_assert(slice_eq(writer_slice(&w), SLICE("\"0123...\" GET\n")));
	bench_read(&b, "format = json\nfields = user_agent, request");
	w.len = 0;
	access_line_write(b.format, &b.e, &b.clock, 4, &w);
	ck_assert(slice_eq(writer_slice(&w), SLICE("{\"user_agent\":\"0123...\",\"request\":\"GET "
						   "/a?b... HTTP/1.1\"}\n")));
}
END_TEST

static size_t
count(const char *text, char c)
{
	size_t n = 0;

	for (; *text; text++)
		n += *text == c;
	return n;
}

static bool
has_control(const char *line)
{
	for (; *line; line++) {
		if ((unsigned char)*line < 0x20)
			return true;
	}
	return false;
}

/* Of all bytes, those that have a meaning to somebody more often. */
static struct slice
make_noise(struct random *r, char *memory, size_t cap)
{
	static const char odd[] = "\"\\\n\r\0\x7f\x80\xff{}[] \x1b";
	size_t len = (size_t)random_next(r) % cap;

	for (size_t i = 0; i < len; i++) {
		uint64_t pick = random_next(r);

		memory[i] = pick & 1 ? odd[(pick >> 8) % (sizeof(odd) - 1)] : (char)(pick >> 8);
	}
	return slice_make(memory, len);
}

START_TEST(no_bytes_forge_a_line_a_quote_or_a_member)
{
	static const char *const formats[] = { "", "format = json",
					       "format = \"{header.a}\" \"{request}\" \"{host}\"" };
	static const size_t quotes[] = { 6, 0, 6 };
	struct random r;
	char noise[4][200];

	random_init(&r, 11);
	for (unsigned f = 0; f < 3; f++) {
		bench_read(&b, formats[f]);
		for (unsigned i = 0; i < 5000; i++) {
			const char *line;

			b.x.request.method_name = make_noise(&r, noise[0], 16);
			b.x.request.target = make_noise(&r, noise[1], 200);
			b.x.request.authority = make_noise(&r, noise[2], 60);
			b.x.request.fields.count = 0;
			bench_add(&b.x.request.fields, f == 2 ? "a" : "user-agent",
				  make_noise(&r, noise[3], 200));
			line = bench_line(&b);
			if (b.format->is_json)
				ck_assert_int_eq(json_validate(slice_of(line), 3, NULL), 0);
			else
				ck_assert_uint_eq(count(line, '"'), quotes[f]);
			ck_assert(!has_control(line));
		}
	}
}
END_TEST

Suite *
suite_accesslog_access_line(void)
{
	Suite *s = suite_create("accesslog_access_line");
	TCase *t = tcase_create("line");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, every_field_has_its_text);
	tcase_add_test(t, trace_is_the_clients_until_there_is_one_of_ours);
	tcase_add_test(t, exchange_cut_before_its_answer_has_499);
	tcase_add_test(t, head_sends_no_bytes);
	tcase_add_test(t, refused_request_shows_how_it_began);
	tcase_add_test(t, parts_are_told_as_in_the_response);
	tcase_add_test(t, json_members_have_their_types);
	tcase_add_test(t, a_user_is_one_word);
	tcase_add_test(t, addresses_of_all_families);
	tcase_add_test(t, line_that_does_not_fit_is_said_so);
	tcase_add_test(t, long_values_are_cut_on_demand);
	tcase_add_test(t, no_bytes_forge_a_line_a_quote_or_a_member);
	suite_add_tcase(s, t);
	return s;
}
