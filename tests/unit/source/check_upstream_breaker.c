/*
 * When an upstream is not asked, and how it is asked again.
 */
#include "base/clock.h"
#include "upstream_bed.h"

#include "source/upstream_priv.h"

#include <check.h>

Suite *suite_source_upstream_breaker(void);

static const char section[] = "breaker_error_rate = 50%\nbreaker_min_requests = 10\n"
			      "breaker_open_for = 1h";

static void
note(struct bed *b, bool has_failed, unsigned times)
{
	struct upstream_errand e = { .share = bed_share(b),
				     .begun_ns = loop_now(&bed_env(b)->loop) };

	for (unsigned i = 0; i < times; i++)
		upstream_share_note(&e, e.share->peers[0], has_failed);
}

static enum upstream_breaker_state
state(struct bed *b)
{
	return bed_share(b)->breaker.state;
}

/* Prepared and reserved; NULL: refused. */
static struct ask *
reserve(struct bed *b)
{
	struct ask *a = bed_prepare(b);

	return ask_start(a) == 0 ? a : NULL;
}

START_TEST(it_opens_at_its_rate)
{
	struct bed *b = bed_open(section, "", BED_JOINED);

	note(b, false, 6);
	note(b, true, 5);
	ck_assert_int_eq(state(b), BREAKER_CLOSED);
	note(b, true, 1);
	ck_assert_int_eq(state(b), BREAKER_OPEN);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_BREAKER_OPEN), 1);
	bed_close(b);
}
END_TEST

START_TEST(few_requests_prove_nothing)
{
	struct bed *b = bed_open(section, "", BED_JOINED);

	note(b, true, 9);
	ck_assert_int_eq(state(b), BREAKER_CLOSED);
	note(b, true, 1);
	ck_assert_int_eq(state(b), BREAKER_OPEN);
	bed_close(b);
}
END_TEST

START_TEST(failures_of_long_ago_are_forgotten)
{
	struct bed *b = bed_open(section, "", BED_JOINED);
	struct upstream_breaker *breaker = &bed_share(b)->breaker;

	note(b, true, 9);
	for (unsigned i = 0; i < UPSTREAM_SLOTS; i++)
		breaker->slots[i].number -= UPSTREAM_SLOTS;
	note(b, true, 9);
	ck_assert_int_eq(state(b), BREAKER_CLOSED);
	bed_close(b);
}
END_TEST

START_TEST(without_a_rate_there_is_none)
{
	struct bed *b = bed_open("", "", BED_JOINED);

	note(b, true, 1000);
	ck_assert_int_eq(state(b), BREAKER_CLOSED);
	bed_close(b);
}
END_TEST

START_TEST(an_open_one_refuses_at_once_and_says_so)
{
	struct bed *b = bed_open(section, "", BED_JOINED);
	struct ask *a;

	note(b, true, 10);
	a = bed_prepare(b);
	ck_assert_int_eq(ask_start(a), ERR_SHED);
	ck_assert_str_eq(a->q.refusal.limit, "upstream.u.breaker");
	ck_assert_uint_gt(a->q.refusal.retry_after_s, 0);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_BREAKER_REFUSED), 1);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_REFUSED), 0);
	ck_assert_uint_eq(bed_admitted(b), 0);
	bed_close(b);
}
END_TEST

START_TEST(half_open_a_few_try)
{
	struct bed *b = bed_open(section, "", BED_JOINED);
	struct ask *a[3];

	note(b, true, 10);
	bed_share(b)->breaker.until_ns = 0;
	for (unsigned i = 0; i < 3; i++) {
		a[i] = reserve(b);
		ck_assert_ptr_nonnull(a[i]);
	}
	ck_assert_ptr_null(reserve(b));
	/* One whose client leaves makes room. */
	ask_cancel(a[0]);
	ck_assert_ptr_nonnull(reserve(b));
	ck_assert_ptr_null(reserve(b));
	ck_assert_int_eq(state(b), BREAKER_HALF_OPEN);
	bed_close(b);
}
END_TEST

START_TEST(answers_close_it_and_the_window_is_new)
{
	struct bed *b = bed_open(section, "", BED_JOINED);
	struct upstream_errand began_before = { .share = bed_share(b) };
	int fd = -1;

	note(b, true, 10);
	bed_share(b)->breaker.until_ns = 0;
	for (unsigned i = 0; i < 3; i++) {
		struct ask *a = reserve(b);

		ck_assert_ptr_nonnull(a);
		if (fd < 0)
			fd = bed_accept(b);
		bed_expect(b, fd, "");
		bed_say_ok(b, fd);
		bed_await(b, a);
	}
	ck_assert_int_eq(state(b), BREAKER_CLOSED);
	ck_assert_uint_eq(bed_share(b)->breaker.trying, 0);
	for (unsigned i = 0; i < 10; i++)
		upstream_share_note(&began_before, bed_share(b)->peers[0], true);
	ck_assert_int_eq(state(b), BREAKER_CLOSED);
	note(b, true, 9);
	ck_assert_int_eq(state(b), BREAKER_CLOSED);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_BREAKER_HALF_OPEN), 1);
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_BREAKER_CLOSED), 1);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(one_failure_opens_it_again)
{
	struct bed *b = bed_open(section, "", BED_JOINED);
	struct ask *a;

	note(b, true, 10);
	bed_share(b)->breaker.until_ns = 0;
	a = reserve(b);
	bed_reset(bed_accept(b));
	bed_await(b, a);
	ck_assert_int_eq(state(b), BREAKER_OPEN);
	ck_assert_ptr_null(reserve(b));
	ck_assert_uint_eq(bed_count(b, COUNTER_UPSTREAM_BREAKER_OPEN), 2);
	bed_close(b);
}
END_TEST

START_TEST(half_open_only_who_was_let_in_counts)
{
	struct bed *b = bed_open(section, "", BED_JOINED);
	struct ask *a;
	int fd;

	note(b, true, 10);
	bed_share(b)->breaker.until_ns = 0;
	a = reserve(b);
	ck_assert_int_eq(state(b), BREAKER_HALF_OPEN);
	/* They began before it opened. */
	note(b, true, 10);
	ck_assert_int_eq(state(b), BREAKER_HALF_OPEN);
	note(b, false, 10);
	ck_assert_int_eq(state(b), BREAKER_HALF_OPEN);
	fd = bed_accept(b);
	bed_expect(b, fd, "");
	bed_say_ok(b, fd);
	bed_await(b, a);
	ck_assert_uint_eq(bed_share(b)->breaker.answered, 1);
	bed_hang_up(fd);
	bed_close(b);
}
END_TEST

START_TEST(trials_of_the_time_before_neither_count_nor_take_a_place)
{
	struct bed *b = bed_open(section, "", BED_JOINED);
	struct ask *old[3];
	int fd[3];

	note(b, true, 10);
	bed_share(b)->breaker.until_ns = 0;
	for (unsigned i = 0; i < 3; i++) {
		old[i] = reserve(b);
		fd[i] = bed_accept(b);
		bed_expect(b, fd[i], "");
	}
	bed_reset(fd[0]);
	bed_await(b, old[0]);
	ck_assert_int_eq(state(b), BREAKER_OPEN);
	bed_share(b)->breaker.until_ns = 0;
	for (unsigned i = 0; i < 3; i++)
		ck_assert_ptr_nonnull(reserve(b));
	ck_assert_ptr_null(reserve(b));
	bed_reset(fd[1]);
	bed_await(b, old[1]);
	ck_assert_int_eq(state(b), BREAKER_HALF_OPEN);
	ck_assert_uint_eq(bed_share(b)->breaker.trying, 3);
	bed_hang_up(fd[2]);
	bed_close(b);
}
END_TEST

START_TEST(a_short_window_notices_soon)
{
	struct bed *b = bed_open("breaker_error_rate = 50%\nbreaker_window = 1s", "", BED_JOINED);

	bed_freeze(b);
	for (unsigned i = 0; i < 50; i++) {
		note(b, false, 10);
		bed_pass(b, 100);
	}
	for (unsigned i = 0; i < 5; i++) {
		ck_assert_int_eq(state(b), BREAKER_CLOSED);
		note(b, true, 10);
		bed_pass(b, 100);
	}
	ck_assert_int_eq(state(b), BREAKER_OPEN);
	bed_close(b);
}
END_TEST

START_TEST(what_began_before_says_nothing_about_an_open_one)
{
	struct bed *b = bed_open(section, "", BED_JOINED);

	note(b, true, 10);
	note(b, false, 10);
	ck_assert_int_eq(state(b), BREAKER_OPEN);
	bed_close(b);
}
END_TEST

Suite *
suite_source_upstream_breaker(void)
{
	Suite *s = suite_create("source_upstream_breaker");
	TCase *t = tcase_create("breaker");

	tcase_add_test(t, it_opens_at_its_rate);
	tcase_add_test(t, few_requests_prove_nothing);
	tcase_add_test(t, failures_of_long_ago_are_forgotten);
	tcase_add_test(t, without_a_rate_there_is_none);
	tcase_add_test(t, an_open_one_refuses_at_once_and_says_so);
	tcase_add_test(t, half_open_a_few_try);
	tcase_add_test(t, answers_close_it_and_the_window_is_new);
	tcase_add_test(t, one_failure_opens_it_again);
	tcase_add_test(t, half_open_only_who_was_let_in_counts);
	tcase_add_test(t, trials_of_the_time_before_neither_count_nor_take_a_place);
	tcase_add_test(t, a_short_window_notices_soon);
	tcase_add_test(t, what_began_before_says_nothing_about_an_open_one);
	suite_add_tcase(s, t);
	return s;
}
