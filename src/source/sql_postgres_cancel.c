/*
 * A statement that nobody waits for any more is cancelled: the server is told
 * so on a connection of its own, which libpq makes and waits for, so it is a
 * job of the blocking pool. The connection that runs the statement is not used
 * again before this is home, so that the next statement is not hit instead.
 */
#include "base/mem.h"
#include "source/sql_postgres_priv.h"

#include <libpq-fe.h>

struct postgres_cancelling {
	struct job job;
	PGcancel *cancel; /* owned */
	struct postgres_conn *conn; /* borrowed; NULL: it is no more */
	struct lease *lease; /* taken */
	char why[256]; /* as libpq asks for it */
};

static int
run_cancelling(struct job *j, struct pool_thread *t)
{
	struct postgres_cancelling *c = CONTAINER_OF(j, struct postgres_cancelling, job);

	(void)t;
	if (PQcancel(c->cancel, c->why, (int)sizeof(c->why)))
		return 0;
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
		postgres_conn_cancelled(c->conn, j->outcome == 0);
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
	cancelling->cancel = PQgetCancel(c->db);
	if (!cancelling->cancel) {
		mem_free(&cancelling);
		return NULL;
	}
	cancelling->conn = c;
	cancelling->lease = c->share->lease;
	cancelling->job = (struct job){ .home = &c->share->env->loop.mailbox,
					.run = run_cancelling,
					.on_home = on_cancelled,
					.deadline_ns = CLOCK_NEVER,
					.priority = CLASS_CRITICAL };
	return cancelling;
}

void
postgres_cancel(struct postgres_conn *c)
{
	struct env *env = c->share->env;
	struct pool *pool = c->share->postgres->pool;
	struct gate_ask ask = { .priority = CLASS_CRITICAL,
				.is_underway = true,
				.now_ns = loop_now(&env->loop),
				.deadline_ns = CLOCK_NEVER };
	struct postgres_cancelling *cancelling = make(c);
	struct pool_refusal refusal;

	if (!cancelling)
		return;
	cancelling->job.expected_ns = pool_ask_more(pool, &ask, NULL, 0, CLOCK_NEVER);
	if (pool_reserve(pool, &ask, random_next(&env->random), &refusal) != 0) {
		PQfreeCancel(cancelling->cancel);
		mem_free(&cancelling);
		return;
	}
	count_add(env->counters, COUNTER_POSTGRES_CANCELLED, 1);
	lease_take(cancelling->lease);
	c->cancelling = cancelling;
	pool_submit(pool, &cancelling->job);
}

void
postgres_cancel_forget(struct postgres_conn *c)
{
	if (c->cancelling)
		c->cancelling->conn = NULL;
	c->cancelling = NULL;
}
