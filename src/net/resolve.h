/*
 * Names to addresses, by the system's resolver. It blocks: only for the thread
 * that builds a site, never for a worker.
 */
#ifndef FOREBAY_NET_RESOLVE_H
#define FOREBAY_NET_RESOLVE_H

#include "base/address.h"

/* Fills at most `cap` stream addresses of a host name, in the order in which
 * they should be tried. Returns how many (> 0), or ERR_NOT_FOUND with *why set
 * to the resolver's reason (a constant text). */
int resolve_host(struct slice host, uint16_t port, struct address *at, unsigned cap,
		 const char **why) __attribute__((warn_unused_result));

#endif
