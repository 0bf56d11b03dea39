/*
 * Numbers with units; see quantity.h.
 */
#include "ctl/quantity.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIGITS_MAX = 24 };

struct unit {
	struct slice name;
	double factor;
};

static const struct unit rates[] = {
	{ SLICE_INIT(""), 1 },
	{ SLICE_INIT("/s"), 1 },
	{ SLICE_INIT("/m"), 1.0 / 60 },
	{ SLICE_INIT("/h"), 1.0 / 3600 },
};

static const struct unit times[] = {
	{ SLICE_INIT("us"), 1e-6 }, { SLICE_INIT("ms"), 1e-3 }, { SLICE_INIT("s"), 1 },
	{ SLICE_INIT("m"), 60 },    { SLICE_INIT("h"), 3600 },
};

static const struct unit plain[] = { { SLICE_INIT(""), 1 } };

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* Digits, and digits after one point; how many bytes, or 0. */
static size_t
number_length(struct slice s)
{
	size_t n = 0, digits = 0, points = 0;

	while (n < s.len && (ascii_is_digit(s.at[n]) || (s.at[n] == '.' && points == 0))) {
		points += s.at[n] == '.';
		digits += s.at[n] != '.';
		n++;
	}
	return digits > 0 && s.at[n - 1] != '.' && s.at[0] != '.' ? n : 0;
}

static int
read_number(struct slice s, const struct unit *units, size_t count, double *value)
{
	char digits[DIGITS_MAX + 1];
	size_t n = number_length(s);
	struct slice unit = slice_after(s, n);

	if (n == 0 || n > DIGITS_MAX)
		return ERR_SYNTAX;
	memcpy(digits, s.at, n);
	digits[n] = '\0';
	for (size_t i = 0; i < count; i++) {
		if (!slice_eq(unit, units[i].name))
			continue;
		*value = strtod(digits, NULL) * units[i].factor;
		return 0;
	}
	return ERR_SYNTAX;
}

int
quantity_number(struct slice s, double *value)
{
	return read_number(s, plain, COUNT(plain), value);
}

int
quantity_rate(struct slice s, double *per_s)
{
	return read_number(s, rates, COUNT(rates), per_s);
}

int
quantity_time(struct slice s, double *seconds)
{
	return read_number(s, times, COUNT(times), seconds);
}

int
quantity_percentile(struct slice s, double *share, double *seconds)
{
	struct slice rest = s;
	struct slice head = slice_cut(&rest, '=');
	double percent;

	if (head.len < 2 || head.at[0] != 'p' || quantity_number(slice_after(head, 1), &percent) ||
	    !(percent > 0 && percent < 100))
		return ERR_SYNTAX;
	if (quantity_time(rest, seconds) != 0)
		return ERR_SYNTAX;
	*share = percent / 100;
	return 0;
}

/* --- shown --------------------------------------------------------------------------------- */

/* As %.3g, without its powers of ten. */
static struct quantity_text
show(double value, const char *unit)
{
	struct quantity_text t;

	if (!isfinite(value))
		snprintf(t.text, sizeof(t.text), "-");
	else if (fabs(value) >= 1000)
		snprintf(t.text, sizeof(t.text), "%.0f%s", value, unit);
	else if (value != 0 && fabs(value) < 1e-4)
		snprintf(t.text, sizeof(t.text), "%.1e%s", value, unit);
	else
		snprintf(t.text, sizeof(t.text), "%.3g%s", value, unit);
	return t;
}

struct quantity_text
quantity_show_time(double seconds)
{
	if (seconds == 0)
		return show(0, " s");
	if (seconds < 0.9995e-3)
		return show(seconds * 1e6, " us");
	return seconds < 0.9995 ? show(seconds * 1e3, " ms") : show(seconds, " s");
}

struct quantity_text
quantity_show_share(double share)
{
	return show(share * 100, " %");
}

struct quantity_text
quantity_show_rate(double per_s)
{
	return show(per_s, "/s");
}
