/*
 * What a process in the sandbox can still do: each test enters it in a child.
 */
#include "module/sandbox.h"

#include <check.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/wait.h>
#include <unistd.h>

Suite *suite_module_sandbox(void);

enum { EXIT_GOOD, EXIT_BAD, EXIT_NO_SANDBOX };

static atomic_int entered;
static atomic_int was_refused; /* of the other thread: 0: not known yet, 1: yes, 2: no */

/* In a child, without what the test program does at its end. */
static void
check_in_child(int (*run)(void))
{
	pid_t pid = fork();
	int status;

	ck_assert_int_ge(pid, 0);
	if (pid == 0)
		_exit(run());
	ck_assert_int_eq(waitpid(pid, &status, 0), pid);
	ck_assert(WIFEXITED(status));
	if (WEXITSTATUS(status) != EXIT_NO_SANDBOX)
		ck_assert_int_eq(WEXITSTATUS(status), EXIT_GOOD);
}

static int
enter(void)
{
	return sandbox_enter() == 0 ? EXIT_GOOD : EXIT_NO_SANDBOX;
}

static int
run_signals(void)
{
	int ends[2];
	bool is_refused;

	if (enter() != EXIT_GOOD)
		return EXIT_NO_SANDBOX;
	if (pipe2(ends, O_CLOEXEC) != 0)
		return EXIT_BAD;
	is_refused =
	    fcntl(ends[0], F_SETOWN, getppid()) != 0 && fcntl(ends[0], F_SETSIG, SIGKILL) != 0;
	return is_refused ? EXIT_GOOD : EXIT_BAD;
}

START_TEST(a_descriptor_signals_no_other_process)
{
	check_in_child(run_signals);
}
END_TEST

static int
run_flags(void)
{
	int ends[2];

	if (enter() != EXIT_GOOD)
		return EXIT_NO_SANDBOX;
	return pipe2(ends, O_CLOEXEC) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0 &&
		       fcntl(ends[0], F_GETFD) == FD_CLOEXEC && fcntl(ends[0], F_DUPFD, 10) >= 10
		   ? EXIT_GOOD
		   : EXIT_BAD;
}

START_TEST(descriptors_can_be_copied_and_have_flags)
{
	check_in_child(run_flags);
}
END_TEST

static void *
open_when_entered(void *nothing)
{
	while (!atomic_load(&entered))
		usleep(100);
	atomic_store(&was_refused, open("/", O_RDONLY | O_CLOEXEC) < 0 ? 1 : 2);
	return nothing;
}

static int
run_thread(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, open_when_entered, NULL) != 0)
		return EXIT_BAD;
	if (enter() != EXIT_GOOD)
		return EXIT_NO_SANDBOX;
	atomic_store(&entered, 1);
	pthread_join(thread, NULL);
	return atomic_load(&was_refused) == 1 ? EXIT_GOOD : EXIT_BAD;
}

START_TEST(threads_that_were_there_before_are_in_it_too)
{
	check_in_child(run_thread);
}
END_TEST

Suite *
suite_module_sandbox(void)
{
	Suite *s = suite_create("module_sandbox");
	TCase *c = tcase_create("process");

	suite_add_tcase(s, c);
	tcase_add_test(c, a_descriptor_signals_no_other_process);
	tcase_add_test(c, descriptors_can_be_copied_and_have_flags);
	tcase_add_test(c, threads_that_were_there_before_are_in_it_too);
	return s;
}
