/*
 * Text into fields, by type; see field.h. Each type is one row of `types`.
 */
#include "config/field.h"

#include "base/address.h"
#include "base/assert.h"
#include "base/cpus.h"
#include "config/suggest.h"
#include "config/value.h"

typedef int (*parse_fn)(struct field *f, struct slice text);
typedef void (*write_fn)(struct writer *w, uint64_t value);

/* Returned by a parse_fn that has filled `why` itself. */
enum { ERR_SAID = ERR_CONFLICT };

static parse_fn parser_of(enum conf_type type);
static write_fn number_writer_of(enum conf_type type);

/* --- what is wrong ---------------------------------------------------------------- */

static struct writer
begin_why(struct field *f)
{
	return writer_over(f->why, sizeof(f->why) - 1);
}

static int
end_why(struct field *f, const struct writer *w)
{
	f->why[w->len] = '\0';
	return ERR_SAID;
}

static void
write_quoted(const struct field *f, struct writer *w, struct slice text)
{
	writer_text(w, f->key->flags & CONF_SECRET ? "the value" : conf_quote(text).text);
}

static void
write_bound(const struct field *f, struct writer *w, int64_t bound)
{
	write_fn write = number_writer_of(f->key->type);

	if (write && bound >= 0)
		write(w, (uint64_t)bound);
	else
		writer_i64(w, bound);
	if (f->key->type == CONF_PERCENT)
		writer_char(w, '%');
}

static int
say_range(struct field *f, struct slice text, int64_t min, int64_t max)
{
	struct writer w = begin_why(f);

	write_quoted(f, &w, text);
	writer_text(&w, max == INT64_MAX ? " is out of range: at least " : " is out of range: ");
	write_bound(f, &w, min);
	if (max < INT64_MAX) {
		writer_text(&w, " to ");
		write_bound(f, &w, max);
	}
	return end_why(f, &w);
}

static int
say_no_word(struct field *f, struct slice text)
{
	struct writer w = begin_why(f);
	struct suggest near;

	write_quoted(f, &w, text);
	writer_text(&w, " is none of: ");
	for (const char *const *word = f->key->words; *word; word++) {
		writer_text(&w, word == f->key->words ? "" : ", ");
		writer_text(&w, *word);
	}
	if (f->key->flags & CONF_AUTO)
		writer_text(&w, ", auto");
	suggest_init(&near, text);
	suggest_offer_words(&near, f->key->words);
	writer_text(&w, suggest_text(&near));
	return end_why(f, &w);
}

static int
say_empty_item(struct field *f)
{
	struct writer w = begin_why(f);

	writer_text(&w, "nothing stands between two commas");
	return end_why(f, &w);
}

/* --- numbers ---------------------------------------------------------------------- */

static int64_t
largest_unsigned(size_t width)
{
	return width >= 8 ? INT64_MAX : ((int64_t)1 << (8 * width)) - 1;
}

static int64_t
largest_signed(size_t width)
{
	return width >= 8 ? INT64_MAX : ((int64_t)1 << (8 * width - 1)) - 1;
}

static void
store_unsigned(struct field *f, uint64_t value)
{
	uint8_t one = (uint8_t)value;
	uint16_t two = (uint16_t)value;
	uint32_t four = (uint32_t)value;

	switch (f->key->width) {
	case 1:
		memcpy(f->at, &one, 1);
		break;
	case 2:
		memcpy(f->at, &two, 2);
		break;
	case 4:
		memcpy(f->at, &four, 4);
		break;
	default:
		memcpy(f->at, &value, 8);
		break;
	}
}

/* What the table allows, within what the field can hold. */
static int64_t
find_max(const struct conf_key *k, int64_t largest)
{
	int64_t max = k->max;

	if (max == 0 && k->min >= 0)
		max = k->type == CONF_PERCENT ? 100 : largest;
	return max < largest ? max : largest;
}

static int
take_unsigned(struct field *f, struct slice text, int err, uint64_t value)
{
	int64_t max = find_max(f->key, largest_unsigned(f->key->width));

	if (err == ERR_SYNTAX)
		return err;
	if (err || value < (uint64_t)f->key->min || value > (uint64_t)max)
		return say_range(f, text, f->key->min, max);
	store_unsigned(f, value);
	return 0;
}

static int
parse_uint(struct field *f, struct slice text)
{
	uint64_t value = 0;
	int err = value_uint(text, &value);

	/* -3 is a whole number, only none of these. */
	if (err == ERR_SYNTAX && slice_has_prefix(text, SLICE("-")) &&
	    value_uint(slice_after(text, 1), &value) == 0)
		err = ERR_ARGUMENT;
	return take_unsigned(f, text, err, value);
}

static int
parse_decimal(struct field *f, struct slice text)
{
	uint64_t value = 0;
	int err = value_decimal(text, &value);

	return take_unsigned(f, text, err, value);
}

static int
parse_duration(struct field *f, struct slice text)
{
	uint64_t value = 0;
	int err = value_duration(text, &value);

	return take_unsigned(f, text, err, value);
}

static int
parse_size(struct field *f, struct slice text)
{
	uint64_t value = 0;
	int err = value_size(text, &value);

	return take_unsigned(f, text, err, value);
}

static int
parse_percent(struct field *f, struct slice text)
{
	uint64_t value = 0;
	int err = value_percent(text, &value);

	return take_unsigned(f, text, err, value);
}

static int
parse_int(struct field *f, struct slice text)
{
	int64_t largest = largest_signed(f->key->width), max = find_max(f->key, largest);
	int64_t min = f->key->min < -largest - 1 ? -largest - 1 : f->key->min, value = 0;
	int err = value_int(text, &value);

	if (err == ERR_SYNTAX)
		return err;
	if (err || value < min || value > max)
		return say_range(f, text, min, max);
	store_unsigned(f, (uint64_t)value);
	return 0;
}

static int
parse_share(struct field *f, struct slice text)
{
	struct conf_share share = { .is_percent = text.at[text.len - 1] == '%' };
	int err =
	    share.is_percent ? value_percent(text, &share.amount) : value_size(text, &share.amount);

	if (err == ERR_SYNTAX)
		return err;
	if (share.is_percent && (err || share.amount > 100)) {
		struct writer w = begin_why(f);

		write_quoted(f, &w, text);
		writer_text(&w, " is out of range: at most 100%");
		return end_why(f, &w);
	}
	if (err)
		return say_range(f, text, 0, INT64_MAX);
	memcpy(f->at, &share, sizeof(share));
	return 0;
}

/* --- words ------------------------------------------------------------------------ */

static int
parse_bool(struct field *f, struct slice text)
{
	return value_bool(text, f->at);
}

/* The place of text among the key's words, or -1. */
static int
find_word(const struct conf_key *k, struct slice text)
{
	for (int i = 0; k->words[i]; i++) {
		if (slice_eq(text, slice_of(k->words[i])))
			return i;
	}
	return -1;
}

static int
parse_word(struct field *f, struct slice text)
{
	int place = find_word(f->key, text);

	if (place < 0)
		return say_no_word(f, text);
	store_unsigned(f, (uint64_t)place);
	return 0;
}

static int
parse_words(struct field *f, struct slice text)
{
	struct slice rest = text, item;
	uint64_t bits = 0;
	int place;

	while (value_next(&rest, &item)) {
		if (item.len == 0)
			return say_empty_item(f);
		place = find_word(f->key, item);
		if (place < 0)
			return say_no_word(f, item);
		bits |= UINT64_C(1) << place;
	}
	store_unsigned(f, bits);
	return 0;
}

bool
field_is_word(const struct conf_key *k, struct slice text)
{
	if ((k->flags & CONF_SYSTEMD) && slice_has_prefix(text, SLICE("systemd:")))
		return true;
	return k->words && find_word(k, text) >= 0;
}

/* --- texts ------------------------------------------------------------------------ */

static int
parse_text(struct field *f, struct slice text)
{
	memcpy(f->at, &text, sizeof(text));
	return 0;
}

static int
parse_path(struct field *f, struct slice text)
{
	struct slice path;

	if (field_is_word(f->key, text))
		return parse_text(f, text);
	path = conf_resolve(f->conf, f->file, text);
	if (!path.at)
		return ERR_MEMORY;
	memcpy(f->at, &path, sizeof(path));
	return 0;
}

static int
parse_url(struct field *f, struct slice text)
{
	struct slice path = text, scheme = slice_cut(&path, ':'), resolved;
	struct writer w;
	char *memory;

	if (path.len == 0 || path.at[0] == '/')
		return parse_text(f, text);
	resolved = conf_resolve(f->conf, f->file, path);
	memory = arena_alloc(&f->conf->arena, scheme.len + resolved.len + 2);
	if (!resolved.at || !memory)
		return ERR_MEMORY;
	w = writer_over(memory, scheme.len + resolved.len + 2);
	writer_put(&w, scheme);
	writer_char(&w, ':');
	writer_put(&w, resolved);
	writer_char(&w, '\0');
	text = slice_make(memory, w.len - 1);
	memcpy(f->at, &text, sizeof(text));
	return 0;
}

static int
parse_address(struct field *f, struct slice text)
{
	return address_parse_listening(f->at, text) == 0 ? 0 : ERR_SYNTAX;
}

static int
parse_cpus(struct field *f, struct slice text)
{
	int err = cpus_parse(f->at, text);

	return err == ERR_TOO_LARGE ? say_range(f, text, 0, CPUS_MAX - 1) : err;
}

static size_t
count_commas(struct slice text)
{
	size_t n = 0;

	for (size_t i = 0; i < text.len; i++)
		n += text.at[i] == ',';
	return n;
}

static int
parse_list(struct field *f, struct slice text)
{
	struct arena *a = &f->conf->arena;
	struct slice *items = arena_zalloc(a, count_commas(text) + 1, sizeof(*items));
	struct conf_list list = { .at = items };
	struct slice rest = text, item;

	if (!items)
		return ERR_MEMORY;
	while (value_next(&rest, &item)) {
		if (item.len == 0)
			return say_empty_item(f);
		item = f->key->type == CONF_PATHS ? conf_resolve(f->conf, f->file, item)
						  : arena_copy(a, item);
		if (!item.at)
			return ERR_MEMORY;
		items[list.count++] = item;
	}
	memcpy(f->at, &list, sizeof(list));
	return 0;
}

/* --- the types -------------------------------------------------------------------- */

enum { ANY_INTEGER = 0 };

static const struct {
	const char *name; /* for the manual */
	const char *want; /* "x" is not ... */
	parse_fn parse; /* NULL: nothing to store */
	size_t width; /* of the field */
	write_fn write; /* of bounds, where a plain number will not do */
	bool takes_empty, takes_auto;
} types[CONF_TYPES] = {
	[CONF_TEXT] = { .name = "text",
			.parse = parse_text,
			.width = sizeof(struct slice),
			.takes_empty = true },
	[CONF_TEMPLATE] = { .name = "template",
			    .parse = parse_text,
			    .width = sizeof(struct slice),
			    .takes_empty = true },
	[CONF_PATH] = { .name = "path", .parse = parse_path, .width = sizeof(struct slice) },
	[CONF_URL] = { .name = "url", .parse = parse_url, .width = sizeof(struct slice) },
	[CONF_BOOL] = { .name = "yes or no",
			.want = "yes or no",
			.parse = parse_bool,
			.width = sizeof(bool) },
	[CONF_UINT] = { .name = "number",
			.want = "a whole number",
			.parse = parse_uint,
			.width = ANY_INTEGER,
			.takes_auto = true },
	[CONF_INT] = { .name = "number",
		       .want = "a whole number",
		       .parse = parse_int,
		       .width = ANY_INTEGER },
	[CONF_DECIMAL] = { .name = "decimal",
			   .want = "a number such as 2 or 1.5",
			   .parse = parse_decimal,
			   .width = ANY_INTEGER,
			   .write = value_write_decimal,
			   .takes_auto = true },
	[CONF_DURATION] = { .name = "duration",
			    .want = "a duration such as 250ms, 2s or 5m",
			    .parse = parse_duration,
			    .width = sizeof(uint64_t),
			    .write = value_write_duration,
			    .takes_auto = true },
	[CONF_SIZE] = { .name = "size",
			.want = "a size such as 512, 16k or 1m",
			.parse = parse_size,
			.width = ANY_INTEGER,
			.write = value_write_size,
			.takes_auto = true },
	[CONF_PERCENT] = { .name = "percentage",
			   .want = "a percentage such as 20%",
			   .parse = parse_percent,
			   .width = ANY_INTEGER },
	[CONF_SHARE] = { .name = "percentage or size",
			 .want = "a percentage or a size, such as 60% or 512m",
			 .parse = parse_share,
			 .width = sizeof(struct conf_share),
			 .write = value_write_size },
	[CONF_WORD] = { .name = "word", .parse = parse_word, .width = sizeof(int) },
	[CONF_WORDS] = { .name = "list of words", .parse = parse_words, .width = ANY_INTEGER },
	[CONF_ADDRESS] = { .name = "address",
			   .want = "an address such as 127.0.0.1:8080, [::]:8080, unix:/path or "
				   "systemd:NAME",
			   .parse = parse_address,
			   .width = sizeof(struct address) },
	[CONF_LIST] = { .name = "list", .parse = parse_list, .width = sizeof(struct conf_list) },
	[CONF_PATHS] = { .name = "list of paths",
			 .parse = parse_list,
			 .width = sizeof(struct conf_list) },
	[CONF_CPUS] = { .name = "list of processors",
			.want = "a list of processors such as 2-5 or 0-3,7",
			.parse = parse_cpus,
			.width = sizeof(struct cpus) },
	[CONF_FAMILY] = { .name = "text, per name", .width = sizeof(struct conf_family) },
	[CONF_KNOWN] = { .name = "text", .takes_empty = true },
};

static parse_fn
parser_of(enum conf_type type)
{
	return types[type].parse;
}

static write_fn
number_writer_of(enum conf_type type)
{
	return types[type].write;
}

const char *
conf_type_name(enum conf_type type)
{
	return types[type].name;
}

bool
field_takes_empty(enum conf_type type)
{
	return types[type].takes_empty;
}

void
field_check(const struct conf_key *k)
{
	size_t width = types[k->type].width, bits = 0;

	ASSERT(k->type < CONF_TYPES);
	if (k->type != CONF_KNOWN && width == ANY_INTEGER)
		ASSERT(k->width == 1 || k->width == 2 || k->width == 4 || k->width == 8);
	else
		ASSERT(k->type == CONF_KNOWN || k->width == width);
	ASSERT(!(k->flags & CONF_AUTO) || (types[k->type].takes_auto && k->min >= 1));
	ASSERT((k->type != CONF_WORD && k->type != CONF_WORDS) || k->words);
	while (k->type == CONF_WORDS && k->words[bits])
		bits++;
	ASSERT(bits <= 8 * k->width || k->type != CONF_WORDS);
}

static int
say_form(struct field *f, struct slice text)
{
	struct writer w = begin_why(f);

	write_quoted(f, &w, text);
	writer_text(&w, " is not ");
	writer_text(&w, types[f->key->type].want);
	if (f->key->flags & CONF_AUTO)
		writer_text(&w, ", nor auto");
	return end_why(f, &w);
}

int
field_parse(struct field *f, struct slice text)
{
	parse_fn parse = parser_of(f->key->type);
	int err;

	if (!parse || ((f->key->flags & CONF_AUTO) && slice_eq(text, SLICE("auto"))))
		return 0;
	err = parse(f, text);
	if (err == ERR_SYNTAX)
		err = say_form(f, text);
	return err == ERR_SAID ? ERR_SYNTAX : err;
}
