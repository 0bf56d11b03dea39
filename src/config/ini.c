/*
 * The reader of configuration text; see ini.h. It looks at one line at a time,
 * and only a continued value is copied.
 */
#include "config/ini.h"

#include "base/assert.h"
#include "base/utf8.h"

enum { SECTION_NONE, SECTION_BROKEN, SECTION_GOOD };

/* What a line is, before its grammar is looked at. */
enum line_kind { LINE_BLANK, LINE_INDENTED, LINE_FULL };

static struct slice
without_cr(struct slice line)
{
	if (line.len > 0 && line.at[line.len - 1] == '\r')
		line.len--;
	return line;
}

/* The line at the start of *rest, which moves behind it. */
static struct slice
cut_line(struct slice *rest)
{
	return without_cr(slice_cut(rest, '\n'));
}

/* Comments count as blank. */
static enum line_kind
classify(struct slice line)
{
	struct slice text = slice_trim(line);

	if (text.len == 0 || text.at[0] == '#' || text.at[0] == ';')
		return LINE_BLANK;
	return text.at == line.at ? LINE_FULL : LINE_INDENTED;
}

/* What makes a line unreadable whatever it says; NULL if nothing does. */
static const char *
find_bad_bytes(struct slice line)
{
	for (size_t i = 0; i < line.len; i++) {
		unsigned char byte = (unsigned char)line.at[i];

		if (byte == 0)
			return "a NUL byte is not allowed";
		if ((byte < 0x20 && byte != '\t') || byte == 0x7f)
			return "a control character is not allowed";
	}
	return utf8_is_valid(line) ? NULL : "this is not UTF-8";
}

static bool
is_name(struct slice s)
{
	for (size_t i = 0; i < s.len; i++) {
		char c = s.at[i], lower = ascii_lower(c);

		if (!(lower >= 'a' && lower <= 'z') && !ascii_is_digit(c) && c != '_' && c != '-' &&
		    c != '.')
			return false;
	}
	return s.len > 0 && s.len <= INI_NAME_BYTES;
}

static enum ini_kind
give_error(struct ini *r, struct ini_item *item, const char *what, struct slice text)
{
	r->is_skipping = true;
	item->kind = INI_ERROR;
	item->what = what;
	item->text = text;
	return INI_ERROR;
}

static enum ini_kind
read_section(struct ini *r, struct ini_item *item, struct slice line)
{
	struct slice rest = slice_after(line, 1), inside = slice_cut(&rest, ']');
	struct slice kind, name;

	r->section = SECTION_BROKEN;
	if (inside.len + 2 > line.len || line.at[inside.len + 1] != ']')
		return give_error(r, item, "a section head has no closing ]", line);
	if (slice_trim(rest).len > 0)
		return give_error(r, item,
				  "nothing may follow a section head on its line; comments stand "
				  "on lines of their own",
				  line);
	name = slice_trim(inside);
	kind = slice_cut(&name, ' ');
	name = slice_trim(name);
	if (!is_name(kind) || (name.len > 0 && !is_name(name)))
		return give_error(
		    r, item,
		    "a section head is [kind] or [kind name], of letters, digits, '_', '-' and '.'",
		    line);
	r->section = SECTION_GOOD;
	r->is_skipping = false;
	item->kind = INI_SECTION;
	item->section_kind = kind;
	item->section_name = name;
	return INI_SECTION;
}

/* Joins the indented lines that follow to a value that began with `first`. */
static struct slice
join(struct ini *r, struct slice first)
{
	struct writer w = writer_over(r->memory, r->memory_bytes);
	struct slice ahead = r->rest, line;
	unsigned ahead_line = r->line;

	writer_put(&w, first);
	while (ahead.len > 0) {
		line = cut_line(&ahead);
		ahead_line++;
		if (find_bad_bytes(line) || classify(line) == LINE_FULL)
			break;
		if (classify(line) == LINE_BLANK)
			continue;
		if (w.len > 0)
			writer_char(&w, '\n');
		writer_put(&w, slice_trim(line));
		r->rest = ahead;
		r->line = ahead_line;
	}
	/* It holds the whole text, of which this is a part. */
	ASSERT(!w.is_full);
	return w.len == first.len ? first : writer_slice(&w);
}

static enum ini_kind
read_entry(struct ini *r, struct ini_item *item, struct slice line)
{
	struct slice value = line, key = slice_trim(slice_cut(&value, '='));

	if (slice_find(line, '=') == line.len)
		return give_error(r, item, "a line is \"key = value\" or \"[section]\"", line);
	if (key.len == 0)
		return give_error(r, item, "there is no key before the =", line);
	if (!is_name(key))
		return give_error(r, item, "a key is made of letters, digits, '_', '-' and '.'",
				  key);
	if (r->section == SECTION_NONE)
		return give_error(r, item, "a key stands before the first section", key);
	r->is_skipping = false;
	item->kind = INI_ENTRY;
	item->key = key;
	item->value = join(r, slice_trim(value));
	return INI_ENTRY;
}

void
ini_init(struct ini *r, struct slice text, char *memory)
{
	*r = (struct ini){ .rest = text, .memory = memory, .memory_bytes = text.len };
	if (slice_has_prefix(text, SLICE("\xef\xbb\xbf")))
		r->rest = slice_after(text, 3);
}

/* One line: INI_END means that there is nothing to give for it. */
static enum ini_kind
read_line(struct ini *r, struct ini_item *item, struct slice line)
{
	const char *bad = find_bad_bytes(line);

	if (bad)
		return give_error(r, item, bad, line);
	switch (classify(line)) {
	case LINE_BLANK:
		return INI_END;
	case LINE_INDENTED:
		if (r->is_skipping)
			return INI_END;
		return give_error(r, item,
				  "an indented line continues a value, and there is none; keys "
				  "start at the margin",
				  slice_trim(line));
	case LINE_FULL:
		break;
	}
	return line.at[0] == '[' ? read_section(r, item, line)
				 : read_entry(r, item, slice_trim(line));
}

enum ini_kind
ini_next(struct ini *r, struct ini_item *item)
{
	enum ini_kind kind;

	while (r->rest.len > 0) {
		struct slice line = cut_line(&r->rest);

		*item = (struct ini_item){ .line = ++r->line };
		kind = read_line(r, item, line);
		if (kind == INI_ENTRY && r->section == SECTION_BROKEN)
			continue;
		if (kind != INI_END)
			return kind;
	}
	*item = (struct ini_item){ .kind = INI_END, .line = r->line };
	return INI_END;
}
