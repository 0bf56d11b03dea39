/*
 * Lists of networks as they stand in a configuration, read into sets
 * (base/networks.h), with what is wrong about them. Builder thread.
 */
#ifndef FOREBAY_NET_NETWORK_LIST_H
#define FOREBAY_NET_NETWORK_LIST_H

#include "base/networks.h"
#include "config/key.h"

/* What a list makes of the addresses in its networks. */
struct network_key {
	const char *key; /* as in the section */
	const struct conf_list *list;
	uint8_t value; /* not 0 */
};

/*
 * One set of the lists of a section. What is no network, and what stands in two lists, is an
 * error; bits behind the length are a warning. NULL: no list has anything, or
 * errors were added, memory included.
 */
struct networks *network_list_read(const struct network_key *keys, size_t count,
				   const struct conf_section *s, struct conf_errors *e) MUST_CHECK;

enum { NETWORK_ALLOWED = 1, NETWORK_DENIED = 2 };

/*
 * Who may and who may not, of the keys `allow` and `deny`: a set in which those who may not have
 * the value NETWORK_DENIED, and all others another one or none. Where there is an `allow`, who is
 * in neither list may not. NULL as above.
 */
struct networks *network_list_access(const struct conf_list *allow, const struct conf_list *deny,
				     const struct conf_section *s,
				     struct conf_errors *e) MUST_CHECK;

#endif
