/*
 * The thread that writes; see access_writer.h.
 */
#include "accesslog/access_writer.h"

#include "accesslog/access_outbox.h"
#include "base/list.h"
#include "base/log.h"
#include "base/log_file.h"
#include "base/mem.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* How long a pipe or socket may have no room, when it had some last time. */
enum { WAIT_MS = 1000 };

enum order_kind { ORDER_SWITCH, ORDER_REOPEN };

/* On the heap; the receiver frees it. */
struct access_order {
	struct mail mail;
	enum order_kind kind;
	int fd; /* owned */
	char *path; /* owned; NULL: no log */
};

/* --- files ---------------------------------------------------------------------------- */

/* The number of a standard stream that goes by its name; -1: it is a path. */
static int
stream_of(struct slice path)
{
	return slice_eq(path, SLICE("stdout"))   ? STDOUT_FILENO
	       : slice_eq(path, SLICE("stderr")) ? STDERR_FILENO
						 : -1;
}

static void
close_file(int fd)
{
	if (fd > STDERR_FILENO)
		close(fd);
}

int
access_writer_check(struct slice path)
{
	return path.len == 0 || stream_of(path) >= 0 ? 0 : log_file_check(path.at);
}

/* --- writing ------------------------------------------------------------------------------ */

/* Of what is no file only as much as a pipe is sure to take once it says that it takes any: the
 * thread must be able to end although nobody reads. */
static size_t
next_step(struct access_writer *w, bool is_file, size_t left)
{
	struct pollfd p = { .fd = w->fd, .events = POLLOUT };

	if (is_file)
		return left;
	if (poll(&p, 1, w->is_short ? 0 : WAIT_MS) != 1) {
		errno = EAGAIN;
		return 0;
	}
	return left < PIPE_BUF ? left : PIPE_BUF;
}

/* Writes as much as it can; how much that was. Less: errno says why. */
static size_t
write_bytes(struct access_writer *w, struct slice s)
{
	size_t done = 0;
	struct stat st;
	bool is_file = fstat(w->fd, &st) == 0 && S_ISREG(st.st_mode);

	while (done < s.len) {
		size_t step = next_step(w, is_file, s.len - done);
		ssize_t n = step ? write(w->fd, s.at + done, step) : -1;

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (size_t)n;
	}
	return done;
}

static uint32_t
count_lines(struct slice s)
{
	uint32_t lines = 0;

	for (const char *at = s.at; (at = memchr(at, '\n', s.len - (size_t)(at - s.at))); at++)
		lines++;
	return lines;
}

static void
begin_shortage(struct access_writer *w, int number)
{
	if (!w->is_short)
		log_error("access log: %s: %s%s; lines are dropped until it can be written",
			  w->path ? w->path : "no file",
			  number == EAGAIN ? "nobody reads it" : strerror(number),
			  log_file_advice(number));
	w->is_short = true;
}

static void
end_shortage(struct access_writer *w)
{
	if (w->is_short)
		log_warning("access log: %s: written again; %llu lines were lost",
			    w->path ? w->path : "no file", (unsigned long long)w->lost);
	w->is_short = false;
	w->lost = 0;
}

/* Half a line from a shortage gets its end, so that the next one begins a line. */
static bool
mend(struct access_writer *w)
{
	if (w->is_torn && write_bytes(w, SLICE("\n")) == 1)
		w->is_torn = false;
	return !w->is_torn;
}

static void
write_buffer(struct access_writer *w, struct access_buffer *b)
{
	struct slice s = slice_make(b->at, b->len);
	size_t done = 0;

	errno = EBADF;
	if (w->fd >= 0 && mend(w))
		done = write_bytes(w, s);
	if (done == s.len) {
		end_shortage(w);
		return;
	}
	begin_shortage(w, errno);
	b->lost = count_lines(slice_after(s, done));
	w->lost += b->lost;
	w->is_torn |= done > 0 && s.at[done - 1] != '\n';
}

static void
on_buffer(struct mail *m, void *receiver)
{
	struct access_buffer *b = CONTAINER_OF(m, struct access_buffer, mail);

	write_buffer(receiver, b);
	access_outbox_send_home(b);
}

void
access_writer_send(struct mailbox *writer, struct access_buffer *b)
{
	b->mail.deliver = on_buffer;
	mailbox_send(writer, &b->mail);
}

/* --- orders --------------------------------------------------------------------------------- */

static bool
is_same_file(int a, int b)
{
	struct stat of_a, of_b;

	return fstat(a, &of_a) == 0 && fstat(b, &of_b) == 0 && of_a.st_dev == of_b.st_dev &&
	       of_a.st_ino == of_b.st_ino;
}

static void
take_file(struct access_writer *w, int fd)
{
	/* Half a line stays behind with its file. */
	w->is_torn = w->is_torn && is_same_file(w->fd, fd);
	close_file(w->fd);
	w->fd = fd;
}

/* Without a new file the old one stays, for lines that are still on their way. */
static void
switch_to(struct access_writer *w, struct access_order *o)
{
	w->is_unwanted = !o->path;
	if (!o->path)
		return;
	take_file(w, o->fd);
	o->fd = -1;
	mem_free(&w->path);
	w->path = o->path;
	o->path = NULL;
}

static void
reopen(struct access_writer *w)
{
	int fd;

	if (!w->path || stream_of(slice_of(w->path)) >= 0 || w->is_unwanted)
		return;
	fd = log_file_open(w->path);
	if (fd < 0)
		log_error("access log: %s: %s%s; going on with the old file", w->path,
			  strerror(errno), log_file_advice(errno));
	else
		take_file(w, fd);
}

static void
free_order(struct access_order **order)
{
	struct access_order *o = *order;

	if (!o)
		return;
	close_file(o->fd);
	mem_free(&o->path);
	mem_free(order);
}

static void
on_order(struct mail *m, void *receiver)
{
	struct access_order *o = CONTAINER_OF(m, struct access_order, mail);
	struct access_writer *w = receiver;

	switch (o->kind) {
	case ORDER_SWITCH:
		switch_to(w, o);
		break;
	case ORDER_REOPEN:
		reopen(w);
		break;
	}
	free_order(&o);
}

static void
on_stop(struct mail *m, void *receiver)
{
	struct access_writer *w = receiver;

	(void)m;
	w->is_over = true;
}

static struct access_order *
new_order(enum order_kind kind)
{
	struct access_order *o = mem_zalloc(1, sizeof(*o));

	if (o)
		*o = (struct access_order){ .mail.deliver = on_order, .kind = kind, .fd = -1 };
	return o;
}

/* --- the thread ------------------------------------------------------------------------------ */

/* The wake-up is counted in an eventfd, which is emptied here. */
static void
sleep_until_mail(struct mailbox *b)
{
	struct pollfd p = { .fd = b->wake_fd, .events = POLLIN };
	uint64_t count;

	if (!mailbox_fall_asleep(b))
		return;
	while (poll(&p, 1, -1) < 0 && errno == EINTR)
		continue;
	if (read(b->wake_fd, &count, sizeof(count)) < 0)
		log_debug("access log: eventfd: %s", strerror(errno));
	mailbox_wake_up(b);
}

static void
run(void *argument)
{
	struct access_writer *w = argument;

	while (!w->is_over) {
		if (mailbox_drain(&w->mailbox, w) == 0)
			sleep_until_mail(&w->mailbox);
	}
}

int
access_writer_init(struct access_writer *w)
{
	int err;

	*w = (struct access_writer){ .fd = -1 };
	err = mailbox_init(&w->mailbox);
	w->has_mailbox = !err;
	return err;
}

static int
start(struct access_writer *w)
{
	if (w->thread.is_running)
		return 0;
	w->thread.role = THREAD_LOG;
	w->thread.run = run;
	w->thread.argument = w;
	snprintf(w->thread.name, sizeof(w->thread.name), "log writer");
	return thread_start(&w->thread);
}

static int
open_path(struct access_order *o, struct slice path)
{
	o->path = mem_copy_text(path.at);
	if (!o->path)
		return ERR_MEMORY;
	o->fd = stream_of(path);
	if (o->fd < 0)
		o->fd = log_file_open(o->path);
	return o->fd < 0 ? ERR_SYSTEM : 0;
}

int
access_writer_prepare(struct access_writer *w, struct slice path)
{
	int err = 0, number;

	access_writer_cancel(w);
	if (path.len == 0 && !w->thread.is_running)
		return 0;
	w->prepared = new_order(ORDER_SWITCH);
	if (!w->prepared)
		return ERR_MEMORY;
	if (path.len > 0)
		err = open_path(w->prepared, path);
	if (!err)
		err = start(w);
	number = errno;
	if (err)
		access_writer_cancel(w);
	errno = number;
	return err;
}

void
access_writer_commit(struct access_writer *w)
{
	if (w->prepared)
		mailbox_send(&w->mailbox, &w->prepared->mail);
	w->prepared = NULL;
}

void
access_writer_cancel(struct access_writer *w)
{
	free_order(&w->prepared);
}

void
access_writer_reopen(struct access_writer *w)
{
	struct access_order *o = w->thread.is_running ? new_order(ORDER_REOPEN) : NULL;

	if (o)
		mailbox_send(&w->mailbox, &o->mail);
	else if (w->thread.is_running)
		log_error("access log: not opened again: %s", err_text(ERR_MEMORY));
}

void
access_writer_fini(struct access_writer *w)
{
	access_writer_cancel(w);
	if (w->thread.is_running) {
		w->stop.deliver = on_stop;
		mailbox_send(&w->mailbox, &w->stop);
		thread_join(&w->thread);
	}
	take_file(w, -1);
	mem_free(&w->path);
	if (w->has_mailbox)
		mailbox_fini(&w->mailbox);
	w->has_mailbox = false;
}
