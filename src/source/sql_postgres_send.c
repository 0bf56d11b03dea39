/*
 * What a connection to PostgreSQL is sent: the statements of a query, each made
 * known to the server under a name of its own at its first use and kept while
 * its text is the same. For sql_postgres_conn.c, which says when; nothing here
 * waits, and nothing calls upwards.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "source/sql_postgres_priv.h"

#include <libpq-fe.h>

enum { NAME_BYTES = 16, CACHE_FIRST = 16 };

#define MARGIN_NS (2 * CLOCK_SEC) /* behind the server's own time-out */

static struct slice
write_name(const struct postgres_prepared *p, char memory[NAME_BYTES])
{
	struct writer w = writer_over(memory, NAME_BYTES - 1);

	writer_char(&w, 'f');
	writer_u64(&w, p->number);
	memory[w.len] = '\0';
	return writer_slice(&w);
}

static int
make_room(struct postgres_conn *c, unsigned index)
{
	unsigned count = c->prepared_count ? c->prepared_count : CACHE_FIRST;
	struct postgres_prepared *list;

	if (index < c->prepared_count)
		return 0;
	while (count <= index)
		count *= 2;
	list = mem_grow(c->prepared, count * sizeof(*list));
	if (!list)
		return ERR_MEMORY;
	while (c->prepared_count < count)
		list[c->prepared_count++] = (struct postgres_prepared){ .text = NULL };
	c->prepared = list;
	return 0;
}

/* A command goes out: nothing is known of it yet. */
static int
expect(struct postgres_conn *c, enum postgres_state state)
{
	const struct database *d = c->share->postgres->database;
	uint64_t ns = clock_after(d->conf->statement_timeout_ns, MARGIN_NS);
	struct loop *l = &c->share->env->loop;

	c->state = state;
	c->sqlstate[0] = '\0';
	if (loop_set_timer(l, &c->timer, clock_after(loop_now(l), ns)) != 0)
		log_debug("postgresql: no memory for a timer"); /* the run has its own */
	/* What the socket does not take now, it asks for when it is ready. */
	return PQflush(c->db) < 0 ? ERR_CLOSED : 0;
}

unsigned
postgres_send_count(const struct postgres_errand *e)
{
	unsigned steps = e->part->script->steps;

	return steps > 1 ? steps + 2 : 1;
}

/* The statement that is to run or runs; NULL: BEGIN or COMMIT. */
static const struct postgres_step *
step_of(const struct postgres_errand *e)
{
	const struct postgres_script *script = e->part->script;

	if (script->steps == 1)
		return &script->step[0];
	return e->at == 0 || e->at > script->steps ? NULL : &script->step[e->at - 1];
}

bool
postgres_send_is_last(const struct postgres_errand *e)
{
	return step_of(e) == &e->part->script->step[e->part->script->steps - 1];
}

static struct postgres_prepared *
prepared_of(struct postgres_conn *c)
{
	return &c->prepared[step_of(c->errand)->index];
}

int
postgres_send_statement(struct postgres_conn *c)
{
	const struct postgres_errand *e = c->errand;
	const struct postgres_step *step = step_of(e);
	const char *value[PART_VALUES_MAX];
	char name[NAME_BYTES];

	ASSERT(step->params <= PART_VALUES_MAX);
	for (unsigned i = 0; i < step->params; i++)
		value[i] = e->value[step->param[i]];
	write_name(prepared_of(c), name);
	if (!PQsendQueryPrepared(c->db, name, (int)step->params, value, NULL, NULL, 0) ||
	    !PQsetSingleRowMode(c->db))
		return ERR_CLOSED;
	return expect(c, POSTGRES_RUNNING);
}

static int
send_command(struct postgres_conn *c, const char *command, enum postgres_state state)
{
	return PQsendQuery(c->db, command) ? expect(c, state) : ERR_CLOSED;
}

/* The name of a statement is never used for another, so the old one is only forgotten. */
static int
send_text(struct postgres_conn *c, struct postgres_prepared *p)
{
	char name[NAME_BYTES];

	mem_free(&p->text);
	p->text = mem_copy_text(step_of(c->errand)->text.at);
	if (!p->text)
		return ERR_MEMORY;
	p->number = c->names++;
	write_name(p, name);
	count_add(c->share->env->counters, COUNTER_POSTGRES_PREPARED, 1);
	if (!PQsendPrepare(c->db, name, p->text, 0, NULL))
		return ERR_CLOSED;
	return expect(c, POSTGRES_PREPARING);
}

int
postgres_send_next(struct postgres_conn *c)
{
	const struct postgres_step *step = step_of(c->errand);
	struct postgres_prepared *p;
	int err;

	if (!step)
		return send_command(c, c->errand->at == 0 ? "BEGIN" : "COMMIT", POSTGRES_RUNNING);
	err = make_room(c, step->index);
	if (err)
		return err;
	p = prepared_of(c);
	if (p->text && strcmp(p->text, step->text.at) == 0)
		return postgres_send_statement(c);
	return send_text(c, p);
}

int
postgres_send_rollback(struct postgres_conn *c)
{
	return send_command(c, "ROLLBACK", POSTGRES_UNDOING);
}

void
postgres_send_forget(struct postgres_conn *c)
{
	if (step_of(c->errand))
		mem_free(&prepared_of(c)->text);
}
