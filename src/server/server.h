/*
 * The server: the main thread and what it owns - the acceptor, the workers,
 * the site, the monitor. Start-up is a table of phases, started in order and
 * stopped in reverse.
 */
#ifndef FOREBAY_SERVER_SERVER_H
#define FOREBAY_SERVER_SERVER_H

#include "server/acceptor.h"
#include "server/budget_watch.h"
#include "server/logs.h"
#include "server/lost_watch.h"
#include "server/monitor.h"
#include "server/purge.h"
#include "server/reaper.h"
#include "server/reload.h"
#include "server/setting.h"
#include "server/site.h"
#include "server/watchdog.h"
#include "thread/clients.h"

enum server_state { SERVER_STARTING, SERVER_READY, SERVER_DRAINING };

struct server {
	struct loop loop; /* main's; mail from workers comes here */
	struct counters counters; /* main's */
	struct site *site; /* what is published */
	struct site *sites; /* owned: all that are still held */
	const struct site *shown; /* the monitor's, while its thread runs */
	struct reload reload;
	struct reaper reaper;
	struct setting setting;
	struct purge purge;
	struct acceptor acceptor;
	struct crew crew;
	struct clients *clients; /* owned: whose connections the workers have */
	unsigned busy_workers; /* still have conns while draining */
	struct monitor monitor;
	struct watchdog watchdog;
	struct lost_watch lost_watch;
	struct budget_watch budget_watch;
	struct logs logs;
	struct gauge state; /* enum server_state; read by the monitor */
	uint64_t started_ns;
	struct gauge reload_failed; /* the last reload was refused; read by the monitor */
	struct gauge reloaded_at; /* when it was, in seconds since 1970; 0: there was none */
	struct io signals; /* a signalfd */
};

/* Serves a configuration file until a signal ends it. The process' exit code. */
int server_run(const char *path);

/* For workers: mail to the main thread. */
void server_report(struct server *s, struct mail *m);
void server_on_empty(struct mail *m, void *receiver);
void server_on_gone(struct mail *m, void *receiver);
/* Of a tenancy: see tenancy.h. */
void server_on_attached(struct mail *m, void *receiver);
void server_on_switched(struct mail *m, void *receiver);
void server_on_released(struct mail *m, void *receiver);
/* From the monitor: it shows another site now. */
void server_on_shown(struct mail *m, void *receiver);
/* Main thread: as SIGTERM does. Once; `why` is for the log. */
void server_drain(struct server *s, const char *why);
struct access_writer *server_log_writer(struct server *s);
/* Whose connections there are; any thread. NULL before there are workers. */
struct clients *server_clients(struct server *s);

#endif
