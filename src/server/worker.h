/*
 * A worker: one reactor thread and all it owns - its loop, its free lists, its
 * counters, its conns. Other threads send it mail and read its counters.
 *
 *   acceptor ==handover==> worker: conn_open -> ... -> conn_close
 *   main     ==order====>  worker: drain, close idle conns, stop
 */
#ifndef FOREBAY_SERVER_WORKER_H
#define FOREBAY_SERVER_WORKER_H

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
		struct {
			uint16_t family;
			union {
				struct sockaddr_in v4;
				struct sockaddr_in6 v6;
			} of;
		} peer;
	} item[HANDOVER_MAX];
};

struct site;

struct worker {
	struct env env;
	struct conn_host host;
	struct counters counters; /* read by the monitor */
	struct access_log access;
	struct thread thread;
	struct server *server; /* borrowed: where its reports go */
	const struct site *site; /* counted: what it serves from */
	struct mail report; /* to main: draining, and all conns are closed */
	struct mail last_words; /* from main: close, stop */
	struct latch closed; /* opened when worker_close() is done */
	struct timer grace; /* while draining: then all is closed */
	bool is_empty; /* reported */
	bool has_loop, has_host; /* what worker_init() got to */
};

/* 0 or why not. Everything but the thread; worker_fini() undoes what was done. */
int worker_init(struct worker *w, struct server *server, unsigned index,
		unsigned workers) MUST_CHECK;
/* Starts its thread. */
int worker_start(struct worker *w) MUST_CHECK;
/* From main: closes every conn; returns when it is done. The loop turns on. */
void worker_close(struct worker *w);
/* From main, after the pools have stopped: ends the thread and waits for it. */
void worker_stop(struct worker *w);
/* After its thread has ended. */
void worker_fini(struct worker *w);

/* An empty handover, or NULL. */
struct handover *handover_new(void) MUST_CHECK;
/* Adds an accepted connection. */
void handover_add(struct handover *h, int fd, const struct address *peer, uint32_t flags);
void handover_send(struct handover *h, struct worker *w);

/* Orders, from the main thread; ERR_MEMORY: not sent. */
enum worker_order {
	WORKER_DRAIN, /* value: grace in ns */
	WORKER_CLOSE_IDLE, /* value: how many at most */
};
int worker_send(struct worker *w, enum worker_order order, uint64_t value) MUST_CHECK;

#endif
