/*
 * A body in memory and in a file, with a pool that is there.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "net/env.h"
#include "plan/spool.h"

#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

Suite *suite_plan_spool(void);

enum { BUFFER = 1000, BODY = 1 << 20, MAX_QUEUE = 8 };

struct bed {
	struct env env;
	struct counters counters;
	struct lease lease;
	struct pool *pool;
	struct spool_conf conf;
	struct spool spool;
	unsigned readies;
	int err;
};

static void
on_ready(struct spool *s, int err)
{
	struct bed *b = s->owner;

	b->readies++;
	b->err = err;
}

static struct bed *
open_bed(const char *dir)
{
	const struct pool_options o = {
		.name = "blocking",
		.limits = { .threads = 1, .max_queue = MAX_QUEUE },
	};
	struct bed *b = calloc(1, sizeof(*b));
	int err;

	b->pool = pool_new(&o, &err);
	ck_assert_ptr_nonnull(b->pool);
	ck_assert_int_eq(loop_init(&b->env.loop, b), 0);
	store_init(&b->env.store);
	random_init(&b->env.random, 1);
	b->env.counters = &b->counters;
	b->lease.env = &b->env;
	b->conf = (struct spool_conf){ b->pool, dir, BUFFER };
	b->spool = (struct spool){
		.conf = &b->conf,
		.env = &b->env,
		.lease = &b->lease,
		.priority = CLASS_NORMAL,
		.ready = on_ready,
		.owner = b,
	};
	spool_open(&b->spool);
	return b;
}

static void
turn_until_unused(struct bed *b)
{
	while (b->lease.users > 0)
		loop_turn(&b->env.loop, true);
}

static void
close_bed(struct bed *b)
{
	spool_close(&b->spool);
	spool_close(&b->spool);
	turn_until_unused(b);
	pool_unref(&b->pool);
	loop_fini(&b->env.loop);
	store_fini(&b->env.store);
	free(b);
}

/* The outcome, when it is known. */
static int
await(struct bed *b, int err)
{
	unsigned before = b->readies;

	if (err != ERR_BUSY)
		return err;
	while (b->readies == before)
		loop_turn(&b->env.loop, true);
	return b->err;
}

static int
put(struct bed *b, char byte, size_t len)
{
	char *memory = malloc(len + 1);
	struct chunks list;
	int err;

	memset(memory, byte, len);
	chunks_init(&list, &b->env.store);
	ck_assert_int_eq(chunks_add_copy(&list, slice_make(memory, len)), 0);
	free(memory);
	err = spool_put(&b->spool, &list);
	ck_assert(chunks_is_empty(&list));
	return err;
}

/* All of it, from the front. */
static size_t
take_all(struct bed *b, char *into, size_t cap)
{
	bool is_last = false;
	size_t got = 0;

	while (!is_last) {
		struct chunks list;
		int err;

		chunks_init(&list, &b->env.store);
		err = spool_take(&b->spool, &list, &is_last);
		if (err == ERR_BUSY) {
			ck_assert_int_eq(await(b, err), 0);
			continue;
		}
		ck_assert_int_eq(err, 0);
		got += chunks_copy_out(&list, into + got, cap - got);
		chunks_clear(&list);
	}
	return got;
}

START_TEST(a_small_body_stays_in_memory)
{
	struct bed *b = open_bed("/nowhere");
	char got[BUFFER + 1];

	ck_assert_int_eq(put(b, 'a', BUFFER - 1), 0);
	ck_assert_int_eq(put(b, 'b', 1), 0);
	ck_assert_uint_eq(take_all(b, got, sizeof(got)), BUFFER);
	ck_assert(got[0] == 'a' && got[BUFFER - 1] == 'b');
	ck_assert_uint_eq(b->readies, 0);
	close_bed(b);
}
END_TEST

START_TEST(nothing_is_a_body_too)
{
	struct bed *b = open_bed("/nowhere");
	char got[1];

	ck_assert_uint_eq(take_all(b, got, sizeof(got)), 0);
	close_bed(b);
}
END_TEST

START_TEST(what_is_above_the_buffer_comes_back_in_order)
{
	struct bed *b = open_bed("/tmp");
	size_t len = 0, cap = 1 << 20;
	char *got = malloc(cap);

	for (int i = 0; i < 40; i++) {
		ck_assert_int_eq(await(b, put(b, (char)('A' + i), (size_t)(i * 300 + 1))), 0);
		len += (size_t)(i * 300 + 1);
	}
	ck_assert_uint_eq(b->spool.bytes, len);
	ck_assert_uint_eq(take_all(b, got, cap), len);
	len = 0;
	for (int i = 0; i < 40; i++) {
		for (int k = 0; k < i * 300 + 1; k++)
			ck_assert_int_eq(got[len++], 'A' + i);
	}
	ck_assert_uint_eq(count_read(&b->counters, COUNTER_SPOOLED), 1);
	free(got);
	close_bed(b);
}
END_TEST

START_TEST(a_folder_that_is_not_there_is_an_error)
{
	struct bed *b = open_bed("/nowhere");

	ck_assert_int_eq(await(b, put(b, 'a', BUFFER + 1)), ERR_FAILED);
	ck_assert_uint_eq(count_read(&b->counters, COUNTER_SPOOL_FAILED), 1);
	close_bed(b);
}
END_TEST

START_TEST(a_full_disk_is_told_as_one)
{
	struct bed *b = open_bed("/tmp");
	int full;

	/* A file that takes nothing in the place of its own. */
	ck_assert_int_eq(await(b, put(b, 'a', BUFFER + 1)), 0);
	ck_assert_int_ge(b->spool.file.fd, 0);
	full = open("/dev/full", O_RDWR);
	ck_assert_int_eq(dup2(full, b->spool.file.fd), b->spool.file.fd);
	close(full);
	ck_assert_int_eq(await(b, put(b, 'a', BUFFER + 1)), ERR_FULL);
	ck_assert_uint_eq(count_read(&b->counters, COUNTER_SPOOL_FULL), 1);
	close_bed(b);
}
END_TEST

START_TEST(closing_while_it_is_written_calls_nobody)
{
	struct bed *b = open_bed("/tmp");

	ck_assert_int_eq(put(b, 'a', 1 << 20), ERR_BUSY);
	spool_close(&b->spool);
	turn_until_unused(b);
	ck_assert_uint_eq(b->readies, 0);
	close_bed(b);
}
END_TEST

START_TEST(closing_while_it_is_read_calls_nobody)
{
	struct bed *b = open_bed("/tmp");
	struct chunks list;
	bool is_last;

	ck_assert_int_eq(await(b, put(b, 'a', 1 << 20)), 0);
	chunks_init(&list, &b->env.store);
	ck_assert_int_eq(spool_take(&b->spool, &list, &is_last), ERR_BUSY);
	spool_close(&b->spool);
	turn_until_unused(b);
	ck_assert_uint_eq(b->readies, 1);
	close_bed(b);
}
END_TEST

/* --- who closes the file ------------------------------------------------------------------ */

/* A job that is there when it has begun, and until it is let go. */
struct guest {
	struct job job;
	sem_t begun, go;
	unsigned homes;
};

static int
stay(struct job *j, struct pool_thread *t)
{
	struct guest *g = CONTAINER_OF(j, struct guest, job);

	(void)t;
	sem_post(&g->begun);
	sem_wait(&g->go);
	return 0;
}

static void
on_left(struct job *j, void *receiver)
{
	(void)receiver;
	CONTAINER_OF(j, struct guest, job)->homes++;
}

static int
try_send(struct bed *b, struct guest *g)
{
	struct gate_ask ask = { .priority = CLASS_SHEDDABLE, .deadline_ns = CLOCK_NEVER };
	struct pool_refusal refusal;

	*g = (struct guest){ .job = {
				 .home = &b->env.loop.mailbox,
				 .run = stay,
				 .on_home = on_left,
				 .deadline_ns = CLOCK_NEVER,
				 .priority = CLASS_SHEDDABLE,
			     } };
	g->job.expected_ns = pool_ask_more(b->pool, &ask, NULL, 0, CLOCK_NEVER);
	if (pool_reserve(b->pool, &ask, 0, &refusal) != 0)
		return ERR_SHED;
	sem_init(&g->begun, 0, 0);
	sem_init(&g->go, 0, 0);
	pool_submit(b->pool, &g->job);
	return 0;
}

/* The one thread is with the guest when it returns. */
static void
hold(struct bed *b, struct guest *g)
{
	ck_assert_int_eq(try_send(b, g), 0);
	sem_wait(&g->begun);
}

/* All that was in the queue before has been run when it returns: nobody has turned the loop. */
static void
let_go_and_await_all(struct bed *b, struct guest *g)
{
	struct guest last;

	ck_assert_int_eq(try_send(b, &last), 0);
	sem_post(&g->go);
	sem_wait(&last.begun);
	sem_post(&last.go);
	while (g->homes == 0 || last.homes == 0)
		loop_turn(&b->env.loop, true);
}

static bool
is_open(int fd)
{
	return fcntl(fd, F_GETFD) >= 0;
}

static int
begin_file(struct bed *b)
{
	ck_assert_int_eq(await(b, put(b, 'a', BODY)), 0);
	ck_assert(is_open(b->spool.file.fd));
	return b->spool.file.fd;
}

/* The thread is let go; what it ran before its last word has closed the file. */
static void
ck_assert_thread_closes(struct bed *b, struct guest *g, int fd)
{
	struct guest last;

	for (unsigned i = 0; i < 3; i++)
		loop_turn(&b->env.loop, false);
	ck_assert(is_open(fd));
	ck_assert_uint_gt(b->lease.users, 0);
	sem_post(&g->go);
	/* A full pool has room for it as soon as one has left. */
	while (try_send(b, &last) != 0)
		sched_yield();
	sem_wait(&last.begun);
	ck_assert(!is_open(fd));
	sem_post(&last.go);
	while (last.homes == 0)
		loop_turn(&b->env.loop, true);
}

START_TEST(what_waits_with_the_file_gives_it_up_on_a_thread)
{
	struct bed *b = open_bed("/tmp");
	struct guest guest;
	struct chunks list;
	bool is_last;
	int fd = begin_file(b);

	hold(b, &guest);
	chunks_init(&list, &b->env.store);
	if (_i)
		ck_assert_int_eq(put(b, 'b', BODY), ERR_BUSY);
	else
		ck_assert_int_eq(spool_take(&b->spool, &list, &is_last), ERR_BUSY);
	spool_close(&b->spool);
	ck_assert_thread_closes(b, &guest, fd);
	ck_assert_uint_eq(b->readies, 1);
	close_bed(b);
}
END_TEST

START_TEST(a_full_pool_takes_a_file_back)
{
	struct bed *b = open_bed("/tmp");
	struct guest guest, more[MAX_QUEUE];
	int fd = begin_file(b);

	hold(b, &guest);
	for (unsigned i = 0; i < MAX_QUEUE; i++) {
		ck_assert_int_eq(try_send(b, &more[i]), 0);
		sem_post(&more[i].go);
	}
	ck_assert_int_eq(put(b, 'b', BODY), ERR_SHED);
	spool_close(&b->spool);
	ck_assert_thread_closes(b, &guest, fd);
	close_bed(b);
}
END_TEST

START_TEST(a_file_is_given_back_without_memory)
{
	struct bed *b = open_bed("/tmp");
	struct guest guest;
	int fd = begin_file(b);

	hold(b, &guest);
	mem_fail_at(1, true);
	spool_close(&b->spool);
	mem_fail_at(0, false);
	ck_assert_thread_closes(b, &guest, fd);
	close_bed(b);
}
END_TEST

/* It has been written when nobody wants it any more, and nobody knew. */
START_TEST(what_comes_home_to_nobody_goes_back_to_be_closed)
{
	struct bed *b = open_bed("/tmp");
	struct guest guest;
	int fd = begin_file(b);

	ck_assert_int_eq(put(b, 'b', BODY), ERR_BUSY);
	hold(b, &guest); /* behind it */
	spool_close(&b->spool);
	ck_assert_thread_closes(b, &guest, fd);
	close_bed(b);
}
END_TEST

START_TEST(a_first_write_that_waits_leaves_at_once)
{
	struct bed *b = open_bed("/tmp");
	struct guest guest;

	hold(b, &guest);
	ck_assert_int_eq(put(b, 'a', BODY), ERR_BUSY);
	spool_close(&b->spool);
	turn_until_unused(b);
	let_go_and_await_all(b, &guest);
	close_bed(b);
}
END_TEST

Suite *
suite_plan_spool(void)
{
	Suite *s = suite_create("plan_spool");
	TCase *t = tcase_create("spool");

	tcase_add_test(t, a_small_body_stays_in_memory);
	tcase_add_test(t, nothing_is_a_body_too);
	tcase_add_test(t, what_is_above_the_buffer_comes_back_in_order);
	tcase_add_test(t, a_folder_that_is_not_there_is_an_error);
	tcase_add_test(t, a_full_disk_is_told_as_one);
	tcase_add_test(t, closing_while_it_is_written_calls_nobody);
	tcase_add_test(t, closing_while_it_is_read_calls_nobody);
	tcase_add_loop_test(t, what_waits_with_the_file_gives_it_up_on_a_thread, 0, 2);
	tcase_add_test(t, a_full_pool_takes_a_file_back);
	tcase_add_test(t, a_file_is_given_back_without_memory);
	tcase_add_test(t, what_comes_home_to_nobody_goes_back_to_be_closed);
	tcase_add_test(t, a_first_write_that_waits_leaves_at_once);
	suite_add_tcase(s, t);
	return s;
}
