/*
 * Weights; see weight.h.
 */
#include "http/weight.h"

/* RFC 9110 12.4.2: 0 or 1, then at most three digits. Thousandths, or negative: no weight. */
static int
weight_of(struct slice s)
{
	int value, unit = 100;

	if (s.len == 0 || s.len > 5 || (s.at[0] != '0' && s.at[0] != '1'))
		return -1;
	value = (s.at[0] - '0') * WEIGHT_MAX;
	if (s.len > 1 && s.at[1] != '.')
		return -1;
	for (size_t i = 2; i < s.len; i++, unit /= 10) {
		if (!ascii_is_digit(s.at[i]))
			return -1;
		value += (s.at[i] - '0') * unit;
	}
	return value > WEIGHT_MAX ? -1 : value;
}

int
weight_among(struct slice parameters)
{
	while (parameters.len > 0) {
		struct slice value = slice_trim(slice_cut(&parameters, ';'));
		struct slice name = slice_cut(&value, '=');

		if (slice_eq_nocase(name, SLICE("q")))
			return weight_of(value);
	}
	return WEIGHT_MAX;
}
