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

enum { CONF_BYTES = 1024, ANSWER_BYTES = 1 << 16 };

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
open_bench(struct bench *b, const char *keys)
{
	const char *folder = getenv("TEST_MODULES");
	struct module_options o = { .folder = folder ? folder : "tests/support/modules",
				    .trial_ns = MODULE_TRIAL_NS };
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

Suite *
suite_module_cell(void)
{
	Suite *s = suite_create("module/cell");
	TCase *t = tcase_create("cell");

	tcase_add_test(t, a_process_that_cannot_be_started_is_no_crash_of_the_module);
	tcase_add_test(t, a_job_that_is_lost_with_the_spawner_is_no_crash_of_the_module);
	tcase_add_test(t, a_run_that_there_is_no_memory_for_leaves_the_process_alone);
	tcase_add_test(t, a_job_that_ends_its_process_is_a_crash_by_its_input);
	suite_add_tcase(s, t);
	return s;
}
