/*
 * The header of the PROXY protocol, both versions: what a proxy says first on a
 * connection about the client on whose behalf it opened it (proxy-protocol.txt of
 * HAProxy, revision 2020/03/05). A pure decoder; proto/proxy_in.c feeds it.
 *
 * Strict: one space between words, canonical numbers, nothing behind the last
 * word. Of version 2, what follows the addresses (TLVs) is skipped unread.
 */
#ifndef FOREBAY_WIRE_PROXY_H
#define FOREBAY_WIRE_PROXY_H

#include "base/address.h"
#include "base/err.h"

enum {
	PROXY_V1_BYTES = 107, /* longest header of version 1, CRLF included (2.1) */
	PROXY_MAX_BYTES = 4096, /* longest one that we take: of version 2, TLVs included */
};

enum { PROXY_MORE = 1 }; /* a beginning: nothing is wrong with it so far */

struct proxy_header {
	size_t bytes; /* of the header: what follows is the client's */
	/* Who asks. len 0: it does not say (UNKNOWN, LOCAL, AF_UNSPEC, datagrams), and the
	 * connection's own peer does. AF_UNIX has no path. IPv4 in IPv6 is IPv4 here. */
	struct address source;
};

/*
 * What the bytes begin with. 0 with *h filled; PROXY_MORE; ERR_MISSING: something else than
 * such a header; ERR_PROTOCOL: a malformed one; ERR_TOO_LARGE. A longer input that begins with
 * these bytes gets the same verdict, but for PROXY_MORE.
 */
int proxy_parse(struct proxy_header *h, struct slice in) MUST_CHECK;

#endif
