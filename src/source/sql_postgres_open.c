/*
 * Connections to PostgreSQL, opened. libpq looks names up, reads files and
 * computes keys in its own time, so this is no work for a worker: a job of the
 * opener, or the builder, who checks statements. Every other wait in here is
 * ours, so that it ends at a time-out, or when the job is told to stop.
 */
#include "base/mem.h"
#include "source/sql_postgres_priv.h"

#include <libpq-fe.h>
#include <poll.h>

enum { NAP_MS = 100 }; /* between two looks at the job */

void
postgres_write_message(struct writer *w, const char *message)
{
	struct slice rest = slice_of(message);

	while (rest.len > 0) {
		struct slice line = slice_trim(slice_cut(&rest, '\n'));

		if (line.len > 0 && w->len > 0)
			writer_text(w, "; ");
		writer_put(w, line);
	}
}

/* --- waiting --------------------------------------------------------------------- */

/* Whoever waits behind has no time for the rest of a nap. */
static int
nap_ms(uint64_t left_ns)
{
	return left_ns >= NAP_MS * CLOCK_MS ? NAP_MS : (int)(left_ns / CLOCK_MS) + 1;
}

int
postgres_wait(int fd, short events, uint64_t until_ns, const struct job *j)
{
	struct pollfd p = { .fd = fd, .events = events };

	for (;;) {
		uint64_t now = clock_monotonic();

		if (now >= until_ns)
			return ERR_TIMEOUT;
		if (j && job_is_cancelled(j))
			return ERR_CANCELLED;
		if (poll(&p, 1, nap_ms(until_ns - now)) > 0)
			return 0;
	}
}

static int
connect_now(PGconn *db, uint64_t until_ns, const struct job *j)
{
	PostgresPollingStatusType status = PGRES_POLLING_WRITING;
	int err = 0;

	if (PQstatus(db) == CONNECTION_BAD)
		return ERR_CONNECT;
	while (!err && status != PGRES_POLLING_OK && status != PGRES_POLLING_FAILED) {
		err = postgres_wait(
		    PQsocket(db), status == PGRES_POLLING_READING ? POLLIN : POLLOUT, until_ns, j);
		if (!err)
			status = PQconnectPoll(db);
	}
	if (!err && status == PGRES_POLLING_FAILED)
		err = ERR_CONNECT;
	return err;
}

static int
flush_now(PGconn *db, uint64_t until_ns, const struct job *j)
{
	int err = 0, left = PQflush(db);

	while (!err && left > 0) {
		err = postgres_wait(PQsocket(db), POLLIN | POLLOUT, until_ns, j);
		if (!err && !PQconsumeInput(db))
			err = ERR_CLOSED;
		left = PQflush(db);
	}
	return !err && left < 0 ? ERR_CLOSED : err;
}

static int
next_result(PGconn *db, uint64_t until_ns, const struct job *j, PGresult **r)
{
	int err = 0;

	while (!err && PQisBusy(db)) {
		err = postgres_wait(PQsocket(db), POLLIN, until_ns, j);
		if (!err && !PQconsumeInput(db))
			err = ERR_CLOSED;
	}
	*r = err ? NULL : PQgetResult(db);
	return err;
}

int
postgres_result(PGconn *db, uint64_t until_ns, const struct job *j, PGresult **result)
{
	int err = flush_now(db, until_ns, j);
	PGresult *first = NULL, *r;

	while (!err) {
		err = next_result(db, until_ns, j, &r);
		if (!r)
			break;
		if (!first || PQresultStatus(first) != PGRES_FATAL_ERROR) {
			PQclear(first);
			first = r;
		} else {
			PQclear(r);
		}
	}
	if (!err && !first)
		err = ERR_CLOSED;
	if (err) {
		PQclear(first);
		first = NULL;
	}
	*result = first;
	return err;
}

/* SQL without an answer. */
static int
run_now(PGconn *db, const char *sql, uint64_t until_ns, const struct job *j)
{
	PGresult *r;
	int err = ERR_CLOSED;

	if (PQsendQuery(db, sql))
		err = postgres_result(db, until_ns, j, &r);
	if (err)
		return err == ERR_CLOSED ? ERR_CONNECT : err;
	if (PQresultStatus(r) != PGRES_COMMAND_OK)
		err = ERR_CONNECT;
	PQclear(r);
	return err;
}

/* --- opening --------------------------------------------------------------------- */

/* The server's notices are for who writes its functions. */
void
postgres_log_notice(void *argument, const PGresult *r)
{
	const char *text = PQresultErrorField(r, PG_DIAG_MESSAGE_PRIMARY);

	(void)argument;
	log_debug("postgresql: %s", text ? text : "a notice");
}

static void
say_why(struct writer *why, const PGconn *db, int err)
{
	if (err == ERR_CONNECT && PQerrorMessage(db)[0] != '\0')
		postgres_write_message(why, PQerrorMessage(db));
	else if (err == ERR_TIMEOUT)
		writer_text(why, "no connection within connect_timeout");
	else
		writer_text(why, err_text(err));
}

PGconn *
postgres_open(const struct postgres_options *o, uint64_t until_ns, const struct job *j,
	      struct writer *why)
{
	PGconn *db = PQconnectStartParams(o->keyword, o->value, 1);
	int err;

	if (!db) {
		writer_text(why, err_text(ERR_MEMORY));
		return NULL;
	}
	PQsetNoticeReceiver(db, postgres_log_notice, NULL);
	err = connect_now(db, until_ns, j);
	if (!err)
		err = run_now(db, o->set_up, until_ns, j);
	if (!err)
		return db;
	say_why(why, db, err);
	PQfinish(db);
	return NULL;
}

/* --- as a job -------------------------------------------------------------------- */

struct opening {
	struct job job;
	struct postgres_share *share; /* borrowed: there until this is home, by the lease */
	PGconn *db; /* of run(); owned */
	size_t why_len;
	char why[POSTGRES_WHY_BYTES];
};

static int
run_opening(struct job *j, struct pool_thread *t)
{
	struct opening *o = CONTAINER_OF(j, struct opening, job);
	const struct postgres *p = o->share->postgres;
	struct writer why = writer_over(o->why, sizeof(o->why));
	uint64_t until_ns;

	if (postgres_opener_begin(p, j, t, "the opening of a connection", &until_ns) != 0)
		return ERR_DEADLINE;
	o->db = postgres_open(&p->options, until_ns, j, &why);
	o->why_len = why.len;
	return o->db ? 0 : ERR_CONNECT;
}

static void
on_opened(struct job *j, void *receiver)
{
	struct opening *o = CONTAINER_OF(j, struct opening, job);
	struct postgres_share *share = o->share;
	struct lease *lease = share->lease;
	struct slice why = slice_make(o->why, o->why_len);

	(void)receiver;
	if (why.len == 0)
		why = slice_of(err_text(j->outcome));
	if (j->outcome == ERR_DEADLINE)
		postgres_share_not_tried(share);
	else
		postgres_share_opened(share, o->db, why);
	mem_free(&o);
	lease_give(lease);
}

int
postgres_open_for(struct postgres_share *s)
{
	struct opening *o = mem_zalloc(1, sizeof(*o));
	int err;

	if (!o)
		return ERR_MEMORY;
	o->share = s;
	o->job.run = run_opening;
	o->job.on_home = on_opened;
	err = postgres_opener_submit(s, &o->job);
	if (err)
		mem_free(&o);
	return err;
}
