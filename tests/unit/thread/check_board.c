/*
 * One value that is replaced, and those who are told.
 */
#include "thread/board.h"

#include "thread/thread.h"

#include <check.h>
#include <sched.h>
#include <stdatomic.h>

Suite *suite_thread_board(void);

enum { POSTS = 2000 };

struct value {
	atomic_int users;
	int number;
};

static void
take(void *value)
{
	atomic_fetch_add(&((struct value *)value)->users, 1);
}

static void
drop(void *value)
{
	atomic_fetch_sub(&((struct value *)value)->users, 1);
}

static void
count_post(void *argument)
{
	++*(unsigned *)argument;
}

START_TEST(a_reader_is_told_once_of_what_came_together)
{
	struct value values[3] = { { 1, 0 }, { 1, 1 }, { 1, 2 } }, *seen;
	struct board_reader *r;
	struct mailbox box;
	struct board b;
	unsigned told = 0;

	ck_assert_int_eq(mailbox_init(&box), 0);
	board_init(&b, &values[0], take, drop);
	r = board_join(&b, &box, count_post, &told);
	ck_assert_ptr_nonnull(r);
	mailbox_drain(&box, NULL);
	ck_assert_uint_eq(told, 0);
	board_post(&b, &values[1]);
	board_post(&b, &values[2]);
	mailbox_drain(&box, NULL);
	ck_assert_uint_eq(told, 1);
	seen = board_take(&b);
	ck_assert_int_eq(seen->number, 2);
	drop(seen);
	board_leave(&r);
	board_fini(&b);
	for (int i = 0; i < 3; i++)
		ck_assert_int_eq(values[i].users, 0);
	mailbox_fini(&box);
}
END_TEST

START_TEST(who_has_left_is_not_told_though_mail_is_on_its_way)
{
	struct value values[2] = { { 1, 0 }, { 1, 1 } };
	struct board_reader *r;
	struct mailbox box;
	struct board b;
	unsigned told = 0;

	ck_assert_int_eq(mailbox_init(&box), 0);
	board_init(&b, &values[0], take, drop);
	r = board_join(&b, &box, count_post, &told);
	board_post(&b, &values[1]);
	board_leave(&r);
	board_fini(&b);
	mailbox_drain(&box, NULL);
	ck_assert_uint_eq(told, 0);
	mailbox_fini(&box);
}
END_TEST

struct poster {
	struct board *board;
	struct value *values;
};

static void
post_many(void *argument)
{
	struct poster *p = argument;

	for (int i = 1; i <= POSTS; i++) {
		p->values[i].number = i;
		board_post(p->board, &p->values[i]);
	}
}

START_TEST(the_last_one_is_always_seen)
{
	static struct value values[POSTS + 1];
	struct thread thread = { .role = THREAD_BUILDER, .run = post_many, .name = "poster" };
	struct poster poster;
	struct board_reader *r;
	struct mailbox box;
	struct board b;
	unsigned told = 0;
	int number = 0;

	for (int i = 0; i <= POSTS; i++)
		values[i].users = 1;
	ck_assert_int_eq(mailbox_init(&box), 0);
	board_init(&b, &values[0], take, drop);
	r = board_join(&b, &box, count_post, &told);
	poster = (struct poster){ &b, values };
	thread.argument = &poster;
	ck_assert_int_eq(thread_start(&thread), 0);
	while (number < POSTS) {
		unsigned before = told;

		mailbox_drain(&box, NULL);
		if (told == before) {
			sched_yield();
			continue;
		}
		struct value *seen = board_take(&b);

		ck_assert_int_ge(seen->number, number);
		number = seen->number;
		drop(seen);
	}
	thread_join(&thread);
	board_leave(&r);
	board_fini(&b);
	mailbox_drain(&box, NULL);
	for (int i = 0; i <= POSTS; i++)
		ck_assert_int_eq(values[i].users, 0);
	mailbox_fini(&box);
}
END_TEST

Suite *
suite_thread_board(void)
{
	Suite *s = suite_create("thread_board");
	TCase *t = tcase_create("board");

	tcase_add_test(t, a_reader_is_told_once_of_what_came_together);
	tcase_add_test(t, who_has_left_is_not_told_though_mail_is_on_its_way);
	tcase_add_test(t, the_last_one_is_always_seen);
	suite_add_tcase(s, t);
	return s;
}
