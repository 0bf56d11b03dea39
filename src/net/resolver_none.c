/*
 * Built without c-ares: there are no resolvers, and names are looked up by the
 * system's, when a site is built; see resolver.h.
 */
#include "net/resolver.h"

const char *
resolver_library_version(void)
{
	return NULL;
}

struct resolver *
resolver_new(const struct resolver_conf *conf, const struct conf_section *section,
	     struct conf_errors *e)
{
	(void)conf;
	(void)section;
	(void)e;
	return NULL;
}

void
resolver_free(struct resolver **resolver)
{
	*resolver = NULL;
}

unsigned
resolver_find_in_hosts(struct resolver *r, const char *name, uint16_t port, struct address *at,
		       unsigned cap)
{
	(void)r;
	(void)name;
	(void)port;
	(void)at;
	(void)cap;
	return 0;
}

int
resolver_bind(struct resolver *r, struct loop *l)
{
	(void)r;
	(void)l;
	return ERR_UNSUPPORTED;
}

void
resolver_unbind(struct resolver *r)
{
	(void)r;
}

int
resolver_ask(struct resolver *r, struct resolver_question *q)
{
	(void)r;
	(void)q;
	return ERR_UNSUPPORTED;
}

void
resolver_forget(struct resolver_question *q)
{
	(void)q;
}

void
resolver_run(struct resolver *r, struct resolver_question *const questions[], size_t n)
{
	(void)r;
	(void)questions;
	(void)n;
}
