/*
 * The monitor; see monitor.h.
 */
#include "server/monitor.h"

#include "base/clock.h"
#include "base/log.h"
#include "server/opening.h"
#include "server/page.h"
#include "server/privileges.h"
#include "server/server.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 64, PAUSE_MS = 20, ADDRESS_BYTES = 256, SOCKET_MODE = 0600 };

/* Of a client that asks short questions. */
static const struct conn_limits limits = {
	.h1 = { .max_head_bytes = 8192, .max_fields = 64, .max_target = 1024 },
	.header_timeout_ns = 2 * CLOCK_SEC,
	.body_idle_timeout_ns = 5 * CLOCK_SEC,
	.idle_timeout_ns = 120 * CLOCK_SEC, /* longer than the usual time between scrapes */
	.send_idle_timeout_ns = 10 * CLOCK_SEC,
	.max_body = 4096,
};

/* --- accepting ---------------------------------------------------------------------------- */

/* An idle conn makes room for one that waits, and for nobody else. */
static bool
has_room(struct monitor_listener *l)
{
	struct conn_host *h = &l->monitor->host;

	if (h->open < MONITOR_CONNECTIONS)
		return true;
	return listener_is_awaited(&l->socket) && conn_host_close_idle(h, 1) > 0;
}

/* Looks again a little later. */
static void
pause_accepting(struct monitor *m)
{
	uint64_t until = clock_after(loop_now(&m->env.loop), PAUSE_MS * CLOCK_MS);

	if (loop_set_timer(&m->env.loop, &m->pause, until) != 0)
		log_warning("accept: %s", err_text(ERR_MEMORY));
}

static void
accept_some(struct monitor_listener *l)
{
	struct monitor *m = l->monitor;
	struct address peer;
	int fd;

	for (unsigned i = 0; i < MONITOR_CONNECTIONS && has_room(l); i++) {
		fd = listener_accept(&l->socket, &peer);
		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0)
			break;
		conn_open(&m->host, fd, &peer, 0);
	}
	pause_accepting(m);
}

static void
on_ready(struct io *io, unsigned ready)
{
	(void)ready;
	accept_some(CONTAINER_OF(io, struct monitor_listener, io));
}

static void
on_pause_over(struct timer *t)
{
	struct monitor *m = CONTAINER_OF(t, struct monitor, pause);

	for (unsigned i = 0; i < m->listener_count; i++)
		accept_some(&m->listeners[i]);
}

/* --- listeners ------------------------------------------------------------------------------ */

static void
complain(const struct monitor *m, const char *key, struct slice why)
{
	struct conf_section *section = conf_find(m->server->site->conf, SLICE("admin"), SLICE(""));

	log_error("%s:%u: [admin] %s: %.*s", conf_file_name(section, key), conf_line(section, key),
		  key, SLICE_PRINT(why));
}

static void
announce(const struct monitor_listener *l)
{
	char text[ADDRESS_BYTES];
	struct writer w = writer_over(text, sizeof(text));

	address_write(&l->socket.address, &w);
	log_notice("admin listener at %.*s", SLICE_PRINT(writer_slice(&w)));
}

static int
open_listener(struct monitor *m, const char *key, const struct address *address)
{
	struct monitor_listener *l = &m->listeners[m->listener_count];
	char text[OPENING_BYTES];
	struct writer why = writer_over(text, sizeof(text));
	int err;

	*l = (struct monitor_listener){
		.monitor = m,
		.socket = { .address = *address,
			    .fd = -1,
			    .backlog = BACKLOG,
			    .mode = SOCKET_MODE },
	};
	err = opening_listen(&l->socket, &why);
	if (err) {
		complain(m, key, writer_slice(&why));
		return err;
	}
	m->listener_count++;
	if (l->socket.owns_path)
		privileges_give(m->server->site, address->of.path.sun_path);
	announce(l);
	return 0;
}

static int
open_socket(struct monitor *m, struct slice path)
{
	char text[ADDRESS_BYTES];
	struct writer w = writer_over(text, sizeof(text));
	struct address address;

	if (!slice_has_prefix(path, SLICE("systemd:")))
		writer_text(&w, "unix:");
	writer_put(&w, path);
	if (w.is_full || address_parse_listening(&address, writer_slice(&w)) != 0) {
		log_error("[admin] socket: %.*s: longer than a socket's path can be",
			  SLICE_PRINT(path));
		return ERR_ARGUMENT;
	}
	return open_listener(m, "socket", &address);
}

static int
open_listeners(struct monitor *m)
{
	const struct site *site = m->server->site;
	int listen = 0, socket = 0;

	if (site->admin_listen.len)
		listen = open_listener(m, "listen", &site->admin_listen);
	if (site->admin_socket.len)
		socket = open_socket(m, site->admin_socket);
	return listen ? listen : socket;
}

static int
watch_listeners(struct monitor *m)
{
	for (unsigned i = 0; i < m->listener_count; i++) {
		struct monitor_listener *l = &m->listeners[i];

		io_init(&l->io, &m->env.loop, l->socket.fd, on_ready);
		if (io_watch(&l->io) != 0)
			return ERR_SYSTEM;
	}
	return 0;
}

static void
close_listeners(struct monitor *m)
{
	for (unsigned i = 0; i < m->listener_count; i++) {
		struct monitor_listener *l = &m->listeners[i];

		if (io_is_watched(&l->io))
			io_release(&l->io);
		listener_close(&l->socket);
	}
	m->listener_count = 0;
}

/* --- life ------------------------------------------------------------------------------------ */

static void
on_stop(struct mail *mail, void *receiver)
{
	struct monitor *m = receiver;

	(void)mail;
	loop_stop(&m->env.loop);
}

static void
run(void *argument)
{
	struct monitor *m = argument;

	stall_begin(m->env.loop.stall);
	if (lookout_start(&m->lookout, m->server, &m->env.loop) != 0)
		log_error("stalls are not looked for: %s", err_text(ERR_MEMORY));
	budget_watch_start(&m->server->budget_watch);
	loop_run(&m->env.loop);
	budget_watch_end(&m->server->budget_watch);
	lookout_stop(&m->lookout);
	close_listeners(m);
	conn_host_close_all(&m->host);
	loop_clear_timer(&m->env.loop, &m->pause);
	loop_turn(&m->env.loop, false); /* frees what ended */
}

static int
init(struct monitor *m)
{
	int err;

	m->env.counters = &m->counters;
	m->stop.deliver = on_stop;
	timer_init(&m->pause, on_pause_over);
	err = loop_init(&m->env.loop, m);
	if (err)
		return err;
	m->has_loop = true;
	desk_init(&m->desk, &m->env.loop);
	store_init(&m->env.store);
	random_init(&m->env.random, random_seed());
	err = conn_host_init(&m->host, &m->env, &limits, &page_app, m->server);
	m->has_host = !err;
	return err;
}

int
monitor_open(struct monitor *m, struct server *server)
{
	int err;

	*m = (struct monitor){ .server = server };
	err = init(m);
	return err ? err : open_listeners(m);
}

int
monitor_start(struct monitor *m)
{
	int err = watch_listeners(m);

	if (err)
		return err;
	m->thread.role = THREAD_MONITOR;
	m->thread.run = run;
	m->thread.argument = m;
	memcpy(m->thread.name, "monitor", sizeof("monitor"));
	return thread_start(&m->thread);
}

static void
on_show(struct mail *mail, void *receiver)
{
	struct monitor *m = receiver;

	m->server->shown = m->to_show;
	budget_watch_show(&m->server->budget_watch, &m->to_show->budget);
	mail->deliver = server_on_shown;
	server_report(m->server, mail);
}

void
monitor_show(struct monitor *m, const struct site *site)
{
	m->to_show = site;
	m->show.deliver = on_show;
	if (m->thread.is_running)
		mailbox_send(&m->env.loop.mailbox, &m->show);
	else
		on_show(&m->show, m);
}

void
monitor_stop(struct monitor *m)
{
	if (m->thread.is_running) {
		mailbox_send(&m->env.loop.mailbox, &m->stop);
		thread_join(&m->thread);
		/* Commands that came home meanwhile. */
		mailbox_drain(&m->env.loop.mailbox, m);
	}
	close_listeners(m);
	if (m->has_host)
		conn_host_fini(&m->host);
	if (m->has_loop) {
		loop_fini(&m->env.loop);
		store_fini(&m->env.store);
	}
	m->has_host = m->has_loop = false;
}
