/*
 * Files that are open, or in memory; see file_entry.h.
 */
#include "source/file_entry.h"

#include "base/assert.h"
#include "base/mem.h"
#include "http/date.h"
#include "http/media.h"

#include <time.h>
#include <unistd.h>

enum {
	SETTLED_S = 2, /* file systems stamp by a clock of some milliseconds, or of a second */
	ETAG_BYTES = 64,
	NUMBER_BYTES = 24,
	LINES_BYTES = 320, /* names of all fields, and values of a known length */
};

static int64_t
wall_clock(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME_COARSE, &now);
	return now.tv_sec;
}

/* --- the head -------------------------------------------------------------------- */

static bool
is_settled(const struct file_facts *f, int64_t now_s)
{
	return f->modified_s <= now_s - SETTLED_S && f->changed_s <= now_s - SETTLED_S;
}

/* RFC 9110 8.8.1: weak while a change could leave it as it is. A coded sibling
 * never has the tag of what it stands for. */
static void
write_etag(struct writer *w, const struct file_entry *e)
{
	writer_put(w, e->is_settled ? SLICE("\"") : SLICE("W/\""));
	writer_hex(w, (uint64_t)e->facts.modified_s);
	writer_char(w, '.');
	writer_hex(w, e->facts.modified_ns);
	writer_char(w, '-');
	writer_hex(w, e->facts.size);
	if (e->coding != CODING_IDENTITY) {
		writer_char(w, '-');
		writer_put(w, coding_name(e->coding));
	}
	writer_char(w, '"');
}

static struct slice
write_date(struct writer *w, int64_t second)
{
	char text[DATE_BYTES];
	size_t from = w->len;

	date_write(text, second);
	writer_put(w, slice_make(text, sizeof(text)));
	return slice_make(w->at + from, w->len - from);
}

static struct slice
write_max_age(struct writer *w, uint64_t seconds)
{
	size_t from = w->len;

	writer_put(w, SLICE("max-age="));
	writer_u64(w, seconds);
	return slice_make(w->at + from, w->len - from);
}

static void
add(struct file_head *h, enum field_id id, struct slice value)
{
	ASSERT(h->fields < FILE_FIELDS_MAX);
	h->field[h->fields++] = (struct field){ .name = field_name(id), .value = value, .id = id };
}

/* RFC 9111 5.2.2, 5.3: Expires for old caches, max-age unless the rule says more. */
static void
add_rule(struct file_head *h, struct writer *w, const struct file_rule *rule)
{
	if (rule->cache_control.len > 0)
		add(h, FIELD_CACHE_CONTROL, rule->cache_control);
	else if (rule->expires_s > 0)
		add(h, FIELD_CACHE_CONTROL, write_max_age(w, rule->expires_s));
	if (rule->expires_s > 0)
		add(h, FIELD_EXPIRES, write_date(w, h->made_s + (int64_t)rule->expires_s));
}

/* What it is called without the extension of its coding. */
static struct slice
plain_name(const struct file_entry *e)
{
	return slice_make(e->name, e->name_len - coding_extension(e->coding).len);
}

static struct slice
type_of(const struct file_entry *e, const struct file_conf *c)
{
	return c->type.len > 0 ? c->type : media_type_of(plain_name(e));
}

static void
add_fields(struct file_entry *e, struct writer *w, const struct file_conf *c, struct slice type)
{
	struct file_head *h = &e->head;
	size_t from = w->len;

	write_etag(w, e);
	h->etag = slice_make(w->at + from, w->len - from);
	add(h, FIELD_CONTENT_TYPE, type);
	if (e->coding != CODING_IDENTITY)
		add(h, FIELD_CONTENT_ENCODING, coding_name(e->coding));
	add(h, FIELD_LAST_MODIFIED, write_date(w, e->facts.modified_s));
	add(h, FIELD_ETAG, h->etag);
	add(h, FIELD_ACCEPT_RANGES, SLICE("bytes"));
	if (c->codings > 0)
		add(h, FIELD_VARY, SLICE("Accept-Encoding"));
	add_rule(h, w, file_rule_of(c, plain_name(e), type));
}

static void
write_lines(struct file_entry *e, struct writer *w)
{
	struct file_head *h = &e->head;
	char digits[NUMBER_BYTES];
	struct writer number = writer_over(digits, sizeof(digits));
	struct field length = { .name = field_name(FIELD_CONTENT_LENGTH),
				.id = FIELD_CONTENT_LENGTH };
	size_t from = w->len;

	for (unsigned i = 0; i < h->fields; i++)
		field_write_line(w, &h->field[i]);
	writer_u64(&number, e->facts.size);
	length.value = writer_slice(&number);
	field_write_line(w, &length);
	h->prepared = slice_make(w->at + from, w->len - from);
}

/* In the memory that the head has; the lengths are the same each time. */
static void
make_head(struct file_entry *e, const struct file_conf *c, int64_t now_s)
{
	struct file_head *h = &e->head;
	struct writer w = writer_over(h->text, h->cap);

	h->fields = 0;
	h->made_s = now_s;
	add_fields(e, &w, c, type_of(e, c));
	write_lines(e, &w);
	ASSERT(!w.is_full);
}

static int
open_head(struct file_entry *e, const struct file_conf *c)
{
	struct slice type = type_of(e, c);
	const struct file_rule *rule = file_rule_of(c, plain_name(e), type);
	int64_t now_s = wall_clock();

	e->is_settled = is_settled(&e->facts, now_s);
	e->head.cap = type.len + rule->cache_control.len + 2 * ETAG_BYTES + 4 * DATE_BYTES +
		      3 * NUMBER_BYTES + LINES_BYTES;
	e->head.text = mem_alloc(e->head.cap);
	if (!e->head.text)
		return ERR_MEMORY;
	make_head(e, c, now_s);
	return 0;
}

void
file_entry_renew(struct file_entry *e, const struct file_conf *c)
{
	int64_t now_s;

	/* Expires is the last field when there is one. */
	if (e->head.fields == 0 || e->head.field[e->head.fields - 1].id != FIELD_EXPIRES)
		return;
	now_s = wall_clock();
	if (now_s != e->head.made_s)
		make_head(e, c, now_s);
}

/* --- entries --------------------------------------------------------------------- */

/* Content that was read while somebody wrote is not what the facts are about. */
static bool
is_content_sound(const struct file_found *found)
{
	struct file_facts now;

	return found->got == found->facts.size && found->got <= FILE_CONTENT_BYTES &&
	       file_facts_of(found->fd, &now) == 0 && file_facts_eq(&now, &found->facts);
}

/* Keeps the content if it is whole and small, else the descriptor. */
static int
keep(struct file_entry *e, struct file_found *found)
{
	if (is_content_sound(found)) {
		e->content = found->content;
		found->content = NULL;
		return 0;
	}
	e->file = mem_zalloc(1, sizeof(*e->file));
	if (!e->file)
		return ERR_MEMORY;
	*e->file = (struct chunk_file){ .fd = found->fd, .refs = 1 };
	found->fd = -1;
	return 0;
}

static enum file_state
state_of(const struct file_found *found)
{
	if (found->err == 0)
		return FILE_THERE;
	if (found->err == ERR_FORBIDDEN)
		return FILE_FORBIDDEN;
	return found->facts.is_directory ? FILE_DIRECTORY : FILE_ABSENT;
}

static void
drop_found(struct file_found *found)
{
	if (found->fd >= 0)
		close(found->fd);
	found->fd = -1;
	mem_free(&found->content);
}

struct file_entry *
file_entry_new(const struct file_conf *c, struct slice name, enum coding coding,
	       struct file_found *found)
{
	struct file_entry *e = mem_zalloc(1, sizeof(*e) + name.len + 1);
	int err = 0;

	if (e) {
		e->refs = 1;
		e->coding = coding;
		e->state = state_of(found);
		e->facts = found->facts;
		e->name_len = name.len;
		memcpy(e->name, name.at, name.len);
		list_init(&e->use);
		if (e->state == FILE_THERE) {
			err = keep(e, found);
			if (!err)
				err = open_head(e, c);
		}
	}
	drop_found(found);
	if (err) {
		file_entry_unref(e);
		return NULL;
	}
	return e;
}

void
file_entry_unref(struct file_entry *e)
{
	ASSERT(e->refs > 0);
	if (--e->refs > 0)
		return;
	if (e->file)
		chunk_file_unref(e->file);
	mem_free(&e->content);
	mem_free(&e->head.text);
	mem_free(&e);
}
