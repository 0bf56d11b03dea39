/*
 * The only place that calls the system's resolver; see resolve.h.
 */
#include "net/resolve.h"

#include "base/assert.h"
#include "base/err.h"
#include "thread/thread.h"

#include <netdb.h>

enum { HOST_BYTES = 256 }; /* RFC 1035 2.3.4: at most 255 */

static bool
is_taken(const struct addrinfo *found, struct address *a, uint16_t port)
{
	if (found->ai_addrlen > sizeof(a->of))
		return false;
	memset(a, 0, sizeof(*a));
	memcpy(&a->of, found->ai_addr, found->ai_addrlen);
	a->len = found->ai_addrlen;
	if (found->ai_family == AF_INET)
		a->of.v4.sin_port = htons(port);
	else if (found->ai_family == AF_INET6)
		a->of.v6.sin6_port = htons(port);
	else
		return false;
	return true;
}

int
resolve_host(struct slice host, uint16_t port, struct address *at, unsigned cap, const char **why)
{
	struct addrinfo hints = { .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	char name[HOST_BYTES];
	unsigned count = 0;
	int failed;

	ASSERT(thread_role() != THREAD_WORKER);
	*why = "no such name";
	if (host.len == 0 || host.len >= sizeof(name) || slice_find(host, '\0') < host.len)
		return ERR_NOT_FOUND;
	memcpy(name, host.at, host.len);
	name[host.len] = '\0';
	failed = getaddrinfo(name, NULL, &hints, &list);
	if (failed) {
		*why = gai_strerror(failed);
		return ERR_NOT_FOUND;
	}
	for (const struct addrinfo *a = list; a && count < cap; a = a->ai_next)
		count += is_taken(a, &at[count], port);
	freeaddrinfo(list);
	return count > 0 ? (int)count : ERR_NOT_FOUND;
}
