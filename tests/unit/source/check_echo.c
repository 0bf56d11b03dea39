/*
 * The source `echo`.
 */
#include "../../scenario/world.h"

#include <check.h>

Suite *suite_source_echo(void);

#define ECHO "[route r]\nsource = echo\ndeadline = 20ms\n"

START_TEST(a_body_comes_back_with_its_type)
{
	struct world *w = world_open(ECHO);

	client_field(w, "Content-Type", "image/x");
	client_upload(w, "PATCH", SLICE("any\0bytes"), false);
	client_start(w);
	world_run(w, 10);
	ck_assert_int_eq(w->client.status, 200);
	ck_assert(slice_eq(client_got(w), SLICE("any\0bytes")));
	ck_assert_got_field(w, "content-type", "image/x");
	ck_assert(w->client.has_length);
	ck_assert_uint_eq(w->client.length, 9);
	world_close(w);
}
END_TEST

START_TEST(pieces_come_back_as_they_come)
{
	struct world *w = world_open(ECHO);

	client_upload(w, "POST", SLICE("0123456789"), true);
	w->client.upload_piece = 3;
	w->client.upload_gap_ns = 15000000;
	client_start(w);
	world_run(w, 44);
	ck_assert_uint_eq(w->client.bodies, 2);
	world_run(w, 100);
	ck_assert_got(w, "0123456789");
	ck_assert(!w->client.has_length);
	world_close(w);
}
END_TEST

START_TEST(a_client_that_does_not_read_is_not_read_from)
{
	struct world *w = world_open(ECHO);

	client_upload(w, "POST", SLICE("0123456789"), true);
	w->client.upload_piece = 3;
	w->client.pauses = true;
	client_start(w);
	world_run(w, 1000);
	ck_assert_uint_eq(w->client.wants, 1);
	client_resume(w);
	world_run(w, 2000);
	ck_assert_uint_eq(w->client.wants, 2);
	w->client.pauses = false;
	client_resume(w);
	world_run(w, 3000);
	ck_assert_got(w, "0123456789");
	world_close(w);
}
END_TEST

START_TEST(without_a_body_it_is_empty)
{
	struct world *w = world_open(ECHO);

	client_start(w);
	ck_assert_int_eq(w->client.status, 200);
	ck_assert_got(w, "");
	world_close(w);
}
END_TEST

START_TEST(in_a_join_it_gives_the_whole_body)
{
	struct world *w = world_open("[route r]\n[subrequest r.a]\nsource = echo\n"
				     "[subrequest r.b]\nsource = echo\nas = text\n");

	client_field(w, "Content-Type", "application/json");
	client_upload(w, "POST", SLICE("{\"x\": 1}"), true);
	w->client.upload_piece = 5;
	client_start(w);
	world_run(w, 10);
	ck_assert_got(w, "{\"a\":{\"x\": 1},\"b\":\"{\\\"x\\\": 1}\"}");
	world_close(w);
}
END_TEST

Suite *
suite_source_echo(void)
{
	Suite *s = suite_create("source_echo");
	TCase *t = tcase_create("echo");

	tcase_add_test(t, a_body_comes_back_with_its_type);
	tcase_add_test(t, pieces_come_back_as_they_come);
	tcase_add_test(t, a_client_that_does_not_read_is_not_read_from);
	tcase_add_test(t, without_a_body_it_is_empty);
	tcase_add_test(t, in_a_join_it_gives_the_whole_body);
	suite_add_tcase(s, t);
	return s;
}
