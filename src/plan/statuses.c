/*
 * Sets of statuses as they are written: 204, 200-299, 2xx.
 */
#include "plan/plan_priv.h"

static int
status_of(struct slice s, unsigned *status)
{
	uint64_t n;

	if (s.len != 3 || slice_to_u64(s, &n) != 0 || n < PLAN_STATUS_FIRST || n > PLAN_STATUS_LAST)
		return ERR_SYNTAX;
	*status = (unsigned)n;
	return 0;
}

int
statuses_add(struct plan_statuses *s, struct slice item)
{
	struct slice rest = item, low = slice_cut(&rest, '-');
	unsigned first, last;

	if (item.len == 3 && slice_eq(slice_after(item, 1), SLICE("xx")) && item.at[0] >= '1' &&
	    item.at[0] <= '5') {
		first = (unsigned)(item.at[0] - '0') * 100;
		last = first + 99;
	} else if (status_of(slice_trim(low), &first) != 0) {
		return ERR_SYNTAX;
	} else if (low.len == item.len) {
		last = first;
	} else if (status_of(slice_trim(rest), &last) != 0 || last < first) {
		return ERR_SYNTAX;
	}
	for (; first <= last; first++)
		s->bit[(first - PLAN_STATUS_FIRST) / 64] |= UINT64_C(1)
							    << ((first - PLAN_STATUS_FIRST) % 64);
	return 0;
}
