/*
 * A part with source `file` under a fake run; see file_bed.h.
 */
#include "file_bed.h"

#include "../thread/places.h"
#include "base/clock.h"

#include <dirent.h>
#include <stdio.h>
#include <unistd.h>

struct tree tree;
struct env env;
struct pool *pool;
struct file_conf file_conf;
struct part part;
char text[2048];

static struct store site_store;
static struct arena site;
static struct conf *conf;
static struct conf_errors errors;
static struct counters counters;
static struct source source = { .ops = &source_file };
static void *attached[1];
static struct lease lease = { .env = &env, .attached = attached };

/* --- the fake run ------------------------------------------------------------------ */

struct asked asked;

static void
on_head(struct subrequest *q)
{
	ck_assert(!asked.is_starting);
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
	ck_assert_uint_lt(asked.got + c->len, sizeof(text));
	if (c->kind == CHUNK_FILE)
		ck_assert_int_eq(pread(c->of.file->fd, text + asked.got, c->len, (off_t)c->offset),
				 (ssize_t)c->len);
	else
		memcpy(text + asked.got, c->at, c->len);
	asked.got += c->len;
	text[asked.got] = '\0';
}

static int
on_body(struct subrequest *q, struct chunks *list)
{
	ck_assert(!asked.is_starting);
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
	ck_assert(!asked.is_starting);
	asked.dones++;
	asked.err = err;
}

static const struct subrequest_ops up = { .head = on_head, .body = on_body, .done = on_done };

void
ask(const char *method, const char *path, const char *value)
{
	asked = (struct asked){ .request = { .method = method_of(slice_of(method)),
					     .method_name = slice_of(method),
					     .raw_path = slice_of(path),
					     .path = slice_of(path) },
				.values = { slice_of(value) } };
	arena_init(&asked.arena, &env.store, 1 << 20);
	asked.q = (struct subrequest){ .part = &part,
				       .up = &up,
				       .env = &env,
				       .lease = &lease,
				       .arena = &asked.arena,
				       .request = &asked.request,
				       .value = asked.values,
				       .deadline_ns = CLOCK_NEVER,
				       .state_now = SUBREQUEST_STARTED };
	text[0] = '\0';
}

void
start(void)
{
	if (source_file.answer(&asked.q) == 0)
		return;
	asked.is_starting = true;
	source_file.start(&asked.q);
	asked.is_starting = false;
}

void
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

void
end(void)
{
	arena_fini(&asked.arena);
}

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

void
await_jobs(void)
{
	struct last_job last = { .job = { .run = run_nothing,
					  .on_home = on_last_home,
					  .home = &env.loop.mailbox,
					  .deadline_ns = CLOCK_NEVER } };
	struct pool_refusal refusal;

	ck_assert_int_eq(places_reserve(pool, 1, 0, CLOCK_NEVER, 0, &refusal), 0);
	pool_submit(pool, &last.job);
	while (!last.is_home)
		loop_turn(&env.loop, true);
}

unsigned
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

const char *
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
	source_file.detach(&source, &lease);
	ck_assert_int_eq(source_file.attach(&source, &lease), 0);
	ck_assert_int_eq(err ? 1 : 0, errors.errors > 0 ? 1 : 0);
	conf_errors_write(&errors, &w);
	text[w.len] = '\0';
	return text;
}

void
load_tree(const char *more, bool passes_through)
{
	bool has_cache = strstr(more, "open_files") != NULL;
	char keys[512];

	snprintf(keys, sizeof(keys), "root = %s\n%s%s", tree.root,
		 has_cache ? "" : "open_files = 0\n", more);
	ck_assert_str_eq(load(keys, passes_through), "");
}

void
bed_setup(void)
{
	struct pool_options options = { .name = "blocking",
					.limits.threads = 1,
					.limits.max_queue = QUEUE };
	int err;

	tree_init(&tree);
	store_init(&env.store);
	store_init(&site_store);
	arena_init(&site, &site_store, 1 << 20);
	conf_errors_init(&errors);
	ck_assert_int_eq(loop_init(&env.loop, &env), 0);
	env.counters = &counters;
	random_init(&env.random, 1);
	pool = pool_new(&options, &err);
	ck_assert_ptr_nonnull(pool);
	part = (struct part){ 0 };
	file_conf = (struct file_conf){ 0 };
	source.state = NULL;
}

void
bed_teardown(void)
{
	source_file.detach(&source, &lease);
	arena_fini(&site);
	pool_unref(&pool);
	loop_turn(&env.loop, false);
	loop_fini(&env.loop);
	ck_assert_uint_eq(env.store.out, 0);
	store_fini(&env.store);
	store_fini(&site_store);
	conf_free(&conf);
	conf_errors_fini(&errors);
	tree_fini(&tree);
}

struct slice
field(enum field_id id)
{
	const struct field *f = fields_find(&asked.q.response.fields, id);

	return f ? f->value : SLICE("");
}
