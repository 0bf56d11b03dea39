/*
 * A worker: one reactor thread and all it owns - its loop, its free lists, its
 * counters, its conns. Other threads send it mail and read its counters.
 *
 *   acceptor ==handover==> worker: conn_open -> ... -> conn_close
 *   main     ==order====>  worker: drain, leave, close idle conns, stop
 *   main     ==tenancy==>  worker: which site it serves (tenancy.h)
 */
#ifndef FOREBAY_SERVER_WORKER_H
#define FOREBAY_SERVER_WORKER_H

#include "base/list.h"
#include "flow/stack.h"
#include "proto/conn.h"
#include "server/access_log.h"
#include "thread/latch.h"
#include "thread/thread.h"

enum { HANDOVER_MAX = 32 };

/* Accepted connections on their way to a worker, who frees it. */
struct handover {
	struct mail mail;
	unsigned count;
	struct {
		int fd;
		uint32_t flags; /* enum conn_flag of the listener */
		struct tls_context *tls; /* counted: of the site it was accepted for; NULL: plain */
		struct networks *access; /* counted: clients who may be behind a proxy */
		struct {
			uint16_t family;
			union {
				struct sockaddr_in v4;
				struct sockaddr_in6 v6;
			} of;
		} peer;
	} item[HANDOVER_MAX];
};

struct lease;
struct site;

/* Main's view. A worker's place stays when it has ended, with all that it has counted. */
enum worker_state {
	WORKER_FREE, /* has no thread */
	WORKER_SERVING,
	WORKER_LEAVING, /* there are fewer workers now: it drains, then ends */
};

struct worker {
	struct env env;
	struct conn_host host;
	struct counters counters; /* read by the monitor */
	struct stall_slot stall; /* the same */
	struct stacks stacks; /* of flows */
	struct access_log access;
	struct gauge number; /* thread_number() of its thread; its own, read by the monitor */
	struct gauge state; /* enum worker_state; main's, read by the monitor */
	uint64_t given; /* conns; the acceptor's */
	struct handover *pending; /* owned; the acceptor's, sent at the end of its turn */
	bool has_reported; /* that it is empty; main's */
	bool is_ending; /* was told to; main's */
	struct thread thread;
	struct server *server; /* borrowed: where its reports go */
	struct lease *lease; /* what new exchanges take: of the site that is published */
	struct list tenancies; /* all of them */
	struct mail report; /* to main: draining, and all conns are closed */
	struct mail last_words; /* from main: close, stop */
	struct mail gone; /* to main: its thread does nothing more */
	struct latch closed; /* opened when worker_close() is done */
	struct timer grace; /* while draining: then all is closed */
	bool is_leaving; /* reports only when its jobs are home too */
	bool is_empty; /* reported */
	bool has_loop, has_host; /* what worker_init() got to */
};

/* On zeroed memory, or again after worker_fini(): everything but the thread. It will serve this
 * site, as number `place` of `count`. 0 or why not; worker_fini() undoes what was done. */
int worker_init(struct worker *w, struct server *server, unsigned number, struct site *site,
		unsigned place, unsigned count) MUST_CHECK;
/* Starts its thread. */
int worker_start(struct worker *w) MUST_CHECK;
/* From main: closes every conn; returns when it is done. The loop turns on. */
void worker_close(struct worker *w);
/* From main, when all its jobs are home: ends the thread, without waiting; server_on_gone says when
 * it has. */
void worker_end(struct worker *w);
/* worker_end(), unless that was done, and waits for it: the last lines of its log are written
 * then. */
void worker_stop(struct worker *w);
/* After its thread has ended. What it has counted stays. */
void worker_fini(struct worker *w);
/* Its own thread: runs where the site that it serves has it. */
void worker_settle(struct worker *w);
/* Its own thread: tells main when nothing is left of it to do. */
void worker_check_empty(struct worker *w);

/* An empty handover, or NULL. */
struct handover *handover_new(void) MUST_CHECK;
/* Adds an accepted connection. It takes users of its own of context and networks, which may be
 * NULL. */
void handover_add(struct handover *h, int fd, const struct address *peer, uint32_t flags,
		  struct tls_context *tls, struct networks *access);
void handover_send(struct handover *h, struct worker *w);

/* Orders, from the main thread; ERR_MEMORY: not sent. */
enum worker_order {
	WORKER_DRAIN, /* value: grace in ns; the server ends */
	WORKER_LEAVE, /* value: grace in ns; this worker ends */
	WORKER_CLOSE_IDLE, /* value: how many at most */
	WORKER_PIN, /* value: none; back to its processors, which the kernel may have forgotten */
};
int worker_send(struct worker *w, enum worker_order order, uint64_t value) MUST_CHECK;

#endif
