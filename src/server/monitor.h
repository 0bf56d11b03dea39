/*
 * The monitor: one thread with a loop of its own that serves the admin
 * listeners (/livez /readyz /metrics /status; commands), if there are any, whatever
 * the workers do, with conns and limits of its own, and that looks at the CPU
 * budget now and then (budget_watch.h).
 *
 *   main:     monitor_open .. monitor_start ....................... monitor_stop
 *   monitor:                  accept -> conn -> exchange -> page   (by mail)
 *
 * It reads the server, the site that it was told to show, and the counters of the
 * workers' places: all of them must be there from monitor_start to monitor_stop.
 */
#ifndef FOREBAY_SERVER_MONITOR_H
#define FOREBAY_SERVER_MONITOR_H

#include "net/listener.h"
#include "proto/conn.h"
#include "server/desk.h"
#include "server/lookout.h"
#include "thread/thread.h"

struct server;
struct site;

enum { MONITOR_LISTENERS = 2, MONITOR_CONNECTIONS = 64 };

struct monitor_listener {
	struct io io;
	struct listener socket;
	struct monitor *monitor; /* borrowed */
};

struct monitor {
	struct env env;
	struct counters counters; /* its conns are not the server's: not exported */
	struct conn_host host;
	struct thread thread;
	struct server *server; /* borrowed, read only; told what to do by mail */
	struct desk desk;
	struct lookout lookout;
	struct monitor_listener listeners[MONITOR_LISTENERS];
	unsigned listener_count;
	struct timer pause; /* set while no more is accepted: too many, or a shortage */
	struct mail stop;
	struct mail show; /* from main, and back */
	const struct site *to_show;
	bool has_loop, has_host; /* what monitor_open() got to */
};

/* Binds what the site asks for; nothing when it asks for nothing. Errors are
 * logged with the key to change; monitor_stop() undoes what was done. */
int monitor_open(struct monitor *m, struct server *server) MUST_CHECK;
/* Starts its thread. */
int monitor_start(struct monitor *m) MUST_CHECK;
/* From now on it shows this site; server_on_shown says when. */
void monitor_show(struct monitor *m, const struct site *site);
/* Waits for its thread. Idempotent, also after a failed open, and on zeroed memory. */
void monitor_stop(struct monitor *m);

#endif
