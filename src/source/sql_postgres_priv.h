/*
 * What the files of the PostgreSQL engine share. A database is one quota of
 * connections for the whole process; each worker has a share of it: the
 * connections that it holds now, on its own loop, and the subrequests that
 * wait for one.
 *
 *   subrequest -- errand --> [ waiting ] --> conn (idle) --> server
 *                    ^           share   \       ^
 *                    '-- answer, done --- \      |  by mail: from the opener, or from
 *                                          quota '  another worker's share
 *
 *   sql_postgres.c         the engine: sections and statements checked; one errand per subrequest
 *   sql_postgres_url.c     secrets that stand in a url as they are
 *   sql_postgres_text.c    :name becomes $n
 *   sql_postgres_check.c   what the builder asks the server of them
 *   sql_postgres_opener.c  two threads of its own, for what libpq waits for
 *   sql_postgres_open.c    connections opened, by such a thread
 *   sql_postgres_share.c   a worker's share: waiting, which conn is next, opening more
 *   sql_postgres_conn.c    one connection on the loop: a statement, its results, its end
 *   sql_postgres_send.c    what it sends at once: statements prepared once, transactions
 *   sql_postgres_cancel.c  a statement that nobody waits for is cancelled
 *   sql_postgres_rows.c    rows and errors of libpq as ours
 *
 * Loading is the builder's, opening and cancelling jobs are the opener's; all else runs on the
 * worker that owns the share.
 */
#ifndef FOREBAY_SOURCE_SQL_POSTGRES_PRIV_H
#define FOREBAY_SOURCE_SQL_POSTGRES_PRIV_H

#include "base/clock.h"
#include "base/list.h"
#include "base/log.h"
#include "net/io.h"
#include "source/sql_priv.h"
#include "thread/quota.h"

struct pg_conn; /* libpq's PGconn */
struct pg_result; /* and PGresult */

enum {
	POSTGRES_OPTIONS = 8, /* of a connection */
	POSTGRES_STATE_BYTES = 6, /* an SQLSTATE and its NUL */
	POSTGRES_WHY_BYTES = 512,
};

/* What it refuses by, beside enum wait_limit. */
enum postgres_limit { POSTGRES_LIMIT_SERIALIZATION = WAIT_LIMITS, POSTGRES_LIMITS };

/* --- read only, of the site ------------------------------------------------------ */

/* What decides what a connection is. NULL ends the lists. */
struct postgres_options {
	const char *keyword[POSTGRES_OPTIONS], *value[POSTGRES_OPTIONS];
	const char *set_up; /* SQL that each connection begins with */
	uint64_t connect_timeout_ns;
};

/* database->postgres */
struct postgres {
	const struct database *database;
	struct postgres_options options;
	struct quota
	    *quota; /* counted: shared with the site before, when the options are the same */
	struct pool *opener; /* borrowed: the site's */
	unsigned steps; /* of all parts so far */
	const struct source *source; /* that it is the state of */
	/* Owned: while the site is built; NULL: the server is not there. */
	struct pg_conn *builders;
	uint64_t patience_ns; /* how long the builder still waits for nothing */
};

/* --- of one worker --------------------------------------------------------------- */

struct postgres_share {
	const struct postgres *postgres; /* borrowed */
	struct lease *lease; /* borrowed */
	struct env *env; /* borrowed */
	struct quota_member *member; /* owned */
	struct list idle, busy, closed; /* of postgres_conn.link; owned; idle: newest first */
	struct wait_line line; /* who waits because all places are taken; the gate is the quota's */
	struct list waiting; /* of postgres_errand.link, oldest first: those who have a place */
	struct list stillborn; /* the same, of those that fail for what they are, or were evicted */
	unsigned idle_count, busy_count, waiting_count; /* the last: in line, too */
	unsigned opening; /* jobs under way */
	unsigned failures; /* to open, in a row */
	uint64_t retry_ns; /* not opened before */
	struct deferred serve;
	bool is_ended;
};

/* What one subrequest wants: q->state, in its arena. */
struct postgres_errand {
	struct subrequest *q;
	struct postgres_share *share;
	const struct sql_part *part;
	struct postgres_conn *conn; /* NULL while it waits */
	struct list link; /* share->waiting or stillborn */
	struct wait wait;
	const char **value; /* by parameter; NULL stands for NULL */
	struct buffer output;
	struct sql_rows rows;
	uint64_t begun_ns;
	uint64_t changed;
	const char *conflict;
	unsigned at; /* in the sequence of what it sends: see sql_postgres_conn.c */
	int err; /* of the statement, or of a stillborn one */
	bool has_columns;
	bool is_refused; /* q->refusal says why */
	bool is_again; /* the second and last attempt */
	bool is_repeatable; /* of err: one more attempt may do */
};

enum postgres_state {
	POSTGRES_IDLE,
	POSTGRES_RUNNING, /* then what was held back, UNDOING or IDLE */
	POSTGRES_UNDOING, /* a transaction that has failed is rolled back; then IDLE, or once more
			   */
	POSTGRES_DRAINING, /* nobody waits for what comes any more; then SETTLING or IDLE */
	POSTGRES_SETTLING, /* its cancelling is not home yet; then IDLE */
	POSTGRES_CLOSED, /* from any; freed at the end of the turn */
};

/* A statement that the server knows. After a reload another may bear its index. */
struct postgres_prepared {
	char *text; /* owned; NULL: none */
	unsigned number; /* in its name */
	bool is_known; /* it has said so; else it is perhaps on its way */
};

struct postgres_conn {
	struct quota_token token; /* to another worker */
	struct pg_conn *db; /* owned */
	struct postgres_share *share; /* borrowed; NULL on the way */
	struct postgres_errand *errand; /* borrowed */
	struct postgres_cancelling *cancelling; /* on its way; it frees itself */
	struct list link; /* of share->idle, busy or closed */
	struct io io;
	struct deferred work, end;
	struct timer timer;
	struct timer again; /* DRAINING: when to cancel once more */
	uint64_t again_ns; /* and how long to wait then */
	struct postgres_prepared *prepared; /* owned; by index of the statement */
	unsigned prepared_count, names;
	uint64_t here_ns; /* when the share got it */
	enum postgres_state state;
	char sqlstate[POSTGRES_STATE_BYTES]; /* of the first error since something was sent */
	bool was_cancelled;
	bool is_doubtful; /* not to be used again */
};

/* --- sql_postgres_url.c ---------------------------------------------------------- */

/* A password of the url as written, ${...} unexpanded, has text of its own. */
bool postgres_url_has_secret(struct slice raw);

/* --- sql_postgres_text.c --------------------------------------------------------- */

/* A statement of a query. */
struct postgres_step {
	struct slice text; /* NUL-terminated */
	struct slice verb; /* its first word */
	const unsigned *param; /* which of the query's parameters $1, $2, ... are */
	unsigned params;
	unsigned index; /* within the database of its site: place in the caches of connections */
};

/* part->conf->script: all that a query says. Several statements are one transaction. */
struct postgres_script {
	struct postgres_step *step;
	unsigned steps;
	const struct slice *param; /* names without colons */
	unsigned params;
};

/* Of the arena. ERR_MEMORY; ERR_SYNTAX: `why` holds the reason. */
int postgres_text_read(struct postgres_script *t, struct slice query, struct arena *a,
		       struct writer *why) MUST_CHECK;

/* --- sql_postgres_check.c -------------------------------------------------------- */

/* Builder: connects, so that statements can be checked until it closes. What is not to be had, or
 * too much, is a warning. */
void postgres_check_open(struct source *s, struct source_build *b, struct postgres *p);
void postgres_check_close(struct postgres *p);
/* Asks for the statements of a part, and for the columns that they give. ERR_SYNTAX: why says what
 * the server does not take; ERR_MEMORY. What it does not say is a warning. */
int postgres_check(struct part *part, struct source_build *b, struct postgres *p,
		   const struct postgres_script *t, struct sql_statement *s,
		   struct writer *why) MUST_CHECK;

/* --- sql_postgres_opener.c ------------------------------------------------------- */

/* Builder. NULL: it cannot be had. */
struct pool *postgres_opener_make(const struct source *s, struct source_build *b,
				  const struct database *d) MUST_CHECK;
/* On the worker: a job with run and on_home, which gives s->lease back. ERR_SHED. */
int postgres_opener_submit(struct postgres_share *s, struct job *j) MUST_CHECK;
/* First in run: says what it is (a constant text), and until when it may take. ERR_DEADLINE: it has
 * waited for so long that it is not to begin. */
int postgres_opener_begin(const struct postgres *p, const struct job *j, struct pool_thread *t,
			  const char *what, uint64_t *until_ns) MUST_CHECK;

/* --- sql_postgres_open.c --------------------------------------------------------- */

/* Blocks until then; the job, if there is one, may be told to stop. NULL: `why` holds the reason.
 */
struct pg_conn *postgres_open(const struct postgres_options *o, uint64_t until_ns,
			      const struct job *j, struct writer *why) MUST_CHECK;
/* The same for a socket, until it is ready for what poll() calls so. ERR_TIMEOUT, ERR_CANCELLED. */
int postgres_wait(int fd, short events, uint64_t until_ns, const struct job *j) MUST_CHECK;
/* Sends what is queued and waits for what comes of it: *r is the caller's, the first error or else
 * the last result. As postgres_wait(), or ERR_CLOSED: *r is NULL. */
int postgres_result(struct pg_conn *db, uint64_t until_ns, const struct job *j,
		    struct pg_result **r) MUST_CHECK;
/* On the worker: opens a connection by the opener and brings it to the share, which holds a place
 * for it. ERR_SHED, ERR_MEMORY: nothing comes. */
int postgres_open_for(struct postgres_share *s) MUST_CHECK;
/* libpq's call-back for what is no result. */
void postgres_log_notice(void *argument, const struct pg_result *r);
/* libpq's texts, of several lines, as one. */
void postgres_write_message(struct writer *w, const char *message);

/* --- sql_postgres_share.c -------------------------------------------------------- */

struct postgres_share *postgres_share_new(const struct postgres *p, struct lease *l) MUST_CHECK;
/* Nothing may be waiting or on its way from the pool. */
void postgres_share_free(struct postgres_share **s);
/* Makes q->state of each, all or none; else ERR_SHED and each q->refusal, or ERR_MEMORY. */
int postgres_share_admit(struct postgres_share *s, struct subrequest *q[], size_t n) MUST_CHECK;
/* Puts an errand on the waiting list; with e->err it fails. Later in this turn. */
void postgres_share_wait(struct postgres_errand *e);
/* Looks at what waits and what is idle, later in this turn. */
void postgres_share_serve(struct postgres_share *s);
/* What postgres_open_for() brings: NULL: it could not be opened, and `why` says why not. */
void postgres_share_opened(struct postgres_share *s, struct pg_conn *db, struct slice why);
/* Or instead of that: others were before it for too long. */
void postgres_share_not_tried(struct postgres_share *s);
/* The errand's end, with its subrequest_done; neither may be touched after it. ERR_SYNTAX: a value
 * that no column would take, which is the request's fault. */
void postgres_errand_end(struct postgres_errand *e, int err);
/* With what is in e->output. */
void postgres_errand_answer(struct postgres_errand *e);
/* Without a call-back. */
void postgres_errand_drop(struct postgres_errand *e);
/* A conn of the share has nothing to do. */
void postgres_share_note_idle(struct postgres_conn *c);

/* --- sql_postgres_conn.c --------------------------------------------------------- */

/* Takes db in any case. NULL without memory. */
struct postgres_conn *postgres_conn_new(struct pg_conn *db) MUST_CHECK;
/* Registers it with the share's loop; it is idle there. ERR_SYSTEM: it is closed. */
int postgres_conn_settle(struct postgres_conn *c, struct postgres_share *s) MUST_CHECK;
/* The reverse: it can leave the thread. */
void postgres_conn_leave(struct postgres_conn *c);
/* An idle one, of which the server has not said since that it ends. */
bool postgres_conn_is_alive(struct postgres_conn *c);
/* An idle one runs the errand's statement. */
void postgres_conn_begin(struct postgres_conn *c, struct postgres_errand *e);
/* Nobody waits for its statement any more. The errand is the caller's again. */
void postgres_conn_abandon(struct postgres_conn *c);
/* Ends it and gives its place back; the memory goes at the end of the turn. Idempotent. */
void postgres_conn_close(struct postgres_conn *c);
/* At once; for one that has left its share. */
void postgres_conn_free(struct postgres_conn *c);
/* Its cancelling has come home. 0: the server has been told; ERR_FAILED: perhaps; ERR_TIMEOUT: it
 * does not answer, and has not been told; any other: it was not asked. */
void postgres_conn_cancelled(struct postgres_conn *c, int outcome);

/* --- sql_postgres_send.c --------------------------------------------------------- */

/* For sql_postgres_conn.c, of a conn with an errand: ERR_MEMORY, or ERR_CLOSED: the connection is
 * lost. The commands from errand->at on, as many as may go out before they are judged. */
int postgres_send_more(struct postgres_conn *c) MUST_CHECK;
/* The next of those that were sent is to answer: its rows one by one, and within its time. */
void postgres_send_expect(struct postgres_conn *c);
int postgres_send_rollback(struct postgres_conn *c) MUST_CHECK;
/* What answers next is not the errand->at-th command, but that the server knows its statement. */
bool postgres_send_is_preparing(struct postgres_conn *c);
void postgres_send_note_prepared(struct postgres_conn *c);
/* The statement is not known to the server any more. */
void postgres_send_forget(struct postgres_conn *c);
/* Of how many commands the query is. */
unsigned postgres_send_count(const struct postgres_errand *e);
/* It is its last statement that runs. */
bool postgres_send_is_last(const struct postgres_errand *e);

/* --- sql_postgres_cancel.c ------------------------------------------------------- */

/* Asks the server to end what c runs. When that cannot be asked now, nothing happens. */
void postgres_cancel(struct postgres_conn *c);
/* c is no more; the cancelling comes home alone. */
void postgres_cancel_forget(struct postgres_conn *c);

/* --- sql_postgres_rows.c --------------------------------------------------------- */

/* The rows of a result, of one or none. */
void postgres_rows_put(struct sql_rows *rows, const struct pg_result *r);
/* What the error of a result is to the part: enum err, and *conflict with ERR_CONFLICT. Logs it. */
int postgres_rows_fault(const struct postgres_errand *e, const struct pg_result *r,
			const char **conflict);

#endif
