/*
 * Values as they are written; see value.h.
 */
#include "config/value.h"

#include "base/clock.h"

struct unit {
	const char *name;
	uint64_t factor;
};

/* Largest first: the writers take the first that divides. */
static const struct unit durations[] = {
	{ "d", 86400 * CLOCK_SEC },
	{ "h", 3600 * CLOCK_SEC },
	{ "m", 60 * CLOCK_SEC },
	{ "s", CLOCK_SEC },
	{ "ms", CLOCK_MS },
	{ "us", CLOCK_US },
	{ NULL, 0 },
};
static const struct unit sizes[] = {
	{ "g", 1 << 30 }, { "m", 1 << 20 }, { "k", 1 << 10 }, { "", 1 }, { NULL, 0 },
};

static struct slice
cut_digits(struct slice *rest)
{
	size_t n = 0;
	struct slice digits;

	while (n < rest->len && ascii_is_digit(rest->at[n]))
		n++;
	digits = slice_make(rest->at, n);
	*rest = slice_after(*rest, n);
	return digits;
}

int
value_uint(struct slice s, uint64_t *value)
{
	uint64_t number;
	int err = slice_to_u64(s, &number);

	if (err)
		return err;
	if (number > INT64_MAX)
		return ERR_TOO_LARGE;
	*value = number;
	return 0;
}

static int
parse_units(struct slice s, const struct unit *units, uint64_t *value)
{
	struct slice unit = s, digits = cut_digits(&unit);
	uint64_t number, product;
	int err;

	for (; units->name; units++) {
		if (slice_eq(unit, slice_of(units->name)))
			break;
	}
	if (!units->name)
		return ERR_SYNTAX;
	err = value_uint(digits, &number);
	if (err)
		return err;
	if (__builtin_mul_overflow(number, units->factor, &product) || product > INT64_MAX)
		return ERR_TOO_LARGE;
	*value = product;
	return 0;
}

int
value_bool(struct slice s, bool *value)
{
	if (slice_eq(s, SLICE("yes")))
		*value = true;
	else if (slice_eq(s, SLICE("no")))
		*value = false;
	else
		return ERR_SYNTAX;
	return 0;
}

int
value_int(struct slice s, int64_t *value)
{
	bool is_negative = s.len > 0 && s.at[0] == '-';
	uint64_t number;
	int err = value_uint(is_negative ? slice_after(s, 1) : s, &number);

	if (err)
		return err;
	*value = is_negative ? -(int64_t)number : (int64_t)number;
	return 0;
}

int
value_duration(struct slice s, uint64_t *ns)
{
	if (slice_eq(s, SLICE("0"))) {
		*ns = 0;
		return 0;
	}
	return parse_units(s, durations, ns);
}

int
value_size(struct slice s, uint64_t *bytes)
{
	return parse_units(s, sizes, bytes);
}

int
value_percent(struct slice s, uint64_t *percent)
{
	if (s.len == 0 || s.at[s.len - 1] != '%')
		return ERR_SYNTAX;
	return value_uint(slice_make(s.at, s.len - 1), percent);
}

int
value_decimal(struct slice s, uint64_t *thousandths)
{
	static const uint64_t scale[] = { 1000, 100, 10, 1 };
	struct slice rest = s, whole = slice_cut(&rest, '.');
	uint64_t units, fraction = 0, sum;
	int err;

	if (rest.len > 3 || (rest.len == 0 && whole.len < s.len))
		return ERR_SYNTAX;
	if (rest.len > 0 && slice_to_u64(rest, &fraction) != 0)
		return ERR_SYNTAX;
	err = value_uint(whole, &units);
	if (err)
		return err;
	if (__builtin_mul_overflow(units, 1000, &sum) ||
	    __builtin_add_overflow(sum, fraction * scale[rest.len], &sum) || sum > INT64_MAX)
		return ERR_TOO_LARGE;
	*thousandths = sum;
	return 0;
}

static bool
is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n';
}

struct slice
value_trim(struct slice s)
{
	while (s.len > 0 && is_space(s.at[0]))
		s = slice_after(s, 1);
	while (s.len > 0 && is_space(s.at[s.len - 1]))
		s.len--;
	return s;
}

bool
value_next(struct slice *rest, struct slice *item)
{
	size_t comma;

	if (rest->at == NULL || value_trim(*rest).len == 0)
		return false;
	comma = slice_find(*rest, ',');
	*item = value_trim(slice_make(rest->at, comma));
	if (comma == rest->len)
		*rest = slice_make(NULL, 0);
	else
		*rest = slice_after(*rest, comma + 1);
	return true;
}

static void
write_units(struct writer *w, uint64_t value, const struct unit *units)
{
	for (; units->name; units++) {
		if (value % units->factor != 0)
			continue;
		writer_u64(w, value / units->factor);
		writer_text(w, units->name);
		return;
	}
	/* Under the smallest unit, which only arithmetic can give. */
	writer_text(w, "0");
}

void
value_write_duration(struct writer *w, uint64_t ns)
{
	if (ns == 0)
		writer_char(w, '0');
	else
		write_units(w, ns, durations);
}

void
value_write_size(struct writer *w, uint64_t bytes)
{
	if (bytes == 0)
		writer_char(w, '0');
	else
		write_units(w, bytes, sizes);
}

void
value_write_decimal(struct writer *w, uint64_t thousandths)
{
	uint64_t fraction = thousandths % 1000;

	writer_u64(w, thousandths / 1000);
	if (fraction == 0)
		return;
	writer_char(w, '.');
	for (uint64_t scale = 100; fraction > 0; scale /= 10) {
		writer_char(w, (char)('0' + fraction / scale));
		fraction %= scale;
	}
}
