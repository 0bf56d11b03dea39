/*
 * The life of a cell, and the bytes there and back; see cell.h. On the thread
 * that has it: of a pool, or the builder. What it says is as little trusted as
 * what an upstream says.
 */
#include "base/buffer.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/writer.h"
#include "child/spawner.h"
#include "config/expand.h"
#include "module/cell_priv.h"
#include "module/cell_wire.h"
#include "module/module_priv.h"
#include "module/section_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum { REST_TURNS = 64, FILES = 64, NAME_BYTES = 256 };

/* For a job to notice that nobody waits. */
#define CANCEL_NS (250 * CLOCK_MS)

/* --- bytes there and back ------------------------------------------------------------- */

void
cell_tell_to_stop(struct talk *t)
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

	if (t->stop && flag_is_raised(t->stop))
		return ERR_CANCELLED;
	if (!t->cancelled_ns && t->job && job_is_cancelled(t->job)) {
		t->cancelled_ns = now;
		cell_tell_to_stop(t);
	}
	if (now >= t->until_ns)
		return ERR_TIMEOUT;
	if (!t->cancelled_ns)
		return 0;
	/* A cell that is not ready yet, or has no byte of the run, goes on without us. */
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

	poll(polls, sizeof(polls) / sizeof(polls[0]), CELL_TICK_MS);
	if (polls[2].revents)
		stderr_log_read(&t->cell->log, &c->errors);
	if (polls[1].revents)
		child_hear(c);
	/* What it has said before its end is read first. */
	if (child_is_over(c) && !(polls[0].revents & POLLIN))
		return ERR_CLOSED;
	return look_at_clock(t);
}

int
cell_send(struct talk *t, struct slice bytes, bool *has_begun)
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

int
cell_receive(struct talk *t, void *into, size_t bytes)
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

/* --- beginning ------------------------------------------------------------------------ */

/* What every program may want to know, and sanitizers do. All else of the server's environment may
 * be a secret. */
static const char *const shared_variables[] = {
	"PATH",         "LANG",         "LC_ALL",        "TZ",          "LD_LIBRARY_PATH",
	"ASAN_OPTIONS", "LSAN_OPTIONS", "UBSAN_OPTIONS", "TSAN_OPTIONS"
};

static void
pass_variable(struct order *o, struct slice name)
{
	char text[NAME_BYTES];
	struct writer w = writer_over(text, sizeof(text) - 1);
	const char *value;

	writer_put(&w, name);
	text[w.len] = '\0';
	value = w.is_full ? NULL : getenv(text);
	if (value)
		order_variable(o, name, slice_of(value));
}

/* The process expands the values of its section itself. */
static void
pass_environment(struct order *o, const struct conf_section *s)
{
	for (size_t i = 0; i < sizeof(shared_variables) / sizeof(shared_variables[0]); i++)
		pass_variable(o, slice_of(shared_variables[i]));
	for (const struct conf_entry *entry = s->entries; entry; entry = entry->next) {
		struct slice rest = entry->raw, name;

		while (expand_next_name(&rest, &name))
			pass_variable(o, name);
	}
}

/* The module's file goes along, as the process' descriptor 3. */
static void
write_order(struct order *o, const struct module *m, const struct order_share *share)
{
	const struct order_limits limits = { .memory = m->conf.max_memory, .files = FILES };

	order_init(o, "/proc/self/exe", "/", &limits);
	order_argument(o, SLICE("--serve-module"));
	order_argument(o, SLICE("/proc/self/fd/3"));
	order_argument(o, SLICE("-c"));
	order_argument(o, slice_of(m->section->file->name));
	pass_environment(o, m->section);
	o->head.share = *share;
}

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
	err = b.err ? b.err : cell_send(t, buffer_slice(&b), &has_begun);
	buffer_fini(&b);
	return err;
}

int
cell_start(struct talk *t, const struct order_share *share)
{
	struct cell *c = t->cell;
	struct module *m = c->module;
	struct order o;
	int err;

	child_close(&c->child);
	stderr_log_end(&c->log);
	stderr_log_init(&c->log, c->name);
	c->is_ready = false;
	c->share = *share;
	c->until_ns = t->until_ns = clock_after(clock_monotonic(), m->ready_ns);
	write_order(&o, m, share);
	err = spawner_start_with(m->spawner, &o, CHILD_SOCKET, m->image.fd, &c->child);
	order_fini(&o);
	if (!err)
		err = send_section(t);
	/* Half a section is of no use to whoever comes next. Who is told of an end looks at it. */
	if (err && err != ERR_CLOSED)
		child_close(&c->child);
	return err;
}

/* Why it refused: text of its own. */
static int
hear_refusal(struct talk *t, const struct cell_frame *frame)
{
	char why[CELL_WHY_BYTES];
	size_t bytes = frame->bytes < sizeof(why) ? (size_t)frame->bytes : sizeof(why);
	int err = cell_receive(t, why, bytes);

	if (!err && t->why)
		writer_put(t->why, slice_make(why, bytes));
	else if (!err)
		log_error("%s: its process cannot serve: %.*s", t->cell->name, (int)bytes, why);
	return err ? err : ERR_FAILED;
}

int
cell_await_ready(struct talk *t)
{
	struct cell *c = t->cell;
	struct cell_frame frame;
	int err;

	t->until_ns = c->until_ns;
	err = cell_receive(t, &frame, sizeof(frame));
	if (!err && frame.kind != CELL_READY)
		err = frame.kind == CELL_REFUSED ? hear_refusal(t, &frame) : ERR_PROTOCOL;
	c->is_ready = !err;
	return err;
}

int
cell_make_ready(struct talk *t)
{
	struct cell *c = t->cell;
	struct order_share share;
	bool is_there;
	int err = 0;

	child_hear(&c->child); /* it may have ended since */
	is_there = c->child.control >= 0 && !child_is_over(&c->child);
	if (is_there && c->is_ready)
		return 0;
	if (!is_there) {
		share = order_share_of_thread();
		err = cell_start(t, &share);
	}
	return err ? err : cell_await_ready(t);
}

struct cell *
cell_new(struct module *m)
{
	struct cell *c = mem_zalloc(1, sizeof(*c));

	if (!c)
		return NULL;
	c->module = m;
	c->child = (struct child){
		.state = CHILD_LOST, .control = -1, .input = -1, .output = -1, .errors = -1
	};
	snprintf(c->name, sizeof(c->name), "module %.*s", SLICE_PRINT(m->section->name));
	stderr_log_init(&c->log, c->name);
	return c;
}

/* --- ending --------------------------------------------------------------------------- */

void
cell_end_by(struct cell **pointer, uint64_t until_ns)
{
	struct cell *c = *pointer;

	child_close_fd(&c->child.input);
	while (c->child.control >= 0 && !child_is_over(&c->child) && clock_monotonic() < until_ns) {
		struct pollfd p[] = { { .fd = c->child.control, .events = POLLIN },
				      { .fd = c->child.errors, .events = POLLIN } };
		poll(p, 2, CELL_TICK_MS);
		if (p[1].revents)
			stderr_log_read(&c->log, &c->child.errors);
		child_hear(&c->child);
	}
	stderr_log_end(&c->log);
	child_close(&c->child);
	mem_free(pointer);
}

void
cell_end(struct cell **pointer)
{
	cell_end_by(pointer, clock_after(clock_monotonic(), CELL_END_NS));
}

/* The socket's end comes a moment before the word about it. */
void
cell_await_end(struct cell *c)
{
	uint64_t until = clock_after(clock_monotonic(), CELL_END_NS);

	while (!child_is_over(&c->child) && clock_monotonic() < until) {
		struct pollfd p = { .fd = c->child.control, .events = POLLIN };
		poll(&p, 1, CELL_TICK_MS);
		child_hear(&c->child);
	}
	/* One that closed its socket and writes on has no last words. */
	child_stop(&c->child, false);
	for (unsigned turns = 0; c->child.errors >= 0 && turns < REST_TURNS; turns++) {
		if (!stderr_log_read(&c->log, &c->child.errors))
			break;
	}
}

bool
cell_ended_itself(const struct cell *c)
{
	return c->child.state != CHILD_FAILED && c->child.state != CHILD_LOST;
}
