/*
 * traceparent and tracestate; see trace.h.
 */
#include "http/trace.h"

/* version "-" trace-id "-" parent-id "-" flags: where each begins, and what follows. */
enum {
	VERSION_BYTES = 2,
	ID_AT = 3,
	PARENT_AT = 36,
	PARENT_BYTES = 16,
	FLAGS_AT = 53,
	VALUE_BYTES = 55,
	FLAGS_KNOWN = 3, /* sampled, random: no other bit has a meaning that could be passed on */
	SAMPLED = 1,
};

enum {
	STATE_MEMBERS = 32,
	STATE_KEY_BYTES = 256,
	STATE_VALUE_BYTES = 256,
	STATE_LONG = 128, /* entries over this are the first to go */
};

static const char digits[] = "0123456789abcdef";

/* --- traceparent ------------------------------------------------------------------ */

static bool
is_hex(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (!ascii_is_digit(s.at[i]) && (s.at[i] < 'a' || s.at[i] > 'f'))
			return false;
	}
	return true;
}

static bool
is_zero(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] != '0')
			return false;
	}
	return true;
}

/* The length that its version has; later ones may go on behind a dash (W3C 3.2.4, 4.3). */
static bool
has_form(struct slice value)
{
	struct slice version;

	if (value.len < VALUE_BYTES)
		return false;
	version = slice_make(value.at, VERSION_BYTES);
	if (!is_hex(version) || slice_eq(version, SLICE("ff")))
		return false;
	if (value.len > VALUE_BYTES && (is_zero(version) || value.at[VALUE_BYTES] != '-'))
		return false;
	return value.at[ID_AT - 1] == '-' && value.at[PARENT_AT - 1] == '-' &&
	       value.at[FLAGS_AT - 1] == '-';
}

int
trace_parse(struct slice value, struct slice *id, unsigned *flags)
{
	struct slice parent, bits;

	if (!has_form(value))
		return ERR_SYNTAX;
	*id = slice_make(value.at + ID_AT, TRACE_ID_BYTES);
	parent = slice_make(value.at + PARENT_AT, PARENT_BYTES);
	bits = slice_make(value.at + FLAGS_AT, VALUE_BYTES - FLAGS_AT);
	if (!is_hex(*id) || !is_hex(parent) || !is_hex(bits) || is_zero(*id) || is_zero(parent))
		return ERR_SYNTAX;
	*flags = (unsigned)ascii_hex(bits.at[0]) << 4 | (unsigned)ascii_hex(bits.at[1]);
	return 0;
}

/* Two of them contradict each other, or say it twice: neither counts. */
static int
find(const struct fields *f, struct slice *id, unsigned *flags)
{
	const struct field *found = NULL;

	for (unsigned i = 0; i < f->count; i++) {
		if (f->at[i].id != FIELD_TRACEPARENT)
			continue;
		if (found)
			return ERR_SYNTAX;
		found = &f->at[i];
	}
	return found ? trace_parse(found->value, id, flags) : ERR_MISSING;
}

static void
write_number(char *to, uint64_t number)
{
	for (size_t i = 0; i < 16; i++)
		to[i] = digits[number >> (60 - 4 * i) & 15];
}

static uint64_t
make_number(struct random *r)
{
	uint64_t number = random_next(r);

	return number ? number : 1; /* all zeros are no id */
}

static void
begin(struct trace *t, struct random *r)
{
	unsigned flags = random_below(r, 100) < t->conf->sample ? SAMPLED : 0;

	write_number(t->id, make_number(r));
	write_number(t->id + TRACE_ID_BYTES / 2, make_number(r));
	t->flags[0] = '0';
	t->flags[1] = digits[flags];
	t->state = TRACE_BEGUN;
}

bool
trace_take(struct trace *t, const struct fields *f, struct random *r)
{
	struct slice id;
	unsigned flags;

	if (!trace_is_ours(t))
		return false;
	if (t->state != TRACE_UNREAD)
		return t->state != TRACE_NONE;
	if (find(f, &id, &flags) == 0) {
		memcpy(t->id, id.at, TRACE_ID_BYTES);
		t->flags[0] = '0';
		t->flags[1] = digits[flags & FLAGS_KNOWN];
		t->state = TRACE_CONTINUED;
	} else if (t->conf->mode == TRACE_MAKE) {
		begin(t, r);
	} else {
		t->state = TRACE_NONE;
	}
	return t->state != TRACE_NONE;
}

struct slice
trace_id(const struct trace *t, const struct fields *f)
{
	struct slice id;
	unsigned flags;

	if (!trace_is_ours(t))
		return SLICE("");
	if (t->state == TRACE_CONTINUED || t->state == TRACE_BEGUN)
		return slice_make(t->id, TRACE_ID_BYTES);
	return find(f, &id, &flags) == 0 ? id : SLICE("");
}

void
trace_write_parent(const struct trace *t, struct random *r, struct writer *w)
{
	char parent[PARENT_BYTES];

	write_number(parent, make_number(r));
	writer_text(w, "00-");
	writer_put(w, slice_make(t->id, TRACE_ID_BYTES));
	writer_char(w, '-');
	writer_put(w, slice_make(parent, PARENT_BYTES));
	writer_char(w, '-');
	writer_put(w, slice_make(t->flags, sizeof(t->flags)));
}

/* --- tracestate ------------------------------------------------------------------- */

/* Members of all lines, one after the other. */
struct walk {
	const struct fields *fields;
	unsigned line;
	struct slice rest; /* of the line at hand */
};

/* Empty ones do not count. */
static bool
next_member(struct walk *w, struct slice *member)
{
	for (;;) {
		while (w->rest.len == 0) {
			if (w->line == w->fields->count)
				return false;
			if (w->fields->at[w->line].id == FIELD_TRACESTATE)
				w->rest = w->fields->at[w->line].value;
			w->line++;
		}
		*member = slice_trim(slice_cut(&w->rest, ','));
		if (member->len > 0)
			return true;
	}
}

static bool
is_key(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i];
		bool is_first = (c >= 'a' && c <= 'z') || ascii_is_digit(c);

		if (!is_first && (i == 0 || c == '\0' || !strchr("_-*/@", c)))
			return false;
	}
	return s.len > 0 && s.len <= STATE_KEY_BYTES;
}

/* Commas and blanks at its ends are gone. */
static bool
is_value(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		if (s.at[i] < ' ' || s.at[i] > '~' || s.at[i] == '=')
			return false;
	}
	return s.len > 0 && s.len <= STATE_VALUE_BYTES;
}

/* How long the list is; 0: there is none, or it is malformed. */
static size_t
measure(const struct fields *f)
{
	struct walk walk = { .fields = f };
	struct slice member;
	size_t bytes = 0;
	unsigned count = 0;

	while (next_member(&walk, &member)) {
		struct slice value = member, key = slice_cut(&value, '=');

		if (!is_key(key) || !is_value(value) || ++count > STATE_MEMBERS)
			return 0;
		bytes += member.len + (count > 1);
	}
	return bytes;
}

void
trace_write_state(const struct fields *f, struct writer *w)
{
	size_t bytes = measure(f), written = 0;
	struct walk walk = { .fields = f };
	struct slice member;

	while (bytes > 0 && next_member(&walk, &member)) {
		size_t more = member.len + (written > 0);

		if (bytes > TRACE_STATE_BYTES && member.len > STATE_LONG)
			continue;
		if (written + more > TRACE_STATE_BYTES)
			return;
		if (written > 0)
			writer_char(w, ',');
		writer_put(w, member);
		written += more;
	}
}
