/*
 * SRV records out of an answer of DNS (RFC 1035 4, RFC 2782). Any bytes may come:
 * what is not whole is an error, and what is read is bounded.
 */
#ifndef FOREBAY_NET_SRV_H
#define FOREBAY_NET_SRV_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SRV_RECORDS_MAX = 32, SRV_NAME_BYTES = 256 };

struct srv_record {
	unsigned priority, weight;
	uint16_t port;
	char target[SRV_NAME_BYTES]; /* a name; empty for "." */
};

struct srv_answer {
	unsigned count;
	bool was_cut; /* there were more */
	uint32_t ttl_s; /* the least, of aliases too; UINT32_MAX: there was no record */
	struct srv_record at[SRV_RECORDS_MAX];
};

/* ERR_PROTOCOL: it is not a whole answer. */
int srv_read(struct srv_answer *a, const unsigned char *message, size_t len) MUST_CHECK;

#endif
