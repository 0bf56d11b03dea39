/*
 * A whole HTTP/2 connection (proto/h2.h) over a socket pair: the input is what a
 * client says behind its preface, in pieces of a length that its first byte says.
 * Whatever it is, every exchange that begins ends once, nothing is kept, and a
 * connection that has been given up is closed.
 */
#include "base/clock.h"
#include "fuzz.h"
#include "proto/conn.h"
#include "wire/h2_frames.h"

#include <event2/event.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MOST = 65536, PIECES = 64 };

static struct fuzz_bed {
	struct env env;
	struct counters counters;
	struct conn_host host;
	unsigned begun, ended;
	uint64_t now_ns;
} bed;

/* GET is answered at once, POST when its body is there, anything else never. */
static void
on_begin(struct exchange *x)
{
	bed.begun++;
	if (x->request.method == METHOD_GET)
		exchange_respond(x, 200, SLICE("text/plain"), SLICE("hello"));
	else if (x->request.method == METHOD_POST)
		exchange_want_body(x);
}

static void
on_feed(struct exchange *x, struct chunks *body, bool is_last)
{
	if (!x->is_head_sent) {
		x->response.status = 200;
		x->response.framing = BODY_CHUNKED;
		if (exchange_head(x) != 0) {
			chunks_clear(body);
			return;
		}
	}
	if (exchange_body(x, body) < 0)
		return;
	if (is_last)
		exchange_end(x);
	else
		exchange_want_body(x);
}

static void
on_resume(struct exchange *x)
{
	FUZZ_CHECK(x->is_head_sent);
}

static void
on_cancel(struct exchange *x, int err)
{
	FUZZ_CHECK(err < 0 && x->host == &bed);
}

static void
on_ended(struct exchange *x)
{
	FUZZ_CHECK(x->host == &bed);
	bed.ended++;
}

static const struct exchange_app app = {
	.begin = on_begin,
	.feed = on_feed,
	.resume = on_resume,
	.cancel = on_cancel,
	.ended = on_ended,
};

static void
turn(void)
{
	bed.env.loop.now_ns = bed.now_ns;
	event_base_loop(bed.env.loop.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	loop_turn_at(&bed.env.loop, bed.now_ns);
}

static void
open_bed(void)
{
	static const struct conn_limits limits = {
		.h1 = { .max_head_bytes = 4096, .max_fields = 16, .max_target = 256 },
		.header_timeout_ns = 10 * CLOCK_SEC,
		.body_idle_timeout_ns = 5 * CLOCK_SEC,
		.idle_timeout_ns = 60 * CLOCK_SEC,
		.send_idle_timeout_ns = 30 * CLOCK_SEC,
		.max_body = 1 << 16,
	};

	signal(SIGPIPE, SIG_IGN);
	bed = (struct fuzz_bed){ .now_ns = 1000 * CLOCK_SEC };
	bed.env.counters = &bed.counters;
	store_init(&bed.env.store);
	random_init(&bed.env.random, 7);
	FUZZ_CHECK(loop_init(&bed.env.loop, &bed) == 0);
	bed.env.loop.now_ns = bed.now_ns;
	FUZZ_CHECK(conn_host_init(&bed.host, &bed.env, &limits, &app, &bed) == 0);
}

static void
close_bed(void)
{
	conn_host_close_all(&bed.host);
	turn();
	FUZZ_CHECK(bed.host.open == 0 && bed.begun == bed.ended);
	FUZZ_CHECK(bed.env.store.out == 0);
	conn_host_fini(&bed.host);
	loop_fini(&bed.env.loop);
	store_fini(&bed.env.store);
}

static void
drop_answers(int client)
{
	char answers[16384];

	while (recv(client, answers, sizeof(answers), MSG_DONTWAIT) > 0)
		continue;
}

static void
say(int client, const char *bytes, size_t len)
{
	while (len > 0) {
		ssize_t n = send(client, bytes, len, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n <= 0)
			return;
		bytes += n;
		len -= (size_t)n;
		turn();
		drop_answers(client);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct address peer = { .of.any.sa_family = AF_UNIX, .len = sizeof(sa_family_t) };
	size_t step = len > 0 && bytes[0] ? bytes[0] : MOST;
	int pair[2];

	if (len > MOST)
		len = MOST;
	if (step < len / PIECES)
		step = len / PIECES;
	open_bed();
	FUZZ_CHECK(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) == 0);
	conn_open(&bed.host, pair[1], &peer, CONN_H2);
	say(pair[0], h2_preface, H2_PREFACE_BYTES);
	for (size_t at = 1; at < len; at += step)
		say(pair[0], (const char *)bytes + at, len - at < step ? len - at : step);
	/* Every time-out comes, one behind the other. */
	for (unsigned i = 0; i < 4; i++) {
		bed.now_ns += 61 * CLOCK_SEC;
		turn();
		drop_answers(pair[0]);
	}
	/* Only who waits for us is still there. */
	FUZZ_CHECK(bed.host.open == 0 || bed.begun > bed.ended);
	close(pair[0]);
	close_bed();
	return 0;
}
