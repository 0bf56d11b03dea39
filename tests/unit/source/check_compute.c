/*
 * Compute parts: vectors of the built-in jobs, their keys, admission of a
 * fan-out, and what cancelling leaves behind.
 */
#include "../thread/places.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/shared_text.h"
#include "rig.h"
#include "source/offload.h"

#include <check.h>
#include <openssl/evp.h>
#include <stdio.h>

extern const struct source_ops source_compute;
Suite *suite_source_compute(void);

static struct part *
load(struct rig *r, const char *conf)
{
	struct source *s;

	rig_open(r, conf);
	s = rig_load_source(r, &source_compute, "");
	ck_assert_ptr_nonnull(s);
	return rig_load_part(r, s, "r.p", NULL, 0);
}

static struct part *
load_good(struct rig *r, const char *conf)
{
	struct part *p = load(r, conf);

	ck_assert_msg(p != NULL, "%s", rig_errors(r));
	return p;
}

/* One job over one input. */
static void
expect_result(const char *conf, const char *expected)
{
	static struct rig_ask a;
	struct rig r;
	struct part *p = load_good(&r, conf);

	rig_ask_open(&r, &a, p);
	ck_assert_int_eq(rig_ask_run(&r, &a), 0);
	ck_assert_int_eq(a.status, 200);
	ck_assert(slice_eq(a.type, SLICE("text/plain")));
	ck_assert_msg(slice_eq(rig_ask_body(&a), slice_of(expected)), "%s\ngave %.*s", conf,
		      SLICE_PRINT(rig_ask_body(&a)));
	rig_ask_close(&a);
	rig_close(&r);
}

/* --- vectors --------------------------------------------------------------------- */

#define POOL "[pool compute]\n"

/* FIPS 180-4 examples; base64 of the same. */
static const struct {
	const char *conf, *expected;
} vectors[] = {
	{ POOL "[subrequest r.p]\nsource = compute digest\ninput = abc\n",
	  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
	{ POOL "[subrequest r.p]\nsource = compute digest\ninput =\n",
	  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" },
	{ POOL "[subrequest r.p]\nsource = compute digest\ninput = abc\nalgorithm = sha384\n",
	  "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
	  "8086072ba1e7cc2358baeca134c825a7" },
	{ POOL "[subrequest r.p]\nsource = compute digest\ninput = abc\nalgorithm = sha512\n",
	  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
	  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
	{ POOL "[subrequest r.p]\nsource = compute digest\ninput = abc\nencoding = base64\n",
	  "ungWv48Bz+pBQUDeXa4iI7ADYaOWF3qctBD/YfIAFa0=" },
	/* RFC 7914 11 */
	{ POOL "[subrequest r.p]\nsource = compute pbkdf2\ninput = passwd\nsalt = salt\n"
	       "iterations = 1\nbytes = 64\n",
	  "55ac046e56e3089fec1691c22544b605f94185216dde0465e68b9d57c20dacbc"
	  "49ca9cccf179b645991664b39d77ef317c71b845b1e30bd509112041d3a19783" },
	{ POOL "[subrequest r.p]\nsource = compute pbkdf2\ninput = Password\nsalt = NaCl\n"
	       "iterations = 80000\nbytes = 64\n",
	  "4ddcd8f60b98be21830cee5ef22701f9641a4418d04c0414aeff08876b34ab56"
	  "a1d425a1225833549adb841b51c9b3176a272bdebba1d078478f62b397f33c8d" },
};

START_TEST(published_vectors_come_out)
{
	expect_result(vectors[_i].conf, vectors[_i].expected);
}
END_TEST

static const struct {
	const char *algorithm, *name;
	unsigned iterations, bytes, password_bytes;
} derivations[] = {
	{ "sha256", "SHA256", 1, 1, 0 },       { "sha256", "SHA256", 2, 33, 64 },
	{ "sha256", "SHA256", 1000, 100, 65 }, { "sha384", "SHA384", 3, 48, 128 },
	{ "sha384", "SHA384", 600, 200, 129 }, { "sha512", "SHA512", 1, 1024, 7 },
	{ "sha512", "SHA512", 513, 64, 127 },  { "sha512", "SHA512", 512, 65, 500 },
};

START_TEST(derived_keys_are_those_of_openssl)
{
	static struct rig_ask a;
	char conf[300], password[512], hex[2 * 1024 + 1];
	unsigned char key[1024];
	struct rig r;
	struct part *p;

	snprintf(conf, sizeof(conf),
		 POOL "[subrequest r.p]\nsource = compute pbkdf2\nsalt = NaCl {x\n"
		      "algorithm = %s\niterations = %u\nbytes = %u\n",
		 derivations[_i].algorithm, derivations[_i].iterations, derivations[_i].bytes);
	for (unsigned i = 0; i < sizeof(password); i++)
		password[i] = (char)(i * 7 + 1);
	ck_assert_int_eq(PKCS5_PBKDF2_HMAC(password, (int)derivations[_i].password_bytes,
					   (const unsigned char *)"NaCl {x", 7,
					   (int)derivations[_i].iterations,
					   EVP_get_digestbyname(derivations[_i].name),
					   (int)derivations[_i].bytes, key),
			 1);
	for (unsigned i = 0; i < derivations[_i].bytes; i++)
		snprintf(hex + 2 * i, 3, "%02x", key[i]);
	p = load_good(&r, conf);
	rig_ask_open(&r, &a, p);
	a.value[0] = slice_make(password, derivations[_i].password_bytes);
	ck_assert_int_eq(rig_ask_run(&r, &a), 0);
	ck_assert(slice_eq(rig_ask_body(&a), slice_make(hex, 2 * derivations[_i].bytes)));
	rig_ask_close(&a);
	rig_close(&r);
}
END_TEST

START_TEST(a_long_input_is_hashed_in_steps)
{
	static struct rig_ask a;
	static char input[1000000];
	struct rig r;
	struct part *p = load_good(&r, POOL "[subrequest r.p]\nsource = compute digest\n");

	memset(input, 'a', sizeof(input));
	rig_ask_open(&r, &a, p);
	a.value[0] = slice_make(input, sizeof(input));
	ck_assert_int_eq(rig_ask_start(&a), 0);
	/* The job has its own copy: what the request held may change or go. */
	memset(input, 'b', sizeof(input));
	rig_ask_await(&r, &a);
	/* FIPS 180-4: a million times "a". */
	ck_assert(slice_eq(rig_ask_body(&a), SLICE("cdc76e5c9914fb9281a1c7e284d73e67"
						   "f1809a48a497200e046d39ccc7112cd0")));
	rig_ask_close(&a);
	rig_close(&r);
}
END_TEST

START_TEST(a_body_that_a_job_does_not_read_is_not_kept_for_it)
{
	static struct rig_ask a;
	static char input[100000];
	struct rig r;
	struct part *p = load_good(&r, POOL "[subrequest r.p]\nsource = compute digest\n");
	struct shared_text *body;
	struct buffer b;

	buffer_init(&b, sizeof(input));
	buffer_put(&b, slice_make(input, sizeof(input)));
	body = shared_text_take(&b);
	rig_ask_open(&r, &a, p);
	a.q.body = body;
	a.value[0] = SLICE("abc");
	ck_assert_int_eq(rig_ask_start(&a), 0);
	ck_assert_uint_eq(body->ref.users, 1);
	shared_text_drop(&body);
	rig_ask_await(&r, &a);
	ck_assert(slice_eq(rig_ask_body(&a), slice_of(vectors[0].expected)));
	rig_ask_close(&a);
	rig_close(&r);
}
END_TEST

/* The hash of 100,000 times "a". */
START_TEST(a_body_that_is_shared_is_read_where_it_is)
{
	static struct rig_ask a;
	static char input[100000];
	struct rig r;
	struct part *p = load_good(&r, POOL "[subrequest r.p]\nsource = compute digest\n");
	struct shared_text *body;
	struct buffer b;
	const char *at;

	memset(input, 'a', sizeof(input));
	buffer_init(&b, sizeof(input));
	buffer_put(&b, slice_make(input, sizeof(input)));
	at = b.at;
	body = shared_text_take(&b);
	rig_ask_open(&r, &a, p);
	a.q.body = body;
	a.value[0] = body->text;
	ck_assert_int_eq(rig_ask_start(&a), 0);
	/* The request has gone; the job keeps it, as what it reads lies in it. */
	ck_assert_uint_eq(body->ref.users, 2);
	ck_assert_ptr_eq(body->text.at, at);
	shared_text_drop(&body);
	rig_ask_await(&r, &a);
	ck_assert(slice_eq(rig_ask_body(&a), SLICE("6d1cf22d7cc09b085dfc25ee1a1f3ae0"
						   "265804c607bc2074ad253bcc82fd81ee")));
	rig_ask_close(&a);
	rig_close(&r);
}
END_TEST

/* --- configuration --------------------------------------------------------------- */

/* What a run has taken is known as so much for a MiB, beside what each run takes. */
START_TEST(a_long_input_says_that_it_is_one)
{
	static struct rig_ask a;
	static char input[3 << 20];
	struct rig r;
	struct part *p = load_good(&r, POOL "[subrequest r.p]\nsource = compute digest\n");
	struct pool *pool = p->source->ops->pool(p);
	struct cost *cost = pool_cost(pool, p->section->name, 0);

	ck_assert(p->is_weighed);
	rig_ask_open(&r, &a, p);
	a.value[0] = slice_make(input, sizeof(input));
	ck_assert_int_eq(rig_ask_run(&r, &a), 0);
	ck_assert_uint_eq(atomic_load(&cost->mean_units), sizeof(input) + 4096);
	ck_assert_uint_gt(cost_mean(cost), 0);
	ck_assert_uint_ge(cost_expect(cost, 30 << 20), 29 * cost_mean(cost));
	rig_ask_close(&a);
	rig_close(&r);
}
END_TEST

static const struct {
	const char *conf, *error;
} mistakes[] = {
	{ POOL "[subrequest r.p]\nsource = compute\n",
	  "test.conf:3: [subrequest r.p] source: compute needs the name of a job, "
	  "for example: compute digest" },
	{ POOL "[subrequest r.p]\nsource = compute digset\n",
	  "test.conf:3: [subrequest r.p] source: there is no compute job \"digset\"; "
	  "did you mean \"digest\"?" },
	{ POOL "[subrequest r.p]\nsource = compute digest\npool = comptue\n",
	  "test.conf:4: [subrequest r.p] pool: there is no [pool comptue]; "
	  "did you mean \"compute\"?" },
	{ "[subrequest r.p]\nsource = compute digest\n",
	  "test.conf:1: [subrequest r.p] pool: there is no [pool compute]" },
};

START_TEST(mistakes_are_told_with_their_line)
{
	struct rig r;

	ck_assert_ptr_null(load(&r, mistakes[_i].conf));
	ck_assert_str_eq(rig_errors(&r), mistakes[_i].error);
	rig_close(&r);
}
END_TEST

START_TEST(keys_of_another_job_are_unknown_and_a_salt_is_needed)
{
	struct rig r;

	ck_assert_ptr_null(load(&r, POOL "[subrequest r.p]\nsource = compute digest\n"
					 "iterations = 3\n"));
	ck_assert_ptr_nonnull(strstr(rig_errors(&r), "test.conf:4: [subrequest r.p] iterations"));
	rig_close(&r);
	ck_assert_ptr_null(load(&r, POOL "[subrequest r.p]\nsource = compute pbkdf2\n"));
	ck_assert_ptr_nonnull(strstr(rig_errors(&r), "salt"));
	rig_close(&r);
}
END_TEST

/* --- admission ------------------------------------------------------------------- */

static void
load_two_pools(struct rig *r, struct part *p[2])
{
	struct source *s;

	rig_open(r, "[subrequest r.a]\nsource = compute digest\npool = small\ninput = x\n"
		    "[subrequest r.b]\nsource = compute digest\npool = large\ninput = x\n");
	rig_add_pool(r, "small", 1, 1);
	rig_add_pool(r, "large", 1, 7);
	s = rig_load_source(r, &source_compute, "");
	p[0] = rig_load_part(r, s, "r.a", NULL, 0);
	p[1] = rig_load_part(r, s, "r.b", NULL, 0);
}

static int
has_room(struct pool *p, unsigned n)
{
	struct pool_refusal refusal;

	if (places_reserve(p, n, 0, CLOCK_NEVER, 0, &refusal) != 0)
		return 0;
	places_release(p, n);
	return 1;
}

START_TEST(a_fan_out_is_admitted_in_all_its_pools_or_in_none)
{
	static struct rig_ask asks[6];
	struct subrequest *q[6], *large_first[4];
	struct part *p[2];
	struct rig r;

	load_two_pools(&r, p);
	for (unsigned i = 0; i < 6; i++) {
		rig_ask_open(&r, &asks[i], p[i % 2]);
		q[i] = &asks[i].q;
	}
	/* Three of each: one too many for the small pool, whichever comes first. */
	ck_assert_int_eq(source_compute.reserve(q, 6), ERR_SHED);
	ck_assert_str_eq(asks[0].q.refusal.limit, "pool.small.queue");
	ck_assert_str_eq(asks[5].q.refusal.limit, "pool.small.queue");
	ck_assert_int_eq(source_compute.reserve(q + 1, 5), 0);
	ck_assert(!has_room(r.pools[0], 1));
	ck_assert(has_room(r.pools[1], 5));
	ck_assert(!has_room(r.pools[1], 6));
	for (unsigned i = 1; i < 6; i++)
		source_compute.release(q[i]);
	large_first[0] = q[1];
	for (unsigned i = 0; i < 3; i++)
		large_first[i + 1] = q[2 * i];
	ck_assert_int_eq(source_compute.reserve(large_first, 4), ERR_SHED);
	ck_assert(has_room(r.pools[0], 2));
	ck_assert(has_room(r.pools[1], 8));
	for (unsigned i = 0; i < 6; i++)
		rig_ask_close(&asks[i]);
	rig_close(&r);
}
END_TEST

START_TEST(a_fan_out_gives_every_answer)
{
	static struct rig_ask asks[6];
	struct subrequest *q[6];
	struct rig r;
	struct part *p =
	    load_good(&r, POOL "[subrequest r.p]\nsource = compute digest\ninput = abc\n");

	for (unsigned i = 0; i < 6; i++) {
		rig_ask_open(&r, &asks[i], p);
		q[i] = &asks[i].q;
	}
	ck_assert_int_eq(source_compute.reserve(q, 6), 0);
	for (unsigned i = 0; i < 6; i++) {
		q[i]->state_now = SUBREQUEST_STARTED;
		source_compute.start(q[i]);
	}
	for (unsigned i = 0; i < 6; i++) {
		rig_ask_await(&r, &asks[i]);
		ck_assert_int_eq(asks[i].err, 0);
		ck_assert_uint_eq(asks[i].body_len, 64);
		rig_ask_close(&asks[i]);
	}
	ck_assert(has_room(r.pools[0], 10));
	rig_close(&r);
}
END_TEST

/* --- cancelling ------------------------------------------------------------------ */

#define ENDLESS                                                                                    \
	"[subrequest r.p]\nsource = compute pbkdf2\nsalt = s\niterations = 100000000\n"            \
	"pool = one\n"

/* A pool of one thread, an ask that keeps it busy, and one that waits behind it. */
static struct part *
start_endless(struct rig *r, struct rig_ask *running, struct rig_ask *waiting)
{
	struct source *s;
	struct part *p;
	struct pool_sample sample;

	rig_open(r, ENDLESS);
	rig_add_pool(r, "one", 1, 4);
	s = rig_load_source(r, &source_compute, "");
	p = rig_load_part(r, s, "r.p", NULL, 0);
	rig_ask_open(r, running, p);
	rig_ask_open(r, waiting, p);
	ck_assert_int_eq(rig_ask_start(running), 0);
	do
		pool_sample(r->pools[0], &sample);
	while (sample.running == 0);
	ck_assert_int_eq(rig_ask_start(waiting), 0);
	return p;
}

/* It would never end: that the test does is what is tested. */
START_TEST(a_cancelled_running_job_stops)
{
	static struct rig_ask running, waiting;
	struct rig r;

	start_endless(&r, &running, &waiting);
	subrequest_cancel(&waiting.q);
	subrequest_cancel(&running.q);
	/* Nothing of the exchange may be needed any more. */
	rig_ask_close(&running);
	memset(&running.q, 0xee, sizeof(running.q));
	rig_settle(&r, r.pools[0]);
	ck_assert(has_room(r.pools[0], 5));
	rig_ask_close(&waiting);
	rig_close(&r);
}
END_TEST

START_TEST(a_cancelled_waiting_job_is_dropped_unrun_and_frees_its_place)
{
	static struct rig_ask running, waiting;
	struct rig r;
	struct pool_sample s;

	start_endless(&r, &running, &waiting);
	ck_assert(!has_room(r.pools[0], 4));
	subrequest_cancel(&waiting.q);
	subrequest_cancel(&waiting.q);
	rig_ask_close(&waiting);
	memset(&waiting.q, 0xee, sizeof(waiting.q));
	ck_assert(has_room(r.pools[0], 4));
	pool_sample(r.pools[0], &s);
	ck_assert_uint_eq(s.abandoned, 1);
	loop_turn(&r.env.loop, false);
	ck_assert_uint_eq(running.dones, 0);
	rig_ask_close(&running);
	rig_settle(&r, r.pools[0]);
	rig_close(&r);
}
END_TEST

START_TEST(a_job_past_its_deadline_gives_up_and_says_why)
{
	static struct rig_ask a;
	struct rig r;
	struct source *s;

	rig_open(&r, ENDLESS);
	rig_add_pool(&r, "one", 1, 4);
	s = rig_load_source(&r, &source_compute, "");
	rig_ask_open(&r, &a, rig_load_part(&r, s, "r.p", NULL, 0));
	a.q.deadline_ns = clock_monotonic() + 5 * CLOCK_MS;
	ck_assert_int_eq(rig_ask_run(&r, &a), ERR_DEADLINE);
	ck_assert_uint_eq(a.heads, 0);
	rig_ask_close(&a);
	rig_close(&r);
}
END_TEST

static void
cancel_self(struct rig_ask *a)
{
	subrequest_cancel(&a->q);
}

START_TEST(an_ask_may_be_cancelled_from_inside_its_head)
{
	static struct rig_ask a;
	struct rig r;
	struct part *p =
	    load_good(&r, POOL "[subrequest r.p]\nsource = compute digest\ninput = abc\n");

	rig_ask_open(&r, &a, p);
	a.on_head = cancel_self;
	ck_assert_int_eq(rig_ask_start(&a), 0);
	while (a.heads == 0)
		loop_turn(&r.env.loop, true);
	loop_turn(&r.env.loop, false);
	ck_assert_uint_eq(a.dones, 0);
	ck_assert_uint_eq(a.body_len, 0);
	rig_ask_close(&a);
	rig_close(&r);
}
END_TEST

START_TEST(the_end_of_the_pool_ends_a_running_job)
{
	static struct rig_ask running, waiting;
	struct rig r;

	start_endless(&r, &running, &waiting);
	pool_unref(&r.pools[0]);
	r.pool_count = 0;
	rig_ask_await(&r, &running);
	rig_ask_await(&r, &waiting);
	ck_assert_int_eq(running.err, ERR_CANCELLED);
	ck_assert_int_eq(waiting.err, ERR_SHUTDOWN);
	rig_ask_close(&running);
	rig_ask_close(&waiting);
	rig_close(&r);
}
END_TEST

/* --- limits and lack of memory --------------------------------------------------- */

START_TEST(a_result_above_max_result_is_too_large)
{
	static struct rig_ask a;
	struct rig r;
	struct part *p =
	    load_good(&r, POOL "[subrequest r.p]\nsource = compute digest\ninput = abc\n");

	for (p->max_result = 0; p->max_result < 64; p->max_result += 9) {
		rig_ask_open(&r, &a, p);
		ck_assert_int_eq(rig_ask_run(&r, &a), ERR_TOO_LARGE);
		rig_ask_close(&a);
	}
	p->max_result = 64;
	rig_ask_open(&r, &a, p);
	ck_assert_int_eq(rig_ask_run(&r, &a), 0);
	rig_ask_close(&a);
	rig_close(&r);
}
END_TEST

START_TEST(lack_of_memory_fails_the_part_later_and_once)
{
	static struct rig_ask a;
	struct rig r;
	struct part *p =
	    load_good(&r, POOL "[subrequest r.p]\nsource = compute digest\ninput = abc\n");
	int err = ERR_MEMORY;

	for (unsigned long n = 1; err == ERR_MEMORY; n++) {
		ck_assert_uint_lt(n, 20);
		rig_ask_open(&r, &a, p);
		mem_fail_at(n, true);
		err = rig_ask_start(&a);
		if (err == 0) {
			rig_ask_await(&r, &a);
			err = a.err;
		}
		mem_fail_at(0, false);
		ck_assert(err == 0 || err == ERR_MEMORY);
		rig_ask_close(&a);
		rig_settle(&r, r.pools[0]);
		ck_assert(has_room(r.pools[0], 10));
	}
	rig_close(&r);
}
END_TEST

Suite *
suite_source_compute(void)
{
	Suite *s = suite_create("source_compute");
	TCase *t = tcase_create("compute");

	tcase_add_loop_test(t, published_vectors_come_out, 0, sizeof(vectors) / sizeof(vectors[0]));
	tcase_add_loop_test(t, derived_keys_are_those_of_openssl, 0,
			    sizeof(derivations) / sizeof(derivations[0]));
	tcase_add_test(t, a_long_input_is_hashed_in_steps);
	tcase_add_test(t, a_body_that_is_shared_is_read_where_it_is);
	tcase_add_test(t, a_body_that_a_job_does_not_read_is_not_kept_for_it);
	tcase_add_test(t, a_long_input_says_that_it_is_one);
	tcase_add_loop_test(t, mistakes_are_told_with_their_line, 0,
			    sizeof(mistakes) / sizeof(mistakes[0]));
	tcase_add_test(t, keys_of_another_job_are_unknown_and_a_salt_is_needed);
	tcase_add_test(t, a_fan_out_is_admitted_in_all_its_pools_or_in_none);
	tcase_add_test(t, a_fan_out_gives_every_answer);
	tcase_add_test(t, a_cancelled_running_job_stops);
	tcase_add_test(t, a_cancelled_waiting_job_is_dropped_unrun_and_frees_its_place);
	tcase_add_test(t, a_job_past_its_deadline_gives_up_and_says_why);
	tcase_add_test(t, an_ask_may_be_cancelled_from_inside_its_head);
	tcase_add_test(t, the_end_of_the_pool_ends_a_running_job);
	tcase_add_test(t, a_result_above_max_result_is_too_large);
	tcase_add_test(t, lack_of_memory_fails_the_part_later_and_once);
	suite_add_tcase(s, t);
	return s;
}
