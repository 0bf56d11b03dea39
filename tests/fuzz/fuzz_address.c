/*
 * base/address.h: what parses is written in a form that parses to the same
 * address and is written the same again.
 */
#include "base/address.h"
#include "fuzz.h"

enum { TEXT_BYTES = 256 };

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	char first[TEXT_BYTES], second[TEXT_BYTES];
	struct writer w = writer_over(first, sizeof(first));
	struct writer again = writer_over(second, sizeof(second));
	struct address a, b;

	if (address_parse_listening(&a, slice_make((const char *)bytes, len)) != 0)
		return 0;
	address_write(&a, &w);
	FUZZ_CHECK(!w.is_full);
	FUZZ_CHECK(address_parse_listening(&b, writer_slice(&w)) == 0);
	FUZZ_CHECK(a.len == b.len && memcmp(&a.of, &b.of, a.len) == 0);
	address_write(&b, &again);
	FUZZ_CHECK(slice_eq(writer_slice(&w), writer_slice(&again)));
	return 0;
}
