/*
 * Text that grows on the heap; see buffer.h.
 */
#include "base/buffer.h"

#include "base/encode.h"
#include "base/json.h"
#include "base/mem.h"

enum {
	FIRST_BYTES = 256,
	STRING_ROOM = 16, /* what json_write_some needs to go on */
	STRING_STEP = 4096, /* input bytes of a string whose room is asked for at once */
};

void
buffer_init(struct buffer *b, size_t limit)
{
	*b = (struct buffer){ .limit = limit };
}

void
buffer_fini(struct buffer *b)
{
	mem_free(&b->at);
	b->len = b->cap = 0;
}

static void
fail(struct buffer *b, int err)
{
	if (!b->err)
		b->err = err;
}

/* Makes cap at least len + bytes; b->err says if not. */
static void
grow(struct buffer *b, size_t bytes)
{
	size_t need = b->len + bytes;
	size_t cap = b->cap ? b->cap : FIRST_BYTES;
	char *at;

	while (cap < need)
		cap = cap > b->limit / 2 ? b->limit : cap * 2;
	if (cap > b->limit)
		cap = b->limit;
	at = mem_grow(b->at, cap);
	if (!at) {
		fail(b, ERR_MEMORY);
		return;
	}
	b->at = at;
	b->cap = cap;
}

struct writer
buffer_room(struct buffer *b, size_t bytes)
{
	if (bytes > b->limit - b->len)
		fail(b, ERR_TOO_LARGE);
	if (!b->err && bytes > b->cap - b->len)
		grow(b, bytes);
	if (b->err)
		return (struct writer){ .is_full = true };
	return writer_over(b->at + b->len, b->cap - b->len);
}

void
buffer_wrote(struct buffer *b, const struct writer *w)
{
	if (w->is_full)
		fail(b, ERR_TOO_LARGE);
	else
		b->len += w->len;
}

void
buffer_put(struct buffer *b, struct slice s)
{
	struct writer w;

	if (s.len == 0)
		return;
	w = buffer_room(b, s.len);
	writer_put(&w, s);
	buffer_wrote(b, &w);
}

void
buffer_char(struct buffer *b, char c)
{
	buffer_put(b, slice_make(&c, 1));
}

/* Of a string, as much as fits into some room; the rest. */
static struct slice
put_some_json(struct buffer *b, struct slice s)
{
	size_t most = STRING_ROOM + (s.len < STRING_STEP ? s.len : STRING_STEP);
	size_t left = b->limit - b->len;
	/* Near the limit there may be less room than that, and enough. */
	struct writer w = buffer_room(b, most < left ? most : left);
	struct slice rest = json_write_some(&w, s);

	buffer_wrote(b, &w);
	if (rest.len == s.len)
		fail(b, ERR_TOO_LARGE);
	return rest;
}

void
buffer_json_string(struct buffer *b, struct slice s)
{
	buffer_char(b, '"');
	while (s.len > 0 && !b->err)
		s = put_some_json(b, s);
	buffer_char(b, '"');
}

void
buffer_base64(struct buffer *b, struct slice s)
{
	struct writer w;

	if (s.len == 0)
		return;
	w = buffer_room(b, encode_base64_length(s.len));
	encode_base64(&w, s);
	buffer_wrote(b, &w);
}

char *
buffer_take(struct buffer *b, size_t *len)
{
	char *at = b->at;

	*len = b->len;
	buffer_init(b, b->limit);
	return at;
}
