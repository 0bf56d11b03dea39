/*
 * A conn host with a client and an application for tests; see stand.h.
 */
#include "stand.h"

#include "base/mem.h"

#include <check.h>
#include <errno.h>
#include <event2/event.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { SETTLE_TURNS = 4 };

/* --- the application --------------------------------------------------------------- */

static struct stand *
stand_of(struct exchange *x)
{
	return x->host;
}

static void
on_begin(struct exchange *x)
{
	struct stand *b = stand_of(x);

	ck_assert_ptr_null(b->x);
	b->x = x;
	b->begun++;
	if (b->begin)
		b->begin(b, x);
	else
		stand_answer(x, "hello");
}

static void
record(struct stand *b, const struct chunks *body)
{
	ck_assert_uint_le(b->fed_len + body->bytes, STAND_FED_BYTES);
	b->fed_len += chunks_copy_out(body, b->fed + b->fed_len, STAND_FED_BYTES - b->fed_len);
}

static void
on_feed(struct exchange *x, struct chunks *body, bool is_last)
{
	struct stand *b = stand_of(x);

	ck_assert_ptr_eq(b->x, x);
	b->feeds++;
	b->lasts += is_last;
	record(b, body);
	if (b->feed)
		b->feed(b, x, body, is_last);
	else if (!is_last)
		exchange_want_body(x);
	else
		stand_answer(x, "fed");
	chunks_clear(body);
}

static void
on_resume(struct exchange *x)
{
	struct stand *b = stand_of(x);

	ck_assert_ptr_eq(b->x, x);
	b->resumes++;
	if (b->resume)
		b->resume(b, x);
}

static void
on_cancel(struct exchange *x, int err)
{
	struct stand *b = stand_of(x);

	ck_assert_ptr_eq(b->x, x);
	b->x = NULL;
	b->cancels++;
	b->cancel_err = err;
}

static void
on_ended(struct exchange *x)
{
	struct stand *b = stand_of(x);

	b->x = NULL;
	b->endeds++;
	b->was_cut = x->is_cut;
	ck_assert_uint_eq(b->begun, b->endeds);
}

static void
on_refused(struct exchange *x)
{
	struct stand *b = stand_of(x);
	struct writer w = writer_over(b->refused, sizeof(b->refused) - 1);

	ck_assert_ptr_null(b->x);
	ck_assert(x->is_head_sent);
	b->refuseds++;
	writer_put(&w, x->request.method_name);
	writer_char(&w, ' ');
	writer_put(&w, x->request.target);
	b->refused[w.len] = '\0';
}

static const struct exchange_app app = {
	.begin = on_begin,
	.feed = on_feed,
	.resume = on_resume,
	.cancel = on_cancel,
	.ended = on_ended,
	.refused = on_refused,
};

void
stand_answer(struct exchange *x, const char *body)
{
	exchange_respond(x, 200, SLICE("text/plain"), slice_of(body));
}

int
stand_head(struct exchange *x, int status, enum body_framing framing, uint64_t length)
{
	x->response.status = status;
	x->response.framing = framing;
	x->response.content_length = length;
	return exchange_head(x);
}

int
stand_body(struct exchange *x, const char *bytes, size_t len)
{
	struct chunks list;

	chunks_init(&list, x->store);
	if (chunks_add_static(&list, slice_make(bytes, len)) != 0)
		return ERR_MEMORY;
	return exchange_body(x, &list);
}

/* --- the host ------------------------------------------------------------------------ */

static void
on_empty(struct conn_host *h)
{
	CONTAINER_OF(h, struct stand, host)->empties++;
}

void
stand_open(struct stand *b)
{
	static const struct conn_limits limits = {
		.h1 = { .max_head_bytes = 4096, .max_fields = 16, .max_target = 1024 },
		.header_timeout_ns = 10 * CLOCK_SEC,
		.body_idle_timeout_ns = 5 * CLOCK_SEC,
		.idle_timeout_ns = 60 * CLOCK_SEC,
		.send_idle_timeout_ns = 30 * CLOCK_SEC,
		.max_body = 1 << 20,
	};

	signal(SIGPIPE, SIG_IGN);
	*b = (struct stand){ .client = -1, .now_ns = 1000 * CLOCK_SEC };
	b->fed = malloc(STAND_FED_BYTES);
	b->heard = malloc(STAND_HEARD_BYTES + 1);
	b->heard[0] = '\0';
	b->env.counters = &b->counters;
	store_init(&b->env.store);
	random_init(&b->env.random, 7);
	ck_assert_int_eq(loop_init(&b->env.loop, b), 0);
	b->env.loop.now_ns = b->now_ns;
	ck_assert_int_eq(conn_host_init(&b->host, &b->env, &limits, &app, b), 0);
	b->host.on_empty = on_empty;
}

void
stand_close(struct stand *b)
{
	conn_host_close_all(&b->host);
	stand_turns(b, 1);
	ck_assert_uint_eq(b->host.open, 0);
	ck_assert_uint_eq(b->begun, b->endeds);
	ck_assert_uint_eq(count_read(&b->counters, COUNTER_CONN_OPENED),
			  count_read(&b->counters, COUNTER_CONN_CLOSED));
	ck_assert_uint_eq(b->env.store.out, 0);
	conn_host_fini(&b->host);
	loop_fini(&b->env.loop);
	store_fini(&b->env.store);
	if (b->client >= 0)
		close(b->client);
	free(b->fed);
	free(b->heard);
}

/* --- the client ------------------------------------------------------------------------ */

static void
set_non_blocking(int fd)
{
	ck_assert_int_eq(fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK), 0);
}

static void
take_client(struct stand *b, int fd)
{
	if (b->client >= 0)
		close(b->client);
	b->client = fd;
	b->heard_len = 0;
	b->is_eof = b->is_reset = false;
	set_non_blocking(fd);
}

void
stand_connect(struct stand *b, int type, uint32_t conn_flags)
{
	struct address peer = { .of.any.sa_family = AF_UNIX, .len = sizeof(sa_family_t) };
	int pair[2];

	ck_assert_int_eq(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, pair), 0);
	take_client(b, pair[0]);
	set_non_blocking(pair[1]);
	if (conn_flags & CONN_PROXIED)
		conn_open_proxied(&b->host, pair[1], &peer, conn_flags, NULL, b->access);
	else
		conn_open(&b->host, pair[1], &peer, conn_flags);
	stand_turns(b, 1);
}

void
stand_connect_tcp(struct stand *b, uint32_t conn_flags)
{
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct address at = { .len = sizeof(struct sockaddr_in) };
	int accepted;

	at.of.v4 = (struct sockaddr_in){ .sin_family = AF_INET,
					 .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	ck_assert_int_eq(bind(listener, &at.of.any, at.len), 0);
	ck_assert_int_eq(listen(listener, 1), 0);
	ck_assert_int_eq(getsockname(listener, &at.of.any, &at.len), 0);
	ck_assert_int_eq(connect(client, &at.of.any, at.len), 0);
	at.len = sizeof(at.of);
	accepted = accept4(listener, &at.of.any, &at.len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	ck_assert_int_ge(accepted, 0);
	close(listener);
	take_client(b, client);
	conn_open(&b->host, accepted, &at, conn_flags);
	stand_turns(b, 1);
}

void
stand_hang_up(struct stand *b, bool is_reset)
{
	struct linger now = { .l_onoff = 1, .l_linger = 0 };

	if (is_reset)
		setsockopt(b->client, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
	close(b->client);
	b->client = -1;
	stand_turns(b, SETTLE_TURNS);
}

void
stand_turns(struct stand *b, unsigned turns)
{
	struct loop *l = &b->env.loop;

	/* A turn that takes our word for the time. */
	while (turns-- > 0) {
		l->now_ns = b->now_ns;
		event_base_loop(l->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		loop_turn_at(l, b->now_ns);
	}
}

void
stand_wait(struct stand *b, uint64_t ns)
{
	b->now_ns += ns;
	stand_turns(b, 1);
}

void
stand_say_bytes(struct stand *b, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(b->client, bytes, len, MSG_NOSIGNAL);

		ck_assert_msg(n > 0, "the client cannot write: %s", strerror(errno));
		bytes += n;
		len -= (size_t)n;
		stand_turns(b, SETTLE_TURNS);
	}
}

void
stand_say(struct stand *b, const char *text)
{
	stand_say_bytes(b, text, strlen(text));
}

void
stand_hear(struct stand *b)
{
	ssize_t n;

	do {
		n = recv(b->client, b->heard + b->heard_len, STAND_HEARD_BYTES - b->heard_len, 0);
		if (n > 0)
			b->heard_len += (size_t)n;
		stand_turns(b, 1);
	} while (n > 0);
	b->is_eof = n == 0;
	b->is_reset = n < 0 && errno == ECONNRESET;
	b->heard[b->heard_len] = '\0';
}

/* Takes out the line that starts with `name`, of every head. */
static void
cut_lines(char *text, const char *name)
{
	char *line;

	while ((line = strstr(text, name)) != NULL) {
		char *end = strstr(line, "\r\n") + 2;
		memmove(line, end, strlen(end) + 1);
	}
}

const char *
stand_heard(struct stand *b)
{
	stand_hear(b);
	cut_lines(b->heard, "Server: forebay");
	cut_lines(b->heard, "Date: ");
	b->heard_len = 0;
	return b->heard;
}
