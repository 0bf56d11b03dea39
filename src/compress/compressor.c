/*
 * Whether and how a response is compressed, and its place in the chain; see
 * compressor.h.
 */
#include "compress/compressor_priv.h"

static struct compressor *
compressor_of(struct filter *f)
{
	return CONTAINER_OF(f, struct compressor, filter);
}

static void
count_start(const struct compressor *c)
{
	static const enum counter rows[CODING_COUNT] = {
		[CODING_GZIP] = COUNTER_COMPRESSED_GZIP,
		[CODING_BR] = COUNTER_COMPRESSED_BR,
		[CODING_ZSTD] = COUNTER_COMPRESSED_ZSTD,
	};

	compressor_count(c, rows[c->coding], 1);
}

static void
count_refusal(const struct compressor *c, enum compress_refusal why)
{
	static const enum counter rows[COMPRESS_REFUSALS] = {
		[COMPRESS_STATUS] = COUNTER_UNCOMPRESSED_STATUS,
		[COMPRESS_CODED] = COUNTER_UNCOMPRESSED_CODED,
		[COMPRESS_FORBIDDEN] = COUNTER_UNCOMPRESSED_FORBIDDEN,
		[COMPRESS_TYPE] = COUNTER_UNCOMPRESSED_TYPE,
		[COMPRESS_SMALL] = COUNTER_UNCOMPRESSED_SMALL,
		[COMPRESS_ACCEPT] = COUNTER_UNCOMPRESSED_ACCEPT,
		[COMPRESS_STREAMS] = COUNTER_UNCOMPRESSED_STREAMS,
		[COMPRESS_POOL] = COUNTER_UNCOMPRESSED_POOL,
		[COMPRESS_MEMORY] = COUNTER_UNCOMPRESSED_MEMORY,
	};

	compressor_count(c, rows[why], 1);
}

/* --- the head ------------------------------------------------------------------------------------
 */

static void
refuse(struct compressor *c, enum compress_refusal why)
{
	count_refusal(c, why);
	c->coding = CODING_IDENTITY;
	shelf_give(c->shelf, &c->encoder);
}

/* What a coding needs, before the head says that there is one. */
static enum compress_refusal
prepare(struct compressor *c)
{
	int err;

	if (c->is_counted && c->expected > c->rules->conf.inline_bytes &&
	    !compressor_is_pool_open(c))
		return COMPRESS_POOL;
	c->encoder = shelf_take(c->shelf, c->coding, c->rules->level[c->coding],
				c->is_counted ? c->expected : 0, &err);
	if (!c->encoder)
		return err == ERR_FULL ? COMPRESS_STREAMS : COMPRESS_MEMORY;
	return COMPRESS_NOT_REFUSED;
}

/* Decides, and writes what a head says about it. */
static void
begin(struct compressor *c)
{
	struct exchange *x = c->filter.x;
	bool is_head = x->request.method == METHOD_HEAD;
	enum compress_refusal why;

	c->is_counted = x->response.framing == BODY_LENGTH;
	c->expected = x->response.content_length;
	c->coding = compress_choose(c->rules, &x->request, &x->response, &why);
	if (why == COMPRESS_NOT_REFUSED && !is_head)
		why = prepare(c);
	if (why != COMPRESS_NOT_REFUSED)
		refuse(c, why);
	if (compress_edit_head(c->rules, x, c->coding) != 0 && c->coding != CODING_IDENTITY)
		refuse(c, COMPRESS_MEMORY);
	if (c->coding == CODING_IDENTITY)
		return;
	/* What is not known before it is made. */
	x->response.framing = BODY_CHUNKED;
	x->response.content_length = 0;
	if (is_head)
		c->coding = CODING_IDENTITY;
	else
		count_start(c);
}

/* --- what the chain calls
 * ---------------------------------------------------------------------------- */

static int
on_head(struct filter *f)
{
	begin(compressor_of(f));
	return filter_pass_head(f);
}

static int
on_body(struct filter *f, struct chunks *list)
{
	struct compressor *c = compressor_of(f);

	if (c->coding == CODING_IDENTITY)
		return filter_pass_body(f, list);
	c->received += list->bytes;
	if (!c->is_broken && c->is_counted && c->received > c->expected)
		compressor_fail(c, ERR_PROTOCOL);
	if (c->is_broken) {
		chunks_clear(list);
		return c->err;
	}
	chunks_move(&c->in, list);
	compressor_advance(c);
	if (c->is_broken)
		return c->err;
	c->owes_resume = c->in.bytes >= PIECE_BYTES;
	return c->owes_resume ? EXCHANGE_PAUSE : 0;
}

static void
on_end(struct filter *f)
{
	struct compressor *c = compressor_of(f);

	if (c->coding == CODING_IDENTITY) {
		filter_pass_end(f);
	} else if (c->is_broken) {
		return; /* who is told so already */
	} else if (c->is_counted && c->received < c->expected) {
		compressor_let_go(c);
		filter_pass_abort(f, ERR_CLOSED);
	} else {
		c->has_end = true;
		compressor_advance(c);
	}
}

/* A body in memory that the worker encodes at once has a length again. false: it has not. */
static bool
encode_whole(struct compressor *c, struct slice body, struct slice *coded)
{
	struct exchange *x = c->filter.x;
	struct encoder *e = c->encoder;
	struct buffer out;
	int err;

	if (body.len > c->rules->conf.inline_bytes || !shelf_may_spend(c->shelf, body.len))
		return false;
	buffer_init(&out, PIECE_OUT_BYTES);
	err = e->ops->run(e, body, ENCODER_END, &out);
	*coded = err ? slice_make(NULL, 0) : arena_copy(&x->arena, buffer_slice(&out));
	if (coded->at)
		compressor_count_bytes(c, body.len, coded->len);
	buffer_fini(&out);
	return true;
}

/* The head has gone: what follows is as long as it is. */
static void
send_in_pieces(struct compressor *c, struct slice body)
{
	int err = filter_pass_head(&c->filter);

	if (err) {
		c->is_broken = true;
		return;
	}
	if (chunks_add_arena(&c->in, body) != 0) {
		compressor_fail(c, ERR_MEMORY);
		return;
	}
	c->received = body.len;
	c->has_end = true;
	compressor_advance(c);
}

static void
on_whole(struct filter *f, struct slice body)
{
	struct compressor *c = compressor_of(f);
	struct response *r = &f->x->response;
	struct slice coded;

	begin(c);
	if (c->coding == CODING_IDENTITY) {
		filter_pass_whole(f, body);
	} else if (!encode_whole(c, body, &coded)) {
		send_in_pieces(c, body);
	} else if (coded.at) {
		r->framing = BODY_LENGTH;
		r->content_length = coded.len;
		compressor_let_go(c);
		filter_pass_whole(f, coded);
	} else {
		compressor_let_go(c);
		filter_pass_abort(f, ERR_MEMORY);
	}
}

static void
on_abort(struct filter *f, int err)
{
	compressor_let_go(compressor_of(f));
	filter_pass_abort(f, err);
}

static void
on_resume(struct filter *f)
{
	struct compressor *c = compressor_of(f);

	if (c->coding == CODING_IDENTITY) {
		filter_pass_resume(f);
		return;
	}
	c->is_paused = false;
	compressor_advance_and_settle(c);
}

static void
on_cancel(struct filter *f)
{
	compressor_let_go(compressor_of(f));
}

static const struct filter_ops compressor_ops = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.whole = on_whole,
	.abort = on_abort,
	.resume = on_resume,
	.cancel = on_cancel,
};

void
compressor_add(struct exchange *x, const struct compress_rules *rules, struct shelf *shelf,
	       struct lease *lease, const struct compressor_charge *charge)
{
	struct compressor *c = arena_zalloc(&x->arena, 1, sizeof(*c));

	if (!c) {
		count_add(shelf->env->counters, COUNTER_UNCOMPRESSED_MEMORY, 1);
		return;
	}
	c->rules = rules;
	c->shelf = shelf;
	c->lease = lease;
	c->charge = *charge;
	timer_init(&c->flush, compressor_on_flush);
	timer_init(&c->retry, compressor_on_retry);
	chunks_init(&c->in, x->store);
	filter_add(x, &c->filter, &compressor_ops);
}
