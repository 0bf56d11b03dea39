/*
 * Edits of a response's head: what they come to, and what no value may do.
 */
#include "net/env.h"
#include "net/lease.h"
#include "plan/edits.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

Suite *suite_plan_edits(void);

enum { MEMORY = 1 << 20, TEXT_BYTES = 4096, FIELDS = 16 };

/* One exchange of a route with path parameter {id}. */
struct bed {
	struct store store;
	struct arena site;
	struct conf *conf;
	struct conf_errors errors;
	const struct edits *defaults, *edits;
	struct exchange x;
	struct env env;
	struct counters counters;
	struct lease lease;
	struct field request[FIELDS], response[FIELDS];
	char text[TEXT_BYTES];
};

static const struct slice params[] = { SLICE_INIT("id") };

static int
read_section(struct bed *b, const char *kind, const struct edits *defaults, unsigned count,
	     const struct edits **edits)
{
	struct conf_section *s = conf_next(b->conf, kind, NULL);
	const struct template_names names = { .params = params, .param_count = count, .rest = -1 };
	struct edits_conf conf = { 0 };
	const struct conf_table table = { edits_keys, &conf };

	*edits = defaults;
	if (!s)
		return 0;
	if (conf_fill(s, &table, 1, &b->errors) != 0)
		return ERR_SYNTAX;
	return edits_read(edits, &conf, s, defaults, &names, &b->site, &b->errors);
}

static struct bed *
open_bed(const char *text)
{
	struct bed *b = calloc(1, sizeof(*b));

	store_init(&b->store);
	arena_init(&b->site, &b->store, MEMORY);
	conf_errors_init(&b->errors);
	b->conf = conf_read(slice_of(text), "conf", &b->errors);
	ck_assert_ptr_nonnull(b->conf);
	if (read_section(b, "headers", NULL, 0, &b->defaults) != 0 ||
	    read_section(b, "route", b->defaults, 1, &b->edits) != 0)
		ck_assert_uint_gt(b->errors.errors, 0);
	b->env.counters = &b->counters;
	b->lease.env = &b->env;
	b->x.store = &b->store;
	b->x.lease = &b->lease;
	b->x.id = 0xabc;
	b->x.request.method_name = SLICE("GET");
	b->x.request.fields = (struct fields){ .at = b->request, .cap = FIELDS };
	b->x.response.fields = (struct fields){ .at = b->response, .cap = FIELDS };
	arena_init(&b->x.arena, &b->store, MEMORY);
	return b;
}

static void
close_bed(struct bed *b)
{
	arena_fini(&b->x.arena);
	arena_fini(&b->site);
	conf_free(&b->conf);
	conf_errors_fini(&b->errors);
	store_fini(&b->store);
	free(b);
}

static void
has_field(struct bed *b, const char *name, const char *value)
{
	ck_assert_int_eq(fields_add_name(&b->x.response.fields, slice_of(name), slice_of(value)),
			 0);
}

/* The head's fields, one line each, when all edits have been applied. */
static const char *
edited(struct bed *b, const char *id)
{
	struct writer w = writer_over(b->text, sizeof(b->text) - 1);
	struct slice capture = slice_of(id);

	ck_assert_int_eq(edits_attach(b->edits, &b->x, &capture, 1, (struct slice){ 0 }), 0);
	if (b->x.edits)
		ck_assert_int_eq(b->x.edits->apply(b->x.edits, &b->x), 0);
	for (unsigned i = 0; i < b->x.response.fields.count; i++)
		field_write_line(&w, &b->x.response.fields.at[i]);
	if (b->x.extra)
		writer_put(&w, b->x.extra->lines);
	b->text[w.len] = '\0';
	return b->text;
}

START_TEST(nothing_to_do_is_no_edits)
{
	struct bed *b = open_bed("[headers]\n[route r]\n");

	ck_assert_ptr_null(b->edits);
	edited(b, "1");
	ck_assert_ptr_null(b->x.edits);
	close_bed(b);
}
END_TEST

START_TEST(a_field_that_is_set_takes_the_place_of_all_of_its_name)
{
	struct bed *b = open_bed("[route r]\nset_header.x-a = new\nset_header.Cache-Control = b\n");

	has_field(b, "X-A", "1");
	has_field(b, "X-Kept", "2");
	has_field(b, "x-A", "3");
	has_field(b, "cache-control", "4");
	ck_assert_str_eq(edited(b, "1"), "X-Kept: 2\r\nCache-Control: b\r\nx-a: new\r\n");
	close_bed(b);
}
END_TEST

START_TEST(a_field_that_is_added_stands_beside_others)
{
	struct bed *b = open_bed("[route r]\nadd_header.Set-Cookie = b=2\nadd_header.X-A = n\n");

	has_field(b, "Set-Cookie", "a=1");
	has_field(b, "X-A", "1");
	ck_assert_str_eq(edited(b, "1"),
			 "Set-Cookie: a=1\r\nX-A: 1\r\nSet-Cookie: b=2\r\nX-A: n\r\n");
	close_bed(b);
}
END_TEST

START_TEST(a_field_that_is_removed_may_be_set_again)
{
	struct bed *b = open_bed("[route r]\nremove_header = X-A, x-b\nadd_header.X-A = n\n");

	has_field(b, "X-A", "1");
	has_field(b, "X-B", "1");
	has_field(b, "X-C", "1");
	ck_assert_str_eq(edited(b, "1"), "X-C: 1\r\nX-A: n\r\n");
	close_bed(b);
}
END_TEST

START_TEST(a_route_has_the_last_word_over_the_defaults)
{
	struct bed *b = open_bed("[headers]\nset_header.X-A = d\nset_header.X-B = d\n"
				 "add_header.X-C = d\nset_header.X-D = d\nremove_header = X-E\n"
				 "[route r]\nset_header.X-A = r\nremove_header = x-b\n"
				 "add_header.X-C = r\nadd_header.X-E = r\n");

	has_field(b, "X-E", "upstream");
	ck_assert_str_eq(edited(b, "1"), "X-D: d\r\nX-C: d\r\nX-A: r\r\nX-C: r\r\nX-E: r\r\n");
	close_bed(b);
}
END_TEST

static const char *const strippers[] = {
	"[headers]\nremove_header = X-A\n[route r]\nset_header.X-B = b\nadd_header.X-C = c\n",
	"[headers]\nremove_header = X-A\n[route r]\nset_header.X-B = {id}\nadd_header.X-C = c\n",
};

START_TEST(trailers_lose_what_the_head_loses)
{
	struct field at[] = {
		{ SLICE_INIT("x-a"), SLICE_INIT("1"), FIELD_OTHER },
		{ SLICE_INIT("x-b"), SLICE_INIT("1"), FIELD_OTHER },
		{ SLICE_INIT("x-c"), SLICE_INIT("1"), FIELD_OTHER },
	};
	struct fields trailers = { .at = at, .count = 3, .cap = 3 };
	struct bed *b = open_bed(strippers[_i]);

	edited(b, "1");
	b->x.edits->strip(b->x.edits, &trailers);
	ck_assert_uint_eq(trailers.count, 1);
	ck_assert(slice_eq(at[0].name, SLICE("x-c")));
	close_bed(b);
}
END_TEST

START_TEST(constants_leave_what_was_prepared)
{
	struct bed *b = open_bed("[route r]\nset_header.X-Frame-Options = DENY\n");

	b->x.prepared = SLICE("Content-Type: text/plain\r\n");
	has_field(b, "Content-Type", "text/plain");
	edited(b, "1");
	ck_assert_uint_gt(b->x.prepared.len, 0);
	ck_assert_ptr_eq(b->x.response.fields.at, b->response);
	ck_assert(slice_eq(b->x.extra->lines, SLICE("X-Frame-Options: DENY\r\n")));
	close_bed(b);
}
END_TEST

START_TEST(a_change_makes_the_fields_the_exchange_s_own)
{
	struct bed *b = open_bed("[route r]\nremove_header = X-A\n");

	b->x.prepared = SLICE("X-A: 1\r\n");
	has_field(b, "X-A", "1");
	ck_assert_str_eq(edited(b, "1"), "");
	ck_assert_uint_eq(b->x.prepared.len, 0);
	ck_assert_ptr_ne(b->x.response.fields.at, b->response);
	close_bed(b);
}
END_TEST

START_TEST(values_come_from_the_request)
{
	struct bed *b = open_bed("[route r]\nset_header.X-A = {id} {query.q} {request.method} "
				 "{request.id} {header.h}\n");

	b->x.request.query = SLICE("q=%C3%BC+b");
	ck_assert_int_eq(fields_add_name(&b->x.request.fields, SLICE("H"), SLICE("h")), 0);
	ck_assert_str_eq(edited(b, "7"), "X-A: 7 \xC3\xBC b GET abc h\r\n");
	close_bed(b);
}
END_TEST

START_TEST(a_trace_begins_when_a_value_needs_it)
{
	static const struct trace_conf make = { .mode = TRACE_MAKE };
	struct bed *b = open_bed("[route r]\nset_header.X-A = {request.trace}\n");
	const char *text;

	ck_assert_str_eq(edited(b, "7"), "");
	b->x.trace.conf = &make;
	text = edited(b, "7");
	ck_assert_uint_eq(strlen(text), strlen("X-A: \r\n") + TRACE_ID_BYTES);
	ck_assert_int_eq(b->x.trace.state, TRACE_BEGUN);
	ck_assert_int_eq(strncmp(text + 5, b->x.trace.id, TRACE_ID_BYTES), 0);
	close_bed(b);
}
END_TEST

/* An upstream's own field does not stand in for what could not be made. */
START_TEST(a_value_that_is_absent_leaves_no_field)
{
	struct bed *b = open_bed("[route r]\nset_header.X-A = {header.none}\n"
				 "add_header.X-B = {header.none}\nset_header.X-C = {query.q}\n");

	b->x.request.query = SLICE("q=+");
	has_field(b, "X-A", "upstream");
	has_field(b, "X-B", "upstream");
	ck_assert_str_eq(edited(b, "1"), "X-B: upstream\r\n");
	ck_assert_uint_eq(count_read(&b->counters, COUNTER_EDIT_REFUSED), 0);
	close_bed(b);
}
END_TEST

static const char *const hostile[] = {
	"a\r\nSet-Cookie: b", "a\nb", "a\rb", "\r\n\r\n<html>", "a\x01", "\x7f", "a\x0b",
};

START_TEST(no_value_can_begin_another_line)
{
	struct bed *b = open_bed("[route r]\nset_header.X-A = <{id}>\nset_header.X-B = b\n");

	has_field(b, "X-A", "upstream");
	ck_assert_str_eq(edited(b, hostile[_i]), "X-B: b\r\n");
	ck_assert_uint_eq(count_read(&b->counters, COUNTER_EDIT_REFUSED), 1);
	close_bed(b);
}
END_TEST

START_TEST(a_nul_byte_is_no_value)
{
	struct bed *b = open_bed("[route r]\nset_header.X-A = {query.q}\n");

	b->x.request.query = SLICE("q=a%00b");
	ck_assert_str_eq(edited(b, "1"), "");
	ck_assert_uint_eq(count_read(&b->counters, COUNTER_EDIT_REFUSED), 1);
	close_bed(b);
}
END_TEST

START_TEST(a_value_is_bounded)
{
	struct bed *b = open_bed("[route r]\nset_header.X-A = {id}\n");
	char *value = calloc(1, 10001);

	memset(value, 'a', 10000);
	ck_assert_str_eq(edited(b, value), "");
	ck_assert_uint_eq(count_read(&b->counters, COUNTER_EDIT_REFUSED), 1);
	free(value);
	close_bed(b);
}
END_TEST

static const struct server_case {
	const char *conf;
	bool hides;
} server_cases[] = {
	{ "[route r]\nset_header.X-A = 1\n", false },
	{ "[route r]\nremove_header = server\n", true },
	{ "[headers]\nremove_header = Server\n[route r]\nset_header.X-A = 1\n", true },
	{ "[headers]\nremove_header = Server\n[route r]\nset_header.Server = x\n", false },
	{ "[route r]\nset_header.Server = x\n", false },
};

START_TEST(without_server_ours_is_not_sent_either)
{
	struct bed *b = open_bed(server_cases[_i].conf);

	edited(b, "1");
	ck_assert_int_eq(b->x.hides_server, server_cases[_i].hides);
	close_bed(b);
}
END_TEST

static const char *const wrong[] = {
	"set_header.Content-Length = 1",
	"set_header.transfer-encoding = chunked",
	"add_header.Connection = close",
	"add_header.TE = trailers",
	"add_header.Trailer = x",
	"add_header.Upgrade = h2c",
	"add_header.Keep-Alive = 5",
	"add_header.Proxy-Connection = x",
	"set_header.Host = a",
	"set_header.Date = now",
	"remove_header = X-A, Content-Length",
	"remove_header = Date",
	"remove_header = a b",
	"remove_header = :status",
	"set_header.X-A =",
	"set_header.X-A = a\n b",
	"set_header.X-A = {body}",
	"set_header.X-A = {body.a}",
	"set_header.X-A = {nobody}",
	"set_header.X-A = {part:status}{part.x}",
};

START_TEST(what_would_break_a_message_is_an_error)
{
	char conf[256];
	struct bed *b;

	snprintf(conf, sizeof(conf), "[route r]\n%s\n", wrong[_i]);
	b = open_bed(conf);
	ck_assert_msg(b->errors.errors == 1, "%s: %u errors", wrong[_i], b->errors.errors);
	close_bed(b);
}
END_TEST

START_TEST(defaults_know_no_path_parameter)
{
	struct bed *b = open_bed("[headers]\nset_header.X-A = {id}\n");

	ck_assert_uint_eq(b->errors.errors, 1);
	close_bed(b);
}
END_TEST

Suite *
suite_plan_edits(void)
{
	Suite *s = suite_create("plan_edits");
	TCase *t = tcase_create("edits");

	tcase_add_test(t, nothing_to_do_is_no_edits);
	tcase_add_test(t, a_field_that_is_set_takes_the_place_of_all_of_its_name);
	tcase_add_test(t, a_field_that_is_added_stands_beside_others);
	tcase_add_test(t, a_field_that_is_removed_may_be_set_again);
	tcase_add_test(t, a_route_has_the_last_word_over_the_defaults);
	tcase_add_loop_test(t, trailers_lose_what_the_head_loses, 0, 2);
	tcase_add_test(t, constants_leave_what_was_prepared);
	tcase_add_test(t, a_change_makes_the_fields_the_exchange_s_own);
	tcase_add_test(t, values_come_from_the_request);
	tcase_add_test(t, a_trace_begins_when_a_value_needs_it);
	tcase_add_test(t, a_value_that_is_absent_leaves_no_field);
	tcase_add_loop_test(t, no_value_can_begin_another_line, 0,
			    sizeof(hostile) / sizeof(hostile[0]));
	tcase_add_test(t, a_nul_byte_is_no_value);
	tcase_add_test(t, a_value_is_bounded);
	tcase_add_loop_test(t, without_server_ours_is_not_sent_either, 0,
			    sizeof(server_cases) / sizeof(server_cases[0]));
	tcase_add_loop_test(t, what_would_break_a_message_is_an_error, 0,
			    sizeof(wrong) / sizeof(wrong[0]));
	tcase_add_test(t, defaults_know_no_path_parameter);
	suite_add_tcase(s, t);
	return s;
}
