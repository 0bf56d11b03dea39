/*
 * What a connection to PostgreSQL is sent: the statements of a query, each made
 * known to the server under a name of its own at its first use and kept while
 * its text is the same. For sql_postgres_conn.c, which says when; nothing here
 * waits, and nothing calls upwards.
 *
 * Connections are in libpq's pipeline mode: all that a query needs goes out with
 * one Sync behind it, and is one way there and back. What follows one that fails is
 * skipped by the server. More than PIPELINE_BYTES of values are sent in several.
 */
#include "base/assert.h"
#include "base/mem.h"
#include "source/sql_postgres_priv.h"

#include <libpq-fe.h>

enum { NAME_BYTES = 16, CACHE_FIRST = 16, PIPELINE_BYTES = 256 * 1024 };

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

void
postgres_send_expect(struct postgres_conn *c)
{
	const struct database *d = c->share->postgres->database;
	uint64_t ns = clock_after(d->conf->statement_timeout_ns, MARGIN_NS);
	struct loop *l = &c->share->env->loop;

	if (loop_set_timer(l, &c->timer, clock_after(loop_now(l), ns)) != 0)
		log_debug("postgresql: no memory for a timer"); /* the run has its own */
	(void)PQsetSingleRowMode(c->db); /* no, where it is none that has rows */
}

/* What was queued goes out: nothing is known of it yet. */
static int
send_off(struct postgres_conn *c, enum postgres_state state)
{
	if (!PQpipelineSync(c->db))
		return ERR_CLOSED;
	count_add(c->share->env->counters, COUNTER_POSTGRES_ROUND_TRIPS, 1);
	c->state = state;
	c->sqlstate[0] = '\0';
	postgres_send_expect(c);
	/* What the socket does not take now, it asks for when it is ready. */
	return PQflush(c->db) < 0 ? ERR_CLOSED : 0;
}

unsigned
postgres_send_count(const struct postgres_errand *e)
{
	unsigned steps = e->part->script->steps;

	return steps > 1 ? steps + 2 : 1;
}

/* The statement of a command; NULL: BEGIN or COMMIT. */
static const struct postgres_step *
step_at(const struct postgres_errand *e, unsigned at)
{
	const struct postgres_script *script = e->part->script;

	if (script->steps == 1)
		return &script->step[0];
	return at == 0 || at > script->steps ? NULL : &script->step[at - 1];
}

/* Of the command that is to run or runs. */
static const struct postgres_step *
step_of(const struct postgres_errand *e)
{
	return step_at(e, e->at);
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

static int
send_command(struct postgres_conn *c, const char *command)
{
	return PQsendQueryParams(c->db, command, 0, NULL, NULL, NULL, NULL, 0) ? 0 : ERR_CLOSED;
}

/* The name of a statement is never used for another, so the old one is only forgotten. */
static int
send_text(struct postgres_conn *c, const struct postgres_step *step, struct postgres_prepared *p)
{
	char name[NAME_BYTES];

	mem_free(&p->text);
	p->is_known = false;
	p->text = mem_copy_text(step->text.at);
	if (!p->text)
		return ERR_MEMORY;
	p->number = c->names++;
	write_name(p, name);
	count_add(c->share->env->counters, COUNTER_POSTGRES_PREPARED, 1);
	return PQsendPrepare(c->db, name, p->text, 0, NULL) ? 0 : ERR_CLOSED;
}

static int
send_statement(struct postgres_conn *c, const struct postgres_step *step, size_t *bytes)
{
	const struct postgres_errand *e = c->errand;
	const char *value[PART_VALUES_MAX];
	char name[NAME_BYTES];

	ASSERT(step->params <= PART_VALUES_MAX);
	for (unsigned i = 0; i < step->params; i++) {
		value[i] = e->value[step->param[i]];
		*bytes += value[i] ? strlen(value[i]) : 0;
	}
	write_name(&c->prepared[step->index], name);
	return PQsendQueryPrepared(c->db, name, (int)step->params, value, NULL, NULL, 0)
		   ? 0
		   : ERR_CLOSED;
}

static int
send_step(struct postgres_conn *c, const struct postgres_step *step, size_t *bytes)
{
	struct postgres_prepared *p;
	int err = make_room(c, step->index);

	if (err)
		return err;
	p = &c->prepared[step->index];
	if (!p->is_known || strcmp(p->text, step->text.at) != 0)
		err = send_text(c, step, p);
	return err ? err : send_statement(c, step, bytes);
}

/* Rows that may be too many, or that may hold no JSON, are looked at before they are committed. */
static bool
has_doubtful_rows(const struct sql_part *part)
{
	bool has_rows = !part->statement.column || part->statement.columns > 0;

	return has_rows && (part->shape == SQL_ARRAY || part->json.count > 0);
}

/* Commands that may go out now. */
static unsigned
end_of(const struct postgres_errand *e)
{
	unsigned count = postgres_send_count(e);
	bool holds_back = count > 1 && e->at + 1 < count && has_doubtful_rows(e->part);

	return count - holds_back;
}

int
postgres_send_more(struct postgres_conn *c)
{
	const struct postgres_errand *e = c->errand;
	unsigned end = end_of(e);
	size_t bytes = 0;
	int err = 0;

	for (unsigned at = e->at; at < end && !err; at++) {
		const struct postgres_step *step = step_at(e, at);

		if (step && bytes >= PIPELINE_BYTES)
			break;
		if (step)
			err = send_step(c, step, &bytes);
		else
			err = send_command(c, at == 0 ? "BEGIN" : "COMMIT");
	}
	return err ? err : send_off(c, POSTGRES_RUNNING);
}

int
postgres_send_rollback(struct postgres_conn *c)
{
	int err = send_command(c, "ROLLBACK");

	return err ? err : send_off(c, POSTGRES_UNDOING);
}

bool
postgres_send_is_preparing(struct postgres_conn *c)
{
	return step_of(c->errand) && !prepared_of(c)->is_known;
}

void
postgres_send_note_prepared(struct postgres_conn *c)
{
	prepared_of(c)->is_known = true;
}

void
postgres_send_forget(struct postgres_conn *c)
{
	if (!step_of(c->errand))
		return;
	mem_free(&prepared_of(c)->text);
	prepared_of(c)->is_known = false;
}
