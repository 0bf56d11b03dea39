/*
 * One connection to PostgreSQL on its worker's loop. libpq reads and writes the
 * socket, and never waits here: the loop says when the socket is ready, and
 * nothing is asked for that is not there.
 *
 *   state      what runs                            ends with
 *   IDLE       nothing                              begin()
 *   RUNNING    all that was sent; rows come, one    what was held back, or the errand's answer
 *              result each
 *   UNDOING    a failed transaction's ROLLBACK      the errand's error; or all of it once more
 *   DRAINING   what nobody waits for, discarded;    SETTLING or IDLE
 *              cancelled again and again
 *   SETTLING   nothing; a cancelling is out         its home: IDLE, or closed when in doubt
 *
 * The server ends statements at statement_timeout; the timer here is for a
 * server that does not answer. All happens in work(), on top of the stack; after
 * a call upwards it returns, because the errand is gone and others may have come.
 *
 * A query of one statement is a transaction of its own. One of several is BEGIN, the
 * statements, COMMIT, sent as one (sql_postgres_send.c); rows are the last statement's. COMMIT
 * waits for rows that we may still refuse. When the errand leaves in the middle, what runs is
 * cancelled, and a connection that is left in a transaction closed, which undoes it.
 *
 * Each command ends with a NULL result, and what was sent together when the server says that it
 * is ready for more (PIPELINE_SYNC): only that counts, because an error may still come behind the
 * last row. Only one request's commands are ever under way, so that none waits for
 * another's and cancelling hits nobody else.
 */
#include "base/mem.h"
#include "source/sql_postgres_priv.h"

#include <errno.h>
#include <libpq-fe.h>
#include <sys/socket.h>

enum {
	ROWS_TURN = 256, /* results in one go */
	READS_TURN = 32, /* of the socket */
	AGAIN_MIN_MS = 10,
	AGAIN_MAX_MS = 1000, /* between two attempts to cancel the same */
	TLS_READS = 2, /* a record may be more than libpq reads at a time */
	NAMES_MAX = 4096, /* statements that a connection has been told of */
};

/* --- life ------------------------------------------------------------------------ */

static void on_work(struct deferred *d);
static void on_end(struct deferred *d);
static void on_timer(struct timer *t);
static void on_again(struct timer *t);

struct postgres_conn *
postgres_conn_new(PGconn *db)
{
	struct postgres_conn *c = mem_zalloc(1, sizeof(*c));

	if (!c || !PQenterPipelineMode(db)) {
		PQfinish(db);
		mem_free(&c);
		return NULL;
	}
	c->db = db;
	c->state = POSTGRES_IDLE;
	c->work.run = on_work;
	c->end.run = on_end;
	c->io.event.ev_fd = -1;
	list_init(&c->link);
	timer_init(&c->timer, on_timer);
	timer_init(&c->again, on_again);
	return c;
}

void
postgres_conn_free(struct postgres_conn *c)
{
	PQfinish(c->db);
	for (unsigned i = 0; i < c->prepared_count; i++)
		mem_free(&c->prepared[i].text);
	mem_free(&c->prepared);
	mem_free(&c);
}

static struct loop *
loop_of(const struct postgres_conn *c)
{
	return &c->share->env->loop;
}

/* While nothing runs the server's last words are one: it closes the socket a little later. */
static void
on_notice(void *argument, const PGresult *r)
{
	struct postgres_conn *c = argument;
	struct slice severity = slice_of(PQresultErrorField(r, PG_DIAG_SEVERITY_NONLOCALIZED));

	postgres_log_notice(NULL, r);
	if (slice_eq(severity, SLICE("FATAL")) || slice_eq(severity, SLICE("PANIC")))
		c->is_doubtful = true;
}

static void
on_ready(struct io *io, unsigned ready)
{
	struct postgres_conn *c = CONTAINER_OF(io, struct postgres_conn, io);

	(void)ready;
	loop_soon(loop_of(c), &c->work);
}

int
postgres_conn_settle(struct postgres_conn *c, struct postgres_share *s)
{
	c->share = s;
	PQsetNoticeReceiver(c->db, on_notice, c);
	io_init(&c->io, &s->env->loop, PQsocket(c->db), on_ready);
	if (PQsetnonblocking(c->db, 1) != 0 || io_watch(&c->io) != 0) {
		postgres_conn_leave(c);
		postgres_conn_free(c);
		quota_give(s->member);
		return ERR_SYSTEM;
	}
	postgres_share_note_idle(c);
	return 0;
}

void
postgres_conn_leave(struct postgres_conn *c)
{
	struct loop *l = loop_of(c);

	io_release(&c->io);
	loop_forget(l, &c->work);
	loop_clear_timer(l, &c->timer);
	loop_clear_timer(l, &c->again);
	list_remove(&c->link);
	c->share = NULL;
}

static void
on_end(struct deferred *d)
{
	struct postgres_conn *c = CONTAINER_OF(d, struct postgres_conn, end);

	list_remove(&c->link);
	postgres_conn_free(c);
}

/* Leaves the list of the idle or of the busy ones. */
static void
take_off_list(struct postgres_conn *c)
{
	struct postgres_share *s = c->share;

	list_remove(&c->link);
	if (c->state == POSTGRES_IDLE) {
		s->idle_count--;
		quota_set_idle(s->member, s->idle_count);
		return;
	}
	s->busy_count--;
	if (!s->is_ended)
		lease_give(s->lease);
}

void
postgres_conn_close(struct postgres_conn *c)
{
	struct postgres_share *s = c->share;

	if (c->state == POSTGRES_CLOSED)
		return;
	take_off_list(c);
	c->state = POSTGRES_CLOSED;
	postgres_cancel_forget(c);
	postgres_conn_leave(c);
	c->share = s;
	list_append(&s->closed, &c->link);
	loop_last(&s->env->loop, &c->end);
	quota_give(s->member);
	postgres_share_serve(s);
}

/* Its errand, if it has one, is the caller's now. */
static struct postgres_errand *
let_go(struct postgres_conn *c)
{
	struct postgres_errand *e = c->errand;

	c->errand = NULL;
	if (e)
		e->conn = NULL;
	return e;
}

/* The connection is lost. */
static void
fail(struct postgres_conn *c, int err)
{
	struct postgres_errand *e = let_go(c);

	if (c->state != POSTGRES_CLOSED && err == ERR_CLOSED)
		count_add(c->share->env->counters, COUNTER_POSTGRES_LOST, 1);
	postgres_conn_close(c);
	if (e)
		postgres_errand_end(e, e->err ? e->err : err);
}

static void
give_up_server(struct postgres_conn *c, int err)
{
	log_warning("database %.*s: no answer; a connection is given up",
		    SLICE_PRINT(c->share->postgres->database->sql.name));
	fail(c, err);
}

static void
on_timer(struct timer *t)
{
	give_up_server(CONTAINER_OF(t, struct postgres_conn, timer), ERR_TIMEOUT);
}

/* --- an attempt ------------------------------------------------------------------ */

static void
begin_attempt(struct postgres_conn *c)
{
	struct postgres_errand *e = c->errand;
	int err;

	buffer_fini(&e->output);
	buffer_init(&e->output, (size_t)e->q->part->max_result);
	sql_rows_begin(&e->rows, e->part->shape, &e->output);
	sql_rows_splice(&e->rows, e->part->json.at, (unsigned)e->part->json.count);
	e->err = 0;
	e->at = 0;
	e->has_columns = false;
	e->changed = 0;
	err = postgres_send_more(c);
	if (err)
		fail(c, err);
}

void
postgres_conn_begin(struct postgres_conn *c, struct postgres_errand *e)
{
	struct postgres_share *s = c->share;

	take_off_list(c);
	c->errand = e;
	e->conn = c;
	e->begun_ns = loop_now(&s->env->loop);
	/* The site stays until what runs has ended, though its subrequest may end before. */
	lease_take(s->lease);
	s->busy_count++;
	list_append(&s->busy, &c->link);
	c->state = POSTGRES_RUNNING;
	c->was_cancelled = false;
	begin_attempt(c);
}

/* --- the end of a command -------------------------------------------------------- */

/* What ran has ended, and left nothing behind. */
static void
become_free(struct postgres_conn *c)
{
	loop_clear_timer(loop_of(c), &c->timer);
	if (c->is_doubtful || c->names > NAMES_MAX || PQtransactionStatus(c->db) != PQTRANS_IDLE) {
		postgres_conn_close(c);
		return;
	}
	take_off_list(c);
	postgres_share_note_idle(c);
}

static bool
has_state(const struct postgres_conn *c, const char *begin)
{
	return slice_has_prefix(slice_of(c->sqlstate), slice_of(begin));
}

static void
repeat(struct postgres_conn *c)
{
	c->errand->is_again = true;
	count_add(c->share->env->counters, COUNTER_POSTGRES_REPEATED, 1);
	begin_attempt(c);
}

static void
finish(struct postgres_conn *c)
{
	struct postgres_errand *e = let_go(c);
	int err = e->err;

	if (!err && PQtransactionStatus(c->db) != PQTRANS_IDLE) {
		log_error("database %.*s: part %s: it leaves a transaction open",
			  SLICE_PRINT(c->share->postgres->database->sql.name),
			  e->part->statement.part);
		err = ERR_FAILED;
	}
	become_free(c);
	if (err)
		postgres_errand_end(e, err);
	else
		postgres_errand_answer(e);
}

/* The server may have heard of it before the statement, which then runs on; and the pool may have
 * had no place for it. */
static void
cancel_again_later(struct postgres_conn *c)
{
	struct loop *l = loop_of(c);

	if (loop_set_timer(l, &c->again, clock_after(loop_now(l), c->again_ns)) != 0)
		log_debug("postgresql: no memory for a timer"); /* statement_timeout ends it */
	if (c->again_ns < AGAIN_MAX_MS * CLOCK_MS)
		c->again_ns *= 2;
}

static void
on_again(struct timer *t)
{
	struct postgres_conn *c = CONTAINER_OF(t, struct postgres_conn, again);

	if (c->state != POSTGRES_DRAINING || c->cancelling)
		return;
	postgres_cancel(c);
	if (!c->cancelling)
		cancel_again_later(c);
}

/* A cancelled one goes on only if it is known what was cancelled. */
static void
end_draining(struct postgres_conn *c)
{
	c->state = POSTGRES_SETTLING;
	loop_clear_timer(loop_of(c), &c->again);
	if (c->cancelling)
		return;
	if (c->was_cancelled && !has_state(c, "57014"))
		c->is_doubtful = true;
	become_free(c);
}

void
postgres_conn_cancelled(struct postgres_conn *c, int outcome)
{
	if (outcome == 0 || outcome == ERR_FAILED)
		c->was_cancelled = true;
	if (outcome == ERR_FAILED)
		c->is_doubtful = true;
	if (c->state == POSTGRES_SETTLING)
		end_draining(c);
	else if (c->state == POSTGRES_DRAINING && outcome == ERR_TIMEOUT)
		give_up_server(c, ERR_CLOSED);
	else if (c->state == POSTGRES_DRAINING)
		cancel_again_later(c);
}

/* A command has failed: what it leaves is taken back first. */
static void
end_failed(struct postgres_conn *c)
{
	struct postgres_errand *e = c->errand;
	bool is_idle = PQtransactionStatus(c->db) == PQTRANS_IDLE;

	if (c->state != POSTGRES_UNDOING && !is_idle) {
		if (postgres_send_rollback(c) != 0)
			fail(c, ERR_CLOSED);
		return;
	}
	if (e->is_repeatable && is_idle)
		repeat(c);
	else
		finish(c);
}

/* All that was sent has ended. */
static void
end_pipeline(struct postgres_conn *c)
{
	struct postgres_errand *e = c->errand;
	int err;

	if (c->state == POSTGRES_DRAINING) {
		end_draining(c);
		return;
	}
	if (e->err) {
		end_failed(c);
		return;
	}
	if (e->at == postgres_send_count(e)) {
		finish(c);
		return;
	}
	err = postgres_send_more(c);
	if (err)
		fail(c, err);
}

static void
end_command(struct postgres_conn *c)
{
	struct postgres_errand *e = c->errand;

	if (c->state == POSTGRES_RUNNING && !e->err) {
		if (postgres_send_is_preparing(c))
			postgres_send_note_prepared(c);
		else
			e->at++;
	}
	postgres_send_expect(c);
}

/* --- results --------------------------------------------------------------------- */

/* What the error says has not happened. */
static bool
is_repeatable(struct postgres_conn *c)
{
	bool is_forgotten = has_state(c, "26000") || has_state(c, "0A000");

	return !c->errand->is_again && (has_state(c, "40001") || has_state(c, "40P01") ||
					(is_forgotten && !postgres_send_is_preparing(c)));
}

static void
note_error(struct postgres_conn *c, const PGresult *r)
{
	const char *state = PQresultErrorField(r, PG_DIAG_SQLSTATE);
	struct writer w = writer_over(c->sqlstate, sizeof(c->sqlstate) - 1);
	struct postgres_errand *e = c->errand;

	if (c->sqlstate[0] == '\0') {
		writer_text(&w, state ? state : "");
		c->sqlstate[w.len] = '\0';
	}
	if (!e || e->err)
		return;
	e->err = postgres_rows_fault(e, r, &e->conflict);
	e->is_repeatable = is_repeatable(c);
	/* The server has forgotten it, does not take it, or what it selects from has changed. */
	if (!has_state(c, "40") || postgres_send_is_preparing(c))
		postgres_send_forget(c);
}

/* The rows are too many, or not what was declared; the statement is not over. */
static void
give_up(struct postgres_conn *c)
{
	struct postgres_errand *e = c->errand;

	if (e->rows.bad)
		log_error("database %.*s: part %s: what is in column %.*s is no JSON",
			  SLICE_PRINT(c->share->postgres->database->sql.name),
			  e->part->statement.part, SLICE_PRINT(*e->rows.bad));
	postgres_conn_abandon(c);
	postgres_errand_end(e, e->rows.bad ? ERR_FAILED : e->output.err);
}

static void
take_changed(struct postgres_errand *e, PGresult *r)
{
	if (slice_to_u64(slice_of(PQcmdTuples(r)), &e->changed) != 0)
		e->changed = 0; /* a command that changes no rows says nothing */
}

/* False: a result that no statement of a part should have. */
static bool
take_result(struct postgres_conn *c, PGresult *r)
{
	struct postgres_errand *e = c->errand;
	ExecStatusType status = PQresultStatus(r);

	if (status == PGRES_FATAL_ERROR || status == PGRES_BAD_RESPONSE) {
		note_error(c, r);
	} else if (status == PGRES_SINGLE_TUPLE || status == PGRES_TUPLES_OK) {
		if (e && postgres_send_is_last(e)) {
			postgres_rows_put(&e->rows, r);
			e->has_columns = true;
		}
	} else if (status == PGRES_COMMAND_OK) {
		if (e && c->state == POSTGRES_RUNNING && postgres_send_is_last(e))
			take_changed(e, r);
	} else {
		/* Of what was skipped behind an error. */
		return status == PGRES_PIPELINE_ABORTED;
	}
	return true;
}

/* A result, or NULL for the end of a command. */
static int
take_or_end(struct postgres_conn *c, PGresult *r)
{
	bool is_good;

	if (!r && PQstatus(c->db) == CONNECTION_BAD)
		return ERR_CLOSED;
	if (!r) {
		end_command(c);
		return 0;
	}
	is_good = take_result(c, r);
	PQclear(r);
	return is_good ? 0 : ERR_FAILED;
}

/* What has come. False: nothing more is to be done in this turn. */
static bool
take_results(struct postgres_conn *c)
{
	for (unsigned i = 0; i < ROWS_TURN; i++) {
		PGresult *r;
		int err;

		if (PQisBusy(c->db))
			return true;
		r = PQgetResult(c->db);
		if (r && PQresultStatus(r) == PGRES_PIPELINE_SYNC) {
			PQclear(r);
			end_pipeline(c);
			return false;
		}
		err = take_or_end(c, r);
		if (err) {
			fail(c, err);
			return false;
		}
		if (c->errand && c->errand->output.err && !c->errand->err) {
			give_up(c);
			return false;
		}
	}
	loop_last(loop_of(c), &c->work);
	return false;
}

/* --- on the loop ----------------------------------------------------------------- */

/* The socket says so once only, and libpq reads no more than it has room for. */
static bool
has_input(const struct postgres_conn *c)
{
	char byte;

	return recv(PQsocket(c->db), &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
}

/* While nothing runs. */
static bool
is_quiet(struct postgres_conn *c)
{
	return PQconsumeInput(c->db) && !PQisBusy(c->db) && PQstatus(c->db) == CONNECTION_OK &&
	       !c->is_doubtful;
}

bool
postgres_conn_is_alive(struct postgres_conn *c)
{
	return !has_input(c) || is_quiet(c);
}

static void
work(struct postgres_conn *c)
{
	unsigned tail = PQsslInUse(c->db) ? TLS_READS : 0;

	if (PQflush(c->db) < 0) {
		fail(c, ERR_CLOSED);
		return;
	}
	for (unsigned i = 0; i < READS_TURN; i++) {
		bool is_idle = c->state == POSTGRES_IDLE || c->state == POSTGRES_SETTLING;
		bool is_alive = is_idle ? is_quiet(c) : PQconsumeInput(c->db) != 0;

		if (!is_idle && !take_results(c))
			return;
		if (!is_alive) {
			fail(c, ERR_CLOSED);
			return;
		}
		if (!has_input(c) && tail-- == 0)
			return;
	}
	loop_last(loop_of(c), &c->work);
}

static void
on_work(struct deferred *d)
{
	work(CONTAINER_OF(d, struct postgres_conn, work));
}

void
postgres_conn_abandon(struct postgres_conn *c)
{
	let_go(c);
	c->state = POSTGRES_DRAINING;
	c->again_ns = AGAIN_MIN_MS * CLOCK_MS;
	postgres_cancel(c);
	if (!c->cancelling)
		cancel_again_later(c);
	loop_soon(loop_of(c), &c->work);
}
