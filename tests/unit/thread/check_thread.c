/*
 * At what priority threads run: what the log says is what the kernel has, and
 * what a filter of system calls refuses is told with what to do about it.
 */
#include "base/log.h"
#include "base/writer.h"
#include "thread/thread.h"

#include <check.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

Suite *suite_thread_thread(void);

enum { NICE = 7 };

static char said[1024];
static struct writer lines;
static bool has_warned;

static int
keep_line(enum log_level level, const char *thread, struct slice message)
{
	(void)thread;
	has_warned |= level == LOG_LEVEL_WARNING;
	writer_put(&lines, message);
	return 0;
}

static void
set_up(void)
{
	memset(said, 0, sizeof(said));
	lines = writer_over(said, sizeof(said) - 1);
	has_warned = false;
	log_to_sender(keep_line);
}

static void
tear_down(void)
{
	log_to_fd(STDERR_FILENO, LOG_FORMAT_TEXT);
}

/* What it has come to is said by the thread itself. */
static void
tell(void *argument)
{
	const struct thread *t = argument;

	ck_assert_uint_eq(t->number, thread_number());
	thread_tell_priority(t, "these");
}

static void
run(struct thread *t)
{
	t->role = THREAD_POOL;
	t->run = tell;
	t->argument = t;
	ck_assert_int_eq(thread_start(t), 0);
	thread_join(t);
}

START_TEST(what_is_granted_is_said_as_the_kernel_has_it)
{
	struct thread t = { .name = "a", .batch = true, .nice = NICE };

	run(&t);
	ck_assert_str_eq(said, "these run as SCHED_BATCH at nice 7");
	ck_assert(!has_warned);
}
END_TEST

START_TEST(a_thread_that_asks_for_nothing_runs_as_the_process)
{
	struct thread t = { .name = "a", .slice_us = 500 };
	char begin[64];
	struct writer w = writer_over(begin, sizeof(begin) - 1);

	run(&t);
	writer_format(&w, "these run as SCHED_OTHER at nice %d in turns ",
		      getpriority(PRIO_PROCESS, 0));
	begin[w.len] = '\0';
	ck_assert_msg(strncmp(said, begin, w.len) == 0, "%s", said);
}
END_TEST

/* From now on, in this process. */
static void
refuse_priorities(void)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_sched_setscheduler, 2, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setpriority, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
	};
	const struct sock_fprog program = { .len = sizeof(code) / sizeof(code[0]), .filter = code };

	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

START_TEST(what_is_refused_is_a_warning_that_says_what_to_allow)
{
	struct thread t = { .name = "a", .batch = true, .nice = NICE };
	char begin[64];
	struct writer w = writer_over(begin, sizeof(begin) - 1);

	refuse_priorities();
	run(&t);
	writer_format(&w, "these run as SCHED_OTHER at nice %d, which is not",
		      getpriority(PRIO_PROCESS, 0));
	begin[w.len] = '\0';
	ck_assert_msg(strncmp(said, begin, w.len) == 0, "%s", said);
	ck_assert_ptr_nonnull(strstr(said, "(Operation not permitted)"));
	ck_assert_ptr_nonnull(strstr(said, "allow sched_setscheduler, setpriority"));
	ck_assert(has_warned);
}
END_TEST

Suite *
suite_thread_thread(void)
{
	Suite *s = suite_create("thread_thread");
	TCase *t = tcase_create("thread");

	tcase_add_checked_fixture(t, set_up, tear_down);
	tcase_add_test(t, what_is_granted_is_said_as_the_kernel_has_it);
	tcase_add_test(t, a_thread_that_asks_for_nothing_runs_as_the_process);
	/* The last: where tests do not have processes of their own, it stays refused. */
	tcase_add_test(t, what_is_refused_is_a_warning_that_says_what_to_allow);
	suite_add_tcase(s, t);
	return s;
}
