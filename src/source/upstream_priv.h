/*
 * What the files of the upstream source share. One upstream is a list of
 * servers; each worker has a share of it: so many connections, so many
 * subrequests that may wait for one.
 *
 *   subrequest -- errand --> [ waiting ] --> conn (connecting | idle) --> server
 *                    ^           share            |
 *                    '---- head, body, done ------'
 *
 *   upstream.c           the source: keys, loading, one errand per subrequest
 *   upstream_servers.c   the list of servers: parsed and resolved by the builder
 *   upstream_set.c       who they are at a time: found by names, merged, counted
 *   upstream_names.c     names are looked up again, by one worker for all
 *   upstream_peers.c     a worker's view of each, while they come and go
 *   upstream_share.c     a worker's share: admission, waiting list, idle conns
 *   upstream_balance.c   which server is asked next
 *   upstream_retry.c     whether a failure is worth another server
 *   upstream_hedge.c     another server is asked when the first is slow
 *   upstream_eject.c     servers that fail again and again are left out for a while
 *   upstream_health.c    servers are asked how they are, by one worker for all
 *   upstream_breaker.c   an upstream that mostly fails is not asked for a while
 *   upstream_prior.c     what of these three outlives a reload
 *   upstream_tls.c       TLS with a server, and the sessions that go on
 *   upstream_conn.c      one connection: connecting, time-outs, its end
 *   upstream_request.c   the request's head, and the end of its body
 *   upstream_send.c      the request's way out: head and body
 *   upstream_response.c  the response: head and body, read strictly
 *   upstream_h2*.c       the same over HTTP/2, of which a connection carries many
 *   upstream_tunnel.c    a client's Upgrade, and the connection after a 101
 *
 * All but loading runs on the worker that owns the share.
 */
#ifndef FOREBAY_SOURCE_UPSTREAM_PRIV_H
#define FOREBAY_SOURCE_UPSTREAM_PRIV_H

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "base/ref.h"
#include "net/io.h"
#include "net/resolver.h"
#include "net/tls_client.h"
#include "source/wait.h"
#include "thread/board.h"
#include "wire/chunked.h"
#include "wire/trailers.h"

enum {
	UPSTREAM_ADDRESSES = 4, /* of one server's name that are tried */
	UPSTREAM_HEAD_BYTES = STORE_BLOCK_BYTES, /* of a response's head */
	UPSTREAM_FIELDS = 128, /* in a response's head */
	UPSTREAM_INTERIMS = 8, /* 1xx responses before the final one */
	UPSTREAM_WEIGHT_MAX = 256, /* of a server */
	UPSTREAM_RETRIES_MAX = 8, /* of one subrequest */
	UPSTREAM_SLOTS = 10, /* of a breaker's window */
};

/* --- read only, of the site ------------------------------------------------- */

struct upstream_server {
	struct slice authority; /* as declared: for Host */
	struct slice label; /* for the log */
	const char *tls_name; /* that its certificate must have; NULL: it does not speak TLS */
	struct address *addresses; /* in the order to try */
	unsigned address_count;
	unsigned weight; /* 1 to UPSTREAM_WEIGHT_MAX */
	struct slice health; /* the request that asks how it is; empty without health_path */
	/* 1: it is down; since when it is up again, monotonic ns (0: from the beginning). Set by
	 * the worker that asks, read by all; all else stays as it is. */
	struct gauge down, up_ns;
	uint64_t identity; /* hash of its text, without the weight: the same in every process */
	/* Of one that is declared by a name: what DNS is asked for; NULL: it has addresses. Not in
	 * any set itself. */
	const char *lookup;
	enum resolver_kind kind;
	uint16_t port;
	uint64_t known_until_ns; /* of what it was found to be when the site was built */
	/* Of one that was found by its name: as declared; how many sets and peers hold it. */
	const struct upstream_server *name;
	struct ref users;
};

/* A server's place in a set. */
struct upstream_entry {
	struct upstream_server *server; /* declared, or counted */
	unsigned weight; /* 1 to UPSTREAM_WEIGHT_MAX */
	unsigned rank; /* those of rank 1 are for when none of rank 0 can be asked, and so on */
};

/* The servers of an upstream at a time; immutable, counted. */
struct upstream_set {
	struct ref users;
	unsigned count;
	struct upstream_entry at[];
};

/* Bits: the words of `protocols`. */
enum upstream_protocol { UPSTREAM_H1 = 1, UPSTREAM_H2 = 2 };

/* When names are looked up. */
enum upstream_resolve {
	UPSTREAM_RESOLVE_AUTO, /* as dns where there is a resolver, else as start */
	UPSTREAM_RESOLVE_DNS,
	UPSTREAM_RESOLVE_START, /* once, by the system's functions */
};

enum upstream_balance {
	UPSTREAM_ROUND_ROBIN,
	UPSTREAM_LEAST_REQUESTS,
	UPSTREAM_P2C,
	UPSTREAM_HASH,
};

/* Why an attempt failed before there was a response's head; the words of `retry_on`. */
enum upstream_fault {
	UPSTREAM_FAULT_CONNECT,
	UPSTREAM_FAULT_CLOSED, /* or reset, before the first byte */
	UPSTREAM_FAULT_TIMEOUT, /* of the first byte */
	UPSTREAM_FAULT_502, /* the server itself says so */
	UPSTREAM_FAULT_503,
	UPSTREAM_FAULT_504,
	UPSTREAM_FAULT_NONE, /* nothing that another attempt would mend */
};

/* [upstream NAME] */
struct upstream_conf {
	struct conf_list servers;
	unsigned protocols; /* bits of enum upstream_protocol */
	unsigned max_streams; /* of one connection, at a time */
	uint64_t ping_interval, ping_timeout; /* ns */
	enum upstream_resolve resolve;
	enum upstream_balance balance;
	uint64_t connect_timeout, first_byte_timeout, read_idle_timeout, send_idle_timeout;
	uint64_t keepalive_timeout; /* ns; 0: connections are not kept */
	unsigned max_connections, max_pending; /* of all workers together */
	struct wait_conf wait;
	unsigned retries; /* of one subrequest, at most */
	unsigned retry_on; /* bits of enum upstream_fault */
	unsigned retry_budget; /* percent of the subrequests */
	unsigned eject_after; /* failures in a row; 0: never */
	unsigned breaker_error_rate; /* percent; 0: no breaker */
	unsigned breaker_min_requests; /* in the window */
	uint64_t eject_for, breaker_window, breaker_open_for; /* ns */
	uint64_t hedge_after; /* ns; 0: nobody is asked twice */
	uint64_t slow_start; /* ns; 0: servers have all of their weight at once */
	struct slice health_path;
	uint64_t health_interval, health_timeout; /* ns */
	unsigned health_rise, health_fall; /* checks in a row */
	struct tls_client_conf tls;
};

/* What it refuses by, beside enum wait_limit. */
enum upstream_limit {
	UPSTREAM_LIMIT_BREAKER = WAIT_LIMITS,
	UPSTREAM_LIMIT_SERVERS,
	UPSTREAM_LIMITS
};

struct upstream {
	const struct source *source; /* whose state it is */
	const struct upstream_conf *conf;
	struct upstream_server *servers; /* as declared */
	unsigned count;
	struct upstream_set *set; /* counted: who they were when the site was built */
	struct resolver *resolver; /* borrowed, of the site */
	struct board *board; /* who they are now: an upstream_set; NULL: there are no names */
	struct tls_client *tls; /* owned; NULL: no server speaks TLS */
	struct slice name;
	int prior; /* index of the same one in the site before, or UPSTREAM_NO_VALUE */
};

enum upstream_host { UPSTREAM_HOST_UPSTREAM, UPSTREAM_HOST_CLIENT };

enum { UPSTREAM_NO_VALUE = -1 };

/* The keys of a part, and where their values stand in q->value[]. */
struct upstream_part {
	struct slice path, query, method, body, hash_key;
	struct conf_list forward;
	struct conf_family headers, set, add;
	struct conf_list remove;
	struct conf_list upgrade; /* protocols that a client may ask for */
	uint64_t tunnel_idle_timeout; /* ns */
	enum upstream_host host;
	int path_value, query_value, body_value, hash_value; /* or UPSTREAM_NO_VALUE */
	int header_value, set_value, add_value; /* the first of as many in a row */
};

/* --- of one worker ----------------------------------------------------------- */

/* One server as a worker sees it. */
struct upstream_peer {
	struct upstream_server *server; /* declared, or counted */
	uint64_t since_ns; /* it came, or its ejection ended; 0: it was there from the beginning */
	unsigned share_of; /* what it weighs now, see upstream_balance_weight() */
	unsigned number; /* no other peer of the share has or had it */
	unsigned weight, rank; /* as in upstream_entry */
	struct list link; /* share->gone */
	struct upstream_check *check; /* owned; NULL: another worker's, or none */
	unsigned conns; /* open ones, idle and connecting ones included */
	bool is_gone; /* not in the set any more: it ends with its last connection */
	struct list idle; /* of upstream_conn.link, newest first */
	struct list shared; /* of the same: of HTTP/2, as is hoped or known, and not idle */
	unsigned streams; /* that a connection takes, as far as is known; of HTTP/1.1: 1 */
	struct ssl_session_st *session; /* owned: of a connection that ended; NULL: none */
	unsigned address; /* the one that worked last */
	unsigned active; /* errands on its connections */
	int64_t credit; /* of smooth weighted round-robin */
	unsigned failures; /* in a row */
	unsigned ejections; /* since it last answered; with one it is on trial when it is back */
	uint64_t out_until_ns; /* ejected */
	bool is_out; /* not for the errand that a server is picked for */
};

/* What a worker may spend on attempts beyond the first; in hundredths of one. */
struct upstream_budget {
	uint64_t left;
	uint64_t earned; /* since window_ns */
	uint64_t window_ns;
};

enum upstream_breaker_state { BREAKER_CLOSED, BREAKER_OPEN, BREAKER_HALF_OPEN };

/* Attempts of a tenth of the window. */
struct upstream_slot {
	uint64_t number; /* which tenth */
	unsigned attempts, failures;
};

/* Of one worker. */
struct upstream_breaker {
	enum upstream_breaker_state state;
	uint64_t until_ns; /* when an open one lets somebody try */
	uint64_t closed_ns; /* when it was closed again: what began before does not count */
	unsigned round; /* the last time that it was half open; the first is 1 */
	unsigned trying; /* errands that were let in half open, in that round */
	unsigned answered; /* of them, well */
	struct upstream_slot slots[UPSTREAM_SLOTS];
};

struct upstream_check;
struct upstream_names;

struct upstream_share {
	const struct upstream *upstream; /* borrowed */
	struct env *env; /* borrowed */
	unsigned max_connections, max_pending;
	unsigned streams; /* the least of its peers' */
	unsigned open; /* conns, idle and connecting ones included */
	unsigned admitted; /* subrequests reserved, waiting or in flight */
	unsigned first; /* of the peers in this worker's order */
	struct upstream_budget budget;
	struct upstream_breaker breaker;
	uint64_t well_ns; /* when a server answered for the first time after all had failed */
	struct pool_gate gate; /* of its connections */
	struct wait_line line; /* who is in what order; empty while all that wait fit */
	struct list waiting; /* of upstream_errand.link; those that are not in order are last */
	struct list evicted; /* of the same: to be told */
	struct list closed; /* of upstream_conn.link: freed at the end of the turn */
	struct deferred serve, sweep;
	bool checks_health; /* this worker, for all */
	struct upstream_names *names; /* owned; NULL: another worker's, or none */
	struct board_reader *reader; /* owned; NULL without a board */
	struct list gone; /* of upstream_peer.link: the last connections of some end */
	unsigned numbers; /* of peers, given so far */
	unsigned count;
	struct upstream_peer **peers; /* owned array of `count` owned ones, in the set's order */
};

/* What carries an errand: an HTTP/1.1 connection, or a stream of one that speaks HTTP/2. */
struct upstream_channel {
	const struct upstream_channel_ops *ops;
};

struct upstream_channel_ops {
	void (*feed)(struct upstream_channel *ch, struct chunks *body, bool is_last);
	void (*resume)(struct upstream_channel *ch);
	/* The errand has no more interest. */
	void (*cancel)(struct upstream_channel *ch);
};

/* What one subrequest wants of an upstream: q->state, in its arena. */
struct upstream_errand {
	struct subrequest *q;
	struct upstream_share *share;
	struct upstream_channel *channel; /* NULL while it waits */
	struct upstream_errand *twin; /* the other one of q that is under way; NULL: none */
	unsigned peer; /* the number of the one that it asks */
	struct list link; /* share->waiting or evicted */
	struct wait wait;
	struct timer timer; /* the deadline, while it waits; the end of a back-off */
	uint64_t begun_ns; /* when it got a connection */
	unsigned asked[UPSTREAM_RETRIES_MAX]; /* and failed: peers by their number */
	uint8_t retries;
	bool is_backing_off;
	bool is_begun_anew; /* a server did not begin it; the next one has to */
	bool is_wanted; /* more of its body was asked for and has not come, by one that has gone */
	bool is_spent; /* some of its body is gone: it cannot be begun anew */
	bool is_kept_whole; /* the last of the body is among what is kept */
	struct chunks kept; /* what came of the body so far */
	unsigned trial; /* the breaker's round that let it in half open; 0: none */
};

enum upstream_conn_state {
	UPSTREAM_CONNECTING, /* then HEAD, or SHARED when the server's SETTINGS have come */
	UPSTREAM_IDLE, /* no errand, no memory; then HEAD, or SHARED */
	UPSTREAM_HEAD, /* the request goes out, the response's head comes; then BODY */
	UPSTREAM_BODY, /* then IDLE */
	UPSTREAM_SHARED, /* its streams are what there is to wait for; then IDLE */
	UPSTREAM_CLOSED, /* from any; freed at the end of the turn */
};

struct upstream_conn {
	struct io io;
	struct upstream_channel channel;
	struct upstream_share *share; /* borrowed */
	struct upstream_peer *peer; /* borrowed, of the share */
	struct upstream_errand *errand; /* borrowed; NULL when idle, and with h2 */
	struct upstream_h2 *h2; /* owned; NULL: HTTP/1.1 */
	struct list link; /* peer->idle, peer->shared or share->closed */
	struct deferred work, end;
	struct timer timer; /* fires at or before expires_ns */
	uint64_t expires_ns;
	uint64_t last_ns; /* when something last moved in the direction that matters */
	struct chunks out; /* of the request, not written yet */
	struct block *text; /* head and chunk sizes are written here; owned */
	struct block *in; /* what is being read; owned */
	uint32_t at; /* where in `in` the unread part starts */
	uint64_t feed_left; /* of a request body with a length */
	uint64_t left; /* of a response body with a length */
	struct chunked chunked;
	struct trailers trailers; /* behind it; of the errand's arena */
	enum upstream_conn_state state;
	enum method method; /* of the request that was sent */
	enum body_framing sending, receiving; /* of the two bodies */
	int fault; /* fails the errand on the next turn */
	uint8_t interims;
	uint8_t tried; /* addresses */
	bool is_readable; /* an edge was seen and not read to its end */
	bool is_peer_done; /* the peer sent FIN or reset */
	bool is_tunnel; /* a 101 was taken: sending and receiving end each for itself */
	bool is_ended; /* of a tunnel: the peer has sent its FIN */
	bool is_reused, is_fed, is_wanted, is_sent, is_broken, is_paused, is_complete, keeps_alive;
};

/* --- upstream_servers.c ------------------------------------------------------ */

/* Reads `servers`, resolves names. Adds every mistake to b->errors. ERR_SYNTAX or ERR_MEMORY. */
int upstream_servers_load(struct upstream *u, struct source *s, struct source_build *b) MUST_CHECK;

/* --- upstream_set.c ---------------------------------------------------------- */

/* Counts one more user of it. */
struct upstream_set *upstream_set_ref(struct upstream_set *set);
void upstream_set_unref(struct upstream_set **set);
/* With room for so many entries, and none in it. NULL: no memory. */
struct upstream_set *upstream_set_new(unsigned cap) MUST_CHECK;
/* Takes another user of the server, if it is counted. */
void upstream_set_add(struct upstream_set *set, struct upstream_entry entry);
struct upstream_change {
	unsigned added, removed; /* servers */
	bool is_any; /* or weights, or ranks */
};
/* The old set with what a name was found to be in the place of what it was: servers with the same
 * address are the same ones. A new set; NULL: no memory. */
struct upstream_set *upstream_set_merge(const struct upstream_set *old,
					const struct upstream_server *name,
					const struct resolver_answer *answer,
					struct upstream_change *change) MUST_CHECK;
/* Of a server, which is not touched when it is declared. */
struct upstream_server *upstream_server_ref(struct upstream_server *server);
void upstream_server_unref(struct upstream_server **server);

/* --- upstream_names.c -------------------------------------------------------- */

/* Makes u->set of the declared servers, with what their names are found to be: in the site before,
 * or else by asking, for a while. One that is not found is a warning. ERR_MEMORY, said. */
int upstream_names_load(struct upstream *u, struct source *s, struct source_build *b) MUST_CHECK;
void upstream_names_unload(struct upstream *u);
/* From now on looks up all names when what is known of them has had its time. NULL: no memory. */
struct upstream_names *upstream_names_start(struct upstream_share *share) MUST_CHECK;
/* NULL is allowed. */
void upstream_names_stop(struct upstream_names **names);

/* --- upstream_peers.c -------------------------------------------------------- */

/* The share's servers are these from now on: the peers of those that were there stay as they are,
 * those of others take no new errand, lose their idle conns, and end with the last one. ERR_MEMORY:
 * nothing has changed. */
int upstream_peers_set(struct upstream_share *share, const struct upstream_set *set) MUST_CHECK;
/* A conn of p was closed. */
void upstream_peers_close(struct upstream_share *share, struct upstream_peer *p);
/* All of them, after their conns. */
void upstream_peers_free(struct upstream_share *share);

/* --- upstream_share.c -------------------------------------------------------- */

struct upstream_share *upstream_share_new(const struct upstream *u, struct lease *lease) MUST_CHECK;
/* Nothing may be admitted; closes idle conns. */
void upstream_share_free(struct upstream_share **share);
/* Makes q->state of each, all or none; else ERR_SHED and each q->refusal. */
int upstream_share_admit(struct upstream_share *share, struct subrequest *q[], size_t n) MUST_CHECK;
/* An errand that is not counted yet, in q's arena. NULL: no memory. */
struct upstream_errand *upstream_errand_new(struct upstream_share *share,
					    struct subrequest *q) MUST_CHECK;
/* One more may be admitted. */
bool upstream_share_has_room(const struct upstream_share *share);
/* Puts an admitted errand on the waiting list; it is served later in this turn. */
void upstream_share_wait(struct upstream_errand *e);
/* The same for one that waited before: it is the next. */
void upstream_share_return(struct upstream_errand *e);
/* Looks at the waiting list later in this turn. */
void upstream_share_serve(struct upstream_share *share);
/* A second, fresh connection for an errand whose idle one was closed; its conn is closed already.
 */
void upstream_share_replace(struct upstream_errand *e);
/* A peer came, or how many streams one takes is known better. */
void upstream_share_learn(struct upstream_share *share);
/* How an errand's attempt at p ended, to whom it may concern. */
void upstream_share_note(const struct upstream_errand *e, struct upstream_peer *p, bool has_failed);
/* Closes the idle conns of p. */
void upstream_share_forget(struct upstream_peer *p);
/* A response's head has come for it. */
void upstream_share_answered(struct upstream_errand *e);
/* The errand's end, with its subrequest_done; neither may be touched after it. */
void upstream_errand_end(struct upstream_errand *e, int err);
/* The same without a call-back. */
void upstream_errand_drop(struct upstream_errand *e);
/* An attempt failed at p; nothing but `why` was heard of it. Another attempt follows, or the end.
 */
void upstream_errand_fail(struct upstream_errand *e, struct upstream_peer *p,
			  enum upstream_fault why, int err);

/* --- upstream_tls.c ---------------------------------------------------------- */

/* Of a connection to p that is there: 0 when hands are shaken, or p does not speak TLS; ERR_BUSY:
 * ask again when it is ready; ERR_CONNECT, told in the log, or ERR_MEMORY. `protocols`, of enum
 * upstream_protocol, are offered. */
int upstream_tls_shake(struct io *io, struct upstream_share *share, struct upstream_peer *p,
		       unsigned protocols) MUST_CHECK;
/* Before a connection to p is closed: the next one may begin with its session. */
void upstream_tls_keep_session(struct io *io, struct upstream_peer *p);

/* --- upstream_retry.c -------------------------------------------------------- */

/* A first attempt begins: a part of one is earned. */
void upstream_retry_earn(struct upstream_share *share);
/* Whether the errand may be tried again after it failed at p: decided and paid for. `was_sent`: the
 * server may have seen the request. */
bool upstream_retry_may(struct upstream_errand *e, const struct upstream_peer *p,
			enum upstream_fault why, bool was_sent);
/* After that, and without a connection: now or after a back-off it waits for the next one. */
void upstream_retry_go(struct upstream_errand *e);
/* What a channel was fed is kept, as long as it is little, in case that it has to begin anew. */
void upstream_retry_keep(struct upstream_errand *e, const struct chunks *body, bool is_last);
/* No more need. */
void upstream_retry_forget(struct upstream_errand *e);
/* The body came while no channel carried it; takes the chunks. */
void upstream_retry_hold(struct upstream_errand *e, struct chunks *body, bool is_last);
/* Feeds what was kept to the channel that has begun anew. */
void upstream_retry_replay(struct upstream_errand *e);
/* UPSTREAM_FAULT_NONE for all but 502, 503 and 504. */
enum upstream_fault upstream_retry_fault(int status);

/* Whether the budget pays for one more attempt. */
bool upstream_retry_can_pay(struct upstream_share *share) MUST_CHECK;
/* Only if it can: pays for it. */
void upstream_retry_pay(struct upstream_share *share);

/* --- upstream_hedge.c -------------------------------------------------------- */

/* An attempt begins: its timer is that of hedging. */
void upstream_hedge_watch(struct upstream_errand *e);
/* That time is over: perhaps another server is asked, too. */
void upstream_hedge_go(struct upstream_errand *e);
/* A response's head has come for it, or nobody waits any more: the other one is cancelled. */
void upstream_hedge_win(struct upstream_errand *e);
/* It has failed. True: it is gone, and the other one goes on. */
bool upstream_hedge_leave(struct upstream_errand *e);

/* --- upstream_balance.c ------------------------------------------------------ */

/* A hash for what is not secret, the same in every process. */
uint64_t upstream_balance_hash(struct slice text);
/* The server that this errand is to ask. */
struct upstream_peer *upstream_balance_pick(struct upstream_share *share,
					    const struct upstream_errand *e);
/* There is a server that it did not ask yet, beside p. */
bool upstream_balance_has_other(const struct upstream_errand *e, const struct upstream_peer *p);
/* What p weighs now, in hundredths of a weight: all of it, or less while it is new or has come
 * back; at least one. */
unsigned upstream_balance_weight(const struct upstream_peer *p, uint64_t slow_start_ns,
				 uint64_t now_ns);
/* No other server will do, only because it has a connection at hand. */
bool upstream_balance_is_strict(const struct upstream_errand *e);

/* --- upstream_eject.c -------------------------------------------------------- */

/* How an errand's attempt at p ended; a failure may take the server out. */
void upstream_eject_note(const struct upstream_errand *e, struct upstream_peer *p, bool has_failed);
/* Ejected, or on trial and busy with that, or down. */
bool upstream_eject_is_out(const struct upstream_peer *p, uint64_t now_ns);

/* --- upstream_health.c ------------------------------------------------------- */

/* The request for a server; an empty slice without memory. */
struct slice upstream_health_request(const struct upstream *u, struct slice authority,
				     struct arena *arena);
/* Starts asking a server, from the next turn on. NULL: no memory. */
struct upstream_check *upstream_health_start(struct upstream_share *share,
					     struct upstream_peer *p) MUST_CHECK;
/* NULL is allowed. */
void upstream_health_stop(struct upstream_check **check);

/* --- upstream_breaker.c ------------------------------------------------------ */

/* Whether n more errands may be admitted now; those that get in half open are to be marked. */
bool upstream_breaker_admits(struct upstream_share *share, size_t n);
void upstream_breaker_mark(struct upstream_errand *e);
/* Its twin is on trial as it is. */
void upstream_breaker_follow(struct upstream_errand *twin, const struct upstream_errand *e);
/* How one of its attempts ended. */
void upstream_breaker_note(const struct upstream_errand *e, bool has_failed);
/* The errand leaves. */
void upstream_breaker_drop(struct upstream_errand *e);
/* Until somebody may try. */
uint64_t upstream_breaker_wait(const struct upstream_share *share, uint64_t now_ns);

/* --- upstream_conn.c --------------------------------------------------------- */

/* Opens a connection for an errand. ERR_MEMORY, ERR_CONNECT, ERR_SYSTEM: there is none. */
int upstream_conn_open(struct upstream_peer *p, struct upstream_errand *e) MUST_CHECK;
/* Gives an idle connection to an errand, or one that is shared and has room. ERR_CLOSED: it was
 * dead and is closed; ERR_MEMORY. */
int upstream_conn_use(struct upstream_conn *c, struct upstream_errand *e) MUST_CHECK;
/* For upstream_response.c: the response is complete; the conn is kept or closed, the errand ends.
 */
void upstream_conn_finish(struct upstream_conn *c);
/* Parts the two; the errand, or NULL. */
struct upstream_errand *upstream_conn_let_go(struct upstream_conn *c);
/* Closes the conn and ends its errand with err. */
void upstream_conn_fail(struct upstream_conn *c, int err);
/* Closes; the memory goes at the end of the turn. Idempotent. */
void upstream_conn_close(struct upstream_conn *c);
/* At once, from outside any of its call-backs. */
void upstream_conn_free(struct upstream_conn *c);
/* Goes on later in this turn. */
void upstream_conn_go_on(struct upstream_conn *c);
/* Goes on in the next turn: this one has done enough. */
void upstream_conn_yield(struct upstream_conn *c);
/* Something moved in the direction that matters. */
void upstream_conn_touch(struct upstream_conn *c);

/* Makes the timer fire when what is waited for is overdue. ERR_MEMORY. */
int upstream_conn_set_timer(struct upstream_conn *c) MUST_CHECK;
/* There is nothing for it to do. */
void upstream_conn_park(struct upstream_conn *c);

static inline struct env *
upstream_env(const struct upstream_conn *c)
{
	return c->share->env;
}

/* --- upstream_request.c ------------------------------------------------------ */

/* What follows the head. */
struct upstream_sending {
	enum method method;
	enum body_framing framing; /* BODY_NONE, BODY_LENGTH, BODY_CHUNKED */
	uint64_t length;
	struct slice body; /* with the head; else it is fed */
	bool is_fed;
};

/* OPTIONS or TRACE with a Max-Forwards that lets it go no further (RFC 9110 7.6.2). */
bool upstream_request_is_last_hop(const struct subrequest *q);
struct upstream_sending upstream_request_sending(const struct subrequest *q);
/* Writes the head. ERR_TOO_LARGE; ERR_SYNTAX, ERR_NOT_FOUND: a value that must not be sent. */
int upstream_request_write(struct writer *w, const struct subrequest *q,
			   const struct upstream_server *server, uint64_t now_ns) MUST_CHECK;
/* Writes the lines of those trailers of the client's body that its head could have said. */
void upstream_request_write_trailers(const struct subrequest *q, struct writer *w);
/* Appends the last chunk, with those trailers (RFC 9112 7.1.2). */
int upstream_request_end(struct chunks *out, const struct subrequest *q) MUST_CHECK;

/* --- upstream_send.c --------------------------------------------------------- */

/* Queues the head, and the body where it is at hand. What fails is the conn's fault, too. */
int upstream_send_begin(struct upstream_conn *c) MUST_CHECK;
/* Writes what it can, and asks for more of the body when there is room for it. */
void upstream_send(struct upstream_conn *c);
/* More of the body. */
void upstream_send_feed(struct upstream_conn *c, struct chunks *body, bool is_last);

/* --- upstream_response.c ----------------------------------------------------- */

/* Reads while there is something to read and the reader wants it. */
void upstream_response_read(struct upstream_conn *c);
/* How the reader above learns of the length. */
void upstream_response_tell(struct subrequest *q, const struct response *r, enum method method);
/* Of an interim response: leaves the fields that may go on. */
void upstream_response_keep_hints(struct fields *f);

/* --- upstream_h2.c: a connection that speaks HTTP/2 --------------------------- */

/* HTTP/2 is to be hoped for on a new connection to it. */
bool upstream_h2_is_hoped(const struct upstream *u, const struct upstream_server *server);
/* c->h2 for streams that will begin when the server has told its settings. ERR_MEMORY. */
int upstream_h2_open(struct upstream_conn *c) MUST_CHECK;
/* Hands are shaken with a server that speaks HTTP/2. ERR_MEMORY. */
int upstream_h2_start(struct upstream_conn *c) MUST_CHECK;
bool upstream_h2_is_started(const struct upstream_conn *c);
/* It speaks HTTP/1.1: all errands but the first wait again, and c->h2 is gone. The first, which has
 * no channel; NULL: there is none. */
struct upstream_errand *upstream_h2_decline(struct upstream_conn *c);
/* The errand gets a stream. ERR_MEMORY. */
int upstream_h2_attach(struct upstream_conn *c, struct upstream_errand *e) MUST_CHECK;
/* A connection of p's `shared` that has room for a stream; NULL: none. */
struct upstream_conn *upstream_h2_find(const struct upstream_peer *p);
/* The work of a turn. */
void upstream_h2_work(struct upstream_conn *c);
/* When what is waited for is overdue, at the earliest. */
uint64_t upstream_h2_expiry(const struct upstream_conn *c);
/* That time is over. */
void upstream_h2_expire(struct upstream_conn *c);
/* The connection is over: what was not answered fails. */
void upstream_h2_break(struct upstream_conn *c, int err);
/* A last word to the server, if there is room for it. */
void upstream_h2_bid_farewell(struct upstream_conn *c);
/* No errand may be left. NULL is allowed; sets *h to NULL. */
void upstream_h2_free(struct upstream_h2 **h);

#endif
