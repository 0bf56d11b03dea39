/*
 * Faults of clients; see fault.h.
 */
#include "http/fault.h"

enum { CLIENT_BYTES = 160 };

void
fault_write(const struct address *client, int status, const char *what)
{
	char text[CLIENT_BYTES];
	struct writer w = writer_over(text, sizeof(text));

	address_write(client, &w);
	if (status)
		log_debug("client %.*s: %s: %d", SLICE_PRINT(writer_slice(&w)), what, status);
	else
		log_debug("client %.*s: %s", SLICE_PRINT(writer_slice(&w)), what);
}
