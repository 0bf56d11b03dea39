/*
 * One question to the admin listener; see client.h.
 *
 * It is asked in HTTP/1.0: the answer ends with the connection and is never
 * chunked, so that there is one way to read it.
 */
#include "ctl/client.h"

#include "base/clock.h"
#include "wire/h1_head.h"

#include <errno.h>
#include <poll.h>
#include <unistd.h>

enum { ANSWER_BYTES = 64 << 20, REQUEST_BYTES = 4096, STEP = 16384, FIELDS = 64 };

/* --- waiting ------------------------------------------------------------------------------- */

/* 0, or ERR_TIMEOUT. */
static int
wait_for(int fd, short events, uint64_t deadline)
{
	for (;;) {
		struct pollfd p = { .fd = fd, .events = events };
		uint64_t now = clock_monotonic();
		uint64_t ms = now < deadline ? (deadline - now) / CLOCK_MS + 1 : 0;
		int n = poll(&p, 1, ms < INT32_MAX ? (int)ms : INT32_MAX);

		if (n > 0)
			return 0;
		if (now >= deadline)
			return ERR_TIMEOUT;
	}
}

static bool
is_busy(void)
{
	return errno == EAGAIN || errno == EINTR;
}

/* --- the steps ------------------------------------------------------------------------------ */

static int
finish_connect(int fd, uint64_t deadline)
{
	int failed = 0;
	socklen_t len = sizeof(failed);
	int err = wait_for(fd, POLLOUT, deadline);

	if (err)
		return err;
	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &failed, &len) != 0)
		return ERR_CONNECT;
	errno = failed;
	return failed ? ERR_CONNECT : 0;
}

static int
open_connection(const struct address *to, uint64_t deadline, int *fd)
{
	*fd = socket(to->of.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (*fd < 0)
		return ERR_CONNECT;
	if (connect(*fd, &to->of.any, to->len) == 0)
		return 0;
	return errno == EINPROGRESS ? finish_connect(*fd, deadline) : ERR_CONNECT;
}

static int
send_all(int fd, struct slice s, uint64_t deadline)
{
	while (s.len) {
		ssize_t n = send(fd, s.at, s.len, MSG_NOSIGNAL);
		int err = n < 0 && !is_busy() ? ERR_CLOSED : 0;

		if (n > 0)
			s = slice_after(s, (size_t)n);
		else if (!err)
			err = wait_for(fd, POLLOUT, deadline);
		if (err)
			return err;
	}
	return 0;
}

static int
send_request(int fd, const struct client_question *q, uint64_t deadline)
{
	char request[REQUEST_BYTES];
	struct writer w = writer_over(request, sizeof(request));

	writer_format(&w, "%s %s HTTP/1.0\r\nHost: forebay\r\nAccept: %s\r\n", q->method, q->target,
		      q->accept);
	writer_text(&w, strcmp(q->method, "POST") == 0 ? "Content-Length: 0\r\n\r\n" : "\r\n");
	return w.is_full ? ERR_TOO_LARGE : send_all(fd, writer_slice(&w), deadline);
}

/* Until the other side closes. */
static int
receive_all(int fd, struct buffer *b, uint64_t deadline)
{
	char step[STEP];

	for (;;) {
		ssize_t n = recv(fd, step, sizeof(step), 0);
		int err = n < 0 && !is_busy() ? ERR_CLOSED : 0;

		if (n == 0)
			return 0;
		if (n > 0)
			buffer_put(b, slice_make(step, (size_t)n));
		else if (!err)
			err = wait_for(fd, POLLIN, deadline);
		if (err || b->err)
			return err ? err : b->err;
	}
}

static int
read_answer(struct client_answer *a)
{
	static const struct h1_limits limits = { .max_head_bytes = STEP, .max_fields = FIELDS };
	struct field fields[FIELDS];
	struct response r = { .fields = { .at = fields, .cap = FIELDS } };
	struct slice all = buffer_slice(&a->memory);
	struct h1_parse p;
	int done = h1_response_parse(&r, METHOD_GET, all, &limits, &p);

	if (done == H1_MORE)
		return ERR_CLOSED;
	if (done < 0 || r.status < 200 || r.framing == BODY_CHUNKED)
		return ERR_PROTOCOL;
	a->status = r.status;
	a->body = slice_after(all, p.bytes);
	if (r.framing != BODY_LENGTH || a->body.len == r.content_length)
		return 0;
	return a->body.len < r.content_length ? ERR_CLOSED : ERR_PROTOCOL;
}

int
client_ask(const struct address *to, const struct client_question *q, struct client_answer *a)
{
	uint64_t deadline = clock_after(clock_monotonic(), q->timeout_ns);
	int fd = -1, saved;
	int err;

	*a = (struct client_answer){ 0 };
	buffer_init(&a->memory, ANSWER_BYTES);
	err = open_connection(to, deadline, &fd);
	if (!err)
		err = send_request(fd, q, deadline);
	if (!err)
		err = receive_all(fd, &a->memory, deadline);
	if (!err)
		err = read_answer(a);
	saved = errno;
	if (fd >= 0)
		close(fd);
	errno = saved;
	return err;
}

void
client_release(struct client_answer *a)
{
	buffer_fini(&a->memory);
	a->body = (struct slice){ 0 };
}
