/*
 * Range (http/range.h). The first 8 bytes are the size; the rest is the value.
 */
#include "fuzz.h"
#include "http/range.h"

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct ranges ranges;
	uint64_t size, sum = 0;
	enum range_verdict verdict;

	if (len < sizeof(size))
		return 0;
	memcpy(&size, bytes, sizeof(size));
	size &= INT64_MAX;
	verdict = range_read(slice_make((const char *)bytes + sizeof(size), len - sizeof(size)),
			     size, &ranges);
	if (verdict != RANGE_SOME)
		return 0;
	FUZZ_CHECK(ranges.count > 0 && ranges.count <= RANGES_MAX);
	for (unsigned i = 0; i < ranges.count; i++) {
		const struct range *r = &ranges.at[i];

		FUZZ_CHECK(r->from < r->end && r->end <= size);
		sum += r->end - r->from;
		for (unsigned j = 0; j < i; j++)
			FUZZ_CHECK(r->end + RANGE_GAP_BYTES <= ranges.at[j].from ||
				   r->from >= ranges.at[j].end + RANGE_GAP_BYTES);
	}
	/* Never more than the whole. */
	FUZZ_CHECK(sum <= size);
	return 0;
}
