/*
 * A program's run; see child_run.h. It ends when the spawner says so: then what
 * is left in the pipes is taken, and nothing is waited for that a process which
 * got away may still hold open.
 */
#include "child/child_run.h"

#include "base/clock.h"
#include "base/log.h"
#include "child/order.h"
#include "child/stderr_log.h"
#include "thread/pool.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

/* How soon it is seen that nobody waits; how long one that was killed is waited for (a process
 * that the kernel holds cannot die); pieces of output. */
enum { TICK_MS = 10, PIECE_BYTES = 65536, REST_TURNS = 64, WHY_BYTES = 200 };
#define DEATH_NS (10 * CLOCK_SEC)

struct running {
	const struct child_run *run;
	struct child child;
	struct stderr_log log;
	size_t sent; /* of the input */
	bool is_cancelled; /* nobody waits any more */
	uint64_t stopped_ns; /* when it was told to end; 0: it was not */
	bool is_killed;
};

/* --- its input and output --------------------------------------------------------- */

/* A program need not read all that it is given: then the rest is dropped. */
static void
feed(struct running *r)
{
	struct slice rest = slice_after(r->run->input, r->sent);
	ssize_t sent = 0;

	if (rest.len > 0)
		sent = write(r->child.input, rest.at, rest.len);
	if (sent < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (sent > 0)
		r->sent += (size_t)sent;
	if (sent < 0 || r->sent == r->run->input.len)
		child_close_fd(&r->child.input);
}

/* Whether there was anything. */
static bool
take_output(struct running *r)
{
	struct buffer *b = r->run->output;
	size_t room = b->limit - b->len;
	/* One byte more than may be, to see that there is more. */
	struct writer w = buffer_room(b, room < PIECE_BYTES ? room : PIECE_BYTES);
	ssize_t got = 0;
	char more;

	if (!b->err) {
		got =
		    room > 0 ? read(r->child.output, w.at, w.cap) : read(r->child.output, &more, 1);
		w.len = got > 0 && room > 0 ? (size_t)got : 0;
		w.is_full = got > 0 && room == 0;
		buffer_wrote(b, &w);
	}
	if (b->err || got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR))
		child_close_fd(&r->child.output);
	return !b->err && got > 0;
}

static void
wait_for_any(struct running *r)
{
	struct pollfd polls[] = {
		{ .fd = r->child.control, .events = POLLIN },
		{ .fd = r->child.input, .events = POLLOUT },
		{ .fd = r->child.output, .events = POLLIN },
		{ .fd = r->child.errors, .events = POLLIN },
	};

	if (poll(polls, sizeof(polls) / sizeof(polls[0]), TICK_MS) <= 0)
		return;
	if (polls[1].revents)
		feed(r);
	if (polls[2].revents)
		take_output(r);
	if (polls[3].revents)
		stderr_log_read(&r->log, &r->child.errors);
	if (polls[0].revents)
		child_hear(&r->child);
}

/* --- its end ---------------------------------------------------------------------- */

static void
stop(struct running *r, uint64_t now)
{
	bool politely = r->run->grace_ns > 0;

	r->stopped_ns = now;
	r->is_killed = !politely;
	child_stop(&r->child, politely);
}

/* False: it has been waited for long enough. */
static bool
see_to_end(struct running *r)
{
	uint64_t now = clock_monotonic();

	if (!r->stopped_ns) {
		r->is_cancelled = job_is_cancelled(r->run->job);
		if (r->is_cancelled || r->run->output->err)
			stop(r, now);
		return true;
	}
	if (!r->is_killed && now - r->stopped_ns >= r->run->grace_ns) {
		r->is_killed = true;
		child_stop(&r->child, false);
	}
	return now - r->stopped_ns < r->run->grace_ns + DEATH_NS;
}

/* What it wrote before it ended. Of its standard error not more than pipes hold: one that got away
 * may still write. */
static void
take_rest(struct running *r)
{
	bool more = true;

	while (r->child.output >= 0 && more)
		more = take_output(r);
	more = true;
	for (unsigned turns = 0; r->child.errors >= 0 && more && turns < REST_TURNS; turns++)
		more = stderr_log_read(&r->log, &r->child.errors);
	stderr_log_end(&r->log);
}

static int
judge(const struct running *r)
{
	char text[WHY_BYTES];
	struct writer why = writer_over(text, sizeof(text));

	if (r->is_cancelled)
		return ERR_CANCELLED;
	if (r->run->output->err)
		return r->run->output->err;
	if (child_has_succeeded(&r->child))
		return 0;
	child_explain(&r->child, &why);
	log_warning("%s: %.*s", r->run->log_name, SLICE_PRINT(writer_slice(&why)));
	return ERR_FAILED;
}

int
child_run(const struct child_run *run, const struct order *o)
{
	struct running r = { .run = run };
	int err = spawner_start(run->spawner, o, CHILD_PIPES, &r.child);

	if (err)
		return err;
	if (run->give_output) {
		run->give_output(run, r.child.output);
		r.child.output = -1;
	}
	stderr_log_init(&r.log, run->log_name);
	while (!child_is_over(&r.child) && see_to_end(&r))
		wait_for_any(&r);
	take_rest(&r);
	err = judge(&r);
	child_close(&r.child);
	return err;
}
