/*
 * What a flow answers: small texts are written one behind the other into pieces
 * of the exchange's memory, results are spliced between them without a copy.
 * On the worker.
 */
#include "base/mem.h"
#include "http/status.h"
#include "plan/run_priv.h"
#include "source/heading.h"

enum { PIECE_BYTES = 512 };

void
flow_answer_init(struct flow_answer *a, struct run *r, size_t limit)
{
	*a = (struct flow_answer){ .status = 200, .limit = limit };
	chunks_init(&a->body, &r->env->store);
}

void
flow_answer_fini(struct flow_answer *a)
{
	chunks_clear(&a->body);
	mem_free(&a->heading);
}

/* What was written since the last chunk becomes one. */
static int
flush(struct flow_answer *a)
{
	struct slice text = slice_after(writer_slice(&a->piece), a->sent);
	int err = chunks_add_arena(&a->body, text);

	a->sent = a->piece.len;
	return err;
}

static int
start_piece(struct flow_answer *a, struct arena *arena)
{
	char *memory;
	int err = flush(a);

	if (err)
		return err;
	memory = arena_alloc(arena, PIECE_BYTES);
	a->piece = writer_over(memory, memory ? PIECE_BYTES : 0);
	a->sent = 0;
	return memory ? 0 : ERR_MEMORY;
}

static int
add_large(struct flow_answer *a, struct arena *arena, struct slice text)
{
	struct slice copy = arena_copy(arena, text);
	int err = copy.at ? flush(a) : ERR_MEMORY;

	return err ? err : chunks_add_arena(&a->body, copy);
}

int
flow_answer_write(struct flow_answer *a, struct arena *arena, struct slice text)
{
	if (a->err)
		return a->err;
	if (text.len > a->limit - a->bytes) {
		a->err = ERR_TOO_LARGE;
		return a->err;
	}
	a->bytes += text.len;
	if (text.len >= PIECE_BYTES / 2) {
		a->err = add_large(a, arena, text);
		return a->err;
	}
	if (text.len > a->piece.cap - a->piece.len)
		a->err = start_piece(a, arena);
	if (!a->err)
		writer_put(&a->piece, text);
	return a->err;
}

int
flow_answer_splice(struct flow_answer *a, struct run_part *p)
{
	size_t before;

	if (a->err)
		return a->err;
	a->err = flush(a);
	before = a->body.bytes;
	if (!a->err)
		a->err = result_splice(p, &a->body);
	if (!a->err && a->body.bytes - before > a->limit - a->bytes)
		a->err = ERR_TOO_LARGE;
	if (!a->err)
		a->bytes += a->body.bytes - before;
	return a->err;
}

/* --- sending ---------------------------------------------------------------------------- */

/* As of a join: what stands for a part that failed is not for caches, unless the flow knows better.
 */
static bool
is_degraded(const struct run *r)
{
	for (unsigned i = 0; i < r->plan->count; i++) {
		const struct run_part *p = &r->part[i];

		if (p->plan->conf.is_optional && p->outcome != OUTCOME_OK &&
		    p->outcome != OUTCOME_UNNEEDED)
			return true;
	}
	return false;
}

static int
add_fields(const struct flow_answer *a, struct run *r)
{
	struct slice type = a->bytes > 0 ? SLICE("application/json") : SLICE("");
	struct fields *fields = &r->x->response.fields;
	int err = 0;

	if (a->heading)
		err = heading_copy(a->heading, type, &r->x->arena, fields);
	else
		run_add_field(r, FIELD_CONTENT_TYPE, type);
	r->x->is_degraded = is_degraded(r);
	if (!err && r->x->is_degraded && !fields_find(fields, FIELD_CACHE_CONTROL))
		run_add_field(r, FIELD_CACHE_CONTROL, SLICE("no-store"));
	return err;
}

bool
flow_answer_send(struct flow_answer *a, struct run *r)
{
	int status = a->status;
	struct chunks body;

	if (!a->err)
		a->err = flush(a);
	/* RFC 9110 15.3.5, 15.4.5: such an answer ends with its head. */
	if (!a->err && a->bytes > 0 && !status_has_body(a->status))
		a->err = ERR_ARGUMENT;
	if (!a->err)
		a->err = add_fields(a, r);
	if (a->err)
		return false;
	/* Of the answer itself nothing may be left when the exchange ends. */
	chunks_init(&body, &r->env->store);
	chunks_move(&body, &a->body);
	flow_answer_fini(a);
	run_add_report(r);
	run_leave(r);
	run_send(r->x, status, &body);
	return true;
}
