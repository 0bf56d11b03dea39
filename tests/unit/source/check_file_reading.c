/*
 * What source `file` answers, from the caches and through the pool, to a reader
 * that pauses, goes away, or finds the pool full.
 */
#include "../thread/places.h"
#include "base/clock.h"
#include "base/mem.h"
#include "file_bed.h"

#include <semaphore.h>

Suite *suite_source_file_reading(void);

/* --- answers ----------------------------------------------------------------------- */

static void
assert_small(const char *path, const char *content)
{
	ask("GET", path, "");
	start();
	await_done();
	ck_assert_int_eq(asked.err, 0);
	ck_assert_uint_eq(asked.heads, 1);
	ck_assert_int_eq(asked.q.response.status, 200);
	ck_assert_uint_eq(asked.q.response.content_length, strlen(content));
	ck_assert_str_eq(text, content);
	end();
}

/* _i: 0 from the caches, 1 through the pool. */
START_TEST(a_file_is_found_by_the_path_of_the_request)
{
	load_tree("", true);
	file_conf.is_cold = _i;
	assert_small("/small", "small file\n");
	assert_small("/dir/inner", "inner\n");
	assert_small("/in", "inner\n");
	assert_small("/dir/", "<p>index\n");
	assert_small("/empty", "");
}
END_TEST

START_TEST(the_head_says_what_the_file_is)
{
	load_tree("", true);
	file_conf.is_cold = _i;
	ask("GET", "/dir/index.html", "");
	start();
	await_done();
	ck_assert(slice_eq(field(FIELD_CONTENT_TYPE), SLICE("text/html; charset=utf-8")));
	ck_assert_uint_eq(field(FIELD_LAST_MODIFIED).len, 29);
	ck_assert_uint_gt(field(FIELD_ETAG).len, 8);
	/* It was written just now: a change within the same tick would not show. */
	ck_assert(slice_has_prefix(field(FIELD_ETAG), SLICE("W/\"")));
	ck_assert(slice_eq(field(FIELD_ACCEPT_RANGES), SLICE("bytes")));
	ck_assert_int_eq(asked.q.response.framing, BODY_LENGTH);
	end();
}
END_TEST

START_TEST(head_gets_the_head_of_get)
{
	load_tree("", true);
	file_conf.is_cold = _i;
	tree_add(&tree, "big", BIG_BYTES);
	ask("HEAD", "/big", "");
	start();
	await_done();
	ck_assert_int_eq(asked.err, 0);
	ck_assert_uint_eq(asked.pieces, 0);
	ck_assert_uint_eq(asked.q.response.content_length, BIG_BYTES);
	end();
}
END_TEST

START_TEST(other_methods_are_refused_with_those_that_are_not)
{
	load_tree("", true);
	ask("POST", "/small", "");
	start();
	await_done();
	ck_assert_int_eq(asked.q.response.status, 405);
	ck_assert(slice_eq(field(FIELD_ALLOW), SLICE("GET, HEAD")));
	ck_assert_str_eq(text, "Method Not Allowed");
	end();
}
END_TEST

START_TEST(what_is_not_a_file_below_the_root_is_404)
{
	static const char *const paths[] = {
		"/missing",  "/",        "/.hidden",     "/fifo",        "/socket", "/out",
		"/absolute", "/proc",    "/self",        "/../secret",   "//small", "/small/",
		"/dir/..",   "/small/x", "/dir%2Finner", "/..%2Fsecret",
	};

	load_tree("", true);
	file_conf.is_cold = _i;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ask("GET", paths[i], "");
		start();
		await_done();
		ck_assert_int_eq(asked.err, 0);
		ck_assert_msg(asked.q.response.status == 404, "%s: %d", paths[i],
			      asked.q.response.status);
		ck_assert_str_eq(text, "Not Found");
		end();
	}
}
END_TEST

START_TEST(an_escape_that_is_left_in_the_path_is_decoded_but_for_the_slash)
{
	load_tree("", true);
	tree_add(&tree, "100%", 0);
	tree_add(&tree, "a%2Fb", 0);
	assert_small("/100%25", "");
	assert_small("/a%2Fb", "");
}
END_TEST

/* --- large files ------------------------------------------------------------------- */

/* _i: bit 0 through the pool, bit 1 a reader that pauses after each piece, bit 2 joined. */
START_TEST(a_large_file_arrives_whole)
{
	unsigned before;

	load_tree(_i & 4 ? "path = {x}" : "", !(_i & 4));
	file_conf.is_cold = _i & 1;
	tree_add(&tree, "big", BIG_BYTES + 17);
	before = open_descriptors();
	ask("GET", "/big", "big");
	asked.pauses = _i & 2;
	start();
	await_done();
	ck_assert_int_eq(asked.err, 0);
	ck_assert_uint_eq(asked.heads, 1);
	ck_assert_uint_eq(asked.got, BIG_BYTES + 17);
	ck_assert_uint_ge(asked.pieces, BIG_BYTES >> 18);
	if (_i & 5)
		ck_assert_uint_eq(asked.files, 0);
	end();
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

START_TEST(a_paused_reader_gets_nothing_more)
{
	load_tree("", true);
	file_conf.is_cold = _i;
	tree_add(&tree, "big", BIG_BYTES);
	ask("GET", "/big", "");
	asked.pauses = true;
	start();
	while (asked.pieces == 0)
		loop_turn(&env.loop, true);
	for (unsigned i = 0; i < 20; i++)
		loop_turn(&env.loop, false);
	ck_assert_uint_eq(asked.pieces, 1);
	await_done();
	ck_assert_uint_eq(asked.got, BIG_BYTES);
	end();
}
END_TEST

START_TEST(a_file_that_is_cut_meanwhile_ends_in_an_error_not_in_wrong_bytes)
{
	load_tree("", true);
	file_conf.is_cold = _i;
	tree_add(&tree, "big", BIG_BYTES);
	ask("GET", "/big", "");
	asked.pauses = true;
	start();
	while (asked.pieces == 0)
		loop_turn(&env.loop, true);
	tree_cut(&tree, "big", 300000);
	await_done();
	ck_assert_int_eq(asked.err, ERR_FAILED);
	ck_assert_uint_eq(asked.heads, 1);
	ck_assert_uint_le(asked.got, 300000);
	end();
}
END_TEST

START_TEST(a_file_that_grows_meanwhile_is_sent_as_it_was_announced)
{
	load_tree("", true);
	file_conf.is_cold = _i;
	tree_add(&tree, "big", BIG_BYTES);
	ask("GET", "/big", "");
	asked.pauses = true;
	start();
	while (asked.pieces == 0)
		loop_turn(&env.loop, true);
	tree_cut(&tree, "big", 2 * BIG_BYTES);
	await_done();
	ck_assert_int_eq(asked.err, 0);
	ck_assert_uint_eq(asked.got, BIG_BYTES);
	end();
}
END_TEST

/* --- going away -------------------------------------------------------------------- */

START_TEST(cancel_before_the_first_piece_is_final)
{
	unsigned before;

	load_tree("", true);
	file_conf.is_cold = _i;
	tree_add(&tree, "big", BIG_BYTES);
	before = open_descriptors();
	ask("GET", "/big", "");
	start();
	subrequest_cancel(&asked.q);
	source_file.cancel(&asked.q);
	end();
	await_jobs();
	ck_assert_uint_eq(asked.heads + asked.dones, 0);
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

/* _i: bit 0 through the pool; the rest: in which piece. */
START_TEST(cancel_from_inside_a_piece_is_final)
{
	unsigned before;

	load_tree("", true);
	file_conf.is_cold = _i & 1;
	tree_add(&tree, "big", BIG_BYTES);
	before = open_descriptors();
	ask("GET", "/big", "");
	asked.cancel_at = 1 + (unsigned)_i / 2;
	start();
	while (asked.pieces < asked.cancel_at)
		loop_turn(&env.loop, true);
	source_file.resume(&asked.q);
	end();
	await_jobs();
	ck_assert_uint_eq(asked.pieces, asked.cancel_at);
	ck_assert_uint_eq(asked.dones, 0);
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

START_TEST(cancel_while_a_job_reads_is_final)
{
	unsigned before;

	load_tree("", true);
	file_conf.is_cold = true;
	tree_add(&tree, "big", BIG_BYTES);
	before = open_descriptors();
	ask("GET", "/big", "");
	asked.pauses = true;
	start();
	while (asked.pieces == 0)
		loop_turn(&env.loop, true);
	source_file.resume(&asked.q);
	loop_turn(&env.loop, false); /* the job is on its way now */
	subrequest_cancel(&asked.q);
	end();
	await_jobs();
	ck_assert_uint_eq(asked.dones, 0);
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

/* Holds the pool's only thread until the gate opens. */
struct blocker {
	struct job job;
	sem_t entered, gate;
	bool is_home;
};

static int
run_blocker(struct job *j, struct pool_thread *t)
{
	struct blocker *b = CONTAINER_OF(j, struct blocker, job);

	(void)t;
	sem_post(&b->entered);
	while (sem_wait(&b->gate) != 0)
		;
	return 0;
}

static void
on_blocker_home(struct job *j, void *receiver)
{
	(void)receiver;
	CONTAINER_OF(j, struct blocker, job)->is_home = true;
}

START_TEST(a_cancelled_file_is_not_even_opened)
{
	struct blocker b = { .job = { .run = run_blocker,
				      .on_home = on_blocker_home,
				      .home = &env.loop.mailbox,
				      .deadline_ns = CLOCK_NEVER } };
	struct pool_refusal refusal;
	struct pool_sample sample;

	load_tree("", true);
	file_conf.is_cold = true;
	sem_init(&b.entered, 0, 0);
	sem_init(&b.gate, 0, 0);
	ck_assert_int_eq(places_reserve(pool, 1, 0, CLOCK_NEVER, 0, &refusal), 0);
	pool_submit(pool, &b.job);
	while (sem_wait(&b.entered) != 0)
		;
	ask("GET", "/small", "");
	start();
	subrequest_cancel(&asked.q);
	end();
	sem_post(&b.gate);
	while (!b.is_home)
		loop_turn(&env.loop, true);
	await_jobs();
	pool_sample(pool, &sample);
	ck_assert_uint_eq(sample.abandoned, 1);
	ck_assert_uint_eq(asked.dones, 0);
	sem_destroy(&b.entered);
	sem_destroy(&b.gate);
}
END_TEST

/* --- a full pool ------------------------------------------------------------------- */

START_TEST(a_full_pool_refuses_a_cold_file_on_the_next_turn)
{
	struct pool_refusal refusal;

	load_tree("", true);
	file_conf.is_cold = true;
	ck_assert_int_eq(places_reserve(pool, 1 + QUEUE, 0, CLOCK_NEVER, 0, &refusal), 0);
	ask("GET", "/small", "");
	start();
	ck_assert_uint_eq(asked.dones, 0);
	await_done();
	ck_assert_int_eq(asked.err, ERR_SHED);
	ck_assert_str_eq(asked.q.refusal.limit, "pool.blocking.queue");
	end();
	places_release(pool, 1 + QUEUE);
}
END_TEST

START_TEST(a_full_pool_does_not_concern_a_cached_file)
{
	struct pool_refusal refusal;

	load_tree("", true);
	ck_assert_int_eq(places_reserve(pool, 1 + QUEUE, 0, CLOCK_NEVER, 0, &refusal), 0);
	ask("GET", "/small", "");
	start();
	await_done();
	/* Unless the file system of the test has no such cache. */
	ck_assert(asked.err == 0 || asked.err == ERR_SHED);
	if (!asked.err)
		ck_assert_str_eq(text, "small file\n");
	end();
	places_release(pool, 1 + QUEUE);
}
END_TEST

START_TEST(a_response_under_way_waits_for_room_in_the_pool)
{
	struct pool_refusal refusal;

	load_tree("", true);
	file_conf.is_cold = true;
	tree_add(&tree, "big", BIG_BYTES);
	ask("GET", "/big", "");
	asked.pauses = true;
	start();
	while (asked.pieces == 0)
		loop_turn(&env.loop, true);
	ck_assert_int_eq(places_reserve(pool, 1 + QUEUE, 0, CLOCK_NEVER, 0, &refusal), 0);
	source_file.resume(&asked.q);
	for (unsigned i = 0; i < 20; i++)
		loop_turn(&env.loop, false);
	ck_assert_uint_eq(asked.pieces, 1);
	ck_assert_uint_eq(asked.dones, 0);
	places_release(pool, 1 + QUEUE);
	await_done();
	ck_assert_int_eq(asked.err, 0);
	ck_assert_uint_eq(asked.got, BIG_BYTES);
	end();
}
END_TEST

/* --- want of memory ---------------------------------------------------------------- */

START_TEST(want_of_memory_fails_the_part_and_leaks_nothing)
{
	bool was_complete = false;
	unsigned before;

	load_tree("", true);
	file_conf.is_cold = _i;
	tree_add(&tree, "big", 600000);
	before = open_descriptors();
	for (unsigned long n = 1; !was_complete; n++) {
		ck_assert_uint_lt(n, 200);
		store_fini(&env.store);
		store_init(&env.store);
		ask("GET", "/big", "");
		mem_fail_at(n, false);
		start();
		await_done();
		was_complete = mem_count() < n;
		mem_fail_at(0, false);
		ck_assert_uint_eq(asked.dones, 1);
		ck_assert(asked.err || asked.got == 600000);
		end();
		ck_assert_uint_eq(env.store.out, 0);
	}
	await_jobs();
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

Suite *
suite_source_file_reading(void)
{
	Suite *s = suite_create("source/file_reading");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, bed_setup, bed_teardown);
	tcase_add_loop_test(t, a_file_is_found_by_the_path_of_the_request, 0, 2);
	tcase_add_loop_test(t, the_head_says_what_the_file_is, 0, 2);
	tcase_add_loop_test(t, head_gets_the_head_of_get, 0, 2);
	tcase_add_test(t, other_methods_are_refused_with_those_that_are_not);
	tcase_add_loop_test(t, what_is_not_a_file_below_the_root_is_404, 0, 2);
	tcase_add_test(t, an_escape_that_is_left_in_the_path_is_decoded_but_for_the_slash);
	tcase_add_loop_test(t, a_large_file_arrives_whole, 0, 8);
	tcase_add_loop_test(t, a_paused_reader_gets_nothing_more, 0, 2);
	tcase_add_loop_test(t, a_file_that_is_cut_meanwhile_ends_in_an_error_not_in_wrong_bytes, 0,
			    2);
	tcase_add_loop_test(t, a_file_that_grows_meanwhile_is_sent_as_it_was_announced, 0, 2);
	tcase_add_loop_test(t, cancel_before_the_first_piece_is_final, 0, 2);
	tcase_add_loop_test(t, cancel_from_inside_a_piece_is_final, 0, 6);
	tcase_add_test(t, cancel_while_a_job_reads_is_final);
	tcase_add_test(t, a_cancelled_file_is_not_even_opened);
	tcase_add_test(t, a_full_pool_refuses_a_cold_file_on_the_next_turn);
	tcase_add_test(t, a_full_pool_does_not_concern_a_cached_file);
	tcase_add_test(t, a_response_under_way_waits_for_room_in_the_pool);
	tcase_add_loop_test(t, want_of_memory_fails_the_part_and_leaks_nothing, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
