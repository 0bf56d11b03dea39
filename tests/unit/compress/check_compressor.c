/*
 * The filter that compresses: between an application and a protocol that only
 * keep what they hear, on a real loop with a real pool of one thread.
 */
#include "compress/compressor.h"

#include "base/clock.h"
#include "base/mem.h"
#include "compress/piece.h"
#include "decode.h"

#include <check.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

Suite *suite_compress_compressor(void);

enum { TEXT_BYTES = 400000, SENT_BYTES = 1 << 20 };

static char text[TEXT_BYTES], back[TEXT_BYTES + 1], sent[SENT_BYTES];
static size_t sent_bytes;
static struct env env;
static struct counters counters;
static struct lease lease;
static struct shelf shelf;
static struct pool *pool;
static struct compress_rules rules;
static struct exchange x;
static struct field request_at[1];
static int body_result, head_result;
static unsigned heads, wholes, ends, aborts, resumes, cancels;
static unsigned open_descriptor;
static const struct compressor_charge charge = { .priority = CLASS_NORMAL,
						 .patience_ns = 30 * CLOCK_SEC };

/* --- the two ends ------------------------------------------------------------------- */

static int
send_head(struct exchange *e)
{
	(void)e;
	heads++;
	return head_result;
}

static void
keep(struct slice s)
{
	ck_assert_uint_le(s.len, SENT_BYTES - sent_bytes);
	if (s.len)
		memcpy(sent + sent_bytes, s.at, s.len);
	sent_bytes += s.len;
}

static int
send_body(struct exchange *e, struct chunks *list)
{
	(void)e;
	ck_assert_uint_eq(ends + aborts, 0);
	for (const struct chunk *c = list->head; c; c = c->next)
		keep(slice_make(c->at, c->len));
	chunks_clear(list);
	return body_result;
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
	(void)err;
	aborts++;
}

static void
send_whole(struct exchange *e, struct slice body)
{
	(void)e;
	wholes++;
	keep(body);
}

static const struct exchange_ops ops = {
	.head = send_head,
	.body = send_body,
	.end = send_end,
	.abort = send_abort,
	.whole = send_whole,
};

static void
on_resume(struct exchange *e)
{
	(void)e;
	resumes++;
}

static void
on_cancel(struct exchange *e, int err)
{
	(void)e;
	(void)err;
	cancels++;
}

static const struct exchange_app app = { .resume = on_resume, .cancel = on_cancel };

/* --- the bed ------------------------------------------------------------------------------ */

static void
make_text(void)
{
	uint32_t seed = 1;

	for (size_t i = 0; i < TEXT_BYTES; i++) {
		seed = seed * 1664525 + 1013904223;
		text[i] = "abcdefghijklmnop "[(seed >> 24) % 17];
	}
}

static void
reset(enum method method)
{
	sent_bytes = 0;
	body_result = head_result = 0;
	heads = wholes = ends = aborts = resumes = cancels = 0;
	x = (struct exchange){ .ops = &ops, .app = &app, .store = &env.store };
	arena_init(&x.arena, &env.store, 1 << 20);
	x.request.method = method;
	x.request.fields = (struct fields){ .at = request_at, .cap = 1 };
	ck_assert_int_eq(
	    fields_add(&x.request.fields, FIELD_ACCEPT_ENCODING, coding_name(rules.coding[0])), 0);
	x.response.status = 200;
	ck_assert_int_eq(exchange_add_field(&x, FIELD_CONTENT_TYPE, SLICE("text/plain")), 0);
	compressor_add(&x, &rules, &shelf, &lease, &charge);
}

static void
setup(void)
{
	struct pool_options o = {
		.name = "compute", .limits.threads = 1, .limits.max_queue = 4, .order = ORDER_FIFO
	};
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
			  .flush_after = 20 * CLOCK_MS },
		.coding = { decode_can(CODING_ZSTD) ? CODING_ZSTD : CODING_GZIP },
		.codings = 1,
		.level = { 1, 1, 1, 1 },
		.pool = pool,
	};
	shelf_init(&shelf, &env, 8);
	reset(METHOD_GET);
}

static void
teardown(void)
{
	arena_fini(&x.arena);
	ck_assert_uint_eq(shelf.out, 0);
	ck_assert_uint_eq(lease.users, 0);
	shelf_fini(&shelf);
	pool_unref(&pool);
	loop_turn(&env.loop, false);
	loop_fini(&env.loop);
	ck_assert_uint_eq(env.store.out, 0);
	store_fini(&env.store);
}

static int
head(enum body_framing framing, uint64_t length)
{
	x.response.framing = framing;
	x.response.content_length = length;
	return exchange_head(&x);
}

/* Bytes of the text from `at` on. */
static int
give(size_t at, size_t bytes)
{
	struct chunks list;

	chunks_init(&list, &env.store);
	ck_assert_int_eq(chunks_add_static(&list, slice_make(text + at, bytes)), 0);
	return exchange_body(&x, &list);
}

static void
turns_until(const unsigned *what)
{
	while (*what == 0)
		loop_turn(&env.loop, true);
}

static void
assert_sent(size_t bytes, bool is_whole)
{
	bool whole;
	size_t n =
	    decode(rules.coding[0], slice_make(sent, sent_bytes), back, sizeof(back), &whole);

	ck_assert_uint_eq(n, bytes);
	ck_assert_mem_eq(back, text, bytes);
	ck_assert_int_eq(whole, is_whole);
}

static bool
has_field(enum field_id id, const char *value)
{
	const struct field *f = fields_find(&x.response.fields, id);

	return f && slice_eq(f->value, slice_of(value));
}

/* Holds the pool's only thread until it is told to go on. */
struct blocker {
	struct job job;
	sem_t entered, gate;
	uint64_t expected_ns;
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

static int
reserve(uint64_t *expected_ns)
{
	struct gate_ask ask = { .priority = CLASS_CRITICAL,
				.is_underway = true,
				.now_ns = clock_monotonic(),
				.deadline_ns = CLOCK_NEVER };
	struct pool_refusal refusal;

	*expected_ns = pool_ask_more(pool, &ask, NULL, 0, CLOCK_NEVER);
	return pool_reserve(pool, &ask, 0, &refusal);
}

static void
block(struct blocker *b)
{
	*b = (struct blocker){ .job = { .run = run_blocker,
					.on_home = on_blocker_home,
					.home = &env.loop.mailbox,
					.priority = CLASS_CRITICAL,
					.deadline_ns = CLOCK_NEVER } };
	sem_init(&b->entered, 0, 0);
	sem_init(&b->gate, 0, 0);
	ck_assert_int_eq(reserve(&b->job.expected_ns), 0);
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

/* --- small ones ------------------------------------------------------------------------------ */

START_TEST(a_small_whole_body_stays_whole_and_has_a_length)
{
	x.response.framing = BODY_LENGTH;
	x.response.content_length = 5000;
	exchange_whole(&x, slice_make(text, 5000));
	ck_assert_uint_eq(wholes, 1);
	ck_assert_int_eq(x.response.framing, BODY_LENGTH);
	ck_assert_uint_eq(x.response.content_length, sent_bytes);
	ck_assert_uint_eq(x.body_sent, sent_bytes);
	assert_sent(5000, true);
	ck_assert(has_field(FIELD_VARY, "Accept-Encoding"));
	ck_assert(fields_find(&x.response.fields, FIELD_CONTENT_ENCODING));
	ck_assert_uint_eq(jobs_run(), 0);
}
END_TEST

START_TEST(a_small_body_with_a_length_is_encoded_at_once)
{
	ck_assert_int_eq(head(BODY_LENGTH, 3000), 0);
	ck_assert_int_eq(x.response.framing, BODY_CHUNKED);
	ck_assert_int_eq(give(0, 1000), 0);
	ck_assert_int_eq(give(1000, 2000), 0);
	assert_sent(3000, true); /* the end is known before it is told */
	ck_assert_uint_eq(ends, 0);
	exchange_end(&x);
	ck_assert_uint_eq(ends, 1);
	ck_assert_uint_eq(jobs_run(), 0);
	ck_assert_uint_eq(count_read(&counters, rules.coding[0] == CODING_ZSTD
						    ? COUNTER_COMPRESS_IN_ZSTD
						    : COUNTER_COMPRESS_IN_GZIP),
			  3000);
}
END_TEST

START_TEST(a_body_without_a_length_ends_with_its_source)
{
	ck_assert_int_eq(head(BODY_CHUNKED, 0), 0);
	ck_assert_int_eq(give(0, 1000), 0);
	exchange_end(&x);
	ck_assert_uint_eq(ends, 1);
	assert_sent(1000, true);
}
END_TEST

START_TEST(an_empty_body_without_a_length_is_an_empty_stream)
{
	ck_assert_int_eq(head(BODY_CHUNKED, 0), 0);
	exchange_end(&x);
	ck_assert_uint_eq(ends, 1);
	assert_sent(0, true);
}
END_TEST

/* --- what trickles ------------------------------------------------------------------------------
 */

START_TEST(a_byte_waits_no_longer_than_it_may)
{
	uint64_t now = loop_now(&env.loop);

	ck_assert_int_eq(head(BODY_CHUNKED, 0), 0);
	env.loop.now_ns = now;
	ck_assert_int_eq(give(0, 10), 0);
	loop_turn_at(&env.loop, now + 19 * CLOCK_MS);
	ck_assert_int_eq(give(10, 10), 0); /* does not begin the wait anew */
	loop_turn_at(&env.loop, now + 20 * CLOCK_MS);
	assert_sent(20, false);
	for (size_t at = 20; at < 100; at += 10) {
		now += 50 * CLOCK_MS;
		env.loop.now_ns = now;
		ck_assert_int_eq(give(at, 10), 0);
		loop_turn_at(&env.loop, now + 20 * CLOCK_MS);
		assert_sent(at + 10, false);
	}
	exchange_end(&x);
	assert_sent(100, true);
	ck_assert_uint_eq(jobs_run(), 0);
}
END_TEST

/* --- long ones
 * ------------------------------------------------------------------------------------ */

START_TEST(a_long_whole_body_goes_in_pieces_through_the_pool)
{
	x.response.framing = BODY_LENGTH;
	x.response.content_length = TEXT_BYTES;
	exchange_whole(&x, slice_make(text, TEXT_BYTES));
	ck_assert_uint_eq(heads, 1);
	turns_until(&ends);
	assert_sent(TEXT_BYTES, true);
	ck_assert_uint_eq(jobs_run(), (TEXT_BYTES + PIECE_BYTES - 1) / PIECE_BYTES);
}
END_TEST

START_TEST(the_source_of_a_long_body_is_held_while_a_job_is_away)
{
	struct blocker b;
	size_t at = 0;

	block(&b);
	ck_assert_int_eq(head(BODY_CHUNKED, 0), 0);
	while (give(at, 10000) == 0)
		at += 10000;
	at += 10000;
	ck_assert_uint_lt(at, 3 * PIECE_BYTES);
	ck_assert_uint_eq(resumes, 0);
	unblock(&b);
	turns_until(&resumes);
	ck_assert_uint_eq(resumes, 1);
	while (at < TEXT_BYTES) {
		resumes = 0;
		while (at < TEXT_BYTES && give(at, 10000) == 0)
			at += 10000;
		if (at == TEXT_BYTES)
			break;
		at += 10000;
		turns_until(&resumes);
	}
	exchange_end(&x);
	turns_until(&ends);
	assert_sent(TEXT_BYTES, true);
}
END_TEST

START_TEST(a_client_that_takes_no_more_stops_everything)
{
	size_t before;

	ck_assert_int_eq(head(BODY_CHUNKED, 0), 0);
	body_result = EXCHANGE_PAUSE;
	ck_assert_int_eq(give(0, 100000), 0);
	while (sent_bytes == 0)
		loop_turn(&env.loop, true);
	before = sent_bytes;
	ck_assert_int_eq(give(100000, 40000), 0);
	ck_assert_int_eq(give(140000, 40000), EXCHANGE_PAUSE);
	loop_turn_at(&env.loop, loop_now(&env.loop) + CLOCK_SEC);
	ck_assert_uint_eq(lease.users, 0); /* no job is away */
	ck_assert_uint_eq(sent_bytes, before);
	ck_assert_uint_eq(resumes, 0);
	body_result = 0;
	exchange_resume(&x);
	turns_until(&resumes);
	exchange_end(&x);
	turns_until(&ends);
	assert_sent(180000, true);
}
END_TEST

static struct chunk_file *
make_file(void)
{
	char name[] = "/tmp/check_compressor_XXXXXX";
	struct chunk_file *f = mem_zalloc(1, sizeof(*f));

	ck_assert_ptr_nonnull(f);
	f->fd = mkstemp(name);
	f->refs = 1;
	ck_assert_int_ge(f->fd, 0);
	ck_assert_int_eq(unlink(name), 0);
	ck_assert_int_eq(write(f->fd, text, TEXT_BYTES), TEXT_BYTES);
	open_descriptor = (unsigned)f->fd;
	return f;
}

static int
give_file(struct chunk_file *f, size_t bytes)
{
	struct chunks list;

	chunks_init(&list, &env.store);
	ck_assert_int_eq(chunks_add_file(&list, f, 0, bytes), 0);
	return exchange_body(&x, &list);
}

START_TEST(a_range_of_a_file_is_read_by_the_jobs)
{
	ck_assert_int_eq(head(BODY_LENGTH, TEXT_BYTES), 0);
	ck_assert_int_eq(give_file(make_file(), TEXT_BYTES), EXCHANGE_PAUSE);
	exchange_end(&x);
	turns_until(&ends);
	assert_sent(TEXT_BYTES, true);
	ck_assert_int_eq(fcntl((int)open_descriptor, F_GETFD), -1);
}
END_TEST

START_TEST(a_file_that_has_become_shorter_cuts_the_response)
{
	struct chunk_file *f = make_file();

	ck_assert_int_eq(head(BODY_LENGTH, TEXT_BYTES), 0);
	ck_assert_int_eq(ftruncate(f->fd, 70000), 0);
	ck_assert_int_eq(give_file(f, TEXT_BYTES), EXCHANGE_PAUSE);
	turns_until(&aborts);
	ck_assert_uint_eq(cancels, 1);
	ck_assert_uint_eq(ends, 0);
	ck_assert_int_eq(fcntl((int)open_descriptor, F_GETFD), -1);
}
END_TEST

/* --- ends that come early
 * ------------------------------------------------------------------------- */

START_TEST(a_client_that_goes_leaves_a_job_that_comes_home_alone)
{
	struct blocker b;

	for (int has_ended = 0; has_ended < 2; has_ended++) {
		block(&b);
		ck_assert_int_eq(head(BODY_CHUNKED, 0), 0);
		ck_assert_int_eq(give(0, 100000), 0);
		if (has_ended)
			exchange_end(&x);
		exchange_cancel(&x, ERR_GONE);
		ck_assert_uint_eq(cancels, has_ended ? 0 : 1);
		arena_fini(&x.arena); /* the exchange is gone before the job is home */
		unblock(&b);
		while (lease.users > 0)
			loop_turn(&env.loop, true);
		ck_assert_uint_eq(shelf.out, 0);
		reset(METHOD_GET);
	}
}
END_TEST

START_TEST(a_job_that_runs_when_the_client_goes_comes_home_alone)
{
	for (int i = 0; i < 50; i++) {
		ck_assert_int_eq(head(BODY_CHUNKED, 0), 0);
		(void)give((size_t)i * 1000, 100000);
		for (int k = i % 4; k > 0; k--)
			loop_turn(&env.loop, false);
		exchange_cancel(&x, ERR_GONE);
		arena_fini(&x.arena);
		reset(METHOD_GET);
	}
	while (lease.users > 0)
		loop_turn(&env.loop, true);
	ck_assert_uint_eq(shelf.out, 0);
}
END_TEST

START_TEST(a_source_that_aborts_cuts_the_response)
{
	struct blocker b;

	block(&b);
	ck_assert_int_eq(head(BODY_CHUNKED, 0), 0);
	ck_assert_int_eq(give(0, 100000), 0);
	exchange_abort(&x, ERR_CLOSED);
	ck_assert_uint_eq(aborts, 1);
	unblock(&b);
	while (lease.users > 0)
		loop_turn(&env.loop, true);
	ck_assert_uint_eq(ends, 0);
}
END_TEST

START_TEST(a_source_that_gives_less_than_it_said_cuts_the_response)
{
	ck_assert_int_eq(head(BODY_LENGTH, 3000), 0);
	ck_assert_int_eq(give(0, 2999), 0);
	exchange_end(&x);
	ck_assert_uint_eq(ends, 0);
	ck_assert_uint_eq(aborts, 1);
}
END_TEST

START_TEST(a_source_that_gives_more_than_it_said_cuts_the_response)
{
	ck_assert_int_eq(head(BODY_LENGTH, 3000), 0);
	ck_assert_int_eq(give(0, 3000), 0);
	ck_assert_int_eq(give(3000, 1), ERR_PROTOCOL);
	ck_assert_uint_eq(aborts, 0); /* not from inside the source's call */
	turns_until(&aborts);
	ck_assert_uint_eq(cancels, 1);
	ck_assert_uint_eq(ends, 0);
}
END_TEST

START_TEST(a_protocol_that_fails_stops_it)
{
	ck_assert_int_eq(head(BODY_CHUNKED, 0), 0);
	body_result = ERR_GONE;
	ck_assert_int_eq(give(0, 1000), 0); /* nothing has come out yet */
	loop_turn_at(&env.loop, loop_now(&env.loop) + 30 * CLOCK_MS);
	ck_assert_int_eq(give(1000, 10), ERR_GONE);
	exchange_end(&x);
	ck_assert_uint_eq(ends, 0);
	exchange_cancel(&x, ERR_GONE);
}
END_TEST

START_TEST(a_head_that_fails_is_told)
{
	head_result = ERR_MEMORY;
	ck_assert_int_eq(head(BODY_CHUNKED, 0), ERR_MEMORY);
	exchange_cancel(&x, ERR_MEMORY);
	ck_assert_uint_eq(shelf.out, 0);
}
END_TEST

/* --- as it is ------------------------------------------------------------------------------------
 */

START_TEST(a_response_to_head_says_what_get_would)
{
	arena_fini(&x.arena);
	reset(METHOD_HEAD);
	ck_assert_int_eq(head(BODY_LENGTH, 3000), 0);
	exchange_end(&x);
	ck_assert_uint_eq(ends, 1);
	ck_assert_uint_eq(sent_bytes, 0);
	ck_assert_int_eq(x.response.framing, BODY_CHUNKED);
	ck_assert(fields_find(&x.response.fields, FIELD_CONTENT_ENCODING));
	ck_assert_uint_eq(shelf.out, 0);
}
END_TEST

START_TEST(without_an_encoder_it_goes_as_it_is)
{
	shelf.most = 0;
	ck_assert_int_eq(head(BODY_LENGTH, 3000), 0);
	ck_assert_int_eq(x.response.framing, BODY_LENGTH);
	ck_assert_int_eq(give(0, 3000), 0);
	exchange_end(&x);
	ck_assert_uint_eq(sent_bytes, 3000);
	ck_assert_mem_eq(sent, text, 3000);
	ck_assert(has_field(FIELD_VARY, "Accept-Encoding"));
	ck_assert(!fields_find(&x.response.fields, FIELD_CONTENT_ENCODING));
	ck_assert_uint_eq(count_read(&counters, COUNTER_UNCOMPRESSED_STREAMS), 1);
}
END_TEST

START_TEST(a_long_one_that_the_pool_refuses_goes_as_it_is)
{
	uint64_t expected[5];
	struct blocker b;

	block(&b);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(reserve(&expected[i]), 0);
	ck_assert_int_eq(head(BODY_LENGTH, 100000), 0);
	ck_assert_int_eq(x.response.framing, BODY_LENGTH);
	ck_assert_uint_eq(count_read(&counters, COUNTER_UNCOMPRESSED_POOL), 1);
	exchange_cancel(&x, ERR_GONE);
	for (int i = 0; i < 4; i++)
		pool_release(pool, CLASS_CRITICAL, 1, expected[i]);
	unblock(&b);
}
END_TEST

START_TEST(one_that_is_under_way_waits_for_a_full_pool)
{
	uint64_t expected[5];
	struct blocker b;

	block(&b);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(reserve(&expected[i]), 0);
	ck_assert_int_eq(head(BODY_CHUNKED, 0), 0);
	ck_assert_int_eq(give(0, 50000), 0);
	ck_assert_uint_ge(count_read(&counters, COUNTER_COMPRESS_RETRIED), 1);
	exchange_end(&x);
	for (int i = 0; i < 4; i++)
		pool_release(pool, CLASS_CRITICAL, 1, expected[i]);
	unblock(&b);
	turns_until(&ends);
	assert_sent(50000, true);
}
END_TEST

START_TEST(it_does_not_wait_for_ever)
{
	uint64_t expected[5], now;
	struct blocker b;

	block(&b);
	for (int i = 0; i < 4; i++)
		ck_assert_int_eq(reserve(&expected[i]), 0);
	ck_assert_int_eq(head(BODY_CHUNKED, 0), 0);
	ck_assert_int_eq(give(0, 50000), 0);
	now = loop_now(&env.loop);
	for (int i = 0; i < 1000 && aborts == 0; i++) {
		now += 20 * CLOCK_MS;
		loop_turn_at(&env.loop, now);
	}
	ck_assert_uint_eq(aborts, 1);
	ck_assert_uint_eq(cancels, 1);
	for (int i = 0; i < 4; i++)
		pool_release(pool, CLASS_CRITICAL, 1, expected[i]);
	unblock(&b);
}
END_TEST

Suite *
suite_compress_compressor(void)
{
	Suite *s = suite_create("compress/compressor");
	TCase *c = tcase_create("compressor");

	make_text();
	if (!decode_can(CODING_ZSTD) && !decode_can(CODING_GZIP))
		return s;
	tcase_set_timeout(c, 60);
	tcase_add_checked_fixture(c, setup, teardown);
	tcase_add_test(c, a_small_whole_body_stays_whole_and_has_a_length);
	tcase_add_test(c, a_small_body_with_a_length_is_encoded_at_once);
	tcase_add_test(c, a_body_without_a_length_ends_with_its_source);
	tcase_add_test(c, an_empty_body_without_a_length_is_an_empty_stream);
	tcase_add_test(c, a_byte_waits_no_longer_than_it_may);
	tcase_add_test(c, a_long_whole_body_goes_in_pieces_through_the_pool);
	tcase_add_test(c, the_source_of_a_long_body_is_held_while_a_job_is_away);
	tcase_add_test(c, a_client_that_takes_no_more_stops_everything);
	tcase_add_test(c, a_range_of_a_file_is_read_by_the_jobs);
	tcase_add_test(c, a_file_that_has_become_shorter_cuts_the_response);
	tcase_add_test(c, a_client_that_goes_leaves_a_job_that_comes_home_alone);
	tcase_add_test(c, a_job_that_runs_when_the_client_goes_comes_home_alone);
	tcase_add_test(c, a_source_that_aborts_cuts_the_response);
	tcase_add_test(c, a_source_that_gives_less_than_it_said_cuts_the_response);
	tcase_add_test(c, a_source_that_gives_more_than_it_said_cuts_the_response);
	tcase_add_test(c, a_protocol_that_fails_stops_it);
	tcase_add_test(c, a_head_that_fails_is_told);
	tcase_add_test(c, a_response_to_head_says_what_get_would);
	tcase_add_test(c, without_an_encoder_it_goes_as_it_is);
	tcase_add_test(c, a_long_one_that_the_pool_refuses_goes_as_it_is);
	tcase_add_test(c, one_that_is_under_way_waits_for_a_full_pool);
	tcase_add_test(c, it_does_not_wait_for_ever);
	suite_add_tcase(s, c);
	return s;
}
