/*
 * Lists of addresses; see found.h.
 */
#include "net/found.h"

#include <string.h>
#include <unistd.h>

static bool
is_usable_v4(uint32_t ip)
{
	return ip >> 24 != 0 && ip >> 28 < 14;
}

bool
found_is_usable(const struct address *a)
{
	const struct in6_addr *v6 = &a->of.v6.sin6_addr;

	if (a->of.any.sa_family == AF_INET)
		return is_usable_v4(ntohl(a->of.v4.sin_addr.s_addr));
	if (a->of.any.sa_family != AF_INET6)
		return false;
	return !IN6_IS_ADDR_UNSPECIFIED(v6) && !IN6_IS_ADDR_MULTICAST(v6) &&
	       !IN6_IS_ADDR_LINKLOCAL(v6);
}

/* By priority, then by the bytes of the address. */
static int
compare(const struct resolver_found *a, const struct resolver_found *b)
{
	if (a->priority != b->priority)
		return a->priority < b->priority ? -1 : 1;
	return memcmp(&a->at.of, &b->at.of, sizeof(a->at.of));
}

static void
take_out(struct found *f, unsigned i)
{
	f->count--;
	memmove(&f->at[i], &f->at[i + 1], (f->count - i) * sizeof(f->at[0]));
}

void
found_add(struct found *f, const struct resolver_found *one)
{
	unsigned i = 0;

	while (i < f->count && !address_eq(&f->at[i].at, &one->at))
		i++;
	if (i < f->count && compare(&f->at[i], one) <= 0)
		return;
	if (i < f->count)
		take_out(f, i);
	for (i = 0; i < f->count && compare(&f->at[i], one) < 0;)
		i++;
	if (f->count == RESOLVER_FOUND_MAX) {
		f->was_cut = true;
		if (i == f->count)
			return;
		f->count--;
	}
	memmove(&f->at[i + 1], &f->at[i], (f->count - i) * sizeof(f->at[0]));
	f->at[i] = *one;
	f->count++;
}

/* A datagram socket that is connected has looked for a route, and sent nothing. */
static bool
has_route(const struct address *to)
{
	int fd = socket(to->of.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool is_there = fd >= 0 && connect(fd, &to->of.any, to->len) == 0;

	if (fd >= 0)
		close(fd);
	return is_there;
}

static const struct resolver_found *
first_of(const struct found *f, sa_family_t family)
{
	for (unsigned i = 0; i < f->count; i++) {
		if (f->at[i].at.of.any.sa_family == family)
			return &f->at[i];
	}
	return NULL;
}

static void
drop_family(struct found *f, sa_family_t family)
{
	for (unsigned i = f->count; i-- > 0;) {
		if (f->at[i].at.of.any.sa_family == family)
			take_out(f, i);
	}
}

void
found_drop_unreachable(struct found *f)
{
	const struct resolver_found *v4 = first_of(f, AF_INET), *v6 = first_of(f, AF_INET6);
	bool to_v4, to_v6;

	if (!v4 || !v6)
		return;
	to_v4 = has_route(&v4->at);
	to_v6 = has_route(&v6->at);
	if (to_v4 != to_v6)
		drop_family(f, to_v4 ? AF_INET6 : AF_INET);
}
