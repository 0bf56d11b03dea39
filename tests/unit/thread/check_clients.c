/*
 * Connections by client.
 */
#include "thread/clients.h"

#include "base/slice.h"

#include <check.h>
#include <pthread.h>
#include <stdio.h>

Suite *suite_thread_clients(void);

enum { THREADS = 4, ROUNDS = 20000, CROWDS = 4000, LIMIT = 6 };

static struct address
address(const char *text)
{
	struct address a;

	ck_assert_int_eq(address_parse(&a, slice_of(text)), 0);
	return a;
}

static enum clients_answer
take(struct clients *c, const char *who, unsigned limit)
{
	struct address a = address(who);

	return clients_take(c, &a, limit);
}

static void
give(struct clients *c, const char *who)
{
	struct address a = address(who);

	clients_give(c, &a);
}

START_TEST(a_client_has_as_many_as_the_limit_says)
{
	struct clients *c = clients_new(64);

	ck_assert_int_eq(take(c, "192.0.2.1:1", 2), CLIENTS_COUNTED);
	ck_assert_int_eq(take(c, "192.0.2.1:2", 2), CLIENTS_COUNTED);
	ck_assert_int_eq(take(c, "192.0.2.1:3", 2), CLIENTS_TOO_MANY);
	ck_assert_int_eq(take(c, "192.0.2.2:3", 2), CLIENTS_COUNTED);
	give(c, "192.0.2.1:2");
	ck_assert_int_eq(take(c, "192.0.2.1:4", 2), CLIENTS_COUNTED);
	ck_assert_int_eq(take(c, "192.0.2.1:4", 2), CLIENTS_TOO_MANY);
	ck_assert_int_eq(take(c, "192.0.2.1:4", 3), CLIENTS_COUNTED);
	clients_free(&c);
}
END_TEST

START_TEST(a_network_of_ipv6_is_one_client_and_ipv4_is_the_same_in_both_forms)
{
	struct clients *c = clients_new(64);

	ck_assert_int_eq(take(c, "[2001:db8:1:2::1]:1", 1), CLIENTS_COUNTED);
	ck_assert_int_eq(take(c, "[2001:db8:1:2:ffff::9]:1", 1), CLIENTS_TOO_MANY);
	ck_assert_int_eq(take(c, "[2001:db8:1:3::1]:1", 1), CLIENTS_COUNTED);
	ck_assert_int_eq(take(c, "192.0.2.1:1", 1), CLIENTS_COUNTED);
	ck_assert_int_eq(take(c, "[::ffff:192.0.2.1]:1", 1), CLIENTS_TOO_MANY);
	clients_free(&c);
}
END_TEST

START_TEST(who_has_no_address_is_not_counted)
{
	struct clients *c = clients_new(64);

	ck_assert_int_eq(take(c, "unix:/tmp/s", 1), CLIENTS_UNCOUNTED);
	ck_assert_int_eq(take(c, "unix:/tmp/s", 1), CLIENTS_UNCOUNTED);
	clients_free(&c);
}
END_TEST

START_TEST(in_a_full_table_nobody_is_refused_for_others)
{
	struct clients *c = clients_new(1); /* a single bucket */
	char who[32];
	unsigned counted = 0;

	for (unsigned i = 0; i < 20; i++) {
		snprintf(who, sizeof(who), "192.0.2.%u:1", i);
		counted += take(c, who, 1) == CLIENTS_COUNTED;
	}
	ck_assert_uint_eq(counted, 8);
	ck_assert_int_eq(take(c, "192.0.2.0:1", 1), CLIENTS_TOO_MANY);
	give(c, "192.0.2.0:1");
	ck_assert_int_eq(take(c, "192.0.2.19:1", 1), CLIENTS_COUNTED);
	clients_free(&c);
}
END_TEST

static void *
come_and_go(void *argument)
{
	struct clients *c = argument;

	for (unsigned i = 0; i < ROUNDS; i++) {
		if (take(c, "192.0.2.1:1", 3) == CLIENTS_COUNTED)
			give(c, "192.0.2.1:1");
	}
	return NULL;
}

START_TEST(what_threads_take_and_give_comes_to_nothing)
{
	struct clients *c = clients_new(64);
	pthread_t thread[THREADS];

	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, come_and_go, c), 0);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(take(c, "192.0.2.1:1", 3), CLIENTS_COUNTED);
	ck_assert_int_eq(take(c, "192.0.2.1:1", 3), CLIENTS_TOO_MANY);
	clients_free(&c);
}
END_TEST

/* Threads that come at once, as new clients each time. */
struct crowd {
	struct clients *clients;
	pthread_barrier_t start;
};

static void
name_client(char *text, size_t bytes, unsigned number)
{
	snprintf(text, bytes, "198.18.%u.%u:1", number / 256, number % 256);
}

static void *
come_at_once(void *argument)
{
	struct crowd *crowd = argument;
	char who[32];

	for (unsigned i = 0; i < CROWDS; i++) {
		name_client(who, sizeof(who), i);
		pthread_barrier_wait(&crowd->start);
		ck_assert_int_eq(take(crowd->clients, who, LIMIT), CLIENTS_COUNTED);
	}
	return NULL;
}

START_TEST(who_came_at_once_is_held_to_the_limit_from_then_on)
{
	/* So large that most clients touch a page for the first time, which takes long enough for
	 * several threads to find no entry. */
	struct crowd crowd = { .clients = clients_new(1 << 20) };
	pthread_t thread[THREADS];

	ck_assert_int_eq(pthread_barrier_init(&crowd.start, NULL, THREADS), 0);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_create(&thread[i], NULL, come_at_once, &crowd), 0);
	for (unsigned i = 0; i < THREADS; i++)
		ck_assert_int_eq(pthread_join(thread[i], NULL), 0);
	for (unsigned i = 0; i < CROWDS; i++) {
		unsigned counted = THREADS;
		char who[32];

		name_client(who, sizeof(who), i);
		while (take(crowd.clients, who, LIMIT) == CLIENTS_COUNTED)
			counted++;
		ck_assert_uint_eq(counted, LIMIT);
	}
	pthread_barrier_destroy(&crowd.start);
	clients_free(&crowd.clients);
}
END_TEST

Suite *
suite_thread_clients(void)
{
	Suite *s = suite_create("thread_clients");
	TCase *t = tcase_create("clients");

	tcase_add_test(t, a_client_has_as_many_as_the_limit_says);
	tcase_add_test(t, a_network_of_ipv6_is_one_client_and_ipv4_is_the_same_in_both_forms);
	tcase_add_test(t, who_has_no_address_is_not_counted);
	tcase_add_test(t, in_a_full_table_nobody_is_refused_for_others);
	tcase_add_test(t, what_threads_take_and_give_comes_to_nothing);
	tcase_add_test(t, who_came_at_once_is_held_to_the_limit_from_then_on);
	suite_add_tcase(s, t);
	return s;
}
