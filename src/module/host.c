/*
 * The server's side of a call: the functions that modules get, and one run of
 * a job. On threads of pools; all that a run takes is given back when it ends.
 */
#include "config.h"

#include "base/assert.h"
#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/status.h"
#include "module/module_priv.h"

#include <stdio.h>

enum { FORMAT_BYTES = 512, LOG_BYTES = 400, ROOM_BYTES = 16384 };

/* One run; what the module sees is `call`. */
struct host_call {
	struct forebay_call call;
	struct job_call *job_call;
	struct module_job *job;
	struct store store;
	struct arena scratch;
	size_t room; /* bytes that forebay_room gave and forebay_wrote has not said yet */
	char *at; /* of that room */
	struct writer why; /* what forebay_fail said */
};

static struct host_call *
host_call_of(struct forebay_call *c)
{
	return CONTAINER_OF(c, struct host_call, call);
}

/* --- results ---------------------------------------------------------------------- */

int
host_result(int err)
{
	switch (err) {
	case 0:
		return FOREBAY_OK;
	case ERR_TOO_LARGE:
	case ERR_TOO_MANY:
		return FOREBAY_TOO_LARGE;
	case ERR_MEMORY:
		return FOREBAY_NO_MEMORY;
	case ERR_ARGUMENT:
		return FOREBAY_ARGUMENT;
	case ERR_CANCELLED:
		return FOREBAY_CANCELLED;
	default:
		return FOREBAY_FAILED;
	}
}

int
host_err(int result)
{
	switch (result) {
	case FOREBAY_OK:
		return 0;
	case FOREBAY_CANCELLED:
		return ERR_CANCELLED;
	case FOREBAY_NO_MEMORY:
		return ERR_MEMORY;
	case FOREBAY_TOO_LARGE:
		return ERR_TOO_LARGE;
	default:
		return ERR_FAILED;
	}
}

/* --- memory ---------------------------------------------------------------------- */

static void *
alloc_scratch(struct forebay_call *c, size_t bytes)
{
	return arena_alloc(&host_call_of(c)->scratch, bytes);
}

/* --- output ----------------------------------------------------------------------- */

static int
write_bytes(struct forebay_call *c, const void *at, size_t len)
{
	struct host_call *h = host_call_of(c);
	struct buffer *b = h->job_call->output;

	h->room = 0; /* it may have moved */
	buffer_put(b, slice_make(at, len));
	return host_result(b->err);
}

/* As the output's own errors: it stays, and fails the run. */
static int
fail_output(struct forebay_call *c, int err)
{
	struct buffer *b = host_call_of(c)->job_call->output;

	if (!b->err)
		b->err = err;
	return host_result(b->err);
}

static void *
give_room(struct forebay_call *c, size_t least, size_t *bytes)
{
	struct host_call *h = host_call_of(c);
	struct buffer *b = h->job_call->output;
	size_t left = b->limit - b->len;
	size_t wish = least > ROOM_BYTES ? least : ROOM_BYTES;
	struct writer w = buffer_room(b, least <= left && wish > left ? left : wish);

	*bytes = h->room = w.is_full ? 0 : w.cap;
	h->at = w.at;
	return w.is_full || w.cap == 0 ? NULL : w.at;
}

static int
take_room(struct forebay_call *c, size_t bytes)
{
	struct host_call *h = host_call_of(c);
	struct writer w = writer_over(h->at, h->room);

	w.len = bytes;
	w.is_full = bytes > h->room;
	h->room = 0;
	buffer_wrote(h->job_call->output, &w);
	return host_result(h->job_call->output->err);
}

/* What does not fit into a line is formatted again, into memory that is large enough. */
__attribute__((format(printf, 2, 0))) static int
format_bytes(struct forebay_call *c, const char *format, va_list list)
{
	char line[FORMAT_BYTES], *text = NULL;
	va_list again;
	int len, result = FOREBAY_ARGUMENT;

	va_copy(again, list);
	len = vsnprintf(line, sizeof(line), format, list);
	if (len >= (int)sizeof(line)) {
		text = mem_alloc((size_t)len + 1);
		if (text)
			len = vsnprintf(text, (size_t)len + 1, format, again);
		else
			result = fail_output(c, ERR_MEMORY);
	}
	if (len >= 0 && (text || len < (int)sizeof(line)))
		result = write_bytes(c, text ? text : line, (size_t)len);
	va_end(again);
	mem_free(&text);
	return result;
}

/* --- the head --------------------------------------------------------------------- */

static int
set_status(struct forebay_call *c, int status)
{
	if (status < 200 || status > 599)
		return FOREBAY_ARGUMENT;
	host_call_of(c)->job_call->status = status;
	return FOREBAY_OK;
}

static int
set_field(struct forebay_call *c, const char *name, const char *value)
{
	struct heading **heading = &host_call_of(c)->job_call->heading;

	return name && value ? host_result(heading_set(heading, slice_of(name), slice_of(value)))
			     : FOREBAY_ARGUMENT;
}

/* --- the run ---------------------------------------------------------------------- */

static bool
is_cancelled(struct forebay_call *c)
{
	return job_call_is_cancelled(host_call_of(c)->job_call);
}

static uint64_t
time_left(struct forebay_call *c)
{
	uint64_t now = clock_monotonic();

	if (c->deadline_ns == CLOCK_NEVER)
		return UINT64_MAX;
	return c->deadline_ns > now ? c->deadline_ns - now : 0;
}

/* The last one counts. */
void
host_write_why(struct writer *why, const char *format, va_list list)
{
	int len = vsnprintf(why->at, why->cap, format, list);

	why->len = len < 0 ? 0 : (size_t)len < why->cap ? (size_t)len : why->cap - 1;
}

__attribute__((format(printf, 2, 0))) static void
fail_call(struct forebay_call *c, const char *format, va_list list)
{
	host_write_why(&host_call_of(c)->why, format, list);
}

__attribute__((format(printf, 2, 0))) static void
refuse_setup(struct forebay_setup *s, const char *format, va_list list)
{
	host_write_why(CONTAINER_OF(s, struct host_setup, setup)->why, format, list);
}

const struct forebay_host host_table = {
	.size = sizeof(struct forebay_host),
	.version = PACKAGE_VERSION,
	.write = write_bytes,
	.room = give_room,
	.wrote = take_room,
	.format = format_bytes,
	.set_status = set_status,
	.set_field = set_field,
	.alloc = alloc_scratch,
	.is_cancelled = is_cancelled,
	.time_left = time_left,
	.fail = fail_call,
	.refuse = refuse_setup,
};

void
host_setup_init(struct host_setup *h, const struct module *m, bool is_trial, struct writer *why)
{
	*h = (struct host_setup){
		.setup = { .size = sizeof(h->setup),
			   .host = &host_table,
			   .params = m->params,
			   .module = m->state,
			   .is_trial = is_trial },
		.why = why,
	};
}

/* The job's struct for this request: its templates are texts of the run. */
static const void *
find_params(const struct module_job *j, const struct job_call *c, struct arena *a)
{
	size_t size = c->type->conf_size;
	unsigned text = 0;
	char *params;

	if (j->texts == 0)
		return c->conf;
	params = arena_alloc(a, size);
	if (!params)
		return NULL;
	memcpy(params, c->conf, size);
	for (const struct conf_key *k = c->type->keys; k->name; k++) {
		if (k->type != CONF_TEMPLATE)
			continue;
		ASSERT(text < j->texts);
		memcpy(params + k->offset, &c->text[text++], sizeof(struct slice));
	}
	return params;
}

static int
run_job(struct host_call *h)
{
	const struct forebay_job *job = h->job->job;
	int err = 0;

	h->call.params = find_params(h->job, h->job_call, &h->scratch);
	if (!h->call.params)
		return ERR_MEMORY;
	if (job->thread_init)
		err = local_take(h->job, h->job_call->thread, &h->call.thread, &h->why);
	if (err)
		return err;
	return host_err(job->run(&h->call));
}

uint64_t
host_units(const struct job_call *c, struct arena *a)
{
	const struct module_job *j = module_job_of(c->type);
	struct forebay_hint hint = {
		.size = sizeof(hint),
		.params = find_params(j, c, a),
		.input = { c->input.at, c->input.len },
	};

	return hint.params ? j->job->units(&hint) : 0;
}

/* RFC 9110 15.3.5, 15.3.6, 15.4.5: such an answer ends with its head. */
static int
check_body(struct host_call *h)
{
	struct job_call *c = h->job_call;

	if (status_has_body(c->status))
		return 0;
	c->media = SLICE("");
	if (c->output->len == 0)
		return 0;
	writer_format(&h->why, "a response with status %d has no body, but %zu bytes were written",
		      c->status, c->output->len);
	return ERR_FAILED;
}

int
host_run_quietly(struct job_call *c, struct writer *why)
{
	struct module_job *j = module_job_of(c->type);
	struct host_call h = {
		.call = { .size = sizeof(h.call),
			  .host = &host_table,
			  .module = j->module->state,
			  .input = { c->input.at, c->input.len },
			  .deadline_ns = c->job->deadline_ns,
			  .max_output = c->output->limit },
		.job_call = c,
		.job = j,
		.why = *why,
	};
	int err;

	c->media = SLICE("text/plain; charset=utf-8");
	store_init(&h.store);
	/* What the parameters take is not the module's. */
	arena_init(&h.scratch, &h.store,
		   j->module->conf.scratch + TABLE_CONF_BYTES + STORE_PAGE_BYTES);
	err = run_job(&h);
	if (!err)
		err = check_body(&h);
	arena_fini(&h.scratch);
	store_fini(&h.store);
	*why = h.why;
	return err;
}

int
host_run(struct job_call *c)
{
	char text[LOG_BYTES];
	struct writer why = writer_over(text, sizeof(text));
	int err = host_run_quietly(c, &why);

	if (err && why.len > 0)
		log_warning("compute job %s: %.*s", c->type->name, SLICE_PRINT(writer_slice(&why)));
	return err;
}
