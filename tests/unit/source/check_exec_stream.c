/*
 * What a program writes, passed on: a job that plays the program, with a pipe of
 * its own.
 */
#include "base/mem.h"
#include "rig.h"
#include "source/exec_stream.h"

#include <check.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <unistd.h>

Suite *suite_source_exec_stream(void);

/* What the program does; set before it is started. */
static struct play {
	const char *text;
	unsigned times;
	int outcome;
	bool is_none; /* it could not be started */
	bool is_slow; /* it writes when all before was read */
	bool is_left; /* somebody else holds its output open */
	uint64_t limit;
	int left; /* by whom */
} play;

struct fake {
	struct offload offload;
	struct exec_stream stream;
};

static struct pool *
pool_of(const struct part *p)
{
	return p->source->state;
}

static struct cost *
cost_of(const struct part *p)
{
	(void)p;
	return NULL;
}

static struct offload *
make(const struct subrequest *q)
{
	struct fake *f = mem_zalloc(1, sizeof(*f));

	(void)q;
	f->offload.type = SLICE("image/x");
	exec_stream_init(&f->stream, &f->offload, play.limit);
	return &f->offload;
}

static void
await_empty(int fd)
{
	int n;

	do {
		sched_yield();
		ck_assert_int_eq(ioctl(fd, FIONREAD, &n), 0);
	} while (n > 0);
}

static int
run(struct offload *o, struct pool_thread *t)
{
	struct fake *f = CONTAINER_OF(o, struct fake, offload);
	int ends[2];

	(void)t;
	if (play.is_none)
		return play.outcome;
	ck_assert_int_eq(pipe2(ends, O_CLOEXEC), 0);
	ck_assert_int_eq(fcntl(ends[0], F_SETFL, O_NONBLOCK), 0);
	play.left = play.is_left ? ends[1] : -1;
	exec_stream_give(&f->stream, ends[0]);
	for (unsigned i = 0; i < play.times; i++) {
		if (write(ends[1], play.text, strlen(play.text)) < 0)
			break;
		if (play.is_slow)
			await_empty(ends[1]);
	}
	if (!play.is_left)
		close(ends[1]);
	return play.outcome;
}

static bool
home(struct offload *o)
{
	return exec_stream_home(&CONTAINER_OF(o, struct fake, offload)->stream);
}

static void
resume(struct offload *o)
{
	exec_stream_resume(&CONTAINER_OF(o, struct fake, offload)->stream);
}

static void
leave(struct offload *o)
{
	exec_stream_close(&CONTAINER_OF(o, struct fake, offload)->stream);
}

static const struct offload_ops offload_ops = {
	.pool = pool_of,
	.cost = cost_of,
	.make = make,
	.run = run,
	.home = home,
	.resume = resume,
	.leave = leave,
};

static int
reserve(struct subrequest *q[], size_t n)
{
	return offload_reserve(q, n, &offload_ops);
}

static const struct source_ops ops = {
	.name = "fake",
	.reserve = reserve,
	.release = offload_release,
	.start = offload_start,
	.resume = offload_resume,
	.cancel = offload_cancel,
};

static struct rig rig;
static struct rig_ask ask;
static struct source source;
static struct part part;

static void
begin(const struct play *p)
{
	play = *p;
	play.left = -1;
	signal(SIGPIPE, SIG_IGN);
	rig_open(&rig, "[pool a]\n");
	source = (struct source){ .ops = &ops, .state = rig.pools[0] };
	part = (struct part){ .source = &source, .max_result = 1000, .passes_through = true };
	rig_ask_open(&rig, &ask, &part);
}

static void
end(void)
{
	rig_settle(&rig, rig.pools[0]);
	if (play.left >= 0)
		close(play.left);
	rig_ask_close(&ask);
	rig_close(&rig);
}

START_TEST(what_it_writes_is_the_body)
{
	begin(&(struct play){ .text = "0123456789", .times = 5000 });
	ck_assert_int_eq(rig_ask_run(&rig, &ask), 0);
	ck_assert_int_eq(ask.status, 200);
	ck_assert(slice_eq(ask.type, SLICE("image/x")));
	ck_assert_uint_eq(ask.body_len, 50000);
	ck_assert(slice_has_prefix(rig_ask_body(&ask), SLICE("0123456789012")));
	end();
}
END_TEST

static struct chunks kept;

static void
keep(struct rig_ask *a, struct chunks *list)
{
	(void)a;
	chunks_move(&kept, list);
}

START_TEST(what_comes_bit_by_bit_shares_blocks)
{
	size_t bytes, blocks = 1;

	begin(&(struct play){ .text = "x", .times = 2000, .is_slow = true });
	chunks_init(&kept, &rig.env.store);
	ask.on_body = keep;
	ck_assert_int_eq(rig_ask_run(&rig, &ask), 0);
	for (const struct chunk *c = kept.head; c->next; c = c->next)
		blocks += c->of.block != c->next->of.block;
	bytes = kept.bytes;
	chunks_clear(&kept);
	ck_assert_uint_eq(bytes, 2000);
	ck_assert_uint_eq(blocks, 1);
	end();
}
END_TEST

START_TEST(one_that_writes_nothing_answers_with_nothing)
{
	begin(&(struct play){ .text = "" });
	ck_assert_int_eq(rig_ask_run(&rig, &ask), 0);
	ck_assert_int_eq(ask.status, 200);
	ck_assert_uint_eq(ask.heads, 1);
	ck_assert_uint_eq(ask.body_len, 0);
	ck_assert_int_eq(ask.q.response.framing, BODY_LENGTH);
	end();
}
END_TEST

START_TEST(a_failure_is_the_answers_whatever_was_written)
{
	begin(&(struct play){ .text = "begun", .times = 1, .outcome = ERR_FAILED });
	ck_assert_int_eq(rig_ask_run(&rig, &ask), ERR_FAILED);
	end();
}
END_TEST

START_TEST(one_that_cannot_be_started_has_no_head)
{
	begin(&(struct play){ .is_none = true, .outcome = ERR_SYSTEM });
	ck_assert_int_eq(rig_ask_run(&rig, &ask), ERR_SYSTEM);
	ck_assert_uint_eq(ask.heads, 0);
	end();
}
END_TEST

START_TEST(a_pipe_that_somebody_holds_open_is_not_waited_for)
{
	begin(&(struct play){ .text = "here", .times = 1, .is_left = true });
	ck_assert_int_eq(rig_ask_run(&rig, &ask), 0);
	ck_assert(slice_eq(rig_ask_body(&ask), SLICE("here")));
	end();
}
END_TEST

static size_t given;

/* As much as was read is written anew: the pipe is never empty. */
static void
refill(struct rig_ask *a, struct chunks *list)
{
	static const char memory[STORE_BLOCK_BYTES];

	(void)a;
	given += list->bytes;
	ck_assert_uint_lt(given, 64 << 20);
	ck_assert_int_eq(write(play.left, memory, list->bytes), (ssize_t)list->bytes);
	chunks_clear(list);
}

START_TEST(one_that_leaves_somebody_who_writes_for_ever_has_an_end)
{
	given = 0;
	begin(&(struct play){ .text = "0123456789", .times = 2000, .is_left = true });
	ask.on_body = refill;
	ck_assert_int_eq(rig_ask_run(&rig, &ask), 0);
	ck_assert_uint_ge(given, 20000);
	end();
}
END_TEST

START_TEST(above_the_limit_it_fails)
{
	begin(&(struct play){ .text = "0123456789", .times = 5000, .limit = 49999 });
	ck_assert_int_eq(rig_ask_run(&rig, &ask), ERR_TOO_LARGE);
	end();
	begin(&(struct play){ .text = "0123456789", .times = 5000, .limit = 50000 });
	ck_assert_int_eq(rig_ask_run(&rig, &ask), 0);
	end();
}
END_TEST

static void
cancel(struct rig_ask *a)
{
	subrequest_cancel(&a->q);
}

START_TEST(one_that_is_cancelled_from_inside_its_head_is_not_read_on)
{
	begin(&(struct play){ .text = "0123456789", .times = 5000 });
	ask.on_head = cancel;
	ck_assert_int_eq(rig_ask_start(&ask), 0);
	while (ask.heads == 0)
		loop_turn(&rig.env.loop, true);
	rig_settle(&rig, rig.pools[0]);
	ck_assert_uint_eq(ask.dones, 0);
	ck_assert_uint_eq(ask.body_len, 0);
	end();
}
END_TEST

START_TEST(one_that_is_cancelled_at_once_leaves_nothing_open)
{
	begin(&(struct play){ .text = "x", .times = 1 });
	ck_assert_int_eq(rig_ask_start(&ask), 0);
	subrequest_cancel(&ask.q);
	rig_settle(&rig, rig.pools[0]);
	ck_assert_uint_eq(ask.heads + ask.dones, 0);
	end();
}
END_TEST

Suite *
suite_source_exec_stream(void)
{
	Suite *s = suite_create("source/exec_stream");
	TCase *c = tcase_create("exec_stream");

	tcase_add_test(c, what_it_writes_is_the_body);
	tcase_add_test(c, what_comes_bit_by_bit_shares_blocks);
	tcase_add_test(c, one_that_writes_nothing_answers_with_nothing);
	tcase_add_test(c, a_failure_is_the_answers_whatever_was_written);
	tcase_add_test(c, one_that_cannot_be_started_has_no_head);
	tcase_add_test(c, a_pipe_that_somebody_holds_open_is_not_waited_for);
	tcase_add_test(c, one_that_leaves_somebody_who_writes_for_ever_has_an_end);
	tcase_add_test(c, above_the_limit_it_fails);
	tcase_add_test(c, one_that_is_cancelled_from_inside_its_head_is_not_read_on);
	tcase_add_test(c, one_that_is_cancelled_at_once_leaves_nothing_open);
	suite_add_tcase(s, c);
	return s;
}
