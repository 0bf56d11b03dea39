/*
 * Cells, from the pool's thread: which failures are the module's, and which are
 * not. The processes are this program (main.c); the thread is the test's.
 */
#include "../source/rig.h"
#include "base/clock.h"
#include "base/mem.h"
#include "child/spawner.h"
#include "child/word.h"
#include "metrics/counters.h"
#include "module/cell_priv.h"
#include "module/module.h"
#include "module/module_priv.h"
#include "thread/pool_priv.h"

#include <check.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

Suite *suite_module_cell(void);
int check_cell_spawner(void);

enum { CONF_BYTES = 1024, ANSWER_BYTES = 1 << 16, HANGING = 6 };

/* One module, and a thread that runs its job. */
struct bench {
	struct rig rig;
	struct spawner *spawner;
	struct module *module;
	struct pool_thread thread;
	/* Of the last run. */
	struct job_call call;
	struct buffer output;
};

static void
open_bench_within(struct bench *b, const char *keys, uint64_t ready_ns)
{
	const char *folder = getenv("TEST_MODULES");
	struct module_options o = { .folder = folder ? folder : "tests/support/modules",
				    .trial_ns = MODULE_TRIAL_NS,
				    .ready_ns = ready_ns };
	char conf[CONF_BYTES];

	*b = (struct bench){ 0 };
	snprintf(conf, sizeof(conf), "[pool compute]\n[module wild]\npath = wild.so\n%s", keys);
	rig_open(&b->rig, conf);
	b->spawner = o.spawner = spawner_new();
	b->module =
	    module_open(conf_next(b->rig.conf, "module", NULL), &o, &b->rig.site, &b->rig.errors);
	ck_assert_msg(b->module != NULL, "%s", rig_errors(&b->rig));
	b->thread.pool = b->rig.pools[0];
	buffer_init(&b->output, ANSWER_BYTES);
}

static void
open_bench(struct bench *b, const char *keys)
{
	open_bench_within(b, keys, MODULE_READY_NS);
}

static void
close_bench(struct bench *b)
{
	buffer_fini(&b->output);
	mem_free(&b->call.heading);
	pool_end_locals(&b->thread);
	module_close(b->module);
	spawner_unref(&b->spawner);
	rig_close(&b->rig);
}

static int
run(struct bench *b, const char *act)
{
	struct job job = { .deadline_ns = CLOCK_NEVER, .pool = b->rig.pools[0] };

	buffer_fini(&b->output);
	buffer_init(&b->output, ANSWER_BYTES);
	mem_free(&b->call.heading);
	b->call = (struct job_call){ .type = module_job(b->module, 0),
				     .output = &b->output,
				     .job = &job,
				     .thread = &b->thread,
				     .status = 200 };
	b->call.conf = arena_zalloc(&b->rig.site, 1, b->call.type->conf_size);
	b->call.text[0] = slice_of(act);
	return b->call.type->run(&b->call);
}

static int
pid_of(struct bench *b)
{
	ck_assert_int_eq(run(b, "pid"), 0);
	buffer_char(&b->output, '\0');
	return (int)strtol(b->output.at, NULL, 10);
}

/* --- what is not the module's --------------------------------------------------------- */

/* Instead of the spawner: nothing can be forked. */
int
check_cell_spawner(void)
{
	const struct word word = { .kind = WORD_FAILED, .a = EAGAIN, .b = WORD_STEP_FORK };
	char message[1 << 16];
	int fds[ORDER_FDS];
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(fds))];
	} control;
	struct iovec part = { message, sizeof(message) };
	struct msghdr m = { .msg_iov = &part,
			    .msg_iovlen = 1,
			    .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };

	while (recvmsg(SPAWNER_SOCKET, &m, MSG_CMSG_CLOEXEC) > 0) {
		const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
		unsigned count = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));

		memcpy(fds, CMSG_DATA(c), count * sizeof(int));
		send(fds[ORDER_CONTROL], &word, sizeof(word), MSG_NOSIGNAL);
		for (unsigned i = 0; i < count; i++)
			close(fds[i]);
		m.msg_controllen = sizeof(control.bytes);
	}
	return EXIT_SUCCESS;
}

START_TEST(a_process_that_cannot_be_started_is_no_crash_of_the_module)
{
	struct bench b;

	setenv("CHECK_CELL_SPAWNER", "1", 1);
	open_bench(&b, "");
	for (unsigned i = 0; i < BREAKER_CRASHES + 2; i++) {
		ck_assert_int_eq(run(&b, "pid"), ERR_SYSTEM);
		ck_assert_uint_eq(b.call.mishap, 0);
	}
	ck_assert(quarantine_is_empty(b.module->quarantine));
	close_bench(&b);
}
END_TEST

START_TEST(a_job_that_is_lost_with_the_spawner_is_no_crash_of_the_module)
{
	struct bench b;

	open_bench(&b, "sandbox = no\n");
	pid_of(&b);
	ck_assert_int_eq(run(&b, "orphan"), ERR_SYSTEM);
	ck_assert_uint_eq(b.call.mishap, 0);
	ck_assert(quarantine_is_empty(b.module->quarantine));
	close_bench(&b);
}
END_TEST

START_TEST(a_run_that_there_is_no_memory_for_leaves_the_process_alone)
{
	struct bench b;
	int pid, err;

	open_bench(&b, "");
	pid = pid_of(&b);
	mem_fail_at(1, false);
	err = run(&b, "pid");
	mem_fail_at(0, false);
	ck_assert_int_eq(err, ERR_MEMORY);
	ck_assert_uint_eq(b.call.mishap, 0);
	ck_assert_int_eq(pid_of(&b), pid);
	close_bench(&b);
}
END_TEST

START_TEST(a_job_that_ends_its_process_is_a_crash_by_its_input)
{
	struct bench b;
	int pid;

	open_bench(&b, "");
	pid = pid_of(&b);
	for (unsigned i = 0; i < QUARANTINE_REPEATS; i++) {
		ck_assert_int_eq(run(&b, "exit"), ERR_FAILED);
		ck_assert_uint_eq(b.call.mishap, 1 + COUNTER_MODULE_CRASHES);
	}
	ck_assert_int_eq(run(&b, "exit"), ERR_FAILED);
	ck_assert_uint_eq(b.call.mishap, 1 + COUNTER_MODULE_QUARANTINED);
	ck_assert_int_ne(pid_of(&b), pid);
	close_bench(&b);
}
END_TEST

/* --- before the first request --------------------------------------------------------- */

static int
raise_cells(struct bench *b, unsigned threads)
{
	const struct pool_limits wanted = { .threads = threads };

	ck_assert_int_eq(module_start_cells(b->module, b->rig.pools[0], &wanted), 0);
	return module_await_cells(b->module, NULL, &b->rig.errors);
}

START_TEST(a_thread_takes_a_process_that_is_ready)
{
	struct bench b;
	struct cell *first;

	open_bench(&b, "");
	ck_assert_int_eq(raise_cells(&b, 2), 0);
	first = b.module->stock;
	ck_assert_ptr_nonnull(first->next);
	ck_assert(first->is_ready && first->next->is_ready);
	pid_of(&b);
	ck_assert_ptr_eq(pool_local(&b.thread, b.module), first);
	ck_assert_ptr_null(b.module->stock->next);
	pid_of(&b);
	ck_assert_ptr_nonnull(b.module->stock);
	close_bench(&b);
}
END_TEST

START_TEST(a_thread_of_another_pool_does_not_take_it)
{
	struct bench b;

	open_bench(&b, "");
	ck_assert_int_eq(raise_cells(&b, 1), 0);
	ck_assert_ptr_null(cell_stock_take(b.module, (const struct pool *)&b));
	ck_assert_ptr_nonnull(b.module->stock);
	close_bench(&b);
}
END_TEST

static const struct {
	const char *keys, *said;
	uint64_t ready_ns;
} births[] = {
	{ "birth = refused\n", "born to refuse", MODULE_READY_NS },
	{ "nap = 60s\n", "it was not ready within 20 ms", 20 * CLOCK_MS },
};

START_TEST(a_process_that_does_not_become_ready_is_an_error_with_its_words)
{
	struct bench b;
	char wanted[CONF_BYTES];

	open_bench_within(&b, births[_i].keys, births[_i].ready_ns);
	ck_assert_int_eq(raise_cells(&b, 2), ERR_SYNTAX);
	snprintf(wanted, sizeof(wanted),
		 "test.conf:3: [module wild] path: a process of its own cannot serve: %s",
		 births[_i].said);
	ck_assert_str_eq(rig_errors(&b.rig), wanted);
	close_bench(&b);
}
END_TEST

START_TEST(a_crash_before_it_is_ready_is_an_error)
{
	struct bench b;

	open_bench(&b, "birth = crashed\n");
	ck_assert_int_eq(raise_cells(&b, 1), ERR_SYNTAX);
	ck_assert_ptr_nonnull(
	    strstr(rig_errors(&b.rig), "cannot serve: it was killed by signal 6"));
	close_bench(&b);
}
END_TEST

START_TEST(waiting_for_an_init_ends_when_nobody_wants_it_any_more)
{
	const struct pool_limits wanted = { .threads = 1 };
	struct flag stop = { false };
	struct bench b;

	open_bench(&b, "nap = 60s\n");
	ck_assert_int_eq(module_start_cells(b.module, b.rig.pools[0], &wanted), 0);
	flag_raise(&stop);
	ck_assert_int_eq(module_await_cells(b.module, &stop, &b.rig.errors), ERR_CANCELLED);
	ck_assert_uint_eq(b.rig.errors.errors, 0);
	close_bench(&b);
}
END_TEST

/* A time for each of them would be longer than any test may take. */
START_TEST(processes_that_hang_in_their_init_are_ended_together)
{
	struct bench b;
	uint64_t began;

	open_bench_within(&b, "nap = 60s\n", 20 * CLOCK_MS);
	ck_assert_int_eq(raise_cells(&b, HANGING), ERR_SYNTAX);
	began = clock_monotonic();
	cell_stock_end(b.module);
	ck_assert_uint_lt(clock_monotonic() - began, HANGING / 2 * CELL_END_NS);
	ck_assert_ptr_null(b.module->stock);
	close_bench(&b);
}
END_TEST

START_TEST(what_a_start_takes_is_not_the_jobs_time)
{
	struct bench b;

	open_bench(&b, "nap = 200ms\n");
	pid_of(&b);
	ck_assert_uint_ge(b.thread.aside_ns, 200 * CLOCK_MS);
	close_bench(&b);
}
END_TEST

Suite *
suite_module_cell(void)
{
	Suite *s = suite_create("module/cell");
	TCase *t = tcase_create("cell");

	tcase_add_test(t, a_process_that_cannot_be_started_is_no_crash_of_the_module);
	tcase_add_test(t, a_job_that_is_lost_with_the_spawner_is_no_crash_of_the_module);
	tcase_add_test(t, a_run_that_there_is_no_memory_for_leaves_the_process_alone);
	tcase_add_test(t, a_job_that_ends_its_process_is_a_crash_by_its_input);
	tcase_add_test(t, a_thread_takes_a_process_that_is_ready);
	tcase_add_test(t, a_thread_of_another_pool_does_not_take_it);
	tcase_add_loop_test(t, a_process_that_does_not_become_ready_is_an_error_with_its_words, 0,
			    sizeof(births) / sizeof(births[0]));
	tcase_add_test(t, a_crash_before_it_is_ready_is_an_error);
	tcase_add_test(t, waiting_for_an_init_ends_when_nobody_wants_it_any_more);
	tcase_add_test(t, processes_that_hang_in_their_init_are_ended_together);
	tcase_add_test(t, what_a_start_takes_is_not_the_jobs_time);
	suite_add_tcase(s, t);
	return s;
}
