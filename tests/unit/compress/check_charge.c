/*
 * What the jobs of a compressor mean to others of the same pool: their place in its queue and in
 * its shares. On a real loop, with an adaptive pool of one thread that a job holds up.
 */
#include "compress/compressor.h"

#include "base/clock.h"
#include "decode.h"

#include <check.h>
#include <semaphore.h>

Suite *suite_compress_charge(void);

enum { TEXT_BYTES = 50000 };

static char text[TEXT_BYTES];
static struct env env;
static struct counters counters;
static struct lease lease;
static struct shelf shelf;
static struct pool *pool;
static struct compress_rules rules;
static struct exchange x;
static struct field request_at[1];
static unsigned ends;
static const struct compressor_charge charge = {
	.priority = CLASS_NORMAL,
	.share = SLICE_INIT("2001:db8::"),
	.patience_ns = 30 * CLOCK_SEC,
};

static int
send_head(struct exchange *e)
{
	(void)e;
	return 0;
}

static int
send_body(struct exchange *e, struct chunks *list)
{
	(void)e;
	chunks_clear(list);
	return 0;
}

static void
send_end(struct exchange *e)
{
	(void)e;
	ends++;
}

static void
send_abort(struct exchange *e, int err)
{
	(void)e;
	ck_abort_msg("cut: %d", err);
}

static const struct exchange_ops ops = {
	.head = send_head, .body = send_body, .end = send_end, .abort = send_abort
};

static void
on_cancel(struct exchange *e, int err)
{
	(void)e;
	ck_abort_msg("cancelled: %d", err);
}

static const struct exchange_app app = { .cancel = on_cancel };

static void
begin(void)
{
	ends = 0;
	x = (struct exchange){ .ops = &ops, .app = &app, .store = &env.store };
	arena_init(&x.arena, &env.store, 1 << 20);
	x.request.method = METHOD_GET;
	x.request.fields = (struct fields){ .at = request_at, .cap = 1 };
	ck_assert_int_eq(
	    fields_add(&x.request.fields, FIELD_ACCEPT_ENCODING, coding_name(CODING_GZIP)), 0);
	x.response.status = 200;
	x.response.framing = BODY_CHUNKED;
	ck_assert_int_eq(exchange_add_field(&x, FIELD_CONTENT_TYPE, SLICE("text/plain")), 0);
	compressor_add(&x, &rules, &shelf, &lease, &charge);
}

static void
setup(void)
{
	struct pool_options o = { .name = "compute",
				  .limits.threads = 1,
				  .limits.max_queue = 4,
				  .order = ORDER_ADAPTIVE };
	static const struct slice types[] = { SLICE_INIT("text/*") };
	int err;

	env = (struct env){ .counters = &counters };
	counters = (struct counters){ 0 };
	store_init(&env.store);
	random_init(&env.random, 1);
	ck_assert_int_eq(loop_init(&env.loop, &env), 0);
	lease = (struct lease){ .env = &env };
	pool = pool_new(&o, &err);
	ck_assert_ptr_nonnull(pool);
	rules = (struct compress_rules){
		.conf = { .types = { types, 1 },
			  .min_bytes = 10,
			  .inline_bytes = 8192,
			  .flush_after = CLOCK_SEC },
		.coding = { CODING_GZIP },
		.codings = 1,
		.level = { 1, 1, 1, 1 },
		.pool = pool,
	};
	shelf_init(&shelf, &env, 8);
	begin();
}

static void
teardown(void)
{
	arena_fini(&x.arena);
	ck_assert_uint_eq(lease.users, 0);
	shelf_fini(&shelf);
	pool_unref(&pool);
	loop_turn(&env.loop, false);
	loop_fini(&env.loop);
	store_fini(&env.store);
}

static void
give(void)
{
	struct chunks list;

	ck_assert_int_eq(exchange_head(&x), 0);
	chunks_init(&list, &env.store);
	ck_assert_int_eq(chunks_add_static(&list, slice_make(text, TEXT_BYTES)), 0);
	ck_assert_int_eq(exchange_body(&x, &list), 0);
}

static void
turns_until(const unsigned *what)
{
	while (*what == 0)
		loop_turn(&env.loop, true);
}

/* Keeps the pool's only thread until it is told to go on. */
struct blocker {
	struct job job;
	sem_t entered, gate;
	unsigned homes;
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
	CONTAINER_OF(j, struct blocker, job)->homes++;
}

static void
block(struct blocker *b)
{
	struct gate_ask ask = { .is_underway = true, .deadline_ns = CLOCK_NEVER };
	struct pool_refusal refusal;

	*b = (struct blocker){ .job = { .run = run_blocker,
					.on_home = on_blocker_home,
					.home = &env.loop.mailbox,
					.deadline_ns = CLOCK_NEVER } };
	sem_init(&b->entered, 0, 0);
	sem_init(&b->gate, 0, 0);
	b->job.expected_ns = pool_ask_more(pool, &ask, NULL, 0, CLOCK_NEVER);
	ck_assert_int_eq(pool_reserve(pool, &ask, 0, &refusal), 0);
	pool_submit(pool, &b->job);
	while (sem_wait(&b->entered) != 0)
		;
}

static void
unblock(struct blocker *b)
{
	sem_post(&b->gate);
	turns_until(&b->homes);
	sem_destroy(&b->entered);
	sem_destroy(&b->gate);
}

static uint64_t
jobs_run(void)
{
	struct pool_sample s;

	pool_sample(pool, &s);
	return histogram_sum_count(&s.run);
}

/* A job of a request, as a password is: it notes how many jobs have run before it. */
struct other {
	struct job job;
	uint64_t before;
	unsigned homes;
};

static int
run_other(struct job *j, struct pool_thread *t)
{
	(void)t;
	CONTAINER_OF(j, struct other, job)->before = jobs_run();
	return 0;
}

static void
on_other_home(struct job *j, void *receiver)
{
	(void)receiver;
	CONTAINER_OF(j, struct other, job)->homes++;
}

/* 0, or the status of the refusal. */
static unsigned
ask_for(struct other *o, struct slice share, bool is_underway, uint64_t now_ns)
{
	struct gate_ask ask = { .priority = CLASS_NORMAL,
				.is_underway = is_underway,
				.share = share,
				.now_ns = now_ns,
				.deadline_ns = CLOCK_NEVER };
	struct pool_refusal refusal;

	*o = (struct other){ .job = { .run = run_other,
				      .on_home = on_other_home,
				      .home = &env.loop.mailbox,
				      .priority = CLASS_NORMAL,
				      .deadline_ns = now_ns + charge.patience_ns } };
	o->job.expected_ns = pool_ask_more(pool, &ask, NULL, 0, o->job.deadline_ns);
	return pool_reserve(pool, &ask, UINT64_MAX, &refusal) == 0 ? 0
	       : refusal.status                                    ? refusal.status
								   : 503;
}

START_TEST(a_request_that_comes_behind_pieces_goes_before_them)
{
	struct blocker b;
	struct other other;

	block(&b);
	give();
	ck_assert_uint_eq(lease.users, 1); /* a piece waits */
	ck_assert_uint_eq(ask_for(&other, SLICE("192.0.2.1"), false, loop_now(&env.loop)), 0);
	pool_submit(pool, &other.job);
	unblock(&b);
	turns_until(&other.homes);
	ck_assert_uint_eq(other.before, 1); /* who kept the thread */
	exchange_end(&x);
	turns_until(&ends);
}
END_TEST

START_TEST(pieces_count_in_the_share_of_their_client_and_go_on)
{
	uint64_t later;
	struct blocker b;
	struct other other;

	rules.cost = pool_cost(pool, SLICE("compression"), 100 * CLOCK_SEC);
	block(&b);
	give();
	later = loop_now(&env.loop) + CLOCK_SEC;
	ck_assert_uint_eq(ask_for(&other, charge.share, false, later), 429);
	ck_assert_uint_eq(ask_for(&other, charge.share, true, later), 0);
	pool_release(pool, CLASS_NORMAL, 1, other.job.expected_ns);
	ck_assert_uint_eq(ask_for(&other, SLICE("192.0.2.1"), true, later), 0);
	pool_release(pool, CLASS_NORMAL, 1, other.job.expected_ns);
	unblock(&b);
	exchange_end(&x);
	turns_until(&ends);
	ck_assert_uint_eq(count_read(&counters, COUNTER_COMPRESS_RETRIED), 0);
}
END_TEST

Suite *
suite_compress_charge(void)
{
	Suite *s = suite_create("compress/charge");
	TCase *c = tcase_create("charge");

	suite_add_tcase(s, c);
	if (!decode_can(CODING_GZIP))
		return s;
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_request_that_comes_behind_pieces_goes_before_them);
	tcase_add_test(c, pieces_count_in_the_share_of_their_client_and_go_on);
	return s;
}
