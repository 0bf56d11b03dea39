/*
 * Names to addresses by DNS, without waiting: c-ares on a thread's loop. One
 * resolver belongs to a site. The builder uses it first, for the answers that it
 * starts with; then one worker does, to ask again.
 *
 *   resolver_ask --> lookup -- A, AAAA | SRV, then A, AAAA of its targets --> on_answer
 *
 * An answer is bounded, sorted, without duplicates, and without what nobody can be
 * reached at (0.0.0.0, multicast). What DNS says is believed as far as that: only
 * addresses, ports, weights and times are taken from it, never a name.
 */
#ifndef FOREBAY_NET_RESOLVER_H
#define FOREBAY_NET_RESOLVER_H

#include "base/address.h"
#include "config/key.h"

enum { RESOLVER_FOUND_MAX = 64 };

struct loop;
struct lookup;
struct resolver;

/* [resolver] */
struct resolver_conf {
	struct conf_list servers; /* none: those of the system */
	uint64_t timeout; /* ns */
	unsigned attempts;
	uint64_t min_ttl, max_ttl; /* ns */
};

enum resolver_kind {
	RESOLVER_HOST, /* A and AAAA */
	RESOLVER_SERVICE, /* SRV (RFC 2782) */
};

struct resolver_found {
	struct address at;
	unsigned priority, weight; /* of SRV; else 0 */
};

struct resolver_answer {
	int err; /* 0; ERR_NOT_FOUND: there is nothing; ERR_TIMEOUT, ERR_PROTOCOL, ERR_FAILED */
	const char *why; /* of an error; a constant text */
	uint64_t ttl_ns; /* within the bounds; of an error the least that there is */
	unsigned count;
	bool was_cut; /* there were more than RESOLVER_FOUND_MAX */
	const struct resolver_found *at;
};

/* Embedded in who asks; on_answer comes once for each resolver_ask(), never from inside it. */
struct resolver_question {
	const char *name; /* borrowed while it is asked */
	enum resolver_kind kind;
	uint16_t port; /* of what RESOLVER_HOST finds */
	void (*on_answer)(struct resolver_question *q, const struct resolver_answer *a);
	struct lookup *lookup; /* the resolver's; NULL: not being asked */
};

/* The version of the library below; NULL without one: then there are no resolvers. */
const char *resolver_library_version(void);

/* Reads the system's configuration: not for a worker. NULL: errors say why, or there is no
 * library. */
struct resolver *resolver_new(const struct resolver_conf *conf, const struct conf_section *section,
			      struct conf_errors *e) MUST_CHECK;
void resolver_free(struct resolver **resolver);

/* What the hosts file has of a name: how many addresses, at most cap. Not for a worker. */
unsigned resolver_find_in_hosts(struct resolver *r, const char *name, uint16_t port,
				struct address *at, unsigned cap);

/* From now on it works on this loop, until as many resolver_unbind(); which forget what is still
 * being asked. 0, or ERR_MEMORY. */
int resolver_bind(struct resolver *r, struct loop *l) MUST_CHECK;
void resolver_unbind(struct resolver *r);
/* ERR_MEMORY: no answer will come. */
int resolver_ask(struct resolver *r, struct resolver_question *q) MUST_CHECK;
/* No answer comes. Idempotent. */
void resolver_forget(struct resolver_question *q);

/* On a thread that may wait, and with the resolver not bound: asks all, and returns when all have
 * been answered, or the time of an attempt has passed for each attempt. Once that has happened it
 * does not wait again: DNS is not there. */
void resolver_run(struct resolver *r, struct resolver_question *const questions[], size_t n);

#endif
