/*
 * Health checks: worker 0 asks each server of an upstream for health_path, over
 * a connection of its own that ends with the answer, and tells all workers
 * through one word per server.
 *
 *   waiting --- health_interval ---> connecting ---> answering ---> waiting
 *      ^                                 |              |
 *      '----- bad: refused, late, cut, no HTTP, not 200 to 399
 *
 * Nothing of it waits: it is events and one timer per server on the worker's
 * loop. A server is well until its first check has ended, which decides alone;
 * then health_fall and health_rise in a row do, across reloads.
 */
#include "base/mem.h"
#include "source/upstream_prior.h"
#include "source/upstream_priv.h"
#include "wire/h1_head.h"

enum { ANSWER_BYTES = 4096, ANSWER_FIELDS = 64, JITTER_SHIFT = 3 };

enum check_state { CHECK_WAITING, CHECK_CONNECTING, CHECK_ANSWERING };

struct upstream_check {
	struct upstream_share *share; /* borrowed */
	struct upstream_peer *peer; /* borrowed: the owner */
	struct upstream_server *server; /* borrowed: the peer's */
	struct io io;
	struct timer timer; /* the next check, or the end of this one */
	size_t sent, heard; /* bytes */
	unsigned tried; /* addresses */
	unsigned streak; /* checks in a row that contradict what is said of the server */
	enum check_state state;
	bool is_known; /* a check has ended */
	char answer[ANSWER_BYTES];
};

static const struct h1_limits limits = {
	.max_head_bytes = ANSWER_BYTES,
	.max_fields = ANSWER_FIELDS,
};

static struct env *
env_of(const struct upstream_check *k)
{
	return k->share->env;
}

/* --- what follows from a check -------------------------------------------------------- */

static void
turn_to(struct upstream_check *k, bool is_well)
{
	struct slice name = k->share->upstream->name, server = k->server->label;

	if (is_well)
		gauge_set(&k->server->up_ns, loop_now(&env_of(k)->loop));
	gauge_set(&k->server->down, !is_well);
	if (k->share->line.lease->is_over)
		return; /* for those that are under way still; the site after it counts and tells */
	if (is_well)
		log_notice("upstream %.*s: %.*s is well again", SLICE_PRINT(name),
			   SLICE_PRINT(server));
	else
		log_warning("upstream %.*s: %.*s is down, says its health check", SLICE_PRINT(name),
			    SLICE_PRINT(server));
	count_add(env_of(k)->counters,
		  is_well ? COUNTER_UPSTREAM_CAME_UP : COUNTER_UPSTREAM_WENT_DOWN, 1);
}

static void
judge(struct upstream_check *k, bool is_well)
{
	const struct upstream_conf *conf = k->share->upstream->conf;
	bool was_well = !gauge_read(&k->server->down);

	count_add(env_of(k)->counters,
		  is_well ? COUNTER_UPSTREAM_CHECK_GOOD : COUNTER_UPSTREAM_CHECK_BAD, 1);
	k->streak = is_well == was_well ? 0 : k->streak + 1;
	if (k->streak > 0 &&
	    (!k->is_known || k->streak >= (is_well ? conf->health_rise : conf->health_fall))) {
		turn_to(k, is_well);
		k->streak = 0;
	}
	k->is_known = true;
}

/* Servers are not all asked at the same moment. */
static uint64_t
next_ns(struct upstream_check *k)
{
	uint64_t interval = k->share->upstream->conf->health_interval;
	uint64_t jitter = random_below(&env_of(k)->random, (interval >> JITTER_SHIFT) + 1);

	return clock_after(loop_now(&env_of(k)->loop), interval - jitter);
}

/* A timer that is set is moved without memory. */
static void
set_timer(struct upstream_check *k, uint64_t at_ns)
{
	if (loop_set_timer(&env_of(k)->loop, &k->timer, at_ns) != 0)
		log_error("upstream %.*s: no memory for health checks; they end",
			  SLICE_PRINT(k->share->upstream->name));
}

static void
end(struct upstream_check *k, bool is_well)
{
	upstream_tls_keep_session(&k->io, k->peer);
	io_close(&k->io);
	k->state = CHECK_WAITING;
	judge(k, is_well);
	set_timer(k, next_ns(k));
}

/* --- one check ------------------------------------------------------------------------ */

/* H1_MORE, or the end of the check. Interim responses are dropped. */
static bool
is_complete(struct upstream_check *k, bool *is_well)
{
	struct field at[ANSWER_FIELDS];
	struct slice in = slice_make(k->answer, k->heard);
	struct response r;
	struct h1_parse p;
	int result;

	do {
		r = (struct response){ .fields = { .at = at, .cap = ANSWER_FIELDS } };
		result = h1_response_parse(&r, METHOD_GET, in, &limits, &p);
		if (result == H1_DONE)
			in = slice_after(in, p.bytes);
	} while (result == H1_DONE && r.status < 200);
	*is_well = result == H1_DONE && r.status < 400;
	return result != H1_MORE;
}

static void
read_answer(struct upstream_check *k)
{
	bool is_well = false;

	while (k->heard < ANSWER_BYTES) {
		long n = io_read(&k->io, k->answer + k->heard, ANSWER_BYTES - k->heard);

		if (n == ERR_BUSY)
			return;
		if (n <= 0)
			break;
		k->heard += (size_t)n;
		if (is_complete(k, &is_well))
			break;
	}
	end(k, is_well);
}

static void
send_request(struct upstream_check *k)
{
	struct slice rest = slice_after(k->server->health, k->sent);
	long n = rest.len > 0 ? io_write_bytes(&k->io, rest) : 0;

	/* What it said before it closed is read all the same. */
	if (n > 0)
		k->sent += (size_t)n;
}

static void on_ready(struct io *io, unsigned ready);

static int
connect_next(struct upstream_check *k)
{
	const struct upstream_server *server = k->server;

	while (k->tried < server->address_count) {
		if (io_connect(&k->io, &env_of(k)->loop, &server->addresses[k->tried++],
			       on_ready) == 0)
			return 0;
	}
	return ERR_CONNECT;
}

/* False: not connected, not any more, or hands are being shaken. */
static bool
is_connected(struct upstream_check *k)
{
	int err;

	if (!k->io.tls && io_connected(&k->io) != 0) {
		io_close(&k->io);
		if (connect_next(k) != 0)
			end(k, false);
		return false;
	}
	err = upstream_tls_shake(&k->io, k->share, k->peer, UPSTREAM_H1);
	if (err && err != ERR_BUSY)
		end(k, false);
	return err == 0;
}

static void
on_ready(struct io *io, unsigned ready)
{
	struct upstream_check *k = CONTAINER_OF(io, struct upstream_check, io);

	(void)ready;
	if (k->state == CHECK_CONNECTING && !is_connected(k))
		return;
	k->state = CHECK_ANSWERING;
	send_request(k);
	read_answer(k);
}

static void
begin(struct upstream_check *k)
{
	k->state = CHECK_CONNECTING;
	k->sent = k->heard = 0;
	k->tried = 0;
	set_timer(
	    k, clock_after(loop_now(&env_of(k)->loop), k->share->upstream->conf->health_timeout));
	if (connect_next(k) != 0)
		end(k, false);
}

static void
on_time(struct timer *t)
{
	struct upstream_check *k = CONTAINER_OF(t, struct upstream_check, timer);

	if (k->state == CHECK_WAITING)
		begin(k);
	else
		end(k, false);
}

/* --- all of them ------------------------------------------------------------------------ */

struct slice
upstream_health_request(const struct upstream *u, struct slice authority, struct arena *arena)
{
	static const char rest[] = "\r\nUser-Agent: forebay-health\r\nConnection: close\r\n\r\n";
	size_t bytes = u->conf->health_path.len + authority.len + sizeof(rest) + 32;
	char *text = arena_zalloc(arena, 1, bytes);
	struct writer w;

	if (!text)
		return (struct slice){ 0 };
	w = writer_over(text, bytes);
	writer_text(&w, "GET ");
	writer_put(&w, u->conf->health_path);
	writer_text(&w, " HTTP/1.1\r\nHost: ");
	writer_put(&w, authority);
	writer_text(&w, rest);
	return writer_slice(&w);
}

struct upstream_check *
upstream_health_start(struct upstream_share *share, struct upstream_peer *p)
{
	struct upstream_check *k = mem_zalloc(1, sizeof(*k));
	struct loop *l = &share->env->loop;

	if (!k)
		return NULL;
	k->share = share;
	k->peer = p;
	k->server = p->server;
	io_init(&k->io, l, -1, on_ready);
	timer_init(&k->timer, on_time);
	if (loop_set_timer(l, &k->timer, loop_now(l)) != 0)
		mem_free(&k);
	return k;
}

void
upstream_health_stop(struct upstream_check **check)
{
	struct upstream_check *k = *check;

	if (!k)
		return;
	io_close(&k->io);
	loop_clear_timer(&env_of(k)->loop, &k->timer);
	mem_free(check);
}

void
upstream_health_take(struct upstream_peer *p, const struct upstream_peer *old)
{
	struct upstream_check *k = p->check;
	bool is_down = gauge_read(&old->server->down);

	if (!k || !slice_eq(p->server->health, old->server->health))
		return;
	gauge_set(&p->server->up_ns, gauge_read(&old->server->up_ns));
	gauge_set(&p->server->down, is_down);
	k->is_known = is_down || (old->check && old->check->is_known);
	k->streak = old->check ? old->check->streak : 0;
}
