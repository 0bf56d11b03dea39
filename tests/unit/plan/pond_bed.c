/*
 * A pond between two ends that only keep account; see pond_bed.h.
 */
#include "pond_bed.h"

#include "base/clock.h"

#include <check.h>
#include <semaphore.h>

struct pond_bed bed;

/* Holds the pool's only thread until it is told to go on. */
struct blocker {
	struct job job;
	sem_t entered, gate;
	unsigned homes;
};

static struct blocker blockers[2];
static unsigned holder; /* which of them has the thread */

/* --- the two ends ------------------------------------------------------------------- */

/* The byte at a place of the response. */
char
pond_byte_at(uint64_t place)
{
	return (char)((place * 2654435761u) >> 21);
}

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
	ck_assert_uint_eq(bed.client.ends + bed.client.aborts, 0);
	ck_assert(!bed.client.is_paused);
	for (const struct chunk *c = list->head; c; c = c->next) {
		for (size_t i = 0; i < c->len; i++) {
			if (c->at[i] != pond_byte_at(bed.client.sent + i))
				ck_abort_msg("another byte at %zu", (size_t)bed.client.sent + i);
		}
		bed.client.sent += c->len;
	}
	bed.client.is_paused = list->bytes >= bed.client.room;
	bed.client.room -= bed.client.is_paused ? bed.client.room : list->bytes;
	chunks_clear(list);
	return bed.client.is_paused ? EXCHANGE_PAUSE : 0;
}

static void
send_end(struct exchange *e)
{
	(void)e;
	bed.client.ends++;
}

static void
send_abort(struct exchange *e, int err)
{
	(void)e;
	bed.client.aborts++;
	bed.client.err = err;
}

static const struct exchange_ops ops = {
	.head = send_head,
	.body = send_body,
	.end = send_end,
	.abort = send_abort,
};

static void
on_resume(struct exchange *e)
{
	(void)e;
	ck_assert(bed.source.is_paused);
	ck_assert(!bed.source.has_ended);
	bed.source.is_paused = false;
	bed.source.resumes++;
}

static void
on_cancel(struct exchange *e, int err)
{
	(void)e;
	(void)err;
	bed.source.is_cancelled = true;
}

static const struct exchange_app app = { .resume = on_resume, .cancel = on_cancel };

/* --- a pool that goes step by step ------------------------------------------------------ */

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

int
pond_reserve(uint64_t *expected_ns)
{
	struct gate_ask ask = { .priority = CLASS_CRITICAL,
				.is_underway = true,
				.now_ns = clock_monotonic(),
				.deadline_ns = CLOCK_NEVER };
	struct pool_refusal refusal;

	*expected_ns = pool_ask_more(bed.pool, &ask, NULL, 0, CLOCK_NEVER);
	return pool_reserve(bed.pool, &ask, 0, &refusal);
}

static void
queue_blocker(struct blocker *b)
{
	*b = (struct blocker){ .job = { .run = run_blocker,
					.on_home = on_blocker_home,
					.home = &bed.env.loop.mailbox,
					.priority = CLASS_CRITICAL,
					.deadline_ns = CLOCK_NEVER } };
	sem_init(&b->entered, 0, 0);
	sem_init(&b->gate, 0, 0);
	ck_assert_int_eq(pond_reserve(&b->job.expected_ns), 0);
	pool_submit(bed.pool, &b->job);
}

static void
await_entry(struct blocker *b)
{
	while (sem_wait(&b->entered) != 0)
		;
}

static void
release(struct blocker *b)
{
	sem_post(&b->gate);
	while (b->homes == 0)
		loop_turn(&bed.env.loop, true);
	sem_destroy(&b->entered);
	sem_destroy(&b->gate);
}

/* What is in the pool runs, and comes home. */
void
pond_run_jobs(void)
{
	struct blocker *next = &blockers[1 - holder];

	queue_blocker(next);
	sem_post(&blockers[holder].gate);
	await_entry(next);
	release(&blockers[holder]);
	loop_turn(&bed.env.loop, false);
	holder = 1 - holder;
}

bool
pond_is_job_away(void)
{
	return bed.lease.users > 0;
}

void
pond_run_all_jobs(void)
{
	while (pond_is_job_away())
		pond_run_jobs();
}

/* --- the bed ------------------------------------------------------------------------------ */

void
pond_begin(void)
{
	memset(&bed.source, 0, sizeof(bed.source));
	memset(&bed.client, 0, sizeof(bed.client));
	bed.client.room = 1; /* one body, and it is stalled */
	bed.x = (struct exchange){ .ops = &ops, .app = &app, .store = &bed.env.store };
	arena_init(&bed.x.arena, &bed.env.store, 1 << 20);
	bed.x.response.status = 200;
	bed.x.response.framing = BODY_CHUNKED;
	pond_add(&bed.x, &bed.lease, &bed.conf);
	ck_assert_int_eq(exchange_head(&bed.x), 0);
}

/* Everything must be home, and nothing kept. */
void
pond_finish(void)
{
	pond_run_all_jobs();
	ck_assert_uint_eq(count_read(&bed.counters, COUNTER_POND_KEPT),
			  count_read(&bed.counters, COUNTER_POND_LEFT));
	ck_assert_uint_eq(count_read(&bed.counters, COUNTER_POND_FILE_KEPT),
			  count_read(&bed.counters, COUNTER_POND_FILE_LEFT));
	ck_assert_uint_eq(bed.env.loop.timers.count, 0);
	arena_fini(&bed.x.arena);
}

void
pond_setup(void)
{
	struct pool_options o = { .name = "blocking",
				  .limits = { .threads = 1, .max_queue = QUEUE },
				  .order = ORDER_FIFO };
	int err;

	bed.env = (struct env){ .counters = &bed.counters };
	memset(&bed.counters, 0, sizeof(bed.counters));
	store_init(&bed.env.store);
	random_init(&bed.env.random, 1);
	ck_assert_int_eq(loop_init(&bed.env.loop, &bed.env), 0);
	bytes_init(&bed.env.bytes, &bed.env.loop);
	bed.lease = (struct lease){ .env = &bed.env };
	bed.pool = pool_new(&o, &err);
	ck_assert_ptr_nonnull(bed.pool);
	bed.spool = (struct spool_conf){ .pool = bed.pool, .dir = "/tmp" };
	bed.conf = (struct pond_conf){
		.spool = &bed.spool, .memory = MEMORY, .file = 1 << 30, .priority = CLASS_NORMAL
	};
	holder = 0;
	queue_blocker(&blockers[0]);
	await_entry(&blockers[0]);
	pond_begin();
}

void
pond_teardown(void)
{
	pond_run_all_jobs();
	release(&blockers[holder]);
	pond_finish();
	pool_unref(&bed.pool);
	loop_turn(&bed.env.loop, false);
	bytes_fini(&bed.env.bytes);
	loop_fini(&bed.env.loop);
	ck_assert_uint_eq(bed.env.store.out, 0);
	store_fini(&bed.env.store);
}

/* The next bytes of the response, in chunks of at most `most`. */
void
pond_give(size_t bytes, size_t most)
{
	static char memory[GIVE_MOST];
	struct chunks list;
	int err;

	ck_assert(!bed.source.is_paused && bytes <= GIVE_MOST);
	for (size_t i = 0; i < bytes; i++)
		memory[i] = pond_byte_at(bed.source.given + i);
	chunks_init(&list, &bed.env.store);
	for (size_t at = 0; at < bytes; at += most) {
		size_t n = bytes - at < most ? bytes - at : most;

		ck_assert_int_eq(chunks_add_copy(&list, slice_make(memory + at, n)), 0);
	}
	err = exchange_body(&bed.x, &list);
	ck_assert(chunks_is_empty(&list));
	ck_assert_int_ge(err, 0);
	bed.source.given += bytes;
	bed.source.is_paused = err == EXCHANGE_PAUSE;
}

void
pond_give_much(uint64_t bytes)
{
	for (; bytes > 0 && !bed.source.is_paused; bytes -= bytes < PIECE ? bytes : PIECE) {
		pond_give(bytes < PIECE ? bytes : PIECE, PIECE);
		pond_run_all_jobs();
	}
}

void
pond_end(void)
{
	bed.source.has_ended = true;
	exchange_end(&bed.x);
}

/* The client has room for so many bytes more. */
void
pond_take(uint64_t bytes)
{
	bed.client.room += bytes;
	if (!bed.client.is_paused || bed.client.ends + bed.client.aborts > 0)
		return;
	bed.client.is_paused = false;
	exchange_resume(&bed.x);
}

void
pond_take_all(void)
{
	for (unsigned i = 0; i < 10000 && bed.client.ends + bed.client.aborts == 0; i++) {
		pond_take(PIECE);
		pond_run_all_jobs();
	}
}

uint64_t
pond_counted(enum counter c)
{
	return count_read(&bed.counters, c);
}

uint64_t
pond_held(void)
{
	return pond_counted(COUNTER_POND_KEPT) - pond_counted(COUNTER_POND_LEFT) -
	       pond_counted(COUNTER_POND_FILE_KEPT) + pond_counted(COUNTER_POND_FILE_LEFT);
}
