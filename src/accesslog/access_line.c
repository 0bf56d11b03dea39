/*
 * Writing lines; see access_line.h. What a kind of value looks like is one row of
 * `kinds`.
 */
#include "accesslog/access_line.h"

#include "base/clock.h"
#include "base/json.h"

struct line {
	struct writer *w;
	const struct access_entry *e;
	struct access_clock *clock;
	size_t value_max;
};

typedef void (*put_fn)(struct line *l, const struct access_value *v);

static const struct slice more = SLICE_INIT("...");

/* --- text ---------------------------------------------------------------------------------- */

static inline bool
is_plain(char c)
{
	return c >= 0x20 && c < 0x7f && c != '"' && c != '\\';
}

static void
put_escaped(struct writer *w, struct slice s)
{
	static const char digits[] = "0123456789ABCDEF";

	while (s.len > 0) {
		size_t n = 0;

		while (n < s.len && is_plain(s.at[n]))
			n++;
		writer_put(w, slice_make(s.at, n));
		if (n == s.len)
			return;
		writer_put(w, SLICE("\\x"));
		writer_char(w, digits[(unsigned char)s.at[n] >> 4]);
		writer_char(w, digits[(unsigned char)s.at[n] & 15]);
		s = slice_after(s, n + 1);
	}
}

static void
put_cut(struct line *l, struct slice s)
{
	if (s.len <= l->value_max) {
		put_escaped(l->w, s);
		return;
	}
	put_escaped(l->w, slice_make(s.at, l->value_max));
	writer_put(l->w, more);
}

static void
text_absent(struct line *l, const struct access_value *v)
{
	(void)v;
	writer_char(l->w, '-');
}

static void
text_text(struct line *l, const struct access_value *v)
{
	put_cut(l, v->text);
}

/* Whoever chose that name must not choose the fields behind it. */
static void
text_name(struct line *l, const struct access_value *v)
{
	struct slice rest =
	    v->text.len <= l->value_max ? v->text : slice_make(v->text.at, l->value_max);

	while (rest.len > 0) {
		size_t word = slice_find(rest, ' ');

		put_escaped(l->w, slice_make(rest.at, word));
		if (word < rest.len)
			writer_put(l->w, SLICE("\\x20"));
		rest = slice_after(rest, word + 1);
	}
	if (v->text.len > l->value_max)
		writer_put(l->w, more);
}

static void
text_word(struct line *l, const struct access_value *v)
{
	writer_put(l->w, v->text);
}

static void
text_number(struct line *l, const struct access_value *v)
{
	writer_u64(l->w, v->number);
}

static void
text_hex(struct line *l, const struct access_value *v)
{
	writer_hex(l->w, v->number);
}

/* The last so many decimal digits. */
static void
put_padded(struct writer *w, unsigned value, unsigned digits)
{
	char text[8];

	for (unsigned i = digits; i-- > 0; value /= 10)
		text[i] = (char)('0' + value % 10);
	writer_put(w, slice_make(text, digits));
}

static void
put_seconds(struct writer *w, uint64_t ns)
{
	writer_u64(w, ns / CLOCK_SEC);
	writer_char(w, '.');
	put_padded(w, (unsigned)(ns % CLOCK_SEC / CLOCK_US), 6);
}

static void
text_seconds(struct line *l, const struct access_value *v)
{
	put_seconds(l->w, v->number);
}

static void
text_flag(struct line *l, const struct access_value *v)
{
	writer_put(l->w, v->number ? SLICE("yes") : SLICE("no"));
}

static void
text_time(struct line *l, const struct access_value *v)
{
	(void)v;
	writer_put(l->w, access_clock_rfc(l->clock, l->e->wall_ns));
	writer_char(l->w, '.');
	put_padded(l->w, (unsigned)(l->e->wall_ns % CLOCK_SEC / CLOCK_MS), 3);
	writer_char(l->w, 'Z');
}

static void
text_time_clf(struct line *l, const struct access_value *v)
{
	(void)v;
	writer_put(l->w, access_clock_clf(l->clock, l->e->wall_ns));
}

static void
text_time_unix(struct line *l, const struct access_value *v)
{
	(void)v;
	writer_u64(l->w, l->e->wall_ns / CLOCK_SEC);
	writer_char(l->w, '.');
	put_padded(l->w, (unsigned)(l->e->wall_ns % CLOCK_SEC / CLOCK_MS), 3);
}

static void
put_v4(struct writer *w, const struct address *a)
{
	unsigned char byte[4];

	memcpy(byte, &a->of.v4.sin_addr, sizeof(byte));
	for (unsigned i = 0; i < sizeof(byte); i++) {
		if (i)
			writer_char(w, '.');
		writer_u64(w, byte[i]);
	}
}

static void
put_host(struct writer *w, const struct address *a)
{
	if (a->of.any.sa_family == AF_INET)
		put_v4(w, a);
	else
		address_write_host(a, w);
}

static void
text_address(struct line *l, const struct access_value *v)
{
	(void)v;
	put_host(l->w, l->e->x->client);
}

static void
text_peer(struct line *l, const struct access_value *v)
{
	struct address peer;

	if (exchange_peer(l->e->x, &peer) == 0)
		put_host(l->w, &peer);
	else
		text_absent(l, v);
}

/* A request that was refused may have no more than a beginning. */
static void
text_request(struct line *l, const struct access_value *v)
{
	const struct request *q = &l->e->x->request;

	(void)v;
	put_cut(l, q->method_name);
	if (q->target.len == 0)
		return;
	writer_char(l->w, ' ');
	put_cut(l, q->target);
	writer_char(l->w, ' ');
	writer_put(l->w, access_version(q->version));
}

static void
text_parts(struct line *l, const struct access_value *v)
{
	(void)v;
	for (unsigned i = 0; i < l->e->parts; i++) {
		const struct access_part *p = &l->e->part[i];

		if (i)
			writer_put(l->w, SLICE(", "));
		put_escaped(l->w, p->name);
		writer_char(l->w, '=');
		writer_text(l->w, p->outcome);
		writer_char(l->w, ';');
		writer_u64(l->w, p->ns / CLOCK_MS);
		writer_put(l->w, SLICE("ms"));
	}
}

/* --- JSON ----------------------------------------------------------------------------------- */

static void
member_absent(struct line *l, const struct access_value *v)
{
	(void)v;
	writer_put(l->w, SLICE("null"));
}

/* A piece of a string. */
static void
put_inside(struct line *l, struct slice s)
{
	bool is_cut = s.len > l->value_max;

	if (is_cut)
		s.len = l->value_max;
	if (!l->w->is_full && json_write_some(l->w, s).len > 0)
		l->w->is_full = true;
	if (is_cut)
		writer_put(l->w, more);
}

static void
member_text(struct line *l, const struct access_value *v)
{
	writer_char(l->w, '"');
	put_inside(l, v->text);
	writer_char(l->w, '"');
}

static void
member_request(struct line *l, const struct access_value *v)
{
	const struct request *q = &l->e->x->request;

	(void)v;
	writer_char(l->w, '"');
	put_inside(l, q->method_name);
	if (q->target.len > 0) {
		writer_char(l->w, ' ');
		put_inside(l, q->target);
		writer_char(l->w, ' ');
		writer_put(l->w, access_version(q->version));
	}
	writer_char(l->w, '"');
}

/* What needs no escapes, in quotes. */
static void
put_quoted(struct line *l, const struct access_value *v, put_fn put)
{
	writer_char(l->w, '"');
	put(l, v);
	writer_char(l->w, '"');
}

static void
member_word(struct line *l, const struct access_value *v)
{
	put_quoted(l, v, text_word);
}

static void
member_hex(struct line *l, const struct access_value *v)
{
	put_quoted(l, v, text_hex);
}

static void
member_flag(struct line *l, const struct access_value *v)
{
	writer_put(l->w, v->number ? SLICE("true") : SLICE("false"));
}

static void
member_time(struct line *l, const struct access_value *v)
{
	put_quoted(l, v, text_time);
}

static void
member_time_clf(struct line *l, const struct access_value *v)
{
	put_quoted(l, v, text_time_clf);
}

static void
member_address(struct line *l, const struct access_value *v)
{
	put_quoted(l, v, text_address);
}

static void
member_peer(struct line *l, const struct access_value *v)
{
	struct address peer;

	if (exchange_peer(l->e->x, &peer) == 0)
		put_quoted(l, v, text_peer);
	else
		member_absent(l, v);
}

static void
member_parts(struct line *l, const struct access_value *v)
{
	(void)v;
	for (unsigned i = 0; i < l->e->parts; i++) {
		const struct access_part *p = &l->e->part[i];

		writer_char(l->w, i ? ',' : '{');
		json_write_string(l->w, p->name);
		writer_put(l->w, SLICE(":{\"outcome\":\""));
		writer_text(l->w, p->outcome);
		writer_put(l->w, SLICE("\",\"duration\":"));
		put_seconds(l->w, p->ns);
		writer_char(l->w, '}');
	}
	writer_char(l->w, '}');
}

/* --- lines ----------------------------------------------------------------------------------- */

static const struct {
	put_fn text, member;
} kinds[ACCESS_KINDS] = {
	[ACCESS_ABSENT] = { text_absent, member_absent },
	[ACCESS_TEXT] = { text_text, member_text },
	[ACCESS_NAME] = { text_name, member_text },
	[ACCESS_WORD] = { text_word, member_word },
	[ACCESS_NUMBER] = { text_number, text_number },
	[ACCESS_HEX] = { text_hex, member_hex },
	[ACCESS_SECONDS] = { text_seconds, text_seconds },
	[ACCESS_FLAG] = { text_flag, member_flag },
	[ACCESS_TIME] = { text_time, member_time },
	[ACCESS_TIME_CLF] = { text_time_clf, member_time_clf },
	[ACCESS_TIME_UNIX] = { text_time_unix, text_time_unix },
	[ACCESS_ADDRESS] = { text_address, member_address },
	[ACCESS_PEER] = { text_peer, member_peer },
	[ACCESS_REQUEST] = { text_request, member_request },
	[ACCESS_PARTS] = { text_parts, member_parts },
};

void
access_line_write(const struct access_format *f, const struct access_entry *e,
		  struct access_clock *clock, size_t value_max, struct writer *w)
{
	struct line l = { .w = w, .e = e, .clock = clock, .value_max = value_max };

	for (unsigned i = 0; i < f->count; i++) {
		const struct access_item *item = &f->item[i];
		const struct access_value v = item->field->get(e, &item->header);

		writer_put(w, item->before);
		(f->is_json ? kinds[v.kind].member : kinds[v.kind].text)(&l, &v);
	}
	writer_put(w, f->tail);
	writer_char(w, '\n');
}
