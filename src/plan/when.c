/*
 * Conditions; see when.h. Read by recursive descent into terms in the order in
 * which a stack of bits evaluates them.
 */
#include "plan/when.h"

#include <math.h>
#include <stdlib.h>

enum { VALUE_BYTES = 4096, NUMBER_BYTES = 64, NESTING_MAX = 16 };

enum term_kind { TERM_TEST, TERM_COMPARE, TERM_NOT, TERM_AND, TERM_OR };
enum compare { EQUAL, UNEQUAL, AT_MOST, AT_LEAST, LESS, MORE };

struct operand {
	const struct template *variable; /* NULL: text stands for itself */
	struct slice text;
	bool is_number; /* a word that is one: what it is compared with counts as one, too */
};

struct term {
	enum term_kind kind;
	enum compare compare;
	struct operand left, right;
};

struct when {
	struct term term[WHEN_TERMS_MAX];
	unsigned terms;
	const struct template *variable[2 * WHEN_TERMS_MAX];
	unsigned variables;
};

/* --- numbers -------------------------------------------------------------------- */

static bool
is_number(struct slice s, double *number)
{
	char text[NUMBER_BYTES], *end;

	if (s.len == 0 || s.len >= sizeof(text))
		return false;
	memcpy(text, s.at, s.len);
	text[s.len] = '\0';
	if (strspn(text, "0123456789.eE+-") < s.len)
		return false; /* what JSON has; strtod takes more */
	*number = strtod(text, &end);
	return end == text + s.len && isfinite(*number);
}

/* --- reading --------------------------------------------------------------------- */

struct reading {
	struct when *when;
	struct arena *arena;
	const struct template_names *names;
	struct template_error *error;
	struct slice text, rest;
	unsigned nesting;
};

static int read_any(struct reading *r);

static int
fail(struct reading *r, int err, const char *why)
{
	struct writer w = writer_over(r->error->text, sizeof(r->error->text) - 1);

	r->error->err = err;
	r->error->offset = r->text.len - r->rest.len;
	writer_format(&w, "%s, at its byte %zu", why, r->error->offset + 1);
	r->error->text[w.len] = '\0';
	return err;
}

static void
skip_space(struct reading *r)
{
	while (r->rest.len && strchr(" \t\n", r->rest.at[0]))
		r->rest = slice_after(r->rest, 1);
}

static bool
take(struct reading *r, struct slice mark)
{
	skip_space(r);
	if (!slice_has_prefix(r->rest, mark))
		return false;
	r->rest = slice_after(r->rest, mark.len);
	return true;
}

static size_t
word_length(struct slice s)
{
	size_t n = 0;

	while (n < s.len && !strchr(" \t\n(){}<>=!'", s.at[n]))
		n++;
	return n;
}

static bool
take_word(struct reading *r, struct slice word)
{
	skip_space(r);
	return slice_eq(slice_make(r->rest.at, word_length(r->rest)), word) && take(r, word);
}

static struct term *
add_term(struct reading *r, enum term_kind kind)
{
	struct when *w = r->when;

	if (w->terms == WHEN_TERMS_MAX)
		return NULL;
	w->term[w->terms] = (struct term){ .kind = kind };
	return &w->term[w->terms++];
}

static int
add_operator(struct reading *r, enum term_kind kind)
{
	return add_term(r, kind) ? 0 : fail(r, ERR_TOO_LARGE, "too many terms");
}

static int
read_variable(struct reading *r, struct operand *o)
{
	size_t end = slice_find(r->rest, '}');
	struct template *t;

	if (end == r->rest.len)
		return fail(r, ERR_SYNTAX, "a variable without its }");
	t = template_compile(r->arena, slice_make(r->rest.at, end + 1), VALUE_RAW, r->names,
			     r->error);
	if (!t)
		return r->error->err;
	if (template_variable_count(t) != 1)
		return fail(r, ERR_SYNTAX, "no name of a variable");
	o->variable = t;
	r->when->variable[r->when->variables++] = t;
	r->rest = slice_after(r->rest, end + 1);
	return 0;
}

static int
read_operand(struct reading *r, struct operand *o)
{
	double number;
	size_t n;

	skip_space(r);
	*o = (struct operand){ .text = SLICE("") };
	if (r->rest.len && r->rest.at[0] == '{')
		return read_variable(r, o);
	if (take(r, SLICE("'"))) {
		n = slice_find(r->rest, '\'');
		if (n == r->rest.len)
			return fail(r, ERR_SYNTAX, "a text without its second '");
		o->text = arena_copy(r->arena, slice_make(r->rest.at, n));
		r->rest = slice_after(r->rest, n + 1);
		return o->text.at ? 0 : fail(r, ERR_MEMORY, "out of memory");
	}
	n = word_length(r->rest);
	if (n == 0)
		return fail(r, ERR_SYNTAX, "a {variable}, a word or a 'text' is missing");
	o->text = arena_copy(r->arena, slice_make(r->rest.at, n));
	o->is_number = o->text.at && is_number(o->text, &number);
	r->rest = slice_after(r->rest, n);
	return o->text.at ? 0 : fail(r, ERR_MEMORY, "out of memory");
}

static bool
take_compare(struct reading *r, enum compare *compare)
{
	/* The longer ones first. */
	static const struct {
		struct slice mark;
		enum compare compare;
	} all[] = {
		{ SLICE_INIT("=="), EQUAL },   { SLICE_INIT("!="), UNEQUAL },
		{ SLICE_INIT("<="), AT_MOST }, { SLICE_INIT(">="), AT_LEAST },
		{ SLICE_INIT("<"), LESS },     { SLICE_INIT(">"), MORE },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		if (take(r, all[i].mark)) {
			*compare = all[i].compare;
			return true;
		}
	}
	return false;
}

static int
read_test(struct reading *r)
{
	struct term *t = add_term(r, TERM_TEST);
	int err;

	if (!t)
		return fail(r, ERR_TOO_LARGE, "too many terms");
	err = read_operand(r, &t->left);
	if (err || !take_compare(r, &t->compare)) {
		if (!err && !t->left.variable)
			return fail(r, ERR_SYNTAX, "a comparison is missing: == != < <= > >=");
		return err;
	}
	t->kind = TERM_COMPARE;
	return read_operand(r, &t->right);
}

static int
read_one(struct reading *r)
{
	int err;

	if (++r->nesting > NESTING_MAX)
		return fail(r, ERR_TOO_LARGE, "nested too deep");
	if (take_word(r, SLICE("not"))) {
		err = read_one(r);
		if (!err)
			err = add_operator(r, TERM_NOT);
	} else if (take(r, SLICE("("))) {
		err = read_any(r);
		if (!err && !take(r, SLICE(")")))
			err = fail(r, ERR_SYNTAX, "a ) is missing");
	} else {
		err = read_test(r);
	}
	r->nesting--;
	return err;
}

static int
read_all(struct reading *r)
{
	int err = read_one(r);

	while (!err && take_word(r, SLICE("and"))) {
		err = read_one(r);
		if (!err)
			err = add_operator(r, TERM_AND);
	}
	return err;
}

static int
read_any(struct reading *r)
{
	int err = read_all(r);

	while (!err && take_word(r, SLICE("or"))) {
		err = read_all(r);
		if (!err)
			err = add_operator(r, TERM_OR);
	}
	return err;
}

struct when *
when_compile(struct arena *a, struct slice text, const struct template_names *names,
	     struct template_error *e)
{
	struct reading r = {
		.when = arena_zalloc(a, 1, sizeof(*r.when)),
		.arena = a,
		.names = names,
		.error = e,
		.text = text,
		.rest = text,
	};
	int err = r.when ? read_any(&r) : fail(&r, ERR_MEMORY, "out of memory");

	skip_space(&r);
	if (!err && r.rest.len)
		err = fail(&r, ERR_SYNTAX, "and, or or the end is expected");
	return err ? NULL : r.when;
}

const struct template *
when_variable(const struct when *w, unsigned i)
{
	return i < w->variables ? w->variable[i] : NULL;
}

/* --- evaluating -------------------------------------------------------------------- */

struct evaluating {
	const struct template_scope *scope;
	struct arena *arena;
};

/* False: absent, or too long to be compared. */
static int
value_of(const struct evaluating *e, const struct operand *o, struct slice *value, bool *is_there)
{
	unsigned variable;
	int err;

	*value = o->text;
	*is_there = true;
	if (!o->variable)
		return 0;
	err = template_eval(o->variable, e->scope, e->arena, VALUE_BYTES, value, &variable);
	*is_there = err == 0;
	return err == ERR_MEMORY ? err : 0;
}

/* Negative, zero or positive, as of memcmp. Numbers have an order of their own; but two values are
 * the same number only where the condition speaks of one, for long ones would equal their
 * neighbours. */
static int
order_of(const struct term *t, struct slice a, struct slice b)
{
	bool is_exact = t->compare == EQUAL || t->compare == UNEQUAL;
	size_t n = a.len < b.len ? a.len : b.len;
	double x, y;
	int order;

	if ((!is_exact || t->left.is_number || t->right.is_number) && is_number(a, &x) &&
	    is_number(b, &y))
		return (x > y) - (x < y);
	order = n ? memcmp(a.at, b.at, n) : 0;
	return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool
compares(enum compare compare, int order)
{
	switch (compare) {
	case EQUAL:
		return order == 0;
	case UNEQUAL:
		return order != 0;
	case AT_MOST:
		return order <= 0;
	case AT_LEAST:
		return order >= 0;
	case LESS:
		return order < 0;
	case MORE:
		return order > 0;
	}
	return false;
}

static bool
says_yes(struct slice s)
{
	double number;

	return s.len > 0 && !slice_eq(s, SLICE("false")) && !slice_eq(s, SLICE("null")) &&
	       !(is_number(s, &number) && number >= 0 && number <= 0);
}

static int
judge(const struct evaluating *e, const struct term *t, bool *holds)
{
	struct slice left, right;
	bool has_left, has_right = true;
	int err = value_of(e, &t->left, &left, &has_left);

	if (!err && t->kind == TERM_COMPARE)
		err = value_of(e, &t->right, &right, &has_right);
	if (err)
		return err;
	if (t->kind == TERM_TEST)
		*holds = has_left && says_yes(left);
	else if (!has_left || !has_right)
		*holds = t->compare == UNEQUAL && has_left != has_right;
	else
		*holds = compares(t->compare, order_of(t, left, right));
	return 0;
}

int
when_holds(const struct when *w, const struct template_scope *scope, struct arena *a, bool *holds)
{
	const struct evaluating e = { scope, a };
	bool stack[WHEN_TERMS_MAX];
	unsigned n = 0;

	for (unsigned i = 0; i < w->terms; i++) {
		const struct term *t = &w->term[i];

		if (t->kind == TERM_NOT) {
			stack[n - 1] = !stack[n - 1];
		} else if (t->kind == TERM_AND || t->kind == TERM_OR) {
			n--;
			stack[n - 1] = t->kind == TERM_AND ? stack[n - 1] && stack[n]
							   : stack[n - 1] || stack[n];
		} else if (judge(&e, t, &stack[n]) == 0) {
			n++;
		} else {
			return ERR_MEMORY;
		}
	}
	*holds = stack[0];
	return 0;
}
