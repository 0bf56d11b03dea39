/*
 * Runs as bytes; see cell_wire.h.
 */
#include "module/cell_wire.h"

#define TEXT_ABSENT UINT64_MAX

static bool
is_text(const struct conf_key *k)
{
	return k->type == CONF_TEXT || k->type == CONF_PATH || k->type == CONF_TEMPLATE;
}

/* --- the server's side ----------------------------------------------------------- */

static void
put(struct buffer *b, const void *at, size_t bytes)
{
	buffer_put(b, slice_make(at, bytes));
}

static void
put_text(struct buffer *b, struct slice text)
{
	uint64_t bytes = text.at ? text.len : TEXT_ABSENT;

	put(b, &bytes, sizeof(bytes));
	buffer_put(b, text);
	buffer_char(b, '\0');
}

void
cell_wire_put_run(struct buffer *b, const struct job_call *c, uint64_t job)
{
	struct cell_run_head head = { .job = job,
				      .conf_bytes = c->type->conf_size,
				      .input_bytes = c->input.len,
				      .deadline_ns = c->job->deadline_ns,
				      .max_output = c->output->limit };
	struct cell_frame frame = { .kind = CELL_RUN };
	unsigned text = 0;

	put(b, &frame, sizeof(frame));
	put(b, &head, sizeof(head));
	put(b, c->conf, head.conf_bytes);
	for (const struct conf_key *k = c->type->keys; k->name; k++) {
		if (k->type == CONF_TEMPLATE)
			put_text(b, c->text[text++]);
		else if (is_text(k))
			put_text(b, *(const struct slice *)((const char *)c->conf + k->offset));
	}
	buffer_put(b, c->input);
	if (b->err)
		return;
	frame.bytes = b->len - sizeof(frame);
	memcpy(b->at, &frame, sizeof(frame));
}

/* --- the process' side ------------------------------------------------------------ */

static int
take(struct slice *rest, void *into, size_t bytes)
{
	if (rest->len < bytes)
		return ERR_SYNTAX;
	if (bytes > 0)
		memcpy(into, rest->at, bytes);
	*rest = slice_after(*rest, bytes);
	return 0;
}

static int
take_text(struct slice *rest, struct slice *text)
{
	uint64_t bytes;
	int err = take(rest, &bytes, sizeof(bytes));
	bool is_absent = !err && bytes == TEXT_ABSENT;

	if (is_absent)
		bytes = 0;
	if (err || bytes >= rest->len)
		return ERR_SYNTAX;
	*text = slice_make(is_absent ? NULL : rest->at, bytes);
	*rest = slice_after(*rest, bytes + 1);
	return 0;
}

int
cell_wire_take_head(struct cell_run_head *h, struct slice payload)
{
	return take(&payload, h, sizeof(*h));
}

int
cell_wire_take_run(struct cell_run *r, const struct job_type *type, void *conf,
		   struct slice payload)
{
	struct slice rest = payload;
	unsigned text = 0;
	int err = take(&rest, &r->head, sizeof(r->head));

	if (!err && r->head.conf_bytes != type->conf_size)
		err = ERR_SYNTAX;
	if (!err)
		err = take(&rest, conf, type->conf_size);
	for (const struct conf_key *k = type->keys; k->name && !err; k++) {
		struct slice value;

		if (!is_text(k))
			continue;
		err = take_text(&rest, &value);
		if (err)
			break;
		if (k->type == CONF_TEMPLATE)
			r->text[text++] = value;
		else
			memcpy((char *)conf + k->offset, &value, sizeof(value));
	}
	if (!err && rest.len != r->head.input_bytes)
		err = ERR_SYNTAX;
	r->input = rest;
	return err;
}
