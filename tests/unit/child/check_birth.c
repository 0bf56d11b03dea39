/*
 * What a program is born with: the spawner is this program (main.c), and what
 * it starts is a shell that says what the kernel says of it.
 */
#include "child/order.h"
#include "child/spawner.h"
#include "thread/thread.h"

#include <check.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <unistd.h>

Suite *suite_child_birth(void);

enum { SAID_BYTES = 4096 };

/* All that it writes until its end. */
static const char *
hear_shell(struct spawner *s, const char *script, const struct order_share *share)
{
	static char said[SAID_BYTES];
	const struct order_limits limits = { 0 };
	struct order o;
	struct child c;
	size_t len = 0;
	ssize_t got = 1;

	order_init(&o, "/bin/sh", "/", &limits);
	order_argument(&o, SLICE("-c"));
	order_argument(&o, slice_of(script));
	order_variable(&o, SLICE("PATH"), SLICE("/usr/bin:/bin"));
	o.head.share = *share;
	ck_assert_int_eq(spawner_start(s, &o, CHILD_PIPES, &c), 0);
	while (got != 0 && len < sizeof(said) - 1) {
		struct pollfd p = { .fd = c.output, .events = POLLIN };
		poll(&p, 1, -1);
		got = read(c.output, said + len, sizeof(said) - 1 - len);
		len += got > 0 ? (size_t)got : 0;
	}
	said[len] = '\0';
	child_close(&c);
	order_fini(&o);
	return said;
}

/* Of a thread that is neither alone on its processor nor usual: it starts the spawner. */
struct stranger {
	struct spawner *spawner;
	struct order_share usual, mine;
	char said[SAID_BYTES], wanted[SAID_BYTES];
};

static void
describe(char *into, const struct order_share *s)
{
	char list[CPUS_MAX];
	struct writer w = writer_over(list, sizeof(list));

	cpus_write(&s->cpus, &w);
	snprintf(into, SAID_BYTES, "nice %d policy %d on %.*s\n", s->nice, s->policy,
		 SLICE_PRINT(writer_slice(&w)));
}

static void
start_and_ask(void *argument)
{
	struct stranger *s = argument;

	s->mine = order_share_of_thread();
	/* Behind the name, which is in parentheses, the 17th and the 39th field. */
	snprintf(s->said, SAID_BYTES, "%s",
		 hear_shell(s->spawner,
			    "set -- $(sed 's/.*) //' /proc/$$/stat); echo nice ${17} policy ${39} "
			    "on $(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' /proc/$$/status)",
			    &s->usual));
}

START_TEST(a_program_has_the_share_of_its_order_whoever_started_the_spawner)
{
	struct stranger s = { .usual = order_share_of_thread() };
	struct thread thread = { .role = THREAD_POOL,
				 .nice = 3,
				 .batch = true,
				 .name = "stranger",
				 .run = start_and_ask,
				 .argument = &s };

	/* What anybody may have, from what the stranger is. */
	s.usual.nice = 7;
	s.usual.policy = SCHED_OTHER;
	cpus_add(&thread.cpus, cpus_at(&s.usual.cpus, 0));
	s.spawner = spawner_new();
	ck_assert_int_eq(thread_start(&thread), 0);
	thread_join(&thread);
	ck_assert_int_eq(s.mine.nice, 3);
	ck_assert_int_eq(s.mine.policy, SCHED_BATCH);
	describe(s.wanted, &s.usual);
	ck_assert_str_eq(s.said, s.wanted);
	spawner_unref(&s.spawner);
}
END_TEST

START_TEST(a_program_has_the_share_of_its_order_and_not_the_spawners)
{
	struct order_share share = order_share_of_thread();
	struct stranger s = { .spawner = spawner_new(), .usual = share };

	s.usual.nice = 9;
	s.usual.policy = SCHED_BATCH;
	s.usual.cpus = (struct cpus){ { 0 } };
	cpus_add(&s.usual.cpus, cpus_at(&share.cpus, cpus_count(&share.cpus) - 1));
	start_and_ask(&s);
	describe(s.wanted, &s.usual);
	ck_assert_str_eq(s.said, s.wanted);
	spawner_unref(&s.spawner);
}
END_TEST

Suite *
suite_child_birth(void)
{
	Suite *s = suite_create("child/birth");
	TCase *t = tcase_create("share");

	tcase_add_test(t, a_program_has_the_share_of_its_order_whoever_started_the_spawner);
	tcase_add_test(t, a_program_has_the_share_of_its_order_and_not_the_spawners);
	suite_add_tcase(s, t);
	return s;
}
