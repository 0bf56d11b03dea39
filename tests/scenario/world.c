/*
 * The world of the scenarios; see world.h.
 */
#include "world.h"

#include "base/clock.h"
#include "base/mem.h"
#include "script_flow.h"

#include <check.h>
#include <stdlib.h>

enum { SITE_BYTES = 64 << 20, EXCHANGE_BYTES = 1 << 24, KEEP_BYTES = 1 << 16 };

/* --- the site ---------------------------------------------------------------------- */

static struct source *
find_source(void *argument, const struct source_ops *ops, struct slice name)
{
	struct world *w = argument;
	struct source *s;

	if (ops->section && strcmp(ops->section, "upstream") == 0)
		ops = &fake_ops;
	for (unsigned i = 0; i < w->sources; i++) {
		if (w->source[i].ops == ops && slice_eq(w->source[i].name, name))
			return &w->source[i];
	}
	ck_assert_uint_lt(w->sources, sizeof(w->source) / sizeof(w->source[0]));
	s = &w->source[w->sources++];
	*s = (struct source){ .ops = ops, .name = name, .state = w };
	if (ops->section)
		s->section = conf_find(w->conf, slice_of(ops->section), name);
	return s;
}

static const struct cache *
find_cache(void *argument, struct slice name)
{
	struct world *w = argument;

	for (unsigned i = 0; i < w->caches; i++) {
		if (slice_eq(w->cache[i].name, name))
			return &w->cache[i];
	}
	return NULL;
}

static void
open_caches(struct world *w)
{
	struct conf_section *s = NULL;

	while ((s = conf_next(w->conf, "cache", s)) != NULL) {
		struct cache *c = &w->cache[w->caches++];
		const struct conf_table table = { cache_keys, &c->conf };

		ck_assert_uint_le(w->caches, WORLD_CACHES);
		ck_assert_int_eq(conf_fill(s, &table, 1, &w->errors), 0);
		c->name = s->name;
		c->vault = vault_new((size_t)c->conf.size, (size_t)c->conf.max_entry);
		ck_assert_ptr_nonnull(c->vault);
	}
}

/* Nothing is kept for reuse, so that a sanitizer sees every use after the end. */
static void
forget_at_once(struct store *s)
{
	s->kept_blocks = STORE_KEEP_BLOCKS;
	s->kept_chunks = STORE_KEEP_CHUNKS;
	s->kept_pages = STORE_KEEP_PAGES;
}

static struct world *
world_new(const char *text)
{
	struct world *w = calloc(1, sizeof(*w));
	static const char fakes[] =
	    "\n[upstream fake]\nservers = x\n[upstream other]\nservers = x\n";
	size_t cap = strlen(text) + sizeof(fakes);
	char *conf = malloc(cap);
	struct writer writer = writer_over(conf, cap);

	ck_assert(w && conf);
	writer_text(&writer, text);
	writer_text(&writer, fakes);
	store_init(&w->site_store);
	arena_init(&w->site, &w->site_store, SITE_BYTES);
	conf_errors_init(&w->errors);
	w->conf = conf_read(writer_slice(&writer), "conf", &w->errors);
	free(conf);
	ck_assert_ptr_nonnull(w->conf);
	w->build = (struct source_build){ .arena = &w->site, .errors = &w->errors };
	w->plan_build = (struct plan_build){
		.source = &w->build,
		.conf = w->conf,
		.find_source = find_source,
		.find_cache = find_cache,
		.argument = w,
		.flows = script_flows,
		.flow_count = SCRIPT_FLOWS,
		.max_flows = WORLD_FLOWS,
	};
	list_init(&w->calls);
	open_caches(w);
	return w;
}

static void
world_compile(struct world *w)
{
	struct conf_section *s = conf_find(w->conf, SLICE("route"), SLICE("r"));
	int err;

	ck_assert_ptr_nonnull(s);
	w->plan = plan_read(&w->plan_build, s, NULL, 0);
	ck_assert_ptr_nonnull(w->plan);
	err = plan_compile(w->plan, &w->plan_build, w->params, w->param_count, -1);
	ck_assert(err == 0 || err == ERR_SYNTAX);
	ck_assert_int_eq(err != 0, w->errors.errors > 0);
	plan_check_strays(w->conf, &w->errors);
}

static void
world_free(struct world *w)
{
	for (unsigned i = 0; i < w->caches; i++)
		vault_unref(&w->cache[i].vault);
	arena_fini(&w->site);
	ck_assert_uint_eq(w->site_store.out, 0);
	store_fini(&w->site_store);
	conf_errors_fini(&w->errors);
	conf_free(&w->conf);
	free(w);
}

const char *
world_complaint(const char *text)
{
	static char out[8192];
	struct writer writer = writer_over(out, sizeof(out) - 1);
	struct world *w = world_new(text);

	w->params[w->param_count++] = SLICE("id");
	world_compile(w);
	conf_errors_write(&w->errors, &writer);
	out[writer.len] = '\0';
	world_free(w);
	return out;
}

/* --- the client's exchange --------------------------------------------------------- */

static struct client *
client_of(struct exchange *x)
{
	return CONTAINER_OF(x, struct client, x);
}

static struct slice
keep(struct client *c, struct slice s)
{
	char *at = c->keep + c->keep_len;

	ck_assert_uint_le(c->keep_len + s.len, KEEP_BYTES);
	memcpy(at, s.at, s.len);
	c->keep_len += s.len;
	return slice_make(at, s.len);
}

static int
on_head(struct exchange *x)
{
	struct client *c = client_of(x);

	ck_assert(!c->is_ended && !c->is_cancelled && !c->is_failing);
	c->heads++;
	c->is_failing = c->breaks_head;
	if (c->is_failing)
		return ERR_MEMORY;
	c->status = x->response.status;
	c->has_length = x->response.framing == BODY_LENGTH;
	c->length = x->response.content_length;
	for (unsigned i = 0; i < x->response.fields.count; i++) {
		const struct field *f = &x->response.fields.at[i];

		ck_assert_uint_lt(c->fields, WORLD_FIELDS);
		c->field_name[c->fields] = keep(c, f->name);
		c->field_value[c->fields++] = keep(c, f->value);
	}
	return 0;
}

static int
on_body(struct exchange *x, struct chunks *list)
{
	struct client *c = client_of(x);

	ck_assert(!c->is_ended && !c->is_cancelled && !c->is_failing);
	c->is_failing = c->breaks_body;
	if (c->is_failing) {
		chunks_clear(list);
		return ERR_MEMORY;
	}
	c->bodies++;
	chunks_move(&c->queue, list);
	c->is_paused = c->pauses;
	return c->pauses ? EXCHANGE_PAUSE : 0;
}

/* The exchange is gone the moment it ends: whoever still touches it reads freed memory. */
static void
end_exchange(struct client *c)
{
	ck_assert(!c->is_ended);
	c->is_ended = true;
	ck_assert_ptr_null(c->x.run);
	c->text = malloc(c->queue.bytes + 1);
	c->text_len = chunks_copy_out(&c->queue, c->text, c->queue.bytes);
	ck_assert_uint_eq(c->text_len, c->queue.bytes);
	chunks_clear(&c->queue);
	loop_clear_timer(&c->world->env.loop, &c->upload_timer);
	arena_fini(&c->x.arena);
}

static void
on_end(struct exchange *x)
{
	client_of(x)->ends++;
	end_exchange(client_of(x));
}

static void
on_abort(struct exchange *x, int err)
{
	struct client *c = client_of(x);

	c->aborts++;
	c->abort_err = err;
	end_exchange(c);
}

static void
on_upload(struct timer *t)
{
	struct client *c = CONTAINER_OF(t, struct client, upload_timer);
	size_t left = c->upload.len - c->uploaded, n = left;
	struct chunks list;
	bool is_last;

	ck_assert(c->is_wanted);
	c->is_wanted = false;
	if (c->upload_piece && n > c->upload_piece)
		n = c->upload_piece;
	chunks_init(&list, &c->world->env.store);
	if (chunks_add_copy(&list, slice_make(c->upload.at + c->uploaded, n)) != 0) {
		chunks_clear(&list);
		client_leave(c->world);
		return;
	}
	c->uploaded += n;
	is_last = c->uploaded == c->upload.len;
	c->x.is_body_complete = is_last;
	run_feed(&c->x, &list, is_last);
	ck_assert(chunks_is_empty(&list));
}

static void
on_want_body(struct exchange *x)
{
	struct client *c = client_of(x);
	struct loop *l = &c->world->env.loop;

	ck_assert(!c->is_ended && !c->is_cancelled && !c->is_wanted);
	ck_assert(!c->x.is_body_complete);
	c->wants++;
	c->is_wanted = true;
	if (!c->stalls && loop_set_timer(l, &c->upload_timer, loop_now(l) + c->upload_gap_ns) != 0)
		ck_abort();
}

static int
on_inform(struct exchange *x, int status)
{
	(void)x;
	(void)status;
	return 0;
}

static const struct exchange_ops ops = {
	.inform = on_inform,
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.abort = on_abort,
	.want_body = on_want_body,
};

static void
client_open(struct world *w, struct client *c)
{
	c->world = w;
	c->x = (struct exchange){ .ops = &ops, .store = &w->env.store, .id = 0xabc };
	c->x.request.method = METHOD_GET;
	c->x.request.method_name = SLICE("GET");
	c->x.request.version = HTTP_1_1;
	c->x.request.target = c->x.request.raw_path = c->x.request.path = SLICE("/");
	c->x.max_body = 1 << 20;
	c->x.begun_ns = w->begun_ns;
	c->keep = malloc(KEEP_BYTES);
	chunks_init(&c->queue, &w->env.store);
	arena_init(&c->x.arena, &w->env.store, EXCHANGE_BYTES);
	timer_init(&c->upload_timer, on_upload);
}

/* --- opening and closing --------------------------------------------------------------- */

/* Timers must not need memory in tests that fail allocations. */
static void
grow_timers(struct loop *l)
{
	struct timer t[2 * PLAN_PARTS_MAX + 2];

	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++) {
		timer_init(&t[i], NULL);
		ck_assert_int_eq(loop_set_timer(l, &t[i], 1), 0);
	}
	for (size_t i = 0; i < sizeof(t) / sizeof(t[0]); i++)
		loop_clear_timer(l, &t[i]);
}

struct world *
world_open_path(const char *conf, const char *const names[], const char *const values[],
		unsigned count)
{
	struct world *w = world_new(conf);
	char text[2048];
	struct writer writer = writer_over(text, sizeof(text) - 1);

	for (unsigned i = 0; i < count; i++) {
		w->params[i] = slice_of(names[i]);
		w->captures[i] = slice_of(values[i]);
	}
	w->param_count = count;
	world_compile(w);
	conf_errors_write(&w->errors, &writer);
	text[writer.len] = '\0';
	ck_assert_msg(w->errors.errors == 0, "%s", text);
	w->begun_ns = CLOCK_SEC;
	ck_assert_int_eq(loop_init(&w->env.loop, w), 0);
	w->env.loop.now_ns = w->begun_ns;
	store_init(&w->env.store);
	forget_at_once(&w->env.store);
	random_init(&w->env.random, 1);
	grow_timers(&w->env.loop);
	w->env.counters = &w->counters;
	w->env.stacks = &w->stacks;
	stacks_init(&w->stacks);
	for (unsigned i = 0; i < PLAN_PARTS_MAX; i++)
		w->parts[i] = &w->series[i];
	w->lease = (struct lease){
		.env = &w->env,
		.workers = 1,
		.parts = w->parts,
		.attached = w->attached,
	};
	client_open(w, &w->client);
	return w;
}

struct world *
world_open(const char *conf)
{
	return world_open_path(conf, NULL, NULL, 0);
}

static void
free_calls(struct world *w)
{
	struct list *link;

	while ((link = list_take(&w->calls)) != NULL)
		free(CONTAINER_OF(link, struct call, link));
}

void
world_close(struct world *w)
{
	client_leave(w);
	for (unsigned i = 0; i < w->mores; i++)
		other_leave(w->more[i]);
	world_check(w);
	loop_turn_at(&w->env.loop, w->env.loop.now_ns);
	ck_assert_uint_eq(w->env.loop.timers.count, 0);
	ck_assert_ptr_null(w->env.loop.soon.head);
	ck_assert_ptr_null(w->env.loop.last.head);
	ck_assert_uint_eq(w->env.store.out, 0);
	w->env.store.kept_blocks = w->env.store.kept_chunks = w->env.store.kept_pages = 0;
	store_fini(&w->env.store);
	stacks_fini(&w->stacks);
	loop_fini(&w->env.loop);
	free_calls(w);
	for (unsigned i = 0; i < w->mores; i++) {
		free(w->more[i]->text);
		free(w->more[i]->keep);
		free(w->more[i]);
	}
	free(w->client.text);
	free(w->client.keep);
	world_free(w);
}

/* --- time ------------------------------------------------------------------------------------ */

void
world_run(struct world *w, uint64_t ms)
{
	struct loop *l = &w->env.loop;
	uint64_t until = w->begun_ns + ms * CLOCK_MS;

	for (;;) {
		const struct timer *first;

		loop_turn_at(l, l->now_ns);
		if (l->soon.head || l->last.head)
			continue;
		first = timers_first(&l->timers);
		if (!first || first->at_ns > until)
			break;
		l->now_ns = first->at_ns > l->now_ns ? first->at_ns : l->now_ns;
	}
	l->now_ns = until;
}

uint64_t
world_now_ms(const struct world *w)
{
	return (w->env.loop.now_ns - w->begun_ns) / CLOCK_MS;
}

/* --- the client's moves ------------------------------------------------------------------------
 */

void
client_upload(struct world *w, const char *method, struct slice body, bool is_chunked)
{
	struct request *q = &w->client.x.request;

	q->method_name = slice_of(method);
	q->method = method_of(q->method_name);
	q->framing = is_chunked ? BODY_CHUNKED : BODY_LENGTH;
	q->content_length = is_chunked ? 0 : body.len;
	w->client.upload = body;
}

void
other_field(struct client *c, const char *name, const char *value)
{
	struct fields *f = &c->x.request.fields;

	if (!f->at) {
		f->at = arena_zalloc(&c->x.arena, WORLD_FIELDS, sizeof(*f->at));
		f->cap = WORLD_FIELDS;
	}
	ck_assert_int_eq(fields_add_name(f, slice_of(name), slice_of(value)), 0);
	f->at[f->count - 1].id = field_id_of(slice_of(name));
}

void
client_field(struct world *w, const char *name, const char *value)
{
	other_field(&w->client, name, value);
}

void
other_start(struct client *c)
{
	struct run_captures captures = { c->world->captures, { NULL, 0 } };

	c->x.begun_ns = c->world->env.loop.now_ns;
	c->is_started = true;
	run_start(&c->x, &c->world->lease, c->world->plan, &captures);
}

void
client_start(struct world *w)
{
	other_start(&w->client);
}

void
other_leave(struct client *c)
{
	if (c->is_ended || c->is_cancelled)
		return;
	run_cancel(&c->x, ERR_GONE);
	c->is_cancelled = true;
	chunks_clear(&c->queue);
	loop_clear_timer(&c->world->env.loop, &c->upload_timer);
	arena_fini(&c->x.arena);
}

void
client_leave(struct world *w)
{
	other_leave(&w->client);
}

struct client *
world_client(struct world *w)
{
	struct client *c = calloc(1, sizeof(*c));

	ck_assert_ptr_nonnull(c);
	ck_assert_uint_lt(w->mores, WORLD_MORE);
	client_open(w, c);
	w->more[w->mores++] = c;
	return c;
}

void
client_resume(struct world *w)
{
	if (!w->client.is_paused || w->client.is_ended || w->client.is_cancelled)
		return;
	w->client.is_paused = false;
	run_resume(&w->client.x);
}

struct slice
client_got_field(struct world *w, const char *name)
{
	for (unsigned i = 0; i < w->client.fields; i++) {
		if (slice_eq_nocase(w->client.field_name[i], slice_of(name)))
			return w->client.field_value[i];
	}
	return SLICE("");
}

struct slice
client_got(struct world *w)
{
	return slice_make(w->client.text ? w->client.text : "", w->client.text_len);
}

/* --- what happened -------------------------------------------------------------------------------
 */

struct call *
world_call(struct world *w, const char *part)
{
	for (struct list *l = w->calls.next; l != &w->calls; l = l->next) {
		struct call *c = CONTAINER_OF(l, struct call, link);

		if (slice_eq(c->name, slice_of(part)))
			return c;
	}
	return NULL;
}

unsigned
world_calls_of(struct world *w, struct slice part)
{
	unsigned count = 0;

	for (struct list *l = w->calls.next; l != &w->calls; l = l->next)
		count += slice_eq(CONTAINER_OF(l, struct call, link)->name, part);
	return count;
}

unsigned
world_calls(struct world *w, const char *part)
{
	return world_calls_of(w, slice_of(part));
}

uint64_t
world_outcome(struct world *w, const char *part, enum outcome o)
{
	for (unsigned i = 0; i < w->plan->count; i++) {
		const struct part *p = &w->plan->part[i].part;

		if (slice_eq(p->name, slice_of(part)))
			return atomic_load(&w->series[p->index].by_outcome[o]);
	}
	ck_abort_msg("no part %s", part);
	return 0;
}

static void
check_call(const struct call *c)
{
	unsigned begun = c->started + c->answered;

	ck_assert_uint_le(begun, 1);
	ck_assert_uint_eq(c->dones + c->cancelled, begun);
	ck_assert_uint_le(c->reserved, 1);
	/* A place is used by a start, or given back. */
	ck_assert_uint_eq(c->started + c->released, c->reserved);
	ck_assert(!timer_is_set(&c->timer));
}

static void
check_client(const struct client *c)
{
	ck_assert(c->is_ended || c->is_cancelled);
	ck_assert_uint_eq(c->ends + c->aborts, c->is_ended);
}

void
world_check(struct world *w)
{
	unsigned runs = 1;

	check_client(&w->client);
	for (unsigned i = 0; i < w->mores; i++) {
		check_client(w->more[i]);
		runs += w->more[i]->is_started;
	}
	for (struct list *l = w->calls.next; l != &w->calls; l = l->next)
		check_call(CONTAINER_OF(l, struct call, link));
	for (unsigned i = 0; i < w->plan->count; i++) {
		unsigned sum = 0;

		for (int o = 0; o < OUTCOME_COUNT; o++)
			sum += (unsigned)atomic_load(
			    &w->series[w->plan->part[i].part.index].by_outcome[o]);
		ck_assert_uint_eq(sum, runs);
	}
}
