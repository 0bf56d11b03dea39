/*
 * PROXY protocol headers (wire/proxy.h): each beginning of an input has the verdict of the
 * whole, or asks for more; what is taken is a header within its bounds, and its address
 * can be written and read again.
 */
#include "base/err.h"
#include "fuzz.h"
#include "wire/proxy.h"

enum { TEXT_BYTES = 64 };

static int
parse(const uint8_t *bytes, size_t len, struct proxy_header *h)
{
	/* Memory of this very size: a sanitizer sees a step behind it. */
	char *copy = malloc(len ? len : 1);
	int err;

	if (!copy)
		abort();
	if (len)
		memcpy(copy, bytes, len);
	err = proxy_parse(h, slice_make(copy, len));
	free(copy);
	return err;
}

static void
check_source(const struct address *a)
{
	char text[TEXT_BYTES];
	struct writer w = writer_over(text, sizeof(text));
	struct address again;

	if (a->len == 0 || address_is_unix(a))
		return;
	FUZZ_CHECK(a->of.any.sa_family == AF_INET || a->of.any.sa_family == AF_INET6);
	address_write(a, &w);
	FUZZ_CHECK(!w.is_full && address_parse(&again, writer_slice(&w)) == 0);
	FUZZ_CHECK(address_eq(a, &again));
}

int
LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len)
{
	struct proxy_header whole, part;
	int verdict = parse(bytes, len, &whole);

	FUZZ_CHECK(verdict == 0 || verdict == PROXY_MORE || verdict == ERR_MISSING ||
		   verdict == ERR_PROTOCOL || verdict == ERR_TOO_LARGE);
	FUZZ_CHECK(verdict != PROXY_MORE || len < PROXY_MAX_BYTES);
	if (verdict == 0) {
		FUZZ_CHECK(whole.bytes <= len && whole.bytes <= PROXY_MAX_BYTES);
		check_source(&whole.source);
	}
	for (size_t n = 0; n < len && n < PROXY_MAX_BYTES; n++) {
		int early = parse(bytes, n, &part);

		if (early == PROXY_MORE)
			continue;
		FUZZ_CHECK(early == verdict);
		FUZZ_CHECK(early != 0 || (part.bytes == whole.bytes && part.bytes == n));
		break;
	}
	return 0;
}
