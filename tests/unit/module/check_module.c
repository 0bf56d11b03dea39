/*
 * Modules: what is loaded, what is refused and how that is told, and what jobs
 * of a module can do. The modules are tests/support/modules; the process that
 * tries them is this program (main.c).
 */
#include "../source/rig.h"
#include "base/clock.h"
#include "base/mem.h"
#include "module/module.h"

#include <check.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

extern const struct source_ops source_compute;
Suite *suite_module_module(void);

enum { CONF_BYTES = 4096 };

static const struct conf_key timeout_key[] = { { .name = "timeout", .type = CONF_KNOWN },
					       CONF_KEYS_END };
static const struct conf_key *const taken[] = { timeout_key, NULL };

static const char *
folder(void)
{
	const char *said = getenv("TEST_MODULES");

	return said ? said : "tests/support/modules";
}

/* One site with one module. */
struct bench {
	struct rig rig;
	struct module *module;
	const struct job_type *jobs[16];
	char ledger[64];
};

static void
open_bench(struct bench *b, const char *conf, uint64_t limit_ns)
{
	struct module_options o = { .folder = folder(), .trial_ns = limit_ns, .taken = taken };
	struct conf_section *s;

	rig_open(&b->rig, conf);
	s = conf_next(b->rig.conf, "module", NULL);
	ck_assert_ptr_nonnull(s);
	b->module = module_open(s, &o, &b->rig.site, &b->rig.errors);
	b->rig.build.jobs = b->jobs;
	b->rig.build.job_count = 0;
	for (unsigned i = 0; b->module && i < module_job_count(b->module); i++)
		b->jobs[b->rig.build.job_count++] = module_job(b->module, i);
}

static void
close_bench(struct bench *b)
{
	for (unsigned i = 0; i < b->rig.pool_count; i++)
		pool_unref(&b->rig.pools[i]);
	b->rig.pool_count = 0;
	module_close(b->module);
	rig_close(&b->rig);
}

/* A module `good` that writes to a ledger, and one part. */
static struct part *
open_good(struct bench *b, const char *keys, const char *part)
{
	char conf[CONF_BYTES];
	struct source *s;
	struct part *p;

	snprintf(b->ledger, sizeof(b->ledger), "/tmp/forebay-ledger-%d", (int)getpid());
	unlink(b->ledger);
	snprintf(conf, sizeof(conf),
		 "[pool compute]\n[module good]\npath = good.so\nledger = %s\n%s"
		 "[subrequest r.p]\nsource = compute %s\n",
		 b->ledger, keys, part);
	open_bench(b, conf, MODULE_TRIAL_NS);
	ck_assert_msg(b->module != NULL, "%s", rig_errors(&b->rig));
	s = rig_load_source(&b->rig, &source_compute, "");
	p = rig_load_part(&b->rig, s, "r.p", NULL, 0);
	ck_assert_msg(p != NULL, "%s", rig_errors(&b->rig));
	return p;
}

static const char *
read_ledger(const struct bench *b)
{
	static char text[CONF_BYTES];
	int fd = open(b->ledger, O_RDONLY);
	ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof(text) - 1);

	if (fd >= 0)
		close(fd);
	text[len > 0 ? len : 0] = '\0';
	return text;
}

static void
expect_run(struct bench *b, struct part *p, int err, const char *body)
{
	static struct rig_ask a;

	rig_ask_open(&b->rig, &a, p);
	ck_assert_int_eq(rig_ask_run(&b->rig, &a), err);
	if (!err)
		ck_assert_msg(slice_eq(rig_ask_body(&a), slice_of(body)), "gave %.*s",
			      SLICE_PRINT(rig_ask_body(&a)));
	rig_ask_close(&a);
}

/* --- what is refused ---------------------------------------------------------------- */

#define AT "test.conf:2: [module m] path: "

static const struct {
	const char *path, *error;
} faults[] = {
	{ "bad-abi.so", AT "it was built for ABI 7 of modules, and this server has 1: compile it "
			   "with the server's forebay_module.h" },
	{ "bad-size.so", AT "its sizes (24, 0, 0) are not those of ABI 1: begin the table with "
			    "FOREBAY_MODULE_HEAD" },
	{ "bad-bare.so", AT "it does not export forebay_module" },
	{ "bad-jobs.so", AT "it has no jobs and no flows" },
	{ "bad-refuse.so", AT "nothing in some text at all" },
	{ "bad-mute.so", AT "its init failed: out of memory" },
	{ "bad-abort.so", AT "it crashed in init: Aborted" },
	{ "bad-killed.so", AT "it crashed in init: Killed" },
	{ "bad-exit.so", AT "it ended the process in init, with code 0" },
	{ "bad-fini.so", AT "it crashed in fini: Aborted" },
	{ "bad-thread.so", AT "no thread" },
	{ "bad-constructor.so", AT "it ended the process while it was loaded, with code 3" },
	{ "bad-width.so",
	  AT "job bad, parameter n: it goes to an unsigned integer, and the field has 3 bytes" },
	{ "bad-offset.so",
	  AT "job bad, parameter n: its field is not inside params_size, which is 32" },
	{ "bad-type.so", AT "job bad, parameter n: its type 99 is none of ABI 1" },
	{ "bad-default.so",
	  AT "job bad, parameter n: its default: \"many\" is not a whole number" },
	{ "bad-range.so", AT "job bad, parameter n: its max is below its min" },
	{ "bad-words.so", AT "job bad, parameter n: it needs 1 to 32 words" },
	{ "bad-name.so", AT "job bad: \"No Name\" is no name for a parameter" },
	{ "bad-repeated.so", AT "job bad, parameter n: it is there twice" },
	{ "bad-taken.so",
	  AT "job bad, parameter timeout: routes or parts have a key of that name" },
	{ "bad-version.so", AT "its version is not a short text of ASCII" },
	{ "bad-optional.so", AT "job bad, parameter n: FOREBAY_OPTIONAL is for templates" },
	{ "bad-template.so", AT "module, parameter n: templates are for jobs: they are evaluated "
				"for each request" },
	{ "bad-twice.so", AT "job other: it is there twice" },
	{ "bad-norun.so", AT "job other: it has no run" },
};

START_TEST(a_bad_module_is_an_error_at_its_path)
{
	static struct bench b;
	char conf[CONF_BYTES];

	snprintf(conf, sizeof(conf), "[module m]\npath = %s\ntext = some text\n", faults[_i].path);
	open_bench(&b, conf, MODULE_TRIAL_NS);
	ck_assert_ptr_null(b.module);
	ck_assert_str_eq(rig_errors(&b.rig), faults[_i].error);
	close_bench(&b);
}
END_TEST

START_TEST(an_endless_init_is_ended)
{
	static struct bench b;

	open_bench(&b, "[module m]\npath = bad-endless.so\n", 2 * CLOCK_SEC);
	ck_assert_ptr_null(b.module);
	ck_assert_str_eq(rig_errors(&b.rig), AT "it did not end within 2000 ms, in init");
	close_bench(&b);
}
END_TEST

START_TEST(what_is_no_shared_object_is_an_error)
{
	static struct bench b;
	char conf[CONF_BYTES], error[CONF_BYTES];

	open_bench(&b, "[module m]\npath = nothing.so\n", MODULE_TRIAL_NS);
	snprintf(
	    error, sizeof(error),
	    AT
	    "%s/nothing.so: No such file or directory; a relative path is in the folder of modules",
	    folder());
	ck_assert_str_eq(rig_errors(&b.rig), error);
	close_bench(&b);
	open_bench(&b, "[module m]\npath = /nowhere/nothing.so\n", MODULE_TRIAL_NS);
	ck_assert_str_eq(rig_errors(&b.rig), AT "/nowhere/nothing.so: No such file or directory");
	close_bench(&b);
	open_bench(&b, "[module m]\npath = /\n", MODULE_TRIAL_NS);
	ck_assert_str_eq(rig_errors(&b.rig), AT "/ is no file, or larger than 256 MiB");
	close_bench(&b);
	snprintf(conf, sizeof(conf), "[module m]\npath = /etc/passwd\n");
	open_bench(&b, conf, MODULE_TRIAL_NS);
	ck_assert_ptr_nonnull(strstr(rig_errors(&b.rig), AT "invalid ELF header"));
	close_bench(&b);
	open_bench(&b, "[module m]\nscratch = 1k\n", MODULE_TRIAL_NS);
	ck_assert_str_eq(rig_errors(&b.rig), "test.conf:1: [module m] path: this key is required");
	close_bench(&b);
}
END_TEST

START_TEST(wrong_values_are_told_at_their_lines_and_nothing_is_initialised)
{
	static struct bench b;

	open_bench(&b,
		   "[module m]\npath = good.so\ntimes = 10\ngreting = hi\n"
		   "ledger = /nonexistent/ledger\n",
		   MODULE_TRIAL_NS);
	ck_assert_ptr_null(b.module);
	ck_assert_str_eq(
	    rig_errors(&b.rig),
	    "test.conf:3: [module m] times: \"10\" is out of range: 1 to 9\n"
	    "test.conf:4: [module m] greting: unknown key; did you mean \"greeting\"?");
	close_bench(&b);
}
END_TEST

START_TEST(an_unknown_job_is_told_the_nearest_of_modules_too)
{
	static struct bench b;
	struct source *s;

	open_bench(&b,
		   "[pool compute]\n[module m]\npath = good.so\n"
		   "[subrequest r.p]\nsource = compute gret\n",
		   MODULE_TRIAL_NS);
	s = rig_load_source(&b.rig, &source_compute, "");
	ck_assert_ptr_null(rig_load_part(&b.rig, s, "r.p", NULL, 0));
	ck_assert_str_eq(rig_errors(&b.rig),
			 "test.conf:5: [subrequest r.p] source: there is no compute job \"gret\"; "
			 "did you mean \"greet\"?");
	close_bench(&b);
}
END_TEST

/* --- what jobs can do ---------------------------------------------------------------- */

START_TEST(parameters_of_every_type_arrive)
{
	static struct bench b;
	struct part *p = open_good(&b, "greeting = good day\ntimes = 2\n",
				   "greet\nname = you\npolite = no\nwait = 1s\nroom = 1m\n"
				   "number = 7\nfactor = 0.25\ntone = loud\ncolours = green\n");

	expect_run(&b, p, 0, "good day, yougood day, you there 0 1000000000 1048576 7 250 1 2");
	close_bench(&b);
}
END_TEST

START_TEST(defaults_and_absent_values_arrive)
{
	static struct rig_ask a;
	static struct bench b;
	struct part *p = open_good(&b, "", "greet\nname = x\n");

	rig_ask_open(&b.rig, &a, p);
	a.value[1] = slice_make("a\0b", 3);
	a.value[2] = slice_make(NULL, 0);
	ck_assert_int_eq(rig_ask_run(&b.rig, &a), 0);
	ck_assert(slice_eq(rig_ask_body(&a), SLICE("hello, a absent 1 2000000 4096 -5 1500 0 5")));
	ck_assert(slice_eq(a.type, SLICE("text/plain; charset=utf-8")));
	rig_ask_close(&a);
	close_bench(&b);
}
END_TEST

static const char *const ways[] = { "write", "printf", "room" };

static const struct {
	const char *part, *body;
} old_parts[] = {
	{ "add\ninput = four\nnumber = 3\n", "7" },
	{ "old\n", "old" },
};

START_TEST(a_module_that_was_built_before_structs_grew_serves)
{
	static struct bench b;
	char conf[CONF_BYTES];
	struct source *s;
	struct part *p;

	snprintf(conf, sizeof(conf),
		 "[pool compute]\n[module old]\npath = old.so\n"
		 "[subrequest r.p]\nsource = compute %s",
		 old_parts[_i].part);
	open_bench(&b, conf, MODULE_TRIAL_NS);
	ck_assert_msg(b.module != NULL, "%s", rig_errors(&b.rig));
	s = rig_load_source(&b.rig, &source_compute, "");
	p = rig_load_part(&b.rig, s, "r.p", NULL, 0);
	ck_assert_msg(p != NULL, "%s", rig_errors(&b.rig));
	expect_run(&b, p, 0, old_parts[_i].body);
	close_bench(&b);
}
END_TEST

START_TEST(output_ends_at_max_result)
{
	static struct bench b;
	char part[100];
	struct part *p;

	snprintf(part, sizeof(part), "fill\nbytes = 60k\nhow = %s\n", ways[_i]);
	p = open_good(&b, "", part);
	p->max_result = 60 * 1024;
	{
		static struct rig_ask a;

		rig_ask_open(&b.rig, &a, p);
		ck_assert_int_eq(rig_ask_run(&b.rig, &a), 0);
		ck_assert_uint_eq(a.body_len, 60 * 1024);
		rig_ask_close(&a);
	}
	p->max_result = 60 * 1024 - 1;
	expect_run(&b, p, ERR_TOO_LARGE, NULL);
	close_bench(&b);
}
END_TEST

START_TEST(a_job_says_status_type_and_fields_but_not_those_of_the_connection)
{
	static struct rig_ask a;
	static struct bench b;
	struct part *p = open_good(&b, "", "reply\n");
	const struct field *f;

	rig_ask_open(&b.rig, &a, p);
	ck_assert_int_eq(rig_ask_run(&b.rig, &a), 0);
	ck_assert_int_eq(a.status, 201);
	ck_assert(slice_eq(rig_ask_body(&a), SLICE("[-5,-5,-5,-5,-5,-5]")));
	ck_assert_uint_eq(a.q.response.fields.count, 3);
	f = fields_find(&a.q.response.fields, FIELD_CONTENT_TYPE);
	ck_assert(f && slice_eq(f->value, SLICE("application/json")));
	f = fields_find_name(&a.q.response.fields, SLICE("x-late"));
	ck_assert(f && slice_eq(f->value, SLICE("two")));
	f = fields_find(&a.q.response.fields, FIELD_CACHE_CONTROL);
	ck_assert(f && slice_eq(f->value, SLICE("no-store")));
	rig_ask_close(&a);
	close_bench(&b);
}
END_TEST

static const struct {
	const char *part;
	int err;
} statuses[] = {
	{ "status\n", 0 },
	{ "status\nbytes = 1\n", ERR_FAILED },
	{ "status\nstatus = 304\nbytes = 1\n", ERR_FAILED },
	{ "status\nstatus = 422\nbytes = 3\n", 0 },
};

START_TEST(a_status_without_a_body_is_for_runs_without_output)
{
	static struct rig_ask a;
	static struct bench b;
	struct part *p = open_good(&b, "", statuses[_i].part);

	rig_ask_open(&b.rig, &a, p);
	ck_assert_int_eq(rig_ask_run(&b.rig, &a), statuses[_i].err);
	if (_i == 0) {
		ck_assert_int_eq(a.status, 204);
		ck_assert_uint_eq(a.q.response.fields.count, 0);
	}
	rig_ask_close(&a);
	close_bench(&b);
}
END_TEST

START_TEST(room_is_taken_back_by_other_output)
{
	static struct bench b;
	struct part *p = open_good(&b, "", "astray\n");

	expect_run(&b, p, ERR_TOO_LARGE, NULL);
	close_bench(&b);
}
END_TEST

START_TEST(scratch_memory_is_bounded)
{
	static struct rig_ask a;
	static struct bench b;
	struct part *p = open_good(&b, "scratch = 100k\n", "scratch\n");
	uint64_t bytes = 0;

	for (unsigned i = 0; i < 3; i++) {
		rig_ask_open(&b.rig, &a, p);
		ck_assert_int_eq(rig_ask_run(&b.rig, &a), 0);
		ck_assert_int_eq(slice_to_u64(rig_ask_body(&a), &bytes), 0);
		ck_assert_uint_ge(bytes, 100000);
		ck_assert_uint_le(bytes, 110000);
		rig_ask_close(&a);
	}
	close_bench(&b);
}
END_TEST

START_TEST(a_failed_run_fails_the_part)
{
	static struct bench b;
	struct part *p = open_good(&b, "", "fail\ninput = bread\n");

	expect_run(&b, p, ERR_FAILED, NULL);
	close_bench(&b);
}
END_TEST

START_TEST(a_job_stops_when_nobody_waits)
{
	static struct rig_ask a;
	static struct bench b;
	struct part *p = open_good(&b, "", "spin\n");
	struct pool_sample s;

	rig_ask_open(&b.rig, &a, p);
	ck_assert_int_eq(rig_ask_start(&a), 0);
	do
		pool_sample(b.rig.pools[0], &s);
	while (s.running == 0);
	rig_ask_close(&a);
	rig_settle(&b.rig, b.rig.pools[0]);
	close_bench(&b);
	ck_assert_str_eq(read_ledger(&b), "trial\nthread_fini\nfini\ninit\nspin\nstopped\nfini\n");
	unlink(b.ledger);
}
END_TEST

static unsigned
count_lines(const char *text, const char *line)
{
	unsigned count = 0;

	while ((text = strstr(text, line)) != NULL) {
		count++;
		text += strlen(line);
	}
	return count;
}

/* More runs than threads; how many the ledger says were begun. */
static unsigned
run_keep(struct bench *b, struct part *p)
{
	static struct rig_ask a;

	for (unsigned i = 0; i < 8; i++) {
		rig_ask_open(&b->rig, &a, p);
		ck_assert_int_eq(rig_ask_run(&b->rig, &a), 0);
		rig_ask_close(&a);
	}
	return count_lines(read_ledger(b), "thread_init\n");
}

static const void *
find_local(const struct bench *b, const char *job)
{
	for (unsigned i = 0; i < module_job_count(b->module); i++) {
		if (strcmp(module_job(b->module, i)->name, job) == 0)
			return module_job_local(b->module, i);
	}
	return NULL;
}

START_TEST(a_thread_keeps_its_state_until_the_pool_forgets_it)
{
	static struct bench b;
	struct part *p = open_good(&b, "", "keep\n");
	unsigned begun = run_keep(&b, p);

	ck_assert_uint_ge(begun, 1);
	ck_assert_uint_le(begun, 2);
	/* One from the trial, whose thread_init is not noted. */
	ck_assert_uint_eq(count_lines(read_ledger(&b), "thread_fini\n"), 1);
	ck_assert_ptr_null(find_local(&b, "nap"));
	ck_assert_uint_eq(pool_forget_local(b.rig.pools[0], find_local(&b, "keep")), 0);
	ck_assert_uint_eq(count_lines(read_ledger(&b), "thread_fini\n"), begun + 1);
	begun = run_keep(&b, p);
	close_bench(&b);
	ck_assert_uint_eq(count_lines(read_ledger(&b), "thread_fini\n"), begun + 1);
	ck_assert_uint_eq(count_lines(read_ledger(&b), "\nfini\n"), 2);
	unlink(b.ledger);
}
END_TEST

START_TEST(a_thread_init_that_fails_fails_the_run)
{
	static struct bench b;
	struct part *p = open_good(&b, "", "moody\n");

	expect_run(&b, p, ERR_FAILED, NULL);
	expect_run(&b, p, ERR_FAILED, NULL);
	close_bench(&b);
}
END_TEST

/* --- the file ----------------------------------------------------------------------- */

static void
copy_file(const char *name, const char *to)
{
	char from[CONF_BYTES], memory[65536];
	ssize_t len;
	int in, out;

	snprintf(from, sizeof(from), "%s/%s", folder(), name);
	in = open(from, O_RDONLY);
	out = open(to, O_WRONLY | O_CREAT | O_TRUNC, 0666);
	ck_assert(in >= 0 && out >= 0);
	while ((len = read(in, memory, sizeof(memory))) > 0)
		ck_assert_int_eq(write(out, memory, (size_t)len), len);
	close(in);
	close(out);
}

START_TEST(a_file_that_is_overwritten_in_place_is_loaded_anew_and_the_old_code_goes_on)
{
	static struct bench b, other;
	char conf[CONF_BYTES], file[64];
	struct source *s;

	snprintf(file, sizeof(file), "/tmp/forebay-module-%d.so", (int)getpid());
	snprintf(conf, sizeof(conf),
		 "[pool compute]\n[module m]\npath = %s\n[subrequest r.p]\nsource = compute nap\n",
		 file);
	copy_file("good.so", file);
	open_bench(&b, conf, MODULE_TRIAL_NS);
	copy_file("good-2.so", file);
	open_bench(&other, conf, MODULE_TRIAL_NS);
	unlink(file);
	for (unsigned i = 0; i < 2; i++) {
		s = rig_load_source(&b.rig, &source_compute, "");
		expect_run(&b, rig_load_part(&b.rig, s, "r.p", NULL, 0), 0, "version 1");
		s = rig_load_source(&other.rig, &source_compute, "");
		expect_run(&other, rig_load_part(&other.rig, s, "r.p", NULL, 0), 0, "version 2");
	}
	close_bench(&b);
	close_bench(&other);
}
END_TEST

static unsigned
count_descriptors(void)
{
	unsigned count = 0;

	for (int fd = 0; fd < 1000; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

START_TEST(nothing_stays_open_whatever_happens)
{
	static const char *const paths[] = { "good.so", "bad-abi.so", "bad-abort.so",
					     "nothing.so" };
	static struct bench b;
	char conf[CONF_BYTES];
	unsigned before;

	for (unsigned i = 0; i < 4; i++) {
		snprintf(conf, sizeof(conf), "[module m]\npath = %s\n", paths[i]);
		before = count_descriptors();
		open_bench(&b, conf, MODULE_TRIAL_NS);
		close_bench(&b);
		ck_assert_uint_eq(count_descriptors(), before);
	}
}
END_TEST

START_TEST(lack_of_memory_is_an_error_and_nothing_else)
{
	static struct bench b;
	struct module_options o = { .folder = folder(), .trial_ns = MODULE_TRIAL_NS };
	struct conf_section *s;

	for (unsigned long n = 1;; n++) {
		ck_assert_uint_lt(n, 200);
		rig_open(&b.rig, "[module m]\npath = good.so\n");
		s = conf_next(b.rig.conf, "module", NULL);
		mem_fail_at(n, true);
		b.module = module_open(s, &o, &b.rig.site, &b.rig.errors);
		mem_fail_at(0, false);
		ck_assert((b.module != NULL) == (b.rig.errors.errors == 0));
		if (b.module)
			break;
		close_bench(&b);
	}
	close_bench(&b);
}
END_TEST

Suite *
suite_module_module(void)
{
	Suite *s = suite_create("module_module");
	TCase *t = tcase_create("module");

	tcase_add_loop_test(t, a_bad_module_is_an_error_at_its_path, 0,
			    sizeof(faults) / sizeof(faults[0]));
	tcase_add_test(t, an_endless_init_is_ended);
	tcase_add_test(t, what_is_no_shared_object_is_an_error);
	tcase_add_test(t, wrong_values_are_told_at_their_lines_and_nothing_is_initialised);
	tcase_add_test(t, an_unknown_job_is_told_the_nearest_of_modules_too);
	tcase_add_test(t, parameters_of_every_type_arrive);
	tcase_add_test(t, defaults_and_absent_values_arrive);
	tcase_add_loop_test(t, a_module_that_was_built_before_structs_grew_serves, 0,
			    sizeof(old_parts) / sizeof(old_parts[0]));
	tcase_add_loop_test(t, output_ends_at_max_result, 0, sizeof(ways) / sizeof(ways[0]));
	tcase_add_test(t, a_job_says_status_type_and_fields_but_not_those_of_the_connection);
	tcase_add_loop_test(t, a_status_without_a_body_is_for_runs_without_output, 0,
			    sizeof(statuses) / sizeof(statuses[0]));
	tcase_add_test(t, room_is_taken_back_by_other_output);
	tcase_add_test(t, scratch_memory_is_bounded);
	tcase_add_test(t, a_failed_run_fails_the_part);
	tcase_add_test(t, a_job_stops_when_nobody_waits);
	tcase_add_test(t, a_thread_keeps_its_state_until_the_pool_forgets_it);
	tcase_add_test(t, a_thread_init_that_fails_fails_the_run);
	tcase_add_test(t,
		       a_file_that_is_overwritten_in_place_is_loaded_anew_and_the_old_code_goes_on);
	tcase_add_test(t, nothing_stays_open_whatever_happens);
	tcase_add_test(t, lack_of_memory_is_an_error_and_nothing_else);
	suite_add_tcase(s, t);
	return s;
}
