/*
 * A program's output, read by the worker; see exec_stream.h.
 *
 * What comes from outside - the pipe, the job, the reader above - is only noted,
 * and done in work(). After a call upwards the run may be gone, and all of this
 * with it: only the subrequest's own state tells.
 */
#include "source/exec_stream.h"

#include "base/log.h"

#include <sys/ioctl.h>
#include <unistd.h>

enum {
	READS_TURN = 16,
	ROOM_LEAST = STORE_BLOCK_BYTES / 4, /* of a block, to be read into */
};

void
exec_stream_init(struct exec_stream *s, struct offload *o, uint64_t limit)
{
	*s = (struct exec_stream){ .offload = o, .limit = limit, .fd = -1 };
}

static struct loop *
loop_of(const struct exec_stream *s)
{
	return &s->offload->lease->env->loop;
}

static void
drop_block(struct exec_stream *s)
{
	if (s->block)
		block_unref(s->block);
	s->block = NULL;
}

void
exec_stream_close(struct exec_stream *s)
{
	s->is_over = true;
	if (!s->is_here)
		return; /* what is still on its way is closed when it comes */
	drop_block(s);
	io_close(&s->io);
	loop_forget(loop_of(s), &s->work);
}

static void
fail(struct exec_stream *s, int err)
{
	struct subrequest *q;

	exec_stream_close(s);
	q = offload_leave(s->offload);
	subrequest_done(q, err);
}

/* The program has ended well, and all of its output has been passed on. */
static void
finish(struct exec_stream *s)
{
	struct slice type = s->offload->type;
	struct subrequest *q;

	exec_stream_close(s);
	q = offload_leave(s->offload);
	if (q->state_now == SUBREQUEST_HEAD)
		subrequest_done(q, 0);
	else
		subrequest_answer(q, 200, type, SLICE(""));
}

/* --- the pipe ---------------------------------------------------------------------- */

static int
give_head(struct exec_stream *s)
{
	struct subrequest *q = s->offload->q;
	int err;

	if (q->state_now == SUBREQUEST_HEAD)
		return 0;
	q->response.status = 200;
	q->response.framing = BODY_CHUNKED;
	err = subrequest_set_type(q, s->offload->type);
	if (!err)
		subrequest_head(q);
	return err;
}

/* The block's last n bytes. With 0 the run may have ended, and s with it. */
static int
pass_on(struct exec_stream *s, size_t n)
{
	struct subrequest *q = s->offload->q;
	struct chunks list;
	int err = give_head(s), wish;

	if (err || q->state_now != SUBREQUEST_HEAD)
		return err;
	chunks_init(&list, s->block->store);
	err = chunks_add_block(&list, s->block, slice_make(s->block->at + s->block->len - n, n));
	if (err)
		return err;
	wish = subrequest_body(q, &list);
	chunks_clear(&list);
	if (q->state_now == SUBREQUEST_HEAD)
		s->is_paused = wish == SUBREQUEST_PAUSE;
	return 0;
}

/* What was read before is in front of it: a program must not pin a block with each byte. */
static int
make_room(struct exec_stream *s)
{
	if (s->block && block_room(s->block) >= ROOM_LEAST)
		return 0;
	drop_block(s);
	s->block = block_take(&s->offload->q->env->store, 0);
	return s->block ? 0 : ERR_MEMORY;
}

/* 0: more may be there. ERR_BUSY: not now. Else it is over: ERR_CLOSED, or why it failed. */
static int
read_some(struct exec_stream *s)
{
	struct block *b;
	size_t most;
	long n;

	if (s->offload->is_home && s->left == 0)
		return ERR_CLOSED;
	if (make_room(s) != 0)
		return ERR_MEMORY;
	b = s->block;
	most = block_room(b);
	if (s->offload->is_home && s->left < most)
		most = s->left;
	n = io_read_pipe(&s->io, b->at + b->len, most);
	if (n <= 0)
		return n == 0 ? ERR_CLOSED : (int)n;
	b->len += (uint32_t)n;
	s->taken += (uint64_t)n;
	s->left -= s->offload->is_home ? (size_t)n : 0;
	return s->limit > 0 && s->taken > s->limit ? ERR_TOO_LARGE : pass_on(s, (size_t)n);
}

/* Nothing is in it now, or it has ended. */
static void
stop_reading(struct exec_stream *s, int why)
{
	if (why != ERR_BUSY && why != ERR_CLOSED) {
		fail(s, why);
		return;
	}
	if (s->block && s->block->refs == 1)
		drop_block(s); /* all of it was taken: who waits holds none */
	if (why == ERR_CLOSED) {
		s->is_over = true;
		io_close(&s->io);
	}
	if (s->offload->is_home)
		finish(s);
}

static void
work(struct exec_stream *s)
{
	struct subrequest *q = s->offload->q;

	for (unsigned i = 0; i < READS_TURN; i++) {
		int err = read_some(s);

		if (err) {
			stop_reading(s, err);
			return;
		}
		if (q->state_now != SUBREQUEST_HEAD || s->is_paused)
			return;
	}
	loop_last(loop_of(s), &s->work);
}

static void
on_work(struct deferred *d)
{
	struct exec_stream *s = CONTAINER_OF(d, struct exec_stream, work);

	if (!s->is_over && !s->is_paused)
		work(s);
}

static void
on_ready(struct io *io, unsigned ready)
{
	struct exec_stream *s = CONTAINER_OF(io, struct exec_stream, io);

	(void)ready;
	loop_soon(loop_of(s), &s->work);
}

/* --- from the pool ------------------------------------------------------------------- */

static void
on_arrival(struct mail *m, void *receiver)
{
	struct exec_stream *s = CONTAINER_OF(m, struct exec_stream, mail);

	(void)receiver;
	io_init(&s->io, loop_of(s), s->fd, on_ready);
	s->work.run = on_work;
	s->is_here = true;
	if (!s->offload->q) {
		io_close(&s->io);
	} else if (io_watch(&s->io) != 0) {
		log_error("exec: the output of a program cannot be watched");
		fail(s, ERR_SYSTEM);
	} else {
		loop_soon(loop_of(s), &s->work);
	}
}

void
exec_stream_give(struct exec_stream *s, int fd)
{
	s->fd = fd;
	s->mail.deliver = on_arrival;
	mailbox_send(s->offload->job.home, &s->mail);
}

/* What is in the pipe when the program has ended is the last that is read: what got away from its
 * group may hold it open, and write for ever. */
static void
read_rest(struct exec_stream *s)
{
	int n;

	if (ioctl(io_fd(&s->io), FIONREAD, &n) != 0) {
		fail(s, ERR_SYSTEM);
		return;
	}
	s->left = (size_t)n;
	loop_soon(loop_of(s), &s->work);
}

/* The descriptor has come before: it was sent before, by the same thread. */
bool
exec_stream_home(struct exec_stream *s)
{
	if (!s->is_here)
		return false;
	if (s->offload->job.outcome != 0)
		fail(s, s->offload->job.outcome);
	else if (s->is_over)
		finish(s);
	else
		read_rest(s);
	return true;
}

void
exec_stream_resume(struct exec_stream *s)
{
	s->is_paused = false;
	if (!s->is_over)
		loop_soon(loop_of(s), &s->work);
}
