/*
 * The source of the scenarios: it does what its keys say, on the world's
 * clock, and notes every call; see world.h. It checks the run's side of the
 * contract: what comes after done or cancel is a failed test.
 */
#include "base/clock.h"
#include "world.h"

#include <check.h>
#include <stdlib.h>

struct fake {
	bool at_once, hangs, refuses, reads, effects, holds;
	uint64_t delay, gap;
	unsigned status, pieces, good, drops;
	struct slice type, body, fails, breaks, drop;
	struct conf_family headers;
	struct conf_list forward;
	int body_value;
};

static const struct conf_key keys[] = {
	{ "at_once", CONF_BOOL, CONF_FIELD(struct fake, at_once), .def = "no" },
	{ "hangs", CONF_BOOL, CONF_FIELD(struct fake, hangs), .def = "no" },
	{ "refuses", CONF_BOOL, CONF_FIELD(struct fake, refuses), .def = "no" },
	{ "reads", CONF_BOOL, CONF_FIELD(struct fake, reads), .def = "no" },
	{ "holds", CONF_BOOL, CONF_FIELD(struct fake, holds), .def = "no" },
	{ "effects", CONF_BOOL, CONF_FIELD(struct fake, effects), .def = "no" },
	{ "forward", CONF_LIST, CONF_FIELD(struct fake, forward) },
	{ "delay", CONF_DURATION, CONF_FIELD(struct fake, delay), .def = "1ms" },
	{ "gap", CONF_DURATION, CONF_FIELD(struct fake, gap), .def = "0" },
	{ "status", CONF_UINT, CONF_FIELD(struct fake, status), .def = "200" },
	{ "pieces", CONF_UINT, CONF_FIELD(struct fake, pieces), .def = "1", .min = 1 },
	{ "good", CONF_UINT, CONF_FIELD(struct fake, good), .def = "0" },
	{ "type", CONF_TEXT, CONF_FIELD(struct fake, type), .def = "application/json" },
	{ "body", CONF_TEMPLATE, CONF_FIELD(struct fake, body) },
	{ "fails", CONF_TEXT, CONF_FIELD(struct fake, fails) },
	{ "breaks", CONF_TEXT, CONF_FIELD(struct fake, breaks) },
	{ "drops", CONF_UINT, CONF_FIELD(struct fake, drops), .def = "0" },
	{ "drop", CONF_TEXT, CONF_FIELD(struct fake, drop), .def = "deadline" },
	{ "header.", CONF_FAMILY, CONF_FIELD(struct fake, headers) },
	CONF_KEYS_END
};

static const struct {
	const char *word;
	int err;
} errors[] = {
#define ERR(name, text) { #name, ERR_##name },
#include "base/err.def"
#undef ERR
};

static int
err_of(struct slice word)
{
	for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
		if (slice_eq_nocase(slice_of(errors[i].word), word))
			return errors[i].err;
	}
	return 0;
}

static int
load_part(struct part *p, struct source_build *b)
{
	struct fake *f = p->conf;

	(void)b;
	f->body_value = part_want(p, f->body, VALUE_RAW, "body");
	return f->body_value < 0 ? f->body_value : 0;
}

static const struct fake *
fake_of(const struct call *c)
{
	return c->q->part->conf;
}

static struct call *
call_of(struct subrequest *q)
{
	struct world *w = q->part->source->state;
	struct call *c = q->state;

	if (c)
		return c;
	c = calloc(1, sizeof(*c));
	ck_assert_ptr_nonnull(c);
	c->world = w;
	c->q = q;
	c->name = q->part->name;
	c->is_good = world_calls_of(w, c->name) < ((const struct fake *)q->part->conf)->good;
	c->is_dropped = world_calls_of(w, c->name) < ((const struct fake *)q->part->conf)->drops;
	list_append(&w->calls, &c->link);
	q->state = c;
	return c;
}

static int
reserve(struct subrequest *q[], size_t n)
{
	int err = 0;

	for (size_t i = 0; i < n; i++) {
		const struct fake *f = q[i]->part->conf;

		if (f->refuses &&
		    world_calls_of(q[i]->part->source->state, q[i]->part->name) >= f->good)
			err = ERR_SHED;
	}
	for (size_t i = 0; i < n; i++) {
		if (err)
			q[i]->refusal = (struct pool_refusal){ "pool.fake.queue", 3 };
		else
			call_of(q[i])->reserved++;
	}
	return err;
}

static void
release(struct subrequest *q)
{
	struct call *c = call_of(q);

	c->released++;
	ck_assert_uint_eq(c->started, 0);
}

/* --- answering ------------------------------------------------------------------- */

static void
finish(struct call *c, int err)
{
	struct subrequest *q = c->q;

	c->dones++;
	c->q = NULL;
	subrequest_done(q, err);
}

static bool
is_over(const struct call *c)
{
	return c->dones || c->cancelled;
}

static void
make_head(struct call *c)
{
	const struct fake *f = fake_of(c);
	struct subrequest *q = c->q;
	struct fields *fields = &q->response.fields;

	q->response.status = c->is_good ? 200 : (int)f->status;
	if (f->holds && q->condition) {
		q->response.status = 304;
		c->body = SLICE("");
	}
	q->response.framing = BODY_LENGTH;
	q->response.content_length = c->body.len;
	fields->at = arena_zalloc(q->arena, f->headers.count + 1, sizeof(*fields->at));
	fields->cap = fields->at ? (unsigned)f->headers.count + 1 : 0;
	if (fields_add(fields, FIELD_CONTENT_TYPE, f->type) != 0)
		return;
	for (size_t i = 0; i < f->headers.count; i++)
		ck_assert_int_eq(
		    fields_add_name(fields, f->headers.at[i].name, f->headers.at[i].value), 0);
}

/* One piece; false when nothing more may be done now. */
static bool
send_piece(struct call *c)
{
	unsigned pieces = fake_of(c)->pieces;
	size_t end = ++c->piece >= pieces ? c->body.len : c->body.len * c->piece / pieces;
	struct chunks list;
	int wish;

	chunks_init(&list, &c->world->env.store);
	if (chunks_add_copy(&list, slice_make(c->body.at + c->sent, end - c->sent)) != 0) {
		chunks_clear(&list);
		finish(c, ERR_MEMORY);
		return false;
	}
	c->sent = end;
	wish = subrequest_body(c->q, &list);
	ck_assert(chunks_is_empty(&list));
	c->is_paused = wish == SUBREQUEST_PAUSE;
	return !is_over(c) && !c->is_paused;
}

static void
wait_gap(struct call *c)
{
	struct loop *l = &c->world->env.loop;

	if (loop_set_timer(l, &c->timer, loop_now(l) + fake_of(c)->gap) != 0)
		finish(c, ERR_MEMORY);
}

static void
go_on(struct call *c)
{
	while (!is_over(c) && !c->is_paused) {
		const struct fake *f = fake_of(c);

		if (f->breaks.len && !c->is_good && c->piece == 1) {
			finish(c, err_of(f->breaks));
		} else if (c->piece >= f->pieces) {
			finish(c, 0);
		} else if (c->piece > 0 && f->gap) {
			wait_gap(c);
			return;
		} else if (!send_piece(c)) {
			return;
		}
	}
}

static void
reply(struct call *c)
{
	struct slice word = c->is_dropped ? fake_of(c)->drop : fake_of(c)->fails;

	if (word.len && (c->is_dropped || !c->is_good)) {
		if (err_of(word) == ERR_SHED)
			c->q->refusal = (struct pool_refusal){ "pool.fake.wait", 2 };
		c->q->conflict = "unique";
		finish(c, err_of(word));
		return;
	}
	make_head(c);
	c->heads++;
	subrequest_head(c->q);
	if (!is_over(c))
		go_on(c);
}

static void
on_time(struct timer *t)
{
	struct call *c = CONTAINER_OF(t, struct call, timer);

	if (c->heads == 0)
		reply(c);
	else if (send_piece(c))
		go_on(c);
}

static void
set_out(struct call *c)
{
	uint64_t at = loop_now(&c->world->env.loop) + fake_of(c)->delay;

	if (fake_of(c)->hangs && !c->is_good)
		return;
	/* As a job has it, whose deadline is that of its start, whatever becomes of q's. */
	if (c->is_dropped)
		at = c->q->deadline_ns;
	if (loop_set_timer(&c->world->env.loop, &c->timer, at) != 0) {
		/* Not from inside start(): but a fake has no other way, and a test that fails
		 * allocations grows the heap of timers beforehand. */
		ck_abort_msg("no room for a timer");
	}
}

static void
begin(struct call *c)
{
	c->body = c->q->value[fake_of(c)->body_value];
	c->started_ns = loop_now(&c->world->env.loop);
	c->conditions = c->q->condition ? c->q->condition->count : 0;
	timer_init(&c->timer, on_time);
}

static int
answer(struct subrequest *q)
{
	const struct fake *f = q->part->conf;
	struct call *c;

	if (!f->at_once)
		return ERR_BUSY;
	c = call_of(q);
	c->answered++;
	begin(c);
	reply(c);
	return 0;
}

static void
start(struct subrequest *q)
{
	struct call *c = call_of(q);

	c->started++;
	ck_assert_uint_eq(c->reserved, 1);
	ck_assert_uint_gt(q->request_id.len, 0);
	begin(c);
	if (q->has_body && fake_of(c)->reads)
		subrequest_want_body(q);
	else
		set_out(c);
}

static void
feed(struct subrequest *q, struct chunks *body, bool is_last)
{
	struct call *c = q->state;

	ck_assert(!is_over(c) && !c->is_whole);
	c->feeds++;
	c->fed += body->bytes;
	chunks_clear(body);
	c->is_whole = is_last;
	/* Even after the last: a source need not look. */
	subrequest_want_body(q);
	if (is_last)
		set_out(c);
}

static void
resume(struct subrequest *q)
{
	struct call *c = q->state;

	ck_assert(!is_over(c) && c->is_paused);
	c->resumes++;
	c->is_paused = false;
	go_on(c);
}

static void
cancel(struct subrequest *q)
{
	struct call *c = q->state;

	ck_assert(!is_over(c));
	c->cancelled++;
	c->q = NULL;
	if (timer_is_set(&c->timer))
		loop_clear_timer(&c->world->env.loop, &c->timer);
}

static const struct conf_list *
forwards(const struct part *p)
{
	const struct fake *f = p->conf;

	return &f->forward;
}

static const char *
effects(const struct part *p)
{
	const struct fake *f = p->conf;

	return f->effects ? "it says so" : NULL;
}

static bool
asks_condition(const struct part *p)
{
	(void)p;
	return true;
}

const struct source_ops fake_ops = {
	.name = "upstream",
	.section = "upstream",
	.part_keys = keys,
	.part_size = sizeof(struct fake),
	.load_part = load_part,
	.forwards = forwards,
	.effects = effects,
	.asks_condition = asks_condition,
	.tells_freshness = true,
	.reserve = reserve,
	.release = release,
	.answer = answer,
	.start = start,
	.feed = feed,
	.resume = resume,
	.cancel = cancel,
	.waits_for_reader = true,
	.takes_body = true,
};
