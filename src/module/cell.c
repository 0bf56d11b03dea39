/*
 * A cell, from the pool thread that sees to it; see cell.h. The process is
 * cell_serve.c. What it says is as little trusted as what an upstream says.
 */
#include "module/cell.h"

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/mem.h"
#include "child/order.h"
#include "child/spawner.h"
#include "child/stderr_log.h"
#include "http/status.h"
#include "metrics/counters.h"
#include "module/cell_wire.h"
#include "module/module_priv.h"
#include "module/section_text.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	REST_TURNS = 64,
	TICK_MS = 10,
	FILES = 64,
	NAME_BYTES = 160,
	FIELD_BYTES_MAX = 2 * HEADING_BYTES
};

/* For a job to notice that nobody waits; for a cell to be ready, and to end. */
#define CANCEL_NS (250 * CLOCK_MS)
#define READY_NS  (10 * CLOCK_SEC)
#define END_NS    (2 * CLOCK_SEC)

struct cell {
	struct module *module;
	struct child child;
	struct stderr_log log;
	bool is_ready;
	char name[NAME_BYTES]; /* for the log */
};

/* One exchange with a cell. */
struct talk {
	struct cell *cell;
	const struct job *job; /* NULL: nobody waits */
	uint64_t until_ns; /* for the whole */
	uint64_t cancelled_ns; /* when it was seen that nobody waits; 0: somebody does */
	bool is_running; /* it gets the run, or has it: a byte of it is out */
	bool is_given; /* all of it: it can be told to stop */
	bool is_overrun; /* it did not */
	bool has_answered;
};

/* --- its life ---------------------------------------------------------------------- */

/* The module's file goes along, as the process' descriptor 3. */
static void
write_order(struct order *o, const struct module *m)
{
	const struct order_limits limits = { .memory = m->conf.max_memory, .files = FILES };

	order_init(o, "/proc/self/exe", "/", &limits);
	order_argument(o, SLICE("--serve-module"));
	order_argument(o, SLICE("/proc/self/fd/3"));
	order_argument(o, SLICE("-c"));
	order_argument(o, slice_of(m->section->file->name));
	o->head.keeps_environment = true;
	o->head.share = order_share_of_thread();
}

static int
start(struct cell *c)
{
	struct module *m = c->module;
	struct order o;
	int err;

	write_order(&o, m);
	c->is_ready = false;
	stderr_log_init(&c->log, c->name);
	err = spawner_start_with(m->spawner, &o, CHILD_SOCKET, m->image.fd, &c->child);
	order_fini(&o);
	return err;
}

/* Time for its fini. */
static void
end(struct cell *c)
{
	uint64_t until = clock_after(clock_monotonic(), END_NS);

	child_close_fd(&c->child.input);
	while (c->child.control >= 0 && !child_is_over(&c->child) && clock_monotonic() < until) {
		struct pollfd p[] = { { .fd = c->child.control, .events = POLLIN },
				      { .fd = c->child.errors, .events = POLLIN } };
		poll(p, 2, TICK_MS);
		if (p[1].revents)
			stderr_log_read(&c->log, &c->child.errors);
		child_hear(&c->child);
	}
	stderr_log_end(&c->log);
	child_close(&c->child);
}

static void
end_local(void *state)
{
	struct cell *c = state;

	end(c);
	mem_free(&c);
}

/* The thread's cell; NULL without memory. */
static struct cell *
take_cell(struct module *m, struct pool_thread *t)
{
	struct cell *c = pool_local(t, m);

	if (c)
		return c;
	c = mem_zalloc(1, sizeof(*c));
	if (!c)
		return NULL;
	c->module = m;
	c->child = (struct child){
		.state = CHILD_LOST, .control = -1, .input = -1, .output = -1, .errors = -1
	};
	snprintf(c->name, sizeof(c->name), "module %.*s", SLICE_PRINT(m->section->name));
	if (pool_keep_local(t, m, c, end_local) != 0)
		mem_free(&c);
	return c;
}

/* --- bytes there and back ------------------------------------------------------------- */

static void
tell_to_stop(struct talk *t)
{
	const struct cell_frame cancel = { .kind = CELL_CANCEL };

	/* Between frames alone. A socket that is full of what it has not read is one of a cell that
	 * does not listen. */
	if (t->is_given)
		(void)!send(t->cell->child.input, &cancel, sizeof(cancel),
			    MSG_DONTWAIT | MSG_NOSIGNAL);
}

/* ERR_CANCELLED or ERR_TIMEOUT: it has been waited for long enough. */
static int
look_at_clock(struct talk *t)
{
	uint64_t now = clock_monotonic();

	if (!t->cancelled_ns && t->job && job_is_cancelled(t->job)) {
		t->cancelled_ns = now;
		tell_to_stop(t);
	}
	if (now >= t->until_ns)
		return ERR_TIMEOUT;
	if (!t->cancelled_ns)
		return 0;
	/* A cell that is not ready yet goes on becoming so without us. */
	if (!t->is_running)
		return ERR_CANCELLED;
	if (now - t->cancelled_ns < CANCEL_NS)
		return 0;
	t->is_overrun = true;
	return ERR_CANCELLED;
}

/* Until the socket can go on, or a tick has passed. */
static int
wait_for(struct talk *t, short events)
{
	struct child *c = &t->cell->child;
	struct pollfd polls[] = { { .fd = c->input, .events = events },
				  { .fd = c->control, .events = POLLIN },
				  { .fd = c->errors, .events = POLLIN } };

	poll(polls, sizeof(polls) / sizeof(polls[0]), TICK_MS);
	if (polls[2].revents)
		stderr_log_read(&t->cell->log, &c->errors);
	if (polls[1].revents)
		child_hear(c);
	/* What it has said before its end is read first. */
	if (child_is_over(c) && !(polls[0].revents & POLLIN))
		return ERR_CLOSED;
	return look_at_clock(t);
}

/* *has_begun: a byte of them is out. */
static int
send_all(struct talk *t, struct slice bytes, bool *has_begun)
{
	int err = 0;

	while (bytes.len > 0 && !err) {
		ssize_t sent = send(t->cell->child.input, bytes.at, bytes.len, MSG_NOSIGNAL);

		*has_begun |= sent > 0;
		if (sent > 0)
			bytes = slice_after(bytes, (size_t)sent);
		else if (sent < 0 && errno != EAGAIN && errno != EINTR)
			return ERR_CLOSED;
		else
			err = wait_for(t, POLLOUT);
	}
	return err;
}

static int
receive_all(struct talk *t, void *into, size_t bytes)
{
	char *at = into;
	int err = 0;

	while (bytes > 0 && !err) {
		ssize_t got = recv(t->cell->child.input, at, bytes, 0);

		if (got > 0) {
			at += got;
			bytes -= (size_t)got;
		} else if (got == 0 || (errno != EAGAIN && errno != EINTR)) {
			return ERR_CLOSED;
		} else {
			err = wait_for(t, POLLIN);
		}
	}
	return err;
}

/* --- becoming ready ------------------------------------------------------------------- */

static int
send_section(struct talk *t)
{
	struct cell_frame frame = { .kind = CELL_SECTION };
	struct buffer b;
	bool has_begun = false;
	int err;

	buffer_init(&b, CELL_FRAME_MAX);
	buffer_put(&b, slice_make((const char *)&frame, sizeof(frame)));
	section_text_put(&b, t->cell->module->section);
	frame.bytes = b.len - sizeof(frame);
	if (!b.err)
		memcpy(b.at, &frame, sizeof(frame));
	err = b.err ? b.err : send_all(t, buffer_slice(&b), &has_begun);
	buffer_fini(&b);
	return err;
}

/* Why it refused: text of its own. */
static int
hear_refusal(struct talk *t, const struct cell_frame *frame)
{
	char why[CELL_WHY_BYTES];
	size_t bytes = frame->bytes < sizeof(why) ? (size_t)frame->bytes : sizeof(why);
	int err = receive_all(t, why, bytes);

	if (!err)
		log_error("%s: its process cannot serve: %.*s", t->cell->name, (int)bytes, why);
	return err ? err : ERR_FAILED;
}

static int
make_ready(struct talk *t)
{
	struct cell *c = t->cell;
	struct cell_frame frame;
	int err = 0;

	child_hear(&c->child); /* it may have ended since */
	if (c->is_ready && !child_is_over(&c->child))
		return 0;
	if (c->child.control < 0 || child_is_over(&c->child)) {
		child_close(&c->child);
		err = start(c);
		if (!err)
			err = send_section(t);
		/* Half a section is of no use to whoever comes next; of an end, judge() hears. */
		if (err && err != ERR_CLOSED)
			child_close(&c->child);
	}
	if (!err)
		err = receive_all(t, &frame, sizeof(frame));
	if (!err && frame.kind != CELL_READY)
		err = frame.kind == CELL_REFUSED ? hear_refusal(t, &frame) : ERR_PROTOCOL;
	c->is_ready = !err;
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
	err = b.err ? b.err : send_all(t, buffer_slice(&b), &t->is_running);
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
	err = receive_all(t, w.at, bytes);
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
	int err = receive_all(t, &frame, sizeof(frame));

	if (!err)
		err = receive_all(t, &h, sizeof(h));
	if (!err && !is_sound(&frame, &h, call))
		err = ERR_PROTOCOL;
	if (!err)
		err = receive_all(t, fields, h.field_bytes);
	if (!err)
		err = receive_all(t, why, h.why_bytes);
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
	struct cell *c = t->cell;

	stderr_log_end(&c->log);
	child_close(&c->child);
	if (start(c) != 0)
		return;
	t->job = NULL;
	t->cancelled_ns = 0;
	t->is_running = t->is_given = false;
	t->until_ns = clock_after(clock_monotonic(), READY_NS);
	if (send_section(t) != 0)
		child_close(&c->child);
}

/* The socket's end comes a moment before the word about it. */
static void
await_end(struct cell *c)
{
	uint64_t until = clock_after(clock_monotonic(), END_NS);

	while (!child_is_over(&c->child) && clock_monotonic() < until) {
		struct pollfd p = { .fd = c->child.control, .events = POLLIN };
		poll(&p, 1, TICK_MS);
		child_hear(&c->child);
	}
	/* One that closed its socket and writes on has no last words. */
	child_stop(&c->child, false);
	for (unsigned turns = 0; c->child.errors >= 0 && turns < REST_TURNS; turns++) {
		if (!stderr_log_read(&c->log, &c->child.errors))
			break;
	}
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

	await_end(c);
	child_explain(&c->child, &why);
	if (c->child.state == CHILD_FAILED || c->child.state == CHILD_LOST) {
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
	t.until_ns = clock_after(clock_monotonic(), READY_NS);
	err = make_ready(&t);
	if (err == ERR_FAILED) {
		child_close(&t.cell->child);
		return err;
	}
	t.until_ns = CLOCK_NEVER;
	stderr_log_init(&t.cell->log, t.cell->name);
	if (!err)
		err = send_run(&t, call);
	t.is_given = !err;
	/* Who waited has left meanwhile. */
	if (!err && t.cancelled_ns)
		tell_to_stop(&t);
	if (!err)
		err = receive_result(&t, call);
	return judge(&t, call, err);
}
