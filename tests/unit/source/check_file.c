/*
 * Source `file` under a fake run: what it answers, from the caches and through
 * the pool, with a reader that pauses, goes away, or finds the pool full.
 */
#include "base/clock.h"
#include "base/mem.h"
#include "source/file_open.h"
#include "source/file_reading.h"
#include "tree.h"

#include <check.h>
#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

Suite *suite_source_file(void);

extern const struct source_ops source_file;

enum { BIG_BYTES = 3 << 20, QUEUE = 4 };

static struct tree tree;
static struct env env;
static struct pool *pool;
static struct store site_store;
static struct arena site;
static struct conf *conf;
static struct conf_errors errors;
static struct source source = { .ops = &source_file };
static struct file_conf file_conf;
static struct part part;
static char text[2048];

/* --- the fake run ------------------------------------------------------------------ */

static struct asked {
	struct arena arena;
	struct request request;
	struct subrequest q;
	struct slice values[1];
	size_t got; /* bytes of body */
	unsigned heads, pieces, files, dones;
	int err;
	bool pauses, is_paused, starting;
	unsigned cancel_at; /* piece in which the run cancels; 0: none */
} asked;

static void
on_head(struct subrequest *q)
{
	ck_assert(!asked.starting);
	ck_assert_ptr_eq(q, &asked.q);
	asked.heads++;
}

/* One assertion for all: each costs system calls. */
static void
check_bytes(const char *at, size_t len)
{
	size_t i = 0;

	while (i < len && at[i] == tree_byte(asked.got + i))
		i++;
	ck_assert_uint_eq(i, len);
}

static void
check_chunk(const struct chunk *c)
{
	char memory[4096];

	if (c->kind != CHUNK_FILE) {
		check_bytes(c->at, c->len);
		asked.got += c->len;
		return;
	}
	asked.files++;
	for (size_t done = 0; done < c->len;) {
		size_t want = c->len - done < sizeof(memory) ? c->len - done : sizeof(memory);
		ssize_t n = pread(c->of.file->fd, memory, want, (off_t)c->offset + (off_t)done);

		if (n <= 0)
			return; /* cut */
		check_bytes(memory, (size_t)n);
		asked.got += (size_t)n;
		done += (size_t)n;
	}
}

static void
keep_text(const struct chunk *c)
{
	ck_assert_int_ne(c->kind, CHUNK_FILE);
	ck_assert_uint_lt(asked.got + c->len, sizeof(text));
	memcpy(text + asked.got, c->at, c->len);
	asked.got += c->len;
	text[asked.got] = '\0';
}

static int
on_body(struct subrequest *q, struct chunks *list)
{
	ck_assert(!asked.starting);
	asked.pieces++;
	for (const struct chunk *c = list->head; c; c = c->next) {
		if (q->response.content_length < sizeof(text))
			keep_text(c);
		else
			check_chunk(c);
	}
	chunks_clear(list);
	if (asked.pieces == asked.cancel_at)
		subrequest_cancel(q);
	asked.is_paused = asked.pauses;
	return asked.pauses ? SUBREQUEST_PAUSE : 0;
}

static void
on_done(struct subrequest *q, int err)
{
	(void)q;
	ck_assert(!asked.starting);
	asked.dones++;
	asked.err = err;
}

static const struct subrequest_ops up = { .head = on_head, .body = on_body, .done = on_done };

static void
ask(const char *method, const char *path, const char *value)
{
	asked = (struct asked){ .request = { .method = method_of(slice_of(method)),
					     .method_name = slice_of(method),
					     .path = slice_of(path) },
				.values = { slice_of(value) } };
	arena_init(&asked.arena, &env.store, 1 << 20);
	asked.q = (struct subrequest){ .part = &part,
				       .up = &up,
				       .env = &env,
				       .arena = &asked.arena,
				       .request = &asked.request,
				       .value = asked.values,
				       .deadline_ns = CLOCK_NEVER,
				       .state_now = SUBREQUEST_STARTED };
	text[0] = '\0';
}

/* As a run does: at once if possible, else later. */
static void
start(void)
{
	if (source_file.answer(&asked.q) == 0)
		return;
	asked.starting = true;
	source_file.start(&asked.q);
	asked.starting = false;
}

static void
await_done(void)
{
	while (asked.dones == 0) {
		if (asked.is_paused) {
			asked.is_paused = false;
			source_file.resume(&asked.q);
		}
		loop_turn(&env.loop, true);
	}
}

static void
end(void)
{
	arena_fini(&asked.arena);
}

/* Until an abandoned job has come home: a later job of the only thread follows it. */
struct last_job {
	struct job job;
	bool is_home;
};

static int
run_nothing(struct job *j, struct pool_thread *t)
{
	(void)j;
	(void)t;
	return 0;
}

static void
on_last_home(struct job *j, void *receiver)
{
	(void)receiver;
	CONTAINER_OF(j, struct last_job, job)->is_home = true;
}

static void
await_jobs(void)
{
	struct last_job last = { .job = { .run = run_nothing,
					  .on_home = on_last_home,
					  .home = &env.loop.mailbox,
					  .deadline_ns = CLOCK_NEVER } };
	struct pool_refusal refusal;

	ck_assert_int_eq(pool_reserve(pool, 1, 0, CLOCK_NEVER, 0, &refusal), 0);
	pool_submit(pool, &last.job);
	while (!last.is_home)
		loop_turn(&env.loop, true);
}

static unsigned
open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count;
}

/* --- the part ---------------------------------------------------------------------- */

static struct pool *
find_pool(void *argument, struct slice name)
{
	(void)argument;
	return slice_eq(name, SLICE("blocking")) ? pool : NULL;
}

/* What is said about a part with these keys; "" if it was loaded. */
static const char *
load(const char *keys, bool passes_through)
{
	struct source_build build = { .arena = &site, .errors = &errors, .find_pool = find_pool };
	struct conf_table table[] = { { source_file.part_keys, &file_conf } };
	struct writer w = writer_over(text, sizeof(text) - 1);
	char ini[512];
	int err;

	conf_free(&conf);
	conf_errors_fini(&errors);
	conf_errors_init(&errors);
	snprintf(ini, sizeof(ini), "[route r]\n%s", keys);
	conf = conf_read(slice_of(ini), "t.conf", &errors);
	part.source = &source;
	part.section = conf_find(conf, SLICE("route"), SLICE("r"));
	part.conf = &file_conf;
	part.passes_through = passes_through;
	part.values = 0;
	err = conf_fill(part.section, table, 1, &errors);
	if (!err)
		err = source_file.load_part(&part, &build);
	ck_assert_int_eq(err ? 1 : 0, errors.errors > 0 ? 1 : 0);
	conf_errors_write(&errors, &w);
	text[w.len] = '\0';
	return text;
}

static void
load_tree(const char *more, bool passes_through)
{
	char keys[256];

	snprintf(keys, sizeof(keys), "root = %s\n%s", tree.root, more);
	ck_assert_str_eq(load(keys, passes_through), "");
}

static void
setup(void)
{
	struct pool_options options = { .name = "blocking", .threads = 1, .max_queue = QUEUE };
	int err;

	tree_init(&tree);
	store_init(&env.store);
	store_init(&site_store);
	arena_init(&site, &site_store, 1 << 20);
	conf_errors_init(&errors);
	ck_assert_int_eq(loop_init(&env.loop, &env), 0);
	random_init(&env.random, 1);
	pool = pool_new(&options, &err);
	ck_assert_ptr_nonnull(pool);
	part = (struct part){ 0 };
	file_conf = (struct file_conf){ 0 };
}

static void
teardown(void)
{
	arena_fini(&site);
	pool_free(&pool);
	loop_turn(&env.loop, false);
	loop_fini(&env.loop);
	ck_assert_uint_eq(env.store.out, 0);
	store_fini(&env.store);
	store_fini(&site_store);
	conf_free(&conf);
	conf_errors_fini(&errors);
	tree_fini(&tree);
}

static struct slice
field(enum field_id id)
{
	const struct field *f = fields_find(&asked.q.response.fields, id);

	return f ? f->value : SLICE("");
}

/* --- answers ----------------------------------------------------------------------- */

static void
assert_small(const char *path, const char *content)
{
	ask("GET", path, "");
	start();
	await_done();
	ck_assert_int_eq(asked.err, 0);
	ck_assert_uint_eq(asked.heads, 1);
	ck_assert_int_eq(asked.q.response.status, 200);
	ck_assert_uint_eq(asked.q.response.content_length, strlen(content));
	ck_assert_str_eq(text, content);
	end();
}

/* _i: 0 from the caches, 1 through the pool. */
START_TEST(a_file_is_found_by_the_path_of_the_request)
{
	load_tree("", true);
	file_conf.is_cold = _i;
	assert_small("/small", "small file\n");
	assert_small("/dir/inner", "inner\n");
	assert_small("/in", "inner\n");
	assert_small("/dir/", "<p>index\n");
	assert_small("/empty", "");
}
END_TEST

START_TEST(the_head_says_what_the_file_is)
{
	load_tree("", true);
	file_conf.is_cold = _i;
	ask("GET", "/dir/index.html", "");
	start();
	await_done();
	ck_assert(slice_eq(field(FIELD_CONTENT_TYPE), SLICE("text/html; charset=utf-8")));
	ck_assert_uint_eq(field(FIELD_LAST_MODIFIED).len, 29);
	ck_assert_uint_gt(field(FIELD_ETAG).len, 8);
	ck_assert_int_eq(field(FIELD_ETAG).at[0], '"');
	ck_assert_int_eq(asked.q.response.framing, BODY_LENGTH);
	end();
}
END_TEST

START_TEST(the_template_and_the_type_may_be_given)
{
	load_tree("path = x/{name}\ntype = text/x-note", true);
	ck_assert_uint_eq(part.values, 1);
	ck_assert(slice_eq(part.value[0].text, SLICE("x/{name}")));
	ask("GET", "/other", "dir/inner");
	start();
	await_done();
	ck_assert_str_eq(text, "inner\n");
	ck_assert(slice_eq(field(FIELD_CONTENT_TYPE), SLICE("text/x-note")));
	end();
}
END_TEST

START_TEST(a_parameter_named_path_is_the_default)
{
	struct slice names[] = { SLICE("id"), SLICE("path") };

	part.path_params = names;
	part.path_param_count = 2;
	load_tree("", true);
	ck_assert_uint_eq(part.values, 1);
	ck_assert(slice_eq(part.value[0].text, SLICE("{path}")));
}
END_TEST

START_TEST(head_gets_the_head_of_get)
{
	load_tree("", true);
	file_conf.is_cold = _i;
	tree_add(&tree, "big", BIG_BYTES);
	ask("HEAD", "/big", "");
	start();
	await_done();
	ck_assert_int_eq(asked.err, 0);
	ck_assert_uint_eq(asked.pieces, 0);
	ck_assert_uint_eq(asked.q.response.content_length, BIG_BYTES);
	end();
}
END_TEST

START_TEST(other_methods_are_refused_with_those_that_are_not)
{
	load_tree("", true);
	ask("POST", "/small", "");
	start();
	await_done();
	ck_assert_int_eq(asked.q.response.status, 405);
	ck_assert(slice_eq(field(FIELD_ALLOW), SLICE("GET, HEAD")));
	ck_assert_uint_eq(asked.got, 0);
	end();
}
END_TEST

START_TEST(what_is_not_a_file_below_the_root_is_404)
{
	static const char *const paths[] = {
		"/missing", "/",         "/dir",     "/.hidden",     "/fifo",        "/socket",
		"/out",     "/absolute", "/proc",    "/self",        "/../secret",   "//small",
		"/small/",  "/dir/..",   "/small/x", "/dir%2Finner", "/..%2Fsecret",
	};

	load_tree("", true);
	file_conf.is_cold = _i;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		ask("GET", paths[i], "");
		start();
		await_done();
		ck_assert_int_eq(asked.err, 0);
		ck_assert_msg(asked.q.response.status == 404, "%s: %d", paths[i],
			      asked.q.response.status);
		ck_assert_str_eq(text, "Not Found");
		end();
	}
}
END_TEST

START_TEST(an_escape_that_is_left_in_the_path_is_decoded_but_for_the_slash)
{
	load_tree("", true);
	tree_add(&tree, "100%", 0);
	tree_add(&tree, "a%2Fb", 0);
	assert_small("/100%25", "");
	assert_small("/a%2Fb", "");
}
END_TEST

/* --- large files ------------------------------------------------------------------- */

/* _i: bit 0 through the pool, bit 1 a reader that pauses after each piece, bit 2 joined. */
START_TEST(a_large_file_arrives_whole)
{
	unsigned before;

	load_tree(_i & 4 ? "path = {x}" : "", !(_i & 4));
	file_conf.is_cold = _i & 1;
	tree_add(&tree, "big", BIG_BYTES + 17);
	before = open_descriptors();
	ask("GET", "/big", "big");
	asked.pauses = _i & 2;
	start();
	await_done();
	ck_assert_int_eq(asked.err, 0);
	ck_assert_uint_eq(asked.heads, 1);
	ck_assert_uint_eq(asked.got, BIG_BYTES + 17);
	ck_assert_uint_ge(asked.pieces, BIG_BYTES >> 18);
	if (_i & 5)
		ck_assert_uint_eq(asked.files, 0);
	end();
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

START_TEST(a_paused_reader_gets_nothing_more)
{
	load_tree("", true);
	file_conf.is_cold = _i;
	tree_add(&tree, "big", BIG_BYTES);
	ask("GET", "/big", "");
	asked.pauses = true;
	start();
	while (asked.pieces == 0)
		loop_turn(&env.loop, true);
	for (unsigned i = 0; i < 20; i++)
		loop_turn(&env.loop, false);
	ck_assert_uint_eq(asked.pieces, 1);
	await_done();
	ck_assert_uint_eq(asked.got, BIG_BYTES);
	end();
}
END_TEST

START_TEST(a_file_that_is_cut_meanwhile_ends_in_an_error_not_in_wrong_bytes)
{
	load_tree("", true);
	file_conf.is_cold = _i;
	tree_add(&tree, "big", BIG_BYTES);
	ask("GET", "/big", "");
	asked.pauses = true;
	start();
	while (asked.pieces == 0)
		loop_turn(&env.loop, true);
	tree_cut(&tree, "big", 300000);
	await_done();
	ck_assert_int_eq(asked.err, ERR_FAILED);
	ck_assert_uint_eq(asked.heads, 1);
	ck_assert_uint_le(asked.got, 300000);
	end();
}
END_TEST

START_TEST(a_file_that_grows_meanwhile_is_sent_as_it_was_announced)
{
	load_tree("", true);
	file_conf.is_cold = _i;
	tree_add(&tree, "big", BIG_BYTES);
	ask("GET", "/big", "");
	asked.pauses = true;
	start();
	while (asked.pieces == 0)
		loop_turn(&env.loop, true);
	tree_cut(&tree, "big", 2 * BIG_BYTES);
	await_done();
	ck_assert_int_eq(asked.err, 0);
	ck_assert_uint_eq(asked.got, BIG_BYTES);
	end();
}
END_TEST

/* --- going away -------------------------------------------------------------------- */

START_TEST(cancel_before_the_first_piece_is_final)
{
	unsigned before;

	load_tree("", true);
	file_conf.is_cold = _i;
	tree_add(&tree, "big", BIG_BYTES);
	before = open_descriptors();
	ask("GET", "/big", "");
	start();
	subrequest_cancel(&asked.q);
	source_file.cancel(&asked.q);
	end();
	await_jobs();
	ck_assert_uint_eq(asked.heads + asked.dones, 0);
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

/* _i: bit 0 through the pool; the rest: in which piece. */
START_TEST(cancel_from_inside_a_piece_is_final)
{
	unsigned before;

	load_tree("", true);
	file_conf.is_cold = _i & 1;
	tree_add(&tree, "big", BIG_BYTES);
	before = open_descriptors();
	ask("GET", "/big", "");
	asked.cancel_at = 1 + (unsigned)_i / 2;
	start();
	while (asked.pieces < asked.cancel_at)
		loop_turn(&env.loop, true);
	source_file.resume(&asked.q);
	end();
	await_jobs();
	ck_assert_uint_eq(asked.pieces, asked.cancel_at);
	ck_assert_uint_eq(asked.dones, 0);
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

START_TEST(cancel_while_a_job_reads_is_final)
{
	unsigned before;

	load_tree("", true);
	file_conf.is_cold = true;
	tree_add(&tree, "big", BIG_BYTES);
	before = open_descriptors();
	ask("GET", "/big", "");
	asked.pauses = true;
	start();
	while (asked.pieces == 0)
		loop_turn(&env.loop, true);
	source_file.resume(&asked.q);
	loop_turn(&env.loop, false); /* the job is on its way now */
	subrequest_cancel(&asked.q);
	end();
	await_jobs();
	ck_assert_uint_eq(asked.dones, 0);
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

/* --- a full pool ------------------------------------------------------------------- */

START_TEST(a_full_pool_refuses_a_cold_file_on_the_next_turn)
{
	struct pool_refusal refusal;

	load_tree("", true);
	file_conf.is_cold = true;
	ck_assert_int_eq(pool_reserve(pool, 1 + QUEUE, 0, CLOCK_NEVER, 0, &refusal), 0);
	ask("GET", "/small", "");
	start();
	ck_assert_uint_eq(asked.dones, 0);
	await_done();
	ck_assert_int_eq(asked.err, ERR_SHED);
	ck_assert_str_eq(asked.q.refusal.limit, "pool.blocking.queue");
	end();
	pool_release(pool, 1 + QUEUE);
}
END_TEST

START_TEST(a_full_pool_does_not_concern_a_cached_file)
{
	struct pool_refusal refusal;

	load_tree("", true);
	ck_assert_int_eq(pool_reserve(pool, 1 + QUEUE, 0, CLOCK_NEVER, 0, &refusal), 0);
	ask("GET", "/small", "");
	start();
	await_done();
	/* Unless the file system of the test has no such cache. */
	ck_assert(asked.err == 0 || asked.err == ERR_SHED);
	if (!asked.err)
		ck_assert_str_eq(text, "small file\n");
	end();
	pool_release(pool, 1 + QUEUE);
}
END_TEST

START_TEST(a_response_under_way_waits_for_room_in_the_pool)
{
	struct pool_refusal refusal;

	load_tree("", true);
	file_conf.is_cold = true;
	tree_add(&tree, "big", BIG_BYTES);
	ask("GET", "/big", "");
	asked.pauses = true;
	start();
	while (asked.pieces == 0)
		loop_turn(&env.loop, true);
	ck_assert_int_eq(pool_reserve(pool, 1 + QUEUE, 0, CLOCK_NEVER, 0, &refusal), 0);
	source_file.resume(&asked.q);
	for (unsigned i = 0; i < 20; i++)
		loop_turn(&env.loop, false);
	ck_assert_uint_eq(asked.pieces, 1);
	ck_assert_uint_eq(asked.dones, 0);
	pool_release(pool, 1 + QUEUE);
	await_done();
	ck_assert_int_eq(asked.err, 0);
	ck_assert_uint_eq(asked.got, BIG_BYTES);
	end();
}
END_TEST

/* --- want of memory ---------------------------------------------------------------- */

START_TEST(want_of_memory_fails_the_part_and_leaks_nothing)
{
	bool was_complete = false;
	unsigned before;

	load_tree("", true);
	file_conf.is_cold = _i;
	tree_add(&tree, "big", 600000);
	before = open_descriptors();
	for (unsigned long n = 1; !was_complete; n++) {
		ck_assert_uint_lt(n, 200);
		store_fini(&env.store);
		store_init(&env.store);
		ask("GET", "/big", "");
		mem_fail_at(n, false);
		start();
		await_done();
		was_complete = mem_count() < n;
		mem_fail_at(0, false);
		ck_assert_uint_eq(asked.dones, 1);
		ck_assert(asked.err || asked.got == 600000);
		end();
		ck_assert_uint_eq(env.store.out, 0);
	}
	await_jobs();
	ck_assert_uint_eq(open_descriptors(), before);
}
END_TEST

/* --- what -t says ------------------------------------------------------------------ */

START_TEST(a_bad_part_is_told_with_what_to_do)
{
	char keys[256], expected[512];

	ck_assert_str_eq(load("root = /nowhere/at/all", true),
			 "t.conf:2: [route r] root: \"/nowhere/at/all\" is no directory; make it, "
			 "or name another\n");
	snprintf(keys, sizeof(keys), "root = %s/small", tree.root);
	snprintf(expected, sizeof(expected),
		 "t.conf:2: [route r] root: \"%s/small\" is no directory; make it, or name "
		 "another\n",
		 tree.root);
	ck_assert_str_eq(load(keys, true), expected);
	snprintf(keys, sizeof(keys), "root = %s", tree.root);
	ck_assert_str_eq(load(keys, false),
			 "t.conf:1: [route r] path: is needed, for this part is joined and the "
			 "route has no {path}\n");
	snprintf(keys, sizeof(keys), "root = %s\nindex = a/b", tree.root);
	ck_assert_str_eq(load(keys, true),
			 "t.conf:3: [route r] index: is a file name, without /\n");
	ck_assert_str_eq(load("index = i", true),
			 "t.conf:1: [route r] root: this key is required\n");
}
END_TEST

Suite *
suite_source_file(void)
{
	Suite *s = suite_create("source/file");
	TCase *t = tcase_create("all");

	tcase_add_checked_fixture(t, setup, teardown);
	tcase_set_timeout(t, 20);
	tcase_add_test(t, a_bad_part_is_told_with_what_to_do);
	tcase_add_test(t, the_template_and_the_type_may_be_given);
	tcase_add_test(t, a_parameter_named_path_is_the_default);
	tcase_add_loop_test(t, a_file_is_found_by_the_path_of_the_request, 0, 2);
	tcase_add_loop_test(t, the_head_says_what_the_file_is, 0, 2);
	tcase_add_loop_test(t, head_gets_the_head_of_get, 0, 2);
	tcase_add_test(t, other_methods_are_refused_with_those_that_are_not);
	tcase_add_loop_test(t, what_is_not_a_file_below_the_root_is_404, 0, 2);
	tcase_add_test(t, an_escape_that_is_left_in_the_path_is_decoded_but_for_the_slash);
	tcase_add_loop_test(t, a_large_file_arrives_whole, 0, 8);
	tcase_add_loop_test(t, a_paused_reader_gets_nothing_more, 0, 2);
	tcase_add_loop_test(t, a_file_that_is_cut_meanwhile_ends_in_an_error_not_in_wrong_bytes, 0,
			    2);
	tcase_add_loop_test(t, a_file_that_grows_meanwhile_is_sent_as_it_was_announced, 0, 2);
	tcase_add_loop_test(t, cancel_before_the_first_piece_is_final, 0, 2);
	tcase_add_loop_test(t, cancel_from_inside_a_piece_is_final, 0, 6);
	tcase_add_test(t, cancel_while_a_job_reads_is_final);
	tcase_add_test(t, a_full_pool_refuses_a_cold_file_on_the_next_turn);
	tcase_add_test(t, a_full_pool_does_not_concern_a_cached_file);
	tcase_add_test(t, a_response_under_way_waits_for_room_in_the_pool);
	tcase_add_loop_test(t, want_of_memory_fails_the_part_and_leaks_nothing, 0, 2);
	suite_add_tcase(s, t);
	return s;
}
