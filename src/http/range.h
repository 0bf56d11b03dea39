/*
 * Ranges of bytes that a request asks for (RFC 9110 14). Pure and bounded: what
 * a client lists is merged where it overlaps or nearly touches, so that a list
 * never costs more than the whole would. Asked by sources that hold a
 * representation as a whole; any thread.
 */
#ifndef FOREBAY_HTTP_RANGE_H
#define FOREBAY_HTTP_RANGE_H

#include "base/slice.h"

enum {
	RANGES_MAX = 16, /* parts of one answer */
	RANGE_SPECS_MAX = 64, /* that are read at all, satisfiable or not */
	RANGE_GAP_BYTES = 128, /* about what a part of its own costs: a smaller gap is sent */
};

struct range {
	uint64_t from, end; /* end: the first byte behind it; from < end <= size */
};

/* In the order in which they were asked for; no two overlap. */
struct ranges {
	struct range at[RANGES_MAX];
	unsigned count;
};

enum range_verdict {
	RANGE_WHOLE, /* the field is to be ignored: 200 */
	RANGE_SOME, /* 206 */
	RANGE_NONE, /* not one of them is in the representation: 416 */
};

/*
 * What a value of Range means for `size` bytes. Ignored are other units than
 * bytes, what does not keep to the grammar, a range that ends before it begins,
 * more than RANGE_SPECS_MAX ranges or RANGES_MAX that lie apart (RFC 9110 14.2 and
 * 17.15 allow it), and any range of nothing. Numbers too large for 64 bits are
 * positions behind the end.
 */
enum range_verdict range_read(struct slice value, uint64_t size, struct ranges *ranges);

#endif
