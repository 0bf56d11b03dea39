/*
 * What is kept, as an answer; see cache_priv.h.
 */
#include "guard/cache_priv.h"

#include "http/range.h"
#include "http/status.h"

enum { NUMBER_BYTES = 24, RANGE_BYTES = 80, STATUS_BYTES = 160, FIELDS_ADDED = 4 };

/* --- fields ---------------------------------------------------------------------------- */

static int
add_age(struct exchange *x, const struct cache_entry *e, uint64_t now_ns)
{
	char *memory = arena_alloc(&x->arena, NUMBER_BYTES);
	struct writer w = writer_over(memory, memory ? NUMBER_BYTES : 0);

	writer_i64(&w, cache_entry_age(e, now_ns));
	return memory ? exchange_add_field(x, FIELD_AGE, writer_slice(&w)) : ERR_MEMORY;
}

int
cache_tell(struct cache_visit *v, const char *words)
{
	struct exchange *x = v->x;
	char *memory;
	struct writer w;
	int err;

	if (!v->guard->cache->conf.status)
		return 0;
	err = exchange_own_fields(x, 1);
	memory = err ? NULL : arena_alloc(&x->arena, STATUS_BYTES);
	if (!memory)
		return ERR_MEMORY;
	w = writer_over(memory, STATUS_BYTES);
	writer_text(&w, "forebay; ");
	writer_text(&w, words);
	return exchange_add_field_name(x, SLICE("Cache-Status"), writer_slice(&w));
}

/* "bytes 0-9/20", or of none. */
static int
add_content_range(struct exchange *x, const struct range *r, uint64_t size)
{
	char *memory = arena_alloc(&x->arena, RANGE_BYTES);
	struct writer w = writer_over(memory, memory ? RANGE_BYTES : 0);

	writer_text(&w, "bytes ");
	if (r) {
		writer_u64(&w, r->from);
		writer_char(&w, '-');
		writer_u64(&w, r->end - 1);
	} else {
		writer_char(&w, '*');
	}
	writer_char(&w, '/');
	writer_u64(&w, size);
	return memory ? exchange_add_field(x, FIELD_CONTENT_RANGE, writer_slice(&w)) : ERR_MEMORY;
}

/* --- conditions and ranges ----------------------------------------------------------------- */

/* RFC 9110 15.4.5: no fields about a body that is not sent. */
static void
drop_content_fields(struct fields *f)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < f->count; i++) {
		enum field_id id = f->at[i].id;

		if (id != FIELD_CONTENT_TYPE && id != FIELD_CONTENT_ENCODING &&
		    id != FIELD_CONTENT_LANGUAGE)
			f->at[kept++] = f->at[i];
	}
	f->count = kept;
}

static void
set_bodiless(struct exchange *x, int status, struct slice *body)
{
	drop_content_fields(&x->response.fields);
	x->response.status = status;
	x->response.framing = status_has_body(status) ? BODY_LENGTH : BODY_NONE;
	x->response.content_length = 0;
	*body = SLICE("");
}

/* Several ranges get the whole, which is allowed (RFC 9110 14.2). */
static int
cut_range(struct exchange *x, const struct cache_entry *e, struct slice *body)
{
	const struct request *q = &x->request;
	const struct field *field = fields_find(&q->fields, FIELD_RANGE);
	uint64_t size = body->len;
	struct ranges ranges;
	enum range_verdict verdict;

	if (!field || q->method != METHOD_GET || e->status != 200 ||
	    !condition_range_counts(q, &e->validators))
		return 0;
	verdict = range_read(field->value, size, &ranges);
	if (verdict == RANGE_NONE) {
		set_bodiless(x, 416, body);
		return add_content_range(x, NULL, size);
	}
	if (verdict != RANGE_SOME || ranges.count != 1)
		return 0;
	*body = slice_make(body->at + ranges.at[0].from,
			   (size_t)(ranges.at[0].end - ranges.at[0].from));
	x->response.status = 206;
	x->response.content_length = body->len;
	return add_content_range(x, &ranges.at[0], size);
}

int
cache_shape(struct exchange *x, const struct cache_entry *e, uint64_t now_ns, struct slice *body)
{
	enum condition condition = CONDITION_PASSED;
	int err;

	*body = e->body->text;
	x->response = (struct response){
		.status = e->status,
		.fields = e->fields,
		.framing = status_has_body(e->status) ? BODY_LENGTH : BODY_NONE,
		.content_length = body->len,
	};
	err = exchange_own_fields(x, FIELDS_ADDED);
	if (!err)
		err = add_age(x, e, now_ns);
	if (err)
		return err;
	if (e->status == 200 && condition_is_asked(&x->request))
		condition = condition_check(&x->request, &e->validators);
	if (condition == CONDITION_PASSED)
		return cut_range(x, e, body);
	set_bodiless(x, condition == CONDITION_FAILED ? 412 : 304, body);
	return 0;
}

void
cache_answer(struct cache_visit *v)
{
	struct exchange *x = v->x;
	uint64_t now = loop_now(&v->env->loop);
	int64_t ttl = cache_entry_ttl(v->old, now);
	char words[NUMBER_BYTES * 2];
	struct writer w = writer_over(words, sizeof(words) - 1);
	struct slice body;

	count_add(v->env->counters, ttl > 0 ? COUNTER_CACHE_HIT : COUNTER_CACHE_STALE, 1);
	writer_text(&w, "hit; ttl=");
	writer_i64(&w, ttl);
	words[w.len] = '\0';
	if (cache_shape(x, v->old, now, &body) != 0 || cache_tell(v, words) != 0) {
		x->response = (struct response){ 0 };
		exchange_abort(x, ERR_MEMORY);
	} else {
		exchange_whole(x, body);
	}
}
