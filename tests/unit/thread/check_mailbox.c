/*
 * Mail: order, batches, and above all that no wake-up is ever lost.
 */
#include "base/clock.h"
#include "base/list.h"
#include "home.h"
#include "thread/thread.h"

Suite *suite_thread_mailbox(void);

struct letter {
	struct mail mail;
	unsigned number;
};

struct reader {
	unsigned read;
	unsigned last;
	bool is_in_order;
	struct mailbox *answer_to; /* sent once from inside the first delivery */
	struct letter *answer;
};

static void
read_letter(struct mail *m, void *receiver)
{
	struct letter *l = CONTAINER_OF(m, struct letter, mail);
	struct reader *r = receiver;

	r->is_in_order = r->is_in_order && l->number == r->last + 1;
	r->last = l->number;
	r->read++;
	if (r->answer_to) {
		struct mailbox *to = r->answer_to;
		r->answer_to = NULL;
		mailbox_send(to, &r->answer->mail);
	}
}

START_TEST(mail_of_one_sender_arrives_in_order)
{
	struct letter letters[10];
	struct reader reader = { .is_in_order = true };
	struct home home;

	home_open(&home, &reader);
	for (unsigned i = 0; i < 10; i++) {
		letters[i] = (struct letter){ .mail.deliver = read_letter, .number = i + 1 };
		mailbox_send(&home.mailbox, &letters[i].mail);
	}
	ck_assert_uint_eq(mailbox_drain(&home.mailbox, &reader), 10);
	ck_assert(reader.is_in_order);
	ck_assert_uint_eq(mailbox_drain(&home.mailbox, &reader), 0);
	home_close(&home);
}
END_TEST

START_TEST(mail_sent_while_draining_waits_for_the_next_drain)
{
	struct letter first = { .mail.deliver = read_letter, .number = 1 };
	struct letter second = { .mail.deliver = read_letter, .number = 2 };
	struct reader reader = { .is_in_order = true, .answer = &second };
	struct home home;

	home_open(&home, &reader);
	reader.answer_to = &home.mailbox;
	mailbox_send(&home.mailbox, &first.mail);
	ck_assert_uint_eq(mailbox_drain(&home.mailbox, &reader), 1);
	ck_assert(!mailbox_fall_asleep(&home.mailbox));
	ck_assert_uint_eq(mailbox_drain(&home.mailbox, &reader), 1);
	ck_assert(reader.is_in_order);
	home_close(&home);
}
END_TEST

/* How many edges the descriptor has had. */
static unsigned
count_rings(struct home *h)
{
	struct epoll_event event;
	unsigned rings = 0;

	while (epoll_wait(h->epoll_fd, &event, 1, 0) == 1)
		rings++;
	return rings;
}

START_TEST(only_a_sleeping_receiver_is_rung_and_only_once)
{
	struct letter letters[3];
	struct reader reader = { .is_in_order = true };
	struct home home;

	home_open(&home, &reader);
	for (unsigned i = 0; i < 3; i++)
		letters[i] = (struct letter){ .mail.deliver = read_letter, .number = i + 1 };
	mailbox_send(&home.mailbox, &letters[0].mail);
	ck_assert_uint_eq(count_rings(&home), 0);
	ck_assert_uint_eq(mailbox_drain(&home.mailbox, &reader), 1);
	ck_assert(mailbox_fall_asleep(&home.mailbox));
	mailbox_send(&home.mailbox, &letters[1].mail);
	mailbox_send(&home.mailbox, &letters[2].mail);
	ck_assert(!atomic_load(&home.mailbox.is_asleep));
	ck_assert_uint_eq(count_rings(&home), 1);
	mailbox_wake_up(&home.mailbox);
	ck_assert_uint_eq(mailbox_drain(&home.mailbox, &reader), 2);
	ck_assert_uint_eq(count_rings(&home), 0);
	home_close(&home);
}
END_TEST

START_TEST(a_ring_wakes_without_mail)
{
	struct home home;

	home_open(&home, NULL);
	mailbox_ring(&home.mailbox);
	ck_assert_uint_eq(home_turn(&home), 0);
	home_close(&home);
}
END_TEST

/* --- lost wake-ups ---------------------------------------------------------------- */

enum { SENDERS = 2, ROUNDS = 20000 };

/* Each sender has one letter on its way at a time, so the receiver falls
 * asleep all the time, just as mail comes. */
struct sender {
	struct thread thread;
	struct letter letter;
	struct mailbox *to;
	atomic_uint back; /* letters that were delivered */
};

static void
come_back(struct mail *m, void *receiver)
{
	struct sender *s = CONTAINER_OF(m, struct sender, letter.mail);
	unsigned *read = receiver;

	++*read;
	atomic_fetch_add(&s->back, 1);
}

static void
send_rounds(void *argument)
{
	struct sender *s = argument;

	for (unsigned i = 0; i < ROUNDS; i++) {
		uint64_t until = clock_monotonic() + CLOCK_SEC * 20;
		mailbox_send(s->to, &s->letter.mail);
		for (unsigned spins = 1; atomic_load(&s->back) == i; spins++) {
			if (spins % 64 == 0)
				sched_yield();
			if (spins % 65536 == 0 && clock_monotonic() > until)
				return;
		}
	}
}

START_TEST(no_wake_up_is_lost_between_two_senders_and_a_sleepy_receiver)
{
	static struct sender senders[SENDERS];
	unsigned read = 0;
	struct home home;

	home_open(&home, &read);
	for (unsigned i = 0; i < SENDERS; i++) {
		struct sender *s = &senders[i];
		*s = (struct sender){ .to = &home.mailbox, .letter.mail.deliver = come_back };
		s->thread = (struct thread){ .role = THREAD_POOL, .name = "sender" };
		s->thread.run = send_rounds;
		s->thread.argument = s;
		ck_assert_int_eq(thread_start(&s->thread), 0);
	}
	home_await(&home, &read, SENDERS * ROUNDS);
	for (unsigned i = 0; i < SENDERS; i++)
		thread_join(&senders[i].thread);
	ck_assert_uint_eq(read, SENDERS * ROUNDS);
	home_close(&home);
}
END_TEST

/* --- the end ---------------------------------------------------------------------- */

/* Has sent, and is about to ring. */
struct ringer {
	struct thread thread;
	struct mailbox *to;
	atomic_bool is_ending; /* the receiver begins to wait for it */
	atomic_bool has_rung;
};

static void
ring_late(void *argument)
{
	struct ringer *r = argument;

	while (!atomic_load(&r->is_ending))
		sched_yield();
	for (unsigned i = 0; i < 1000; i++)
		sched_yield();
	atomic_store(&r->has_rung, true);
	atomic_fetch_sub_explicit(&r->to->senders, 1, memory_order_release);
}

START_TEST(the_end_waits_for_who_has_sent_and_still_rings)
{
	static struct ringer ringer;
	struct mailbox mailbox;

	ck_assert_int_eq(mailbox_init(&mailbox), 0);
	ringer = (struct ringer){ .to = &mailbox };
	ringer.thread = (struct thread){
		.role = THREAD_POOL, .name = "ringer", .run = ring_late, .argument = &ringer
	};
	atomic_fetch_add(&mailbox.senders, 1);
	ck_assert_int_eq(thread_start(&ringer.thread), 0);
	atomic_store(&ringer.is_ending, true);
	mailbox_fini(&mailbox);
	ck_assert(atomic_load(&ringer.has_rung));
	thread_join(&ringer.thread);
}
END_TEST

Suite *
suite_thread_mailbox(void)
{
	Suite *s = suite_create("thread_mailbox");
	TCase *t = tcase_create("mailbox");

	tcase_add_test(t, mail_of_one_sender_arrives_in_order);
	tcase_add_test(t, mail_sent_while_draining_waits_for_the_next_drain);
	tcase_add_test(t, only_a_sleeping_receiver_is_rung_and_only_once);
	tcase_add_test(t, a_ring_wakes_without_mail);
	tcase_add_test(t, no_wake_up_is_lost_between_two_senders_and_a_sleepy_receiver);
	tcase_add_test(t, the_end_waits_for_who_has_sent_and_still_rings);
	suite_add_tcase(s, t);
	return s;
}
