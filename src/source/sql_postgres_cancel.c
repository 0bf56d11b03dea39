/*
 * A statement that nobody waits for any more is cancelled: the server is told
 * so on a connection of its own, which libpq makes and waits for, so it is a job
 * of the opener. The connection that runs the statement is not used again before
 * this is home, so that the next statement is not hit instead.
 *
 * libpq waits without an end, until the server has closed that connection; one
 * that is stopped, or a proxy before it, keeps it open for ever. So we knock
 * first: who connects and says nothing is let go by any server that is alive.
 * One that does not do that in time is not asked to cancel anything. What stops
 * between the two holds its thread; libpq 17 has PQcancelStart, which waits for
 * nobody, but we build with 14 and later.
 */
#include "base/address.h"
#include "base/mem.h"
#include "source/sql_postgres_priv.h"

#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <unistd.h>

struct postgres_cancelling {
	struct job job;
	PGcancel *cancel; /* owned */
	struct address server;
	const struct postgres *postgres; /* borrowed: there until this is home, by the lease */
	struct postgres_conn *conn; /* borrowed; NULL: it is no more */
	struct lease *lease; /* taken */
	char why[256]; /* as libpq asks for it */
};

/* --- knocking -------------------------------------------------------------------- */

static int
connect_by(int fd, const struct address *a, uint64_t until_ns, const struct job *j)
{
	socklen_t len = sizeof(int);
	int fault = 0, err;

	if (connect(fd, &a->of.any, a->len) == 0)
		return 0;
	/* Of a path: so many wait to be accepted that nobody else can. */
	if (errno != EINPROGRESS)
		return errno == EAGAIN ? ERR_FULL : ERR_CONNECT;
	err = postgres_wait(fd, POLLOUT, until_ns, j);
	if (!err && (getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &len) != 0 || fault != 0))
		err = ERR_CONNECT;
	return err;
}

/* 0: somebody is there; ERR_TIMEOUT: nobody has answered. */
static int
knock(const struct address *a, uint64_t until_ns, const struct job *j)
{
	int fd = socket(a->of.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return ERR_SYSTEM;
	err = connect_by(fd, a, until_ns, j);
	if (!err && shutdown(fd, SHUT_WR) != 0)
		err = ERR_CONNECT;
	if (!err)
		err = postgres_wait(fd, POLLIN, until_ns, j);
	close(fd);
	return err;
}

/* As libpq connects to it. A path is what we call it: the server may see another one. */
static int
find_server(PGconn *db, struct address *a)
{
	struct slice host = slice_of(PQhost(db));
	struct writer w = writer_over(a->of.path.sun_path, sizeof(a->of.path.sun_path));

	*a = (struct address){ .len = sizeof(a->of) };
	if (getpeername(PQsocket(db), &a->of.any, &a->len) != 0)
		return ERR_CLOSED;
	if (a->of.any.sa_family != AF_UNIX || !slice_has_prefix(host, SLICE("/")))
		return 0;
	writer_format(&w, "%.*s/.s.PGSQL.%s", SLICE_PRINT(host), PQport(db));
	writer_char(&w, '\0');
	a->len = sizeof(a->of.path);
	return w.is_full ? ERR_FULL : 0;
}

/* --- as a job -------------------------------------------------------------------- */

static int
run_cancelling(struct job *j, struct pool_thread *t)
{
	struct postgres_cancelling *c = CONTAINER_OF(j, struct postgres_cancelling, job);
	uint64_t until_ns;
	int err =
	    postgres_opener_begin(c->postgres, j, t, "the cancelling of a statement", &until_ns);

	if (!err)
		err = knock(&c->server, until_ns, j);
	if (err || PQcancel(c->cancel, c->why, (int)sizeof(c->why)))
		return err;
	log_debug("postgresql: a statement cannot be cancelled: %.*s",
		  SLICE_PRINT(slice_trim(slice_of(c->why))));
	return ERR_FAILED;
}

static void
on_cancelled(struct job *j, void *receiver)
{
	struct postgres_cancelling *c = CONTAINER_OF(j, struct postgres_cancelling, job);
	struct lease *lease = c->lease;

	(void)receiver;
	if (c->conn) {
		c->conn->cancelling = NULL;
		postgres_conn_cancelled(c->conn, j->outcome);
	}
	PQfreeCancel(c->cancel);
	mem_free(&c);
	lease_give(lease);
}

static struct postgres_cancelling *
make(struct postgres_conn *c)
{
	struct postgres_cancelling *cancelling = mem_zalloc(1, sizeof(*cancelling));

	if (!cancelling)
		return NULL;
	if (find_server(c->db, &cancelling->server) == 0)
		cancelling->cancel = PQgetCancel(c->db);
	if (!cancelling->cancel) {
		mem_free(&cancelling);
		return NULL;
	}
	cancelling->conn = c;
	cancelling->postgres = c->share->postgres;
	cancelling->lease = c->share->lease;
	cancelling->job.run = run_cancelling;
	cancelling->job.on_home = on_cancelled;
	return cancelling;
}

void
postgres_cancel(struct postgres_conn *c)
{
	struct postgres_cancelling *cancelling = make(c);

	if (!cancelling)
		return;
	c->cancelling = cancelling;
	if (postgres_opener_submit(c->share, &cancelling->job) == 0) {
		count_add(c->share->env->counters, COUNTER_POSTGRES_CANCELLED, 1);
		return;
	}
	c->cancelling = NULL;
	PQfreeCancel(cancelling->cancel);
	mem_free(&cancelling);
}

void
postgres_cancel_forget(struct postgres_conn *c)
{
	if (c->cancelling)
		c->cancelling->conn = NULL;
	c->cancelling = NULL;
}
