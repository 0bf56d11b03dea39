/*
 * What a slow client does not take yet, in every order of what can happen.
 */
#include "base/mem.h"
#include "pond_bed.h"

#include <check.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

Suite *suite_plan_pond(void);

enum { RUNS = 150, STEPS = 60 };

/* The descriptor of the file, which has no name. */
static int
find_file(void)
{
	DIR *d = opendir("/proc/self/fd");
	struct dirent *e;
	int fd = -1;

	while ((e = readdir(d)) != NULL) {
		char link[64] = "";

		if (readlinkat(dirfd(d), e->d_name, link, sizeof(link) - 1) > 0 &&
		    (strncmp(link, "/tmp/#", 6) == 0 || strncmp(link, "/tmp/forebay.", 13) == 0))
			sscanf(e->d_name, "%d", &fd);
	}
	closedir(d);
	return fd;
}

/* --- memory -------------------------------------------------------------------------------- */

START_TEST(of_a_client_that_keeps_up_nothing_is_kept)
{
	bed.client.room = UINT64_MAX;
	for (int i = 0; i < 20; i++)
		pond_give(GIVE_MOST, 5000);
	ck_assert_uint_eq(bed.client.sent, bed.source.given);
	pond_end();
	ck_assert_uint_eq(bed.client.ends, 1);
	ck_assert_uint_eq(pond_counted(COUNTER_POND), 0);
}
END_TEST

START_TEST(a_source_is_done_before_its_client_has_read)
{
	bed.spool.dir = "/nowhere"; /* no file is needed */
	pond_give(10, 10);
	ck_assert_uint_eq(bed.client.sent, 10);
	pond_give(GIVE_MOST, 3);
	pond_give(GIVE_MOST, GIVE_MOST);
	ck_assert_uint_eq(bed.client.sent, 10);
	ck_assert(!bed.source.is_paused);
	pond_end();
	ck_assert(bed.x.is_answered);
	ck_assert_uint_eq(bed.client.ends, 0);
	ck_assert_uint_eq(pond_held(), 2 * GIVE_MOST);
	pond_take_all();
	ck_assert_uint_eq(bed.client.sent, bed.source.given);
	ck_assert_uint_eq(bed.client.ends, 1);
	ck_assert_uint_eq(pond_counted(COUNTER_POND), 1);
	ck_assert_uint_eq(pond_counted(COUNTER_POND_FILE), 0);
	ck_assert(!pond_is_job_away());
}
END_TEST

START_TEST(a_client_that_comes_back_gets_what_is_kept_and_then_what_comes)
{
	pond_give(10, 10);
	pond_give(100, 100);
	pond_take(1000);
	ck_assert_uint_eq(bed.client.sent, 110);
	pond_give(100, 100);
	ck_assert_uint_eq(bed.client.sent, 210);
	ck_assert_uint_eq(pond_counted(COUNTER_POND_KEPT), 100);
	pond_end();
	ck_assert_uint_eq(bed.client.ends, 1);
}
END_TEST

START_TEST(without_a_file_the_source_waits_above_the_memory)
{
	bed.conf.file = 0;
	pond_give(1, 1);
	while (!bed.source.is_paused)
		pond_give(1000, 300);
	ck_assert_uint_ge(pond_held(), MEMORY);
	ck_assert_uint_lt(pond_held(), MEMORY + 1000);
	pond_take(PIECE);
	ck_assert_uint_eq(bed.source.resumes, 1);
	while (!bed.source.is_paused)
		pond_give(1000, 300);
	pond_take_all();
	pond_end();
	ck_assert_uint_eq(bed.client.sent, bed.source.given);
	ck_assert_uint_eq(bed.client.ends, 1);
	ck_assert(!pond_is_job_away());
}
END_TEST

START_TEST(short_memory_makes_it_small)
{
	char *large = mem_alloc(1 << 20);

	bed.conf.file = 0;
	mem_settle();
	bytes_set_limit(&bed.env.bytes, 1 << 20, false);
	pond_give(1, 1);
	while (!bed.source.is_paused)
		pond_give(1000, 1000);
	ck_assert_uint_ge(pond_held(), MEMORY / 2);
	ck_assert_uint_lt(pond_held(), MEMORY / 2 + 1000);
	bytes_set_limit(&bed.env.bytes, 0, false);
	mem_free(&large);
	pond_end();
	pond_take_all();
}
END_TEST

/* --- files ---------------------------------------------------------------------------------- */

START_TEST(above_the_memory_a_file_takes_the_rest)
{
	pond_give_much(20 * MEMORY);
	ck_assert_uint_eq(bed.source.given, 20 * MEMORY);
	ck_assert_uint_eq(bed.source.resumes, 0);
	pond_end();
	ck_assert_uint_le(pond_held(), MEMORY);
	ck_assert_uint_ge(pond_counted(COUNTER_POND_FILE_KEPT), 18 * MEMORY);
	ck_assert_int_ge(find_file(), 0);
	pond_take_all();
	ck_assert_uint_eq(bed.client.sent, bed.source.given);
	ck_assert_uint_eq(bed.client.ends, 1);
	ck_assert_uint_eq(pond_counted(COUNTER_POND_FILE), 1);
	pond_run_all_jobs();
	ck_assert_int_lt(find_file(), 0);
}
END_TEST

START_TEST(while_a_piece_is_written_the_source_waits_above_the_memory)
{
	pond_give(1, 1);
	while (!bed.source.is_paused)
		pond_give(1000, 1000);
	ck_assert(pond_is_job_away());
	ck_assert_uint_lt(pond_held(), MEMORY + 1000);
	pond_run_jobs();
	ck_assert(!bed.source.is_paused);
	pond_end();
	pond_take_all();
	ck_assert_uint_eq(bed.client.sent, bed.source.given);
}
END_TEST

START_TEST(what_was_written_for_nothing_is_not_read)
{
	pond_give(1, 1);
	while (!bed.source.is_paused)
		pond_give(1000, 1000);
	pond_take(1 << 20); /* all before the piece that is being written */
	ck_assert_uint_lt(bed.client.sent, bed.source.given);
	pond_run_jobs();
	ck_assert_uint_eq(bed.client.sent, bed.source.given);
	ck_assert_uint_eq(pond_counted(COUNTER_POND_FILE_KEPT), 0);
	pond_end();
	ck_assert_uint_eq(bed.client.ends, 1);
}
END_TEST

START_TEST(a_file_has_a_limit_and_room_again_when_it_is_empty)
{
	bed.conf.file = 5 * PIECE;
	for (int i = 0; i < 3; i++) {
		uint64_t before = pond_counted(COUNTER_POND_FILE_KEPT);

		pond_give_much(1 << 30);
		ck_assert_uint_eq(pond_counted(COUNTER_POND_FILE_KEPT) - before, 5 * PIECE);
		while (bed.client.sent < bed.source.given) {
			pond_take(PIECE);
			pond_run_all_jobs();
		}
		ck_assert(!bed.source.is_paused);
	}
	pond_end();
	ck_assert_uint_eq(bed.client.ends, 1);
	ck_assert_uint_eq(pond_counted(COUNTER_POND_FILE), 1);
}
END_TEST

START_TEST(a_folder_that_cannot_be_written_to_leaves_it_at_back_pressure)
{
	bed.spool.dir = "/nowhere";
	pond_give_much(1 << 30);
	ck_assert(bed.source.is_paused);
	ck_assert_uint_lt(pond_held(), MEMORY + PIECE);
	ck_assert_uint_eq(pond_counted(COUNTER_POND_FILE_FAILED), 1);
	ck_assert_uint_ne(bed.lease.spool_told_ns, 0);
	pond_take(PIECE);
	ck_assert(!bed.source.is_paused);
	pond_end();
	pond_take_all();
	ck_assert_uint_eq(bed.client.sent, bed.source.given);
	ck_assert_uint_eq(bed.client.ends, 1);
	ck_assert_uint_eq(pond_counted(COUNTER_POND_FILE_FAILED), 1);
}
END_TEST

START_TEST(a_disk_that_fails_midway_keeps_what_it_has)
{
	char path[64];
	int fd, deaf;

	pond_give_much(4 * MEMORY);
	fd = find_file();
	ck_assert_int_ge(fd, 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	deaf = open(path, O_RDONLY);
	ck_assert_int_eq(dup2(deaf, fd), fd);
	close(deaf);
	pond_give_much(1 << 30);
	ck_assert(bed.source.is_paused);
	ck_assert_uint_eq(pond_counted(COUNTER_POND_FILE_FAILED), 1);
	pond_take_all();
	pond_end();
	ck_assert_uint_eq(bed.client.sent, bed.source.given);
	ck_assert_uint_eq(bed.client.ends, 1);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_cuts_the_response)
{
	pond_give_much(4 * MEMORY);
	pond_end();
	ck_assert_int_eq(ftruncate(find_file(), 0), 0);
	pond_take_all();
	ck_assert_uint_eq(bed.client.aborts, 1);
	ck_assert_uint_lt(bed.client.sent, bed.source.given);
	ck_assert(!bed.source.is_cancelled); /* it had ended */
}
END_TEST

START_TEST(a_full_pool_is_asked_again)
{
	uint64_t places[QUEUE];
	unsigned n = 0;

	while (n < QUEUE && pond_reserve(&places[n]) == 0)
		n++;
	pond_give_much(1 << 30);
	ck_assert(bed.source.is_paused && !pond_is_job_away());
	ck_assert_uint_ge(pond_counted(COUNTER_POND_FILE_REFUSED), 1);
	while (n > 0)
		pool_release(bed.pool, CLASS_CRITICAL, 1, places[--n]);
	while (!pond_is_job_away())
		loop_turn(&bed.env.loop, true);
	pond_run_all_jobs();
	ck_assert(!bed.source.is_paused);
	pond_give_much(4 * MEMORY);
	while (n < QUEUE && pond_reserve(&places[n]) == 0)
		n++;
	pond_take(MEMORY);
	while (!pond_is_job_away() && bed.client.sent < bed.source.given && n > 0) {
		loop_turn(&bed.env.loop, true);
		pool_release(bed.pool, CLASS_CRITICAL, 1, places[--n]);
		bed.client.is_paused = false;
		exchange_resume(&bed.x);
	}
	while (n > 0)
		pool_release(bed.pool, CLASS_CRITICAL, 1, places[--n]);
	pond_end();
	while (bed.client.ends + bed.client.aborts == 0) {
		pond_take(PIECE);
		if (pond_is_job_away())
			pond_run_all_jobs();
		else if (bed.client.ends == 0)
			loop_turn(&bed.env.loop, false);
	}
	ck_assert_uint_eq(bed.client.ends, 1);
	ck_assert_uint_eq(bed.client.sent, bed.source.given);
}
END_TEST

/* --- ends ---------------------------------------------------------------------------------- */

START_TEST(a_cut_comes_behind_what_was_said)
{
	pond_give_much(3 * MEMORY);
	bed.source.has_ended = true;
	exchange_abort(&bed.x, ERR_CLOSED);
	ck_assert_uint_eq(bed.client.aborts, 0);
	pond_take_all();
	ck_assert_uint_eq(bed.client.sent, bed.source.given);
	ck_assert_uint_eq(bed.client.aborts, 1);
	ck_assert_int_eq(bed.client.err, ERR_CLOSED);
	ck_assert_uint_eq(bed.client.ends, 0);
}
END_TEST

START_TEST(a_client_that_goes_leaves_nothing)
{
	pond_give(1, 1);
	while (!bed.source.is_paused)
		pond_give(1000, 1000);
	ck_assert(pond_is_job_away());
	exchange_cancel(&bed.x, ERR_GONE);
	ck_assert(bed.source.is_cancelled);
	ck_assert_uint_eq(pond_held(), 0);
	pond_run_all_jobs();
	ck_assert_int_lt(find_file(), 0);
}
END_TEST

START_TEST(a_client_that_goes_while_its_file_is_read_leaves_nothing)
{
	pond_give_much(4 * MEMORY);
	pond_end();
	while (!pond_is_job_away())
		pond_take(PIECE);
	exchange_cancel(&bed.x, ERR_GONE);
	ck_assert(!bed.source.is_cancelled);
	pond_run_all_jobs();
	ck_assert_int_lt(find_file(), 0);
	ck_assert_uint_eq(bed.client.ends + bed.client.aborts, 0);
}
END_TEST

START_TEST(without_memory_the_exchange_fails_once)
{
	for (unsigned long n = 1; n < 12; n++) {
		struct chunks list;
		int err;

		pond_give(1, 1);
		pond_give(100, 100);
		chunks_init(&list, &bed.env.store);
		ck_assert_int_eq(chunks_add_copy(&list, slice_make("0", 1)), 0);
		mem_fail_at(n, true);
		while (!bed.source.is_paused && bed.source.given < 4 * MEMORY) {
			static char memory[PIECE];

			for (size_t i = 0; i < PIECE; i++)
				memory[i] = pond_byte_at(bed.source.given + i);
			chunks_clear(&list);
			if (chunks_add_static(&list, slice_make(memory, PIECE)) != 0)
				break;
			err = exchange_body(&bed.x, &list);
			bed.source.given += PIECE;
			if (err < 0)
				break;
			bed.source.is_paused = err == EXCHANGE_PAUSE;
		}
		mem_fail_at(0, false);
		chunks_clear(&list);
		loop_turn(&bed.env.loop, false);
		ck_assert_uint_le(bed.client.aborts, 1);
		if (bed.client.aborts == 0)
			exchange_cancel(&bed.x, ERR_GONE);
		ck_assert(bed.source.is_cancelled);
		pond_finish();
		pond_begin();
	}
	pond_end();
}
END_TEST

/* --- every order ------------------------------------------------------------------------------ */

static struct random dice;

static void
step(void)
{
	switch (random_below(&dice, 6)) {
	case 0:
	case 1:
		if (!bed.source.is_paused)
			pond_give(1 + random_below(&dice, GIVE_MOST),
				  1 + random_below(&dice, 9000));
		break;
	case 2:
		pond_take(random_below(&dice, 3 * PIECE));
		break;
	case 3:
	case 4:
		pond_run_jobs();
		break;
	default:
		loop_turn(&bed.env.loop, false);
		break;
	}
	ck_assert_uint_le(pond_held(), MEMORY + PIECE + GIVE_MOST);
	/* With a disk that works, nobody but a job that is away holds up the bed.source. */
	if (bed.conf.file > 1 << 20 && bed.spool.dir[1] == 't' && !pond_is_job_away())
		ck_assert(!bed.source.is_paused);
}

START_TEST(bytes_arrive_in_order_whatever_comes_first)
{
	pond_run_all_jobs();
	exchange_cancel(&bed.x, ERR_GONE);
	pond_finish();
	random_init(&dice, (uint64_t)_i);
	for (unsigned run = 0; run < RUNS; run++) {
		unsigned steps = (unsigned)random_below(&dice, STEPS);
		unsigned outcome = (unsigned)random_below(&dice, 4);

		bed.conf.file =
		    (const uint64_t[]){ 1 << 30, 1 << 30, 3 * PIECE, 0 }[random_below(&dice, 4)];
		bed.spool.dir = random_below(&dice, 8) ? "/tmp" : "/nowhere";
		pond_begin();
		for (unsigned i = 0; i < steps; i++)
			step();
		if (outcome == 0) {
			exchange_cancel(&bed.x, ERR_GONE);
		} else if (outcome == 1) {
			bed.source.has_ended = true;
			exchange_abort(&bed.x, ERR_CLOSED);
		} else {
			pond_end();
		}
		for (unsigned i = 0; outcome > 0 && i < steps / 4; i++) {
			pond_take(random_below(&dice, PIECE));
			if (random_below(&dice, 2))
				pond_run_jobs();
		}
		if (outcome > 0) {
			pond_take_all();
			ck_assert_uint_eq(bed.client.sent, bed.source.given);
			ck_assert_uint_eq(bed.client.aborts, outcome == 1);
			ck_assert_uint_eq(bed.client.ends, outcome > 1);
		}
		pond_finish();
	}
	pond_begin();
	pond_end();
}
END_TEST

Suite *
suite_plan_pond(void)
{
	Suite *s = suite_create("plan_pond");
	TCase *t = tcase_create("pond");

	tcase_add_checked_fixture(t, pond_setup, pond_teardown);
	tcase_add_test(t, of_a_client_that_keeps_up_nothing_is_kept);
	tcase_add_test(t, a_source_is_done_before_its_client_has_read);
	tcase_add_test(t, a_client_that_comes_back_gets_what_is_kept_and_then_what_comes);
	tcase_add_test(t, without_a_file_the_source_waits_above_the_memory);
	tcase_add_test(t, short_memory_makes_it_small);
	tcase_add_test(t, above_the_memory_a_file_takes_the_rest);
	tcase_add_test(t, while_a_piece_is_written_the_source_waits_above_the_memory);
	tcase_add_test(t, what_was_written_for_nothing_is_not_read);
	tcase_add_test(t, a_file_has_a_limit_and_room_again_when_it_is_empty);
	tcase_add_test(t, a_folder_that_cannot_be_written_to_leaves_it_at_back_pressure);
	tcase_add_test(t, a_disk_that_fails_midway_keeps_what_it_has);
	tcase_add_test(t, a_file_that_cannot_be_read_cuts_the_response);
	tcase_add_test(t, a_full_pool_is_asked_again);
	tcase_add_test(t, a_cut_comes_behind_what_was_said);
	tcase_add_test(t, a_client_that_goes_leaves_nothing);
	tcase_add_test(t, a_client_that_goes_while_its_file_is_read_leaves_nothing);
	tcase_add_test(t, without_memory_the_exchange_fails_once);
	tcase_add_loop_test(t, bytes_arrive_in_order_whatever_comes_first, 1, 5);
	suite_add_tcase(s, t);
	return s;
}
