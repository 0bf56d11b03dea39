/*
 * One run of a job in a cell, from the pool thread that sees to it; see cell.h.
 * The process is cell_serve.c. What it says is as little trusted as what an
 * upstream says.
 */
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "http/status.h"
#include "metrics/counters.h"
#include "module/cell_priv.h"
#include "module/cell_wire.h"
#include "module/module_priv.h"

enum { FIELD_BYTES_MAX = 2 * HEADING_BYTES };

/* --- the thread's cell ---------------------------------------------------------------- */

static void
end_local(void *state)
{
	struct cell *c = state;

	cell_end(&c);
}

/* NULL without memory. */
static struct cell *
take_cell(struct module *m, struct pool_thread *t)
{
	struct cell *c = pool_local(t, m);

	if (c)
		return c;
	c = cell_stock_take(m, t->pool);
	if (!c)
		c = cell_new(m);
	if (c && pool_keep_local(t, m, c, end_local) != 0)
		cell_end(&c);
	return c;
}

/* A cell's beginning is no work of the job's. */
static int
make_ready(struct talk *t, struct pool_thread *thread)
{
	uint64_t began = clock_monotonic();
	int err = cell_make_ready(t);

	pool_set_aside(thread, clock_monotonic() - began);
	return err;
}

/* --- one run -------------------------------------------------------------------------- */

static int
send_run(struct talk *t, const struct job_call *call)
{
	const struct module_job *j = module_job_of(call->type);
	struct buffer b;
	int err;

	buffer_init(&b, CELL_FRAME_MAX);
	cell_wire_put_run(&b, call, (uint64_t)(j - j->module->jobs));
	err = b.err ? b.err : cell_send(t, buffer_slice(&b), &t->is_running);
	buffer_fini(&b);
	return err;
}

/* Lengths that cannot be, before anything is read by them. */
static bool
is_sound(const struct cell_frame *frame, const struct cell_done_head *h,
	 const struct job_call *call)
{
	uint64_t bytes = sizeof(*h) + (uint64_t)h->field_bytes + h->why_bytes;

	return frame->kind == CELL_DONE && h->field_bytes <= FIELD_BYTES_MAX &&
	       h->why_bytes <= CELL_WHY_BYTES && h->output_bytes <= call->output->limit &&
	       frame->bytes == bytes + h->output_bytes && h->status >= 200 && h->status <= 599 &&
	       (h->output_bytes == 0 || status_has_body(h->status)) && h->err <= 0 &&
	       h->err > -ERR_COUNT;
}

static int
take_fields(struct job_call *call, const struct cell_done_head *h, struct slice bytes)
{
	for (uint32_t i = 0; i < h->fields; i++) {
		struct slice name = slice_cut(&bytes, '\0'), value = slice_cut(&bytes, '\0');
		int err = heading_set(&call->heading, name, value);

		if (err)
			return err == ERR_MEMORY ? err : ERR_PROTOCOL;
	}
	return 0;
}

static int
receive_output(struct talk *t, struct buffer *b, size_t bytes)
{
	struct writer w;
	int err;

	if (bytes == 0)
		return 0;
	w = buffer_room(b, bytes);
	if (b->err)
		return b->err;
	err = cell_receive(t, w.at, bytes);
	w.len = err ? 0 : bytes;
	buffer_wrote(b, &w);
	return err;
}

static int
receive_result(struct talk *t, struct job_call *call)
{
	struct cell_frame frame;
	struct cell_done_head h;
	char fields[FIELD_BYTES_MAX], why[CELL_WHY_BYTES];
	int err = cell_receive(t, &frame, sizeof(frame));

	if (!err)
		err = cell_receive(t, &h, sizeof(h));
	if (!err && !is_sound(&frame, &h, call))
		err = ERR_PROTOCOL;
	if (!err)
		err = cell_receive(t, fields, h.field_bytes);
	if (!err)
		err = cell_receive(t, why, h.why_bytes);
	if (!err)
		err = receive_output(t, call->output, h.output_bytes);
	if (!err)
		err = take_fields(call, &h, slice_make(fields, h.field_bytes));
	if (err)
		return err;
	call->status = h.status;
	call->media = h.has_media ? SLICE("text/plain; charset=utf-8") : SLICE("");
	if (h.err && h.why_bytes > 0)
		log_warning("compute job %s: %.*s", call->type->name, (int)h.why_bytes, why);
	t->has_answered = true;
	return h.err;
}

/* --- what goes wrong ------------------------------------------------------------------ */

static uint64_t
digest_of(const struct module *m, const struct job_call *call)
{
	const struct siphash_key *key = &m->quarantine->key;
	uint64_t digest = siphash(key, slice_of(call->type->name));

	digest = digest * 31 + siphash(key, call->input);
	for (unsigned i = 0; i < JOB_TEXTS_MAX; i++)
		digest = digest * 31 + siphash(key, call->text[i]);
	return digest;
}

static int
ask(struct module *m, struct job_call *call)
{
	enum quarantine_verdict verdict;

	if (quarantine_is_empty(m->quarantine))
		return 0;
	verdict = quarantine_ask(m->quarantine, digest_of(m, call), clock_monotonic());
	if (verdict == QUARANTINE_FREE)
		return 0;
	call->mishap =
	    1 + (verdict == QUARANTINE_INPUT ? COUNTER_MODULE_QUARANTINED : COUNTER_MODULE_BROKEN);
	log_debug("compute job %s: not run: %s", call->type->name,
		  verdict == QUARANTINE_INPUT ? "this input has crashed it before"
					      : "it has crashed too often");
	return ERR_FAILED;
}

/* The next job finds another. It becomes ready meanwhile. */
static void
replace(struct talk *t)
{
	const struct order_share share = order_share_of_thread();
	struct talk next = { .cell = t->cell };

	if (cell_start(&next, &share) != 0)
		child_close(&t->cell->child);
}

static void
note_crash(struct talk *t, struct job_call *call)
{
	struct module *m = t->cell->module;

	call->mishap = 1 + COUNTER_MODULE_CRASHES;
	/* Before it was given the input, that was not what did it. */
	if (quarantine_note(m->quarantine, t->is_running ? digest_of(m, call) : 0,
			    clock_monotonic()))
		log_error("%s: it has crashed %d times within %d s, and is not run for %d s",
			  t->cell->name, BREAKER_CRASHES, (int)(BREAKER_WINDOW_NS / CLOCK_SEC),
			  (int)(BREAKER_OPEN_NS / CLOCK_SEC));
}

/* ERR_FAILED: the job has ended its process. ERR_SYSTEM: it has not, since that was never started,
 * or has gone with the process that starts them. */
static int
on_end(struct talk *t, struct job_call *call)
{
	struct cell *c = t->cell;
	char text[CELL_WHY_BYTES];
	struct writer why = writer_over(text, sizeof(text));

	cell_await_end(c);
	child_explain(&c->child, &why);
	if (!cell_ended_itself(c)) {
		log_error("%s: its process %s: %.*s", c->name,
			  c->child.state == CHILD_FAILED ? "cannot be started" : "is lost",
			  SLICE_PRINT(writer_slice(&why)));
		return ERR_SYSTEM;
	}
	log_warning("%s: job %s crashed: %.*s", c->name, call->type->name,
		    SLICE_PRINT(writer_slice(&why)));
	note_crash(t, call);
	return ERR_FAILED;
}

static int
judge(struct talk *t, struct job_call *call, int err)
{
	struct cell *c = t->cell;
	int verdict = ERR_FAILED;

	/* Or the cell was not even asked. */
	if (t->has_answered ||
	    (!t->is_running && err != ERR_CLOSED && err != ERR_PROTOCOL && err != ERR_TIMEOUT))
		return err;
	if (err == ERR_CLOSED) {
		verdict = on_end(t, call);
	} else if (t->is_overrun) {
		log_warning("%s: job %s did not end when nobody waited any more: killed", c->name,
			    call->type->name);
		call->mishap = 1 + COUNTER_MODULE_OVERRUNS;
		verdict = ERR_CANCELLED;
	} else {
		log_warning("%s: its process is ended: %s", c->name, err_text(err));
	}
	replace(t);
	return verdict;
}

/* The rest of a run that its cell is ready for, or could not be made so. */
static int
run_ready(struct talk *t, struct job_call *call, int err)
{
	t->until_ns = CLOCK_NEVER;
	stderr_log_init(&t->cell->log, t->cell->name);
	if (!err)
		err = send_run(t, call);
	t->is_given = !err;
	/* Who waited has left meanwhile. */
	if (!err && t->cancelled_ns)
		cell_tell_to_stop(t);
	return err ? err : receive_result(t, call);
}

int
cell_run(struct job_call *call)
{
	struct module *m = module_job_of(call->type)->module;
	struct talk t = { .job = call->job };
	int err = ask(m, call);

	if (err)
		return err;
	t.cell = take_cell(m, call->thread);
	if (!t.cell)
		return ERR_MEMORY;
	err = make_ready(&t, call->thread);
	if (err == ERR_FAILED) {
		child_close(&t.cell->child);
		return err;
	}
	return judge(&t, call, run_ready(&t, call, err));
}
