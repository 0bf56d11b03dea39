/*
 * Start-up, waiting for signals, drain and the end; see server.h.
 *
 *   signals -> file -> sockets -> privileges -> site and logs -> workers -> monitor -> accept
 */
#include "server/server.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "server/inherited.h"
#include "server/notify.h"
#include "server/privileges.h"
#include "server/text_file.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

enum {
	ERROR_TEXT_BYTES = 1 << 18,
	EXPLAIN_BYTES = 512,
	CPUS_TEXT_BYTES = 4096,
	SPARE_FILES = 256,
	LAST_RESORT_S = 10
};

/* Between the end of grace and the end of the process: jobs that run come home. */
#define STOP_MARGIN_NS (15 * CLOCK_SEC)

/* What start-up works on besides the server itself. */
struct start_up {
	struct server *server;
	const char *path;
	struct conf_errors errors;
};

struct access_writer *
server_log_writer(struct server *s)
{
	return &s->logs.access;
}

struct clients *
server_clients(struct server *s)
{
	return s->clients;
}

void
server_report(struct server *s, struct mail *m)
{
	mailbox_send(&s->loop.mailbox, m);
}

/* --- drain ------------------------------------------------------------------------------ */

void
server_on_empty(struct mail *m, void *receiver)
{
	struct server *s = receiver;
	struct worker *w = CONTAINER_OF(m, struct worker, report);

	w->has_reported = true;
	if (gauge_read(&s->state) == SERVER_DRAINING && --s->busy_workers == 0)
		loop_stop(&s->loop);
	if (s->reload.step == RELOAD_IDLE) /* else mail may be on its way to it */
		crew_end_left(&s->crew);
}

void
server_on_gone(struct mail *m, void *receiver)
{
	struct server *s = receiver;

	crew_bury(&s->crew, CONTAINER_OF(m, struct worker, gone));
}

void
server_drain(struct server *s, const char *why)
{
	struct worker *w;
	unsigned from = 0;

	log_notice("%s: draining for up to %llu s", why,
		   (unsigned long long)(s->site->grace_ns / CLOCK_SEC));
	gauge_set(&s->state, SERVER_DRAINING);
	notify_stopping("draining", clock_after(s->site->grace_ns, STOP_MARGIN_NS));
	acceptor_drain(&s->acceptor);
	s->busy_workers = 0;
	while ((w = crew_next(&s->crew, &from)) != NULL) {
		s->busy_workers += !w->has_reported;
		if (worker_send(w, WORKER_DRAIN, s->site->grace_ns) != 0)
			loop_stop(&s->loop); /* without memory for a letter: stop at once */
	}
}

static void
on_hangup(struct server *s)
{
	if (gauge_read(&s->state) == SERVER_DRAINING) {
		log_notice("SIGHUP: not while draining");
		return;
	}
	log_notice("SIGHUP: asked to reload");
	reload_ask(&s->reload, NULL);
}

static void
on_signal(struct io *io, unsigned ready)
{
	struct server *s = CONTAINER_OF(io, struct server, signals);
	struct signalfd_siginfo got;

	(void)ready;
	while (read(io_fd(io), &got, sizeof(got)) == (ssize_t)sizeof(got)) {
		if (got.ssi_signo == SIGUSR1) {
			logs_reopen(&s->logs);
		} else if (got.ssi_signo == SIGHUP) {
			on_hangup(s);
		} else if (gauge_read(&s->state) == SERVER_DRAINING) {
			log_warning("signal %u again: stopping at once", got.ssi_signo);
			loop_stop(&s->loop);
		} else {
			server_drain(s, got.ssi_signo == SIGTERM ? "SIGTERM" : "SIGINT");
		}
	}
}

/* --- phases ------------------------------------------------------------------------------ */

static int
start_signals(struct start_up *u)
{
	struct server *s = u->server;
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR1);
	signal(SIGPIPE, SIG_IGN);
	sigprocmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	if (fd < 0)
		return ERR_SYSTEM;
	io_init(&s->signals, &s->loop, fd, on_signal);
	return io_watch(&s->signals);
}

static void
stop_signals(struct server *s)
{
	io_close(&s->signals);
}

static int
start_inherited(struct start_up *u)
{
	(void)u;
	return inherited_take();
}

static void
stop_inherited(struct server *s)
{
	(void)s;
	inherited_close();
}

static void
print_errors(struct conf_errors *e)
{
	char *text = mem_alloc(ERROR_TEXT_BYTES);
	struct writer w = writer_over(text, text ? ERROR_TEXT_BYTES : 0);

	conf_errors_write(e, &w);
	if (w.len)
		fwrite(w.at, 1, w.len, stderr);
	mem_free(&text);
}

static int
start_file(struct start_up *u)
{
	u->server->site = u->server->sites = site_open(u->path, &u->errors);
	if (u->server->site && u->errors.errors == 0)
		return 0;
	/* The rest is looked at too, so that all errors come in one run. */
	if (u->server->site && site_complete(u->server->site, NULL, &u->errors) == ERR_MEMORY)
		log_error("out of memory");
	print_errors(&u->errors);
	return ERR_SYNTAX;
}

static void
stop_file(struct server *s)
{
	while (s->sites) {
		struct site *site = s->sites;

		s->sites = site->next;
		site_free(&site);
	}
	s->site = NULL;
}

static int
start_sockets(struct start_up *u)
{
	struct server *s = u->server;
	int err;

	acceptor_init(&s->acceptor, &s->loop, &s->crew, &s->counters);
	err = acceptor_prepare(&s->acceptor, s->site, &u->errors);
	if (err)
		print_errors(&u->errors);
	if (!err)
		err = monitor_open(&s->monitor, s);
	if (!err)
		inherited_mention_unused();
	return err;
}

static void
stop_sockets(struct server *s)
{
	acceptor_close(&s->acceptor);
	monitor_stop(&s->monitor);
}

static int
start_privileges(struct start_up *u)
{
	return privileges_drop(u->server->site);
}

/* Conns, upstreams and files all want descriptors: as many as the kernel gives. */
static void
raise_file_limit(const struct site *site)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) == 0 &&
	    limit.rlim_cur < (rlim_t)site->max_connections + SPARE_FILES)
		log_notice("%llu descriptors are fewer than max_connections = %u needs",
			   (unsigned long long)limit.rlim_cur, site->max_connections);
}

static void
tell_cpus(const struct site *site)
{
	char text[CPUS_TEXT_BYTES];
	struct writer w = writer_over(text, sizeof(text));
	struct slice rest, line;

	site_write_budget(site, &w);
	site_write_cpus(site, &w);
	rest = writer_slice(&w);
	while (text_file_line(&rest, &line))
		log_notice("%.*s", SLICE_PRINT(line));
}

static int
start_site(struct start_up *u)
{
	struct site *site = u->server->site;
	char text[EXPLAIN_BYTES];
	struct writer w = writer_over(text, sizeof(text));
	int err = site_complete(site, NULL, &u->errors);

	if (!err)
		err = logs_prepare(&u->server->logs, site, &u->errors);
	if (!err)
		err = site_warm(site, NULL, &u->errors);
	print_errors(&u->errors);
	if (err)
		return err;
	logs_commit(&u->server->logs);
	budget_explain(&site->budget, &w);
	log_notice("%.*s", SLICE_PRINT(writer_slice(&w)));
	tell_cpus(site);
	for (unsigned i = 0; i < site->pools.count; i++)
		pool_tell_priority(site->pools.at[i].pool);
	raise_file_limit(site);
	return 0;
}

static int
start_workers(struct start_up *u)
{
	struct server *s = u->server;
	int err;

	s->site->holders = 2; /* main, and the monitor */
	s->shown = s->site;
	budget_watch_take(&s->budget_watch, &s->site->budget);
	budget_watch_show(&s->budget_watch, &s->site->budget);
	s->clients = clients_new(s->site->max_connections);
	if (!s->clients)
		return ERR_MEMORY;
	err = crew_recruit(&s->crew, s->site);
	if (!err)
		crew_settle(&s->crew, s->site);
	return err;
}

/* Pools first: their last jobs go home to workers that still turn. The reaper after them: it may
 * wait for a job that runs, which only their end tells to stop. */
static void
stop_workers(struct server *s)
{
	crew_close(&s->crew);
	for (struct site *site = s->sites; site; site = site->next)
		pools_stop(&site->pools);
	reaper_stop(&s->reaper);
	crew_stop(&s->crew);
	/* Their reports are parts of them. */
	mailbox_drain(&s->loop.mailbox, s);
	crew_fini(&s->crew);
	clients_free(&s->clients);
}

static int
start_monitor(struct start_up *u)
{
	return monitor_start(&u->server->monitor);
}

static void
stop_monitor(struct server *s)
{
	monitor_stop(&s->monitor);
}

static int
start_accepting(struct start_up *u)
{
	struct server *s = u->server;
	int err = acceptor_watch(&s->acceptor);

	if (err)
		return err;
	gauge_set(&s->state, SERVER_READY);
	acceptor_take_over(&s->acceptor, s->site);
	notify_serving(s->site->workers, s->site->route_count);
	return 0;
}

static int
start_watchdog(struct start_up *u)
{
	return watchdog_start(&u->server->watchdog, u->server);
}

static void
stop_watchdog(struct server *s)
{
	watchdog_stop(&s->watchdog);
}

static int
start_lost_watch(struct start_up *u)
{
	return lost_watch_start(&u->server->lost_watch, u->server);
}

static void
stop_lost_watch(struct server *s)
{
	lost_watch_stop(&s->lost_watch);
}

static void
stop_accepting(struct server *s)
{
	budget_watch_stop(&s->budget_watch);
	purge_stop(&s->purge);
	setting_stop(&s->setting);
	reload_stop(&s->reload);
}

static const struct phase {
	const char *name; /* for the message when it fails: "cannot start NAME" */
	int (*start)(struct start_up *u);
	void (*stop)(struct server *s);
} phases[] = {
	{ "inherited sockets", start_inherited, stop_inherited },
	{ "signals", start_signals, stop_signals },
	{ "configuration", start_file, stop_file },
	{ "listeners", start_sockets, stop_sockets },
	{ "privileges", start_privileges, NULL },
	{ "site", start_site, NULL },
	{ "workers", start_workers, stop_workers },
	{ "monitor", start_monitor, stop_monitor },
	{ "accepting", start_accepting, stop_accepting },
	{ "watchdog", start_watchdog, stop_watchdog },
	{ "watch for lost threads", start_lost_watch, stop_lost_watch },
};

enum { PHASES = sizeof(phases) / sizeof(phases[0]) };

/* How many phases were begun; *err says how the last one went. */
static unsigned
start_all(struct start_up *u, int *err)
{
	unsigned begun = 0;

	*err = 0;
	while (begun < PHASES && !*err)
		*err = phases[begun++].start(u);
	if (*err && *err != ERR_SYNTAX)
		log_error("cannot start: %s: %s", phases[begun - 1].name, err_text(*err));
	return begun;
}

/* Async-signal-safe: it may come while anything holds the log. */
static void
on_last_resort(int number)
{
	static const char text[] =
	    "forebayd: a thread has not ended within 10 s after the drain; ending without it\n";

	(void)number;
	(void)!write(STDERR_FILENO, text, sizeof(text) - 1);
	_exit(EXIT_FAILURE);
}

/* A job that asks nobody whether it should end, a worker that stands still, a disk that hangs: from
 * now on threads are waited for, and that must have an end. */
static void
set_last_resort(void)
{
	struct sigaction action = { .sa_handler = on_last_resort };

	sigaction(SIGALRM, &action, NULL);
	alarm(LAST_RESORT_S);
}

int
server_run(const char *path)
{
	struct server *s = mem_zalloc(1, sizeof(*s));
	struct start_up u = { .server = s, .path = path };
	unsigned begun;
	int err;

	if (!s || logs_init(&s->logs) != 0 || loop_init(&s->loop, s) != 0) {
		mem_free(&s);
		log_error("cannot start: %s", err_text(ERR_MEMORY));
		return EXIT_FAILURE;
	}
	s->started_ns = clock_monotonic();
	crew_init(&s->crew, s);
	reload_init(&s->reload, s, path);
	reaper_init(&s->reaper, &s->loop.mailbox);
	setting_init(&s->setting, &s->reload);
	purge_init(&s->purge, s);
	budget_watch_init(&s->budget_watch, s);
	s->signals.event.ev_fd = -1;
	conf_errors_init(&u.errors);
	begun = start_all(&u, &err);
	conf_errors_fini(&u.errors);
	if (!err)
		loop_run(&s->loop);
	set_last_resort();
	while (begun-- > 0) {
		if (phases[begun].stop)
			phases[begun].stop(s);
	}
	logs_fini(&s->logs);
	loop_fini(&s->loop);
	mem_free(&s);
	alarm(0);
	if (!err)
		log_notice("stopped");
	return err ? EXIT_FAILURE : EXIT_SUCCESS;
}
