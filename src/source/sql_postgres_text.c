/*
 * The text of a query for PostgreSQL, cut into its statements: :name becomes $n,
 * in each statement the same name the same n. Quotes, dollar quotes, comments and :: are passed
 * over as the server reads them (its documentation, "Lexical Structure"); what never ends runs to
 * the end of the text, and the server says so. Pure functions; builder thread.
 */
#include "source/sql_postgres_priv.h"

struct reading {
	struct slice in;
	size_t at; /* what was not read yet begins there */
	struct writer out;
	struct slice *param; /* names, of all statements */
	unsigned params;
	unsigned *number; /* of the names, by $n; of one statement behind those of the other */
	size_t numbers, first_number;
	size_t begin; /* of the statement, in out */
	struct slice verb; /* its first word */
	struct postgres_step *step;
	unsigned steps;
};

static char
look(const struct reading *r, size_t ahead)
{
	return r->at + ahead < r->in.len ? r->in.at[r->at + ahead] : '\0';
}

static bool
is_name_start(char c)
{
	char lower = ascii_lower(c);

	return (lower >= 'a' && lower <= 'z') || c == '_';
}

/* Of what is not quoted; other alphabets are letters, too. */
static bool
is_word_byte(char c)
{
	return is_name_start(c) || ascii_is_digit(c) || c == '$' || (unsigned char)c >= 0x80;
}

static void
copy(struct reading *r, size_t bytes)
{
	if (bytes > r->in.len - r->at)
		bytes = r->in.len - r->at;
	writer_put(&r->out, slice_make(r->in.at + r->at, bytes));
	r->at += bytes;
}

/* A doubled quote is one end and one begin. */
static void
copy_quoted(struct reading *r, char quote, bool has_escapes)
{
	copy(r, 1);
	while (r->at < r->in.len && look(r, 0) != quote)
		copy(r, has_escapes && look(r, 0) == '\\' ? 2 : 1);
	copy(r, 1);
}

static void
copy_line(struct reading *r)
{
	while (r->at < r->in.len && look(r, 0) != '\n')
		copy(r, 1);
}

/* They nest. */
static void
copy_comment(struct reading *r)
{
	unsigned depth = 0;

	do {
		if (look(r, 0) == '/' && look(r, 1) == '*') {
			depth++;
			copy(r, 2);
		} else if (look(r, 0) == '*' && look(r, 1) == '/') {
			depth--;
			copy(r, 2);
		} else {
			copy(r, 1);
		}
	} while (depth > 0 && r->at < r->in.len);
}

/* $tag$; 0 if none begins here. */
static size_t
tag_length(const struct reading *r)
{
	size_t n = 1;

	while (is_word_byte(look(r, n)) && look(r, n) != '$')
		n++;
	return look(r, n) == '$' ? n + 1 : 0;
}

static void
copy_dollar_quoted(struct reading *r, size_t tag_len)
{
	struct slice tag = slice_make(r->in.at + r->at, tag_len);

	copy(r, tag_len);
	while (r->at < r->in.len && !slice_has_prefix(slice_after(r->in, r->at), tag))
		copy(r, 1);
	copy(r, tag_len);
}

/* A word, and the string that it says how to read: E'...'. */
static void
copy_word(struct reading *r)
{
	size_t begin = r->at;
	struct slice word;

	while (r->at < r->in.len && is_word_byte(look(r, 0)))
		copy(r, 1);
	word = slice_make(r->in.at + begin, r->at - begin);
	if (r->verb.len == 0)
		r->verb = word;
	if (slice_eq_nocase(word, SLICE("e")) && look(r, 0) == '\'')
		copy_quoted(r, '\'', true);
}

static unsigned
index_of(struct reading *r, struct slice name)
{
	unsigned i = 0;

	while (i < r->params && !slice_eq(r->param[i], name))
		i++;
	if (i == r->params)
		r->param[r->params++] = name;
	return i;
}

/* In the statement that is being read. */
static size_t
number_of(struct reading *r, struct slice name)
{
	unsigned index = index_of(r, name);
	size_t i = r->first_number;

	while (i < r->numbers && r->number[i] != index)
		i++;
	if (i == r->numbers)
		r->number[r->numbers++] = index;
	return i - r->first_number + 1;
}

/* What has no word in it is no statement. */
static void
end_step(struct reading *r)
{
	r->at++; /* past the semicolon, or the end */
	if (r->verb.len > 0) {
		r->step[r->steps++] = (struct postgres_step){
			.text = slice_make(r->out.at + r->begin, r->out.len - r->begin),
			.verb = r->verb,
			.param = r->number + r->first_number,
			.params = (unsigned)(r->numbers - r->first_number),
		};
		writer_char(&r->out, '\0');
	}
	r->verb = SLICE("");
	r->begin = r->out.len;
	r->first_number = r->numbers;
}

static void
read_param(struct reading *r)
{
	size_t len = 1;

	while (is_name_start(look(r, len)) || ascii_is_digit(look(r, len)))
		len++;
	writer_char(&r->out, '$');
	writer_u64(&r->out, number_of(r, slice_make(r->in.at + r->at + 1, len - 1)));
	r->at += len;
}

static int
read_dollar(struct reading *r, struct writer *why)
{
	size_t tag = tag_length(r);

	if (ascii_is_digit(look(r, 1))) {
		writer_format(why, "parameters are written as :name, not as $%c", look(r, 1));
		return ERR_SYNTAX;
	}
	if (tag > 0)
		copy_dollar_quoted(r, tag);
	else
		copy(r, 1);
	return 0;
}

static int
read_some(struct reading *r, struct writer *why)
{
	char c = look(r, 0), next = look(r, 1);

	if (c == '\'' || c == '"')
		copy_quoted(r, c, false);
	else if (c == '-' && next == '-')
		copy_line(r);
	else if (c == '/' && next == '*')
		copy_comment(r);
	else if (c == '$')
		return read_dollar(r, why);
	else if (c == ':' && next == ':')
		copy(r, 2);
	else if (c == ':' && is_name_start(next))
		read_param(r);
	else if (is_word_byte(c))
		copy_word(r);
	else if (c == ';')
		end_step(r);
	else
		copy(r, 1);
	return 0;
}

static size_t
count_bytes(struct slice s, char c)
{
	size_t count = 0;

	for (size_t i = 0; i < s.len; i++)
		count += s.at[i] == c;
	return count;
}

int
postgres_text_read(struct postgres_script *t, struct slice query, struct arena *a,
		   struct writer *why)
{
	/* A parameter is two bytes at least, and its number has fewer digits than there are
	 * parameters before it. */
	size_t colons = count_bytes(query, ':'), bytes = query.len * 2 + colons + 1;
	struct reading r = { .in = query };
	char *memory = arena_alloc(a, bytes);

	r.param = arena_zalloc(a, colons + 1, sizeof(*r.param));
	r.number = arena_zalloc(a, colons + 1, sizeof(*r.number));
	r.step = arena_zalloc(a, count_bytes(query, ';') + 1, sizeof(*r.step));
	if (!memory || !r.param || !r.number || !r.step)
		return ERR_MEMORY;
	r.out = writer_over(memory, bytes);
	while (r.at < query.len) {
		if (read_some(&r, why) != 0)
			return ERR_SYNTAX;
	}
	end_step(&r);
	*t = (struct postgres_script){
		.step = r.step,
		.steps = r.steps,
		.param = r.param,
		.params = r.params,
	};
	return r.out.is_full ? ERR_MEMORY : 0;
}
